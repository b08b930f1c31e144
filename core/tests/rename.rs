//! SET_INFO that renames (MS-SMB2 3.3.5.21.1, MS-FSA 2.1.5.15.12).

use ksmbd_core::wire::fscc::{
    file::FileInformation,
    set_file::{SetFileInformation, Target},
};
use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

#[test]
fn to_a_free_name() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.rename(f, "y", false).ok();
    assert!(!w.exists("x") && w.exists("y"));
    a.rename(f, "\\z", false).ok();
    assert!(w.exists("z"), "a leading backslash is taken");
    a.write(f, 0, b"the open goes on").ok();
    let all = a.query_file(f, FileInfoClass::ALL, 4096).ok();
    let all = FileInformation::parse(FileInfoClass::ALL, all.data());
    assert!(matches!(all, Ok(FileInformation::All(all)) if all.file_name == "\\z"));
}

#[test]
fn over_another() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.put("y", b"old");
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    let f = a.create("x").ok();
    a.write(f, 0, b"new").ok();
    a.rename(f, "y", false).is(NtStatus::OBJECT_NAME_COLLISION);
    a.rename(f, "d", true).is(NtStatus::ACCESS_DENIED);
    a.rename(f, "y", true).ok();
    assert_eq!(w.data("y").unwrap(), b"new");
    assert!(!w.exists("x"));
}

/// MS-FSA 2.1.5.15.12: neither what is open, by whatever name, nor what is read-only.
#[test]
fn over_what_stays() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let held = a.create("y").ok();
    a.link(held, "also y", false).ok();
    a.rename(f, "y", true).is(NtStatus::ACCESS_DENIED);
    a.rename(f, "ALSO Y", true).is(NtStatus::ACCESS_DENIED);
    a.close(held).ok();
    let locked = a.create("z").attributes(FileAttributes::READONLY).ok();
    a.close(locked).ok();
    a.rename(f, "z", true).is(NtStatus::ACCESS_DENIED);
    a.rename(f, "y", true).ok();
    assert!(!w.exists("x") && w.exists("z") && w.exists("also y"));
    // Another name of the file itself goes, and the open's own with it.
    a.link(f, "twin", false).ok();
    a.rename(f, "twin", true).ok();
    assert!(!w.exists("y") && w.exists("twin"));
}

/// A change of case is no collision.
#[test]
fn to_another_case() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("name").ok();
    a.rename(f, "NAME", false).ok();
    assert!(w.exists("NAME") && !w.exists("name"));
    a.rename(f, "NAME", false).ok();
}

#[test]
fn into_a_directory() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    let f = a.create("x").ok();
    a.rename(f, "none\\x", false).is(NtStatus::OBJECT_PATH_NOT_FOUND);
    a.rename(f, "D\\X", false).ok();
    assert!(w.exists("d/X"));
}

/// MS-FSA 2.1.5.15.12: a directory with opens below it stays.
#[test]
fn a_directory_with_opens_below() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| {
        vfs.put_directory(ROOT, "d");
        vfs.put_directory(ROOT, "dd");
    });
    w.put("d/x", b"");
    w.put("dd/x", b"");
    let d = a.create("d").directory().existing().ok();
    let near = a.create("dd\\x").ok();
    let f = a.create("d\\x").ok();
    a.rename(d, "e", false).is(NtStatus::ACCESS_DENIED);
    a.close(f).ok();
    a.rename(d, "e", false).ok();
    assert!(w.exists("e/x") && !w.exists("d"));
    a.close(near).ok();
}

/// The same file through another share: what is open below it is open there too.
#[test]
fn a_directory_with_opens_below_in_another_share() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    w.put("d/x", b"");
    let d = a.create("d").directory().existing().ok();
    let share = a.tree_id;
    a.connect_tree("readonly");
    a.create("d\\x").access(AccessMask::GENERIC_READ).ok();
    a.tree_id = share;
    a.rename(d, "e", false).is(NtStatus::ACCESS_DENIED);
}

/// Every open that was reached by the old name goes on at the new one: delete on close still finds
/// it.
#[test]
fn other_opens_follow() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let doomed = a.create("x").delete_on_close().ok();
    let f = a.create("x").ok();
    a.rename(f, "y", false).ok();
    a.close(f).ok();
    a.close(doomed).ok();
    assert!(!w.exists("y"));
}

#[test]
fn what_makes_no_sense() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.rename(f, "a*b", false).is(NtStatus::OBJECT_NAME_INVALID);
    a.rename(f, "..\\x", false).is(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    a.rename(f, "\\", false).is(NtStatus::INVALID_PARAMETER);
    let file_name = "y".encode_utf16().collect();
    let target = Target { replace_if_exists: false, root_directory: 7, file_name };
    a.set_file(f, &SetFileInformation::Rename(target)).is(NtStatus::INVALID_PARAMETER);
    let d = a.create("d").directory().ok();
    a.rename(d, "d\\e", false).is(NtStatus::SHARING_VIOLATION);
    let root = a.create("").access(AccessMask::MAXIMUM_ALLOWED).existing().ok();
    let refused = a.rename(root, "y", false).answer();
    assert!(refused.status.is_error());
    assert!(w.exists("x") && w.exists("d"));
}

/// The file is gone by the time it is renamed.
#[test]
fn replaced_behind_its_back() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    w.put("x", b"another");
    let refused = a.rename(f, "y", false).answer();
    assert!(refused.status.is_error());
    assert_eq!(w.data("x").unwrap(), b"another");
}

/// Closed while the rename runs: the new name is the one that delete on close finds.
#[test]
fn closed_while_it_runs() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    w.hold("rename");
    let rename = a.rename(f, "y", false).silent();
    let close = a.close(f).silent();
    w.complete(0);
    a.answer(rename).ok();
    a.answer(close).ok();
    assert!(!w.exists("x") && !w.exists("y"));
}
