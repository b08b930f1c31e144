//! As much of DER (X.690) as SPNEGO needs: one-byte tags and definite lengths. The reader hands out
//! one level at a time and never recurses, so depth is what the caller asks for.

use crate::wire::codec::{Malformed, Parse, Reader};
use alloc::vec::Vec;

/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// GeneralString.
pub const GENERAL_STRING: u8 = 0x1b;
/// SEQUENCE or SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// The outermost tag of a GSS-API initial token (RFC 2743 3.1).
pub const APPLICATION_0: u8 = 0x60;

/// The context-specific constructed tag `[number]`, for the numbers 0 to 30.
pub const fn context(number: u8) -> u8 {
    0xa0 | number & 0x1f
}

/// One tag with its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// What is inside.
    pub content: &'a [u8],
    /// Tag, length and content as they were received.
    pub encoded: &'a [u8],
}

/// Reads the elements that lie side by side in a slice.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Reader<'a>);

impl<'a> Elements<'a> {
    /// The elements in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.remaining() == 0
    }

    /// The next element (X.690 8.1).
    pub fn element(&mut self) -> Parse<Element<'a>> {
        let start = self.0.position();
        let tag = self.0.u8()?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("DER: a tag of several bytes"));
        }
        let length = match self.0.u8()? {
            short @ 0..=0x7f => usize::from(short),
            0x80 => return Err(Malformed("DER: indefinite length")),
            long @ 0x81..=0x84 => {
                let mut length = 0u32;
                for _ in 0x80..long {
                    length = length << 8 | u32::from(self.0.u8()?);
                }
                usize::try_from(length).map_err(|_| Malformed("DER: length too large"))?
            }
            _ => return Err(Malformed("DER: length of a length too large")),
        };
        let content = self.0.bytes(length)?;
        let encoded = self.0.at(start, self.0.position().saturating_sub(start))?;
        Ok(Element { tag, content, encoded })
    }

    /// The next element, which has to have this tag; its content.
    pub fn expect(&mut self, tag: u8) -> Parse<&'a [u8]> {
        let element = self.element()?;
        if element.tag != tag {
            return Err(Malformed("DER: another tag was due"));
        }
        Ok(element.content)
    }

    /// The next element if it has this tag; anything else stays where it is.
    pub fn optional(&mut self, tag: u8) -> Parse<Option<&'a [u8]>> {
        let mut ahead = self.clone();
        if self.is_empty() || ahead.element()?.tag != tag {
            return Ok(None);
        }
        self.expect(tag).map(Some)
    }
}

/// The one element in `bytes`, which has to have this tag; its content.
pub fn single(bytes: &[u8], tag: u8) -> Parse<&[u8]> {
    Elements::new(bytes).expect(tag)
}

/// Appends one element with the shortest length; `content` appends what is inside of it.
pub fn element(bytes: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    bytes.extend_from_slice(&[tag, 0]);
    let start = bytes.len();
    content(bytes);
    let length = bytes.len().saturating_sub(start);
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    // Most are short, and their length has its place; the others' moves what is inside.
    let place = start.saturating_sub(1)..start;
    let long: &[u8] = match length {
        0..=0x7f => &[d],
        0x80..=0xff => &[0x81, d],
        0x100..=0xffff => &[0x82, c, d],
        0x1_0000..=0xff_ffff => &[0x83, b, c, d],
        _ => &[0x84, a, b, c, d],
    };
    bytes.splice(place, long.iter().copied());
}

/// Appends one element with this content.
pub fn primitive(bytes: &mut Vec<u8>, tag: u8, content: &[u8]) {
    element(bytes, tag, |bytes| bytes.extend_from_slice(content));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn lengths_round_trip() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x100_0000] {
            let content = vec![7; length];
            let mut bytes = Vec::new();
            primitive(&mut bytes, SEQUENCE, &content);
            let mut elements = Elements::new(&bytes);
            let element = elements.element().unwrap();
            assert_eq!(element.content, content);
            assert_eq!(element.encoded, bytes);
            assert!(elements.is_empty());
        }
    }

    #[test]
    fn elements_nest_behind_what_is_there() {
        let mut bytes = b"before".to_vec();
        element(&mut bytes, SEQUENCE, |bytes| {
            primitive(bytes, OCTET_STRING, &[7; 0x80]);
            element(bytes, context(0), |bytes| primitive(bytes, OID, b"x"));
        });
        let Some(bytes) = bytes.strip_prefix(b"before") else { panic!() };
        let mut inside = Elements::new(single(bytes, SEQUENCE).unwrap());
        assert_eq!(inside.expect(OCTET_STRING), Ok(&[7; 0x80][..]));
        assert_eq!(inside.expect(context(0)), Ok(&[OID, 1, b'x'][..]));
        assert!(inside.is_empty());
    }

    #[test]
    fn optional_elements_stay_when_they_are_others() {
        let mut bytes = Vec::new();
        primitive(&mut bytes, OID, b"x");
        primitive(&mut bytes, SEQUENCE, b"");
        let mut elements = Elements::new(&bytes);
        assert_eq!(elements.optional(SEQUENCE), Ok(None));
        assert_eq!(elements.optional(OID), Ok(Some(&b"x"[..])));
        assert_eq!(elements.optional(SEQUENCE), Ok(Some(&b""[..])));
        assert_eq!(elements.optional(SEQUENCE), Ok(None));
    }

    #[test]
    fn what_is_not_definite_is_refused() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x82, 0],
            &[0x30, 2, 0],
            &[0x1f, 0x81, 0],
            &[0x30, 0xff],
        ] {
            assert!(Elements::new(bytes).element().is_err(), "{bytes:?}");
        }
    }
}
