//! Is what is read what was written? Each byte of a file is a register: a read may return what the
//! last writes before it have left, or what is being written meanwhile. Who caches what he writes has
//! written it when he says so, and who reads from his cache has read: what is stale is found here.

use super::{Answered, Change, Checker, Key, Ledger};
use crate::world::{Asked, World};
use ksmbd_core::{
    id::ConnId,
    status::NtStatus,
    wire::{
        create::{CreateAction, CreateDisposition},
        fscc::set_file::SetFileInformation,
        ioctl::FsctlCode,
        message::{RequestBody, ResponseBody},
        query_info::InfoType,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A client uses its cache instead of the server.
#[derive(Clone, Debug)]
pub struct Local {
    /// The file.
    pub inode: u64,
    /// The last moment at which the client has looked at what it was sent.
    pub from: u64,
    /// The moment of the use.
    pub until: u64,
    /// Where.
    pub offset: u64,
    /// For what.
    pub how: Use,
}

/// What a client uses its cache for.
#[derive(Clone, Debug)]
pub enum Use {
    /// It reads this.
    Read(Vec<u8>),
    /// It writes this, and keeps it to itself.
    Write(Vec<u8>),
    /// What it has written may never be written back.
    Lost,
}

/// Bytes that were put somewhere at some time.
#[derive(Clone, Debug)]
struct Put {
    key: Option<Key>,
    from: u64,
    /// From then on it has happened; never, if that is not certain.
    until: u64,
    offset: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Data(Vec<u8>),
    /// Nothing from here to the end.
    Cut,
    /// Nobody knows what was there before.
    Anything,
}

impl Put {
    fn at(&self, place: u64) -> Option<Option<u8>> {
        let within = place.checked_sub(self.offset)?;
        match &self.what {
            What::Data(data) => data.get(usize::try_from(within).ok()?).copied().map(Some),
            What::Cut => Some(Some(0)),
            What::Anything => Some(None),
        }
    }
}

/// All files.
#[derive(Default)]
pub(super) struct Contents {
    files: BTreeMap<u64, Vec<Put>>,
    /// What may have been put behind a CREATE in its chain, nobody knows into which file.
    unplaced: Vec<Put>,
    /// CREATEs that may have emptied a file, nobody knows which.
    emptied: Vec<(Key, u64)>,
    /// Something is used of which nobody knows which file it is.
    blind: bool,
}

/// The file system may have done a part of what it says it could not do.
fn is_torn(status: NtStatus) -> bool {
    [NtStatus::DISK_FULL, NtStatus::IO_DEVICE_ERROR].contains(&status)
}

/// A CREATE that fails so may have failed behind the step that empties the file.
fn is_late(status: NtStatus) -> bool {
    let faults = [
        NtStatus::FILE_CLOSED,
        NtStatus::TOO_MANY_OPENED_FILES,
        NtStatus::CANCELLED,
        NtStatus::INSUFFICIENT_RESOURCES,
        NtStatus::NETWORK_NAME_DELETED,
        NtStatus::USER_SESSION_DELETED,
    ];
    is_torn(status) || faults.contains(&status)
}

impl Checker for Contents {
    fn asked(&mut self, ledger: &Ledger, asked: &Asked) {
        let key = (asked.conn, asked.header.message_id);
        if let Some(RequestBody::Create(create)) = &asked.body
            && [
                CreateDisposition::OVERWRITE,
                CreateDisposition::OVERWRITE_IF,
                CreateDisposition::SUPERSEDE,
            ]
            .contains(&create.create_disposition)
        {
            self.emptied.push((key, asked.at));
        }
        self.perhaps(ledger, asked);
    }

    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let key = answered.key();
        self.blind |= ledger.is_astray();
        self.created(ledger, answered);
        self.placed(ledger, answered);
        let Some(open) = ledger.open_of(answered.asked) else {
            // It may be gone from the ledger by now.
            return self.settle_anywhere(key, answered);
        };
        let Some(inode) = open.inode else {
            // It was none of the file that it was taken for when it was asked.
            let puts = self.files.values_mut();
            return puts.for_each(|puts| puts.retain(|put| put.key != Some(key)));
        };
        if let Some((offset, what)) = change(answered.asked) {
            // What was taken for its file when it was asked may have been another one.
            let others = self.files.iter_mut().filter(|(other, _)| **other != inode);
            others.for_each(|(_, puts)| puts.retain(|put| put.key != Some(key)));
            let puts = self.file(inode);
            if !puts.iter().any(|put| put.key == Some(key)) {
                let from = answered.asked.at;
                puts.push(Put { key: Some(key), from, until: u64::MAX, offset, what });
            }
            settle(puts, key, answered);
        }
        match (&answered.asked.body, &answered.answer.body) {
            (Some(RequestBody::Read(read)), ResponseBody::Read(found)) if answered.is_ok() => {
                let data = answered.answer.element.get(found.data.clone()).unwrap_or_default();
                let (from, until) = (answered.asked.at, answered.at);
                self.read(inode, (read.offset, data), (from, until), answered.asked);
            }
            (Some(RequestBody::Ioctl(ioctl)), _)
                if answered.is_ok() && ioctl.ctl_code != FsctlCode::LMR_REQUEST_RESILIENCY =>
            {
                self.file(inode).push(anything(u64::MAX));
            }
            _ => {}
        }
    }

    fn local(&mut self, _: &Ledger, local: &Local) {
        let Local { inode, from, until, offset, ref how } = *local;
        match how {
            Use::Read(data) => self.read(inode, (offset, data), (from, until), local),
            Use::Write(data) => {
                let what = What::Data(data.clone());
                self.file(inode).push(Put { key: None, from: until, until, offset, what });
            }
            Use::Lost => self.file(inode).push(anything(u64::MAX)),
        }
    }

    fn gone(&mut self, ledger: &Ledger, conn: ConnId, _: u64) {
        for asked in ledger.pending.values().filter(|asked| asked.conn == conn) {
            let key = (conn, asked.header.message_id);
            self.blind |= change(asked).is_some() && ledger.is_undecided(asked);
            let known = self.files.values().flatten().any(|put| put.key == Some(key));
            let Some((offset, what)) = change(asked).filter(|_| !known) else {
                continue;
            };
            // Behind a CREATE in its chain.
            match ledger.open_of(asked).map(|open| open.inode) {
                Some(Some(inode)) => {
                    let put = Put { key: None, from: asked.at, until: u64::MAX, offset, what };
                    self.file(inode).push(put);
                }
                None if asked.before.is_some() => self.blind = true,
                _ => {}
            }
        }
        // What nobody was told of may have happened, or may yet.
        let puts = self.files.values_mut().flatten();
        puts.filter(|put| put.key.is_some_and(|key| key.0 == conn)).for_each(|put| put.key = None);
    }

    fn end(&mut self, _: &Ledger, world: &World) {
        let inodes: Vec<u64> = self.files.keys().copied().collect();
        let now = world.moment() + 1;
        for inode in inodes {
            if let Some(mut data) = world.vfs(|vfs| vfs.data_of(inode, SIZE)) {
                data.resize(SIZE, 0);
                self.read(inode, (0, &data), (now, now), "the disk");
            }
        }
    }
}

/// How much of a file counts.
const SIZE: usize = 4096;

fn anything(until: u64) -> Put {
    Put { key: None, from: 0, until, offset: 0, what: What::Anything }
}

/// What a request does to its file.
fn change(asked: &Asked) -> Option<(u64, What)> {
    match asked.body.as_ref()? {
        RequestBody::Write(write) => Some((write.offset, What::Data(asked.data.clone()))),
        RequestBody::SetInfo(set) if set.info_type == InfoType::FILE => {
            let class = ksmbd_core::wire::fscc::FileInfoClass(set.info_class);
            match SetFileInformation::parse(class, &set.buffer).ok()? {
                SetFileInformation::EndOfFile { end_of_file } => Some((end_of_file, What::Cut)),
                SetFileInformation::Allocation { allocation_size } => {
                    Some((allocation_size, What::Cut))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// It has happened, or it has not, or nobody knows.
fn settle(puts: &mut Vec<Put>, key: Key, answered: &Answered<'_>) {
    let Some(at) = puts.iter().rposition(|put| put.key == Some(key)) else {
        return;
    };
    let status = answered.answer.status;
    if status == NtStatus::SUCCESS {
        let put = &mut puts[at];
        (put.until, put.key) = (answered.at, None);
        if let (What::Data(data), ResponseBody::Write(write)) =
            (&mut put.what, &answered.answer.body)
        {
            data.truncate(write.count as usize);
        }
    } else if is_torn(status) {
        puts[at].key = None;
    } else {
        puts.remove(at);
    }
}

impl Contents {
    fn file(&mut self, inode: u64) -> &mut Vec<Put> {
        self.files.entry(inode).or_insert_with(|| vec![anything(0)])
    }

    /// Until it is answered it may have happened.
    fn perhaps(&mut self, ledger: &Ledger, asked: &Asked) {
        let Some((offset, what)) = change(asked) else {
            return;
        };
        let opens = ledger.candidates(asked).into_iter().filter_map(|id| ledger.opens.get(&id));
        let inodes: BTreeSet<u64> = opens.filter_map(|open| open.inode).collect();
        let key = Some((asked.conn, asked.header.message_id));
        let put = Put { key, from: asked.at, until: u64::MAX, offset, what };
        if ledger.is_adrift(asked) || asked.before.is_some() && ledger.file_of(asked).is_none() {
            self.unplaced.push(put.clone());
        }
        for inode in inodes {
            let puts = self.file(inode);
            if puts.iter().all(|put| put.key != key) {
                puts.push(put.clone());
            }
        }
    }

    /// It is known by now where it was put, or will never be.
    fn placed(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let key = Some(answered.key());
        let known = ledger.open_of(answered.asked).is_some()
            || self.files.values().flatten().any(|put| put.key == key);
        if !known && answered.is_ok() {
            let lost = self.unplaced.iter_mut().filter(|put| put.key == key);
            lost.for_each(|put| put.key = None);
        }
        self.unplaced.retain(|put| put.key != key);
    }

    fn settle_anywhere(&mut self, key: Key, answered: &Answered<'_>) {
        let is_it = |put: &Put| put.key == Some(key);
        if answered.is_ok() && self.files.values().flatten().filter(|put| is_it(put)).count() > 1 {
            // In one of these files it has happened.
            let puts = self.files.values_mut().flatten();
            return puts.filter(|put| is_it(put)).for_each(|put| put.key = None);
        }
        self.files.values_mut().for_each(|puts| settle(puts, key, answered));
    }

    fn created(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        let (key, status) = (answered.key(), answered.answer.status);
        if !is_late(status) {
            self.emptied.retain(|(emptied, _)| *emptied != key);
        }
        let ResponseBody::Create(create) = &answered.answer.body else {
            return;
        };
        let Change::Opened(id) = answered.change else {
            return;
        };
        let Some(open) = ledger.opens.get(&id) else {
            return;
        };
        let Some(inode) = open.inode else {
            self.blind |= ledger.is_about_files(answered.asked);
            return;
        };
        let empties = [CreateAction::CREATED, CreateAction::OVERWRITTEN, CreateAction::SUPERSEDED];
        if empties.contains(&create.create_action) {
            // A replay tells what was done before it.
            let (from, until) = match open.replayed {
                true => (0, u64::MAX),
                false => (answered.asked.at, answered.at),
            };
            let cut = Put { key: None, from, until, offset: 0, what: What::Cut };
            self.file(inode).push(cut);
        }
        // The rest of its chain may be answered after somebody has closed the file.
        let ours =
            |asked: &&Asked| ledger.open_of(asked).is_some_and(|open| open.file == create.file_id);
        let followers = ledger.followers(answered.asked).map(|(_, asked)| asked);
        followers.filter(ours).for_each(|asked| self.perhaps(ledger, asked));
    }

    /// Each byte that was read is explained by a write.
    fn read(
        &mut self,
        inode: u64,
        (offset, data): (u64, &[u8]),
        (from, until): (u64, u64),
        who: impl std::fmt::Debug,
    ) {
        if self.blind {
            return;
        }
        let emptied = self.emptied.iter().any(|(_, at)| *at < until);
        self.file(inode);
        let near = |put: &&Put| {
            let end = offset.saturating_add(data.len() as u64);
            put.offset < end && put.from < until
        };
        let puts = self.files.get(&inode).into_iter().flatten().chain(&self.unplaced);
        let puts: Vec<&Put> = puts.filter(near).collect();
        for (index, &byte) in data.iter().enumerate() {
            if byte == 0 && emptied {
                continue;
            }
            let place = offset + index as u64;
            let there = || puts.iter().filter_map(|put| put.at(place).map(|value| (*put, value)));
            // What is older than this was gone before the read began.
            let done = there().filter(|(put, _)| put.until < from);
            let floor = done.map(|(put, _)| put.from).max().unwrap_or(0);
            let explained = there()
                .any(|(put, value)| put.until >= floor && value.is_none_or(|value| value == byte));
            assert!(
                explained,
                "{byte:#x} at {place} of file {inode} is not what was written last: {:?}; {who:?}",
                there().collect::<Vec<_>>(),
            );
        }
    }
}
