//! Persistent handles when the server is killed and begins anew (MS-SMB2 3.3.5.9.12): what was
//! promised is there, waits for its client, and keeps others out.

use ksmbd_core::id::OpenId;
use ksmbd_core::vfs::Promise;
use ksmbd_core::wire::lock::{LockElement, LockRequest};
use ksmbd_fuzz::client::durable::{durability, lease, persistence};
use ksmbd_fuzz::client::request::{EXCLUSIVE, SHARED};
use ksmbd_fuzz::prelude::*;
use ksmbd_record::journal::{self, Said};
use std::sync::Arc;

const GUID: [u8; 16] = [7; 16];
const NONE: NtStatus = NtStatus::OBJECT_NAME_NOT_FOUND;

fn world() -> World {
    World::with(|config| config.persistent_handles = true)
}

fn machine(w: &World, user: &str, guid: u8) -> Client {
    let mut client = w.connect();
    client.offer.guid = [guid; 16];
    client.offer.capabilities |= Capabilities::PERSISTENT_HANDLES;
    client.negotiate().ok();
    let mut client = client.logged_on(user);
    client.connect_tree("lasting");
    client
}

fn on(w: &World, user: &str) -> Client {
    machine(w, user, 1)
}

fn all() -> ShareAccess {
    ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE
}

#[test]
fn the_open_is_there() {
    let w = world();
    let mut a = on(&w, "alice");
    let mut f = a.create("d").directory().ok();
    a.close(f).ok();
    let opened = a.create("d\\x").batch().persistent(GUID, 0).opened();
    f = opened.file_id;
    a.write(f, 0, b"data").ok();
    for _ in 0..3 {
        drop(a);
        w.restart();
        assert_eq!((w.counters().kept, w.counters().persistent), (1, 1));
        a = on(&w, "alice");
        a.create("d\\x").again_v2(f, GUID).is(NONE);
        let back = a.create("d\\x").again_persistent(f, GUID).opened();
        assert_eq!((back.oplock_level, durability(&back)), (OplockLevel::BATCH, None));
        assert_eq!(back.file_id.persistent, f.persistent);
        assert_ne!(back.file_id.volatile, f.volatile);
        assert_eq!(a.read(back.file_id, 0, 4).ok().data(), b"data");
        f = back.file_id;
    }
    a.close(f).ok();
    drop(a);
    w.restart();
    assert_eq!(w.counters().opens, 0);
}

/// Nobody gets what was another server's open: not even who has made its own the same way.
#[test]
fn numbers_are_not_given_again() {
    let w = world();
    let mut a = on(&w, "alice");
    let ordinary = a.create("y").batch().durable_v2([8; 16], 0).ok();
    let f = a.create("x").persistent(GUID, 0).ok();
    drop(a);
    w.restart();
    let mut a = on(&w, "alice");
    let new = a.create("z").batch().durable_v2([8; 16], 0).ok();
    for old in [ordinary, f] {
        assert_ne!(new.persistent, old.persistent);
        assert_ne!(new.volatile, old.volatile);
        a.read(old, 0, 1).is(NtStatus::FILE_CLOSED);
    }
    a.create("y").again_v2(ordinary, [8; 16]).is(NONE);
}

#[test]
fn share_modes_hold() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").sharing(ShareAccess::READ).batch().persistent(GUID, 0).ok();
    drop(a);
    w.restart();
    // It caches that it is open: so it is asked for, and its client has time to answer.
    let mut b = machine(&w, "alice", 2);
    let write = AccessMask::GENERIC_WRITE;
    let sent = b.create("x").access(write).sharing(all()).existing().send().waits();
    let mut a = on(&w, "alice");
    let back = a.create("x").again_persistent(f, GUID).opened();
    b.answer(sent.mid).is(NtStatus::SHARING_VIOLATION);
    assert_eq!(back.oplock_level, OplockLevel::NONE);
}

#[test]
fn others_wait_for_its_client() {
    let w = world();
    let mut a = on(&w, "alice");
    a.create("x").sharing(all()).persistent(GUID, 20_000).ok();
    drop(a);
    w.restart();
    let write = AccessMask::GENERIC_WRITE;
    let mut b = machine(&w, "alice", 2);
    b.create("x").access(write).sharing(all()).existing().is(NtStatus::FILE_NOT_AVAILABLE);
    w.advance(Duration::from_secs(20));
    b.create("x").access(write).sharing(all()).existing().ok();
}

