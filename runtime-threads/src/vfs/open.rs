//! Opening and creating. A path is first resolved to an O_PATH descriptor, which waits for nobody;
//! only when that names a regular file or a directory is it opened for data.

use super::{
    Outcome, again, data,
    dos_attrib::{self, Stored},
    failed,
    handle::{Handle, Root, reopen},
    identity::{self, Who},
    info,
    resolve::{self, Last, Place, Vacancy},
    rights,
    times::Held,
};
use ksmbd_core::{
    config::{Share, ShareKind},
    name::{SharePath, mapping},
    vfs::{Existing, File, FileKind, Identity, Missing, OpenHow, Opened, VfsError, WantedKind},
    wire::fscc::FileAttributes,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, Statx},
    io::Errno,
};
use std::sync::{Arc, OnceLock, atomic::AtomicU64};

/// A name that comes and goes while it is opened: this often is it tried.
const TRIES: usize = 8;

/// [`Op::OpenShare`](ksmbd_core::vfs::Op::OpenShare). The server opens the directory by its own
/// right, since who configures a share means it; what is in it is up to each call's identity.
pub(super) fn open_share(share: Arc<Share>, identity: &Arc<Identity>) -> Outcome<Opened> {
    if share.kind != ShareKind::Disk || share.path.is_empty() {
        return Err(VfsError::Unavailable);
    }
    identity::assume_server()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory =
        fs::openat(CWD, share.path.as_str(), flags, Mode::empty()).map_err(|errno| {
            log::warn!("share {}: cannot open {}: {errno}", share.name, share.path);
            match errno {
                Errno::NOENT | Errno::NOTDIR => VfsError::Unavailable,
                errno => failed(errno),
            }
        })?;
    resolve::probe(directory.as_fd());
    let fd = directory.try_clone().map_err(|_| VfsError::TooManyFiles)?;
    let stat = info::stat_fd(&fd).map_err(failed)?;
    let read_only = fs::fstatvfs(&fd).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    let root = Arc::new(Root { share, directory, key: info::key(&stat), read_only });
    let who = identity::assume(identity)?;
    let stored = info::stored(&root.share, fd.as_fd(), false, FileKind::Directory);
    let found = Found { fd, stat, stored, read: false, write: false, deletable: false };
    Ok(found.opened(&root, SharePath::root(), false, who))
}

/// [`Op::Open`](ksmbd_core::vfs::Op::Open).
pub(super) fn open(how: &OpenHow, who: Who) -> Outcome<Opened> {
    let root = &Handle::of(&how.root)?.root;
    let last = if how.no_follow { Last::Link } else { Last::AsShare };
    let makes = how.missing != Missing::Fail;
    for _ in 0..TRIES {
        let made = match resolve::find(root, &how.path, last, makes, who)? {
            Place::Here(..) if how.existing == Existing::Fail => return Err(VfsError::Exists),
            Place::Here(fd, path) => return existing(root, fd, path, how, who),
            Place::Missing(vacancy) => match how.missing {
                Missing::Fail => return Err(VfsError::NotFound),
                Missing::CreateFile => create_file(root, *vacancy, how, who)?,
                Missing::CreateDirectory => create_directory(root, *vacancy, how, who)?,
            },
        };
        if let Some(opened) = made {
            return Ok(opened);
        }
        // Somebody made it in between: then it exists.
    }
    // A link that leads nowhere is there and is not, however often one looks.
    Err(VfsError::AccessDenied)
}

/// A descriptor, what it may be used for, and what was learned of the file on the way.
struct Found {
    fd: OwnedFd,
    stat: Statx,
    stored: Option<Stored>,
    read: bool,
    write: bool,
    deletable: bool,
}

impl Found {
    fn opened(self, root: &Arc<Root>, path: SharePath, created: bool, who: Who) -> Opened {
        let Self { fd, stat, stored, read, write, deletable } = self;
        let handle = Handle {
            root: Arc::clone(root),
            read,
            write,
            kind: info::kind(&stat),
            key: info::key(&stat),
            path: path.clone(),
            permitted: rights::permitted(root, fd.as_fd(), &stat, who, deletable),
            held: Held::default(),
            reserved: AtomicU64::new(0),
            reader: OnceLock::new(),
            writer: OnceLock::new(),
            fd,
        };
        let info = handle.describe(&stat, stored);
        Opened { file: File(Arc::new(handle)), path, info, created }
    }
}

fn existing(
    root: &Arc<Root>,
    fd: OwnedFd,
    path: SharePath,
    how: &OpenHow,
    who: Who,
) -> Outcome<Opened> {
    let stat = info::stat_fd(&fd).map_err(failed)?;
    let kind = info::kind(&stat);
    match (how.kind, kind) {
        (WantedKind::File, FileKind::Directory) => return Err(VfsError::IsDirectory),
        (WantedKind::Directory, FileKind::Directory) => {}
        (WantedKind::Directory, _) => return Err(VfsError::NotDirectory),
        _ => {}
    }
    // A directory's entries are not written through it: what may be added is the kernel's to say.
    let (read, write) = (how.read, how.write && kind != FileKind::Directory);
    let fd = match kind {
        _ if !read && !write => fd,
        FileKind::File | FileKind::Directory => reopen(&fd, access(read, write))?,
        // Opening a FIFO could wait for its other end, and a device could do anything.
        FileKind::Symlink | FileKind::Special => return Err(VfsError::AccessDenied),
    };
    let stored = info::stored(&root.share, fd.as_fd(), read || write, kind);
    let deletable = how.delete && may_delete(root, &path, &stat, who);
    Ok(Found { fd, stat, stored, read, write, deletable }.opened(root, path, false, who))
}

