//! Opening and creating. A path is first resolved to an O_PATH descriptor, which waits for nobody;
//! only when that names a regular file or a directory is it opened for data.

use super::{
    Outcome, acl, again, data, delete, ea, failed,
    handle::{Handle, Root, reopen},
    identity::{self, Who},
    info, open_stream,
    resolve::{self, Last, Place},
    streams,
};
use ksmbd_core::{
    config::{Share, ShareKind},
    name::SharePath,
    stream::StreamName,
    vfs::{
        Existing, File, FileKind, Identity, Missing, OpenHow, Opened, Permitted, VfsError,
        WantedKind,
    },
    wire::fscc::FileAttributes,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, AtFlags, CWD, Mode, OFlags, Statx, Uid},
    io::Errno,
};
use std::sync::{Arc, Mutex, OnceLock, atomic::AtomicU64};

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
    let acl = acl::Store::of(&share, directory.as_fd());
    let root = Arc::new(Root { share, directory, key: info::key(&stat), acl });
    let who = identity::assume(identity)?;
    let by_parent = Permitted::empty();
    let found = Found { fd, read: false, write: false, deletable: false, by_parent };
    found.opened(&root, SharePath::root(), None, false, who)
}

/// [`Op::Open`](ksmbd_core::vfs::Op::Open).
pub(super) fn open(how: &OpenHow, who: Who) -> Outcome<Opened> {
    if let Some(stream) = &how.stream {
        return open_stream::open(how, stream, who);
    }
    let root = &Handle::of(&how.root)?.root;
    if how.missing != Missing::Fail && root.share.veto.matches(how.path.file_name()) {
        return Err(VfsError::AccessDenied);
    }
    let last = if how.no_follow { Last::Link } else { Last::AsShare };
    for _ in 0..TRIES {
        match (resolve::find(root, &how.path, last)?, how.missing) {
            (Place::Here(..), _) if how.existing == Existing::Fail => {
                return Err(VfsError::Exists);
            }
            (Place::Here(fd, path), _) => return existing(root, fd, path, how, who),
            (Place::Missing(..), Missing::Fail) => return Err(VfsError::NotFound),
            (Place::Missing(parent, path), Missing::CreateFile) => {
                if let Some(opened) = create_file(root, &parent, path, how, true, who)? {
                    return Ok(opened);
                }
            }
            (Place::Missing(parent, path), Missing::CreateDirectory) => {
                if let Some(opened) = create_directory(root, &parent, path, how, who)? {
                    return Ok(opened);
                }
            }
        }
        // Somebody made it in between: then it exists.
    }
    // A link that leads nowhere is there and is not, however often one looks.
    Err(VfsError::AccessDenied)
}

/// A descriptor and what it may be used for.
pub(super) struct Found {
    pub(super) fd: OwnedFd,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) deletable: bool,
    pub(super) by_parent: Permitted,
}

