//! SIDs, ACLs and security descriptors (MS-DTYP 2.4).
//!
//! A descriptor fits into 64 KiB, and every length in it is checked against what is around it: an ACE lies in its ACL, an ACL and a SID in the descriptor.

mod acl;
mod sid;

pub use acl::{Ace, AceBody, AceFlags, AceType, Acl};
pub use sid::Sid;

use super::codec::{Malformed, Parse, Reader, Writer};
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// What a security descriptor says about itself (MS-DTYP 2.4.6).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SecurityControl: u16 {
        /// The owner was not given by a user.
        const OWNER_DEFAULTED = 0x0001;
        /// The group was not given by a user.
        const GROUP_DEFAULTED = 0x0002;
        /// There is a DACL; without one in the descriptor it is the NULL DACL: all is allowed.
        const DACL_PRESENT = 0x0004;
        /// The DACL was not given by a user.
        const DACL_DEFAULTED = 0x0008;
        /// There is a SACL.
        const SACL_PRESENT = 0x0010;
        /// The SACL was not given by a user.
        const SACL_DEFAULTED = 0x0020;
        /// Made on behalf of a server.
        const DACL_TRUSTED = 0x0040;
        /// Made on behalf of a server.
        const SERVER_SECURITY = 0x0080;
        /// The DACL is to be inherited by what is below.
        const DACL_AUTO_INHERIT_REQ = 0x0100;
        /// The SACL is to be inherited by what is below.
        const SACL_AUTO_INHERIT_REQ = 0x0200;
        /// The DACL was inherited.
        const DACL_AUTO_INHERITED = 0x0400;
        /// The SACL was inherited.
        const SACL_AUTO_INHERITED = 0x0800;
        /// The DACL is not touched by inheritance.
        const DACL_PROTECTED = 0x1000;
        /// The SACL is not touched by inheritance.
        const SACL_PROTECTED = 0x2000;
        /// Sbz1 means something.
        const RM_CONTROL_VALID = 0x4000;
        /// The parts are in one piece of memory; always so on the wire.
        const SELF_RELATIVE = 0x8000;
        const _ = !0;
    }
}

/// A security descriptor (MS-DTYP 2.4.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityDescriptor {
    /// Means something with [`SecurityControl::RM_CONTROL_VALID`].
    pub sbz1: u8,
    /// The flags. [`SecurityDescriptor::encode`] sets those that the parts ask for.
    pub control: SecurityControl,
    /// The owner.
    pub owner: Option<Sid>,
    /// The group.
    pub group: Option<Sid>,
    /// What is audited.
    pub sacl: Option<Acl>,
    /// Who may do what. None with [`SecurityControl::DACL_PRESENT`] is the NULL DACL, which allows
    /// all; None without it says nothing about access.
    pub dacl: Option<Acl>,
}

/// The fixed part of a descriptor.
const HEADER: usize = 20;
/// No descriptor is longer: its parts are found with 16-bit sizes.
const MAX_LEN: usize = 0xffff;

