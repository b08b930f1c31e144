//! Class I: what a handle may be used for, and under whose name (MS-SMB2 3.3.5.2, 3.3.5.9, 3.3.5.10,
//! 3.3.5.21; MS-FSA 2.1.5.1.2, 2.1.5.5). Every operation against every right is in
//! `core/tests/security.rs`.

use crate::common::set;
use ksmbd_core::{
    auth::ntlm::client::Credentials,
    time::FileTime,
    wire::{
        fscc::{
            file::BasicInformation,
            set_file::{SetFileInformation, Target},
        },
        fsctl::FsctlCode,
        query_info::InfoType,
    },
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";
const BOB: u32 = 1001;

/// A file or directory of this owner with these permissions.
fn own(w: &World, path: &str, uid: u32, mode: u32) {
    w.vfs(|vfs| {
        let node = vfs.node_at(ROOT, path).unwrap();
        (node.uid, node.gid, node.mode) = (uid, uid, mode);
    });
}

/// The session of `a` becomes bob's; what is open stays alice's.
fn becomes_bob(a: &mut Client) {
    let mut logon = a.begin(Credentials::new("bob", "", &password("bob")));
    logon.session_id = a.session_id;
    logon.run(a).ok();
}

/// A file that only alice may use, opened by her in a session that is bob's by now: all that is done
/// through the handle is done as her, and what is opened anew is not.
#[test]
fn handles_are_used_as_whoever_opened_them() {
    for stream in ["", ":one"] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        a.connect_tree("streams");
        let f = a.create(&format!("x{stream}")).access(AccessMask::ALL_ACCESS).ok();
        own(&w, "x", 1000, 0o600);
        becomes_bob(&mut a);
        a.write(f, 0, b"hers").ok();
        assert_eq!(a.read(f, 0, 9).ok().data(), b"hers");
        a.request(&set(f, FileInfoClass::END_OF_FILE, &2_u64.to_le_bytes())).ok();
        let hidden = basic(FileAttributes::HIDDEN);
        a.set_file(f, &hidden).ok();
        a.connect_tree("streams");
        a.create(&format!("x{stream}")).existing().is(NtStatus::ACCESS_DENIED);
    }
}

fn basic(file_attributes: FileAttributes) -> SetFileInformation {
    let time = FileTime(0);
    SetFileInformation::Basic(BasicInformation {
        creation_time: time,
        last_access_time: time,
        last_write_time: time,
        change_time: time,
        file_attributes,
    })
}

/// Delete on close by a handle whose session has become somebody else's.
#[test]
fn delete_on_close_is_the_openers() {
    let w = World::new();
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    own(&w, "d", 1000, 0o755);
    let mut a = w.logged_on("alice");
    let f = a.create("d\\x").delete_on_close().ok();
    becomes_bob(&mut a);
    a.close(f).ok();
    assert!(!w.exists("d/x"));
}

