//! A file system in memory that carries out every file-system [`Op`] with the semantics of the
//! Linux one (`runtime-threads/src/vfs`), and fails on demand.

mod handle;
mod journal;
mod list;
mod look;
mod open;
mod pages;
mod rename;
mod security;
mod streams;
mod tree;

pub use handle::inside;
pub(crate) use handle::{Handle, Live};
pub use tree::{Content, Node};

use ksmbd_core::{
    buffer::ReplyBuf,
    id::FileKey,
    name::SharePath,
    time::FileTime,
    vfs::{Call, Done, File, FileInfo, Identity, Op, SetBasic, VfsError, VolumeInfo},
    wire::fscc::{FileAttributes, ea::FullEaInformation},
};
use pages::PAGE;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, atomic::Ordering};

/// What a step of a call comes to.
type Outcome<T> = Result<T, VfsError>;

/// Offsets of Linux are signed.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// The device number of everything here.
pub(crate) const DEVICE: u64 = 0x5157;

/// The file system.
pub struct MemVfs {
    nodes: BTreeMap<u64, Node>,
    /// Directories that shares serve, by their path.
    roots: BTreeMap<String, u64>,
    next: u64,
    /// A number that is to be given again.
    again: Option<u64>,
    /// What the clock shows.
    pub now: FileTime,
    /// Bytes of the disk; more is [`VfsError::NoSpace`].
    pub capacity: u64,
    faults: VecDeque<(&'static str, VfsError)>,
    tears: VecDeque<(usize, Option<VfsError>)>,
    live: Live,
    journal: journal::Journal,
}

impl MemVfs {
    /// An empty disk of 1 GiB that serves nothing.
    pub fn new(now: FileTime) -> Self {
        Self {
            nodes: BTreeMap::new(),
            roots: BTreeMap::new(),
            next: 1,
            again: None,
            now,
            capacity: 1 << 30,
            faults: VecDeque::new(),
            tears: VecDeque::new(),
            live: Live::default(),
            journal: journal::Journal::default(),
        }
    }

    /// Handles that exist.
    pub fn live(&self) -> usize {
        self.live.count()
    }

    pub(crate) fn live_token(&self) -> Live {
        self.live.clone()
    }

    /// Makes a directory that shares can serve, open to everybody.
    pub fn serve(&mut self, path: &str) {
        let within = |root: &String| self.at(root, path.strip_prefix(root)?.strip_prefix('/')?);
        let within = self.roots.keys().find_map(within);
        let new = || self.new_node(Content::directory(), 0o777, &Identity::nobody());
        let root = within.unwrap_or_else(new);
        self.roots.insert(path.into(), root);
    }

    /// The next call of this kind ([`op_name`]) fails in this way.
    pub fn fail_next(&mut self, op: &'static str, error: VfsError) {
        self.faults.push_back((op, error));
    }

    /// The next write ends after this many bytes, in an error or as a short one.
    pub fn tear_next(&mut self, after: usize, error: Option<VfsError>) {
        self.tears.push_back((after, error));
    }

    /// Nothing fails any more.
    pub fn heal(&mut self) {
        self.faults.clear();
        self.tears.clear();
    }

    /// Carries out one call. Calls for the daemon fail.
    pub fn run(&mut self, call: Call) -> Done {
        self.sweep();
        if let Some(at) = self.faults.iter().position(|(op, _)| *op == op_name(&call.op))
            && let Some((_, error)) = self.faults.remove(at)
        {
            return Done::Failed(error);
        }
        self.dispatch(call).unwrap_or_else(Done::Failed)
    }

    fn dispatch(&mut self, call: Call) -> Outcome<Done> {
        let Call { identity, op } = call;
        let who = &*identity;
        if let Some(outcome) = self.on_stream(&op, who) {
            return outcome;
        }
        Ok(match op {
            Op::OpenShare(share) => Done::Opened(Box::new(self.open_share(share, who)?)),
            Op::Open(how) => Done::Opened(Box::new(self.open(&how, who)?)),
            Op::ListStreams { file } => Done::Streams(self.list_streams(&file)?),
            Op::QueryEa { file, names, .. } => Done::Eas(self.query_ea(&file, names.as_deref())?),
            Op::SetEa { file, eas } => {
                let inode = Handle::of(&file)?.inode;
                self.set_ea(inode, &eas, who).map(|()| Done::Ok)?
            }
            Op::Overwrite { file, attributes, eas } => {
                Done::Info(Box::new(self.overwrite(&file, attributes, &eas, who)?))
            }
            Op::Read { file, offset, length } => Done::Read(self.read(&file, offset, length, who)?),
            Op::Write { file, offset, data, .. } => {
                Done::Wrote(self.write(&file, offset, data.bytes(), who)?)
            }
            Op::Flush { file } => Handle::of(&file).map(|_| Done::Ok)?,
            Op::Query { file } => Done::Info(Box::new(self.info(Handle::of(&file)?, who)?)),
            Op::SetBasic { file, set } => self.set_basic(&file, &set, who).map(|()| Done::Ok)?,
            Op::SetEndOfFile { file, size } => self.resize(&file, size, who).map(|()| Done::Ok)?,
            Op::SetAllocation { file, size } => {
                self.allocate(&file, size, who).map(|()| Done::Ok)?
            }
            Op::SetSecurity { file, change } => {
                self.set_security(&file, &change, who).map(|()| Done::Ok)?
            }
            Op::Rename { root, from, to, key, replace, token } => {
                let root = Handle::of(&root)?.inode;
                let token = token.as_deref();
                self.rename(root, [&from, &to], (key, replace), token, who)?
            }
            Op::Link { root, file, to, replace, token } => {
                let (root, inode) = (Handle::of(&root)?.inode, Handle::of(&file)?.inode);
                self.link(root, inode, (&to, replace), token.as_deref(), who)?
            }
            Op::Delete { root, path, key, directory } => {
                let root = Handle::of(&root)?.inode;
                self.delete(root, &path, key, directory, who).map(|()| Done::Ok)?
            }
            Op::Watch { file, .. } => self.watch(&file)?,
            Op::Remember(memo) => self.remember(memo)?,
            Op::CheckEmpty { file } => self.check_empty(&file).map(|()| Done::Ok)?,
            Op::List(how) => self.list(*how, who)?,
            Op::Volume { file } => Handle::of(&file).map(|_| Done::Volume(self.volume()))?,
            _ => Done::Failed(VfsError::NotSupported),
        })
    }

