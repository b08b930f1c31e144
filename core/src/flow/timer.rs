//! What has to happen at a time.

use crate::{
    id::{AsyncId, ConnId, Holder, OpenId},
    time::Instant,
};
use alloc::collections::BTreeSet;

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

/// Timers in order; each at most once.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn first(&self) -> Option<(Instant, Timer)> {
        self.0.first().copied()
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
        let theirs = [Timer::Setup(conn), Timer::Idle(conn), Timer::Deaf(conn)];
        self.0.retain(|(_, timer)| !theirs.contains(timer));
    }

    /// Forgets when connections would be closed for their silence.
    pub(crate) fn forget_idle(&mut self) {
        self.0.retain(|(_, timer)| !matches!(timer, Timer::Idle(_)));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