#[test]
fn locks_hold() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").sharing(all()).lease_v2(1, "RH", 0, None).persistent(GUID, 0).ok();
    let asked = |flags, number: u32, offset, file_id| {
        let locks = vec![LockElement { offset, length: 10, flags }];
        RequestBody::Lock(LockRequest { lock_sequence: 16 | number, file_id, locks })
    };
    let at_once = LockFlags::FAIL_IMMEDIATELY;
    a.request(&asked(EXCLUSIVE | at_once, 1, 0, f)).ok();
    a.lock(f, 100, 10, SHARED).ok();
    a.lock(f, 200, 10, EXCLUSIVE).ok();
    a.unlock(f, 200, 10).ok();
    drop(a);
    w.restart();
    assert_eq!(w.counters().locks, 2);
    let mut b = machine(&w, "bob", 2);
    let read = AccessMask::GENERIC_READ;
    let g = b.create("x").access(read).sharing(all()).existing().ok();
    b.read(g, 0, 1).is(NtStatus::FILE_LOCK_CONFLICT);
    b.lock(g, 100, 1, EXCLUSIVE | at_once).is(NtStatus::LOCK_NOT_GRANTED);
    b.lock(g, 200, 1, EXCLUSIVE | at_once).ok();
    let mut a = on(&w, "alice");
    let lease = a.create("x").lease_v2(1, "RH", 0, None);
    let f = lease.again_persistent(f, GUID).ok();
    // Its answer may have been lost with the server: it is not done twice.
    a.request(&asked(EXCLUSIVE | at_once, 1, 0, f)).ok();
    a.unlock(f, 0, 10).ok();
    a.unlock(f, 100, 10).ok();
    b.lock(g, 0, 200, EXCLUSIVE | at_once).ok();
}

/// Leases have their key, state, epoch and version again, also those of several opens.
#[test]
fn leases_hold() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").sharing(all()).lease_v2(1, "RH", 4, None).persistent(GUID, 0).ok();
    let more = a.create("x").sharing(all()).lease_v2(1, "RWH", 4, None).persistent([8; 16], 0);
    let more = more.opened();
    let epoch = lease(&more).and_then(|lease| lease.v2).map(|v2| v2.epoch);
    assert_eq!(granted_state(&more), "RWH");
    drop(a);
    w.restart();
    assert_eq!((w.counters().leases, w.counters().kept), (1, 2));
    let mut a = on(&w, "alice");
    a.create("x").again_persistent(f, GUID).is(NONE);
    a.create("x").lease(1, "RWH").again_persistent(f, GUID).is(NONE);
    a.create("x").lease_v2(2, "RWH", 0, None).again_persistent(f, GUID).is(NONE);
    let back = a.create("x").lease_v2(1, "", 0, None).again_persistent(f, GUID).opened();
    assert_eq!(granted_state(&back), "RWH");
    assert_eq!(lease(&back).and_then(|lease| lease.v2).map(|v2| v2.epoch), epoch);
    // The other open is not back yet, and the lease is the client's: it is told.
    let mut b = machine(&w, "bob", 2);
    let read = AccessMask::GENERIC_READ;
    let sent = b.create("x").access(read).sharing(all()).existing().send().waits();
    a.breaks(1, "RWH", "RH");
    a.ack_lease(1, "RH").ok();
    b.answer(sent.mid).ok();
}

/// What was taken away is not there again beside what others got for it.
#[test]
fn a_broken_lease_stays_broken() {
    let w = world();
    let mut a = machine(&w, "alice", 1);
    let f = a.create("x").sharing(all()).lease_v2(1, "RWH", 0, None).persistent(GUID, 0).ok();
    let mut b = machine(&w, "alice", 2);
    let sent = b.create("x").sharing(all()).lease_v2(2, "RWH", 0, None).persistent(GUID, 0);
    let sent = sent.send().waits();
    a.breaks(1, "RWH", "RH");
    a.ack_lease(1, "RH").ok();
    let opened = b.answer(sent.mid).ok();
    assert_eq!(granted_state(opened.created()), "RH");
    drop((a, b));
    w.fail_power();
    let mut a = machine(&w, "alice", 1);
    let back = a.create("x").lease_v2(1, "RWH", 0, None).again_persistent(f, GUID).opened();
    assert_eq!(granted_state(&back), "RH");
}

