//! Listing directories, a page a call. Entries are packed for the wire here, outside any lock; one
//! that no longer fits is kept for the next page.

use super::{
    Outcome, acl, dos_attrib, ea, entries, failed,
    handle::{Handle, Root, proc_path, reopen},
    identity::Who,
    info,
    resolve::{self, Last, Place as Found, find_directory},
    xattr::{self, At},
};
use ksmbd_core::{
    acl::Token,
    id::FileKey,
    name::{Pattern, SharePath, mapping},
    vfs::{Cursor, Done, FileInfo, FileKind, ListHow, VfsError},
    wire::{
        fscc::{
            FileAttributes, FileInfoClass,
            directory::{DirectoryEntry, DirectoryPacker},
        },
        utf16::Utf16,
    },
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Dir, FileType, OFlags, Statx},
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

/// The place in a directory. It is read through a descriptor of its own, so two listings do not disturb
/// each other; entries are looked up in the one that is open.
struct Place {
    root: Arc<Root>,
    key: FileKey,
    /// Who looks.
    token: Option<Arc<Token>>,
    path: SharePath,
    /// It is the share's own: what is above it is nobody's business.
    top: bool,
    /// Names that come before those of `rest`.
    first: VecDeque<String>,
    /// The entry that did not fit into the page before.
    kept: Option<DirectoryEntry>,
    /// `None` when the names in `first` are all, or none is left.
    rest: Option<Dir>,
}

