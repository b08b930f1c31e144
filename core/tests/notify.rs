//! CHANGE_NOTIFY: what is told, in which order, and what is kept for later (MS-SMB2 3.3.1.3,
//! 3.3.5.19; MS-FSA 2.1.4.1, 2.1.5.11).

use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const NAMES: CompletionFilter = CompletionFilter::FILE_NAME.union(CompletionFilter::DIR_NAME);

/// `alice` has the directory `d` open; another client will change things in it.
fn watched() -> (World, (Client, FileId), Client) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let b = w.logged_on("alice");
    (w, (a, d), b)
}

/// Makes a file and closes it.
#[track_caller]
fn touch(client: &mut Client, name: &str) {
    let f = client.create(name).fresh().ok();
    client.close(f).ok();
}

#[track_caller]
fn remove(client: &mut Client, name: &str) {
    let f = client.create(name).existing().access(AccessMask::DELETE).ok();
    client.delete(f, true).ok();
    client.close(f).ok();
}

fn told(changes: &[(FileAction, String)]) -> Vec<(FileAction, &str)> {
    changes.iter().map(|(action, name)| (*action, name.as_str())).collect()
}

#[test]
fn a_change_ends_the_wait() {
    let (w, (mut a, d), mut b) = watched();
    let waiting = a.notify(d, NAMES, false).waits();
    assert_eq!((w.counters().watches, w.counters().parked), (1, 1));
    touch(&mut b, "d\\x");
    let answer = a.answer(waiting.mid).ok();
    assert_eq!(told(&answer.changes()), [(FileAction::ADDED, "x")]);
    let waiting = a.notify(d, NAMES, false).waits();
    remove(&mut b, "d\\x");
    let answer = a.answer(waiting.mid).ok();
    assert_eq!(told(&answer.changes()), [(FileAction::REMOVED, "x")]);
}

/// MS-SMB2 3.3.1.3: what happens between two requests is kept for the second.
#[test]
fn changes_are_kept_from_the_first_request_on() {
    let (w, (mut a, d), mut b) = watched();
    touch(&mut b, "d\\before");
    let waiting = a.notify(d, NAMES, false).waits();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    touch(&mut b, "d\\x");
    touch(&mut b, "d\\y");
    remove(&mut b, "d\\x");
    assert!(w.counters().watch_bytes > 0);
    let answer = a.notify(d, NAMES, false).ok();
    let expected = [(FileAction::ADDED, "x"), (FileAction::ADDED, "y"), (FileAction::REMOVED, "x")];
    assert_eq!(told(&answer.changes()), expected);
    assert_eq!(w.counters().watch_bytes, 0);
}

/// MS-SMB2 3.3.1.3: first in, first out.
#[test]
fn several_requests_are_answered_in_order() {
    let (_w, (mut a, d), mut b) = watched();
    let first = a.notify(d, NAMES, false).waits();
    let second = a.notify(d, NAMES, false).waits();
    touch(&mut b, "d\\x");
    assert_eq!(told(&a.answer(first.mid).ok().changes()), [(FileAction::ADDED, "x")]);
    a.nothing();
    touch(&mut b, "d\\y");
    assert_eq!(told(&a.answer(second.mid).ok().changes()), [(FileAction::ADDED, "y")]);
}

/// MS-SMB2 3.3.1.3: filter and WATCH_TREE of the first request count.
#[test]
fn later_requests_do_not_change_the_watch() {
    let (_w, (mut a, d), mut b) = watched();
    let waiting = a.notify(d, CompletionFilter::DIR_NAME, false).waits();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    let waiting = a.notify(d, NAMES, true).waits();
    touch(&mut b, "d\\file");
    b.create("d\\sub").directory().ok();
    touch(&mut b, "d\\sub\\file");
    assert_eq!(told(&a.answer(waiting.mid).ok().changes()), [(FileAction::ADDED, "sub")]);
    a.nothing();
}

