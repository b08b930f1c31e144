//! Persistent opens, and what of them is written down (MS-SMB2 3.3.1.10, Open.IsPersistent). Nobody
//! has to say that something has changed: what is in the tables is compared with what was written.

use super::{
    State,
    durable::{App, Claim, Endurance},
    lease::{Caching, Kind},
    open::Open,
};
use crate::{
    id::{FileKey, OpenId},
    vfs::{Cached, Lock, Memo, Promise},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

/// No server counts its memos as far: what is said to have come later is a lie, and nothing could come
/// after it.
const LAST: u64 = u64::MAX / 2;

#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Of the last memo.
    number: u64,
    /// All persistent opens.
    opens: BTreeSet<OpenId>,
    /// Opens that are closed while it is not known to be written: whoever is promised something about
    /// the file next has that written as well.
    gone: BTreeMap<FileKey, BTreeSet<OpenId>>,
}

/// What is being written down, for when it is.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    number: u64,
    key: FileKey,
    kept: Vec<Arc<Promise>>,
    gone: Vec<OpenId>,
}

impl Promises {
    /// Persistent opens.
    pub(crate) fn len(&self) -> usize {
        self.opens.len()
    }

    /// Closed ones that may still be on the disk.
    pub(crate) fn gone(&self) -> usize {
        self.gone.values().map(BTreeSet::len).sum()
    }

    pub(crate) fn add(&mut self, open: OpenId) {
        self.opens.insert(open);
    }

    /// It is persistent no more. `true`: it was.
    pub(crate) fn remove(&mut self, key: FileKey, open: OpenId) -> bool {
        let was = self.opens.remove(&open);
        if was {
            self.gone.entry(key).or_default().insert(open);
        }
        was
    }

    /// What is kept of it on the disk stays there.
    pub(crate) fn leave(&mut self, open: OpenId) {
        self.opens.remove(&open);
    }

    fn forget(&mut self, key: FileKey, gone: &[OpenId]) {
        if let Some(left) = self.gone.get_mut(&key) {
            gone.iter().for_each(|id| {
                left.remove(id);
            });
            if left.is_empty() {
                self.gone.remove(&key);
            }
        }
    }

    /// Closed opens of a file, of which that may not be written.
    pub(crate) fn gone_of(&self, key: FileKey) -> Vec<OpenId> {
        self.gone.get(&key).into_iter().flatten().copied().collect()
    }

    /// There may have been a memo of this number, and there can be others after it.
    pub(crate) fn may_follow(&self, number: u64) -> bool {
        number <= LAST
    }

    /// Numbers of memos begin after this one.
    pub(crate) fn after(&mut self, number: u64) {
        self.number = self.number.max(number.min(LAST));
    }
}

impl State {
    /// What has changed about the persistent opens of a file since it was last written down, if
    /// anything has. What others are writing is in it too, or what has changed back meanwhile: nothing
    /// that builds on it is to be on the disk without it.
    pub(crate) fn memo(&mut self, key: FileKey) -> Option<(Memo, Pending)> {
        let changed = |open: &Open| {
            let promise = self.promise(open)?;
            let Claim { written, said, .. } = &open.claim;
            let last = written.as_ref().filter(|(number, _)| number == said);
            let written = last.is_some_and(|(_, old)| **old == promise);
            (!written).then(|| (Arc::new(promise), open.handle.clone()))
        };
        let kept: Vec<_> = self.siblings(key).filter_map(changed).collect();
        if kept.is_empty() {
            return None;
        }
        let gone = self.promises.gone_of(key);
        self.promises.number += 1;
        let number = self.promises.number;
        let promises: Vec<_> = kept.iter().map(|(promise, _)| Arc::clone(promise)).collect();
        for promise in &promises {
            if let Some(open) = self.opens.get_mut(&promise.id) {
                open.claim.said = number;
            }
        }
        let pending = Pending { number, key, kept: promises, gone: gone.clone() };
        Some((Memo { number, kept, gone }, pending))
    }

    /// That these opens are closed.
    pub(crate) fn obituary(&mut self, key: FileKey, gone: Vec<OpenId>) -> (Memo, Pending) {
        self.promises.number += 1;
        let number = self.promises.number;
        let pending = Pending { number, key, kept: Vec::new(), gone: gone.clone() };
        (Memo { number, kept: Vec::new(), gone }, pending)
    }

    /// It is written.
    pub(crate) fn written(&mut self, pending: Pending) {
        let Pending { number, key, kept, gone } = pending;
        for promise in kept {
            if let Some(open) = self.opens.get_mut(&promise.id)
                && open.claim.written.as_ref().is_none_or(|(before, _)| *before < number)
            {
                open.claim.written = Some((number, promise));
            }
        }
        self.promises.forget(key, &gone);
    }

    /// It could not be written. That something is gone is tried again with what comes next of the
    /// file, and when that is closed; after that it is found out when nobody comes back for it.
    pub(crate) fn unwritten(&mut self, pending: &Pending) {
        if !self.is_open(pending.key) {
            self.promises.forget(pending.key, &pending.gone);
        }
    }

    /// What was said of an open after this is written.
    pub(crate) fn is_written_since(&self, id: OpenId, pending: &Pending) -> bool {
        let written = self.opens.get(&id).and_then(|open| open.claim.written.as_ref());
        written.is_some_and(|(number, _)| *number > pending.number)
    }

    /// A persistent open shares its lease with this one, or is it.
    pub(crate) fn concerns_promise(&self, id: OpenId) -> bool {
        let lease = self.holder(id).and_then(|holder| self.leases.get(&holder));
        let is = |id: &OpenId| self.promises.opens.contains(id);
        is(&id) || lease.is_some_and(|lease| lease.opens.iter().any(is))
    }

    /// All that is promised of a persistent open.
    fn promise(&self, open: &Open) -> Option<Promise> {
        let claim = &open.claim;
        let (key, place) = open.key().zip(open.place())?;
        if claim.endurance != Endurance::Persistent {
            return None;
        }
        let locks = self.files.get(&key).into_iter().flat_map(|file| file.locks.of(open.id));
        let lock = |lock: &super::range_lock::RangeLock| {
            let &super::range_lock::RangeLock { offset, length, exclusive, .. } = lock;
            Lock { offset, length, exclusive }
        };
        Some(Promise {
            id: open.id,
            share: open.share.name.clone(),
            root: open.share.path.clone(),
            path: place.path.clone(),
            stream: place.stream.clone(),
            key,
            owner: claim.owner.as_ref()?.parts(),
            identity: Arc::clone(&open.identity),
            client: claim.client,
            create: claim.create?,
            app: claim.app.map(|App { id, version }| (id, version)),
            timeout: claim.timeout,
            action: claim.action,
            granted: open.granted,
            share_access: open.share_access,
            delete_on_close: open.delete_on_close,
            delete_pending: self.is_doomed(key, place),
            write_through: open.write_through,
            mode: open.mode,
            cached: self.cached_as(open),
            locks: locks.map(lock).collect(),
            lock_sequences: open.lock_sequences.parts(),
            channel_sequence: open.channel_sequence.number(),
        })
    }

    fn cached_as(&self, open: &Open) -> Option<Cached> {
        let lease = self.holder(open.id).and_then(|holder| self.leases.get(&holder))?;
        let v2 = match lease.kind {
            Kind::V2 { epoch, parent } => Some((epoch, parent)),
            Kind::Oplock | Kind::V1 => None,
        };
        let key = match open.caching {
            Caching::Lease(id) => Some(id.key),
            Caching::None | Caching::Oplock => None,
        };
        Some(Cached { state: lease.state, key, v2 })
    }
}
