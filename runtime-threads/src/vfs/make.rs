//! Making files and directories where there are none.

use super::{
    Outcome, acl, again, data,
    dos_attrib::{self, Stored},
    ea, failed,
    handle::{Root, proc_fd, proc_name, reopen},
    identity::{self, Who},
    info,
    making::Maker,
    open::{Found, access, granted_by},
    outside::own::{self, Kind},
    resolve::Vacancy,
};
use ksmbd_core::{
    id::FileKey,
    name::mapping,
    vfs::{OpenHow, Opened, VfsError, WantedKind},
    wire::{fscc::FileAttributes, security::SecurityDescriptor},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, AtFlags, Mode, OFlags, Statx, Uid},
    io::Errno,
};
use std::sync::Arc;

fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits & 0o7777)
}

/// `None`: it is there by now. With `data` the file's own data is what `how` wants.
pub(super) fn file(
    root: &Arc<Root>,
    vacancy: &Vacancy,
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
    let parent = (vacancy.parent.as_fd(), &vacancy.parent_stat);
    let above = acl::may_make(root, parent.0, how, false)?;
    let name = mapping::host(vacancy.path.file_name());
    let key = info::key(parent.1);
    let mut maker = Maker::begin(key.device);
    let made = making(key, &name, || fs::openat(parent.0, &*name, flags, mode))?;
    let Some(fd) = made else { return Ok(None) };
    let finish = || -> Outcome<Opened> {
        maker.made(info::key(&info::stat_fd(&fd).map_err(failed)?));
        let new = New { fd: &fd, plain: true, parent: parent.1, above: above.as_deref() };
        let (stat, stored) = new.begin(root, how, false)?;
        let by_parent = granted_by(root, parent, &stat, how, who);
        let fd = Arc::new(fd);
        let found = Found { fd, stat, stored, read, write, by_parent };
        let mut opened = found.opened(root, vacancy.path.clone(), None, true, who)?;
        if data && how.allocation > 0 {
            data::set_allocation(&opened.file, how.allocation)?;
            opened.info = info::query(&opened.file)?;
        }
        Ok(opened)
    };
    finish().map(Some).inspect_err(|_| {
        // A create that fails leaves nothing behind.
        unmake(key, &name, || fs::unlinkat(parent.0, &*name, AtFlags::empty()));
    })
}

/// `None`: it is there by now.
pub(super) fn directory(
    root: &Arc<Root>,
    vacancy: &Vacancy,
    how: &OpenHow,
    who: Who,
) -> Outcome<Option<Opened>> {
    if how.kind == WantedKind::File {
        return Err(VfsError::IsDirectory);
    }
    let share = &root.share;
    let mode = mode((0o777 & share.directory_mask) | share.force_directory_mode);
    let parent = (vacancy.parent.as_fd(), &vacancy.parent_stat);
    let above = acl::may_make(root, parent.0, how, true)?;
    let name = mapping::host(vacancy.path.file_name());
    let key = info::key(parent.1);
    let mut maker = Maker::begin(key.device);
    if making(key, &name, || fs::mkdirat(parent.0, &*name, mode))?.is_none() {
        return Ok(None);
    }
    let mut finish = || -> Outcome<Opened> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = again(|| fs::openat(parent.0, &*name, flags, Mode::empty()))?;
        maker.made(info::key(&info::stat_fd(&fd).map_err(failed)?));
        force_ids(fd.as_fd(), mode)?;
        let new = New { fd: &fd, plain: false, parent: parent.1, above: above.as_deref() };
        let (stat, stored) = new.begin(root, how, true)?;
        let fd = if how.read { reopen(&fd, OFlags::RDONLY)? } else { fd };
        let by_parent = granted_by(root, parent, &stat, how, who);
        let fd = Arc::new(fd);
        let found = Found { fd, stat, stored, read: how.read, write: false, by_parent };
        found.opened(root, vacancy.path.clone(), None, true, who)
    };
    finish().map(Some).inspect_err(|_| {
        // Nor does this one leave anything behind.
        unmake(key, &name, || fs::unlinkat(parent.0, &*name, AtFlags::REMOVEDIR));
    })
}

