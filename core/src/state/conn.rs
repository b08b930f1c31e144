//! Connections, as the server sees them (MS-SMB2 3.3.1.7).

use crate::{
    config::{Config, Limits},
    id::SessionId,
    message::Negotiated,
    time::Instant,
    vfs::Peer,
    wire::negotiate::{Capabilities, Dialect, SecurityMode},
};
use alloc::{collections::BTreeSet, sync::Arc};

pub(crate) struct Conn {
    /// As it was when the client came: what is negotiated by it holds as long as the connection.
    pub(crate) config: Arc<Config>,
    pub(crate) peer: Peer,
    pub(crate) last_request: Instant,
    /// Frames of requests that it has brought.
    pub(crate) requests: u64,
    /// What NEGOTIATE settled; nothing before.
    pub(crate) negotiated: Option<Settled>,
    /// Sessions, half-open ones too.
    pub(crate) sessions: BTreeSet<SessionId>,
    /// Requests that wait.
    pub(crate) parked: usize,
    /// Bytes of frames that these hold.
    pub(crate) parked_bytes: usize,
    /// It has been told to go, and counts no more.
    pub(crate) leaving: bool,
    /// A test's: the client is taken to get nothing any more (`smbtorture hooks`).
    pub(crate) deaf: bool,
}

/// What NEGOTIATE said, kept for FSCTL_VALIDATE_NEGOTIATE_INFO and for the sessions to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) chosen: Negotiated,
    pub(crate) client_guid: [u8; 16],
    pub(crate) client_capabilities: Capabilities,
    pub(crate) client_security_mode: SecurityMode,
    pub(crate) server_capabilities: Capabilities,
    pub(crate) server_security_mode: SecurityMode,
}

impl Conn {
    pub(crate) fn new(config: Arc<Config>, peer: Peer, now: Instant) -> Self {
        Self {
            config,
            peer,
            last_request: now,
            requests: 0,
            negotiated: None,
            sessions: BTreeSet::new(),
            parked: 0,
            parked_bytes: 0,
            leaving: false,
            deaf: false,
        }
    }

    /// One more of its requests may wait, where so many bytes are `left` to all. As with other tables:
    /// nobody gets more than is left for the others.
    pub(crate) fn may_wait(&self, limits: &Limits, left: usize) -> bool {
        self.parked < limits.parked_per_connection && self.parked_bytes <= left
    }

    /// A request that holds so many bytes waits, or does so no more.
    pub(crate) fn count_parked(&mut self, held: usize, more: bool) {
        let change = if more { usize::saturating_add } else { usize::saturating_sub };
        self.parked = change(self.parked, 1);
        self.parked_bytes = change(self.parked_bytes, held);
    }

    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.negotiated.map(|settled| settled.chosen.dialect)
    }
}

/// For logs and tests.
impl core::fmt::Debug for Conn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Conn({}, {:?})", self.peer.address, self.dialect())
    }
}
