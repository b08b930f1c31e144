//! CHANGE_NOTIFY (MS-SMB2 2.2.35, 2.2.36).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::body;
use super::codec::{Parse, Writer};
use super::header::FileId;
use super::output::Output;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.35).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ChangeNotifyFlags: u16 {
        const WATCH_TREE = 0x0001;
        const _ = !0;
    }
}

bitflags! {
    /// CompletionFilter (MS-SMB2 2.2.35).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CompletionFilter: u32 {
        const FILE_NAME = 0x0000_0001;
        const DIR_NAME = 0x0000_0002;
        const ATTRIBUTES = 0x0000_0004;
        const SIZE = 0x0000_0008;
        const LAST_WRITE = 0x0000_0010;
        const LAST_ACCESS = 0x0000_0020;
        const CREATION = 0x0000_0040;
        const EA = 0x0000_0080;
        const SECURITY = 0x0000_0100;
        const STREAM_NAME = 0x0000_0200;
        const STREAM_SIZE = 0x0000_0400;
        const STREAM_WRITE = 0x0000_0800;
        const _ = !0;
    }
}

/// SMB2 CHANGE_NOTIFY request (MS-SMB2 2.2.35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeNotifyRequest {
    pub flags: ChangeNotifyFlags,
    pub output_buffer_length: u32,
    pub file_id: FileId,
    pub completion_filter: CompletionFilter,
}

impl ChangeNotifyRequest {
    const FIXED: u16 = 32;

    /// MS-SMB2 2.2.35.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let request = Self {
            flags: ChangeNotifyFlags::from_bits_retain(reader.u16()?),
            output_buffer_length: reader.u32()?,
            file_id: FileId::parse(&mut reader)?,
            completion_filter: CompletionFilter::from_bits_retain(reader.u32()?),
        };
        reader.skip(4)?;
        Ok(request)
    }

    /// MS-SMB2 2.2.35.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(self.flags.bits());
        writer.u32(self.output_buffer_length);
        self.file_id.encode(writer);
        writer.u32(self.completion_filter.bits());
        writer.u32(0);
    }
}

/// SMB2 CHANGE_NOTIFY response (MS-SMB2 2.2.36): FILE_NOTIFY_INFORMATION entries.
pub type ChangeNotifyResponse = Output;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    #[test]
    fn request() {
        let request = ChangeNotifyRequest {
            flags: ChangeNotifyFlags::WATCH_TREE,
            output_buffer_length: 4096,
            file_id: FileId::ANY,
            completion_filter: CompletionFilter::FILE_NAME | CompletionFilter::EA,
        };
        let encode = ChangeNotifyRequest::encode;
        let bytes = round_trip(&request, encode, ChangeNotifyRequest::parse);
        assert_eq!(bytes.len(), 64 + 32);
    }
}
