//! What is not there yet answers as a Windows server without it, and is never advertised
//! (MS-SMB2 3.3.5.15, 3.3.5.21.3).

use ksmbd_core::wire::{
    fscc::set_file::SetFileInformation, fsctl::FsctlCode, query_info::InfoType,
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

#[test]
fn control_codes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let nothing = NtStatus::INVALID_DEVICE_REQUEST;
    let codes = [
        (FsctlCode::DFS_GET_REFERRALS, FileId::ANY, NtStatus::NOT_FOUND),
        (FsctlCode::QUERY_NETWORK_INTERFACE_INFO, FileId::ANY, NtStatus::NOT_SUPPORTED),
        (FsctlCode::SRV_COPYCHUNK, f, nothing),
        (FsctlCode::SET_SPARSE, f, nothing),
        (FsctlCode(0x0012_3456), f, nothing),
        (FsctlCode::SET_SPARSE, FileId::ANY, NtStatus::FILE_CLOSED),
    ];
    for (code, file, expected) in codes {
        a.request(&body::ioctl(file, code, b"", 64)).is(expected);
    }
    let mut not_fsctl = body::ioctl(f, FsctlCode::SET_SPARSE, b"", 64);
    if let RequestBody::Ioctl(ioctl) = &mut not_fsctl {
        ioctl.flags = Default::default();
    }
    a.request(&not_fsctl).is(NtStatus::NOT_SUPPORTED);
}

/// What Windows has for its own programs, and answers over the network as if it were not written.
#[test]
fn classes_with_flags() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for class in [FileInfoClass::DISPOSITION_EX, FileInfoClass::RENAME_EX, FileInfoClass::LINK_EX] {
        let mut buffer = vec![0; 24];
        buffer[0] = 3;
        let set = body::set_raw(f, InfoType::FILE, class.0, &buffer);
        a.request(&set).is(NtStatus::NOT_IMPLEMENTED);
    }
    a.request(&body::set_raw(f, InfoType::FILE, 200, &[0; 24])).is(NtStatus::INVALID_INFO_CLASS);
    let privileged = [
        SetFileInformation::ValidDataLength { valid_data_length: 0 },
        SetFileInformation::ShortName { file_name: "X".encode_utf16().collect() },
    ];
    for set in privileged {
        a.set_file(f, &set).is(NtStatus::PRIVILEGE_NOT_HELD);
    }
    a.close(f).ok();
    assert!(w.exists("x"));
}

#[test]
fn more_than_negotiated() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.ask = 64;
    a.echo().ok();
    let request = body::ioctl(f, FsctlCode::SET_SPARSE, b"", (1 << 20) + 1);
    a.request(&request).is(NtStatus::INVALID_PARAMETER);
}

/// Opens do not outlive the server, and there is no DFS: nobody says that they do, or that there is.
#[test]
fn capabilities() {
    let w = World::new();
    let a = w.logged_on("alice");
    let absent = Capabilities::DFS | Capabilities::PERSISTENT_HANDLES;
    let told = a.negotiated.as_ref().map(|answer| answer.capabilities);
    assert!(told.is_some_and(|told| !told.intersects(absent)));
}

#[test]
fn quotas() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.request(&body::set_raw(f, InfoType::QUOTA, 0, &[0; 8])).is(NtStatus::NOT_SUPPORTED);
}
