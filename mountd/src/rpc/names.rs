//! Which SID belongs to which name (MS-LSAT 3.1.1, MS-DTYP 2.4.2.4).
//!
//! There are, in the order in which a name without a domain is looked for: the server's accounts,
//! S-1-5-21-a-b-c-number; what every Windows knows; Unix users and groups, S-1-22-1-uid and
//! S-1-22-2-gid as in Samba, which is what files belong to.

use ksmbd_core::wire::security::Sid;

use super::Directory;

/// What a SID stands for (MS-LSAT 2.2.13, `SID_NAME_USE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Use {
    User = 1,
    Group = 2,
    Domain = 3,
    Alias = 4,
    WellKnown = 5,
    Unknown = 8,
}

/// A SID with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) sid: Sid,
    pub(super) name: String,
    pub(super) kind: Use,
    pub(super) domain: DomainName,
}

/// Where names belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DomainName {
    pub(super) sid: Sid,
    pub(super) name: String,
}

impl Named {
    /// The SID without the domain's: what older operations return instead of it (MS-LSAT 2.2.15).
    pub(super) fn relative(&self) -> u32 {
        self.sid.relative_to(&self.domain.sid).unwrap_or(u32::MAX)
    }
}

/// Well-known SIDs by the authority and the one sub-authority that they have.
const WELL_KNOWN: &[(u8, u32, &str)] = &[
    (0, 0, "NULL SID"),
    (1, 0, "Everyone"),
    (2, 0, "LOCAL"),
    (3, 0, "CREATOR OWNER"),
    (3, 1, "CREATOR GROUP"),
    (3, 2, "CREATOR OWNER SERVER"),
    (3, 3, "CREATOR GROUP SERVER"),
    (3, 4, "OWNER RIGHTS"),
    (5, 1, "DIALUP"),
    (5, 2, "NETWORK"),
    (5, 3, "BATCH"),
    (5, 4, "INTERACTIVE"),
    (5, 6, "SERVICE"),
    (5, 7, "ANONYMOUS LOGON"),
    (5, 9, "ENTERPRISE DOMAIN CONTROLLERS"),
    (5, 10, "SELF"),
    (5, 11, "Authenticated Users"),
    (5, 12, "RESTRICTED"),
    (5, 13, "TERMINAL SERVER USER"),
    (5, 14, "REMOTE INTERACTIVE LOGON"),
    (5, 15, "This Organization"),
    (5, 18, "SYSTEM"),
    (5, 19, "LOCAL SERVICE"),
    (5, 20, "NETWORK SERVICE"),
];

/// The groups of S-1-5-32.
pub(super) const BUILTINS: &[(u32, &str)] = &[
    (544, "Administrators"),
    (545, "Users"),
    (546, "Guests"),
    (547, "Power Users"),
    (548, "Account Operators"),
    (549, "Server Operators"),
    (550, "Print Operators"),
    (551, "Backup Operators"),
    (552, "Replicator"),
];

/// Where there are names, in the order of [`of_name`].
const PLACES: [Place; 9] = [
    Place::Authority(5),
    Place::Authority(3),
    Place::Authority(2),
    Place::Authority(1),
    Place::Authority(0),
    Place::Builtin,
    Place::Machine,
    Place::UnixUsers,
    Place::UnixGroups,
];

/// A domain in the sense of SIDs: what stands before the last number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// S-1-n: what every Windows knows.
    Authority(u8),
    /// S-1-5-32: groups that every machine has.
    Builtin,
    /// S-1-5-21-a-b-c: the accounts. ksmbd's rule for its numbers is that they are Unix users' or
    /// groups', and all of them have names; where a user and a group have the same, it is the
    /// user's. Only names of accounts have such numbers, for permissions that name others here
    /// would let nobody in.
    Machine,
    /// S-1-22-1: Unix users.
    UnixUsers,
    /// S-1-22-2: Unix groups.
    UnixGroups,
}

impl Place {
    pub(super) fn domain(self, directory: &dyn Directory) -> DomainName {
        let short = |authority: u8, rest: &[u32]| Sid::new(authority.into(), rest);
        let (sid, name) = match self {
            Self::Authority(5) => (short(5, &[]), "NT AUTHORITY"),
            Self::Authority(authority) => (short(authority, &[]), ""),
            Self::Builtin => (short(5, &[32]), "BUILTIN"),
            Self::Machine => {
                let [a, b, c] = directory.machine();
                (short(5, &[21, a, b, c]), directory.server_name())
            }
            Self::UnixUsers => (Some(Sid::UNIX_USERS), "Unix User"),
            Self::UnixGroups => (Some(Sid::UNIX_GROUPS), "Unix Group"),
        };
        // Authorities are small and the numbers few: there always is a SID.
        DomainName { sid: sid.unwrap_or(Sid::NULL), name: name.to_owned() }
    }

