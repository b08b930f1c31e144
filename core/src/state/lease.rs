//! What clients cache of files that are open: oplocks and leases, on one lattice (MS-SMB2 3.3.1.12,
//! MS-FSA 2.1.1.10). An oplock is a lease without a name that one open has for itself: level II is R,
//! exclusive is RW, batch is RWH.

use super::{State, open::Open};
use crate::{
    id::{ConnId, FileKey, Holder, LeaseId, OpenId},
    time::Instant,
    wire::{create::OplockLevel, create_context::LeaseState, fscc::AccessMask},
};
use alloc::vec::Vec;

const R: LeaseState = LeaseState::READ_CACHING;
const H: LeaseState = LeaseState::HANDLE_CACHING;
const W: LeaseState = LeaseState::WRITE_CACHING;
const RWH: LeaseState = R.union(W).union(H);

/// What an open caches; how much of it is in [`State::leases`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Nothing was asked for, or nothing granted.
    None,
    /// By an oplock of its own.
    Oplock,
    /// By a lease that it shares with its client's other opens under that key.
    Lease(LeaseId),
}

/// An oplock, or a lease.
#[derive(Debug)]
pub(crate) struct Lease {
    /// A key names one file as long as the lease is there.
    pub(crate) file: FileKey,
    /// What may be cached; while it is being broken, what still is.
    pub(crate) state: LeaseState,
    pub(crate) kind: Kind,
    pub(crate) breaking: Option<Breaking>,
    /// Who caches by it; never empty.
    pub(crate) opens: Vec<OpenId>,
    /// Its key was used for a namesake of its file as well: nothing is cached by it any more.
    pub(crate) split: bool,
}

/// What a lease is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Oplock,
    V1,
    V2 {
        /// Counts the changes of the state.
        epoch: u16,
        /// The key of the directory's lease, under which its own changes do not count.
        parent: Option<[u8; 16]>,
    },
}

/// The holder has been told and has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breaking {
    /// The most that may be acknowledged.
    pub(crate) to: LeaseState,
    /// What it has to come down to in the end: the next break follows the acknowledgment.
    pub(crate) then: LeaseState,
    /// Until when an answer is waited for.
    pub(crate) deadline: Instant,
    /// The connection on which it was told.
    pub(crate) on: ConnId,
}

/// The largest part of `asked` that is a state of the lattice: R, RW, RH, RWH or nothing.
pub(crate) fn sane(asked: LeaseState) -> LeaseState {
    if asked.contains(R) { asked & RWH } else { LeaseState::empty() }
}

/// What an oplock of this level caches.
pub(crate) fn of_level(level: OplockLevel) -> LeaseState {
    match level {
        OplockLevel::II => R,
        OplockLevel::EXCLUSIVE => R | W,
        OplockLevel::BATCH => RWH,
        _ => LeaseState::empty(),
    }
}

/// The oplock that caches this.
pub(crate) fn level_of(state: LeaseState) -> OplockLevel {
    match state & RWH {
        RWH => OplockLevel::BATCH,
        state if state.contains(R | W) => OplockLevel::EXCLUSIVE,
        state if state.contains(R) => OplockLevel::II,
        _ => OplockLevel::NONE,
    }
}

/// Who opens this way neither looks into a file nor minds who does: it breaks nothing that `holder`
/// has, and keeps nothing from being granted to it (MS-FSA 2.1.4.12, OPEN). Leases know better than
/// oplocks.
pub(crate) fn is_stat_open(access: AccessMask, holder: Holder) -> bool {
    let mut stat = AccessMask::FILE_READ_ATTRIBUTES
        | AccessMask::FILE_WRITE_ATTRIBUTES
        | AccessMask::SYNCHRONIZE;
    stat.set(AccessMask::READ_CONTROL, matches!(holder, Holder::Lease(_)));
    stat.contains(access)
}

/// What of `asked` can be granted to `holder`, for its open `mine`, beside the others who have the
/// file open (MS-FSA 2.1.5.18).
pub(crate) fn grantable(
    state: &State,
    key: FileKey,
    holder: Holder,
    mine: OpenId,
    asked: LeaseState,
) -> LeaseState {
    let mut granted = sane(asked);
    let others = state.siblings(key).filter(|open| open.id != mine);
    for open in others {
        let other = state.holder(open.id);
        if other == Some(holder) || other.is_none() && is_stat_open(open.granted, holder) {
            continue;
        }
        granted.remove(W);
        let cached = state.cached(open.id);
        match (holder, other) {
            // What is not written yet cannot be read: a glance at the attributes broke nothing.
            _ if cached.contains(W) => return LeaseState::empty(),
            // An oplock knows nothing of handles that are kept, nor who keeps them of oplocks.
            (Holder::Open(_), _) if cached.contains(H) => granted = LeaseState::empty(),
            (Holder::Lease(_), Some(Holder::Open(_))) if !cached.is_empty() => granted.remove(H),
            _ => {}
        }
    }
    let locked = state.files.get(&key).is_some_and(|file| file.locks.len() > 0);
    match holder {
        _ if locked => LeaseState::empty(),
        // There is no oplock of R and H.
        Holder::Open(_) if !granted.contains(W) => granted & R,
        _ => granted,
    }
}

