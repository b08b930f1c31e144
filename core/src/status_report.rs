//! Who is connected, what is open, how full the tables are: a copy of the tables for whoever
//! watches the server. Plain values, and no key, hash or nonce is among them.

use crate::{
    crypto::{Cipher, SigningAlgorithm},
    id::{ConnId, FileKey, Holder, OpenId, SessionId, TreeId},
    server::Server,
    state::{
        durable::Endurance,
        open::{Open, What},
        session::{Session, UserKind},
    },
    vfs::{FileKind, Peer},
    wire::{create::ShareAccess, create_context::LeaseState, fscc::AccessMask, negotiate::Dialect},
};
use alloc::{string::String, vec::Vec};
use core::time::Duration;

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// In the order in which they came.
    pub connections: Vec<ConnectionStatus>,
    /// Half-open ones too.
    pub sessions: Vec<SessionStatus>,
    /// Tree connects.
    pub trees: Vec<TreeStatus>,
    /// Files, directories and pipes.
    pub opens: Vec<OpenStatus>,
    /// Every bounded table.
    pub budgets: Vec<Budget>,
    /// What has happened since the start.
    pub tally: Vec<Tally>,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct ConnectionStatus {
    /// Its thread is `ksmbd/N` of this number.
    pub id: ConnId,
    /// Both ends.
    pub peer: Peer,
    /// Nothing before NEGOTIATE.
    pub negotiated: Option<NegotiatedStatus>,
    /// How long it has been silent.
    pub idle: Duration,
    /// Frames of requests that it has brought: how the work is spread over a session's channels.
    pub requests: u64,
    /// Requests that wait.
    pub parked: usize,
}

/// What NEGOTIATE settled.
#[derive(Clone, Copy, Debug)]
pub struct NegotiatedStatus {
    /// The dialect.
    pub dialect: Dialect,
    /// The client's own number for itself.
    pub client_guid: [u8; 16],
    /// How its sessions sign.
    pub signing: SigningAlgorithm,
    /// How its sessions can encrypt, if they can.
    pub cipher: Option<Cipher>,
}

/// Who a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Nobody yet: the exchange is under way.
    Authenticating,
    /// An account.
    Account,
    /// A guest.
    Guest,
    /// Nobody.
    Anonymous,
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// The session.
    pub id: SessionId,
    /// The connections that it is used over, the oldest first.
    pub channels: Vec<ChannelStatus>,
    /// What it is.
    pub kind: SessionKind,
    /// The account; empty when there is none.
    pub user: String,
    /// How it signs; guests and anonymous sessions cannot.
    pub signing: Option<SigningAlgorithm>,
    /// Each request has to be signed.
    pub signing_required: bool,
    /// How it can encrypt.
    pub cipher: Option<Cipher>,
    /// Each request has to be encrypted.
    pub encryption_required: bool,
}

/// A session on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// The connection.
    pub connection: ConnId,
    /// It has joined, or made, the session; else it is still asked who it is.
    pub bound: bool,
}

/// One tree connect.
#[derive(Clone, Debug)]
pub struct TreeStatus {
    /// Its number within the session.
    pub id: TreeId,
    /// The session.
    pub session: SessionId,
    /// The share's name.
    pub share: String,
    /// Nothing can be changed through it.
    pub read_only: bool,
    /// As whom files are used.
    pub uid: u32,
    /// The group for new files.
    pub gid: u32,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link or a special file: its attributes alone can be used.
    Other,
    /// A named pipe.
    Pipe,
}

/// What becomes of an open when its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenEndurance {
    /// It is closed.
    Closed,
    /// It waits for its client until others need it.
    Durable,
    /// It waits for its client.
    Resilient,
    /// It waits for its client, also when the server was ended.
    Persistent,
}

