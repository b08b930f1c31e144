//! An SMB 3.1.1 client that does little besides what the protocol asks for: it keeps requests under
//! way, signs or encrypts them with the core's keys, and checks every answer.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::ops::Range;
use std::time::Duration;

use ksmbd_core::crypto::{SessionKeys, SigningAlgorithm};
use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::codec::{Malformed, Writer};
use ksmbd_core::wire::header::{HEADER_LEN, Header, HeaderFlags};
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::oplock_break::OplockBreakResponse;
use ksmbd_core::wire::transform::{self, FLAG_ENCRYPTED, TRANSFORM_LEN, TransformHeader};

/// How messages are protected once there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Off,
    Sign,
    Encrypt,
}

/// What is read from the socket at once when nothing is known of what comes.
const CHUNK: usize = 64 << 10;

/// What may wait to be sent: more than any request of ours.
const CREDITS: u16 = 512;

pub(crate) fn broken(why: impl Into<String>) -> io::Error {
    io::Error::other(why.into())
}

pub(crate) fn malformed(why: Malformed) -> io::Error {
    broken(why.0)
}

/// One answer; its bytes are in [`Smb::bytes`] until the next one is read.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) header: Header,
    pub(crate) element: Range<usize>,
}

impl Reply {
    pub(crate) fn status(&self) -> NtStatus {
        self.header.nt_status()
    }

    pub(crate) fn ok(self) -> io::Result<Self> {
        if self.status() == NtStatus::SUCCESS {
            return Ok(self);
        }
        Err(broken(format!("{:?}: {:?}", self.header.command, self.status())))
    }
}

/// What the server sends by itself has this MessageId (MS-SMB2 2.2.23).
const UNASKED: u64 = u64::MAX;

/// What the server says next.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// The final answer to a request.
    Answer(Reply),
    /// Something is to be given up.
    Break(OplockBreakResponse),
}

/// A connection.
pub(crate) struct Smb {
    stream: TcpStream,
    pub(crate) bytes: Vec<u8>,
    /// What is in `bytes`, and where the next frame begins.
    filled: usize,
    at: usize,
    frame: Range<usize>,
    next_mid: u64,
    pub(crate) credits: u64,
    pub(crate) session_id: u64,
    pub(crate) tree_id: u32,
    pub(crate) keys: Option<SessionKeys>,
    pub(crate) signing: SigningAlgorithm,
    pub(crate) protection: Protection,
    pub(crate) max_read: usize,
    pub(crate) max_write: usize,
    heads: Vec<u8>,
    sealed: Vec<u8>,
    /// MessageIds that have no final answer.
    pending: VecDeque<u64>,
    /// Breaks that came while an answer was waited for.
    breaks: VecDeque<OplockBreakResponse>,
}

