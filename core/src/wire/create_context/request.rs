use super::{DurableFlags, Lease, exactly, name};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Writer};
use crate::wire::fscc::ea::{FullEaInformation, pack_full_ea, parse_full_ea};
use crate::wire::security::SecurityDescriptor;
use alloc::vec::Vec;

/// A context of a CREATE request (MS-SMB2 2.2.13.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestContext {
    /// Extended attributes of a new file (MS-SMB2 2.2.13.2.1).
    ExtA(Vec<FullEaInformation>),
    /// The security descriptor of a new file (MS-SMB2 2.2.13.2.2).
    SecD(SecurityDescriptor),
    /// A durable handle, please (MS-SMB2 2.2.13.2.3).
    DHnQ,
    /// A durable handle again (MS-SMB2 2.2.13.2.4).
    DHnC {
        /// Persistent and volatile.
        file_id: (u64, u64),
    },
    /// The room that a new file shall have (MS-SMB2 2.2.13.2.6).
    AlSi(u64),
    /// The maximal access, please, if the file was modified after this (MS-SMB2 2.2.13.2.5).
    MxAc(Option<FileTime>),
    /// The file as it was then (MS-SMB2 2.2.13.2.7).
    TWrp(FileTime),
    /// The file's id on the disk, please (MS-SMB2 2.2.13.2.9).
    QFid,
    /// A lease, please (MS-SMB2 2.2.13.2.8, 2.2.13.2.10).
    RqLs(Lease),
    /// A durable or persistent handle, please (MS-SMB2 2.2.13.2.11).
    DH2Q {
        /// For how many milliseconds it shall be kept; 0: as the server likes.
        timeout: u32,
        /// Whether it shall be persistent.
        flags: DurableFlags,
        /// Names this request.
        create_guid: [u8; 16],
    },
    /// A durable or persistent handle again (MS-SMB2 2.2.13.2.12).
    DH2C {
        /// Persistent and volatile.
        file_id: (u64, u64),
        /// Named the request that opened it.
        create_guid: [u8; 16],
        /// Whether it is persistent.
        flags: DurableFlags,
    },
    /// The application that opens (MS-SMB2 2.2.13.2.13).
    AppInstanceId([u8; 16]),
    /// The version of the application that opens (MS-SMB2 2.2.13.2.15).
    AppInstanceVersion {
        /// The high half.
        high: u64,
        /// The low half.
        low: u64,
    },
    /// POSIX semantics, please (SMB3 POSIX extensions, 2.2.13.2.16).
    Posix {
        /// Permissions of a new file.
        mode: u32,
    },
    /// Apple's extensions.
    Aapl(Vec<u8>),
    /// Anything else, which a server ignores.
    Other {
        /// Its name.
        name: Vec<u8>,
        /// Its data.
        data: Vec<u8>,
    },
}

impl RequestContext {
    /// What `data` under this name mean. Data of another length than the context has are refused,
    /// as Windows does.
    pub fn parse(name: &[u8], data: &[u8]) -> Parse<Self> {
        Ok(match name {
            name::EXT_A => Self::ExtA(parse_full_ea(data)?),
            name::SEC_D => Self::SecD(SecurityDescriptor::parse(data)?),
            name::DHNQ => exactly(data, 16).map(|_| Self::DHnQ)?,
            name::DHNC => {
                let mut reader = exactly(data, 16)?;
                Self::DHnC { file_id: (reader.u64()?, reader.u64()?) }
            }
            name::AL_SI => Self::AlSi(exactly(data, 8)?.u64()?),
            name::MX_AC if data.is_empty() => Self::MxAc(None),
            name::MX_AC => Self::MxAc(Some(FileTime(exactly(data, 8)?.u64()?))),
            name::TWRP => Self::TWrp(FileTime(exactly(data, 8)?.u64()?)),
            name::QFID => exactly(data, 0).map(|_| Self::QFid)?,
            name::RQLS => Self::RqLs(Lease::parse(data)?),
            name::DH2Q => {
                let mut reader = exactly(data, 32)?;
                let timeout = reader.u32()?;
                let flags = DurableFlags::from_bits_retain(reader.u32()?);
                reader.skip(8)?;
                Self::DH2Q { timeout, flags, create_guid: reader.array()? }
            }
            name::DH2C => {
                let mut reader = exactly(data, 36)?;
                Self::DH2C {
                    file_id: (reader.u64()?, reader.u64()?),
                    create_guid: reader.array()?,
                    flags: DurableFlags::from_bits_retain(reader.u32()?),
                }
            }
            name::POSIX => Self::Posix { mode: exactly(data, 4)?.u32()? },
            name::AAPL => Self::Aapl(data.to_vec()),
            name::APP_INSTANCE_ID | name::APP_INSTANCE_VERSION => Self::parse_app(name, data)?,
            _ => Self::Other { name: name.to_vec(), data: data.to_vec() },
        })
    }

    /// Both begin with their size.
    fn parse_app(name: &[u8], data: &[u8]) -> Parse<Self> {
        let id = name == name::APP_INSTANCE_ID;
        let size: u16 = if id { 20 } else { 24 };
        let mut reader = exactly(data, size.into())?;
        if reader.u16()? != size {
            return Err(Malformed("structure size of an application's context"));
        }
        reader.skip(2)?;
        if id {
            return Ok(Self::AppInstanceId(reader.array()?));
        }
        reader.skip(4)?;
        Ok(Self::AppInstanceVersion { high: reader.u64()?, low: reader.u64()? })
    }

