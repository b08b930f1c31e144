//! Descriptors on disk: kept, inherited, asked, and left alone when somebody else was there.

use crate::rig::{Rig, call, is_root, path, user};
use ksmbd_core::{
    acl::{Change, Token, TokenKind, sid_of_gid, sid_of_uid},
    name::Pattern,
    vfs::{
        Done, Existing, FileInfo, Identity, ListHow, Missing, Op, OpenHow, OpenSecurity, Opened,
        Permitted, VfsError,
    },
    wire::{
        fscc::{AccessMask, FileInfoClass, directory::parse_entries},
        query_info::SecurityInformation,
        security::{Ace, AceFlags, Acl, SecurityControl, SecurityDescriptor, Sid},
    },
};
use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

fn rig() -> Rig {
    Rig::with(|share| share.acl_xattr = true)
}

fn token(who: &Identity) -> Arc<Token> {
    Arc::new(Token::new(who, TokenKind::Account))
}

fn dacl(aces: Vec<Ace>) -> SecurityDescriptor {
    let control = SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PRESENT;
    SecurityDescriptor { control, dacl: Some(Acl { acl_revision: 2, aces }), ..Default::default() }
}

fn how(rig: &Rig, who: &Identity, name: &str, missing: Missing) -> OpenHow {
    let security = OpenSecurity { token: token(who), descriptor: None };
    OpenHow { missing, security: Some(Box::new(security)), ..rig.how(name) }
}

fn make(rig: &Rig, who: &Arc<Identity>, name: &str, missing: Missing) -> Result<Opened, VfsError> {
    rig.open_as(who, how(rig, who, name, missing))
}

fn set(
    who: &Arc<Identity>,
    opened: &Opened,
    parts: SecurityInformation,
    descriptor: SecurityDescriptor,
) -> Result<(), VfsError> {
    let change = Box::new(Change { parts, descriptor, token: token(who) });
    match call(who, Op::SetSecurity { file: opened.file.clone(), change }) {
        Done::Ok => Ok(()),
        Done::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn stored(rig: &Rig, name: &str) -> Option<SecurityDescriptor> {
    rig.look(name).unwrap().info.security.as_deref().cloned()
}

const READ: AccessMask = AccessMask::FILE_READ_DATA;

#[test]
fn nothing_is_stored_where_nothing_was_said() {
    let rig = rig();
    let opened = make(&rig, &rig.who, "f", Missing::CreateFile).unwrap();
    assert_eq!(opened.info.security, None);
    let shared = Permitted::PARENT_LISTS | Permitted::PARENT_DELETES;
    assert!(opened.info.permitted.contains(shared), "what the directory's mode grants");
    assert!(!rig.look("f").unwrap().info.permitted.intersects(shared), "nobody asks");
}

#[test]
fn what_is_set_is_kept_with_owner_and_group() {
    let rig = rig();
    let opened = make(&rig, &rig.who, "f", Missing::CreateFile).unwrap();
    let wanted = dacl(vec![Ace::allow(Sid::EVERYONE, AccessMask::GENERIC_READ)]);
    set(&rig.who, &opened, SecurityInformation::DACL, wanted).unwrap();
    let found = stored(&rig, "f").unwrap();
    assert_eq!(found.owner, Some(sid_of_uid(rig.who.uid)));
    assert_eq!(found.group, Some(sid_of_gid(opened.info.gid)));
    let aces = found.dacl.unwrap().aces;
    assert_eq!(aces, [Ace::allow(Sid::EVERYONE, AccessMask::FILE_GENERIC_READ)]);
    let long = dacl(vec![Ace::allow(Sid::EVERYONE, READ); 100]);
    set(&rig.who, &opened, SecurityInformation::DACL, long).unwrap();
    assert_eq!(stored(&rig, "f").unwrap().dacl.unwrap().aces.len(), 100);
}

#[test]
fn chmod_has_the_last_word() {
    let rig = rig();
    let opened = make(&rig, &rig.who, "f", Missing::CreateFile).unwrap();
    set(&rig.who, &opened, SecurityInformation::DACL, dacl(vec![])).unwrap();
    assert!(stored(&rig, "f").is_some());
    let mode = |bits| fs::set_permissions(rig.host("f"), fs::Permissions::from_mode(bits)).unwrap();
    mode(0o600);
    assert_eq!(stored(&rig, "f"), None);
    mode(0o644);
    assert!(stored(&rig, "f").is_some(), "as it was");
}

#[test]
fn hostile_values_are_as_none() {
    let rig = rig();
    make(&rig, &rig.who, "f", Missing::CreateFile).unwrap();
    let name = if is_root() { c"security.NTACL" } else { c"user.NTACL" };
    for value in [&b""[..], b"x", &[4, 0, 4, 0, 0, 0, 2, 0, 4], &[0xff; 2000], &[0; 60_000]] {
        let flags = rustix::fs::XattrFlags::empty();
        // Not every file system takes the long one.
        if rustix::fs::setxattr(rig.host("f"), name, value, flags).is_ok() {
            assert_eq!(stored(&rig, "f"), None);
        }
    }
}

/// A directory with these ACEs.
fn directory(rig: &Rig, aces: Vec<Ace>) -> Opened {
    let opened = make(rig, &rig.who, "d", Missing::CreateDirectory).unwrap();
    set(&rig.who, &opened, SecurityInformation::DACL, dacl(aces)).unwrap();
    opened
}

#[test]
fn new_files_inherit() {
    let rig = rig();
    let mut ace = Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS);
    ace.ace_flags = AceFlags::OBJECT_INHERIT;
    directory(&rig, vec![ace]);
    let file = make(&rig, &rig.who, "d/f", Missing::CreateFile).unwrap();
    let aces = |info: &FileInfo| info.security.as_ref().unwrap().dacl.clone().unwrap().aces;
    assert_eq!(aces(&file.info), [Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS)]);
    let inner = make(&rig, &rig.who, "d/d", Missing::CreateDirectory).unwrap();
    assert!(aces(&inner.info)[0].ace_flags.contains(AceFlags::INHERIT_ONLY));
    let mut asked = how(&rig, &rig.who, "d/own", Missing::CreateFile);
    let own = dacl(vec![Ace::allow(Sid::SYSTEM, READ)]);
    asked.security.as_mut().unwrap().descriptor = Some(Box::new(own));
    let own = rig.open(asked).unwrap();
    assert_eq!(aces(&own.info), [Ace::allow(Sid::SYSTEM, READ)]);
    assert_eq!(stored(&rig, "d/own").as_ref(), own.info.security.as_deref());
}