impl SecurityDescriptor {
    /// The self-relative descriptor that `bytes` are.
    pub fn parse(bytes: &[u8]) -> Parse<Self> {
        if bytes.len() > MAX_LEN {
            return Err(Malformed("security descriptor longer than 64 KiB"));
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 1 {
            return Err(Malformed("security descriptor of an unknown revision"));
        }
        let sbz1 = reader.u8()?;
        let control = SecurityControl::from_bits_retain(reader.u16()?);
        if !control.contains(SecurityControl::SELF_RELATIVE) {
            return Err(Malformed("security descriptor is not self-relative"));
        }
        let owner = reader.u32()?;
        let group = reader.u32()?;
        let sacl = reader.u32()?;
        let dacl = reader.u32()?;
        let present = |flag, offset| if control.contains(flag) { offset } else { 0 };
        Ok(Self {
            sbz1,
            control,
            owner: part(bytes, owner, Sid::parse)?,
            group: part(bytes, group, Sid::parse)?,
            sacl: part(bytes, present(SecurityControl::SACL_PRESENT, sacl), Acl::parse)?,
            dacl: part(bytes, present(SecurityControl::DACL_PRESENT, dacl), Acl::parse)?,
        })
    }

    /// Appends the descriptor, its parts one after the other. Fails, and appends nothing, only if it
    /// is longer than 64 KiB; one whose parts lay on top of each other when it was parsed may be.
    pub fn encode(&self, out: &mut Vec<u8>) -> Parse<()> {
        let start = out.len();
        let done = self.put(&mut Writer::new(out));
        if done.is_err() || out.len().saturating_sub(start) > MAX_LEN {
            out.truncate(start);
            return Err(Malformed("security descriptor longer than 64 KiB"));
        }
        Ok(())
    }

    fn put(&self, writer: &mut Writer<'_>) -> Parse<()> {
        let mut control = self.control | SecurityControl::SELF_RELATIVE;
        if self.sacl.is_some() {
            control |= SecurityControl::SACL_PRESENT;
        }
        if self.dacl.is_some() {
            control |= SecurityControl::DACL_PRESENT;
        }
        writer.u8(1);
        writer.u8(self.sbz1);
        writer.u16(control.bits());
        writer.zeros(16);
        for (field, sid) in [(4, &self.owner), (8, &self.group)] {
            if let Some(sid) = sid {
                point_here(writer, field)?;
                sid.put(writer);
            }
        }
        for (field, acl) in [(12, &self.sacl), (16, &self.dacl)] {
            if let Some(acl) = acl {
                point_here(writer, field)?;
                acl.put(writer)?;
            }
        }
        Ok(())
    }
}

/// The part at `offset`, up to whose end it says itself; None at offset 0.
fn part<T>(
    bytes: &[u8],
    offset: u32,
    parse: impl FnOnce(&mut Reader<'_>) -> Parse<T>,
) -> Parse<Option<T>> {
    let offset = usize::try_from(offset).map_err(|_| Malformed("offset overflows"))?;
    if offset == 0 {
        return Ok(None);
    }
    if offset < HEADER {
        return Err(Malformed("part of a security descriptor inside its header"));
    }
    let rest = bytes.get(offset..).ok_or(Malformed("part of a security descriptor outside"))?;
    parse(&mut Reader::new(rest)).map(Some)
}

fn point_here(writer: &mut Writer<'_>, field: usize) -> Parse<()> {
    let here = u32::try_from(writer.len()).map_err(|_| Malformed("offset overflows"))?;
    writer.patch_u32(field, here);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fscc::AccessMask;
    use alloc::vec;

    fn descriptor() -> SecurityDescriptor {
        SecurityDescriptor {
            control: SecurityControl::SELF_RELATIVE
                | SecurityControl::DACL_PRESENT
                | SecurityControl::DACL_PROTECTED,
            owner: Some(Sid::new(5, &[21, 1, 2, 3, 1000]).unwrap()),
            group: Some(Sid::BUILTIN_ADMINISTRATORS),
            dacl: Some(Acl {
                acl_revision: 2,
                aces: vec![
                    Ace::allow(Sid::EVERYONE, AccessMask::FILE_GENERIC_READ),
                    Ace::deny(Sid::SYSTEM, AccessMask::DELETE),
                ],
            }),
            ..Default::default()
        }
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = vec![];
        descriptor().encode(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_descriptor_round_trips_and_never_panics() {
        let bytes = bytes();
        assert_eq!(bytes.len(), 20 + 28 + 16 + 8 + 20 + 20);
        assert_eq!(SecurityDescriptor::parse(&bytes), Ok(descriptor()));
        for length in 0..bytes.len() {
            assert!(SecurityDescriptor::parse(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn every_byte_may_lie() {
        let bytes = bytes();
        for at in 0..bytes.len() {
            for value in [0, 1, 3, 7, 0x10, 0x7f, 0x80, 0xff] {
                let mut lie = bytes.clone();
                lie[at] = value;
                if let Ok(parsed) = SecurityDescriptor::parse(&lie) {
                    let mut again = vec![];
                    parsed.encode(&mut again).unwrap();
                    assert_eq!(SecurityDescriptor::parse(&again), Ok(parsed));
                }
            }
        }
    }

    #[test]
    fn parts_lie_behind_the_header_and_inside() {
        for (offset, valid) in [(0, true), (19, false), (20, true), (112, false), (!0, false)] {
            let mut bytes = bytes();
            bytes[4..8].copy_from_slice(&u32::to_le_bytes(offset));
            assert_eq!(SecurityDescriptor::parse(&bytes).is_ok(), valid, "{offset}");
        }
        assert!(SecurityDescriptor::parse(&vec![1; 0x1_0000]).is_err());
    }

    #[test]
    fn the_null_dacl_is_not_an_absent_one() {
        for control in [SecurityControl::DACL_PRESENT, SecurityControl::empty()] {
            let control = control | SecurityControl::SELF_RELATIVE;
            let null = SecurityDescriptor { control, ..Default::default() };
            let mut bytes = vec![];
            null.encode(&mut bytes).unwrap();
            assert_eq!(SecurityDescriptor::parse(&bytes), Ok(null));
        }
    }

    #[test]
    fn what_is_too_long_is_refused_whole() {
        let mut long = descriptor();
        let ace = Ace::allow(Sid::EVERYONE, AccessMask::DELETE);
        long.dacl = Some(Acl { acl_revision: 2, aces: vec![ace; 4000] });
        let mut bytes = vec![7];
        assert!(long.encode(&mut bytes).is_err());
        assert_eq!(bytes, [7]);
    }
}
