use super::Sid;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use crate::wire::fscc::AccessMask;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// What an ACE does (MS-DTYP 2.4.4.1).
    pub AceType(u8) {
        /// Allows.
        ACCESS_ALLOWED = 0x00,
        /// Denies.
        ACCESS_DENIED = 0x01,
        /// Audits.
        SYSTEM_AUDIT = 0x02,
        /// Reserved.
        SYSTEM_ALARM = 0x03,
        /// Reserved.
        ACCESS_ALLOWED_COMPOUND = 0x04,
        /// Allows, for one kind of object.
        ACCESS_ALLOWED_OBJECT = 0x05,
        /// Denies, for one kind of object.
        ACCESS_DENIED_OBJECT = 0x06,
        /// Audits, for one kind of object.
        SYSTEM_AUDIT_OBJECT = 0x07,
        /// Allows, on a condition.
        ACCESS_ALLOWED_CALLBACK = 0x09,
        /// Denies, on a condition.
        ACCESS_DENIED_CALLBACK = 0x0a,
        /// Audits, on a condition.
        SYSTEM_AUDIT_CALLBACK = 0x0d,
        /// The integrity level.
        SYSTEM_MANDATORY_LABEL = 0x11,
        /// Claims of a resource.
        SYSTEM_RESOURCE_ATTRIBUTE = 0x12,
        /// A central policy.
        SYSTEM_SCOPED_POLICY_ID = 0x13,
    }
}

impl AceType {
    /// A mask and a SID follow the header, for some with more data.
    fn has_sid(self) -> bool {
        matches!(
            self,
            Self::ACCESS_ALLOWED
                | Self::ACCESS_DENIED
                | Self::SYSTEM_AUDIT
                | Self::SYSTEM_ALARM
                | Self::ACCESS_ALLOWED_CALLBACK
                | Self::ACCESS_DENIED_CALLBACK
                | Self::SYSTEM_AUDIT_CALLBACK
                | Self::SYSTEM_MANDATORY_LABEL
                | Self::SYSTEM_RESOURCE_ATTRIBUTE
                | Self::SYSTEM_SCOPED_POLICY_ID
        )
    }
}

bitflags! {
    /// How an ACE is inherited (MS-DTYP 2.4.4.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AceFlags: u8 {
        /// By files.
        const OBJECT_INHERIT = 0x01;
        /// By directories.
        const CONTAINER_INHERIT = 0x02;
        /// By children only.
        const NO_PROPAGATE_INHERIT = 0x04;
        /// Does not apply here.
        const INHERIT_ONLY = 0x08;
        /// Was inherited.
        const INHERITED = 0x10;
        /// Audits what succeeds.
        const SUCCESSFUL_ACCESS = 0x40;
        /// Audits what fails.
        const FAILED_ACCESS = 0x80;
        const _ = !0;
    }
}

/// What follows the header of an ACE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AceBody {
    /// Who, and what.
    Sid {
        /// What.
        mask: AccessMask,
        /// Who.
        sid: Sid,
        /// A condition or a claim. Its end may be padding.
        application_data: Vec<u8>,
    },
    /// Types for objects of a directory service, and unknown ones.
    Opaque(Vec<u8>),
}

/// An entry of an access control list (MS-DTYP 2.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ace {
    /// What it does.
    pub ace_type: AceType,
    /// How it is inherited.
    pub ace_flags: AceFlags,
    /// To whom and what it applies.
    pub body: AceBody,
}

/// AceType, AceFlags and AceSize.
const ACE_HEADER: u16 = 4;

impl Ace {
    /// An ACE that allows, not inherited.
    pub fn allow(sid: Sid, mask: AccessMask) -> Self {
        Self::simple(AceType::ACCESS_ALLOWED, sid, mask)
    }

    /// An ACE that denies, not inherited.
    pub fn deny(sid: Sid, mask: AccessMask) -> Self {
        Self::simple(AceType::ACCESS_DENIED, sid, mask)
    }

    fn simple(ace_type: AceType, sid: Sid, mask: AccessMask) -> Self {
        Self {
            ace_type,
            ace_flags: AceFlags::empty(),
            body: AceBody::Sid { mask, sid, application_data: Vec::new() },
        }
    }

    /// Reads an ACE, whose size is a multiple of 4 and covers all that it has.
    fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        let ace_type = AceType(reader.u8()?);
        let ace_flags = AceFlags::from_bits_retain(reader.u8()?);
        let size = reader.u16()?;
        if !size.is_multiple_of(4) {
            return Err(Malformed("size of an ACE is not a multiple of 4"));
        }
        let size = size.checked_sub(ACE_HEADER).ok_or(Malformed("ACE smaller than its header"))?;
        let body = reader.bytes(size.into())?;
        let mut reader = Reader::new(body);
        let body = if ace_type.has_sid() {
            AceBody::Sid {
                mask: AccessMask::from_bits_retain(reader.u32()?),
                sid: Sid::parse(&mut reader)?,
                application_data: reader.rest().to_vec(),
            }
        } else {
            AceBody::Opaque(body.to_vec())
        };
        Ok(Self { ace_type, ace_flags, body })
    }

    fn put(&self, writer: &mut Writer<'_>) -> Parse<()> {
        let start = writer.len();
        writer.u8(self.ace_type.0);
        writer.u8(self.ace_flags.bits());
        writer.u16(0);
        match &self.body {
            AceBody::Sid { mask, sid, application_data } => {
                writer.u32(mask.bits());
                sid.put(writer);
                writer.bytes(application_data);
            }
            AceBody::Opaque(bytes) => writer.bytes(bytes),
        }
        writer.align(4);
        patch_size(writer, start, 2)
    }
}

