//! Classes E, F, K and L where oplocks and leases are concerned: breaks and what acknowledges them,
//! against whatever ends meanwhile (MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.5.9.8, 3.3.5.9.11, 3.3.5.22). That no
//! table keeps anything and no timer is left is checked at each world's end.

use ksmbd_core::wire::create_context::name;
use ksmbd_fuzz::prelude::*;

const BREAK_TIME: Duration = Duration::from_secs(35);

/// A client of its own.
fn client(w: &World, guid: u8, user: &str) -> Client {
    let mut client = w.connect();
    client.offer = Offer::only(Dialect::SMB_3_1_1);
    client.offer.guid = [guid; 16];
    client.negotiate().ok();
    client.logged_on(user)
}

/// `alice` holds a batch oplock, and `bob` waits to open the file.
fn breaking() -> (World, (Client, FileId), (Client, u64)) {
    let w = World::new();
    w.put("x", b"data");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").oplock(OplockLevel::BATCH).ok();
    let waiting = b.create("x").send().waits().mid;
    assert_eq!(a.oplock_broken(f), OplockLevel::II);
    assert_eq!((w.counters().breaks, w.counters().parked), (1, 1));
    (w, (a, f), (b, waiting))
}

/// Nothing of the break is left, and the file can be had.
fn is_over(w: &World) {
    assert_eq!((w.counters().breaks, w.counters().parked), (0, 0));
    w.logged_on("bob").create("x").ok();
}

/// The holder goes while an answer of his is waited for: whoever waits gets the file at once.
#[test]
fn the_holder_goes_while_its_break_is_out() {
    type Ending = fn(Client, FileId);
    let endings: [Ending; 4] = [
        |mut a, f| drop(a.close(f).ok()),
        |mut a, _| drop(a.request(&RequestBody::TreeDisconnect).ok()),
        |mut a, _| drop(a.logoff().ok()),
        |a, _| a.hang_up(),
    ];
    for end in endings {
        let (w, (a, f), (mut b, waiting)) = breaking();
        end(a, f);
        b.answer(waiting).ok();
        is_over(&w);
    }
}

/// Whoever waits for a break goes first: the break goes on, and its answer finds nobody.
#[test]
fn who_waits_goes_before_the_answer() {
    let (w, (mut a, f), (b, _)) = breaking();
    b.hang_up();
    assert_eq!((w.counters().breaks, w.counters().parked), (1, 0));
    a.ack_oplock(f, OplockLevel::II).ok();
    is_over(&w);
    a.close(f).ok();
}

/// The connection is gone before the break is: it is sent nowhere and waited for by nobody.
#[test]
fn a_break_to_a_holder_who_is_gone() {
    let w = World::new();
    w.put("x", b"data");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("x").oplock(OplockLevel::BATCH).ok();
    // The write keeps the open while its connection is gone.
    w.hold("write");
    a.write(f, 0, b"!").later();
    a.hang_up();
    let asked = b.create("x").send().later();
    assert_eq!(w.counters().breaks, 0);
    w.release_calls();
    b.answer(asked).ok();
    is_over(&w);
}

/// An answer that comes twice, of another client, of a closed open, before anything was asked.
#[test]
fn acknowledgements_that_nothing_waits_for() {
    let (w, (mut a, f), (mut b, waiting)) = breaking();
    b.ack_oplock(f, OplockLevel::NONE).is(NtStatus::FILE_CLOSED);
    assert_eq!(w.counters().breaks, 1, "another's answer is none");
    a.ack_oplock(f, OplockLevel::II).ok();
    let g = b.answer(waiting).ok().created().file_id;
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::INVALID_DEVICE_STATE);
    b.ack_oplock(g, OplockLevel::NONE).is(NtStatus::INVALID_DEVICE_STATE);
    a.close(f).ok();
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::FILE_CLOSED);
    a.ack_lease(9, "R").is(NtStatus::OBJECT_NAME_NOT_FOUND);
    b.close(g).ok();
    is_over(&w);
}

/// Many hold level II when one writes, and some of them close while they are told.
#[test]
fn all_level_ii_holders_at_once() {
    let w = World::new();
    w.put("x", b"data");
    let mut holders: Vec<_> = (0..8).map(|_| w.logged_on("alice")).collect();
    let files: Vec<_> =
        holders.iter_mut().map(|a| a.create("x").oplock(OplockLevel::II).ok()).collect();
    let mut b = w.logged_on("bob");
    let g = b.create("x").ok();
    b.write(g, 0, b"!").ok();
    for (a, f) in holders.iter_mut().zip(&files) {
        assert_eq!(a.oplock_broken(*f), OplockLevel::NONE);
    }
    holders.drain(..4).for_each(Client::hang_up);
    // The list of holders is empty now, and is looked through again.
    b.write(g, 0, b"?").ok();
    assert_eq!(w.counters().breaks, 0);
    b.close(g).ok();
}

