//! Class E: sessions, trees, opens and connections that end while something uses them (MS-SMB2
//! 3.3.5.2.7.2, 3.3.5.5 to 3.3.5.10, 3.3.7.1; DESIGN 3, property 4). That all tables are empty and all
//! handles closed is checked at each world's end.

use crate::common::{Victim, unsigned};
use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

const PREVIOUS: FileId = Client::PREVIOUS;

fn statuses(a: &mut Client, chain: &[Message]) -> Vec<NtStatus> {
    a.send_chain(chain);
    chain.iter().map(|message| a.answer(message.header.message_id).status).collect()
}

/// What a chain does after the ground under it has gone: nothing.
#[test]
fn a_chain_goes_on_after_its_tree_or_session() {
    for (ends, gone) in [
        (RequestBody::TreeDisconnect, NtStatus::NETWORK_NAME_DELETED),
        (RequestBody::Logoff, NtStatus::USER_SESSION_DELETED),
    ] {
        let w = World::new();
        w.put("x", b"as it was");
        let mut a = unsigned(&w, "alice");
        let f = a.create("x").ok();
        let chain = [
            a.message(&body::read(f, 0, 9)),
            a.message(&ends).related(),
            a.message(&body::read(PREVIOUS, 0, 9)).related(),
            a.message_with(&body::write(PREVIOUS, 0, 1), b"!").related(),
            a.message(&body::close(PREVIOUS)).related(),
            a.create("new").message().related(),
            a.message(&body::query_file(PREVIOUS, FileInfoClass::BASIC, 40)).related(),
            a.message(&ends).related(),
        ];
        let found = statuses(&mut a, &chain);
        assert_eq!(found[..2], [NtStatus::SUCCESS; 2]);
        assert_eq!(found[2..], vec![gone; 6], "{ends:?}");
        assert_eq!((w.counters().opens, w.data("x").unwrap()), (0, b"as it was".to_vec()));
        assert!(!w.exists("new"));
    }
}

/// The ids of an element that is related are not looked at, and those of one that is not are: each
/// element is checked against its own session and tree.
#[test]
fn every_element_has_its_own_session_and_tree() {
    let w = World::new();
    let mut victim = Victim::new(&w);
    let mut b = unsigned(&w, "bob");
    let f = b.create("mine").ok();
    let foreign = |b: &mut Client, body: &RequestBody, victim: &Victim| {
        let mut message = b.message(body);
        message.header.session_id = victim.session_id();
        message.header.tree_id = victim.tree_id();
        message
    };
    let theirs = victim.file();
    let chain = [
        b.message(&body::read(f, 0, 0)),
        foreign(&mut b, &body::read(theirs, 0, 9), &victim),
        b.message(&body::close(PREVIOUS)).related(),
        foreign(&mut b, &RequestBody::Logoff, &victim),
        b.message(&RequestBody::TreeDisconnect).related(),
        b.message(&body::close(theirs)),
        b.message_with(&body::write(theirs, 0, 1), b"!").related(),
    ];
    let found = statuses(&mut b, &chain);
    assert_eq!(found[0], NtStatus::SUCCESS);
    let deleted = NtStatus::USER_SESSION_DELETED;
    assert_eq!([found[1], found[3]], [deleted; 2]);
    assert!(found[2].is_error() && found[4].is_error(), "{found:?}");
    assert_eq!(found[5..], [NtStatus::FILE_CLOSED; 2]);
    assert_eq!((w.counters().sessions, w.counters().trees, w.counters().opens), (2, 2, 2));
    victim.is_unharmed();
}

/// TREE_DISCONNECT twice at once while calls run on its opens: one is answered when they are back, the
/// other one finds no tree.
#[test]
fn two_tree_disconnects_at_once() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    w.hold("read");
    let read = a.read(f, 0, 4).silent();
    let first = a.tree_disconnect().silent();
    a.tree_disconnect().is(NtStatus::NETWORK_NAME_DELETED);
    a.create("new").is(NtStatus::NETWORK_NAME_DELETED);
    w.complete(0);
    assert_eq!(a.answer(read).ok().data(), b"data");
    a.answer(first).ok();
    assert_eq!((w.counters().trees, w.daemon(|daemon| daemon.admitted())), (0, 0));
    assert!(!w.exists("new"));
}

