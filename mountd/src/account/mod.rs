//! Who may log on, and as whom their files are used.

mod people;
pub mod unix;

use std::sync::Arc;

use ksmbd_adduser::{Database, NtHash};
use ksmbd_core::vfs::{Account, Identity};
use zeroize::Zeroizing;

use unix::{Found, LookupFailed, UnixSource};

/// The Unix user of accounts that have none of their own.
const NOBODY: &str = "nobody";

/// Under whose name file systems are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Each account's own Unix user: the server runs as root.
    Users,
    /// Everybody is the server itself: only root can be somebody else.
    Myself {
        /// The server's user.
        uid: u32,
        /// The server's group.
        gid: u32,
        /// The server's other groups.
        groups: Vec<u32>,
    },
}

impl Serving {
    /// What this process can do.
    pub fn detect() -> Self {
        if nix::unistd::geteuid().is_root() { Self::Users } else { Self::myself() }
    }

    /// This process's identity for everybody.
    pub fn myself() -> Self {
        let groups = nix::unistd::getgroups().unwrap_or_default();
        Self::Myself {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        }
    }
}

/// The accounts of the database, and their Unix users.
pub struct Accounts {
    database: Database,
    unix: Arc<dyn UnixSource>,
    serving: Serving,
    machine: [u32; 3],
}

impl Accounts {
    /// Joins the two. The accounts' domain is S-1-5-21 and `machine`.
    pub fn new(
        database: Database,
        unix: Arc<dyn UnixSource>,
        serving: Serving,
        machine: [u32; 3],
    ) -> Self {
        Self { database, unix, serving, machine }
    }

    /// Whether there is such an account. Names are compared byte by byte, as in ksmbd.
    pub fn contains(&self, name: &str) -> bool {
        self.database.contains(name)
    }

    /// There are no accounts.
    pub fn is_empty(&self) -> bool {
        self.database.iter().next().is_none()
    }

    /// Whether each account has its own Unix user: else everybody is the server.
    pub fn serves_users(&self) -> bool {
        self.serving == Serving::Users
    }

    /// Users and groups of the machine.
    pub fn unix(&self) -> &dyn UnixSource {
        &*self.unix
    }

    /// Answers a logon. `guest` is the account of guests, where the configuration makes strangers
    /// guests.
    ///
    /// An account without a Unix user uses files as nobody, as in ksmbd: devices have accounts
    /// without users. It is no guest, for its password is asked.
    ///
    /// # Errors
    ///
    /// Nobody knows as whom it would use files: a session lasts longer than most failures.
    pub fn logon(&self, user: &str, guest: Option<&str>) -> Result<Account, LookupFailed> {
        let Some(hash) = self.database.get(user) else {
            let user = user.escape_debug();
            let identity = match guest {
                Some(guest) => self.of_guest(guest)?.map(Arc::new),
                None => None,
            };
            match (guest, &identity) {
                (_, Some(_)) => log::info!("logon of `{user}`: no such account; a guest"),
                (None, None) => log::info!("logon of `{user}` refused: no such account"),
                (Some(guest), None) => log::warn!(
                    "logon of `{user}` refused: no such account, and no Unix user `{guest}` for \
                     guests; write another `guest account`"
                ),
            }
            return Ok(Account::Unknown { guest: identity });
        };
        Ok(found(hash, self.of_account(user)?))
    }

    /// As whom an account uses files.
    ///
    /// # Errors
    ///
    /// It cannot be looked up, here and below.
    pub fn of_account(&self, name: &str) -> Result<Identity, LookupFailed> {
        match self.identity(name)? {
            Some(identity) => Ok(identity),
            None => self.nobody(name),
        }
    }

