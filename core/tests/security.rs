//! Security descriptors: who is let in by them, who may change them (MS-SMB2 3.3.5.9, 3.3.5.20.3,
//! 3.3.5.21.3, MS-FSA 2.1.5.1.2.1, 2.1.5.16).
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use ksmbd_core::{
    acl::{sid_of_gid, sid_of_uid},
    time::FileTime,
    wire::{
        create_context::{ResponseContext, name},
        fscc::{
            file::BasicInformation,
            set_file::{SetFileInformation, Target},
        },
        query_info::{InfoType, SecurityInformation},
        security::{Ace, AceFlags, Acl, SecurityControl, SecurityDescriptor, Sid},
        set_info::SetInfoRequest,
    },
};
use ksmbd_fuzz::{client::body, prelude::*};
use std::sync::Arc;

const ALICE: u32 = 1000;
const OWNER: SecurityInformation = SecurityInformation::OWNER;
const GROUP: SecurityInformation = SecurityInformation::GROUP;
const DACL: SecurityInformation = SecurityInformation::DACL;
const SACL: SecurityInformation = SecurityInformation::SACL;
const READ: AccessMask = AccessMask::FILE_READ_DATA;
const WRITE: AccessMask = AccessMask::FILE_WRITE_DATA;

/// The share `acls` keeps descriptors, and `acls-ro` is the same, for reading.
fn world() -> World {
    let w = World::new();
    for (name, read_only) in [("acls", false), ("acls-ro", true)] {
        let share = Share { acl_xattr: true, ..Share::disk(name, "/srv/share") };
        let rules = Rules { share: Arc::new(share), read_only, refused: None };
        w.daemon(|daemon| daemon.share(rules));
    }
    w.daemon(|daemon| daemon.account("root", 0));
    w
}

fn on(w: &World, user: &str, share: &str) -> Client {
    let mut client = w.logged_on(user);
    client.tree_id = client.tree_connect(share).ok().header.tree_id;
    client
}

fn dacl(aces: Vec<Ace>) -> SecurityDescriptor {
    SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PRESENT,
        dacl: Some(Acl { acl_revision: 2, aces }),
        ..Default::default()
    }
}

fn bytes(descriptor: &SecurityDescriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    descriptor.encode(&mut bytes).unwrap();
    bytes
}

fn set(file_id: FileId, parts: SecurityInformation, buffer: Vec<u8>) -> RequestBody {
    RequestBody::SetInfo(SetInfoRequest {
        info_type: InfoType::SECURITY,
        info_class: 0,
        additional_information: parts.bits(),
        file_id,
        buffer,
    })
}

fn query(file_id: FileId, parts: SecurityInformation, max: u32) -> RequestBody {
    body::query(file_id, InfoType::SECURITY, 0, parts.bits(), max)
}

fn descriptor(a: &mut Client, file: FileId, parts: SecurityInformation) -> SecurityDescriptor {
    SecurityDescriptor::parse(a.request(&query(file, parts, 4096)).ok().data()).unwrap()
}

/// An open with all rights that files have.
fn all(a: &mut Client, name: &str) -> FileId {
    a.create(name).access(AccessMask::ALL_ACCESS).ok()
}

/// A file of alice's with these ACEs.
fn file(a: &mut Client, name: &str, aces: Vec<Ace>) {
    let f = a.create(name).access(AccessMask::WRITE_DAC).ok();
    a.request(&set(f, DACL, bytes(&dacl(aces)))).ok();
    a.close(f).ok();
}

fn granted(a: &mut Client, file: FileId) -> AccessMask {
    let answer = a.query_file(file, FileInfoClass::ACCESS, 4).ok();
    AccessMask::from_bits_retain(u32::from_le_bytes(answer.data().try_into().unwrap()))
}

