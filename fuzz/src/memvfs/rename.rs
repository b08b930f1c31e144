//! Renaming within a share, and second names.

use super::{Content, MemVfs, Outcome};
use ksmbd_core::{
    acl::Token,
    id::FileKey,
    name::SharePath,
    vfs::{Done, FileKind, Identity, VfsError},
};

impl MemVfs {
    pub(super) fn rename(
        &mut self,
        root: u64,
        [from, to]: [&SharePath; 2],
        (key, replace): (FileKey, bool),
        token: Option<&Token>,
        who: &Identity,
    ) -> Outcome<Done> {
        if to.is_root() {
            return Err(VfsError::AccessDenied);
        }
        let (from_dir, from_name) = self.still_there(root, from, key, who)?;
        let (to_dir, parent) = self.find_directory(root, &to.parent(), who)?;
        let mut replaced = false;
        if self.is_at_or_below(to_dir, key.inode) {
            return Err(VfsError::AccessDenied);
        }
        if !self.node(from_dir)?.may(who, 3) || !self.node(to_dir)?.may(who, 3) {
            return Err(VfsError::AccessDenied);
        }
        if let Some(token) = token.filter(|_| to_dir != from_dir) {
            let directory = self.node(key.inode)?.kind() == FileKind::Directory;
            self.may_add(to_dir, token, directory)?;
        }
        if let Some((there, inode)) = self.entry(to_dir, to.file_name(), who)? {
            let same_place = (to_dir, there.as_str()) == (from_dir, from_name.as_str());
            if !same_place {
                if !replace {
                    return Err(VfsError::Exists);
                }
                if self.node(inode)?.kind() == FileKind::Directory {
                    return Err(VfsError::AccessDenied);
                }
                if self.node(key.inode)?.kind() == FileKind::Directory {
                    return Err(VfsError::NotDirectory);
                }
                if token.is_some_and(|token| !self.may_replace(to_dir, inode, token)) {
                    return Err(VfsError::AccessDenied);
                }
                self.unlink(to_dir, &there)?;
                replaced = true;
            }
        }
        self.entries_mut(from_dir)?.remove(&from_name);
        self.entries_mut(to_dir)?.insert(to.file_name().into(), key.inode);
        let now = self.now;
        self.node_mut(key.inode)?.change = now;
        self.touch(from_dir)?;
        self.touch(to_dir)?;
        Ok(Done::Named { to: parent.join_host(to.file_name()), replaced })
    }

    pub(super) fn link(
        &mut self,
        root: u64,
        inode: u64,
        (to, replace): (&SharePath, bool),
        token: Option<&Token>,
        who: &Identity,
    ) -> Outcome<Done> {
        if to.is_root() {
            return Err(VfsError::AccessDenied);
        }
        if self.node(inode)?.kind() == FileKind::Directory {
            return Err(VfsError::IsDirectory);
        }
        if self.node(inode)?.links == 0 {
            return Err(VfsError::Gone);
        }
        let (to_dir, parent) = self.find_directory(root, &to.parent(), who)?;
        let mut replaced = false;
        if !self.node(to_dir)?.may(who, 3) {
            return Err(VfsError::AccessDenied);
        }
        if let Some(token) = token {
            self.may_add(to_dir, token, false)?;
        }
        if let Some((there, occupant)) = self.entry(to_dir, to.file_name(), who)? {
            if !replace {
                return Err(VfsError::Exists);
            }
            if self.node(occupant)?.kind() == FileKind::Directory {
                return Err(VfsError::AccessDenied);
            }
            if token.is_some_and(|token| !self.may_replace(to_dir, occupant, token)) {
                return Err(VfsError::AccessDenied);
            }
            self.unlink(to_dir, &there)?;
            replaced = occupant != inode;
        }
        self.entries_mut(to_dir)?.insert(to.file_name().into(), inode);
        let now = self.now;
        let node = self.node_mut(inode)?;
        node.links += 1;
        node.change = now;
        self.touch(to_dir)?;
        Ok(Done::Named { to: parent.join_host(to.file_name()), replaced })
    }

    /// `inode` is `top` or lies below it.
    fn is_at_or_below(&self, inode: u64, top: u64) -> bool {
        let below = match self.node(top).map(|node| &node.content) {
            Ok(Content::Directory(entries)) => {
                entries.values().any(|entry| self.is_at_or_below(inode, *entry))
            }
            _ => false,
        };
        inode == top || below
    }
}
