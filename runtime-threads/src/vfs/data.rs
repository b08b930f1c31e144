//! Data: reading and writing at offsets, sizes and space on the disk.

use super::{Outcome, again, ea, failed, handle::Handle, info, streams};
use ksmbd_core::{
    buffer::{Payload, ReplyBuf},
    vfs::{File, FileInfo, FileKind, VfsError},
    wire::fscc::{FileAttributes, ea::FullEaInformation},
};
use rustix::{
    buffer::spare_capacity,
    fd::BorrowedFd,
    fs::{self, FallocateFlags},
    io::{self, Errno},
};
use std::sync::atomic::Ordering;

/// Offsets of the kernel are signed.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// [`Op::Read`](ksmbd_core::vfs::Op::Read): straight into the reply, until `length` or the end.
pub(super) fn read(
    file: &File,
    offset: u64,
    length: u32,
    reply_buf: &mut dyn FnMut(usize) -> ReplyBuf,
) -> Outcome<ReplyBuf> {
    let handle = Handle::of(file)?;
    if let Some(stream) = handle.stream() {
        return streams::read(handle, &stream, offset, length, reply_buf);
    }
    let fd = handle.readable()?;
    let length = length as usize;
    let mut reply = reply_buf(length);
    if offset > MAX_OFFSET {
        return Ok(reply);
    }
    handle.held.while_reading(fd, || read_all(fd, reply.vec(), offset, length))?;
    Ok(reply)
}

fn read_all(fd: BorrowedFd<'_>, data: &mut Vec<u8>, offset: u64, length: usize) -> Outcome<()> {
    let start = data.len();
    let end = start.saturating_add(length);
    while data.len() < end {
        let at = offset.saturating_add((data.len() - start) as u64);
        if at > MAX_OFFSET || read_some(fd, data, end, at)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Appends to `data`, up to `end`. Memory is not cleared first where that can be helped: the kernel
/// may fill all that is spare, and a little too much is cut off again.
fn read_some(fd: BorrowedFd<'_>, data: &mut Vec<u8>, end: usize, at: u64) -> Outcome<usize> {
    let start = data.len();
    let wanted = end - start;
    data.reserve(wanted);
    let spare = data.capacity() - start;
    // More than is wanted must not reach beyond the last offset there is.
    let inside = at.checked_add(spare as u64).is_some_and(|end| end <= MAX_OFFSET);
    if inside && spare - wanted <= wanted / 8 + 512 {
        again(|| io::pread(fd, spare_capacity(data), at))?;
        data.truncate(end);
    } else {
        data.resize(end, 0);
        let room = data.get_mut(start..).unwrap_or_default();
        let count = again(|| io::pread(fd, &mut *room, at));
        data.truncate(start + count.unwrap_or(0));
        count?;
    }
    Ok(data.len() - start)
}

/// [`Op::Write`](ksmbd_core::vfs::Op::Write): all of it or an error.
pub(super) fn write(file: &File, offset: u64, data: &Payload, through: bool) -> Outcome<u32> {
    let handle = Handle::of(file)?;
    if let Some(stream) = handle.stream() {
        return streams::write(handle, &stream, offset, data, through);
    }
    let fd = handle.writable()?;
    let bytes = data.bytes();
    let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= MAX_OFFSET);
    let end = end.ok_or(VfsError::Invalid)?;
    check_room(fd, end)?;
    handle.held.while_writing(fd, || write_all(fd, offset, bytes))?;
    if through {
        again(|| fs::fdatasync(fd))?;
    }
    u32::try_from(bytes.len()).map_err(|_| VfsError::Invalid)
}

fn write_all(fd: BorrowedFd<'_>, offset: u64, bytes: &[u8]) -> Outcome<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match again(|| io::pwrite(fd, rest, offset + written as u64))? {
            0 => return Err(VfsError::NoSpace),
            count => written += count,
        }
    }
    Ok(())
}

/// Sizes from here on are looked at before they are written to.
const LARGE: u64 = 1 << 30;

/// A file that is not sparse cannot be larger than its disk: where Linux would make a hole, Windows
/// says that the disk is full, and so is the client told here. Only asked for large sizes.
fn check_room(fd: BorrowedFd<'_>, end: u64) -> Outcome<()> {
    if end < LARGE {
        return Ok(());
    }
    let size = info::stat_fd(fd).map_err(failed)?.stx_size;
    if end <= size {
        return Ok(());
    }
    match available(fd)? {
        Some(available) if end - size > available.saturating_add(LARGE) => Err(VfsError::NoSpace),
        _ => Ok(()),
    }
}

/// Bytes that are left, where they are counted.
fn available(fd: BorrowedFd<'_>) -> Outcome<Option<u64>> {
    let volume = fs::fstatvfs(fd).map_err(failed)?;
    Ok((volume.f_blocks > 0).then(|| volume.f_bavail.saturating_mul(volume.f_frsize)))
}

