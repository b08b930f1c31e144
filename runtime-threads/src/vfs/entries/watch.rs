//! What inotify tells about directories.

use crate::vfs::handle::proc_path;
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::{
        self,
        inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    },
    io::{self, Errno},
};

/// File systems that nobody changes but through this kernel, which then tells: ext2 to ext4, XFS,
/// Btrfs, F2FS, tmpfs, ramfs, overlayfs, ZFS, bcachefs, JFS, FAT, exFAT, NTFS, HFS+.
const LOCAL: [u64; 15] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x3153_464a,
    0x4d44,
    0x2011_bab0,
    0x7366_746e,
    0x5346_544e,
    0x482b,
];

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is there now.
    Appeared,
    /// It is not there any more.
    Vanished,
    /// The directory itself is gone, or is not watched any more.
    Gone,
}

#[derive(Debug)]
pub(super) struct Change {
    pub(super) watch: i32,
    pub(super) kind: Kind,
    pub(super) name: Box<[u8]>,
}

/// Events were lost.
#[derive(Debug)]
pub(super) struct Lost;

/// One queue of the kernel.
pub(super) struct Watches {
    queue: OwnedFd,
    buffer: Vec<u8>,
}

/// Before the name of an event: watch, mask, cookie, length.
const HEADER: usize = 16;

/// The longest event.
const LONGEST: usize = HEADER + 256;

impl Watches {
    pub(super) fn new() -> Option<Self> {
        match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
            Ok(queue) => Some(Self { queue, buffer: vec![0; 16 * 1024] }),
            Err(errno) => {
                log::info!("no inotify ({errno}): directories are read for each new name");
                None
            }
        }
    }

    /// Watches a directory that the calling identity may read; `None` where that does not tell
    /// everything, or cannot be done.
    pub(super) fn add(&self, directory: BorrowedFd<'_>) -> Option<i32> {
        let kind = fs::fstatfs(directory).ok()?.f_type as u64 & 0xffff_ffff;
        if !LOCAL.contains(&kind) {
            return None;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        let added = inotify::add_watch(&self.queue, proc_path(directory), flags);
        added.inspect_err(|errno| log::debug!("cannot watch a directory: {errno}")).ok()
    }

    pub(super) fn remove(&self, watch: i32) {
        // A directory that is gone takes its watch with it.
        let _ = inotify::remove_watch(&self.queue, watch);
    }

    /// Everything that has happened until now.
    pub(super) fn changes(&mut self) -> Result<Vec<Change>, Lost> {
        let mut changes = Vec::new();
        loop {
            let length = match io::read(&self.queue, &mut *self.buffer) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(changes),
                Err(_) => return Err(Lost),
            };
            parse(self.buffer.get(..length).ok_or(Lost)?, &mut changes)?;
            if length + LONGEST <= self.buffer.len() {
                // Another would have found room.
                return Ok(changes);
            }
        }
    }
}

fn parse(mut events: &[u8], changes: &mut Vec<Change>) -> Result<(), Lost> {
    while let Some((header, rest)) = events.split_first_chunk::<HEADER>() {
        let field = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_ne_bytes).ok_or(Lost)
        };
        let (watch, mask) = (field(0)?.cast_signed(), ReadFlags::from_bits_retain(field(4)?));
        let (name, rest) = rest.split_at_checked(field(12)? as usize).ok_or(Lost)?;
        events = rest;
        if mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Err(Lost);
        }
        let gone = ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT;
        let kind = if mask.intersects(gone) {
            Kind::Gone
        } else if mask.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            Kind::Appeared
        } else {
            Kind::Vanished
        };
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default().into();
        changes.push(Change { watch, kind, name });
    }
    Ok(())
}