/// LOGOFF twice at once, and with CLOSE, TREE_DISCONNECT and SESSION_SETUP of the same session behind
/// it while a call runs.
#[test]
fn everything_ends_at_once() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = unsigned(&w, "alice");
    let f = a.create("x").ok();
    w.hold("read");
    let read = a.read(f, 0, 4).silent();
    let close = a.close(f).silent();
    let leave = a.tree_disconnect().silent();
    let logoff = a.logoff().silent();
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    a.close(f).is(NtStatus::USER_SESSION_DELETED);
    let mut again = a.begin(Credentials::new("alice", "", &password("alice")));
    again.session_id = a.session_id;
    again.first(&mut a).is(NtStatus::USER_SESSION_DELETED);
    w.complete(0);
    let answers = [a.receive(), a.receive(), a.receive(), a.receive()];
    for mid in [read, close, leave, logoff] {
        let answer = answers.iter().find(|answer| answer.header.message_id == mid).unwrap();
        assert_eq!(answer.status, NtStatus::SUCCESS, "{:?}", answer.header.command);
    }
    assert_eq!(w.counters().sessions, 0);
    a.sign = true;
    a.logged_on("alice");
}

type Start = fn(&mut Client, FileId, FileId) -> u64;
type End = fn(&mut Client, FileId, FileId) -> Option<u64>;

const STARTS: [(&str, Start); 8] = [
    ("read", |a, f, _| a.read(f, 0, 4).later()),
    ("write", |a, f, _| a.write(f, 0, b"late").later()),
    ("flush", |a, f, _| a.flush(f).later()),
    ("query", |a, f, _| a.query_file(f, FileInfoClass::ALL, 4096).later()),
    ("volume", |a, f, _| a.query_volume(f, FsInfoClass::SIZE, 24).later()),
    ("rename", |a, f, _| a.rename(f, "z", false).later()),
    ("list", |a, _, d| a.list(d, "*", Default::default(), 4096).later()),
    ("open", |a, _, _| a.create("y").send().later()),
];

const ENDS: [(&str, End); 6] = [
    ("CLOSE", |a, f, d| {
        let _ = a.close(d).later();
        Some(a.close(f).later())
    }),
    ("CLOSE twice", |a, f, d| {
        let _ = a.close(d).later();
        let _ = a.close(f).later();
        Some(a.close(f).later())
    }),
    ("TREE_DISCONNECT", |a, _, _| Some(a.tree_disconnect().later())),
    ("LOGOFF", |a, _, _| Some(a.logoff().later())),
    ("LOGOFF and TREE_DISCONNECT", |a, _, _| {
        let _ = a.logoff().later();
        Some(a.tree_disconnect().later())
    }),
    ("hang-up", |_, _, _| None),
];

/// Every call against every end, completed before, between and after: each request is answered once,
/// with its handle alive until then.
#[test]
fn every_call_against_every_end() {
    for (op, start) in STARTS {
        for (end, finish) in ENDS {
            for failing in [None, Some(VfsError::Io)] {
                let w = World::new();
                w.put("x", b"data");
                let mut a = unsigned(&w, "alice");
                let f = a.create("x").ok();
                let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
                w.hold(op);
                let running = start(&mut a, f, d);
                assert_eq!(w.held(), [op]);
                let Some(_) = finish(&mut a, f, d) else {
                    a.hang_up();
                    failing.map_or_else(|| w.complete(0), |error| w.fail(0, error));
                    w.release_calls();
                    assert_eq!(w.counters(), Default::default(), "{op}, {end}");
                    continue;
                };
                failing.map_or_else(|| w.complete(0), |error| w.fail(0, error));
                w.release_calls();
                let mut answered = Vec::new();
                while let Some(answer) = a.try_receive() {
                    answered.push(answer.header.message_id);
                }
                assert!(answered.contains(&running), "{op}, {end}");
                assert_eq!(a.unanswered(), [0; 0], "{op}, {end}");
            }
        }
    }
}

/// A session that is being set up, or authenticated again, and every way in which that is cut off:
/// by its own LOGOFF, another leg at once, a hang-up while the account is looked up.
#[test]
fn session_setup_cut_off() {
    for cut in 0..4 {
        let w = World::new();
        let mut victim = Victim::new(&w);
        let mut b = w.logged_on("bob");
        let mut logon = b.begin(Credentials::new("bob", "", &password("bob")));
        if cut != 0 {
            logon.session_id = b.session_id;
        }
        let first = logon.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
        match cut {
            // Another session of the connection ends, the half one goes on.
            0 => {
                b.logoff().ok();
                let last = logon.second(&mut b, &first).ok();
                logon.finish(&mut b, &last);
                assert_eq!(w.counters().sessions, 2);
            }
            // The session itself ends between the legs.
            1 => {
                b.logoff().ok();
                logon.second(&mut b, &first).is(NtStatus::USER_SESSION_DELETED);
                assert_eq!(w.counters().sessions, 1);
            }
            // A first leg again: the exchange begins anew.
            2 => {
                let mut again = b.begin(Credentials::new("bob", "", &password("bob")));
                again.session_id = b.session_id;
                again.first(&mut b).answer();
            }
            _ => {
                w.hold("logon");
                let _ = logon.second(&mut b, &first).silent();
                b.hang_up();
                w.release_calls();
                assert_eq!(w.counters().sessions, 1);
            }
        }
        victim.is_unharmed();
    }
}

