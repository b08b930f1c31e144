//! A session over several connections: what is opened over one is used over all, what one of them
//! leaves behind when it goes, and how the session ends (MS-SMB2 3.3.5.5, 3.3.5.6, 3.3.7.1).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_core::sink::Executor;
use ksmbd_core::wire::create::OplockLevel;
use ksmbd_fuzz::client::request::EXCLUSIVE;
use ksmbd_fuzz::prelude::*;

fn world() -> World {
    World::with(|config| config.multi_channel = true)
}

/// Trees and opens are the session's (smb2.session.bind1).
#[test]
fn what_is_opened_over_one_is_used_over_all() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let mut c = w.channel(&b, "alice");
    let f = a.create("x").ok();
    b.write(f, 0, b"0123").ok();
    assert_eq!(c.read(f, 1, 2).ok().data(), b"12");
    b.connect_tree("readonly");
    c.tree_id = b.tree_id;
    c.create("x").access(AccessMask::FILE_READ_DATA).existing().ok();
    c.tree_id = a.tree_id;
    c.close(f).ok();
    a.read(f, 0, 1).is(NtStatus::FILE_CLOSED);
}

/// Encryption keys are the session's, and all channels use them at once.
#[test]
fn encrypted_over_all() {
    let w = World::with(|config| {
        config.multi_channel = true;
        config.encryption = Encryption::Mandatory;
    });
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    assert!(a.encrypt && b.encrypt);
    let f = a.create("x").ok();
    for i in 0..20 {
        let client = if i % 2 == 0 { &mut a } else { &mut b };
        client.write(f, i, b"x").ok();
    }
}

/// The nonces of two channels never meet (DESIGN: number of the channel, then its counter).
#[test]
fn no_nonce_twice() {
    let w = world();
    let mut a = w.logged_on("alice").encrypted();
    let mut b = w.channel(&a, "alice");
    let mut nonces = std::collections::BTreeSet::new();
    for _ in 0..3 {
        for client in [&mut a, &mut b] {
            let mid = client.echo().later();
            let frame = client.raw_answer().expect("an answer");
            assert!(nonces.insert(frame[20..36].to_vec()), "{mid}");
        }
    }
    b.hang_up();
    let mut c = w.channel(&a, "alice");
    let _ = c.echo().later();
    let frame = c.raw_answer().expect("an answer");
    assert!(nonces.insert(frame[20..36].to_vec()), "a channel's number is not used again");
}

/// The first connection is no better than others.
#[test]
fn the_first_channel_goes() {
    let w = world();
    let a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = b.create("x").exclusive().ok();
    a.hang_up();
    assert_eq!((w.counters().sessions, w.counters().channels, w.counters().opens), (1, 1, 1));
    b.write(f, 0, b"still here").ok();
    let mut c = w.channel(&b, "alice");
    c.close(f).ok();
    b.hang_up();
    c.logoff().ok();
}

/// smb2.session.bind2: the session ends with its last channel.
#[test]
fn the_last_channel_goes() {
    let w = world();
    let a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    b.create("x").exclusive().ok();
    let mut other = w.logged_on("alice");
    a.hang_up();
    other.create("x").is(NtStatus::SHARING_VIOLATION);
    b.hang_up();
    other.create("x").ok();
    assert_eq!(w.counters().sessions, 1);
}

/// Another connection of the same client is no channel until it has joined; who has the key is told so
/// by a signature (smb2.session.bind2), and who has not learns nothing.
#[test]
fn who_has_not_joined() {
    for signing in [SigningAlgorithm::AesCmac, SigningAlgorithm::AesGmac] {
        not_joined(signing);
    }
}

