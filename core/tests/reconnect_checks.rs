//! Who may have an open back: nobody but its owner (MS-SMB2 3.3.5.9.7, 3.3.5.9.12; class F of the
//! vulnerabilities of SMB servers).

use ksmbd_core::wire::create_context::{DurableFlags, LeaseState, RequestContext};
use ksmbd_fuzz::prelude::*;

const GUID: [u8; 16] = [7; 16];
const KEY: [u8; 16] = [1; 16];
const RH: LeaseState = LeaseState::READ_CACHING.union(LeaseState::HANDLE_CACHING);
const NONE: NtStatus = NtStatus::OBJECT_NAME_NOT_FOUND;

/// `alice` has had `x` open, durable of version 2.
fn kept() -> (World, FileId) {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable_v2(GUID, 0).ok();
    a.hang_up();
    (w, f)
}

/// Nothing of the refusals has changed anything: its owner gets it.
fn still_there(w: &World, f: FileId) {
    assert_eq!(w.counters().kept, 1);
    let mut a = w.logged_on("alice");
    a.create("x").again_v2(f, GUID).ok();
}

#[test]
fn another_user() {
    let (w, f) = kept();
    let mut b = w.logged_on("bob");
    b.create("x").again(f).is(NtStatus::ACCESS_DENIED);
    b.create("x").again_v2(f, GUID).is(NtStatus::ACCESS_DENIED);
    still_there(&w, f);
}

/// Guests are nobody: neither do they get durable opens, nor others'.
#[test]
fn a_guest_and_nobody() {
    use ksmbd_core::vfs::Identity;
    let (w, f) = kept();
    let identity = Identity { name: "alice".into(), ..Identity::nobody() };
    w.daemon(|daemon| daemon.guest = Some(std::sync::Arc::new(identity)));
    let mut guest = w.client(Dialect::SMB_3_1_1);
    guest.logon("mallory", "guess").ok();
    guest.connect_tree("share");
    guest.create("x").again_v2(f, GUID).is(NtStatus::ACCESS_DENIED);
    guest.create("x").again(f).is(NtStatus::ACCESS_DENIED);
    w.put("g", b"");
    let read = AccessMask::GENERIC_READ;
    guest.create("g").access(read).existing().batch().durable_v2([8; 16], 0).ok();
    guest.hang_up();
    still_there(&w, f);
}

#[test]
fn another_create_guid() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    a.create("x").again_v2(f, [0; 16]).is(NONE);
    a.create("x").again_v2(f, [8; 16]).is(NONE);
    still_there(&w, f);
}

/// smb2.durable-v2-open.reopen1a: an oplock's open knows its owner, not the machine.
#[test]
fn another_client_guid() {
    let (w, f) = kept();
    let mut other = w.connect();
    other.offer.guid = [9; 16];
    other.negotiate().ok();
    let mut other = other.logged_on("alice");
    let g = other.create("x").again_v2(f, GUID).ok();
    other.hang_up();
    still_there(&w, g);
}

#[test]
fn another_file_id() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    let other = FileId { persistent: f.persistent + 1, ..f };
    a.create("x").again_v2(other, GUID).is(NONE);
    a.create("x").again_v2(FileId { persistent: f.volatile, volatile: f.volatile }, GUID).is(NONE);
    a.create("x").again(FileId::ANY).is(NONE);
    // Of the id that the client remembers, the persistent half counts.
    let half = FileId { volatile: 0, ..f };
    a.create("x").again_v2(half, GUID).ok();
}

#[test]
fn another_share() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    a.connect_tree("streams");
    a.create("x").again_v2(f, GUID).is(NONE);
    still_there(&w, f);
}

/// It is not persistent, whatever the client says.
#[test]
fn a_persistent_one() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    let (file_id, flags) = ((f.persistent, f.volatile), DurableFlags::PERSISTENT);
    a.create("x").with(&RequestContext::DH2C { file_id, create_guid: GUID, flags }).is(NONE);
    still_there(&w, f);
}

/// Twice at once, and while it is in use.
#[test]
fn twice() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("alice");
    w.hold("query");
    let first = a.create("x").again_v2(f, GUID).send().later();
    let second = b.create("x").again_v2(f, GUID).send().later();
    w.advance(Duration::from_secs(1));
    b.answer(second).is(NONE);
    w.release_calls();
    let back = a.answer(first).ok().created().file_id;
    for old in [f, back] {
        let sent = b.create("x").again(old).send().later();
        w.advance(Duration::from_secs(1));
        b.answer(sent).is(NONE);
    }
    a.close(back).ok();
    a.create("x").again(back).is(NONE);
}

/// An open that was never durable.
#[test]
fn not_a_durable_one() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.create("x").again(f).is(NONE);
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").again(f).is(NONE);
}

/// smb2.durable-v2-open.reopen2c, smb2.durable-open.reopen2-lease: what was of version 1 has a
/// CreateGuid of zeros.
#[test]
fn version_2_of_version_1() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").again_v2(f, GUID).is(NONE);
    let f = a.create("x").again_v2(f, [0; 16]).ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").again(f).ok();
}

