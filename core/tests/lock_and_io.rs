//! A lock waits for the reads and writes that it would have kept out (MS-FSA 2.1.4.10, 2.1.5.8): its
//! holder must not see data that began to move before the lock.

use ksmbd_fuzz::client::request::{EXCLUSIVE, SHARED};
use ksmbd_fuzz::prelude::*;

/// `bob`'s call is running on a file that `alice` has open too.
fn busy(op: &'static str) -> (World, (Client, FileId), (Client, u64)) {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let (fa, fb) = (a.create("x").ok(), b.create("x").ok());
    w.hold(op);
    let running = match op {
        "write" => b.write(fb, 0, b"abcde").later(),
        _ => b.read(fb, 0, 5).later(),
    };
    (w, (a, fa), (b, running))
}

#[test]
fn granted_when_the_write_is_through() {
    for flags in [SHARED, EXCLUSIVE] {
        let (w, (mut a, fa), (mut b, running)) = busy("write");
        let wanted = a.lock(fa, 4, 1, flags | LockFlags::FAIL_IMMEDIATELY).later();
        a.nothing();
        w.complete(0);
        b.answer(running).ok();
        a.answer(wanted).ok();
    }
}

#[test]
fn another_range_is_granted_at_once() {
    let (w, (mut a, fa), (mut b, running)) = busy("write");
    a.lock(fa, 5, 1, EXCLUSIVE).ok();
    w.complete(0);
    b.answer(running).ok();
}

#[test]
fn readers_share_with_a_running_read() {
    let (w, (mut a, fa), (mut b, running)) = busy("read");
    a.lock(fa, 0, 1, SHARED).ok();
    a.unlock(fa, 0, 1).ok();
    let wanted = a.lock(fa, 0, 1, EXCLUSIVE).later();
    a.nothing();
    w.complete(0);
    b.answer(running).ok();
    a.answer(wanted).ok();
}

/// Cancelled, closed under, hung up: the wait ends like any other.
#[test]
fn the_wait_can_be_ended() {
    let (w, (mut a, fa), (mut b, running)) = busy("write");
    let wanted = a.lock(fa, 0, 1, EXCLUSIVE).later();
    a.cancel_message(wanted);
    a.answer(wanted).is(NtStatus::CANCELLED);
    let wanted = a.lock(fa, 0, 1, EXCLUSIVE).later();
    a.close(fa).ok();
    a.answer(wanted).is(NtStatus::RANGE_NOT_LOCKED);
    w.complete(0);
    b.answer(running).ok();
}
