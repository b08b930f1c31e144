//! OPLOCK_BREAK (MS-SMB2 2.2.23, 2.2.24, 2.2.25): oplocks and leases, told apart by size.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, structure_size};
use super::codec::{Malformed, Parse, Writer};
use super::create::OplockLevel;
use super::header::FileId;
use bitflags::bitflags;

bitflags! {
    /// Flags of a lease break (MS-SMB2 2.2.23.2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LeaseBreakFlags: u32 {
        const ACK_REQUIRED = 0x0000_0001;
        const _ = !0;
    }
}

/// Notification, acknowledgment and response of an oplock (MS-SMB2 2.2.23.1, 2.2.24.1, 2.2.25.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OplockBreak {
    pub oplock_level: OplockLevel,
    pub file_id: FileId,
}

impl OplockBreak {
    const FIXED: u16 = 24;

    /// MS-SMB2 2.2.23.1, 2.2.24.1, 2.2.25.1.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let oplock_level = OplockLevel(reader.u8()?);
        reader.skip(5)?;
        Ok(Self { oplock_level, file_id: FileId::parse(&mut reader)? })
    }

    /// MS-SMB2 2.2.23.1, 2.2.24.1, 2.2.25.1.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u8(self.oplock_level.0);
        writer.zeros(5);
        self.file_id.encode(writer);
    }
}

/// Acknowledgment and response of a lease break (MS-SMB2 2.2.24.2, 2.2.25.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBreakAck {
    pub flags: u32,
    pub lease_key: [u8; 16],
    /// MS-SMB2 2.2.13.2.8.
    pub lease_state: u32,
    pub lease_duration: u64,
}

impl LeaseBreakAck {
    const FIXED: u16 = 36;

    /// MS-SMB2 2.2.24.2, 2.2.25.2.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        reader.skip(2)?;
        Ok(Self {
            flags: reader.u32()?,
            lease_key: reader.array()?,
            lease_state: reader.u32()?,
            lease_duration: reader.u64()?,
        })
    }

    /// MS-SMB2 2.2.24.2, 2.2.25.2.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(0);
        writer.u32(self.flags);
        writer.bytes(&self.lease_key);
        writer.u32(self.lease_state);
        writer.u64(self.lease_duration);
    }
}

/// SMB2 lease break notification (MS-SMB2 2.2.23.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBreakNotification {
    /// Zero for a version 1 lease.
    pub new_epoch: u16,
    pub flags: LeaseBreakFlags,
    pub lease_key: [u8; 16],
    /// MS-SMB2 2.2.13.2.8.
    pub current_lease_state: u32,
    /// MS-SMB2 2.2.13.2.8.
    pub new_lease_state: u32,
}

impl LeaseBreakNotification {
    const FIXED: u16 = 44;

    /// MS-SMB2 2.2.23.2.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let notification = Self {
            new_epoch: reader.u16()?,
            flags: LeaseBreakFlags::from_bits_retain(reader.u32()?),
            lease_key: reader.array()?,
            current_lease_state: reader.u32()?,
            new_lease_state: reader.u32()?,
        };
        reader.skip(12)?;
        Ok(notification)
    }

    /// MS-SMB2 2.2.23.2: BreakReason and the mask hints are reserved.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(self.new_epoch);
        writer.u32(self.flags.bits());
        writer.bytes(&self.lease_key);
        writer.u32(self.current_lease_state);
        writer.u32(self.new_lease_state);
        writer.zeros(12);
    }
}

/// SMB2 OPLOCK_BREAK acknowledgment (MS-SMB2 2.2.24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OplockBreakRequest {
    Oplock(OplockBreak),
    Lease(LeaseBreakAck),
}

impl OplockBreakRequest {
    /// MS-SMB2 2.2.24.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        match structure_size(element)? {
            OplockBreak::FIXED => OplockBreak::parse(element).map(Self::Oplock),
            LeaseBreakAck::FIXED => LeaseBreakAck::parse(element).map(Self::Lease),
            _ => Err(Malformed("StructureSize")),
        }
    }

    /// MS-SMB2 2.2.24.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Oplock(oplock) => oplock.encode(writer),
            Self::Lease(lease) => lease.encode(writer),
        }
    }
}

/// What the server sends: the answer to an acknowledgment (MS-SMB2 2.2.25), or, with a MessageId
/// of all ones, the notification of a break (MS-SMB2 2.2.23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OplockBreakResponse {
    /// Both, for an oplock.
    Oplock(OplockBreak),
    /// The answer, for a lease.
    Lease(LeaseBreakAck),
    /// The notification, for a lease.
    LeaseNotification(LeaseBreakNotification),
}

impl OplockBreakResponse {
    /// MS-SMB2 2.2.23, 2.2.25.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        match structure_size(element)? {
            OplockBreak::FIXED => OplockBreak::parse(element).map(Self::Oplock),
            LeaseBreakAck::FIXED => LeaseBreakAck::parse(element).map(Self::Lease),
            LeaseBreakNotification::FIXED => {
                LeaseBreakNotification::parse(element).map(Self::LeaseNotification)
            }
            _ => Err(Malformed("StructureSize")),
        }
    }

    /// MS-SMB2 2.2.23, 2.2.25.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Oplock(oplock) => oplock.encode(writer),
            Self::Lease(lease) => lease.encode(writer),
            Self::LeaseNotification(notification) => notification.encode(writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;

    const OPLOCK: OplockBreak = OplockBreak { oplock_level: OplockLevel::II, file_id: FileId::ANY };
    const LEASE: LeaseBreakAck =
        LeaseBreakAck { flags: 0, lease_key: [5; 16], lease_state: 3, lease_duration: 0 };
    const NOTIFICATION: LeaseBreakNotification = LeaseBreakNotification {
        new_epoch: 2,
        flags: LeaseBreakFlags::ACK_REQUIRED,
        lease_key: [6; 16],
        current_lease_state: 7,
        new_lease_state: 1,
    };

    #[test]
    fn acknowledgments() {
        for (request, size) in
            [(OplockBreakRequest::Oplock(OPLOCK), 24), (OplockBreakRequest::Lease(LEASE), 36)]
        {
            let encode = OplockBreakRequest::encode;
            let bytes = round_trip(&request, encode, OplockBreakRequest::parse);
            assert_eq!(bytes.len(), 64 + size);
        }
    }

    #[test]
    fn notifications_and_responses() {
        for (response, size) in [
            (OplockBreakResponse::Oplock(OPLOCK), 24),
            (OplockBreakResponse::Lease(LEASE), 36),
            (OplockBreakResponse::LeaseNotification(NOTIFICATION), 44),
        ] {
            let encode = OplockBreakResponse::encode;
            let bytes = round_trip(&response, encode, OplockBreakResponse::parse);
            assert_eq!(bytes.len(), 64 + size);
        }
    }
}