/// A CREATE that fails after it was granted something leaves none of it.
#[test]
fn a_create_that_fails_after_its_grant() {
    for (op, error) in [("overwrite", VfsError::Io), ("open", VfsError::Io)] {
        let w = World::new();
        w.put("x", b"data");
        let mut a = client(&w, 1, "alice");
        w.hold(op);
        let overwrite = CreateDisposition::OVERWRITE;
        let asked = a.create("x").disposition(overwrite).lease(1, "RWH").send().later();
        w.fail(0, error);
        a.answer(asked).is(error.status());
        w.release_calls();
        let left = w.counters();
        assert_eq!((left.leases, left.oplocks, left.opens), (0, 0, 0), "{op}");
        assert_eq!(granted_state(&a.create("y").lease(1, "RWH").opened()), "RWH", "{op}");
    }
}

/// The context is shorter or longer than either version: refused or ignored, and nothing is kept of it.
#[test]
fn contexts_of_a_wrong_length_leave_no_lease() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = client(&w, 1, "alice");
    for length in [0, 1, 16, 31, 33, 51, 53, 200] {
        let mut create = a.create("x").context(name::RQLS, &vec![7; length]);
        create.request.requested_oplock_level = OplockLevel::LEASE;
        let message = create.send().later();
        let answer = a.answer(message);
        assert_eq!(w.counters().leases, 0, "{length}");
        if !answer.status.is_error() {
            let f = answer.created().file_id;
            a.close(f).ok();
        }
    }
}

/// The last open of a lease closes while another CREATE under its key is on its way.
#[test]
fn a_lease_that_goes_while_it_is_asked_for() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = client(&w, 1, "alice");
    let f = a.create("x").lease(1, "RWH").ok();
    w.hold("open");
    let again = a.create("x").lease(1, "RWH").send().later();
    a.close(f).ok();
    assert_eq!(w.counters().leases, 0);
    w.release_calls();
    let opened = a.answer(again).ok().created().clone();
    assert_eq!((granted_state(&opened).as_str(), w.counters().leases), ("RWH", 1));
    a.close(opened.file_id).ok();
}

/// A session logs off; the next one of the same client, and of another user, starts anew.
#[test]
fn a_lease_of_a_session_that_has_logged_off() {
    let w = World::new();
    w.put("x", b"data");
    w.put("y", b"data");
    let mut a = client(&w, 1, "alice");
    a.create("x").lease(1, "RWH").ok();
    a.logoff().ok();
    assert_eq!((w.counters().leases, w.counters().opens), (0, 0));
    for user in ["alice", "bob"] {
        let mut next = client(&w, 1, user);
        // The key names another file by now.
        let opened = next.create("y").lease(1, "RH").opened();
        assert_eq!(granted_state(&opened), "RH");
        next.ack_lease(1, "R").is(NtStatus::UNSUCCESSFUL);
        next.close(opened.file_id).ok();
    }
}

/// A CLOSE that changes what a directory lists breaks its lease, whose holder closes at that moment.
#[test]
fn a_directory_lease_broken_by_a_close() {
    let w = World::new();
    let (mut a, mut b) = (client(&w, 1, "alice"), client(&w, 2, "alice"));
    let made = b.create("d").directory().ok();
    b.close(made).ok();
    let x = b.create("d\\x").ok();
    let directory = a.create("d").directory().access(AccessMask::GENERIC_READ);
    let d = directory.disposition(CreateDisposition::OPEN).lease_v2(1, "RH", 0, None).ok();
    b.write(x, 0, b"data").ok();
    w.hold_calls();
    let closing = b.close(x).later();
    a.breaks(1, "RH", "");
    let going = a.close(d).later();
    w.release_calls();
    b.answer(closing).ok();
    a.answer(going).ok();
    assert_eq!((w.counters().leases, w.counters().breaks), (0, 0));
}

/// Nobody answers anything, and everybody goes in the middle: no wait is left behind.
#[test]
fn every_break_ends() {
    let (w, (mut a, f), (mut b, waiting)) = breaking();
    let mut c = w.logged_on("alice");
    let other = c.create("x").send().waits().mid;
    w.advance(BREAK_TIME);
    b.answer(waiting).ok();
    c.answer(other).ok();
    a.ack_oplock(f, OplockLevel::II).is(NtStatus::INVALID_DEVICE_STATE);
    is_over(&w);
}
