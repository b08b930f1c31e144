//! What happens to the files without SMB, and how the server hears of it: as the runtime tells it,
//! for each directory above the change.

use super::{Inner, ROOT, World};
use crate::memvfs::DEVICE;
use ksmbd_core::{
    id::FileKey,
    vfs::FsChange,
    wire::{change_notify::CompletionFilter, fscc::notify::FileAction},
};
use ksmbd_record::event::put;

impl World {
    /// Somebody puts a file into the share.
    pub fn put_outside(&self, path: &str, data: &[u8]) {
        self.put(path, data);
        self.tell_outside(path, FileAction::ADDED, CompletionFilter::FILE_NAME);
    }

    /// Somebody removes a file from the share, if it is there.
    pub fn remove_outside(&self, path: &str) {
        if self.vfs(|vfs| vfs.take_away(ROOT, path)) {
            self.tell_outside(path, FileAction::REMOVED, CompletionFilter::FILE_NAME);
        }
    }

    /// Tells the server of a change in the share.
    pub fn tell_outside(&self, path: &str, action: FileAction, filter: CompletionFilter) {
        let ends = path.match_indices('/').map(|(at, _)| at);
        let above: Vec<(&str, &str)> = std::iter::once(("", path))
            .chain(ends.map(|at| (&path[..at], &path[at + 1..])))
            .collect();
        for (directory, rest) in above {
            if let Some(inode) = self.vfs(|vfs| vfs.at(ROOT, directory)) {
                let directory = FileKey::new(DEVICE, inode);
                let change = FsChange::Below { directory, path: rest.into(), action, filter };
                self.tell(&change);
            }
        }
    }

    /// Tells the server that nobody knows what has happened.
    pub fn lose_outside(&self) {
        self.tell(&FsChange::Lost);
    }

    fn tell(&self, change: &FsChange) {
        self.inner(|world: &mut Inner| {
            world.note_now(|| put::changed(change));
            world.enter(|server, now, out| server.fs_changed(now, change, out));
            world.run();
        });
    }
}
