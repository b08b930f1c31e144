//! A break always ends, whoever does not answer (MS-SMB2 3.3.2.1, 3.3.6.1).

use ksmbd_fuzz::prelude::*;

const BREAK_TIME: Duration = Duration::from_secs(35);

/// smb2.oplock.batch22a, smb2.lease.timeout: nothing is cached afterwards, and a late answer is one
/// to nothing.
#[test]
fn nobody_answers() {
    let w = World::new();
    w.put("x", b"");
    w.put("y", b"");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").oplock(OplockLevel::BATCH).ok();
    let g = a.create("y").lease(1, "RWH").ok();
    let waiting = [b.create("x").send().waits(), b.create("y").send().waits()];
    a.oplock_broken(f);
    a.breaks(1, "RWH", "RH");
    w.advance(BREAK_TIME - Duration::from_millis(1));
    b.nothing();
    w.advance(Duration::from_millis(1));
    b.answer(waiting[0].mid).ok();
    b.answer(waiting[1].mid).ok();
    assert_eq!(w.counters().breaks, 0);
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::INVALID_DEVICE_STATE);
    a.ack_lease(1, "RH").is(NtStatus::UNSUCCESSFUL);
    assert_eq!(granted_state(&a.create("y").lease(1, "R").opened()), "R");
    a.close(f).ok();
    a.close(g).ok();
}

/// What nobody waits for ends as well.
#[test]
fn a_break_without_a_waiter() {
    let w = World::new();
    w.put("x", b"");
    w.put("y", b"");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    a.create("x").lease(1, "RH").ok();
    let g = b.create("x").ok();
    b.write(g, 0, b"data").ok();
    a.breaks(1, "RH", "");
    assert_eq!(w.counters().breaks, 1);
    w.advance(BREAK_TIME);
    assert_eq!(w.counters().breaks, 0);
}

/// Closing is an answer; so is hanging up.
#[test]
fn closed_in_time() {
    let w = World::new();
    w.put("x", b"");
    w.put("y", b"");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").oplock(OplockLevel::BATCH).ok();
    let before = w.counters().timers;
    let waiting = b.create("x").send().waits();
    a.oplock_broken(f);
    assert_eq!(w.counters().timers, before + 1);
    a.close(f).ok();
    b.answer(waiting.mid).ok();
    assert_eq!(w.counters().timers, before, "no timer is left");
}
