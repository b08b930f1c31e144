//! IOCTL (MS-SMB2 2.2.31, 2.2.32); the codes and what they carry are in [`super::fsctl`].
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, extent, long, size, variable};
use super::codec::{Parse, Writer};
pub use super::fsctl::FsctlCode;
use super::header::FileId;
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.31).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct IoctlFlags: u32 {
        const IS_FSCTL = 0x0000_0001;
        const _ = !0;
    }
}

/// SMB2 IOCTL request (MS-SMB2 2.2.31). An output buffer in it has to lie inside, and is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoctlRequest {
    pub ctl_code: FsctlCode,
    pub file_id: FileId,
    pub input: Vec<u8>,
    pub max_input_response: u32,
    pub max_output_response: u32,
    pub flags: IoctlFlags,
}

impl IoctlRequest {
    const BUFFER: u32 = 120;

    /// MS-SMB2 2.2.31.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 57)?;
        reader.skip(2)?;
        let ctl_code = FsctlCode(reader.u32()?);
        let file_id = FileId::parse(&mut reader)?;
        let input_offset = size(reader.u32()?);
        let input_count = size(reader.u32()?);
        let max_input_response = reader.u32()?;
        let output_offset = size(reader.u32()?);
        let output_count = size(reader.u32()?);
        let max_output_response = reader.u32()?;
        let flags = IoctlFlags::from_bits_retain(reader.u32()?);
        reader.skip(4)?;
        extent(&reader, output_offset, output_count)?;
        Ok(Self {
            ctl_code,
            file_id,
            input: buffer(&reader, input_offset, input_count)?.to_vec(),
            max_input_response,
            max_output_response,
            flags,
        })
    }

    /// MS-SMB2 2.2.31.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let offset = if self.input.is_empty() { 0 } else { Self::BUFFER };
        writer.u16(57);
        writer.u16(0);
        writer.u32(self.ctl_code.0);
        self.file_id.encode(writer);
        writer.u32(offset);
        writer.u32(long(self.input.len()));
        writer.u32(self.max_input_response);
        writer.u32(0);
        writer.u32(0);
        writer.u32(self.max_output_response);
        writer.u32(self.flags.bits());
        writer.u32(0);
        variable(writer, &self.input);
    }
}

/// SMB2 IOCTL response (MS-SMB2 2.2.32).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoctlResponse {
    pub ctl_code: FsctlCode,
    pub file_id: FileId,
    /// Mostly empty, whatever the request had.
    pub input: Vec<u8>,
    /// Bytes before the output that mean nothing; not told by [`parse`](Self::parse).
    pub padding: u8,
    pub output: Vec<u8>,
}

impl IoctlResponse {
    const BUFFER: u32 = 112;

    /// Nothing but success.
    pub fn new(ctl_code: FsctlCode, file_id: FileId) -> Self {
        Self { ctl_code, file_id, input: Vec::new(), padding: 0, output: Vec::new() }
    }

    /// MS-SMB2 2.2.32.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 49)?;
        reader.skip(2)?;
        let ctl_code = FsctlCode(reader.u32()?);
        let file_id = FileId::parse(&mut reader)?;
        let input_offset = size(reader.u32()?);
        let input_count = size(reader.u32()?);
        let output_offset = size(reader.u32()?);
        let output_count = size(reader.u32()?);
        reader.skip(8)?;
        Ok(Self {
            ctl_code,
            file_id,
            input: buffer(&reader, input_offset, input_count)?.to_vec(),
            padding: 0,
            output: buffer(&reader, output_offset, output_count)?.to_vec(),
        })
    }

    /// MS-SMB2 2.2.32: OutputOffset is InputOffset + InputCount, rounded up to a multiple of 8.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(49);
        writer.u16(0);
        writer.u32(self.ctl_code.0);
        self.file_id.encode(writer);
        writer.u32(Self::BUFFER);
        writer.u32(long(self.input.len()));
        let output_offset_at = writer.len();
        writer.u32(0);
        writer.u32(long(self.output.len()));
        writer.u64(0);
        writer.bytes(&self.input);
        writer.align(8);
        writer.zeros(usize::from(self.padding));
        let output_offset = long(writer.len());
        writer.patch_u32(output_offset_at, output_offset);
        writer.bytes(&self.output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        for (input, length) in [(vec![], 121), (vec![1; 24], 144)] {
            let request = IoctlRequest {
                ctl_code: FsctlCode::PIPE_TRANSCEIVE,
                file_id: FileId::ANY,
                input,
                max_input_response: 0,
                max_output_response: 4280,
                flags: IoctlFlags::IS_FSCTL,
            };
            let bytes = round_trip(&request, IoctlRequest::encode, IoctlRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn responses() {
        for (input, output, length) in
            [(vec![], vec![], 112), (vec![], vec![2; 12], 124), (vec![1; 3], vec![2; 12], 132)]
        {
            let response = IoctlResponse {
                ctl_code: FsctlCode::SRV_COPYCHUNK,
                file_id: FileId::ANY,
                input,
                padding: 0,
                output,
            };
            let bytes = round_trip(&response, IoctlResponse::encode, IoctlResponse::parse);
            assert_eq!(bytes.len(), length);
        }
    }
}
