//! Listing directories, a page a call.

use super::{Content, Handle, MemVfs, Outcome, tree::is_dot};
use ksmbd_core::{
    name::mapping,
    vfs::{Cursor, Done, Identity, ListHow, VfsError},
    wire::{
        fscc::directory::{DirectoryEntry, DirectoryPacker},
        utf16::Utf16,
    },
};
use std::collections::VecDeque;

/// The place in a directory.
struct Place {
    names: VecDeque<String>,
    /// The entry that did not fit into the page before.
    kept: Option<DirectoryEntry>,
}

impl MemVfs {
    pub(super) fn list(&self, how: ListHow, who: &Identity) -> Outcome<Done> {
        let ListHow { file, cursor, pattern, class, max, single, token: _ } = how;
        let handle = Handle::of(&file)?;
        let node = self.node(handle.inode)?;
        let Content::Directory(entries) = &node.content else {
            return Err(VfsError::NotDirectory);
        };
        let mut place = match cursor {
            Some(Cursor(place)) => *place.downcast::<Place>().map_err(|_| VfsError::Invalid)?,
            None if pattern.is_wild() && !node.may(who, 4) => return Err(VfsError::AccessDenied),
            None => {
                let wild = pattern.is_wild();
                let dots = [".", ".."].into_iter().filter(|_| wild).map(String::from);
                let names = dots.chain(entries.keys().cloned());
                Place { names: names.filter(|name| pattern.matches(name)).collect(), kept: None }
            }
        };
        let mut packer = DirectoryPacker::new(class, max as usize).ok_or(VfsError::Invalid)?;
        let mut overflow = false;
        while let Some(entry) = self.next_entry(&mut place, handle) {
            if !packer.push(&entry) {
                overflow = packer.is_empty();
                place.kept = Some(entry);
                break;
            }
            if single {
                break;
            }
        }
        let data = if packer.is_empty() { Vec::new() } else { packer.finish() };
        Ok(Done::Listed { data, overflow, cursor: Cursor(Box::new(place)) })
    }

    /// A name that is gone by now is left out.
    fn next_entry(&self, place: &mut Place, handle: &Handle) -> Option<DirectoryEntry> {
        if let Some(entry) = place.kept.take() {
            return Some(entry);
        }
        while let Some(name) = place.names.pop_front() {
            let Ok(Content::Directory(entries)) = self.node(handle.inode).map(|n| &n.content)
            else {
                return None;
            };
            let inode = match name.as_str() {
                "." | ".." => Some(handle.inode),
                name => entries.get(name).copied(),
            };
            let hidden = handle.share.hide_dot_files && is_dot(&name);
            let Some(Ok(info)) = inode.map(|inode| self.describe(inode, hidden, 0)) else {
                continue;
            };
            return Some(DirectoryEntry {
                creation_time: info.creation_time,
                last_access_time: info.last_access_time,
                last_write_time: info.last_write_time,
                change_time: info.change_time,
                end_of_file: info.size,
                allocation_size: info.allocation,
                file_attributes: info.attributes,
                file_id: info.key.inode,
                file_name: Utf16(mapping::units(&name).collect()),
                ..DirectoryEntry::default()
            });
        }
        None
    }
}