#[test]
fn what_is_set_counts_for_the_next_open() {
    let w = world();
    let (mut a, mut b) = (on(&w, "alice", "acls"), on(&w, "bob", "acls"));
    file(&mut a, "f", vec![Ace::deny(sid_of_uid(1001), WRITE), Ace::allow(Sid::EVERYONE, READ)]);
    b.create("f").access(WRITE).existing().is(NtStatus::ACCESS_DENIED);
    a.create("f").access(WRITE).existing().is(NtStatus::ACCESS_DENIED);
    b.create("f").access(AccessMask::WRITE_DAC).existing().is(NtStatus::ACCESS_DENIED);
    let f = b.create("f").access(READ).existing().ok();
    assert_eq!(granted(&mut b, f), READ);
    let f = a.create("f").access(AccessMask::MAXIMUM_ALLOWED).existing().ok();
    let mine = AccessMask::READ_CONTROL | AccessMask::WRITE_DAC;
    // The directory lets everybody see what is in it, and remove it.
    let by_parent = AccessMask::FILE_READ_ATTRIBUTES | AccessMask::DELETE;
    assert_eq!(granted(&mut a, f), READ | mine | by_parent);
    let both = AccessMask::MAXIMUM_ALLOWED | WRITE;
    a.create("f").access(both).existing().is(NtStatus::ACCESS_DENIED);
    let opened = a.create("f").access(READ).existing().context(name::MX_AC, &[]).opened();
    let [context] = opened.contexts.as_slice() else { panic!("{opened:?}") };
    let found = ResponseContext::parse(&context.name, &context.data).unwrap();
    let maximal_access = READ | mine | by_parent;
    assert_eq!(found, ResponseContext::MxAc { query_status: 0, maximal_access });
    // The same files, where descriptors do not count.
    let mut plain = w.logged_on("alice");
    plain.create("f").access(WRITE).existing().ok();
}

#[test]
fn what_the_kernel_refuses_no_descriptor_grants() {
    let w = world();
    let (mut a, mut b) = (on(&w, "alice", "acls"), on(&w, "bob", "acls"));
    file(&mut a, "f", vec![Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS)]);
    b.create("f").access(WRITE).existing().is(NtStatus::ACCESS_DENIED);
    let f = b.create("f").access(AccessMask::MAXIMUM_ALLOWED).existing().ok();
    assert!(!granted(&mut b, f).contains(WRITE));
    assert!(granted(&mut b, f).contains(READ | AccessMask::WRITE_DAC));
}

#[test]
fn parts_are_told_alone() {
    let w = world();
    let mut a = on(&w, "alice", "acls");
    let f = all(&mut a, "f");
    let whole = descriptor(&mut a, f, OWNER | GROUP | DACL);
    assert_eq!((whole.owner, whole.group), (Some(sid_of_uid(ALICE)), Some(sid_of_gid(ALICE))));
    let aces = vec![Ace::allow(Sid::EVERYONE, AccessMask::GENERIC_READ)];
    a.request(&set(f, DACL, bytes(&dacl(aces)))).ok();
    let owner = descriptor(&mut a, f, OWNER);
    assert_eq!((owner.owner, owner.group, owner.dacl), (whole.owner, None, None));
    assert_eq!(owner.control, SecurityControl::SELF_RELATIVE);
    let found = descriptor(&mut a, f, DACL);
    assert_eq!(found, dacl(vec![Ace::allow(Sid::EVERYONE, AccessMask::FILE_GENERIC_READ)]));
    let none = SecurityInformation::empty();
    assert_eq!(descriptor(&mut a, f, none).control, SecurityControl::SELF_RELATIVE);
}

#[test]
fn too_short_a_buffer_is_told_the_size() {
    let w = world();
    for (dialect, data) in
        [(Dialect::SMB_3_0_2, vec![]), (Dialect::SMB_3_1_1, vec![4, 0, 0, 0, 0, 0, 0, 0])]
    {
        let mut a = w.client(dialect).logged_on("alice");
        a.tree_id = a.tree_connect("acls").ok().header.tree_id;
        let f = a.create("f").ok();
        let size = a.request(&query(f, OWNER, 4096)).ok().data().len();
        assert_eq!(a.request(&query(f, OWNER, size as u32)).ok().data().len(), size);
        let answer = a.request(&query(f, OWNER, size as u32 - 1)).is(NtStatus::BUFFER_TOO_SMALL);
        let ResponseBody::Error(error) = answer.body else { panic!("{answer:?}") };
        let expected = [data, (size as u32).to_le_bytes().to_vec()].concat();
        assert_eq!(error.error_data, expected);
    }
}