impl Found {
    pub(super) fn opened(
        self,
        root: &Arc<Root>,
        path: SharePath,
        stream: Option<StreamName>,
        created: bool,
        who: Who,
    ) -> Outcome<Opened> {
        let Self { fd, read, write, deletable, by_parent } = self;
        let stat = info::stat_fd(&fd).map_err(failed)?;
        let handle = Handle {
            root: Arc::clone(root),
            fd,
            read,
            write,
            kind: info::kind(&stat),
            key: info::key(&stat),
            stream: stream.clone().map(streams::Slot::new),
            path: path.clone(),
            deletable,
            by_parent,
            change_time: Mutex::new(None),
            reserved: AtomicU64::new(0),
            reader: OnceLock::new(),
            writer: OnceLock::new(),
        };
        let info = handle.info(who)?;
        Ok(Opened {
            file: File(Arc::new(handle)),
            path,
            stream,
            info,
            created,
            file_created: created,
        })
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
    let deletable = delete::may_delete(root, &path, &stat, who);
    let by_parent = acl::of_parent(root, &path, how, deletable);
    Found { fd, read, write, deletable, by_parent }.opened(root, path, None, false, who)
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

/// `None`: it is there by now. `parent` was resolved, and the name is a single component. With `data`
/// the file's own data is what `how` wants.
pub(super) fn create_file(
    root: &Arc<Root>,
    parent: &OwnedFd,
    path: SharePath,
    how: &OpenHow,
    data: bool,
    who: Who,
) -> Outcome<Option<Opened>> {
    if how.kind == WantedKind::Directory {
        return Err(VfsError::NotDirectory);
    }
    let share = &root.share;
    let mode = mode((0o666 & share.create_mask) | share.force_create_mode);
    // Space can only be reserved through a descriptor for writing.
    let (read, write) = (data && how.read, data && (how.write || how.allocation > 0));
    let flags = access(read, write) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let above = acl::may_make(root, parent.as_fd(), how, false)?;
    let name = path.file_name().to_owned();
    let made = again_unless_exists(|| fs::openat(parent, name.as_str(), flags, mode))?;
    let Some(fd) = made else { return Ok(None) };
    let finish = || -> Outcome<Opened> {
        first_attributes(root, &fd, true, FileKind::File, how.attributes)?;
        inherit_owner(root, parent.as_fd(), fd.as_fd())?;
        acl::first(root, fd.as_fd(), above.as_deref(), how, false)?;
        let stat = info::stat_fd(&fd).map_err(failed)?;
        let deletable = delete::may_delete_from(parent.as_fd(), &stat, who);
        let found = Found {
            fd: fd.try_clone().map_err(|_| VfsError::TooManyFiles)?,
            read,
            write,
            deletable,
            by_parent: acl::of_parent(root, &path, how, deletable),
        };
        let mut opened = found.opened(root, path, None, true, who)?;
        ea::set(&opened.file, &how.eas)?;
        if data && how.allocation > 0 {
            data::set_allocation(&opened.file, how.allocation)?;
            opened.info = info::query(&opened.file, who)?;
        }
        Ok(opened)
    };
    finish().map(Some).inspect_err(|_| {
        // A create that fails leaves nothing behind.
        let _ = fs::unlinkat(parent, name.as_str(), AtFlags::empty());
    })
}

/// `None`: it is there by now.
fn create_directory(
    root: &Arc<Root>,
    parent: &OwnedFd,
    path: SharePath,
    how: &OpenHow,
    who: Who,
) -> Outcome<Option<Opened>> {
    if how.kind == WantedKind::File {
        return Err(VfsError::IsDirectory);
    }
    let share = &root.share;
    let mode = mode((0o777 & share.directory_mask) | share.force_directory_mode);
    let above = acl::may_make(root, parent.as_fd(), how, true)?;
    let name = path.file_name().to_owned();
    if again_unless_exists(|| fs::mkdirat(parent, name.as_str(), mode))?.is_none() {
        return Ok(None);
    }
    let finish = || -> Outcome<Opened> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = again(|| fs::openat(parent, name.as_str(), flags, Mode::empty()))?;
        first_attributes(root, &fd, false, FileKind::Directory, how.attributes)?;
        inherit_owner(root, parent.as_fd(), fd.as_fd())?;
        acl::first(root, fd.as_fd(), above.as_deref(), how, true)?;
        let stat = info::stat_fd(&fd).map_err(failed)?;
        let fd = if how.read { reopen(&fd, OFlags::RDONLY)? } else { fd };
        let deletable = delete::may_delete_from(parent.as_fd(), &stat, who);
        let by_parent = acl::of_parent(root, &path, how, deletable);
        let found = Found { fd, read: how.read, write: false, deletable, by_parent };
        let opened = found.opened(root, path, None, true, who)?;
        ea::set(&opened.file, &how.eas)?;
        Ok(opened)
    };
    finish().map(Some).inspect_err(|_| {
        // Nor does this one leave anything behind.
        let _ = fs::unlinkat(parent, name.as_str(), AtFlags::REMOVEDIR);
    })
}

fn again_unless_exists<T>(call: impl FnMut() -> Result<T, Errno>) -> Outcome<Option<T>> {
    match again(call) {
        Ok(value) => Ok(Some(value)),
        Err(VfsError::Exists) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `inherit owner`: what is new belongs to whom its directory belongs to, as ksmbd and Samba have it.
/// Only the server itself can give files away.
fn inherit_owner(root: &Root, parent: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Outcome<()> {
    if !root.share.inherit_owner || !identity::can_switch() {
        return Ok(());
    }
    let owner = info::stat_fd(parent).map_err(failed)?.stx_uid;
    if owner == info::stat_fd(fd).map_err(failed)?.stx_uid {
        return Ok(());
    }
    let owner = Some(Uid::from_raw(owner));
    identity::as_server(|| again(|| fs::chownat(fd, "", owner, None, AtFlags::EMPTY_PATH)))
}

/// Stores what a new file begins with. The creation time is stored as well, so that it survives a
/// copy of the disk to one that does not know it.
fn first_attributes(
    root: &Root,
    fd: &OwnedFd,
    plain: bool,
    kind: FileKind,
    attributes: FileAttributes,
) -> Outcome<()> {
    if !root.share.store_dos_attributes {
        return Ok(());
    }
    let stat: Statx = info::stat_fd(fd).map_err(failed)?;
    let attributes = attributes & super::dos_attrib::SETTABLE;
    let stored = info::store_all(fd.as_fd(), plain, kind, attributes, info::birth(&stat));
    match stored {
        // The mode of the share's settings may not let the owner write: then nothing is stored.
        Err(VfsError::AccessDenied) => Ok(()),
        stored => stored,
    }
}