impl Smb {
    pub(crate) fn connect(
        (from, port): (Ipv4Addr, u16),
        protection: Protection,
        patience: Duration,
    ) -> io::Result<Self> {
        let stream = dial(from, port)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self {
            stream,
            bytes: vec![0; 2 * CHUNK],
            filled: 0,
            at: 0,
            frame: 0..0,
            next_mid: 0,
            credits: 1,
            session_id: 0,
            tree_id: 0,
            keys: None,
            signing: SigningAlgorithm::AesCmac,
            protection,
            max_read: 0,
            max_write: 0,
            heads: Vec::new(),
            sealed: Vec::new(),
            pending: VecDeque::new(),
            breaks: VecDeque::new(),
        })
    }

    /// How long [`Self::receive`] and its like wait.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Requests without an answer.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Their MessageIds, the oldest first.
    pub(crate) fn pending_ids(&self) -> impl ExactSizeIterator<Item = u64> {
        self.pending.iter().copied()
    }

    /// Encodes one request, data excepted, behind what is in `heads`.
    fn encode(&mut self, body: &RequestBody, data: usize, related: bool) -> Range<usize> {
        let charge = charge(body, data);
        let ask = if self.credits < u64::from(CREDITS) { CREDITS } else { charge };
        let mut flags = HeaderFlags::empty();
        flags.set(HeaderFlags::RELATED_OPERATIONS, related);
        let header = Header {
            credit_charge: charge,
            credits: ask.max(charge),
            message_id: self.next_mid,
            tree_id: self.tree_id,
            session_id: self.session_id,
            flags,
            ..Header::new(body.command())
        };
        self.pending.push_back(self.next_mid);
        self.next_mid += u64::from(charge);
        self.credits = self.credits.saturating_sub(u64::from(charge));
        self.put_element(&header, body)
    }

    fn put_element(&mut self, header: &Header, body: &RequestBody) -> Range<usize> {
        // Offsets in a body count from its header: it is encoded by itself first.
        let mut element = Vec::with_capacity(HEADER_LEN + 64);
        let mut writer = Writer::new(&mut element);
        header.encode(&mut writer);
        body.encode(&mut writer);
        let start = self.heads.len();
        self.heads.extend_from_slice(&element);
        start..self.heads.len()
    }

    /// Sends one request, with data behind it for WRITE. Its MessageId.
    pub(crate) fn send(&mut self, body: &RequestBody, data: &[u8]) -> io::Result<u64> {
        self.heads.clear();
        let id = self.next_mid;
        let place = self.encode(body, data.len(), false);
        self.protect(&place, data);
        self.put(data)?;
        Ok(id)
    }

    /// Sends a CANCEL, which has no answer and costs nothing, for an earlier request (MS-SMB2 3.2.4.24).
    pub(crate) fn cancel(&mut self, message_id: u64) -> io::Result<()> {
        self.heads.clear();
        let body = RequestBody::Cancel;
        let header = Header {
            credit_charge: 0,
            credits: 0,
            message_id,
            tree_id: self.tree_id,
            session_id: self.session_id,
            ..Header::new(body.command())
        };
        let place = self.put_element(&header, &body);
        self.protect(&place, &[]);
        self.put(&[])
    }

    /// Ends the connection without a word, and without a trace in this machine's tables.
    pub(crate) fn abandon(self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    /// Ends the connection.
    pub(crate) fn hang_up(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Takes one byte of what was sent.
    pub(crate) fn sip(&mut self) -> io::Result<()> {
        self.stream.read_exact(&mut [0])
    }

    /// Sends bytes that are no message, or the beginning of one.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends requests as one related chain.
    pub(crate) fn send_chain(&mut self, bodies: &[RequestBody]) -> io::Result<()> {
        self.heads.clear();
        for (index, body) in bodies.iter().enumerate() {
            let place = self.encode(body, 0, index > 0);
            let mut end = place.end;
            if index + 1 < bodies.len() {
                end = end.next_multiple_of(8);
                self.heads.resize(end, 0);
                let length = u32::try_from(end - place.start).unwrap_or(0).to_le_bytes();
                self.heads[place.start + 20..place.start + 24].copy_from_slice(&length);
            }
            self.protect(&(place.start..end), &[]);
        }
        self.put(&[])
    }

    /// Sends one request in the clear but signed, if there are keys: TREE_CONNECT wants it so.
    pub(crate) fn send_signed(&mut self, body: &RequestBody) -> io::Result<()> {
        self.heads.clear();
        let place = self.encode(body, 0, false);
        if self.protection != Protection::Encrypt {
            self.sign(&place, &[]);
        }
        self.put(&[])
    }

    fn protect(&mut self, place: &Range<usize>, data: &[u8]) {
        if self.protection == Protection::Sign {
            self.sign(place, data);
        }
    }

    fn sign(&mut self, place: &Range<usize>, data: &[u8]) {
        if let Some(keys) = &self.keys
            && let Some((header, rest)) =
                self.heads[place.clone()].split_first_chunk_mut::<HEADER_LEN>()
        {
            header[16] |= 8;
            let signature = keys.signing().sign(header, &[rest, data]);
            header[48..].copy_from_slice(&signature);
        }
    }

    /// The last message as it went out, without data; for the pre-authentication hash.
    pub(crate) fn last_sent(&self) -> &[u8] {
        &self.heads
    }

    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        let length = self.heads.len() + data.len();
        let seal = match &self.keys {
            Some(keys) if self.protection == Protection::Encrypt => Some(keys),
            _ => None,
        };
        if let Some(keys) = seal {
            seal_into(keys, self.session_id, &self.heads, data, &mut self.sealed)?;
            return self.stream.write_all(&self.sealed);
        }
        let prefix = prefix(length);
        let parts = [&prefix[..], &self.heads, data];
        write_parts(&mut self.stream, &parts)
    }

    /// The next answer; interim ones are passed over, and breaks kept for [`Self::receive_break`].
    pub(crate) fn receive(&mut self) -> io::Result<Reply> {
        loop {
            match self.hear()? {
                Said::Answer(reply) => return Ok(reply),
                Said::Break(told) => self.breaks.push_back(told),
            }
        }
    }

    /// The next break, when no answer is expected before it.
    pub(crate) fn receive_break(&mut self) -> io::Result<OplockBreakResponse> {
        if let Some(told) = self.breaks.pop_front() {
            return Ok(told);
        }
        match self.hear()? {
            Said::Break(told) => Ok(told),
            Said::Answer(reply) => {
                let (command, status) = (reply.header.command, reply.status());
                Err(broken(format!("an answer instead of a break: {command:?} {status:?}")))
            }
        }
    }

    /// What the server says next; interim answers are passed over.
    pub(crate) fn hear(&mut self) -> io::Result<Said> {
        loop {
            let reply = self.next()?;
            self.credits += u64::from(reply.header.credits);
            if reply.status() == NtStatus::PENDING {
                continue;
            }
            let mid = reply.header.message_id;
            if mid == UNASKED {
                let element = &self.bytes[reply.element];
                return OplockBreakResponse::parse(element).map(Said::Break).map_err(malformed);
            }
            let known = self.pending.iter().position(|pending| *pending == mid);
            let Some(known) = known else {
                return Err(broken(format!("an answer to message {mid}, which was not asked")));
            };
            self.pending.remove(known);
            return Ok(Said::Answer(reply));
        }
    }

    /// The next element of the current frame, or of the next one.
    fn next(&mut self) -> io::Result<Reply> {
        if self.frame.is_empty() {
            self.fetch()?;
        }
        let rest = &self.bytes[self.frame.clone()];
        let header = Header::parse(rest).map_err(malformed)?;
        let (element, _) = header.split(rest).map_err(malformed)?;
        let element = self.frame.start..self.frame.start + element.len();
        self.frame.start = element.end;
        let signed = header.flags.contains(HeaderFlags::SIGNED);
        if let Some(keys) = &self.keys
            && signed
            && !keys.signing().verify_message(&self.bytes[element.clone()])
        {
            return Err(broken(format!("{:?}: the signature is wrong", header.command)));
        }
        Ok(Reply { header, element })
    }

    /// Reads a whole frame, and opens it.
    fn fetch(&mut self) -> io::Result<()> {
        if self.at == self.filled {
            (self.at, self.filled) = (0, 0);
        } else if self.at > 0 {
            self.bytes.copy_within(self.at..self.filled, 0);
            (self.at, self.filled) = (0, self.filled - self.at);
        }
        while self.filled < 4 {
            self.filled += self.read(self.filled..CHUNK)?;
        }
        let length = [0, self.bytes[1], self.bytes[2], self.bytes[3]];
        let end = 4 + u32::from_be_bytes(length) as usize;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        // Nothing of the next frame is read with a large one: it would have to be moved.
        while self.filled < end {
            self.filled += self.read(self.filled..end)?;
        }
        self.at = end;
        self.frame = self.open(4..end)?;
        Ok(())
    }

    fn read(&mut self, into: Range<usize>) -> io::Result<usize> {
        match self.stream.read(&mut self.bytes[into])? {
            0 => Err(broken("the server has closed the connection")),
            n => Ok(n),
        }
    }

    fn open(&mut self, frame: Range<usize>) -> io::Result<Range<usize>> {
        let bytes = &mut self.bytes[frame.clone()];
        if !bytes.starts_with(&transform::PROTOCOL_ID) {
            return Ok(frame);
        }
        let keys = self.keys.as_ref().and_then(SessionKeys::server_to_client);
        let Some((key, (head, body))) = keys.zip(bytes.split_first_chunk_mut::<TRANSFORM_LEN>())
        else {
            return Err(broken("nothing to decrypt it with"));
        };
        key.open(head, body).map_err(|_| broken("the encryption is wrong"))?;
        Ok(frame.start + TRANSFORM_LEN..frame.end)
    }
}

