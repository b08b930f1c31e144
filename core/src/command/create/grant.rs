//! Whether an opened file may be had beside its other opens, and with what access (MS-SMB2 3.3.5.9,
//! MS-FSA 2.1.5.1.2).

use super::Wanted;
use crate::{
    command::access,
    flow::{Refused, refuse},
    id::FileKey,
    state::{
        State,
        open::{Open, Place},
        session::Tree,
        share_mode,
    },
    status::NtStatus,
    vfs::{FileInfo, FileKind},
    wire::{
        create::{CreateOptions, ShareAccess},
        fscc::{AccessMask, FileAttributes},
    },
};

const DATA: AccessMask = AccessMask::FILE_READ_DATA
    .union(AccessMask::FILE_WRITE_DATA)
    .union(AccessMask::FILE_APPEND_DATA)
    .union(AccessMask::FILE_EXECUTE);

const SHARES_ALL: ShareAccess =
    ShareAccess::READ.union(ShareAccess::WRITE).union(ShareAccess::DELETE);

/// The granted access, or why there is none, whoever else has the file open.
pub(super) fn check(
    state: &State,
    tree: &Tree,
    wanted: &Wanted,
    (info, place): (&FileInfo, &Place),
    (created, file_created): (bool, bool),
) -> Result<AccessMask, Refused> {
    if state.is_doomed(info.key, place) {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.1.2: about to be deleted");
    }
    let attributes = if created { wanted.attributes() } else { info.attributes };
    if wanted.has(CreateOptions::DELETE_ON_CLOSE) && attributes.contains(FileAttributes::READONLY) {
        return refuse(NtStatus::CANNOT_DELETE, "MS-FSA 2.1.5.1: read-only, deleted on close");
    }
    let granted = granted(tree, wanted, info, file_created)?;
    if info.kind == FileKind::Special && wanted.desired.intersects(DATA) {
        return refuse(NtStatus::ACCESS_DENIED, "neither file nor directory: shown, not opened");
    }
    if !created && wanted.overwrites() && !info.key.is_stream() {
        overwrite(wanted, info)?;
    }
    Ok(granted)
}

/// The stream whose opens do not share the file with this one, if there is one (MS-FSA 2.1.5.1.2.2).
pub(super) fn clash(
    state: &State,
    wanted: &Wanted,
    key: FileKey,
    granted: AccessMask,
) -> Option<FileKey> {
    let takes = if wanted.overwrites() { granted | AccessMask::FILE_WRITE_DATA } else { granted };
    let mine = (takes, wanted.request.share_access);
    let clashes = |open: &Open| share_mode::conflicts((open.granted, open.share_access), mine);
    if state.siblings(key).any(clashes) {
        return Some(key);
    }
    // Deleting a file deletes its streams, so who holds one of them has a say in it.
    let deletes = !key.is_stream() && granted.contains(AccessMask::DELETE);
    let holds = |open: &&Open| {
        share_mode::conflicts((open.granted, open.share_access), (AccessMask::DELETE, SHARES_ALL))
    };
    let held = state.other_streams(key).filter(|_| deletes).find(holds);
    held.and_then(Open::key)
}

fn granted(
    tree: &Tree,
    wanted: &Wanted,
    info: &FileInfo,
    file_created: bool,
) -> Result<AccessMask, Refused> {
    let directory = info.kind == FileKind::Directory;
    let maximal = if file_created {
        // Whoever makes a file may do with it what the share allows.
        tree.maximal_access | wanted.token().map_or(AccessMask::empty(), access::system)
    } else {
        let lost = access::without_writing(info.attributes, directory);
        access::effective(info, wanted.token(), tree.read_only).difference(lost)
    };
    let desired = wanted.desired.difference(AccessMask::MAXIMUM_ALLOWED);
    let missing = desired.difference(maximal);
    if missing.contains(AccessMask::ACCESS_SYSTEM_SECURITY) {
        return refuse(NtStatus::PRIVILEGE_NOT_HELD, "MS-FSA 2.1.5.1.2.1: no SACL access");
    }
    let overwrite = wanted.overwrites() && !maximal.contains(AccessMask::FILE_WRITE_DATA);
    if !missing.is_empty() || overwrite {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.1.2.1: not permitted");
    }
    let most = wanted.desired.contains(AccessMask::MAXIMUM_ALLOWED);
    Ok(if most { maximal | desired } else { desired })
}

/// MS-FSA 2.1.5.1.2: hidden and system files are overwritten only by who says so.
fn overwrite(wanted: &Wanted, info: &FileInfo) -> Result<(), Refused> {
    let asked = FileAttributes::from_bits_retain(wanted.request.file_attributes);
    let guarded = info.attributes & (FileAttributes::HIDDEN | FileAttributes::SYSTEM);
    // A dot file is shown as hidden without being so.
    if !asked.contains(guarded) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.1.2: hidden or system");
    }
    if info.kind == FileKind::Directory {
        return refuse(NtStatus::FILE_IS_A_DIRECTORY, "MS-FSA 2.1.5.1.2: a directory");
    }
    Ok(())
}
