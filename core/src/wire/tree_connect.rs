//! TREE_CONNECT (MS-SMB2 2.2.9, 2.2.10).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, short, variable};
use super::codec::{Parse, Writer};
use super::utf16::Utf16;
use crate::wire_enum;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.9); reserved before dialect 3.1.1.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TreeConnectFlags: u16 {
        const CLUSTER_RECONNECT = 0x0001;
        const REDIRECT_TO_OWNER = 0x0002;
        const EXTENSION_PRESENT = 0x0004;
        const _ = !0;
    }
}

wire_enum! {
    /// ShareType (MS-SMB2 2.2.10).
    pub ShareType(u8) {
        DISK = 0x01,
        PIPE = 0x02,
        PRINT = 0x03,
    }
}

bitflags! {
    /// ShareFlags (MS-SMB2 2.2.10). The two bits of `NO_CACHING` are one value:
    /// none of them is manual caching, one is automatic caching or VDO.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ShareFlags: u32 {
        const DFS = 0x0000_0001;
        const DFS_ROOT = 0x0000_0002;
        const AUTO_CACHING = 0x0000_0010;
        const VDO_CACHING = 0x0000_0020;
        const NO_CACHING = 0x0000_0030;
        const RESTRICT_EXCLUSIVE_OPENS = 0x0000_0100;
        const FORCE_SHARED_DELETE = 0x0000_0200;
        const ALLOW_NAMESPACE_CACHING = 0x0000_0400;
        const ACCESS_BASED_DIRECTORY_ENUM = 0x0000_0800;
        const FORCE_LEVELII_OPLOCK = 0x0000_1000;
        const ENABLE_HASH_V1 = 0x0000_2000;
        const ENABLE_HASH_V2 = 0x0000_4000;
        const ENCRYPT_DATA = 0x0000_8000;
        const IDENTITY_REMOTING = 0x0004_0000;
        const COMPRESS_DATA = 0x0010_0000;
        const ISOLATED_TRANSPORT = 0x0020_0000;
        const _ = !0;
    }
}

bitflags! {
    /// Capabilities (MS-SMB2 2.2.10).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ShareCapabilities: u32 {
        const DFS = 0x0000_0008;
        const CONTINUOUS_AVAILABILITY = 0x0000_0010;
        const SCALEOUT = 0x0000_0020;
        const CLUSTER = 0x0000_0040;
        const ASYMMETRIC = 0x0000_0080;
        const REDIRECT_TO_OWNER = 0x0000_0100;
        const _ = !0;
    }
}

/// SMB2 TREE_CONNECT request (MS-SMB2 2.2.9). The contexts of the extension (2.2.9.1) are not
/// read: only clustered servers use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeConnectRequest {
    pub flags: TreeConnectFlags,
    /// `\\server\share`.
    pub path: Utf16,
}

impl TreeConnectRequest {
    const BUFFER: u16 = 72;

    /// MS-SMB2 2.2.9.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 9)?;
        let flags = TreeConnectFlags::from_bits_retain(reader.u16()?);
        let offset = usize::from(reader.u16()?);
        let length = usize::from(reader.u16()?);
        Ok(Self { flags, path: Utf16::parse(buffer(&reader, offset, length)?)? })
    }

    /// MS-SMB2 2.2.9.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(9);
        writer.u16(self.flags.bits());
        writer.u16(Self::BUFFER);
        writer.u16(short(self.path.byte_len()));
        variable(writer, &self.path.to_bytes());
    }
}

/// SMB2 TREE_CONNECT response (MS-SMB2 2.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeConnectResponse {
    pub share_type: ShareType,
    pub share_flags: ShareFlags,
    pub capabilities: ShareCapabilities,
    /// An access mask (MS-SMB2 2.2.13.1).
    pub maximal_access: u32,
}

impl TreeConnectResponse {
    const FIXED: u16 = 16;

    /// MS-SMB2 2.2.10.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let share_type = ShareType(reader.u8()?);
        reader.skip(1)?;
        Ok(Self {
            share_type,
            share_flags: ShareFlags::from_bits_retain(reader.u32()?),
            capabilities: ShareCapabilities::from_bits_retain(reader.u32()?),
            maximal_access: reader.u32()?,
        })
    }

    /// MS-SMB2 2.2.10.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u8(self.share_type.0);
        writer.u8(0);
        writer.u32(self.share_flags.bits());
        writer.u32(self.capabilities.bits());
        writer.u32(self.maximal_access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    #[test]
    fn request() {
        for path in [r"\\server\share", ""] {
            let request = TreeConnectRequest {
                flags: TreeConnectFlags::CLUSTER_RECONNECT,
                path: path.into(),
            };
            let encode = TreeConnectRequest::encode;
            round_trip(&request, encode, TreeConnectRequest::parse);
        }
    }

    #[test]
    fn response() {
        let response = TreeConnectResponse {
            share_type: ShareType::PIPE,
            share_flags: ShareFlags::NO_CACHING,
            capabilities: ShareCapabilities::DFS,
            maximal_access: 0x001f_01ff,
        };
        let encode = TreeConnectResponse::encode;
        let bytes = round_trip(&response, encode, TreeConnectResponse::parse);
        assert_eq!(bytes.len(), 64 + 16);
    }
}