/// Two first legs and two second legs in one frame each: every one is answered, no hash is taken for
/// another's, and afterwards the connection sets up sessions as before.
#[test]
fn two_session_setups_in_a_chain() {
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    let mut chain = Vec::new();
    for _ in 0..2 {
        let mut ntlm = ksmbd_core::auth::ntlm::client::NtlmClient::new(
            Credentials::new("bob", "", &password("bob")),
            ksmbd_core::auth::ntlm::client::Wrapping::Spnego,
        );
        let request = ksmbd_core::wire::session_setup::SessionSetupRequest {
            flags: Default::default(),
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::empty(),
            previous_session_id: 0,
            security_buffer: ntlm.start(),
        };
        let mut message = a.message(&RequestBody::SessionSetup(request));
        message.header.session_id = 0;
        chain.push(message);
    }
    let found = statuses(&mut a, &chain);
    assert_eq!(found, [NtStatus::MORE_PROCESSING_REQUIRED; 2]);
    assert_eq!(w.counters().sessions, 3);
    a.sign = true;
    a.logon("bob", &password("bob")).ok();
    a.connect_tree("share");
    a.create("x").ok();
}

/// A user authenticates again while calls run: they go on as who began them, and the opens stay his.
#[test]
fn authenticated_again_while_calls_run() {
    let w = World::new();
    w.put("x", b"data");
    for user in ["alice", "bob"] {
        let mut a = w.logged_on("alice");
        let f = a.create("x").ok();
        w.hold("read");
        let read = a.read(f, 0, 4).silent();
        let mut logon = a.begin(Credentials::new(user, "", &password(user)));
        logon.session_id = a.session_id;
        let first = logon.first(&mut a).answer();
        let last = logon.second(&mut a, &first).answer();
        assert_eq!(last.status, NtStatus::SUCCESS, "{user}");
        w.release_calls();
        assert_eq!(a.answer(read).ok().data(), b"data");
        a.close(f).ok();
        a.hang_up();
    }
}

/// Encrypted requests that are under way when the client goes, or logs off: nothing is encrypted with
/// keys that are gone.
#[test]
fn encrypted_requests_outlive_nobody() {
    for hang_up in [false, true] {
        let w = World::new();
        w.put("x", b"data");
        let mut a = w.logged_on("alice").encrypted();
        let f = a.create("x").ok();
        w.hold("read");
        let read = a.read(f, 0, 4).silent();
        if hang_up {
            a.hang_up();
            w.release_calls();
            continue;
        }
        let logoff = a.logoff().silent();
        w.release_calls();
        assert!(a.answer(read).ok().encrypted);
        assert!(a.answer(logoff).ok().encrypted);
    }
}

/// What a session holds is closed by nobody else: not by its id, not by its tree, not in a chain; and
/// when its owner goes the other one's same numbers mean nothing.
#[test]
fn closed_across_sessions() {
    let w = World::new();
    let mut victim = Victim::new(&w);
    let mut b = unsigned(&w, "bob");
    let theirs = victim.file();
    for tree_id in [b.tree_id, victim.tree_id(), 0, u32::MAX] {
        let mut message = b.message(&body::close(theirs));
        message.header.tree_id = tree_id;
        assert!(b.send(message).answer().status.is_error());
    }
    // Another session of the victim's own connection is not the victim's either.
    let (session, tree) = (victim.session_id(), victim.tree_id());
    let a = victim.client();
    a.logon("bob", &password("bob")).ok();
    a.connect_tree("share");
    a.close(theirs).is(NtStatus::FILE_CLOSED);
    a.logoff().ok();
    (a.session_id, a.tree_id) = (session, tree);
    victim.is_unharmed();
    victim.client().logoff().ok();
    b.close(theirs).is(NtStatus::FILE_CLOSED);
}

/// Deletion is marked and taken back by two handles while a close is under way; a CREATE in between
/// gets the one status there is.
#[test]
fn delete_on_close_in_any_order() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    w.hold("write");
    let write = a.write(f, 0, b"x").silent();
    a.delete(f, true).ok();
    let close = a.close(f).silent();
    b.create("x").is(NtStatus::DELETE_PENDING);
    b.delete(g, false).ok();
    let h = b.create("x").ok();
    b.delete(h, true).ok();
    w.hold("delete");
    b.close(g).ok();
    let last = b.close(h).later();
    a.nothing();
    w.release_calls();
    a.answer(write).ok();
    a.answer(close).ok();
    b.answer(last).ok();
    assert!(!w.exists("x"));
}