    /// As whom guests use files; none if the machine does not know their account. `nobody` is known everywhere:
    /// devices may have no such user.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn of_guest(&self, name: &str) -> Found<Identity> {
        Ok(match self.identity(name)? {
            None if name == NOBODY => Some(self.nobody(name)?),
            identity => identity,
        })
    }

    /// An account that the machine does not know as a user.
    fn nobody(&self, name: &str) -> Result<Identity, LookupFailed> {
        let nobody = self.identity(NOBODY)?.unwrap_or_else(Identity::nobody);
        Ok(Identity { name: name.to_owned(), sid: self.sid(name)?, ..nobody })
    }

    /// As whom a name uses files; none if the machine does not know it.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn identity(&self, name: &str) -> Found<Identity> {
        let (uid, gid, groups) = match &self.serving {
            Serving::Myself { uid, gid, groups } => (*uid, *gid, groups.clone()),
            Serving::Users => match self.unix.user(name)? {
                Some(user) => (user.uid, user.gid, self.unix.groups_of(name, user.gid)?),
                None => return Ok(None),
            },
        };
        Ok(Some(Identity { name: name.to_owned(), uid, gid, groups, sid: self.sid(name)? }))
    }

    /// As whom an administrator uses files: root, whatever his Unix user is. Without root there is
    /// nobody else to be.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn administrator(&self, name: &str) -> Found<Identity> {
        if !self.serves_users() {
            return Ok(None);
        }
        let (name, sid) = (name.to_owned(), self.sid(name)?);
        Ok(Some(Identity { name, uid: 0, gid: 0, groups: Vec::new(), sid }))
    }

    /// `identity` with another primary group. Without root it stays as it is.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn with_group(&self, mut identity: Identity, group: &str) -> Found<Identity> {
        if self.serving == Serving::Users {
            match self.unix.group(group)? {
                Some(group) => identity.gid = group.gid,
                None => return Ok(None),
            }
        }
        Ok(Some(identity))
    }

    /// Whether a name belongs to a group, by its primary group or by the group's list.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn is_member(&self, name: &str, group: &str) -> Result<bool, LookupFailed> {
        let Some(group) = self.unix.group(group)? else {
            return Ok(false);
        };
        if group.members.iter().any(|member| member == name) {
            return Ok(true);
        }
        let Some(user) = self.unix.user(name)? else {
            return Ok(false);
        };
        Ok(user.gid == group.gid || self.unix.groups_of(name, user.gid)?.contains(&group.gid))
    }
}

