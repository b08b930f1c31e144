//! What other threads have for a client's thread: a bounded queue, and a bell (an eventfd) that wakes
//! the thread out of `poll`. Nobody but the owner touches its socket.

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
    sync::{Mutex, MutexGuard, PoisonError},
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
    bell: Bell,
    limit: usize,
}

impl Mailbox {
    pub(crate) fn new(limit: usize) -> io::Result<Self> {
        let queue = Queue { entries: VecDeque::new(), state: State::Open };
        Ok(Self { queue: Mutex::new(queue), bell: Bell::new()?, limit })
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing below panics half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in. `Ok(true)`: the owner may be asleep, and the bell has to be rung. An entry
    /// that comes back will never be looked at: the owner is gone, or about to be.
    pub(crate) fn push(&self, entry: Entry) -> Result<bool, Box<Entry>> {
        let mut queue = self.queue();
        if queue.state == State::Open && queue.entries.len() >= self.limit {
            queue.state = State::Overflow;
        }
        if queue.state != State::Open {
            return Err(Box::new(entry));
        }
        queue.entries.push_back(entry);
        // Otherwise whoever made the queue not empty has rung, or is about to.
        Ok(queue.entries.len() == 1)
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
    use std::{sync::Arc, thread};

    fn entry(number: u64) -> Entry {
        Entry::Done(OpId(number), Done::Ok)
    }

    fn number(next: Next) -> u64 {
        match next {
            Next::Entry(Entry::Done(op, _)) => op.0,
            _ => panic!("no entry"),
        }
    }

    fn rings(mailbox: &Mailbox, timeout: i64) -> bool {
        let timeout = Timespec { tv_sec: timeout, tv_nsec: 0 };
        poll(&mut [PollFd::new(mailbox.bell(), PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn entries_come_out_in_order() {
        let mailbox = Mailbox::new(10).unwrap();
        assert!(mailbox.push(entry(1)).unwrap(), "the first has to ring");
        assert!(!mailbox.push(entry(2)).unwrap());
        assert_eq!(number(mailbox.pop()), 1);
        assert_eq!(number(mailbox.pop()), 2);
        assert!(matches!(mailbox.pop(), Next::Empty));
        assert!(mailbox.push(entry(3)).unwrap(), "and the first after it was empty");
    }

    #[test]
    fn the_bell_rings_until_it_is_hushed() {
        let mailbox = Mailbox::new(1).unwrap();
        assert!(!rings(&mailbox, 0));
        mailbox.bell().ring();
        mailbox.bell().ring();
        assert!(rings(&mailbox, 0) && rings(&mailbox, 0));
        mailbox.bell().hush();
        assert!(!rings(&mailbox, 0));
    }

    #[test]
    fn too_much_is_an_overflow_and_comes_back() {
        let mailbox = Mailbox::new(2).unwrap();
        mailbox.push(entry(1)).unwrap();
        mailbox.push(entry(2)).unwrap();
        assert!(mailbox.push(entry(3)).is_err());
        assert!(matches!(mailbox.pop(), Next::Overflow));
        assert_eq!(mailbox.close().len(), 2, "what was in it is not lost");
        assert!(mailbox.push(entry(4)).is_err());
        assert!(matches!(mailbox.pop(), Next::Overflow));
    }

    #[test]
    fn no_wakeup_is_lost() {
        let mailbox = Arc::new(Mailbox::new(1 << 20).unwrap());
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    for number in 0..5000 {
                        if mailbox.push(entry(number)).unwrap() {
                            mailbox.bell().ring();
                        }
                    }
                })
            })
            .collect();
        let mut seen = 0;
        while seen < 20_000 {
            assert!(rings(&mailbox, 10), "asleep with {} to come", 20_000 - seen);
            mailbox.bell().hush();
            while let Next::Entry(_) = mailbox.pop() {
                seen += 1;
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
    }
}
