//! Errors that say who is to blame. A refused request is an [`NtStatus`] by `?`; a message that
//! cannot be understood, or a peer that breaks the transport's rules, is a [`ConnectionError`].

use crate::{
    id::{ConnId, SessionId},
    status::NtStatus,
    wire::{codec::Malformed, header::Command},
};
use core::fmt;

/// Why a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The frame is none (MS-SMB2 2.1), or its SMB2 header is not one.
    Malformed(Malformed),
    /// The transport prefix claims more than this connection may send now.
    FrameTooLarge {
        /// What it claims, in bytes.
        claimed: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// A MessageId outside the sequence window, or one used before (MS-SMB2 3.3.5.2.3).
    OutOfSequence(u64),
    /// A transform that cannot be decrypted, or one of another session (MS-SMB2 3.3.5.2.1.1).
    BadTransform(&'static str),
    /// A second NEGOTIATE (MS-SMB2 3.3.5.4), or anything before the first.
    NegotiateOrder,
    /// The server closed it; says why.
    Closed(&'static str),
    /// The encryption counter of a session is used up.
    NonceExhausted,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "{what}"),
            Self::FrameTooLarge { claimed, limit } => {
                write!(f, "a frame of {claimed} bytes, at most {limit} are allowed")
            }
            Self::OutOfSequence(id) => write!(f, "message id {id} is not in the sequence window"),
            Self::BadTransform(what) => write!(f, "encrypted message: {what}"),
            Self::NegotiateOrder => f.write_str("NEGOTIATE out of order"),
            Self::Closed(why) => write!(f, "closed by the server: {why}"),
            Self::NonceExhausted => f.write_str("encryption counter used up"),
        }
    }
}

impl core::error::Error for ConnectionError {}

impl From<Malformed> for ConnectionError {
    fn from(what: Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// Why a connection is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// [`Limits::connections`](crate::config::Limits::connections).
    TooMany,
    /// [`Limits::connections_per_address`](crate::config::Limits::connections_per_address).
    TooManyOfAddress,
}

impl fmt::Display for Unwelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "as many connections as `max connections` allows",
            Self::TooManyOfAddress => "as many connections as `max ip connections` allows",
        })
    }
}

/// One refused request, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose request.
    pub conn: ConnId,
    /// In which session; 0 is none.
    pub session: SessionId,
    /// The command.
    pub command: Command,
    /// Which step of the gate or of the handler said no, with the section of MS-SMB2.
    pub at: &'static str,
    /// What the client was told.
    pub status: NtStatus,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conn, session, command, at, status } = self;
        write!(f, "ksmbd/{} session {:#x}: {command:?}: {status} ({at})", conn.0, session.0)
    }
}
