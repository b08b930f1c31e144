//! Which file each request of a chain is about (MS-SMB2 3.3.5.2.7.2).

use super::{Key, Ledger, Open, answered::claims};
use crate::world::Asked;
use ksmbd_core::{
    status::NtStatus,
    wire::{
        header::{FileId, HeaderFlags},
        message::RequestBody,
    },
};
use std::collections::BTreeSet;

impl Ledger {
    /// The file that a request is about.
    pub fn file_of(&self, asked: &Asked) -> Option<FileId> {
        let named = named(asked.body.as_ref()?)?;
        match asked.before {
            Some(before) if named == FileId::ANY => self.chain.get(&(asked.conn, before)).copied(),
            _ => Some(named),
        }
    }

    /// The open that a request is about, if its number is right.
    pub fn open_of(&self, asked: &Asked) -> Option<&Open> {
        let file = self.file_of(asked)?;
        self.opens.get(&file.persistent).filter(|open| open.file == file)
    }

    /// A chain has used a file, and nobody knows which.
    pub fn is_astray(&self) -> bool {
        self.astray
    }

    /// Its chain goes on with a file that it names, if that is found, and with the last one if not: nobody
    /// knows which of them this request is about.
    pub fn is_undecided(&self, asked: &Asked) -> bool {
        let before = asked.before.and_then(|before| self.pending.get(&(asked.conn, before)));
        before.is_some_and(|before| {
            match before.body.as_ref().and_then(named).filter(|named| *named != FileId::ANY) {
                Some(_) => before.before.is_some(),
                None => self.is_undecided(before),
            }
        })
    }

    /// It is not known before its answer which of those that are open this request is about: its chain is
    /// undecided, or it is behind a CREATE that may have one of them again.
    pub fn is_adrift(&self, asked: &Asked) -> bool {
        let reopens = |before: &Asked| match &before.body {
            Some(RequestBody::Create(create)) => {
                before.header.flags.contains(HeaderFlags::REPLAY_OPERATION) || claims(create)
            }
            _ => false,
        };
        let goes_on = asked.before.is_some()
            && asked.body.as_ref().and_then(named).is_some_and(|named| named == FileId::ANY);
        goes_on
            && (self.is_undecided(asked)
                || self.file_of(asked).is_none() && self.leaders(asked).any(reopens))
    }

    /// The opens of which a request may be about one, by the persistent half of their number.
    pub fn candidates(&self, asked: &Asked) -> BTreeSet<u64> {
        let (file, adrift) = (self.file_of(asked), self.is_adrift(asked));
        let opens = self.opens.values().filter(|open| adrift || Some(open.file) == file);
        opens.map(|open| open.file.persistent).collect()
    }

    /// Those before it in its frame that are not answered.
    fn leaders(&self, asked: &Asked) -> impl Iterator<Item = &Asked> {
        let range = (asked.conn, asked.frame)..(asked.conn, asked.header.message_id);
        self.pending.range(range).map(|(_, other)| other)
    }

    /// A request of this frame is unanswered, and may be about what another one of it makes.
    pub fn followers(&self, asked: &Asked) -> impl Iterator<Item = (&Key, &Asked)> {
        let range = (asked.conn, asked.header.message_id + 1)..(asked.conn, u64::MAX);
        let frame = asked.frame;
        self.pending.range(range).filter(move |(_, other)| other.frame == frame)
    }

    /// From now on it is known what the rest of its chain is about.
    pub(super) fn made(&mut self, asked: &Asked, file: FileId) {
        let mut last = asked.header.message_id;
        let goes_on = |(key, other): (&Key, &Asked)| {
            let body = other.body.as_ref()?;
            let named = named(body).is_some_and(|named| named != FileId::ANY);
            let another = named || matches!(body, RequestBody::Create(_));
            (other.before == Some(last) && !another).then(|| {
                last = key.1;
                *key
            })
        };
        let rest: Vec<Key> = self.followers(asked).map_while(goes_on).collect();
        self.chain.extend(rest.into_iter().map(|key| (key, file)));
    }

    /// What an element of a chain leaves to the next one. What was not found is not handed on; what is
    /// gone on the disk was found, and is answered in the same way.
    pub(super) fn handed_on(
        &mut self,
        asked: &Asked,
        status: NtStatus,
        file: Option<FileId>,
        before: Option<FileId>,
    ) -> Option<FileId> {
        let named = file.filter(|file| status == NtStatus::FILE_CLOSED && Some(*file) != before);
        let Some(named) = named else {
            return file.or(before);
        };
        let open = self.opens.get(&named.persistent).filter(|open| open.file == named);
        let open = open.filter(|open| (open.session, open.tree) == (asked.session, asked.tree));
        // What follows in the chain has not been done yet.
        let follows = |key: &Key| {
            key.0 == asked.conn && self.pending.get(key).is_some_and(|o| o.frame == asked.frame)
        };
        let certain = |open: &Open| !open.doubtful && open.enders.iter().all(follows);
        match open.map(certain) {
            None => before,
            Some(true) => file,
            Some(false) => {
                if self.followers(asked).any(|(_, other)| other.before.is_some()) {
                    self.astray = true;
                    self.doubt(|open| [file, before].contains(&Some(open.file)));
                }
                None
            }
        }
    }
}

/// The file that a request names.
fn named(body: &RequestBody) -> Option<FileId> {
    Some(match body {
        RequestBody::Close(r) => r.file_id,
        RequestBody::Flush(r) => r.file_id,
        RequestBody::Read(r) => r.file_id,
        RequestBody::Write(r) => r.file_id,
        RequestBody::Lock(r) => r.file_id,
        RequestBody::Ioctl(r) => r.file_id,
        RequestBody::QueryDirectory(r) => r.file_id,
        RequestBody::ChangeNotify(r) => r.file_id,
        RequestBody::QueryInfo(r) => r.file_id,
        RequestBody::SetInfo(r) => r.file_id,
        _ => return None,
    })
}
