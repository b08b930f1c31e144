//! Deleting: on close, by disposition, and what is between (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.5,
//! 2.1.5.15.3).

use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

#[test]
fn on_close() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    assert!(w.exists("x"));
    a.close(f).ok();
    assert!(!w.exists("x"));
}

/// The first close of such a handle dooms the file, the last close removes it.
#[test]
fn on_close_of_the_last() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let f = a.create("x").delete_on_close().ok();
    w.vfs(|vfs| vfs.node_at(ROOT, "x").unwrap().mode = 0o666);
    let g = b.create("x").ok();
    a.close(f).ok();
    assert!(w.exists("x"));
    a.create("x").is(NtStatus::DELETE_PENDING);
    b.write(g, 0, b"still works").ok();
    b.close(g).ok();
    assert!(!w.exists("x"));
    a.create("x").fresh().ok();
}

#[test]
fn on_hang_up() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").delete_on_close().ok();
    a.hang_up();
    assert!(!w.exists("x"));
}

#[test]
fn by_disposition_and_back() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.delete(f, true).ok();
    a.create("x").is(NtStatus::DELETE_PENDING);
    a.rename(f, "y", false).is(NtStatus::DELETE_PENDING);
    a.delete(f, false).ok();
    let g = a.create("x").ok();
    a.delete(g, true).ok();
    a.close(f).ok();
    assert!(w.exists("x"));
    a.close(g).ok();
    assert!(!w.exists("x"));
}

#[test]
fn without_the_right() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").access(AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE).ok();
    a.delete(f, true).is(NtStatus::ACCESS_DENIED);
}

#[test]
fn what_is_read_only() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").attributes(FileAttributes::READONLY).ok();
    a.delete(f, true).is(NtStatus::CANNOT_DELETE);
    a.close(f).ok();
    let access = AccessMask::GENERIC_READ | AccessMask::DELETE;
    a.create("x").access(access).delete_on_close().is(NtStatus::CANNOT_DELETE);
    let read_only = FileAttributes::READONLY;
    a.create("y").attributes(read_only).delete_on_close().is(NtStatus::CANNOT_DELETE);
    assert!(!w.exists("y"), "a create that fails leaves nothing behind");
}

#[test]
fn directories() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let f = a.create("d\\x").ok();
    a.close(f).ok();
    a.delete(d, true).is(NtStatus::DIRECTORY_NOT_EMPTY);
    let f = a.create("d\\x").delete_on_close().ok();
    a.close(f).ok();
    a.delete(d, true).ok();
    a.close(d).ok();
    assert!(!w.exists("d"));
    let d = a.create("d").directory().delete_on_close().ok();
    a.close(d).ok();
    assert!(!w.exists("d"));
}

#[test]
fn the_share_itself() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("").directory().delete_on_close().is(NtStatus::ACCESS_DENIED);
    let access = AccessMask::GENERIC_READ;
    let d = a.create("").directory().access(access).ok();
    a.delete(d, true).is(NtStatus::ACCESS_DENIED);
}

/// The reply to CLOSE comes after the name is gone.
#[test]
fn the_answer_comes_after_the_delete() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    w.hold("delete");
    let close = a.close(f).silent();
    a.create("x").is(NtStatus::DELETE_PENDING);
    w.complete(0);
    a.answer(close).ok();
    a.create("x").fresh().ok();
}

/// A delete that fails is known to nobody; the open goes even so.
#[test]
fn a_delete_that_fails() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    w.vfs(|vfs| vfs.fail_next("delete", VfsError::Io));
    a.close(f).ok();
    assert!(w.exists("x"));
    a.create("x").exclusive().ok();
}

/// The name that goes is the one that the file has by then.
#[test]
fn renamed_in_between() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    a.rename(f, "y", false).ok();
    w.put("x", b"another");
    a.close(f).ok();
    assert!(w.exists("x") && !w.exists("y"));
}

/// Another file of that name stays.
#[test]
fn replaced_in_between() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().ok();
    w.put("x", b"another");
    a.close(f).ok();
    assert_eq!(w.data("x").unwrap(), b"another");
}

/// SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB: what is asked before it goes is answered after it went.
#[test]
fn closed_with_a_last_look() {
    use ksmbd_core::wire::close::{CloseFlags, CloseRequest};
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let file_id = a.create("x").delete_on_close().ok();
    let request = CloseRequest { flags: CloseFlags::POSTQUERY_ATTRIB, file_id };
    let answer = a.request(&RequestBody::Close(request)).ok();
    assert!(matches!(answer.body, ResponseBody::Close(close) if close.end_of_file == 10));
    assert!(!w.exists("x"));
}

/// The share's directory is kept by the name that is to go, when its tree is gone already; and is
/// not closed under the lock, which the simulator sees to.
#[test]
fn doomed_by_who_has_left() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let f = b.create("x").ok();
    a.create("x").delete_on_close().ok();
    a.logoff().ok();
    b.delete(f, false).ok();
    b.close(f).ok();
    assert!(w.exists("x"));
    let f = b.create("x").ok();
    let mut a = w.logged_on("alice");
    a.create("x").delete_on_close().ok();
    a.logoff().ok();
    b.close(f).ok();
    assert!(!w.exists("x"));
}

/// MS-SMB2 3.3.5.9: a CREATE that fails has made no open, so that none is deleted on its close.
#[test]
fn a_create_that_fails_deletes_nothing() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.fail_next("overwrite", VfsError::NoSpace));
    a.create("x")
        .disposition(CreateDisposition::OVERWRITE_IF)
        .delete_on_close()
        .is(NtStatus::DISK_FULL);
    assert!(w.exists("x"));
    assert_eq!((w.counters().opens, w.counters().files), (0, 0));
    a.create("x").existing().ok();
}
