//! Descriptors on disk: where they are kept, what new files are given, what directories grant.
//!
//! They are in `security.NTACL`, which only the server can write. Where it is not allowed to (without
//! root, in most containers) they are in `user.NTACL`, which is as good as whoever may write to the
//! file: there, they never make the server change an owner for somebody who is not root.

use super::{
    Outcome, failed,
    handle::{Handle, Root, proc_fd, proc_name, proc_path},
    identity::{self, Who},
    info,
    ntacl::{self, MAX_VALUE, Posix, Value},
    rights,
    turns::Turns,
};
use crate::clock;
use ksmbd_core::{
    acl::{self, Change, New, Token},
    config::Share,
    id::FileKey,
    vfs::{File, FileKind, OpenHow, OpenSecurity, Permitted, VfsError},
    wire::{fscc::AccessMask, security::SecurityDescriptor},
};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{self, AtFlags, Gid, Statx, Uid, XattrFlags},
    io::Errno,
};
use std::{ffi::CStr, sync::Arc};

/// Where a share's descriptors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Nowhere: the share keeps none, or its file system cannot.
    Off,
    /// Where Samba and ksmbd have them.
    Security,
    /// Where anybody who may write to the file can write them.
    User,
}

impl Store {
    /// Finds out by an attribute that is not there: whether it may be written is decided first.
    /// Asked under the server's own identity.
    pub(super) fn of(share: &Share, directory: BorrowedFd<'_>) -> Self {
        if !share.acl_xattr {
            return Self::Off;
        }
        let path = proc_path(directory);
        let probe = |name: &CStr| fs::setxattr(path.as_str(), name, &[], XattrFlags::REPLACE);
        match (probe(c"security.KSMBD_PROBE"), probe(c"user.KSMBD_PROBE")) {
            (Err(Errno::NODATA), _) => Self::Security,
            (_, Err(Errno::NODATA)) => {
                let level = match rustix::process::geteuid().is_root() {
                    true => log::Level::Warn,
                    false => log::Level::Info,
                };
                log::log!(
                    level,
                    "share {}: descriptors are kept in user.NTACL, which users can write themselves: \
                     for security.NTACL the server needs CAP_SYS_ADMIN",
                    share.name
                );
                Self::User
            }
            (Err(errno), _) => {
                log::warn!("share {}: no descriptors can be kept there: {errno}", share.name);
                Self::Off
            }
            (Ok(()), _) => Self::Security,
        }
    }

    fn name(self) -> Option<&'static CStr> {
        match self {
            Self::Off => None,
            Self::Security => Some(c"security.NTACL"),
            Self::User => Some(c"user.NTACL"),
        }
    }
}

/// The descriptor of a file, if one is stored that still counts.
pub(super) fn load(
    root: &Root,
    fd: BorrowedFd<'_>,
    stat: &Statx,
) -> Option<Arc<SecurityDescriptor>> {
    let name = root.acl.name()?;
    if !matches!(info::kind(stat), FileKind::File | FileKind::Directory) {
        return None;
    }
    // What a server with more rights has left counts on.
    let bytes = attribute(fd, name).or_else(|| match root.acl {
        Store::User => attribute(fd, c"security.NTACL"),
        Store::Off | Store::Security => None,
    })?;
    let Value { descriptor, hash } = match ntacl::parse(&bytes) {
        Ok(value) => value,
        Err(why) => {
            log::warn!("inode {}: its stored descriptor is ignored: {why}", stat.stx_ino);
            return None;
        }
    };
    let Some(hash) = hash else { return Some(Arc::new(descriptor)) };
    let posix = posix(fd, stat);
    if hash != posix.hash() && hash != posix.kernel_hash() {
        log::debug!("inode {}: owner, mode or ACL count, changed since", stat.stx_ino);
        return None;
    }
    Some(Arc::new(descriptor))
}

