//! Persistent handles (MS-SMB2 3.3.5.9.10, 3.3.5.9.12, 3.3.7.1): who is told of them, who gets one, and
//! what its promise costs. That they outlive the server is in `restart.rs`.

use ksmbd_core::wire::{
    lock::{LockElement, LockRequest},
    tree_connect::ShareCapabilities,
};
use ksmbd_fuzz::client::durable::{durability, persistence};
use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

const GUID: [u8; 16] = [7; 16];
const NONE: NtStatus = NtStatus::OBJECT_NAME_NOT_FOUND;

fn world() -> World {
    World::with(|config| config.persistent_handles = true)
}

fn offering(w: &World, dialect: Dialect) -> Client {
    let mut client = w.connect();
    client.offer = Offer::only(dialect);
    client.offer.capabilities |= Capabilities::PERSISTENT_HANDLES;
    client.negotiate().ok();
    client
}

fn on(w: &World, user: &str) -> Client {
    let mut client = offering(w, Dialect::SMB_3_1_1).logged_on(user);
    client.connect_tree("lasting");
    client
}

/// 3.3.5.4: from 3.0 on, to who says to know it, where there is such a share.
#[test]
fn who_is_told() {
    let told = |w: &World, dialect| {
        let client = offering(w, dialect);
        let told = client.negotiated.as_ref().map(|answer| answer.capabilities);
        told.is_some_and(|told| told.contains(Capabilities::PERSISTENT_HANDLES))
    };
    let w = world();
    assert!(told(&w, Dialect::SMB_3_1_1) && told(&w, Dialect::SMB_3_0));
    assert!(!told(&w, Dialect::SMB_2_1));
    let silent = w.client(Dialect::SMB_3_1_1);
    let answer = silent.negotiated.as_ref().expect("an answer");
    assert!(!answer.capabilities.contains(Capabilities::PERSISTENT_HANDLES));
    assert!(!told(&World::new(), Dialect::SMB_3_1_1));
}

/// 3.3.5.7: of such a share alone.
#[test]
fn which_share_is_said_to_be_available() {
    let of = |w: &World, dialect: Dialect, share: &str| {
        let mut client = offering(w, dialect).logged_on("alice");
        let response = client.tree_connect(share).ok();
        let ResponseBody::TreeConnect(tree) = response.body else { panic!("no tree") };
        tree.capabilities.contains(ShareCapabilities::CONTINUOUS_AVAILABILITY)
    };
    let w = world();
    assert!(of(&w, Dialect::SMB_3_0, "lasting"));
    assert!(!of(&w, Dialect::SMB_2_1, "lasting") && !of(&w, Dialect::SMB_3_0, "share"));
    assert!(!of(&World::new(), Dialect::SMB_3_0, "lasting"));
}

/// 3.3.5.9.10: without oplock or lease, and for as long as the client wants.
#[test]
fn for_how_long() {
    let w = world();
    let mut a = on(&w, "alice");
    for (asked, told) in [(0, 180_000), (1, 1), (10_000, 10_000), (u32::MAX, 300_000)] {
        let opened = a.create("x").persistent(GUID, asked).opened();
        assert_eq!((opened.oplock_level, persistence(&opened)), (OplockLevel::NONE, Some(told)));
        assert_eq!(w.promised().len(), 1);
        a.close(opened.file_id).ok();
        assert_eq!(w.promised().len(), 0);
    }
}

