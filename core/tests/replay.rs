//! CREATE again, because the answer was lost (MS-SMB2 3.3.5.9.10).

use ksmbd_core::wire::create::OplockLevel;
use ksmbd_core::wire::create_context::LeaseState;
use ksmbd_fuzz::client::durable::{durability, lease};
use ksmbd_fuzz::prelude::*;

const GUID: [u8; 16] = [7; 16];
const RH: LeaseState = LeaseState::READ_CACHING.union(LeaseState::HANDLE_CACHING);

/// smb2.replay.replay-dhv2-oplock1: the same open, and the answer that was lost.
#[test]
fn the_same_open() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.create("x").exclusive().batch().durable_v2(GUID, 0).opened();
    assert_eq!(first.create_action, CreateAction::CREATED);
    let again = a.create("x").exclusive().batch().durable_v2(GUID, 0).replay();
    let again = again.ok().created().clone();
    assert_eq!(again, first);
    assert_eq!(w.counters().opens, 1);
    a.close(first.file_id).ok();
    assert_eq!(w.counters().creations, 0);
}

/// smb2.replay.replay-dhv2-oplock2: it is told no more than it asks for, and keeps what it has.
#[test]
fn with_another_level() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.create("x").batch().durable_v2(GUID, 0).opened();
    let again = a.create("x").durable_v2(GUID, 0).replay().ok().created().clone();
    assert_eq!((again.oplock_level, durability(&again)), (OplockLevel::NONE, None));
    assert_eq!(again.file_id, first.file_id);
    a.hang_up();
    assert_eq!(w.counters().kept, 1);
}

/// An open that is not durable is found as well.
#[test]
fn of_an_open_that_is_not_durable() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let first = a.create("x").durable_v2(GUID, 0).opened();
    assert_eq!(durability(&first), None);
    let again = a.create("x").durable_v2(GUID, 0).replay().ok().created().clone();
    assert_eq!(again, first);
}

/// smb2.replay.replay-regular: without a CreateGuid there is nothing to know it by.
#[test]
fn without_a_create_guid() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").fresh().ok();
    a.create("x").fresh().replay().is(NtStatus::OBJECT_NAME_COLLISION);
}

/// A CreateGuid names one CREATE.
#[test]
fn without_the_flag() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 0).ok();
    a.create("x").batch().durable_v2(GUID, 0).is(NtStatus::DUPLICATE_OBJECTID);
    a.create("y").durable_v2(GUID, 0).is(NtStatus::DUPLICATE_OBJECTID);
    // Of another client it is another one.
    let mut other = w.connect();
    other.offer.guid = [9; 16];
    other.negotiate().ok();
    let mut other = other.logged_on("alice");
    other.create("y").batch().durable_v2(GUID, 0).ok();
    other.create("y").batch().durable_v2(GUID, 0).replay().ok();
    // Who has used the open knows it: the CREATE does not come again.
    a.close(f).ok();
    a.create("x").batch().durable_v2(GUID, 0).ok();
}

/// 3.3.1.10, IsReplayEligible.
#[test]
fn after_the_open_was_used() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").exclusive().durable_v2(GUID, 0).ok();
    a.write(f, 0, b"x").ok();
    a.create("x").exclusive().durable_v2(GUID, 0).replay().is(NtStatus::SHARING_VIOLATION);
}

/// 3.3.5.22.2: whoever acknowledges what became of a lease has got the answers that granted it, even where
/// nobody has asked for that.
#[test]
fn after_the_lease_was_acknowledged() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    a.create("x").leased([1; 16], RH).durable_v2(GUID, 0).ok();
    a.create("x").leased([1; 16], RH).durable_v2([8; 16], 0).ok();
    assert_eq!(w.counters().creations, 2);
    a.ack_lease(1, "R").is(NtStatus::UNSUCCESSFUL);
    assert_eq!(w.counters().creations, 0);
}

