//! Named streams: the values of `user.DosStream.<name>:$DATA`, with one NUL more where the share keeps
//! Samba's form. A value is read and written as a whole, so whoever changes one has the file's
//! streams for himself meanwhile.

use super::{
    Outcome, again, data, failed,
    handle::{Handle, Root, proc_path, reopen},
    info,
    turns::Turns,
    xattr::{self, At},
};
use ksmbd_core::{
    buffer::{Payload, ReplyBuf},
    config::Share,
    id::FileKey,
    stream::StreamName,
    vfs::{File, FileKind, VfsError},
    wire::fscc::file::StreamInformation,
};
use rustix::{
    fs::{self, OFlags, XattrFlags},
    io,
};
use std::sync::{Mutex, PoisonError};

/// Part of a handle: which stream it is of. None is one that became the file's own data.
pub(super) struct Slot(Mutex<Option<StreamName>>);

impl Slot {
    pub(super) fn new(name: StreamName) -> Self {
        Self(Mutex::new(Some(name)))
    }

    pub(super) fn name(&self) -> Option<StreamName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rename(&self, to: Option<StreamName>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

/// Does something while nobody else of this process changes the file's attributes.
pub(super) fn exclusively<T>(key: FileKey, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    static FILES: Turns<FileKey> = Turns::new();
    let _turn = FILES.take(FileKey { stream: 0, ..key });
    act()
}

const PREFIX: &str = "DosStream.";
const SUFFIX: &str = ":$DATA";

pub(super) fn attribute(name: &StreamName) -> String {
    format!("user.{PREFIX}{}{SUFFIX}", name.as_str())
}

/// The stream that an attribute holds. What another program left under an impossible name is none.
pub(super) fn of_attribute(name: &str) -> Option<StreamName> {
    StreamName::new(name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?).ok()
}

/// Bytes that a stream of this share can have.
fn most(share: &Share) -> usize {
    xattr::MAX_VALUE - usize::from(share.streams_nul)
}

/// Names of the streams that are there.
fn names(path: &str) -> Outcome<Vec<StreamName>> {
    let names = xattr::user_names(At::Descriptor(path))?;
    Ok(names.iter().filter_map(|name| of_attribute(name)).collect())
}

/// The stream of that name, exactly if it is there, else in another case.
pub(super) fn find(path: &str, wanted: &StreamName) -> Outcome<Option<StreamName>> {
    if xattr::size(At::Descriptor(path), &attribute(wanted))?.is_some() {
        return Ok(Some(wanted.clone()));
    }
    Ok(names(path)?.into_iter().find(|name| name == wanted))
}

fn load(path: &str, share: &Share, name: &StreamName) -> Outcome<Vec<u8>> {
    let mut value = xattr::value(path, &attribute(name))?.ok_or(VfsError::Gone)?;
    if share.streams_nul && value.last() == Some(&0) {
        value.pop();
    }
    Ok(value)
}

fn store(
    path: &str,
    share: &Share,
    name: &StreamName,
    mut value: Vec<u8>,
    flags: XattrFlags,
) -> Outcome<()> {
    if value.len() > most(share) {
        return Err(VfsError::NoSpace);
    }
    if share.streams_nul {
        value.push(0);
    }
    xattr::set(path, &attribute(name), &value, flags)
}

/// Makes an empty stream.
pub(super) fn create(path: &str, share: &Share, name: &StreamName) -> Outcome<()> {
    store(path, share, name, Vec::new(), XattrFlags::CREATE)
}

/// Bytes of an open stream.
pub(super) fn size(handle: &Handle, name: &StreamName) -> Outcome<u64> {
    bytes(&proc_path(&handle.fd), &handle.root, name)
}

fn bytes(path: &str, root: &Root, name: &StreamName) -> Outcome<u64> {
    if root.share.streams_nul {
        // Whether the last byte counts is in the value alone.
        return load(path, &root.share, name).map(|value| value.len() as u64);
    }
    let size = xattr::size(At::Descriptor(path), &attribute(name))?;
    size.map(|size| size as u64).ok_or(VfsError::Gone)
}

/// What is shown as a stream's space on the disk.
pub(super) fn allocation(size: u64) -> u64 {
    size.checked_next_multiple_of(info::BLOCK).unwrap_or(size)
}

/// [`Op::Read`](ksmbd_core::vfs::Op::Read).
pub(super) fn read(
    handle: &Handle,
    name: &StreamName,
    offset: u64,
    length: u32,
    reply_buf: &mut dyn FnMut(usize) -> ReplyBuf,
) -> Outcome<ReplyBuf> {
    let value = load(&proc_path(&handle.fd), &handle.root.share, name)?;
    let rest = usize::try_from(offset).ok().and_then(|offset| value.get(offset..));
    let rest = rest.unwrap_or_default();
    let data = rest.get(..length as usize).unwrap_or(rest);
    let mut reply = reply_buf(data.len());
    reply.vec().extend_from_slice(data);
    Ok(reply)
}

/// [`Op::Write`](ksmbd_core::vfs::Op::Write). A hole is zeros, as everywhere.
pub(super) fn write(
    handle: &Handle,
    name: &StreamName,
    offset: u64,
    data: &Payload,
    through: bool,
) -> Outcome<u32> {
    let data = data.bytes();
    let offset = usize::try_from(offset).map_err(|_| VfsError::NoSpace)?;
    let end = offset.checked_add(data.len()).ok_or(VfsError::NoSpace)?;
    change(handle, name, |value, most| {
        if end > most {
            return Err(VfsError::NoSpace);
        }
        if value.len() < end {
            value.resize(end, 0);
        }
        if let Some(place) = value.get_mut(offset..end) {
            place.copy_from_slice(data);
        }
        Ok(())
    })?;
    if through {
        flush(handle)?;
    }
    u32::try_from(data.len()).map_err(|_| VfsError::Invalid)
}

/// [`Op::SetEndOfFile`](ksmbd_core::vfs::Op::SetEndOfFile).
pub(super) fn set_size(handle: &Handle, name: &StreamName, size: u64) -> Outcome<()> {
    change(handle, name, |value, most| {
        let size = usize::try_from(size).ok().filter(|&size| size <= most);
        value.resize(size.ok_or(VfsError::NoSpace)?, 0);
        Ok(())
    })
}

/// [`Op::SetAllocation`](ksmbd_core::vfs::Op::SetAllocation): cuts; there is nothing to reserve.
pub(super) fn set_allocation(handle: &Handle, name: &StreamName, size: u64) -> Outcome<()> {
    if size > most(&handle.root.share) as u64 {
        return Err(VfsError::NoSpace);
    }
    if size < self::size(handle, name)? { set_size(handle, name, size) } else { Ok(()) }
}

/// Changes a stream that is still there. Its value and the most it can be are given to `act`.
fn change(
    handle: &Handle,
    name: &StreamName,
    act: impl FnOnce(&mut Vec<u8>, usize) -> Outcome<()>,
) -> Outcome<()> {
    let (path, share) = (proc_path(&handle.fd), &handle.root.share);
    exclusively(handle.key, || {
        let mut value = load(&path, share, name)?;
        act(&mut value, most(share))?;
        store(&path, share, name, value, XattrFlags::REPLACE)
    })
}

/// [`Op::Flush`](ksmbd_core::vfs::Op::Flush): through any descriptor that can be had.
pub(super) fn flush(handle: &Handle) -> Outcome<()> {
    let fd = reopen(&handle.fd, OFlags::RDONLY).or_else(|_| reopen(&handle.fd, OFlags::WRONLY))?;
    again(|| fs::fsync(&fd))
}

/// [`Op::DeleteStream`](ksmbd_core::vfs::Op::DeleteStream).
pub(super) fn delete(file: &File) -> Outcome<()> {
    let handle = Handle::of(file)?;
    let name = handle.stream().ok_or(VfsError::Invalid)?;
    let removed = xattr::remove(&proc_path(&handle.fd), &attribute(&name))?;
    if removed { Ok(()) } else { Err(VfsError::Gone) }
}

/// What is overwritten has no named streams any more (MS-FSA 2.1.5.1.2).
pub(super) fn delete_all(handle: &Handle) -> Outcome<()> {
    if !handle.root.share.streams {
        return Ok(());
    }
    let path = proc_path(&handle.fd);
    for name in names(&path)? {
        xattr::remove(&path, &attribute(&name))?;
    }
    Ok(())
}

/// [`Op::RenameStream`](ksmbd_core::vfs::Op::RenameStream).
pub(super) fn rename(file: &File, to: Option<StreamName>, replace: bool) -> Outcome<()> {
    let handle = Handle::of(file)?;
    let (slot, from) = handle.stream.as_ref().zip(handle.stream()).ok_or(VfsError::Invalid)?;
    exclusively(handle.key, || {
        match &to {
            Some(to) => move_to(handle, &from, to, replace)?,
            None => become_data(handle, &from, replace)?,
        }
        slot.rename(to);
        Ok(())
    })
}

fn move_to(handle: &Handle, from: &StreamName, to: &StreamName, replace: bool) -> Outcome<()> {
    let (path, share) = (proc_path(&handle.fd), &handle.root.share);
    let value = load(&path, share, from)?;
    if from.as_str() == to.as_str() {
        return Ok(());
    }
    // Another case of the same name stands in nobody's way.
    if from != to
        && let Some(other) = find(&path, to)?
    {
        if !replace {
            return Err(VfsError::Exists);
        }
        if bytes(&path, &handle.root, &other)? > 0 {
            return Err(VfsError::Invalid);
        }
        xattr::remove(&path, &attribute(&other))?;
    }
    store(&path, share, to, value, XattrFlags::empty())?;
    xattr::remove(&path, &attribute(from)).map(|_| ())
}

/// The stream's bytes become the file's, which has none yet.
fn become_data(handle: &Handle, from: &StreamName, replace: bool) -> Outcome<()> {
    if handle.kind != FileKind::File {
        return Err(VfsError::Invalid);
    }
    if !replace {
        return Err(VfsError::Exists);
    }
    if info::stat_fd(&handle.fd).map_err(failed)?.stx_size > 0 {
        return Err(VfsError::Invalid);
    }
    let path = proc_path(&handle.fd);
    let value = load(&path, &handle.root.share, from)?;
    let fd = reopen(&handle.fd, OFlags::WRONLY)?;
    let mut written = 0;
    while let Some(rest) = value.get(written..).filter(|rest| !rest.is_empty()) {
        match again(|| io::pwrite(&fd, rest, written as u64))? {
            0 => return Err(VfsError::NoSpace),
            count => written += count,
        }
    }
    xattr::remove(&path, &attribute(from)).map(|_| ())
}

/// [`Op::ListStreams`](ksmbd_core::vfs::Op::ListStreams).
pub(super) fn list(file: &File) -> Outcome<Vec<StreamInformation>> {
    let handle = Handle::of(file)?;
    let mut streams = Vec::new();
    if handle.kind == FileKind::File {
        let (stream_size, stream_allocation_size) = data::sizes(handle)?;
        let stream_name = "::$DATA".to_owned();
        streams.push(StreamInformation { stream_size, stream_allocation_size, stream_name });
    }
    let can = matches!(handle.kind, FileKind::File | FileKind::Directory);
    if !can || !handle.root.share.streams {
        return Ok(streams);
    }
    let path = proc_path(&handle.fd);
    let mut names = names(&path)?;
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    for name in names {
        // One that is gone by now is left out.
        let Ok(size) = bytes(&path, &handle.root, &name) else { continue };
        streams.push(StreamInformation {
            stream_size: size,
            stream_allocation_size: allocation(size),
            stream_name: format!(":{}{SUFFIX}", name.as_str()),
        });
    }
    Ok(streams)
}