/// An attribute's value; most descriptors are short.
fn attribute(fd: BorrowedFd<'_>, name: &CStr) -> Option<Vec<u8>> {
    let path = proc_path(fd);
    let mut short = [0; 1024];
    match fs::getxattr(path.as_str(), name, &mut short[..]) {
        Ok(length) => Some(short.get(..length)?.to_vec()),
        Err(Errno::RANGE) => {
            let mut long = vec![0; MAX_VALUE];
            let length = fs::getxattr(path.as_str(), name, &mut long[..]).ok()?;
            long.truncate(length);
            Some(long)
        }
        Err(_) => None,
    }
}

pub(super) fn posix(fd: BorrowedFd<'_>, stat: &Statx) -> Posix {
    let directory = info::kind(stat) == FileKind::Directory;
    Posix {
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        mode: stat.stx_mode.into(),
        access: attribute(fd, c"system.posix_acl_access"),
        default: directory.then(|| attribute(fd, c"system.posix_acl_default")).flatten(),
    }
}

fn store(root: &Root, fd: BorrowedFd<'_>, descriptor: &SecurityDescriptor) -> Outcome<()> {
    let name = root.acl.name().ok_or(VfsError::NotSupported)?;
    let stat = info::stat_fd(fd).map_err(failed)?;
    let value = ntacl::encode(descriptor, posix(fd, &stat).hash(), clock::wall());
    let value = value.ok_or(VfsError::Invalid)?;
    fs::setxattr(proc_path(fd), name, &value, XattrFlags::empty()).map_err(failed)
}

/// What is asked of descriptors in an open, if the share has some.
fn asked<'a>(root: &Root, how: &'a OpenHow) -> Option<&'a OpenSecurity> {
    how.security.as_deref().filter(|_| root.acl != Store::Off)
}

/// The directory of a new file: may things be made in it?
pub(super) fn may_make(
    root: &Root,
    parent: BorrowedFd<'_>,
    how: &OpenHow,
    directory: bool,
) -> Outcome<Option<Arc<SecurityDescriptor>>> {
    let Some(security) = asked(root, how) else { return Ok(None) };
    may_add(root, parent, &security.token, directory)
}

/// May `token` put something into the directory? Returns its descriptor.
pub(super) fn may_add(
    root: &Root,
    parent: BorrowedFd<'_>,
    token: &Token,
    directory: bool,
) -> Outcome<Option<Arc<SecurityDescriptor>>> {
    let stat = info::stat_fd(parent).map_err(failed)?;
    let descriptor = load(root, parent, &stat);
    let wanted = match directory {
        true => AccessMask::FILE_ADD_SUBDIRECTORY,
        false => AccessMask::FILE_ADD_FILE,
    };
    match &descriptor {
        Some(descriptor) if !acl::granted(descriptor, token).contains(wanted) => {
            Err(VfsError::AccessDenied)
        }
        _ => Ok(descriptor),
    }
}

/// May `token` remove or replace the file of `stat`, which is in `parent`? Only what descriptors say.
pub(super) fn may_replace(
    root: &Root,
    parent: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    token: &Token,
) -> Outcome<bool> {
    let grants = |fd: BorrowedFd<'_>, wanted| -> Outcome<Option<bool>> {
        let stat = info::stat_fd(fd).map_err(failed)?;
        Ok(load(root, fd, &stat).map(|sd| acl::granted(&sd, token).contains(wanted)))
    };
    let own = grants(fd, AccessMask::DELETE)?;
    Ok(own != Some(false) || grants(parent, AccessMask::FILE_DELETE_CHILD)? != Some(false))
}

/// May the caller read the file, attributes and all (FILE_GENERIC_READ)?
pub(super) fn may_read(
    root: &Root,
    fd: BorrowedFd<'_>,
    stat: &Statx,
    token: Option<&Token>,
    who: Who,
) -> bool {
    // What a link leads to is another question.
    let link = info::kind(stat) == FileKind::Symlink;
    let readable = rights::permitted(root, fd, stat, who).contains(Permitted::READ);
    if !readable && !link {
        return false;
    }
    let wanted = AccessMask::FILE_GENERIC_READ;
    let says = |descriptor: &SecurityDescriptor| {
        token.is_none_or(|token| acl::granted(descriptor, token).contains(wanted))
    };
    load(root, fd, stat).is_none_or(|descriptor| says(&descriptor))
}