    /// Whoever changes something from outside tells everybody; nothing needs to be remembered.
    fn watch(&self, watched: &File) -> Outcome<Done> {
        let inode = Handle::of(watched)?.inode;
        let Content::Directory(_) = self.node(inode)?.content else {
            return Err(VfsError::NotDirectory);
        };
        Ok(Done::Watching(file(handle::Watching { _live: self.live_token() })))
    }

    fn read(&self, file: &File, offset: u64, length: u32, who: &Identity) -> Outcome<ReplyBuf> {
        let handle = self.for_data(file, 4, who)?;
        let Content::File(data) = &self.node(handle.inode)?.content else {
            return Err(VfsError::IsDirectory);
        };
        let mut reply = ReplyBuf::new(Vec::new(), length as usize);
        data.read(offset, length as usize, reply.vec());
        Ok(reply)
    }

    fn write(&mut self, file: &File, offset: u64, bytes: &[u8], who: &Identity) -> Outcome<u32> {
        let handle = self.for_data(file, 2, who)?;
        let tear = self.tears.pop_front();
        // A short write is not an empty one.
        let least = usize::from(tear.is_some_and(|(_, error)| error.is_none()));
        let length = tear.map_or(bytes.len(), |(after, _)| after.max(least).min(bytes.len()));
        let bytes = bytes.get(..length).unwrap_or(bytes);
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= MAX_OFFSET);
        end.ok_or(VfsError::Invalid)?;
        let (used, capacity, now) = (self.used(), self.capacity, self.now);
        let node = self.node_mut(handle.inode)?;
        let Content::File(data) = &mut node.content else {
            return Err(VfsError::IsDirectory);
        };
        if used + data.growth(offset, bytes.len()) > capacity {
            return Err(VfsError::NoSpace);
        }
        data.write(offset, bytes);
        (node.last_write, node.change) = (now, now);
        if let Some((_, Some(error))) = tear {
            return Err(error);
        }
        u32::try_from(bytes.len()).map_err(|_| VfsError::Invalid)
    }

    fn resize(&mut self, file: &File, size: u64, who: &Identity) -> Outcome<()> {
        let handle = self.for_data(file, 2, who)?;
        if size > MAX_OFFSET {
            return Err(VfsError::Invalid);
        }
        let now = self.now;
        let node = self.node_mut(handle.inode)?;
        let Content::File(data) = &mut node.content else {
            return Err(VfsError::Invalid);
        };
        data.resize(size);
        (node.last_write, node.change) = (now, now);
        Ok(())
    }

    fn allocate(&mut self, file: &File, size: u64, who: &Identity) -> Outcome<()> {
        let handle = self.for_data(file, 2, who)?;
        if size > MAX_OFFSET {
            return Err(VfsError::Invalid);
        }
        let (used, capacity) = (self.used(), self.capacity);
        let node = self.node_mut(handle.inode)?;
        let Content::File(data) = &mut node.content else {
            return Err(VfsError::Invalid);
        };
        let blocks = size.checked_next_multiple_of(PAGE).unwrap_or(size);
        if size < data.size() {
            data.resize(size);
        } else if size > data.size() {
            if used.saturating_sub(data.on_disk()).saturating_add(blocks) > capacity {
                return Err(VfsError::NoSpace);
            }
            data.reserved = data.reserved.max(blocks);
        }
        handle.reserved.store(blocks, Ordering::Relaxed);
        Ok(())
    }