/// 3.3.5.9.10: elsewhere, and of what is no file, the flag means nothing.
#[test]
fn where_there_are_none() {
    let w = world();
    let mut a = on(&w, "alice");
    let opened = a.create("d").directory().persistent(GUID, 0).opened();
    assert_eq!(durability(&opened), None);
    let opened = a.create("ordinary").batch().durable_v2([8; 16], 0).opened();
    assert_eq!((durability(&opened), persistence(&opened)), (Some(60_000), None));
    a.connect_tree("share");
    let opened = a.create("x").persistent([1; 16], 0).opened();
    assert_eq!(durability(&opened), None);
    let opened = a.create("y").batch().persistent([2; 16], 0).opened();
    assert_eq!((durability(&opened), persistence(&opened)), (Some(60_000), None));
    // Who was not told that there are any.
    let mut b = w.logged_on("alice");
    b.connect_tree("lasting");
    let opened = b.create("z").batch().persistent([3; 16], 0).opened();
    assert_eq!((durability(&opened), persistence(&opened)), (Some(60_000), None));
    assert_eq!(w.promised().len(), 0);
}

/// As many as allowed; the next is an ordinary durable one, if it can be.
#[test]
fn how_many() {
    let w = World::with(|config| {
        config.persistent_handles = true;
        config.limits.persistent_opens = 1;
    });
    let mut a = on(&w, "alice");
    assert!(persistence(&a.create("x").persistent(GUID, 0).opened()).is_some());
    let next = a.create("y").batch().persistent([8; 16], 0).opened();
    assert_eq!((durability(&next), persistence(&next)), (Some(60_000), None));
    assert_eq!(durability(&a.create("z").persistent([9; 16], 0).opened()), None);
    assert_eq!(w.budget("persistent opens").used, 1);
}

/// 3.3.7.1: it waits for its client though it caches nothing, and keeps its locks.
#[test]
fn it_waits_for_its_client() {
    let w = world();
    let mut a = on(&w, "alice");
    let mut f = a.create("x").persistent(GUID, 0).ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    for _ in 0..2 {
        a.hang_up();
        a = on(&w, "alice");
        a.create("x").again_v2(f, GUID).is(NONE);
        a.create("x").again(f).is(NONE);
        a.create("x").again_persistent(f, [8; 16]).is(NONE);
        let back = a.create("nothing of this name").again_persistent(f, GUID).opened();
        assert_eq!((back.file_id.persistent, durability(&back)), (f.persistent, None));
        f = back.file_id;
        a.write(f, 0, b"x").ok();
        let mut b = on(&w, "alice");
        let g = b.create("x").ok();
        b.write(g, 0, b"y").is(NtStatus::FILE_LOCK_CONFLICT);
        b.hang_up();
    }
}

/// It goes back to the same user, and to the same client.
#[test]
fn to_whom_it_goes_back() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    a.hang_up();
    on(&w, "bob").create("x").again_persistent(f, GUID).is(NtStatus::ACCESS_DENIED);
    let mut other = w.connect();
    other.offer.guid = [9; 16];
    other.offer.capabilities |= Capabilities::PERSISTENT_HANDLES;
    other.negotiate().ok();
    let mut other = other.logged_on("alice");
    other.connect_tree("lasting");
    other.create("x").again_persistent(f, GUID).is(NONE);
    let mut elsewhere = on(&w, "alice");
    elsewhere.connect_tree("share");
    elsewhere.create("x").again_persistent(f, GUID).is(NONE);
    on(&w, "alice").create("x").again_persistent(f, GUID).ok();
}

/// 3.3.5.9: others wait until its client is back or has had its time.
#[test]
fn others_meanwhile() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 10_000).ok();
    let mut b = on(&w, "bob");
    let all = ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE;
    let read = AccessMask::GENERIC_READ;
    let g = b.create("x").access(read).sharing(all).existing().ok();
    b.close(g).ok();
    a.hang_up();
    b.create("x").access(read).sharing(all).existing().is(NtStatus::FILE_NOT_AVAILABLE);
    // Before 3.0 nobody knows that status: there the share modes decide.
    let mut old = w.client(Dialect::SMB_2_1).logged_on("bob");
    old.create("x").access(read).sharing(all).existing().ok();
    w.advance(Duration::from_secs(10));
    b.create("x").access(read).sharing(all).existing().ok();
    on(&w, "alice").create("x").again_persistent(f, GUID).is(NONE);
    assert_eq!(w.promised().len(), 0);
}

