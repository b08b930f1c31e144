//! Oplocks: level II, exclusive, batch (MS-SMB2 3.3.5.9, 3.3.4.6, 3.3.5.22.1, MS-FSA 2.1.4.12).

use ksmbd_fuzz::prelude::*;

/// `alice` has a file open with an oplock of this level; `bob` is there.
fn held(level: OplockLevel) -> (World, (Client, FileId), Client) {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let b = w.logged_on("bob");
    let opened = a.create("x").oplock(level).opened();
    assert_eq!(opened.oplock_level, level);
    (w, (a, opened.file_id), b)
}

/// Every level is granted to who is alone; what cannot be had beside others is less.
#[test]
fn granted_alone() {
    for level in [OplockLevel::II, OplockLevel::EXCLUSIVE, OplockLevel::BATCH] {
        let (w, (mut a, f), _b) = held(level);
        assert_eq!((w.counters().oplocks, w.counters().leases), (1, 0));
        a.close(f).ok();
        assert_eq!(w.counters().oplocks, 0);
    }
}

#[test]
fn directories_pipes_and_shares_without() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let opened = a.create("d").directory().oplock(OplockLevel::BATCH).opened();
    assert_eq!(opened.oplock_level, OplockLevel::NONE);
    let opened = a.create("x").oplock(OplockLevel::LEASE).opened();
    assert_eq!(opened.oplock_level, OplockLevel::NONE, "a lease without its context");
    assert_eq!(w.counters().oplocks, 0);
}

/// smb2.oplock.batch2: the second open waits, the first keeps level II, and so gets the second.
#[test]
fn an_open_breaks_to_level_ii() {
    for level in [OplockLevel::EXCLUSIVE, OplockLevel::BATCH] {
        let (w, (mut a, f), mut b) = held(level);
        let waiting = b.create("x").oplock(level).send().waits();
        assert_eq!((w.counters().breaks, w.counters().parked), (1, 1));
        assert_eq!(a.oplock_broken(f), OplockLevel::II);
        a.ack_oplock(f, OplockLevel::II).ok();
        let opened = b.answer(waiting.mid).ok().created().clone();
        assert_eq!(opened.oplock_level, OplockLevel::II);
        assert_eq!(w.counters().breaks, 0);
        a.nothing();
        b.close(opened.file_id).ok();
    }
}

/// MS-SMB2 3.3.5.9: what the answer tells of a file is not older than what it lets its client cache.
/// Here the file is written, and perhaps closed, between the look at it and the grant: a client that
/// has cached it before would believe in what it has.
#[test]
fn the_answer_is_not_older_than_the_grant() {
    for closed in [true, false] {
        let w = World::new();
        w.put("x", b"old");
        let mut a = w.logged_on("alice");
        let mut b = w.logged_on("bob");
        let theirs = b.create("x").ok();
        w.hold("open");
        let mid = a.create("x").oplock(OplockLevel::BATCH).send().later();
        w.carry_out(0);
        b.write(theirs, 0, b"newer").ok();
        if closed {
            b.close(theirs).ok();
        }
        w.complete_carried();
        let opened = a.answer(mid).ok().created().clone();
        let level = if closed { OplockLevel::BATCH } else { OplockLevel::II };
        assert_eq!((opened.oplock_level, opened.end_of_file), (level, 5));
    }
}

/// The metadata are asked for again, and cannot be had: the open was not made.
#[test]
fn an_open_without_its_metadata_is_none() {
    let w = World::new();
    w.put("x", b"old");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let theirs = b.create("x").ok();
    w.hold("open");
    let mid = a.create("x").oplock(OplockLevel::II).send().later();
    w.carry_out(0);
    b.write(theirs, 0, b"newer").ok();
    w.hold("query");
    w.complete_carried();
    w.fail(0, VfsError::Io);
    a.answer(mid).is(NtStatus::IO_DEVICE_ERROR);
    assert_eq!((w.counters().opens, w.counters().oplocks), (1, 0));
}

/// The order of messages to one client is the order of what happened: the break of what was granted
/// never comes before the answer that granted it.
#[test]
fn the_break_follows_the_grant() {
    let w = World::new();
    w.put("x", b"");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    w.hold("open");
    let first = a.create("x").oplock(OplockLevel::BATCH).send().later();
    let second = b.create("x").send().later();
    w.complete(0);
    w.complete(0);
    w.release_calls();
    let f = a.answer(first).ok().created().file_id;
    assert_eq!(a.oplock_broken(f), OplockLevel::II);
    b.interim(second);
    a.close(f).ok();
    b.answer(second).ok();
}

