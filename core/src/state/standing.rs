//! Does it belong to somebody yet? Connections and sessions of which nobody has shown whose they are
//! give way to others.

use super::{State, conn::Settled, session::Session};
use crate::{
    id::{ConnId, SessionId},
    time::Instant,
};
use core::time::Duration;

/// So long a session that is being set up is left alone by its own network's others.
const GRACE: Duration = Duration::from_secs(1);

impl State {
    /// Looks anew whether a connection has a valid session. `true`: from now on it has none.
    pub(crate) fn regard(&mut self, id: ConnId, now: Instant) -> bool {
        let Some(conn) = self.conns.get(&id).filter(|conn| !conn.leaving) else {
            return false;
        };
        let address = conn.peer.address.ip();
        let is_valid = |session| self.session(id, session).is_some_and(|s| s.user.is_some());
        if conn.sessions.iter().copied().any(is_valid) {
            self.arrivals.is_known(address, id);
            return false;
        }
        let new = self.arrivals.stranger_since(address, id).is_none();
        if new {
            self.arrivals.is_stranger(address, id, now);
        }
        new
    }

    /// The connection has to go: it counts no more.
    pub(crate) fn give_way(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.leaving) {
            conn.leaving = true;
            self.arrivals.left(conn.peer.address.ip(), id);
            self.tally.connections_ended += 1;
        }
    }

    /// A session that nobody has shown to be his.
    pub(crate) fn make_session(&mut self, on: ConnId, settled: Settled, now: Instant) -> SessionId {
        let id = self.new_session_id();
        self.next_session += 1;
        let number = self.next_session;
        let mut session = Session::new(on, settled);
        if let Some(conn) = self.conns.get_mut(&on) {
            let address = conn.peer.address.ip();
            conn.sessions.insert(id);
            session.half_open = Some((number, address));
            self.half_open.insert(address, (number, id), now);
        }
        self.sessions.insert(id, session);
        id
    }

    /// It belongs to somebody, or ends: it gives way to nobody any more.
    pub(crate) fn no_longer_half_open(&mut self, id: SessionId) {
        let half_open = self.sessions.get_mut(&id).and_then(|session| session.half_open.take());
        if let Some((number, address)) = half_open {
            self.half_open.remove(address, (number, id));
        }
    }

    /// The session that has to go for one more of this connection's; `None`: they all stay.
    pub(crate) fn yielding_session(&self, to: ConnId, now: Instant) -> Option<SessionId> {
        let address = self.conns.get(&to)?.peer.address.ip();
        self.half_open.yielding(address, now, GRACE).map(|(_, id)| id)
    }
}

/// What has happened since the start, for whoever watches; nothing depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections_refused: u64,
    pub(crate) connections_ended: u64,
    pub(crate) sessions_ended: u64,
    pub(crate) setups_late: u64,
    pub(crate) attempts_delayed: u64,
}
