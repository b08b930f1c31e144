//! Lists whose entries begin with NextEntryOffset, 0 in the last.

use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use alloc::vec::Vec;

/// Packs entries into at most `max` bytes.
#[derive(Debug)]
pub(super) struct Chain {
    bytes: Vec<u8>,
    last: Option<usize>,
    alignment: usize,
    max: usize,
}

impl Chain {
    /// An empty list of aligned entries.
    pub(super) fn new(alignment: usize, max: usize) -> Self {
        Self { bytes: Vec::new(), last: None, alignment, max }
    }

    /// Nothing was packed.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Bytes that are packed.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The packed bytes; there is no padding after the last entry.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends an entry; `body` writes what follows NextEntryOffset. If it does not fit, nothing
    /// changes and the answer is false.
    pub(super) fn push(&mut self, body: impl FnOnce(&mut Writer<'_>)) -> bool {
        let before = self.bytes.len();
        let start = before.next_multiple_of(self.alignment);
        self.bytes.resize(start, 0);
        let mut writer = Writer::new(&mut self.bytes);
        writer.u32(0);
        body(&mut writer);
        if self.bytes.len() > self.max {
            self.bytes.truncate(before);
            return false;
        }
        if let Some(last) = self.last {
            let next = u32::try_from(start.saturating_sub(last)).unwrap_or(0);
            if let Some(field) = self.bytes.get_mut(last..last.saturating_add(4)) {
                field.copy_from_slice(&next.to_le_bytes());
            }
        }
        self.last = Some(start);
        true
    }
}

/// The entries of such a list, each with its NextEntryOffset; ends after the first error. Every step
/// takes at least 4 bytes, so there are never more than a quarter as many entries as bytes.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Entries<'a> {
    /// The entries in `bytes`; none if there are no bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: (!bytes.is_empty()).then_some(bytes) }
    }

    fn split(bytes: &'a [u8]) -> Parse<(&'a [u8], Option<&'a [u8]>)> {
        let next = Reader::new(bytes).u32()?;
        if next == 0 {
            return Ok((bytes, None));
        }
        let next = usize::try_from(next).map_err(|_| Malformed("next entry too far"))?;
        if next < 4 {
            return Err(Malformed("next entry inside this one"));
        }
        let mut reader = Reader::new(bytes);
        let entry = reader.bytes(next)?;
        Ok((entry, Some(reader.rest())))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Parse<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.rest.take()?;
        Some(Self::split(bytes).map(|(entry, rest)| {
            self.rest = rest;
            entry
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut chain = Chain::new(8, 24);
        assert!(chain.is_empty());
        assert!(chain.push(|w| w.u8(1)));
        assert!(!chain.push(|w| w.zeros(13)));
        assert!(chain.push(|w| w.zeros(12)));
        assert!(!chain.push(|_| ()));
        let bytes = chain.into_bytes();
        assert_eq!(bytes.len(), 24);
        assert_eq!(bytes[..9], [8, 0, 0, 0, 1, 0, 0, 0, 0]);
        let entries: Vec<_> = Entries::new(&bytes).map(|e| e.unwrap().len()).collect();
        assert_eq!(entries, [8, 16]);
    }

    #[test]
    fn entries_cannot_go_backwards_or_outside() {
        for next in [1_u8, 2, 3, 9] {
            let bytes = [next, 0, 0, 0, 0, 0, 0, 0];
            let mut entries = Entries::new(&bytes).map(|e| e.is_err());
            assert_eq!(entries.next(), Some(true));
            assert_eq!(entries.next(), None);
        }
        assert_eq!(Entries::new(&[]).count(), 0);
        let mut to_the_end = Entries::new(&[4, 0, 0, 0]);
        assert!(to_the_end.next().is_some_and(|e| e.is_ok()));
        assert!(to_the_end.next().is_some_and(|e| e.is_err()));
    }
}
