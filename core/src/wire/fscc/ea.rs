//! Extended attributes (MS-FSCC 2.4.16).

use super::chain::{Chain, Entries};
use super::field::len32;
use crate::wire::codec::{Malformed, Parse, Reader};
use alloc::vec::Vec;

/// One extended attribute (FILE_FULL_EA_INFORMATION, MS-FSCC 2.4.16).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullEaInformation {
    /// 0x80: whoever does not understand the attribute does not understand the file.
    pub flags: u8,
    /// 8-bit characters, without the terminator.
    pub ea_name: Vec<u8>,
    /// Empty in a set request: the attribute is removed.
    pub ea_value: Vec<u8>,
}

impl FullEaInformation {
    /// FILE_NEED_EA.
    pub const NEED_EA: u8 = 0x80;

    /// What the attribute adds to EaSize (MS-FSCC 2.4.13): the entry without NextEntryOffset.
    pub fn size(&self) -> u32 {
        len32(self.ea_name.len().saturating_add(self.ea_value.len())).saturating_add(5)
    }

    fn parse(entry: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(entry);
        reader.skip(4)?;
        let flags = reader.u8()?;
        let name_length = reader.u8()?;
        let value_length = reader.u16()?;
        let ea_name = reader.bytes(name_length.into())?.to_vec();
        if reader.u8()? != 0 {
            return Err(Malformed("name of an extended attribute without its zero"));
        }
        Ok(Self { flags, ea_name, ea_value: reader.bytes(value_length.into())?.to_vec() })
    }

    fn push(&self, chain: &mut Chain) -> bool {
        let name_length = u8::try_from(self.ea_name.len()).unwrap_or(u8::MAX);
        let value_length = u16::try_from(self.ea_value.len()).unwrap_or(u16::MAX);
        let name = self.ea_name.get(..name_length.into()).unwrap_or_default();
        let value = self.ea_value.get(..value_length.into()).unwrap_or_default();
        chain.push(|writer| {
            writer.u8(self.flags);
            writer.u8(name_length);
            writer.u16(value_length);
            writer.bytes(name);
            writer.u8(0);
            writer.bytes(value);
        })
    }
}

/// The attributes in `bytes`; no bytes are no attributes.
pub fn parse_full_ea(bytes: &[u8]) -> Parse<Vec<FullEaInformation>> {
    parse_list(bytes, FullEaInformation::parse)
}

/// More entries than this are refused, so that a large request of tiny entries cannot become a much
/// larger value.
const MAX_ENTRIES: usize = 4096;

fn parse_list<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Parse<T>) -> Parse<Vec<T>> {
    Entries::new(bytes)
        .enumerate()
        .map(|(index, entry)| {
            if index >= MAX_ENTRIES {
                return Err(Malformed("too many extended attributes"));
            }
            parse(entry?)
        })
        .collect()
}

/// As many attributes as `max` bytes hold and how many these are. The caller keeps names within 255
/// and values within 65,535 bytes: longer ones are cut.
pub fn pack_full_ea(attributes: &[FullEaInformation], max: usize) -> (Vec<u8>, usize) {
    let mut chain = Chain::new(4, max);
    let count = attributes.iter().take_while(|ea| ea.push(&mut chain)).count();
    (chain.into_bytes(), count)
}

/// The names that a query asks for (FILE_GET_EA_INFORMATION, MS-FSCC 2.4.16.1).
pub fn parse_get_ea(bytes: &[u8]) -> Parse<Vec<Vec<u8>>> {
    let name = |entry: &[u8]| {
        let mut reader = Reader::new(entry);
        reader.skip(4)?;
        let length = reader.u8()?;
        let name = reader.bytes(length.into())?.to_vec();
        if reader.u8()? != 0 {
            return Err(Malformed("name of an extended attribute without its zero"));
        }
        Ok(name)
    };
    parse_list(bytes, name)
}

/// Appends the names that a client asks for.
pub fn encode_get_ea(names: &[Vec<u8>], out: &mut Vec<u8>) {
    let mut chain = Chain::new(4, usize::MAX);
    for name in names {
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        chain.push(|writer| {
            writer.u8(length);
            writer.bytes(name.get(..length.into()).unwrap_or_default());
            writer.u8(0);
        });
    }
    out.extend_from_slice(&chain.into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn two() -> Vec<FullEaInformation> {
        vec![
            FullEaInformation {
                flags: 0,
                ea_name: b"EAONE".to_vec(),
                ea_value: b"VALUE1".to_vec(),
            },
            FullEaInformation {
                flags: FullEaInformation::NEED_EA,
                ea_name: b"SECONDEA".to_vec(),
                ea_value: b"ValueTwo".to_vec(),
            },
        ]
    }

    #[test]
    fn attributes_round_trip_and_never_panic() {
        let (bytes, count) = pack_full_ea(&two(), usize::MAX);
        assert_eq!((bytes.len(), count), (20 + 25, 2));
        assert_eq!(parse_full_ea(&bytes), Ok(two()));
        assert_eq!(two()[0].size(), 16);
        for length in 0..bytes.len() {
            assert_eq!(parse_full_ea(&bytes[..length]).is_ok(), length == 0);
        }
        for max in 20..45 {
            let (bytes, count) = pack_full_ea(&two(), max);
            assert_eq!((bytes.len(), count), (20, 1));
            assert_eq!(parse_full_ea(&bytes), Ok(two()[..1].to_vec()));
        }
        assert_eq!(pack_full_ea(&two(), 19), (vec![], 0));
    }

    #[test]
    fn a_list_has_an_end() {
        let mut names = vec![vec![b'A']; MAX_ENTRIES];
        let mut bytes = Vec::new();
        encode_get_ea(&names, &mut bytes);
        assert_eq!(parse_get_ea(&bytes).as_ref(), Ok(&names));
        names.push(vec![]);
        bytes.clear();
        encode_get_ea(&names, &mut bytes);
        assert!(parse_get_ea(&bytes).is_err());
    }

    #[test]
    fn names_round_trip() {
        let names = vec![b"EAONE".to_vec(), b"TWO".to_vec()];
        let mut bytes = Vec::new();
        encode_get_ea(&names, &mut bytes);
        assert_eq!(parse_get_ea(&bytes), Ok(names));
        for length in 1..bytes.len() {
            assert!(parse_get_ea(&bytes[..length]).is_err());
        }
    }
}
