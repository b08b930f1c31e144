//! Requests that wait. Waiting is a value in a map, and there is one way out: a [`Wake`] whose reason
//! decides the status. Woken means "check again", not "granted".

use super::{
    job::Job,
    timer::{Timer, Timers},
};
use crate::{
    id::{AsyncId, ConnId, FileKey, GuessId, OpenId, SessionId, TreeId},
    time::Instant,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

/// What to wait for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Park {
    pub(crate) wait: Wait,
    pub(crate) deadline: Option<Instant>,
    /// Tell the client (MS-SMB2 3.3.4.2). Short waits of the server's own are not told.
    pub(crate) interim: bool,
}

impl Park {
    /// Until the break of an oplock or lease of this file ends.
    pub(crate) fn for_break(file: FileKey) -> Self {
        Self { wait: Wait::File(file), deadline: None, interim: true }
    }
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A byte-range lock of this file is released.
    Range(FileKey),
    /// A message comes out of this pipe.
    Pipe(OpenId),
    /// Something changes about who has this file open and what they cache of it.
    File(FileKey),
    /// Another page of this directory has been read.
    Listing(OpenId),
    /// Something changes in the directory that this open watches.
    Watch(OpenId),
    /// Everybody who was woken before has had a turn.
    Turn,
    /// Time passes (a test's).
    Sleep(OpenId),
    /// These opens are gone.
    Gone(Scope),
    /// The connection of this open is lost, and the calls that it has left behind are through.
    Idle(OpenId),
    /// Somebody has shown the password that is being guessed at.
    Logon(GuessId),
}

/// Which opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One.
    Open(OpenId),
    /// Those of a tree connect.
    Tree(SessionId, TreeId),
    /// Those of a session.
    Session(SessionId),
}

/// Why a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// What was waited for may have come.
    Ready,
    /// The deadline.
    TimedOut,
    /// CANCEL.
    Cancelled,
    /// The open was closed.
    Closed,
    /// TREE_DISCONNECT.
    TreeGone,
    /// LOGOFF.
    LoggedOff,
    /// The connection is gone: nobody reads the answer.
    HungUp,
}

/// A request that waits, as data.
#[derive(Debug)]
pub(crate) struct Parked<S> {
    pub(crate) job: Box<Job>,
    pub(crate) park: Park,
    pub(crate) step: S,
}

#[derive(Debug)]
pub(crate) struct Parking<S> {
    parked: BTreeMap<AsyncId, Parked<S>>,
    /// Those that were woken, in their order, and why.
    ready: VecDeque<AsyncId>,
    reasons: BTreeMap<AsyncId, Wake>,
    /// Of received frames, held by those that wait.
    bytes: usize,
    next: u64,
}

impl<S> Default for Parking<S> {
    fn default() -> Self {
        Self {
            parked: BTreeMap::new(),
            ready: VecDeque::new(),
            reasons: BTreeMap::new(),
            bytes: 0,
            next: 0,
        }
    }
}

impl<S> Parking<S> {
    /// An id for a request that is about to wait.
    pub(crate) fn new_id(&mut self) -> AsyncId {
        self.next += 1;
        AsyncId(self.next)
    }

    pub(crate) fn insert(&mut self, id: AsyncId, parked: Parked<S>, timers: &mut Timers) {
        if parked.park.wait == Wait::Turn {
            self.ready.push_back(id);
            self.reasons.insert(id, Wake::Ready);
        }
        if let Some(at) = parked.park.deadline {
            timers.set(at, Timer::Parked(id));
        }
        self.bytes = self.bytes.saturating_add(parked.job.held());
        self.parked.insert(id, parked);
    }

    /// Wakes those that wait for exactly this.
    pub(crate) fn wake(&mut self, wait: Wait) {
        self.wake_where(Wake::Ready, |parked| parked.park.wait == wait);
    }

    /// The chains that wait.
    pub(crate) fn jobs_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.parked.values_mut().map(|parked| &mut *parked.job)
    }

    /// Wakes those of whom `which` is true. A reason that ends the wait replaces an earlier "check
    /// again", never the other way round.
    pub(crate) fn wake_where(&mut self, wake: Wake, which: impl Fn(&Parked<S>) -> bool) {
        let ids: Vec<_> = self.parked.iter().filter(|(_, p)| which(p)).map(|(id, _)| *id).collect();
        for id in ids {
            self.wake_one(id, wake);
        }
    }

    /// Wakes one; `false` when it does not wait.
    pub(crate) fn wake_one(&mut self, id: AsyncId, wake: Wake) -> bool {
        if !self.parked.contains_key(&id) {
            return false;
        }
        match self.reasons.get_mut(&id) {
            Some(reason) if *reason == Wake::Ready => *reason = wake,
            Some(_) => {}
            None => {
                self.reasons.insert(id, wake);
                self.ready.push_back(id);
            }
        }
        true
    }

    /// The one way out: the next request that was woken.
    pub(crate) fn next_ready(&mut self, timers: &mut Timers) -> Option<(AsyncId, Parked<S>, Wake)> {
        while let Some(id) = self.ready.pop_front() {
            let wake = self.reasons.remove(&id).unwrap_or(Wake::Ready);
            if let Some(parked) = self.parked.remove(&id) {
                self.bytes = self.bytes.saturating_sub(parked.job.held());
                if let Some(at) = parked.park.deadline {
                    timers.clear(at, Timer::Parked(id));
                }
                return Some((id, parked, wake));
            }
        }
        None
    }

    /// Who waits under this id, or for this message of a connection (MS-SMB2 3.3.5.16).
    pub(crate) fn find(&self, conn: ConnId, id: Option<AsyncId>, message: u64) -> Option<AsyncId> {
        match id {
            Some(id) => self.parked.get(&id).filter(|p| p.job.conn == conn).map(|_| id),
            None => self
                .parked
                .iter()
                .find(|(_, p)| p.job.conn == conn && p.job.who.asked.message_id == message)
                .map(|(id, _)| *id),
        }
    }

    /// Somebody who was woken, and has not had a turn, waited for such a thing.
    pub(crate) fn has_woken(&self, which: impl Fn(&Wait) -> bool) -> bool {
        let waited = |id| self.parked.get(id).is_some_and(|parked| which(&parked.park.wait));
        self.ready.iter().any(waited)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }
}
