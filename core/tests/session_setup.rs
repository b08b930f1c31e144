//! SESSION_SETUP: who gets a session (MS-SMB2 3.3.5.5).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_core::vfs::Identity;
use ksmbd_core::wire::session_setup::{SessionFlags, SessionSetupFlags};
use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

fn flags(response: &Response) -> SessionFlags {
    match &response.body {
        ResponseBody::SessionSetup(body) => body.session_flags,
        other => panic!("{other:?}"),
    }
}

fn with_guest() -> World {
    let w = World::new();
    let identity = Identity { name: "nobody".into(), ..Identity::nobody() };
    w.daemon(|daemon| daemon.guest = Some(Arc::new(identity)));
    w
}

#[test]
fn the_right_password() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let last = a.logon("Alice", &password("alice")).ok();
    assert_eq!(flags(&last), SessionFlags::empty());
    assert!(last.signed && a.session_id != 0);
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    for user in ["alice", "mallory"] {
        let w = World::new();
        let mut a = w.client(Dialect::SMB_3_1_1);
        a.logon(user, "guess").is(NtStatus::LOGON_FAILURE);
        assert_eq!(w.counters().sessions, 0, "a failed attempt leaves no trace");
        a.logon("alice", &password("alice")).ok();
    }
}

#[test]
fn a_bad_user_is_a_guest_where_that_is_configured() {
    let w = with_guest();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let last = a.logon("mallory", "guess").ok();
    assert_eq!(flags(&last), SessionFlags::IS_GUEST);
    assert!(!last.signed && a.keys().is_none());
    assert!(!a.tree_connect("share").ok().signed);
}

/// They have no keys: a share that wants encryption is not for them (MS-SMB2 3.3.5.7).
#[test]
fn a_guest_gets_no_share_that_is_encrypted() {
    let w = with_guest();
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.logon("mallory", "guess").ok();
    a.tree_connect("crypt").is(NtStatus::ACCESS_DENIED);
    a.tree_connect("share").ok();
}

/// Only unknown names are guests: a wrong password stays wrong.
#[test]
fn a_wrong_password_is_no_guest() {
    let w = with_guest();
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.logon("alice", "guess").is(NtStatus::LOGON_FAILURE);
}

/// Guests have no keys: they are refused where signing or encryption is required.
#[test]
fn no_guests_where_keys_are_required() {
    type Change = fn(&mut Config);
    let changes: [Change; 2] = [
        |config| config.require_signing = true,
        |config| config.encryption = Encryption::Mandatory,
    ];
    for change in changes {
        let w = World::with(change);
        w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
        let mut a = w.client(Dialect::SMB_3_1_1);
        a.logon("mallory", "guess").is(NtStatus::ACCESS_DENIED);
        a.begin(Credentials::anonymous()).run(&mut a).is(NtStatus::ACCESS_DENIED);
        assert_eq!(w.counters().sessions, 0);
    }
}

#[test]
fn anonymous() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let last = a.begin(Credentials::anonymous()).run(&mut a).ok();
    assert_eq!(flags(&last), SessionFlags::IS_NULL);
    a.tree_connect("IPC$").ok();
    a.tree_connect("share").is(NtStatus::ACCESS_DENIED);
}

#[test]
fn no_anonymous_where_that_is_configured() {
    let w = World::with(|config| config.allow_anonymous = false);
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.begin(Credentials::anonymous()).run(&mut a).is(NtStatus::ACCESS_DENIED);
}

/// The half of an authentication is no session.
#[test]
fn nothing_works_before_the_proof() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    let first = logon.first(&mut a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    a.session_id = first.header.session_id;
    a.tree_connect("share").is(NtStatus::USER_SESSION_DELETED);
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    let last = logon.second(&mut a, &first).ok();
    logon.finish(&mut a, &last);
    a.tree_connect("share").ok();
}

#[test]
fn an_unknown_session_cannot_be_gone_on_with() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    logon.session_id = 77;
    logon.first(&mut a).is(NtStatus::USER_SESSION_DELETED);
    assert_eq!(w.counters().sessions, 0);
}

