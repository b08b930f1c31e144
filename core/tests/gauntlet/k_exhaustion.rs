//! Class K: what is used up, and what is not given back (MS-SMB2 3.3.5.1, 3.3.5.5, 3.3.5.9; DESIGN 3,
//! property 9). With real sockets: `runtime-threads/tests/threads`.

use crate::common::{patched, set, set_security, unsigned};
use ksmbd_core::{
    auth::ntlm::client::{Credentials, NtlmClient, Wrapping},
    server::Counters,
    wire::{
        create_context::name,
        fsctl::FsctlCode,
        query_info::InfoType,
        session_setup::{SessionSetupFlags, SessionSetupRequest},
    },
};
use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

/// What is held in all: tables, handles, pipes, trees.
fn held(w: &World) -> (Counters, usize, usize, usize) {
    let files = w.vfs(|vfs| vfs.live());
    (w.counters(), files, w.daemon(|daemon| daemon.live()), w.daemon(|daemon| daemon.admitted()))
}

/// Runs something that fails, many times over; nothing may be held more than before.
fn again_and_again(w: &World, a: &mut Client, what: &str, mut run: impl FnMut(&mut Client)) {
    run(a);
    let before = held(w);
    (0..100).for_each(|_| run(a));
    assert_eq!(held(w), before, "{what}");
}

fn setup(token: Vec<u8>) -> RequestBody {
    RequestBody::SessionSetup(SessionSetupRequest {
        flags: SessionSetupFlags::empty(),
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::empty(),
        previous_session_id: 0,
        security_buffer: token,
    })
}

/// NEGOTIATE that is refused, on one connection and on many.
#[test]
fn refused_negotiates() {
    let w = World::new();
    let mut a = w.connect();
    a.offer = Offer::of(&[]);
    again_and_again(&w, &mut a, "NEGOTIATE", |a| {
        a.negotiate().is(NtStatus::INVALID_PARAMETER);
    });
    for _ in 0..300 {
        let mut a = w.connect();
        a.offer.contexts.clear();
        a.negotiate().is(NtStatus::INVALID_PARAMETER);
        a.hang_up();
    }
    assert_eq!(w.counters().connections, 1);
    w.logged_on("alice");
}

/// A connection, in whatever way it ends, gives its place back: refused for its address or for all,
/// hung up before a byte, after half a frame, dropped for nonsense, timed out.
#[test]
fn every_end_of_a_connection_gives_its_place_back() {
    let w = World::with(|config| {
        config.limits.connections = 4;
        config.limits.connections_per_address = 2;
    });
    for round in 0..200 {
        let mut first = w.try_connect([10, 0, 0, 1]).ok().unwrap();
        let second = w.try_connect([10, 0, 0, 1]).ok().unwrap();
        assert!(w.try_connect([10, 0, 0, 1]).is_err(), "one address has its share and no more");
        match round % 4 {
            0 => first.hang_up(),
            1 => {
                first.raw_bytes(&[0, 0, 0]);
                first.hang_up();
            }
            2 => {
                first.raw_frame(b"nonsense");
                first.dropped();
            }
            _ => {
                w.advance(Duration::from_secs(31));
                first.dropped();
                let mut second = second;
                second.dropped();
                continue;
            }
        }
        second.hang_up();
        assert_eq!(w.counters(), Counters::default());
    }
    let others: Vec<_> = (1..5).map(|n| w.try_connect([10, 0, 1, n]).ok().unwrap()).collect();
    assert!(w.try_connect([10, 0, 1, 9]).is_err(), "and all together");
    drop(others);
}

/// Thousands of set-ups that are begun, fail or are left half way: bounded by connection and in all,
/// and a good client is served afterwards and in between.
#[test]
fn session_setups_without_end() {
    // Guesses that wait are in `core/tests/login_guessing.rs`.
    let w = World::with(|config| config.limits.free_guesses = 10_000);
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.ask = 8;
    let mut refused = 0;
    for _ in 0..5000 {
        let mut ntlm = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::Spnego);
        let mut message = a.message(&setup(ntlm.start()));
        message.header.session_id = 0;
        let status = a.send(message).answer().status;
        refused += usize::from(status == NtStatus::INSUFFICIENT_RESOURCES);
    }
    assert!(refused > 4900 && w.counters().sessions <= 64, "{:?}", w.counters());
    w.logged_on("bob").hang_up();
    a.hang_up();
    let mut a = w.client(Dialect::SMB_3_1_1);
    for _ in 0..300 {
        a.logon("alice", "guess").is(NtStatus::LOGON_FAILURE);
        a.logon("mallory", "guess").is(NtStatus::LOGON_FAILURE);
        a.request(&setup(b"\x60\x82\xff\xff no token".to_vec())).is(NtStatus::INVALID_PARAMETER);
        a.request(&setup(vec![0x60; 5000])).is(NtStatus::INVALID_PARAMETER);
    }
    assert_eq!(w.counters().sessions, 0);
    a.logged_on("alice");
}

