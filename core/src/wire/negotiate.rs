//! NEGOTIATE (MS-SMB2 2.2.3, 2.2.4).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, long, short, size, u16_list};
use super::codec::{Parse, Writer};
pub use super::negotiate_context::{
    ACCEPT_TRANSPORT_LEVEL_SECURITY, Cipher, CompressionAlgorithm, CompressionFlags, ContextType,
    HashAlgorithm, NegotiateContext, POSIX_TAG, RdmaTransform, SigningAlgorithm,
};
use crate::time::FileTime;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// DialectRevision (MS-SMB2 2.2.3, 2.2.4).
    pub Dialect(u16) {
        SMB_2_0_2 = 0x0202,
        SMB_2_1 = 0x0210,
        SMB_3_0 = 0x0300,
        SMB_3_0_2 = 0x0302,
        SMB_3_1_1 = 0x0311,
        /// "2.???": the answer to a multi-protocol negotiation, which a second one follows.
        SMB_2_WILDCARD = 0x02ff,
    }
}

bitflags! {
    /// Capabilities (MS-SMB2 2.2.3, 2.2.4).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Capabilities: u32 {
        const DFS = 0x0000_0001;
        const LEASING = 0x0000_0002;
        const LARGE_MTU = 0x0000_0004;
        const MULTI_CHANNEL = 0x0000_0008;
        const PERSISTENT_HANDLES = 0x0000_0010;
        const DIRECTORY_LEASING = 0x0000_0020;
        const ENCRYPTION = 0x0000_0040;
        const NOTIFICATIONS = 0x0000_0080;
        const _ = !0;
    }
}

bitflags! {
    /// SecurityMode (MS-SMB2 2.2.3, 2.2.4, 2.2.5).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SecurityMode: u16 {
        const SIGNING_ENABLED = 0x0001;
        const SIGNING_REQUIRED = 0x0002;
        const _ = !0;
    }
}

/// SMB2 NEGOTIATE request (MS-SMB2 2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateRequest {
    pub security_mode: SecurityMode,
    pub capabilities: Capabilities,
    pub client_guid: [u8; 16],
    pub dialects: Vec<Dialect>,
    /// Only read and written when `dialects` has 3.1.1.
    pub contexts: Vec<NegotiateContext>,
}

impl NegotiateRequest {
    const FIXED: u16 = 36;

    /// MS-SMB2 2.2.3.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let dialect_count = reader.u16()?;
        let security_mode = SecurityMode::from_bits_retain(reader.u16()?);
        reader.skip(2)?;
        let capabilities = Capabilities::from_bits_retain(reader.u32()?);
        let client_guid = reader.array()?;
        let context_offset = size(reader.u32()?);
        let context_count = reader.u16()?;
        reader.skip(2)?;
        let dialects: Vec<Dialect> =
            u16_list(&mut reader, dialect_count)?.into_iter().map(Dialect).collect();
        let contexts = if dialects.contains(&Dialect::SMB_3_1_1) {
            NegotiateContext::parse_list(element, context_offset, context_count)?
        } else {
            Vec::new()
        };
        Ok(Self { security_mode, capabilities, client_guid, dialects, contexts })
    }

    /// MS-SMB2 2.2.3.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(short(self.dialects.len()));
        writer.u16(self.security_mode.bits());
        writer.u16(0);
        writer.u32(self.capabilities.bits());
        writer.bytes(&self.client_guid);
        let contexts_at = writer.len();
        writer.u64(0);
        self.dialects.iter().for_each(|id| writer.u16(id.0));
        if self.dialects.contains(&Dialect::SMB_3_1_1) {
            let offset = NegotiateContext::encode_list(&self.contexts, writer);
            writer.patch_u32(contexts_at, long(offset));
            writer.patch_u16(contexts_at.saturating_add(4), short(self.contexts.len()));
        }
    }
}

/// SMB2 NEGOTIATE response (MS-SMB2 2.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateResponse {
    pub security_mode: SecurityMode,
    pub dialect_revision: Dialect,
    pub server_guid: [u8; 16],
    pub capabilities: Capabilities,
    pub max_transact_size: u32,
    pub max_read_size: u32,
    pub max_write_size: u32,
    pub system_time: FileTime,
    pub server_start_time: FileTime,
    /// The SPNEGO token with the mechanisms that the server offers.
    pub security_buffer: Vec<u8>,
    /// Only read and written when `dialect_revision` is 3.1.1.
    pub contexts: Vec<NegotiateContext>,
}

impl NegotiateResponse {
    const BUFFER: u16 = 128;

