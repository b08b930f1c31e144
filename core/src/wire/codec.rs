//! The two cursors everything on the wire goes through: a [`Reader`] that cannot panic and a
//! [`Writer`] that patches lengths and offsets itself.

use alloc::vec::Vec;
use byteorder::{ByteOrder, LittleEndian};
use core::ops::Range;

/// The peer's bytes do not form the value they claim to be; says which rule they broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "malformed: {}", self.0)
    }
}

/// What reading from the wire yields.
pub type Parse<T> = Result<T, Malformed>;

/// Reads little-endian values off a byte slice, front to back. Offsets given to [`Reader::at`] count
/// from the start of the slice, so a reader over one element of a compound never sees the next.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Parse<&'a [u8]> {
        let end = self.position.checked_add(length).ok_or(Malformed("length overflows"))?;
        let taken = self.bytes.get(self.position..end).ok_or(Malformed("shorter than it says"))?;
        self.position = end;
        Ok(taken)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        self.position = self.bytes.len();
        rest
    }

    /// Passes over `length` bytes.
    pub fn skip(&mut self, length: usize) -> Parse<()> {
        self.bytes(length).map(|_| ())
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Parse<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next 2 bytes.
    pub fn u16(&mut self) -> Parse<u16> {
        self.bytes(2).map(LittleEndian::read_u16)
    }

    /// The next 4 bytes.
    pub fn u32(&mut self) -> Parse<u32> {
        self.bytes(4).map(LittleEndian::read_u32)
    }

    /// The next 8 bytes.
    pub fn u64(&mut self) -> Parse<u64> {
        self.bytes(8).map(LittleEndian::read_u64)
    }

    /// Where `length` bytes at `offset` from the start of the slice lie; both must be inside.
    pub fn range(&self, offset: usize, length: usize) -> Parse<Range<usize>> {
        let end = offset.checked_add(length).ok_or(Malformed("offset overflows"))?;
        if end > self.bytes.len() {
            return Err(Malformed("offset or length outside the message"));
        }
        Ok(offset..end)
    }

    /// `length` bytes at `offset` from the start of the slice.
    pub fn at(&self, offset: usize, length: usize) -> Parse<&'a [u8]> {
        let range = self.range(offset, length)?;
        self.bytes.get(range).ok_or(Malformed("offset or length outside the message"))
    }
}

/// Appends little-endian values to a vector. Offsets count from where the writer began.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        Self { bytes, start }
    }

    /// How many bytes this writer has written.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// Nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many bytes more, once instead of with each value.
    pub fn reserve(&mut self, count: usize) {
        self.bytes.reserve(count);
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends 2 bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends 4 bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends 8 bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        let length = self.bytes.len().saturating_add(count);
        self.bytes.resize(length, 0);
    }

    /// Pads with zeros until [`Writer::len`] is a multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) {
        let length = self.len();
        self.zeros(length.next_multiple_of(alignment).saturating_sub(length));
    }

    /// Overwrites 2 bytes at `offset` from where this writer began. Nothing happens outside.
    pub fn patch_u16(&mut self, offset: usize, value: u16) {
        self.patch(offset, &value.to_le_bytes());
    }

    /// Overwrites 4 bytes at `offset` from where this writer began. Nothing happens outside.
    pub fn patch_u32(&mut self, offset: usize, value: u32) {
        self.patch(offset, &value.to_le_bytes());
    }

    fn patch(&mut self, offset: usize, value: &[u8]) {
        let at = self.start.saturating_add(offset);
        if let Some(target) = self.bytes.get_mut(at..at.saturating_add(value.len())) {
            target.copy_from_slice(value);
        }
    }
}

/// A newtype over an integer with named values, so that unknown values survive (one table an enum).
#[macro_export]
macro_rules! wire_enum {
    ($(#[$meta:meta])* $vis:vis $name:ident($int:ty) { $($(#[$vmeta:meta])* $value:ident = $number:expr,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub $int);

        impl $name {
            $($(#[$vmeta])* pub const $value: Self = Self($number);)*
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {
                    $(Self::$value => f.write_str(stringify!($value)),)*
                    Self(other) => write!(f, concat!(stringify!($name), "({:#x})"), other),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_reader_never_leaves_its_slice() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert!(reader.u16().is_err());
        assert_eq!(reader.u8(), Ok(3));
        assert!(reader.at(usize::MAX, 1).is_err());
        assert!(reader.at(2, 2).is_err());
        assert_eq!(reader.at(3, 0), Ok(&[][..]));
    }

    #[test]
    fn a_writer_patches_from_its_own_start() {
        let mut bytes = vec![9; 3];
        let mut writer = Writer::new(&mut bytes);
        writer.u16(0);
        writer.u8(7);
        writer.align(8);
        writer.patch_u16(0, 0x0102);
        writer.patch_u32(100, 1);
        assert_eq!(bytes, [9, 9, 9, 2, 1, 7, 0, 0, 0, 0, 0]);
    }
}
