//! Durable handles of version 1: an open that waits for its client (MS-SMB2 3.3.5.9.6, 3.3.5.9.7,
//! 3.3.7.1).

use ksmbd_core::wire::create::OplockLevel;
use ksmbd_core::wire::create_context::LeaseState;
use ksmbd_fuzz::client::{
    durable::{durability, lease},
    request::EXCLUSIVE,
};
use ksmbd_fuzz::prelude::*;

const RWH: LeaseState = LeaseState::all();
const RH: LeaseState = LeaseState::READ_CACHING.union(LeaseState::HANDLE_CACHING);

/// The story: the connection is lost, the client comes back, and goes on where it was.
#[test]
fn the_open_waits_for_its_client() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let opened = a.create("x").batch().durable().opened();
    assert_eq!((opened.oplock_level, durability(&opened)), (OplockLevel::BATCH, Some(0)));
    let f = opened.file_id;
    a.write(f, 0, b"before").ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    a.hang_up();
    let counters = w.counters();
    assert_eq!((counters.sessions, counters.opens, counters.kept), (0, 1, 1));
    assert_eq!((counters.locks, counters.oplocks, counters.durable), (1, 1, 1));
    let mut a = w.logged_on("alice");
    let back = a.create("").again(f).opened();
    assert_eq!(back.create_action, CreateAction::OPENED);
    assert_eq!((back.oplock_level, back.end_of_file), (OplockLevel::BATCH, 6));
    assert_eq!(back.file_id.persistent, f.persistent);
    assert_ne!(back.file_id.volatile, f.volatile);
    a.read(f, 0, 6).is(NtStatus::FILE_CLOSED);
    assert_eq!(a.read(back.file_id, 0, 6).ok().data(), b"before");
    a.unlock(back.file_id, 0, 1).ok();
    assert_eq!(w.counters().kept, 0);
    a.hang_up();
    assert_eq!(w.counters().kept, 1, "it is durable still");
}

/// 3.3.5.9.6: without a batch oplock or a lease on the handle the request is ignored.
#[test]
fn only_what_is_cached_is_durable() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    for level in [OplockLevel::NONE, OplockLevel::II, OplockLevel::EXCLUSIVE] {
        let opened = a.create("x").level(level).durable().opened();
        assert_eq!((opened.oplock_level, durability(&opened)), (level, None));
        a.close(opened.file_id).ok();
    }
    for (state, durable) in [
        (LeaseState::READ_CACHING, None),
        (LeaseState::READ_CACHING | LeaseState::WRITE_CACHING, None),
        (RH, Some(0)),
        (RWH & (RH | LeaseState::WRITE_CACHING), Some(0)),
    ] {
        let opened = a.create("x").leased([1; 16], state).durable().opened();
        assert_eq!(durability(&opened), durable, "{state:?}");
        a.close(opened.file_id).ok();
    }
    let d = a.create("d").directory().batch().durable().opened();
    assert_eq!(durability(&d), None);
    a.hang_up();
    assert_eq!(w.counters().opens, 0);
}

#[test]
fn not_where_it_is_not_configured() {
    let w = World::with(|config| config.durable_handles = false);
    let mut a = w.logged_on("alice");
    let opened = a.create("x").batch().durable().opened();
    assert_eq!(durability(&opened), None);
    a.hang_up();
    assert_eq!(w.counters().opens, 0);
}

/// A lease comes back with its open, and the client with the same name.
#[test]
fn with_a_lease() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased([1; 16], RH).durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let back = a.create("X").leased([1; 16], LeaseState::empty()).again(f).opened();
    assert_eq!(back.oplock_level, OplockLevel::LEASE);
    assert_eq!(lease(&back).map(|lease| lease.lease_state), Some(RH));
    a.close(back.file_id).ok();
}

/// 3.3.5.8: who disconnects the tree closes; smb2.durable-open.reopen4: who logs off does not.
#[test]
fn tree_disconnect_and_logoff() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    a.tree_disconnect().ok();
    assert_eq!(w.counters().opens, 0);
    a.connect_tree("share");
    a.create("x").again(f).is(NtStatus::OBJECT_NAME_NOT_FOUND);
    let f = a.create("x").batch().durable().ok();
    a.create("y").ok();
    a.logoff().ok();
    assert_eq!((w.counters().opens, w.counters().kept), (1, 1));
    a.session_id = 0;
    let mut a = a.logged_on("alice");
    let back = a.create("").again(f).ok();
    a.close(back).ok();
}

/// 3.3.5.5.3: the session that PreviousSessionId names is lost, not logged off.
#[test]
fn a_session_in_the_place_of_another() {
    use ksmbd_core::auth::ntlm::client::Credentials;
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    let mut again = w.client(Dialect::SMB_3_1_1);
    let mut logon = again.begin(Credentials::new("alice", "", &password("alice")));
    logon.previous = a.session_id;
    logon.run(&mut again).ok();
    again.connect_tree("share");
    a.create("").again(f).is(NtStatus::USER_SESSION_DELETED);
    let back = again.create("").again(f).ok();
    again.close(back).ok();
}

