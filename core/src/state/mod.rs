//! The tables and their rules: no messages, no effects, nobody above is known here.

pub(crate) mod arrivals;
pub(crate) mod conn;
pub(crate) mod crowd;
pub(crate) mod durable;
pub(crate) mod file;
pub(crate) mod guess;
pub(crate) mod lease;
pub(crate) mod open;
pub(crate) mod promise;
pub(crate) mod range_lock;
pub(crate) mod room;
pub(crate) mod sequence;
pub(crate) mod session;
pub(crate) mod share_mode;
pub(crate) mod standing;
pub(crate) mod watch;

use crate::{
    config::Config,
    id::{ConnId, FileKey, Holder, LeaseId, OpenId, SessionId, TreeId},
    rng::Rng,
    wire::create_context::LeaseState,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use arrivals::Arrivals;
use conn::Conn;
use crowd::Crowds;
use durable::{CreateKey, Creation, Endurance, Enduring};
use file::{Changes, FileState};
use guess::Guesses;
use lease::Lease;
use open::{Open, Place};
use promise::Promises;
use session::{Session, Tree};
use standing::Tally;
use watch::Watches;

/// Everything the server knows (MS-SMB2 3.3.1.1).
pub(crate) struct State {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    pub(crate) arrivals: Arrivals,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Those that are nobody's yet, in the order in which they were begun.
    pub(crate) half_open: Crowds<(u64, SessionId)>,
    pub(crate) opens: BTreeMap<OpenId, Open>,
    pub(crate) files: BTreeMap<FileKey, FileState>,
    pub(crate) changes: Changes,
    /// CREATEs that may come again.
    pub(crate) creations: BTreeMap<CreateKey, Creation>,
    pub(crate) enduring: Enduring,
    pub(crate) promises: Promises,
    pub(crate) watches: Watches,
    pub(crate) guesses: Guesses,
    /// Oplocks and leases.
    pub(crate) leases: BTreeMap<Holder, Lease>,
    /// Those of [`Self::leases`] that are of directories.
    pub(crate) directories: BTreeSet<LeaseId>,
    pub(crate) tally: Tally,
    next_conn: u64,
    next_session: u64,
    next_open: u64,
    next_volatile: u64,
}

impl State {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            conns: BTreeMap::new(),
            arrivals: Arrivals::default(),
            sessions: BTreeMap::new(),
            half_open: Crowds::default(),
            opens: BTreeMap::new(),
            files: BTreeMap::new(),
            changes: Changes::default(),
            creations: BTreeMap::new(),
            enduring: Enduring::default(),
            promises: Promises::default(),
            watches: Watches::default(),
            guesses: Guesses::default(),
            leases: BTreeMap::new(),
            directories: BTreeSet::new(),
            tally: Tally::default(),
            next_conn: 0,
            next_session: 0,
            next_open: 0,
            next_volatile: 1 << 32,
        }
    }

    /// There have been so many servers before this one, whose clients remember FileIds.
    pub(crate) fn follow(&mut self, servers: u32) {
        let before = u64::from(servers) << 33;
        self.next_open = before;
        self.next_volatile = before + (1 << 32);
    }

    pub(crate) fn new_conn_id(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    pub(crate) fn new_open_id(&mut self) -> OpenId {
        self.next_open += 1;
        OpenId(self.next_open)
    }

    /// A number of this server's, or of one before it.
    pub(crate) fn was_given(&self, id: OpenId) -> bool {
        id.0 <= self.next_open
    }

    /// The half of a FileId that another connection does not inherit (MS-SMB2 2.2.14.1). Never the
    /// same number as the other half, so that the two are not mistaken for each other.
    pub(crate) fn new_volatile(&mut self) -> u64 {
        self.next_volatile += 1;
        self.next_volatile
    }

    /// A number nobody can guess (it is no secret, but it need not be an invitation either). Of 32
    /// bits, because there are clients that keep no more of it (smb2.session-id is one).
    pub(crate) fn new_session_id(&mut self) -> SessionId {
        loop {
            let id = SessionId(u64::from(self.rng.u32()));
            if id.0 != 0 && id.0 != u64::from(u32::MAX) && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// What a connection goes by: the configuration of the time when its client came.
    pub(crate) fn config_of(&self, conn: ConnId) -> &Config {
        self.conns.get(&conn).map_or(&self.config, |conn| &conn.config)
    }

    /// A session of which this connection is a channel, and that has not ended. Others do not exist.
    pub(crate) fn session(&self, conn: ConnId, id: SessionId) -> Option<&Session> {
        let session = self.sessions.get(&id).filter(|session| !session.ending);
        session.filter(|session| session.channels.contains_key(&conn))
    }

    /// See [`Self::session`].
    pub(crate) fn session_mut(&mut self, conn: ConnId, id: SessionId) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&id).filter(|session| !session.ending);
        session.filter(|session| session.channels.contains_key(&conn))
    }

    /// A connection whose thread can do something for this session that it has not asked for: the
    /// oldest of its channels that is there.
    pub(crate) fn oldest_channel(&self, id: SessionId) -> Option<ConnId> {
        let mut channels = self.sessions.get(&id)?.channels.keys().copied();
        channels.find(|conn| self.conns.contains_key(conn))
    }

    pub(crate) fn tree(&self, session: SessionId, tree: TreeId) -> Option<&Tree> {
        self.sessions.get(&session)?.trees.get(&tree).filter(|tree| !tree.ending)
    }

    /// An open has become a session's own, or is not any more.
    pub(crate) fn count_open(&mut self, session: SessionId, more: bool) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.opens = if more { session.opens + 1 } else { session.opens.saturating_sub(1) };
        }
    }

    /// Opens of a session, or of one of its trees, that are in the table.
    pub(crate) fn opens_of(&self, session: SessionId, tree: Option<TreeId>) -> Vec<OpenId> {
        let theirs = |open: &Open| open.session == session && tree.is_none_or(|t| t == open.tree);
        self.opens.iter().filter(|(_, open)| theirs(open)).map(|(id, _)| *id).collect()
    }

    /// Nobody has this stream open any more.
    pub(crate) fn forget_file(&mut self, key: FileKey) -> Option<FileState> {
        let file = self.files.remove(&key)?;
        self.changes.forget(&file);
        Some(file)
    }

    /// The open is gone, and so is what it could be found by.
    pub(crate) fn forget_claim(&mut self, open: &Open) {
        let claim = &open.claim;
        if claim.endurance != Endurance::None {
            self.enduring.remove(&claim.client);
        }
        self.forget_creation(open.id, claim.creation());
    }

    /// The client has shown that it got the answer of the CREATE that made this open: it does not come
    /// again (MS-SMB2 3.3.1.10, Open.IsReplayEligible). That of a persistent open always may.
    pub(crate) fn heard(&mut self, id: OpenId) {
        let open = self.opens.get(&id);
        let open = open.filter(|open| open.claim.endurance != Endurance::Persistent);
        if let Some(key) = open.map(|open| open.claim.creation()) {
            self.forget_creation(id, key);
        }
    }

    /// The CREATE that made this open cannot be replayed any more.
    fn forget_creation(&mut self, id: OpenId, key: Option<CreateKey>) {
        if let Some(key) = key
            && self.creations.get(&key) == Some(&Creation::Done(id))
        {
            self.creations.remove(&key);
        }
    }

    /// The client may cache that it has the file open, and nobody has asked it to let go
    /// (Open.OplockState is Held).
    pub(crate) fn caches_handle(&self, open: &Open) -> bool {
        let lease = self.holder(open.id).and_then(|holder| self.leases.get(&holder));
        lease.is_some_and(|lease| {
            lease.breaking.is_none() && lease.state.contains(LeaseState::HANDLE_CACHING)
        })
    }

    /// Opens of the other streams of a file, named or not.
    pub(crate) fn other_streams(&self, key: FileKey) -> impl Iterator<Item = &Open> {
        let others = self.files.range(key.family()).filter(move |(other, _)| **other != key);
        others.flat_map(|(_, file)| &file.opens).filter_map(|id| self.opens.get(id))
    }

    /// The stream is to be deleted, or this name of the file it is of.
    pub(crate) fn is_doomed(&self, key: FileKey, place: &Place) -> bool {
        let doomed = |key| self.files.get(&key).is_some_and(|file| file.doomed(place).is_some());
        doomed(key) || doomed(key.base())
    }

    /// Watched directories of a session.
    pub(crate) fn watches_of(&self, session: SessionId) -> usize {
        let of = |id| self.opens.get(&id).map(|open| open.session);
        self.watches.opens().filter(|id| of(*id) == Some(session)).count()
    }

    /// How many of a file's names are to go.
    pub(crate) fn doomed_names(&self, key: FileKey) -> usize {
        self.files.get(&key.base()).map_or(0, |file| file.doomed.len())
    }

    /// Any stream of the file is open.
    pub(crate) fn is_open(&self, key: FileKey) -> bool {
        self.files.range(key.family()).any(|(_, file)| !file.opens.is_empty())
    }

    /// Other opens of the file that `open` is of.
    pub(crate) fn siblings(&self, key: FileKey) -> impl Iterator<Item = &Open> {
        let ids = self.files.get(&key).map(|file| file.opens.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.opens.get(id))
    }
}
