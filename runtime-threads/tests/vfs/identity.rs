//! Whose rights count. Only root can test that.

use crate::rig::{Rig, call, done, is_root, user};
use ksmbd_core::vfs::{Done, FileKind, Missing, Op, OpenHow, Permitted, SetBasic, VfsError};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    thread,
};

fn skip() -> bool {
    if !is_root() {
        println!("skipped: needs root");
    }
    !is_root()
}

#[test]
fn each_call_has_the_rights_of_its_identity() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(rig.host("roots"), "secret").unwrap();
    fs::set_permissions(rig.host("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    let (alice, bob) = (user(12_345), user(12_346));
    let read = |name: &str| OpenHow { read: true, ..rig.how(name) };
    assert_eq!(rig.open_as(&alice, read("roots")).unwrap_err(), VfsError::AccessDenied);
    let seen = rig.open_as(&alice, rig.how("roots")).unwrap();
    assert_eq!(seen.info.permitted, Permitted::DELETE, "the directory is writable");
    let how = OpenHow { write: true, missing: Missing::CreateFile, ..rig.how("alices") };
    let made = rig.open_as(&alice, how).unwrap();
    let meta = fs::metadata(rig.host("alices")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (12_345, 12_345));
    assert!(made.info.permitted.contains(Permitted::OWNER | Permitted::WRITE));
    let write = || OpenHow { write: true, ..rig.how("alices") };
    assert_eq!(rig.open_as(&bob, write()).unwrap_err(), VfsError::AccessDenied);
    let bobs = rig.open_as(&bob, rig.how("alices")).unwrap();
    assert_eq!(bobs.info.permitted, Permitted::READ | Permitted::DELETE);
    let set = SetBasic { last_write_time: Some(made.info.creation_time), ..SetBasic::default() };
    let op = Op::SetBasic { file: bobs.file, set };
    assert_eq!(done(call(&bob, op)), Err(VfsError::AccessDenied));
    // And root is root again on the same thread.
    assert!(rig.open(read("roots")).is_ok() && rig.open(write()).is_ok());
}

#[test]
fn supplementary_groups_count_and_the_sticky_bit_too() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(rig.host("g"), "x").unwrap();
    chown(rig.host("g"), Some(0), Some(777)).unwrap();
    fs::set_permissions(rig.host("g"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut member = (*user(12_345)).clone();
    member.groups = vec![5, 777];
    let member = std::sync::Arc::new(member);
    let read = || OpenHow { read: true, ..rig.how("g") };
    let opened = rig.open_as(&member, read()).unwrap();
    assert_eq!(opened.info.permitted, Permitted::READ, "not DELETE: another's, and sticky");
    assert_eq!(rig.open_as(&user(12_345), read()).unwrap_err(), VfsError::AccessDenied);
    let (key, path) = (opened.info.key, opened.path);
    let op = Op::Delete { root: rig.root.clone(), path, key, directory: false };
    assert_eq!(done(call(&member, op)), Err(VfsError::AccessDenied));
}

#[test]
fn a_share_behind_a_closed_directory_works() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    let above = rig.dir.parent().unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(rig.host("f"), "x").unwrap();
    let share = ksmbd_core::config::Share::disk("s", rig.dir.to_str().unwrap());
    let alice = user(12_345);
    let Done::Opened(root) = call(&alice, Op::OpenShare(share.into())) else { panic!("refused") };
    assert!(!root.info.permitted.contains(Permitted::WRITE));
    let how = OpenHow { root: root.file, read: true, ..rig.how("f") };
    assert_eq!(rig.open_as(&alice, how).unwrap().info.kind, FileKind::File);
}

#[test]
fn threads_have_identities_of_their_own() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    thread::scope(|scope| {
        for uid in 20_001..20_005 {
            let rig = &rig;
            scope.spawn(move || {
                let who = user(uid);
                for number in 0..50 {
                    let name = format!("{uid}-{number}");
                    let how = rig.how(&name);
                    let how = OpenHow { write: true, missing: Missing::CreateFile, ..how };
                    rig.open_as(&who, how).unwrap();
                    assert_eq!(fs::metadata(rig.host(&name)).unwrap().uid(), uid);
                }
            });
        }
    });
    assert_eq!(fs::metadata(&rig.dir).unwrap().uid(), 0);
}

#[test]
fn nobody_can_be_an_impossible_identity() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    let nobody = user(u32::MAX);
    assert_eq!(rig.open_as(&nobody, rig.how("")).unwrap_err(), VfsError::AccessDenied);
}