/// smb2.replay.replay-dhv2-lease1, -lease3, -oplock-lease: the lease is the same one.
#[test]
fn leases() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let key = [1; 16];
    let f = a.create("x").leased(key, RH).durable_v2(GUID, 0).ok();
    let g = a.create("x").leased(key, RH | LeaseState::WRITE_CACHING).durable_v2([8; 16], 0).ok();
    let again = a.create("x").leased(key, LeaseState::READ_CACHING).durable_v2(GUID, 0).replay();
    let again = again.ok().created().clone();
    let state = lease(&again).map(|lease| lease.lease_state);
    assert_eq!(state, Some(RH | LeaseState::WRITE_CACHING), "as it is by now");
    assert!(durability(&again).is_some() && again.file_id == f);
    let denied = NtStatus::ACCESS_DENIED;
    a.create("x").leased([2; 16], RH).durable_v2(GUID, 0).replay().is(denied);
    a.create("x").batch().durable_v2(GUID, 0).replay().is(denied);
    a.close(f).ok();
    a.close(g).ok();
    a.create("x").batch().durable_v2(GUID, 0).ok();
    a.create("x").leased(key, RH).durable_v2(GUID, 0).replay().is(denied);
}

/// smb2.replay.dhv2-pending1*-sane: while the first is under way, the second is told to wait.
#[test]
fn while_it_is_under_way() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.hold("open");
    let first = a.create("x").batch().durable_v2(GUID, 0).send().later();
    a.create("x").batch().durable_v2(GUID, 0).replay().is(NtStatus::FILE_NOT_AVAILABLE);
    a.create("x").batch().durable_v2(GUID, 0).is(NtStatus::DUPLICATE_OBJECTID);
    w.release_calls();
    let f = a.answer(first).ok().created().clone();
    let again = a.create("x").batch().durable_v2(GUID, 0).replay().ok().created().clone();
    assert_eq!(again, f);
}

/// What came to nothing is forgotten.
#[test]
fn after_a_refusal() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let missing = NtStatus::OBJECT_NAME_NOT_FOUND;
    a.create("x").existing().durable_v2(GUID, 0).is(missing);
    assert_eq!(w.counters().creations, 0);
    a.create("x").existing().durable_v2(GUID, 0).replay().is(missing);
    a.create("x")
        .options(CreateOptions::OPEN_BY_FILE_ID)
        .durable_v2(GUID, 0)
        .is(NtStatus::NOT_SUPPORTED);
    w.hold("open");
    let _ = a.create("x").durable_v2(GUID, 0).send().later();
    a.hang_up();
    assert_eq!(w.counters().creations, 1);
    w.release_calls();
    assert_eq!(w.counters().creations, 0);
}

/// A CREATE that waits for others when its client goes away.
#[test]
fn lost_while_it_waits() {
    let w = World::new();
    w.put("x", b"");
    let mut b = w.logged_on("bob");
    b.create("x").batch().ok();
    let mut a = w.logged_on("alice");
    let _ = a.create("x").durable_v2(GUID, 0).send().waits();
    assert_eq!(w.counters().creations, 1);
    a.hang_up();
    assert_eq!(w.counters().creations, 0);
    b.forget();
}

/// Another session of the same client did not make it.
#[test]
fn in_another_session() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").batch().durable_v2(GUID, 0).ok();
    let mut other = w.logged_on("alice");
    let duplicate = NtStatus::DUPLICATE_OBJECTID;
    other.create("x").batch().durable_v2(GUID, 0).replay().is(duplicate);
    let mut bob = w.logged_on("bob");
    bob.create("x").batch().durable_v2(GUID, 0).replay().is(duplicate);
}

