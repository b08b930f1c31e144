//! Named streams and extended attributes, with the bounds that they have as Linux's attributes.

use super::{Content, Handle, MemVfs, Outcome, open::Wants, tree::Place};
use ksmbd_core::{
    buffer::ReplyBuf,
    ea,
    stream::StreamName,
    vfs::{
        Done, Existing, File, FileInfo, FileKind, Identity, Missing, Op, OpenHow, Opened,
        Permitted, VfsError,
    },
    wire::fscc::{FileAttributes, ea::FullEaInformation, file::StreamInformation},
};

/// Bytes of a stream.
const MOST: usize = 65_536;

/// What an inode has besides its data.
#[derive(Debug, Default)]
pub(super) struct Extras {
    streams: Vec<(StreamName, Vec<u8>)>,
    eas: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extras {
    fn find(&self, name: &StreamName) -> Option<&(StreamName, Vec<u8>)> {
        self.streams.iter().find(|(other, _)| other == name)
    }

    fn bytes(&mut self, name: &StreamName) -> Outcome<&mut Vec<u8>> {
        let found = self.streams.iter_mut().find(|(other, _)| other == name);
        found.map(|(_, bytes)| bytes).ok_or(VfsError::Gone)
    }

    fn remove(&mut self, name: &StreamName) -> Outcome<Vec<u8>> {
        let at = self.streams.iter().position(|(other, _)| other == name);
        at.map(|at| self.streams.remove(at).1).ok_or(VfsError::Gone)
    }

    /// What overwriting the file removes.
    pub(super) fn forget_streams(&mut self) {
        self.streams.clear();
    }
}

/// Bytes as EaSize counts them.
fn ea_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + 5
}

impl MemVfs {
    /// An open of a named stream; the file is made with it.
    pub(super) fn open_stream(
        &mut self,
        how: &OpenHow,
        name: &StreamName,
        who: &Identity,
    ) -> Outcome<Opened> {
        let root = Handle::of(&how.root)?;
        let (inode, path, made) = match self.find(root.inode, &how.path, who)? {
            Place::Here(inode, path) => (inode, path, false),
            Place::Missing(..) if how.missing == Missing::Fail => return Err(VfsError::NotFound),
            Place::Missing(parent, path) => {
                let made = self.create(&root.share, parent, path, how, (false, who))?;
                (Handle::of(&made.file)?.inode, made.path, true)
            }
        };
        let node = self.node(inode)?;
        let bits = u32::from(how.read) * 4 + u32::from(how.write) * 2;
        if matches!(node.content, Content::Special) || !node.may(who, bits) {
            return Err(VfsError::AccessDenied);
        }
        let read_only = node.attributes.is_some_and(|a| a.contains(FileAttributes::READONLY));
        let writable = node.may(who, 2) && (made || !read_only);
        let found = node.extras.find(name).map(|(name, _)| name.clone());
        let created = found.is_none();
        match (&found, how.existing, how.missing) {
            (Some(_), Existing::Fail, _) => return Err(VfsError::Exists),
            (None, _, Missing::Fail) => return Err(VfsError::NotFound),
            (None, ..) if !writable => return Err(VfsError::AccessDenied),
            (None, ..) => {
                if let Some(security) = how.security.as_ref().filter(|_| !made) {
                    self.may_add(inode, &security.token, false)?;
                }
                self.node_mut(inode)?.extras.streams.push((name.clone(), Vec::new()));
            }
            _ => {}
        }
        let deletable = self.deletable(&root.share, &path, who);
        let by_parent = self.by_parent(&root.share, how, deletable, who);
        let wants = Wants { deletable, created, by_parent, ..Wants::NONE };
        let stream = Some(found.unwrap_or_else(|| name.clone()));
        let opened = self.opened(&root.share, inode, path, stream, wants, who)?;
        Ok(Opened { file_created: made, ..opened })
    }

    /// What a call does to an open stream; `None` when the file itself is meant.
    pub(super) fn on_stream(&mut self, op: &Op, who: &Identity) -> Option<Outcome<Done>> {
        let (Op::Read { file, .. }
        | Op::Write { file, .. }
        | Op::Flush { file }
        | Op::SetEndOfFile { file, .. }
        | Op::SetAllocation { file, .. }
        | Op::Overwrite { file, .. }
        | Op::DeleteStream { file }
        | Op::RenameStream { file, .. }) = op
        else {
            return None;
        };
        let handle = Handle::of(file).ok()?;
        let name = handle.stream()?;
        Some(self.act(op, handle, &name, who))
    }

    fn act(
        &mut self,
        op: &Op,
        handle: &Handle,
        name: &StreamName,
        who: &Identity,
    ) -> Outcome<Done> {
        let node = self.node_mut(handle.inode)?;
        let bits = if matches!(op, Op::Read { .. }) { 4 } else { 2 };
        if !node.may(who, bits) {
            return Err(VfsError::AccessDenied);
        }
        let bytes = node.extras.bytes(name)?;
        match op {
            Op::Read { offset, length, .. } => {
                let start = usize::try_from(*offset).unwrap_or(usize::MAX).min(bytes.len());
                let rest = bytes.get(start..).unwrap_or_default();
                let mut reply = ReplyBuf::new(Vec::new(), rest.len());
                reply.vec().extend(rest.iter().take(*length as usize));
                return Ok(Done::Read(reply));
            }
            Op::Write { offset, data, .. } => {
                let start = usize::try_from(*offset).map_err(|_| VfsError::NoSpace)?;
                let end = start.checked_add(data.len()).filter(|end| *end <= MOST);
                let end = end.ok_or(VfsError::NoSpace)?;
                bytes.resize(bytes.len().max(end), 0);
                bytes.splice(start..end, data.bytes().iter().copied());
                return Ok(Done::Wrote(data.len() as u32));
            }
            Op::SetEndOfFile { size, .. } | Op::SetAllocation { size, .. } => {
                let size = usize::try_from(*size).ok().filter(|size| *size <= MOST);
                let size = size.ok_or(VfsError::NoSpace)?;
                let cuts = matches!(op, Op::SetAllocation { .. });
                bytes.resize(if cuts { size.min(bytes.len()) } else { size }, 0);
            }
            Op::Overwrite { .. } => {
                bytes.clear();
                return Ok(Done::Info(Box::new(self.info(handle, who)?)));
            }
            Op::DeleteStream { .. } => drop(node.extras.remove(name)?),
            Op::RenameStream { to, replace, .. } => {
                self.rename_stream(handle, name, to.as_ref(), *replace)?;
            }
            _ => {}
        }
        Ok(Done::Ok)
    }

