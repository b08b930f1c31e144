//! Class D: create contexts, extended attributes and streams whose lengths lie (MS-SMB2 2.2.13.2,
//! 3.3.5.9; MS-FSCC 2.4.16; MS-FSA 2.1.5.4, 2.1.5.15).

use crate::common::{set, unsigned};
use ksmbd_core::wire::{create_context::name, query_info::InfoType};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

/// Each context that has a length of its own, with every other length up to twice as many bytes: the
/// CREATE is refused whole, whether the context's feature is there or not.
#[test]
fn contexts_of_another_length() {
    let contexts: [(&[u8], &[usize]); 11] = [
        (name::DHNQ, &[16]),
        (name::DHNC, &[16]),
        (name::DH2Q, &[32]),
        (name::DH2C, &[36]),
        (name::RQLS, &[32, 52]),
        (name::AL_SI, &[8]),
        (name::MX_AC, &[0, 8]),
        (name::TWRP, &[8]),
        (name::QFID, &[0]),
        (name::APP_INSTANCE_ID, &[20]),
        (name::APP_INSTANCE_VERSION, &[24]),
    ];
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    for (name, right) in contexts {
        for length in (0..=2 * right[right.len() - 1] + 2).filter(|length| !right.contains(length))
        {
            let create = a.create("new").context(name, &vec![0; length]);
            create.is(NtStatus::INVALID_PARAMETER);
            assert!(!w.exists("new"), "{name:?}, {length}");
        }
        // Behind others that are right, too.
        let create = a.create("new").context(b"ever", b"what").context(name::MX_AC, &[]);
        create.context(name, &[0; 3]).is(NtStatus::INVALID_PARAMETER);
    }
    assert_eq!((w.counters().opens, w.exists("new")), (0, false));
}

/// A lease wanted by the oplock level, and no context that says which: a plain open.
#[test]
fn a_lease_without_its_context() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    for level in [0xff_u8, 0xfe, 0x10, 3] {
        let mut create = a.create("x");
        create.request.requested_oplock_level = OplockLevel(level);
        let opened = create.opened();
        assert_eq!(opened.oplock_level, OplockLevel::NONE);
        a.close(opened.file_id).ok();
    }
}

/// One FILE_FULL_EA_INFORMATION.
fn entry(next: u32, name_length: u8, value_length: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = next.to_le_bytes().to_vec();
    bytes.extend([0, name_length]);
    bytes.extend(value_length.to_le_bytes());
    bytes.extend(rest);
    bytes
}

/// Lists of extended attributes that lead outside, backwards or nowhere, by SET_INFO and by CREATE:
/// refused whole, also when the first entry is right.
#[test]
fn lists_of_attributes_that_lie() {
    let good = entry(12, 1, 1, b"a\0v\0");
    let behind = |second: Vec<u8>| [good.clone(), second].concat();
    let lies = [
        // NextEntryOffset: into itself, unaligned, at the end, outside, wrapping.
        entry(1, 1, 1, b"a\0v\0"),
        entry(8, 1, 1, b"a\0v\0"),
        entry(11, 1, 1, b"a\0v\0"),
        entry(13, 1, 1, b"a\0v\0"),
        entry(0x7fff_fffc, 1, 1, b"a\0v\0"),
        entry(u32::MAX - 3, 1, 1, b"a\0v\0"),
        // EaNameLength without room for name and terminator, for the value.
        entry(0, 3, 0, b"abc"),
        entry(0, 4, 0, b"abc"),
        entry(0, 255, 0, b"a\0"),
        entry(0, 1, 2, b"a\0v"),
        entry(0, 1, 0xffff, b"a\0v"),
        // The terminator is not there.
        entry(0, 1, 1, b"abv"),
        // The rest is shorter than an entry.
        behind(vec![0, 0, 0]),
        behind(vec![0; 7]),
        // The second's lengths fit into the whole and not into what is left.
        behind(entry(0, 1, 10, b"a\0v")),
        behind(entry(12, 1, 1, b"a\0v\0")),
        behind(entry(24, 1, 1, b"a\0v\0")),
    ];
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for lie in lies {
        let status = a.request(&set(f, FileInfoClass::FULL_EA, &lie)).answer().status;
        assert_eq!(status, NtStatus::EA_LIST_INCONSISTENT, "{lie:?}");
        a.create("new").context(name::EXT_A, &lie).is(NtStatus::INVALID_PARAMETER);
        let all = body::query_file(f, FileInfoClass::FULL_EA, 4096);
        a.request(&all).is(NtStatus::NO_EAS_ON_FILE);
        assert!(!w.exists("new"));
    }
    a.request(&set(f, FileInfoClass::FULL_EA, &behind(entry(0, 1, 1, b"b\0v")))).ok();
}

/// QUERY_INFO's list of names, EaNameLength and NextEntryOffset lying.
#[test]
fn lists_of_names_that_lie() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.request(&set(f, FileInfoClass::FULL_EA, &entry(0, 1, 1, b"a\0v"))).ok();
    let name =
        |next: u32, length: u8, rest: &[u8]| [&next.to_le_bytes()[..], &[length], rest].concat();
    let lies = [
        name(0, 2, b"a\0"),
        name(0, 255, b"a\0"),
        name(4, 1, b"a\0\0"),
        name(7, 1, b"a\0\0"),
        name(99, 1, b"a\0\0"),
        name(u32::MAX, 1, b"a\0\0"),
        vec![0, 0, 0],
        vec![0; 4],
        [name(8, 1, b"a\0\0"), name(0, 200, b"a\0")].concat(),
    ];
    for lie in lies {
        let class = FileInfoClass::FULL_EA.0;
        let mut request = body::query(f, InfoType::FILE, class, 0, 4096);
        let RequestBody::QueryInfo(query) = &mut request else { unreachable!() };
        query.input = lie.clone();
        let answer = a.request(&request).answer();
        assert_eq!(answer.status, NtStatus::EA_LIST_INCONSISTENT, "{lie:?}");
    }
}

/// READ and WRITE of a stream at offsets that are negative, huge, or only just too large: an error,
/// and the stream is what it was.
#[test]
fn offsets_into_a_stream() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.connect_tree("streams");
    let s = a.create("x:one").ok();
    a.write(s, 0, b"as it was").ok();
    let last = i64::MAX as u64;
    for offset in [last, last + 1, u64::MAX, u64::MAX - 8, last - 3] {
        a.write(s, offset, b"0123456789").is(NtStatus::INVALID_PARAMETER);
        a.read(s, offset, 10).is(NtStatus::INVALID_PARAMETER);
    }
    for offset in [65_527, 65_536, 65_537, 1 << 31, 1 << 32, 1 << 43] {
        a.write(s, offset, b"0123456789").is(NtStatus::DISK_FULL);
        a.read(s, offset, 10).is(NtStatus::END_OF_FILE);
    }
    assert_eq!(a.read(s, 0, 65_536).ok().data(), b"as it was");
    // Up to the last byte that there is room for; what is in between is zeros.
    a.write(s, 65_526, b"0123456789").ok();
    let whole = a.read(s, 0, 65_536).ok();
    assert_eq!(whole.data().len(), 65_536);
    assert!(whole.data()[9..65_526].iter().all(|byte| *byte == 0));
    // What was cut off does not come back.
    a.set_file(
        s,
        &ksmbd_core::wire::fscc::set_file::SetFileInformation::EndOfFile { end_of_file: 2 },
    )
    .ok();
    a.write(s, 6, b"x").ok();
    assert_eq!(a.read(s, 0, 100).ok().data(), b"as\0\0\0\0x");
}
