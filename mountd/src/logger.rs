//! Where log lines go: to the terminal, or to the system's log once there is no terminal.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// LOCAL5, ksmbd's facility, in the place that RFC 3164 4.1.1 has for it.
const LOCAL5: u8 = 21 << 3;

/// The one logger of the process.
static LOGGER: Logger = Logger { syslog: Mutex::new(None) };

struct Logger {
    /// Set once the process has left its terminal.
    syslog: Mutex<Option<UnixDatagram>>,
}

/// Begins to log to standard error; `verbose` also shows what is only of use to find a fault.
pub fn start(verbose: bool) {
    // A second call, in tests, changes the level alone.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(if verbose { LevelFilter::Debug } else { LevelFilter::Info });
}

/// Goes on in the system's log.
///
/// # Errors
///
/// There is no system log; lines still go to standard error.
pub fn use_syslog() -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect("/dev/log")?;
    // A log that is full must not make clients wait.
    socket.set_nonblocking(true)?;
    *LOGGER.syslog.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    Ok(())
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let syslog = self.syslog.lock().unwrap_or_else(PoisonError::into_inner);
        // A line that cannot be written is lost: there is nobody to tell.
        let _ = match &*syslog {
            Some(socket) => socket.send(syslog_line(record).as_bytes()).map(drop),
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
    fn syslog_has_facility_severity_and_pid() {
        with(Level::Error, |record| {
            let line = syslog_line(record);
            let expected = format!("<171>ksmbd.mountd[{}]: a", std::process::id());
            assert!(line.starts_with(&expected), "{line}");
        });
    }
}