/// Two handles on one directory are two watches.
#[test]
fn each_open_has_its_own_changes() {
    let (w, (mut a, d), mut b) = watched();
    let waiting = a.notify(d, NAMES, false).waits();
    touch(&mut b, "d\\x");
    a.answer(waiting.mid).ok();
    let other = a.create("d").directory().ok();
    let late = a.notify(other, NAMES, false).waits();
    touch(&mut b, "d\\y");
    assert_eq!(told(&a.answer(late.mid).ok().changes()), [(FileAction::ADDED, "y")]);
    assert_eq!(told(&a.notify(d, NAMES, false).ok().changes()), [(FileAction::ADDED, "y")]);
    assert_eq!(w.counters().watches, 2);
    a.close(other).ok();
    assert_eq!(w.counters().watches, 1);
}

/// SMB2_WATCH_TREE: with the path from the watched directory on.
#[test]
fn a_tree_is_watched_at_any_depth() {
    let (_w, (mut a, d), mut b) = watched();
    b.create("d\\s").directory().ok();
    b.create("d\\s\\t").directory().ok();
    let flat = a.notify(d, NAMES, false).waits();
    let root = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    let deep = a.notify(root, NAMES, true).waits();
    touch(&mut b, "d\\s\\t\\x");
    let answer = a.answer(deep.mid).ok();
    assert_eq!(told(&answer.changes()), [(FileAction::ADDED, "d\\s\\t\\x")]);
    a.nothing();
    a.cancel(flat);
    a.answer(flat.mid).is(NtStatus::CANCELLED);
}

/// A directory that is renamed is watched on, under its new name.
#[test]
fn a_watch_moves_with_its_directory() {
    let (_w, (mut a, d), mut b) = watched();
    let waiting = a.notify(d, NAMES, false).waits();
    let other = b.create("d").existing().directory().ok();
    b.rename(other, "elsewhere", false).ok();
    a.nothing();
    touch(&mut b, "elsewhere\\x");
    assert_eq!(told(&a.answer(waiting.mid).ok().changes()), [(FileAction::ADDED, "x")]);
}

/// Shares of one directory are one directory.
#[test]
fn changes_through_another_share_are_told() {
    let (_w, (mut a, d), mut b) = watched();
    let waiting = a.notify(d, NAMES, false).waits();
    b.tree_id = b.connect_tree("inside");
    touch(&mut b, "d\\x");
    assert_eq!(told(&a.answer(waiting.mid).ok().changes()), [(FileAction::ADDED, "x")]);
}

/// MS-FSA 2.1.5.11.1: what does not fit is not told, and the client has to look.
#[test]
fn too_much_is_told_as_that() {
    let (w, (mut a, d), mut b) = watched();
    let none = a.request(&body::notify(d, NAMES, false, 60)).waits();
    a.cancel(none);
    a.answer(none.mid).is(NtStatus::CANCELLED);
    for name in ["d\\first", "d\\second", "d\\third"] {
        touch(&mut b, name);
    }
    assert_eq!(w.counters().watch_bytes, 0, "what overflows is not kept");
    let answer = a.notify(d, NAMES, false).is(NtStatus::NOTIFY_ENUM_DIR);
    assert!(answer.changes().is_empty());
    // Then it begins anew.
    let waiting = a.notify(d, NAMES, false).waits();
    touch(&mut b, "d\\x");
    assert_eq!(told(&a.answer(waiting.mid).ok().changes()), [(FileAction::ADDED, "x")]);
}

/// smb2.notify.valid-req: a first request without room makes a watch without room; a later one
/// without room loses what was kept.
#[test]
fn without_room_nothing_is_told() {
    let (_w, (mut a, d), mut b) = watched();
    let first = a.notify(d, NAMES, false).waits();
    a.cancel(first);
    a.answer(first.mid).is(NtStatus::CANCELLED);
    touch(&mut b, "d\\x");
    a.request(&body::notify(d, NAMES, false, 0)).is(NtStatus::NOTIFY_ENUM_DIR);
    let waiting = a.notify(d, NAMES, false).waits();
    touch(&mut b, "d\\y");
    a.answer(waiting.mid).ok();
    let small = a.create("d").directory().ok();
    for room in [1, 4096, 4096] {
        let waiting = a.request(&body::notify(small, NAMES, false, room)).waits();
        touch(&mut b, &format!("d\\{room}"));
        a.answer(waiting.mid).is(NtStatus::NOTIFY_ENUM_DIR);
        remove(&mut b, &format!("d\\{room}"));
        a.notify(small, NAMES, false).is(NtStatus::NOTIFY_ENUM_DIR);
    }
}