#[test]
fn a_directory_says_what_may_be_made_in_it() {
    let rig = rig();
    directory(&rig, vec![Ace::allow(Sid::EVERYONE, AccessMask::FILE_ADD_FILE)]);
    let file = make(&rig, &rig.who, "d/f", Missing::CreateFile).unwrap();
    assert!(!file.info.permitted.intersects(Permitted::PARENT_LISTS | Permitted::PARENT_DELETES));
    let refused = make(&rig, &rig.who, "d/d", Missing::CreateDirectory).map(|_| ());
    assert_eq!(refused, Err(VfsError::AccessDenied));
    assert!(!rig.host("d/d").exists());
    let token = Some(token(&rig.who));
    make(&rig, &rig.who, "x", Missing::CreateDirectory).unwrap();
    let into = |name: &str, to: &str| {
        let key = rig.look(name).unwrap().info.key;
        let (root, from, to) = (rig.root.clone(), path(name), path(to));
        rig.ok(Op::Rename { root, from, to, key, replace: true, token: token.clone() })
    };
    assert_eq!(into("x", "d/x"), Err(VfsError::AccessDenied));
    make(&rig, &rig.who, "y", Missing::CreateFile).unwrap();
    assert_eq!(into("y", "d/y"), Ok(()), "a file may be added");
    let f = rig.look("d/f").unwrap();
    set(&rig.who, &f, SecurityInformation::DACL, dacl(vec![])).unwrap();
    make(&rig, &rig.who, "z", Missing::CreateFile).unwrap();
    assert_eq!(into("z", "d/f"), Err(VfsError::AccessDenied), "but none replaced");
    assert_eq!(into("z", "d/y"), Ok(()), "of which nothing is said: its owner may");
}

#[test]
fn owners_change_by_those_who_may() {
    let rig = rig();
    if !is_root() {
        return;
    }
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    let (alice, bob) = (user(1000), user(1001));
    let opened = make(&rig, &alice, "f", Missing::CreateFile).unwrap();
    let to = |uid| SecurityDescriptor { owner: Some(sid_of_uid(uid)), ..dacl(vec![]) };
    let owner = SecurityInformation::OWNER;
    assert_eq!(set(&alice, &opened, owner, to(1001)), Err(VfsError::InvalidOwner));
    assert_eq!(set(&bob, &opened, owner, to(1001)), Ok(()), "the gate saw to WRITE_OWNER");
    let found = rig.look("f").unwrap().info;
    assert_eq!((found.uid, found.security.unwrap().owner), (1001, Some(sid_of_uid(1001))));
    assert_eq!(set(&user(0), &opened, owner, to(1000)), Ok(()));
    assert_eq!(rig.look("f").unwrap().info.uid, 1000);
    let everyone = SecurityDescriptor { owner: Some(Sid::EVERYONE), ..dacl(vec![]) };
    assert_eq!(set(&user(0), &opened, owner, everyone), Ok(()));
    let found = rig.look("f").unwrap().info;
    assert_eq!((found.uid, found.security.unwrap().owner), (1000, Some(Sid::EVERYONE)));
    // Whoever the server is for the file, the next call is its caller's again.
    let fail = OpenHow { existing: Existing::Open, write: true, ..rig.how("f") };
    assert_eq!(rig.open_as(&bob, fail).map(|_| ()), Err(VfsError::AccessDenied));
}