/// With GMAC a MessageId is a nonce: two connections that use one key would sign two messages with one.
fn not_joined(signing: SigningAlgorithm) {
    let w = world();
    let connect = || {
        let mut client = w.connect();
        client.offer = Offer::algorithms(Cipher::Aes128Gcm, signing);
        client.negotiate().ok();
        client
    };
    let mut a = connect().logged_on("alice");
    let f = a.create("x").ok();
    let mut b = connect();
    b.set_keys(a.session_id, a.keys());
    (b.session_id, b.tree_id) = (a.session_id, a.tree_id);
    let gmac = a.signing() == SigningAlgorithm::AesGmac;
    assert_eq!(b.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED).signed, !gmac);
    b.sign = false;
    assert!(!b.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED).signed);
    b.sign = true;
    // Somebody with an account is no stranger (smb2.session.bind2).
    let (mine, keys) = (b.session_id, b.keys());
    b.logon("bob", &password("bob")).ok();
    b.session_id = mine;
    b.set_keys(mine, keys);
    assert!(b.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED).signed);
    b.set_keys(a.session_id, w.logged_on("bob").keys());
    assert!(!b.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED).signed);
    a.write(f, 0, b"mine").ok();
}

/// What the dead channel waits for is given up; the others' waits go on.
#[test]
fn waits_of_the_dead_channel() {
    let w = world();
    let mut holder = w.logged_on("alice");
    let held = holder.create("x").ok();
    holder.lock(held, 0, 2, EXCLUSIVE).ok();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = a.create("x").ok();
    let dead = b.lock(f, 0, 1, EXCLUSIVE).waits();
    let alive = a.lock(f, 1, 1, EXCLUSIVE).waits();
    assert_ne!(dead.async_id, alive.async_id);
    b.hang_up();
    assert_eq!(w.counters().parked, 1);
    holder.unlock(held, 0, 2).ok();
    a.answer(alive.mid).ok();
    holder.lock(held, 0, 1, EXCLUSIVE).ok();
}

/// A call that is out when its channel dies still counts; only its answer is lost.
#[test]
fn calls_of_the_dead_channel() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = a.create("x").ok();
    w.hold("write");
    let _ = b.write(f, 0, b"late").later();
    let _ = b.create("y").send().later();
    b.hang_up();
    assert_eq!(w.held(), ["write"]);
    let closing = a.close(f).silent();
    w.release_calls();
    a.answer(closing).ok();
    assert_eq!(w.data("x").as_deref(), Some(&b"late"[..]));
}

/// A request of a dead channel that would begin to wait is given up at once.
#[test]
fn a_wait_that_begins_too_late() {
    let w = world();
    let mut a = w.logged_on("alice");
    a.connect_tree("IPC$");
    let mut b = w.channel(&a, "alice");
    let pipe = a.create("echo").ok();
    w.hold("pipe read");
    let _ = b.read(pipe, 0, 10).later();
    assert_eq!(w.held(), ["pipe read"]);
    b.hang_up();
    w.release_calls();
    assert_eq!((w.counters().parked, w.counters().running), (0, 0));
    a.write(pipe, 0, b"for a").ok();
    assert_eq!(a.read(pipe, 0, 10).ok().data(), b"for a");
}

/// CANCEL is the connection's own (MS-SMB2 3.3.5.16).
#[test]
fn cancel_over_another_channel() {
    let w = world();
    let mut holder = w.logged_on("alice");
    let held = holder.create("x").ok();
    holder.lock(held, 0, 1, EXCLUSIVE).ok();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = a.create("x").ok();
    let waiting = a.lock(f, 0, 1, EXCLUSIVE).waits();
    b.cancel(waiting);
    a.nothing();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
}

/// MS-SMB2 3.3.5.6: the session is gone on all channels, and so are its keys.
#[test]
fn logoff_over_one() {
    let w = world();
    let mut holder = w.logged_on("alice");
    let held = holder.create("x").ok();
    holder.lock(held, 0, 1, EXCLUSIVE).ok();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = b.create("x").ok();
    let waiting = b.lock(f, 0, 1, EXCLUSIVE).waits();
    let last = a.logoff().ok();
    assert!(last.signed);
    let ended = b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
    assert!(ended.signed, "with the channel's key, which the server has forgotten since");
    b.create("x").is(NtStatus::USER_SESSION_DELETED);
    let c = w.counters();
    assert_eq!((c.sessions, c.channels, c.opens), (1, 1, 1));
    b.logon("alice", &password("alice")).ok();
    b.connect_tree("share");
}

