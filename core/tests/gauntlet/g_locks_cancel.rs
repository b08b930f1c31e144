//! Class G: locks, CANCEL and what waits (MS-SMB2 3.3.5.14, 3.3.5.16, 3.3.4.2; MS-FSA 2.1.5.8). More
//! ways in which a wait ends are in `core/tests/lock_wait.rs`.

use crate::common::{set, unsigned};
use ksmbd_fuzz::client::{
    body,
    request::{EXCLUSIVE, SHARED},
};
use ksmbd_fuzz::prelude::*;

const AT_ONCE: LockFlags = LockFlags::FAIL_IMMEDIATELY;

/// `alice` holds bytes 0 to 10 of a file that `bob` has open too.
fn contended() -> (World, (Client, FileId), (Client, FileId)) {
    let w = World::new();
    w.put("x", b"0123456789");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    a.lock(f, 0, 10, EXCLUSIVE).ok();
    (w, (a, f), (b, g))
}

/// The range is free, and nothing is left of who wanted it.
#[track_caller]
fn free(w: &World, a: &mut Client, f: FileId) {
    a.unlock(f, 0, 10).ok();
    assert_eq!((w.counters().parked, w.counters().locks), (0, 0));
    a.lock(f, 0, u64::MAX, EXCLUSIVE | AT_ONCE).ok();
}

/// CANCEL twice, by AsyncId and by MessageId in any mixture, and once more when it is over: one final
/// answer.
#[test]
fn cancelled_twice() {
    for mixture in 0..4 {
        let (w, (mut a, f), (mut b, g)) = contended();
        let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
        for bit in [1, 2] {
            if mixture & bit == 0 { b.cancel(waiting) } else { b.cancel_message(waiting.mid) }
        }
        b.answer(waiting.mid).is(NtStatus::CANCELLED);
        b.cancel(waiting);
        b.cancel_message(waiting.mid);
        b.nothing();
        b.echo().ok();
        free(&w, &mut a, f);
    }
}

/// Both CANCELs, and the CLOSE, in one frame with the LOCK itself.
#[test]
fn lock_and_cancel_in_one_chain() {
    let (w, (mut a, f), (mut b, g)) = contended();
    let lock = b.message(&body::lock(g, 0, 1, EXCLUSIVE));
    let mut cancel = b.message(&RequestBody::Cancel);
    cancel.header.message_id = lock.header.message_id;
    let close = b.message(&body::close(g));
    b.send_chain(&[lock.clone(), cancel.clone(), cancel, close.clone()]);
    // In the middle of a chain nothing waits, so there is nothing to cancel.
    b.answer(lock.header.message_id).is(NtStatus::LOCK_NOT_GRANTED);
    b.answer(close.header.message_id).ok();
    free(&w, &mut a, f);
}

/// CLOSE, then CANCEL of what waited on the handle; CANCEL, then CLOSE, then CANCEL; both orders by
/// both ids: each request is answered once.
#[test]
fn closed_and_then_cancelled() {
    for by_message in [false, true] {
        for before in [false, true] {
            let (w, (mut a, f), (mut b, g)) = contended();
            let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
            let cancel = |b: &mut Client| {
                if by_message { b.cancel_message(waiting.mid) } else { b.cancel(waiting) }
            };
            if before {
                cancel(&mut b);
                b.answer(waiting.mid).is(NtStatus::CANCELLED);
            }
            let close = b.close(g).later();
            cancel(&mut b);
            cancel(&mut b);
            b.answer(close).ok();
            if !before {
                b.answer(waiting.mid).is(NtStatus::RANGE_NOT_LOCKED);
            }
            b.nothing();
            free(&w, &mut a, f);
        }
    }
}

/// CANCEL of a LOCK that was granted meanwhile, and of one that was refused, takes nothing back.
#[test]
fn cancelled_when_it_is_over() {
    let (w, (mut a, f), (mut b, g)) = contended();
    let waiting = b.lock(g, 0, 10, EXCLUSIVE).waits();
    a.unlock(f, 0, 10).ok();
    b.cancel(waiting);
    b.answer(waiting.mid).ok();
    b.nothing();
    assert_eq!(w.counters().locks, 1);
    a.lock(f, 0, 1, SHARED | AT_ONCE).is(NtStatus::LOCK_NOT_GRANTED);
    let refused = b.lock(g, 0, 1, EXCLUSIVE | AT_ONCE).later();
    b.answer(refused).is(NtStatus::LOCK_NOT_GRANTED);
    b.cancel_message(refused);
    b.nothing();
    assert_eq!(w.counters().locks, 1);
}