/// One open.
#[derive(Clone, Debug)]
pub struct OpenStatus {
    /// The open.
    pub id: OpenId,
    /// The session.
    pub session: SessionId,
    /// The tree connect.
    pub tree: TreeId,
    /// The share's name.
    pub share: String,
    /// Below the share, with `/` between components; empty for pipes and for the share itself.
    pub path: String,
    /// What it is.
    pub kind: OpenKind,
    /// Which file, and which stream of it; none of pipes.
    pub file: Option<FileKey>,
    /// As whom the file is used.
    pub uid: u32,
    /// What was granted.
    pub access: AccessMask,
    /// What others may be granted beside it.
    pub share_access: ShareAccess,
    /// What its client caches of it.
    pub caching: CachingStatus,
    /// The file goes when nobody has it open any more.
    pub delete_pending: bool,
    /// What becomes of it when its connection is lost.
    pub endurance: OpenEndurance,
    /// Its connection is lost, and so are `session` and `tree`: for how long it waits yet.
    pub kept: Option<Duration>,
    /// Its byte-range locks.
    pub locks: Vec<LockStatus>,
}

/// What an open's client caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachingStatus {
    /// By what: an oplock of its own, or a lease that it shares. `None`: it caches nothing.
    pub holder: Option<Holder>,
    /// What.
    pub state: LeaseState,
    /// It has been told to give some of it up, and has not answered.
    pub breaking: bool,
}

/// One byte-range lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockStatus {
    /// The first byte.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// Nobody else may even read.
    pub exclusive: bool,
}

/// How full a table is. Where the limit is one connection's, session's or open's, `used` is that of
/// the one that has most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What is counted.
    pub name: &'static str,
    /// Now.
    pub used: usize,
    /// None where other limits bound it.
    pub limit: Option<usize>,
}

/// How often something has happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

impl Server {
    /// A copy of the tables, for whoever watches. `now` tells how long connections are silent.
    pub fn status(&self, now: crate::time::Instant) -> Status {
        Status {
            connections: self.connections(now),
            sessions: self.sessions(),
            trees: self.trees(),
            opens: self.state.opens.values().map(|open| self.open(open, now)).collect(),
            budgets: self.budgets(),
            tally: self.tally(),
        }
    }

    fn connections(&self, now: crate::time::Instant) -> Vec<ConnectionStatus> {
        let conns = self.state.conns.iter().map(|(&id, conn)| ConnectionStatus {
            id,
            peer: conn.peer.clone(),
            negotiated: conn.negotiated.map(|settled| NegotiatedStatus {
                dialect: settled.chosen.dialect,
                client_guid: settled.client_guid,
                signing: settled.chosen.signing,
                cipher: settled.chosen.cipher,
            }),
            idle: now.since(conn.last_request),
            requests: conn.requests,
            parked: conn.parked,
        });
        conns.collect()
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        let status = |(&id, session): (&SessionId, &Session)| {
            let user = session.user.as_ref();
            let keys = user.and_then(|user| user.keys.as_ref());
            SessionStatus {
                id,
                channels: channels(session),
                kind: user.map_or(SessionKind::Authenticating, |user| match user.kind {
                    UserKind::Account => SessionKind::Account,
                    UserKind::Guest => SessionKind::Guest,
                    UserKind::Anonymous => SessionKind::Anonymous,
                }),
                user: user.map(|user| user.account.clone()).unwrap_or_default(),
                signing: keys.map(|keys| keys.signing().algorithm()),
                signing_required: user.is_some_and(|user| user.signing_required),
                cipher: keys.and_then(|keys| keys.cipher()),
                encryption_required: user.is_some_and(|user| user.encrypt),
            }
        };
        self.state.sessions.iter().map(status).collect()
    }

    fn trees(&self) -> Vec<TreeStatus> {
        let of_session = |(&session, state): (&SessionId, &Session)| {
            let trees = state.trees.iter().map(|(&id, tree)| TreeStatus {
                id,
                session,
                share: tree.share.name.clone(),
                read_only: tree.read_only,
                uid: tree.identity.uid,
                gid: tree.identity.gid,
            });
            trees.collect::<Vec<_>>()
        };
        self.state.sessions.iter().flat_map(of_session).collect()
    }

