//! The nodes: names, permissions, metadata, and finding things.

use super::{DEVICE, Handle, MemVfs, Outcome, pages::Pages, streams::Extras};
use ksmbd_core::{
    id::FileKey,
    name::{SharePath, same_name},
    time::FileTime,
    vfs::{FileInfo, FileKind, Identity, Permitted, VfsError},
    wire::{fscc::FileAttributes, security::SecurityDescriptor},
};
use std::collections::BTreeMap;
use std::sync::{Arc, atomic::Ordering};

/// Attributes that are kept.
pub(super) const SETTABLE: FileAttributes = FileAttributes::READONLY
    .union(FileAttributes::HIDDEN)
    .union(FileAttributes::SYSTEM)
    .union(FileAttributes::ARCHIVE)
    .union(FileAttributes::TEMPORARY)
    .union(FileAttributes::OFFLINE)
    .union(FileAttributes::NOT_CONTENT_INDEXED);

/// What a node is.
#[derive(Debug)]
pub enum Content {
    /// A regular file.
    File(Pages),
    /// A directory: names and nodes.
    Directory(BTreeMap<String, u64>),
    /// A FIFO, socket or device.
    Special,
}

impl Content {
    /// An empty one.
    pub fn directory() -> Self {
        Self::Directory(BTreeMap::new())
    }
}

/// One inode.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Stored attributes.
    pub attributes: Option<FileAttributes>,
    /// Its descriptor, on a share that keeps them.
    pub security: Option<Arc<SecurityDescriptor>>,
    pub(super) creation: FileTime,
    pub(super) last_access: FileTime,
    pub(super) last_write: FileTime,
    pub(super) change: FileTime,
    pub(super) links: u32,
    pub(super) extras: Extras,
    pub(super) keeps: Arc<()>,
}

impl Node {
    /// All of `bits` (4 read, 2 write, 1 execute), as `access(2)` has it.
    pub(super) fn may(&self, who: &Identity, bits: u32) -> bool {
        let executable = matches!(self.content, Content::Directory(_)) || self.mode & 0o111 != 0;
        if who.uid == 0 {
            return bits & 1 == 0 || executable;
        }
        let granted = if who.uid == self.uid {
            self.mode >> 6
        } else if who.gid == self.gid || who.groups.contains(&self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        granted & bits == bits
    }

    pub(super) fn kind(&self) -> FileKind {
        match self.content {
            Content::File(_) => FileKind::File,
            Content::Directory(_) => FileKind::Directory,
            Content::Special => FileKind::Special,
        }
    }

    /// The attributes that clients see.
    fn shown(&self, hidden: bool) -> FileAttributes {
        let mut shown = match self.content {
            Content::Directory(_) => {
                FileAttributes::DIRECTORY | self.attributes.unwrap_or_default()
            }
            Content::File(_) => self.attributes.unwrap_or(FileAttributes::ARCHIVE),
            Content::Special => FileAttributes::REPARSE_POINT,
        };
        shown.set(FileAttributes::HIDDEN, hidden || shown.contains(FileAttributes::HIDDEN));
        if shown.is_empty() { FileAttributes::NORMAL } else { shown }
    }
}

/// Where a path leads.
pub(super) enum Place {
    /// Something is there, and this is its path on the disk.
    Here(u64, SharePath),
    /// Only the last component is missing in this directory.
    Missing(u64, SharePath),
}

impl MemVfs {
    pub(super) fn new_node(&mut self, content: Content, mode: u32, who: &Identity) -> u64 {
        let (again, now) = (self.again.take(), self.now);
        let inode = again.unwrap_or(self.next);
        self.next += u64::from(again.is_none());
        let node = Node {
            content,
            mode,
            uid: who.uid,
            gid: who.gid,
            attributes: None,
            security: None,
            creation: now,
            last_access: now,
            last_write: now,
            change: now,
            links: 1,
            extras: Extras::default(),
            keeps: Arc::default(),
        };
        self.nodes.insert(inode, node);
        inode
    }

    pub(super) fn node(&self, inode: u64) -> Outcome<&Node> {
        self.nodes.get(&inode).ok_or(VfsError::Gone)
    }

    pub(super) fn node_mut(&mut self, inode: u64) -> Outcome<&mut Node> {
        self.nodes.get_mut(&inode).ok_or(VfsError::Gone)
    }

