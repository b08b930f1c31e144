//! Where log lines go: to the terminal, or to the system's log once there is no terminal.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// LOCAL5, ksmbd's facility, in the place that RFC 3164 4.1.1 has for it.
const LOCAL5: u8 = 21 << 3;

/// The one logger of the process.
static LOGGER: Logger = Logger { syslog: Mutex::new(None) };

struct Logger {
    /// Set once the process has left its terminal.
    syslog: Mutex<Option<Syslog>>,
}

/// ksmbd's components, and the modules whose lines are theirs. Nothing is logged yet by what is not
/// there yet.
const COMPONENTS: [(&str, &[&str]); 7] = [
    ("smb", &["ksmbd_core", "ksmbd_runtime_threads::server"]),
    ("auth", &["ksmbd_mountd::account", "ksmbd_mountd::admit", "ksmbd_mountd::daemon"]),
    ("vfs", &["ksmbd_runtime_threads::vfs"]),
    ("oplock", &[]),
    ("ipc", &["ksmbd_mountd::rpc", "ksmbd_mountd::control", "ksmbd_runtime_threads::daemon"]),
    (
        "conn",
        &[
            "ksmbd_runtime_threads::client",
            "ksmbd_runtime_threads::forker",
            "ksmbd_runtime_threads::mailbox",
            "ksmbd_runtime_threads::socket",
            "ksmbd_runtime_threads::worker",
        ],
    ),
    ("rdma", &[]),
];

/// All components' bits.
const ALL: u8 = 0x7f;

/// Whose lines that are only of use to find a fault are shown: a bit a component.
static DEBUGGED: AtomicU8 = AtomicU8::new(0);

/// Begins to log to standard error; `verbose` also shows what is only of use to find a fault.
pub fn start(verbose: bool) {
    // A second call, in tests, changes the level alone.
    let _ = log::set_logger(&LOGGER);
    debug(if verbose { ALL } else { 0 });
}

fn debug(components: u8) {
    DEBUGGED.store(components, Ordering::Relaxed);
    log::set_max_level(if components == 0 { LevelFilter::Info } else { LevelFilter::Debug });
}

/// Turns a component's lines on or off; `all` turns all on, or off if they are. Returns the
/// components as ksmbd shows them, those that are on in brackets.
///
/// # Errors
///
/// There is no such component; all are listed.
pub fn toggle(component: &str) -> Result<String, String> {
    let before = DEBUGGED.load(Ordering::Relaxed);
    debug(toggled(before, component)?);
    Ok(shown(DEBUGGED.load(Ordering::Relaxed)))
}

fn toggled(before: u8, component: &str) -> Result<u8, String> {
    if component == "all" {
        return Ok(if before == ALL { 0 } else { ALL });
    }
    let at = COMPONENTS.iter().position(|(name, _)| *name == component).ok_or_else(|| {
        let names: Vec<_> = COMPONENTS.iter().map(|(name, _)| *name).collect();
        let component = component.escape_debug();
        format!("there is no component `{component}`; write all, {}", names.join(", "))
    })?;
    Ok(before ^ (1 << at))
}

