//! The thread `ksmbd/0`: accepts clients and starts their threads, runs the server's timers, and in
//! the end sees everybody off.

use crate::{
    client::{Client, mailbox_limit},
    mailbox::Mailbox,
    server::Shared,
    socket,
    vfs::outside,
    worker::Job,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use ksmbd_core::{id::ConnId, vfs::Peer};
use log::Level;
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Connections taken in before timers get their turn.
const BATCH: usize = 32;

/// How long nobody is accepted after descriptors or memory ran out.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is looked at most what was changed outside SMB: what happens meanwhile comes together.
const OUTSIDE: Duration = Duration::from_millis(25);

/// Connections that are refused, or cannot be accepted, are told once in this time.
const QUIET: Duration = Duration::from_secs(5);

/// How long running calls may take when the server stops; after that sockets are closed ...
const DRAIN: Duration = Duration::from_secs(10);

/// ... and after that much more the threads are left to themselves.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Clients that have been told to go and have not gone, before others are let in ...
const LEAVING: usize = 32;

/// ... but for those who were told so long ago: a file system that does not answer keeps their threads, and is to
/// keep nobody else. There are not many of them: the core then refuses whoever would need another's place.
const STUCK: Duration = Duration::from_secs(5);

/// A client's thread, as its parent knows it.
struct Child {
    thread: JoinHandle<()>,
    socket: Arc<TcpStream>,
}

/// Those that had to go for others.
#[derive(Default)]
struct Leaving {
    ids: BTreeMap<ConnId, Instant>,
    /// Since it was said last.
    untold: u64,
    quiet_until: Option<Instant>,
}

impl Leaving {
    /// How long there are too many of them, if nobody goes: as many as this.
    fn crowded_for(&self, now: Instant, many: usize) -> Option<Duration> {
        let left = |told: &Instant| STUCK.checked_sub(now.saturating_duration_since(*told));
        let mut left: Vec<_> = self.ids.values().filter_map(left).collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        left.get(many.saturating_sub(1)).copied()
    }
}

/// What the thread has.
pub(crate) struct Forker {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    children: BTreeMap<ConnId, Child>,
    leaving: Leaving,
    gone: (Sender<ConnId>, Receiver<ConnId>),
    mailbox_limit: usize,
    paused_until: Option<Instant>,
    quiet_until: Option<Instant>,
    /// Nobody looks outside before.
    outside_from: Option<Instant>,
}

impl Forker {
    /// Starts the thread. `worker` ends when it does.
    pub(crate) fn spawn(
        shared: Arc<Shared>,
        listeners: Vec<TcpListener>,
        worker: JoinHandle<()>,
        parked: usize,
    ) -> io::Result<JoinHandle<()>> {
        let mut forker = Self {
            shared,
            listeners,
            children: BTreeMap::new(),
            leaving: Leaving::default(),
            gone: unbounded(),
            mailbox_limit: mailbox_limit(parked),
            paused_until: None,
            quiet_until: None,
            outside_from: None,
        };
        let thread = thread::Builder::new().name("ksmbd/0".into()).stack_size(crate::STACK);
        thread.spawn(move || {
            while !forker.shared.is_stopping() {
                forker.turn();
            }
            forker.drain(worker);
        })
    }

    /// Sleeps until something is to be done, and does it.
    fn turn(&mut self) {
        if let Err(error) = self.sleep() {
            log::error!("ksmbd/0: poll: {error}");
            thread::sleep(PAUSE);
        }
        self.shared.timers();
        self.reap();
        if !self.fits(0) {
            self.make_room();
        }
        if !self.is_paused() {
            self.accept();
        }
    }

    /// Whoever had to go has to be gone before more come.
    fn crowded_for(&self) -> Option<Duration> {
        let many = if self.fits(1) { LEAVING } else { 1 };
        self.leaving.crowded_for(Instant::now(), many)
    }

    /// There are descriptors for so many more.
    fn fits(&self, more: usize) -> bool {
        let there = self.children.len().saturating_sub(self.leaving.ids.len());
        self.shared.room.fits(there.saturating_add(more))
    }

    fn is_paused(&mut self) -> bool {
        self.paused_until = self.paused_until.filter(|until| *until > Instant::now());
        self.paused_until.is_some()
    }

    fn sleep(&mut self) -> io::Result<()> {
        let paused = self.is_paused();
        let pause = self.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        let timer = self.shared.arm().map(|deadline| self.shared.clock.until(deadline));
        self.outside_from = self.outside_from.filter(|from| *from > Instant::now());
        let rest = self.outside_from.map(|from| from.saturating_duration_since(Instant::now()));
        let crowded = self.crowded_for();
        let timeout = [pause, timer, rest, crowded];
        let timeout = timeout.into_iter().flatten().min().map(socket::timespec);
        let mut fds = vec![PollFd::new(&self.shared.forker, PollFlags::IN)];
        let outside = outside::queue().filter(|_| self.outside_from.is_none());
        fds.extend(outside.iter().map(|queue| PollFd::new(queue, PollFlags::IN)));
        if !paused && crowded.is_none() {
            fds.extend(self.listeners.iter().map(|l| PollFd::new(l, PollFlags::IN)));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let changed = outside.is_some() && fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        self.shared.forker.hush();
        if changed {
            self.shared.look_outside();
            self.outside_from = Some(Instant::now() + OUTSIDE);
        }
        Ok(())
    }

    fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            for _ in 0..BATCH {
                if self.crowded_for().is_some() {
                    return;
                }
                let Some(listener) = self.listeners.get(index) else { return };
                match listener.accept() {
                    Ok((socket, address)) => {
                        if let Err(error) = self.welcome(socket, address) {
                            self.complain(Level::Warn, &address, &error);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if is_the_client_s(&error) => {}
                    Err(error) => {
                        self.complain(Level::Error, &"accept", &error);
                        self.make_room();
                        self.paused_until = Some(Instant::now() + PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// A flood of connections is not to become a flood of lines, nor are descriptors that stay scarce.
    fn complain(&mut self, level: Level, about: &dyn fmt::Display, error: &io::Error) {
        let now = Instant::now();
        if self.quiet_until.is_some_and(|until| now < until) {
            log::debug!("ksmbd/0: {about}: {error}");
        } else {
            log::log!(level, "ksmbd/0: {about}: {error}");
            self.quiet_until = Some(now + QUIET);
        }
    }

    fn welcome(&mut self, socket: TcpStream, address: SocketAddr) -> io::Result<()> {
        if !self.fits(1) && !self.make_room() {
            return Err(io::Error::other("refused: no descriptors, and everybody has a session"));
        }
        socket::prepare(&socket)?;
        let peer = Peer { address, local: socket.local_addr()? };
        let mailbox = Arc::new(Mailbox::new(self.mailbox_limit));
        let accepted = self.shared.accept(peer, Arc::clone(&mailbox));
        let accepted = accepted.map_err(|why| io::Error::other(format!("refused: {why}")))?;
        let connection = accepted.connection;
        if let Some(goes) = accepted.goes {
            self.send_away(goes);
        }
        let id = connection.id();
        let socket = Arc::new(socket);
        let client =
            Client::new(Arc::clone(&self.shared), connection, Arc::clone(&socket), mailbox);
        let spawned = client.spawn(self.gone.0.clone());
        let thread = spawned.map_err(|error| {
            self.make_room();
            io::Error::new(error.kind(), format!("no thread: {error}"))
        })?;
        log::debug!("ksmbd/{}: {address}", id.0);
        self.children.insert(id, Child { thread, socket });
        Ok(())
    }

    /// It is told by the server; but it may be busy with what it does not read.
    fn send_away(&mut self, id: ConnId) {
        let Some(child) = self.children.get(&id) else { return };
        let _ = child.socket.shutdown(Shutdown::Both);
        let Leaving { ids, untold, quiet_until } = &mut self.leaving;
        let now = Instant::now();
        ids.insert(id, now);
        *untold += 1;
        if quiet_until.is_none_or(|until| until <= now) {
            log::warn!("ksmbd/0: no room: {untold} connections without a session went for others");
            *quiet_until = Some(now + QUIET);
            *untold = 0;
        }
    }

    /// The machine has no room for those who are there, whatever the limits say: one without a session
    /// goes, so that the next one comes in. False: nobody more goes.
    fn make_room(&mut self) -> bool {
        let stranger = self.shared.oldest_stranger();
        let goes = stranger.filter(|id| !self.leaving.ids.contains_key(id));
        goes.inspect(|id| self.send_away(*id)).is_some()
    }

    /// Joins the threads that have ended.
    fn reap(&mut self) {
        while let Ok(id) = self.gone.1.try_recv() {
            self.bury(id);
        }
    }

    fn bury(&mut self, id: ConnId) {
        self.leaving.ids.remove(&id);
        if let Some(child) = self.children.remove(&id)
            && child.thread.join().is_err()
        {
            log::error!("ksmbd/{}: panicked while it hung up", id.0);
        }
    }

    /// Nobody new, running calls end, everybody is hung up, the worker does the rest.
    fn drain(&mut self, worker: JoinHandle<()>) {
        self.listeners.clear();
        self.shared.wake_all();
        self.reap_until(Instant::now() + DRAIN);
        for (id, child) in &self.children {
            log::warn!("ksmbd/{}: does not end; its connection is closed", id.0);
            let _ = child.socket.shutdown(Shutdown::Both);
        }
        self.reap_until(Instant::now() + GIVE_UP);
        self.shared.close_kept();
        let _ = self.shared.worker.send(Job::Stop);
        let deadline = Instant::now() + GIVE_UP;
        while !worker.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if !self.children.is_empty() || !worker.is_finished() {
            log::warn!("ksmbd/0: {} threads are left behind", self.children.len());
        } else if worker.join().is_err() {
            log::error!("ksmbd/w: panicked");
        }
    }

    fn reap_until(&mut self, deadline: Instant) {
        while !self.children.is_empty() {
            match self.gone.1.recv_deadline(deadline) {
                Ok(id) => self.bury(id),
                Err(_) => return,
            }
        }
    }
}

/// Errors of a connection that was gone before it was accepted; the next one may be well.
fn is_the_client_s(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests;