#[test]
fn refusals() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    let f = a.create("f").ok();
    let blind = a.create("d").directory().access(AccessMask::FILE_READ_ATTRIBUTES).ok();
    let max = a.negotiated.as_ref().map_or(0, |negotiated| negotiated.max_transact_size);
    a.request(&body::notify(d, NAMES, false, max + 1)).is(NtStatus::INVALID_PARAMETER);
    a.notify(f, NAMES, false).is(NtStatus::INVALID_PARAMETER);
    a.notify(blind, NAMES, false).is(NtStatus::ACCESS_DENIED);
    let gone = FileId { persistent: 77, volatile: 77 };
    a.notify(gone, NAMES, false).is(NtStatus::FILE_CLOSED);
    a.tree_id = a.connect_tree("quiet");
    let quiet = a.create("d").directory().ok();
    a.notify(quiet, NAMES, false).is(NtStatus::NOT_IMPLEMENTED);
    assert_eq!(w.counters().watches, 0);
}

/// DESIGN "Compounds", smb2.compound.interim1 and interim2: the last request of a chain may wait,
/// one in the middle fails.
#[test]
fn only_the_last_of_a_chain_waits() {
    let (_w, (mut a, d), mut b) = watched();
    let create = a.create("d").directory().message();
    let previous = body::notify(Client::PREVIOUS, NAMES, false, 4096);
    let notify = a.message(&previous).related();
    let (created, mid) = (create.header.message_id, notify.header.message_id);
    a.send_chain(&[create, notify]);
    let opened = a.answer(created).ok().created().file_id;
    let waiting = a.interim(mid);
    touch(&mut b, "d\\x");
    a.answer(waiting.mid).ok();
    a.close(opened).ok();
    let notify = a.message(&body::notify(d, NAMES, false, 4096));
    let close = a.message(&body::close(d));
    let mids = [&notify, &close].map(|message| message.header.message_id);
    a.send_chain(&[notify, close]);
    a.answer(mids[0]).is(NtStatus::INTERNAL_ERROR);
    a.answer(mids[1]).ok();
}

/// Every table has a bound.
#[test]
fn as_many_watches_as_allowed() {
    let w = World::with(|config| {
        config.limits.watches = 3;
        config.limits.watches_per_session = 2;
        config.limits.watch_bytes = 30;
    });
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let mut dirs: Vec<FileId> = (0..3).map(|_| a.create("d").directory().ok()).collect();
    let mut waiting = Vec::new();
    for &dir in &dirs[..2] {
        waiting.push(a.notify(dir, NAMES, false).waits());
    }
    a.notify(dirs[2], NAMES, false).is(NtStatus::INSUFFICIENT_RESOURCES);
    let other = b.create("d").existing().directory().ok();
    let others = b.notify(other, NAMES, false).waits();
    let mut c = w.logged_on("alice");
    let third = c.create("d").existing().directory().ok();
    c.notify(third, NAMES, false).is(NtStatus::INSUFFICIENT_RESOURCES);
    let closing = a.close(dirs.remove(0)).later();
    a.answer(waiting[0].mid).is(NtStatus::NOTIFY_CLEANUP);
    a.answer(closing).ok();
    let last = c.notify(third, NAMES, false).waits();
    // 30 bytes are kept of all: one change each for two of the three that wait.
    let mut d = w.logged_on("alice");
    touch(&mut d, "d\\x");
    a.answer(waiting[1].mid).ok();
    b.answer(others.mid).ok();
    c.answer(last.mid).is(NtStatus::NOTIFY_ENUM_DIR);
}