    fn open(&self, open: &Open, now: crate::time::Instant) -> OpenStatus {
        let file = open.key().and_then(|key| self.state.files.get(&key));
        let name = open.key().zip(open.place());
        let doomed = name.is_some_and(|(key, place)| self.state.is_doomed(key, place));
        let locks = file.into_iter().flat_map(|file| file.locks.of(open.id));
        let locks = locks.map(|lock| LockStatus {
            offset: lock.offset,
            length: lock.length,
            exclusive: lock.exclusive,
        });
        let holder = self.state.holder(open.id);
        let lease = holder.and_then(|holder| self.state.leases.get(&holder));
        let lease = lease.filter(|lease| !lease.is_spent());
        let caching = lease.map_or_else(CachingStatus::default, |lease| CachingStatus {
            holder,
            state: self.state.cached(open.id),
            breaking: lease.breaking.is_some(),
        });
        OpenStatus {
            id: open.id,
            session: open.session,
            tree: open.tree,
            share: open.share.name.clone(),
            path: open.place().map(|place| place.path.as_str().into()).unwrap_or_default(),
            kind: match &open.what {
                What::File { kind: FileKind::File, .. } => OpenKind::File,
                What::File { kind: FileKind::Directory, .. } => OpenKind::Directory,
                What::File { .. } => OpenKind::Other,
                What::Pipe => OpenKind::Pipe,
            },
            file: open.key(),
            uid: open.identity.uid,
            access: open.granted,
            share_access: open.share_access,
            endurance: match open.claim.endurance {
                Endurance::None => OpenEndurance::Closed,
                Endurance::Durable => OpenEndurance::Durable,
                Endurance::Resilient => OpenEndurance::Resilient,
                Endurance::Persistent => OpenEndurance::Persistent,
            },
            kept: open.claim.until.map(|until| until.since(now)),
            caching,
            delete_pending: open.delete_on_close || doomed,
            locks: locks.collect(),
        }
    }

    fn budgets(&self) -> Vec<Budget> {
        let (state, limits) = (&self.state, self.state.config.limits);
        let counters = self.counters();
        let most = |counts: &mut dyn Iterator<Item = usize>| counts.max().unwrap_or_default();
        let bounded = |name, used, limit| Budget { name, used, limit: Some(limit) };
        let counted = |name, used| Budget { name, used, limit: None };
        let of_one_open = state
            .opens
            .values()
            .filter_map(|o| Some(state.files.get(&o.key()?)?.locks.count(o.id)));
        let mut budgets = alloc::vec![
            bounded("connections", counters.connections, limits.connections),
            bounded(
                "connections of one address",
                state.arrivals.most(),
                limits.connections_per_address,
            ),
            counted("connections without a session", state.arrivals.strangers()),
            bounded("sessions", counters.sessions, limits.sessions),
            counted("channels", counters.channels),
            bounded(
                "channels of one session",
                most(&mut state.sessions.values().map(Session::channel_count)),
                limits.channels_per_session,
            ),
            bounded(
                "sessions of one connection",
                most(&mut state.conns.values().map(|conn| conn.sessions.len())),
                limits.sessions_per_connection,
            ),
            counted("trees", counters.trees),
            bounded(
                "trees of one session",
                most(&mut state.sessions.values().map(|session| session.trees.len())),
                limits.trees_per_session,
            ),
            bounded("opens", counters.opens, limits.opens),
            counted("files", counters.files),
            counted("oplocks", counters.oplocks),
            counted("leases", counters.leases),
            counted("unanswered breaks", counters.breaks),
            counted("locks", counters.locks),
            bounded(
                "locks of one file",
                most(&mut state.files.values().map(|file| file.locks.len())),
                limits.locks_per_file,
            ),
            bounded("locks of one open", most(&mut of_one_open.into_iter()), limits.locks_per_open),
            bounded("watched directories", counters.watches, limits.watches),
            bounded(
                "watched directories of one session",
                most(&mut state.sessions.keys().map(|id| state.watches_of(*id))),
                limits.watches_per_session,
            ),
            bounded("bytes of unfetched changes", counters.watch_bytes, limits.watch_bytes),
            counted("waiting requests", counters.parked),
            bounded(
                "waiting requests of one connection",
                most(&mut state.conns.values().map(|conn| conn.parked)),
                limits.parked_per_connection,
            ),
            bounded("bytes of waiting requests", self.flows.parking.bytes(), limits.parked_bytes),
            bounded("accounts guessed at", state.guesses.len(), limits.guesses),
            counted("running calls", counters.running),
            counted("timers", counters.timers),
        ];
        budgets.extend(self.lasting());
        budgets
    }