    /// MS-SMB2 2.2.4.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 65)?;
        let security_mode = SecurityMode::from_bits_retain(reader.u16()?);
        let dialect_revision = Dialect(reader.u16()?);
        let context_count = reader.u16()?;
        let server_guid = reader.array()?;
        let capabilities = Capabilities::from_bits_retain(reader.u32()?);
        let max_transact_size = reader.u32()?;
        let max_read_size = reader.u32()?;
        let max_write_size = reader.u32()?;
        let system_time = FileTime(reader.u64()?);
        let server_start_time = FileTime(reader.u64()?);
        let offset = usize::from(reader.u16()?);
        let length = usize::from(reader.u16()?);
        let context_offset = size(reader.u32()?);
        let contexts = if dialect_revision == Dialect::SMB_3_1_1 {
            NegotiateContext::parse_list(element, context_offset, context_count)?
        } else {
            Vec::new()
        };
        Ok(Self {
            security_mode,
            dialect_revision,
            server_guid,
            capabilities,
            max_transact_size,
            max_read_size,
            max_write_size,
            system_time,
            server_start_time,
            security_buffer: buffer(&reader, offset, length)?.to_vec(),
            contexts,
        })
    }

    /// MS-SMB2 2.2.4.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let with_contexts = self.dialect_revision == Dialect::SMB_3_1_1;
        let contexts = if with_contexts { &*self.contexts } else { &[] };
        writer.u16(65);
        writer.u16(self.security_mode.bits());
        writer.u16(self.dialect_revision.0);
        writer.u16(short(contexts.len()));
        writer.bytes(&self.server_guid);
        writer.u32(self.capabilities.bits());
        writer.u32(self.max_transact_size);
        writer.u32(self.max_read_size);
        writer.u32(self.max_write_size);
        writer.u64(self.system_time.0);
        writer.u64(self.server_start_time.0);
        writer.u16(Self::BUFFER);
        writer.u16(short(self.security_buffer.len()));
        let contexts_at = writer.len();
        writer.u32(0);
        writer.bytes(&self.security_buffer);
        if !contexts.is_empty() {
            let offset = NegotiateContext::encode_list(contexts, writer);
            writer.patch_u32(contexts_at, long(offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    fn contexts() -> Vec<NegotiateContext> {
        vec![
            NegotiateContext::PreauthIntegrity {
                hash_algorithms: vec![HashAlgorithm::SHA_512],
                salt: vec![7; 32],
            },
            NegotiateContext::Encryption { ciphers: vec![Cipher::AES_128_GCM, Cipher(0x99)] },
            NegotiateContext::Compression {
                flags: CompressionFlags::CHAINED,
                algorithms: vec![CompressionAlgorithm::LZ77, CompressionAlgorithm::LZ4],
            },
            NegotiateContext::NetName("server".into()),
            NegotiateContext::TransportCapabilities(ACCEPT_TRANSPORT_LEVEL_SECURITY),
            NegotiateContext::RdmaTransforms { transforms: vec![RdmaTransform::SIGNING] },
            NegotiateContext::Signing {
                algorithms: vec![SigningAlgorithm::AES_GMAC, SigningAlgorithm::AES_CMAC],
            },
            NegotiateContext::Posix(POSIX_TAG.to_vec()),
            NegotiateContext::Other { context_type: 0x4242, data: vec![1, 2, 3] },
        ]
    }

    fn request() -> NegotiateRequest {
        NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::LEASING | Capabilities::LARGE_MTU,
            client_guid: [5; 16],
            dialects: vec![Dialect::SMB_2_1, Dialect::SMB_3_0, Dialect::SMB_3_1_1],
            contexts: contexts(),
        }
    }

    fn response() -> NegotiateResponse {
        NegotiateResponse {
            security_mode: SecurityMode::SIGNING_REQUIRED,
            dialect_revision: Dialect::SMB_3_1_1,
            server_guid: [6; 16],
            capabilities: Capabilities::ENCRYPTION,
            max_transact_size: 1 << 20,
            max_read_size: 2 << 20,
            max_write_size: 3 << 20,
            system_time: FileTime(11),
            server_start_time: FileTime(12),
            security_buffer: vec![0x60; 5],
            contexts: contexts(),
        }
    }

    #[test]
    fn request_with_and_without_contexts() {
        let mut request = request();
        let bytes = round_trip(&request, NegotiateRequest::encode, NegotiateRequest::parse);
        // Three dialects end at 106; the contexts begin at the next multiple of 8.
        assert_eq!(bytes[92], 112);
        request.dialects.pop();
        request.contexts.clear();
        let bytes = round_trip(&request, NegotiateRequest::encode, NegotiateRequest::parse);
        assert_eq!(bytes.len(), 64 + 36 + 4);
    }

    #[test]
    fn response_with_and_without_contexts() {
        let mut response = response();
        round_trip(&response, NegotiateResponse::encode, NegotiateResponse::parse);
        response.dialect_revision = Dialect::SMB_2_WILDCARD;
        response.contexts.clear();
        response.security_buffer.clear();
        let bytes = round_trip(&response, NegotiateResponse::encode, NegotiateResponse::parse);
        assert_eq!(bytes.len(), 128);
    }

    #[test]
    fn a_dialect_without_contexts_ignores_their_offset() {
        let mut old = request();
        old.dialects = vec![Dialect::SMB_2_0_2];
        old.contexts.clear();
        let mut bytes = crate::wire::testing::element(|writer| old.encode(writer));
        bytes[92..100].fill(0xff);
        assert_eq!(NegotiateRequest::parse(&bytes), Ok(old));
    }
}
