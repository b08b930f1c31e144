//! SET_INFO (MS-SMB2 2.2.39, 2.2.40).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, long, size, variable};
use super::codec::{Parse, Writer};
use super::header::FileId;
use super::query_info::InfoType;
use alloc::vec::Vec;

/// SMB2 SET_INFO request (MS-SMB2 2.2.39).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetInfoRequest {
    pub info_type: InfoType,
    /// MS-FSCC 2.4 or 2.5, by `info_type`.
    pub info_class: u8,
    pub additional_information: u32,
    pub file_id: FileId,
    pub buffer: Vec<u8>,
}

impl SetInfoRequest {
    const BUFFER: u16 = 96;

    /// MS-SMB2 2.2.39.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 33)?;
        let info_type = InfoType(reader.u8()?);
        let info_class = reader.u8()?;
        let length = size(reader.u32()?);
        let offset = usize::from(reader.u16()?);
        reader.skip(2)?;
        Ok(Self {
            info_type,
            info_class,
            additional_information: reader.u32()?,
            file_id: FileId::parse(&mut reader)?,
            buffer: buffer(&reader, offset, length)?.to_vec(),
        })
    }

    /// MS-SMB2 2.2.39.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(33);
        writer.u8(self.info_type.0);
        writer.u8(self.info_class);
        writer.u32(long(self.buffer.len()));
        writer.u16(Self::BUFFER);
        writer.u16(0);
        writer.u32(self.additional_information);
        self.file_id.encode(writer);
        variable(writer, &self.buffer);
    }
}

/// SMB2 SET_INFO response (MS-SMB2 2.2.40): nothing but the StructureSize of 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetInfoResponse;

impl SetInfoResponse {
    /// MS-SMB2 2.2.40.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        body(element, 2).map(|_| Self)
    }

    /// MS-SMB2 2.2.40.
    pub fn encode(self, writer: &mut Writer<'_>) {
        writer.u16(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        for (buffer, length) in [(vec![], 97), (vec![8; 40], 136)] {
            let request = SetInfoRequest {
                info_type: InfoType::FILE,
                info_class: 4,
                additional_information: 9,
                file_id: FileId::ANY,
                buffer,
            };
            let bytes = round_trip(&request, SetInfoRequest::encode, SetInfoRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn response() {
        let encode = |response: &SetInfoResponse, writer: &mut Writer<'_>| response.encode(writer);
        let bytes = round_trip(&SetInfoResponse, encode, SetInfoResponse::parse);
        assert_eq!(bytes.len(), 66);
    }
}