fn shown(components: u8) -> String {
    let names = (0..).zip(COMPONENTS).map(|(at, (name, _))| match components & (1 << at) {
        0 => name.to_owned(),
        _ => format!("[{name}]"),
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Whether a module's debugging lines are shown.
fn debugged(components: u8, module: &str) -> bool {
    let of = |prefix: &&str| {
        module.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    components == ALL
        || (0..)
            .zip(COMPONENTS)
            .any(|(at, (_, modules))| components & (1 << at) != 0 && modules.iter().any(of))
}

/// Goes on in the system's log.
///
/// # Errors
///
/// There can be none; lines still go to standard error. One that only is not there yet is waited for: the
/// program that writes it may be started later, and is started anew at times.
pub fn use_syslog() -> io::Result<()> {
    let (syslog, connected) = Syslog::connect(Path::new("/dev/log"))?;
    if let Err(error) = connected {
        log::warn!("there is no system log, and nothing is logged until there is one: {error}");
    }
    *LOGGER.syslog.lock().unwrap_or_else(PoisonError::into_inner) = Some(syslog);
    Ok(())
}

/// The system's log.
struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Syslog {
    /// The log there, and whether it can be written now.
    ///
    /// # Errors
    ///
    /// There are no sockets.
    fn connect(path: &Path) -> io::Result<(Self, io::Result<()>)> {
        let socket = UnixDatagram::unbound()?;
        // A log that is full must not make clients wait.
        socket.set_nonblocking(true)?;
        let connected = socket.connect(path);
        Ok((Self { socket, path: path.to_owned() }, connected))
    }

    /// Whoever has read it before may have ended, and another one begun.
    fn send(&self, line: &str) -> io::Result<()> {
        match self.socket.send(line.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.socket.connect(&self.path)?;
                self.socket.send(line.as_bytes()).map(drop)
            }
            sent => sent.map(drop),
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
            || metadata.level() <= log::max_level()
                && debugged(DEBUGGED.load(Ordering::Relaxed), metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let syslog = self.syslog.lock().unwrap_or_else(PoisonError::into_inner);
        // A line that cannot be written is lost: there is nobody to tell.
        let _ = match &*syslog {
            Some(syslog) => syslog.send(&syslog_line(record)),
            None => io::stderr().write_all(terminal_line(record).as_bytes()),
        };
    }

    fn flush(&self) {}
}

fn terminal_line(record: &Record<'_>) -> String {
    let word = match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    };
    format!("ksmbd.mountd: {word}{}\n", one_line(record))
}

fn syslog_line(record: &Record<'_>) -> String {
    let severity = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let pid = std::process::id();
    format!("<{}>ksmbd.mountd[{pid}]: {}", LOCAL5 | severity, one_line(record))
}

/// What a client wrote may be in a message; it must not be able to write lines of its own.
fn one_line(record: &Record<'_>) -> String {
    let mut line = String::new();
    for c in record.args().to_string().chars() {
        if c.is_control() {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_adduser::scratch::Scratch;

    fn with(level: Level, check: impl FnOnce(&Record<'_>)) {
        check(&Record::builder().level(level).args(format_args!("a\nb\x1b[2J ü")).build());
    }

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        with(Level::Warn, |record| {
            assert_eq!(terminal_line(record), "ksmbd.mountd: warning: a\\nb\\u{1b}[2J ü\n");
        });
    }

    #[test]
    fn components_are_turned_on_and_off() {
        let vfs = toggled(0, "vfs").expect("a component");
        assert_eq!(shown(vfs), "smb auth [vfs] oplock ipc conn rdma");
        assert!(debugged(vfs, "ksmbd_runtime_threads::vfs::open"));
        assert!(!debugged(vfs, "ksmbd_runtime_threads::vfsx"));
        assert!(!debugged(vfs, "ksmbd_mountd::account"));
        assert_eq!(toggled(vfs, "vfs"), Ok(0));
        let all = toggled(vfs, "all").expect("all of them");
        assert!(all == ALL && debugged(all, "anything") && !debugged(0, "ksmbd_core"));
        assert_eq!(toggled(all, "all"), Ok(0));
        assert_eq!(
            toggled(0, "net").expect_err("none"),
            "there is no component `net`; write all, smb, auth, vfs, oplock, ipc, conn, rdma"
        );
    }

    #[test]
    fn a_log_that_is_begun_anew_is_found_again() {
        let scratch = Scratch::new("logger-syslog");
        let path = scratch.path().join("log");
        let (syslog, connected) = Syslog::connect(&path).expect("a socket");
        connected.expect_err("nobody is there");
        syslog.send("lost").expect_err("nobody is there");
        for line in ["first", "second"] {
            let log = UnixDatagram::bind(&path).expect("a log");
            syslog.send(line).expect("it is there");
            let mut read = [0; 16];
            let length = log.recv(&mut read).expect("a line");
            assert_eq!(read.get(..length), Some(line.as_bytes()));
            drop(log);
            std::fs::remove_file(&path).expect("its socket");
        }
    }

    #[test]
    fn syslog_has_facility_severity_and_pid() {
        with(Level::Error, |record| {
            let line = syslog_line(record);
            let expected = format!("<171>ksmbd.mountd[{}]: a", std::process::id());
            assert!(line.starts_with(&expected), "{line}");
        });
    }
}
