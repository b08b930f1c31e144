//! LockSequence (MS-SMB2 3.3.5.14): a LOCK that is asked again, because its answer was lost, is not done
//! again (smb2.lock.replay_smb3_specification_multi).

use ksmbd_core::wire::lock::{LockElement, LockRequest};
use ksmbd_fuzz::client::request::EXCLUSIVE;
use ksmbd_fuzz::prelude::*;

fn opened(multi_channel: bool, dialect: Dialect) -> (World, Client, FileId) {
    let w = World::with(|config| config.multi_channel = multi_channel);
    let mut a = w.connect();
    a.offer = Offer::only(dialect);
    a.offer.capabilities |= Capabilities::MULTI_CHANNEL;
    a.negotiate().ok();
    let mut a = a.logged_on("alice");
    let f = a.create("x").ok();
    (w, a, f)
}

fn asked(f: FileId, flags: LockFlags, index: u32, number: u32) -> RequestBody {
    let locks = vec![LockElement { offset: 0, length: 1, flags }];
    RequestBody::Lock(LockRequest { lock_sequence: index << 4 | number, file_id: f, locks })
}

fn at_once() -> LockFlags {
    EXCLUSIVE | LockFlags::FAIL_IMMEDIATELY
}

#[test]
fn asked_again() {
    let (_w, mut a, f) = opened(true, Dialect::SMB_3_1_1);
    a.request(&asked(f, at_once(), 1, 1)).ok();
    a.request(&asked(f, at_once(), 1, 1)).ok();
    a.request(&asked(f, LockFlags::UNLOCK, 2, 1)).ok();
    a.request(&asked(f, LockFlags::UNLOCK, 2, 1)).ok();
    a.request(&asked(f, LockFlags::UNLOCK, 2, 2)).is(NtStatus::RANGE_NOT_LOCKED);
    // What failed is not remembered, and what it replaced is forgotten.
    a.request(&asked(f, LockFlags::UNLOCK, 2, 2)).is(NtStatus::RANGE_NOT_LOCKED);
    a.request(&asked(f, LockFlags::UNLOCK, 2, 1)).is(NtStatus::RANGE_NOT_LOCKED);
}

#[test]
fn indices_that_are_none() {
    let (_w, mut a, f) = opened(true, Dialect::SMB_3_0);
    for index in [0, 65] {
        a.request(&asked(f, at_once(), index, 1)).ok();
        a.request(&asked(f, at_once(), index, 1)).is(NtStatus::LOCK_NOT_GRANTED);
        a.request(&asked(f, LockFlags::UNLOCK, index, 1)).ok();
    }
}

#[test]
fn each_open_has_its_own() {
    let (_w, mut a, f) = opened(true, Dialect::SMB_3_1_1);
    let g = a.create("x").ok();
    a.request(&asked(f, at_once(), 1, 1)).ok();
    a.request(&asked(g, at_once(), 1, 1)).is(NtStatus::LOCK_NOT_GRANTED);
}

/// Over another channel, after the first has died.
#[test]
fn over_another_channel() {
    let (w, mut a, f) = opened(true, Dialect::SMB_3_1_1);
    let mut b = w.channel(&a, "alice");
    a.request(&asked(f, at_once(), 3, 4)).ok();
    a.hang_up();
    b.request(&asked(f, at_once(), 3, 4)).ok();
    b.unlock(f, 0, 1).ok();
}

/// A lock that was waited for is remembered when it is granted.
#[test]
fn a_lock_that_was_waited_for() {
    let (_w, mut a, f) = opened(true, Dialect::SMB_3_1_1);
    let g = a.create("x").ok();
    a.lock(g, 0, 1, EXCLUSIVE).ok();
    let waiting = a.request(&asked(f, EXCLUSIVE, 1, 1)).waits();
    let unlock = a.unlock(g, 0, 1).later();
    let answers = [a.receive().ok(), a.receive().ok()];
    assert!(answers.iter().any(|answer| answer.header.message_id == waiting.mid));
    assert!(answers.iter().any(|answer| answer.header.message_id == unlock));
    a.request(&asked(f, EXCLUSIVE, 1, 1)).ok();
}

/// Where no answer can be lost without the open being lost, too, every LOCK is done.
#[test]
fn without_channels() {
    for (multi_channel, dialect) in [(false, Dialect::SMB_3_1_1), (true, Dialect::SMB_2_1)] {
        let (_w, mut a, f) = opened(multi_channel, dialect);
        a.request(&asked(f, at_once(), 1, 1)).ok();
        a.request(&asked(f, at_once(), 1, 1)).is(NtStatus::LOCK_NOT_GRANTED);
    }
}