/// [`Op::Flush`](ksmbd_core::vfs::Op::Flush).
pub(super) fn flush(file: &File) -> Outcome<()> {
    let handle = Handle::of(file)?;
    if handle.stream().is_some() {
        return streams::flush(handle);
    }
    match handle.writer.get() {
        Some(fd) => again(|| fs::fsync(fd)),
        None if handle.plain() => again(|| fs::fsync(&handle.fd)),
        // Nothing else is ever opened for data.
        None if !matches!(handle.kind, FileKind::File | FileKind::Directory) => Ok(()),
        // It is the file that is flushed, whoever has written to it (MS-FSA 2.1.5.7). Who may do neither with it
        // has changed nothing that could be.
        None => match streams::flush(handle) {
            Err(VfsError::AccessDenied) => Ok(()),
            result => result,
        },
    }
}

/// [`Op::SetEndOfFile`](ksmbd_core::vfs::Op::SetEndOfFile).
pub(super) fn set_end_of_file(file: &File, size: u64) -> Outcome<()> {
    let handle = Handle::of(file)?;
    if let Some(stream) = handle.stream() {
        return streams::set_size(handle, &stream, size);
    }
    let fd = handle.writable()?;
    if size > MAX_OFFSET {
        return Err(VfsError::Invalid);
    }
    handle.held.while_writing(fd, || again(|| fs::ftruncate(fd, size)))
}

/// [`Op::SetAllocation`](ksmbd_core::vfs::Op::SetAllocation).
pub(super) fn set_allocation(file: &File, size: u64) -> Outcome<()> {
    let handle = Handle::of(file)?;
    if let Some(stream) = handle.stream() {
        return streams::set_allocation(handle, &stream, size);
    }
    let fd = handle.writable()?;
    if size > MAX_OFFSET {
        return Err(VfsError::Invalid);
    }
    let stat = info::stat_fd(fd).map_err(failed)?;
    if size < stat.stx_size {
        handle.held.while_writing(fd, || again(|| fs::ftruncate(fd, size)))?;
    } else if size > stat.stx_size {
        check_space(
            fd,
            size.saturating_sub(stat.stx_size.max(stat.stx_blocks.saturating_mul(512))),
        )?;
        // What is before the end may have holes, which nobody wants filled.
        match reserve(fd, stat.stx_size, size) {
            // Not every file system can; the client only wanted it to be quick.
            Err(VfsError::NotSupported) => return Ok(()),
            result => result?,
        }
    }
    let blocks = size.checked_next_multiple_of(info::BLOCK).unwrap_or(size);
    handle.reserved.store(blocks, Ordering::Relaxed);
    Ok(())
}

/// Some file systems reserve all that is left before they say that it is not enough, and do not give it
/// back. What is reserved cannot be cut off here: others may be writing behind the end.
fn check_space(fd: BorrowedFd<'_>, more: u64) -> Outcome<()> {
    match available(fd)? {
        Some(available) if more > available => Err(VfsError::NoSpace),
        _ => Ok(()),
    }
}

fn reserve(fd: BorrowedFd<'_>, from: u64, to: u64) -> Outcome<()> {
    loop {
        match fs::fallocate(fd, FallocateFlags::KEEP_SIZE, from, to.saturating_sub(from)) {
            Err(Errno::INTR) => {}
            // Said for more than the file system can ever hold: to a client, its disk is full.
            Err(Errno::FBIG) => return Err(VfsError::NoSpace),
            result => return result.map_err(failed),
        }
    }
}

/// [`Op::Overwrite`](ksmbd_core::vfs::Op::Overwrite).
pub(super) fn overwrite(
    file: &File,
    attributes: FileAttributes,
    eas: &[FullEaInformation],
) -> Outcome<FileInfo> {
    let handle = Handle::of(file)?;
    if let Some(stream) = handle.stream() {
        streams::set_size(handle, &stream, 0)?;
        return handle.info();
    }
    if handle.kind != FileKind::File {
        return Err(VfsError::AccessDenied);
    }
    let fd = handle.writable()?;
    // First what may be refused: then nothing is lost. A full disk is no reason to be.
    ea::set_on(handle, eas)?;
    let kept = match info::keep(handle, Some(attributes), None) {
        Err(VfsError::NoSpace) => false,
        kept => kept.map(|()| true)?,
    };
    again(|| fs::ftruncate(fd, 0))?;
    handle.reserved.store(0, Ordering::Relaxed);
    streams::delete_all(handle)?;
    if !kept {
        info::keep(handle, Some(attributes), None)?;
    }
    handle.info()
}

/// Bytes of the file's own data, and of its space on the disk.
pub(super) fn sizes(handle: &Handle) -> Outcome<(u64, u64)> {
    let stat = info::stat_fd(&handle.fd).map_err(failed)?;
    let reserved = handle.reserved.load(Ordering::Relaxed);
    Ok((stat.stx_size, info::allocation(&stat, reserved)))
}