    pub(super) fn entries_mut(&mut self, inode: u64) -> Outcome<&mut BTreeMap<String, u64>> {
        match &mut self.node_mut(inode)?.content {
            Content::Directory(entries) => Ok(entries),
            _ => Err(VfsError::NotDirectory),
        }
    }

    /// Forgets what has neither name nor handle.
    pub(super) fn sweep(&mut self) {
        self.nodes.retain(|_, node| node.links > 0 || Arc::strong_count(&node.keeps) > 1);
    }

    /// Bytes of the disk that are in use.
    pub(super) fn used(&self) -> u64 {
        let size = |node: &Node| match &node.content {
            Content::File(pages) => pages.on_disk(),
            _ => 0,
        };
        self.nodes.values().map(size).sum()
    }

    /// The entry of that name, exactly or, where the directory may be read, in another case.
    pub(super) fn entry(
        &self,
        directory: u64,
        name: &str,
        who: &Identity,
    ) -> Outcome<Option<(String, u64)>> {
        let node = self.node(directory)?;
        let Content::Directory(entries) = &node.content else {
            return Err(VfsError::PathNotFound);
        };
        if !node.may(who, 1) {
            return Err(VfsError::AccessDenied);
        }
        if let Some(inode) = entries.get(name) {
            return Ok(Some((name.into(), *inode)));
        }
        let other = entries.iter().find(|(entry, _)| node.may(who, 4) && same_name(entry, name));
        Ok(other.map(|(entry, inode)| (entry.clone(), *inode)))
    }

    /// A directory on the way to something, with its path on the disk.
    pub(super) fn find_directory(
        &self,
        root: u64,
        path: &SharePath,
        who: &Identity,
    ) -> Outcome<(u64, SharePath)> {
        let (mut at, mut real) = (root, SharePath::root());
        for part in path.as_str().split('/').filter(|part| !part.is_empty()) {
            let (name, inode) = self.entry(at, part, who)?.ok_or(VfsError::PathNotFound)?;
            if self.node(inode)?.kind() != FileKind::Directory {
                return Err(VfsError::PathNotFound);
            }
            (at, real) = (inode, real.join_host(&name));
        }
        Ok((at, real))
    }

    pub(super) fn find(&self, root: u64, path: &SharePath, who: &Identity) -> Outcome<Place> {
        if path.is_root() {
            return Ok(Place::Here(root, SharePath::root()));
        }
        let (parent, real) = self.find_directory(root, &path.parent(), who)?;
        let name = path.file_name();
        if name.len() > 255 {
            return Err(VfsError::NameTooLong);
        }
        Ok(match self.entry(parent, name, who)? {
            Some((name, inode)) => Place::Here(inode, real.join_host(&name)),
            None => Place::Missing(parent, real.join_host(name)),
        })
    }

    /// The directory and the name of `path`, if `key` still is there.
    pub(super) fn still_there(
        &self,
        root: u64,
        path: &SharePath,
        key: FileKey,
        who: &Identity,
    ) -> Outcome<(u64, String)> {
        if path.is_root() {
            return Err(VfsError::AccessDenied);
        }
        let (parent, _) = self.find_directory(root, &path.parent(), who)?;
        let Content::Directory(entries) = &self.node(parent)?.content else {
            return Err(VfsError::PathNotFound);
        };
        match entries.get(path.file_name()) {
            Some(inode) if *inode == key.inode => Ok((parent, path.file_name().into())),
            Some(_) => Err(VfsError::Gone),
            None => Err(VfsError::NotFound),
        }
    }

    pub(super) fn unlink(&mut self, parent: u64, name: &str) -> Outcome<()> {
        let now = self.now;
        let inode = self.entries_mut(parent)?.remove(name).ok_or(VfsError::NotFound)?;
        let node = self.node_mut(inode)?;
        node.links = node.links.saturating_sub(1);
        node.change = now;
        self.touch(parent)
    }

    /// A directory has changed.
    pub(super) fn touch(&mut self, directory: u64) -> Outcome<()> {
        let now = self.now;
        let node = self.node_mut(directory)?;
        (node.last_write, node.change) = (now, now);
        Ok(())
    }