/// smb2.durable-open.reopen2-lease: a lease comes with its key, version, client and name.
#[test]
fn leases() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased(KEY, RH).durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").again(f).is(NONE);
    a.create("x").batch().again(f).is(NONE);
    a.create("x").leased([2; 16], RH).again(f).is(NONE);
    a.create("x").leased_v2(KEY, RH).again(f).is(NONE);
    a.create("y").leased(KEY, RH).again(f).is(NtStatus::INVALID_PARAMETER);
    let mut other = w.connect();
    other.offer.guid = [9; 16];
    other.negotiate().ok();
    let mut other = other.logged_on("alice");
    other.create("x").leased(KEY, RH).again(f).is(NONE);
    let g = a.create("x").leased(KEY, RH).again(f).ok();
    a.close(g).ok();
    let f = a.create("x").batch().durable().ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").leased(KEY, RH).again(f).is(NONE);
}

/// A renamed file's lease answers to its new name.
#[test]
fn a_lease_of_a_renamed_file() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").leased(KEY, RH).durable().ok();
    a.rename(f, "y", false).ok();
    a.hang_up();
    let mut a = w.logged_on("alice");
    a.create("x").leased(KEY, RH).again(f).is(NtStatus::INVALID_PARAMETER);
    a.create("y").leased(KEY, RH).again(f).ok();
}

/// The open would have to be told about, and cannot: it goes.
#[test]
fn a_disk_that_fails_while_it_is_given_back() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    w.hold("query");
    let sent = a.create("x").again_v2(f, GUID).send().later();
    w.fail(0, VfsError::Io);
    w.release_calls();
    a.answer(sent).is(NtStatus::IO_DEVICE_ERROR);
    assert_eq!(w.counters().opens, 0);
}

/// The client goes away while it is being given its open back: it is kept once more.
#[test]
fn lost_again_in_the_middle() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    w.hold("query");
    let _ = a.create("x").again_v2(f, GUID).send().later();
    a.hang_up();
    w.release_calls();
    still_there(&w, f);
}

/// The same, and its thread ends with the call that was still to be made (3.3.7.1).
#[test]
fn lost_again_before_it_is_looked_at() {
    let (w, f) = kept();
    let mut a = w.logged_on("alice");
    w.hold("query");
    let _ = a.create("x").again_v2(f, GUID).send().later();
    a.hang_up();
    w.fail(0, VfsError::HungUp);
    w.release_calls();
    still_there(&w, f);
}

/// The same, and its session lives on by another channel, over which the client comes back for it.
#[test]
fn lost_again_on_one_channel() {
    for fails in [false, true] {
        let w = World::with(|config| config.multi_channel = true);
        let mut a = w.logged_on("alice");
        let f = a.create("x").batch().durable_v2(GUID, 0).ok();
        a.hang_up();
        let mut a = w.logged_on("alice");
        let mut other = w.channel(&a, "alice");
        w.hold("query");
        let _ = a.create("x").again_v2(f, GUID).send().later();
        a.hang_up();
        if fails {
            w.fail(0, VfsError::HungUp);
        }
        w.release_calls();
        assert_eq!(w.counters().kept, 1);
        other.create("x").again_v2(f, GUID).ok();
    }
}

/// Its client is back before it is known that the old connection is lost: the open is given back as
/// soon as it is, and refused when it is not (smb2.durable-v2-open.reopen2 on a busy machine).
#[test]
fn back_before_the_loss_is_noticed() {
    for lost in [true, false] {
        let w = World::new();
        w.put("x", b"");
        let mut a = w.logged_on("alice");
        let f = a.create("x").batch().durable_v2(GUID, 0).ok();
        let mut again = w.logged_on("alice");
        let sent = again.create("x").again_v2(f, GUID).send().later();
        again.nothing();
        if lost {
            a.hang_up();
            again.answer(sent).ok();
            assert_eq!((w.counters().opens, w.counters().kept), (1, 0));
        } else {
            w.advance(Duration::from_secs(1));
            again.answer(sent).is(NONE);
            a.read(f, 0, 0).ok();
        }
    }
}

/// Who waits for an open that is in use goes meanwhile: the wait ends within its second, and nothing
/// of it is left.
#[test]
fn who_waits_for_the_loss_goes() {
    for ends in [Some(RequestBody::TreeDisconnect), Some(RequestBody::Logoff), None] {
        let w = World::new();
        w.put("x", b"");
        let mut a = w.logged_on("alice");
        let f = a.create("x").batch().durable_v2(GUID, 0).ok();
        let mut again = w.logged_on("alice");
        let sent = again.create("x").again_v2(f, GUID).send().later();
        assert_eq!(w.counters().parked, 1);
        let Some(ends) = ends else {
            again.hang_up();
            assert_eq!(w.counters().parked, 0);
            a.close(f).ok();
            continue;
        };
        again.request(&ends).ok();
        w.advance(Duration::from_secs(1));
        assert!(again.answer(sent).status.is_error(), "{ends:?}");
        assert_eq!((w.counters().parked, w.counters().opens), (0, 1));
        a.close(f).ok();
    }
}
