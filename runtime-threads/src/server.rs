//! The one lock. Every entry into the [`Server`] goes through [`Shared::enter`]; nothing that could
//! wait happens while the lock is held, and what the server puts out is posted in its order.

use crate::{
    clock::Clock,
    daemon::{Post, Posted, Receipt},
    journal::Journal,
    mailbox::{Bell, Entry, Mailbox, Waker},
    record::Recorder,
    room::Room,
    vfs,
    worker::{self, Job},
};
use crossbeam_channel::Sender;
use ksmbd_core::{
    buffer::ReplyBuf,
    error::Refusal,
    id::{ConnId, OpId},
    message::Outbound,
    server::{Counters, Server},
    sink::{Executor, Sink},
    status_report::{Budget, Status},
    time::{Instant, Now},
    vfs::{Call, Done, File, Op, VfsError},
};
use ksmbd_record::event::put;
use std::{
    collections::{BTreeMap, VecDeque},
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{self, Duration},
};

/// Whoever holds the lock longer than this is named in the log.
const LONG: Duration = Duration::from_millis(1);

/// Calls of the thread that is in the server, to be run by it.
pub(crate) type Own = VecDeque<(OpId, Call)>;

/// What becomes of a call that a thread carries out.
pub(crate) enum Ran {
    /// This is what it has come to.
    Done(Done),
    /// The daemon will answer.
    Asked(Receipt),
}

/// What all threads share.
pub(crate) struct Shared {
    locked: Mutex<Locked>,
    /// Wakes the forker: an earlier deadline, a client that is gone, the end.
    pub(crate) forker: Bell,
    pub(crate) clock: Clock,
    pub(crate) worker: Sender<Job>,
    pub(crate) recorder: Recorder,
    pub(crate) room: Arc<Room>,
    post: Post,
    journal: Option<Journal>,
    outside: Outside,
    stopping: AtomicBool,
}

/// Changes made outside SMB.
struct Outside {
    /// How the file system tells of them.
    tell: vfs::outside::Tell,
    /// Directories that may be watched.
    limit: usize,
    /// The worker has been asked to look.
    asked: AtomicBool,
}

pub(crate) struct Locked {
    pub(crate) server: Server,
    pub(crate) clients: BTreeMap<ConnId, Arc<Mailbox>>,
    /// When the forker will wake by itself.
    armed: Option<Instant>,
}

/// What is left to do when the lock is no longer held.
#[derive(Default)]
struct Left {
    wakers: Vec<Waker>,
    files: Vec<File>,
    /// Nobody is there to run these.
    undeliverable: Vec<(OpId, Option<Call>)>,
    refused: Vec<Entry>,
    wake_forker: bool,
}

/// The server's outputs on their way.
struct Posting<'a> {
    clients: &'a BTreeMap<ConnId, Arc<Mailbox>>,
    worker: &'a Sender<Job>,
    me: Option<(ConnId, &'a mut Own)>,
    left: &'a mut Left,
}

impl Posting<'_> {
    fn push(&mut self, to: ConnId, entry: Entry) {
        let Some(mailbox) = self.clients.get(&to) else {
            self.left.refused.push(entry);
            return;
        };
        match mailbox.push(entry) {
            Ok(waker) => self.left.wakers.extend(waker),
            Err(entry) => self.left.refused.push(*entry),
        }
    }
}

impl Sink for Posting<'_> {
    fn send(&mut self, to: ConnId, message: Outbound) {
        self.push(to, Entry::Message(message));
    }

    fn call(&mut self, on: Executor, op: OpId, call: Call) {
        match (on, &mut self.me) {
            (Executor::Client(to), Some((me, own))) if to == *me => own.push_back((op, call)),
            (Executor::Client(to), _) => self.push(to, Entry::Call(op, call)),
            (Executor::Worker, _) => {
                if let Err(error) = self.worker.send(Job::Call(op, call))
                    && let Job::Call(op, call) = error.into_inner()
                {
                    self.left.undeliverable.push((op, Some(call)));
                }
            }
        }
    }

    fn release(&mut self, file: File) {
        self.left.files.push(file);
    }

    fn refused(&mut self, refusal: &Refusal) {
        log::debug!("{refusal}");
    }
}

