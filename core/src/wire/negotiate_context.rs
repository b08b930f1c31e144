//! Negotiate contexts of dialect 3.1.1 (MS-SMB2 2.2.3.1, 2.2.4.1).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{short, u16_list};
use super::codec::{Parse, Reader, Writer};
use super::utf16::Utf16;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// HashAlgorithms (MS-SMB2 2.2.3.1.1).
    pub HashAlgorithm(u16) {
        SHA_512 = 0x0001,
    }
}

wire_enum! {
    /// Ciphers (MS-SMB2 2.2.3.1.2).
    pub Cipher(u16) {
        NONE = 0x0000,
        AES_128_CCM = 0x0001,
        AES_128_GCM = 0x0002,
        AES_256_CCM = 0x0003,
        AES_256_GCM = 0x0004,
    }
}

wire_enum! {
    /// CompressionAlgorithms (MS-SMB2 2.2.3.1.3).
    pub CompressionAlgorithm(u16) {
        NONE = 0x0000,
        LZNT1 = 0x0001,
        LZ77 = 0x0002,
        LZ77_HUFFMAN = 0x0003,
        PATTERN_V1 = 0x0004,
        LZ4 = 0x0005,
    }
}

wire_enum! {
    /// RDMATransformIds (MS-SMB2 2.2.3.1.6).
    pub RdmaTransform(u16) {
        NONE = 0x0000,
        ENCRYPTION = 0x0001,
        SIGNING = 0x0002,
    }
}

wire_enum! {
    /// SigningAlgorithms (MS-SMB2 2.2.3.1.7).
    pub SigningAlgorithm(u16) {
        HMAC_SHA256 = 0x0000,
        AES_CMAC = 0x0001,
        AES_GMAC = 0x0002,
    }
}

wire_enum! {
    /// ContextType (MS-SMB2 2.2.3.1).
    pub ContextType(u16) {
        PREAUTH_INTEGRITY_CAPABILITIES = 0x0001,
        ENCRYPTION_CAPABILITIES = 0x0002,
        COMPRESSION_CAPABILITIES = 0x0003,
        NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005,
        TRANSPORT_CAPABILITIES = 0x0006,
        RDMA_TRANSFORM_CAPABILITIES = 0x0007,
        SIGNING_CAPABILITIES = 0x0008,
        /// Reserved in MS-SMB2; the POSIX extensions have it.
        POSIX_EXTENSIONS_AVAILABLE = 0x0100,
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.3.1.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CompressionFlags: u32 {
        const CHAINED = 0x0000_0001;
        const _ = !0;
    }
}

/// What a [`NegotiateContext::Posix`] of the POSIX extensions carries.
pub const POSIX_TAG: [u8; 16] = [
    0x93, 0xad, 0x25, 0x50, 0x9c, 0xb4, 0x11, 0xe7, 0xb4, 0x23, 0x83, 0xde, 0x96, 0x8b, 0xcd, 0x7c,
];

/// SMB2_ACCEPT_TRANSPORT_LEVEL_SECURITY (MS-SMB2 2.2.3.1.5).
pub const ACCEPT_TRANSPORT_LEVEL_SECURITY: u32 = 0x0000_0001;

/// SMB2_NEGOTIATE_CONTEXT (MS-SMB2 2.2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiateContext {
    /// MS-SMB2 2.2.3.1.1.
    PreauthIntegrity { hash_algorithms: Vec<HashAlgorithm>, salt: Vec<u8> },
    /// MS-SMB2 2.2.3.1.2.
    Encryption { ciphers: Vec<Cipher> },
    /// MS-SMB2 2.2.3.1.3.
    Compression { flags: CompressionFlags, algorithms: Vec<CompressionAlgorithm> },
    /// MS-SMB2 2.2.3.1.4.
    NetName(Utf16),
    /// MS-SMB2 2.2.3.1.5.
    TransportCapabilities(u32),
    /// MS-SMB2 2.2.3.1.6.
    RdmaTransforms { transforms: Vec<RdmaTransform> },
    /// MS-SMB2 2.2.3.1.7.
    Signing { algorithms: Vec<SigningAlgorithm> },
    /// SMB2_POSIX_EXTENSIONS_AVAILABLE; see [`POSIX_TAG`].
    Posix(Vec<u8>),
    /// Any context that the table above does not name.
    Other { context_type: u16, data: Vec<u8> },
}

impl NegotiateContext {
    /// ContextType.
    pub fn context_type(&self) -> ContextType {
        match self {
            Self::PreauthIntegrity { .. } => ContextType::PREAUTH_INTEGRITY_CAPABILITIES,
            Self::Encryption { .. } => ContextType::ENCRYPTION_CAPABILITIES,
            Self::Compression { .. } => ContextType::COMPRESSION_CAPABILITIES,
            Self::NetName(_) => ContextType::NETNAME_NEGOTIATE_CONTEXT_ID,
            Self::TransportCapabilities(_) => ContextType::TRANSPORT_CAPABILITIES,
            Self::RdmaTransforms { .. } => ContextType::RDMA_TRANSFORM_CAPABILITIES,
            Self::Signing { .. } => ContextType::SIGNING_CAPABILITIES,
            Self::Posix(_) => ContextType::POSIX_EXTENSIONS_AVAILABLE,
            Self::Other { context_type, .. } => ContextType(*context_type),
        }
    }

