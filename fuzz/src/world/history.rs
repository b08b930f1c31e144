//! What clients have asked and were answered, in the order of a clock that ticks with each: what the
//! models of [`crate::model`] are told. Nothing of it is the server's word but its answers.

use super::{Inner, World};
use crate::client::Response;
use core::time::Duration;
use ksmbd_core::{
    id::ConnId,
    wire::{
        header::{Command, Header, HeaderFlags},
        message::RequestBody,
    },
};

/// One request, as its bytes say.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub conn: ConnId,
    /// Its header.
    pub header: Header,
    /// The session that it names, if need be by the request before it in its chain.
    pub session: u64,
    /// The tree that it names, in the same way.
    pub tree: u32,
    /// Its body, if it is one.
    pub body: Option<RequestBody>,
    /// WRITE's data.
    pub data: Vec<u8>,
    /// The first MessageId of its frame.
    pub frame: u64,
    /// The request before it in its chain, which it goes on with.
    pub before: Option<u64>,
    /// When it was sent; it arrives later.
    pub at: u64,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A client sends a request.
    Asked(Box<Asked>),
    /// A client is sent an answer, or a notification.
    Answered(ConnId, Box<Response>),
    /// A connection ends.
    Gone(ConnId),
    /// Time passes.
    Waited(Duration),
    /// A session is this account's.
    User(u64, String),
    /// Somebody reads this from his cache.
    Cached(Box<crate::model::Local>),
}

/// The clock, and what has happened.
#[derive(Debug, Default)]
pub(crate) struct History {
    now: u64,
    seen: Option<Vec<(u64, Seen)>>,
}

impl History {
    /// The next moment.
    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Something happens now.
    pub(crate) fn see(&mut self, what: Seen) {
        let at = self.tick();
        self.see_at(at, what);
    }

    /// Something has happened.
    pub(crate) fn see_at(&mut self, at: u64, what: Seen) {
        if let Some(seen) = &mut self.seen {
            seen.push((at, what));
        }
    }

    /// Somebody wants to know.
    pub(crate) fn is_kept(&self) -> bool {
        self.seen.is_some()
    }
}

impl World {
    /// From now on what happens is kept for [`Self::history`].
    pub fn keep_history(&self) {
        self.inner(|world| world.history.seen = Some(Vec::new()));
    }

    /// What has happened since the last look, in its order. Answers are in it once their client has
    /// taken them off the wire.
    pub fn history(&self) -> Vec<(u64, Seen)> {
        let mut seen = self.inner(|world| world.history.seen.as_mut().map(std::mem::take));
        let seen = seen.get_or_insert_default();
        seen.sort_by_key(|(at, _)| *at);
        std::mem::take(seen)
    }

    /// Tells the models something.
    pub fn see(&self, what: Seen) {
        self.inner(|world| world.history.see(what));
    }

    /// What the history's clock shows.
    pub fn moment(&self) -> u64 {
        self.inner(|world| world.history.now)
    }

    /// How often the server was entered: requests, completed calls, timers, changes from outside,
    /// connections that begin and end.
    pub fn entries(&self) -> u64 {
        self.inner(|world| world.entries)
    }

    /// Nothing is under way: no bytes, no call. Whatever is unanswered waits for something else.
    pub fn is_quiet(&self) -> bool {
        self.inner(|world| {
            world.calls.outstanding() == 0 && world.links.values().all(super::Link::is_drained)
        })
    }
}

impl Inner {
    /// A client sends a chain of requests that are so long, before they are padded.
    pub(crate) fn see_chain(
        &mut self,
        conn: ConnId,
        mut chain: &[u8],
        lengths: impl Iterator<Item = usize>,
    ) {
        let alive = self.links.get(&conn).is_some_and(|link| link.connection.is_some());
        if !alive || !self.history.is_kept() {
            return;
        }
        let at = self.history.tick();
        let mut last: Option<(u64, u64, u32)> = None;
        let mut frame = None;
        for length in lengths {
            let (element, behind) = chain.split_at(length.next_multiple_of(8).min(chain.len()));
            chain = behind;
            let Ok(header) = Header::parse(element) else {
                continue;
            };
            let frame = *frame.get_or_insert(header.message_id);
            let related = header.flags.contains(HeaderFlags::RELATED_OPERATIONS);
            let before = last.filter(|_| related);
            let (_, session, tree) = before.unwrap_or((0, header.session_id, header.tree_id));
            last = Some((header.message_id, session, tree));
            let body = RequestBody::parse(header.command, element).ok();
            let data = match &body {
                Some(RequestBody::Write(write)) => {
                    element.get(write.data.clone()).unwrap_or_default().to_vec()
                }
                _ => Vec::new(),
            };
            if header.command != Command::CANCEL {
                let before = before.map(|(mid, ..)| mid);
                let asked = Asked { conn, header, session, tree, body, data, frame, before, at };
                self.history.see_at(at, Seen::Asked(Box::new(asked)));
            }
        }
    }
}
