//! Leases of directories: who caches one is told when somebody else changes what is in it (MS-SMB2
//! 3.3.5.9.11, MS-FSA 2.1.4.12, PARENT_OBJECT).

use ksmbd_core::config::Share;
use ksmbd_core::wire::create::CreateResponse;
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

/// The directory, open to be listed under key 1.
fn listed(a: &mut Client, disposition: CreateDisposition) -> CreateResponse {
    let directory = a.create("d").directory().access(AccessMask::GENERIC_READ);
    directory.disposition(disposition).lease_v2(1, "RWH", 0, None).opened()
}

/// One client caches the directory `d`, which has a file `x`; another one is there.
fn cached() -> (World, Client, Client) {
    let w = World::new();
    let (mut a, b) = (client(&w, 1), client(&w, 2));
    let opened = listed(&mut a, CreateDisposition::CREATE);
    assert_eq!(granted_state(&opened), "RH", "nobody writes to a directory");
    let x = a.create("d\\x").lease_v2(2, "", 0, Some(1)).ok();
    a.close(x).ok();
    a.nothing();
    (w, a, b)
}

#[track_caller]
fn told(a: &mut Client) {
    a.breaks(1, "RH", "");
    a.ack_lease(1, "").ok();
    let again = listed(a, CreateDisposition::OPEN);
    assert_eq!(granted_state(&again), "RH");
}

#[test]
fn what_others_change_is_told() {
    let (_w, mut a, mut b) = cached();
    let y = b.create("d\\y").ok();
    told(&mut a);
    b.rename(y, "d\\z", false).ok();
    a.breaks(1, "RH", "");
    a.ack_lease(1, "").ok();
    listed(&mut a, CreateDisposition::OPEN);
    b.delete(y, true).ok();
    a.nothing();
    b.close(y).ok();
    told(&mut a);
    let x = b.create("d\\x").ok();
    b.write(x, 0, b"data").ok();
    a.nothing();
    b.close(x).ok();
    told(&mut a);
}

/// What is looked at is not changed, and what is elsewhere is elsewhere.
#[test]
fn what_is_not() {
    let (_w, a, mut b) = cached();
    let x = b.create("d\\x").ok();
    b.read(x, 0, 1).is(NtStatus::END_OF_FILE);
    b.close(x).ok();
    b.create("y").ok();
    a.nothing();
}

/// The lease under which a client changes something knows of it; another of the same client does not.
#[test]
fn ones_own_changes() {
    let (_w, mut a, _b) = cached();
    let y = a.create("d\\y").lease_v2(3, "RWH", 0, Some(1)).ok();
    a.write(y, 0, b"data").ok();
    a.close(y).ok();
    a.nothing();
    let z = a.create("d\\z").lease_v2(4, "RWH", 0, None).send().later();
    a.breaks(1, "RH", "");
    a.answer(z).ok();
}

/// A directory's handles go as a file's do.
#[test]
fn its_own_name() {
    let (w, mut a, mut b) = cached();
    let d = b.create("d").directory().ok();
    let renaming = b.rename(d, "e", false).silent();
    a.breaks(1, "RH", "R");
    a.ack_lease(1, "R").ok();
    b.answer(renaming).ok();
    assert!(w.exists("e"));
}

/// Version 1 is for files.
#[test]
fn not_with_version_1() {
    let w = World::new();
    let mut a = client(&w, 1);
    let opened = a.create("d").directory().lease(1, "RH").opened();
    assert_eq!(granted(&opened), None);
}

/// Two shares, one inside of the other: what is changed by one of them is told by the other.
#[test]
fn by_a_share_around_it() {
    let w = World::new();
    w.vfs(|vfs| {
        vfs.put_directory("/srv/share", "d");
        vfs.serve("/srv/share/d");
    });
    let share = Arc::new(Share::disk("below", "/srv/share/d"));
    w.daemon(|daemon| daemon.share(Rules { share, read_only: false, refused: None }));
    let (mut a, mut b) = (client(&w, 1), client(&w, 2));
    a.connect_tree("below");
    let root = a.create("").directory().existing().access(AccessMask::GENERIC_READ);
    assert_eq!(granted_state(&root.lease_v2(1, "RH", 0, None).opened()), "RH");
    let y = b.create("d\\y").ok();
    a.breaks(1, "RH", "");
    a.ack_lease(1, "").ok();
    // The open by one share has the name that it got by the other.
    let z = a.create("y").delete_on_close().ok();
    b.rename(y, "d\\z", false).ok();
    b.close(y).ok();
    a.close(z).ok();
    assert!(!w.exists("d/z"));
}

/// A CLOSE comes while a WRITE is out: what it writes shows in the directory all the same.
#[test]
fn written_while_it_is_closed() {
    let (w, mut a, mut b) = cached();
    let x = b.create("d\\x").ok();
    w.hold("write");
    let write = b.write(x, 0, b"data").silent();
    let close = b.close(x).silent();
    a.nothing();
    w.release_calls();
    b.answer(write).ok();
    b.answer(close).ok();
    told(&mut a);
}