fn found(hash: &NtHash, identity: Identity) -> Account {
    let nt_hash = Zeroizing::new(*hash.as_bytes());
    Account::Found { nt_hash, identity: Arc::new(identity), expires: None }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::unix::{UnixGroup, UnixNames, UnixUser};
    use super::*;

    /// root 0, alice 1000, bob 1001, nobody 65534; staff 50 has alice listed, users 100 is bob's.
    pub(crate) struct Village;

    impl UnixNames for Village {
        fn user(&self, name: &str) -> Option<UnixUser> {
            let (uid, gid) = match name {
                "root" => (0, 0),
                "alice" => (1000, 1000),
                "bob" => (1001, 100),
                "nobody" => (65534, 65534),
                _ => return None,
            };
            Some(UnixUser { uid, gid })
        }

        fn group(&self, name: &str) -> Option<UnixGroup> {
            let (gid, members) = match name {
                "staff" => (50, vec!["alice".to_owned()]),
                "users" => (100, vec![]),
                _ => return None,
            };
            Some(UnixGroup { gid, members })
        }

        fn user_name(&self, uid: u32) -> Option<String> {
            let names = ["root", "alice", "bob", "nobody"].into_iter();
            let mut found = names
                .filter(|name| UnixNames::user(self, name).is_some_and(|user| user.uid == uid));
            found.next().map(str::to_owned)
        }

        fn group_name(&self, gid: u32) -> Option<String> {
            let names = ["staff", "users"].into_iter();
            let mut found = names
                .filter(|name| UnixNames::group(self, name).is_some_and(|group| group.gid == gid));
            found.next().map(str::to_owned)
        }

        fn groups_of(&self, name: &str, gid: u32) -> Vec<u32> {
            if name == "alice" { vec![gid, 50] } else { vec![gid] }
        }
    }

    /// Nobody can say who is who.
    pub(crate) struct Outage;

    impl UnixSource for Outage {
        fn user(&self, _: &str) -> Found<UnixUser> {
            Err(LookupFailed)
        }

        fn group(&self, _: &str) -> Found<UnixGroup> {
            Err(LookupFailed)
        }

        fn user_name(&self, _: u32) -> Found<String> {
            Err(LookupFailed)
        }

        fn group_name(&self, _: u32) -> Found<String> {
            Err(LookupFailed)
        }

        fn groups_of(&self, _: &str, _: u32) -> Result<Vec<u32>, LookupFailed> {
            Err(LookupFailed)
        }
    }

    pub(crate) fn database(names: &[&str]) -> Database {
        let mut database = Database::new();
        for name in names {
            database.set(name, NtHash::from_password("secret"));
        }
        database
    }

    pub(crate) fn accounts(names: &[&str], serving: Serving) -> Accounts {
        Accounts::new(database(names), Arc::new(Village), serving, [1, 2, 3])
    }

    /// The same, while the machine's users and groups cannot be looked up.
    pub(crate) fn accounts_in_an_outage(names: &[&str]) -> Accounts {
        Accounts::new(database(names), Arc::new(Outage), Serving::Users, [1, 2, 3])
    }

    fn myself() -> Serving {
        Serving::Myself { uid: 7, gid: 8, groups: vec![8, 9] }
    }

    #[test]
    fn an_account_has_its_hash_and_its_unix_user() {
        let accounts = accounts(&["alice"], Serving::Users);
        let Ok(Account::Found { nt_hash, identity, .. }) = accounts.logon("alice", None) else {
            panic!("alice is there");
        };
        assert_eq!(*nt_hash, *NtHash::from_password("secret").as_bytes());
        assert_eq!((identity.uid, identity.gid), (1000, 1000));
        assert_eq!(identity.groups, [1000, 50]);
        assert_eq!(identity.sid, "S-1-5-21-1-2-3-1000".parse().ok());
        assert_eq!(identity.name, "alice");
    }

    #[test]
    fn strangers_are_guests_where_the_configuration_says_so() {
        let accounts = accounts(&["alice"], Serving::Users);
        let Ok(Account::Unknown { guest }) = accounts.logon("Alice", Some("nobody")) else {
            panic!("names have a case");
        };
        let guest = guest.expect("a guest");
        assert_eq!((guest.uid, guest.sid), (65534, None));
        assert!(matches!(accounts.logon("eve", None), Ok(Account::Unknown { guest: None })));
        let gone = accounts.logon("eve", Some("no such guest"));
        assert!(matches!(gone, Ok(Account::Unknown { guest: None })));
    }

    /// A machine that knows only root.
    struct Device;

    impl UnixNames for Device {
        fn user(&self, name: &str) -> Option<UnixUser> {
            (name == "root").then_some(UnixUser { uid: 0, gid: 0 })
        }

        fn group(&self, _: &str) -> Option<UnixGroup> {
            None
        }

        fn user_name(&self, _: u32) -> Option<String> {
            None
        }

        fn group_name(&self, _: u32) -> Option<String> {
            None
        }

        fn groups_of(&self, _: &str, gid: u32) -> Vec<u32> {
            vec![gid]
        }
    }

    #[test]
    fn guests_are_nobody_though_the_machine_has_no_such_user() {
        let accounts = Accounts::new(database(&[]), Arc::new(Device), Serving::Users, [1, 2, 3]);
        let guest = accounts.of_guest("nobody").expect("no outage").expect("a guest");
        assert_eq!((guest.uid, guest.gid, guest.name.as_str()), (65534, 65534, "nobody"));
        assert_eq!(accounts.of_guest("ftp"), Ok(None));
    }

    #[test]
    fn an_account_without_a_unix_user_is_nobody_and_no_guest() {
        let accounts = accounts(&["ghost"], Serving::Users);
        let Ok(Account::Found { identity, .. }) = accounts.logon("ghost", Some("nobody")) else {
            panic!("its password is asked");
        };
        assert_eq!((identity.uid, identity.name.as_str()), (65534, "ghost"));
    }

    #[test]
    fn without_root_everybody_is_the_server() {
        let accounts = accounts(&["ghost"], myself());
        let Ok(Account::Found { identity, .. }) = accounts.logon("ghost", None) else {
            panic!("needs no Unix user");
        };
        assert_eq!((identity.uid, identity.gid), (7, 8));
        let same = accounts.with_group((*identity).clone(), "staff");
        assert_eq!(same.map(|same| same.expect("left alone").gid), Ok(8));
    }

    #[test]
    fn members_by_list_and_by_primary_group() {
        let accounts = accounts(&[], Serving::Users);
        for (name, group, expected) in [
            ("alice", "staff", true),
            ("bob", "staff", false),
            ("bob", "users", true),
            ("alice", "nosuch", false),
            ("ghost", "users", false),
        ] {
            assert_eq!(accounts.is_member(name, group), Ok(expected), "{name} {group}");
        }
    }

    #[test]
    fn nobody_is_somebody_else_while_nobody_can_say_who_he_is() {
        let accounts = accounts_in_an_outage(&["alice"]);
        assert_eq!(accounts.logon("alice", None).err(), Some(LookupFailed));
        assert_eq!(accounts.logon("eve", Some("nobody")).err(), Some(LookupFailed));
        assert!(matches!(accounts.logon("eve", None), Ok(Account::Unknown { guest: None })));
        assert_eq!(accounts.of_account("alice"), Err(LookupFailed));
        assert_eq!(accounts.is_member("alice", "staff"), Err(LookupFailed));
        let root = Identity { uid: 0, ..Identity::nobody() };
        assert_eq!(accounts.with_group(root, "staff"), Err(LookupFailed));
    }
}
