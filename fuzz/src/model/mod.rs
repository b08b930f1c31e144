//! Models beside the server: what must be true of the answers, whatever clients do. Each checker asks
//! one question. All they know is what was asked and answered ([`crate::world::Seen`]), and the disk;
//! none of the server's own code about state is used here.
//!
//! Answers are sent when what they tell has happened, so between a request and its answer is when it
//! happened. What a checker claims holds for every moment in between; so calls that are held back,
//! slow networks and lost connections make it claim less, never something wrong.

mod answers;
mod caching;
mod capability;
mod contents;
mod credits;
mod identity;
mod ledger;
mod owner;
mod permission;
mod range_lock;
mod share_mode;

pub use capability::exercise;
pub use contents::{Local, Use};
pub use ledger::{Change, Key, Ledger, Open, Session, contexts_of, mapped};

use crate::{
    client::Response,
    world::{Asked, Seen, World},
};
use ksmbd_core::{id::ConnId, status::NtStatus};

/// One question about a run.
trait Checker {
    /// A request is sent; the ledger knows of it.
    fn asked(&mut self, _: &Ledger, _: &Asked) {}
    /// A request is finally answered; the ledger knows what came of it.
    fn answered(&mut self, _: &Ledger, _: &Answered<'_>) {}
    /// A request is answered with STATUS_PENDING.
    fn waits(&mut self, _: &Ledger, _: &Asked, _: &Response) {}
    /// A client is told of a break.
    fn notified(&mut self, _: &Ledger, _: ConnId, _: &Response, _at: u64) {}
    /// A client reads from its cache, or writes into it.
    fn local(&mut self, _: &Ledger, _: &Local) {}
    /// A connection ends.
    fn gone(&mut self, _: &Ledger, _: ConnId, _at: u64) {}
    /// Nothing is under way.
    fn quiet(&mut self, _: &Ledger, _: &World) {}
    /// Everybody is about to leave, and nothing is under way.
    fn end(&mut self, _: &Ledger, _: &World) {}
}

/// An answer with what it answers.
struct Answered<'a> {
    asked: &'a Asked,
    answer: &'a Response,
    at: u64,
    change: Change,
    world: &'a World,
}

impl Answered<'_> {
    fn is_ok(&self) -> bool {
        self.answer.status == NtStatus::SUCCESS
    }

    fn key(&self) -> Key {
        (self.asked.conn, self.asked.header.message_id)
    }
}

/// All checkers of a run.
pub struct Models {
    ledger: Ledger,
    checkers: Vec<Box<dyn Checker>>,
    listener: Option<Listener>,
}

/// Who is told what happens.
type Listener = Box<dyn FnMut(&Seen)>;

impl Models {
    /// For a world in which nothing has happened.
    pub fn new(world: &World) -> Self {
        world.keep_history();
        let checkers: Vec<Box<dyn Checker>> = vec![
            Box::new(answers::Answers::default()),
            Box::new(credits::Credits::new(world)),
            Box::new(identity::Identity),
            Box::new(owner::Owner),
            Box::new(permission::Permission::new(world)),
            Box::new(share_mode::ShareModes),
            Box::new(range_lock::RangeLocks::default()),
            Box::new(caching::Caching::default()),
            Box::new(contents::Contents::default()),
        ];
        Self { ledger: Ledger::default(), checkers, listener: None }
    }

    /// Somebody wants to be told what happens.
    pub fn listen(&mut self, to: Listener) {
        self.listener = Some(to);
    }

    /// What is open.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Checks what has happened since the last time. Clients have taken everything off the wire.
    #[track_caller]
    pub fn check(&mut self, world: &World) {
        for (at, seen) in world.history() {
            if let Some(listener) = &mut self.listener {
                listener(&seen);
            }
            self.see(at, seen, world);
        }
        if world.is_quiet() {
            self.ledger.quiet();
            self.checkers.iter_mut().for_each(|checker| checker.quiet(&self.ledger, world));
        }
    }

    /// The same at the end, while everybody is still there but nothing is under way.
    #[track_caller]
    pub fn end(&mut self, world: &World) {
        self.check(world);
        assert!(world.is_quiet(), "something is still under way");
        self.checkers.iter_mut().for_each(|checker| checker.end(&self.ledger, world));
    }

    #[track_caller]
    fn see(&mut self, at: u64, seen: Seen, world: &World) {
        let Self { ledger, checkers, .. } = self;
        match seen {
            Seen::Asked(asked) => {
                ledger.asked(&asked);
                checkers.iter_mut().for_each(|checker| checker.asked(ledger, &asked));
            }
            Seen::Answered(conn, answer) if answer.is_notification() => {
                let notified = |checker: &mut Box<dyn Checker>| {
                    checker.notified(ledger, conn, &answer, at);
                };
                checkers.iter_mut().for_each(notified);
            }
            Seen::Answered(conn, answer) => {
                let Some(asked) = ledger.pending.get(&(conn, answer.header.message_id)).cloned()
                else {
                    // A connection's last words.
                    return;
                };
                if answer.status == NtStatus::PENDING {
                    checkers.iter_mut().for_each(|c| c.waits(ledger, &asked, &answer));
                    return;
                }
                let change = ledger.answered(&asked, &answer, at);
                let answered = Answered { asked: &asked, answer: &answer, at, change, world };
                checkers.iter_mut().for_each(|checker| checker.answered(ledger, &answered));
            }
            Seen::Gone(conn) => {
                checkers.iter_mut().for_each(|checker| checker.gone(ledger, conn, at));
                ledger.gone(conn, at);
            }
            Seen::User(session, user) => {
                ledger.sessions.entry(session).or_default().is_of(user);
            }
            Seen::Cached(local) => {
                checkers.iter_mut().for_each(|checker| checker.local(ledger, &local));
            }
            Seen::Waited(_) => {}
        }
    }
}
