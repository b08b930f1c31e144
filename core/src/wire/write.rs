//! WRITE (MS-SMB2 2.2.21, 2.2.22).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, extent, long, short, size};
use super::codec::{Parse, Writer};
use super::header::FileId;
use super::read::Channel;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::ops::Range;

bitflags! {
    /// Flags (MS-SMB2 2.2.21).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct WriteFlags: u32 {
        const WRITE_THROUGH = 0x0000_0001;
        const WRITE_UNBUFFERED = 0x0000_0002;
        const _ = !0;
    }
}

/// SMB2 WRITE request (MS-SMB2 2.2.21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// DataOffset and Length: where the data lies in the element.
    pub data: Range<usize>,
    pub offset: u64,
    pub file_id: FileId,
    pub channel: Channel,
    pub remaining_bytes: u32,
    /// Only read when there is a channel; empty when it lies outside, for SMB2 ignores it.
    pub write_channel_info: Vec<u8>,
    pub flags: WriteFlags,
}

impl WriteRequest {
    const BUFFER: usize = 112;

    /// The request to write `length` bytes at `offset` of a file.
    pub fn new(file_id: FileId, offset: u64, length: usize) -> Self {
        Self {
            data: Self::BUFFER..Self::BUFFER.saturating_add(length),
            offset,
            file_id,
            channel: Channel::NONE,
            remaining_bytes: 0,
            write_channel_info: Vec::new(),
            flags: WriteFlags::empty(),
        }
    }

    /// MS-SMB2 2.2.21.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 49)?;
        let data_offset = usize::from(reader.u16()?);
        let length = size(reader.u32()?);
        let mut request = Self {
            data: extent(&reader, data_offset, length)?,
            offset: reader.u64()?,
            file_id: FileId::parse(&mut reader)?,
            channel: Channel(reader.u32()?),
            remaining_bytes: reader.u32()?,
            write_channel_info: Vec::new(),
            flags: WriteFlags::empty(),
        };
        let info_offset = usize::from(reader.u16()?);
        let info_length = usize::from(reader.u16()?);
        request.flags = WriteFlags::from_bits_retain(reader.u32()?);
        if request.channel != Channel::NONE {
            let info = buffer(&reader, info_offset, info_length);
            request.write_channel_info = info.map(<[u8]>::to_vec).unwrap_or_default();
        }
        Ok(request)
    }

    /// MS-SMB2 2.2.21: all but the data, whose place `self.data` announces. The caller appends it.
    pub fn encode_fixed(&self, writer: &mut Writer<'_>) {
        let info_length = short(self.write_channel_info.len());
        let info_offset = if info_length == 0 { 0 } else { Self::BUFFER };
        writer.u16(49);
        writer.u16(short(self.data.start));
        writer.u32(long(self.data.len()));
        writer.u64(self.offset);
        self.file_id.encode(writer);
        writer.u32(self.channel.0);
        writer.u32(self.remaining_bytes);
        writer.u16(short(info_offset));
        writer.u16(info_length);
        writer.u32(self.flags.bits());
        writer.bytes(&self.write_channel_info);
    }

    /// MS-SMB2 2.2.21: the whole request. DataOffset and Length are those of `data`, behind the
    /// channel information; `self.data` is not used.
    pub fn encode(&self, writer: &mut Writer<'_>, data: &[u8]) {
        let start = Self::BUFFER.saturating_add(self.write_channel_info.len());
        let placed = Self { data: start..start.saturating_add(data.len()), ..self.clone() };
        placed.encode_fixed(writer);
        writer.bytes(data);
    }
}

/// SMB2 WRITE response (MS-SMB2 2.2.22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteResponse {
    pub count: u32,
}

impl WriteResponse {
    /// MS-SMB2 2.2.22.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 17)?;
        reader.skip(2)?;
        let count = reader.u32()?;
        reader.skip(8)?;
        Ok(Self { count })
    }

    /// MS-SMB2 2.2.22.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(17);
        writer.u16(0);
        writer.u32(self.count);
        writer.zeros(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        for (channel, info, data) in [
            (Channel::NONE, vec![], &b"data"[..]),
            (Channel::NONE, vec![], b""),
            (Channel::RDMA_V1, vec![9; 16], b"data"),
        ] {
            let start = 112 + info.len();
            let request = WriteRequest {
                data: start..start + data.len(),
                channel,
                remaining_bytes: 3,
                write_channel_info: info,
                flags: WriteFlags::WRITE_THROUGH,
                ..WriteRequest::new(FileId::ANY, 1 << 40, 0)
            };
            let encode = |request: &WriteRequest, writer: &mut Writer<'_>| {
                request.encode(writer, data);
            };
            let bytes = round_trip(&request, encode, WriteRequest::parse);
            assert_eq!(&bytes[request.data], data);
        }
    }

    #[test]
    fn response() {
        let response = WriteResponse { count: 7 };
        let bytes = round_trip(&response, WriteResponse::encode, WriteResponse::parse);
        assert_eq!(bytes.len(), 64 + 16);
    }
}
