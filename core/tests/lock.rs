//! LOCK without waiting (MS-SMB2 3.3.5.14, MS-FSA 2.1.5.8); waiting is in `lock_wait.rs`.

use ksmbd_fuzz::client::{
    body,
    request::{EXCLUSIVE, SHARED},
};
use ksmbd_fuzz::prelude::*;

const AT_ONCE: LockFlags = LockFlags::FAIL_IMMEDIATELY;

fn opened() -> (World, Client, FileId, FileId) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    (w, a, f, g)
}

#[test]
fn who_keeps_whom_out() {
    let (_w, mut a, f, g) = opened();
    a.lock(f, 0, 10, SHARED).ok();
    a.lock(g, 5, 10, SHARED | AT_ONCE).ok();
    a.lock(f, 20, 10, EXCLUSIVE | AT_ONCE).ok();
    let refused = NtStatus::LOCK_NOT_GRANTED;
    a.lock(g, 9, 1, EXCLUSIVE | AT_ONCE).is(refused);
    a.lock(g, 29, 1, SHARED | AT_ONCE).is(refused);
    a.lock(f, 29, 1, EXCLUSIVE | AT_ONCE).is(refused);
    a.lock(g, 30, 1, EXCLUSIVE | AT_ONCE).ok();
}

#[test]
fn at_the_end_of_the_range() {
    let (_w, mut a, f, g) = opened();
    a.lock(f, u64::MAX, 1, EXCLUSIVE | AT_ONCE).ok();
    a.lock(g, u64::MAX, 1, EXCLUSIVE | AT_ONCE).is(NtStatus::LOCK_NOT_GRANTED);
    a.lock(f, u64::MAX, 2, EXCLUSIVE | AT_ONCE).is(NtStatus::INVALID_LOCK_RANGE);
    a.lock(f, 0, u64::MAX, EXCLUSIVE | AT_ONCE).ok();
}

#[test]
fn unlocking_is_exact() {
    let (_w, mut a, f, g) = opened();
    a.lock(f, 0, 10, EXCLUSIVE).ok();
    for (offset, length) in [(0, 9), (1, 10), (0, 11), (5, 1)] {
        a.unlock(f, offset, length).is(NtStatus::RANGE_NOT_LOCKED);
    }
    a.unlock(g, 0, 10).is(NtStatus::RANGE_NOT_LOCKED);
    a.unlock(f, 0, 10).ok();
    a.unlock(f, 0, 10).is(NtStatus::RANGE_NOT_LOCKED);
}

/// MS-SMB2 3.3.5.14.2: all or none.
#[test]
fn several_at_once() {
    let (w, mut a, f, g) = opened();
    let take = EXCLUSIVE | AT_ONCE;
    a.request(&body::locks(f, &[(0, 1, take), (10, 1, take), (20, 1, take)])).ok();
    assert_eq!(w.counters().locks, 3);
    a.request(&body::locks(g, &[(5, 1, take), (15, 1, take), (20, 1, take)]))
        .is(NtStatus::LOCK_NOT_GRANTED);
    assert_eq!(w.counters().locks, 3, "what was taken before the failure is given back");
    let free = LockFlags::UNLOCK;
    a.request(&body::locks(f, &[(0, 1, free), (99, 1, free), (10, 1, free)]))
        .is(NtStatus::RANGE_NOT_LOCKED);
    assert_eq!(w.counters().locks, 2, "what was unlocked before the failure stays so");
}

#[test]
fn what_makes_no_sense() {
    let (w, mut a, f, _) = opened();
    let invalid = NtStatus::INVALID_PARAMETER;
    a.request(&body::locks(f, &[])).is(invalid);
    a.lock(f, 0, 1, LockFlags::empty()).is(invalid);
    a.lock(f, 0, 1, SHARED | EXCLUSIVE).is(invalid);
    a.lock(f, 0, 1, LockFlags::UNLOCK | AT_ONCE).is(invalid);
    a.request(&body::locks(f, &[(0, 1, EXCLUSIVE), (1, 1, EXCLUSIVE)])).is(invalid);
    let mixed = [(0, 1, EXCLUSIVE | AT_ONCE), (1, 1, LockFlags::UNLOCK)];
    a.request(&body::locks(f, &mixed)).is(invalid);
    assert_eq!(w.counters().locks, 0);
    let d = a.create("d").directory().ok();
    a.lock(d, 0, 1, EXCLUSIVE).is(invalid);
}

#[test]
fn closed_and_gone() {
    let (w, mut a, f, g) = opened();
    a.lock(f, 0, 10, EXCLUSIVE).ok();
    a.close(f).ok();
    assert_eq!(w.counters().locks, 0);
    a.lock(g, 0, 10, EXCLUSIVE | AT_ONCE).ok();
}

#[test]
fn as_many_as_allowed() {
    let w = World::with(|config| config.limits.locks_per_open = 2);
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    a.lock(f, 1, 1, EXCLUSIVE).ok();
    a.lock(f, 2, 1, EXCLUSIVE).is(NtStatus::INSUFFICIENT_RESOURCES);
    a.lock(g, 2, 1, EXCLUSIVE).ok();
}

/// A wait ends in a lock, which counts as one.
#[test]
fn as_many_as_allowed_after_a_wait() {
    let w = World::with(|config| config.limits.locks_per_open = 1);
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 2, EXCLUSIVE).ok();
    let first = a.lock(g, 0, 1, EXCLUSIVE).waits();
    let second = a.lock(g, 1, 1, EXCLUSIVE).waits();
    a.unlock(f, 0, 2).ok();
    a.answer(first.mid).ok();
    a.answer(second.mid).is(NtStatus::INSUFFICIENT_RESOURCES);
}

/// MS-SMB2 3.3.5.14.2: what is given back is what this request took, not an older lock of its range.
#[test]
fn a_failure_gives_back_its_own_locks() {
    let (_w, mut a, f, g) = opened();
    a.lock(g, 100, 1, EXCLUSIVE | AT_ONCE).ok();
    a.lock(f, 0, 10, EXCLUSIVE | AT_ONCE).ok();
    a.request(&body::locks(f, &[(0, 10, SHARED | AT_ONCE), (100, 1, EXCLUSIVE | AT_ONCE)]))
        .is(NtStatus::LOCK_NOT_GRANTED);
    a.read(g, 0, 1).is(NtStatus::FILE_LOCK_CONFLICT);
    a.write(f, 0, b"mine").ok();
    a.unlock(f, 0, 10).ok();
    a.unlock(f, 0, 10).is(NtStatus::RANGE_NOT_LOCKED);
}