/// What `force directory mode` has of the bits that mkdir() does not take; one of them is handed down.
/// The administrator wants them, whatever group the directory is of. Not every file system has them.
fn force_ids(fd: BorrowedFd<'_>, mode: Mode) -> Outcome<()> {
    let ids = mode & (Mode::SUID | Mode::SGID);
    if ids.is_empty() {
        return Ok(());
    }
    let has = Mode::from_raw_mode(info::stat_fd(fd).map_err(failed)?.stx_mode.into());
    if has.contains(ids) {
        return Ok(());
    }
    let proc = proc_fd()?;
    let change = || again(|| fs::chmodat(proc, proc_name(fd), has | ids, AtFlags::empty()));
    match identity::as_server(change) {
        Err(VfsError::AccessDenied | VfsError::NotSupported) => Ok(()),
        result => result,
    }
}

/// A name appears; `None` when it is there already.
fn making<T>(
    directory: FileKey,
    name: &[u8],
    call: impl FnMut() -> Result<T, Errno>,
) -> Outcome<Option<T>> {
    let made = own::change(&[(directory, name, Kind::Appears)], || again(call), Result::is_ok);
    match made {
        Ok(value) => Ok(Some(value)),
        Err(VfsError::Exists) => Ok(None),
        Err(error) => Err(error),
    }
}

/// It goes again.
fn unmake(directory: FileKey, name: &[u8], call: impl FnOnce() -> Result<(), Errno>) {
    let _ = own::change(&[(directory, name, Kind::Vanishes)], call, Result::is_ok);
}

/// What was just made.
struct New<'a> {
    fd: &'a OwnedFd,
    /// It is open for data and not an O_PATH descriptor.
    plain: bool,
    /// Its directory.
    parent: &'a Statx,
    /// Its directory's descriptor.
    above: Option<&'a SecurityDescriptor>,
}

impl New<'_> {
    /// Stores what it begins with, and tells what it then is.
    fn begin(
        &self,
        root: &Root,
        how: &OpenHow,
        directory: bool,
    ) -> Outcome<(Statx, Option<Stored>)> {
        let stat = info::stat_fd(self.fd).map_err(failed)?;
        let stored = self.attributes(root, &stat, how.attributes)?;
        ea::set_new(self.fd.as_fd(), info::key(&stat), &how.eas)?;
        // After this it may not be its maker's to write to; a descriptor goes with the owner.
        let first = || acl::first(root, self.fd.as_fd(), self.above, how, directory);
        match inherit_owner(root, self.parent, self.fd.as_fd(), &stat)? {
            true => identity::as_server(first)?,
            false => first()?,
        }
        // All of these change the time of the last change at least.
        Ok((info::stat_fd(self.fd).map_err(failed)?, stored))
    }

    /// The creation time is stored as well, so that it survives a copy of the disk to one that does
    /// not know it.
    fn attributes(
        &self,
        root: &Root,
        stat: &Statx,
        attributes: FileAttributes,
    ) -> Outcome<Option<Stored>> {
        if !root.share.store_dos_attributes {
            return Ok(None);
        }
        let creation_time = info::birth(stat);
        let attributes = attributes & dos_attrib::SETTABLE;
        let (fd, kind) = (self.fd.as_fd(), info::kind(stat));
        match info::store_all(fd, self.plain, kind, attributes, creation_time) {
            Ok(true) => Ok(Some(Stored {
                attributes: Some(attributes),
                creation_time: Some(creation_time),
            })),
            // The file system keeps nothing, or the mode of the share's settings does not let the
            // owner write.
            Ok(false) | Err(VfsError::AccessDenied) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `inherit owner`: what is new belongs to whom its directory belongs to, as ksmbd and Samba have it.
/// Only the server itself can give files away. Whether it has another owner now.
fn inherit_owner(root: &Root, parent: &Statx, fd: BorrowedFd<'_>, stat: &Statx) -> Outcome<bool> {
    let owner = parent.stx_uid;
    if !root.share.inherit_owner || !identity::can_switch() || owner == stat.stx_uid {
        return Ok(false);
    }
    let owner = Some(Uid::from_raw(owner));
    identity::as_server(|| again(|| fs::chownat(fd, "", owner, None, AtFlags::EMPTY_PATH)))?;
    Ok(true)
}
