//! The file system below a share.

use super::{Outcome, failed, handle::Handle, info};
use ksmbd_core::vfs::{File, VolumeInfo};
use rustix::fs;

/// Bytes that a file system has that does not say.
const UNCOUNTED: u64 = 1 << 40;

/// [`Op::Volume`](ksmbd_core::vfs::Op::Volume).
pub(super) fn query(file: &File) -> Outcome<VolumeInfo> {
    let handle = Handle::of(file)?;
    let space = fs::fstatvfs(&handle.fd).map_err(failed)?;
    let root = info::stat_fd(&handle.root.directory).map_err(failed)?;
    let unit = if space.f_frsize == 0 { info::BLOCK } else { space.f_frsize };
    // Some count nothing (ramfs): clients take that for a full disk.
    let (total, available, free) = match space.f_blocks {
        0 => (UNCOUNTED / unit, UNCOUNTED / unit, UNCOUNTED / unit),
        total => (total, space.f_bavail, space.f_bfree),
    };
    Ok(VolumeInfo {
        serial: serial(info::device(&root), root.stx_ino),
        creation_time: info::birth(&root),
        unit: u32::try_from(unit).unwrap_or(u32::MAX),
        total,
        available,
        free,
    })
}

/// The same for a share as long as its directory stays where it is (FNV-1a).
fn serial(device: u64, inode: u64) -> u32 {
    let bytes = device.to_le_bytes().into_iter().chain(inode.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
