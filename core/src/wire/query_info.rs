//! QUERY_INFO (MS-SMB2 2.2.37, 2.2.38).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, long, size, variable};
use super::codec::{Parse, Writer};
use super::header::FileId;
use super::output::Output;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// InfoType (MS-SMB2 2.2.37, 2.2.39).
    pub InfoType(u8) {
        FILE = 0x01,
        FILESYSTEM = 0x02,
        SECURITY = 0x03,
        QUOTA = 0x04,
    }
}

bitflags! {
    /// AdditionalInformation of InfoType SECURITY (MS-SMB2 2.2.37, 2.2.39).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SecurityInformation: u32 {
        const OWNER = 0x0000_0001;
        const GROUP = 0x0000_0002;
        const DACL = 0x0000_0004;
        const SACL = 0x0000_0008;
        const LABEL = 0x0000_0010;
        const ATTRIBUTE = 0x0000_0020;
        const SCOPE = 0x0000_0040;
        const BACKUP = 0x0001_0000;
        const _ = !0;
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.37), for FileFullEaInformation.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct QueryInfoFlags: u32 {
        const RESTART_SCAN = 0x0000_0001;
        const RETURN_SINGLE_ENTRY = 0x0000_0002;
        const INDEX_SPECIFIED = 0x0000_0004;
        const _ = !0;
    }
}

/// SMB2 QUERY_INFO request (MS-SMB2 2.2.37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryInfoRequest {
    pub info_type: InfoType,
    /// MS-FSCC 2.4 or 2.5, by `info_type`.
    pub info_class: u8,
    pub output_buffer_length: u32,
    pub additional_information: u32,
    pub flags: QueryInfoFlags,
    pub file_id: FileId,
    /// Names of EAs, or the quota query.
    pub input: Vec<u8>,
}

impl QueryInfoRequest {
    const BUFFER: u16 = 104;

    /// MS-SMB2 2.2.37.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 41)?;
        let info_type = InfoType(reader.u8()?);
        let info_class = reader.u8()?;
        let output_buffer_length = reader.u32()?;
        let offset = usize::from(reader.u16()?);
        reader.skip(2)?;
        let length = size(reader.u32()?);
        Ok(Self {
            info_type,
            info_class,
            output_buffer_length,
            additional_information: reader.u32()?,
            flags: QueryInfoFlags::from_bits_retain(reader.u32()?),
            file_id: FileId::parse(&mut reader)?,
            input: buffer(&reader, offset, length)?.to_vec(),
        })
    }

    /// MS-SMB2 2.2.37.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let offset = if self.input.is_empty() { 0 } else { Self::BUFFER };
        writer.u16(41);
        writer.u8(self.info_type.0);
        writer.u8(self.info_class);
        writer.u32(self.output_buffer_length);
        writer.u16(offset);
        writer.u16(0);
        writer.u32(long(self.input.len()));
        writer.u32(self.additional_information);
        writer.u32(self.flags.bits());
        self.file_id.encode(writer);
        variable(writer, &self.input);
    }
}

/// SMB2 QUERY_INFO response (MS-SMB2 2.2.38).
pub type QueryInfoResponse = Output;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        for (input, length) in [(vec![], 105), (vec![8; 12], 116)] {
            let request = QueryInfoRequest {
                info_type: InfoType::SECURITY,
                info_class: 0,
                output_buffer_length: 1024,
                additional_information: SecurityInformation::DACL.bits(),
                flags: QueryInfoFlags::RESTART_SCAN,
                file_id: FileId::ANY,
                input,
            };
            let encode = QueryInfoRequest::encode;
            let bytes = round_trip(&request, encode, QueryInfoRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }
}
