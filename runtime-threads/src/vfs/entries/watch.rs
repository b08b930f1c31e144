//! What inotify tells about the names in directories.

use crate::vfs::inotify::{Lost, Queue};
use rustix::{
    fd::BorrowedFd,
    fs::{
        self,
        inotify::{ReadFlags, WatchFlags},
    },
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

/// Whether the kernel tells of everything that happens in a directory.
pub(super) fn tells_all(directory: BorrowedFd<'_>) -> bool {
    let kind = fs::fstatfs(directory).map(|found| found.f_type as u64 & 0xffff_ffff);
    kind.is_ok_and(|kind| LOCAL.contains(&kind))
}

/// One queue of the kernel.
pub(super) struct Watches(Queue);

impl Watches {
    pub(super) fn new() -> Option<Self> {
        let told =
            |errno| log::info!("no inotify ({errno}): directories are read for each new name");
        Queue::new().map_err(told).ok().map(Self)
    }

    /// Watches a directory that the calling identity may read, and of which everything [is
    /// told](tells_all); `None` where that cannot be done.
    pub(super) fn add(&self, directory: BorrowedFd<'_>) -> Option<i32> {
        let flags =
            WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::DELETE_SELF;
        let added = self.0.add(directory, flags);
        added.inspect_err(|errno| log::debug!("cannot watch a directory: {errno}")).ok()
    }

    pub(super) fn remove(&self, watch: i32) {
        self.0.remove(watch);
    }

    /// Everything that has happened until now.
    pub(super) fn changes(&mut self) -> Result<Vec<Change>, Lost> {
        let gone = ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT;
        let kind = |mask: ReadFlags| match mask {
            mask if mask.intersects(gone) => Kind::Gone,
            mask if mask.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) => Kind::Appeared,
            _ => Kind::Vanished,
        };
        let events = self.0.events()?.into_iter();
        let changes = events.map(|e| Change { watch: e.watch, kind: kind(e.mask), name: e.name });
        Ok(changes.collect())
    }
}
