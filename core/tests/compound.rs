//! Chains of requests (MS-SMB2 3.3.5.2.7, 3.3.4.1.3).

use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

const PREVIOUS: FileId = Client::PREVIOUS;

/// Sends a chain and reads as many answers; the statuses.
#[track_caller]
fn exchange(a: &mut Client, chain: &[Message]) -> Vec<Response> {
    a.send_chain(chain);
    chain.iter().map(|message| a.answer(message.header.message_id)).collect()
}

#[track_caller]
fn statuses(a: &mut Client, chain: &[Message]) -> Vec<NtStatus> {
    exchange(a, chain).into_iter().map(|response| response.status).collect()
}

#[test]
fn create_write_close() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let create = a.create("x").message();
    let write = a.message_with(&body::write(PREVIOUS, 0, 4), b"data").related();
    let close = a.message(&body::close(PREVIOUS)).related();
    let answers = exchange(&mut a, &[create, write, close]);
    let related = |answer: &Response| answer.header.flags.contains(HeaderFlags::RELATED_OPERATIONS);
    assert_eq!(answers.iter().map(related).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(answers.iter().map(|a| a.last).collect::<Vec<_>>(), [false, false, true]);
    assert!(answers.into_iter().all(|answer| answer.ok().signed), "each by itself");
    assert_eq!(w.data("x").unwrap(), b"data");
    assert_eq!(w.counters().opens, 0);
}

/// Each element but the last is padded to 8 bytes, and its signature covers the padding.
#[test]
fn alignment() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let chain: Vec<Message> = (1..8).map(|n| a.message(&body::read(f, 0, n))).collect();
    let answers = exchange(&mut a, &chain);
    let (last, others) = answers.split_last().unwrap();
    assert!(others.iter().all(|answer| answer.header.next_command % 8 == 0));
    assert_eq!(last.header.next_command, 0);
    assert_eq!(last.clone().ok().data(), b"0123456");
}

#[test]
fn unrelated() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let bad = a.create("nothing").existing().message();
    let echo = a.message(&RequestBody::Echo);
    let good = a.create("x").message();
    assert_eq!(
        statuses(&mut a, &[bad, echo, good]),
        [NtStatus::OBJECT_NAME_NOT_FOUND, NtStatus::SUCCESS, NtStatus::SUCCESS]
    );
}

/// MS-SMB2 3.3.5.2.7.2: what follows a failed CREATE fails in the same way.
#[test]
fn errors_are_inherited() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let create = a.create("nothing").existing().message();
    let query = a.message(&body::query_file(PREVIOUS, FileInfoClass::BASIC, 40)).related();
    let close = a.message(&body::close(PREVIOUS)).related();
    assert_eq!(statuses(&mut a, &[create, query, close]), [NtStatus::OBJECT_NAME_NOT_FOUND; 3]);
}

/// A failed READ does not take the file away from those behind it.
#[test]
fn an_error_in_the_middle() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let create = a.create("x").message();
    let read = a.message(&body::read(PREVIOUS, 0, 10)).related();
    let close = a.message(&body::close(PREVIOUS)).related();
    assert_eq!(
        statuses(&mut a, &[create, read, close]),
        [NtStatus::SUCCESS, NtStatus::END_OF_FILE, NtStatus::SUCCESS]
    );
}

#[test]
fn the_first_is_related() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.create("x").message().related();
    let second = a.message(&body::close(PREVIOUS)).related();
    assert_eq!(statuses(&mut a, &[first, second]), [NtStatus::INVALID_PARAMETER; 2]);
    assert!(!w.exists("x"));
}

/// A chain that names a file goes on with that one.
#[test]
fn a_named_file_is_the_next_ones() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let read = a.message(&body::read(f, 0, 2));
    let next = a.message(&body::read(PREVIOUS, 2, 2)).related();
    let answers = exchange(&mut a, &[read, next]);
    assert_eq!(answers[1].data(), b"23");
}

#[test]
fn a_file_that_is_closed_in_the_chain() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let close = a.message(&body::close(f));
    let read = a.message(&body::read(PREVIOUS, 0, 1)).related();
    let again = a.message(&body::close(PREVIOUS)).related();
    let closed = NtStatus::FILE_CLOSED;
    assert_eq!(statuses(&mut a, &[close, read, again]), [NtStatus::SUCCESS, closed, closed]);
}

/// "The file before" means nothing outside of a chain.
#[test]
fn the_previous_file_of_nothing() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").ok();
    a.close(PREVIOUS).is(NtStatus::FILE_CLOSED);
    let echo = a.message(&RequestBody::Echo);
    let close = a.message(&body::close(PREVIOUS)).related();
    a.send_chain(&[echo, close]);
    a.receive().ok();
    assert!(a.receive().status.is_error());
}

/// Session and tree of a related request are those of the one before, whatever its header says.
#[test]
fn session_and_tree_are_inherited() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let create = a.create("x").message();
    let mut close = a.message(&body::close(PREVIOUS)).related();
    (close.header.session_id, close.header.tree_id) = (u64::MAX, u32::MAX);
    assert_eq!(statuses(&mut a, &[create, close]), [NtStatus::SUCCESS; 2]);
}

/// TREE_CONNECT gives the tree to those behind it.
#[test]
fn a_tree_for_the_rest() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut connect = a.message(&body::tree_connect("share"));
    connect.header.tree_id = 0;
    let create = a.create("x").message().related();
    let close = a.message(&body::close(PREVIOUS)).related();
    assert_eq!(statuses(&mut a, &[connect, create, close]), [NtStatus::SUCCESS; 3]);
}

