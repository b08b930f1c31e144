//! What a file is: from `statx`, `user.DOSATTRIB` and the share's settings to what clients see, and
//! back for times and attributes.

use super::{
    Outcome, acl,
    dos_attrib::{self, SETTABLE, Stored},
    ea, failed,
    handle::{Handle, proc_path},
    identity, streams, times,
    xattr::At,
};
use ksmbd_core::{
    config::Share,
    id::FileKey,
    stream::StreamName,
    time::FileTime,
    vfs::{File, FileInfo, FileKind, Permitted, SetBasic, VfsError},
    wire::fscc::FileAttributes,
};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{self, AtFlags, FileType, Statx, StatxFlags, StatxTimestamp, Timespec, UTIME_OMIT},
    io::Errno,
};
use std::sync::atomic::Ordering;

/// What an allocation is rounded up to, when the file system does not say otherwise.
pub(super) const BLOCK: u64 = 4096;

/// `statx` of a descriptor.
pub(super) fn stat_fd(fd: impl AsFd) -> Result<Statx, Errno> {
    stat_flags(fd, b"", AtFlags::EMPTY_PATH)
}

/// `statx` of an entry of a directory (its name on the disk); a link is not followed.
pub(super) fn stat_entry(directory: impl AsFd, name: &[u8]) -> Result<Statx, Errno> {
    stat_flags(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn stat_flags(fd: impl AsFd, path: &[u8], flags: AtFlags) -> Result<Statx, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    fs::statx(fd, path, flags | AtFlags::NO_AUTOMOUNT, mask)
}

/// The file system a file is on.
pub(super) fn device(stat: &Statx) -> u64 {
    fs::makedev(stat.stx_dev_major, stat.stx_dev_minor)
}

/// Which file it is.
pub(super) fn key(stat: &Statx) -> FileKey {
    FileKey::new(device(stat), stat.stx_ino)
}

/// What it is.
pub(super) fn kind(stat: &Statx) -> FileKind {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Special,
    }
}

/// When the file was made, as far as the file system knows.
pub(super) fn birth(stat: &Statx) -> FileTime {
    if StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME) {
        return time(&stat.stx_btime);
    }
    time(&stat.stx_mtime).min(time(&stat.stx_ctime)).min(time(&stat.stx_atime))
}

fn time(stamp: &StatxTimestamp) -> FileTime {
    FileTime::from_unix(stamp.tv_sec, stamp.tv_nsec)
}

/// Bytes on disk. Blocks of extended attributes are among `stx_blocks` and must not count: nothing
/// beyond the rounded size does, unless a handle knows that it `reserved` more.
pub(super) fn allocation(stat: &Statx, reserved: u64) -> u64 {
    let on_disk = stat.stx_blocks.saturating_mul(512);
    let rounded = stat.stx_size.checked_next_multiple_of(BLOCK).unwrap_or(stat.stx_size);
    on_disk.min(rounded.max(reserved))
}

/// The attributes that clients see.
fn attributes(kind: FileKind, stored: Option<Stored>, hidden: bool) -> FileAttributes {
    let stored = stored.and_then(|stored| stored.attributes);
    let mut attributes = match kind {
        FileKind::Directory => FileAttributes::DIRECTORY | stored.unwrap_or_default(),
        FileKind::File => stored.unwrap_or(FileAttributes::ARCHIVE),
        FileKind::Symlink | FileKind::Special => FileAttributes::REPARSE_POINT,
    };
    attributes.set(FileAttributes::HIDDEN, hidden || attributes.contains(FileAttributes::HIDDEN));
    if attributes.is_empty() { FileAttributes::NORMAL } else { attributes }
}

/// A name that the share's setting hides.
pub(super) fn is_dot(name: &str) -> bool {
    name.starts_with('.') && name != "." && name != ".."
}