/// Who has closed is gone for whoever was let in then, whatever was written when.
#[test]
fn the_closed_do_not_stand_in_the_way() {
    let w = world();
    let mut a = machine(&w, "alice", 1);
    let f = a.create("x").exclusive().persistent(GUID, 0).ok();
    w.hold("remember");
    a.close(f).ok();
    let mut b = machine(&w, "alice", 2);
    let sent = b.create("x").exclusive().persistent(GUID, 0).send().later();
    // The answer of whoever comes is written before it is known that the other one is closed.
    assert_eq!(w.held(), ["remember", "remember"]);
    w.complete(1);
    let g = b.answer(sent).ok().created().file_id;
    drop((a, b));
    w.fail_power();
    assert_eq!(w.counters().kept, 1);
    machine(&w, "alice", 2).create("x").again_persistent(g, GUID).ok();
}

/// 3.3.5.9.10: the answer of the CREATE was lost with the server.
#[test]
fn the_create_comes_again() {
    let w = world();
    let mut a = on(&w, "alice");
    let first = a.create("x").fresh().lease_v2(1, "RWH", 0, None).persistent(GUID, 0).opened();
    drop(a);
    w.restart();
    let mut a = on(&w, "alice");
    let create = |a: &mut Client, key| {
        let create = a.create("x").fresh().lease_v2(key, "RWH", 0, None);
        create.persistent(GUID, 0).replay().answer()
    };
    a.create("x")
        .fresh()
        .lease_v2(1, "RWH", 0, None)
        .persistent(GUID, 0)
        .is(NtStatus::DUPLICATE_OBJECTID);
    create(&mut a, 2).is(NtStatus::ACCESS_DENIED);
    create(&mut on(&w, "bob"), 1).is(NtStatus::ACCESS_DENIED);
    let answer = create(&mut a, 1).ok();
    let again = answer.created().clone();
    assert_eq!(again.file_id.persistent, first.file_id.persistent);
    assert_eq!((again.create_action, persistence(&again)), (CreateAction::CREATED, Some(180_000)));
    assert_eq!(granted_state(&again), "RWH");
    let twice = create(&mut a, 1).ok();
    assert_eq!(twice.created().file_id, again.file_id);
    a.write(again.file_id, 0, b"x").ok();
    // Another client is another one's CREATE.
    let opened = machine(&w, "alice", 2).create("y").persistent(GUID, 0).opened();
    assert!(persistence(&opened).is_some());
}

/// A CREATE that was not answered has promised nothing; one that is on the disk is found all the same.
#[test]
fn killed_before_the_answer() {
    for written in [false, true] {
        let w = world();
        let mut a = on(&w, "alice");
        w.hold("remember");
        a.create("x").persistent(GUID, 0).send().later();
        if written {
            w.complete(0);
        }
        drop(a);
        w.restart();
        assert_eq!(w.counters().kept, usize::from(written));
        let mut a = on(&w, "alice");
        let again = a.create("x").persistent(GUID, 0).replay().ok();
        assert!(persistence(again.created()).is_some());
        assert_eq!(w.counters().opens, 1);
    }
}

/// A rename is where the file is; what is gone, or another file, is let go.
#[test]
fn names_and_files() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    let g = a.create("y").persistent([8; 16], 0).ok();
    let h = a.create("z").persistent([9; 16], 0).ok();
    a.rename(f, "elsewhere", false).ok();
    drop(a);
    w.remove_outside("y");
    w.remove_outside("z");
    w.put_outside("z", b"another");
    w.restart();
    let mut a = on(&w, "alice");
    let back = a.create("").again_persistent(f, GUID).ok();
    a.write(back, 0, b"x").ok();
    assert_eq!(w.data("elsewhere"), Some(b"x".to_vec()));
    a.create("").again_persistent(g, [8; 16]).is(NONE);
    a.create("").again_persistent(h, [9; 16]).is(NONE);
    assert_eq!(w.data("z"), Some(b"another".to_vec()));
}

