//! Leases (MS-SMB2 3.3.5.9.8, 3.3.5.9.11, 3.3.4.7, 3.3.5.22.2, MS-FSA 2.1.4.12, 2.1.5.18).

use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

/// A client of its own, as `alice`.
fn client(w: &World, guid: u8) -> Client {
    let mut client = w.connect();
    client.offer = Offer::only(Dialect::SMB_3_1_1);
    client.offer.guid = [guid; 16];
    client.negotiate().ok();
    client.logged_on("alice")
}

/// One client holds this of a file, under key 1; another one is there.
fn held(state: &str) -> (World, (Client, FileId), Client) {
    let w = World::new();
    w.put("x", b"0123456789");
    let (mut a, b) = (client(&w, 1), client(&w, 2));
    let opened = a.create("x").lease(1, state).opened();
    assert_eq!(granted_state(&opened), state);
    (w, (a, opened.file_id), b)
}

/// smb2.lease.request: what is no state of the lattice is none; the lease is named all the same.
#[test]
fn what_is_granted_alone() {
    let w = World::new();
    let mut a = client(&w, 1);
    for (asked, expected) in [
        ("", ""),
        ("R", "R"),
        ("H", ""),
        ("W", ""),
        ("RH", "RH"),
        ("RW", "RW"),
        ("WH", ""),
        ("RWH", "RWH"),
    ] {
        let opened = a.create("x").lease(1, asked).opened();
        assert_eq!(opened.oplock_level, OplockLevel::LEASE);
        assert_eq!(granted_state(&opened), expected, "{asked}");
        assert_eq!(w.counters().leases, 1);
        a.close(opened.file_id).ok();
        assert_eq!(w.counters().leases, 0);
    }
}

/// Only where they were negotiated, and where the share has them.
#[test]
fn where_there_are_none() {
    for dialect in [Dialect::SMB_2_0_2, Dialect::SMB_2_1] {
        let w = World::new();
        let mut a = w.client(dialect).logged_on("alice");
        let opened = a.create("x").lease_v2(1, "RWH", 0, None).opened();
        assert_eq!(granted(&opened), None, "version 2 came with 3.0");
        let opened = a.create("y").lease(1, "RWH").opened();
        assert_eq!(granted(&opened).is_some(), dialect == Dialect::SMB_2_1);
    }
    let w = World::with(|config| config.leases = false);
    let opened = client(&w, 1).create("x").lease(1, "RWH").opened();
    assert_eq!((granted(&opened), opened.oplock_level), (None, OplockLevel::NONE));
}

/// smb2.lease.break: what is held, what a second client asks for, what is left and what it gets.
#[test]
fn one_against_another() {
    for (have, asked, left, given) in [
        ("R", "R", "R", "R"),
        ("R", "RWH", "R", "RH"),
        ("RH", "RW", "RH", "R"),
        ("RW", "R", "R", "R"),
        ("RW", "RWH", "R", "RH"),
        ("RWH", "R", "RH", "R"),
        ("RWH", "RWH", "RH", "RH"),
    ] {
        let (_w, (mut a, _), mut b) = held(have);
        let opened = if have == left {
            b.create("x").lease(2, asked).opened()
        } else {
            let waiting = b.create("x").lease(2, asked).send().waits();
            a.breaks(1, have, left);
            a.ack_lease(1, left).ok();
            b.answer(waiting.mid).ok().created().clone()
        };
        assert_eq!(granted_state(&opened), given, "{asked} against {have}");
        a.nothing();
    }
}

/// smb2.lease.oplock: an oplock knows nothing of handles that are kept.
#[test]
fn a_lease_against_an_oplock() {
    for (have, level) in [("R", OplockLevel::II), ("RH", OplockLevel::NONE)] {
        let (_w, _a, mut b) = held(have);
        assert_eq!(b.create("x").oplock(OplockLevel::BATCH).opened().oplock_level, level);
    }
    let w = World::new();
    let (mut a, mut b) = (client(&w, 1), client(&w, 2));
    a.create("x").oplock(OplockLevel::II).ok();
    assert_eq!(granted_state(&b.create("x").lease(1, "RWH").opened()), "R");
}

