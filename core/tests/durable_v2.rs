//! Durable handles of version 2 (MS-SMB2 3.3.5.9.10, 3.3.5.9.12).

use ksmbd_core::wire::create::OplockLevel;
use ksmbd_core::wire::create_context::LeaseState;
use ksmbd_fuzz::client::durable::{durability, lease};
use ksmbd_fuzz::prelude::*;

const GUID: [u8; 16] = [7; 16];
const RH: LeaseState = LeaseState::READ_CACHING.union(LeaseState::HANDLE_CACHING);

/// The client says for how long, and the server for how long at most.
#[test]
fn for_how_long() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    for (asked, told) in [(0, 60_000), (1, 1), (10_000, 10_000), (u32::MAX, 300_000)] {
        let opened = a.create("x").batch().durable_v2(GUID, asked).opened();
        assert_eq!(durability(&opened), Some(told));
        a.close(opened.file_id).ok();
    }
}

#[test]
fn the_open_waits_for_its_client() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 0).ok();
    a.write(f, 0, b"data").ok();
    for _ in 0..3 {
        a.hang_up();
        a = w.logged_on("alice");
        let back = a.create("nothing of this name").again_v2(f, GUID).opened();
        assert_eq!((back.oplock_level, durability(&back)), (OplockLevel::BATCH, None));
        assert_eq!(a.read(back.file_id, 0, 4).ok().data(), b"data");
    }
}

/// smb2.durable-v2-open.reopen2: nothing else of the request is looked at.
#[test]
fn what_else_the_request_says_does_not_matter() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 0).ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let mut create = a.create("x").again_v2(f, GUID).level(OplockLevel(0x78));
    create.request.create_disposition = CreateDisposition(0x1234_5678);
    create.request.desired_access = 0x1234_5678;
    create.request.create_options = CreateOptions::from_bits_retain(0x1234_5678);
    create.request.share_access = ShareAccess::from_bits_retain(0x1234_5678);
    create.request.file_attributes = 0x1234_5678;
    create.ok();
}

/// smb2.durable-v2-open.reopen2-lease-v2.
#[test]
fn with_a_lease() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased_v2([1; 16], RH).durable_v2(GUID, 0).opened();
    let epoch = |lease: Option<ksmbd_core::wire::create_context::Lease>| {
        lease.and_then(|lease| lease.v2).map(|v2| v2.epoch)
    };
    assert_eq!(epoch(lease(&f)), Some(1));
    a.hang_up();
    let mut a = w.logged_on("alice");
    let wanted = LeaseState::empty();
    let back = a.create("x").leased_v2([1; 16], wanted).again_v2(f.file_id, GUID).opened();
    assert_eq!((epoch(lease(&back)), lease(&back).map(|l| l.lease_state)), (Some(1), Some(RH)));
}

/// smb2.durable-v2-open.create-blob: one kind of durability a request.
#[test]
fn two_kinds_at_once() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 0).ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    let invalid = NtStatus::INVALID_PARAMETER;
    a.create("x").durable().durable_v2(GUID, 0).is(invalid);
    a.create("x").durable().again_v2(f, GUID).is(invalid);
    a.create("x").again(f).durable_v2(GUID, 0).is(invalid);
    a.create("x").again(f).again_v2(f, GUID).is(invalid);
    a.create("x").durable_v2(GUID, 0).again_v2(f, GUID).is(invalid);
    // The request of version 1 may be repeated with its reconnect; and that finds any open.
    a.create("x").durable().again(f).ok();
}

/// What 3.x brought is not there before.
#[test]
fn not_before_3_0() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_2_1).logged_on("alice");
    let opened = a.create("x").batch().durable_v2(GUID, 0).opened();
    assert_eq!((opened.oplock_level, durability(&opened)), (OplockLevel::BATCH, None));
    let opened = a.create("y").batch().durable().durable_v2(GUID, 0).opened();
    assert_eq!(durability(&opened), Some(0));
    assert_eq!(w.counters().creations, 0);
}
