//! The header of an encrypted frame (MS-SMB2 2.2.41).

use super::codec::{Malformed, Parse, Reader, Writer};

/// Bytes of the header.
pub const TRANSFORM_LEN: usize = 52;
/// The first bytes of an encrypted message.
pub const PROTOCOL_ID: [u8; 4] = [0xfd, b'S', b'M', b'B'];
/// The first bytes of a compressed message (MS-SMB2 2.2.42).
pub const COMPRESSION_PROTOCOL_ID: [u8; 4] = [0xfc, b'S', b'M', b'B'];
/// Where Signature lies.
pub const SIGNATURE_OFFSET: usize = 4;
/// Where the associated data begins: all from Nonce to the header's end.
pub const ASSOCIATED_DATA_OFFSET: usize = 20;
/// The only value of Flags: the message is encrypted.
pub const FLAG_ENCRYPTED: u16 = 0x0001;

/// SMB2 TRANSFORM_HEADER (MS-SMB2 2.2.41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformHeader {
    /// The tag of the encryption.
    pub signature: [u8; 16],
    /// 11 bytes count for AES-CCM, 12 for AES-GCM.
    pub nonce: [u8; 16],
    /// Bytes of the plain message.
    pub original_message_size: u32,
    /// EncryptionAlgorithm in the 3.0 dialects; both read 1.
    pub flags: u16,
    /// Whose key.
    pub session_id: u64,
}

impl TransformHeader {
    /// MS-SMB2 2.2.41.
    pub fn parse(frame: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(frame);
        if reader.array()? != PROTOCOL_ID {
            return Err(Malformed("ProtocolId of the transform header"));
        }
        let signature = reader.array()?;
        let nonce = reader.array()?;
        let original_message_size = reader.u32()?;
        reader.skip(2)?;
        Ok(Self {
            signature,
            nonce,
            original_message_size,
            flags: reader.u16()?,
            session_id: reader.u64()?,
        })
    }

    /// MS-SMB2 2.2.41.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.bytes(&PROTOCOL_ID);
        writer.bytes(&self.signature);
        writer.bytes(&self.nonce);
        writer.u32(self.original_message_size);
        writer.u16(0);
        writer.u16(self.flags);
        writer.u64(self.session_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::damage;
    use alloc::vec::Vec;

    #[test]
    fn round_trip() {
        let header = TransformHeader {
            signature: [1; 16],
            nonce: [2; 16],
            original_message_size: 300,
            flags: FLAG_ENCRYPTED,
            session_id: 0x1122_3344_5566_7788,
        };
        let mut bytes = Vec::new();
        header.encode(&mut Writer::new(&mut bytes));
        assert_eq!(bytes.len(), TRANSFORM_LEN);
        assert_eq!(bytes[SIGNATURE_OFFSET], 1);
        assert_eq!(bytes[ASSOCIATED_DATA_OFFSET], 2);
        assert_eq!(TransformHeader::parse(&bytes), Ok(header));
        damage(&bytes, TransformHeader::parse);
        assert!(TransformHeader::parse(&bytes[..51]).is_err());
    }
}
