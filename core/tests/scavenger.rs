//! Opens that nobody comes back for (MS-SMB2 3.3.2.2): expiry and reclaim are one decision.

use ksmbd_core::wire::create_context::LeaseState;
use ksmbd_fuzz::prelude::*;

const GUID: [u8; 16] = [7; 16];
const RH: LeaseState = LeaseState::READ_CACHING.union(LeaseState::HANDLE_CACHING);

#[test]
fn after_its_time_it_is_closed() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 5_000).ok();
    a.hang_up();
    w.advance(Duration::from_millis(4_999));
    assert_eq!(w.counters().kept, 1);
    w.advance(Duration::from_millis(1));
    assert_eq!((w.counters().opens, w.counters().durable, w.counters().timers), (0, 0, 0));
    let mut a = w.logged_on("alice");
    a.create("x").again_v2(f, GUID).is(NtStatus::OBJECT_NAME_NOT_FOUND);
}

/// In the last moment; and then the time begins anew with the next loss.
#[test]
fn just_in_time() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    a.hang_up();
    w.advance(Duration::from_secs(59));
    let mut a = w.logged_on("alice");
    a.create("x").again(f).ok();
    w.advance(Duration::from_secs(3600));
    assert_eq!(w.counters().opens, 1);
    a.hang_up();
    w.advance(Duration::from_secs(59));
    assert_eq!(w.counters().kept, 1);
    w.advance(Duration::from_secs(1));
    assert_eq!(w.counters().opens, 0);
}

/// It was waited for what the lost connection had begun, and it expires meanwhile.
#[test]
fn while_it_is_waited_for() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    w.hold("write");
    let _ = a.write(f, 0, b"late").later();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let again = a.create("x").again(f).send().later();
    w.advance(Duration::from_secs(60));
    w.release_calls();
    a.answer(again).is(NtStatus::OBJECT_NAME_NOT_FOUND);
    assert_eq!(w.counters().opens, 0);
}

/// Delete on close is done without the client, on the worker.
#[test]
fn delete_on_close() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").delete_on_close().batch().durable().ok();
    a.hang_up();
    assert!(w.exists("x"));
    w.advance(Duration::from_secs(60));
    assert!(!w.exists("x"));
}

/// Whoever waits for a lock that it held gets it.
#[test]
fn locks_are_let_go() {
    use ksmbd_fuzz::client::request::EXCLUSIVE;
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased([1; 16], RH).durable().ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    let g = b.create("x").ok();
    let waiting = b.lock(g, 0, 1, EXCLUSIVE).waits();
    w.advance(Duration::from_secs(61));
    b.answer(waiting.mid).ok();
}

/// Expiry while what the open caches is being broken, and a break that was under way when the
/// connection was lost: who has been asked to let go is not kept.
#[test]
fn a_break_is_under_way() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    a.create("x").batch().durable().ok();
    let mut b = w.logged_on("bob");
    let waiting = b.create("x").send().waits();
    a.forget();
    a.hang_up();
    b.answer(waiting.mid).ok();
    assert_eq!((w.counters().opens, w.counters().kept), (1, 0));
}

/// The status tells of opens without a connection, for how long yet, and no session or tree.
#[test]
fn the_status_of_what_is_kept() {
    use ksmbd_core::id::{SessionId, TreeId};
    use ksmbd_core::status_report::OpenEndurance;
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    assert_eq!(w.status().opens[0].kept, None);
    a.hang_up();
    w.advance(Duration::from_secs(20));
    let status = w.status();
    let open = &status.opens[0];
    assert_eq!(
        (open.kept, open.endurance),
        (Some(Duration::from_secs(40)), OpenEndurance::Durable)
    );
    assert_eq!((open.session, open.tree), (SessionId::NONE, TreeId::NONE));
    assert_eq!((open.id.0, open.path.as_str()), (f.persistent, "x"));
    assert!(status.sessions.is_empty() && status.trees.is_empty());
}