impl Lease {
    pub(crate) fn is_oplock(&self) -> bool {
        self.kind == Kind::Oplock
    }

    /// An oplock that went without a word: it is remembered for the acknowledgment that nobody wanted
    /// (MS-SMB2 3.3.5.22.1), and is none.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_oplock() && self.state.is_empty()
    }

    /// A break has to be acknowledged: there is more than can be thrown away without a word.
    pub(crate) fn is_asked(&self) -> bool {
        self.state.intersects(W | H)
    }

    /// What this holder would be left with when others take `taken`. An oplock is never broken to
    /// anything but level II or none (MS-SMB2 2.2.23.1).
    pub(crate) fn without(&self, taken: LeaseState) -> LeaseState {
        let held = self.breaking.map_or(self.state, |breaking| breaking.then);
        let left = sane(held.difference(taken));
        if self.is_oplock() && left != held { left & R } else { left }
    }

    /// Its state changes: those who cache by it can tell (MS-SMB2 3.3.4.7, 3.3.5.9.11).
    pub(crate) fn next_epoch(&mut self) {
        if let Kind::V2 { epoch, .. } = &mut self.kind {
            *epoch = epoch.wrapping_add(1);
        }
    }
}

impl State {
    /// The oplock or lease by which an open caches.
    pub(crate) fn holder(&self, open: OpenId) -> Option<Holder> {
        match self.opens.get(&open)?.caching {
            Caching::None => None,
            Caching::Oplock => Some(Holder::Open(open)),
            Caching::Lease(id) => Some(Holder::Lease(id)),
        }
    }

    /// What an open may cache now.
    pub(crate) fn cached(&self, open: OpenId) -> LeaseState {
        let lease = self.holder(open).and_then(|holder| self.leases.get(&holder));
        let file = self.opens.get(&open).and_then(Open::key);
        let own = lease.filter(|lease| Some(lease.file) == file);
        own.map_or(LeaseState::empty(), |lease| lease.state)
    }

    /// Everybody who caches something of a stream, each once: a key that was used for a namesake
    /// caches nothing of that.
    pub(crate) fn holders(&self, key: FileKey) -> Vec<Holder> {
        let opens = self.files.get(&key).map(|file| file.opens.as_slice()).unwrap_or_default();
        let is_its = |holder: &Holder| self.leases.get(holder).is_some_and(|it| it.file == key);
        let holders = opens.iter().filter_map(|id| self.holder(*id));
        let mut holders: Vec<_> = holders.filter(is_its).collect();
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// The open caches no more; its oplock or lease, when that went with it.
    pub(crate) fn stop_caching(&mut self, open: OpenId) -> Option<Lease> {
        let holder = self.holder(open)?;
        if let Some(open) = self.opens.get_mut(&open) {
            open.caching = Caching::None;
        }
        let lease = self.leases.get_mut(&holder)?;
        lease.opens.retain(|id| *id != open);
        if !lease.opens.is_empty() {
            return None;
        }
        if let Holder::Lease(id) = holder {
            self.directories.remove(&id);
        }
        self.leases.remove(&holder)
    }

    /// The lease of the directory above, as the open's own lease names it.
    pub(crate) fn parent_lease(&self, open: OpenId) -> Option<LeaseId> {
        let Holder::Lease(LeaseId { client, .. }) = self.holder(open)? else {
            return None;
        };
        match self.leases.get(&self.holder(open)?)?.kind {
            Kind::V2 { parent, .. } => parent.map(|key| LeaseId { client, key }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(kind: Kind, state: LeaseState) -> Lease {
        let file = FileKey::new(1, 1);
        Lease { file, state, kind, breaking: None, opens: alloc::vec![OpenId(1)], split: false }
    }

    #[test]
    fn levels_are_states() {
        for level in
            [OplockLevel::NONE, OplockLevel::II, OplockLevel::EXCLUSIVE, OplockLevel::BATCH]
        {
            assert_eq!(level_of(of_level(level)), level);
        }
        assert_eq!(sane(H | W), LeaseState::empty());
        assert_eq!(sane(R | H), R | H);
    }

    #[test]
    fn an_oplock_keeps_at_most_level_ii() {
        assert_eq!(lease(Kind::Oplock, RWH).without(W), R);
        assert_eq!(lease(Kind::Oplock, RWH).without(H), R);
        assert_eq!(lease(Kind::Oplock, R | W).without(H), R | W);
        assert_eq!(lease(Kind::Oplock, R).without(R | W), LeaseState::empty());
        assert_eq!(lease(Kind::V1, RWH).without(W), R | H);
        assert_eq!(lease(Kind::V1, RWH).without(H), R | W);
        assert_eq!(lease(Kind::V1, R | H).without(R | W), LeaseState::empty());
    }
}