#[test]
fn anothers_half_open_session_cannot_be_gone_on_with() {
    let w = World::new();
    let (mut a, mut b) = (w.client(Dialect::SMB_3_1_1), w.client(Dialect::SMB_3_1_1));
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    let first = logon.first(&mut a).answer();
    let mut theirs = b.begin(Credentials::new("alice", "", &password("alice")));
    theirs.session_id = first.header.session_id;
    theirs.first(&mut b).is(NtStatus::USER_SESSION_DELETED);
    let last = logon.second(&mut a, &first).ok();
    logon.finish(&mut a, &last);
}

/// MS-SMB2 3.3.5.5: channels are not here, and not advertised.
#[test]
fn binding_is_refused() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin(Credentials::new("alice", "", &password("alice")));
    logon.flags = SessionSetupFlags::BINDING;
    logon.session_id = a.session_id;
    logon.first(&mut b).is(NtStatus::REQUEST_NOT_ACCEPTED);
    a.echo().ok();
}

#[test]
fn several_sessions_on_one_connection() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (alices, tree) = (a.session_id, a.tree_id);
    let f = a.create("x").ok();
    a.logon("bob", &password("bob")).ok();
    a.connect_tree("share");
    assert_eq!(w.counters().sessions, 2);
    a.read(f, 0, 1).is(NtStatus::FILE_CLOSED);
    (a.session_id, a.tree_id) = (alices, tree);
    a.write(f, 0, b"mine").ok();
}

/// DESIGN 3, property 9.
#[test]
fn as_many_sessions_as_allowed() {
    let w = World::with(|config| config.limits.sessions_per_connection = 2);
    let mut a = w.logged_on("alice");
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    logon.first(&mut a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    a.logon("bob", &password("bob")).is(NtStatus::INSUFFICIENT_RESOURCES);
    assert_eq!(w.counters().sessions, 2);
}

#[test]
fn as_many_sessions_of_all_as_allowed() {
    let w = World::with(|config| config.limits.sessions = 1);
    let a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.logon("bob", &password("bob")).is(NtStatus::INSUFFICIENT_RESOURCES);
    a.hang_up();
    b.logon("bob", &password("bob")).ok();
}

/// A connection that shows nobody in time is closed; one that does is not.
#[test]
fn a_connection_without_a_session_is_closed_in_time() {
    let w = World::new();
    let mut silent = w.connect();
    let mut negotiated = w.client(Dialect::SMB_3_1_1);
    let mut half = w.client(Dialect::SMB_3_1_1);
    let mut logon = half.begin(Credentials::new("alice", "", &password("alice")));
    logon.first(&mut half).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let mut a = w.logged_on("alice");
    w.advance(Duration::from_secs(29));
    silent.nothing();
    w.advance(Duration::from_secs(1));
    for client in [&mut silent, &mut negotiated, &mut half] {
        assert_eq!(client.dropped(), ConnectionError::Closed("no session in time"));
    }
    assert_eq!(w.counters().sessions, 1);
    w.advance(Duration::from_secs(3600));
    a.echo().ok();
}

/// The daemon may answer after the client has gone.
#[test]
fn hung_up_while_the_account_is_looked_up() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    let first = logon.first(&mut a).answer();
    w.hold_calls();
    let _ = logon.second(&mut a, &first).silent();
    a.hang_up();
    assert_eq!(w.held(), ["logon"]);
    w.complete(0);
    assert_eq!(w.counters().sessions, 0);
}

/// What follows a SESSION_SETUP waits for its answer.
#[test]
fn nothing_is_read_while_one_is_unanswered() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut logon = a.begin(Credentials::new("bob", "", &password("bob")));
    let first = logon.first(&mut a).answer();
    w.hold("logon");
    let setup = logon.second(&mut a, &first).silent();
    let echo = a.echo().silent();
    w.release_calls();
    let last = a.answer(setup).ok();
    a.answer(echo).ok();
    logon.finish(&mut a, &last);
}

#[test]
fn garbage_instead_of_a_token() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    for blob in [&b""[..], b"NTLMSSP\0", b"\x60\x03abc", &[0xff; 300]] {
        let request = ksmbd_core::wire::session_setup::SessionSetupRequest {
            flags: SessionSetupFlags::empty(),
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::empty(),
            previous_session_id: 0,
            security_buffer: blob.to_vec(),
        };
        a.request(&RequestBody::SessionSetup(request)).is(NtStatus::INVALID_PARAMETER);
        assert_eq!(w.counters().sessions, 0);
    }
    a.logged_on("alice");
}
