//! SET_INFO that gives a file one more name (MS-SMB2 3.3.5.21.1, MS-FSA 2.1.5.15.6), and what a file
//! with two names is.

use ksmbd_core::wire::fscc::{
    file::{FileInformation, StandardInformation},
    set_file::{SetFileInformation, Target},
    volume::{FsAttributes, FsInformation},
};
use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

fn standard(a: &mut Client, f: FileId) -> StandardInformation {
    let answer = a.query_file(f, FileInfoClass::STANDARD, 24).ok();
    match FileInformation::parse(FileInfoClass::STANDARD, answer.data()) {
        Ok(FileInformation::Standard(standard)) => standard,
        other => panic!("{other:?}"),
    }
}

/// A file of the names `x` and `y`, open by both.
fn two_names(w: &World) -> (Client, FileId, FileId) {
    let mut a = w.logged_on("alice");
    let x = a.create("x").ok();
    a.link(x, "y", false).ok();
    let y = a.create("y").existing().ok();
    (a, x, y)
}

#[test]
fn one_file_of_two_names() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    let x = a.create("x").ok();
    a.write(x, 0, b"data").ok();
    assert_eq!(standard(&mut a, x).number_of_links, 1);
    a.link(x, "D\\y", false).ok();
    assert_eq!(standard(&mut a, x).number_of_links, 2);
    assert_eq!(w.data("d/y").unwrap(), b"data");
    let y = a.create("d\\y").existing().ok();
    a.write(y, 0, b"DATA").ok();
    assert_eq!(w.data("x").unwrap(), b"DATA");
    let number =
        |a: &mut Client, f| a.query_file(f, FileInfoClass::INTERNAL, 8).ok().data().to_vec();
    assert_eq!(number(&mut a, x), number(&mut a, y));
    a.close(x).ok();
    a.link(y, "\\z", false).ok();
    assert!(w.exists("z"), "a leading backslash is taken, as in a rename");
    let volume = a.query_volume(y, FsInfoClass::ATTRIBUTE, 64).ok();
    let volume = FsInformation::parse(FsInfoClass::ATTRIBUTE, volume.data());
    let Ok(FsInformation::Attribute { file_system_attributes, .. }) = volume else {
        panic!("{volume:?}");
    };
    assert!(file_system_attributes.contains(FsAttributes::SUPPORTS_HARD_LINKS));
}

/// No access of its own: what counts is the directory.
#[test]
fn needs_nothing_but_the_directory() {
    let w = World::new();
    w.put("x", b"");
    w.vfs(|vfs| {
        vfs.put_directory(ROOT, "d");
        vfs.node_at(ROOT, "d").unwrap().mode = 0o555;
    });
    let mut a = w.logged_on("alice");
    let x = a.create("x").access(AccessMask::FILE_READ_ATTRIBUTES).existing().ok();
    a.link(x, "d\\y", false).is(NtStatus::ACCESS_DENIED);
    a.link(x, "y", false).ok();
    assert!(w.exists("y") && !w.exists("d/y"));
}

#[test]
fn what_gets_no_second_name() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    a.link(d, "e", false).is(NtStatus::FILE_IS_A_DIRECTORY);
    let x = a.create("x").ok();
    for name in ["a*b", "y:stream", "y::$DATA", "y:", ":stream"] {
        a.link(x, name, false).is(NtStatus::OBJECT_NAME_INVALID);
    }
    a.link(x, "..\\y", false).is(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    a.link(x, "none\\y", false).is(NtStatus::OBJECT_PATH_NOT_FOUND);
    a.link(x, "\\", false).is(NtStatus::INVALID_PARAMETER);
    let file_name = "y".encode_utf16().collect();
    let target = Target { replace_if_exists: false, root_directory: 7, file_name };
    a.set_file(x, &SetFileInformation::Link(target)).is(NtStatus::INVALID_PARAMETER);
    a.delete(x, true).ok();
    a.link(x, "y", false).is(NtStatus::ACCESS_DENIED);
    a.delete(x, false).ok();
    w.vfs(|vfs| vfs.fail_next("link", VfsError::CrossDevice));
    a.link(x, "y", false).is(NtStatus::NOT_SAME_DEVICE);
    w.vfs(|vfs| vfs.fail_next("link", VfsError::TooManyLinks));
    a.link(x, "y", false).is(NtStatus::TOO_MANY_LINKS);
    a.connect_tree("streams");
    let s = a.create("x:stream").ok();
    a.link(s, "y", false).is(NtStatus::INVALID_PARAMETER);
    assert!(!w.exists("y") && !w.exists("e"));
}

#[test]
fn through_a_read_only_share() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    a.connect_tree("readonly");
    let x = a.create("x").access(AccessMask::GENERIC_READ).existing().ok();
    a.link(x, "y", true).is(NtStatus::MEDIA_WRITE_PROTECTED);
    assert!(!w.exists("y"));
}