/// Puts together what clients see; what the caller may do is still to be filled in.
pub(super) fn describe(
    share: &Share,
    stat: &Statx,
    stored: Option<Stored>,
    dot: bool,
    reserved: u64,
) -> FileInfo {
    let kind = kind(stat);
    let directory = kind == FileKind::Directory;
    FileInfo {
        key: key(stat),
        kind,
        size: if directory { 0 } else { stat.stx_size },
        allocation: if directory { 0 } else { allocation(stat, reserved) },
        links: stat.stx_nlink,
        attributes: attributes(kind, stored, dot && share.hide_dot_files),
        ea_size: 0,
        creation_time: stored.and_then(|s| s.creation_time).unwrap_or_else(|| birth(stat)),
        last_access_time: time(&stat.stx_atime),
        last_write_time: time(&stat.stx_mtime),
        change_time: time(&stat.stx_ctime),
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        permitted: Permitted::empty(),
        security: None,
    }
}

/// What is stored with a file of this kind, if the share keeps such things.
pub(super) fn stored(
    share: &Share,
    fd: BorrowedFd<'_>,
    plain: bool,
    kind: FileKind,
) -> Option<Stored> {
    let can = matches!(kind, FileKind::File | FileKind::Directory);
    (can && share.store_dos_attributes).then(|| dos_attrib::load(fd, plain)).flatten()
}

impl Handle {
    /// Everything about the open file as it is now.
    pub(super) fn info(&self) -> Outcome<FileInfo> {
        let stat = stat_fd(&self.fd).map_err(failed)?;
        let stored = stored(&self.root.share, self.fd.as_fd(), self.plain(), self.kind);
        self.describe(&stat, stored)
    }

    /// The same from what is known already.
    pub(super) fn describe(&self, stat: &Statx, stored: Option<Stored>) -> Outcome<FileInfo> {
        let reserved = self.reserved.load(Ordering::Relaxed);
        let dot = is_dot(self.path.file_name());
        let mut info = describe(&self.root.share, stat, stored, dot, reserved);
        info.permitted = self.permitted;
        info.security = acl::load(&self.root, self.fd.as_fd(), stat);
        info.change_time = self.shown_change_time(info.change_time);
        if let Some(name) = self.stream() {
            self.of_stream(&name, &mut info)?;
        }
        Ok(info)
    }

    /// A named stream has sizes of its own, and all else from its file. It is removed by whoever may
    /// write.
    fn of_stream(&self, name: &StreamName, info: &mut FileInfo) -> Outcome<()> {
        info.key.stream = name.id();
        info.kind = FileKind::File;
        info.size = streams::size(self, name)?;
        info.allocation = streams::allocation(info.size);
        info.attributes.remove(FileAttributes::DIRECTORY);
        if info.attributes.is_empty() {
            info.attributes = FileAttributes::NORMAL;
        }
        let writes = info.permitted.contains(Permitted::WRITE);
        let deletable = info.permitted.contains(Permitted::DELETE);
        info.permitted.set(Permitted::DELETE, writes || deletable);
        Ok(())
    }

    /// The descriptor is open for data: calls that refuse O_PATH take it.
    pub(super) fn plain(&self) -> bool {
        self.read || self.write
    }
}

/// [`Op::Query`](ksmbd_core::vfs::Op::Query).
pub(super) fn query(file: &File) -> Outcome<FileInfo> {
    let handle = Handle::of(file)?;
    let mut info = handle.info()?;
    info.ea_size = ea::total(At::Descriptor(&proc_path(&handle.fd)), handle.kind);
    Ok(info)
}

