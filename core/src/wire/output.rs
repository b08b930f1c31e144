//! The response that QUERY_DIRECTORY, CHANGE_NOTIFY and QUERY_INFO share: one buffer.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, long, size};
use super::codec::{Parse, Writer};
use alloc::vec::Vec;

/// MS-SMB2 2.2.34, 2.2.36, 2.2.38: OutputBufferOffset, OutputBufferLength and the buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub buffer: Vec<u8>,
}

impl Output {
    const BUFFER: u16 = 72;

    /// MS-SMB2 2.2.34, 2.2.36, 2.2.38.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 9)?;
        let offset = usize::from(reader.u16()?);
        let length = size(reader.u32()?);
        Ok(Self { buffer: buffer(&reader, offset, length)?.to_vec() })
    }

    /// MS-SMB2 2.2.34, 2.2.36, 2.2.38.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(9);
        writer.u16(if self.buffer.is_empty() { 0 } else { Self::BUFFER });
        writer.u32(long(self.buffer.len()));
        writer.bytes(&self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn round_trips() {
        for length in [0, 1, 20] {
            let output = Output { buffer: vec![3; length] };
            let bytes = round_trip(&output, Output::encode, Output::parse);
            assert_eq!(bytes.len(), 72 + length);
        }
    }
}
