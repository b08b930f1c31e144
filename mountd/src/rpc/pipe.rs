//! One open pipe: what each PDU does to it.

use std::fmt;

use ksmbd_core::rng::Rng;

use super::association::Association;
use super::ndr::{Reader, Writer};
use super::output::{Output, ReadResult};
use super::pdu::{self, Bind, Fault, Header, Nak, Outcome, Request, flag, kind};
use super::{Call, Directory};

/// The longest that is taken: a client's first bind may be cut for TCP's larger default.
const MAX_ACCEPTED: usize = 5840;
/// The longest request, all fragments together.
const MAX_REQUEST: usize = 128 * 1024;
/// The longest answer of one call.
const MAX_RESPONSE: usize = 256 * 1024;
/// With more than this unread, no PDU is looked at.
const MAX_UNREAD: usize = 256 * 1024;

/// One open pipe. The pipe's name decides which interfaces may be bound; a call goes to the
/// interface that is bound under its context.
///
/// It holds at most some 650 KiB, and without unread answers next to nothing.
pub struct Pipe {
    name: &'static str,
    /// Who has opened it; none is anonymous.
    account: Option<String>,
    /// Where handles come from.
    rng: Rng,
    /// The beginning of a PDU whose rest has not been written yet.
    partial: Vec<u8>,
    association: Option<Association>,
    /// A request whose last fragment has not come yet.
    request: Option<Gathering>,
    output: Output,
    broken: Option<&'static str>,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeError {
    /// The association ended earlier; there may still be something to read.
    Closed,
    /// These bytes ended the association without an answer; the text says which rule they broke.
    Protocol(&'static str),
    /// The client must read its answers first. Nothing of the write was taken.
    Unread,
}

impl fmt::Display for PipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the association has ended"),
            Self::Protocol(rule) => f.write_str(rule),
            Self::Unread => f.write_str("earlier answers have not been read"),
        }
    }
}

impl std::error::Error for PipeError {}