/// smb2.lease.upgrade2, upgrade3: it becomes more when all that is asked for can be had.
#[test]
fn upgrades() {
    for (have, asked, expected) in
        [("R", "RH", "RH"), ("RH", "RW", "RH"), ("RH", "RWH", "RWH"), ("RWH", "R", "RWH")]
    {
        let (w, (mut a, _), _b) = held(have);
        let opened = a.create("x").lease(1, asked).opened();
        assert_eq!(granted_state(&opened), expected, "{have} and {asked}");
        assert_eq!((w.counters().leases, w.counters().opens), (1, 2));
    }
    let (_w, (mut a, _), mut b) = held("R");
    b.create("x").lease(1, "R").ok();
    assert_eq!(granted_state(&a.create("x").lease(1, "RWH").opened()), "R");
    assert_eq!(granted_state(&a.create("x").lease(1, "RH").opened()), "RH");
}

/// Opens under one key share a lease and do not break it; a key names one file of one client.
#[test]
fn a_key_names_one_file() {
    let (w, (mut a, f), mut b) = held("RWH");
    let second = a.create("x").lease(1, "RWH").ok();
    a.write(f, 0, b"mine").ok();
    a.create("y").lease(1, "R").is(NtStatus::INVALID_PARAMETER);
    a.create("d").directory().lease(1, "R").is(NtStatus::INVALID_PARAMETER);
    assert!(!w.exists("y") && !w.exists("d"), "a CREATE that is refused leaves nothing");
    assert_eq!(granted_state(&b.create("y").lease(1, "RWH").opened()), "RWH");
    a.close(f).ok();
    assert_eq!(w.counters().leases, 2);
    a.close(second).ok();
    assert_eq!(granted_state(&a.create("z").lease(1, "RWH").opened()), "RWH");
}

/// smb2.lease.statopen4: to a lease, who asks for the descriptor only looks as well.
#[test]
fn a_look() {
    let (_w, (a, _), mut b) = held("RWH");
    let look = AccessMask::FILE_READ_ATTRIBUTES | AccessMask::READ_CONTROL;
    b.create("x").access(look).ok();
    a.nothing();
}

/// smb2.lease.breaking3: while a break is under way a second one waits for it, and goes step by step.
#[test]
fn a_second_break_follows_the_first() {
    let (_w, (mut a, _), mut b) = held("RWH");
    let first = b.create("x").send().waits();
    a.breaks(1, "RWH", "RH");
    let overwrite = b.create("x").disposition(CreateDisposition::OVERWRITE);
    let second = overwrite.send().waits();
    let again = a.create("x").lease(1, "RWH").opened();
    let flags = granted(&again).expect("a lease").lease_flags;
    assert!(flags.bits() == 2, "SMB2_LEASE_FLAG_BREAK_IN_PROGRESS");
    let answer = a.ack_lease(1, "RH").later();
    a.answer(answer).ok();
    a.breaks(1, "RH", "R");
    b.nothing();
    let answer = a.ack_lease(1, "R").later();
    a.answer(answer).ok();
    assert_eq!(a.breaks(1, "R", "").flags.bits(), 0, "nobody is asked");
    b.answer(first.mid).ok();
    b.answer(second.mid).ok();
}

/// smb2.lease.breaking2: more than was left is not accepted, less is; and once.
#[test]
fn acknowledgments() {
    let (_w, (mut a, _), mut b) = held("RWH");
    a.ack_lease(1, "").is(NtStatus::UNSUCCESSFUL);
    a.ack_lease(9, "").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    let waiting = b.create("x").send().waits();
    a.breaks(1, "RWH", "RH");
    b.ack_lease(1, "").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    for more in ["RWH", "RW", "W"] {
        a.ack_lease(1, more).is(NtStatus::REQUEST_NOT_ACCEPTED);
    }
    a.ack_lease(1, "R").ok();
    a.ack_lease(1, "R").is(NtStatus::UNSUCCESSFUL);
    b.answer(waiting.mid).ok();
    assert_eq!(granted_state(&a.create("x").lease(1, "").opened()), "R");
}