/// As many requests as there are credits, all waiting: so many wait and no more, others are served,
/// and all of it is given back.
#[test]
fn requests_that_wait_without_end() {
    let w = World::with(|config| config.limits.parked_per_connection = 16);
    let mut victim = w.logged_on("alice");
    let f = victim.create("x").ok();
    w.vfs(|vfs| vfs.node_at("/srv/share", "x").unwrap().mode = 0o666);
    victim.lock(f, 0, 10, EXCLUSIVE).ok();
    let mut b = unsigned(&w, "bob");
    let g = b.create("x").ok();
    let mut waiting = 0;
    for n in 0..200 {
        let mid = b.lock(g, n % 10, 1, EXCLUSIVE).later();
        let answer = b.receive();
        assert_eq!(answer.header.message_id, mid);
        match answer.status {
            NtStatus::PENDING => waiting += 1,
            status => assert_eq!(status, NtStatus::INSUFFICIENT_RESOURCES),
        }
    }
    assert_eq!((waiting, w.counters().parked), (16, 16));
    victim.write(f, 0, b"served").ok();
    b.hang_up();
    assert_eq!((w.counters().parked, w.counters().locks), (0, 1));
}

/// Each table is filled to its limit and answers with its status; what was refused has left nothing,
/// neither in the tables nor on the disk.
#[test]
fn every_table_has_an_end() {
    let w = World::with(|config| {
        config.limits.opens = 5;
        config.limits.trees_per_session = 3;
        config.limits.sessions = 2;
        config.limits.locks_per_open = 2;
    });
    let mut a = unsigned(&w, "alice");
    let f = a.create("f").ok();
    for _ in 1..5 {
        a.create("f").ok();
    }
    again_and_again(&w, &mut a, "opens", |a| {
        a.create("new").is(NtStatus::TOO_MANY_OPENED_FILES);
    });
    assert!(!w.exists("new"));
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    a.lock(f, 1, 1, EXCLUSIVE).ok();
    again_and_again(&w, &mut a, "locks", |a| {
        a.lock(f, 2, 1, EXCLUSIVE).is(NtStatus::INSUFFICIENT_RESOURCES);
    });
    a.tree_connect("share").ok();
    a.tree_connect("share").ok();
    again_and_again(&w, &mut a, "trees", |a| {
        a.tree_connect("share").is(NtStatus::INSUFFICIENT_RESOURCES);
    });
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.logon("bob", &password("bob")).ok();
    again_and_again(&w, &mut a, "sessions", |a| {
        let mut ntlm = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::Spnego);
        let mut message = a.message(&setup(ntlm.start()));
        message.header.session_id = 0;
        a.send(message).is(NtStatus::INSUFFICIENT_RESOURCES);
    });
}

#[track_caller]
fn is_error(response: Response) {
    let (status, command) = (response.status, response.header.command);
    assert_ne!(status, NtStatus::SUCCESS, "{command:?}");
}