#[test]
fn logoff_of_an_encrypted_session() {
    let w = world();
    let mut a = w.logged_on("alice").encrypted();
    let mut b = w.channel(&a, "alice");
    a.logoff().ok();
    assert!(matches!(b.echo().drops(), ConnectionError::BadTransform(_)));
}

/// Connections that hang up while a LOGOFF waits for a call.
#[test]
fn hang_up_during_logoff() {
    for first in [true, false] {
        let w = world();
        let mut a = w.logged_on("alice");
        let mut b = w.channel(&a, "alice");
        let f = a.create("x").ok();
        w.hold("write");
        let _ = b.write(f, 0, b"x").later();
        let _ = a.logoff().later();
        let (one, other) = if first { (a, b) } else { (b, a) };
        one.hang_up();
        other.hang_up();
        w.release_calls();
        assert_eq!(w.counters(), Default::default());
    }
}

/// Whoever authenticates again over any channel keeps all of them; each goes on with its own key.
#[test]
fn again_over_the_second_channel() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = a.create("x").ok();
    let mut logon = b.begin(Credentials::new("alice", "WORLD", &password("alice")));
    logon.session_id = b.session_id;
    logon.run(&mut b).ok();
    a.write(f, 0, b"1").ok();
    b.write(f, 0, b"2").ok();
    assert_eq!(w.counters().channels, 2);
}

/// smb2.session.bind_invalid_auth: a wrong password over any channel ends the session on all.
#[test]
fn again_with_a_wrong_password() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let mut logon = b.begin(Credentials::new("alice", "WORLD", "guess"));
    logon.session_id = b.session_id;
    logon.run(&mut b).is(NtStatus::LOGON_FAILURE);
    for client in [&mut a, &mut b] {
        assert!(
            client.create("x").is(NtStatus::USER_SESSION_DELETED).signed,
            "else who believes it?"
        );
        client.sign = false;
        assert!(!client.create("x").is(NtStatus::USER_SESSION_DELETED).signed);
    }
}

/// Over a channel its own key counts; who signs with the session's is refused with that very key
/// (smb2.session.bind_negative_smb3signCtoHs).
#[test]
fn again_with_the_first_channels_key() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let (own, first) = (b.keys(), a.keys().expect("keys"));
    b.set_keys(b.session_id, Some(first.clone()));
    let mut logon = b.begin(Credentials::new("alice", "WORLD", &password("alice")));
    logon.session_id = b.session_id;
    let refusal = logon.first(&mut b).is(NtStatus::ACCESS_DENIED);
    assert!(refusal.signed && first.signing().verify_message(&refusal.element));
    b.set_keys(b.session_id, own);
    b.create("x").ok();
    a.create("x").ok();
}

/// Both channels authenticate at the same time, and neither exchange disturbs the other.
#[test]
fn again_over_two_at_once() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let begin = |client: &mut Client| {
        let mut logon = client.begin(Credentials::new("alice", "WORLD", &password("alice")));
        logon.session_id = client.session_id;
        let first = logon.first(client).answer();
        (logon, first)
    };
    let (mut of_a, first_a) = begin(&mut a);
    let (mut of_b, first_b) = begin(&mut b);
    let last = of_a.second(&mut a, &first_a).ok();
    of_a.finish(&mut a, &last);
    let last = of_b.second(&mut b, &first_b).ok();
    of_b.finish(&mut b, &last);
    a.create("x").ok();
    b.create("x").ok();
}

/// A new session in the place of one that had several channels (PreviousSessionId).
#[test]
fn the_previous_session_ends_on_all() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    b.create("x").exclusive().ok();
    let mut c = w.client(Dialect::SMB_3_1_1);
    let mut logon = c.begin(Credentials::new("alice", "WORLD", &password("alice")));
    logon.previous = a.session_id;
    logon.run(&mut c).ok();
    for lost in [&mut a, &mut b] {
        lost.create("x").is(NtStatus::USER_SESSION_DELETED);
    }
    c.connect_tree("share");
    c.create("x").exclusive().ok();
}

