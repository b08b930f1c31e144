//! LOGOFF (MS-SMB2 3.3.5.6).

use ksmbd_fuzz::prelude::*;

#[test]
fn everything_goes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").ok();
    a.connect_tree("readonly");
    a.create("x").access(AccessMask::GENERIC_READ).ok();
    a.logoff().ok();
    let counters = w.counters();
    assert_eq!((counters.sessions, counters.trees, counters.opens, counters.files), (0, 0, 0, 0));
}

#[test]
fn nothing_works_afterwards() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.logoff().ok();
    a.sign = false;
    a.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED);
    a.tree_connect("share").is(NtStatus::USER_SESSION_DELETED);
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    a.sign = true;
    a.logged_on("alice");
}

/// The connection's other sessions stay.
#[test]
fn another_session_stays() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (session, tree) = (a.session_id, a.tree_id);
    let f = a.create("x").ok();
    a.logon("bob", &password("bob")).ok();
    a.logoff().ok();
    (a.session_id, a.tree_id) = (session, tree);
    a.write(f, 0, b"still here").ok();
}

/// DESIGN 3, property 4: the reply is sent when the running calls are back, and until then the share
/// mode stays.
#[test]
fn with_running_calls() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    w.put("x", b"0123456789");
    let f = a.create("x").exclusive().ok();
    w.hold("write");
    let write = a.write(f, 0, b"abc").silent();
    let logoff = a.logoff().silent();
    b.create("x").is(NtStatus::SHARING_VIOLATION);
    let refused = a.message(&RequestBody::Echo).unsigned();
    a.send(refused).is(NtStatus::USER_SESSION_DELETED);
    w.complete(0);
    a.answer(write).ok();
    a.answer(logoff).ok();
    b.create("x").ok();
}

/// A session of another connection is none here.
#[test]
fn a_foreign_session() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    b.session_id = a.session_id;
    b.logoff().is(NtStatus::USER_SESSION_DELETED);
    b.create("x").is(NtStatus::USER_SESSION_DELETED);
    a.create("x").ok();
}

/// A chain that goes on after LOGOFF leaves no keys behind.
#[test]
fn in_the_middle_of_a_chain() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let logoff = a.message(&RequestBody::Logoff);
    let mut echo = a.message(&RequestBody::Echo).unsigned();
    echo.header.session_id = 0;
    a.send_chain(&[logoff, echo]);
    a.receive().ok();
    a.receive().ok();
    a.encrypt = true;
    assert!(matches!(a.echo().drops(), ConnectionError::BadTransform(_)));
}
