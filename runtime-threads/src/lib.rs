//! Drives the SMB engine of `ksmbd-core`: a forker thread that accepts (`ksmbd/0`), one blocking
//! thread a client (`ksmbd/N`), a worker (`ksmbd/w`), and the Linux file system.
//!
//! Architecture Invariant: the server is behind one lock, and while it is held nothing waits: no
//! reading, no writing, not even a close.
#![forbid(unsafe_code)]

mod client;
mod clock;
pub mod daemon;
mod descriptors;
mod entry;
mod forker;
pub mod journal;
mod mailbox;
mod record;
mod room;
mod server;
pub mod signal;
mod socket;
pub mod vfs;
mod worker;

pub use daemon::{Answer, Letter, PipeId, Question};
pub use ksmbd_core::{server::Counters, status_report::Status};

use clock::Clock;
use crossbeam_channel::{Sender, unbounded};
use daemon::Post;
use forker::Forker;
use journal::Journal;
use ksmbd_core::{config::Config, server::Server, vfs::Past};
use ksmbd_record::{Start, Writer};
use mailbox::Bell;
use record::Recorder;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use server::Shared;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

/// Of every thread: address space, of which a client that waits uses some pages.
const STACK: usize = 256 * 1024;

/// Connections that may wait to be accepted: in a flood an honest one is among them, and not lost. The
/// system may allow fewer.
const BACKLOG: i32 = 4096;

/// What a [`Runtime`] is started with.
pub struct Options {
    /// Where to listen. Port 0 takes any that is free.
    pub listen: Vec<SocketAddr>,
    /// For the server.
    pub config: Arc<Config>,
    /// All of the server's randomness.
    pub seed: [u8; 32],
    /// Who answers [`Question`]s.
    pub daemon: Sender<Letter>,
    /// Who answers those about pipes; it may be the same.
    pub rpc: Sender<Letter>,
    /// Everything that the server is told is written there.
    pub record: Option<Writer>,
    /// Where promises are kept that outlive the server, and those of the servers before.
    pub journal: Option<(Journal, Past)>,
}

/// A running server. Dropping it stops it.
pub struct Runtime {
    shared: Arc<Shared>,
    forker: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

impl Runtime {
    /// Binds and starts serving. The process's umask becomes 0, since the modes of new files come
    /// from the shares' settings.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options { listen, config, seed, daemon, rpc, record, journal } = options;
        let listeners = listen.iter().map(bind).collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        rustix::process::umask(rustix::fs::Mode::empty());
        let (config, room) = descriptors::provide(config);
        let (parked, outside) =
            (config.limits.parked_per_connection, config.limits.outside_watches);
        let (worker, jobs) = unbounded();
        let post = Post::new(daemon, rpc, worker.clone());
        let recorder = match record {
            Some(writer) => begin(writer, seed, &config)?,
            None => Recorder::default(),
        };
        let server = Server::new(config, seed);
        let (clock, bell) = (Clock::start(), Bell::new()?);
        let (journal, past) = journal.unzip();
        let shared = Shared::new(server, clock, bell, worker, recorder, (post, journal), outside);
        shared.room.set(room);
        // Before anybody can be accepted.
        past.into_iter().for_each(|past| shared.restore(past));
        let worker = worker::spawn(Arc::clone(&shared), jobs)?;
        let forker = Forker::spawn(Arc::clone(&shared), listeners, worker, parked)?;
        Ok(Self { shared, forker: Some(forker), addresses })
    }

    /// Where clients are accepted, in the order of [`Options::listen`].
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How full the server's tables are.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Who is connected, and what is open.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Goes on with another configuration: see [`Server::reconfigure`].
    pub fn reconfigure(&self, config: Arc<Config>) {
        let (config, room) = descriptors::provide(config);
        self.shared.room.set(room);
        self.shared.reconfigure(config);
    }

    /// Accepts nobody any more, lets running calls end, hangs everybody up, and returns when the
    /// threads have ended or had their time.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stop();
        if let Some(forker) = self.forker.take()
            && forker.join().is_err()
        {
            log::error!("ksmbd/0: panicked");
        }
        self.shared.recorder.stop();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end();
    }
}

/// Writes down what the server begins with.
fn begin(mut writer: Writer, seed: [u8; 32], config: &Arc<Config>) -> io::Result<Recorder> {
    let made_by = format!("ksmbd {}", env!("CARGO_PKG_VERSION"));
    writer.start(&Start { made_by, seed, config: Arc::clone(config) })?;
    log::warn!("recording to {}: it holds secrets", writer.path().display());
    Recorder::spawn(writer)
}

/// Binds an address that the machine may not be able to use yet: one of IPv6 is looked for among the neighbours
/// for a second after its interface has come up.
fn bind_early(address: &SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Without it, on old kernels, it has to be there.
    let _ = match address.is_ipv4() {
        true => sockopt::set_ip_freebind(&socket, true),
        false => sockopt::set_ipv6_freebind(&socket, true),
    };
    rustix::net::bind(&socket, address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn bind(address: &SocketAddr) -> io::Result<TcpListener> {
    let fail = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let listener = match address.ip().is_unspecified() {
        true => TcpListener::bind(address),
        false => bind_early(address),
    };
    let listener = listener.map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|errno| fail(errno.into()))?;
    Ok(listener)
}
