//! As much of SMB1 as an SMB2 server meets: the NEGOTIATE that asks for both (MS-SMB2 3.3.5.3).

use super::codec::{Malformed, Parse, Reader, Writer};

/// The first bytes of an SMB1 message.
pub const PROTOCOL_ID: [u8; 4] = [0xff, b'S', b'M', b'B'];
/// SMB_COM_NEGOTIATE.
const NEGOTIATE: u8 = 0x72;
/// BufferFormat of a dialect string.
const DIALECT: u8 = 0x02;

/// SMB_COM_NEGOTIATE request (MS-CIFS 2.2.4.52.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smb1Negotiate<'a> {
    /// Each is a 2, the text, a 0.
    dialect_bytes: &'a [u8],
}

impl<'a> Smb1Negotiate<'a> {
    /// MS-CIFS 2.2.4.52.1: another command, words, or a string without its end is malformed.
    pub fn parse(frame: &'a [u8]) -> Parse<Self> {
        let mut reader = Reader::new(frame);
        if reader.array()? != PROTOCOL_ID {
            return Err(Malformed("ProtocolId"));
        }
        if reader.u8()? != NEGOTIATE {
            return Err(Malformed("an SMB1 command other than NEGOTIATE"));
        }
        reader.skip(27)?;
        if reader.u8()? != 0 {
            return Err(Malformed("WordCount of an SMB1 NEGOTIATE"));
        }
        let byte_count = reader.u16()?;
        let dialect_bytes = reader.bytes(usize::from(byte_count))?;
        let strings = dialect_bytes.split_last();
        let complete = strings.is_none_or(|(last, strings)| {
            *last == 0 && strings.split(|byte| *byte == 0).all(is_dialect)
        });
        if !complete {
            return Err(Malformed("dialect strings of an SMB1 NEGOTIATE"));
        }
        Ok(Self { dialect_bytes })
    }

    /// The dialect strings in the client's order.
    pub fn dialects(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.dialect_bytes
            .split(|byte| *byte == 0)
            .filter_map(|string| string.split_first())
            .map(|(_, text)| text)
    }

    /// Is this dialect string (like `SMB 2.002` or `SMB 2.???`) among them?
    pub fn offers(&self, dialect: &str) -> bool {
        self.dialects().any(|text| text == dialect.as_bytes())
    }
}

fn is_dialect(string: &[u8]) -> bool {
    string.first() == Some(&DIALECT)
}

/// An SMB_COM_NEGOTIATE request for `dialects` (MS-CIFS 2.2.4.52.1), without a transport prefix.
pub fn encode_negotiate(dialects: &[&str], writer: &mut Writer<'_>) {
    writer.bytes(&PROTOCOL_ID);
    writer.u8(NEGOTIATE);
    writer.u32(0);
    writer.u8(0x18);
    writer.u16(0xc853);
    writer.zeros(20);
    writer.u8(0);
    let count_at = writer.len();
    writer.u16(0);
    for dialect in dialects {
        writer.u8(DIALECT);
        writer.bytes(dialect.as_bytes());
        writer.u8(0);
    }
    let count = writer.len().saturating_sub(count_at).saturating_sub(2);
    writer.patch_u16(count_at, u16::try_from(count).unwrap_or(u16::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::damage;
    use alloc::vec::Vec;

    #[test]
    fn the_offer_of_both_protocols() {
        let mut bytes = Vec::new();
        let offer = ["NT LM 0.12", "SMB 2.002", "SMB 2.???"];
        encode_negotiate(&offer, &mut Writer::new(&mut bytes));
        let request = Smb1Negotiate::parse(&bytes).unwrap();
        assert!(request.dialects().eq(offer.map(str::as_bytes)));
        assert!(request.offers("SMB 2.???"));
        assert!(!request.offers("SMB 2"));
        damage(&bytes, |bytes| Smb1Negotiate::parse(bytes).map(|_| ()));
        let last = bytes.len() - 1;
        bytes[last] = b'?';
        assert!(Smb1Negotiate::parse(&bytes).is_err());
    }

    #[test]
    fn no_dialects() {
        let mut bytes = Vec::new();
        encode_negotiate(&[], &mut Writer::new(&mut bytes));
        assert_eq!(Smb1Negotiate::parse(&bytes).unwrap().dialects().count(), 0);
    }
}