/// Gives a new file its descriptor. A file that cannot have the one it inherits is not made.
pub(super) fn first(
    root: &Root,
    fd: BorrowedFd<'_>,
    parent: Option<&SecurityDescriptor>,
    how: &OpenHow,
    directory: bool,
) -> Outcome<()> {
    let Some(OpenSecurity { token, descriptor }) = asked(root, how) else { return Ok(()) };
    match acl::new_descriptor(New { parent, explicit: descriptor.as_deref(), token, directory }) {
        Some(descriptor) => store(root, fd, &descriptor),
        None => Ok(()),
    }
}

/// Does an open have to be told what its directory grants?
pub(super) fn asks(root: &Root, how: &OpenHow) -> bool {
    asked(root, how).is_some()
}

/// What a directory grants of what is in it: PARENT_LISTS and PARENT_DELETES.
pub(super) fn of_parent(
    root: &Root,
    (parent, stat): (BorrowedFd<'_>, &Statx),
    how: &OpenHow,
    deletable: bool,
    who: Who,
) -> Permitted {
    let Some(security) = asked(root, how) else { return Permitted::empty() };
    let (lists, deletes) = match load(root, parent, stat) {
        Some(descriptor) => {
            let granted = acl::granted(&descriptor, &security.token);
            let has = |right| granted.contains(right);
            (has(AccessMask::FILE_LIST_DIRECTORY), has(AccessMask::FILE_DELETE_CHILD))
        }
        None => (true, deletable),
    };
    let mut permitted = Permitted::empty();
    let readable = rights::may_list(root, parent, stat, who);
    permitted.set(Permitted::PARENT_LISTS, lists && readable);
    permitted.set(Permitted::PARENT_DELETES, deletes);
    permitted
}

/// [`Op::SetSecurity`](ksmbd_core::vfs::Op::SetSecurity). The core has seen to the rights that it
/// takes; the server itself then writes what the caller's Unix identity might not.
pub(super) fn set(file: &File, change: &Change) -> Outcome<()> {
    /// Two clients that change different parts do not undo each other's.
    static CHANGES: Turns<FileKey> = Turns::new();
    let handle = Handle::of(file)?;
    if !matches!(handle.kind, FileKind::File | FileKind::Directory) {
        return Err(VfsError::NotSupported);
    }
    let one_at_a_time = CHANGES.take(FileKey { stream: 0, ..handle.key });
    let info = handle.info()?;
    let old = info.security.as_deref().cloned().unwrap_or_else(|| acl::synthetic(&info));
    let new = acl::change(&old, change)?;
    let owner = new.owner.filter(|_| new.owner != old.owner);
    let group = new.group.filter(|_| new.group != old.group);
    let uid = owner.and_then(|sid| acl::uid_of_sid(&sid)).filter(|&uid| uid != info.uid);
    let gid = group.and_then(|sid| acl::gid_of_sid(&sid)).filter(|&gid| gid != info.gid);
    identity::assume_server()?;
    if uid.is_some() || gid.is_some() {
        if handle.root.acl != Store::Security && !change.token.is_privileged() {
            return Err(VfsError::AccessDenied);
        }
        chown(handle.fd.as_fd(), uid, gid)?;
    }
    let stored = store(&handle.root, handle.fd.as_fd(), &new);
    drop(one_at_a_time);
    stored
}

fn chown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Outcome<()> {
    // The kernel reads this value as "do not change".
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        return Err(VfsError::Invalid);
    }
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    fs::chownat(proc_fd()?, proc_name(fd), uid, gid, AtFlags::empty()).map_err(failed)
}
