//! Listing directories, a page a call. Entries are packed for the wire here, outside any lock; one
//! that no longer fits is kept for the next page.

use super::{
    Outcome, dos_attrib, ea, failed,
    handle::{Handle, Root, proc_path, reopen},
    info,
    resolve::{self, Last, Place as Found, find_directory, look_for},
    xattr::At,
};
use ksmbd_core::{
    id::FileKey,
    name::{Pattern, SharePath},
    vfs::{Cursor, Done, FileInfo, FileKind, ListHow, VfsError},
    wire::fscc::{
        FileAttributes,
        directory::{DirectoryEntry, DirectoryPacker},
    },
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Dir, OFlags, Statx},
    io::Errno,
};
use std::{collections::VecDeque, sync::Arc};

/// IO_REPARSE_TAG_LX_SYMLINK (MS-FSCC 2.1.2.1).
const TAG_SYMLINK: u32 = 0xA000_001D;
/// IO_REPARSE_TAG_AF_UNIX.
const TAG_SOCKET: u32 = 0x8000_0023;
/// IO_REPARSE_TAG_LX_FIFO.
const TAG_FIFO: u32 = 0x8000_0024;
/// IO_REPARSE_TAG_LX_CHR.
const TAG_CHARACTER_DEVICE: u32 = 0x8000_0025;
/// IO_REPARSE_TAG_LX_BLK.
const TAG_BLOCK_DEVICE: u32 = 0x8000_0026;

/// The place in a directory. It has a descriptor of its own, so two listings do not disturb each
/// other.
struct Place {
    root: Arc<Root>,
    /// To look entries up in.
    directory: OwnedFd,
    key: FileKey,
    path: SharePath,
    /// It is the share's own: what is above it is nobody's business.
    top: bool,
    /// Names that come before those of `rest`.
    first: VecDeque<String>,
    /// The entry that did not fit into the page before.
    kept: Option<DirectoryEntry>,
    /// `None` when the names in `first` are all.
    rest: Option<Dir>,
}

/// [`Op::List`](ksmbd_core::vfs::Op::List).
pub(super) fn list(how: ListHow) -> Outcome<Done> {
    let ListHow { file, cursor, pattern, class, max, single } = how;
    let mut place = match cursor {
        Some(Cursor(place)) => *place.downcast::<Place>().map_err(|_| VfsError::Invalid)?,
        None => Place::begin(Handle::of(&file)?, &pattern)?,
    };
    let mut packer = DirectoryPacker::new(class, max as usize).ok_or(VfsError::Invalid)?;
    let mut packed = false;
    let mut overflow = false;
    while let Some(entry) = place.next(&pattern)? {
        if !packer.push(&entry) {
            overflow = !packed;
            place.kept = Some(entry);
            break;
        }
        packed = true;
        if single {
            break;
        }
    }
    let data = if packed { packer.finish() } else { Vec::new() };
    Ok(Done::Listed { data, overflow, cursor: Cursor(Box::new(place)) })
}

impl Place {
    fn begin(handle: &Handle, pattern: &Pattern) -> Outcome<Self> {
        if handle.kind != FileKind::Directory {
            return Err(VfsError::NotDirectory);
        }
        let directory = handle.fd.try_clone().map_err(|_| VfsError::TooManyFiles)?;
        let mut place = Self {
            root: Arc::clone(&handle.root),
            directory,
            key: handle.key,
            path: handle.path.clone(),
            top: handle.key == handle.root.key,
            first: VecDeque::new(),
            kept: None,
            rest: None,
        };
        if let Some(name) = pattern.literal() {
            place.first.extend(place.look_up(name)?);
        } else {
            place.first.extend([".".to_owned(), "..".to_owned()]);
            let fd = reopen(&handle.fd, OFlags::RDONLY | OFlags::DIRECTORY)?;
            place.rest = Some(Dir::new(fd).map_err(failed)?);
        }
        Ok(place)
    }

