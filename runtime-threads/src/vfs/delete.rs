//! Removing names.

use super::{
    Outcome, again, failed,
    handle::{Handle, Root, proc_fd, proc_name, reopen},
    identity::Who,
    info,
    resolve::{self, Last, Place},
};
use ksmbd_core::{
    id::FileKey,
    name::SharePath,
    vfs::{File, FileKind, VfsError},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, Access, AtFlags, Dir, OFlags, Statx},
};

/// [`Op::Delete`](ksmbd_core::vfs::Op::Delete).
pub(super) fn delete(root: &File, path: &SharePath, key: FileKey, directory: bool) -> Outcome<()> {
    let root = &Handle::of(root)?.root;
    let (parent, path) = still_there(root, path, key)?;
    let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    again(|| fs::unlinkat(&parent, path.file_name(), flags))
}

/// The directory that `path` is in (O_PATH) and its path on the disk, if `key` still is there. A
/// link that was followed to `key` counts: the name is the link's.
pub(super) fn still_there(
    root: &Root,
    path: &SharePath,
    key: FileKey,
) -> Outcome<(OwnedFd, SharePath)> {
    if path.is_root() {
        return Err(VfsError::AccessDenied);
    }
    let (parent, directory) = resolve::find_directory(root, &path.parent())?;
    let path = directory.join_host(path.file_name());
    let stat = info::stat_entry(&parent, path.file_name()).map_err(failed)?;
    if info::key(&stat) == key {
        return Ok((parent, path));
    }
    if info::kind(&stat) == FileKind::Symlink
        && let Ok(Place::Here(fd, _)) = resolve::find(root, &path, Last::AsShare)
        && info::key(&info::stat_fd(&fd).map_err(failed)?) == key
    {
        return Ok((parent, path));
    }
    Err(VfsError::Gone)
}

/// [`Op::CheckEmpty`](ksmbd_core::vfs::Op::CheckEmpty).
pub(super) fn check_empty(file: &File) -> Outcome<()> {
    let handle = Handle::of(file)?;
    if handle.kind != FileKind::Directory {
        return Err(VfsError::NotDirectory);
    }
    let fd = match reopen(&handle.fd, OFlags::RDONLY | OFlags::DIRECTORY) {
        // Who may not look is told when the directory is removed.
        Err(VfsError::AccessDenied) => return Ok(()),
        fd => fd?,
    };
    for entry in Dir::new(fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Err(VfsError::NotEmpty);
        }
    }
    Ok(())
}

/// Could the identity remove `path`? The share's own directory is never removed.
pub(super) fn may_delete(root: &Root, path: &SharePath, stat: &Statx, who: Who) -> bool {
    if path.is_root() {
        return false;
    }
    let parent = path.parent();
    if parent.is_root() {
        return may_delete_from(root.directory.as_fd(), stat, who);
    }
    resolve::find_directory(root, &parent)
        .is_ok_and(|(parent, _)| may_delete_from(parent.as_fd(), stat, who))
}

/// Could the identity remove the file of `stat` from `parent`?
pub(super) fn may_delete_from(parent: BorrowedFd<'_>, stat: &Statx, who: Who) -> bool {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    let may_write = proc_fd()
        .is_ok_and(|proc| fs::accessat(proc, proc_name(parent), access, AtFlags::EACCESS).is_ok());
    may_write && (who.uid == 0 || sticky_lets(parent, stat, who))
}

/// In a directory with the sticky bit, names belong to their owners.
fn sticky_lets(parent: BorrowedFd<'_>, stat: &Statx, who: Who) -> bool {
    const STICKY: u16 = 0o1000;
    info::stat_fd(parent).is_ok_and(|parent| {
        parent.stx_mode & STICKY == 0 || who.uid == stat.stx_uid || who.uid == parent.stx_uid
    })
}
