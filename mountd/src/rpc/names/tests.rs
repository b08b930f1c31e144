use super::super::{People, ShareInfo, User};
use super::*;

/// The machine BOX with the accounts `alice` (1000) and `System` (7), the Unix users `bob` (1001),
/// `proxy` (13) and `42` (5), and the Unix groups `staff` (50), `users` (100) and `bob` (1001).
struct Town;

impl Directory for Town {
    fn shares(&self) -> Vec<ShareInfo> {
        Vec::new()
    }

    fn server_name(&self) -> &str {
        "Box"
    }

    fn server_comment(&self) -> &str {
        ""
    }

    fn workgroup(&self) -> &str {
        "HOME"
    }

    fn machine(&self) -> [u32; 3] {
        [1, 2, 3]
    }

    fn people(&self) -> &dyn People {
        self
    }
}

const ACCOUNTS: [(&str, u32); 2] = [("alice", 1000), ("System", 7)];
const USERS: [(&str, u32); 5] =
    [("root", 0), ("alice", 1000), ("bob", 1001), ("proxy", 13), ("42", 5)];
const GROUPS: [(&str, u32); 4] = [("root", 0), ("staff", 50), ("users", 100), ("bob", 1001)];

fn number(list: &[(&str, u32)], name: &str) -> Option<u32> {
    list.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

fn name(list: &[(&str, u32)], number: u32) -> Option<String> {
    list.iter().find(|entry| entry.1 == number).map(|entry| entry.0.to_owned())
}

impl People for Town {
    fn accounts(&self) -> Vec<String> {
        ACCOUNTS.map(|account| account.0.to_owned()).to_vec()
    }

    fn account(&self, name: &str) -> Option<User> {
        let rid = number(&ACCOUNTS, name)?;
        Some(User { name: name.to_owned(), rid, gid: 100 })
    }

    fn account_of(&self, rid: u32) -> Option<User> {
        self.account(&name(&ACCOUNTS, rid)?)
    }

    fn groups_of(&self, user: &User) -> Vec<u32> {
        vec![user.gid]
    }

    fn unix_user(&self, name: &str) -> Option<u32> {
        number(&USERS, name)
    }

    fn unix_user_name(&self, uid: u32) -> Option<String> {
        name(&USERS, uid)
    }

    fn unix_group(&self, name: &str) -> Option<u32> {
        number(&GROUPS, name)
    }

    fn unix_group_name(&self, gid: u32) -> Option<String> {
        name(&GROUPS, gid)
    }
}

/// `domain\name kind` of a SID.
fn shown(sid: &str) -> String {
    match of_sid(&Town, &sid.parse().unwrap()) {
        Some(named) => format!("{}\\{} {}", named.domain.name, named.name, named.kind as u16),
        None => "nobody".to_owned(),
    }
}

#[test]
fn sids_have_names() {
    for (sid, expected) in [
        ("S-1-0-0", "\\NULL SID 5"),
        ("S-1-1-0", "\\Everyone 5"),
        ("S-1-3-1", "\\CREATOR GROUP 5"),
        ("S-1-5-18", "NT AUTHORITY\\SYSTEM 5"),
        ("S-1-5-11", "NT AUTHORITY\\Authenticated Users 5"),
        ("S-1-5-32-544", "BUILTIN\\Administrators 4"),
        ("S-1-5-32", "BUILTIN\\BUILTIN 3"),
        ("S-1-5-21-1-2-3", "Box\\Box 3"),
        ("S-1-5-21-1-2-3-1000", "Box\\alice 1"),
        ("S-1-5-21-1-2-3-1001", "Box\\bob 1"),
        ("S-1-5-21-1-2-3-50", "Box\\staff 2"),
        ("S-1-5-21-1-2-3-0", "Box\\root 2"),
        ("S-1-5-21-1-2-3-99", "nobody"),
        ("S-1-5-21-1-2-4-1000", "nobody"),
        ("S-1-22-1-0", "Unix User\\root 1"),
        ("S-1-22-1-1001", "Unix User\\bob 1"),
        ("S-1-22-1-4242", "Unix User\\4242 1"),
        ("S-1-22-2-50", "Unix Group\\staff 2"),
        ("S-1-22-2-4242", "Unix Group\\4242 2"),
        ("S-1-22-1", "Unix User\\Unix User 3"),
        ("S-1-22-3-1", "nobody"),
        ("S-1-1", "nobody"),
        ("S-1-5-99", "nobody"),
        ("S-1-22-1-1-1", "nobody"),
    ] {
        assert_eq!(shown(sid), expected, "{sid}");
    }
}

#[test]
fn names_have_sids() {
    for (text, expected) in [
        ("alice", "S-1-5-21-1-2-3-1000"),
        ("ALICE", "S-1-5-21-1-2-3-1000"),
        ("box\\Alice", "S-1-5-21-1-2-3-1000"),
        ("BOX\\bob", "S-1-22-1-1001"),
        ("BOX\\staff", "S-1-22-2-50"),
        ("BOX\\root", "S-1-22-1-0"),
        ("bob", "S-1-22-1-1001"),
        ("staff", "S-1-22-2-50"),
        ("root", "S-1-22-1-0"),
        ("unix user\\alice", "S-1-22-1-1000"),
        ("Unix Group\\bob", "S-1-22-2-1001"),
        ("Unix User\\4242", "S-1-22-1-4242"),
        ("Unix User\\42", "S-1-22-1-5"),
        ("everyone", "S-1-1-0"),
        ("\\Everyone", "S-1-1-0"),
        ("SELF", "S-1-5-10"),
        ("nt authority\\system", "S-1-5-18"),
        ("Administrators", "S-1-5-32-544"),
        ("BUILTIN\\users", "S-1-5-32-545"),
        ("BOX", "S-1-5-21-1-2-3"),
        ("BOX\\", "S-1-5-21-1-2-3"),
        ("builtin", "S-1-5-32"),
        // An account is meant before what Windows made, and that before Unix names.
        ("System", "S-1-5-21-1-2-3-7"),
        ("SYSTEM", "S-1-5-18"),
        ("users", "S-1-5-32-545"),
    ] {
        let named = of_name(&Town, text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(named.sid.to_string(), expected, "{text}");
        assert_eq!(Some(named.clone()), of_sid(&Town, &named.sid), "{text} there and back");
    }
}

#[test]
fn other_names_are_nobodys() {
    for text in [
        "",
        "\\",
        "\\\\",
        "nosuch",
        "4242",
        "BOX\\nosuch",
        "BOX\\4242",
        "HOME\\alice",
        "BOX\\BOX\\alice",
        "BUILTIN\\alice",
        "Unix User\\staff",
        "Unix User\\-1",
        "Unix User\\+1",
        "Unix Group\\4294967296",
        "NT AUTHORITY\\Everyone",
        "nosuch\\",
    ] {
        assert_eq!(of_name(&Town, text), None, "{text}");
    }
}

#[test]
fn the_number_is_what_follows_the_domain() {
    let named = |text| of_name(&Town, text).unwrap();
    assert_eq!(named("alice").relative(), 1000);
    assert_eq!(named("Everyone").relative(), 0);
    assert_eq!(named("BOX").relative(), u32::MAX, "a domain itself has none");
}
