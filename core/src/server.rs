//! The server's public half: what the runtime calls.

pub use crate::error::Unwelcome;
use crate::{
    command::{self, Cx, Step},
    config::Config,
    connection::Connection,
    crypto::SessionKeys,
    flow::{Flows, breaks, job::Job, park::Wake, timer::Timer},
    id::{ConnId, OpId, SessionId},
    message::{Outbound, Request},
    sink::Sink,
    state::{State, conn::Conn, open::Stage, session::Session},
    time::{Instant, Now},
    vfs::{Account, Done, FsChange, Past, Peer},
};
use alloc::sync::Arc;
use core::fmt;

/// All state that clients share. Plain data: the runtime keeps it in one lock, which it never holds
/// during I/O.
pub struct Server {
    pub(crate) state: State,
    pub(crate) flows: Flows<Step>,
}

/// A client that has come in.
#[allow(missing_debug_implementations, reason = "a connection holds keys")]
pub struct Accepted {
    /// Belongs to its thread.
    pub connection: Connection,
    /// The connection that has to go for it.
    pub goes: Option<ConnId>,
}

/// How full the tables are. All are zero once every client is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections.
    pub connections: usize,
    /// Sessions, half-open ones too.
    pub sessions: usize,
    /// Their channels, those that want to be too.
    pub channels: usize,
    /// Tree connects.
    pub trees: usize,
    /// Opens.
    pub opens: usize,
    /// Files that are open.
    pub files: usize,
    /// Byte-range locks.
    pub locks: usize,
    /// Opens that outlive their connection.
    pub durable: usize,
    /// Those of them that outlive the server.
    pub persistent: usize,
    /// Closed ones of which it is not known that they are not found again.
    pub forgotten: usize,
    /// Those whose connection is lost.
    pub kept: usize,
    /// CREATEs that may come again.
    pub creations: usize,
    /// Oplocks.
    pub oplocks: usize,
    /// Leases.
    pub leases: usize,
    /// Oplocks and leases whose break is not acknowledged.
    pub breaks: usize,
    /// Watched directories.
    pub watches: usize,
    /// Bytes of changes in them that nobody has fetched.
    pub watch_bytes: usize,
    /// Requests that wait.
    pub parked: usize,
    /// Calls that have not completed.
    pub running: usize,
    /// Timers.
    pub timers: usize,
}

impl Server {
    /// An empty server. `seed` is all the randomness there will be.
    pub fn new(config: Arc<Config>, seed: [u8; 32]) -> Self {
        Self { state: State::new(config, seed), flows: Flows::new() }
    }

    /// What a server before this one has promised to last, before the first client comes.
    pub fn restore(&mut self, now: Now, past: Past, out: &mut dyn Sink) {
        self.enter(now, out, |cx| command::restore(cx, past));
    }