/// Whoever closes last need not be allowed to delete: the delete is of the one who asked for it
/// (MS-FSA 2.1.5.5), whether by CREATE or by SET_INFO, and of a stream as well.
#[test]
fn the_delete_is_of_whoever_asked_for_it() {
    for by_disposition in [false, true] {
        for (name, share) in [("d\\x", "share"), ("d\\x:one", "streams")] {
            let w = World::new();
            w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
            own(&w, "d", 1000, 0o755);
            let mut a = w.logged_on("alice");
            a.connect_tree(share);
            let base = a.create("d\\x").ok();
            a.close(base).ok();
            let f = a.create(name).ok();
            a.close(f).ok();
            own(&w, "d/x", 1000, 0o644);
            let mut b = w.logged_on("bob");
            b.connect_tree(share);
            let reads = AccessMask::FILE_READ_DATA;
            let g = b.create(name).existing().access(reads).ok();
            b.create(name).existing().access(AccessMask::DELETE).is(NtStatus::ACCESS_DENIED);
            let asks = b.create(name).existing().access(reads).delete_on_close();
            asks.is(NtStatus::INVALID_PARAMETER);
            b.delete(g, true).is(NtStatus::ACCESS_DENIED);
            if by_disposition {
                let f = a.create(name).existing().ok();
                a.delete(f, true).ok();
                a.close(f).ok();
            } else {
                let f = a.create(name).existing().delete_on_close().ok();
                a.close(f).ok();
            }
            b.create(name).existing().access(reads).is(NtStatus::DELETE_PENDING);
            b.close(g).ok();
            b.create(name).existing().access(reads).is(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
    }
}

/// And when whoever closes last could delete, but whoever asked could not have: nobody could ask.
#[test]
fn nobody_is_made_to_delete_for_another() {
    let w = World::new();
    w.vfs(|vfs| vfs.put_directory(ROOT, "d"));
    w.put("d/x", b"as it was");
    own(&w, "d", 1000, 0o755);
    own(&w, "d/x", 1000, 0o666);
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let writes = AccessMask::FILE_READ_DATA | AccessMask::FILE_WRITE_DATA;
    let f = a.create("d\\x").existing().access(writes).ok();
    let g = b.create("d\\x").existing().access(writes).ok();
    b.delete(g, true).is(NtStatus::ACCESS_DENIED);
    b.rename(g, "d\\y", false).is(NtStatus::ACCESS_DENIED);
    b.create("d\\x").existing().delete_on_close().is(NtStatus::ACCESS_DENIED);
    b.close(g).ok();
    a.close(f).ok();
    assert_eq!(w.data("d/x").unwrap(), b"as it was");
}

/// Overwriting truncates, whatever access is asked for: Samba once did it to files that may only be
/// read (CVE-2023-4091). By mode, by attribute, by the share.
#[test]
fn what_may_only_be_read_is_not_truncated() {
    let w = World::new();
    for name in ["mode", "attribute", "share"] {
        w.put(name, b"as it was");
    }
    own(&w, "mode", 1000, 0o444);
    w.vfs(|vfs| {
        let node = vfs.node_at(ROOT, "attribute").unwrap();
        node.attributes = Some(FileAttributes::READONLY);
    });
    let mut b = w.logged_on("bob");
    let overwrites = [
        CreateDisposition::OVERWRITE,
        CreateDisposition::OVERWRITE_IF,
        CreateDisposition::SUPERSEDE,
    ];
    for (name, share) in [("mode", "share"), ("attribute", "share"), ("share", "readonly")] {
        b.connect_tree(share);
        for disposition in overwrites {
            for access in
                [AccessMask::FILE_READ_DATA, AccessMask::GENERIC_READ, AccessMask::SYNCHRONIZE]
            {
                let create = b.create(name).access(access).disposition(disposition);
                create.is(NtStatus::ACCESS_DENIED);
                assert_eq!(w.data(name).unwrap(), b"as it was", "{name}");
            }
        }
    }
    let reads = AccessMask::GENERIC_READ;
    let f = b.create("share").existing().access(reads).ok();
    assert_eq!(b.read(f, 0, 9).ok().data(), b"as it was");
}

/// Every class of SET_INFO there could be, through a handle that may only read, and through a read-only
/// share: no status but a refusal, and nothing is changed.
#[test]
fn every_class_of_set_info_without_a_right() {
    let w = World::new();
    w.put("x", b"as it was");
    own(&w, "x", BOB, 0o666);
    let mut b = w.logged_on("bob");
    b.ask = 400;
    b.echo().ok();
    let before = w.vfs(|vfs| format!("{:?}", vfs.node_at(ROOT, "x").unwrap()));
    for share in ["share", "readonly"] {
        b.connect_tree(share);
        let f = b.create("x").existing().access(AccessMask::FILE_READ_DATA).ok();
        for kind in [InfoType::FILE, InfoType::FILESYSTEM, InfoType::SECURITY, InfoType::QUOTA] {
            for class in 0..=80_u8 {
                // A place in the file and a mode are the handle's own.
                let own = kind == InfoType::FILE
                    && [FileInfoClass::POSITION, FileInfoClass::MODE]
                        .contains(&FileInfoClass(class));
                let mut buffer = [0; 64];
                buffer[..8].copy_from_slice(&1_u64.to_le_bytes());
                let RequestBody::SetInfo(mut request) = body::set_raw(f, kind, class, &buffer)
                else {
                    unreachable!()
                };
                request.additional_information = 7;
                let status = b.request(&RequestBody::SetInfo(request)).answer().status;
                assert!(status.is_error() || own, "{kind:?} {class} in {share}: {status:?}");
            }
        }
        b.close(f).ok();
    }
    let after = w.vfs(|vfs| format!("{:?}", vfs.node_at(ROOT, "x").unwrap()));
    assert_eq!(before, after);
}

/// Renaming needs a right to where the name goes as well.
#[test]
fn renaming_into_anothers_directory() {
    let w = World::new();
    for path in ["mine", "hers"] {
        w.vfs(|vfs| vfs.put_directory(ROOT, path));
    }
    w.put("mine/x", b"mine");
    w.put("hers/y", b"as it was");
    own(&w, "hers", 1000, 0o755);
    own(&w, "hers/y", 1000, 0o666);
    let mut b = w.logged_on("bob");
    let f = b.create("mine\\x").ok();
    for (to, replace) in [("hers\\x", false), ("hers\\y", true), ("HERS\\Y", true)] {
        b.rename(f, to, replace).is(NtStatus::ACCESS_DENIED);
    }
    // RootDirectory is nobody's handle over the network.
    let target = Target {
        replace_if_exists: false,
        root_directory: 1,
        file_name: "z".encode_utf16().collect(),
    };
    b.set_file(f, &SetFileInformation::Rename(target)).is(NtStatus::INVALID_PARAMETER);
    assert!(w.exists("mine/x") && !w.exists("hers/x"));
    assert_eq!(w.data("hers/y").unwrap(), b"as it was");
}

/// FSCTLs that change a file, or read another one, through a handle that may only read, and through a
/// read-only share: refused, whether they are there or not, and nothing is changed.
#[test]
fn fsctls_that_change_something_without_a_right() {
    let w = World::new();
    for name in ["x", "hers"] {
        w.put(name, b"as it was");
    }
    own(&w, "x", BOB, 0o666);
    own(&w, "hers", 1000, 0o600);
    let look = |w: &World| w.vfs(|vfs| format!("{:?}", vfs.node_at(ROOT, "x").unwrap()));
    let before = look(&w);
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let hers = a.create("hers").ok();
    b.ask = 200;
    b.echo().ok();
    let codes = [
        FsctlCode::SET_SPARSE,
        FsctlCode::SET_ZERO_DATA,
        FsctlCode::SRV_COPYCHUNK,
        FsctlCode::SRV_COPYCHUNK_WRITE,
        FsctlCode(0x0009_8344), // FSCTL_DUPLICATE_EXTENTS_TO_FILE
        FsctlCode(0x0009_83e8), // its other form
        FsctlCode(0x0009_00a4), // FSCTL_SET_REPARSE_POINT
        FsctlCode(0x0009_00ac), // FSCTL_DELETE_REPARSE_POINT
        FsctlCode(0x0009_c040), // FSCTL_SET_COMPRESSION
        FsctlCode(0x0009_8208), // FSCTL_FILE_LEVEL_TRIM
        FsctlCode(0x0009_c280), // FSCTL_SET_INTEGRITY_INFORMATION
        FsctlCode(0x0009_0098), // FSCTL_SET_OBJECT_ID
        FsctlCode(0x0009_00a0), // FSCTL_DELETE_OBJECT_ID
        FsctlCode(0x0009_00bc), // FSCTL_SET_OBJECT_ID_EXTENDED
        FsctlCode(0x0009_00d7), // FSCTL_SET_ENCRYPTION
    ];
    for share in ["share", "readonly"] {
        b.connect_tree(share);
        let f = b.create("x").existing().access(AccessMask::FILE_READ_DATA).ok();
        for code in codes {
            // From alice's handle, which is none of bob's, onto his own.
            let source = [hers.persistent.to_le_bytes(), hers.volatile.to_le_bytes()].concat();
            for input in [vec![], vec![0; 16], vec![1; 48], [source, vec![0; 24]].concat()] {
                let status = b.request(&body::ioctl(f, code, &input, 64)).answer().status;
                assert!(status.is_error(), "{code:?} in {share}: {status:?}");
            }
        }
        b.close(f).ok();
    }
    assert_eq!(look(&w), before);
    assert_eq!(a.read(hers, 0, 9).ok().data(), b"as it was");
}
