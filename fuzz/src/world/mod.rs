//! One server, its clients' connections, the file system, the daemon and the clock. Everything runs
//! when, and in the order in which, it is told to.

mod calls;
mod history;
mod link;
mod network;
mod outside;
mod restart;
mod run;
mod tape;

use crate::{
    client::Client,
    daemon::{ACCOUNTS, Daemon, Rules},
    memvfs::MemVfs,
};
pub use history::{Asked, Seen};

use calls::Calls;
use core::time::Duration;
use ksmbd_core::{
    Timer,
    auth::ServerNames,
    config::{Config, Share},
    error::{ConnectionError, Refusal},
    id::{ConnId, OpId},
    server::{Counters, Server, Unwelcome},
    sink::Executor,
    status_report::Budget,
    status_report::Status,
    time::{FileTime, Instant, Now},
    vfs::{Call, Done, Peer, VfsError},
    wire::negotiate::Dialect,
};
use ksmbd_record::event::put;
use link::Link;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// The path that `share` and its relatives serve.
pub const ROOT: &str = "/srv/share";

/// A handle on the world; clients hold one too. When the last is gone, [`World::finish`]'s checks are
/// made.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

pub(crate) struct Inner {
    server: Server,
    now: Now,
    links: BTreeMap<ConnId, Link>,
    /// Those of them on which both sides listen, oldest first. The others' clients have not noticed yet.
    alive: Vec<ConnId>,
    /// Connections that there were.
    accepted: u64,
    calls: Calls,
    pub(crate) vfs: MemVfs,
    pub(crate) daemon: Daemon,
    /// Who was to carry out the last call.
    executor: Option<Executor>,
    outputs: VecDeque<run::Output>,
    refusals: Vec<Refusal>,
    /// Over every frame that was sent, in order.
    digest: u64,
    finished: bool,
    config: Arc<Config>,
    tape: tape::Tape,
    pub(crate) history: history::History,
    /// How often the server was entered.
    entries: u64,
    /// Servers before this one.
    runs: u32,
}

/// All of the server's randomness.
const SEED: [u8; 32] = [7; 32];

