//! What stands behind the core's [`File`]: a descriptor that was resolved below its share.

use super::{Outcome, acl::Store, again, failed, identity::Who, resolve, streams, times::Held};
use ksmbd_core::{
    config::Share,
    id::FileKey,
    name::SharePath,
    stream::StreamName,
    time::FileTime,
    vfs::{File, FileKind, FileObject, Permitted, VfsError},
};
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{self, CWD, Mode, OFlags},
    io::Errno,
};
use std::{
    any::Any,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU64},
};

/// A share's directory and its settings, as they were at the tree connect.
pub(super) struct Root {
    pub(super) share: Arc<Share>,
    /// Opened with O_PATH: the identity of a call decides what it may see below.
    pub(super) directory: Arc<OwnedFd>,
    pub(super) key: FileKey,
    /// It is on a file system that is mounted read-only.
    pub(super) read_only: bool,
    /// Where descriptors are kept.
    pub(super) acl: Store,
}

/// One open file.
pub(super) struct Handle {
    pub(super) root: Arc<Root>,
    /// Opened with O_PATH when neither `read` nor `write` is set. A share's own directory has it in
    /// common with [`Root`], what watches a directory with the open.
    pub(super) fd: Arc<OwnedFd>,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) kind: FileKind,
    pub(super) key: FileKey,
    /// What is open is a named stream of it: its data is an extended attribute. The descriptor is then
    /// opened with O_PATH.
    pub(super) stream: Option<streams::Slot>,
    /// Where it was when it was opened; it may have been renamed since.
    pub(super) path: SharePath,
    /// The directory it is in, once that was asked.
    pub(super) above: OnceLock<Option<FileKey>>,
    /// What the identity of the open might do then: as on Windows, rights are those of the open.
    pub(super) permitted: Permitted,
    /// This open has made it, and does with it what it asked for, whatever its owner and mode are.
    pub(super) made: bool,
    /// Times that stay as they are.
    pub(super) held: Held,
    /// The ctime that a client set through this handle, and the real one since then: what is shown as
    /// long as nothing changes the file. Linux cannot keep it.
    pub(super) change_time: Mutex<Option<(FileTime, FileTime)>>,
    /// Bytes that this handle reserved beyond the end of the file.
    pub(super) reserved: AtomicU64,
    /// What was not opened for reading at once is when it is first read: a client that asks for the
    /// most it may have often wants nothing but the size.
    pub(super) reader: OnceLock<OwnedFd>,
    /// The same for writing.
    pub(super) writer: OnceLock<OwnedFd>,
}

impl FileObject for Handle {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Handle {
    /// The handle behind `file`.
    pub(super) fn of(file: &File) -> Outcome<&Self> {
        file.0.as_any().downcast_ref().ok_or(VfsError::Invalid)
    }

    /// The named stream that is open, unless it became the file's own data.
    pub(super) fn stream(&self) -> Option<StreamName> {
        self.stream.as_ref().and_then(streams::Slot::name)
    }

    /// The directory that it was in when it was opened.
    pub(super) fn above(&self, who: Who) -> Option<FileKey> {
        *self.above.get_or_init(|| resolve::directory_of(&self.root, &self.path, who))
    }

    /// The descriptor, if it may be read from.
    pub(super) fn readable(&self) -> Outcome<BorrowedFd<'_>> {
        if self.kind == FileKind::Directory {
            return Err(VfsError::IsDirectory);
        }
        if self.read { Ok(self.fd.as_fd()) } else { self.late(&self.reader, OFlags::RDONLY) }
    }

    /// The descriptor, if it may be written to.
    pub(super) fn writable(&self) -> Outcome<BorrowedFd<'_>> {
        if self.kind == FileKind::Directory {
            return Err(VfsError::IsDirectory);
        }
        if self.write { Ok(self.fd.as_fd()) } else { self.late(&self.writer, OFlags::WRONLY) }
    }

    /// What a client set the change time to, while nothing has changed since.
    pub(super) fn shown_change_time(&self, real: FileTime) -> FileTime {
        let set = *self.change_time.lock().unwrap_or_else(PoisonError::into_inner);
        set.filter(|(_, since)| *since == real).map_or(real, |(shown, _)| shown)
    }

    /// A client set it through this handle.
    pub(super) fn shows_change_time(&self) -> bool {
        self.change_time.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// See [`Self::shown_change_time`].
    pub(super) fn show_change_time(&self, shown: FileTime, real: FileTime) {
        *self.change_time.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown, real));
    }

    /// Opens for data now, under the identity of the call.
    fn late<'a>(&'a self, slot: &'a OnceLock<OwnedFd>, flags: OFlags) -> Outcome<BorrowedFd<'a>> {
        if let Some(fd) = slot.get() {
            return Ok(fd.as_fd());
        }
        if self.kind != FileKind::File {
            return Err(VfsError::AccessDenied);
        }
        let fd = reopen(&self.fd, flags)?;
        Ok(slot.get_or_init(|| fd).as_fd())
    }
}

/// `/proc/self/fd`, through which an O_PATH descriptor is opened for data or given to calls that
/// want a path: the file is the same one, whatever its name points at meanwhile.
pub(super) fn proc_fd() -> Outcome<BorrowedFd<'static>> {
    static DIRECTORY: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(fd) = DIRECTORY.get() {
        return Ok(fd.as_fd());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = fs::openat(CWD, c"/proc/self/fd", flags, Mode::empty()).map_err(failed)?;
    if fs::fstatfs(&fd).map_err(failed)?.f_type != fs::PROC_SUPER_MAGIC {
        log::error!("/proc is not mounted: files cannot be opened");
        return Err(VfsError::Io);
    }
    Ok(DIRECTORY.get_or_init(|| fd).as_fd())
}

/// The name of a descriptor in [`proc_fd`].
pub(super) fn proc_name(fd: impl AsFd) -> String {
    fd.as_fd().as_raw_fd().to_string()
}

/// The path of a descriptor, for calls that take nothing else.
pub(super) fn proc_path(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// Opens what an O_PATH descriptor of a regular file or directory names. Only waits for who has a lease of
/// the kernel's on it (fcntl(2): an NFS server's delegations), which the first try has asked him to give back.
pub(super) fn reopen(fd: impl AsFd, flags: OFlags) -> Outcome<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    let (proc, name) = (proc_fd()?, proc_name(fd));
    match fs::openat(proc, &*name, flags | OFlags::NONBLOCK, Mode::empty()) {
        Err(Errno::AGAIN) => again(|| fs::openat(proc, &*name, flags, Mode::empty())),
        opened => opened.map_err(failed),
    }
}
