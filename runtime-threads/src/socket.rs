//! Reading and writing a socket that never blocks, and waiting for it together with a bell.

use crate::mailbox::Bell;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    io::Errno,
    net::sockopt,
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// A client that takes not a byte for this long is hung up ...
const STALL: Duration = Duration::from_secs(30);

/// ... and one that has not taken a frame in that time and a second for each so many bytes of it.
const RATE: u64 = 16 * 1024;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    Bell,
    Socket,
    Timeout,
}

/// Makes an accepted socket what client threads want.
pub(crate) fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    // A client that vanished without a word is noticed within some minutes.
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(120))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    Ok(())
}

/// Sleeps until the bell rings, if there is one, the socket can be read (if that is wanted) or its other end is gone, or
/// the time is over.
pub(crate) fn wait(
    bell: Option<&Bell>,
    socket: &TcpStream,
    wants_input: bool,
    timeout: Option<Duration>,
) -> io::Result<Woken> {
    let timeout = timeout.map(timespec);
    let what = if wants_input { PollFlags::IN } else { PollFlags::RDHUP };
    let ringing = bell.map_or_else(|| socket.as_fd(), AsFd::as_fd);
    let mut fds = [PollFd::new(socket, what), PollFd::from_borrowed_fd(ringing, PollFlags::IN)];
    let (fds, _) = fds.split_at_mut(if bell.is_some() { 2 } else { 1 });
    match poll(fds, timeout.as_ref()) {
        Ok(0) => return Ok(Woken::Timeout),
        // As if the bell had rung: whoever waits looks at everything and comes back.
        Err(Errno::INTR) => return Ok(Woken::Bell),
        Ok(_) => {}
        Err(errno) => return Err(errno.into()),
    }
    let rang = fds.get(1).is_some_and(|bell| !bell.revents().is_empty());
    Ok(if rang { Woken::Bell } else { Woken::Socket })
}

/// For `poll`; far deadlines are as good as never.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds.min(1 << 30), tv_nsec: duration.subsec_nanos().into() }
}

/// Reads what is there; `None` when nothing is, 0 at the end.
pub(crate) fn read(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.read(buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Writes everything, as long as the client takes it with some speed.
pub(crate) fn write(mut socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let mut deadline = None;
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let whole = STALL + Duration::from_secs(bytes.len() as u64 / RATE);
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + whole);
                writable(socket, deadline)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn writable(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = timespec(left.min(STALL));
    match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout)) {
        Ok(0) => Err(io::Error::new(ErrorKind::TimedOut, "the client takes no data")),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