/// [`Op::List`](ksmbd_core::vfs::Op::List).
pub(super) fn list(how: ListHow, who: Who) -> Outcome<Done> {
    let ListHow { file, cursor, pattern, class, max, single, token } = how;
    let handle = Handle::of(&file)?;
    let mut place = match cursor {
        Some(Cursor(place)) => *place.downcast::<Place>().map_err(|_| VfsError::Invalid)?,
        None => Place::begin(handle, &pattern, token, who)?,
    };
    let directory = handle.fd.as_fd();
    let mut packer = DirectoryPacker::new(class, max as usize).ok_or(VfsError::Invalid)?;
    let mut packed = false;
    let mut overflow = false;
    let wants = Wants::of(class);
    while let Some(entry) = place.next(directory, &pattern, wants, who)? {
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

/// What a class of entries has to be told: each costs calls for each entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Names,
    /// And times, sizes, attributes.
    Times,
    /// And the size of extended attributes.
    All,
}

impl Wants {
    fn of(class: FileInfoClass) -> Self {
        match class {
            FileInfoClass::NAMES => Self::Names,
            FileInfoClass::DIRECTORY => Self::Times,
            _ => Self::All,
        }
    }
}

impl Place {
    fn begin(
        handle: &Handle,
        pattern: &Pattern,
        token: Option<Arc<Token>>,
        who: Who,
    ) -> Outcome<Self> {
        if handle.kind != FileKind::Directory {
            return Err(VfsError::NotDirectory);
        }
        let mut place = Self {
            root: Arc::clone(&handle.root),
            key: handle.key,
            token,
            path: handle.path.clone(),
            top: handle.key == handle.root.key,
            first: VecDeque::new(),
            kept: None,
            rest: None,
        };
        if let Some(name) = pattern.literal() {
            place.first.extend(look_up(handle, name, who)?);
        } else {
            place.first.extend([".".to_owned(), "..".to_owned()]);
            let fd = reopen(&handle.fd, OFlags::RDONLY | OFlags::DIRECTORY)?;
            place.rest = Some(Dir::new(fd).map_err(failed)?);
        }
        Ok(place)
    }

    /// The next entry that matches and can be told.
    fn next(
        &mut self,
        directory: BorrowedFd<'_>,
        pattern: &Pattern,
        wants: Wants,
        who: Who,
    ) -> Outcome<Option<DirectoryEntry>> {
        if let Some(entry) = self.kept.take() {
            return Ok(Some(entry));
        }
        while let Some((name, kind)) = self.next_name()? {
            if !pattern.matches(&name) || self.root.share.veto.matches(&name) {
                continue;
            }
            // What may have to be left out has to be looked at, and nothing else for its name.
            let hides = self.root.share.hide_unreadable
                || matches!(kind, FileType::Symlink | FileType::Unknown);
            if wants == Wants::Names && !hides {
                return Ok(Some(DirectoryEntry { file_name: units(&name), ..Default::default() }));
            }
            // A name that is gone by now, or that may not be looked at, is left out.
            if let Some(entry) = self.entry(directory, &name, wants, who) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// As it is shown, and what kind of file it is where the directory knows that.
    fn next_name(&mut self) -> Outcome<Option<(String, FileType)>> {
        if let Some(name) = self.first.pop_front() {
            return Ok(Some((name, FileType::Unknown)));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        loop {
            let entry = match rest.read() {
                Some(Ok(entry)) => entry,
                // At the end, or the directory itself was removed while it is open.
                None | Some(Err(Errno::NOENT)) => {
                    self.rest = None;
                    return Ok(None);
                }
                Some(Err(errno)) => return Err(failed(errno)),
            };
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                return Ok(Some((mapping::shown(name).into_owned(), entry.file_type())));
            }
        }
    }

    fn entry(
        &self,
        directory: BorrowedFd<'_>,
        name: &str,
        wants: Wants,
        who: Who,
    ) -> Option<DirectoryEntry> {
        let host = mapping::host(if name == ".." && self.top { "." } else { name });
        let mut stat = info::stat_entry(directory, &host).ok()?;
        let mut target = None;
        if info::kind(&stat) == FileKind::Symlink && self.root.share.follow_symlinks {
            // A link that leads nowhere, or out of the share, is left out.
            let fd = self.follow(name, who)?;
            stat = info::stat_fd(&fd).ok()?;
            target = Some(fd);
        }
        if self.root.share.hide_unreadable && name != "." && name != ".." {
            let own = resolve::entry(directory, &host);
            let fd = target.as_ref().or(own.as_ref())?;
            if !acl::may_read(&self.root, fd.as_fd(), &stat, self.token.as_deref(), who) {
                return None;
            }
        }
        let (stored, ea_size) = match &target {
            Some(fd) => self.attributes(At::Descriptor(&proc_path(fd)), &stat, wants),
            None => {
                let path = [proc_path(directory).as_bytes(), b"/", &*host].concat();
                self.attributes(At::Entry(&path), &stat, wants)
            }
        };
        let info = info::describe(&self.root.share, &stat, stored, info::is_dot(name), 0);
        Some(entry(name, &FileInfo { ea_size, ..info }, &stat))
    }

    /// What is stored with an entry, and EaSize. Who may not look is told that there is nothing.
    fn attributes(
        &self,
        at: At<'_>,
        stat: &Statx,
        wants: Wants,
    ) -> (Option<dos_attrib::Stored>, u32) {
        if !matches!(info::kind(stat), FileKind::File | FileKind::Directory) {
            return (None, 0);
        }
        let stores = self.root.share.store_dos_attributes;
        if wants == Wants::Times {
            return (stores.then(|| dos_attrib::load_at(at)).flatten(), 0);
        }
        let names = xattr::user_names(at).unwrap_or_default();
        let there = names.iter().any(|name| name == dos_attrib::USER_NAME);
        let stored = (stores && there).then(|| dos_attrib::load_at(at)).flatten();
        (stored, ea::total_of(at, names))
    }

    /// What a link in this directory leads to. That is resolved from the share, since a link may
    /// climb in it; only while the directory still is where it was opened.
    fn follow(&self, name: &str, who: Who) -> Option<OwnedFd> {
        let (directory, path) = find_directory(&self.root, &self.path, who).ok()?;
        let same = info::key(&info::stat_fd(directory).ok()?) == self.key;
        match resolve::find(&self.root, &path.join_host(name), Last::AsShare, false, who) {
            Ok(Found::Here(fd, _)) if same => Some(fd),
            _ => None,
        }
    }
}

/// The one entry of that name, exactly or in another case.
fn look_up(handle: &Handle, name: &str, who: Who) -> Outcome<Option<String>> {
    match info::stat_entry(&handle.fd, &mapping::host(name)) {
        Ok(_) => return Ok(Some(name.to_owned())),
        Err(Errno::NOENT | Errno::NAMETOOLONG) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let stat = info::stat_fd(&handle.fd).map_err(failed)?;
    entries::Place { root: &handle.root, fd: handle.fd.as_fd(), stat: &stat, who }.look_for(name)
}

/// The wire's form.
fn entry(name: &str, info: &FileInfo, stat: &Statx) -> DirectoryEntry {
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
        file_name: units(name),
    }
}

fn units(name: &str) -> Utf16 {
    Utf16(mapping::units(name).collect())
}

/// What kind of special file it is.
fn tag(stat: &Statx) -> u32 {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Symlink => TAG_SYMLINK,
        FileType::Socket => TAG_SOCKET,
        FileType::Fifo => TAG_FIFO,
        FileType::CharacterDevice => TAG_CHARACTER_DEVICE,
        FileType::BlockDevice => TAG_BLOCK_DEVICE,
        _ => 0,
    }
}