/// The server's state is half-changed when something panics in it: nobody may go on with it. Whoever looks for the
/// fault finds in the recording what led to it.
struct AbortOnPanic<'a>(&'a Recorder);

impl Drop for AbortOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.rescue();
            give_up();
        }
    }
}

fn give_up() -> ! {
    log::error!("the server's state is broken by a panic: exit and restart");
    eprintln!("ksmbd: the server's state is broken by a panic: exit and restart");
    process::abort()
}

impl Shared {
    pub(crate) fn new(
        server: Server,
        clock: Clock,
        forker: Bell,
        worker: Sender<Job>,
        recorder: Recorder,
        (post, journal): (Post, Option<Journal>),
        outside_watches: usize,
    ) -> Arc<Self> {
        let locked = Locked { server, clients: BTreeMap::new(), armed: None };
        let (locked, stopping) = (Mutex::new(locked), AtomicBool::new(false));
        let outside = Outside {
            tell: worker::teller(worker.clone()),
            limit: outside_watches,
            asked: AtomicBool::new(false),
        };
        let room = Room::new(usize::MAX);
        Arc::new(Self {
            locked,
            forker,
            clock,
            worker,
            recorder,
            room,
            post,
            journal,
            outside,
            stopping,
        })
    }

    /// Tells all threads to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.forker.ring();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Takes the lock, for as long as `work` takes.
    pub(crate) fn hold<T>(&self, what: &'static str, work: impl FnOnce(&mut Locked) -> T) -> T {
        let Ok(mut locked) = self.locked.lock() else { give_up() };
        let since = time::Instant::now();
        let guard = AbortOnPanic(&self.recorder);
        let result = work(&mut locked);
        drop(guard);
        drop(locked);
        let held = since.elapsed();
        if held > LONG {
            log::debug!("{what} held the lock for {} us", held.as_micros());
        }
        result
    }

