//! Class C: security descriptors whose counts, sizes and offsets lie (MS-SMB2 3.3.5.9.2, 3.3.5.21.3;
//! MS-DTYP 2.4.2, 2.4.4, 2.4.5, 2.4.6, 2.5.3.4). Those that are stored on the disk are played in
//! `runtime-threads/tests/vfs/acl.rs`.

use crate::common::set_security;
use ksmbd_core::wire::{
    create_context::name,
    query_info::InfoType,
    security::{Ace, AceFlags, Acl, SecurityControl, SecurityDescriptor, Sid},
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

const DACL: u32 = 4;
const OWNER: u32 = 1;
/// Where the parts of [`crafted`] begin.
const LIST: usize = 20;
const FIRST_ACE: usize = LIST + 8;
const FIRST_SID: usize = FIRST_ACE + 8;

fn world() -> (World, Client, FileId) {
    let w = World::new();
    let share = Arc::new(Share { acl_xattr: true, ..Share::disk("acls", "/srv/share") });
    w.daemon(|daemon| {
        daemon.share(Rules { share, read_only: false, refused: None });
    });
    let mut a = w.logged_on("alice");
    a.connect_tree("acls");
    a.ask = 200;
    let f = a.create("x").access(AccessMask::ALL_ACCESS).ok();
    (w, a, f)
}

fn control(flags: SecurityControl) -> SecurityControl {
    SecurityControl::SELF_RELATIVE | flags
}

fn with(aces: Vec<Ace>) -> Vec<u8> {
    let descriptor = SecurityDescriptor {
        control: control(SecurityControl::DACL_PRESENT),
        dacl: Some(Acl { acl_revision: 2, aces }),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    descriptor.encode(&mut bytes).unwrap();
    bytes
}

/// Two ACEs of S-1-1-0, the DACL right behind the header.
fn crafted() -> Vec<u8> {
    let bytes = with(vec![Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS); 2]);
    assert_eq!(bytes[16..20], (LIST as u32).to_le_bytes());
    assert_eq!(bytes.len(), LIST + 8 + 2 * 20);
    bytes
}

fn lie(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = crafted();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn dacl(a: &mut Client, f: FileId) -> Vec<u8> {
    a.request(&body::query(f, InfoType::SECURITY, 0, DACL, 65_535)).ok().data().to_vec()
}

/// Set on a file and given to a new one, it is refused, and changes and makes nothing.
#[track_caller]
fn refused(lies: Vec<Vec<u8>>) {
    let (w, mut a, f) = world();
    a.request(&set_security(f, DACL, &crafted())).ok();
    let before = dacl(&mut a, f);
    for lie in lies {
        a.request(&set_security(f, DACL | OWNER, &lie)).is(NtStatus::INVALID_SECURITY_DESCR);
        a.create("new").context(name::SEC_D, &lie).is(NtStatus::INVALID_PARAMETER);
        assert!(!w.exists("new"));
        assert_eq!(dacl(&mut a, f), before);
    }
}

/// Offsets of owner, group, SACL and DACL: in the header, at the end, outside, and such that a sum
/// with what is there wraps.
#[test]
fn offsets_of_parts_outside() {
    let mut lies = Vec::new();
    for part in [4, 8, 12, 16] {
        for offset in [1_u32, 19, 67, 68, 69, 0x7fff_ffff, u32::MAX - 7, u32::MAX - 3, u32::MAX] {
            let mut bytes = lie(part, &offset.to_le_bytes());
            bytes[2] |= 0x10; // SACL_PRESENT
            lies.push(bytes);
        }
    }
    refused(lies);
}

/// AclSize smaller than the list's own header, smaller than its ACEs, larger than what is there.
#[test]
fn sizes_of_a_list() {
    let sizes = [0_u16, 1, 7, 8, 12, 27, 47, 49, 0x7fff, 0xffff];
    refused(sizes.map(|size| lie(LIST + 2, &size.to_le_bytes())).to_vec());
}

/// AceCount larger than the list has room for.
#[test]
fn more_aces_than_there_is_room_for() {
    let counts = [3_u16, 4, 11, 12, 0x7fff, 0xffff];
    refused(counts.map(|count| lie(LIST + 4, &count.to_le_bytes())).to_vec());
}

/// AceSize of nothing, smaller than the ACE's header, than its SID, larger than the list; the last
/// ACE too.
#[test]
fn sizes_of_an_ace() {
    let mut lies = Vec::new();
    for ace in [FIRST_ACE, FIRST_ACE + 20] {
        for size in [0_u16, 1, 3, 4, 8, 12, 16, 19, 21, 44, 0x7ffc, 0xfffc, 0xffff] {
            // The first may take the second's place, and then the second is not there.
            lies.push(lie(ace + 2, &size.to_le_bytes()));
        }
    }
    refused(lies);
}

/// More sub-authorities than a SID can have, than the ACE has room for; in the owner as well.
#[test]
fn sub_authorities_that_are_not_there() {
    let mut lies = Vec::new();
    for ace in [FIRST_SID, FIRST_SID + 20] {
        for count in [2_u8, 3, 15, 16, 127, 255] {
            lies.push(lie(ace + 1, &[count]));
        }
    }
    for count in [8_u8, 15, 16, 255] {
        let mut owner = crafted();
        let at = owner.len() as u32;
        owner[4..8].copy_from_slice(&at.to_le_bytes());
        owner.extend([1, count, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0]);
        lies.push(owner);
    }
    refused(lies);
}

/// A SID without a sub-authority, and with one where Unix users have two or three, is somebody, but
/// nobody here: taken in a list, and the owner of nothing.
#[test]
fn sids_without_sub_authorities() {
    let (_w, mut a, f) = world();
    let none = Sid::new(5, &[]).unwrap();
    for sid in [none, Sid::new(22, &[1]).unwrap(), Sid::new(5, &[88]).unwrap()] {
        let list =
            with(vec![Ace::allow(sid, AccessMask::all()), Ace::deny(sid, AccessMask::all())]);
        a.request(&set_security(f, DACL, &list)).ok();
        assert!(SecurityDescriptor::parse(&dacl(&mut a, f)).unwrap().dacl.is_some());
        let owner = SecurityDescriptor { owner: Some(sid), ..Default::default() };
        let mut bytes = Vec::new();
        owner.encode(&mut bytes).unwrap();
        a.request(&set_security(f, OWNER, &bytes)).is(NtStatus::INVALID_OWNER);
        // The check of access walks the list as well.
        a.create("x").existing().access(AccessMask::FILE_READ_DATA).is(NtStatus::ACCESS_DENIED);
    }
}

/// As many ACEs as fit into 64 KiB beside owner and group, many of them twice: kept as they are, and
/// checked in no time; more are refused.
#[test]
fn as_many_aces_as_fit() {
    let (_w, mut a, f) = world();
    let most = (0xffff - LIST - 8 - 2 * 16) / 20;
    let sid = |n: usize| Sid::new(22, &[n as u32 % 7]).unwrap();
    let list = |count| with((0..count).map(|n| Ace::allow(sid(n), AccessMask::DELETE)).collect());
    let bytes = list(most);
    a.request(&set_security(f, DACL, &bytes)).ok();
    assert_eq!(dacl(&mut a, f), bytes);
    a.create("x").existing().access(AccessMask::FILE_READ_DATA).is(NtStatus::ACCESS_DENIED);
    // It fits alone, and not beside the owner.
    a.request(&set_security(f, DACL, &list(most + 1))).is(NtStatus::INVALID_PARAMETER);
    let mut more = list(most + 1);
    more.extend_from_slice(&bytes[bytes.len() - 40..]);
    more[LIST + 4..LIST + 6].copy_from_slice(&(most as u16 + 3).to_le_bytes());
    a.request(&set_security(f, DACL, &more)).is(NtStatus::INVALID_SECURITY_DESCR);
    assert_eq!(dacl(&mut a, f), bytes);
}

/// A directory of which every ACE is inherited twice, so that what is made in it has no room for them:
/// nothing is made, and what has room is.
#[test]
fn what_is_inherited_has_no_room() {
    let (w, mut a, _) = world();
    let d = a.create("d").directory().access(AccessMask::ALL_ACCESS).ok();
    let mut ace = Ace::allow(Sid::CREATOR_OWNER, AccessMask::GENERIC_ALL);
    ace.ace_flags = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let me = Ace::allow(ksmbd_core::acl::sid_of_uid(1000), AccessMask::ALL_ACCESS);
    let list = |count: usize| {
        let mut aces = vec![ace.clone(); count];
        aces.push(me.clone());
        with(aces)
    };
    for (count, status) in [(1000, NtStatus::SUCCESS), (3200, NtStatus::INVALID_PARAMETER)] {
        a.request(&set_security(d, DACL, &list(count))).ok();
        let made = a.create("d\\d").directory().fresh().send().is(status);
        assert_eq!(w.exists("d/d"), status == NtStatus::SUCCESS);
        if made.status == NtStatus::SUCCESS {
            let inner = made.created().file_id;
            a.delete(inner, true).ok();
            a.close(inner).ok();
        }
    }
    // A SID of another length takes the place of CREATOR OWNER in what a file inherits.
    a.create("d\\f").fresh().is(NtStatus::INVALID_PARAMETER);
    assert!(!w.exists("d/f") && !w.exists("d/d"));
}

/// Parts on top of each other say the same twice: together they may be longer than what can be kept.
#[test]
fn parts_on_top_of_each_other() {
    let (_w, mut a, f) = world();
    let before = dacl(&mut a, f);
    let most = (0xffff - LIST - 8) / 20;
    let mut bytes = with(vec![Ace::allow(Sid::EVERYONE, AccessMask::DELETE); most]);
    // The owner is the SID in the first ACE.
    bytes[4..8].copy_from_slice(&(FIRST_SID as u32).to_le_bytes());
    a.request(&set_security(f, OWNER | DACL, &bytes)).is(NtStatus::INVALID_OWNER);
    // And the SACL is the DACL, which only root could set.
    bytes[2] |= 0x10;
    bytes[12..16].copy_from_slice(&(LIST as u32).to_le_bytes());
    a.request(&set_security(f, DACL | 8, &bytes)).is(NtStatus::ACCESS_DENIED);
    assert_eq!(dacl(&mut a, f), before);
    w_root_has_no_room(&bytes);
}

fn w_root_has_no_room(bytes: &[u8]) {
    let (w, ..) = world();
    w.daemon(|daemon| daemon.account("root", 0));
    let mut root = w.logged_on("root");
    root.connect_tree("acls");
    let system = AccessMask::ACCESS_SYSTEM_SECURITY | AccessMask::ALL_ACCESS;
    let f = root.create("x").access(system).existing().ok();
    let before = dacl(&mut root, f);
    root.request(&set_security(f, DACL | 8, bytes)).is(NtStatus::INVALID_PARAMETER);
    assert_eq!(dacl(&mut root, f), before);
}
