//! READ (MS-SMB2 2.2.19, 2.2.20).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, extent, long, short, size, variable};
use super::codec::{Parse, Writer};
use super::header::FileId;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::ops::Range;

/// Where the data of a READ response begins, counted from the header.
pub const READ_DATA_OFFSET: usize = 80;

bitflags! {
    /// Flags (MS-SMB2 2.2.19).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ReadFlags: u8 {
        const READ_UNBUFFERED = 0x01;
        const REQUEST_COMPRESSED = 0x02;
        const _ = !0;
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.20); reserved before dialect 3.1.1.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ReadResponseFlags: u32 {
        const RDMA_TRANSFORM = 0x0000_0001;
        const _ = !0;
    }
}

wire_enum! {
    /// Channel (MS-SMB2 2.2.19, 2.2.21).
    pub Channel(u32) {
        NONE = 0,
        RDMA_V1 = 1,
        RDMA_V1_INVALIDATE = 2,
        RDMA_TRANSFORM = 3,
    }
}

/// SMB2 READ request (MS-SMB2 2.2.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Where the client would like the data in the response.
    pub padding: u8,
    pub flags: ReadFlags,
    pub length: u32,
    pub offset: u64,
    pub file_id: FileId,
    pub minimum_count: u32,
    pub channel: Channel,
    pub remaining_bytes: u32,
    /// Only read when there is a channel; empty when it lies outside, for SMB2 ignores it.
    pub read_channel_info: Vec<u8>,
}

impl ReadRequest {
    const BUFFER: u16 = 112;

    /// MS-SMB2 2.2.19.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 49)?;
        let mut request = Self {
            padding: reader.u8()?,
            flags: ReadFlags::from_bits_retain(reader.u8()?),
            length: reader.u32()?,
            offset: reader.u64()?,
            file_id: FileId::parse(&mut reader)?,
            minimum_count: reader.u32()?,
            channel: Channel(reader.u32()?),
            remaining_bytes: reader.u32()?,
            read_channel_info: Vec::new(),
        };
        let info_offset = usize::from(reader.u16()?);
        let info_length = usize::from(reader.u16()?);
        if request.channel != Channel::NONE {
            let info = buffer(&reader, info_offset, info_length);
            request.read_channel_info = info.map(<[u8]>::to_vec).unwrap_or_default();
        }
        Ok(request)
    }

    /// MS-SMB2 2.2.19.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let info_length = short(self.read_channel_info.len());
        writer.u16(49);
        writer.u8(self.padding);
        writer.u8(self.flags.bits());
        writer.u32(self.length);
        writer.u64(self.offset);
        self.file_id.encode(writer);
        writer.u32(self.minimum_count);
        writer.u32(self.channel.0);
        writer.u32(self.remaining_bytes);
        writer.u16(if info_length == 0 { 0 } else { Self::BUFFER });
        writer.u16(info_length);
        variable(writer, &self.read_channel_info);
    }
}

/// SMB2 READ response (MS-SMB2 2.2.20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadResponse {
    /// DataOffset and DataLength: where the data lies in the element.
    pub data: Range<usize>,
    pub data_remaining: u32,
    pub flags: ReadResponseFlags,
}

impl ReadResponse {
    /// The response whose `length` bytes of data follow the fixed part.
    pub fn of_length(length: usize) -> Self {
        Self {
            data: READ_DATA_OFFSET..READ_DATA_OFFSET.saturating_add(length),
            data_remaining: 0,
            flags: ReadResponseFlags::empty(),
        }
    }

    /// MS-SMB2 2.2.20.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 17)?;
        let offset = usize::from(reader.u8()?);
        reader.skip(1)?;
        let length = size(reader.u32()?);
        Ok(Self {
            data_remaining: reader.u32()?,
            flags: ReadResponseFlags::from_bits_retain(reader.u32()?),
            data: extent(&reader, offset, length)?,
        })
    }

    /// MS-SMB2 2.2.20: the fixed part of 16 bytes. The data is placed by the caller.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(17);
        writer.u8(u8::try_from(self.data.start).unwrap_or(u8::MAX));
        writer.u8(0);
        writer.u32(long(self.data.len()));
        writer.u32(self.data_remaining);
        writer.u32(self.flags.bits());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        for (channel, info, length) in
            [(Channel::NONE, vec![], 113), (Channel::RDMA_V1, vec![9; 16], 128)]
        {
            let request = ReadRequest {
                padding: 0x50,
                flags: ReadFlags::READ_UNBUFFERED,
                length: 65536,
                offset: 1 << 40,
                file_id: FileId::ANY,
                minimum_count: 1,
                channel,
                remaining_bytes: 3,
                read_channel_info: info,
            };
            let bytes = round_trip(&request, ReadRequest::encode, ReadRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn responses() {
        for length in [0, 5] {
            let response = ReadResponse::of_length(length);
            let encode = |response: &ReadResponse, writer: &mut Writer<'_>| {
                response.encode(writer);
                assert_eq!(writer.len(), READ_DATA_OFFSET);
                writer.zeros(length);
            };
            round_trip(&response, encode, ReadResponse::parse);
        }
    }
}
