//! Removing names.

use super::{
    Outcome, again, failed,
    handle::{Handle, Root, reopen},
    identity::Who,
    info,
    outside::own::{self, Kind},
    resolve::{self, Last, Place},
};
use ksmbd_core::{
    id::FileKey,
    name::{SharePath, mapping},
    vfs::{File, FileKind, VfsError},
};
use rustix::{
    fd::OwnedFd,
    fs::{self, AtFlags, Dir, OFlags},
};

/// [`Op::Delete`](ksmbd_core::vfs::Op::Delete).
pub(super) fn delete(
    root: &File,
    path: &SharePath,
    key: FileKey,
    directory: bool,
    who: Who,
) -> Outcome<()> {
    let root = &Handle::of(root)?.root;
    let (parent, path, kind) = still_there(root, path, key, who)?;
    // The name of a directory may be a link's.
    let flags = match kind {
        FileKind::Directory if directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    let name = mapping::host(path.file_name());
    let above = info::key(&info::stat_fd(&parent).map_err(failed)?);
    let names = [(above, &*name, Kind::Vanishes)];
    own::change(&names, || again(|| fs::unlinkat(&parent, &*name, flags)), Result::is_ok)
}

/// The directory that `path` is in (O_PATH), its path on the disk and what is there, if `key` still is.
/// A link that was followed to `key` counts: the name is the link's.
pub(super) fn still_there(
    root: &Root,
    path: &SharePath,
    key: FileKey,
    who: Who,
) -> Outcome<(OwnedFd, SharePath, FileKind)> {
    if path.is_root() {
        return Err(VfsError::AccessDenied);
    }
    let (parent, directory) = resolve::find_directory(root, &path.parent(), who)?;
    let path = directory.join_host(path.file_name());
    let stat = info::stat_entry(&parent, &mapping::host(path.file_name())).map_err(failed)?;
    let kind = info::kind(&stat);
    if info::key(&stat) == key {
        return Ok((parent, path, kind));
    }
    if kind == FileKind::Symlink
        && let Ok(Place::Here(fd, _)) = resolve::find(root, &path, Last::AsShare, false, who)
        && info::key(&info::stat_fd(&fd).map_err(failed)?) == key
    {
        return Ok((parent, path, kind));
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
