//! SET_INFO: what is set, and the rules for lengths (MS-SMB2 3.3.5.21, MS-FSA 2.1.5.15).
#![allow(clippy::unwrap_used, reason = "a test")]

use ksmbd_core::time::FileTime;
use ksmbd_core::wire::{
    fscc::{
        FileMode,
        file::{BasicInformation, FileInformation},
        set_file::SetFileInformation,
    },
    query_info::InfoType,
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

fn opened() -> (World, Client, FileId) {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.node_at("/srv/share", "x").unwrap().uid = 1000);
    let f = a.create("x").ok();
    (w, a, f)
}

fn basic() -> BasicInformation {
    BasicInformation {
        creation_time: FileTime(0),
        last_access_time: FileTime(0),
        last_write_time: FileTime(0),
        change_time: FileTime(0),
        file_attributes: FileAttributes::empty(),
    }
}

#[track_caller]
fn times(a: &mut Client, f: FileId) -> BasicInformation {
    let answer = a.query_file(f, FileInfoClass::BASIC, 40).ok();
    match FileInformation::parse(FileInfoClass::BASIC, answer.data()) {
        Ok(FileInformation::Basic(basic)) => basic,
        other => panic!("{other:?}"),
    }
}

/// One byte less than a class has at least is INFO_LENGTH_MISMATCH.
#[test]
fn lengths() {
    let (_w, mut a, f) = opened();
    let classes = [
        (FileInfoClass::BASIC, 40),
        (FileInfoClass::DISPOSITION, 1),
        (FileInfoClass::END_OF_FILE, 8),
        (FileInfoClass::ALLOCATION, 8),
        (FileInfoClass::POSITION, 8),
        (FileInfoClass::MODE, 4),
        (FileInfoClass::RENAME, 20),
    ];
    for (class, length) in classes {
        let short = vec![0; length - 1];
        a.request(&body::set_raw(f, InfoType::FILE, class.0, &short))
            .is(NtStatus::INFO_LENGTH_MISMATCH);
    }
    a.request(&body::set_raw(f, InfoType::FILE, 250, &[0; 64])).is(NtStatus::INVALID_INFO_CLASS);
    a.request(&body::set_raw(f, InfoType(9), 1, &[0; 64])).is(NtStatus::INVALID_PARAMETER);
    a.request(&body::set_raw(f, InfoType::FILESYSTEM, 2, &[0; 64])).is(NtStatus::ACCESS_DENIED);
}

/// A name that is longer than its buffer.
#[test]
fn a_name_that_is_not_there() {
    let (w, mut a, f) = opened();
    let mut buffer = vec![0; 24];
    buffer[16..20].copy_from_slice(&100_u32.to_le_bytes());
    let class = FileInfoClass::RENAME.0;
    let refused = a.request(&body::set_raw(f, InfoType::FILE, class, &buffer)).answer();
    assert!(refused.status.is_error());
    assert!(w.exists("x"));
}

#[test]
fn times_and_attributes() {
    let (_w, mut a, f) = opened();
    let before = times(&mut a, f);
    let set = BasicInformation {
        last_write_time: FileTime(123_456_789),
        file_attributes: FileAttributes::HIDDEN,
        ..basic()
    };
    a.set_file(f, &SetFileInformation::Basic(set)).ok();
    let after = times(&mut a, f);
    assert_eq!(after.last_write_time, FileTime(123_456_789));
    assert_eq!(after.file_attributes, FileAttributes::HIDDEN);
    assert_eq!(after.creation_time, before.creation_time, "0 leaves a time alone");
    let ignored = BasicInformation { last_write_time: FileTime(u64::MAX), ..basic() };
    a.set_file(f, &SetFileInformation::Basic(ignored)).ok();
    assert_eq!(times(&mut a, f).last_write_time, FileTime(123_456_789));
    let wrong = BasicInformation { last_write_time: FileTime(u64::MAX - 5), ..basic() };
    a.set_file(f, &SetFileInformation::Basic(wrong)).is(NtStatus::INVALID_PARAMETER);
    let directory = BasicInformation { file_attributes: FileAttributes::DIRECTORY, ..basic() };
    a.set_file(f, &SetFileInformation::Basic(directory)).is(NtStatus::INVALID_PARAMETER);
}

