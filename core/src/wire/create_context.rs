//! Create contexts (MS-SMB2 2.2.13.2, 2.2.14.2): what a name and its data mean.

mod request;
mod response;

pub use request::RequestContext;
pub use response::ResponseContext;

use super::codec::{Malformed, Parse, Reader, Writer};
use bitflags::bitflags;

/// The names of contexts (MS-SMB2 2.2.13.2).
pub mod name {
    /// Extended attributes.
    pub const EXT_A: &[u8] = b"ExtA";
    /// A security descriptor.
    pub const SEC_D: &[u8] = b"SecD";
    /// A durable handle.
    pub const DHNQ: &[u8] = b"DHnQ";
    /// A durable handle again.
    pub const DHNC: &[u8] = b"DHnC";
    /// Room on the disk.
    pub const AL_SI: &[u8] = b"AlSi";
    /// The maximal access.
    pub const MX_AC: &[u8] = b"MxAc";
    /// A snapshot.
    pub const TWRP: &[u8] = b"TWrp";
    /// The file's id on the disk.
    pub const QFID: &[u8] = b"QFid";
    /// A lease.
    pub const RQLS: &[u8] = b"RqLs";
    /// A durable or persistent handle.
    pub const DH2Q: &[u8] = b"DH2Q";
    /// A durable or persistent handle again.
    pub const DH2C: &[u8] = b"DH2C";
    /// The application that opens.
    pub const APP_INSTANCE_ID: &[u8] = &[
        0x45, 0xbc, 0xa6, 0x6a, 0xef, 0xa7, 0xf7, 0x4a, 0x90, 0x08, 0xfa, 0x46, 0x2e, 0x14, 0x4d,
        0x74,
    ];
    /// The version of the application that opens.
    pub const APP_INSTANCE_VERSION: &[u8] = &[
        0xb9, 0x82, 0xd0, 0xb7, 0x3b, 0x56, 0x07, 0x4f, 0xa0, 0x7b, 0x52, 0x4a, 0x81, 0x16, 0xa0,
        0x10,
    ];
    /// POSIX semantics (SMB3 POSIX extensions, 2.2.13.2.16).
    pub const POSIX: &[u8] = &[
        0x93, 0xad, 0x25, 0x50, 0x9c, 0xb4, 0x11, 0xe7, 0xb4, 0x23, 0x83, 0xde, 0x96, 0x8b, 0xcd,
        0x7c,
    ];
    /// Apple's extensions.
    pub const AAPL: &[u8] = b"AAPL";
}

bitflags! {
    /// What a lease lets a client cache (MS-SMB2 2.2.13.2.8).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct LeaseState: u32 {
        /// What it has read.
        const READ_CACHING = 0x01;
        /// That the file is open.
        const HANDLE_CACHING = 0x02;
        /// What it writes.
        const WRITE_CACHING = 0x04;
        const _ = !0;
    }
}

bitflags! {
    /// What is said about a lease (MS-SMB2 2.2.13.2.10, 2.2.14.2.11).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LeaseFlags: u32 {
        /// A break was sent and not yet answered.
        const BREAK_IN_PROGRESS = 0x02;
        /// ParentLeaseKey means something.
        const PARENT_LEASE_KEY_SET = 0x04;
        const _ = !0;
    }
}

bitflags! {
    /// What is said about a durable handle (MS-SMB2 2.2.13.2.11).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DurableFlags: u32 {
        /// It is persistent.
        const PERSISTENT = 0x02;
        const _ = !0;
    }
}

/// A lease that is asked for or granted (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10,
/// 2.2.14.2.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Names the lease, for one client.
    pub lease_key: [u8; 16],
    /// What it lets the client cache.
    pub lease_state: LeaseState,
    /// What is said about it.
    pub lease_flags: LeaseFlags,
    /// Not used.
    pub lease_duration: u64,
    /// What version 2 has on top.
    pub v2: Option<LeaseV2>,
}

/// The rest of a lease of version 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseV2 {
    /// The lease of the directory above, with [`LeaseFlags::PARENT_LEASE_KEY_SET`].
    pub parent_lease_key: [u8; 16],
    /// Counts the changes of its state.
    pub epoch: u16,
}

impl Lease {
    const V1_LEN: usize = 32;
    const V2_LEN: usize = 52;

    /// The versions are told apart by their length (MS-SMB2 3.3.5.9.8, 3.3.5.9.11).
    fn parse(data: &[u8]) -> Parse<Self> {
        let v2 = match data.len() {
            Self::V1_LEN => false,
            Self::V2_LEN => true,
            _ => return Err(Malformed("length of a lease context")),
        };
        let mut reader = Reader::new(data);
        Ok(Self {
            lease_key: reader.array()?,
            lease_state: LeaseState::from_bits_retain(reader.u32()?),
            lease_flags: LeaseFlags::from_bits_retain(reader.u32()?),
            lease_duration: reader.u64()?,
            v2: v2.then(|| LeaseV2::take(&mut reader)).transpose()?,
        })
    }

    fn put(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.lease_key);
        writer.u32(self.lease_state.bits());
        writer.u32(self.lease_flags.bits());
        writer.u64(self.lease_duration);
        if let Some(v2) = &self.v2 {
            writer.bytes(&v2.parent_lease_key);
            writer.u16(v2.epoch);
            writer.u16(0);
        }
    }
}

impl LeaseV2 {
    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        Ok(Self { parent_lease_key: reader.array()?, epoch: reader.u16()? })
    }
}

/// A reader over data that must have this length.
fn exactly(data: &[u8], length: usize) -> Parse<Reader<'_>> {
    if data.len() != length {
        return Err(Malformed("length of a create context"));
    }
    Ok(Reader::new(data))
}