/// smb2.lease.complex1: a write breaks what others have read, and does not wait.
#[test]
fn a_write() {
    let (w, (mut a, _), mut b) = held("RH");
    let g = b.create("x").lease(2, "RH").ok();
    b.write(g, 0, b"new").ok();
    b.nothing();
    assert_eq!(a.breaks(1, "RH", "").flags.bits(), 1, "handles are asked for");
    assert_eq!(w.counters().breaks, 1);
    a.ack_lease(1, "").ok();
    assert_eq!(w.counters().leases, 2, "of nothing, but it keeps its key");
}

/// smb2.lease.v2_rename, unlink: what changes a name breaks others' handles and waits for them.
#[test]
fn names() {
    let (w, (mut a, f), mut b) = held("RH");
    let g = b.create("x").ok();
    let renaming = b.rename(g, "y", false).silent();
    a.breaks(1, "RH", "R");
    assert!(w.exists("x"));
    a.ack_lease(1, "R").ok();
    b.answer(renaming).ok();
    assert!(w.exists("y"));
    a.close(f).ok();
    let f = a.create("y").lease(1, "RH").ok();
    let deleting = b.delete(g, true).silent();
    a.breaks(1, "RH", "R");
    a.close(f).ok();
    b.answer(deleting).ok();
    b.close(g).ok();
    assert!(!w.exists("y"));
}

/// A directory's name is that of all in it: their handles go first, and who stays is in the way.
#[test]
fn the_name_of_a_directory_above() {
    let w = World::new();
    let (mut a, mut b) = (client(&w, 1), client(&w, 2));
    let d = b.create("d").directory().ok();
    let f = a.create("d\\x").lease(1, "RH").ok();
    let renaming = b.rename(d, "e", false).silent();
    a.breaks(1, "RH", "R");
    a.close(f).ok();
    b.answer(renaming).ok();
    let f = a.create("e\\x").lease(1, "RH").ok();
    let renaming = b.rename(d, "d", false).silent();
    a.breaks(1, "RH", "R");
    a.ack_lease(1, "R").ok();
    b.answer(renaming).is(NtStatus::ACCESS_DENIED);
    a.close(f).ok();
}

/// smb2.lease.v2_breaking3: what was found to be in the way while a break was under way belongs to it: the
/// breaks that follow the acknowledgments have its epoch, and so has what the client opens meanwhile. The next
/// break of its own has a new one.
#[test]
fn a_break_that_waited_has_the_epoch_of_the_one_it_waited_for() {
    let w = World::new();
    let (mut a, mut b) = (client(&w, 1), client(&w, 2));
    let epoch = |opened: &ksmbd_core::wire::create::CreateResponse| {
        granted(opened).and_then(|lease| lease.v2).expect("version 2").epoch
    };
    let opened = a.create("x").lease_v2(1, "RWH", 0x11, None).opened();
    assert_eq!(epoch(&opened), 0x12);
    let first = b.create("x").send().waits();
    assert_eq!(a.breaks(1, "RWH", "RH").new_epoch, 0x13);
    let second = b.create("x").disposition(CreateDisposition::OVERWRITE).send().waits();
    a.nothing();
    let meanwhile = a.create("x").lease_v2(1, "RWH", 0x11, None).opened();
    assert_eq!(epoch(&meanwhile), 0x13);
    let answer = a.ack_lease(1, "RH").later();
    a.answer(answer).ok();
    assert_eq!(a.breaks(1, "RH", "R").new_epoch, 0x13);
    let answer = a.ack_lease(1, "R").later();
    a.answer(answer).ok();
    assert_eq!(a.breaks(1, "R", "").new_epoch, 0x13);
    let g = b.answer(first.mid).ok().created().file_id;
    let h = b.answer(second.mid).ok().created().file_id;
    b.close(g).ok();
    b.close(h).ok();
    assert_eq!(epoch(&a.create("x").lease_v2(1, "RH", 0x11, None).opened()), 0x14);
    let g = b.create("x").ok();
    b.write(g, 0, b"new").ok();
    assert_eq!(a.breaks(1, "RH", "").new_epoch, 0x15);
    a.ack_lease(1, "").ok();
}

