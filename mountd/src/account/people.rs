//! Accounts and Unix users as the RPC services show them: who has which number.

use ksmbd_core::wire::security::Sid;

use super::Accounts;
use super::unix::{Found, LookupFailed};
use crate::rpc::{People, User};

/// The Unix group of accounts that have none of their own, where there is no nobody either.
const NOGROUP: u32 = 65534;
/// Numbers of accounts without that of a Unix user have this bit, which no Unix user's number has.
const WITHOUT_UNIX_USER: u32 = 0x8000_0000;

/// A number for an account without that of a Unix user, made from its name alone (FNV-1a), so that
/// it stays the same however many accounts come and go. Those without a Unix user use files as
/// nobody, but it would help no client if they all had nobody's number.
fn made_of(name: &str) -> u32 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | WITHOUT_UNIX_USER
}

impl Accounts {
    /// The SID of an account: its number in the machine's domain. Who is no account has none.
    pub(super) fn sid(&self, name: &str) -> Found<Sid> {
        let [a, b, c] = self.machine;
        let user = self.numbered(name)?;
        Ok(user.and_then(|user| Sid::new(5, &[21, a, b, c, user.rid])))
    }

    /// ksmbd's rule: an account's number is its Unix user's. Only root's is not, as in ksmbd: clients
    /// take zero for none.
    fn numbered(&self, name: &str) -> Result<Option<User>, LookupFailed> {
        if !self.database.contains(name) {
            return Ok(None);
        }
        let (rid, gid) = match self.unix.user(name)? {
            Some(user) if user.uid != 0 => (user.uid, user.gid),
            Some(root) => (made_of(name), root.gid),
            None => {
                let nobody = self.unix.user(super::NOBODY)?;
                (made_of(name), nobody.map_or(NOGROUP, |nobody| nobody.gid))
            }
        };
        Ok(Some(User { name: name.to_owned(), rid, gid }))
    }
}

/// These only show: whoever cannot be looked up now has no name and no number for now.
impl People for Accounts {
    fn accounts(&self) -> Vec<String> {
        self.database.iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn account(&self, name: &str) -> Option<User> {
        self.numbered(name).unwrap_or_default()
    }

    fn account_of(&self, rid: u32) -> Option<User> {
        let user = match self.unix.user_name(rid).ok()? {
            Some(name) => self.account(&name),
            None if rid & WITHOUT_UNIX_USER != 0 => {
                let mut names = self.database.iter().map(|(name, _)| name);
                names.find(|name| made_of(name) == rid).and_then(|name| self.account(name))
            }
            None => None,
        };
        // Of two names with one number, only the first is found by it.
        user.filter(|user| user.rid == rid)
    }

    fn groups_of(&self, user: &User) -> Vec<u32> {
        self.unix.groups_of(&user.name, user.gid).unwrap_or_else(|_| vec![user.gid])
    }

    fn unix_user(&self, name: &str) -> Option<u32> {
        Some(self.unix.user(name).ok()??.uid)
    }

    fn unix_user_name(&self, uid: u32) -> Option<String> {
        self.unix.user_name(uid).ok()?
    }

    fn unix_group(&self, name: &str) -> Option<u32> {
        Some(self.unix.group(name).ok()??.gid)
    }

    fn unix_group_name(&self, gid: u32) -> Option<String> {
        self.unix.group_name(gid).ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::super::Serving;
    use super::super::tests::accounts;
    use super::*;

    #[test]
    fn an_account_has_its_unix_users_number() {
        let people = accounts(&["alice", "bob"], Serving::Users);
        let bob = User { name: "bob".to_owned(), rid: 1001, gid: 100 };
        assert_eq!(people.account("bob"), Some(bob.clone()));
        assert_eq!(people.account_of(1001), Some(bob));
        assert_eq!(people.accounts(), ["alice", "bob"]);
        let alice = people.account("alice").expect("there");
        assert_eq!(people.groups_of(&alice), [1000, 50]);
    }

    #[test]
    fn roots_number_is_not_zero() {
        let people = accounts(&["root"], Serving::Users);
        let root = people.account("root").expect("there");
        assert_eq!((root.rid >> 31, root.gid), (1, 0));
        assert_eq!(people.account_of(root.rid), Some(root));
        assert_eq!(people.account_of(0), None);
    }

    #[test]
    fn whoever_has_no_account_is_no_account() {
        let people = accounts(&["alice"], Serving::Users);
        assert_eq!(people.account("bob"), None);
        assert_eq!(people.account_of(1001), None);
        assert_eq!(people.account("Alice"), None);
        assert_eq!(people.account_of(4242), None);
        assert_eq!(people.account_of(u32::MAX), None);
        assert_eq!(people.unix_user("bob"), Some(1001));
        assert_eq!(people.unix_user_name(1001), Some("bob".to_owned()));
        assert_eq!(people.unix_group("staff"), Some(50));
        assert_eq!(people.unix_group_name(50), Some("staff".to_owned()));
    }

    #[test]
    fn accounts_without_a_unix_user_have_numbers_of_their_own() {
        let myself = Serving::Myself { uid: 7, gid: 8, groups: vec![] };
        let people = accounts(&["alice", "ghost", "spook"], myself);
        let [ghost, spook] = ["ghost", "spook"].map(|name| people.account(name).expect("there"));
        assert_ne!(ghost.rid, spook.rid);
        assert_eq!((ghost.rid >> 31, ghost.gid), (1, 65534));
        let ghost_number = ghost.rid;
        assert_eq!(people.account_of(ghost.rid), Some(ghost));
        assert_eq!(people.sid("ghost"), Ok(Sid::new(5, &[21, 1, 2, 3, ghost_number])));
        assert_eq!(people.account_of(spook.rid), Some(spook));
    }
}