fn access(read: bool, write: bool) -> OFlags {
    match (read, write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    }
}

fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits & 0o7777)
}

/// Could the identity remove `path`? The share's own directory is never removed.
fn may_delete(root: &Root, path: &SharePath, stat: &Statx, who: Who) -> bool {
    if path.is_root() || rights::may_all(root, who) {
        return !path.is_root();
    }
    let may = |parent: BorrowedFd<'_>| {
        info::stat_fd(parent)
            .is_ok_and(|above| rights::may_remove(root, (parent, &above), stat, who))
    };
    let parent = path.parent();
    if parent.is_root() {
        return may(root.directory.as_fd());
    }
    resolve::find_directory(root, &parent, who).is_ok_and(|(parent, _)| may(parent.as_fd()))
}

/// `None`: it is there by now.
fn create_file(
    root: &Arc<Root>,
    vacancy: Vacancy,
    how: &OpenHow,
    who: Who,
) -> Outcome<Option<Opened>> {
    if how.kind == WantedKind::Directory {
        return Err(VfsError::NotDirectory);
    }
    let share = &root.share;
    let mode = mode((0o666 & share.create_mask) | share.force_create_mode);
    // Space can only be reserved through a descriptor for writing.
    let write = how.write || how.allocation > 0;
    let flags = access(how.read, write) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let parent = &vacancy.parent;
    let name = mapping::host(vacancy.path.file_name());
    let made = again_unless_exists(|| fs::openat(parent, &*name, flags, mode))?;
    let Some(fd) = made else { return Ok(None) };
    let finish = || -> Outcome<Opened> {
        let (stat, stored) = first_attributes(root, &fd, true, how.attributes)?;
        let deletable = may_remove(root, &vacancy, &stat, how, who);
        let found = Found { fd, stat, stored, read: how.read, write, deletable };
        let mut opened = found.opened(root, vacancy.path.clone(), true, who);
        if how.allocation > 0 {
            data::set_allocation(&opened.file, how.allocation)?;
            opened.info = info::query(&opened.file)?;
        }
        Ok(opened)
    };
    finish().map(Some).inspect_err(|_| {
        // A create that fails leaves nothing behind.
        let _ = fs::unlinkat(parent, &*name, AtFlags::empty());
    })
}

fn may_remove(root: &Root, vacancy: &Vacancy, stat: &Statx, how: &OpenHow, who: Who) -> bool {
    let parent = (vacancy.parent.as_fd(), &vacancy.parent_stat);
    how.delete && rights::may_remove(root, parent, stat, who)
}

/// `None`: it is there by now.
fn create_directory(
    root: &Arc<Root>,
    vacancy: Vacancy,
    how: &OpenHow,
    who: Who,
) -> Outcome<Option<Opened>> {
    if how.kind == WantedKind::File {
        return Err(VfsError::IsDirectory);
    }
    let share = &root.share;
    let mode = mode((0o777 & share.directory_mask) | share.force_directory_mode);
    let parent = &vacancy.parent;
    let name = mapping::host(vacancy.path.file_name());
    if again_unless_exists(|| fs::mkdirat(parent, &*name, mode))?.is_none() {
        return Ok(None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = again(|| fs::openat(parent, &*name, flags, Mode::empty()))?;
    let (stat, stored) = first_attributes(root, &fd, false, how.attributes)?;
    let fd = if how.read { reopen(&fd, OFlags::RDONLY)? } else { fd };
    let deletable = may_remove(root, &vacancy, &stat, how, who);
    let found = Found { fd, stat, stored, read: how.read, write: false, deletable };
    Ok(Some(found.opened(root, vacancy.path.clone(), true, who)))
}

fn again_unless_exists<T>(call: impl FnMut() -> Result<T, Errno>) -> Outcome<Option<T>> {
    match again(call) {
        Ok(value) => Ok(Some(value)),
        Err(VfsError::Exists) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores what a new file begins with, and tells what it then is. The creation time is stored as well,
/// so that it survives a copy of the disk to one that does not know it.
fn first_attributes(
    root: &Root,
    fd: &OwnedFd,
    plain: bool,
    attributes: FileAttributes,
) -> Outcome<(Statx, Option<Stored>)> {
    let stat = info::stat_fd(fd).map_err(failed)?;
    if !root.share.store_dos_attributes {
        return Ok((stat, None));
    }
    let creation_time = info::birth(&stat);
    let attributes = attributes & dos_attrib::SETTABLE;
    let kind = info::kind(&stat);
    match info::store_all(fd.as_fd(), plain, kind, attributes, creation_time) {
        Ok(true) => {
            let stored =
                Stored { attributes: Some(attributes), creation_time: Some(creation_time) };
            // Storing changed the time of the last change.
            Ok((info::stat_fd(fd).map_err(failed)?, Some(stored)))
        }
        // The file system keeps nothing, or the mode of the share's settings does not let the owner
        // write.
        Ok(false) | Err(VfsError::AccessDenied) => Ok((stat, None)),
        Err(error) => Err(error),
    }
}
