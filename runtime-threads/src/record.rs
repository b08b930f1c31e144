//! Records what the core is told ([`ksmbd_record`]). Events are made by the threads that have them and
//! go through one channel, those of the server while its lock is held, so that they are in one order;
//! a thread of its own (`ksmbd/r`) writes them, so that nobody does I/O under the lock.

use crossbeam_channel::{Receiver, RecvError, Sender, unbounded};
use ksmbd_core::time::Now;
use ksmbd_record::{Ended, Writer, event::put};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Events that are written together.
const BLOCK: usize = 64 * 1024;

/// With more than this unwritten, clients' threads wait for the disk.
const BEHIND: usize = 32 << 20;

/// How often they look whether it has caught up.
const MOMENT: Duration = Duration::from_millis(1);

/// A process that has to end waits so long for what is not written yet.
const RESCUE: Duration = Duration::from_secs(10);

/// Where events go; nowhere, mostly.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Option<Running>);

#[derive(Debug)]
struct Running {
    events: Sender<Told>,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    on: AtomicBool,
    /// Bytes of events on their way to the disk.
    unwritten: AtomicUsize,
}

#[derive(Debug)]
enum Told {
    Event(Vec<u8>),
    Stopped,
    Broken,
}

/// An event that lacks its time. Made before the lock is taken.
#[derive(Debug)]
pub(crate) struct Note(Option<Vec<u8>>);

impl Recorder {
    /// Starts the thread.
    pub(crate) fn spawn(writer: Writer) -> io::Result<Self> {
        let (sender, events) = unbounded();
        let state = Arc::new(State { on: AtomicBool::new(true), unwritten: AtomicUsize::new(0) });
        let theirs = Arc::clone(&state);
        let name = writer.path().display().to_string();
        let thread = thread::Builder::new().name("ksmbd/r".into()).stack_size(crate::STACK);
        let thread = thread.spawn(move || {
            match write(writer, &events, &theirs) {
                Ok(Some(Ended::Stopped)) => log::info!("recorded: {name}"),
                Ok(Some(Ended::Full)) => log::warn!("{name} is full: nothing more is recorded"),
                Ok(None) => log::warn!("recorded up to what broke the server: {name}"),
                Err(error) => log::error!("{name}: {error}: nothing more is recorded"),
            }
            theirs.on.store(false, Ordering::Release);
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Some(Running { events: sender, state, thread })))
    }

    /// Prepares an event of the server.
    pub(crate) fn note(&self, event: impl FnOnce() -> Vec<u8>) -> Note {
        Note(self.running().map(|_| event()))
    }

    /// The event happens now. Called with the server's lock held.
    pub(crate) fn at(&self, note: Note, now: Now) {
        if let (Some(running), Some(event)) = (self.running(), note.0) {
            running.send(put::at(event, now));
        }
    }

    /// An event of the server that has no time. Called with its lock held.
    pub(crate) fn now(&self, event: impl FnOnce() -> Vec<u8>) {
        if let Some(running) = self.running() {
            running.send(event());
        }
    }

    /// An event of a connection, on its own thread; waits while the disk is behind.
    pub(crate) fn own(&self, event: impl FnOnce() -> Vec<u8>) {
        let Some(running) = self.running() else { return };
        let state = &running.state;
        while state.unwritten.load(Ordering::Relaxed) > BEHIND && state.on.load(Ordering::Acquire) {
            thread::sleep(MOMENT);
        }
        running.send(event());
    }

    /// Everything is written, and the recording ends.
    pub(crate) fn stop(&self) {
        let Some(running) = &self.0 else { return };
        let _ = running.events.send(Told::Stopped);
        let thread = running.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("ksmbd/r: panicked");
        }
    }

    /// The server is broken and the process about to end: all that came before is written, what broke it is the
    /// last of it. Called with the server's lock held, so that nothing comes after.
    pub(crate) fn rescue(&self) {
        let Some(running) = &self.0 else { return };
        let _ = running.events.send(Told::Broken);
        let thread = running.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let until = Instant::now() + RESCUE;
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until
        {
            thread::sleep(MOMENT);
        }
    }

    fn running(&self) -> Option<&Running> {
        self.0.as_ref().filter(|running| running.state.on.load(Ordering::Acquire))
    }
}

impl Running {
    fn send(&self, event: Vec<u8>) {
        self.state.unwritten.fetch_add(event.len(), Ordering::Relaxed);
        // When nobody writes any more, nothing is recorded any more.
        let _ = self.events.send(Told::Event(event));
    }
}

/// Writes what comes, as much at once as there is. `None`: nothing more will come, and nobody has ended it.
fn write(mut writer: Writer, events: &Receiver<Told>, state: &State) -> io::Result<Option<Ended>> {
    let mut next = events.recv();
    // Without a sender there is no server.
    while let Ok(Told::Event(mut block)) = next {
        next = loop {
            match events.try_recv() {
                Ok(Told::Event(event)) if block.len() < BLOCK => block.extend_from_slice(&event),
                Ok(other) => break Ok(other),
                Err(_) => break Err(RecvError),
            }
        };
        let written = writer.write(&block)?;
        state.unwritten.fetch_sub(block.len(), Ordering::Relaxed);
        if !written {
            return writer.end(Ended::Full).map(|_| Some(Ended::Full));
        }
        if next.is_err() {
            next = events.recv();
        }
    }
    if matches!(next, Ok(Told::Broken)) {
        return Ok(None);
    }
    writer.end(Ended::Stopped).map(|_| Some(Ended::Stopped))
}

#[cfg(test)]
mod tests;
