//! One client's half: bytes to requests and replies to bytes. Everything that costs time per byte
//! happens here, on the client's thread, outside any lock.

mod credits;
mod inbound;
mod open;
mod pool;
mod seal;

use crate::{
    buffer::{Frame, Payload, ReplyBuf},
    config::Limits,
    crypto::{PreauthHash, SessionKeys},
    error::ConnectionError,
    id::{ConnId, SessionId},
    message::{Arrived, Negotiated, Outbound, Request},
    wire::header::Command,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use credits::Credits;
use inbound::Inbound;
use pool::Pool;

/// Room of a frame beyond the data that it carries: headers, names, a chain of small requests.
const FRAME_OVERHEAD: usize = 64 * 1024;

/// Sessions that have ended and whose keys are kept.
const ENDED: usize = 4;

/// The state of one connection (MS-SMB2 3.3.1.7) as far as bytes are concerned: framing, credits,
/// keys, the pre-authentication hash. Made by [`Server::accept`](crate::server::Server::accept).
///
/// The run loop: while [`wants_input`](Self::wants_input), read the socket into
/// [`spare`](Self::spare) and say [`filled`](Self::filled); hand each
/// [`poll_request`](Self::poll_request)'s requests to the server; [`seal`](Self::seal) what the server sends,
/// in its order, and write the frames.
pub struct Connection {
    id: ConnId,
    inbound: Inbound,
    pool: Pool,
    credits: Credits,
    phase: Phase,
    /// A NEGOTIATE or SESSION_SETUP is unanswered: nothing is read until it is.
    holding: bool,
    /// A session was set up: frames may be as large as negotiated.
    authenticated: bool,
    keys: BTreeMap<SessionId, Option<Arc<SessionKeys>>>,
    /// Of sessions that have ended, the last first: clients that sign believe only a signature that
    /// the session is gone.
    ended: VecDeque<(SessionId, Arc<SessionKeys>)>,
    preauth: Preauth,
    max_setups: usize,
    /// See [`Outbound::PadReads`].
    read_padding: u8,
    /// A frame that waits for [`Self::give_keys`].
    stalled: Option<Unwrapped>,
    /// The keys for it.
    lent: Option<(SessionId, Option<Arc<SessionKeys>>)>,
}

/// What a connection has for the server.
#[derive(Debug)]
pub enum Incoming {
    /// For [`Server::handle`](crate::server::Server::handle).
    Request(Request),
    /// The next request is signed for that session, of which this connection is no channel; it may ask
    /// to be one. Ask [`Server::keys_of`](crate::server::Server::keys_of), tell
    /// [`Connection::give_keys`], and poll again.
    NeedKeys(SessionId),
}

/// How far NEGOTIATE is (MS-SMB2 3.3.5.3, 3.3.5.4).
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing was chosen.
    Fresh,
    /// An SMB1 NEGOTIATE was answered with 0x02FF; the SMB2 one is to come.
    Wildcard,
    /// A dialect was chosen, for good.
    Chosen(Negotiated),
}

/// The pre-authentication integrity hash (MS-SMB2 3.3.5.4, 3.3.5.5).
#[derive(Default)]
struct Preauth {
    /// Over NEGOTIATE and its reply.
    connection: PreauthHash,
    /// Of each session being set up, over what has passed so far.
    setups: BTreeMap<u64, PreauthHash>,
    /// Of the SESSION_SETUP that is unanswered.
    current: Option<PreauthHash>,
}

impl Connection {
    pub(crate) fn new(id: ConnId, limits: &Limits) -> Self {
        Self {
            id,
            inbound: Inbound::new(limits.unauthenticated_frame),
            pool: Pool::default(),
            credits: Credits::new(limits.credits),
            phase: Phase::Fresh,
            holding: false,
            authenticated: false,
            keys: BTreeMap::new(),
            ended: VecDeque::new(),
            preauth: Preauth::default(),
            max_setups: limits.sessions_per_connection,
            read_padding: 0,
            stalled: None,
            lent: None,
        }
    }

    /// Which connection this is.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// `false` while a NEGOTIATE or SESSION_SETUP is unanswered: leave the socket alone.
    pub fn wants_input(&self) -> bool {
        !self.holding
    }

    /// Part of a frame has arrived: the rest has to come in time.
    pub fn is_mid_frame(&self) -> bool {
        self.inbound.is_mid_frame()
    }

