use super::{DurableFlags, Lease, exactly, name};
use crate::wire::codec::{Parse, Reader, Writer};
use crate::wire::fscc::AccessMask;
use crate::wire::security::Sid;
use alloc::vec::Vec;

/// A context of a CREATE response (MS-SMB2 2.2.14.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseContext {
    /// A durable handle is granted (MS-SMB2 2.2.14.2.3).
    DHnQ,
    /// The maximal access (MS-SMB2 2.2.14.2.5).
    MxAc {
        /// Why the access is not known, or 0.
        query_status: u32,
        /// What the user may do.
        maximal_access: AccessMask,
    },
    /// The file's id on the disk (MS-SMB2 2.2.14.2.9).
    QFid {
        /// The file.
        disk_file_id: u64,
        /// The volume.
        volume_id: u64,
    },
    /// The lease that is granted (MS-SMB2 2.2.14.2.10, 2.2.14.2.11).
    RqLs(Lease),
    /// A durable or persistent handle is granted (MS-SMB2 2.2.14.2.12).
    DH2Q {
        /// For how many milliseconds it is kept.
        timeout: u32,
        /// Whether it is persistent.
        flags: DurableFlags,
    },
    /// What POSIX says about the file (SMB3 POSIX extensions, 2.2.14.2.16).
    Posix {
        /// Hard links.
        nlink: u32,
        /// The reparse tag, or 0.
        reparse_tag: u32,
        /// Permissions.
        mode: u32,
        /// The owner.
        owner: Sid,
        /// The group.
        group: Sid,
    },
    /// Apple's extensions.
    Aapl(Vec<u8>),
    /// Anything else.
    Other {
        /// Its name.
        name: Vec<u8>,
        /// Its data.
        data: Vec<u8>,
    },
}

impl ResponseContext {
    /// The name under which this goes.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::DHnQ => name::DHNQ,
            Self::MxAc { .. } => name::MX_AC,
            Self::QFid { .. } => name::QFID,
            Self::RqLs(_) => name::RQLS,
            Self::DH2Q { .. } => name::DH2Q,
            Self::Posix { .. } => name::POSIX,
            Self::Aapl(_) => name::AAPL,
            Self::Other { name, .. } => name,
        }
    }

    /// Appends the data.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        match self {
            Self::DHnQ => writer.zeros(8),
            Self::MxAc { query_status, maximal_access } => {
                writer.u32(*query_status);
                writer.u32(maximal_access.bits());
            }
            Self::QFid { disk_file_id, volume_id } => {
                writer.u64(*disk_file_id);
                writer.u64(*volume_id);
                writer.zeros(16);
            }
            Self::RqLs(lease) => lease.put(&mut writer),
            Self::DH2Q { timeout, flags } => {
                writer.u32(*timeout);
                writer.u32(flags.bits());
            }
            Self::Posix { nlink, reparse_tag, mode, owner, group } => {
                writer.u32(*nlink);
                writer.u32(*reparse_tag);
                writer.u32(*mode);
                owner.put(&mut writer);
                group.put(&mut writer);
            }
            Self::Aapl(data) | Self::Other { data, .. } => writer.bytes(data),
        }
    }

    /// What `data` under this name mean (for clients).
    pub fn parse(name: &[u8], data: &[u8]) -> Parse<Self> {
        Ok(match name {
            name::DHNQ => exactly(data, 8).map(|_| Self::DHnQ)?,
            name::MX_AC => {
                let mut reader = exactly(data, 8)?;
                Self::MxAc {
                    query_status: reader.u32()?,
                    maximal_access: AccessMask::from_bits_retain(reader.u32()?),
                }
            }
            name::QFID => {
                let mut reader = exactly(data, 32)?;
                Self::QFid { disk_file_id: reader.u64()?, volume_id: reader.u64()? }
            }
            name::RQLS => Self::RqLs(Lease::parse(data)?),
            name::DH2Q => {
                let mut reader = exactly(data, 8)?;
                Self::DH2Q {
                    timeout: reader.u32()?,
                    flags: DurableFlags::from_bits_retain(reader.u32()?),
                }
            }
            name::POSIX => {
                let mut reader = Reader::new(data);
                Self::Posix {
                    nlink: reader.u32()?,
                    reparse_tag: reader.u32()?,
                    mode: reader.u32()?,
                    owner: Sid::parse(&mut reader)?,
                    group: Sid::parse(&mut reader)?,
                }
            }
            name::AAPL => Self::Aapl(data.to_vec()),
            _ => Self::Other { name: name.to_vec(), data: data.to_vec() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::LeaseV2;
    use super::*;
    use alloc::vec;

    #[test]
    #[rustfmt::skip]
    fn every_context_round_trips_and_never_panics() {
        use ResponseContext as C;
        let v2 = Lease { v2: Some(LeaseV2::default()), ..Default::default() };
        let owner = Sid::UNIX_USERS.join(1000).unwrap();
        let group = Sid::UNIX_GROUPS.join(100).unwrap();
        for (context, length) in [
            (C::DHnQ, 8),
            (C::MxAc { query_status: 0, maximal_access: AccessMask::ALL_ACCESS }, 8),
            (C::QFid { disk_file_id: 1, volume_id: 2 }, 32),
            (C::RqLs(Lease::default()), 32),
            (C::RqLs(v2), 52),
            (C::DH2Q { timeout: 60_000, flags: DurableFlags::PERSISTENT }, 8),
            (C::Posix { nlink: 1, reparse_tag: 0, mode: 0o755, owner, group }, 12 + 32),
        ] {
            let mut data = vec![];
            context.encode(&mut data);
            assert_eq!(data.len(), length, "{context:?}");
            for shorter in 0..length {
                let parsed = ResponseContext::parse(context.name(), &data[..shorter]);
                assert_eq!(parsed.is_ok(), shorter == 32 && length == 52, "{context:?}");
            }
            assert_eq!(ResponseContext::parse(context.name(), &data), Ok(context));
        }
        for name in [name::AAPL, b"Else"] {
            let context = ResponseContext::parse(name, &[1, 2, 3]).unwrap();
            assert_eq!(context.name(), name);
            let mut data = vec![];
            context.encode(&mut data);
            assert_eq!(data, [1, 2, 3]);
        }
    }
}