/// What is to go with its last open goes, by whoever asked for it.
#[test]
fn deletions() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").delete_on_close().persistent(GUID, 0).ok();
    let g = a.create("y").persistent([8; 16], 10_000).ok();
    a.delete(g, true).ok();
    let h = a.create("z").persistent([9; 16], 0).ok();
    a.delete(h, true).ok();
    a.delete(h, false).ok();
    drop(a);
    w.restart();
    assert!(w.exists("x") && w.exists("y"));
    let mut b = machine(&w, "alice", 2);
    b.create("y").is(NtStatus::FILE_NOT_AVAILABLE);
    w.advance(Duration::from_secs(10));
    assert!(!w.exists("y"));
    let mut a = on(&w, "alice");
    let f = a.create("").again_persistent(f, GUID).ok();
    a.close(f).ok();
    assert!(!w.exists("x"));
    let h = a.create("").again_persistent(h, [9; 16]).ok();
    a.close(h).ok();
    assert!(w.exists("z"));
}

/// Nobody comes: its time is over as after any loss of a connection, and it is not found again.
#[test]
fn nobody_comes_back() {
    let w = world();
    let mut a = on(&w, "alice");
    a.create("x").persistent(GUID, 5_000).ok();
    drop(a);
    w.restart();
    w.advance(Duration::from_secs(5));
    assert_eq!((w.counters().opens, w.promised().len()), (0, 0));
}

/// A server that is stopped leaves them to the next one.
#[test]
fn stopped_in_order() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").delete_on_close().persistent(GUID, 0).ok();
    a.create("y").batch().durable_v2([8; 16], 0).ok();
    a.hang_up();
    w.close_kept();
    assert_eq!((w.counters().opens, w.promised().len()), (0, 1));
    assert!(w.exists("x"));
    w.restart();
    on(&w, "alice").create("").again_persistent(f, GUID).ok();
}

/// A lock is gone before it is known whether it was written: that it is gone is written as well, though
/// it is what was written before.
#[test]
fn what_is_taken_back_while_it_is_written() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    w.hold("remember");
    let lock = a.lock(f, 0, 1, EXCLUSIVE).later();
    let unlock = a.unlock(f, 0, 1).later();
    assert_eq!(w.held(), ["remember", "remember"]);
    w.complete(0);
    a.answer(lock).ok();
    w.complete(0);
    a.answer(unlock).ok();
    assert!(w.promised()[0].locks.is_empty());
}

/// Somebody has written into the journal what no server has: a number that none can follow, or one that
/// the next open would have. That open is not there, and everything else goes on.
#[test]
fn numbers_that_no_server_has_given() {
    type Change = fn(&mut u64, &mut Promise);
    let changes: [Change; 2] =
        [|number, _| *number = u64::MAX, |_, promise| promise.id = OpenId((2 << 33) + 1)];
    for change in changes {
        let w = world();
        let mut a = on(&w, "alice");
        a.create("x").persistent(GUID, 0).ok();
        drop(a);
        let (mut journal, _) = journal::read(&w.vfs(|vfs| vfs.journal())).unwrap();
        let (mut number, promise, &anchor) = journal.opens().next().unwrap();
        let mut promise = promise.clone();
        journal.take(Said::Servers(1));
        journal.take(Said::Gone(number + 1, promise.id));
        (number, promise.id) = (number + 2, OpenId(1 << 33));
        change(&mut number, &mut promise);
        journal.take(Said::Kept(number, Box::new(promise), anchor));
        w.restart_with(journal);
        assert_eq!(w.counters().opens, 0);
        let mut a = on(&w, "alice");
        let f = a.create("y").persistent(GUID, 0).ok();
        a.close(f).ok();
        w.restart();
        assert_eq!(w.counters().opens, 0);
    }
}

/// The share is not what it was: nothing is left of what it promised.
#[test]
fn the_share_is_another_one() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    drop(a);
    w.daemon(|daemon| {
        let share = Arc::new(Share::disk("lasting", ksmbd_fuzz::world::ROOT));
        daemon.share(Rules { share, read_only: false, refused: None });
    });
    w.restart();
    assert_eq!(w.counters().opens, 0);
    on(&w, "alice").create("x").again_persistent(f, GUID).is(NONE);
}

/// What the server is told at its start is part of its run: it replays.
#[test]
fn a_recording_begins_with_it() {
    let w = world();
    w.record();
    let mut a = on(&w, "alice");
    let f = a.create("x").batch().persistent(GUID, 0).ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    drop(a);
    w.restart();
    let mut a = on(&w, "alice");
    let f = a.create("x").again_persistent(f, GUID).ok();
    a.unlock(f, 0, 1).ok();
    a.hang_up();
    ksmbd_fuzz::replay::check(&w.recording());
}