    /// NegotiateContextList: `count` contexts from `offset` of the element, each 8-byte aligned.
    pub(super) fn parse_list(element: &[u8], offset: usize, count: u16) -> Parse<Vec<Self>> {
        let mut contexts = Vec::new();
        if count == 0 {
            return Ok(contexts);
        }
        let mut reader = Reader::new(element);
        reader.skip(offset)?;
        for index in 0..count {
            if index > 0 {
                let misaligned = reader.position().wrapping_sub(offset) & 7;
                reader.skip(8_usize.saturating_sub(misaligned) & 7)?;
            }
            let context_type = ContextType(reader.u16()?);
            let length = usize::from(reader.u16()?);
            reader.skip(4)?;
            contexts.push(Self::parse(context_type, reader.bytes(length)?)?);
        }
        Ok(contexts)
    }

    fn parse(context_type: ContextType, data: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(data);
        Ok(match context_type {
            ContextType::PREAUTH_INTEGRITY_CAPABILITIES => {
                let count = reader.u16()?;
                let salt_length = usize::from(reader.u16()?);
                Self::PreauthIntegrity {
                    hash_algorithms: list(&mut reader, count, HashAlgorithm)?,
                    salt: reader.bytes(salt_length)?.to_vec(),
                }
            }
            ContextType::ENCRYPTION_CAPABILITIES => {
                let count = reader.u16()?;
                Self::Encryption { ciphers: list(&mut reader, count, Cipher)? }
            }
            ContextType::COMPRESSION_CAPABILITIES => {
                let count = reader.u16()?;
                reader.skip(2)?;
                Self::Compression {
                    flags: CompressionFlags::from_bits_retain(reader.u32()?),
                    algorithms: list(&mut reader, count, CompressionAlgorithm)?,
                }
            }
            ContextType::NETNAME_NEGOTIATE_CONTEXT_ID => Self::NetName(Utf16::parse(data)?),
            ContextType::TRANSPORT_CAPABILITIES => Self::TransportCapabilities(reader.u32()?),
            ContextType::RDMA_TRANSFORM_CAPABILITIES => {
                let count = reader.u16()?;
                reader.skip(6)?;
                Self::RdmaTransforms { transforms: list(&mut reader, count, RdmaTransform)? }
            }
            ContextType::SIGNING_CAPABILITIES => {
                let count = reader.u16()?;
                Self::Signing { algorithms: list(&mut reader, count, SigningAlgorithm)? }
            }
            ContextType::POSIX_EXTENSIONS_AVAILABLE => Self::Posix(data.to_vec()),
            ContextType(context_type) => Self::Other { context_type, data: data.to_vec() },
        })
    }

    /// Writes the contexts, the first one 8-byte aligned too; returns its offset.
    pub(super) fn encode_list(contexts: &[Self], writer: &mut Writer<'_>) -> usize {
        writer.align(8);
        let offset = writer.len();
        for context in contexts {
            writer.align(8);
            context.encode(writer);
        }
        offset
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(self.context_type().0);
        let length_at = writer.len();
        writer.u16(0);
        writer.u32(0);
        let data_at = writer.len();
        self.encode_data(writer);
        let length = writer.len().saturating_sub(data_at);
        writer.patch_u16(length_at, short(length));
    }

    fn encode_data(&self, writer: &mut Writer<'_>) {
        match self {
            Self::PreauthIntegrity { hash_algorithms, salt } => {
                writer.u16(short(hash_algorithms.len()));
                writer.u16(short(salt.len()));
                hash_algorithms.iter().for_each(|id| writer.u16(id.0));
                writer.bytes(salt);
            }
            Self::Encryption { ciphers } => {
                writer.u16(short(ciphers.len()));
                ciphers.iter().for_each(|id| writer.u16(id.0));
            }
            Self::Compression { flags, algorithms } => {
                writer.u16(short(algorithms.len()));
                writer.u16(0);
                writer.u32(flags.bits());
                algorithms.iter().for_each(|id| writer.u16(id.0));
            }
            Self::NetName(name) => name.encode(writer),
            Self::TransportCapabilities(flags) => writer.u32(*flags),
            Self::RdmaTransforms { transforms } => {
                writer.u16(short(transforms.len()));
                writer.zeros(6);
                transforms.iter().for_each(|id| writer.u16(id.0));
            }
            Self::Signing { algorithms } => {
                writer.u16(short(algorithms.len()));
                algorithms.iter().for_each(|id| writer.u16(id.0));
            }
            Self::Posix(data) | Self::Other { data, .. } => writer.bytes(data),
        }
    }
}

fn list<T>(reader: &mut Reader<'_>, count: u16, value: fn(u16) -> T) -> Parse<Vec<T>> {
    Ok(u16_list(reader, count)?.into_iter().map(value).collect())
}