/// Linux 6.1 takes a second break of one epoch for the first, and acknowledges what it still has (more than it
/// is left: 3.3.5.22.2). It holds up nobody for longer than a break may take, and caches nothing after.
#[test]
fn who_overlooks_the_second_break_loses_all() {
    let (w, (mut a, f), mut b) = held("RWH");
    let first = b.create("x").send().waits();
    a.breaks(1, "RWH", "RH");
    let second = b.create("x").disposition(CreateDisposition::OVERWRITE).send().waits();
    let answer = a.ack_lease(1, "RH").later();
    a.answer(answer).ok();
    a.breaks(1, "RH", "R");
    a.ack_lease(1, "RH").is(NtStatus::REQUEST_NOT_ACCEPTED);
    b.nothing();
    assert_eq!(w.counters().breaks, 1);
    w.advance(Duration::from_secs(36));
    b.answer(first.mid).ok();
    b.answer(second.mid).ok();
    assert_eq!(w.counters().breaks, 0);
    a.ack_lease(1, "R").is(NtStatus::UNSUCCESSFUL);
    let again = a.create("x").lease(1, "").opened();
    assert_eq!(granted_state(&again), "", "and its next open tells it");
    a.close(f).ok();
}

/// smb2.lease.dynamic_share: a share whose path is each connection's own. What the client takes for one file
/// are two, and by one key it caches neither; the key of a file with another name is refused as ever.
#[test]
fn a_name_that_is_two_files() {
    let w = World::new();
    w.vfs(|vfs| vfs.serve("/srv/other"));
    let mut a = client(&w, 1);
    let share = Arc::new(Share::disk("share", "/srv/other"));
    w.daemon(|daemon| daemon.share(Rules { share, read_only: false, refused: None }));
    let mut b = client(&w, 1);
    let f = a.create("x").lease(1, "RWH").ok();
    a.write(f, 0, b"one").ok();
    let opened = b.create("x").lease(1, "RWH").opened();
    let lease = granted(&opened).expect("a lease of nothing");
    assert_eq!(opened.create_action, CreateAction::CREATED);
    assert_eq!(granted_state(&opened), "");
    assert_eq!(lease.lease_flags.bits(), 0, "what is broken is the other file's");
    assert_eq!(a.breaks(1, "RWH", "").flags.bits(), 1);
    b.write(opened.file_id, 0, b"another").ok();
    let mut c = client(&w, 2);
    let third = c.create("x").existing().ok();
    c.close(third).ok();
    a.ack_lease(1, "").ok();
    let again = a.create("x").lease(1, "RWH").opened();
    assert_eq!(granted_state(&again), "");
    b.create("y").lease(1, "R").is(NtStatus::INVALID_PARAMETER);
    a.close(again.file_id).ok();
    a.close(f).ok();
    b.close(opened.file_id).ok();
    assert_eq!(w.counters().leases, 0);
    assert_eq!(w.data("x").unwrap(), b"one");
    assert_eq!(granted_state(&a.create("x").lease(1, "RWH").opened()), "RWH");
}

/// Who deletes on close waits when it opens: then the file is gone when it closes.
#[test]
fn delete_on_close() {
    let (w, (mut a, f), mut b) = held("RH");
    let waiting = b.create("x").delete_on_close().send().waits();
    a.breaks(1, "RH", "R");
    a.close(f).ok();
    let g = b.answer(waiting.mid).ok().created().file_id;
    b.close(g).ok();
    assert!(!w.exists("x"));
}