    fn overwrite(
        &mut self,
        file: &File,
        attributes: FileAttributes,
        eas: &[FullEaInformation],
        who: &Identity,
    ) -> Outcome<FileInfo> {
        let handle = self.for_data(file, 2, who)?;
        let now = self.now;
        let node = self.node_mut(handle.inode)?;
        let Content::File(data) = &mut node.content else {
            return Err(VfsError::AccessDenied);
        };
        data.resize(0);
        handle.reserved.store(0, Ordering::Relaxed);
        node.attributes = Some(attributes & tree::SETTABLE);
        (node.last_write, node.change) = (now, now);
        node.extras.forget_streams();
        self.set_ea(handle.inode, eas, who)?;
        self.info(handle, who)
    }

    fn set_basic(&mut self, file: &File, set: &SetBasic, who: &Identity) -> Outcome<()> {
        let handle = Handle::of(file)?;
        let now = self.now;
        let node = self.node_mut(handle.inode)?;
        if who.uid != 0 && who.uid != node.uid && !node.may(who, 2) {
            return Err(VfsError::AccessDenied);
        }
        if let Some(attributes) = set.attributes {
            node.attributes = Some(attributes & tree::SETTABLE);
        }
        node.creation = set.creation_time.unwrap_or(node.creation);
        node.last_access = set.last_access_time.unwrap_or(node.last_access);
        node.last_write = set.last_write_time.unwrap_or(node.last_write);
        node.change = now;
        Ok(())
    }

    /// The handle, if it is good for this (4 read, 2 write). What it was not opened for at once it is
    /// opened for now, under the identity of the call.
    fn for_data<'a>(&self, file: &'a File, bits: u32, who: &Identity) -> Outcome<&'a Handle> {
        let handle = Handle::of(file)?;
        let opened = if bits == 4 { handle.read } else { handle.write };
        let node = self.node(handle.inode)?;
        match node.content {
            Content::File(_) if opened || node.may(who, bits) => Ok(handle),
            Content::File(_) | Content::Special => Err(VfsError::AccessDenied),
            Content::Directory(_) => Err(VfsError::IsDirectory),
        }
    }

    fn check_empty(&self, file: &File) -> Outcome<()> {
        match &self.node(Handle::of(file)?.inode)?.content {
            Content::Directory(entries) if entries.is_empty() => Ok(()),
            Content::Directory(_) => Err(VfsError::NotEmpty),
            _ => Err(VfsError::NotDirectory),
        }
    }

    fn delete(
        &mut self,
        root: u64,
        path: &SharePath,
        key: FileKey,
        directory: bool,
        who: &Identity,
    ) -> Outcome<()> {
        let (parent, name) = self.still_there(root, path, key, who)?;
        if !self.node(parent)?.may(who, 3) {
            return Err(VfsError::AccessDenied);
        }
        match (&self.node(key.inode)?.content, directory) {
            (Content::Directory(entries), true) if !entries.is_empty() => {
                return Err(VfsError::NotEmpty);
            }
            (Content::Directory(_), false) => return Err(VfsError::IsDirectory),
            (Content::File(_) | Content::Special, true) => return Err(VfsError::NotDirectory),
            _ => {}
        }
        self.unlink(parent, &name)
    }

    fn volume(&self) -> Box<VolumeInfo> {
        let total = self.capacity / PAGE;
        let free = self.capacity.saturating_sub(self.used()) / PAGE;
        let (unit, creation_time) = (PAGE as u32, FileTime::from_unix(0, 0));
        Box::new(VolumeInfo { serial: 7, creation_time, unit, total, available: free, free })
    }
}

/// What a call is, in one word: for faults and for tests that hold calls back.
pub fn op_name(op: &Op) -> &'static str {
    match op {
        Op::OpenShare(_) => "open share",
        Op::Open(_) => "open",
        Op::Overwrite { .. } => "overwrite",
        Op::Read { .. } => "read",
        Op::Write { .. } => "write",
        Op::Flush { .. } => "flush",
        Op::Query { .. } => "query",
        Op::SetBasic { .. } => "set basic",
        Op::SetEndOfFile { .. } => "set end of file",
        Op::SetAllocation { .. } => "set allocation",
        Op::SetSecurity { .. } => "set security",
        Op::Rename { .. } => "rename",
        Op::Link { .. } => "link",
        Op::Delete { .. } => "delete",
        Op::RenameStream { .. } => "rename stream",
        Op::DeleteStream { .. } => "delete stream",
        Op::ListStreams { .. } => "list streams",
        Op::QueryEa { .. } => "query EA",
        Op::SetEa { .. } => "set EA",
        Op::CheckEmpty { .. } => "check empty",
        Op::List(_) => "list",
        Op::Watch { .. } => "watch",
        Op::Remember(_) => "remember",
        Op::Volume { .. } => "volume",
        Op::Interfaces => "interfaces",
        Op::Logon { .. } => "logon",
        Op::Admit { .. } => "admit",
        Op::Leave { .. } => "leave",
        Op::PipeOpen { .. } => "pipe open",
        Op::PipeWrite { .. } => "pipe write",
        Op::PipeRead { .. } => "pipe read",
        Op::PipeTransact { .. } => "pipe transact",
    }
}

/// Shares a handle as the core keeps it.
pub(crate) fn file(object: impl ksmbd_core::vfs::FileObject) -> File {
    File(Arc::new(object))
}