#[test]
fn owners_change_only_to_those_who_take_it() {
    let w = world();
    let (mut a, mut b) = (on(&w, "alice", "acls"), on(&w, "bob", "acls"));
    let mut root = on(&w, "root", "acls");
    let take = Ace::allow(Sid::EVERYONE, AccessMask::WRITE_OWNER);
    file(&mut a, "f", vec![take]);
    let to = |uid| bytes(&SecurityDescriptor { owner: Some(sid_of_uid(uid)), ..dacl(vec![]) });
    let f = a.create("f").access(AccessMask::WRITE_OWNER).existing().ok();
    a.request(&set(f, OWNER, to(1001))).is(NtStatus::INVALID_OWNER);
    a.request(&set(f, OWNER, to(ALICE))).ok();
    a.request(&set(f, OWNER | DACL, to(ALICE))).is(NtStatus::ACCESS_DENIED);
    let foreign = SecurityDescriptor { group: Some(sid_of_gid(7)), ..dacl(vec![]) };
    a.request(&set(f, GROUP, bytes(&foreign))).is(NtStatus::INVALID_PRIMARY_GROUP);
    let f = b.create("f").access(AccessMask::WRITE_OWNER).existing().ok();
    b.request(&set(f, OWNER, to(1001))).ok();
    let f = b.create("f").access(AccessMask::READ_CONTROL).existing().ok();
    assert_eq!(descriptor(&mut b, f, OWNER).owner, Some(sid_of_uid(1001)));
    let f = root.create("f").access(AccessMask::WRITE_OWNER).existing().ok();
    root.request(&set(f, OWNER, to(ALICE))).ok();
}

#[test]
fn only_root_sees_what_is_audited() {
    let w = world();
    let (mut a, mut root) = (on(&w, "alice", "acls"), on(&w, "root", "acls"));
    file(&mut a, "f", vec![Ace::allow(Sid::EVERYONE, AccessMask::all())]);
    let system = AccessMask::ACCESS_SYSTEM_SECURITY;
    a.create("f").access(system).existing().is(NtStatus::PRIVILEGE_NOT_HELD);
    a.create("new").access(system).is(NtStatus::PRIVILEGE_NOT_HELD);
    assert!(!w.exists("new"));
    let f = root.create("f").access(system).existing().ok();
    let sacl = Some(Acl { acl_revision: 2, aces: vec![] });
    let control = SecurityControl::SELF_RELATIVE | SecurityControl::SACL_PRESENT;
    let audited = SecurityDescriptor { control, sacl, ..Default::default() };
    root.request(&set(f, SACL, bytes(&audited))).ok();
    assert_eq!(descriptor(&mut root, f, SACL), audited);
}