    /// Where to read the socket to. Never empty.
    pub fn spare(&mut self) -> &mut [u8] {
        self.inbound.spare()
    }

    /// `n` bytes of [`spare`](Self::spare) were filled.
    pub fn filled(&mut self, n: usize) {
        self.inbound.filled(n);
    }

    /// The next frame: decrypted, verified, parsed and in sequence; `None` when more bytes, or the
    /// answer to a held request, have to come first. A request that a check refuses is handed on
    /// with the status it is to get.
    pub fn poll_request(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        if self.holding {
            return Ok(None);
        }
        let (bytes, range, arrived) = match self.stalled.take() {
            Some(stalled) => stalled,
            None => match self.inbound.next(&mut self.pool)? {
                Some(bytes) => self.unwrap(bytes)?,
                None => return Ok(None),
            },
        };
        if arrived == Arrived::Plain
            && self.lent.is_none()
            && let Some(session) = self.unknown_signer(&bytes)
        {
            self.stalled = Some((bytes, range, arrived));
            return Ok(Some(Incoming::NeedKeys(session)));
        }
        let bytes = Arc::new(bytes);
        self.pool.lend(&bytes);
        let elements = self.elements(&Payload::new(bytes, range), arrived);
        self.lent = None;
        let elements = elements?;
        self.holding = elements.iter().any(|element| holds(element.header.command));
        Ok(Some(Incoming::Request(Request { conn: self.id, arrived, elements })))
    }

    /// The answer to [`Incoming::NeedKeys`]; `None`: there is no such session, or it has no keys.
    pub fn give_keys(&mut self, session: SessionId, keys: Option<Arc<SessionKeys>>) {
        self.lent = Some((session, keys));
    }

    /// The bytes of a message: header, credits, signature or encryption. `None` for what only
    /// changes this connection's own state.
    pub fn seal(&mut self, message: Outbound) -> Result<Option<Frame>, ConnectionError> {
        match message {
            Outbound::Negotiated(negotiated) => {
                self.negotiated(negotiated);
                Ok(None)
            }
            Outbound::Keys(session, keys) => {
                self.keys.insert(session, keys);
                self.authenticated = true;
                self.set_frame_limit();
                Ok(None)
            }
            Outbound::ForgetKeys(session) => {
                if let Some(Some(keys)) = self.keys.remove(&session) {
                    self.ended.truncate(ENDED - 1);
                    self.ended.push_front((session, keys));
                }
                self.preauth.setups.remove(&session.0);
                Ok(None)
            }
            Outbound::PadReads(padding) => {
                self.read_padding = padding;
                Ok(None)
            }
            Outbound::Reply(reply) => self.seal_reply(reply).map(Some),
            Outbound::Notification(notification) => self.seal_notification(&notification).map(Some),
            Outbound::Close(why) => Err(ConnectionError::Closed(why)),
        }
    }

    /// A buffer for [`Op::Read`](crate::vfs::Op::Read) of up to `length` bytes.
    pub fn reply_buf(&mut self, length: usize) -> ReplyBuf {
        ReplyBuf::new(self.pool.take(), length)
    }

    /// Takes a written frame's memory back.
    pub fn recycle(&mut self, frame: Frame) {
        self.pool.give_frame(frame);
    }

    /// Gives back the memory that an idle connection does not need.
    pub fn trim(&mut self) {
        self.inbound.trim();
        self.pool.trim();
    }

    fn negotiated(&mut self, negotiated: Negotiated) {
        use crate::wire::negotiate::Dialect;
        self.phase = if negotiated.dialect == Dialect::SMB_2_WILDCARD {
            Phase::Wildcard
        } else {
            Phase::Chosen(negotiated)
        };
        self.set_frame_limit();
    }

    /// Large frames are for those who have shown who they are.
    fn set_frame_limit(&mut self) {
        if let Phase::Chosen(negotiated) = self.phase
            && self.authenticated
        {
            self.inbound.limit = negotiated.max_io as usize + FRAME_OVERHEAD;
        }
    }
}

/// Requests whose answer decides how the next one is read.
fn holds(command: Command) -> bool {
    matches!(command, Command::NEGOTIATE | Command::SESSION_SETUP)
}

/// How a frame's bytes were found.
type Unwrapped = (Vec<u8>, core::ops::Range<usize>, Arrived);