/// Connects to 127.0.0.1 from one of loopback's addresses.
pub(crate) fn dial(from: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if from != Ipv4Addr::LOCALHOST {
        bind(&fd, &SocketAddrV4::new(from, 0))?;
    }
    connect(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(fd.into())
}

/// What a request costs (MS-SMB2 3.2.4.1.5).
fn charge(body: &RequestBody, data: usize) -> u16 {
    let payload = match body {
        RequestBody::Read(read) => read.length as usize,
        RequestBody::QueryDirectory(query) => query.output_buffer_length as usize,
        _ => data,
    };
    u16::try_from(payload.saturating_sub(1) / 65536 + 1).unwrap_or(u16::MAX)
}

fn prefix(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(0).to_be_bytes()
}

fn seal_into(
    keys: &SessionKeys,
    session_id: u64,
    head: &[u8],
    data: &[u8],
    sealed: &mut Vec<u8>,
) -> io::Result<()> {
    let length = head.len() + data.len();
    let (Some(key), Some(nonce)) = (keys.client_to_server(), keys.next_nonce()) else {
        return Err(broken("nothing to encrypt with"));
    };
    let header = TransformHeader {
        signature: [0; 16],
        nonce,
        original_message_size: u32::try_from(length).unwrap_or(0),
        flags: FLAG_ENCRYPTED,
        session_id,
    };
    sealed.clear();
    sealed.extend_from_slice(&prefix(TRANSFORM_LEN + length));
    header.encode(&mut Writer::new(sealed));
    sealed.extend_from_slice(head);
    sealed.extend_from_slice(data);
    let Some((head, body)) = sealed[4..].split_first_chunk_mut::<TRANSFORM_LEN>() else {
        return Err(broken("no transform header"));
    };
    key.seal(head, body).map_err(|_| broken("encryption failed"))
}

fn write_parts(stream: &mut TcpStream, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let n = stream.write_vectored(left)?;
        if n == 0 {
            return Err(broken("nothing could be written"));
        }
        IoSlice::advance_slices(&mut left, n);
    }
    Ok(())
}
