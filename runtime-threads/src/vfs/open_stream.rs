//! Opening and creating named streams: first the file, then what it has of that name.

use super::{
    Outcome, acl,
    handle::{Handle, Root, proc_fd, proc_name, proc_path},
    identity::Who,
    info,
    open::{Found, create_file},
    resolve::{self, Last, Place},
    streams,
};
use ksmbd_core::{
    name::SharePath,
    stream::StreamName,
    vfs::{Existing, FileKind, Missing, OpenHow, Opened, VfsError},
    wire::fscc::FileAttributes,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, Access, AtFlags},
};
use std::sync::Arc;

/// A stream that comes and goes while it is opened: this often is it tried.
const TRIES: usize = 8;

/// [`Op::Open`](ksmbd_core::vfs::Op::Open) of a named stream.
pub(super) fn open(how: &OpenHow, name: &StreamName, who: Who) -> Outcome<Opened> {
    let root = &Handle::of(&how.root)?.root;
    if !root.share.streams {
        return Err(VfsError::NotSupported);
    }
    let last = if how.no_follow { Last::Link } else { Last::AsShare };
    for _ in 0..TRIES {
        match resolve::find(root, &how.path, last)? {
            Place::Here(fd, path) => return of_file(root, fd, path, how, name, false, who),
            Place::Missing(..) if how.missing == Missing::Fail => return Err(VfsError::NotFound),
            Place::Missing(parent, path) => {
                // The file is made for its stream alone: nobody asked for its data.
                let made = create_file(root, &parent, path.clone(), how, false, who)?;
                let Some(made) = made else { continue };
                let fd = Handle::of(&made.file)?.fd.try_clone();
                let fd = fd.map_err(|_| VfsError::TooManyFiles)?;
                return of_file(root, fd, path.clone(), how, name, true, who).inspect_err(|_| {
                    // A create that fails leaves nothing behind.
                    let _ = fs::unlinkat(&parent, path.file_name(), AtFlags::empty());
                });
            }
        }
    }
    Err(VfsError::AccessDenied)
}

fn of_file(
    root: &Arc<Root>,
    fd: OwnedFd,
    path: SharePath,
    how: &OpenHow,
    name: &StreamName,
    made: bool,
    who: Who,
) -> Outcome<Opened> {
    let stat = info::stat_fd(&fd).map_err(super::failed)?;
    let kind = info::kind(&stat);
    if !matches!(kind, FileKind::File | FileKind::Directory) {
        return Err(VfsError::AccessDenied);
    }
    may(&fd, how.read, Access::READ_OK)?;
    may(&fd, how.write, Access::WRITE_OK)?;
    let (name, created) = find_or_make(root, &fd, how, name, made)?;
    let deletable = super::delete::may_delete(root, &path, &stat, who);
    let by_parent = acl::of_parent(root, &path, how, deletable);
    let found = Found { fd, read: false, write: false, deletable, by_parent };
    let opened = found.opened(root, path, Some(name), created, who)?;
    Ok(Opened { file_created: made, ..opened })
}

/// The kernel does not check an access that is only going to be used by attributes' names.
fn may(fd: &OwnedFd, wanted: bool, access: Access) -> Outcome<()> {
    if !wanted || fs::accessat(proc_fd()?, proc_name(fd), access, AtFlags::EACCESS).is_ok() {
        return Ok(());
    }
    Err(VfsError::AccessDenied)
}

/// The stream in the case that is on the disk, and whether it was made now.
fn find_or_make(
    root: &Root,
    fd: &OwnedFd,
    how: &OpenHow,
    name: &StreamName,
    made: bool,
) -> Outcome<(StreamName, bool)> {
    let path = proc_path(fd);
    for _ in 0..TRIES {
        match (streams::find(&path, name)?, how.existing, how.missing) {
            (Some(_), Existing::Fail, _) => return Err(VfsError::Exists),
            (Some(name), Existing::Open, _) => return Ok((name, false)),
            (None, _, Missing::Fail) => return Err(VfsError::NotFound),
            (None, ..) => {}
        }
        // MS-FSA 2.1.5.1.2.1: nothing is added to a read-only file, unless it was only made for this.
        if !made && is_read_only(root, fd) {
            return Err(VfsError::AccessDenied);
        }
        if !made {
            // What lets somebody write the file lets him add a stream.
            acl::may_make(root, fd.as_fd(), how, false)?;
        }
        match streams::create(&path, &root.share, name) {
            Ok(()) => return Ok((name.clone(), true)),
            Err(VfsError::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    Err(VfsError::Busy)
}

fn is_read_only(root: &Root, fd: &OwnedFd) -> bool {
    let stored = info::stored(&root.share, fd.as_fd(), false, FileKind::File);
    let attributes = stored.and_then(|stored| stored.attributes);
    attributes.is_some_and(|attributes| attributes.contains(FileAttributes::READONLY))
}