    /// The one entry of that name, exactly or in another case.
    fn look_up(&self, name: &str) -> Outcome<Option<String>> {
        match info::stat_entry(&self.directory, name) {
            _ if name.contains('/') => Ok(None),
            Ok(_) => Ok(Some(name.to_owned())),
            Err(Errno::NOENT) => look_for(self.directory.as_fd(), name),
            Err(Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// The next entry that matches and can be told.
    fn next(&mut self, pattern: &Pattern) -> Outcome<Option<DirectoryEntry>> {
        if let Some(entry) = self.kept.take() {
            return Ok(Some(entry));
        }
        while let Some(name) = self.next_name()? {
            if !pattern.matches(&name) || self.root.share.veto.matches(&name) {
                continue;
            }
            // A name that is gone by now, or that may not be looked at, is left out.
            if let Some(entry) = self.entry(name) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn next_name(&mut self) -> Outcome<Option<String>> {
        if let Some(name) = self.first.pop_front() {
            return Ok(Some(name));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        loop {
            let Some(entry) = rest.read() else { return Ok(None) };
            let entry = match entry {
                Ok(entry) => entry,
                // The directory itself was removed while it is open.
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(failed(errno)),
            };
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                // A client would take the backslash for a separator.
                Ok(name) if !name.contains('\\') => return Ok(Some(name.to_owned())),
                _ => log::debug!("not listed: {:?}", entry.file_name()),
            }
        }
    }

    fn entry(&self, name: String) -> Option<DirectoryEntry> {
        let seen = if name == ".." && self.top { "." } else { name.as_str() };
        let mut stat = info::stat_entry(&self.directory, seen).ok()?;
        let mut target = None;
        if info::kind(&stat) == FileKind::Symlink && self.root.share.follow_symlinks {
            // A link that leads nowhere, or out of the share, is left out.
            let fd = self.follow(&name)?;
            stat = info::stat_fd(&fd).ok()?;
            target = Some(fd);
        }
        let kind = info::kind(&stat);
        let stored = match &target {
            Some(fd) => info::stored(&self.root.share, fd.as_fd(), false, kind),
            None => self.stored(seen, kind),
        };
        let mut info = info::describe(&self.root.share, &stat, stored, info::is_dot(&name), 0);
        info.ea_size = match &target {
            Some(fd) => ea::total(At::Descriptor(&proc_path(fd)), kind),
            None => ea::total(At::Entry(&format!("{}/{seen}", proc_path(&self.directory))), kind),
        };
        Some(entry(name, &info, &stat))
    }

    fn stored(&self, name: &str, kind: FileKind) -> Option<dos_attrib::Stored> {
        let can = matches!(kind, FileKind::File | FileKind::Directory);
        (can && self.root.share.store_dos_attributes)
            .then(|| dos_attrib::load_entry(self.directory.as_fd(), name))
            .flatten()
    }

    /// What a link in this directory leads to. That is resolved from the share, since a link may
    /// climb in it; only while the directory still is where it was opened.
    fn follow(&self, name: &str) -> Option<OwnedFd> {
        let (directory, path) = find_directory(&self.root, &self.path).ok()?;
        let same = info::key(&info::stat_fd(directory).ok()?) == self.key;
        match resolve::find(&self.root, &path.join_host(name), Last::AsShare) {
            Ok(Found::Here(fd, _)) if same => Some(fd),
            _ => None,
        }
    }
}

/// The wire's form.
fn entry(file_name: String, info: &FileInfo, stat: &Statx) -> DirectoryEntry {
    let reparse = info.attributes.contains(FileAttributes::REPARSE_POINT);
    DirectoryEntry {
        file_index: 0,
        creation_time: info.creation_time,
        last_access_time: info.last_access_time,
        last_write_time: info.last_write_time,
        change_time: info.change_time,
        end_of_file: info.size,
        allocation_size: info.allocation,
        file_attributes: info.attributes,
        ea_size: info.ea_size,
        reparse_point_tag: if reparse { tag(stat) } else { 0 },
        file_id: info.key.inode,
        file_name,
    }
}

/// What kind of special file it is.
fn tag(stat: &Statx) -> u32 {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Symlink => TAG_SYMLINK,
        FileType::Socket => TAG_SOCKET,
        FileType::Fifo => TAG_FIFO,
        FileType::CharacterDevice => TAG_CHARACTER_DEVICE,
        FileType::BlockDevice => TAG_BLOCK_DEVICE,
        _ => 0,
    }
}
