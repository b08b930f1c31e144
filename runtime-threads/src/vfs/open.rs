//! Opening. A path is first resolved to an O_PATH descriptor, which waits for nobody; only when that
//! names a regular file or a directory is it opened for data.

use super::{
    Outcome, acl,
    dos_attrib::Stored,
    failed,
    handle::{Handle, Root, reopen},
    identity::{self, Who},
    info, make, making, open_stream,
    resolve::{self, Last, Place},
    rights, streams,
    times::Held,
};
use ksmbd_core::{
    config::{Share, ShareKind},
    name::SharePath,
    stream::StreamName,
    vfs::{
        Existing, File, FileKind, Identity, Missing, OpenHow, Opened, Permitted, VfsError,
        WantedKind,
    },
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, CWD, Mode, OFlags, StatVfsMountFlags, Statx},
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
    let directory = Arc::new(directory);
    let fd = Arc::clone(&directory);
    let stat = info::stat_fd(&fd).map_err(failed)?;
    let read_only = fs::fstatvfs(&fd).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    let acl = acl::Store::of(&share, directory.as_fd());
    let root = Arc::new(Root { share, directory, key: info::key(&stat), read_only, acl });
    let who = identity::assume(identity)?;
    let stored = info::stored(&root.share, fd.as_fd(), false, FileKind::Directory);
    let by_parent = Permitted::empty();
    let found = Found { fd, stat, stored, read: false, write: false, by_parent };
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
    let makes = how.missing != Missing::Fail;
    for _ in 0..TRIES {
        let made = match resolve::find(root, &how.path, last, makes, who)? {
            Place::Here(..) if how.existing == Existing::Fail => return Err(VfsError::Exists),
            Place::Here(fd, path) => existing(root, fd, path, how, who)?,
            Place::Missing(vacancy) => match how.missing {
                Missing::Fail => return Err(VfsError::NotFound),
                Missing::CreateFile => make::file(root, &vacancy, how, true, who)?,
                Missing::CreateDirectory => make::directory(root, &vacancy, how, who)?,
            },
        };
        if let Some(opened) = made {
            return Ok(opened);
        }
        // Somebody made it in between: then it exists. Or it was being made, and could not be.
    }
    // A link that leads nowhere is there and is not, however often one looks.
    Err(VfsError::AccessDenied)
}

/// A descriptor, what it may be used for, and what was learned of the file on the way.
pub(super) struct Found {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) stat: Statx,
    pub(super) stored: Option<Stored>,
    pub(super) read: bool,
    pub(super) write: bool,
    /// [`granted_by`] its directory.
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
        let Self { fd, stat, stored, read, write, by_parent } = self;
        let handle = Handle {
            root: Arc::clone(root),
            read,
            write,
            kind: info::kind(&stat),
            key: info::key(&stat),
            stream: stream.clone().map(streams::Slot::new),
            path: path.clone(),
            above: OnceLock::new(),
            permitted: rights::permitted(root, fd.as_fd(), &stat, who) | by_parent,
            made: created && stream.is_none(),
            held: Held::default(),
            change_time: Mutex::new(None),
            reserved: AtomicU64::new(0),
            reader: OnceLock::new(),
            writer: OnceLock::new(),
            fd,
        };
        let info = handle.describe(&stat, stored)?;
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

/// `None`: it is gone again.
fn existing(
    root: &Arc<Root>,
    fd: OwnedFd,
    path: SharePath,
    how: &OpenHow,
    who: Who,
) -> Outcome<Option<Opened>> {
    let Some(stat) = finished(&fd)? else { return Ok(None) };
    let kind = info::kind(&stat);
    match (how.kind, kind) {
        (WantedKind::File, FileKind::Directory) => return Err(VfsError::IsDirectory),
        (WantedKind::Directory, FileKind::Directory) => {}
        // To clients it is one; to remove the link they open it as one, and without following it.
        (WantedKind::Directory, FileKind::Symlink) if leads_to_directory(root, &path, who) => {}
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
    let by_parent = by_parent(root, &path, &stat, how, who);
    let fd = Arc::new(fd);
    let found = Found { fd, stat, stored, read, write, by_parent };
    found.opened(root, path, None, false, who).map(Some)
}

/// What was found, once nobody is making it any more; `None` if it could not be made.
pub(super) fn finished(fd: &OwnedFd) -> Outcome<Option<Statx>> {
    let stat = info::stat_fd(fd).map_err(failed)?;
    if !making::wait_for(info::key(&stat)) {
        return Ok(Some(stat));
    }
    let stat = info::stat_fd(fd).map_err(failed)?;
    Ok(Some(stat).filter(|stat| stat.stx_nlink > 0))
}

/// The link at `path` is shown as a directory.
fn leads_to_directory(root: &Root, path: &SharePath, who: Who) -> bool {
    let follows = root.share.follow_symlinks;
    let found = follows.then(|| resolve::find(root, path, Last::AsShare, false, who));
    let Some(Ok(Place::Here(fd, _))) = found else { return false };
    info::stat_fd(fd).is_ok_and(|stat| info::kind(&stat) == FileKind::Directory)
}

/// For data.
pub(super) fn access(read: bool, write: bool) -> OFlags {
    match (read, write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    }
}

/// What the directory of `path` lets the identity do, found only when that is asked. The share's own
/// directory is never removed.
pub(super) fn by_parent(
    root: &Root,
    path: &SharePath,
    stat: &Statx,
    how: &OpenHow,
    who: Who,
) -> Permitted {
    let asks = acl::asks(root, how);
    if path.is_root() || !asks && !how.delete {
        return Permitted::empty();
    }
    if !asks && rights::may_all(root, who) {
        return Permitted::DELETE;
    }
    let of = |parent: BorrowedFd<'_>| {
        let above = info::stat_fd(parent).map_err(failed)?;
        Ok(granted_by(root, (parent, &above), stat, how, who))
    };
    let parent = path.parent();
    let granted: Outcome<_> = if parent.is_root() {
        of(root.directory.as_fd())
    } else {
        resolve::find_directory(root, &parent, who).and_then(|(parent, _)| of(parent.as_fd()))
    };
    granted.unwrap_or(Permitted::empty())
}

/// What a directory lets the identity do with the file of `stat` in it, as far as that is asked.
pub(super) fn granted_by(
    root: &Root,
    parent: (BorrowedFd<'_>, &Statx),
    stat: &Statx,
    how: &OpenHow,
    who: Who,
) -> Permitted {
    let deletable = how.delete && rights::may_remove(root, parent, stat, who);
    let mut permitted = acl::of_parent(root, parent, how, deletable, who);
    permitted.set(Permitted::DELETE, deletable);
    permitted
}