/// CANCEL of a request whose call is running: it goes on, and is answered once.
#[test]
fn cancelled_while_its_call_runs() {
    for op in ["read", "write", "flush", "open", "list"] {
        let w = World::new();
        w.put("x", b"data");
        let mut a = unsigned(&w, "alice");
        let f = a.create("x").ok();
        let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
        w.hold(op);
        let mid = match op {
            "read" => a.read(f, 0, 4).silent(),
            "write" => a.write(f, 0, b"new!").silent(),
            "flush" => a.flush(f).later(),
            "open" => a.create("y").send().silent(),
            _ => a.list(d, "*", Default::default(), 4096).silent(),
        };
        a.cancel_message(mid);
        a.cancel_message(mid);
        w.release_calls();
        let mut finals = 0;
        while let Some(answer) = a.try_receive() {
            finals += usize::from(answer.status != NtStatus::PENDING);
        }
        assert_eq!((finals, a.unanswered().len()), (1, 0), "{op}");
    }
}

/// A stranger's CANCEL: of another connection's MessageId and AsyncId, under his own session, under the
/// victim's, and under none.
#[test]
fn cancelled_by_a_stranger() {
    let (w, (mut a, f), (mut b, g)) = contended();
    let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
    let mut c = unsigned(&w, "alice");
    let own = c.session_id;
    for session in [own, b.session_id, 0, u64::MAX] {
        c.session_id = session;
        c.cancel(waiting);
        c.cancel_message(waiting.mid);
        for async_id in [0, 1, waiting.async_id + 1, u64::MAX] {
            c.cancel(Waiting { async_id, ..waiting });
        }
    }
    c.nothing();
    b.nothing();
    assert_eq!(w.counters().parked, 1);
    a.unlock(f, 0, 10).ok();
    b.answer(waiting.mid).ok();
}

/// Flags that exclude each other or do not exist; a list that unlocks and locks, overlaps itself, or
/// unlocks the same twice: refused, and no lock is left or lost by what is refused.
#[test]
fn flags_that_exclude_each_other() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 100, 1, EXCLUSIVE).ok();
    let unlock = LockFlags::UNLOCK;
    for bits in [0, 3, 5, 6, 7, 8, 9, 0x10, 0x11, 0x13, 0x14, 0x17, 0x1000_0001, u32::MAX] {
        let flags = LockFlags::from_bits_retain(bits);
        if bits == 0x11 || bits == 0x12 {
            continue;
        }
        a.lock(f, 0, 10, flags).is(NtStatus::INVALID_PARAMETER);
        assert_eq!(w.counters().locks, 1, "{flags:?}");
    }
    let take = EXCLUSIVE | AT_ONCE;
    let invalid = NtStatus::INVALID_PARAMETER;
    a.request(&body::locks(f, &[(0, 1, take), (1, 1, unlock)])).is(invalid);
    a.request(&body::locks(f, &[(0, 1, take), (1, 1, SHARED | EXCLUSIVE)])).is(invalid);
    a.request(&body::locks(f, &[(0, 9, take), (1, 1, take)])).is(NtStatus::LOCK_NOT_GRANTED);
    assert_eq!(w.counters().locks, 1);
    a.request(&body::locks(f, &[(100, 1, unlock), (100, 1, unlock)]))
        .is(NtStatus::RANGE_NOT_LOCKED);
    assert_eq!(w.counters().locks, 0);
    a.lock(g, 0, u64::MAX, take).ok();
}

/// LockCount says more, and fewer, than there are.
#[test]
fn counts_of_locks_that_lie() {
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    let f = a.create("x").ok();
    for count in [0_u16, 2, 3, 1000, 0x7fff, 0xffff] {
        let request = body::lock(f, 0, 1, EXCLUSIVE);
        let message = crate::common::patched(&mut a, &request, 66, &count.to_le_bytes());
        a.send(message).is(NtStatus::INVALID_PARAMETER);
        assert_eq!(w.counters().locks, 0);
    }
}