    /// The name under which this goes.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::ExtA(_) => name::EXT_A,
            Self::SecD(_) => name::SEC_D,
            Self::DHnQ => name::DHNQ,
            Self::DHnC { .. } => name::DHNC,
            Self::AlSi(_) => name::AL_SI,
            Self::MxAc(_) => name::MX_AC,
            Self::TWrp(_) => name::TWRP,
            Self::QFid => name::QFID,
            Self::RqLs(_) => name::RQLS,
            Self::DH2Q { .. } => name::DH2Q,
            Self::DH2C { .. } => name::DH2C,
            Self::AppInstanceId(_) => name::APP_INSTANCE_ID,
            Self::AppInstanceVersion { .. } => name::APP_INSTANCE_VERSION,
            Self::Posix { .. } => name::POSIX,
            Self::Aapl(_) => name::AAPL,
            Self::Other { name, .. } => name,
        }
    }

    /// Appends the data (for clients); fails only for a security descriptor beyond 64 KiB.
    pub fn encode(&self, out: &mut Vec<u8>) -> Parse<()> {
        if let Self::SecD(descriptor) = self {
            return descriptor.encode(out);
        }
        let mut writer = Writer::new(out);
        match self {
            Self::ExtA(attributes) => writer.bytes(&pack_full_ea(attributes, usize::MAX).0),
            Self::SecD(_) | Self::MxAc(None) | Self::QFid => (),
            Self::DHnQ => writer.zeros(16),
            Self::DHnC { file_id: (persistent, volatile) } => {
                writer.u64(*persistent);
                writer.u64(*volatile);
            }
            Self::AlSi(size) => writer.u64(*size),
            Self::MxAc(Some(time)) | Self::TWrp(time) => writer.u64(time.0),
            Self::RqLs(lease) => lease.put(&mut writer),
            Self::DH2Q { timeout, flags, create_guid } => {
                writer.u32(*timeout);
                writer.u32(flags.bits());
                writer.u64(0);
                writer.bytes(create_guid);
            }
            Self::DH2C { file_id: (persistent, volatile), create_guid, flags } => {
                writer.u64(*persistent);
                writer.u64(*volatile);
                writer.bytes(create_guid);
                writer.u32(flags.bits());
            }
            Self::AppInstanceId(id) => {
                writer.u32(20);
                writer.bytes(id);
            }
            Self::AppInstanceVersion { high, low } => {
                writer.u64(24);
                writer.u64(*high);
                writer.u64(*low);
            }
            Self::Posix { mode } => writer.u32(*mode),
            Self::Aapl(data) | Self::Other { data, .. } => writer.bytes(data),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LeaseFlags, LeaseState, LeaseV2};
    use super::*;
    use crate::wire::security::Sid;
    use alloc::vec;

    #[rustfmt::skip]
    fn every() -> Vec<(RequestContext, usize)> {
        use RequestContext as C;
        let ea = FullEaInformation { flags: 0, ea_name: b"A".to_vec(), ea_value: b"B".to_vec() };
        let mut descriptor = SecurityDescriptor { owner: Some(Sid::SYSTEM), ..Default::default() };
        descriptor.control.insert(crate::wire::security::SecurityControl::SELF_RELATIVE);
        let v1 = Lease {
            lease_key: [1; 16],
            lease_state: LeaseState::from_bits_retain(0x17),
            lease_flags: LeaseFlags::PARENT_LEASE_KEY_SET,
            lease_duration: 2,
            v2: None,
        };
        let v2 = Lease { v2: Some(LeaseV2 { parent_lease_key: [3; 16], epoch: 4 }), ..v1 };
        let create_guid = [5; 16];
        let flags = DurableFlags::PERSISTENT;
        vec![
            (C::ExtA(vec![ea]), 11),
            (C::SecD(descriptor), 32),
            (C::DHnQ, 16),
            (C::DHnC { file_id: (1, 2) }, 16),
            (C::AlSi(3), 8),
            (C::MxAc(None), 0),
            (C::MxAc(Some(FileTime(4))), 8),
            (C::TWrp(FileTime(5)), 8),
            (C::QFid, 0),
            (C::RqLs(v1), 32),
            (C::RqLs(v2), 52),
            (C::DH2Q { timeout: 6, flags, create_guid }, 32),
            (C::DH2C { file_id: (1, 2), create_guid, flags }, 36),
            (C::AppInstanceId([7; 16]), 20),
            (C::AppInstanceVersion { high: 8, low: 9 }, 24),
            (C::Posix { mode: 0o644 }, 4),
            (C::Aapl(vec![1; 24]), 24),
            (C::Other { name: b"Else".to_vec(), data: vec![2; 3] }, 3),
        ]
    }

    #[test]
    fn every_context_round_trips() {
        for (context, length) in every() {
            let mut data = vec![];
            context.encode(&mut data).unwrap();
            assert_eq!(data.len(), length, "{context:?}");
            let parsed = RequestContext::parse(context.name(), &data);
            assert_eq!(parsed, Ok(context));
        }
    }

    /// smb2.create.blob: a context of another length is refused.
    #[test]
    fn other_lengths_are_refused() {
        for (context, length) in every() {
            let any_length =
                matches!(context, RequestContext::Aapl(_) | RequestContext::Other { .. });
            let mut data = vec![];
            context.encode(&mut data).unwrap();
            for shorter in 1..length {
                let parsed = RequestContext::parse(context.name(), &data[..shorter]);
                let a_v1_lease = shorter == 32 && length == 52;
                assert_eq!(parsed.is_ok(), any_length || a_v1_lease, "{context:?}");
            }
            data.push(0);
            let parsed = RequestContext::parse(context.name(), &data);
            let open_ended = matches!(context, RequestContext::ExtA(_) | RequestContext::SecD(_));
            assert_eq!(parsed.is_ok(), any_length || open_ended, "{context:?}");
        }
    }
}
