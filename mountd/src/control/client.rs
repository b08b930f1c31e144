//! The client's end.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Answer, Command, read_answer};

/// How long a server may take to answer: a reload looks names up, perhaps over the network.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to end: it lets running requests end first.
const FAREWELL: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// Asks the server behind a socket. Also returns its process.
///
/// # Errors
///
/// It cannot be asked, or does not answer as a server does.
pub fn ask(path: &Path, command: &Command) -> Result<(Answer, Pid), String> {
    let shown = path.display();
    let mut stream = UnixStream::connect(path).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "run as root, or as the server's user",
            _ => "is ksmbd.mountd running? A server with -C is reached by its --control socket",
        };
        format!("{shown}: cannot connect: {error}; {remedy}")
    })?;
    let failed = |error: std::io::Error| format!("{shown}: {error}");
    let server = socket_peercred(&stream).map_err(|error| failed(error.into()))?.pid;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    // A server that refuses us may have hung up already; then its answer says why.
    let written = stream.write_all(format!("{command}\n").as_bytes());
    let answer = read_answer(&mut stream).map_err(|error| match written {
        Ok(()) => format!("{shown}: {error}"),
        Err(error) => failed(error),
    })?;
    Ok((answer, server))
}

/// Asks the server to stop, and waits until its process has ended.
///
/// # Errors
///
/// See [`ask`]; or it does not end in time.
pub fn shutdown(path: &Path) -> Result<Answer, String> {
    // Before it is asked: afterwards the number may be another's.
    let (answer, server) = ask(path, &Command::Version)?;
    let Ok(_) = answer else {
        return Ok(answer);
    };
    let process = match pidfd_open(server, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(error) => return Err(format!("cannot watch process {}: {error}", server.as_raw_pid())),
    };
    let (answer, _) = ask(path, &Command::Shutdown)?;
    if answer.is_err() {
        return Ok(answer);
    }
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    loop {
        match poll(&mut ended, Some(&FAREWELL)) {
            Ok(0) => {
                let pid = server.as_raw_pid();
                return Err(format!("ksmbd.mountd (process {pid}) does not end"));
            }
            Ok(_) => return Ok(Ok("stopped".to_owned())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