/// smb2.replay.dhv2-pending2*-sane: its channel is lost, and it goes on for the others; whether it waits
/// by then, or its call is out, and it has to wait when that is back.
#[test]
fn on_another_channel_while_it_is_under_way() {
    for call_is_out in [false, true] {
        let w = World::with(|config| config.multi_channel = true);
        w.put("x", b"");
        let mut b = w.logged_on("bob");
        let held = b.create("x").batch().ok();
        let mut a = w.logged_on("alice");
        let mut other = w.channel(&a, "alice");
        if call_is_out {
            w.hold("open");
        }
        let _ = a.create("x").batch().durable_v2(GUID, 0).send().later();
        a.forget();
        a.hang_up();
        w.release_calls();
        assert_eq!((w.counters().parked, w.counters().creations), (1, 1));
        let again =
            |client: &mut Client| client.create("x").batch().durable_v2(GUID, 0).replay().later();
        let sent = again(&mut other);
        other.answer(sent).is(NtStatus::FILE_NOT_AVAILABLE);
        b.forget();
        b.close(held).ok();
        let sent = again(&mut other);
        let opened = other.answer(sent).ok().created().clone();
        assert_eq!(opened.oplock_level, OplockLevel::BATCH);
        assert!(durability(&opened).is_some());
        other.close(opened.file_id).ok();
        assert_eq!((w.counters().opens, w.counters().creations), (0, 0));
    }
}

/// The channel that is left is another client's (ClientGuid), who cannot ask for it again: it is given up
/// as if there was none. Windows binds such channels (smb2.session.bind_negative_smb3signCtoHd).
#[test]
fn left_to_a_channel_of_another_client() {
    let w = World::with(|config| config.multi_channel = true);
    let mut a = w.logged_on("alice");
    let mut other = w.connect();
    other.offer = Offer { guid: [77; 16], ..a.offer.clone() };
    other.negotiate().ok();
    other.join(&a, "alice").ok();
    w.hold("open");
    let _ = a.create("x").batch().durable_v2(GUID, 0).send().later();
    a.hang_up();
    w.release_calls();
    assert_eq!((w.counters().opens, w.counters().creations), (0, 0));
    other.create("x").batch().durable_v2(GUID, 0).ok();
}

/// The same, and the last channel goes as well.
#[test]
fn lost_on_all_channels_while_it_waits() {
    let w = World::with(|config| config.multi_channel = true);
    w.put("x", b"");
    let mut b = w.logged_on("bob");
    b.create("x").batch().ok();
    let mut a = w.logged_on("alice");
    let other = w.channel(&a, "alice");
    let _ = a.create("x").durable_v2(GUID, 0).send().waits();
    a.hang_up();
    assert_eq!((w.counters().parked, w.counters().creations), (1, 1));
    other.hang_up();
    assert_eq!((w.counters().parked, w.counters().creations), (0, 0));
    b.forget();
}

/// Its channel is lost while its call is out, so nobody has heard what it may cache: who else comes does
/// not wait for him, and the same CREATE is told what is left.
#[test]
fn taken_before_the_other_channel_asks() {
    let w = World::with(|config| config.multi_channel = true);
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let mut other = w.channel(&a, "alice");
    w.hold("open");
    let _ = a.create("x").batch().durable_v2(GUID, 0).send().later();
    a.hang_up();
    w.release_calls();
    b.create("x").ok();
    other.nothing();
    let again = other.create("x").batch().durable_v2(GUID, 0).replay().ok();
    assert_eq!(again.created().oplock_level, OplockLevel::II);
}

/// DESIGN 3, property 9: what goes on for another channel waits as one of its own requests does; what it has no
/// room for is given up.
#[test]
fn left_to_a_channel_that_waits_enough() {
    let w = World::with(|config| {
        config.multi_channel = true;
        config.limits.parked_per_connection = 3;
    });
    w.put("x", b"");
    let mut b = w.logged_on("bob");
    b.create("x").batch().ok();
    let mut a = w.logged_on("alice");
    let mut other = w.channel(&a, "alice");
    let guid = |number| [number; 16];
    for number in [1, 2] {
        a.create("x").durable_v2(guid(number), 0).send().waits();
    }
    a.hang_up();
    assert_eq!((w.counters().parked, w.counters().creations), (2, 2));
    other.create("x").durable_v2(guid(3), 0).send().waits();
    other.create("x").durable_v2(guid(4), 0).is(NtStatus::INSUFFICIENT_RESOURCES);
    let mut again = w.channel(&other, "alice");
    again.create("x").durable_v2(guid(5), 0).send().waits();
    again.hang_up();
    assert_eq!((w.counters().parked, w.counters().creations), (3, 3));
    other.hang_up();
    assert_eq!((w.counters().parked, w.counters().creations), (0, 0));
    b.forget();
}