impl World {
    /// A server that speaks every dialect, with the accounts `alice`, `bob` and `reader`, who
    /// may only read, and the shares
    /// `share`, `readonly` (the same files), `crypt` (the same, encrypted only), `private` (nobody
    /// may), `inside` (the same, watched for what SMB does alone), `quiet` (the same, not watched at
    /// all), `lasting` (the same, where opens outlive the server if [`Config::persistent_handles`]
    /// allows it), `broken` (its directory is missing) and `IPC$`.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with another configuration.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            names: ServerNames {
                netbios_computer: "WORLD".into(),
                netbios_domain: "WORLD".into(),
                dns_computer: "world".into(),
                dns_domain: String::new(),
            },
            min_dialect: Dialect::SMB_2_0_2,
            ..Config::default()
        };
        change(&mut config);
        let now = Now { mono: Instant(1_000_000), wall: FileTime::from_unix(1_700_000_000, 0) };
        let mut vfs = MemVfs::new(now.wall);
        vfs.serve(ROOT);
        let mut daemon = Daemon::new();
        for (name, uid) in ACCOUNTS {
            daemon.account(name, uid);
        }
        for rules in shares() {
            daemon.share(rules);
        }
        let config = Arc::new(config);
        Self(Rc::new(RefCell::new(Inner {
            server: Server::new(Arc::clone(&config), SEED),
            now,
            links: BTreeMap::new(),
            alive: Vec::new(),
            accepted: 0,
            calls: Calls::default(),
            vfs,
            daemon,
            executor: None,
            outputs: VecDeque::new(),
            refusals: Vec::new(),
            digest: 0,
            finished: false,
            config,
            tape: tape::Tape::default(),
            history: history::History::default(),
            entries: 0,
            runs: 0,
        })))
    }

    /// A new connection; nothing was said on it.
    pub fn connect(&self) -> Client {
        self.try_connect([10, 0, 0, 1]).unwrap_or_else(|why| panic!("{why}"))
    }

    /// A new connection from an address, if it is welcome.
    pub fn try_connect(&self, address: [u8; 4]) -> Result<Client, Unwelcome> {
        let conn = self.0.borrow_mut().accept(address)?;
        Ok(Client::new(self.clone(), conn))
    }

    /// A connection on which this dialect was negotiated.
    pub fn client(&self, dialect: Dialect) -> Client {
        let mut client = self.connect();
        client.offer = crate::Offer::only(dialect);
        client.negotiate().ok();
        client
    }

    /// Another connection of a client's session, with what its first one has negotiated.
    #[track_caller]
    pub fn channel(&self, of: &Client, user: &str) -> Client {
        let mut client = self.connect();
        client.offer = of.offer.clone();
        client.negotiate().ok();
        client.join(of, user).ok();
        client
    }

    /// A client of dialect 3.1.1 with a session of this account and `share` connected.
    pub fn logged_on(&self, user: &str) -> Client {
        self.client(Dialect::SMB_3_1_1).logged_on(user)
    }

    /// The file system, to prepare or to look at.
    pub fn vfs<T>(&self, look: impl FnOnce(&mut MemVfs) -> T) -> T {
        look(&mut self.0.borrow_mut().vfs)
    }

    /// The daemon, to prepare or to look at.
    pub fn daemon<T>(&self, look: impl FnOnce(&mut Daemon) -> T) -> T {
        look(&mut self.0.borrow_mut().daemon)
    }

    /// Puts a file into the share.
    pub fn put(&self, path: &str, data: &[u8]) {
        self.vfs(|vfs| vfs.put(ROOT, path, data));
    }

    /// A file's data, if it is in the share.
    pub fn data(&self, path: &str) -> Option<Vec<u8>> {
        self.vfs(|vfs| vfs.data_at(ROOT, path))
    }

    /// Something of that name is in the share.
    pub fn exists(&self, path: &str) -> bool {
        self.vfs(|vfs| vfs.at(ROOT, path).is_some())
    }

    /// A number for every byte that the server has sent so far: the same inputs give the same one.
    pub fn digest(&self) -> u64 {
        self.0.borrow().digest
    }

    /// What the server was told.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow().config)
    }

    /// How full the server's tables are.
    pub fn counters(&self) -> Counters {
        self.0.borrow().server.counters()
    }

    /// Who was to carry out the last call that was asked for.
    pub fn executor(&self) -> Option<Executor> {
        self.0.borrow().executor
    }

    /// How full one table is, by its name.
    #[track_caller]
    pub fn budget(&self, name: &str) -> Budget {
        let inner = self.0.borrow();
        let budgets = inner.server.status(inner.now.mono).budgets;
        let found = budgets.into_iter().find(|budget| budget.name == name);
        found.unwrap_or_else(|| panic!("no budget {name}"))
    }

    /// What whoever watches the server is shown.
    pub fn status(&self) -> Status {
        let inner = self.0.borrow();
        inner.server.status(inner.now.mono)
    }

    /// Refusals since the last look.
    pub fn refusals(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.0.borrow_mut().refusals)
    }

    /// From now on calls wait for [`Self::complete`] or [`Self::release_calls`].
    pub fn hold_calls(&self) {
        self.0.borrow_mut().calls.hold(None);
    }

    /// From now on calls of this kind ([`op_name`](crate::memvfs::op_name)) wait.
    pub fn hold(&self, op: &'static str) {
        self.0.borrow_mut().calls.hold(Some(op));
    }

    /// The calls that wait, oldest first.
    pub fn held(&self) -> Vec<&'static str> {
        self.0.borrow().calls.held()
    }

    /// Carries out the `index`th call that waits.
    #[track_caller]
    pub fn complete(&self, index: usize) {
        self.0.borrow_mut().complete_held(index, None);
    }

    /// Carries out the `index`th call that waits; what it comes to is not told until
    /// [`Self::complete_carried`].
    #[track_caller]
    pub fn carry_out(&self, index: usize) {
        self.0.borrow_mut().carry_out_held(index);
    }

    /// Calls of [`Self::carry_out`] have come to something that was not told.
    pub fn has_carried(&self) -> bool {
        self.0.borrow().calls.has_kept()
    }

    /// Tells the server what the calls of [`Self::carry_out`] have come to.
    pub fn complete_carried(&self) {
        self.0.borrow_mut().complete_carried();
    }

    /// The `index`th call that waits fails.
    #[track_caller]
    pub fn fail(&self, index: usize, error: VfsError) {
        self.0.borrow_mut().complete_held(index, Some(error));
    }

    /// Holds no calls any more, and carries out those that wait.
    pub fn release_calls(&self) {
        self.0.borrow_mut().release_calls();
    }

    /// When, and why, the server wants to be called next.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.0.borrow().server.poll_timeout()
    }

    /// Moves the clock, stopping exactly at each of the server's timers.
    pub fn advance(&self, time: Duration) {
        self.0.borrow_mut().advance(time);
    }

    /// What the clock shows.
    pub fn now(&self) -> Now {
        self.0.borrow().now
    }

    /// Everybody hangs up, everything that is under way ends, and nothing may be left.
    #[track_caller]
    pub fn finish(&self) {
        self.0.borrow_mut().finish();
    }

    pub(crate) fn inner<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn shares() -> Vec<Rules> {
    let disk = |name: &str| Share::disk(name, ROOT);
    let open = |share| Rules { share: Arc::new(share), read_only: false, refused: None };
    vec![
        open(disk("share")),
        Rules { read_only: true, ..open(disk("readonly")) },
        open(Share { streams: true, ..disk("streams") }),
        open(Share { encrypt: true, ..disk("crypt") }),
        Rules {
            refused: Some(ksmbd_core::status::NtStatus::ACCESS_DENIED),
            ..open(disk("private"))
        },
        open(Share { kernel_change_notify: false, ..disk("inside") }),
        open(Share { change_notify: false, ..disk("quiet") }),
        open(Share { continuous: true, ..disk("lasting") }),
        open(Share::disk("broken", "/nowhere")),
        open(Share::ipc()),
    ]
}

