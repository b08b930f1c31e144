//! Named pipes on IPC$ (MS-SMB2 3.3.5.9, 3.3.5.12, 3.3.5.13, 3.3.5.15.10).

use ksmbd_core::wire::fsctl::FsctlCode;
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

fn opened() -> (World, Client, FileId) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.connect_tree("IPC$");
    let p = a.create("echo").existing().ok();
    (w, a, p)
}

#[test]
fn names() {
    let (_w, mut a, _) = opened();
    a.create("nothing").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("a\\b").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("\\echo").existing().ok();
}

#[test]
fn messages() {
    let (_w, mut a, p) = opened();
    a.write(p, 0, b"hello").ok();
    let part = a.read(p, 0, 2).is(NtStatus::BUFFER_OVERFLOW);
    assert_eq!(part.data(), b"he");
    assert_eq!(a.read(p, 0, 100).ok().data(), b"llo");
    let transact = body::ioctl(p, FsctlCode::PIPE_TRANSCEIVE, b"again", 100);
    assert_eq!(a.request(&transact).ok().data(), b"again");
}

/// A READ waits for a message, and every way in which that ends.
#[test]
fn a_reader_waits() {
    let (_w, mut a, p) = opened();
    let waiting = a.read(p, 0, 100).waits();
    let write = a.write(p, 0, b"at last").later();
    let (first, second) = (a.receive().ok(), a.receive().ok());
    let (written, read) =
        if first.header.message_id == write { (first, second) } else { (second, first) };
    assert_eq!((written.header.message_id, read.header.message_id), (write, waiting.mid));
    assert_eq!(read.data(), b"at last");
    let waiting = a.read(p, 0, 100).waits();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    let waiting = a.read(p, 0, 100).waits();
    a.close(p).ok();
    a.answer(waiting.mid).is(NtStatus::PIPE_BROKEN);
}

/// The open may be gone by the time the reader would wait.
#[test]
fn closed_before_it_waits() {
    let (w, mut a, p) = opened();
    w.hold("pipe read");
    let read = a.read(p, 0, 100).silent();
    let close = a.close(p).silent();
    w.complete(0);
    a.answer(read).is(NtStatus::PIPE_BROKEN);
    a.answer(close).ok();
    assert_eq!(w.counters().parked, 0);
}

#[test]
fn hung_up_before_it_waits() {
    let (w, mut a, p) = opened();
    w.hold("pipe read");
    a.read(p, 0, 100).silent();
    a.hang_up();
    w.complete(0);
    assert_eq!(w.counters().parked, 0);
}

#[test]
fn hung_up_while_a_reader_waits() {
    let (w, mut a, p) = opened();
    a.read(p, 0, 100).waits();
    a.hang_up();
    assert_eq!(w.counters().parked, 0);
}

#[test]
fn hung_up_while_a_pipe_is_opened() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.connect_tree("IPC$");
    w.hold_calls();
    a.create("echo").existing().send().silent();
    a.hang_up();
    w.release_calls();
    assert_eq!(w.daemon(|daemon| daemon.live()), 0);
}

#[test]
fn what_pipes_cannot() {
    let (_w, mut a, p) = opened();
    a.flush(p).ok();
    a.query_file(p, FileInfoClass::STANDARD, 24).ok();
    a.query_file(p, FileInfoClass::BASIC, 40).is(NtStatus::NOT_SUPPORTED);
    a.delete(p, true).is(NtStatus::NOT_SUPPORTED);
    a.lock(p, 0, 1, LockFlags::EXCLUSIVE_LOCK).is(NtStatus::INVALID_PARAMETER);
    let flags = Default::default();
    a.list(p, "*", flags, 4096).is(NtStatus::INVALID_PARAMETER);
}

/// A file is no pipe.
#[test]
fn transact_with_a_file() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let transact = body::ioctl(f, FsctlCode::PIPE_TRANSCEIVE, b"x", 100);
    a.request(&transact).is(NtStatus::INVALID_DEVICE_REQUEST);
}

/// One session does not take all pipes: the others' lists of shares are read by them.
#[test]
fn of_one_session_and_of_others() {
    let w = World::new();
    let mut greedy = w.logged_on("alice");
    greedy.connect_tree("IPC$");
    let mut opened = 0;
    while greedy.create("echo").existing().send().answer().status == NtStatus::SUCCESS {
        opened += 1;
        assert!(opened < 1000);
    }
    assert!(opened >= 64, "{opened}");
    greedy.create("echo").existing().is(NtStatus::TOO_MANY_OPENED_FILES);
    let mut other = w.logged_on("bob");
    other.connect_tree("IPC$");
    for _ in 0..32 {
        other.create("echo").existing().ok();
    }
}