    /// From now on this is the configuration: for limits and for new sessions at once, and for what
    /// NEGOTIATE settles with the clients that are still to come. What is there stays, even where a
    /// limit is lower now.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        let idle_time = config.limits.idle_time;
        if idle_time != self.state.config.limits.idle_time {
            self.flows.timers.forget_idle();
            let conns = self.state.conns.iter().filter(|_| !idle_time.is_zero());
            for (&id, conn) in conns {
                self.flows.timers.set(conn.last_request + idle_time, Timer::Idle(id));
            }
        }
        self.state.config = config;
    }

    /// A client has connected, and may come in. Where there is no room, the oldest connection without
    /// a session has to go: its thread is told by [`Outbound::Close`], but may be busy.
    pub fn accept(
        &mut self,
        now: Now,
        peer: Peer,
        out: &mut dyn Sink,
    ) -> Result<Accepted, Unwelcome> {
        let (limits, state) = (self.state.config.limits, &mut self.state);
        let address = peer.address.ip();
        let admitted = state.arrivals.admit(address, state.conns.len(), now.mono, &limits);
        let goes = admitted.inspect_err(|_| state.tally.connections_refused += 1)?;
        if let Some(goes) = goes {
            state.give_way(goes);
            out.send(goes, Outbound::Close("another client needs the room"));
        }
        let id = state.new_conn_id();
        state.conns.insert(id, Conn::new(Arc::clone(&state.config), peer, now.mono));
        state.arrivals.came(address);
        state.regard(id, now.mono);
        self.flows.timers.set(now.mono + limits.setup_time, Timer::Setup(id));
        if !limits.idle_time.is_zero() {
            self.flows.timers.set(now.mono + limits.idle_time, Timer::Idle(id));
        }
        Ok(Accepted { connection: Connection::new(id, &limits), goes })
    }

    /// The connection without a session that would go first, for who has to end one for reasons of
    /// the machine: by closing its socket.
    pub fn oldest_stranger(&self, now: Instant) -> Option<ConnId> {
        self.state.arrivals.oldest_stranger(now)
    }

    /// The keys of a session's first channel, if there is such a session: what a connection that is no
    /// channel of it signs with ([`Incoming::NeedKeys`](crate::connection::Incoming)).
    pub fn keys_of(&self, session: SessionId) -> Option<Arc<SessionKeys>> {
        let session = self.state.sessions.get(&session).filter(|session| !session.ending)?;
        session.user.as_ref()?.keys.clone()
    }

    /// A frame's requests.
    pub fn handle(&mut self, now: Now, request: Request, out: &mut dyn Sink) {
        let conn = self.state.conns.get_mut(&request.conn).filter(|conn| !conn.leaving);
        let Some(conn) = conn else {
            return;
        };
        conn.last_request = now.mono;
        conn.requests = conn.requests.saturating_add(1);
        if let Some(job) = Job::new(request) {
            self.enter(now, out, |cx| command::begin(cx, job));
        }
    }

    /// A call has come to an end.
    pub fn complete(&mut self, now: Now, op: OpId, done: Done, out: &mut dyn Sink) {
        self.enter(now, out, |cx| command::completed(cx, op, done));
    }

    /// What [`Op::Logon`](crate::vfs::Op::Logon)'s answer comes to in the exchange that asked, without
    /// the password: for whoever writes down what this server is told. `None`: it did not ask.
    pub fn checked(&self, op: OpId, account: &Account) -> Option<Account> {
        match &self.flows.running.get(&op)?.step {
            Step::SessionSetup(step) => Some(step.checked(account)),
            _ => None,
        }
    }

    /// Something was changed outside SMB, in a directory for which
    /// [`Op::Watch`](crate::vfs::Op::Watch) was asked. What this server has done itself is never
    /// told here: it knows.
    pub fn fs_changed(&mut self, now: Now, change: &FsChange, out: &mut dyn Sink) {
        self.enter(now, out, |cx| command::outside(cx, change));
    }

    /// A client is gone: its sessions end, what it waits for is given up.
    pub fn hang_up(&mut self, now: Now, conn: ConnId, out: &mut dyn Sink) {
        self.enter(now, out, |cx| command::end_connection(cx, conn));
    }

    /// The server ends, after all clients: opens that wait for theirs are closed.
    pub fn close_kept(&mut self, now: Now, out: &mut dyn Sink) {
        self.enter(now, out, command::expire_all);
    }

    /// When, and why, [`Self::handle_timeout`] has to be called.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.flows.timers.first()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, out: &mut dyn Sink) {
        while let Some(timer) = self.flows.timers.pop_due(now.mono) {
            self.enter(now, out, |cx| fire(cx, timer));
        }
    }

    /// How full the tables are.
    pub fn counters(&self) -> Counters {
        let state = &self.state;
        Counters {
            connections: state.conns.len(),
            sessions: state.sessions.len(),
            channels: state.sessions.values().map(Session::channel_count).sum(),
            trees: state.sessions.values().map(|session| session.trees.len()).sum(),
            opens: state.opens.len(),
            files: state.files.len(),
            locks: state.files.values().map(|file| file.locks.len()).sum(),
            durable: state.enduring.len(),
            persistent: state.promises.len(),
            forgotten: state.promises.gone(),
            kept: state.opens.values().filter(|open| open.stage == Stage::Kept).count(),
            creations: state.creations.len(),
            oplocks: state
                .leases
                .values()
                .filter(|lease| lease.is_oplock() && !lease.is_spent())
                .count(),
            leases: state.leases.values().filter(|lease| !lease.is_oplock()).count(),
            breaks: state.leases.values().filter(|lease| lease.breaking.is_some()).count(),
            watches: state.watches.len(),
            watch_bytes: state.watches.kept(),
            parked: self.flows.parking.len(),
            running: self.flows.running.len(),
            timers: self.flows.timers.len(),
        }
    }

    /// Runs one input, and then everything that it has woken.
    fn enter(&mut self, now: Now, out: &mut dyn Sink, input: impl FnOnce(&mut Cx<'_>)) {
        let mut cx = Cx { state: &mut self.state, flows: &mut self.flows, now, out };
        input(&mut cx);
        command::run_ready(&mut cx);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?})", self.counters())
    }
}

fn fire(cx: &mut Cx<'_>, timer: Timer) {
    match timer {
        Timer::Parked(id) => {
            cx.flows.parking.wake_one(id, Wake::TimedOut);
        }
        Timer::Setup(id) => late(cx, id),
        Timer::Break(holder) => breaks::timed_out(cx, holder),
        Timer::Idle(id) => idle(cx, id),
        Timer::Deaf(id) => cx.send(id, Outbound::Close("a test wants nothing to arrive")),
        Timer::Kept(id) => command::expire(cx, id),
    }
}

/// Nobody has shown whose the connection is.
fn late(cx: &mut Cx<'_>, id: ConnId) {
    let address = cx.state.conns.get(&id).map(|conn| conn.peer.address.ip());
    let since = address.and_then(|address| cx.state.arrivals.stranger_since(address, id));
    let Some(end) = since.map(|since| since + cx.state.config.limits.setup_time) else {
        return;
    };
    if end > cx.now.mono {
        return cx.flows.timers.set(end, Timer::Setup(id));
    }
    cx.state.tally.setups_late += 1;
    cx.send(id, Outbound::Close("no session in time"));
}

/// `deadtime`: a connection without opens that has been silent.
fn idle(cx: &mut Cx<'_>, id: ConnId) {
    let Some(conn) = cx.state.conns.get(&id) else {
        return;
    };
    let idle_time = cx.state.config.limits.idle_time;
    let opens = cx.state.opens.values();
    let in_use = opens.into_iter().any(|open| conn.sessions.contains(&open.session));
    if !in_use && cx.now.mono.since(conn.last_request) >= idle_time {
        return cx.send(id, Outbound::Close("idle"));
    }
    let from = if in_use { cx.now.mono } else { conn.last_request };
    cx.flows.timers.set(from + idle_time, Timer::Idle(id));
}
