//! Opening and creating named streams: first the file, then what it has of that name.

use super::{
    Outcome, acl, failed,
    handle::{Handle, Root, proc_path},
    identity::Who,
    info, make,
    open::{Found, by_parent, finished},
    resolve::{self, Last, Place},
    rights, streams,
};
use ksmbd_core::{
    name::{SharePath, mapping},
    stream::StreamName,
    vfs::{Existing, FileKind, Missing, OpenHow, Opened, Permitted, VfsError},
    wire::fscc::FileAttributes,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags},
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
    let makes = how.missing != Missing::Fail;
    for _ in 0..TRIES {
        match resolve::find(root, &how.path, last, makes, who)? {
            Place::Here(fd, path) => {
                if finished(&fd)?.is_some() {
                    return of_file(root, fd, path, how, name, false, who);
                }
            }
            Place::Missing(..) if how.missing == Missing::Fail => return Err(VfsError::NotFound),
            Place::Missing(vacancy) => {
                // The file is made for its stream alone: nobody asked for its data.
                let made = make::file(root, &vacancy, how, false, who)?;
                let Some(made) = made else { continue };
                let fd = Handle::of(&made.file)?.fd.try_clone();
                let fd = fd.map_err(|_| VfsError::TooManyFiles)?;
                return of_file(root, fd, made.path, how, name, true, who).inspect_err(|_| {
                    // A create that fails leaves nothing behind.
                    let name = mapping::host(vacancy.path.file_name());
                    let _ = fs::unlinkat(&vacancy.parent, &*name, AtFlags::empty());
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
    let stat = info::stat_fd(&fd).map_err(failed)?;
    let kind = info::kind(&stat);
    if !matches!(kind, FileKind::File | FileKind::Directory) {
        return Err(VfsError::AccessDenied);
    }
    // The kernel does not check an access that is only going to be used by attributes' names.
    let mut wanted = Permitted::empty();
    wanted.set(Permitted::READ, how.read);
    wanted.set(Permitted::WRITE, how.write);
    if !rights::permitted(root, fd.as_fd(), &stat, who).contains(wanted) {
        return Err(VfsError::AccessDenied);
    }
    let (name, created) = find_or_make(root, &fd, how, name, made)?;
    let stat = info::stat_fd(&fd).map_err(failed)?;
    let stored = info::stored(&root.share, fd.as_fd(), false, kind);
    let by_parent = by_parent(root, &path, &stat, how, who);
    let fd = Arc::new(fd);
    let found = Found { fd, stat, stored, read: false, write: false, by_parent };
    let opened = found.opened(root, path, Some(name), created, who)?;
    Ok(Opened { file_created: made, ..opened })
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