/// Locks that fail at each place where one can fail: in the middle of a list, at the limit, on a handle
/// of another kind, on a closed one. Nothing is left behind.
#[test]
fn locks_that_fail_leave_nothing() {
    let w = World::with(|config| config.limits.locks_per_open = 3);
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    let take = EXCLUSIVE | AT_ONCE;
    a.lock(g, 50, 1, take).ok();
    let four = [(0, 1, take), (1, 1, take), (2, 1, take), (3, 1, take)];
    a.request(&body::locks(f, &four)).is(NtStatus::INSUFFICIENT_RESOURCES);
    a.request(&body::locks(f, &[(0, 1, take), (50, 1, take)])).is(NtStatus::LOCK_NOT_GRANTED);
    a.request(&body::locks(f, &[(0, 1, take), (u64::MAX, 2, take)]))
        .is(NtStatus::INVALID_LOCK_RANGE);
    assert_eq!(w.counters().locks, 1);
    let d = a.create("d").directory().ok();
    a.lock(d, 0, 1, take).is(NtStatus::INVALID_PARAMETER);
    a.close(f).ok();
    a.lock(f, 0, 1, take).is(NtStatus::FILE_CLOSED);
    assert_eq!(w.counters().locks, 1);
    a.close(g).ok();
    assert_eq!(w.counters().locks, 0);
}

/// The end of a file set to 0, and to what is negative or too large, on an empty file with a lock on
/// its last byte: no size wraps.
#[test]
fn the_end_of_an_empty_file() {
    let w = World::new();
    w.put("x", b"");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    let end = |size: u64| move |file| set(file, FileInfoClass::END_OF_FILE, &size.to_le_bytes());
    a.request(&end(0)(f)).ok();
    assert_eq!(w.data("x").unwrap(), b"");
    a.lock(f, u64::MAX - 1, 1, EXCLUSIVE | AT_ONCE).ok();
    b.request(&end(0)(g)).ok();
    a.request(&end(10)(f)).ok();
    b.request(&end(0)(g)).ok();
    for size in [i64::MAX as u64 + 1, u64::MAX, u64::MAX - 1] {
        a.request(&end(size)(f)).is(NtStatus::INVALID_PARAMETER);
    }
    assert_eq!(w.data("x").unwrap(), b"");
}

/// A lock that waits for one channel, and its handle, its session and its other channel end over
/// another one: answered once, where it was asked, and no list keeps it.
#[test]
fn a_lock_of_one_channel_and_the_ends_of_another() {
    for end in 0..5 {
        let w = World::with(|config| config.multi_channel = true);
        w.put("x", b"0123456789");
        let (mut holder, mut a) = (w.logged_on("alice"), w.logged_on("bob"));
        let mut b = w.channel(&a, "bob");
        let (f, g) = (holder.create("x").ok(), a.create("x").ok());
        holder.lock(f, 0, 10, EXCLUSIVE).ok();
        let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
        let status = match end {
            0 => {
                a.close(g).ok();
                NtStatus::RANGE_NOT_LOCKED
            }
            1 => {
                a.tree_disconnect().ok();
                NtStatus::RANGE_NOT_LOCKED
            }
            2 => {
                a.logoff().ok();
                NtStatus::RANGE_NOT_LOCKED
            }
            3 => {
                // The other channel's CANCEL is of the other channel's requests.
                a.cancel(waiting);
                a.cancel_message(waiting.mid);
                a.hang_up();
                b.nothing();
                holder.unlock(f, 0, 10).ok();
                NtStatus::SUCCESS
            }
            _ => {
                b.cancel(waiting);
                NtStatus::CANCELLED
            }
        };
        b.answer(waiting.mid).is(status);
        b.cancel(waiting);
        b.nothing();
        b.hang_up();
        let locks = usize::from(end != 3);
        assert_eq!((w.counters().parked, w.counters().locks), (0, locks), "{end}");
        holder.close(f).ok();
    }
}
