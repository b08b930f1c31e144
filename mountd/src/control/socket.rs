//! The server's end: a socket that root and the server's own user may use, and a thread behind it.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::{Answer, Command, read_line, write_answer};
use crate::ending;

/// How long a client may take for its request, and for each part of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no socket.
#[derive(Debug)]
pub enum SocketError {
    /// Another server has it.
    InUse(PathBuf),
    /// Something else has its name.
    NoSocket(PathBuf),
    /// It cannot be made.
    Io(PathBuf, io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "{}: another server is controlled there; name another socket with --control",
                path.display()
            ),
            Self::NoSocket(path) => write!(
                f,
                "{}: there is something else; remove it, or name another socket with --control",
                path.display()
            ),
            Self::Io(path, error) => write!(
                f,
                "{}: cannot make the socket: {error}; name another one with --control",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SocketError {}

/// A socket that clients can already connect to. Its file goes when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

/// Clients that are answered beside each other. What comes then is answered before anybody else is let in.
const CLIENTS: usize = 16;

/// Does what clients ask, several at a time: one may take long.
pub trait Handler: Send + Sync + 'static {
    /// The answer to a command.
    fn handle(&self, command: &Command) -> Answer;
}

impl ControlSocket {
    /// Makes the socket. What a server that was killed has left is replaced.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |error| SocketError::Io(path.to_owned(), error);
        make_room(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who connects before this is asked for his name all the same.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        let file = (metadata.dev(), metadata.ino());
        Ok(Self { listener, path: path.to_owned(), file })
    }

    /// Answers clients in a thread, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// There is no thread, or no descriptor.
    pub fn serve(self, handler: impl Handler) -> io::Result<Control> {
        let (bell, end) = UnixStream::pair()?;
        let handler = Arc::new(handler);
        let thread = thread::Builder::new().name("ksmbd.control".to_owned()).spawn(move || {
            let mut answering = Vec::new();
            while self.wait(&end) {
                answering.retain(|thread: &JoinHandle<()>| !thread.is_finished());
                let Some(client) = self.accept() else { continue };
                if answering.len() >= CLIENTS {
                    talk(client, &*handler);
                    continue;
                }
                let handler = Arc::clone(&handler);
                let thread = thread::Builder::new().name("ksmbd.answer".to_owned());
                match thread.spawn(move || talk(client, &*handler)) {
                    Ok(thread) => answering.push(thread),
                    Err(error) => log::warn!("control: no thread: {error}"),
                }
            }
            ending::join(answering, PATIENCE);
        })?;
        Ok(Control { bell: Some(bell), thread: Some(thread) })
    }

    /// Waits for a client; `false` at the end.
    fn wait(&self, end: &UnixStream) -> bool {
        let mut fds = [PollFd::new(end, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => fds[0].revents().is_empty(),
            Err(error) => {
                log::error!("{}: {error}; nobody is answered any more", self.path.display());
                false
            }
        }
    }

    fn accept(&self) -> Option<UnixStream> {
        match self.listener.accept() {
            Ok((stream, _)) => return Some(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                log::warn!("{}: {error}", self.path.display());
                // Out of descriptors, most likely: it would be asked again at once.
                thread::sleep(Duration::from_millis(100));
            }
        }
        None
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Somebody may have put another socket there.
        let same = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(same) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Ends the thread when it is dropped, after the answers that are being written.
#[derive(Debug)]
pub struct Control {
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Control {
    fn drop(&mut self) {
        // The other end hears that this one is closed.
        drop(self.bell.take());
        ending::join(self.thread.take(), 2 * PATIENCE);
    }
}

/// Removes a socket that nobody listens to.
fn make_room(path: &Path) -> Result<(), SocketError> {
    let failed = |error| SocketError::Io(path.to_owned(), error);
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !kind.is_socket() {
        return Err(SocketError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            log::info!("{}: left by a server that is gone; replaced", path.display());
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn talk(client: UnixStream, handler: &impl Handler) {
    if let Err(error) = converse(client, handler) {
        log::debug!("control: {error}");
    }
}

/// One client: who it is, what it asks, what it is told.
fn converse(stream: UnixStream, handler: &impl Handler) -> Result<(), String> {
    stream.set_nonblocking(false).map_err(|error| error.to_string())?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let client = socket_peercred(&stream).map_err(|error| error.to_string())?;
    let answer = match permitted(client.uid.as_raw(), geteuid().as_raw()) {
        true => match request(&stream) {
            Ok(command) => {
                log::debug!("control: process {} asks for {command:?}", client.pid.as_raw_pid());
                handler.handle(&command)
            }
            Err(error) => Err(error),
        },
        false => {
            log::warn!("control: user {} is refused", client.uid.as_raw());
            Err("only root and the server's own user may control it".to_owned())
        }
    };
    write_answer(&mut &stream, &answer).map_err(|error| format!("not answered: {error}"))
}

/// Root may, and who the server runs as.
fn permitted(client: u32, server: u32) -> bool {
    client == 0 || client == server
}

fn request(stream: &UnixStream) -> Result<Command, String> {
    Command::parse(&read_line(&mut Patient { stream, until: Instant::now() + PATIENCE })?)
}

/// Reads for a time altogether, however slowly bytes trickle in.
struct Patient<'a> {
    stream: &'a UnixStream,
    until: Instant,
}

impl io::Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        self.stream.set_read_timeout(Some(left))?;
        (&mut &*self.stream).read(buffer)
    }
}

#[cfg(test)]
mod tests;
