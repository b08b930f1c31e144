//! What passes between a client's [`Connection`](crate::connection::Connection) and the
//! [`Server`](crate::server::Server): requests as values one way, replies as values the other.

use crate::{
    buffer::{Payload, ReplyBuf},
    crypto::{Cipher, PreauthHash, SessionKeys, SigningAlgorithm},
    id::{AsyncId, ConnId, SessionId},
    status::NtStatus,
    wire::{
        header::{Command, Header},
        message::{RequestBody, ResponseBody},
        negotiate::Dialect,
        oplock_break::OplockBreakResponse,
    },
};
use alloc::{sync::Arc, vec::Vec};

/// One frame's chain of requests, checked, decrypted and parsed.
#[derive(Debug)]
pub struct Request {
    /// Whose.
    pub conn: ConnId,
    /// How it came.
    pub arrived: Arrived,
    /// At least one.
    pub elements: Vec<Element>,
}

/// How a frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Not encrypted.
    Plain,
    /// Encrypted with the keys of this session.
    Encrypted(SessionId),
}

/// One request of a chain.
#[derive(Debug)]
pub struct Element {
    /// As received.
    pub header: Header,
    /// The message, or what its malformation is answered with.
    pub body: Result<RequestBody, NtStatus>,
    /// It carried a signature, and that was right.
    pub signed: bool,
    /// The whole element, header first: WRITE's data is a slice of it.
    pub bytes: Payload,
    /// For SESSION_SETUP: the pre-authentication hash up to and with this request.
    pub preauth: Option<PreauthHash>,
    /// A NEGOTIATE that came as SMB1's (MS-SMB2 3.3.5.3).
    pub smb1: bool,
}

/// What a connection is told.
#[derive(Debug)]
pub enum Outbound {
    /// A dialect was chosen; comes before its reply.
    Negotiated(Negotiated),
    /// A session is set up; comes before its reply. Guests have no keys.
    Keys(SessionId, Option<Arc<SessionKeys>>),
    /// A session is gone; comes after its reply.
    ForgetKeys(SessionId),
    /// Answers to one or more requests of a chain, or an interim answer.
    Reply(Reply),
    /// What nobody asked for: a break of an oplock or lease.
    Notification(Notification),
    /// From now on so many bytes stand before the data of each READ (a test's, `smbtorture hooks`).
    PadReads(u8),
    /// Hang up, after what was sent before.
    Close(&'static str),
}

/// What NEGOTIATE settled for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The dialect; `SMB_2_WILDCARD` while the SMB2 NEGOTIATE is still to come.
    pub dialect: Dialect,
    /// How sessions of this connection sign.
    pub signing: SigningAlgorithm,
    /// When both sides can encrypt.
    pub cipher: Option<Cipher>,
    /// Bytes of the largest READ, WRITE or list: bounds the frames to come.
    pub max_io: u32,
}

/// One frame to send.
#[derive(Debug)]
pub struct Reply {
    /// At least one.
    pub elements: Vec<ReplyElement>,
    /// Encrypt the frame for this session.
    pub seal: Option<(SessionId, Arc<SessionKeys>)>,
}

/// A message to a client that answers nothing (MS-SMB2 3.3.4.6, 3.3.4.7): never signed.
#[derive(Debug)]
pub struct Notification {
    /// SessionId of the header.
    pub session_id: u64,
    /// Encrypt the frame for this session.
    pub seal: Option<(SessionId, Arc<SessionKeys>)>,
    /// The message.
    pub body: OplockBreakResponse,
}

/// One answer.
#[derive(Debug)]
pub struct ReplyElement {
    /// Which request it answers, and what that asked for.
    pub to: Asked,
    /// TreeId and SessionId as they are to be sent.
    pub tree_id: u32,
    /// See `tree_id`.
    pub session_id: u64,
    /// Set: sent with SMB2_FLAGS_ASYNC_COMMAND.
    pub async_id: Option<AsyncId>,
    /// The answer's status.
    pub status: NtStatus,
    /// Sign with these keys (not when the frame is encrypted).
    pub sign: Option<Arc<SessionKeys>>,
    /// The answer.
    pub body: ReplyBody,
}

/// What an answer repeats of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// Its MessageId.
    pub message_id: u64,
    /// What it paid, at least 1.
    pub credit_charge: u16,
    /// What it asked for; 0 when an interim answer has granted it.
    pub credits: u16,
    /// SMB2_FLAGS_RELATED_OPERATIONS of the request.
    pub related: bool,
    /// SMB2_FLAGS_SIGNED of the request.
    pub signed: bool,
}

impl Asked {
    /// What an answer to this request repeats.
    pub fn of(header: &Header) -> Self {
        use crate::wire::header::HeaderFlags;
        Self {
            command: header.command,
            message_id: header.message_id,
            credit_charge: header.credit_charge.max(1),
            credits: header.credits,
            related: header.flags.contains(HeaderFlags::RELATED_OPERATIONS),
            signed: header.flags.contains(HeaderFlags::SIGNED),
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum ReplyBody {
    /// Any message.
    Wire(ResponseBody),
    /// READ's data, in a buffer with headroom.
    Read(ReplyBuf),
}