/// What it caches is broken as a resilient open's is: its client has the time to come back.
#[test]
fn what_it_caches_is_waited_for() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").batch().persistent(GUID, 0).ok();
    a.hang_up();
    let mut b = on(&w, "bob");
    let waits = b.create("x").access(AccessMask::GENERIC_READ).existing().send().waits();
    w.advance(Duration::from_secs(35));
    b.answer(waits.mid).is(NtStatus::FILE_NOT_AVAILABLE);
    let back = on(&w, "alice").create("x").again_persistent(f, GUID).opened();
    assert_eq!(back.oplock_level, OplockLevel::NONE);
}

/// The promise is on the disk before it is made: nothing is answered until then.
#[test]
fn the_answer_waits_for_the_disk() {
    let w = world();
    let mut a = on(&w, "alice");
    w.hold("remember");
    let sent = a.create("x").persistent(GUID, 0).send().later();
    assert_eq!((w.held(), w.promised().len()), (vec!["remember"], 0));
    w.complete(0);
    let opened = a.answer(sent).ok();
    let f = opened.created().file_id;
    let sent = a.lock(f, 0, 1, EXCLUSIVE).later();
    assert_eq!(w.promised()[0].locks.len(), 0);
    w.complete(0);
    a.answer(sent).ok();
    assert_eq!(w.promised()[0].locks.len(), 1);
    let sent = a.unlock(f, 0, 1).later();
    w.complete(0);
    a.answer(sent).ok();
    assert_eq!(w.promised()[0].locks.len(), 0);
    // A CLOSE waits for nobody.
    a.close(f).ok();
    assert_eq!(w.promised().len(), 1);
    w.release_calls();
    assert_eq!((w.promised().len(), w.counters().forgotten), (0, 0));
}

/// A full disk makes an ordinary open of it, and no lie.
#[test]
fn what_cannot_be_written_is_not_promised() {
    let w = world();
    let mut a = on(&w, "alice");
    w.vfs(|vfs| vfs.fail_next("remember", VfsError::NoSpace));
    let opened = a.create("x").persistent(GUID, 0).opened();
    assert_eq!(durability(&opened), None);
    w.vfs(|vfs| vfs.fail_next("remember", VfsError::NoSpace));
    let durable = a.create("y").batch().persistent([8; 16], 0).opened();
    assert_eq!((durability(&durable), persistence(&durable)), (Some(60_000), None));
    assert_eq!((w.counters().persistent, w.counters().durable), (0, 1));
    a.hang_up();
    assert_eq!(w.counters().opens, 1, "the ordinary one is kept, and the other is gone");
}

/// 3.3.5.14: nor is a lock.
#[test]
fn a_lock_that_cannot_be_written() {
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    w.vfs(|vfs| vfs.fail_next("remember", VfsError::NoSpace));
    a.lock(f, 0, 1, EXCLUSIVE).is(NtStatus::INSUFFICIENT_RESOURCES);
    assert_eq!(w.counters().locks, 0);
    let mut b = on(&w, "alice");
    let g = b.create("x").ok();
    b.lock(g, 0, 1, EXCLUSIVE).ok();
    b.unlock(g, 0, 1).ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    // What is released is so, written or not.
    w.vfs(|vfs| vfs.fail_next("remember", VfsError::NoSpace));
    a.unlock(f, 0, 1).ok();
    b.lock(g, 0, 1, EXCLUSIVE).ok();
}