impl Inner {
    fn accept(&mut self, address: [u8; 4]) -> Result<ConnId, Unwelcome> {
        let port = 40_000 + u16::try_from(self.accepted % 20_000).unwrap_or(0);
        let peer = Peer { address: (address, port).into(), local: ([10, 0, 0, 254], 445).into() };
        let mut accepted = Err(Unwelcome::TooMany);
        self.enter(|server, now, out| accepted = server.accept(now, peer.clone(), out));
        let connection = accepted?.connection;
        let id = connection.id();
        self.accepted += 1;
        self.note_now(|| put::accept(id, &peer));
        self.links.insert(id, Link::new(connection));
        self.alive.push(id);
        self.run();
        Ok(id)
    }

    /// Bytes of a client, as many and as few as it likes.
    pub(crate) fn deliver(&mut self, conn: ConnId, parts: &[&[u8]]) {
        if let Some(link) = self.links.get_mut(&conn) {
            parts.iter().for_each(|bytes| link.receive(bytes));
        }
        self.run();
    }

    /// The next frame that was sent to a client, without its prefix, and when it was sent.
    pub(crate) fn receive(&mut self, conn: ConnId) -> Option<(u64, Vec<u8>)> {
        self.links.get_mut(&conn)?.sent.pop_front()
    }

    /// Frames that a client has not read.
    pub(crate) fn unread(&self, conn: ConnId) -> usize {
        self.links.get(&conn).map_or(0, |link| link.sent.len())
    }

    /// Why the server's side has dropped a connection; asked once, it is expected.
    pub(crate) fn dropped(&mut self, conn: ConnId) -> Option<ConnectionError> {
        let link = self.links.get_mut(&conn)?;
        link.expected = true;
        link.dropped
    }

    /// The same, for a look.
    pub(crate) fn is_dropped(&self, conn: ConnId) -> bool {
        self.links.get(&conn).is_none_or(|link| link.dropped.is_some())
    }

    /// What is unread of a client does not matter.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.expected = true;
            link.sent.clear();
        }
    }

    /// Room that the connection offers the socket now.
    pub(crate) fn spare(&mut self, conn: ConnId) -> usize {
        let link = self.links.get_mut(&conn);
        link.and_then(|link| link.connection.as_mut()).map_or(0, |c| c.spare().len())
    }

    /// Calls would be held back.
    pub(crate) fn holds(&self) -> bool {
        self.calls.holds()
    }

    fn complete_held(&mut self, index: usize, error: Option<VfsError>) {
        let (op, call) = self.calls.take(index);
        match error {
            Some(error) => self.completed(op, Done::Failed(error)),
            None => self.carry_out(op, call),
        }
        self.run();
    }

    fn carry_out_held(&mut self, index: usize) {
        let (op, call) = self.calls.take(index);
        let done = self.come_to(call);
        self.calls.keep(op, done);
    }

    fn complete_carried(&mut self) {
        for (op, done) in self.calls.told() {
            self.completed(op, done);
        }
        self.run();
    }

    fn release_calls(&mut self) {
        self.calls.release();
        self.complete_carried();
    }

    fn carry_out(&mut self, op: OpId, call: Call) {
        let done = self.come_to(call);
        self.completed(op, done);
    }

    fn come_to(&mut self, call: Call) -> Done {
        self.vfs.now = self.now.wall;
        match self.daemon.run(call) {
            Ok(done) => done,
            Err(call) => self.vfs.run(call),
        }
    }

    fn started(&mut self, on: Executor, op: OpId, call: Call) {
        if let Executor::Client(conn) = on {
            let alive = self.links.get(&conn).is_some_and(|link| link.connection.is_some());
            assert!(alive, "a call on the thread of {conn:?}, who is gone");
        }
        self.executor = Some(on);
        self.calls.start(op, call);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            self.finish();
        }
    }
}
