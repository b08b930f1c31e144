//! Hard links: what is open gets one more name, and nothing else does.

use crate::rig::{Rig, is_root, path, user};
use ksmbd_core::{
    veto::Veto,
    vfs::{Op, OpenHow, VfsError},
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

/// A share with the files `one` and `two`, and the directory `dir`.
fn rig() -> Rig {
    let rig = Rig::new();
    fs::write(rig.host("one"), "1").unwrap();
    fs::write(rig.host("two"), "2").unwrap();
    fs::create_dir(rig.host("dir")).unwrap();
    rig
}

fn names(rig: &Rig) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(&rig.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn one_file_of_two_names() {
    let rig = rig();
    let one = rig.read_write("one").unwrap();
    rig.link(&one.file, "DIR/Other", false).unwrap();
    let other = rig.look("dir/other").unwrap();
    assert_eq!(other.path.as_str(), "dir/Other");
    assert_eq!((other.info.key, other.info.links), (one.info.key, 2));
    rig.write(&one.file, 0, b"both").unwrap();
    assert_eq!(fs::read_to_string(rig.host("dir/Other")).unwrap(), "both");
    let (root, key) = (rig.root.clone(), one.info.key);
    rig.ok(Op::Delete { root, path: path("one"), key, directory: false }).unwrap();
    assert_eq!(rig.query(&one.file).links, 1);
    assert_eq!(fs::read_to_string(rig.host("dir/Other")).unwrap(), "both");
}

#[test]
fn over_another() {
    let rig = rig();
    let one = rig.look("one").unwrap().file;
    assert_eq!(rig.link(&one, "two", false), Err(VfsError::Exists));
    assert_eq!(rig.link(&one, "TWO", false), Err(VfsError::Exists));
    assert_eq!(rig.link(&one, "dir", true), Err(VfsError::AccessDenied));
    assert_eq!(rig.link(&one, "one", false), Err(VfsError::Exists));
    rig.link(&one, "TWO", true).unwrap();
    assert_eq!(names(&rig), ["TWO", "dir", "one"], "nothing is left over");
    assert_eq!(fs::read_to_string(rig.host("TWO")).unwrap(), "1");
    rig.link(&one, "two", true).unwrap();
    rig.link(&one, "two", true).unwrap();
    rig.link(&one, "ONE", true).unwrap();
    assert_eq!(names(&rig), ["ONE", "dir", "two"]);
    assert_eq!(fs::metadata(rig.host("two")).unwrap().nlink(), 2);
}

#[test]
fn what_gets_no_second_name() {
    let rig = rig();
    let dir = rig.look("dir").unwrap().file;
    assert_eq!(rig.link(&dir, "other", false), Err(VfsError::IsDirectory));
    let one = rig.look("one").unwrap().file;
    assert_eq!(rig.link(&one, "none/other", false), Err(VfsError::PathNotFound));
    assert_eq!(rig.link(&one, "two/other", false), Err(VfsError::PathNotFound));
    let long = "\u{e4}".repeat(200);
    assert_eq!(rig.link(&one, &long, false), Err(VfsError::NameTooLong));
    fs::remove_file(rig.host("one")).unwrap();
    assert_eq!(rig.link(&one, "other", false), Err(VfsError::Gone));
    assert_eq!(rig.link(&one, "two", true), Err(VfsError::Gone));
    assert_eq!(fs::read_to_string(rig.host("two")).unwrap(), "2", "a refusal replaces nothing");
    assert_eq!(names(&rig), ["dir", "two"]);
}

/// What is linked is what is open, not what has its name by now.
#[test]
fn the_name_means_another_file_by_now() {
    let rig = rig();
    let one = rig.look("one").unwrap().file;
    fs::rename(rig.host("one"), rig.host("dir/moved")).unwrap();
    fs::write(rig.host("one"), "another").unwrap();
    rig.link(&one, "other", false).unwrap();
    assert_eq!(fs::read_to_string(rig.host("other")).unwrap(), "1");
}

/// A symbolic link that is open itself is linked itself.
#[test]
fn a_symbolic_link_stays_one() {
    let rig = rig();
    symlink("/etc/passwd", rig.host("symbolic")).unwrap();
    let symbolic = rig.open(OpenHow { no_follow: true, ..rig.how("symbolic") }).unwrap().file;
    rig.link(&symbolic, "other", false).unwrap();
    let other = fs::symlink_metadata(rig.host("other")).unwrap();
    assert!(other.is_symlink());
    assert_eq!(other.ino(), fs::symlink_metadata(rig.host("symbolic")).unwrap().ino());
}

#[test]
fn what_is_vetoed_is_not_made() {
    let rig = Rig::with(|share| share.veto = Veto::new(["*.exe"]));
    fs::write(rig.host("one"), "1").unwrap();
    let one = rig.look("one").unwrap().file;
    assert_eq!(rig.link(&one, "one.exe", true), Err(VfsError::AccessDenied));
}

/// The directory is asked as the client's own identity.
#[test]
fn under_the_caller_s_identity() {
    if !is_root() {
        return;
    }
    let rig = rig();
    let who = user(4321);
    fs::set_permissions(rig.host("dir"), fs::Permissions::from_mode(0o755)).unwrap();
    let one = rig.open_as(&who, rig.how("one")).unwrap().file;
    let (root, to) = (rig.root.clone(), path("dir/other"));
    let op = Op::Link { root, file: one, to, replace: false, token: None };
    let refused = crate::rig::done(crate::rig::call(&who, op));
    assert_eq!(refused, Err(VfsError::AccessDenied));
    assert!(!rig.host("dir/other").exists());
}