/// MS-SMB2 3.3.4.2: a LOCK that would wait in the middle fails; at the end it waits, and what is
/// before it has left.
#[test]
fn a_lock_that_would_wait() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    w.put("x", b"");
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();

    let lock = b.message(&body::lock(g, 0, 1, EXCLUSIVE));
    let echo = b.message(&RequestBody::Echo);
    assert_eq!(statuses(&mut b, &[lock, echo]), [NtStatus::LOCK_NOT_GRANTED, NtStatus::SUCCESS]);

    let echo = b.message(&RequestBody::Echo);
    let lock = b.message(&body::lock(g, 0, 1, EXCLUSIVE));
    b.send_chain(&[echo.clone(), lock.clone()]);
    assert!(b.answer(echo.header.message_id).ok().last, "it does not wait for the rest");
    let waiting = b.interim(lock.header.message_id);
    a.unlock(f, 0, 1).ok();
    b.answer(waiting.mid).ok();
}

/// A frame's answers leave together, when the last call is back.
#[test]
fn calls_in_the_middle() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.hold_calls();
    let create = a.create("x").message();
    let close = a.message(&body::close(PREVIOUS)).related();
    let mids = [create.header.message_id, close.header.message_id];
    a.send_chain(&[create, close]);
    assert_eq!(w.held(), ["open"]);
    a.nothing();
    w.release_calls();
    assert!(!a.answer(mids[0]).ok().last);
    assert!(a.answer(mids[1]).ok().last);
}

/// CANCEL in a chain gets no answer, the others do.
#[test]
fn cancel_in_a_chain() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.message(&RequestBody::Echo);
    let cancel = a.message(&RequestBody::Cancel);
    let last = a.message(&RequestBody::Echo);
    a.send_chain(&[first.clone(), cancel, last.clone()]);
    assert!(!a.answer(first.header.message_id).ok().last);
    assert!(a.answer(last.header.message_id).ok().last);
}

/// Each element's signature counts for itself.
#[test]
fn one_unsigned_where_signing_is_required() {
    let w = World::with(|config| config.require_signing = true);
    let mut a = w.logged_on("alice");
    let create = a.create("x").message();
    let close = a.message(&body::close(PREVIOUS)).related().unsigned();
    let denied = NtStatus::ACCESS_DENIED;
    assert_eq!(statuses(&mut a, &[create, close]), [NtStatus::SUCCESS, denied]);
    assert_eq!(w.counters().opens, 1);
}

#[test]
fn too_many() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.ask = 500;
    a.echo().ok();
    let chain: Vec<Message> = (0..129).map(|_| a.message(&RequestBody::Echo)).collect();
    a.send_chain(&chain);
    assert!(matches!(a.dropped(), ConnectionError::Malformed(_)));
}

#[test]
fn next_command_that_leads_astray() {
    for next in [1, 63, 1000, u32::MAX] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        let mut echo = a.message(&RequestBody::Echo).unsigned();
        echo.header.next_command = next;
        assert!(matches!(a.send(echo).drops(), ConnectionError::Malformed(_)));
    }
}

/// Who caches is told so before he is told of a break, even when the rest of the chain breaks it or
/// takes its time.
#[test]
fn what_is_granted_leaves_before_its_break() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.create("x").oplock(OplockLevel::EXCLUSIVE).message();
    let second = a.create("x").message();
    let (first_mid, second_mid) = (first.header.message_id, second.header.message_id);
    a.send_chain(&[first, second]);
    let file = a.answer(first_mid).ok().created().file_id;
    assert_eq!(a.oplock_broken(file), OplockLevel::II);
    a.interim(second_mid);
    a.ack_oplock(file, OplockLevel::II).ok();
    a.answer(second_mid).ok();

    let create = a.create("y").batch().message();
    let read = a.message(&body::read(PREVIOUS, 0, 1)).related();
    let mids = [create.header.message_id, read.header.message_id];
    w.hold("read");
    a.send_chain(&[create, read]);
    let mut b = w.logged_on("bob");
    let reading = b.create("y").existing().access(AccessMask::GENERIC_READ);
    let waiting = reading.send().waits();
    let file = a.answer(mids[0]).ok().created().file_id;
    assert_eq!(a.oplock_broken(file), OplockLevel::II);
    a.ack_oplock(file, OplockLevel::II).ok();
    b.answer(waiting.mid).ok();
    w.release_calls();
    a.answer(mids[1]).is(NtStatus::END_OF_FILE);
}

/// MS-SMB2 3.3.5.2.7.2: what follows a CREATE that has failed is not done to the file of an earlier
/// request, but fails in the same way.
#[test]
fn behind_a_create_that_fails() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let query = a.message(&body::query_file(f, FileInfoClass::STANDARD, 100));
    let create = a.create("nothing").existing().message().related();
    let write = a.message_with(&body::write(PREVIOUS, 0, 4), b"data").related();
    let close = a.message(&body::close(PREVIOUS)).related();
    let missing = NtStatus::OBJECT_NAME_NOT_FOUND;
    assert_eq!(
        statuses(&mut a, &[query, create, write, close]),
        [NtStatus::SUCCESS, missing, missing, missing]
    );
    assert_eq!(w.data("x").unwrap(), b"");
    a.close(f).ok();
}
