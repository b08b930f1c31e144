//! Serving what the configuration file says: start, signals, end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use ksmbd_adduser::paths;
use ksmbd_record::Writer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::account::{Serving, unix};
use crate::config::interfaces::listen_addresses;
use crate::control::handler::ServerHandler;
use crate::control::socket::ControlSocket;
use crate::lock_file::LockFile;
use crate::options::Options;
use crate::reload::Reloader;
use crate::server::{Server, StartError};
use crate::state::{Source, State};
use crate::{detach, ending, logger, subauth};

/// How long what is under way may take when the server ends.
const PATIENCE: Duration = Duration::from_secs(1);

/// Serves in this process until a signal ends it, or in a child if it is to detach.
pub fn run(options: &Options) -> ExitCode {
    let detached = detach::is_detached();
    if options.detach && !detached {
        return detach::start_child().unwrap_or_else(|error| {
            log::error!("cannot go to the background: {error}; stay in the foreground with -n");
            ExitCode::FAILURE
        });
    }
    match serve(options, detached) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("not started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options, detached: bool) -> Result<(), StartError> {
    if detached {
        detach::leave_session().map_err(|error| StartError::System("leave the session", error))?;
    }
    // Before the lock: a signal that ends us must not leave it behind.
    let mut signals = signals()?;
    // The lock file belongs to the system's configuration. Who names another one may run as
    // many servers as there are ports.
    let _lock = match options.common.is_own() {
        true => None,
        false => Some(LockFile::acquire(&paths::lock_file()).map_err(StartError::Lock)?),
    };
    let beside = subauth::beside(&absolute(&options.common.config));
    let machine = subauth::load_or_create(&beside).map_err(StartError::Subauth)?;
    let source = source(options, machine);
    let state = source.load().map_err(StartError::Load)?;
    let listen = listen(&state, options.port)?;
    let socket = control_socket(options)?;
    let server = Arc::new(Server::start(state, listen, recording(options)?)?);
    let failed = |error| StartError::System("start a thread", error);
    let reloader = Arc::new(Reloader::new(&server, source));
    let (reload, reloads) = Arc::clone(&reloader).spawn().map_err(failed)?;
    let handler = ServerHandler(reloader);
    let control = socket.map(|socket| socket.serve(handler)).transpose().map_err(failed)?;
    log_what_is_served(&server);
    if detached {
        go_quiet();
    }
    wait(&mut signals, &server, &reload);
    drop((control, reload));
    match ending::alone(server, PATIENCE) {
        Some(server) => server.stop(),
        None => log::error!("something still uses the server: it is not stopped, but ended"),
    }
    ending::join([reloads], PATIENCE);
    log::info!("stopped");
    Ok(())
}

/// The socket that the command line names; else, with the system's configuration, the usual one.
/// Several servers with configurations of their own would fight for it.
fn control_socket(options: &Options) -> Result<Option<ControlSocket>, StartError> {
    if let Some(path) = &options.control {
        return ControlSocket::bind(&absolute(path)).map(Some).map_err(StartError::Control);
    }
    if options.common.is_own() {
        return Ok(None);
    }
    let socket = ControlSocket::bind(&paths::control_socket());
    Ok(socket.inspect_err(|error| log::warn!("ksmbd.control cannot be used: {error}")).ok())
}

/// Where `--record` wants it.
pub(crate) fn recording(options: &Options) -> Result<Option<Writer>, StartError> {
    let create = |folder: &PathBuf| {
        let limit = u64::from(options.record_limit) << 20;
        Writer::create(&absolute(folder), limit)
            .map_err(|error| StartError::Record(folder.clone(), error))
    };
    options.record.as_ref().map(create).transpose()
}

/// The files that the command line names.
pub(crate) fn source(options: &Options, machine: [u32; 3]) -> Source {
    Source {
        config: absolute(&options.common.config),
        pwddb: absolute(&options.common.pwddb),
        unix: Arc::from(unix::machine()),
        serving: Serving::detect(),
        machine,
    }
}

/// TERM, INT and QUIT end it, HUP reads the files again, USR1 lists.
pub(crate) fn signals() -> Result<Signals, StartError> {
    Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1])
        .map_err(|error| StartError::System("take signals", error))
}

/// Until a signal ends it. It waits for nothing else.
fn wait(signals: &mut Signals, server: &Server, reload: &Sender<()>) {
    for signal in signals.forever() {
        match signal {
            // One that is about to begin is as good.
            SIGHUP => _ = reload.try_send(()),
            SIGUSR1 => log_what_is_served(server),
            _ => {
                log::info!("stopping");
                break;
            }
        }
    }
}

pub(crate) fn listen(state: &State, port: Option<u16>) -> Result<Vec<SocketAddr>, StartError> {
    let mut global = state.settings.global.clone();
    global.port = port.unwrap_or(global.port);
    listen_addresses(&global).map_err(StartError::Interfaces)
}

/// Once detached, the working directory is another.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn go_quiet() {
    if let Err(error) = logger::use_syslog() {
        log::warn!("there is no system log, nothing will be logged: {error}");
    }
    if let Err(error) = detach::ready() {
        log::error!("cannot let go of the terminal: {error}");
    }
}

fn log_what_is_served(server: &Server) {
    let state = server.current().get();
    let shares: Vec<_> =
        state.settings.shares.iter().map(|settings| settings.share.name.as_str()).collect();
    let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
    log::info!("serving {} on {}", shares.join(", "), addresses.join(", "));
}