/// smb2.durable-open.oplock, .lease: who would have to be asked and is not there loses.
#[test]
fn others_need_the_file() {
    for leased in [false, true] {
        let w = World::new();
        w.put("x", b"");
        let mut a = w.logged_on("alice");
        let create = a.create("x").durable();
        let create = if leased {
            create.leased([1; 16], RH | LeaseState::WRITE_CACHING)
        } else {
            create.batch()
        };
        let f = create.ok();
        a.hang_up();
        let mut b = w.logged_on("bob");
        let opened = b.create("x").batch().opened();
        assert_eq!(opened.oplock_level, OplockLevel::BATCH);
        assert_eq!((w.counters().opens, w.counters().kept), (1, 0));
        let mut a = w.logged_on("alice");
        let again = a.create("x").again(f);
        let again = if leased { again.leased([1; 16], RH) } else { again };
        again.is(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
}

/// smb2.durable-open.open2-lease: who needs nothing of it leaves it alone.
#[test]
fn others_do_not_need_it() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased([1; 16], RH).durable().ok();
    a.hang_up();
    let mut b = w.client(Dialect::SMB_3_1_1).logged_on("bob");
    let g = b.create("x").leased([2; 16], RH).opened();
    assert_eq!(lease(&g).map(|lease| lease.lease_state), Some(RH));
    b.create("x").access(AccessMask::FILE_READ_ATTRIBUTES).ok();
    let mut a = w.logged_on("alice");
    a.create("x").leased([1; 16], RH).again(f).ok();
}

/// Share modes count, until somebody minds.
#[test]
fn a_share_mode_in_the_way() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    a.create("x").exclusive().batch().durable().ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    b.create("x").ok();
    assert_eq!(w.counters().kept, 0);
}

/// smb2.durable-open.delete_on_close1: it goes with the open that was not kept.
#[test]
fn delete_on_close_when_purged() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().batch().durable().ok();
    a.write(f, 0, b"old").ok();
    a.hang_up();
    assert!(w.exists("x"));
    let mut b = w.logged_on("bob");
    let opened = b.create("x").opened();
    assert_eq!((opened.create_action, opened.end_of_file), (CreateAction::CREATED, 0));
}

/// smb2.durable-open.delete_on_close2: it stays with the open that is kept.
#[test]
fn delete_on_close_when_kept() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").delete_on_close().batch().durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let back = a.create("x").again(f).ok();
    assert!(w.exists("x"));
    a.close(back).ok();
    assert!(!w.exists("x"));
}

/// What the lost connection has begun is through before anything new is.
#[test]
fn after_what_was_under_way() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    w.hold("write");
    let _ = a.write(f, 0, b"late").later();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let again = a.create("x").again(f).send().later();
    a.nothing();
    w.complete(0);
    w.release_calls();
    let back = a.answer(again).ok().created().file_id;
    assert_eq!(a.read(back, 0, 4).ok().data(), b"late");
}

/// A waiting LOCK goes with the connection; the locks that are held do not.
#[test]
fn a_lock_that_waits() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased([1; 16], RH).durable().ok();
    let g = a.create("x").leased([1; 16], RH).durable().ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    let _ = a.lock(g, 0, 1, EXCLUSIVE).waits();
    a.hang_up();
    let counters = w.counters();
    assert_eq!((counters.parked, counters.locks, counters.kept), (0, 1, 2));
}

/// Limits: a handle that is not promised to stay goes.
#[test]
fn as_many_as_allowed() {
    let w = World::with(|config| {
        config.limits.durable_opens = 3;
        config.limits.durable_opens_per_client = 2;
    });
    let mut a = w.logged_on("alice");
    let promised: Vec<_> = ["x", "y", "z"]
        .map(|name| durability(&a.create(name).batch().durable().opened()).is_some())
        .to_vec();
    assert_eq!(promised, [true, true, false]);
    let mut other = w.connect();
    other.offer.guid = [9; 16];
    other.negotiate().ok();
    let mut other = other.logged_on("alice");
    assert!(durability(&other.create("v").batch().durable().opened()).is_some());
    assert!(durability(&other.create("w").batch().durable().opened()).is_none());
    a.hang_up();
    assert_eq!((w.counters().opens, w.counters().durable), (4, 3));
}

/// What an open that is given back caches is told with its CREATE's answer, which comes late here: who
/// else opens the file meanwhile takes of it without a word.
#[test]
fn taken_before_it_is_given_back() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    a.hang_up();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    w.hold("query");
    let mid = a.create("").again(f).send().later();
    let other = b.create("x").send();
    other.ok();
    a.nothing();
    w.release_calls();
    assert_eq!(a.answer(mid).ok().created().oplock_level, OplockLevel::II);
}

/// Its client is lost again while it is given back: it waits as before, and goes when others want the file.
#[test]
fn lost_again_and_wanted_by_others() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    w.hold("query");
    let _ = a.create("").again(f).send().later();
    a.hang_up();
    w.release_calls();
    assert_eq!(w.counters().kept, 1);
    let mut b = w.logged_on("alice");
    b.create("x").exclusive().ok();
    assert_eq!(w.counters().kept, 0);
}
