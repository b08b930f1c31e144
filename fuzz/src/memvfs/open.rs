//! Opening and creating.

use super::{Content, Handle, MemVfs, Outcome, file, pages::Pages, tree::Place};
use ksmbd_core::{
    config::{Share, ShareKind},
    name::SharePath,
    stream::StreamName,
    vfs::{
        Existing, FileKind, Identity, Missing, OpenHow, Opened, Permitted, VfsError, WantedKind,
    },
};
use std::sync::{Arc, Mutex, atomic::AtomicU64};

impl MemVfs {
    pub(super) fn open_share(&self, share: Arc<Share>, who: &Identity) -> Outcome<Opened> {
        let root = self.roots.get(&share.path).copied().filter(|_| share.kind == ShareKind::Disk);
        let root = root.ok_or(VfsError::Unavailable)?;
        self.opened(&share, root, SharePath::root(), None, Wants::NONE, who)
    }

    pub(super) fn open(&mut self, how: &OpenHow, who: &Identity) -> Outcome<Opened> {
        if let Some(stream) = &how.stream {
            return self.open_stream(how, stream, who);
        }
        let root = Handle::of(&how.root)?;
        match (self.find(root.inode, &how.path, who)?, how.missing) {
            (Place::Here(..), _) if how.existing == Existing::Fail => Err(VfsError::Exists),
            (Place::Here(inode, path), _) => self.existing(&root.share, inode, path, how, who),
            (Place::Missing(..), Missing::Fail) => Err(VfsError::NotFound),
            (Place::Missing(parent, path), missing) => {
                let directory = missing == Missing::CreateDirectory;
                self.create(&root.share, parent, path, how, (directory, who))
            }
        }
    }

    fn existing(
        &self,
        share: &Arc<Share>,
        inode: u64,
        path: SharePath,
        how: &OpenHow,
        who: &Identity,
    ) -> Outcome<Opened> {
        let node = self.node(inode)?;
        let kind = node.kind();
        match (how.kind, kind) {
            (WantedKind::File, FileKind::Directory) => return Err(VfsError::IsDirectory),
            (WantedKind::Directory, FileKind::Directory) => {}
            (WantedKind::Directory, _) => return Err(VfsError::NotDirectory),
            _ => {}
        }
        // Writing means nothing for a directory.
        let write = how.write && kind != FileKind::Directory;
        match kind {
            _ if !how.read && !write => {}
            FileKind::File | FileKind::Directory => {
                let bits = u32::from(how.read) * 4 + u32::from(write) * 2;
                if !node.may(who, bits) {
                    return Err(VfsError::AccessDenied);
                }
            }
            FileKind::Symlink | FileKind::Special => return Err(VfsError::AccessDenied),
        }
        let deletable = self.deletable(share, &path, who);
        let wants = Wants {
            read: how.read,
            write,
            deletable,
            created: false,
            by_parent: self.by_parent(share, how, deletable, who),
        };
        self.opened(share, inode, path, None, wants, who)
    }

    pub(super) fn deletable(&self, share: &Share, path: &SharePath, who: &Identity) -> bool {
        let root = self.roots.get(&share.path);
        let parent = root.and_then(|root| self.find_directory(*root, &path.parent(), who).ok());
        let parent = parent.and_then(|(parent, _)| self.node(parent).ok());
        !path.is_root() && parent.is_some_and(|parent| parent.may(who, 3))
    }

    pub(super) fn create(
        &mut self,
        share: &Arc<Share>,
        parent: u64,
        path: SharePath,
        how: &OpenHow,
        (directory, who): (bool, &Identity),
    ) -> Outcome<Opened> {
        match (directory, how.kind) {
            (true, WantedKind::File) => return Err(VfsError::IsDirectory),
            (false, WantedKind::Directory) => return Err(VfsError::NotDirectory),
            _ => {}
        }
        if !self.node(parent)?.may(who, 3) {
            return Err(VfsError::AccessDenied);
        }
        if let Some(security) = &how.security {
            self.may_add(parent, &security.token, directory)?;
        }
        if how.allocation > self.capacity.saturating_sub(self.used()) {
            return Err(VfsError::NoSpace);
        }
        let (content, mode) = if directory {
            (Content::directory(), (0o777 & share.directory_mask) | share.force_directory_mode)
        } else {
            let mode = (0o666 & share.create_mask) | share.force_create_mode;
            let reserved = how.allocation.next_multiple_of(super::PAGE);
            (Content::File(Pages::reserving(reserved)), mode)
        };
        let security = self.inherited(parent, how, directory)?;
        let inode = self.new_node(content, mode, who);
        self.node_mut(inode)?.security = security;
        if share.store_dos_attributes {
            self.node_mut(inode)?.attributes = Some(how.attributes & super::tree::SETTABLE);
        }
        self.entries_mut(parent)?.insert(path.file_name().into(), inode);
        self.touch(parent)?;
        let write = !directory && (how.write || how.allocation > 0);
        let by_parent = self.by_parent(share, how, true, who);
        let wants = Wants { read: how.read, write, deletable: true, created: true, by_parent };
        self.set_ea(inode, &how.eas, who)?;
        self.opened(share, inode, path, None, wants, who)
    }

    pub(super) fn opened(
        &self,
        share: &Arc<Share>,
        inode: u64,
        path: SharePath,
        stream: Option<StreamName>,
        wants: Wants,
        who: &Identity,
    ) -> Outcome<Opened> {
        let node = self.node(inode)?;
        let reserved = match &node.content {
            Content::File(pages) if wants.created => pages.reserved,
            _ => 0,
        };
        let handle = Handle {
            share: Arc::clone(share),
            inode,
            path: path.clone(),
            stream: Mutex::new(stream.clone()),
            read: wants.read,
            write: wants.write,
            deletable: wants.deletable,
            by_parent: wants.by_parent,
            reserved: AtomicU64::new(reserved),
            _keeps: Arc::clone(&node.keeps),
            _live: self.live_token(),
        };
        let info = self.info(&handle, who)?;
        Ok(Opened {
            file: file(handle),
            path,
            stream,
            info,
            created: wants.created,
            file_created: wants.created,
        })
    }
}

/// What a handle is to be good for.
#[derive(Clone, Copy)]
pub(super) struct Wants {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) deletable: bool,
    pub(super) created: bool,
    pub(super) by_parent: Permitted,
}

impl Wants {
    pub(super) const NONE: Self = Self {
        read: false,
        write: false,
        deletable: false,
        created: false,
        by_parent: Permitted::empty(),
    };
}
