//! QUERY_INFO: what is answered, and the rules for lengths (MS-SMB2 3.3.5.20, MS-FSA 2.1.5.12).

use ksmbd_core::wire::{
    fscc::{file::FileInformation, volume::FsInformation},
    query_info::{InfoType, SecurityInformation},
    security::SecurityDescriptor,
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

fn opened() -> (World, Client, FileId) {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    (w, a, f)
}

/// Class, bytes of the fixed part, whether names make it longer.
const FILE: [(FileInfoClass, u32, bool); 12] = [
    (FileInfoClass::BASIC, 40, false),
    (FileInfoClass::STANDARD, 24, false),
    (FileInfoClass::INTERNAL, 8, false),
    (FileInfoClass::EA, 4, false),
    (FileInfoClass::ACCESS, 4, false),
    (FileInfoClass::POSITION, 8, false),
    (FileInfoClass::MODE, 4, false),
    (FileInfoClass::ALIGNMENT, 4, false),
    (FileInfoClass::ALL, 104, true),
    (FileInfoClass::NETWORK_OPEN, 56, false),
    (FileInfoClass::ATTRIBUTE_TAG, 8, false),
    (FileInfoClass::ID, 24, false),
];

#[test]
fn lengths_of_files() {
    let (_w, mut a, _) = opened();
    let f = a.create("a longer name").ok();
    for (class, fixed, longer) in FILE {
        let whole = a.query_file(f, class, 4096).ok();
        FileInformation::parse(class, whole.data()).unwrap();
        assert_eq!(whole.data().len() > fixed as usize, longer, "{class:?}");
        a.query_file(f, class, fixed - 1).is(NtStatus::INFO_LENGTH_MISMATCH);
        a.query_file(f, class, 0).is(NtStatus::INFO_LENGTH_MISMATCH);
        if longer {
            let cut = a.query_file(f, class, fixed).is(NtStatus::BUFFER_OVERFLOW);
            assert_eq!(cut.data().len(), fixed as usize, "{class:?}");
        }
    }
}

#[test]
fn lengths_of_volumes() {
    let (_w, mut a, f) = opened();
    let classes = [
        (FsInfoClass::VOLUME, 18),
        (FsInfoClass::SIZE, 24),
        (FsInfoClass::DEVICE, 8),
        (FsInfoClass::ATTRIBUTE, 12),
        (FsInfoClass::FULL_SIZE, 32),
        (FsInfoClass::SECTOR_SIZE, 28),
    ];
    for (class, fixed) in classes {
        let whole = a.query_volume(f, class, 4096).ok();
        FsInformation::parse(class, whole.data()).unwrap();
        assert!(whole.data().len() >= fixed as usize, "{class:?}");
        a.query_volume(f, class, fixed - 1).is(NtStatus::INFO_LENGTH_MISMATCH);
    }
}

#[test]
fn what_is_unknown() {
    let (_w, mut a, f) = opened();
    a.query_file(f, FileInfoClass(0), 4096).is(NtStatus::INVALID_INFO_CLASS);
    a.query_file(f, FileInfoClass(250), 0).is(NtStatus::INVALID_INFO_CLASS);
    a.query_volume(f, FsInfoClass(99), 4096).is(NtStatus::INVALID_INFO_CLASS);
    a.request(&body::query(f, InfoType(9), 0, 0, 4096)).is(NtStatus::INVALID_PARAMETER);
    a.request(&body::query(f, InfoType::QUOTA, 0, 0, 4096)).is(NtStatus::NOT_SUPPORTED);
}

#[test]
fn more_than_negotiated() {
    let (_w, mut a, f) = opened();
    a.ask = 64;
    a.echo().ok();
    a.query_file(f, FileInfoClass::ALL, 1 << 20).ok();
    a.query_file(f, FileInfoClass::ALL, (1 << 20) + 1).is(NtStatus::INVALID_PARAMETER);
}

/// What each class needs to have been granted.
#[test]
fn access() {
    let (_w, mut a, _) = opened();
    let f = a.create("x").access(AccessMask::FILE_WRITE_DATA).ok();
    for class in [FileInfoClass::BASIC, FileInfoClass::ALL, FileInfoClass::NETWORK_OPEN] {
        a.query_file(f, class, 4096).is(NtStatus::ACCESS_DENIED);
    }
    for class in [FileInfoClass::STANDARD, FileInfoClass::INTERNAL, FileInfoClass::POSITION] {
        a.query_file(f, class, 4096).ok();
    }
    a.query_volume(f, FsInfoClass::SIZE, 4096).ok();
    let owner = SecurityInformation::OWNER.bits();
    a.request(&body::query(f, InfoType::SECURITY, 0, owner, 4096)).is(NtStatus::ACCESS_DENIED);
}

#[test]
fn what_it_says() {
    let (w, mut a, f) = opened();
    let query = |a: &mut Client, class| {
        let answer = a.query_file(f, class, 4096).ok();
        FileInformation::parse(class, answer.data()).unwrap()
    };
    let FileInformation::Standard(standard) = query(&mut a, FileInfoClass::STANDARD) else {
        panic!()
    };
    assert_eq!((standard.end_of_file, standard.allocation_size), (10, 4096));
    assert_eq!((standard.number_of_links, standard.delete_pending), (1, false));
    let inode = w.vfs(|vfs| vfs.at("/srv/share", "x")).unwrap();
    let internal = FileInformation::Internal { index_number: inode };
    assert_eq!(query(&mut a, FileInfoClass::INTERNAL), internal);
    let FileInformation::All(all) = query(&mut a, FileInfoClass::ALL) else { panic!() };
    assert_eq!(all.file_name, "\\x");
    assert_eq!(all.index_number, inode);
    a.delete(f, true).ok();
    let FileInformation::Standard(standard) = query(&mut a, FileInfoClass::STANDARD) else {
        panic!()
    };
    assert_eq!((standard.number_of_links, standard.delete_pending), (0, true));
}

#[test]
fn security() {
    let (_w, mut a, f) = opened();
    let parts = SecurityInformation::OWNER | SecurityInformation::DACL;
    let whole = a.request(&body::query(f, InfoType::SECURITY, 0, parts.bits(), 4096)).ok();
    let descriptor = SecurityDescriptor::parse(whole.data()).unwrap();
    assert!(descriptor.owner.is_some() && descriptor.group.is_none());
    assert!(descriptor.dacl.is_some());
    let length = u32::try_from(whole.data().len()).unwrap();
    let short = body::query(f, InfoType::SECURITY, 0, parts.bits(), length - 1);
    a.request(&short).is(NtStatus::BUFFER_TOO_SMALL);
}

#[test]
fn a_file_system_that_fails() {
    let (w, mut a, f) = opened();
    w.vfs(|vfs| vfs.fail_next("query", VfsError::Io));
    a.query_file(f, FileInfoClass::BASIC, 4096).is(NtStatus::IO_DEVICE_ERROR);
}

/// Answers about what was closed meanwhile still come.
#[test]
fn closed_while_it_is_asked() {
    let (w, mut a, f) = opened();
    w.hold("query");
    let query = a.query_file(f, FileInfoClass::BASIC, 4096).silent();
    let close = a.close(f).silent();
    w.complete(0);
    a.answer(query).ok();
    a.answer(close).ok();
}
