//! A session whose proof has an end (MS-SMB2 3.3.5.2.9, 3.3.5.5.2): what is refused from then on, what
//! is not, and how it goes on. Tickets have an end, passwords have none.

use ksmbd_core::{auth::ntlm::client::Credentials, time::FileTime};
use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

fn in_an_hour(w: &World) {
    let ticks = w.now().wall.0 + HOUR.as_secs() * 10_000_000;
    w.daemon(|daemon| daemon.expires = Some(FileTime(ticks)));
}

fn expiring() -> (World, Client) {
    let w = World::with(|config| config.multi_channel = true);
    in_an_hour(&w);
    let a = w.logged_on("alice");
    (w, a)
}

#[track_caller]
fn again(client: &mut Client, user: &str, password: &str) -> Response {
    let mut logon = client.begin(Credentials::new(user, "WORLD", password));
    logon.session_id = client.session_id;
    logon.run(client)
}

#[test]
fn not_before_its_time() {
    let (w, mut a) = expiring();
    w.advance(HOUR - Duration::from_secs(1));
    let f = a.create("x").ok();
    w.advance(Duration::from_secs(1));
    a.write(f, 0, b"late").is(NtStatus::NETWORK_SESSION_EXPIRED);
}

/// The refusal is protected as everything else.
#[test]
fn what_is_refused() {
    for encrypt in [false, true] {
        let (w, mut a) = expiring();
        a.encrypt = encrypt;
        let f = a.create("x").ok();
        w.advance(HOUR);
        let expired = NtStatus::NETWORK_SESSION_EXPIRED;
        let refusal = a.create("y").is(expired);
        assert!(refusal.signed || refusal.encrypted);
        a.read(f, 0, 1).is(expired);
        a.write(f, 0, b"x").is(expired);
        a.flush(f).is(expired);
        a.query_file(f, FileInfoClass::BASIC, 100).is(expired);
        a.delete(f, true).is(expired);
        a.tree_connect("share").is(expired);
        a.tree_disconnect().is(expired);
        let validate = ksmbd_core::wire::fsctl::FsctlCode::VALIDATE_NEGOTIATE_INFO;
        a.request(&body::ioctl(FileId::ANY, validate, &[], 100)).is(expired);
        assert!(w.exists("x") && !w.exists("y"));
    }
}

/// What lets go of things is still done.
#[test]
fn what_is_not() {
    let (w, mut a) = expiring();
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    let waiting = a.lock(g, 0, 1, EXCLUSIVE).waits();
    w.advance(HOUR);
    a.echo().ok();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    a.unlock(f, 0, 1).ok();
    a.close(f).ok();
    a.logoff().ok();
}

/// MS-SMB2 3.3.5.5.2: the same session, the same keys, everything still open.
#[test]
fn again_in_time_and_too_late() {
    for late in [false, true] {
        let (w, mut a) = expiring();
        let mut b = w.channel(&a, "alice");
        let f = a.create("x").ok();
        w.advance(if late { HOUR * 2 } else { HOUR / 2 });
        in_an_hour(&w);
        again(&mut b, "alice", &password("alice")).ok();
        w.advance(HOUR - Duration::from_secs(1));
        a.write(f, 0, b"still open").ok();
        b.write(f, 0, b"still open").ok();
        w.advance(Duration::from_secs(1));
        a.write(f, 0, b"x").is(NtStatus::NETWORK_SESSION_EXPIRED);
    }
}

#[test]
fn again_with_a_wrong_password() {
    let (w, mut a) = expiring();
    a.create("x").ok();
    w.advance(HOUR);
    again(&mut a, "alice", "guess").is(NtStatus::LOGON_FAILURE);
    assert_eq!((w.counters().sessions, w.counters().opens), (0, 0));
}

/// MS-SMB2 3.3.5.5: nobody joins what has expired; who has joined is refused as all are.
#[test]
fn channels() {
    let (w, mut a) = expiring();
    let mut b = w.channel(&a, "alice");
    w.advance(HOUR);
    let mut c = w.client(Dialect::SMB_3_1_1);
    b.create("x").is(NtStatus::NETWORK_SESSION_EXPIRED);
    let refusal = c.join(&a, "alice").is(NtStatus::NETWORK_SESSION_EXPIRED);
    assert!(refusal.signed);
    again(&mut a, "alice", &password("alice")).is(NtStatus::SUCCESS);
}

/// A request that was there in time is answered.
#[test]
fn what_was_asked_before() {
    let (w, mut a) = expiring();
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    let waiting = a.lock(g, 0, 1, EXCLUSIVE).waits();
    w.hold("write");
    let writing = a.write(f, 0, b"in time").silent();
    w.advance(HOUR);
    w.release_calls();
    a.answer(writing).ok();
    a.close(f).ok();
    a.answer(waiting.mid).ok();
}
