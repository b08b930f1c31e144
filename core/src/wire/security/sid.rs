use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use core::fmt;
use core::str::FromStr;

/// How many sub-authorities there can be.
const MAX_SUB_AUTHORITIES: usize = 15;

/// A security identifier (MS-DTYP 2.4.2); may have no sub-authority at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    identifier_authority: [u8; 6],
    sub_authority_count: u8,
    /// Zeros behind the count, so that equality is equality.
    sub_authority: [u32; MAX_SUB_AUTHORITIES],
}

/// The SID S-1-`authority`-`first`-`second`, of which the first `count` sub-authorities count.
const fn well_known(authority: u8, count: u8, first: u32, second: u32) -> Sid {
    Sid {
        identifier_authority: [0, 0, 0, 0, 0, authority],
        sub_authority_count: count,
        sub_authority: [first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
}

/// Well-known ones (MS-DTYP 2.4.2.4).
impl Sid {
    /// S-1-0-0.
    pub const NULL: Self = well_known(0, 1, 0, 0);
    /// S-1-1-0.
    pub const EVERYONE: Self = well_known(1, 1, 0, 0);
    /// S-1-3-0.
    pub const CREATOR_OWNER: Self = well_known(3, 1, 0, 0);
    /// S-1-3-1.
    pub const CREATOR_GROUP: Self = well_known(3, 1, 1, 0);
    /// S-1-3-4.
    pub const OWNER_RIGHTS: Self = well_known(3, 1, 4, 0);
    /// S-1-5-2.
    pub const NETWORK: Self = well_known(5, 1, 2, 0);
    /// S-1-5-7.
    pub const ANONYMOUS: Self = well_known(5, 1, 7, 0);
    /// S-1-5-11.
    pub const AUTHENTICATED_USERS: Self = well_known(5, 1, 11, 0);
    /// S-1-5-18.
    pub const SYSTEM: Self = well_known(5, 1, 18, 0);
    /// S-1-5-32-544.
    pub const BUILTIN_ADMINISTRATORS: Self = well_known(5, 2, 32, 544);
    /// S-1-5-32-545.
    pub const BUILTIN_USERS: Self = well_known(5, 2, 32, 545);
    /// S-1-5-32-546.
    pub const BUILTIN_GUESTS: Self = well_known(5, 2, 32, 546);
    /// S-1-22-1: a Unix user's id follows, as Samba has it.
    pub const UNIX_USERS: Self = well_known(22, 1, 1, 0);
    /// S-1-22-2: a Unix group's id follows, as Samba has it.
    pub const UNIX_GROUPS: Self = well_known(22, 1, 2, 0);
    /// S-1-5-88-1: a Unix user's id follows, as Windows' NFS has it.
    pub const NFS_USERS: Self = well_known(5, 2, 88, 1);
    /// S-1-5-88-2: a Unix group's id follows, as Windows' NFS has it.
    pub const NFS_GROUPS: Self = well_known(5, 2, 88, 2);
    /// S-1-5-88-3: a Unix mode follows, as Windows' NFS has it.
    pub const NFS_MODE: Self = well_known(5, 2, 88, 3);
}

impl Sid {
    /// None if there are more than 15 sub-authorities or the authority has more than 48 bits.
    pub fn new(identifier_authority: u64, sub_authorities: &[u32]) -> Option<Self> {
        let [0, 0, authority @ ..] = identifier_authority.to_be_bytes() else {
            return None;
        };
        let mut sub_authority = [0; MAX_SUB_AUTHORITIES];
        sub_authority.get_mut(..sub_authorities.len())?.copy_from_slice(sub_authorities);
        Some(Self {
            identifier_authority: authority,
            sub_authority_count: u8::try_from(sub_authorities.len()).ok()?,
            sub_authority,
        })
    }

    /// The authority.
    pub fn identifier_authority(&self) -> u64 {
        let [a, b, c, d, e, f] = self.identifier_authority;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The sub-authorities.
    pub fn sub_authorities(&self) -> &[u32] {
        self.sub_authority.get(..self.sub_authority_count.into()).unwrap_or_default()
    }

    /// The SID with one more sub-authority; None if there are 15.
    pub fn join(&self, relative: u32) -> Option<Self> {
        let mut joined = *self;
        *joined.sub_authority.get_mut(usize::from(self.sub_authority_count))? = relative;
        joined.sub_authority_count = self.sub_authority_count.saturating_add(1);
        Some(joined)
    }

    /// The SID without its last sub-authority, and that; None if there is none.
    pub fn split(&self) -> Option<(Self, u32)> {
        let mut domain = *self;
        domain.sub_authority_count = self.sub_authority_count.checked_sub(1)?;
        let last = domain.sub_authority.get_mut(usize::from(domain.sub_authority_count))?;
        let relative = core::mem::take(last);
        Some((domain, relative))
    }

    /// The last sub-authority, if this is `domain` and one more.
    pub fn relative_to(&self, domain: &Self) -> Option<u32> {
        let (own, relative) = self.split()?;
        (own == *domain).then_some(relative)
    }

    /// How many bytes it takes on the wire.
    pub fn encoded_len(&self) -> usize {
        self.sub_authorities().len().saturating_mul(4).saturating_add(8)
    }

    /// Reads a SID.
    pub fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        if reader.u8()? != 1 {
            return Err(Malformed("SID of an unknown revision"));
        }
        let sub_authority_count = reader.u8()?;
        let identifier_authority = reader.array()?;
        let mut sub_authority = [0; MAX_SUB_AUTHORITIES];
        for value in sub_authority
            .get_mut(..sub_authority_count.into())
            .ok_or(Malformed("SID of more than 15 sub-authorities"))?
        {
            *value = reader.u32()?;
        }
        Ok(Self { identifier_authority, sub_authority_count, sub_authority })
    }

    /// Appends the SID.
    pub fn put(&self, writer: &mut Writer<'_>) {
        writer.u8(1);
        writer.u8(self.sub_authority_count);
        writer.bytes(&self.identifier_authority);
        for value in self.sub_authorities() {
            writer.u32(*value);
        }
    }
}

/// MS-DTYP 2.4.2.1: authorities of more than 32 bits are hexadecimal.
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.identifier_authority();
        if u32::try_from(authority).is_ok() {
            write!(f, "S-1-{authority}")?;
        } else {
            write!(f, "S-1-0x{authority:012x}")?;
        }
        for value in self.sub_authorities() {
            write!(f, "-{value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = Malformed;

    fn from_str(text: &str) -> Parse<Self> {
        const NOT_A_SID: Malformed = Malformed("not a SID");
        let mut parts = text.strip_prefix("S-1-").ok_or(NOT_A_SID)?.split('-');
        let authority = parts.next().ok_or(NOT_A_SID)?;
        let authority = match authority.strip_prefix("0x") {
            Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
            None => authority.parse(),
        };
        let mut sid = Self::new(authority.map_err(|_| NOT_A_SID)?, &[]).ok_or(NOT_A_SID)?;
        for part in parts {
            let value = part.parse().map_err(|_| NOT_A_SID)?;
            sid = sid.join(value).ok_or(NOT_A_SID)?;
        }
        Ok(sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn text_round_trips() {
        for text in [
            "S-1-5",
            "S-1-1-0",
            "S-1-5-32-544",
            "S-1-5-21-4294967295-2-3-1000",
            "S-1-0x010000000000-7",
        ] {
            assert_eq!(text.parse::<Sid>().unwrap().to_string(), text);
        }
        assert_eq!(Sid::BUILTIN_GUESTS.to_string(), "S-1-5-32-546");
        let long = "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16";
        for text in ["", "S-1-", "S-2-5", "S-1-x", "S-1-5-", "S-1-5-4294967296", long] {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
        assert!(Sid::new(1 << 48, &[]).is_none());
    }

    #[test]
    fn bytes_round_trip_and_never_panic() {
        for count in 0..=15 {
            let sid = Sid::new(5, &vec![u32::MAX; count]).unwrap();
            let mut bytes = vec![];
            sid.put(&mut Writer::new(&mut bytes));
            assert_eq!(bytes.len(), sid.encoded_len());
            assert_eq!(Sid::parse(&mut Reader::new(&bytes)), Ok(sid));
            for length in 0..bytes.len() {
                assert!(Sid::parse(&mut Reader::new(&bytes[..length])).is_err());
            }
        }
        let mut sixteen = [0; 72];
        sixteen[..2].copy_from_slice(&[1, 16]);
        assert!(Sid::parse(&mut Reader::new(&sixteen)).is_err());
        assert!(Sid::new(5, &[0; 16]).is_none());
    }

    #[test]
    fn relative_ids_come_and_go() {
        let user = Sid::UNIX_USERS.join(1000).unwrap();
        assert_eq!(user.to_string(), "S-1-22-1-1000");
        assert_eq!(user.split(), Some((Sid::UNIX_USERS, 1000)));
        assert_eq!(user.relative_to(&Sid::UNIX_USERS), Some(1000));
        assert_eq!(user.relative_to(&Sid::UNIX_GROUPS), None);
        assert_eq!(Sid::new(5, &[]).unwrap().split(), None);
        assert!(Sid::new(5, &[0; 15]).unwrap().join(0).is_none());
    }
}