/// [`Op::SetBasic`](ksmbd_core::vfs::Op::SetBasic).
pub(super) fn set_basic(file: &File, set: &SetBasic) -> Outcome<()> {
    let handle = Handle::of(file)?;
    let changed = || stat_fd(&handle.fd).map(|stat| time(&stat.stx_ctime)).map_err(failed);
    // MS-FSA 2.1.5.15.2: once set, it stays when this handle changes attributes (UserSetChangeTime).
    let shown = match set.change_time {
        None if handle.shows_change_time() => {
            let real = changed()?;
            Some(handle.shown_change_time(real)).filter(|shown| *shown != real)
        }
        set => set,
    };
    // First what may be refused: then nothing is changed.
    if set.last_access_time.is_some() || set.last_write_time.is_some() {
        let (access, write) = (timespec(set.last_access_time), timespec(set.last_write_time));
        as_owner(handle, || times::set(handle.fd.as_fd(), handle.plain(), access, write))?;
    }
    if set.attributes.is_some() || set.creation_time.is_some() {
        keep(handle, set.attributes, set.creation_time)?;
    }
    if let Some(shown) = shown {
        handle.show_change_time(shown, changed()?);
    }
    handle.held.change(set);
    Ok(())
}

fn timespec(time: Option<FileTime>) -> Timespec {
    let Some(time) = time else { return Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT } };
    let (seconds, nanoseconds) = time.to_unix();
    Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() }
}

/// Changes what is stored with a file; what is not given stays.
pub(super) fn keep(
    handle: &Handle,
    attributes: Option<FileAttributes>,
    creation_time: Option<FileTime>,
) -> Outcome<()> {
    let stores = matches!(handle.kind, FileKind::File | FileKind::Directory);
    if !stores || !handle.root.share.store_dos_attributes {
        return Ok(());
    }
    let old = dos_attrib::load(handle.fd.as_fd(), handle.plain()).unwrap_or_default();
    let default = match handle.kind {
        FileKind::Directory => FileAttributes::DIRECTORY,
        _ => FileAttributes::ARCHIVE,
    };
    let was = old.attributes.unwrap_or(default);
    let attributes = attributes.map_or(was, |new| (new & SETTABLE) | (was - SETTABLE));
    let creation_time = match creation_time.or(old.creation_time) {
        Some(time) => time,
        None => birth(&stat_fd(&handle.fd).map_err(failed)?),
    };
    let (fd, plain) = (handle.fd.as_fd(), handle.plain());
    as_owner(handle, || store_all(fd, plain, handle.kind, attributes, creation_time)).map(|_| ())
}

/// Does what the kernel may refuse to anybody but the owner, as the server itself if the open has the
/// access: FILE_WRITE_ATTRIBUTES goes with writing, and with what was made by it, whoever it belongs to.
/// Nobody writes to a link, whatever its mode says.
fn as_owner<T>(handle: &Handle, act: impl Fn() -> Outcome<T>) -> Outcome<T> {
    let is_written = matches!(handle.kind, FileKind::File | FileKind::Directory);
    let may_write = is_written && (handle.write || handle.permitted.contains(Permitted::WRITE));
    match act() {
        Err(VfsError::AccessDenied) if may_write || handle.made => identity::as_server(act),
        result => result,
    }
}

/// Stores, with the bit that other servers expect in a directory's value. False where nothing is kept.
pub(super) fn store_all(
    fd: BorrowedFd<'_>,
    plain: bool,
    kind: FileKind,
    mut attributes: FileAttributes,
    creation_time: FileTime,
) -> Outcome<bool> {
    attributes.set(FileAttributes::DIRECTORY, kind == FileKind::Directory);
    dos_attrib::store(fd, plain, attributes, creation_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_normal_when_there_are_no_others() {
        let none = Some(Stored { attributes: Some(FileAttributes::empty()), creation_time: None });
        assert_eq!(attributes(FileKind::File, none, false), FileAttributes::NORMAL);
        assert_eq!(attributes(FileKind::File, None, false), FileAttributes::ARCHIVE);
        assert_eq!(attributes(FileKind::Directory, None, false), FileAttributes::DIRECTORY);
        assert_eq!(
            attributes(FileKind::File, none, true),
            FileAttributes::HIDDEN,
            "hidden by its name"
        );
    }

    #[test]
    fn a_time_that_is_not_given_is_not_touched() {
        assert_eq!(timespec(None).tv_nsec, UTIME_OMIT);
        assert_eq!(timespec(Some(FileTime::from_unix(-1, 900))).tv_sec, -1);
    }
}
