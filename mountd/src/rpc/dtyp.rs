//! Structures that lsarpc and samr share (MS-DTYP), on top of NDR's own.
//!
//! A structure's pointers come first, and what they point to behind the whole construction (C706
//! 14.3.12.3); so what holds a pointer has a head and a body here, to be read or written apart.

use ksmbd_core::wire::codec;
use ksmbd_core::wire::security::Sid;

use super::ndr::{Malformed, Reader, Writer};

/// The head of an RPC_UNICODE_STRING (MS-DTYP 2.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextHead {
    present: bool,
}

impl Reader<'_> {
    /// The head of an RPC_UNICODE_STRING. Its lengths are said again in the body, where they are
    /// checked against the input.
    pub(super) fn text_head(&mut self) -> Result<TextHead, Malformed> {
        self.align(4)?;
        let (length, maximum) = (self.u16()?, self.u16()?);
        let present = self.pointer()?;
        let empty = length == 0 || present;
        if length <= maximum && empty { Ok(TextHead { present }) } else { Err(Malformed) }
    }

    /// The body that belongs to `head`. No text is the empty one.
    pub(super) fn text_body(&mut self, head: TextHead) -> Result<String, Malformed> {
        if head.present { self.string() } else { Ok(String::new()) }
    }

    /// An RPC_UNICODE_STRING that is a parameter, head and body.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let head = self.text_head()?;
        self.text_body(head)
    }

    /// `count` elements that are RPC_UNICODE_STRINGs: all heads, then all bodies.
    pub(super) fn texts(&mut self, count: usize) -> Result<Vec<String>, Malformed> {
        let heads =
            (0..count).map(|_| self.text_head()).collect::<Result<Vec<_>, _>>()?.into_iter();
        heads.map(|head| self.text_body(head)).collect()
    }

    /// An RPC_SID (MS-DTYP 2.4.2.3): the count of its sub-authorities, and the SID.
    pub(super) fn sid(&mut self) -> Result<Sid, Malformed> {
        let count = self.conformance(4)?;
        let mut reader = codec::Reader::new(self.rest());
        let sid = Sid::parse(&mut reader).map_err(|_| Malformed)?;
        if sid.sub_authorities().len() != count {
            return Err(Malformed);
        }
        self.skip(sid.encoded_len())?;
        Ok(sid)
    }
}

impl Writer {
    /// The head of an RPC_UNICODE_STRING. An empty text is there too: clients tell it from none.
    pub(super) fn text_head(&mut self, text: &str) {
        let length = text.encode_utf16().count().saturating_mul(2);
        // No name here is that long. If one were, the client would refuse the body.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.align(4);
        self.u16(length);
        self.u16(length);
        self.pointer(true);
    }

    /// The body of an RPC_UNICODE_STRING: UTF-16 without a terminator.
    pub(super) fn text_body(&mut self, text: &str) {
        let units = text.encode_utf16().count();
        self.count(units);
        self.u32(0);
        self.count(units);
        for unit in text.encode_utf16() {
            self.bytes(&unit.to_le_bytes());
        }
    }

    /// A conformant array of RPC_UNICODE_STRINGs.
    pub(super) fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str> + Clone) {
        self.count(texts.len());
        texts.clone().for_each(|text| self.text_head(text));
        texts.for_each(|text| self.text_body(text));
    }

    /// An RPC_SID.
    pub(super) fn sid(&mut self, sid: &Sid) {
        self.count(sid.sub_authorities().len());
        let mut bytes = Vec::with_capacity(sid.encoded_len());
        sid.put(&mut codec::Writer::new(&mut bytes));
        self.bytes(&bytes);
    }

    /// OLD_LARGE_INTEGER (MS-SAMR 2.2.2.2): two halves, which lie at a multiple of four.
    pub(super) fn old_large_integer(&mut self, value: u64) {
        self.align(4);
        self.bytes(&value.to_le_bytes());
    }

    /// A pointer to an array of words, and the array: SAMPR_ULONG_ARRAY (MS-SAMR 2.2.7.4) and its
    /// like, as a parameter.
    pub(super) fn words(&mut self, words: &[u32]) {
        self.count(words.len());
        self.pointer(!words.is_empty());
        if !words.is_empty() {
            self.count(words.len());
            words.iter().for_each(|word| self.u32(*word));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn texts_come_back() {
        let texts = ["", "a", "Döner\u{1F959}"];
        let mut writer = Writer::default();
        writer.u8(9);
        writer.texts(texts.into_iter());
        writer.u32(7);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(9));
        assert_eq!(reader.conformance(8), Ok(3));
        assert_eq!(reader.texts(3), Ok(texts.map(str::to_owned).to_vec()));
        assert_eq!(reader.u32(), Ok(7));
    }

    #[test]
    fn a_text_may_be_missing_and_then_has_no_length() {
        assert_eq!(Reader::new(&[0; 8]).text(), Ok(String::new()));
        assert_eq!(Reader::new(&[0, 0, 2, 0, 0, 0, 0, 0]).text(), Ok(String::new()));
        assert_eq!(Reader::new(&[2, 0, 2, 0, 0, 0, 0, 0]).text(), Err(Malformed));
        assert_eq!(Reader::new(&[2, 0, 0, 0, 1, 0, 0, 0]).text(), Err(Malformed));
        assert_eq!(Reader::new(&[0; 7]).text(), Err(Malformed));
    }

    #[test]
    fn sids_come_back() {
        for sid in ["S-1-5", "S-1-1-0", "S-1-5-21-1-2-3-1000"] {
            let sid: Sid = sid.parse().unwrap();
            let mut writer = Writer::default();
            writer.sid(&sid);
            writer.u32(7);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.sid(), reader.u32()), (Ok(sid), Ok(7)));
            for length in 0..bytes.len() - 4 {
                assert_eq!(Reader::new(&bytes[..length]).sid(), Err(Malformed));
            }
            let mut wrong = bytes.clone();
            wrong[0] ^= 1;
            assert_eq!(Reader::new(&wrong).sid(), Err(Malformed), "the counts differ");
            let mut wrong = bytes;
            wrong[4] = 2;
            assert_eq!(Reader::new(&wrong).sid(), Err(Malformed), "the revision");
        }
    }
}
