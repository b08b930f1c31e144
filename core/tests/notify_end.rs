//! Every way in which a CHANGE_NOTIFY that waits ends (MS-SMB2 3.3.5.6, 3.3.5.8, 3.3.5.10, 3.3.5.16,
//! 3.3.5.19).

use ksmbd_fuzz::prelude::*;

const NAMES: CompletionFilter = CompletionFilter::FILE_NAME.union(CompletionFilter::DIR_NAME);

fn waiting() -> (World, Client, FileId, Waiting) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let waiting = a.notify(d, NAMES, true).waits();
    (w, a, d, waiting)
}

#[track_caller]
fn nothing_is_left(w: &World) {
    let counters = w.counters();
    assert_eq!((counters.watches, counters.parked, counters.watch_bytes), (0, 0, 0));
}

#[test]
fn cancelled() {
    let (w, mut a, d, waiting) = waiting();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    assert_eq!(w.counters().watches, 1, "it lasts as long as the open");
    let waiting = a.notify(d, NAMES, true).waits();
    a.cancel_message(waiting.mid);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
}

/// The answer comes before that of the request which ended it, whose keys may be the last.
#[test]
fn closed() {
    let (w, mut a, d, waiting) = waiting();
    let second = a.notify(d, NAMES, true).waits();
    let closing = a.close(d).later();
    a.answer(waiting.mid).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(second.mid).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(closing).ok();
    nothing_is_left(&w);
}

#[test]
fn tree_disconnected() {
    let (w, mut a, _, waiting) = waiting();
    let leaving = a.tree_disconnect().later();
    a.answer(waiting.mid).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(leaving).ok();
    nothing_is_left(&w);
}

#[test]
fn logged_off() {
    let (w, mut a, _, waiting) = waiting();
    let leaving = a.logoff().later();
    a.answer(waiting.mid).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(leaving).ok();
    nothing_is_left(&w);
}

#[test]
fn hung_up() {
    let (w, a, _, _) = waiting();
    a.hang_up();
    nothing_is_left(&w);
}

/// smb2.notify.rmdir1 to rmdir4.
#[test]
fn the_directory_is_deleted() {
    for on_close in [false, true] {
        let (_w, mut a, d, waiting) = waiting();
        let mut b = a.world().logged_on("alice");
        let mut create = b.create("d").existing().directory();
        if on_close {
            create = create.delete_on_close();
        }
        let other = create.ok();
        if !on_close {
            b.delete(other, true).ok();
            a.answer(waiting.mid).is(NtStatus::DELETE_PENDING);
        }
        b.close(other).ok();
        if on_close {
            a.answer(waiting.mid).is(NtStatus::DELETE_PENDING);
        }
        a.notify(d, NAMES, true).is(NtStatus::DELETE_PENDING);
        let late = a.create("d").existing().directory().is(NtStatus::DELETE_PENDING);
        assert!(late.status.is_error());
        a.close(d).ok();
        assert!(!a.sees("d"));
    }
}

/// The runtime is still being told of the watch when the open is closed.
#[test]
fn closed_before_it_waits() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    w.hold("watch");
    let notify = a.notify(d, NAMES, true).silent();
    let closing = a.close(d).silent();
    w.release_calls();
    a.answer(notify).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(closing).ok();
    nothing_is_left(&w);
}

/// Where a directory cannot be watched from outside, what the server does itself is told.
#[test]
fn without_the_runtime_s_help() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    w.vfs(|vfs| vfs.fail_next("watch", VfsError::NotSupported));
    let waiting = a.notify(d, NAMES, true).waits();
    let f = a.create("d\\x").fresh().send().later();
    let (first, second) = (a.receive(), a.receive());
    assert_eq!([first.header.message_id, second.header.message_id], [f, waiting.mid]);
}

/// A change that comes while the runtime is being told is not lost.
#[test]
fn changed_before_it_waits() {
    let w = World::new();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let d = a.create("d").directory().ok();
    w.hold("watch");
    let notify = a.notify(d, NAMES, true).silent();
    b.create("d\\x").fresh().ok();
    w.put_outside("d/y", b"");
    w.release_calls();
    let changes = a.answer(notify).ok().changes();
    let names: Vec<_> = changes.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["x", "y"]);
}
