//! A file's data: only pages that were written take memory.

use std::collections::BTreeMap;

/// Bytes of a page, and of an allocation unit.
pub(super) const PAGE: u64 = 4096;

/// Sparse data.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
    /// Bytes that were asked for beforehand.
    pub(super) reserved: u64,
}

impl Pages {
    /// No data, but room for some.
    pub(super) fn reserving(reserved: u64) -> Self {
        Self { reserved, ..Self::default() }
    }

    /// The end of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that the disk holds for it.
    pub(super) fn on_disk(&self) -> u64 {
        (self.pages.len() as u64 * PAGE).max(self.reserved)
    }

    /// Bytes of the disk that a write here takes more.
    pub(super) fn growth(&self, offset: u64, length: usize) -> u64 {
        let end = offset.saturating_add(length as u64);
        let wanted = offset / PAGE..end.div_ceil(PAGE);
        let there = self.pages.range(wanted.clone()).count() as u64;
        let more = (wanted.end.saturating_sub(wanted.start) - there) * PAGE;
        more.saturating_sub(self.reserved.saturating_sub(self.pages.len() as u64 * PAGE))
    }

    /// Appends up to `length` bytes to `out`.
    pub fn read(&self, offset: u64, length: usize, out: &mut Vec<u8>) {
        let end = offset.saturating_add(length as u64).min(self.size);
        let mut at = offset;
        while at < end {
            let within = at % PAGE;
            let count = (PAGE - within).min(end - at);
            match self.pages.get(&(at / PAGE)) {
                Some(page) => out.extend_from_slice(&page[within as usize..][..count as usize]),
                None => out.resize(out.len() + count as usize, 0),
            }
            at += count;
        }
    }

    /// All of it.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.read(0, usize::try_from(self.size).unwrap_or(usize::MAX), &mut out);
        out
    }

    pub(super) fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        let mut at = offset;
        while !bytes.is_empty() {
            let within = (at % PAGE) as usize;
            let count = (PAGE as usize - within).min(bytes.len());
            let (now, rest) = bytes.split_at(count);
            let page = self.pages.entry(at / PAGE).or_insert_with(|| vec![0; PAGE as usize].into());
            page[within..within + count].copy_from_slice(now);
            (at, bytes) = (at + count as u64, rest);
        }
        self.size = self.size.max(at);
    }

    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.pages.split_off(&size.div_ceil(PAGE));
            if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
                page[(size % PAGE) as usize..].fill(0);
            }
            self.reserved = self.reserved.min(size.next_multiple_of(PAGE));
        }
        self.size = size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeros_and_cuts_forget() {
        let mut pages = Pages::default();
        pages.write(PAGE - 1, b"abc");
        pages.write(10 * PAGE, b"z");
        let mut out = Vec::new();
        pages.read(PAGE - 2, 5, &mut out);
        assert_eq!(out, b"\0abc\0");
        assert_eq!(pages.on_disk(), 3 * PAGE);
        pages.resize(PAGE);
        pages.resize(PAGE + 2);
        let mut out = Vec::new();
        pages.read(PAGE - 1, 99, &mut out);
        assert_eq!(out, b"a\0\0", "what was cut off does not come back");
    }
}