/// The association is over; what there was to answer is in the output.
struct Broken(&'static str);

struct Gathering {
    call_id: u32,
    context: u16,
    opnum: u16,
    stub: Vec<u8>,
}

impl Pipe {
    /// Opens the pipe `name`, as it stands in a CREATE on `IPC$`: no path before it, in any case.
    /// None if there is no such pipe: STATUS_OBJECT_NAME_NOT_FOUND.
    ///
    /// `account` is the session's, none if it is anonymous. `rng` is for the handles that clients
    /// are given.
    pub fn open(name: &str, account: Option<String>, rng: Rng) -> Option<Self> {
        Some(Self {
            name: super::pipe_name(name)?,
            account,
            rng,
            partial: Vec::new(),
            association: None,
            request: None,
            output: Output::default(),
            broken: None,
        })
    }

    /// The pipe's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Takes what the client writes: a PDU, a part of one, or several. All calls that are complete
    /// with it are answered at once.
    ///
    /// # Errors
    ///
    /// [`PipeError`]. When the association ends with an answer (a fault, a bind_nak), the write
    /// succeeds, for the client is to read that answer; the next write is refused.
    pub fn write(&mut self, bytes: &[u8], directory: &dyn Directory) -> Result<(), PipeError> {
        if self.broken.is_some() {
            return Err(PipeError::Closed);
        }
        if self.output.held() > MAX_UNREAD {
            return Err(PipeError::Unread);
        }
        let before = self.output.messages();
        let Err(Broken(rule)) = self.feed(bytes, directory) else {
            return Ok(());
        };
        self.broken = Some(rule);
        self.partial = Vec::new();
        self.request = None;
        self.association = None;
        if self.output.messages() > before { Ok(()) } else { Err(PipeError::Protocol(rule)) }
    }

    /// Reads from the first message that waits, at most `max` bytes: a read never joins two
    /// messages, and each fragment of an answer is one.
    pub fn read(&mut self, max: usize) -> ReadResult {
        self.output.read(max)
    }

    /// Whether a read would find something. A read that finds nothing waits, or fails with
    /// STATUS_PIPE_EMPTY, or on a pipe that [is broken](Self::broken) with STATUS_PIPE_BROKEN.
    pub fn has_output(&self) -> bool {
        self.output.messages() != 0
    }

    /// Why the association ended, if it did: no write will be taken any more.
    pub fn broken(&self) -> Option<&'static str> {
        self.broken
    }

    /// Cuts the stream of bytes into PDUs. Each turn takes at least one byte.
    fn feed(&mut self, mut bytes: &[u8], directory: &dyn Directory) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let missing = self.wanted()?.saturating_sub(self.partial.len());
            let (now, later) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.partial.extend_from_slice(now);
            bytes = later;
            if self.partial.len() == self.wanted()? {
                let pdu = std::mem::take(&mut self.partial);
                self.pdu(&pdu, directory)?;
            }
        }
        Ok(())
    }

    /// How long the PDU at hand is as far as it is known: its header at first, then all of it.
    fn wanted(&self) -> Result<usize, Broken> {
        if self.partial.len() < pdu::HEADER {
            return Ok(pdu::HEADER);
        }
        match Header::read(&self.partial) {
            Ok(header) if (pdu::HEADER..=MAX_ACCEPTED).contains(&header.frag_length) => {
                Ok(header.frag_length)
            }
            _ => Err(Broken("a fragment's length is out of range")),
        }
    }

    /// One whole PDU.
    fn pdu(&mut self, pdu: &[u8], directory: &dyn Directory) -> Result<(), Broken> {
        // A client that sends all its questions before it reads the first answer is fine; one that
        // never reads is not.
        if self.output.held() > MAX_UNREAD {
            return Err(Broken("the answers are not read"));
        }
        let header = Header::read(pdu).map_err(|_| Broken("a header is too short"))?;
        self.check(&header)?;
        match header.kind {
            kind::BIND => self.bind(&header, pdu),
            kind::ALTER_CONTEXT => self.alter_context(&header, pdu),
            kind::REQUEST => self.request(&header, pdu, directory),
            // Calls are answered before the write that completes them returns: there is nothing
            // that could be cancelled.
            kind::CO_CANCEL => Ok(()),
            kind::ORPHANED => {
                self.request.take_if(|request| request.call_id == header.call_id);
                Ok(())
            }
            _ => Err(Broken("a PDU is of a type that clients do not send")),
        }
    }

    /// What holds for every PDU: version 5, little endian, and no authentication, for none was
    /// agreed on. (The pipe's session is authenticated; MS-SRVS 2.1 needs no more.)
    fn check(&mut self, header: &Header) -> Result<(), Broken> {
        let (nak, fault, rule) = if header.version.0 != 5 || header.version.1 > 1 {
            (Nak::ProtocolVersion, Fault::ProtocolError, "not version 5 of the protocol")
        } else if !header.ours {
            (Nak::NotSpecified, Fault::ProtocolError, "not little endian, ASCII and IEEE")
        } else if header.auth_length != 0 {
            (Nak::AuthenticationType, Fault::AccessDenied, "authentication is not supported")
        } else {
            return Ok(());
        };
        match header.kind {
            kind::BIND => self.output.push(pdu::bind_nak(header.call_id, nak)),
            kind::ALTER_CONTEXT | kind::REQUEST => self.fault(header.call_id, 0, fault),
            _ => {}
        }
        Err(Broken(rule))
    }

    fn fault(&mut self, call_id: u32, context: u16, fault: Fault) {
        self.output.push(pdu::fault(call_id, context, fault));
    }

    /// Answers with a protocol error, after which there is no association.
    fn violation<T>(&mut self, header: &Header, rule: &'static str) -> Result<T, Broken> {
        self.fault(header.call_id, 0, Fault::ProtocolError);
        Err(Broken(rule))
    }

    /// C706 12.6.4.3: the first PDU, once.
    fn bind(&mut self, header: &Header, pdu: &[u8]) -> Result<(), Broken> {
        if self.association.is_some() {
            return self.violation(header, "a second bind");
        }
        let bind = if header.has(flag::WHOLE) { Bind::read(pdu) } else { Err(Nak::NotSpecified) };
        let bind = match bind {
            Ok(bind) => bind,
            Err(reason) => {
                self.output.push(pdu::bind_nak(header.call_id, reason));
                return Err(Broken("a bind is malformed or asks for too much"));
            }
        };
        let mut association = Association::new(&bind, self.rng.fork());
        let outcomes: Vec<Outcome> = bind
            .proposals
            .iter()
            .map(|proposal| match *proposal.transfer {
                // MS-RPCE 3.3.1.5.3: a context that asks about features binds nothing.
                [only] if only.asks_for_features() => Outcome::Negotiated,
                _ => association.propose(self.name, proposal),
            })
            .collect();
        let ack = association.ack(kind::BIND_ACK, Some(self.name), &outcomes);
        self.output.push(ack.encode(header.call_id));
        self.association = Some(association);
        Ok(())
    }

    /// C706 12.6.4.1: further contexts for the association.
    fn alter_context(&mut self, header: &Header, pdu: &[u8]) -> Result<(), Broken> {
        let Some(association) = self.association.as_mut() else {
            return self.violation(header, "an alter_context before a bind");
        };
        let bind = if header.has(flag::WHOLE) { Bind::read(pdu) } else { Err(Nak::NotSpecified) };
        let Ok(bind) = bind else {
            return self.violation(header, "an alter_context is malformed or asks for too much");
        };
        let propose = |proposal| association.propose(self.name, proposal);
        let outcomes: Vec<Outcome> = bind.proposals.iter().map(propose).collect();
        let ack = association.ack(kind::ALTER_CONTEXT_RESP, None, &outcomes);
        self.output.push(ack.encode(header.call_id));
        Ok(())
    }

    /// C706 12.6.4.9: a request or a fragment of one. There is one at a time, for concurrent
    /// multiplexing was not agreed on (C706 12.6.3.1 `PFC_CONC_MPX`).
    fn request(
        &mut self,
        header: &Header,
        pdu: &[u8],
        directory: &dyn Directory,
    ) -> Result<(), Broken> {
        if self.association.is_none() {
            return self.violation(header, "a request before a bind");
        }
        let Ok(fragment) = Request::read(header, pdu) else {
            return self.violation(header, "a request is shorter than its header");
        };
        let mut request = match (self.request.take(), header.has(flag::FIRST)) {
            (None, true) => Gathering {
                call_id: header.call_id,
                context: fragment.context,
                opnum: fragment.opnum,
                stub: Vec::new(),
            },
            (Some(request), false) if request.goes_on(header, &fragment) => request,
            _ => return self.violation(header, "a fragment is out of order"),
        };
        if request.stub.len().saturating_add(fragment.stub.len()) > MAX_REQUEST {
            self.fault(request.call_id, request.context, Fault::NoMemory);
            return Err(Broken("a request is too long"));
        }
        if !header.has(flag::LAST) {
            request.stub.extend_from_slice(fragment.stub);
            self.request = Some(request);
        } else if request.stub.is_empty() {
            self.call(&request, fragment.stub, directory);
        } else {
            request.stub.extend_from_slice(fragment.stub);
            self.call(&request, &request.stub, directory);
        }
        Ok(())
    }

    /// Runs one call on the interface of its context.
    fn call(&mut self, request: &Gathering, stub: &[u8], directory: &dyn Directory) {
        let Gathering { call_id, context, opnum, .. } = *request;
        let bound = self.association.as_mut().and_then(|association| {
            let interface = association.contexts.get(&context).copied()?;
            Some((interface, association.max_xmit, &mut association.handles))
        });
        let Some((interface, max_xmit, handles)) = bound else {
            return self.fault(call_id, context, Fault::UnknownInterface);
        };
        let mut call = Call {
            opnum,
            input: Reader::new(stub),
            output: Writer::default(),
            directory,
            account: self.account.as_deref(),
            handles,
        };
        let done = (interface.call)(&mut call).map(|()| call.output.finish());
        match done {
            Ok(answer) if answer.len() <= MAX_RESPONSE => {
                for fragment in pdu::response(call_id, context, &answer, max_xmit) {
                    self.output.push(fragment);
                }
            }
            Ok(_) => self.fault(call_id, context, Fault::NoMemory),
            Err(fault) => self.fault(call_id, context, fault),
        }
    }
}

impl Gathering {
    /// Whether `fragment` belongs to this request (C706 12.6.4.9: all fragments say the same).
    fn goes_on(&self, header: &Header, fragment: &Request<'_>) -> bool {
        self.call_id == header.call_id
            && self.context == fragment.context
            && self.opnum == fragment.opnum
    }
}