#[test]
fn sizes() {
    let (w, mut a, f) = opened();
    a.set_file(f, &SetFileInformation::EndOfFile { end_of_file: 4 }).ok();
    assert_eq!(w.data("x").unwrap(), b"0123");
    a.set_file(f, &SetFileInformation::EndOfFile { end_of_file: 6 }).ok();
    assert_eq!(w.data("x").unwrap(), b"0123\0\0");
    a.set_file(f, &SetFileInformation::Allocation { allocation_size: 1 << 16 }).ok();
    assert_eq!(w.data("x").unwrap().len(), 6);
    a.set_file(f, &SetFileInformation::Allocation { allocation_size: 2 }).ok();
    assert_eq!(w.data("x").unwrap(), b"01");
    let negative = u64::MAX.to_le_bytes();
    let class = FileInfoClass::END_OF_FILE.0;
    a.request(&body::set_raw(f, InfoType::FILE, class, &negative)).is(NtStatus::INVALID_PARAMETER);
    w.vfs(|vfs| vfs.capacity = 1 << 16);
    a.set_file(f, &SetFileInformation::Allocation { allocation_size: 1 << 20 })
        .is(NtStatus::DISK_FULL);
}

#[test]
fn position_and_mode() {
    let (_w, mut a, f) = opened();
    a.set_file(f, &SetFileInformation::Position { current_byte_offset: 5 }).ok();
    let answer = a.query_file(f, FileInfoClass::POSITION, 8).ok();
    assert_eq!(answer.data(), 5_u64.to_le_bytes());
    a.set_file(f, &SetFileInformation::Mode { mode: FileMode::SEQUENTIAL_ONLY }).ok();
    let answer = a.query_file(f, FileInfoClass::MODE, 4).ok();
    assert_eq!(answer.data(), FileMode::SEQUENTIAL_ONLY.bits().to_le_bytes());
    a.set_file(f, &SetFileInformation::Mode { mode: FileMode::DELETE_ON_CLOSE })
        .is(NtStatus::INVALID_PARAMETER);
}

#[test]
fn access() {
    let (_w, mut a, _) = opened();
    let f = a.create("x").access(AccessMask::FILE_READ_DATA).ok();
    let sets = [
        SetFileInformation::Basic(basic()),
        SetFileInformation::EndOfFile { end_of_file: 0 },
        SetFileInformation::Allocation { allocation_size: 0 },
        SetFileInformation::Disposition { delete_pending: true },
    ];
    for set in sets {
        a.set_file(f, &set).is(NtStatus::ACCESS_DENIED);
    }
    a.rename(f, "y", false).is(NtStatus::ACCESS_DENIED);
}

#[test]
fn directories_have_no_size() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let access = AccessMask::GENERIC_READ | AccessMask::FILE_ADD_FILE;
    let d = a.create("d").directory().access(access).ok();
    a.set_file(d, &SetFileInformation::EndOfFile { end_of_file: 0 })
        .is(NtStatus::INVALID_PARAMETER);
}

#[test]
fn through_a_read_only_share() {
    let (_w, mut a, _) = opened();
    a.connect_tree("readonly");
    let f = a.create("x").access(AccessMask::GENERIC_READ).ok();
    a.set_file(f, &SetFileInformation::Basic(basic())).is(NtStatus::ACCESS_DENIED);
    a.set_file(f, &SetFileInformation::Position { current_byte_offset: 5 })
        .is(NtStatus::MEDIA_WRITE_PROTECTED);
}