/// 3.3.5.14: a LOCK that comes again over another channel before it is written is not said to be done
/// before that, and not at all where that fails. What was said is not taken back.
#[test]
fn a_lock_comes_again_before_it_is_written() {
    let (ok, later) = (NtStatus::SUCCESS, NtStatus::FILE_NOT_AVAILABLE);
    // Which of the two calls that wait is over next, and whether it has written; what the second LOCK
    // is told, and how many locks there are then.
    for (calls, told, locks) in [
        ([(0, true), (0, true)], ok, 1),
        ([(0, true), (0, false)], later, 1),
        ([(0, false), (0, true)], later, 0),
        ([(1, true), (0, false)], ok, 1),
        ([(1, false), (0, true)], later, 1),
        ([(1, false), (0, false)], later, 0),
    ] {
        let w = World::with(|config| {
            config.persistent_handles = true;
            config.multi_channel = true;
        });
        let mut a = on(&w, "alice");
        let mut b = w.channel(&a, "alice");
        b.tree_id = a.tree_id;
        let f = a.create("x").persistent(GUID, 0).ok();
        let range = vec![LockElement { offset: 0, length: 1, flags: EXCLUSIVE }];
        let lock = RequestBody::Lock(LockRequest { lock_sequence: 0x11, file_id: f, locks: range });
        w.hold("remember");
        let _ = a.request(&lock).later();
        let again = b.request(&lock).silent();
        assert_eq!(w.held(), ["remember", "remember"]);
        a.forget();
        a.hang_up();
        for (index, written) in calls {
            match written {
                true => w.complete(index),
                false => w.fail(index, VfsError::HungUp),
            }
        }
        b.answer(again).is(told);
        assert_eq!(w.counters().locks, locks, "{calls:?}");
        w.release_calls();
        b.request(&lock).ok();
        assert_eq!((w.counters().locks, w.promised()[0].locks.len()), (1, 1));
    }
}

/// 3.3.5.13, 3.3.5.9.10: the CREATE can come again though its open was used: with a chain all answers are
/// lost at once.
#[test]
fn the_create_comes_again_after_the_open_was_used() {
    let w = world();
    let mut a = on(&w, "alice");
    let create = a.create("x").exclusive().persistent(GUID, 0).message();
    let write = a.message_with(&body::write(FileId::ANY, 0, 4), b"data").related();
    a.send_chain(&[create, write]);
    a.forget();
    a.hang_up();
    for number in 0..3 {
        let mut a = on(&w, "alice");
        let back = a.create("x").exclusive().persistent(GUID, 0).replay().ok();
        let back = back.created().file_id;
        assert_eq!(a.read(back, 0, 4).ok().data(), b"data");
        a.create("x").persistent(GUID, 0).is(NtStatus::DUPLICATE_OBJECTID);
        a.hang_up();
        if number == 1 {
            let mut a = on(&w, "alice");
            a.create("x").again_persistent(back, GUID).ok();
            a.hang_up();
        }
    }
    assert_eq!((w.counters().opens, w.counters().creations), (1, 1));
}

/// The connection is lost while the promise is being written.
#[test]
fn lost_meanwhile() {
    for fails in [false, true] {
        let w = world();
        let mut a = on(&w, "alice");
        w.hold("remember");
        a.create("x").persistent(GUID, 0).send().later();
        a.forget();
        a.hang_up();
        assert_eq!(w.counters().kept, 1);
        match fails {
            true => w.fail(0, VfsError::NoSpace),
            false => w.complete(0),
        }
        w.release_calls();
        let left = usize::from(!fails);
        assert_eq!((w.counters().opens, w.promised().len()), (left, left));
    }
}

/// 3.3.5.15.9 does not make less of it.
#[test]
fn resilient_as_well() {
    use ksmbd_core::wire::ioctl::FsctlCode;
    let w = world();
    let mut a = on(&w, "alice");
    let f = a.create("x").persistent(GUID, 0).ok();
    let input = [5_000_u32.to_le_bytes(), [0; 4]].concat();
    let code = FsctlCode::LMR_REQUEST_RESILIENCY;
    a.request(&body::ioctl(f, code, &input, 0)).ok();
    assert_eq!(w.counters().persistent, 1);
    a.hang_up();
    on(&w, "alice").create("x").again_persistent(f, GUID).ok();
}
