//! What happens in a run. There is one order of all of it: entries into the server stand in the order
//! of its lock, and what a connection does by itself stands where its own thread did it. So one thread
//! can do it all again. `now` is last in each, because it is known last.

use crate::codec::{Value, bytes, fields};
use ksmbd_core::{
    buffer::Frame,
    config::Config,
    connection::Incoming,
    error::ConnectionError,
    id::{ConnId, OpId, SessionId},
    time::Now,
    vfs::{Done, FsChange, Past, Peer},
    wire::codec::{Malformed, Parse, Reader},
};
use std::sync::Arc;

/// What a server was started with. Comes first.
#[derive(Clone, Debug)]
pub struct Start {
    /// Which build: another one need not give the same bytes.
    pub made_by: String,
    /// All of the server's randomness.
    pub seed: [u8; 32],
    /// The configuration.
    pub config: Arc<Config>,
}

/// One thing that the core was told, or what came of it.
#[derive(Debug)]
pub enum Event {
    /// [`Server::new`](ksmbd_core::server::Server::new).
    Start(Start),
    /// [`Server::reconfigure`](ksmbd_core::server::Server::reconfigure).
    Reconfigure(Arc<Config>),
    /// A client was accepted, as this connection.
    Accept(ConnId, Peer, Now),
    /// Bytes that were read from a client's socket at once.
    Bytes(ConnId, Vec<u8>),
    /// [`Connection::poll_request`](ksmbd_core::connection::Connection::poll_request), and its result.
    Poll(ConnId, Came),
    /// A connection that wants to join this session was given its keys.
    Keys(ConnId, SessionId),
    /// [`Server::handle`](ksmbd_core::server::Server::handle) of what that connection's last poll came to.
    Handle(ConnId, Now),
    /// [`Server::complete`](ksmbd_core::server::Server::complete).
    Complete(OpId, Done, Now),
    /// [`Server::fs_changed`](ksmbd_core::server::Server::fs_changed).
    Changed(FsChange, Now),
    /// [`Server::hang_up`](ksmbd_core::server::Server::hang_up); the connection is gone.
    HangUp(ConnId, Now),
    /// [`Server::handle_timeout`](ksmbd_core::server::Server::handle_timeout), when something was due.
    Timeout(Now),
    /// [`Connection::seal`](ksmbd_core::connection::Connection::seal) of the oldest message for that
    /// connection, and its result.
    Seal(ConnId, Sent),
    /// [`Server::close_kept`](ksmbd_core::server::Server::close_kept).
    CloseKept(Now),
    /// [`Server::restore`](ksmbd_core::server::Server::restore).
    Restore(Past, Now),
    /// The recording ends. Comes last.
    End(Ended),
}

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Nothing yet.
    Nothing,
    /// A request.
    Request,
    /// The question for a session's keys.
    NeedKeys,
    /// An error, and the end of the connection.
    Broken,
}

impl Came {
    /// What is recorded of a poll.
    pub fn of(polled: &Result<Option<Incoming>, ConnectionError>) -> Self {
        match polled {
            Ok(None) => Self::Nothing,
            Ok(Some(Incoming::Request(_))) => Self::Request,
            Ok(Some(Incoming::NeedKeys(_))) => Self::NeedKeys,
            Err(_) => Self::Broken,
        }
    }
}

/// What sealing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The message was for the connection itself.
    Nothing,
    /// A frame of so many bytes, with this [`digest`].
    Frame(usize, u64),
    /// An error, and the end of the connection.
    Broken,
}

impl Sent {
    /// What is recorded of sealing.
    pub fn of(sealed: &Result<Option<Frame>, ConnectionError>) -> Self {
        match sealed {
            Ok(Some(frame)) => Self::frame(frame.bytes()),
            Ok(None) => Self::Nothing,
            Err(_) => Self::Broken,
        }
    }