    /// The name of a number here.
    pub(super) fn of_number(self, directory: &dyn Directory, number: u32) -> Option<(String, Use)> {
        let people = directory.people();
        let known = |name: &&str| (*name).to_owned();
        match self {
            Self::Authority(authority) => WELL_KNOWN
                .iter()
                .find(|known| (known.0, known.1) == (authority, number))
                .map(|(_, _, name)| (known(name), Use::WellKnown)),
            Self::Builtin => BUILTINS
                .iter()
                .find(|known| known.0 == number)
                .map(|(_, name)| (known(name), Use::Alias)),
            // No user has zero, so that root's group keeps it.
            Self::Machine if number == 0 => Some((people.unix_group_name(number)?, Use::Group)),
            Self::Machine => None
                .or_else(|| Some((people.account_of(number)?.name, Use::User)))
                .or_else(|| Some((people.unix_user_name(number)?, Use::User)))
                .or_else(|| Some((people.unix_group_name(number)?, Use::Group))),
            // Files may belong to numbers without a name.
            Self::UnixUsers => {
                let name = people.unix_user_name(number);
                Some((name.unwrap_or_else(|| number.to_string()), Use::User))
            }
            Self::UnixGroups => {
                let name = people.unix_group_name(number);
                Some((name.unwrap_or_else(|| number.to_string()), Use::Group))
            }
        }
    }

    /// The number of a name here. Case does not matter where Windows made the name; else the exact
    /// name is preferred to the one in small letters.
    pub(super) fn of_name(self, directory: &dyn Directory, name: &str) -> Option<(u32, Use)> {
        let people = directory.people();
        let user = || either(name, |name| people.unix_user(name));
        let group = || either(name, |name| people.unix_group(name));
        match self {
            Self::Authority(authority) => WELL_KNOWN
                .iter()
                .find(|known| known.0 == authority && known.2.eq_ignore_ascii_case(name))
                .map(|(_, number, _)| (*number, Use::WellKnown)),
            Self::Builtin => BUILTINS
                .iter()
                .find(|known| known.1.eq_ignore_ascii_case(name))
                .map(|(number, _)| (*number, Use::Alias)),
            Self::Machine => Some((account(directory, name)?, Use::User)),
            Self::UnixUsers => Some((user().or_else(|| digits(name))?, Use::User)),
            Self::UnixGroups => Some((group().or_else(|| digits(name))?, Use::Group)),
        }
    }

    fn named(self, directory: &dyn Directory, name: &str) -> Option<Named> {
        let (number, _) = self.of_name(directory, name)?;
        let domain = self.domain(directory);
        of_sid(directory, &domain.sid.join(number)?)
    }
}

/// The number that stands for a missing name.
fn digits(name: &str) -> Option<u32> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())?
}

fn account(directory: &dyn Directory, name: &str) -> Option<u32> {
    either(name, |name| directory.people().account(name).map(|user| user.rid))
}

/// What `find` finds for the exact name, or else for the same in small letters.
fn either<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    find(name).or_else(|| {
        let small = name.to_lowercase();
        if small == name { None } else { find(&small) }
    })
}

/// The names of a SID, if it has any.
pub(super) fn of_sid(directory: &dyn Directory, sid: &Sid) -> Option<Named> {
    PLACES.into_iter().find_map(|place| {
        let domain = place.domain(directory);
        if domain.sid == *sid {
            return of_domain(domain);
        }
        let (name, kind) = place.of_number(directory, sid.relative_to(&domain.sid)?)?;
        Some(Named { sid: *sid, name, kind, domain })
    })
}

/// What a client calls `text`: a domain and a name, or one of both.
pub(super) fn of_name(directory: &dyn Directory, text: &str) -> Option<Named> {
    let called = |wanted: &str| {
        let mut places = PLACES.into_iter();
        places.find(|place| !wanted.is_empty() && same(&place.domain(directory).name, wanted))
    };
    match text.split_once('\\') {
        Some((domain, "")) => of_domain(called(domain)?.domain(directory)),
        Some((domain, name)) if !domain.is_empty() => match called(domain)? {
            // Who has no account owns files all the same, by the Unix user's SID.
            Place::Machine => {
                Place::Machine.named(directory, name).or_else(|| unix(directory, name))
            }
            place => place.named(directory, name),
        },
        Some((_, name)) => isolated(directory, name, called(name)),
        None => isolated(directory, text, called(text)),
    }
}

/// A name without a domain, which may be a domain's. Accounts come first: who has made one called
/// `system` or `users` means that.
fn isolated(directory: &dyn Directory, name: &str, domain: Option<Place>) -> Option<Named> {
    if name.is_empty() {
        return None;
    }
    if account(directory, name).is_some() {
        return Place::Machine.named(directory, name);
    }
    if let Some(domain) = domain {
        return of_domain(domain.domain(directory));
    }
    let made_by_windows = PLACES.into_iter().find_map(|place| match place {
        Place::Authority(_) | Place::Builtin => place.named(directory, name),
        Place::Machine | Place::UnixUsers | Place::UnixGroups => None,
    });
    made_by_windows.or_else(|| unix(directory, name))
}

/// A Unix user or group. A number alone is nobody's name.
fn unix(directory: &dyn Directory, name: &str) -> Option<Named> {
    let people = directory.people();
    if either(name, |name| people.unix_user(name)).is_some() {
        return Place::UnixUsers.named(directory, name);
    }
    either(name, |name| people.unix_group(name))?;
    Place::UnixGroups.named(directory, name)
}

fn of_domain(domain: DomainName) -> Option<Named> {
    let named = Named { sid: domain.sid, name: domain.name.clone(), kind: Use::Domain, domain };
    // S-1-1 is the beginning of a name, and none itself.
    (!named.name.is_empty()).then_some(named)
}

/// Whether two names of domains are the same.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests;
