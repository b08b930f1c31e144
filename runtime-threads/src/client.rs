//! One client's thread, `ksmbd/N`. It owns the socket and the [`Connection`] and sleeps in `poll` on
//! the socket and, while others may have something for it, a bell. Bytes become requests, requests enter the
//! server, its calls run here, and its answers are sealed and written here; the mailbox is looked at between any two
//! calls.

use crate::{
    daemon::Asked,
    mailbox::{Entry, Mailbox, Next, Waker},
    room::Hung,
    server::{Own, Ran, Shared},
    socket::{self, Woken},
    vfs::identity,
};
use crossbeam_channel::Sender;
use ksmbd_core::{
    connection::{Connection, Incoming},
    error::ConnectionError,
    id::{ConnId, OpId},
    message::Outbound,
    vfs::{Call, Done},
};
use ksmbd_record::{Came, Sent, event::put};
use std::{
    fmt, io,
    net::TcpStream,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The rest of a frame has to come within this time of its first byte ...
const FRAME_TIME: Duration = Duration::from_secs(30);

/// ... and a second more for each so many bytes of it: what a slow line carries.
const FRAME_RATE: u64 = 16 * 1024;

/// An idle client's buffers are given back after this.
const TRIM_AFTER: Duration = Duration::from_secs(5);

/// Entries of a mailbox beyond one for each parked request.
const MAILBOX: usize = 16 * 1024;

/// How many entries a client's mailbox takes.
pub(crate) fn mailbox_limit(parked: usize) -> usize {
    MAILBOX.saturating_add(parked)
}

/// Why a client's thread ends.
#[derive(Debug)]
enum End {
    /// The client closed the connection.
    Closed,
    /// The server stops.
    Stopping,
    /// A frame did not come in time.
    Late,
    /// Its mailbox is full.
    Overflow,
    /// The transport.
    Io(io::Error),
    /// The protocol.
    Protocol(ConnectionError),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the client"),
            Self::Stopping => f.write_str("the server stops"),
            Self::Late => f.write_str("a frame did not arrive in time"),
            Self::Overflow => f.write_str("the client does not take what is sent to it"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> Self {
        Self::Protocol(error)
    }
}

/// What a client's thread has.
pub(crate) struct Client {
    shared: Arc<Shared>,
    connection: Connection,
    socket: Arc<TcpStream>,
    mailbox: Arc<Mailbox>,
    /// See [`Client::hang_bell`].
    bell: Option<Hung>,
    /// It has had a session: others may have something for it at any time.
    is_known: bool,
    /// Calls of this client that have not begun.
    own: Own,
    /// The call that runs now.
    running: Option<OpId>,
    /// Calls that are with the daemon.
    asked: Asked,
    /// What the last request's frame takes.
    held: usize,
    frame: Option<Arriving>,
}

/// A frame of which a part has come.
struct Arriving {
    since: Instant,
    bytes: u64,
}

impl Arriving {
    fn begin() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }

    fn deadline(&self) -> Instant {
        self.since + FRAME_TIME + Duration::from_secs(self.bytes / FRAME_RATE)
    }
}

impl Client {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connection: Connection,
        socket: Arc<TcpStream>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        let (own, asked) = (Own::new(), Asked::default());
        let (bell, is_known, running, held, frame) = (None, false, None, 0, None);
        Self {
            shared,
            connection,
            socket,
            mailbox,
            bell,
            is_known,
            own,
            running,
            asked,
            held,
            frame,
        }
    }

    /// Starts the thread; it says on `gone` when it ends. A thread that cannot be started is a client
    /// that is gone.
    pub(crate) fn spawn(mut self, gone: Sender<ConnId>) -> io::Result<JoinHandle<()>> {
        let id = self.connection.id();
        let (shared, mailbox) = (Arc::clone(&self.shared), Arc::clone(&self.mailbox));
        let thread =
            thread::Builder::new().name(format!("ksmbd/{}", id.0)).stack_size(crate::STACK);
        let spawned = thread.spawn(move || {
            identity::renounce();
            self.live(id);
            // The forker may be gone already, at the very end.
            let _ = gone.send(id);
            self.shared.forker.ring();
        });
        spawned.inspect_err(|_| shared.hang_up(id, &mailbox, Vec::new()))
    }

    /// From the first byte to the hang-up. A panic outside the lock costs this client alone.
    fn live(&mut self, id: ConnId) {
        match catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(Err(End::Closed)) => log::debug!("ksmbd/{}: {}", id.0, End::Closed),
            Ok(Err(end)) => log::info!("ksmbd/{}: hung up: {end}", id.0),
            Ok(Ok(never)) => match never {},
            Err(_) => log::error!("ksmbd/{}: its thread panicked; the client is hung up", id.0),
        }
        // The client learns it before the server tidies up.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        self.asked.take_back();
        let waiting = self.own.drain(..).map(|(op, _)| op);
        let unfinished = self.running.take().into_iter().chain(waiting).collect();
        self.shared.hang_up(id, &self.mailbox, unfinished);
    }

    fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            self.work()?;
            if self.shared.is_stopping() {
                return Err(End::Stopping);
            }
            self.receive()?;
        }
    }

    /// Does what has come: the mailbox, and all whole frames.
    fn work(&mut self) -> Result<(), End> {
        self.settle()?;
        while self.asked.has_room()
            && let Some(incoming) = self.poll()?
        {
            let request = match incoming {
                Incoming::Request(request) => request,
                Incoming::NeedKeys(session) => {
                    let keys = self.shared.keys_of(self.connection.id(), session);
                    self.connection.give_keys(session, keys);
                    continue;
                }
            };
            self.frame = None;
            self.held = request.elements.first().map_or(0, |element| element.bytes.held());
            let me = Some((self.connection.id(), &mut self.own));
            self.shared.handle(me, request);
            self.settle()?;
        }
        Ok(())
    }

    /// Until nothing is left to do: the mailbox first, then one call, and again.
    fn settle(&mut self) -> Result<(), End> {
        loop {
            match self.mailbox.pop() {
                Next::Entry(Entry::Message(message)) => self.send(message)?,
                Next::Entry(Entry::Call(op, call)) => self.own.push_back((op, call)),
                Next::Entry(Entry::Done(op, done)) => {
                    self.asked.answered(op);
                    self.complete(op, done);
                }
                Next::Overflow => return Err(End::Overflow),
                Next::Empty => match self.own.pop_front() {
                    Some((op, call)) => self.run(op, call),
                    None => return Ok(()),
                },
            }
        }
    }

    fn run(&mut self, op: OpId, call: Call) {
        self.running = Some(op);
        let begun = Instant::now();
        let connection = &mut self.connection;
        let mut reply_buf = |length| connection.reply_buf(length);
        let ran = self.shared.run(Some(&self.mailbox), op, call, &mut reply_buf);
        self.running = None;
        self.was_busy(begun);
        match ran {
            Ran::Done(done) => self.complete(op, done),
            Ran::Asked(receipt) => self.asked.add(op, receipt, self.held),
        }
    }

    fn complete(&mut self, op: OpId, done: Done) {
        let me = Some((self.connection.id(), &mut self.own));
        self.shared.complete(me, op, done);
    }

    fn poll(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        let came = self.connection.poll_request();
        self.shared.recorder.own(|| put::poll(self.connection.id(), Came::of(&came)));
        came
    }

    fn send(&mut self, message: Outbound) -> Result<(), End> {
        self.is_known |= matches!(message, Outbound::Keys(..));
        let sealed = self.connection.seal(message);
        self.shared.recorder.own(|| put::seal(self.connection.id(), Sent::of(&sealed)));
        if let Some(frame) = sealed? {
            let begun = Instant::now();
            socket::write(&self.socket, frame.bytes())?;
            self.connection.recycle(frame);
            self.was_busy(begun);
        }
        Ok(())
    }

    /// Since then nothing was read: a frame of which a part has come is not late for that.
    fn was_busy(&mut self, begun: Instant) {
        if let Some(frame) = &mut self.frame {
            frame.since += begun.elapsed();
        }
    }

    /// Waits for bytes or the bell, and takes what bytes there are.
    fn receive(&mut self) -> Result<(), End> {
        let wants_input = self.connection.wants_input() && self.asked.has_room();
        if !wants_input {
            // While an answer is awaited nothing is read: that is not the client's fault.
            self.frame = None;
        } else if self.connection.is_mid_frame() {
            // It may have begun together with the end of the frame before.
            self.frame.get_or_insert_with(Arriving::begin);
        }
        // While bytes keep coming there is no need to ask first.
        if wants_input && self.read()? {
            return Ok(());
        }
        let mut trimmed = false;
        loop {
            let wait = match &self.frame {
                Some(frame) => Some(frame.deadline().saturating_duration_since(Instant::now())),
                None if !trimmed => Some(TRIM_AFTER),
                None => None,
            };
            match self.sleep(wants_input, wait)? {
                Woken::Bell => return Ok(()),
                // Whoever has gone wants no answers. What else he has said is done, if it can be read.
                Woken::Socket if !wants_input => {
                    return if self.asked.take_back() { Ok(()) } else { Err(End::Closed) };
                }
                Woken::Socket => {
                    self.read()?;
                    return Ok(());
                }
                Woken::Timeout if self.frame.is_some() => return Err(End::Late),
                Woken::Timeout => {
                    self.connection.trim();
                    trimmed = true;
                }
            }
        }
    }

    /// Sleeps, unless there is something in the mailbox.
    fn sleep(&mut self, wants_input: bool, timeout: Option<Duration>) -> io::Result<Woken> {
        self.hang_bell()?;
        let hang_up = || Waker::HangUp(Arc::clone(&self.socket));
        let bell = self.bell.as_deref();
        if !self.mailbox.lie_down(bell.map_or_else(hang_up, |bell| Waker::Bell(Arc::clone(bell)))) {
            return Ok(Woken::Bell);
        }
        // Whoever stops the server says so, and then wakes those that he finds asleep.
        let woken = match self.shared.is_stopping() {
            true => Ok(Woken::Bell),
            false => socket::wait(bell.map(Arc::as_ref), &self.socket, wants_input, timeout),
        };
        self.mailbox.rise();
        if let (Ok(Woken::Bell), Some(bell)) = (&woken, bell) {
            bell.hush();
        }
        woken
    }

    /// A bell is a descriptor: whoever holds many connections, and never says on them who he is, is not to have one
    /// for each. Before there was a session, and while no answer is awaited, all that others have for a connection
    /// is that it has to go, or what is of use with its next request.
    fn hang_bell(&mut self) -> io::Result<()> {
        let awaits = !self.connection.wants_input() || !self.asked.is_empty();
        if !self.is_known && !awaits {
            self.bell = None;
        } else if self.bell.is_none() {
            self.bell = Some(Hung::new(&self.shared.room)?);
            if self.shared.room.is_scarce() {
                // Somebody may have to go for it.
                self.shared.forker.ring();
            }
        }
        Ok(())
    }

    /// Nothing more comes from the client. Without a bell, that may be how it is told why.
    fn over(&mut self) -> End {
        if self.bell.is_some() {
            return End::Closed;
        }
        match self.settle() {
            Err(end) => end,
            Ok(()) if self.shared.is_stopping() => End::Stopping,
            Ok(()) => End::Closed,
        }
    }

    /// Reads once. `false`: there is nothing to read now.
    fn read(&mut self) -> Result<bool, End> {
        let id = self.connection.id();
        let spare = self.connection.spare();
        let count = match socket::read(&self.socket, spare)? {
            Some(0) => return Err(self.over()),
            Some(count) => count,
            None => return Ok(false),
        };
        let read = spare.get(..count).unwrap_or_default();
        self.shared.recorder.own(|| put::received(id, read));
        self.connection.filled(count);
        if self.connection.is_mid_frame() {
            let frame = self.frame.get_or_insert_with(Arriving::begin);
            frame.bytes = frame.bytes.saturating_add(count as u64);
            if frame.deadline() < Instant::now() {
                return Err(End::Late);
            }
        } else {
            self.frame = None;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