#[test]
fn new_files_inherit_or_are_told() {
    let w = world();
    let (mut a, mut b) = (on(&w, "alice", "acls"), on(&w, "bob", "acls"));
    let d = a.create("d").directory().access(AccessMask::ALL_ACCESS).ok();
    let mut ace = Ace::allow(Sid::CREATOR_OWNER, AccessMask::GENERIC_READ);
    ace.ace_flags = AceFlags::OBJECT_INHERIT | AceFlags::INHERIT_ONLY;
    let here = AccessMask::FILE_ADD_FILE | AccessMask::READ_CONTROL;
    let aces = vec![ace, Ace::allow(sid_of_uid(ALICE), here)];
    a.request(&set(d, DACL, bytes(&dacl(aces)))).ok();
    let f = all(&mut a, "d\\f");
    assert_eq!(granted(&mut a, f), AccessMask::ALL_ACCESS, "its maker gets what it asks for");
    let mine = Ace::allow(sid_of_uid(ALICE), AccessMask::FILE_GENERIC_READ);
    assert_eq!(descriptor(&mut a, f, DACL), dacl(vec![mine]));
    a.create("d\\f").access(WRITE).existing().is(NtStatus::ACCESS_DENIED);
    a.create("d\\d").directory().is(NtStatus::ACCESS_DENIED);
    b.create("d\\b").is(NtStatus::ACCESS_DENIED);
    assert!(!w.exists("d/d") && !w.exists("d/b"));
    let theirs = |owner| bytes(&SecurityDescriptor { owner, ..dacl(vec![]) });
    let not_mine = theirs(Some(sid_of_uid(1001)));
    a.create("d\\x").context(name::SEC_D, &not_mine).is(NtStatus::INVALID_OWNER);
    assert!(!w.exists("d/x"));
    let f = a.create("d\\x").context(name::SEC_D, &theirs(None)).ok();
    assert_eq!(descriptor(&mut a, f, DACL), dacl(vec![]));
    a.create("d\\x").access(READ).existing().is(NtStatus::ACCESS_DENIED);
}

#[test]
fn a_refused_create_leaves_nothing_behind() {
    let w = world();
    let mut a = on(&w, "alice", "acls");
    let create = a.create("f").delete_on_close().attributes(FileAttributes::READONLY);
    create.is(NtStatus::CANNOT_DELETE);
    assert!(!w.exists("f"));
    a.create("f").fresh().ok();
}

#[test]
fn read_only_shares_change_nothing() {
    let w = world();
    let (mut a, mut ro) = (on(&w, "alice", "acls"), on(&w, "alice", "acls-ro"));
    file(&mut a, "f", vec![Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS)]);
    let f = ro.create("f").access(AccessMask::MAXIMUM_ALLOWED).existing().ok();
    let found = granted(&mut ro, f);
    assert!(found.contains(READ | AccessMask::READ_CONTROL), "{found:?}");
    let changes = WRITE | AccessMask::DELETE | AccessMask::WRITE_DAC | AccessMask::WRITE_OWNER;
    assert!(!found.intersects(changes), "{found:?}");
    ro.create("f").access(AccessMask::WRITE_DAC).existing().is(NtStatus::ACCESS_DENIED);
}

#[test]
fn shares_without_descriptors_take_none() {
    let w = world();
    let mut a = w.logged_on("alice");
    let f = all(&mut a, "f");
    let before = descriptor(&mut a, f, OWNER | DACL);
    a.request(&set(f, DACL, bytes(&dacl(vec![])))).is(NtStatus::INVALID_DEVICE_REQUEST);
    assert_eq!(descriptor(&mut a, f, OWNER | DACL), before);
    a.create("x").context(name::SEC_D, &bytes(&dacl(vec![]))).ok();
    a.create("x").access(READ).existing().ok();
}

#[test]
fn malformed_descriptors_change_nothing() {
    let w = world();
    let mut a = on(&w, "alice", "acls");
    let f = all(&mut a, "f");
    let good = bytes(&dacl(vec![Ace::allow(Sid::EVERYONE, READ)]));
    let before = descriptor(&mut a, f, DACL);
    let mut lies = vec![vec![], vec![1; 0x1_0000]];
    lies.extend((0..good.len()).map(|length| good[..length].to_vec()));
    // Revision, offset, the ACL's size, its count, an ACE's size, a SID's count.
    for (at, value) in [(0, 2), (16, 0xff), (22, 7), (23, 1), (24, 0xff), (30, 3), (37, 16)] {
        let mut lie = good.clone();
        lie[at] = value;
        lies.push(lie);
    }
    for lie in lies {
        a.request(&set(f, DACL, lie)).is(NtStatus::INVALID_SECURITY_DESCR);
    }
    assert_eq!(descriptor(&mut a, f, DACL), before);
}

