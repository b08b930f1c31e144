//! How a request moves: as a chain through explicit steps, waiting as a value. Generic over the
//! commands' steps, which are never named here.

pub(crate) mod breaks;
pub(crate) mod job;
pub(crate) mod park;
pub(crate) mod timer;

use crate::{
    id::{ConnId, Holder, OpId, OpenId},
    message::{Outbound, ReplyBody},
    sink::{Executor, Sink},
    state::State,
    status::NtStatus,
    time::Now,
    vfs::{Call, Done, VfsError},
    wire::{create_context::LeaseState, message::ResponseBody},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::time::Duration;
use job::Job;
use park::{Park, Parking};
use timer::{Timer, Timers};

/// What a handler works with: the tables, what is under way, the clocks, and where output goes.
pub(crate) struct Cx<'a, S> {
    pub(crate) state: &'a mut State,
    pub(crate) flows: &'a mut Flows<S>,
    pub(crate) now: Now,
    pub(crate) out: &'a mut dyn Sink,
}

impl<S> Cx<'_, S> {
    /// Sends, unless nobody is there any more.
    pub(crate) fn send(&mut self, to: ConnId, message: Outbound) {
        let Some(conn) = self.state.conns.get(&to) else {
            return;
        };
        if conn.deaf && matches!(message, Outbound::Notification(_)) {
            self.flows.timers.set(self.now.mono + DEAF, Timer::Deaf(to));
        }
        self.out.send(to, message);
    }

    /// Starts a call. It runs on the client's thread while there is one.
    pub(crate) fn start(&mut self, conn: Option<ConnId>, call: Call, mut running: Running<S>) {
        if let Some(open) = running.open.and_then(|id| self.state.opens.get_mut(&id)) {
            open.running += 1;
        }
        let alive = conn.filter(|conn| self.state.conns.contains_key(conn));
        let on = alive.map_or(Executor::Worker, Executor::Client);
        running.again = alive.and_then(|_| call.duty()).map(Box::new);
        let op = self.flows.start(running);
        self.out.call(on, op, call);
    }
}

/// What a handler wants next.
#[derive(Debug)]
pub(crate) enum Flow<S> {
    /// This request is answered.
    Answer(Answer),
    /// Do this outside, then go on at the step.
    Call(Call, S),
    /// Wait, then check again at the step.
    Park(Park, S),
    /// There is no answer (CANCEL).
    Silent,
}

/// A handler's result. `?` answers this request, and only this one.
pub(crate) type Handled<S> = Result<Flow<S>, Refused>;

/// A connection that a test has made deaf is given up so long after it was sent a break.
const DEAF: Duration = Duration::from_secs(1);

/// A refusal that can be explained in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: NtStatus,
    /// Section of MS-SMB2 and the rule, in a few words.
    pub(crate) at: &'static str,
}

/// Refuses with a reason.
pub(crate) fn refuse<T>(status: NtStatus, at: &'static str) -> Result<T, Refused> {
    Err(Refused { status, at })
}

impl NtStatus {
    /// What refuses with this status, and why: the only way from one to the other, so that each
    /// refusal has its reason.
    pub(crate) const fn at(self, at: &'static str) -> Refused {
        Refused { status: self, at }
    }
}

impl From<VfsError> for Refused {
    fn from(error: VfsError) -> Self {
        error.status().at(error.reason())
    }
}

/// What the gate found is gone by now.
pub(crate) const NO_SESSION: Refused =
    NtStatus::USER_SESSION_DELETED.at("3.3.5.2.9: the session has ended");
/// See [`NO_SESSION`].
pub(crate) const NO_TREE: Refused =
    NtStatus::NETWORK_NAME_DELETED.at("3.3.5.2.11: the tree has ended");
/// See [`NO_SESSION`].
pub(crate) const NO_OPEN: Refused = NtStatus::FILE_CLOSED.at("3.3.5.2: the open is closed");
/// CANCEL has ended the wait.
pub(crate) const CANCELLED: Refused = NtStatus::CANCELLED.at("3.3.5.16: cancelled");
/// What cannot come, came.
pub(crate) const OUR_BUG: Refused = NtStatus::INTERNAL_ERROR.at("a call with another's result");

/// What a request is answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Success, or a warning that comes with a body.
    pub(crate) status: NtStatus,
    pub(crate) body: ReplyBody,
}

impl<S> Flow<S> {
    /// Success with this body.
    pub(crate) fn answer(body: ResponseBody) -> Handled<S> {
        Self::answer_with(NtStatus::SUCCESS, body)
    }

    /// A body under a status that is no refusal.
    pub(crate) fn answer_with(status: NtStatus, body: ResponseBody) -> Handled<S> {
        Ok(Self::Answer(Answer { status, body: ReplyBody::Wire(body) }))
    }
}

/// Everything that is under way.
pub(crate) struct Flows<S> {
    /// Calls that have not completed.
    pub(crate) running: BTreeMap<OpId, Running<S>>,
    pub(crate) parking: Parking<S>,
    pub(crate) timers: Timers,
    /// What is still to be taken from whom, once the answer under way has left.
    pub(crate) unfinished: Vec<(Holder, LeaseState)>,
    /// Opens without a connection that others could not wait for: they are about to be closed.
    pub(crate) purged: Vec<OpenId>,
    next_op: u64,
}

/// A call that is out, and what to do when it is back.
#[derive(Debug)]
pub(crate) struct Running<S> {
    /// `None`: nobody waits for it.
    pub(crate) job: Option<Box<Job>>,
    pub(crate) step: S,
    /// The open that may not go before the call is back.
    pub(crate) open: Option<OpenId>,
    /// The call, where it has to be done and a client's thread has it: the worker does it when that
    /// thread ends before.
    again: Option<Box<Call>>,
}

impl<S> Running<S> {
    /// What a request waits for.
    pub(crate) fn of(job: Box<Job>, step: S, open: Option<OpenId>) -> Self {
        Self { job: Some(job), step, open, again: None }
    }

    /// What nobody waits for.
    pub(crate) fn alone(step: S) -> Self {
        Self { job: None, step, open: None, again: None }
    }

    /// The call that somebody else has to do, after this result. Where nobody has to, the file that was
    /// kept for it may be the last one, and is not closed here.
    pub(crate) fn left_undone(&mut self, done: &Done, out: &mut dyn Sink) -> Option<Call> {
        let call = *self.again.take()?;
        if matches!(done, Done::Failed(VfsError::HungUp)) {
            return Some(call);
        }
        call.into_file().into_iter().for_each(|file| out.release(file));
        None
    }
}

impl<S> Flows<S> {
    pub(crate) fn new() -> Self {
        Self {
            running: BTreeMap::new(),
            parking: Parking::default(),
            timers: Timers::default(),
            unfinished: Vec::new(),
            purged: Vec::new(),
            next_op: 0,
        }
    }

    /// How many calls are out at these steps: what they will put into a table is not in it yet.
    pub(crate) fn running_at(&self, which: impl Fn(&Running<S>) -> bool) -> usize {
        self.running.values().filter(|running| which(running)).count()
    }

    pub(crate) fn start(&mut self, running: Running<S>) -> OpId {
        self.next_op += 1;
        let op = OpId(self.next_op);
        self.running.insert(op, running);
        op
    }
}
