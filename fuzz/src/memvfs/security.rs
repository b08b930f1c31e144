//! Descriptors, kept with the nodes of shares that have them.

use super::{Handle, MemVfs, Outcome};
use ksmbd_core::{
    acl::{self, Change, New, Token},
    config::Share,
    vfs::{File, Identity, OpenHow, Permitted, VfsError},
    wire::{fscc::AccessMask, security::SecurityDescriptor},
};
use std::sync::Arc;

impl MemVfs {
    fn grants(&self, inode: u64, token: &Token, wanted: AccessMask) -> Option<bool> {
        let descriptor = self.node(inode).ok()?.security.as_ref()?;
        Some(acl::granted(descriptor, token).contains(wanted))
    }

    /// May something be put into the directory?
    pub(super) fn may_add(&self, parent: u64, token: &Token, directory: bool) -> Outcome<()> {
        let wanted = match directory {
            true => AccessMask::FILE_ADD_SUBDIRECTORY,
            false => AccessMask::FILE_ADD_FILE,
        };
        match self.grants(parent, token, wanted) {
            Some(false) => Err(VfsError::AccessDenied),
            _ => Ok(()),
        }
    }

    /// A file that is to be replaced.
    pub(super) fn may_replace(&self, parent: u64, inode: u64, token: &Token) -> bool {
        self.grants(inode, token, AccessMask::DELETE) != Some(false)
            || self.grants(parent, token, AccessMask::FILE_DELETE_CHILD) != Some(false)
    }

    /// What a new file begins with.
    pub(super) fn inherited(
        &self,
        parent: u64,
        how: &OpenHow,
        directory: bool,
    ) -> Outcome<Option<Arc<SecurityDescriptor>>> {
        let Some(security) = &how.security else { return Ok(None) };
        let new = New {
            parent: self.node(parent)?.security.as_deref(),
            explicit: security.descriptor.as_deref(),
            token: &security.token,
            directory,
        };
        acl::new_descriptor(new).map(storable).transpose()
    }

    /// What the directory of an open grants of what is in it.
    pub(super) fn by_parent(
        &self,
        share: &Share,
        how: &OpenHow,
        deletable: bool,
        who: &Identity,
    ) -> Permitted {
        let mut permitted = Permitted::empty();
        let root = self.roots.get(&share.path);
        let parent = root.and_then(|root| self.find_directory(*root, &how.path.parent(), who).ok());
        if let (Some(security), Some((parent, _)), false) =
            (&how.security, parent, how.path.is_root())
        {
            let token = &security.token;
            let lists = self.grants(parent, token, AccessMask::FILE_LIST_DIRECTORY);
            let deletes = self.grants(parent, token, AccessMask::FILE_DELETE_CHILD);
            let readable = self.node(parent).is_ok_and(|parent| parent.may(who, 4));
            permitted.set(Permitted::PARENT_LISTS, lists != Some(false) && readable);
            permitted.set(Permitted::PARENT_DELETES, deletes.unwrap_or(deletable));
        }
        permitted
    }

    pub(super) fn set_security(
        &mut self,
        file: &File,
        change: &Change,
        who: &Identity,
    ) -> Outcome<()> {
        let handle = Handle::of(file)?;
        if !handle.share.acl_xattr {
            return Err(VfsError::NotSupported);
        }
        let info = self.info(handle, who)?;
        let old = info.security.as_deref().cloned().unwrap_or_else(|| acl::synthetic(&info));
        let new = storable(acl::change(&old, change)?)?;
        let now = self.now;
        let node = self.node_mut(handle.inode)?;
        if let Some(uid) = new.owner.and_then(|owner| acl::uid_of_sid(&owner)) {
            node.uid = uid;
        }
        if let Some(gid) = new.group.and_then(|group| acl::gid_of_sid(&group)) {
            node.gid = gid;
        }
        node.security = Some(new);
        node.change = now;
        Ok(())
    }
}

/// What a disk could keep: one that is not longer than descriptors can be.
fn storable(descriptor: SecurityDescriptor) -> Outcome<Arc<SecurityDescriptor>> {
    descriptor.encode(&mut Vec::new()).map_err(|_| VfsError::Invalid)?;
    Ok(Arc::new(descriptor))
}
