//! A scripted client that speaks real bytes and believes nothing: every answer is checked for who
//! asked, for its signature or encryption, and for its credits.

pub mod body;
pub mod caching;
mod create;
pub mod durable;
mod frame;
pub mod request;
mod response;
mod setup;

pub use create::Create;
pub use frame::Message;
pub use response::{Response, Sent, Waiting};
pub use setup::{Logon, Offer};

use crate::world::World;
use ksmbd_core::{
    crypto::{Cipher, PreauthHash, SessionKeys, SigningAlgorithm},
    error::ConnectionError,
    id::ConnId,
    rng::Rng,
    wire::{
        header::{Command, FileId},
        negotiate::{Dialect, NegotiateResponse},
    },
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A client with one connection.
pub struct Client {
    world: World,
    conn: ConnId,
    /// What NEGOTIATE says.
    pub offer: Offer,
    /// What NEGOTIATE was answered with.
    pub negotiated: Option<NegotiateResponse>,
    /// The dialect, once there is one.
    pub dialect: Dialect,
    signing: SigningAlgorithm,
    cipher: Option<Cipher>,
    /// The next MessageId.
    pub next_mid: u64,
    /// Credits that were granted and not used.
    pub credits: u64,
    /// CreditRequest of each message.
    pub ask: u16,
    /// SessionId of each message.
    pub session_id: u64,
    /// TreeId of each message.
    pub tree_id: u32,
    /// Requests are signed, where there are keys.
    pub sign: bool,
    /// Requests are encrypted, where there are keys.
    pub encrypt: bool,
    /// Checks only that answers belong to requests; for clients that send nonsense.
    pub lenient: bool,
    sessions: BTreeMap<u64, Arc<SessionKeys>>,
    /// Of sessions that this connection has joined: the keys of their first channel.
    first_keys: BTreeMap<u64, Arc<SessionKeys>>,
    preauth: PreauthHash,
    pending: BTreeMap<u64, Asked>,
    answers: VecDeque<Response>,
    /// The last element that was sent, as it was before encryption.
    last_sent: Vec<u8>,
    nonces: u64,
    rng: Rng,
}

/// A request that has no final answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    command: Command,
    session_id: u64,
    signed: bool,
    encrypted: bool,
    /// Set by an interim answer.
    async_id: Option<u64>,
}

impl Client {
    pub(crate) fn new(world: World, conn: ConnId) -> Self {
        let seed = [u8::try_from(conn.0 & 0xff).unwrap_or(0); 32];
        Self {
            world,
            conn,
            offer: Offer::only(Dialect::SMB_3_1_1),
            negotiated: None,
            dialect: Dialect::SMB_2_WILDCARD,
            signing: SigningAlgorithm::AesCmac,
            cipher: None,
            next_mid: 0,
            credits: 1,
            ask: 32,
            session_id: 0,
            tree_id: 0,
            sign: true,
            encrypt: false,
            lenient: false,
            sessions: BTreeMap::new(),
            first_keys: BTreeMap::new(),
            preauth: PreauthHash::default(),
            pending: BTreeMap::new(),
            answers: VecDeque::new(),
            last_sent: Vec::new(),
            nonces: 0,
            rng: Rng::new(seed),
        }
    }

    /// The connection's number.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The world it lives in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The keys of the current session.
    pub fn keys(&self) -> Option<Arc<SessionKeys>> {
        self.sessions.get(&self.session_id).cloned()
    }

    /// The keys of the current session's first channel, whichever this one is.
    pub fn first_keys(&self) -> Option<Arc<SessionKeys>> {
        self.first_keys.get(&self.session_id).cloned().or_else(|| self.keys())
    }

    /// Uses other keys for a session, or none.
    pub fn set_keys(&mut self, session_id: u64, keys: Option<Arc<SessionKeys>>) {
        match keys {
            Some(keys) => self.sessions.insert(session_id, keys),
            None => self.sessions.remove(&session_id),
        };
    }

    /// What requests are encrypted with.
    pub fn cipher(&self) -> Option<Cipher> {
        self.cipher
    }

    /// What requests are signed with.
    pub fn signing(&self) -> SigningAlgorithm {
        self.signing
    }

    /// Requests that have no final answer yet.
    pub fn unanswered(&self) -> Vec<u64> {
        self.pending.keys().copied().collect()
    }

    /// The same, with what was asked.
    pub fn waiting(&self) -> Vec<(u64, Command)> {
        self.pending.iter().map(|(mid, asked)| (*mid, asked.command)).collect()
    }

    /// The id under which a request waits, if an interim answer was read.
    pub fn async_id(&self, mid: u64) -> Option<u64> {
        self.pending.get(&mid)?.async_id
    }

    /// Nothing has come that was not read.
    #[track_caller]
    pub fn nothing(&self) {
        assert!(!self.has_answers(), "{:?} was sent something", self.conn);
        let dropped = self.world.inner(|world| world.is_dropped(self.conn));
        assert!(!dropped, "{:?} was dropped", self.conn);
    }

    /// Something has come that was not read.
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty() || self.world.inner(|world| world.unread(self.conn)) > 0
    }

    /// The server has dropped the connection, without another word; says why.
    #[track_caller]
    pub fn dropped(&mut self) -> ConnectionError {
        assert!(!self.has_answers(), "{:?} was sent something before it was dropped", self.conn);
        let dropped = self.world.inner(|world| world.dropped(self.conn));
        dropped.unwrap_or_else(|| panic!("{:?} was not dropped", self.conn))
    }

    /// The server has dropped the connection.
    pub fn is_dropped(&self) -> bool {
        self.world.inner(|world| world.is_dropped(self.conn))
    }

    /// Whatever is unread, and whether the connection was dropped, does not matter.
    pub fn forget(&mut self) {
        self.answers.clear();
        self.world.inner(|world| world.forget(self.conn));
    }

    /// Closes the socket.
    pub fn hang_up(self) {
        self.world.inner(|world| world.hang_up(self.conn));
    }

    /// Bytes on the socket, as they are.
    pub fn raw_bytes(&mut self, bytes: &[u8]) {
        self.world.inner(|world| world.deliver(self.conn, &[bytes]));
    }

    /// A whole frame, with the prefix that it needs.
    pub fn raw_frame(&mut self, message: &[u8]) {
        let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
        self.world.inner(|world| world.deliver(self.conn, &[&length, message]));
    }

    /// Bytes that the connection would take from the socket at once.
    pub fn spare(&self) -> usize {
        self.world.inner(|world| world.spare(self.conn))
    }

    /// The next frame as it is on the wire, without its prefix.
    pub fn raw_answer(&mut self) -> Option<Vec<u8>> {
        self.world.inner(|world| world.receive(self.conn)).map(|(_, frame)| frame)
    }

    /// An element of a chain uses the file of the one before.
    pub const PREVIOUS: FileId = FileId::ANY;
}
