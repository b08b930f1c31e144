//! FLUSH (MS-SMB2 2.2.17); the response has no fields.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::body;
use super::codec::{Parse, Writer};
use super::header::FileId;

/// SMB2 FLUSH request (MS-SMB2 2.2.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushRequest {
    pub file_id: FileId,
}

impl FlushRequest {
    const FIXED: u16 = 24;

    /// MS-SMB2 2.2.17.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        reader.skip(6)?;
        Ok(Self { file_id: FileId::parse(&mut reader)? })
    }

    /// MS-SMB2 2.2.17.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.zeros(6);
        self.file_id.encode(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    #[test]
    fn request() {
        let request = FlushRequest { file_id: FileId { persistent: 1, volatile: 2 } };
        let bytes = round_trip(&request, FlushRequest::encode, FlushRequest::parse);
        assert_eq!(bytes.len(), 64 + 24);
    }
}
