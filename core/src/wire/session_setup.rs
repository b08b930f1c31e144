//! SESSION_SETUP (MS-SMB2 2.2.5, 2.2.6).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, short, variable};
use super::codec::{Parse, Writer};
use super::negotiate::{Capabilities, SecurityMode};
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.5).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SessionSetupFlags: u8 {
        const BINDING = 0x01;
        const _ = !0;
    }
}

bitflags! {
    /// SessionFlags (MS-SMB2 2.2.6).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SessionFlags: u16 {
        const IS_GUEST = 0x0001;
        const IS_NULL = 0x0002;
        const ENCRYPT_DATA = 0x0004;
        const _ = !0;
    }
}

/// SMB2 SESSION_SETUP request (MS-SMB2 2.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetupRequest {
    pub flags: SessionSetupFlags,
    /// One byte here, two in NEGOTIATE.
    pub security_mode: SecurityMode,
    pub capabilities: Capabilities,
    pub previous_session_id: u64,
    pub security_buffer: Vec<u8>,
}

impl SessionSetupRequest {
    const BUFFER: u16 = 88;

    /// MS-SMB2 2.2.5.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 25)?;
        let flags = SessionSetupFlags::from_bits_retain(reader.u8()?);
        let security_mode = SecurityMode::from_bits_retain(u16::from(reader.u8()?));
        let capabilities = Capabilities::from_bits_retain(reader.u32()?);
        reader.skip(4)?;
        let offset = usize::from(reader.u16()?);
        let length = usize::from(reader.u16()?);
        Ok(Self {
            flags,
            security_mode,
            capabilities,
            previous_session_id: reader.u64()?,
            security_buffer: buffer(&reader, offset, length)?.to_vec(),
        })
    }

    /// MS-SMB2 2.2.5.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let [security_mode, _] = self.security_mode.bits().to_le_bytes();
        writer.u16(25);
        writer.u8(self.flags.bits());
        writer.u8(security_mode);
        writer.u32(self.capabilities.bits());
        writer.u32(0);
        writer.u16(Self::BUFFER);
        writer.u16(short(self.security_buffer.len()));
        writer.u64(self.previous_session_id);
        variable(writer, &self.security_buffer);
    }
}

/// SMB2 SESSION_SETUP response (MS-SMB2 2.2.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSetupResponse {
    pub session_flags: SessionFlags,
    pub security_buffer: Vec<u8>,
}

impl SessionSetupResponse {
    const BUFFER: u16 = 72;

    /// MS-SMB2 2.2.6.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 9)?;
        let session_flags = SessionFlags::from_bits_retain(reader.u16()?);
        let offset = usize::from(reader.u16()?);
        let length = usize::from(reader.u16()?);
        Ok(Self { session_flags, security_buffer: buffer(&reader, offset, length)?.to_vec() })
    }

    /// MS-SMB2 2.2.6.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(9);
        writer.u16(self.session_flags.bits());
        writer.u16(Self::BUFFER);
        writer.u16(short(self.security_buffer.len()));
        writer.bytes(&self.security_buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn request() {
        for (token, length) in [(vec![], 89), (vec![1, 2, 3], 91)] {
            let request = SessionSetupRequest {
                flags: SessionSetupFlags::BINDING,
                security_mode: SecurityMode::SIGNING_REQUIRED,
                capabilities: Capabilities::DFS,
                previous_session_id: 0x1234,
                security_buffer: token,
            };
            let encode = SessionSetupRequest::encode;
            let bytes = round_trip(&request, encode, SessionSetupRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn response() {
        for token in [vec![], vec![1, 2, 3]] {
            let response = SessionSetupResponse {
                session_flags: SessionFlags::IS_GUEST,
                security_buffer: token,
            };
            let encode = SessionSetupResponse::encode;
            round_trip(&response, encode, SessionSetupResponse::parse);
        }
    }
}