    /// Lets a thread that is no client's into the server.
    pub(crate) fn enter<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut Server, Now, &mut dyn Sink) -> T,
    ) -> T {
        self.enter_as(None, what, work)
    }

    /// Lets the forker into the server. It has others to care for, and never waits for a file system: what is
    /// to be closed is the worker's.
    pub(crate) fn look_in<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut Server, Now, &mut dyn Sink) -> T,
    ) -> T {
        let mut left = Left::default();
        let result = self.hold(what, |locked| self.inside(locked, None, &mut left, work));
        let files = std::mem::take(&mut left.files);
        if !files.is_empty() {
            let _ = self.worker.send(Job::Release(files));
        }
        for op in self.after(&mut left).into_iter().flatten() {
            self.complete(None, op, Done::Failed(VfsError::HungUp));
        }
        result
    }

    /// Lets a client's thread into the server; calls for it are put into its own list.
    pub(crate) fn enter_as<T>(
        &self,
        mut me: Option<(ConnId, &mut Own)>,
        what: &'static str,
        work: impl FnOnce(&mut Server, Now, &mut dyn Sink) -> T,
    ) -> T {
        let mut left = Left::default();
        let own = me.as_mut().map(|(id, own)| (*id, &mut **own));
        let result = self.hold(what, |locked| self.inside(locked, own, &mut left, work));
        while let Some(failed) = self.after(&mut left) {
            let own = me.as_mut().map(|(id, own)| (*id, &mut **own));
            self.hold("complete", |locked| {
                self.inside(locked, own, &mut left, |server, now, sink| {
                    for op in failed {
                        let done = Done::Failed(VfsError::HungUp);
                        self.recorder.at(self.recorder.note(|| put::complete(op, &done)), now);
                        server.complete(now, op, done, sink);
                    }
                });
            });
        }
        result
    }

    fn inside<T>(
        &self,
        locked: &mut Locked,
        me: Option<(ConnId, &mut Own)>,
        left: &mut Left,
        work: impl FnOnce(&mut Server, Now, &mut dyn Sink) -> T,
    ) -> T {
        let Locked { server, clients, armed } = locked;
        let mut sink = Posting { clients, worker: &self.worker, me, left };
        let result = work(server, self.clock.now(), &mut sink);
        let next = server.poll_timeout().map(|(deadline, _)| deadline);
        if let Some(deadline) = next
            && armed.is_none_or(|armed| deadline < armed)
        {
            *armed = Some(deadline);
            left.wake_forker = true;
        }
        result
    }

    /// What was left to do without the lock. Returns the calls that have to fail, if there are any.
    fn after(&self, left: &mut Left) -> Option<Vec<OpId>> {
        let Left { wakers, files, undeliverable, refused, wake_forker } = std::mem::take(left);
        wakers.into_iter().for_each(Waker::wake);
        if wake_forker {
            self.forker.ring();
        }
        drop(files);
        let mut failed: Vec<_> = undeliverable.into_iter().map(|(op, _)| op).collect();
        for entry in refused {
            match entry {
                Entry::Call(op, _) => failed.push(op),
                Entry::Done(op, done) => {
                    let _ = self.worker.send(Job::Done(op, done));
                }
                // What is sent to a dead connection is discarded.
                Entry::Message(_) => {}
            }
        }
        (!failed.is_empty()).then_some(failed)
    }

    /// How full the tables are.
    pub(crate) fn counters(&self) -> Counters {
        self.hold("counters", |locked| locked.server.counters())
    }

    /// Who goes first where there is no room.
    pub(crate) fn oldest_stranger(&self) -> Option<ConnId> {
        self.hold("oldest_stranger", |locked| locked.server.oldest_stranger(self.clock.now().mono))
    }

    /// A copy of the server's tables, and how many directories inotify watches for them.
    pub(crate) fn status(&self) -> Status {
        let mut status = self.hold("status", |locked| locked.server.status(self.clock.now().mono));
        status.budgets.push(Budget {
            name: "directories watched outside SMB",
            used: vfs::outside::watched(),
            limit: Some(self.outside.limit),
        });
        status
    }

    /// When the forker has to run the server's timers next; it will not sleep longer.
    pub(crate) fn arm(&self) -> Option<Instant> {
        self.hold("arm", |locked| {
            locked.armed = locked.server.poll_timeout().map(|(deadline, _)| deadline);
            locked.armed
        })
    }

    /// Wakes every client's thread.
    pub(crate) fn wake_all(&self) {
        let mailboxes: Vec<_> =
            self.hold("wake", |locked| locked.clients.values().cloned().collect());
        mailboxes.iter().filter_map(|mailbox| mailbox.rouse()).for_each(Waker::wake);
    }

    /// Has the worker look what was changed outside SMB.
    pub(crate) fn look_outside(&self) {
        if !self.outside.asked.swap(true, Ordering::AcqRel) {
            let _ = self.worker.send(Job::Outside);
        }
    }

    /// The worker looks.
    pub(crate) fn looking_outside(&self) {
        self.outside.asked.store(false, Ordering::Release);
    }

    /// Carries a call out on this thread, or has the daemon answer it.
    pub(crate) fn run(
        &self,
        mailbox: Option<&Arc<Mailbox>>,
        op_id: OpId,
        call: Call,
        reply_buf: &mut dyn FnMut(usize) -> ReplyBuf,
    ) -> Ran {
        let Call { identity, op } = call;
        Ran::Done(match op {
            Op::Watch { file, tree, filter } => {
                let Outside { tell, limit, .. } = &self.outside;
                let (what, tell) = ((tree, filter), Arc::clone(tell));
                let done = vfs::outside::watch(&file, what, &identity, *limit, tell);
                // It sleeps on the queue from the first watch on.
                self.forker.ring();
                done
            }
            Op::Remember(memo) => {
                let journal = self.journal.as_ref();
                let unavailable = || Done::Failed(VfsError::Unavailable);
                journal.map_or_else(unavailable, |journal| journal.remember(memo))
            }
            op => match self.post.post(mailbox, op_id, op) {
                Posted::Sent(receipt) => return Ran::Asked(receipt),
                Posted::Refused(error) => Done::Failed(error),
                Posted::NotMine(op) => vfs::run(Call { identity, op }, reply_buf),
            },
        })
    }
}