/// Two pages of one directory, an end, and another client's page: each handle has its own place.
#[test]
fn two_listings_of_one_handle_and_an_end() {
    let w = World::new();
    for name in ["a", "b", "c"] {
        w.put(name, b"");
    }
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let open = |a: &mut Client| a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    let (d, e) = (open(&mut a), open(&mut b));
    let single = ksmbd_core::wire::query_directory::QueryDirectoryFlags::RETURN_SINGLE_ENTRY;
    w.hold("list");
    let pages = [0; 3].map(|_| a.list(d, "*", single, 4096).silent());
    let other = b.list(e, "*", single, 4096).silent();
    let leave = a.tree_disconnect().later();
    w.release_calls();
    let mut seen = Vec::new();
    while let Some(answer) = a.try_receive() {
        seen.push(answer.header.message_id);
    }
    seen.sort_unstable();
    assert_eq!(seen, [pages[0], pages[1], pages[2], leave]);
    assert_eq!(ksmbd_fuzz::client::request::names(b.answer(other).ok().data()), ["."]);
}

/// A lock that waits, an interim answer that is out, and everything that can end it at the same time.
#[test]
fn a_wait_and_all_its_ends() {
    for end in 0..4 {
        let w = World::new();
        w.put("x", b"0123456789");
        let mut a = w.logged_on("alice");
        let mut b = w.logged_on("bob");
        let (f, g) = (a.create("x").ok(), b.create("x").ok());
        a.lock(f, 0, 10, EXCLUSIVE).ok();
        let waiting = b.lock(g, 0, 10, EXCLUSIVE).waits();
        match end {
            0 => {
                b.cancel(waiting);
                let close = b.close(g).later();
                b.answer(waiting.mid).is(NtStatus::CANCELLED);
                b.answer(close).ok();
            }
            1 => {
                let close = b.close(g).later();
                b.cancel(waiting);
                b.answer(close).ok();
                b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
            }
            2 => {
                let logoff = b.logoff().later();
                b.answer(logoff).ok();
                b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
            }
            _ => b.hang_up(),
        }
        a.unlock(f, 0, 10).ok();
        assert_eq!((w.counters().parked, w.counters().locks), (0, 0));
    }
}

/// The same over two channels: every call on the one, every end on the other; what the first asked is
/// answered on the first, and the session, the trees and the opens go once (MS-SMB2 3.3.5.6, 3.3.7.1).
#[test]
fn every_call_on_one_channel_against_every_end_on_another() {
    for (op, start) in STARTS {
        for (end, finish) in ENDS {
            let w = World::with(|config| config.multi_channel = true);
            w.put("x", b"data");
            let mut a = unsigned(&w, "alice");
            a.sign = true;
            let mut b = w.channel(&a, "alice");
            let f = a.create("x").ok();
            let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
            w.hold(op);
            let running = start(&mut b, f, d);
            assert_eq!(w.held(), [op]);
            a.sign = false;
            if finish(&mut a, f, d).is_none() {
                a.hang_up();
                w.release_calls();
                b.answer(running).ok();
                b.echo().ok();
                assert_eq!(w.counters().channels, 1, "{op}, {end}");
                continue;
            }
            w.release_calls();
            while a.try_receive().is_some() {}
            assert_eq!(a.unanswered(), [0; 0], "{op}, {end}");
            assert_eq!(b.answer(running).header.message_id, running, "{op}, {end}");
            b.nothing();
        }
    }
}

/// Channels join, authenticate again and go while the session ends over another one.
#[test]
fn channels_come_and_go_while_the_session_ends() {
    for step in 0..4 {
        let w = World::with(|config| config.multi_channel = true);
        let mut victim = Victim::new(&w);
        let mut a = w.logged_on("bob");
        let mut b = w.client(Dialect::SMB_3_1_1);
        let mut logon = b.begin_join(&a, Credentials::new("bob", "", &password("bob")));
        if step == 0 {
            a.logoff().ok();
            logon.first(&mut b).is(NtStatus::USER_SESSION_DELETED);
            victim.is_unharmed();
            continue;
        }
        let first = logon.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
        match step {
            1 => {
                a.logoff().ok();
                logon.second(&mut b, &first).is(NtStatus::USER_SESSION_DELETED);
            }
            2 => {
                w.hold("logon");
                let second = logon.second(&mut b, &first).silent();
                a.logoff().ok();
                w.release_calls();
                b.answer(second).is(NtStatus::USER_SESSION_DELETED);
            }
            _ => {
                w.hold("logon");
                let _ = logon.second(&mut b, &first).silent();
                b.hang_up();
                a.hang_up();
                w.release_calls();
            }
        }
        assert_eq!((w.counters().sessions, w.counters().channels), (1, 1), "{step}");
        victim.is_unharmed();
    }
}
