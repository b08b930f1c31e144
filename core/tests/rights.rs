//! Every operation, with every right that a handle can have, on a share that is read-only or not and a
//! file that is: the status of the gate (MS-SMB2 3.3.5.2, 3.3.5.9, and the sections of the commands), and
//! that nothing is changed on the disk when it says no.

use ksmbd_core::wire::{
    fscc::{
        FileMode,
        ea::FullEaInformation,
        file::BasicInformation,
        set_file::{SetFileInformation, Target},
    },
    query_info::{InfoType, SecurityInformation},
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

/// Who it is asked by, of whom the file is.
const ALICE: u32 = 1000;

/// What it takes, besides a handle.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// It looks.
    Looks,
    /// It changes the file, or could.
    Changes,
}
use Kind::{Changes, Looks};

/// What is asked, the rights of which one is enough (empty: none is needed), and what it does.
struct Operation {
    name: &'static str,
    request: fn(FileId) -> RequestBody,
    enough: AccessMask,
    kind: Kind,
}

fn set(f: FileId, set: SetFileInformation) -> RequestBody {
    body::set_file(f, &set)
}

fn target(name: &str) -> Target {
    let file_name = name.encode_utf16().collect();
    Target { replace_if_exists: true, root_directory: 0, file_name }
}

fn owner(f: FileId) -> RequestBody {
    body::query(f, InfoType::SECURITY, 0, SecurityInformation::OWNER.bits(), 512)
}

fn write(f: FileId) -> RequestBody {
    body::write(f, 0, 0)
}

fn set_basic(f: FileId) -> RequestBody {
    let file_attributes = FileAttributes::HIDDEN;
    set(f, SetFileInformation::Basic(BasicInformation { file_attributes, ..Default::default() }))
}

fn set_ea(f: FileId) -> RequestBody {
    let ea = FullEaInformation { flags: 0, ea_name: b"NEW".to_vec(), ea_value: b"1".to_vec() };
    set(f, SetFileInformation::FullEa(vec![ea]))
}

fn operations() -> Vec<Operation> {
    let operation = |name, kind, enough, request| Operation { name, request, enough, kind };
    let reads = AccessMask::FILE_READ_DATA | AccessMask::FILE_EXECUTE;
    let writes = AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA;
    let attributes = AccessMask::FILE_READ_ATTRIBUTES;
    let free = AccessMask::empty();
    vec![
        operation("read", Looks, reads, |f| body::read(f, 0, 1)),
        operation("write", Changes, writes, write),
        operation("flush", Changes, writes, body::flush),
        operation("lock", Looks, reads | writes, |f| {
            body::lock(f, 0, 1, LockFlags::SHARED_LOCK | LockFlags::FAIL_IMMEDIATELY)
        }),
        operation("basic", Looks, attributes, |f| body::query_file(f, FileInfoClass::BASIC, 64)),
        operation("all", Looks, attributes, |f| body::query_file(f, FileInfoClass::ALL, 512)),
        operation("standard", Looks, free, |f| body::query_file(f, FileInfoClass::STANDARD, 64)),
        operation("ea", Looks, AccessMask::FILE_READ_EA, |f| {
            body::query_file(f, FileInfoClass::FULL_EA, 512)
        }),
        operation("volume", Looks, free, |f| body::query_volume(f, FsInfoClass::SIZE, 64)),
        operation("owner", Looks, AccessMask::READ_CONTROL, owner),
        operation("set basic", Changes, AccessMask::FILE_WRITE_ATTRIBUTES, set_basic),
        operation("end of file", Changes, AccessMask::FILE_WRITE_DATA, |f| {
            set(f, SetFileInformation::EndOfFile { end_of_file: 1 })
        }),
        operation("allocation", Changes, AccessMask::FILE_WRITE_DATA, |f| {
            set(f, SetFileInformation::Allocation { allocation_size: 1 })
        }),
        operation("set ea", Changes, AccessMask::FILE_WRITE_EA, set_ea),
        operation("rename", Changes, AccessMask::DELETE, |f| {
            set(f, SetFileInformation::Rename(target("new")))
        }),
        operation("link", Changes, free, |f| set(f, SetFileInformation::Link(target("new")))),
        operation("disposition", Changes, AccessMask::DELETE, |f| {
            set(f, SetFileInformation::Disposition { delete_pending: true })
        }),
        operation("position", Changes, free, |f| {
            set(f, SetFileInformation::Position { current_byte_offset: 1 })
        }),
        operation("mode", Changes, free, |f| {
            set(f, SetFileInformation::Mode { mode: FileMode::SEQUENTIAL_ONLY })
        }),
        operation("close", Looks, free, body::close),
    ]
}