    fn rename_stream(
        &mut self,
        handle: &Handle,
        from: &StreamName,
        to: Option<&StreamName>,
        replace: bool,
    ) -> Outcome<()> {
        let node = self.node_mut(handle.inode)?;
        let other = to.filter(|to| *to != from).and_then(|to| node.extras.find(to));
        let occupied = match (to, &node.content) {
            (Some(_), _) => other.map(|(_, bytes)| bytes.len() as u64),
            (None, Content::File(pages)) => Some(pages.size()),
            (None, _) => return Err(VfsError::Invalid),
        };
        match occupied {
            Some(_) if !replace => return Err(VfsError::Exists),
            Some(1..) => return Err(VfsError::Invalid),
            _ => {}
        }
        let bytes = node.extras.remove(from)?;
        match (to, &mut node.content) {
            (None, Content::File(pages)) => pages.write(0, &bytes),
            (Some(to), _) => {
                node.extras.streams.retain(|(name, _)| name != to);
                node.extras.streams.push((to.clone(), bytes));
            }
            _ => {}
        }
        handle.set_stream(to.cloned());
        Ok(())
    }

    /// A stream's own size, and what else is different.
    pub(super) fn of_stream(&self, name: &StreamName, info: &mut FileInfo) -> Outcome<()> {
        let node = self.node(info.key.inode)?;
        let (_, bytes) = node.extras.find(name).ok_or(VfsError::Gone)?;
        info.key.stream = name.id();
        info.kind = FileKind::File;
        info.size = bytes.len() as u64;
        info.allocation = info.size.next_multiple_of(super::PAGE);
        info.attributes.remove(FileAttributes::DIRECTORY);
        if info.attributes.is_empty() {
            info.attributes = FileAttributes::NORMAL;
        }
        if info.permitted.contains(Permitted::WRITE) {
            info.permitted |= Permitted::DELETE;
        }
        Ok(())
    }

    pub(super) fn list_streams(&self, file: &File) -> Outcome<Vec<StreamInformation>> {
        let handle = Handle::of(file)?;
        let info = self.describe(handle.inode, false, 0)?;
        let stream = |name: String, size: u64, allocation: u64| StreamInformation {
            stream_size: size,
            stream_allocation_size: allocation,
            stream_name: name,
        };
        let own = Some(stream("::$DATA".into(), info.size, info.allocation));
        let mut streams: Vec<_> = own.filter(|_| info.kind == FileKind::File).into_iter().collect();
        for (name, bytes) in &self.node(handle.inode)?.extras.streams {
            let size = bytes.len() as u64;
            let name = format!(":{}:$DATA", name.as_str());
            streams.push(stream(name, size, size.next_multiple_of(super::PAGE)));
        }
        Ok(streams)
    }

    pub(super) fn query_ea(
        &self,
        file: &File,
        names: Option<&[Vec<u8>]>,
    ) -> Outcome<Vec<FullEaInformation>> {
        let eas = &self.node(Handle::of(file)?.inode)?.extras.eas;
        let ea = |name: &[u8], value: &[u8]| FullEaInformation {
            flags: 0,
            ea_name: name.to_vec(),
            ea_value: value.to_vec(),
        };
        let Some(names) = names else {
            return Ok(eas.iter().map(|(name, value)| ea(name, value)).collect());
        };
        let found = |name: &Vec<u8>| {
            let found = eas.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map_or_else(|| ea(name, &[]), |(name, value)| ea(name, value))
        };
        Ok(names.iter().map(found).collect())
    }

    pub(super) fn set_ea(
        &mut self,
        inode: u64,
        eas: &[FullEaInformation],
        who: &Identity,
    ) -> Outcome<()> {
        let node = self.node_mut(inode)?;
        if eas.is_empty() {
            return Ok(());
        }
        if !node.may(who, 2) {
            return Err(VfsError::AccessDenied);
        }
        let mut all = node.extras.eas.clone();
        for ea in eas {
            all.retain(|(name, _)| !name.eq_ignore_ascii_case(&ea.ea_name));
            if !ea.ea_value.is_empty() {
                all.push((ea.ea_name.clone(), ea.ea_value.clone()));
            }
        }
        let size: usize = all.iter().map(|(name, value)| ea_size(name, value)).sum();
        if size > ea::MAX_SIZE as usize {
            return Err(VfsError::EaTooLarge);
        }
        node.extras.eas = all;
        Ok(())
    }

    /// EaSize.
    pub(super) fn ea_total(&self, inode: u64) -> u32 {
        let eas = self.node(inode).map(|node| node.extras.eas.as_slice()).unwrap_or_default();
        eas.iter().map(|(name, value)| ea_size(name, value) as u32).sum()
    }
}