    /// What clients see of an entry; what the caller may do is still to be filled in.
    pub(super) fn describe(&self, inode: u64, hidden: bool, reserved: u64) -> Outcome<FileInfo> {
        let node = self.node(inode)?;
        let (size, on_disk) = match &node.content {
            Content::File(pages) => (pages.size(), pages.on_disk()),
            _ => (0, 0),
        };
        let rounded = size.checked_next_multiple_of(super::PAGE).unwrap_or(size);
        Ok(FileInfo {
            key: FileKey::new(DEVICE, inode),
            kind: node.kind(),
            size,
            allocation: on_disk.min(rounded.max(reserved)),
            links: node.links,
            attributes: node.shown(hidden),
            ea_size: self.ea_total(inode),
            creation_time: node.creation,
            last_access_time: node.last_access,
            last_write_time: node.last_write,
            change_time: node.change,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            permitted: Permitted::empty(),
            security: None,
        })
    }

    /// Everything about an open file as it is now.
    pub(super) fn info(&self, handle: &Handle, who: &Identity) -> Outcome<FileInfo> {
        let hidden = handle.share.hide_dot_files && is_dot(handle.path.file_name());
        let reserved = handle.reserved.load(Ordering::Relaxed);
        let mut info = self.describe(handle.inode, hidden, reserved)?;
        let node = self.node(handle.inode)?;
        info.permitted.set(Permitted::READ, node.may(who, 4));
        info.permitted.set(Permitted::WRITE, node.may(who, 2));
        info.permitted.set(Permitted::EXECUTE, node.may(who, 1));
        info.permitted.set(Permitted::OWNER, who.uid == 0 || who.uid == node.uid);
        info.permitted.set(Permitted::DELETE, handle.deletable);
        info.permitted |= handle.by_parent;
        info.security = node.security.clone().filter(|_| handle.share.acl_xattr);
        if let Some(stream) = handle.stream() {
            self.of_stream(&stream, &mut info)?;
        }
        Ok(info)
    }
}

/// A name that the share's setting hides.
pub(super) fn is_dot(name: &str) -> bool {
    name.starts_with('.') && name != "." && name != ".."
}

/// What tests look at and prepare, without a client.
impl MemVfs {
    /// The inode of a path below what is served as `root`, if there is one.
    pub fn at(&self, root: &str, path: &str) -> Option<u64> {
        let mut at = *self.roots.get(root)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Content::Directory(entries) = &self.nodes.get(&at)?.content else {
                return None;
            };
            at = *entries.get(part)?;
        }
        Some(at)
    }

    /// The next file that is made gets the number of this one, which is gone.
    pub fn use_again(&mut self, inode: u64) {
        let gone = self.nodes.remove(&inode).is_none_or(|node| node.links == 0);
        assert!(gone, "{inode} is in use");
        self.again = Some(inode);
    }

    /// The node of a path, to look at or to change.
    pub fn node_at(&mut self, root: &str, path: &str) -> Option<&mut Node> {
        let inode = self.at(root, path)?;
        self.nodes.get_mut(&inode)
    }

    /// A file's data.
    pub fn data_at(&self, root: &str, path: &str) -> Option<Vec<u8>> {
        match &self.nodes.get(&self.at(root, path)?)?.content {
            Content::File(pages) => Some(pages.to_vec()),
            _ => None,
        }
    }

    /// Puts a file there, for everybody to use; its directory exists.
    pub fn put(&mut self, root: &str, path: &str, data: &[u8]) {
        let mut pages = Pages::default();
        pages.write(0, data);
        self.put_node(root, path, Content::File(pages), 0o666);
    }

    /// Puts a directory there, for everybody to use; its parent exists.
    pub fn put_directory(&mut self, root: &str, path: &str) {
        self.put_node(root, path, Content::directory(), 0o777);
    }

    /// Takes a file away; false where there is none.
    pub fn take_away(&mut self, root: &str, path: &str) -> bool {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_file = self.data_at(root, path).is_some();
        let parent = self.at(root, parent).filter(|_| is_file);
        parent.is_some_and(|parent| self.unlink(parent, name).is_ok())
    }

    /// Puts anything there.
    pub fn put_node(&mut self, root: &str, path: &str, content: Content, mode: u32) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let inode = self.new_node(content, mode, &Identity::nobody());
        let parent = self.node_at(root, parent);
        let Some(Node { content: Content::Directory(entries), .. }) = parent else {
            panic!("no directory for {path}");
        };
        entries.insert(name.into(), inode);
    }
}