/// What a share that is read-only grants to nobody.
fn changing() -> AccessMask {
    writes()
        | AccessMask::FILE_WRITE_EA
        | AccessMask::FILE_WRITE_ATTRIBUTES
        | AccessMask::DELETE
        | AccessMask::WRITE_DAC
        | AccessMask::WRITE_OWNER
}

fn writes() -> AccessMask {
    AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA
}

/// Everything about a file and what could have come of it.
fn disk(w: &World, file: &str) -> String {
    w.vfs(|vfs| [file, "new"].map(|name| format!("{:?}", vfs.node_at(ROOT, name))).concat())
}

/// One handle, one operation.
fn one(w: &World, a: &mut Client, operation: &Operation, right: AccessMask, how: (bool, bool)) {
    let (share_read_only, file_read_only) = how;
    let Operation { name, request, enough, kind } = operation;
    let what =
        format!("{name} with {right:?}, read-only: share {share_read_only}, file {file_read_only}");
    let refused =
        share_read_only && changing().contains(right) || file_read_only && writes().contains(right);
    let before = disk(w, "f");
    let opened = a.create("f").existing().access(right).send().answer();
    if refused {
        assert_eq!(opened.status, NtStatus::ACCESS_DENIED, "{what}");
        assert_eq!(disk(w, "f"), before, "{what}");
        return;
    }
    assert_eq!(opened.status, NtStatus::SUCCESS, "{what}");
    let f = opened.created().file_id;
    let status = a.request(&request(f)).answer().status;
    let expected = if !enough.is_empty() && !enough.intersects(right) {
        NtStatus::ACCESS_DENIED
    } else if *kind == Changes && share_read_only {
        NtStatus::MEDIA_WRITE_PROTECTED
    } else if *name == "disposition" && file_read_only {
        NtStatus::CANNOT_DELETE
    } else {
        NtStatus::SUCCESS
    };
    let none = [NtStatus::NO_EAS_ON_FILE, NtStatus::BUFFER_OVERFLOW, NtStatus::END_OF_FILE];
    if expected == NtStatus::SUCCESS && *kind == Looks {
        assert!(status == expected || none.contains(&status), "{what}: {status}");
    } else {
        assert_eq!(status, expected, "{what}");
    }
    if expected != NtStatus::SUCCESS || *kind == Looks {
        assert_eq!(disk(w, "f"), before, "{what}");
    }
    if *name != "close" {
        a.close(f).ok();
    }
}

#[test]
fn every_operation_with_every_right() {
    let rights: Vec<_> = (0..32).map(|bit| AccessMask::from_bits_retain(1 << bit)).collect();
    let rights = rights.into_iter().filter(|right| {
        AccessMask::ALL_ACCESS.contains(*right) && *right != AccessMask::FILE_DELETE_CHILD
    });
    for right in rights {
        for operation in operations() {
            for how in [(false, false), (false, true), (true, false), (true, true)] {
                let w = World::new();
                w.put("f", b"data");
                w.vfs(|vfs| {
                    let node = vfs.node_at(ROOT, "f").unwrap();
                    node.uid = ALICE;
                    node.attributes = how.1.then_some(FileAttributes::READONLY);
                });
                let mut a = w.logged_on("alice");
                if how.0 {
                    a.connect_tree("readonly");
                }
                one(&w, &mut a, &operation, right, how);
            }
        }
    }
}