#[test]
fn over_another() {
    let w = World::new();
    w.put("y", b"old");
    w.put("open", b"");
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    let mut a = w.logged_on("alice");
    let x = a.create("x").ok();
    a.write(x, 0, b"new").ok();
    a.link(x, "y", false).is(NtStatus::OBJECT_NAME_COLLISION);
    a.link(x, "d", true).is(NtStatus::ACCESS_DENIED);
    let open = a.create("open").ok();
    a.link(x, "open", true).is(NtStatus::ACCESS_DENIED);
    a.close(open).ok();
    a.create("locked").attributes(FileAttributes::READONLY).ok();
    a.link(x, "locked", true).is(NtStatus::ACCESS_DENIED);
    a.link(x, "Y", true).ok();
    assert_eq!(w.data("Y").unwrap(), b"new");
    assert!(!w.exists("y"), "the new name has the case that it was given");
    // A name of its own.
    a.link(x, "Y", false).is(NtStatus::OBJECT_NAME_COLLISION);
    a.link(x, "y", true).ok();
    assert_eq!(standard(&mut a, x).number_of_links, 2);
    assert!(w.exists("y") && !w.exists("Y"));
}

/// Adding a name opens the directory, and shares all of it: only who lets nobody write is in the way.
#[test]
fn into_a_directory_that_is_held() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let x = a.create("x").ok();
    let read = ShareAccess::READ | ShareAccess::DELETE;
    let d = a.create("d").directory().sharing(read).ok();
    a.link(x, "d\\y", false).is(NtStatus::SHARING_VIOLATION);
    a.close(d).ok();
    let d = a.create("d").directory().ok();
    a.link(x, "d\\y", false).ok();
    a.close(d).ok();
}

/// Share modes and locks are the file's, whatever it is called.
#[test]
fn share_modes_are_the_file_s() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    a.lock(x, 0, 10, LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY).ok();
    a.write(y, 0, b"no").is(NtStatus::FILE_LOCK_CONFLICT);
    a.create("y").exclusive().is(NtStatus::SHARING_VIOLATION);
}

/// MS-FSA 2.1.5.15.3: what is deleted is the name that the open was made by.
#[test]
fn deleting_one_of_two_names() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    a.delete(x, true).ok();
    let (by_x, by_y) = (standard(&mut a, x), standard(&mut a, y));
    assert!(by_x.delete_pending && !by_y.delete_pending);
    assert_eq!((by_x.number_of_links, by_y.number_of_links), (1, 1));
    a.create("x").existing().is(NtStatus::DELETE_PENDING);
    let again = a.create("y").existing().ok();
    a.rename(y, "z", false).ok();
    a.close(x).ok();
    assert!(!w.exists("x") && w.exists("z"), "by its own last open, not the file's");
    a.write(y, 0, b"still works").ok();
    a.create("x").fresh().ok();
    a.close(again).ok();
    a.close(y).ok();
    assert_eq!(w.data("z").unwrap(), b"still works");
}

#[test]
fn deleting_both_names() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    a.delete(x, true).ok();
    a.delete(y, true).ok();
    assert_eq!(standard(&mut a, y).number_of_links, 0);
    a.delete(y, false).ok();
    a.create("y").existing().ok();
    a.create("x").existing().is(NtStatus::DELETE_PENDING);
    a.delete(y, true).ok();
    a.close(x).ok();
    assert!(!w.exists("x") && w.exists("y"));
    a.logoff().ok();
    assert!(!w.exists("y"));
}

#[test]
fn delete_on_close_takes_its_own_name() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    a.close(x).ok();
    let doomed = a.create("x").existing().delete_on_close().ok();
    a.close(doomed).ok();
    assert!(!w.exists("x") && w.exists("y"));
    a.close(y).ok();
    let last = a.create("y").existing().delete_on_close().ok();
    a.close(last).ok();
    assert!(!w.exists("y"));
}

/// A stream is open by a name as well: that name stays until it is closed.
#[test]
fn a_stream_holds_its_name() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    a.connect_tree("streams");
    let stream = a.create("x:stream").ok();
    let share = a.tree_id - 1;
    let streams = std::mem::replace(&mut a.tree_id, share);
    a.delete(x, true).ok();
    a.delete(y, true).ok();
    a.close(x).ok();
    a.close(y).ok();
    assert!(w.exists("x") && !w.exists("y"));
    a.tree_id = streams;
    a.close(stream).ok();
    assert!(!w.exists("x"));
}

/// Closed while the name is being made, or while one of the names is being deleted.
#[test]
fn closed_while_it_runs() {
    let w = World::new();
    let (mut a, x, y) = two_names(&w);
    w.hold("link");
    let link = a.link(x, "z", false).silent();
    let close = a.close(x).silent();
    w.complete(0);
    a.answer(link).ok();
    a.answer(close).ok();
    let x = a.create("x").delete_on_close().ok();
    w.hold("delete");
    let close = a.close(x).silent();
    let other = a.close(y).ok();
    assert_eq!(other.status, NtStatus::SUCCESS);
    w.complete(0);
    a.answer(close).ok();
    assert!(!w.exists("x") && w.exists("y") && w.exists("z"));
}

/// What is only for programs on the server itself, as on Windows: MS-FSCC 2.4.
#[test]
fn classes_that_are_local() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let x = a.create("x").ok();
    a.query_file(x, FileInfoClass::HARD_LINK, 4096).is(NtStatus::INVALID_INFO_CLASS);
    a.query_file(x, FileInfoClass::STANDARD_LINK, 4096).is(NtStatus::INVALID_INFO_CLASS);
}
