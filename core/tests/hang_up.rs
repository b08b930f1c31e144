//! A client that goes away, whatever is under way (DESIGN 3, properties 3 and 4).

use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

/// Each kind of call, interrupted.
#[test]
fn while_any_call_runs() {
    type Start = fn(&mut Client, FileId) -> u64;
    let starts: [(&str, Start); 11] = [
        ("open", |a, _| a.create("y").send().later()),
        ("overwrite", |a, _| {
            a.create("x").disposition(CreateDisposition::OVERWRITE).send().later()
        }),
        ("read", |a, f| a.read(f, 0, 1).later()),
        ("write", |a, f| a.write(f, 0, b"x").later()),
        ("flush", |a, f| a.flush(f).later()),
        ("query", |a, f| a.query_file(f, FileInfoClass::BASIC, 40).later()),
        ("rename", |a, f| a.rename(f, "z", false).later()),
        ("volume", |a, f| a.query_volume(f, FsInfoClass::SIZE, 24).later()),
        ("delete", |a, f| {
            a.delete(f, true).ok();
            a.close(f).later()
        }),
        ("delete", |a, f| {
            a.delete(f, true).ok();
            a.logoff().later()
        }),
        // What a refused CREATE has made: no open, so nothing keeps the tree and its directory.
        ("delete", |a, _| {
            a.create("x").lease(1, "R").ok();
            a.create("y").lease(1, "R").send().later()
        }),
    ];
    for (op, start) in starts {
        for error in [None, Some(VfsError::HungUp)] {
            let w = World::new();
            let mut a = w.logged_on("alice");
            let f = a.create("x").ok();
            w.hold(op);
            start(&mut a, f);
            assert_eq!(w.held(), [op]);
            a.hang_up();
            match error {
                None => w.complete(0),
                Some(error) => w.fail(0, error),
            }
            w.release_calls();
            assert_eq!(w.counters().opens, 0, "{op}");
            assert_eq!(w.vfs(|vfs| vfs.live()), 0, "{op}");
        }
    }
}

#[test]
fn with_several_running() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    w.hold_calls();
    for i in 0..5 {
        let _ = a.write(f, i, b"x").later();
    }
    a.hang_up();
    assert_eq!((w.counters().opens, w.counters().running), (1, 5));
    for _ in 0..4 {
        w.complete(0);
        assert_eq!(w.counters().opens, 1);
    }
    w.complete(0);
    assert_eq!(w.counters().opens, 0);
}

/// A chain in the middle: what is left of it is not begun.
#[test]
fn in_the_middle_of_a_chain() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.hold("open");
    let create = a.create("x").message();
    let write = a.message_with(&body::write(Client::PREVIOUS, 0, 4), b"data").related();
    a.send_chain(&[create, write]);
    a.hang_up();
    w.release_calls();
    assert_eq!(w.counters().opens, 0);
}

#[test]
fn with_half_a_frame() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.raw_bytes(&[0, 0, 1, 0, 0xfe, b'S']);
    a.hang_up();
    assert_eq!(w.counters().connections, 0);
}

/// Its delete on close runs on the worker, since its own thread is gone.
#[test]
fn its_last_deletes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").delete_on_close().ok();
    w.hold("delete");
    a.hang_up();
    assert_eq!(w.held(), ["delete"]);
    let mut b = w.logged_on("bob");
    b.create("x").access(AccessMask::GENERIC_READ).is(NtStatus::DELETE_PENDING);
    w.complete(0);
    b.create("x").fresh().ok();
}

/// Those who wait for what it held are woken.
#[test]
fn others_are_woken() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
    w.hold("write");
    let _ = a.write(f, 0, b"late").later();
    a.hang_up();
    b.nothing();
    w.complete(0);
    b.answer(waiting.mid).ok();
}

/// DESIGN 3, property 9: connections are counted, and room is made by those that go. Who has logged on
/// does not go for others (`crowded.rs` has those who have not).
#[test]
fn as_many_connections_as_allowed() {
    use ksmbd_core::server::Unwelcome;
    let w = World::with(|config| {
        config.limits.connections = 3;
        config.limits.connections_per_address = 2;
    });
    let one = w.logged_on("alice");
    let _two = w.logged_on("alice");
    let why = w.try_connect([10, 0, 0, 1]).err();
    assert_eq!(why, Some(Unwelcome::TooManyOfAddress));
    let mut other = w.try_connect([10, 0, 0, 2]).ok().unwrap();
    other.negotiate().ok();
    other.logon("bob", &password("bob")).ok();
    assert_eq!(w.try_connect([10, 0, 0, 3]).err(), Some(Unwelcome::TooMany));
    one.hang_up();
    assert!(w.try_connect([10, 0, 0, 1]).is_ok());
}

/// `deadtime`: who is silent and has nothing open is dropped.
#[test]
fn idle_connections() {
    let w = World::with(|config| config.limits.idle_time = Duration::from_secs(60));
    let mut idle = w.logged_on("alice");
    let mut busy = w.logged_on("bob");
    let f = busy.create("x").ok();
    w.advance(Duration::from_secs(40));
    idle.echo().ok();
    w.advance(Duration::from_secs(40));
    idle.nothing();
    w.advance(Duration::from_secs(20));
    assert_eq!(idle.dropped(), ConnectionError::Closed("idle"));
    busy.close(f).ok();
    w.advance(Duration::from_secs(120));
    assert_eq!(busy.dropped(), ConnectionError::Closed("idle"));
}

/// A connection that the server gives up while its client's thread has work to do that nobody waits for:
/// somebody does it all the same. (What is told a daemon is counted there; what is to be deleted is the
/// user's.)
#[test]
fn what_nobody_waits_for_is_done_by_somebody() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.client(Dialect::SMB_3_0).logged_on("alice");
    let mut b = w.logged_on("alice");
    let f = a.create("x").access(AccessMask::DELETE).delete_on_close().ok();
    // MS-SMB2 3.3.5.15.12: whoever repeats his NEGOTIATE wrongly is hung up on.
    let code = ksmbd_core::wire::fsctl::FsctlCode::VALIDATE_NEGOTIATE_INFO;
    let wrong = a.message(&body::ioctl(FileId::ANY, code, &[0; 24], 24));
    let close = a.message(&body::close(f));
    let leave = a.message(&RequestBody::TreeDisconnect);
    a.send_chain(&[wrong, close, leave]);
    a.forget();
    assert!(a.is_dropped());
    assert!(!w.exists("x"));
    assert_eq!(w.daemon(|daemon| daemon.admitted()), 1);
    b.create("x").disposition(CreateDisposition::CREATE).ok();
}
