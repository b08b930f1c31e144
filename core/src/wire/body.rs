//! What the bodies of all messages have in common: a StructureSize first, and buffers at offsets
//! that count from the element's header.

use super::codec::{Malformed, Parse, Reader, Writer};
use super::header::HEADER_LEN;
use alloc::vec::Vec;
use core::ops::Range;

/// A reader behind the header and the StructureSize of `element`, which must be `structure_size`.
pub(super) fn body(element: &[u8], structure_size: u16) -> Parse<Reader<'_>> {
    let mut reader = Reader::new(element);
    reader.skip(HEADER_LEN)?;
    if reader.u16()? != structure_size {
        return Err(Malformed("StructureSize"));
    }
    Ok(reader)
}

/// The StructureSize of `element`'s body.
pub(super) fn structure_size(element: &[u8]) -> Parse<u16> {
    let mut reader = Reader::new(element);
    reader.skip(HEADER_LEN)?;
    reader.u16()
}

/// Where a buffer of a message lies: behind the header. An empty one may claim any offset: senders
/// leave 0 or garbage there.
pub(super) fn extent(reader: &Reader<'_>, offset: usize, length: usize) -> Parse<Range<usize>> {
    if length == 0 {
        let start = offset.min(reader.position().saturating_add(reader.remaining()));
        return Ok(start..start);
    }
    if offset < HEADER_LEN {
        return Err(Malformed("a buffer in the header"));
    }
    reader.range(offset, length)
}

/// The bytes of a buffer, by the same rule as [`extent`].
pub(super) fn buffer<'a>(reader: &Reader<'a>, offset: usize, length: usize) -> Parse<&'a [u8]> {
    let range = extent(reader, offset, length)?;
    reader.at(range.start, range.len())
}

/// A buffer in a structure that has no header: its offset counts from where `reader` began.
pub(super) fn inner<'a>(reader: &Reader<'a>, offset: usize, length: usize) -> Parse<&'a [u8]> {
    if length == 0 { Ok(&[]) } else { reader.at(offset, length) }
}

/// `count` 16-bit values.
pub(super) fn u16_list(reader: &mut Reader<'_>, count: u16) -> Parse<Vec<u16>> {
    let bytes = reader.bytes(usize::from(count).saturating_mul(2))?;
    let pairs = bytes.chunks_exact(2);
    Ok(pairs.filter_map(|pair| pair.try_into().ok()).map(u16::from_le_bytes).collect())
}

/// A 32-bit length or offset as an index.
pub(super) fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A length for a 16-bit field. Nothing that the server encodes is longer.
pub(super) fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// A length for a 32-bit field. Nothing that the server encodes is longer.
pub(super) fn long(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The variable part of a request is at least one byte long where StructureSize is odd.
pub(super) fn variable(writer: &mut Writer<'_>, bytes: &[u8]) {
    if bytes.is_empty() {
        writer.u8(0);
    }
    writer.bytes(bytes);
}

/// The bodies without a field: LOGOFF, TREE_DISCONNECT, ECHO, CANCEL and the answers to LOCK,
/// FLUSH and the like (MS-SMB2 2.2.7, 2.2.8, 2.2.11, 2.2.12, 2.2.18, 2.2.27 to 2.2.30).
pub(super) mod empty {
    use super::{Parse, Writer, body};

    /// Checks the StructureSize of 4.
    pub(in super::super) fn parse(element: &[u8]) -> Parse<()> {
        body(element, 4)?.skip(2)
    }

    /// StructureSize and Reserved.
    pub(in super::super) fn encode(writer: &mut Writer<'_>) {
        writer.u16(4);
        writer.u16(0);
    }
}