/// An access control list (MS-DTYP 2.4.5). An empty one allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// 2, or 4 with ACEs for objects of a directory service.
    pub acl_revision: u8,
    /// In the order in which they decide.
    pub aces: Vec<Ace>,
}

/// AclRevision, Sbz1, AclSize, AceCount and Sbz2.
const ACL_HEADER: u16 = 8;

impl Acl {
    /// Reads an ACL. Its size bounds its ACEs and their number; bytes after them are free room.
    pub fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        let acl_revision = reader.u8()?;
        if !(2..=4).contains(&acl_revision) {
            return Err(Malformed("ACL of an unknown revision"));
        }
        reader.skip(1)?;
        let size = reader.u16()?;
        let count = reader.u16()?;
        reader.skip(2)?;
        let size = size.checked_sub(ACL_HEADER).ok_or(Malformed("ACL smaller than its header"))?;
        let mut reader = Reader::new(reader.bytes(size.into())?);
        if count > size / ACE_HEADER {
            return Err(Malformed("more ACEs than the ACL has room for"));
        }
        let aces = (0..count).map(|_| Ace::parse(&mut reader));
        Ok(Self { acl_revision, aces: aces.collect::<Parse<_>>()? })
    }

    /// Appends the ACL; fails if it is longer than 64 KiB.
    pub fn put(&self, writer: &mut Writer<'_>) -> Parse<()> {
        let start = writer.len();
        let count = u16::try_from(self.aces.len()).map_err(|_| Malformed("too many ACEs"))?;
        writer.u8(self.acl_revision);
        writer.u8(0);
        writer.u16(0);
        writer.u16(count);
        writer.u16(0);
        for ace in &self.aces {
            ace.put(writer)?;
        }
        patch_size(writer, start, 2)
    }
}

/// Sets the size of what began at `start`, `field` bytes into it.
fn patch_size(writer: &mut Writer<'_>, start: usize, field: usize) -> Parse<()> {
    let size = u16::try_from(writer.len().saturating_sub(start))
        .map_err(|_| Malformed("ACL longer than 64 KiB"))?;
    writer.patch_u16(start.saturating_add(field), size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn acl() -> Acl {
        let mut conditional = Ace::allow(Sid::new(5, &[]).unwrap(), AccessMask::DELETE);
        conditional.ace_type = AceType::ACCESS_ALLOWED_CALLBACK;
        conditional.ace_flags = AceFlags::from_bits_retain(0x33);
        if let AceBody::Sid { application_data, .. } = &mut conditional.body {
            application_data.extend(b"artx");
        }
        Acl {
            acl_revision: 4,
            aces: vec![
                Ace::deny(Sid::EVERYONE, AccessMask::all()),
                conditional,
                Ace {
                    ace_type: AceType(0x77),
                    ace_flags: AceFlags::INHERITED,
                    body: AceBody::Opaque(vec![]),
                },
            ],
        }
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = vec![];
        acl().put(&mut Writer::new(&mut bytes)).unwrap();
        bytes
    }

    fn parse(bytes: &[u8]) -> Parse<Acl> {
        Acl::parse(&mut Reader::new(bytes))
    }

    #[test]
    fn a_list_round_trips_and_never_panics() {
        let bytes = bytes();
        assert_eq!(bytes.len(), 8 + 20 + 20 + 4);
        assert_eq!(parse(&bytes), Ok(acl()));
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err());
        }
    }

    /// Sizes and counts that have broken servers before.
    #[test]
    fn sizes_that_lie_are_refused() {
        for (at, value) in [
            (0, 1),    // revision
            (2, 7),    // an ACL smaller than its header
            (2, 48),   // an ACL that ends inside its last ACE
            (2, 60),   // an ACL that ends behind the descriptor
            (3, 1),    // the same
            (4, 4),    // more ACEs than there are
            (5, 0xff), // more ACEs than fit
            (10, 0),   // an ACE smaller than its header
            (10, 3),   // the same
            (10, 4),   // an ACE without mask and SID
            (10, 8),   // an ACE without SID
            (10, 16),  // an ACE that ends inside its SID
            (10, 18),  // an odd size
            (11, 1),   // an ACE that ends behind the ACL
            (17, 2),   // a SID that ends behind its ACE
            (17, 16),  // a SID of too many parts
        ] {
            let mut bytes = bytes();
            bytes[at] = value;
            assert!(parse(&bytes).is_err(), "{at} {value}");
        }
    }

    #[test]
    fn free_room_behind_the_entries_is_fine() {
        let mut bytes = bytes();
        bytes.extend([0xff; 8]);
        bytes[2] += 8;
        assert_eq!(parse(&bytes), Ok(acl()));
    }
}
