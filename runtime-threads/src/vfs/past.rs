//! Files of a server before this one: known again by what no other file has, and opened again.

use super::{Outcome, handle::Handle, identity, info, open};
use ksmbd_core::{
    config::Share,
    vfs::{Existing, File, Identity, Missing, OpenHow, Opened, Promise, VfsError, WantedKind},
    wire::fscc::{AccessMask, FileAttributes},
};
use ksmbd_record::journal::Anchor;
use rustix::fs::{Statx, StatxFlags};
use std::sync::Arc;

/// By what an open file is told from others.
pub(crate) fn anchor(file: &File) -> Outcome<Anchor> {
    let handle = Handle::of(file)?;
    let stat = info::stat_fd(&handle.fd).map_err(super::failed)?;
    Ok(of(&stat))
}

fn of(stat: &Statx) -> Anchor {
    let knows = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let birth = u64::try_from(stat.stx_btime.tv_sec).ok().filter(|_| knows);
    Anchor {
        device: info::device(stat),
        inode: stat.stx_ino,
        birth: birth.map(|seconds| (seconds, stat.stx_btime.tv_nsec)),
    }
}

/// Opens the share and the file of a promise, if it is the file that `wanted` names, for what was
/// granted then.
pub(crate) fn reopen(
    promise: &Promise,
    wanted: &Anchor,
    share: &Arc<Share>,
    identity: &Arc<Identity>,
) -> Outcome<(File, Opened)> {
    let directory = open::open_share(Arc::clone(share), identity)?.file;
    let who = identity::assume(identity)?;
    let write = AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA;
    let how = OpenHow {
        root: directory.clone(),
        path: promise.path.clone(),
        stream: promise.stream.clone(),
        read: promise.granted.intersects(AccessMask::FILE_READ_DATA),
        write: promise.granted.intersects(write),
        missing: Missing::Fail,
        existing: Existing::Open,
        kind: WantedKind::File,
        attributes: FileAttributes::empty(),
        allocation: 0,
        delete: false,
        eas: Vec::new(),
        no_follow: false,
        security: None,
    };
    let opened = open::open(&how, who)?;
    if !anchor(&opened.file)?.is(wanted) {
        return Err(VfsError::Gone);
    }
    Ok((directory, opened))
}