    /// A frame was sent.
    pub fn frame(bytes: &[u8]) -> Self {
        Self::Frame(bytes.len(), digest(bytes))
    }
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server was stopped.
    Stopped,
    /// The recording is as long as it may be; the server went on.
    Full,
}

crate::codec::variants! {
    Came { 0 Nothing, 1 Request, 2 NeedKeys, 3 Broken }
    Ended { 0 Stopped, 1 Full }
}

fields! { Start { made_by, seed, config } }

impl Value for Sent {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => out.push(0),
            Self::Frame(length, digest) => {
                out.push(1);
                length.put(out);
                digest.to_le_bytes().put(out);
            }
            Self::Broken => out.push(2),
        }
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            0 => Self::Nothing,
            1 => Self::Frame(Value::get(from)?, u64::from_le_bytes(from.array()?)),
            2 => Self::Broken,
            _ => return Err(Malformed("no Sent")),
        })
    }
}

/// The numbers of the events.
mod tag {
    pub(super) const START: u8 = 0;
    pub(super) const RECONFIGURE: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    pub(super) const BYTES: u8 = 3;
    pub(super) const POLL: u8 = 4;
    pub(super) const KEYS: u8 = 5;
    pub(super) const HANDLE: u8 = 6;
    pub(super) const COMPLETE: u8 = 7;
    pub(super) const CHANGED: u8 = 8;
    pub(super) const HANG_UP: u8 = 9;
    pub(super) const TIMEOUT: u8 = 10;
    pub(super) const SEAL: u8 = 11;
    pub(super) const END: u8 = 12;
    pub(super) const CLOSE_KEPT: u8 = 13;
    pub(super) const RESTORE: u8 = 14;
}

/// Events as they are written down by who has only borrowed what is in them. Those that have a `now`
/// lack it: append it.
pub mod put {
    use super::*;

    fn begun(tag: u8) -> Vec<u8> {
        vec![tag]
    }

    fn two(tag: u8, first: &impl Value, second: &impl Value) -> Vec<u8> {
        let mut out = begun(tag);
        first.put(&mut out);
        second.put(&mut out);
        out
    }

    /// [`Event::Reconfigure`].
    pub fn reconfigure(config: &Arc<Config>) -> Vec<u8> {
        let mut out = begun(tag::RECONFIGURE);
        config.put(&mut out);
        out
    }

    /// [`Event::Accept`], without its `now`.
    pub fn accept(conn: ConnId, peer: &Peer) -> Vec<u8> {
        two(tag::ACCEPT, &conn, peer)
    }

    /// [`Event::Bytes`].
    pub fn received(conn: ConnId, data: &[u8]) -> Vec<u8> {
        let mut out = begun(tag::BYTES);
        conn.put(&mut out);
        bytes(data, &mut out);
        out
    }

    /// [`Event::Poll`].
    pub fn poll(conn: ConnId, came: Came) -> Vec<u8> {
        two(tag::POLL, &conn, &came)
    }

    /// [`Event::Keys`].
    pub fn keys(conn: ConnId, session: SessionId) -> Vec<u8> {
        two(tag::KEYS, &conn, &session)
    }

    /// [`Event::Handle`], without its `now`.
    pub fn handle(conn: ConnId) -> Vec<u8> {
        let mut out = begun(tag::HANDLE);
        conn.put(&mut out);
        out
    }

    /// [`Event::Complete`], without its `now`.
    pub fn complete(op: OpId, done: &Done) -> Vec<u8> {
        two(tag::COMPLETE, &op, done)
    }

    /// [`Event::Changed`], without its `now`.
    pub fn changed(change: &FsChange) -> Vec<u8> {
        let mut out = begun(tag::CHANGED);
        change.put(&mut out);
        out
    }

    /// [`Event::HangUp`], without its `now`.
    pub fn hang_up(conn: ConnId) -> Vec<u8> {
        let mut out = begun(tag::HANG_UP);
        conn.put(&mut out);
        out
    }

