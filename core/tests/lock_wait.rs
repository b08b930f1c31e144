//! A blocking LOCK waits, and every way in which that ends (MS-SMB2 3.3.5.14.2, 3.3.4.2).

use ksmbd_fuzz::client::request::{EXCLUSIVE, SHARED};
use ksmbd_fuzz::prelude::*;

/// `alice` holds bytes 0 to 10 of a file that `bob` has open too.
fn contended() -> (World, (Client, FileId), (Client, FileId)) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    w.put("x", b"0123456789");
    let (fa, fb) = (a.create("x").ok(), b.create("x").ok());
    a.lock(fa, 0, 10, EXCLUSIVE).ok();
    (w, (a, fa), (b, fb))
}

/// The waiter leaves nothing behind that would keep the range.
#[track_caller]
fn range_is_free_for(a: &mut Client, fa: FileId) {
    a.unlock(fa, 0, 10).ok();
    a.lock(fa, 0, 10, EXCLUSIVE | LockFlags::FAIL_IMMEDIATELY).ok();
}

#[test]
fn granted_after_unlock() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 5, 10, EXCLUSIVE).waits();
    assert_eq!(w.counters().parked, 1);
    a.unlock(fa, 0, 10).ok();
    b.answer(waiting.mid).ok();
    a.lock(fa, 5, 1, SHARED | LockFlags::FAIL_IMMEDIATELY).is(NtStatus::LOCK_NOT_GRANTED);
}

/// A connection gives its buffers back while it is idle, also one with a request that waits.
#[test]
fn granted_after_a_long_time() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 5, 10, EXCLUSIVE).waits();
    w.advance(Duration::from_secs(3600));
    a.unlock(fa, 0, 10).ok();
    b.answer(waiting.mid).ok();
    b.echo().ok();
}

#[test]
fn fails_at_once_when_told_to() {
    let (_w, _a, (mut b, fb)) = contended();
    b.lock(fb, 5, 10, EXCLUSIVE | LockFlags::FAIL_IMMEDIATELY).is(NtStatus::LOCK_NOT_GRANTED);
}

#[test]
fn cancelled_by_async_id() {
    let (_w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    b.cancel(waiting);
    b.answer(waiting.mid).is(NtStatus::CANCELLED);
    range_is_free_for(&mut a, fa);
}

#[test]
fn cancelled_by_message_id() {
    let (_w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    b.cancel_message(waiting.mid);
    b.answer(waiting.mid).is(NtStatus::CANCELLED);
    range_is_free_for(&mut a, fa);
}

#[test]
fn anothers_cancel_does_nothing() {
    let (_w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    a.cancel(waiting);
    a.cancel_message(waiting.mid);
    a.nothing();
    b.nothing();
    a.unlock(fa, 0, 10).ok();
    b.answer(waiting.mid).ok();
}

/// MS-SMB2 3.3.5.10: CLOSE ends what waits on the open; its answer comes first.
#[test]
fn closed_under() {
    let (_w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    let closing = b.close(fb).later();
    let (first, second) = (b.receive(), b.receive());
    assert_eq!([first.header.message_id, second.header.message_id], [closing, waiting.mid]);
    first.ok();
    second.is(NtStatus::RANGE_NOT_LOCKED);
    range_is_free_for(&mut a, fa);
}

#[test]
fn tree_disconnected_under() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    let leaving = b.tree_disconnect().later();
    b.answer(leaving).ok();
    b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
    assert_eq!(w.counters().trees, 1);
    range_is_free_for(&mut a, fa);
}

#[test]
fn logged_off_under() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    let leaving = b.logoff().later();
    b.answer(leaving).ok();
    b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
    assert_eq!(w.counters().sessions, 1);
    range_is_free_for(&mut a, fa);
}

#[test]
fn hung_up_under() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    b.lock(fb, 0, 1, EXCLUSIVE).waits();
    b.hang_up();
    assert_eq!((w.counters().parked, w.counters().connections), (0, 1));
    range_is_free_for(&mut a, fa);
}

/// The holder's hang-up frees the range.
#[test]
fn granted_when_the_holder_hangs_up() {
    let (_w, (a, _), (mut b, fb)) = contended();
    let waiting = b.lock(fb, 0, 1, EXCLUSIVE).waits();
    a.hang_up();
    b.answer(waiting.mid).ok();
}

/// Woken means "check again": one of two gets it, and the other one waits on under its id.
#[test]
fn two_waiters_one_after_the_other() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let mut c = w.logged_on("alice");
    let fc = c.create("x").ok();
    let first = b.lock(fb, 0, 10, EXCLUSIVE).waits();
    let second = c.lock(fc, 0, 10, EXCLUSIVE).waits();
    assert_ne!(first.async_id, second.async_id);
    a.unlock(fa, 0, 10).ok();
    b.answer(first.mid).ok();
    c.nothing();
    b.unlock(fb, 0, 10).ok();
    c.answer(second.mid).ok();
}

#[test]
fn two_shared_waiters_at_once() {
    let (w, (mut a, fa), (mut b, fb)) = contended();
    let mut c = w.logged_on("alice");
    let fc = c.create("x").ok();
    let first = b.lock(fb, 0, 10, SHARED).waits();
    let second = c.lock(fc, 0, 10, SHARED).waits();
    a.unlock(fa, 0, 10).ok();
    b.answer(first.mid).ok();
    c.answer(second.mid).ok();
}

/// DESIGN 3, property 9: as many as allowed, then INSUFFICIENT_RESOURCES; and room again.
#[test]
fn the_budget_of_waiting_requests() {
    let w = World::with(|config| config.limits.parked_per_connection = 2);
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 10, EXCLUSIVE).ok();
    let first = a.lock(g, 0, 1, EXCLUSIVE).waits();
    let second = a.lock(g, 1, 1, EXCLUSIVE).waits();
    a.lock(g, 2, 1, EXCLUSIVE).is(NtStatus::INSUFFICIENT_RESOURCES);
    a.cancel(first);
    a.answer(first.mid).is(NtStatus::CANCELLED);
    let third = a.lock(g, 3, 1, EXCLUSIVE).waits();
    let unlocking = a.unlock(f, 0, 10).later();
    a.answer(unlocking).ok();
    a.answer(second.mid).ok();
    a.answer(third.mid).ok();
}

/// An encrypted session's interim answer is encrypted too (DESIGN 3, property 10).
#[test]
fn an_encrypted_wait() {
    let w = World::new();
    let mut a = w.logged_on("alice").encrypted();
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 10, EXCLUSIVE).ok();
    let waiting = a.lock(g, 0, 1, EXCLUSIVE).waits();
    a.unlock(f, 0, 10).ok();
    assert!(a.answer(waiting.mid).ok().encrypted);
}

/// What does not wait cannot be cancelled, and CANCEL is never answered (MS-SMB2 3.3.5.16).
#[test]
fn cancel_of_nothing() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.cancel_message(12345);
    a.nothing();
    a.echo().ok();
    a.session_id = 77;
    a.cancel_message(12345);
    a.nothing();
    let mut cancel = a.message(&RequestBody::Cancel);
    cancel.body.truncate(1);
    a.send_chain(&[cancel]);
    a.nothing();
}