/// What an operation is asked with, and the rights of which one is enough.
type Operation = (&'static str, fn(FileId) -> RequestBody, AccessMask);

fn set_basic(f: FileId) -> RequestBody {
    let set = BasicInformation {
        creation_time: FileTime(0),
        last_access_time: FileTime(0),
        last_write_time: FileTime(0),
        change_time: FileTime(0),
        file_attributes: FileAttributes::ARCHIVE,
    };
    body::set_file(f, &SetFileInformation::Basic(set))
}

fn rename(f: FileId) -> RequestBody {
    let file_name = "renamed".encode_utf16().collect();
    let target = Target { replace_if_exists: true, root_directory: 0, file_name };
    body::set_file(f, &SetFileInformation::Rename(target))
}

/// Every operation against every right: only those that the table has let it through.
#[test]
fn every_operation_needs_its_right() {
    let own = |f| {
        set(f, OWNER, bytes(&SecurityDescriptor { owner: Some(sid_of_uid(0)), ..dacl(vec![]) }))
    };
    let attributes = AccessMask::FILE_READ_ATTRIBUTES;
    let append = AccessMask::FILE_APPEND_DATA;
    let operations: &[Operation] = &[
        ("read", |f| body::read(f, 0, 1), READ | AccessMask::FILE_EXECUTE),
        ("flush", body::flush, WRITE | append),
        ("basic", |f| body::query_file(f, FileInfoClass::BASIC, 64), attributes),
        ("all", |f| body::query_file(f, FileInfoClass::ALL, 512), attributes),
        ("network", |f| body::query_file(f, FileInfoClass::NETWORK_OPEN, 64), attributes),
        ("owner", |f| query(f, OWNER, 512), AccessMask::READ_CONTROL),
        ("group", |f| query(f, GROUP, 512), AccessMask::READ_CONTROL),
        ("dacl", |f| query(f, DACL, 512), AccessMask::READ_CONTROL),
        ("sacl", |f| query(f, SACL, 512), AccessMask::ACCESS_SYSTEM_SECURITY),
        ("dacl and sacl", |f| query(f, DACL | SACL, 512), AccessMask::empty()),
        ("set basic", set_basic, AccessMask::FILE_WRITE_ATTRIBUTES),
        (
            "set end of file",
            |f| body::set_file(f, &SetFileInformation::EndOfFile { end_of_file: 0 }),
            WRITE,
        ),
        (
            "set allocation",
            |f| body::set_file(f, &SetFileInformation::Allocation { allocation_size: 0 }),
            WRITE,
        ),
        ("rename", rename, AccessMask::DELETE),
        (
            "disposition",
            |f| body::set_file(f, &SetFileInformation::Disposition { delete_pending: false }),
            AccessMask::DELETE,
        ),
        ("set owner", own, AccessMask::WRITE_OWNER),
        ("set dacl", |f| set(f, DACL, bytes(&dacl(vec![]))), AccessMask::WRITE_DAC),
        ("set owner and dacl", |f| set(f, OWNER | DACL, bytes(&dacl(vec![]))), AccessMask::empty()),
        ("set sacl", |f| set(f, SACL, bytes(&dacl(vec![]))), AccessMask::ACCESS_SYSTEM_SECURITY),
    ];
    let w = world();
    let mut root = on(&w, "root", "acls");
    let rights = AccessMask::ALL_ACCESS | AccessMask::ACCESS_SYSTEM_SECURITY;
    for right in (0..32).map(|bit| AccessMask::from_bits_retain(1 << bit)) {
        if !rights.contains(right) {
            continue;
        }
        for (name, request, enough) in operations {
            let path = format!("{name} {right:?}").replace('|', "-");
            let f = root.create(&path).fresh().access(right).ok();
            let status = root.request(&request(f)).answer().status;
            let passed = status != NtStatus::ACCESS_DENIED;
            assert_eq!(passed, enough.contains(right), "{name} with {right:?}: {status}");
            root.close(f).ok();
        }
    }
}
