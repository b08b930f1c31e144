//! CLOSE (MS-SMB2 2.2.15, 2.2.16).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::body;
use super::codec::{Parse, Writer};
use super::header::FileId;
use crate::time::FileTime;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.15, 2.2.16).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CloseFlags: u16 {
        const POSTQUERY_ATTRIB = 0x0001;
        const _ = !0;
    }
}

/// SMB2 CLOSE request (MS-SMB2 2.2.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRequest {
    pub flags: CloseFlags,
    pub file_id: FileId,
}

impl CloseRequest {
    const FIXED: u16 = 24;

    /// MS-SMB2 2.2.15.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let flags = CloseFlags::from_bits_retain(reader.u16()?);
        reader.skip(4)?;
        Ok(Self { flags, file_id: FileId::parse(&mut reader)? })
    }

    /// MS-SMB2 2.2.15.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(self.flags.bits());
        writer.u32(0);
        self.file_id.encode(writer);
    }
}

/// SMB2 CLOSE response (MS-SMB2 2.2.16); all zero unless POSTQUERY_ATTRIB was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseResponse {
    pub flags: CloseFlags,
    pub creation_time: FileTime,
    pub last_access_time: FileTime,
    pub last_write_time: FileTime,
    pub change_time: FileTime,
    pub allocation_size: u64,
    pub end_of_file: u64,
    /// MS-FSCC 2.6.
    pub file_attributes: u32,
}

impl CloseResponse {
    const FIXED: u16 = 60;

    /// MS-SMB2 2.2.16.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let flags = CloseFlags::from_bits_retain(reader.u16()?);
        reader.skip(4)?;
        Ok(Self {
            flags,
            creation_time: FileTime(reader.u64()?),
            last_access_time: FileTime(reader.u64()?),
            last_write_time: FileTime(reader.u64()?),
            change_time: FileTime(reader.u64()?),
            allocation_size: reader.u64()?,
            end_of_file: reader.u64()?,
            file_attributes: reader.u32()?,
        })
    }

    /// MS-SMB2 2.2.16.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(self.flags.bits());
        writer.u32(0);
        writer.u64(self.creation_time.0);
        writer.u64(self.last_access_time.0);
        writer.u64(self.last_write_time.0);
        writer.u64(self.change_time.0);
        writer.u64(self.allocation_size);
        writer.u64(self.end_of_file);
        writer.u32(self.file_attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    #[test]
    fn request() {
        let request = CloseRequest { flags: CloseFlags::POSTQUERY_ATTRIB, file_id: FileId::ANY };
        let bytes = round_trip(&request, CloseRequest::encode, CloseRequest::parse);
        assert_eq!(bytes.len(), 64 + 24);
    }

    #[test]
    fn response() {
        let response = CloseResponse {
            flags: CloseFlags::POSTQUERY_ATTRIB,
            creation_time: FileTime(1),
            last_access_time: FileTime(2),
            last_write_time: FileTime(3),
            change_time: FileTime(4),
            allocation_size: 5,
            end_of_file: 6,
            file_attributes: 7,
        };
        let bytes = round_trip(&response, CloseResponse::encode, CloseResponse::parse);
        assert_eq!(bytes.len(), 64 + 60);
    }
}
