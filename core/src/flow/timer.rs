//! What has to happen at a time.

use crate::{
    id::{AsyncId, ConnId, Holder, OpenId},
    time::Instant,
};
use alloc::{collections::BTreeSet, vec::Vec};

/// Why the server wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A connection without a session has had its time.
    Setup(ConnId),
    /// A connection has been silent, and may be closed if it has nothing open.
    Idle(ConnId),
    /// A connection that a test has made deaf was sent a break: it is taken to be lost.
    Deaf(ConnId),
    /// A request has waited long enough.
    Parked(AsyncId),
    /// An open has been kept long enough for a client that did not come back.
    Kept(OpenId),
    /// Who was told that his oplock or lease is broken has had his time to answer.
    Break(Holder),
}

/// Timers in order; each at most once at a time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    /// The same by what they are for: connections come and go by the thousand.
    of: BTreeSet<(Timer, Instant)>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.due.insert((at, timer));
        self.of.insert((timer, at));
    }

    pub(crate) fn clear(&mut self, at: Instant, timer: Timer) {
        self.due.remove(&(at, timer));
        self.of.remove(&(timer, at));
    }

    pub(crate) fn first(&self) -> Option<(Instant, Timer)> {
        self.due.first().copied()
    }

    /// The next timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.first()?;
        (at <= now).then(|| {
            self.clear(at, timer);
            timer
        })
    }

    /// Forgets all timers of a connection.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        for timer in [Timer::Setup(conn), Timer::Idle(conn), Timer::Deaf(conn)] {
            self.forget_between((timer, Instant(0)), (timer, Instant(u64::MAX)));
        }
    }

    /// Forgets when connections would be closed for their silence.
    pub(crate) fn forget_idle(&mut self) {
        let [first, last] = [0, u64::MAX].map(|number| Timer::Idle(ConnId(number)));
        self.forget_between((first, Instant(0)), (last, Instant(u64::MAX)));
    }

    fn forget_between(&mut self, first: (Timer, Instant), last: (Timer, Instant)) {
        let theirs: Vec<_> = self.of.range(first..=last).copied().collect();
        for (timer, at) in theirs {
            self.clear(at, timer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}
