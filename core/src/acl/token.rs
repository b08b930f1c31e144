//! Who asks, as SIDs; and the one place where Unix ids become SIDs and SIDs Unix ids.

use crate::{vfs::Identity, wire::security::Sid};
use alloc::vec::Vec;

/// S-1-22-1-uid, as Samba has it.
pub fn sid_of_uid(uid: u32) -> Sid {
    Sid::UNIX_USERS.join(uid).unwrap_or(Sid::NULL)
}

/// S-1-22-2-gid, as Samba has it.
pub fn sid_of_gid(gid: u32) -> Sid {
    Sid::UNIX_GROUPS.join(gid).unwrap_or(Sid::NULL)
}

/// The Unix user that a SID stands for.
pub fn uid_of_sid(sid: &Sid) -> Option<u32> {
    sid.relative_to(&Sid::UNIX_USERS).or_else(|| sid.relative_to(&Sid::NFS_USERS))
}

/// The Unix group that a SID stands for.
pub fn gid_of_sid(sid: &Sid) -> Option<u32> {
    sid.relative_to(&Sid::UNIX_GROUPS).or_else(|| sid.relative_to(&Sid::NFS_GROUPS))
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The password was proved.
    Account,
    /// Any name, no password.
    Guest,
    /// No name.
    Anonymous,
}

/// The SIDs of a session on a share (MS-DTYP 2.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Owns what it makes.
    pub user: Sid,
    /// Group of what it makes.
    pub group: Sid,
    /// The user in the server's own domain.
    account: Option<Sid>,
    groups: Vec<Sid>,
    /// Root has what Windows calls SeTakeOwnership, SeRestore and SeSecurity.
    privileged: bool,
}

impl Token {
    /// The token of `identity`.
    pub fn new(identity: &Identity, kind: TokenKind) -> Self {
        let privileged = identity.uid == 0;
        let user = sid_of_uid(identity.uid);
        let group = sid_of_gid(identity.gid);
        let mut groups: Vec<_> = identity.groups.iter().map(|&gid| sid_of_gid(gid)).collect();
        groups.extend([group, Sid::EVERYONE, Sid::NETWORK]);
        groups.push(match kind {
            TokenKind::Account => Sid::AUTHENTICATED_USERS,
            TokenKind::Guest => Sid::BUILTIN_GUESTS,
            TokenKind::Anonymous => Sid::ANONYMOUS,
        });
        if kind == TokenKind::Account {
            groups.push(Sid::BUILTIN_USERS);
        }
        if privileged {
            groups.push(Sid::BUILTIN_ADMINISTRATORS);
        }
        Self { user, group, account: identity.sid, groups, privileged }
    }

    /// `sid` is the user or one of its groups.
    pub fn has(&self, sid: &Sid) -> bool {
        self.is(sid) || self.groups.contains(sid)
    }

    /// `sid` is the user, by either name.
    fn is(&self, sid: &Sid) -> bool {
        self.user == *sid || self.account == Some(*sid)
    }

    /// It may take ownership, give it away, and see the SACL.
    pub fn is_privileged(&self) -> bool {
        self.privileged
    }

    /// It may make `sid` an owner (MS-DTYP 2.5.3.4.1: a user, or an administrators' group).
    pub fn may_own(&self, sid: &Sid) -> bool {
        self.privileged || self.is(sid)
    }

    /// It may make `sid` the group of a file.
    pub fn may_be_group(&self, sid: &Sid) -> bool {
        self.privileged || self.groups.contains(sid)
    }
}