    /// [`Event::Timeout`], without its `now`.
    pub fn timeout() -> Vec<u8> {
        begun(tag::TIMEOUT)
    }

    /// [`Event::CloseKept`], without its `now`.
    pub fn close_kept() -> Vec<u8> {
        begun(tag::CLOSE_KEPT)
    }

    /// [`Event::Restore`], without its `now`.
    pub fn restore(past: &Past) -> Vec<u8> {
        let mut out = begun(tag::RESTORE);
        past.put(&mut out);
        out
    }

    /// [`Event::Seal`].
    pub fn seal(conn: ConnId, sent: Sent) -> Vec<u8> {
        two(tag::SEAL, &conn, &sent)
    }

    /// [`Event::End`].
    pub fn end(why: Ended) -> Vec<u8> {
        let mut out = begun(tag::END);
        why.put(&mut out);
        out
    }

    /// [`Event::Start`].
    pub fn start(start: &Start) -> Vec<u8> {
        let mut out = begun(tag::START);
        start.put(&mut out);
        out
    }

    /// Appends when it was.
    pub fn at(mut event: Vec<u8>, now: Now) -> Vec<u8> {
        now.put(&mut event);
        event
    }
}

impl Value for Event {
    fn put(&self, out: &mut Vec<u8>) {
        out.append(&mut match self {
            Self::Start(start) => put::start(start),
            Self::Reconfigure(config) => put::reconfigure(config),
            Self::Accept(conn, peer, now) => put::at(put::accept(*conn, peer), *now),
            Self::Bytes(conn, data) => put::received(*conn, data),
            Self::Poll(conn, came) => put::poll(*conn, *came),
            Self::Keys(conn, session) => put::keys(*conn, *session),
            Self::Handle(conn, now) => put::at(put::handle(*conn), *now),
            Self::Complete(op, done, now) => put::at(put::complete(*op, done), *now),
            Self::Changed(change, now) => put::at(put::changed(change), *now),
            Self::HangUp(conn, now) => put::at(put::hang_up(*conn), *now),
            Self::Timeout(now) => put::at(put::timeout(), *now),
            Self::CloseKept(now) => put::at(put::close_kept(), *now),
            Self::Restore(past, now) => put::at(put::restore(past), *now),
            Self::Seal(conn, sent) => put::seal(*conn, *sent),
            Self::End(why) => put::end(*why),
        });
    }

    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            tag::START => Self::Start(Value::get(from)?),
            tag::RECONFIGURE => Self::Reconfigure(Value::get(from)?),
            tag::ACCEPT => Self::Accept(Value::get(from)?, Value::get(from)?, Value::get(from)?),
            tag::BYTES => Self::Bytes(Value::get(from)?, Value::get(from)?),
            tag::POLL => Self::Poll(Value::get(from)?, Value::get(from)?),
            tag::KEYS => Self::Keys(Value::get(from)?, Value::get(from)?),
            tag::HANDLE => Self::Handle(Value::get(from)?, Value::get(from)?),
            tag::COMPLETE => {
                Self::Complete(Value::get(from)?, Value::get(from)?, Value::get(from)?)
            }
            tag::CHANGED => Self::Changed(Value::get(from)?, Value::get(from)?),
            tag::HANG_UP => Self::HangUp(Value::get(from)?, Value::get(from)?),
            tag::TIMEOUT => Self::Timeout(Value::get(from)?),
            tag::SEAL => Self::Seal(Value::get(from)?, Value::get(from)?),
            tag::CLOSE_KEPT => Self::CloseKept(Value::get(from)?),
            tag::RESTORE => Self::Restore(Value::get(from)?, Value::get(from)?),
            tag::END => Self::End(Value::get(from)?),
            _ => return Err(Malformed("no event")),
        })
    }
}

/// Tells bytes apart that differ by accident: eight at a time, multiplied and turned. It is no
/// protection from anybody.
pub fn digest(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum =
        words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(mix(sum, last), 0)
}