/// smb2.oplock.batch6: handles go before there is a sharing violation; closing ends the wait.
#[test]
fn a_sharing_violation_breaks_handles_first() {
    let (_w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    let waiting = b.create("x").exclusive().send().waits();
    assert_eq!(a.oplock_broken(f), OplockLevel::II);
    a.ack_oplock(f, OplockLevel::II).ok();
    b.answer(waiting.mid).is(NtStatus::SHARING_VIOLATION);
    let (_w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    let waiting = b.create("x").exclusive().send().waits();
    assert_eq!(a.oplock_broken(f), OplockLevel::II);
    a.close(f).ok();
    b.answer(waiting.mid).ok();
}

/// smb2.oplock.exclusive1: who caches no handle is not asked to give it up.
#[test]
fn an_exclusive_oplock_caches_no_handle() {
    let (_w, (a, _), mut b) = held(OplockLevel::EXCLUSIVE);
    b.create("x").exclusive().is(NtStatus::SHARING_VIOLATION);
    a.nothing();
}

/// smb2.oplock.exclusive4, statopen1: who looks at attributes alone disturbs nobody, and gets nothing.
#[test]
fn a_look_at_the_attributes() {
    let (_w, (mut a, _), mut b) = held(OplockLevel::BATCH);
    let create = b.create("x").access(AccessMask::FILE_READ_ATTRIBUTES);
    let opened = create.exclusive().oplock(OplockLevel::BATCH).opened();
    assert_eq!(opened.oplock_level, OplockLevel::NONE);
    a.nothing();
    b.create("x").access(AccessMask::READ_CONTROL).send().waits();
    assert!(a.receive().is_notification(), "a descriptor is more than attributes to an oplock");
}

/// smb2.oplock.batch10: what overwrites the file leaves nothing to cache.
#[test]
fn an_overwrite_breaks_to_none() {
    let (w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    let overwrite = b.create("x").disposition(CreateDisposition::OVERWRITE);
    let waiting = overwrite.send().waits();
    assert_eq!(w.data("x").unwrap(), b"0123456789", "not before it is answered");
    assert_eq!(a.oplock_broken(f), OplockLevel::NONE);
    a.ack_oplock(f, OplockLevel::NONE).ok();
    b.answer(waiting.mid).ok();
    assert_eq!(w.data("x").unwrap(), b"");
}

/// smb2.oplock.levelii500: a write breaks level II, the writer's own as well, and nobody waits.
#[test]
fn a_write_breaks_level_ii() {
    let (w, (mut a, f), mut b) = held(OplockLevel::II);
    let g = b.create("x").oplock(OplockLevel::II).opened().file_id;
    let write = b.write(g, 0, b"new").later();
    assert_eq!(b.oplock_broken(g), OplockLevel::NONE);
    b.answer(write).ok();
    assert_eq!(a.oplock_broken(f), OplockLevel::NONE);
    assert_eq!(w.counters().oplocks, 0, "they are gone, though their opens are not");
    a.ack_oplock(f, OplockLevel::NONE).is(NtStatus::INVALID_OPLOCK_PROTOCOL);
    assert_eq!(w.counters().breaks, 0);
}

/// smb2.oplock.brl1: a byte-range lock does, too.
#[test]
fn a_lock_breaks_level_ii() {
    let (_w, (mut a, f), mut b) = held(OplockLevel::II);
    let g = b.create("x").ok();
    b.lock(g, 0, 1, LockFlags::EXCLUSIVE_LOCK).ok();
    assert_eq!(a.oplock_broken(f), OplockLevel::NONE);
    let opened = b.create("x").oplock(OplockLevel::II).opened();
    assert_eq!(opened.oplock_level, OplockLevel::NONE, "MS-FSA 2.1.5.18: there are locks");
}

/// MS-SMB2 3.3.5.22.1: what an acknowledgment must not say.
#[test]
fn wrong_acknowledgments() {
    let (_w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::INVALID_DEVICE_STATE);
    for (level, status) in [
        (OplockLevel::EXCLUSIVE, NtStatus::INVALID_OPLOCK_PROTOCOL),
        (OplockLevel::LEASE, NtStatus::INVALID_PARAMETER),
    ] {
        let (_w, (mut a, f), mut b) = held(OplockLevel::BATCH);
        let waiting = b.create("x").send().waits();
        a.oplock_broken(f);
        a.ack_oplock(f, level).is(status);
        b.answer(waiting.mid).ok();
        a.ack_oplock(f, OplockLevel::NONE).is(NtStatus::INVALID_DEVICE_STATE);
    }
    let waiting = b.create("x").send().waits();
    a.oplock_broken(f);
    a.ack_oplock(f, OplockLevel::II).ok();
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::INVALID_DEVICE_STATE);
    b.answer(waiting.mid).ok();
    a.ack_oplock(FileId { persistent: 99, volatile: 99 }, OplockLevel::II)
        .is(NtStatus::FILE_CLOSED);
}

/// Nobody can answer for somebody else's open.
#[test]
fn anothers_acknowledgment() {
    let (w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    let waiting = b.create("x").send().waits();
    a.oplock_broken(f);
    b.ack_oplock(f, OplockLevel::NONE).is(NtStatus::FILE_CLOSED);
    assert_eq!(w.counters().breaks, 1);
    a.ack_oplock(f, OplockLevel::NONE).ok();
    b.answer(waiting.mid).ok();
}

/// Every way in which the wait of a CREATE ends.
#[test]
fn how_waiting_ends() {
    let (w, (mut a, f), mut b) = held(OplockLevel::BATCH);
    let waiting = b.create("x").send().waits();
    a.oplock_broken(f);
    b.cancel(waiting);
    b.answer(waiting.mid).is(NtStatus::CANCELLED);
    let waiting = b.create("x").send().waits();
    let leaving = b.tree_disconnect().later();
    b.answer(leaving).ok();
    b.answer(waiting.mid).is(NtStatus::NETWORK_NAME_DELETED);
    b.connect_tree("share");
    let waiting = b.create("x").send().waits();
    let leaving = b.logoff().later();
    b.answer(leaving).ok();
    b.answer(waiting.mid).is(NtStatus::USER_SESSION_DELETED);
    let mut c = w.logged_on("bob");
    c.create("x").send().waits();
    c.hang_up();
    assert_eq!(w.counters().parked, 0);
    let mut c = w.logged_on("bob");
    let waiting = c.create("x").send().waits();
    a.hang_up();
    c.answer(waiting.mid).ok();
    assert_eq!(w.counters().oplocks, 0);
}

/// A lease grant, or an oplock's, waits for a write that runs: what would be read now is old.
#[test]
fn a_grant_waits_for_running_writes() {
    let w = World::new();
    w.put("x", b"old");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").ok();
    w.hold("write");
    let write = a.write(f, 0, b"new").silent();
    let opening = b.create("x").oplock(OplockLevel::II).send().silent();
    let free = b.create("x").ok();
    w.complete(0);
    a.answer(write).ok();
    assert_eq!(b.answer(opening).ok().created().oplock_level, OplockLevel::II);
    b.close(free).ok();
}

/// An encrypted session's break is encrypted as well.
#[test]
fn an_encrypted_break() {
    let w = World::with(|config| config.encryption = Encryption::Mandatory);
    let mut a = w.client(Dialect::SMB_3_1_1).logged_on("alice").encrypted();
    let mut b = w.client(Dialect::SMB_3_1_1).logged_on("bob").encrypted();
    w.put("x", b"");
    a.create("x").oplock(OplockLevel::BATCH).ok();
    b.create("x").send().waits();
    let message = a.receive();
    assert!(message.is_notification() && message.encrypted);
}

/// What is granted while the file is being emptied is less by what others take of it meanwhile: nobody
/// is asked, for a break must not come before the answer.
#[test]
fn taken_before_it_is_told() {
    let w = World::new();
    w.put("x", b"data");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    w.hold("overwrite");
    let supersede = a.create("x").disposition(CreateDisposition::SUPERSEDE);
    let mid = supersede.oplock(OplockLevel::EXCLUSIVE).send().silent();
    b.create("x").ok();
    a.nothing();
    w.release_calls();
    assert_eq!(a.answer(mid).ok().created().oplock_level, OplockLevel::II);
}

/// MS-FSA 2.1.5.18: where writes do not end nothing is granted, and the CREATE is answered.
#[test]
fn a_grant_does_not_wait_for_ever() {
    let w = World::new();
    w.put("x", b"old");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").ok();
    w.hold("write");
    let mut write = a.write(f, 0, b"new").silent();
    let opening = b.create("x").oplock(OplockLevel::II).send().silent();
    for _ in 0..10 {
        let next = a.write(f, 0, b"new").silent();
        w.complete(0);
        a.answer(write).ok();
        write = next;
    }
    assert_eq!(b.answer(opening).ok().created().oplock_level, OplockLevel::NONE);
}
