//! QUERY_DIRECTORY (MS-SMB2 2.2.33, 2.2.34).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, short, variable};
use super::codec::{Parse, Writer};
use super::header::FileId;
use super::output::Output;
use super::utf16::Utf16;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.33).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct QueryDirectoryFlags: u8 {
        const RESTART_SCANS = 0x01;
        const RETURN_SINGLE_ENTRY = 0x02;
        const INDEX_SPECIFIED = 0x04;
        const REOPEN = 0x10;
        const _ = !0;
    }
}

/// SMB2 QUERY_DIRECTORY request (MS-SMB2 2.2.33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryDirectoryRequest {
    /// A class of MS-FSCC 2.4 for directories.
    pub file_information_class: u8,
    pub flags: QueryDirectoryFlags,
    pub file_index: u32,
    pub file_id: FileId,
    /// The search pattern.
    pub file_name: Utf16,
    pub output_buffer_length: u32,
}

impl QueryDirectoryRequest {
    const BUFFER: u16 = 96;

    /// MS-SMB2 2.2.33.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 33)?;
        let file_information_class = reader.u8()?;
        let flags = QueryDirectoryFlags::from_bits_retain(reader.u8()?);
        let file_index = reader.u32()?;
        let file_id = FileId::parse(&mut reader)?;
        let offset = usize::from(reader.u16()?);
        let length = usize::from(reader.u16()?);
        Ok(Self {
            file_information_class,
            flags,
            file_index,
            file_id,
            output_buffer_length: reader.u32()?,
            file_name: Utf16::parse(buffer(&reader, offset, length)?)?,
        })
    }

    /// MS-SMB2 2.2.33.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(33);
        writer.u8(self.file_information_class);
        writer.u8(self.flags.bits());
        writer.u32(self.file_index);
        self.file_id.encode(writer);
        writer.u16(Self::BUFFER);
        writer.u16(short(self.file_name.byte_len()));
        writer.u32(self.output_buffer_length);
        variable(writer, &self.file_name.to_bytes());
    }
}

/// SMB2 QUERY_DIRECTORY response (MS-SMB2 2.2.34).
pub type QueryDirectoryResponse = Output;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    #[test]
    fn requests() {
        for pattern in ["*", ""] {
            let request = QueryDirectoryRequest {
                file_information_class: 37,
                flags: QueryDirectoryFlags::REOPEN,
                file_index: 4,
                file_id: FileId::ANY,
                file_name: pattern.into(),
                output_buffer_length: 65536,
            };
            let encode = QueryDirectoryRequest::encode;
            round_trip(&request, encode, QueryDirectoryRequest::parse);
        }
    }
}