/// Every error path that has leaked elsewhere, a hundred times each.
#[test]
fn errors_leak_nothing() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = unsigned(&w, "alice");
    a.connect_tree("streams");
    let f = a.create("x").ok();
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    let failing = |op: &'static str| w.vfs(|vfs| vfs.fail_next(op, VfsError::Io));
    again_and_again(&w, &mut a, "CREATE that fails", |a| {
        failing("open");
        is_error(a.create("x").send().answer());
        failing("overwrite");
        is_error(a.create("x").disposition(CreateDisposition::OVERWRITE).send().answer());
        a.create("x").fresh().is(NtStatus::OBJECT_NAME_COLLISION);
        a.create("x").directory().existing().is(NtStatus::NOT_A_DIRECTORY);
        a.create("x").exclusive().is(NtStatus::SHARING_VIOLATION);
        a.create("x").context(name::SEC_D, &[1; 30]).is(NtStatus::INVALID_PARAMETER);
        a.create("x").context(name::DHNQ, &[1; 3]).is(NtStatus::INVALID_PARAMETER);
        a.create("x").context(name::DH2C, &[1; 3]).is(NtStatus::INVALID_PARAMETER);
        a.create("x").context(name::RQLS, &[1; 3]).is(NtStatus::INVALID_PARAMETER);
    });
    again_and_again(&w, &mut a, "reading that fails", |a| {
        failing("read");
        is_error(a.read(f, 0, 4).answer());
        a.read(f, 4, 1).is(NtStatus::END_OF_FILE);
        failing("list");
        is_error(a.list(d, "*", Default::default(), 4096).answer());
        failing("query");
        is_error(a.query_file(f, FileInfoClass::ALL, 4096).answer());
        a.query_file(f, FileInfoClass::STREAM, 10).is(NtStatus::INFO_LENGTH_MISMATCH);
        a.query_file(f, FileInfoClass::STREAM, 4096).ok();
    });
    again_and_again(&w, &mut a, "changing that fails", |a| {
        failing("write");
        is_error(a.write(f, 0, b"x").answer());
        failing("rename");
        is_error(a.rename(f, "y", false).answer());
        is_error(a.request(&set(f, FileInfoClass::FULL_EA, &[1; 9])).answer());
        is_error(a.request(&set_security(f, 4, &[1; 30])).answer());
        a.lock(f, 0, 1, LockFlags::empty()).is(NtStatus::INVALID_PARAMETER);
        let both = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
        a.request(&body::locks(f, &[(0, 1, both), (0, 1, both)])).is(NtStatus::LOCK_NOT_GRANTED);
    });
    again_and_again(&w, &mut a, "a wrong session", |a| {
        let session = std::mem::replace(&mut a.session_id, 77);
        a.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED);
        is_error(a.request(&setup(b"token".to_vec())).answer());
        a.session_id = session;
    });
    again_and_again(&w, &mut a, "malformed", |a| {
        let message = patched(a, &body::read(f, 0, 4), 64, &[3, 0]);
        a.send(message).is(NtStatus::INVALID_PARAMETER);
        let ioctl = body::ioctl(f, FsctlCode(0x0012_3456), b"x", 64);
        is_error(a.request(&ioctl).answer());
    });
}

/// Pipes that cannot be opened, that fail half way, that are shut while they are asked.
#[test]
fn pipes_leak_nothing() {
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    a.connect_tree("IPC$");
    again_and_again(&w, &mut a, "pipes", |a| {
        a.create("none").existing().is(NtStatus::OBJECT_NAME_NOT_FOUND);
        let p = a.create("echo").existing().ok();
        let max = body::ioctl(p, FsctlCode::PIPE_TRANSCEIVE, b"", 0);
        a.request(&max).answer();
        a.request(&body::query(p, InfoType::SECURITY, 0, 7, 4096)).answer();
        a.close(p).ok();
    });
    for _ in 0..50 {
        w.hold_calls();
        let mid = a.create("echo").existing().send().silent();
        let leave = a.tree_disconnect().later();
        w.release_calls();
        let answers = [a.receive(), a.receive()];
        assert!(answers.iter().any(|answer| answer.header.message_id == mid));
        assert!(answers.iter().any(|answer| answer.header.message_id == leave));
        a.connect_tree("IPC$");
    }
    assert_eq!(w.daemon(|daemon| daemon.live()), 0);
}

/// What a connection may make the server keep before anybody has logged on (SMBLoris): a few
/// kilobytes, whatever length it claims, and only for so long.
#[test]
fn claims_before_anybody_has_logged_on() {
    let w = World::with(|config| {
        config.limits.connections = 300;
        config.limits.connections_per_address = 300;
    });
    let mut attackers: Vec<Client> = (0..250).map(|_| w.connect()).collect();
    for (n, attacker) in attackers.iter_mut().enumerate() {
        // The largest frame that is taken, one byte of it.
        let claimed = 66 * 1024_u32;
        attacker.raw_bytes(&claimed.to_be_bytes());
        attacker.raw_bytes(&[0xfe]);
        if n % 50 == 0 {
            assert!(attacker.spare() < 66 * 1024);
        }
    }
    let mut good = w.logged_on("alice");
    good.create("x").ok();
    w.advance(Duration::from_secs(30));
    assert_eq!(w.counters().connections, 1);
    for attacker in &mut attackers {
        attacker.dropped();
    }
    good.echo().ok();
}
