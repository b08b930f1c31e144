//! What other threads have for a client's thread: a bounded queue, in which the thread leaves, before it sleeps in
//! `poll`, how it is woken. Mostly that is a bell (an eventfd). Nobody but the owner touches its socket, unless to
//! hang up.

use ksmbd_core::{
    id::OpId,
    message::Outbound,
    vfs::{Call, Done},
};
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io as rio,
};
use std::{
    collections::VecDeque,
    io,
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Wakes a thread that sleeps in `poll`. Ringing twice is as good as once.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn ring(&self) {
        // It fails only when the counter is full, and then it rings already.
        let _ = rio::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes it quiet. To be called before what it rang for is looked at.
    pub(crate) fn hush(&self) {
        let _ = rio::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How a thread that sleeps is woken, once.
#[derive(Debug)]
pub(crate) enum Waker {
    /// It looks into its mailbox.
    Bell(Arc<Bell>),
    /// It has no bell, and sleeps on its socket alone, which is how it is told that it has to go. All else can wait
    /// until the client says something.
    HangUp(Arc<TcpStream>),
}

impl Waker {
    pub(crate) fn wake(self) {
        match self {
            Self::Bell(bell) => bell.ring(),
            Self::HangUp(socket) => {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

/// One thing for a client's thread.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Seal and write it.
    Message(Outbound),
    /// Run it, then complete.
    Call(OpId, Call),
    /// The daemon's answer: complete.
    Done(OpId, Done),
}

/// The owner's next step.
pub(crate) enum Next {
    Entry(Entry),
    Empty,
    /// More came than fits: this client does not keep up and is hung up.
    Overflow,
}

#[derive(Debug)]
struct Queue {
    entries: VecDeque<Entry>,
    state: State,
    /// The owner sleeps, and nobody has begun to wake it.
    asleep: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Overflow,
    Closed,
}

/// The mailbox of one client's thread.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    limit: usize,
}

impl Mailbox {
    pub(crate) fn new(limit: usize) -> Self {
        let queue = Queue { entries: VecDeque::new(), state: State::Open, asleep: None };
        Self { queue: Mutex::new(queue), limit }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing below panics half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in. The owner has to be woken with what comes back, if it sleeps. An entry that comes back
    /// will never be looked at: the owner is gone, or about to be.
    pub(crate) fn push(&self, entry: Entry) -> Result<Option<Waker>, Box<Entry>> {
        let mut queue = self.queue();
        if queue.state == State::Open && queue.entries.len() >= self.limit {
            queue.state = State::Overflow;
        }
        if queue.state != State::Open {
            return Err(Box::new(entry));
        }
        let is_urgent = matches!(entry, Entry::Message(Outbound::Close(_)));
        queue.entries.push_back(entry);
        Ok(queue.asleep.take_if(|waker| is_urgent || matches!(waker, Waker::Bell(_))))
    }

    /// What wakes the owner, if it sleeps; there is nothing for it.
    pub(crate) fn rouse(&self) -> Option<Waker> {
        self.queue().asleep.take()
    }

    /// The owner is about to sleep until its socket or `waker` wakes it. `false`: there is something for it.
    pub(crate) fn lie_down(&self, waker: Waker) -> bool {
        let mut queue = self.queue();
        let quiet = queue.entries.is_empty() && queue.state == State::Open;
        queue.asleep = quiet.then_some(waker);
        quiet
    }

    /// The owner is awake.
    pub(crate) fn rise(&self) {
        self.queue().asleep = None;
    }

    /// Takes the oldest entry out. For the owner.
    pub(crate) fn pop(&self) -> Next {
        let mut queue = self.queue();
        match queue.state {
            State::Open => queue.entries.pop_front().map_or(Next::Empty, Next::Entry),
            State::Overflow | State::Closed => Next::Overflow,
        }
    }

    /// Nothing more is taken in; what was not taken out is the caller's.
    pub(crate) fn close(&self) -> VecDeque<Entry> {
        let mut queue = self.queue();
        queue.state = State::Closed;
        std::mem::take(&mut queue.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::{io::Read, net::TcpListener, thread};

    fn entry(number: u64) -> Entry {
        Entry::Done(OpId(number), Done::Ok)
    }

    fn number(next: Next) -> u64 {
        match next {
            Next::Entry(Entry::Done(op, _)) => op.0,
            _ => panic!("no entry"),
        }
    }

    fn rings(bell: &Bell, timeout: i64) -> bool {
        let timeout = Timespec { tv_sec: timeout, tv_nsec: 0 };
        poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    fn bell() -> Arc<Bell> {
        Arc::new(Bell::new().unwrap())
    }

    #[test]
    fn entries_come_out_in_order() {
        let mailbox = Mailbox::new(10);
        for number in 1..=3 {
            assert!(mailbox.push(entry(number)).unwrap().is_none(), "the owner is awake");
        }
        for expected in 1..=3 {
            assert_eq!(number(mailbox.pop()), expected);
        }
        assert!(matches!(mailbox.pop(), Next::Empty));
    }

    #[test]
    fn the_bell_rings_until_it_is_hushed() {
        let bell = bell();
        assert!(!rings(&bell, 0));
        bell.ring();
        bell.ring();
        assert!(rings(&bell, 0) && rings(&bell, 0));
        bell.hush();
        assert!(!rings(&bell, 0));
    }

    #[test]
    fn who_sleeps_is_woken_once() {
        let (mailbox, bell) = (Mailbox::new(10), bell());
        let waker = || Waker::Bell(Arc::clone(&bell));
        assert!(mailbox.lie_down(waker()));
        mailbox.push(entry(1)).unwrap().expect("the first wakes").wake();
        assert!(rings(&bell, 0));
        assert!(mailbox.push(entry(2)).unwrap().is_none(), "the second has not to");
        assert!(!mailbox.lie_down(waker()), "there is something");
        assert!(mailbox.rouse().is_none());
        assert_eq!((number(mailbox.pop()), number(mailbox.pop())), (1, 2));
        assert!(mailbox.lie_down(waker()));
        mailbox.rise();
        assert!(mailbox.push(entry(3)).unwrap().is_none(), "it is awake");
    }

    #[test]
    fn who_has_no_bell_is_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = Arc::new(listener.accept().unwrap().0);
        let mailbox = Mailbox::new(10);
        assert!(mailbox.lie_down(Waker::HangUp(Arc::clone(&ours))));
        assert!(mailbox.push(entry(1)).unwrap().is_none(), "that can wait");
        let close = Entry::Message(Outbound::Close("there is no room"));
        mailbox.push(close).unwrap().expect("that cannot").wake();
        assert_eq!((&*ours).read(&mut [0]).unwrap(), 0, "the owner is woken");
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn too_much_is_an_overflow_and_comes_back() {
        let mailbox = Mailbox::new(2);
        mailbox.push(entry(1)).unwrap();
        mailbox.push(entry(2)).unwrap();
        assert!(mailbox.push(entry(3)).is_err());
        assert!(matches!(mailbox.pop(), Next::Overflow));
        assert!(!mailbox.lie_down(Waker::Bell(bell())));
        assert_eq!(mailbox.close().len(), 2, "what was in it is not lost");
        assert!(mailbox.push(entry(4)).is_err());
        assert!(matches!(mailbox.pop(), Next::Overflow));
    }

    #[test]
    fn no_wakeup_is_lost() {
        let mailbox = Arc::new(Mailbox::new(1 << 20));
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    for number in 0..5000 {
                        if let Some(waker) = mailbox.push(entry(number)).unwrap() {
                            waker.wake();
                        }
                    }
                })
            })
            .collect();
        let (bell, mut seen) = (bell(), 0);
        while seen < 20_000 {
            if mailbox.lie_down(Waker::Bell(Arc::clone(&bell))) {
                assert!(rings(&bell, 10), "asleep with {} to come", 20_000 - seen);
                mailbox.rise();
                bell.hush();
            }
            while let Next::Entry(_) = mailbox.pop() {
                seen += 1;
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
    }
}