/// All that it takes from others it takes at once: a second break that follows the first one has its epoch
/// (smb2.lease.v2_breaking3), and the Linux kernel's client only heeds breaks of a new one.
#[test]
fn delete_on_close_breaks_once() {
    let (w, (mut a, f), mut b) = held("RWH");
    let waiting = b.create("x").delete_on_close().send().waits();
    a.breaks(1, "RWH", "R");
    a.ack_lease(1, "R").ok();
    a.nothing();
    let g = b.answer(waiting.mid).ok().created().file_id;
    b.close(g).ok();
    a.close(f).ok();
    assert!(!w.exists("x"));
}

/// MS-SMB2 3.3.5.9.11, 3.3.4.7, smb2.lease.v2_epoch2.
#[test]
fn the_epoch_counts_changes() {
    let w = World::new();
    let (mut a, mut b) = (client(&w, 1), client(&w, 2));
    let epoch = |opened: &ksmbd_core::wire::create::CreateResponse| {
        granted(opened).and_then(|lease| lease.v2).expect("version 2").epoch
    };
    let opened = a.create("x").lease_v2(1, "R", 70, None).opened();
    assert_eq!(epoch(&opened), 71);
    assert_eq!(epoch(&a.create("x").lease_v2(1, "R", 5, None).opened()), 71, "nothing changed");
    assert_eq!(epoch(&a.create("x").lease_v2(1, "RWH", 5, None).opened()), 72);
    assert_eq!(epoch(&a.create("x").lease(1, "R").opened()), 72, "it stays of version 2");
    let waiting = b.create("x").send().waits();
    assert_eq!(a.breaks(1, "RWH", "RH").new_epoch, 73);
    a.ack_lease(1, "RH").ok();
    b.answer(waiting.mid).ok();
}

/// A session with channels of two clients, which Windows binds: a lease's break goes to its own client
/// (MS-SMB2 3.3.4.7), who alone has the key, also where it is encrypted with the session's keys. Once that
/// one is gone there is nobody to be told, and nobody waits.
#[test]
fn of_a_channel_of_another_client() {
    for encryption in [Encryption::Disabled, Encryption::Mandatory] {
        let w = World::with(|config| {
            config.multi_channel = true;
            config.encryption = encryption;
        });
        w.put("x", b"0123456789");
        let (a, mut c) = (client(&w, 1), client(&w, 3));
        let mut b = w.connect();
        b.offer = Offer { guid: [2; 16], ..a.offer.clone() };
        b.negotiate().ok();
        b.join(&a, "alice").ok();
        b.tree_id = a.tree_id;
        let held = b.create("x").lease(1, "RH").opened();
        assert_eq!(granted_state(&held), "RH");
        let f = c.create("x").ok();
        c.write(f, 0, b"1").ok();
        b.breaks(1, "RH", "");
        a.nothing();
        b.ack_lease(1, "").ok();
        b.close(held.file_id).ok();
        b.create("x").lease(1, "RH").ok();
        b.hang_up();
        c.write(f, 0, b"2").ok();
        a.nothing();
    }
}

/// An older connection of the same ClientGuid, but of another user, or of one who is not there any more:
/// whose lease it is has to hear of the break (MS-SMB2 3.3.4.7).
#[test]
fn on_a_connection_of_its_own_user() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut old = w.connect();
    old.offer = Offer { guid: [1; 16], ..Offer::only(Dialect::SMB_3_1_1) };
    old.negotiate().ok();
    let old = old.logged_on("bob");
    let (mut a, mut c) = (client(&w, 1), client(&w, 3));
    let held = a.create("x").lease(1, "RH").ok();
    let f = c.create("x").ok();
    c.write(f, 0, b"1").ok();
    a.breaks(1, "RH", "");
    old.nothing();
    a.ack_lease(1, "").ok();
    a.close(held).ok();
}
