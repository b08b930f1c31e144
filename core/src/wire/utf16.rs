//! Names as the wire has them: UTF-16LE units, which need not be valid Unicode.

use super::codec::{Malformed, Parse, Writer};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// UTF-16 units as they were sent, unpaired surrogates and all.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf16(pub Vec<u16>);

impl Utf16 {
    /// From little-endian bytes; an odd number of them is malformed.
    pub fn parse(bytes: &[u8]) -> Parse<Self> {
        let (units, []) = bytes.as_chunks() else {
            return Err(Malformed("odd length of a UTF-16 string"));
        };
        Ok(Self(units.iter().copied().map(u16::from_le_bytes).collect()))
    }

    /// Appends the little-endian bytes.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.reserve(self.0.len().saturating_mul(2));
        for unit in &self.0 {
            writer.u16(*unit);
        }
    }

    /// The little-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.byte_len());
        self.encode(&mut Writer::new(&mut bytes));
        bytes
    }

    /// How many bytes the string has on the wire.
    pub fn byte_len(&self) -> usize {
        self.0.len().saturating_mul(2)
    }

    /// There is no unit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The Unicode string; none when a surrogate has no partner.
    pub fn to_string(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }

    /// The Unicode string; surrogates without a partner become U+FFFD.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }
}

impl From<&str> for Utf16 {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl PartialEq<&str> for Utf16 {
    fn eq(&self, text: &&str) -> bool {
        text.encode_utf16().eq(self.0.iter().copied())
    }
}

impl fmt::Debug for Utf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for unit in char::decode_utf16(self.0.iter().copied()) {
            match unit {
                Ok(character) => write!(f, "{}", character.escape_debug())?,
                Err(unpaired) => write!(f, "\\u{{{:x}}}", unpaired.unpaired_surrogate())?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    #[test]
    fn text_survives() {
        let name = Utf16::from("a\\ß🦀");
        assert_eq!(Utf16::parse(&name.to_bytes()), Ok(name.clone()));
        assert_eq!(name.to_string().as_deref(), Some("a\\ß🦀"));
        assert_eq!(name.byte_len(), 10);
        assert_eq!(format!("{name:?}"), r#""a\\ß🦀""#);
    }

    #[test]
    fn half_a_unit_and_half_a_pair() {
        assert!(Utf16::parse(&[1]).is_err());
        let lone = Utf16(vec![0x61, 0xd800]);
        assert_eq!(lone.to_string(), None);
        assert_eq!(format!("{lone:?}"), r#""a\u{d800}""#);
        assert_eq!(Utf16::parse(&lone.to_bytes()), Ok(lone));
    }
}