/// Joining is no new session: PreviousSessionId means nothing there.
#[test]
fn the_previous_session_of_who_joins() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut other = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin_join(&a, Credentials::new("alice", "WORLD", &password("alice")));
    logon.previous = other.session_id;
    logon.run(&mut b).ok();
    other.create("x").ok();
    a.create("x").ok();
}

/// Two identities: sessions of two users over the same two connections, each with its own key.
#[test]
fn two_sessions_over_two_connections() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let (of_alice, of_bob) = ((a.session_id, a.tree_id), (b.session_id, b.tree_id));
    let mine = a.create("mine").exclusive().ok();
    let (first, second) = (&mut a, &mut b);
    // Each joins the other's session.
    let mut logon =
        second.begin_join(first, Credentials::new("alice", "WORLD", &password("alice")));
    let response = logon.first(second).answer();
    let last = logon.second(second, &response).ok();
    logon.finish(second, &last);
    (second.session_id, second.tree_id) = of_alice;
    second.read(mine, 0, 1).is(NtStatus::END_OF_FILE);
    (second.session_id, second.tree_id) = of_bob;
    second.read(mine, 0, 1).is(NtStatus::FILE_CLOSED);
    second.create("mine").is(NtStatus::ACCESS_DENIED);
    b.hang_up();
    a.write(mine, 0, b"x").ok();
    assert_eq!((w.counters().sessions, w.counters().channels), (1, 1));
}

/// 3.3.7.1: the answer of a CREATE is lost with its channel, and nobody could ask for it again. It leaves no
/// open behind in a session that lives on, where nobody would know its FileId.
#[test]
fn creates_of_the_dead_channel() {
    for call in ["open", "overwrite"] {
        let w = world();
        w.put("x", b"old");
        let mut a = w.logged_on("alice");
        let mut b = w.channel(&a, "alice");
        w.hold(call);
        let create = a.create("x").disposition(CreateDisposition::OVERWRITE_IF);
        let _ = create.exclusive().batch().send().later();
        assert_eq!(w.held(), [call]);
        a.hang_up();
        w.release_calls();
        assert_eq!((w.counters().opens, w.counters().oplocks, w.counters().files), (0, 0, 0));
        b.create("x").exclusive().ok();
    }
}

/// The same while its metadata are asked for again.
#[test]
fn a_create_of_the_dead_channel_that_looks_again() {
    let w = world();
    w.put("x", b"old");
    let mut other = w.logged_on("bob");
    let theirs = other.create("x").ok();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    w.hold("open");
    let _ = a.create("x").oplock(OplockLevel::II).send().later();
    w.carry_out(0);
    other.write(theirs, 0, b"newer").ok();
    w.hold("query");
    w.complete_carried();
    assert_eq!(w.held(), ["query"]);
    a.hang_up();
    w.release_calls();
    assert_eq!((w.counters().opens, w.counters().oplocks), (1, 0));
    b.create("x").ok();
}

/// The same of a pipe.
#[test]
fn a_pipe_of_the_dead_channel() {
    let w = world();
    let mut a = w.logged_on("alice");
    a.connect_tree("IPC$");
    let mut b = w.channel(&a, "alice");
    b.tree_id = a.tree_id;
    w.hold("pipe open");
    let _ = a.create("echo").send().later();
    a.hang_up();
    w.release_calls();
    assert_eq!(w.counters().opens, 0);
    b.create("echo").ok();
}

/// What goes with a CLOSE is done where that came from: the oldest channel may be stuck.
#[test]
fn a_deletion_is_done_where_it_was_asked_for() {
    let w = world();
    let a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = b.create("x").delete_on_close().ok();
    w.hold("delete");
    let closing = b.close(f).silent();
    assert_eq!(w.held(), ["delete"]);
    assert_eq!(w.executor(), Some(Executor::Client(b.conn())));
    w.release_calls();
    b.answer(closing).ok();
    assert_eq!(w.data("x"), None);
}
