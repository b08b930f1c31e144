//! The server and its daemon, as one thing that starts and stops.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use ksmbd_core::config::{Config, MAX_PIPES};
use ksmbd_core::rng::Rng;
use ksmbd_core::status_report::Budget;
use ksmbd_record::Writer;
use ksmbd_runtime_threads::{Letter, Options, Runtime, Status};

use crate::config::interfaces::ListenError;
use crate::control::socket::SocketError;
use crate::daemon::Daemon;
use crate::lock_file::LockError;
use crate::pipes::Pipes;
use crate::state::{Current, LoadError, State};
use crate::subauth::SubauthError;
use crate::{ending, persistent, random};

/// What is left of the daemon's work when the server has ended may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// Another one runs.
    Lock(LockError),
    /// A file cannot be used; the details have been logged.
    Load(LoadError),
    /// The file with the machine's SID cannot be used.
    Subauth(SubauthError),
    /// There is nowhere to listen.
    Interfaces(ListenError),
    /// An address cannot be listened on.
    Listen(Vec<SocketAddr>, io::Error),
    /// The directory of `--try` cannot be served.
    Folder(String),
    /// `ksmbd.control` cannot reach it.
    Control(SocketError),
    /// The directory of `--record` cannot be written to.
    Record(PathBuf, io::Error),
    /// Something that every system has is not there.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "{error}"),
            Self::Load(error) => write!(f, "{error}"),
            Self::Subauth(error) => write!(f, "{error}"),
            Self::Interfaces(error) => write!(f, "{error}"),
            Self::Control(error) => write!(f, "{error}"),
            Self::Listen(addresses, error) => {
                let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "cannot listen on {}: {error}; ", list.join(", "))?;
                f.write_str(match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "stop the other server there, or choose another port with -p"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "ports below 1024 are root's: run as root, or choose another port with -p"
                    }
                    _ => "check `interfaces` and `tcp port`",
                })
            }
            Self::Folder(what) => f.write_str(what),
            Self::Record(folder, error) => {
                write!(f, "cannot record to {}: {error}", folder.display())
            }
            Self::System(doing, error) => write!(f, "cannot {doing}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What the core is told. Handles that persist are there where somebody wants them and there is a
/// place for them.
fn config(state: &State, guid: [u8; 16], journal: bool) -> Config {
    let persistent_handles = journal && persistent::are_wanted(state);
    Config { persistent_handles, ..state.settings.global.config(guid) }
}

/// A server that runs.
pub struct Server {
    runtime: Runtime,
    /// The threads that answer its questions.
    daemons: Daemons,
    current: Current,
    guid: [u8; 16],
    /// There is a journal for persistent handles.
    persistent: bool,
    pipe_count: Arc<AtomicUsize>,
}

impl Server {
    /// Starts the daemon's threads, then the server's. What the server is told goes into `record`.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing runs.
    pub fn start(
        state: State,
        listen: Vec<SocketAddr>,
        record: Option<Writer>,
    ) -> Result<Self, StartError> {
        let seed = random::bytes().map_err(|error| StartError::System("get randomness", error))?;
        let guid = random::bytes().map_err(|error| StartError::System("get randomness", error))?;
        let journal = persistent::begin(&state);
        let persistent = journal.is_some();
        let config = Arc::new(config(&state, guid, persistent));
        let secret =
            random::bytes().map_err(|error| StartError::System("get randomness", error))?;
        let current = Current::new(state);
        let pipes = Pipes::new(current.clone(), Rng::new(secret));
        let pipe_count = pipes.count();
        let (daemons, daemon, rpc) = Daemons::spawn(Daemon::new(current.clone()), pipes)
            .map_err(|error| StartError::System("start a thread", error))?;
        let listen_on = listen.clone();
        let options = Options { listen: listen_on, config, seed, daemon, rpc, record, journal };
        let runtime = Runtime::start(options).map_err(|error| StartError::Listen(listen, error))?;
        Ok(Self { runtime, daemons, current, guid, persistent, pipe_count })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.runtime.local_addrs()
    }

    /// The state that it decides by.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// Goes on with the current state: shares and accounts for those who connect from now on, `[global]` for
    /// new connections and sessions. Returns the keys of what was different `before` and needs a restart.
    pub fn changed(&self, before: &State) -> Option<&'static str> {
        let state = self.current.get();
        self.runtime.reconfigure(Arc::new(config(&state, self.guid, self.persistent)));
        let directory = |state: &State| state.settings.global.state_directory.clone();
        if persistent::are_wanted(&state) && !self.persistent {
            Some("continuous availability")
        } else if self.persistent && directory(before) != directory(&state) {
            Some("state directory")
        } else {
            None
        }
    }

    /// Who is connected, and what is open.
    pub fn status(&self) -> Status {
        let mut status = self.runtime.status();
        status.budgets.push(Budget {
            name: "pipes",
            used: self.pipe_count.load(Ordering::Relaxed),
            limit: Some(MAX_PIPES),
        });
        status
    }

    /// Lets the clients' running requests end, and ends all threads.
    pub fn stop(self) {
        self.runtime.stop();
        // With the last client nobody writes letters any more, and they end.
        ending::join(self.daemons.0, PATIENCE);
    }
}

/// The threads that answer the server's questions.
struct Daemons([JoinHandle<()>; 2]);

impl Daemons {
    /// Starts them. Where questions are sent, and where those about pipes.
    fn spawn(daemon: Daemon, pipes: Pipes) -> io::Result<(Self, Sender<Letter>, Sender<Letter>)> {
        // Without a bound of their own: the server bounds what each client asks, and a thread writes
        // letters to itself, for an answer may drop the last hold of a pipe. On a full channel it
        // would wait for itself.
        let (to_daemon, questions) = crossbeam_channel::unbounded();
        let (to_pipes, about_pipes) = crossbeam_channel::unbounded();
        let threads = [daemon.spawn(questions)?, pipes.spawn(about_pipes)?];
        Ok((Self(threads), to_daemon, to_pipes))
    }
}
