//! Renaming and deleting.

use crate::rig::{Rig, path};
use ksmbd_core::vfs::{Op, VfsError};
use std::{fs, os::unix::fs::symlink};

fn texts(rig: &Rig, names: &[&str]) {
    for name in names {
        fs::write(rig.host(name), name).unwrap();
    }
}

fn text(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.host(name)).unwrap()
}

#[test]
fn renaming() {
    let rig = Rig::new();
    fs::create_dir(rig.host("Dir")).unwrap();
    texts(&rig, &["a", "b", "Dir/c"]);
    assert_eq!(rig.rename("a", "b", false), Err(VfsError::Exists));
    assert_eq!(rig.rename("a", "B", false), Err(VfsError::Exists), "in any case");
    assert_eq!(rig.rename("a", "none/x", false), Err(VfsError::PathNotFound));
    rig.rename("a", "b", true).unwrap();
    assert_eq!((text(&rig, "b").as_str(), rig.host("a").exists()), ("a", false));
    rig.rename("b", "DIR/d", false).unwrap();
    assert_eq!(text(&rig, "Dir/d"), "a");
    assert_eq!(rig.rename("Dir/d", "Dir", true), Err(VfsError::AccessDenied), "no directory");
    assert_eq!(rig.rename("Dir", "Dir/d/e", false), Err(VfsError::PathNotFound));
    assert_eq!(rig.rename("Dir", "Dir/e", false), Err(VfsError::AccessDenied));
    assert_eq!(rig.rename("Dir", "", true), Err(VfsError::AccessDenied));
}

#[test]
fn a_change_of_case_alone() {
    let rig = Rig::new();
    texts(&rig, &["name", "other"]);
    fs::create_dir(rig.host("dir")).unwrap();
    rig.rename("name", "NAME", false).unwrap();
    rig.rename("dir", "Dir", false).unwrap();
    assert_eq!(rig.names("", "*"), [".", "..", "Dir", "NAME", "other"]);
    rig.rename("NAME", "NAME", false).unwrap();
    // Replacing in another case leaves one file, with the case that was asked for.
    rig.rename("NAME", "OTHER", true).unwrap();
    assert_eq!(rig.names("", "*"), [".", "..", "Dir", "OTHER"]);
    assert_eq!(text(&rig, "OTHER"), "name");
}

#[test]
fn two_names_of_one_file_become_one() {
    let rig = Rig::new();
    texts(&rig, &["a"]);
    fs::hard_link(rig.host("a"), rig.host("b")).unwrap();
    assert_eq!(rig.look("a").unwrap().info.links, 2);
    assert_eq!(rig.rename("a", "b", false), Err(VfsError::Exists));
    rig.rename("a", "b", true).unwrap();
    assert_eq!(rig.names("", "?"), [".", "b"]);
}

/// A link that was followed and what it leads to are not one name in two cases.
#[test]
fn a_followed_link_goes_to_what_it_leads_to() {
    let rig = Rig::with(|share| share.follow_symlinks = true);
    texts(&rig, &["a"]);
    symlink("a", rig.host("link")).unwrap();
    let opened = rig.look("link").unwrap();
    let (root, key) = (rig.root.clone(), opened.info.key);
    let to = path("a");
    rig.ok(Op::Rename { root, from: opened.path, to, key, replace: true, token: None }).unwrap();
    assert_eq!(rig.names("", "*"), [".", "..", "a"]);
    assert_eq!(text(&rig, "a"), "a");
}

#[test]
fn only_what_is_open_is_touched() {
    let rig = Rig::new();
    texts(&rig, &["a", "b"]);
    let key = rig.look("b").unwrap().info.key;
    let root = rig.root.clone();
    let delete = Op::Delete { root: root.clone(), path: path("a"), key, directory: false };
    assert_eq!(rig.ok(delete), Err(VfsError::Gone));
    let rename =
        Op::Rename { root, from: path("a"), to: path("c"), key, replace: false, token: None };
    assert_eq!(rig.ok(rename), Err(VfsError::Gone));
    assert_eq!(rig.names("", "?"), [".", "a", "b"]);
}

#[test]
fn deleting() {
    let rig = Rig::new();
    let delete = |name: &str, directory| {
        let opened = rig.look(name)?;
        let (key, path) = (opened.info.key, opened.path);
        rig.ok(Op::Delete { root: rig.root.clone(), path, key, directory })
    };
    let empty = |name: &str| rig.ok(Op::CheckEmpty { file: rig.look(name).unwrap().file });
    fs::create_dir(rig.host("d")).unwrap();
    assert_eq!(empty("d"), Ok(()));
    texts(&rig, &["d/f"]);
    assert_eq!(empty("d"), Err(VfsError::NotEmpty));
    assert_eq!(delete("d", true), Err(VfsError::NotEmpty));
    assert_eq!(delete("d/F", false), Ok(()));
    assert_eq!(delete("d", true), Ok(()));
    assert_eq!(delete("d", true), Err(VfsError::NotFound));
    assert_eq!(delete("", true), Err(VfsError::AccessDenied), "the share stays");
    assert!(rig.dir.exists());
}