    fn tally(&self) -> Vec<Tally> {
        let tally = &self.state.tally;
        let told = [
            ("connections refused", tally.connections_refused),
            ("connections ended for others", tally.connections_ended),
            ("connections that showed nobody in time", tally.setups_late),
            ("sessions ended for others", tally.sessions_ended),
            ("attempts to log on that had to wait", tally.attempts_delayed),
        ];
        told.map(|(name, count)| Tally { name, count }).into()
    }

    /// What outlives a connection, and what a lost answer is known by.
    fn lasting(&self) -> [Budget; 5] {
        let (counters, limits) = (self.counters(), self.state.config.limits);
        let budget = |name, used, limit| Budget { name, used, limit };
        let of_one_client = self.state.enduring.most();
        let per_client = Some(limits.durable_opens_per_client);
        [
            budget("durable opens", counters.durable, Some(limits.durable_opens)),
            budget("durable opens of one client", of_one_client, per_client),
            budget("persistent opens", counters.persistent, Some(limits.persistent_opens)),
            budget("opens without a connection", counters.kept, None),
            budget("creates that may be replayed", counters.creations, None),
        ]
    }
}

fn channels(session: &Session) -> Vec<ChannelStatus> {
    let bound = session.channels.keys().map(|&connection| (connection, session.user.is_some()));
    let joining = session.setups.iter().filter(|(_, setup)| setup.binding);
    let joining = joining.map(|(&connection, _)| (connection, false));
    let all = bound.chain(joining);
    all.map(|(connection, bound)| ChannelStatus { connection, bound }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        id::OpId,
        message::Outbound,
        sink::{Executor, Sink},
        time::Now,
        vfs::{Call, File},
    };
    use alloc::sync::Arc;

    /// What is put out is for nobody.
    struct Nobody;

    impl Sink for Nobody {
        fn send(&mut self, _: ConnId, _: Outbound) {}
        fn call(&mut self, _: Executor, _: OpId, _: Call) {}
        fn release(&mut self, _: File) {}
    }

    fn peer(port: u16) -> Peer {
        let address = core::net::SocketAddr::from(([10, 0, 0, 1], port));
        Peer { address, local: address }
    }

    #[test]
    fn connections_and_budgets_are_told() {
        let mut server = Server::new(Arc::new(Config::default()), [0; 32]);
        assert!(server.status(Now::default().mono).connections.is_empty());
        server.accept(Now::default(), peer(1), &mut Nobody).expect("room");
        server.accept(Now::default(), peer(2), &mut Nobody).expect("room");
        let status = server.status(Now::default().mono + Duration::from_secs(7));
        assert_eq!(status.connections.len(), 2);
        assert!(status.connections[0].negotiated.is_none());
        assert_eq!(status.connections[1].idle, Duration::from_secs(7));
        let budget = |name| status.budgets.iter().find(|b| b.name == name).copied();
        let expected = Budget { name: "connections of one address", used: 2, limit: Some(32) };
        assert_eq!(budget("connections of one address"), Some(expected));
    }

    #[test]
    fn a_new_configuration_is_for_those_who_come() {
        let mut server = Server::new(Arc::new(Config::default()), [0; 32]);
        let now = Now::default();
        let first = server.accept(now, peer(1), &mut Nobody).expect("room").connection;
        let setup = server.poll_timeout().expect("a timer");
        let mut config = Config { max_read: 1 << 16, ..Config::default() };
        config.limits.connections = 1;
        config.limits.idle_time = Duration::from_secs(5);
        server.reconfigure(Arc::new(config.clone()));
        assert_eq!(server.state.config_of(first.id()).max_read, Config::default().max_read);
        assert_eq!(server.state.config.max_read, 1 << 16);
        assert!(server.accept(now, peer(2), &mut Nobody).is_err(), "the limit holds at once");
        assert!(server.poll_timeout().expect("a timer").0 < setup.0, "deadtime holds at once");
        config.limits.idle_time = Duration::ZERO;
        server.reconfigure(Arc::new(config));
        assert_eq!(server.poll_timeout(), Some(setup));
    }
}