#[test]
fn shares_without_descriptors_keep_none() {
    let rig = Rig::new();
    let opened = make(&rig, &rig.who, "f", Missing::CreateFile).unwrap();
    assert!(!opened.info.permitted.contains(Permitted::PARENT_DELETES));
    let wanted = dacl(vec![]);
    let refused = set(&rig.who, &opened, SecurityInformation::DACL, wanted);
    assert_eq!(refused, Err(VfsError::NotSupported));
}

/// What a session may not read is not shown to it, by mode or by descriptor.
#[test]
fn what_cannot_be_read_is_hidden() {
    let rig = Rig::with(|share| {
        share.acl_xattr = true;
        share.hide_unreadable = true;
    });
    let all = AccessMask::FILE_GENERIC_READ;
    for (name, mask) in [("seen", all), ("half", READ), ("none", AccessMask::empty())] {
        let opened = make(&rig, &rig.who, name, Missing::CreateFile).unwrap();
        let aces = vec![Ace::allow(Sid::EVERYONE, mask)];
        set(&rig.who, &opened, SecurityInformation::DACL, dacl(aces)).unwrap();
    }
    make(&rig, &rig.who, "plain", Missing::CreateFile).unwrap();
    make(&rig, &rig.who, "shut", Missing::CreateFile).unwrap();
    fs::set_permissions(rig.host("shut"), fs::Permissions::from_mode(0o0)).unwrap();
    let file = rig.look("").unwrap().file;
    let list = |who: &Arc<Identity>| {
        let how = ListHow {
            file: file.clone(),
            cursor: None,
            pattern: Pattern::parse(&[u16::from(b'*')]).unwrap(),
            class: FileInfoClass::NAMES,
            max: 4096,
            single: false,
            token: Some(token(who)),
        };
        let Done::Listed { data, .. } = call(who, Op::List(Box::new(how))) else { panic!() };
        let mut names: Vec<_> = parse_entries(FileInfoClass::NAMES, &data)
            .unwrap()
            .into_iter()
            .map(|entry| entry.file_name)
            .collect();
        names.sort();
        names
    };
    // Root reads whatever the mode says; descriptors are for everybody.
    if is_root() {
        assert_eq!(list(&rig.who), [".", "..", "plain", "seen", "shut"]);
        assert_eq!(list(&user(1000)), [".", "..", "plain", "seen"]);
    } else {
        assert_eq!(list(&rig.who), [".", "..", "plain", "seen"]);
    }
}

/// A stored value that is right but for the list in it, on a file, and on the directory in which
/// something is made: sizes, counts, an ACE's size, a SID's sub-authorities. It is as none, on both, and
/// everything goes on (`GAUNTLET.md`, class C).
#[test]
fn lists_that_lie_in_a_value_that_does_not() {
    let rig = rig();
    let mut ace = Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS);
    ace.ace_flags = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    directory(&rig, vec![ace.clone(), ace.clone(), ace]);
    let name = if is_root() { c"security.NTACL" } else { c"user.NTACL" };
    let mut value = vec![0; 65_536];
    let length = rustix::fs::getxattr(rig.host("d"), name, &mut value[..]).unwrap();
    value.truncate(length);
    assert!(stored(&rig, "d").is_some());
    // The list begins with its revision, its size and the count of three.
    let list = [2, 0, 8 + 3 * 20, 0, 3, 0, 0, 0];
    let at = value.windows(8).position(|bytes| bytes == list).unwrap();
    let lies: [(usize, &[u8]); 14] = [
        (2, &[0, 0]),
        (2, &[7, 0]),
        (2, &[8, 0]),
        (2, &[0xff, 0xff]),
        (4, &[4, 0]),
        (4, &[0xff, 0xff]),
        (8 + 2, &[0, 0]),
        (8 + 2, &[3, 0]),
        (8 + 2, &[4, 0]),
        (8 + 2, &[12, 0]),
        (8 + 2, &[0xfc, 0xff]),
        (16 + 1, &[2]),
        (16 + 1, &[255]),
        (16 + 40 + 1, &[4]),
    ];
    for (number, (offset, bytes)) in lies.into_iter().enumerate() {
        let mut lie = value.clone();
        lie[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(rig.host("d"), name, &lie, flags).unwrap();
        assert_eq!(stored(&rig, "d"), None, "{number}");
        for (kind, missing) in [("f", Missing::CreateFile), ("s", Missing::CreateDirectory)] {
            let made = make(&rig, &rig.who, &format!("d/{kind}{number}"), missing).unwrap();
            assert_eq!(made.info.security, None, "{number}");
        }
        assert!(!rig.names("d", "*").is_empty());
    }
}
