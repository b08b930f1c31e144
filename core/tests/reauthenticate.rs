//! A session that authenticates again, and one that takes the place of a lost one
//! (MS-SMB2 3.3.5.5.2, 3.3.5.5.3).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_fuzz::client::request::EXCLUSIVE;
use ksmbd_fuzz::prelude::*;

fn credentials(user: &str) -> Credentials {
    Credentials::new(user, "WORLD", &password(user))
}

/// The keys stay: what was signed with them before is still right afterwards.
#[test]
fn again_keeps_keys_and_opens() {
    for encrypt in [false, true] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        a.encrypt = encrypt;
        let f = a.create("x").ok();
        let mut logon = a.begin(credentials("alice"));
        logon.session_id = a.session_id;
        logon.run(&mut a).ok();
        assert_eq!(w.counters().sessions, 1);
        a.write(f, 0, b"still open").ok();
    }
}

/// Who cannot prove again who they are does not go on (MS-SMB2 3.3.5.5.3).
#[test]
fn again_with_a_wrong_password() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let mut logon = a.begin(Credentials::new("alice", "WORLD", "guess"));
    logon.session_id = a.session_id;
    logon.run(&mut a).is(NtStatus::LOGON_FAILURE);
    assert_eq!((w.counters().opens, w.counters().sessions), (0, 0));
    a.sign = false;
    a.write(f, 0, b"gone").is(NtStatus::USER_SESSION_DELETED);
}

/// MS-SMB2 3.3.5.5.3: the lost session of the same user ends after the proof.
#[test]
fn the_previous_session_of_the_same_user_ends() {
    let w = World::new();
    let mut lost = w.logged_on("alice");
    lost.create("x").exclusive().ok();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(credentials("alice"));
    logon.previous = lost.session_id;
    let first = logon.first(&mut a).answer();
    assert_eq!(w.counters().opens, 1, "nothing happens before the proof");
    lost.echo().ok();
    let last = logon.second(&mut a, &first).ok();
    logon.finish(&mut a, &last);
    assert_eq!((w.counters().opens, w.counters().sessions), (0, 1));
    a.connect_tree("share");
    a.create("x").exclusive().ok();
    lost.sign = false;
    lost.create("x").is(NtStatus::USER_SESSION_DELETED);
}

/// Its waiting requests end with it.
#[test]
fn what_the_previous_session_waits_for_ends() {
    let w = World::new();
    let mut lost = w.logged_on("alice");
    let (f, g) = (lost.create("x").ok(), lost.create("x").ok());
    lost.lock(f, 0, 1, EXCLUSIVE).ok();
    let waiting = lost.lock(g, 0, 1, EXCLUSIVE).waits();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(credentials("alice"));
    logon.previous = lost.session_id;
    logon.run(&mut a).ok();
    lost.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
}

#[test]
fn a_wrong_password_ends_no_previous_session() {
    let w = World::new();
    let mut other = w.logged_on("alice");
    let f = other.create("x").ok();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(Credentials::new("alice", "WORLD", "guess"));
    logon.previous = other.session_id;
    logon.run(&mut a).is(NtStatus::LOGON_FAILURE);
    other.write(f, 0, b"still here").ok();
}

/// Another user's session is left untouched, bit for bit: the same exchange with and without the
/// attempt puts the same bytes on the victim's wire.
#[test]
fn another_users_previous_session_stays() {
    let run = |attack: bool| {
        let w = World::new();
        let mut victim = w.logged_on("alice");
        let f = victim.create("x").ok();
        let before = w.counters();
        let mut a = w.client(Dialect::SMB_3_1_1);
        let mut logon = a.begin(credentials("bob"));
        logon.previous = if attack { victim.session_id } else { 0 };
        logon.run(&mut a).ok();
        a.hang_up();
        assert_eq!(w.counters(), before);
        let _ = victim.write(f, 0, b"mine").later();
        victim.raw_answer()
    };
    assert_eq!(run(true), run(false));
}

/// A session that names itself does not end itself.
#[test]
fn itself_as_the_previous_session() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let mut logon = a.begin(credentials("alice"));
    logon.session_id = a.session_id;
    logon.previous = a.session_id;
    logon.run(&mut a).ok();
    a.read(f, 0, 1).is(NtStatus::END_OF_FILE);
}

/// Guests are nobody: they have no session to take over.
#[test]
fn a_guest_ends_no_guests_session() {
    let w = World::new();
    let guest = std::sync::Arc::new(ksmbd_core::vfs::Identity::nobody());
    w.daemon(|daemon| daemon.guest = Some(guest));
    let mut first = w.client(Dialect::SMB_3_1_1);
    first.logon("mallory", "x").ok();
    first.connect_tree("share");
    let mut second = w.client(Dialect::SMB_3_1_1);
    let mut logon = second.begin(Credentials::new("mallory", "", "x"));
    logon.previous = first.session_id;
    logon.run(&mut second).ok();
    first.create("x").ok();
}

/// A session that has to be encrypted is by that its client's alone: nobody in between ends it, or makes
/// it his own, with plain frames.
#[test]
fn in_plain_where_it_must_be_encrypted() {
    let w = World::with(|config| config.encryption = Encryption::Mandatory);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for user in ["alice", "bob"] {
        (a.encrypt, a.sign) = (false, false);
        let mut logon = a.begin(credentials(user));
        logon.session_id = a.session_id;
        logon.first(&mut a).is(NtStatus::ACCESS_DENIED);
        (a.encrypt, a.sign) = (true, true);
        a.write(f, 0, b"still open").ok();
    }
}
