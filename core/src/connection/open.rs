//! From a frame to requests: decrypt, part the chain, check sequence and signature, parse.

use super::{Connection, Phase, Unwrapped};
use crate::{
    buffer::Payload,
    crypto::{PreauthHash, SessionKeys},
    error::ConnectionError,
    id::SessionId,
    message::{Arrived, Element},
    status::NtStatus,
    wire::{
        codec::Malformed,
        header::{Command, HEADER_LEN, Header, HeaderFlags},
        message::RequestBody,
        negotiate::{Capabilities, Dialect, NegotiateRequest, SecurityMode},
        smb1::{self, Smb1Negotiate},
        transform::{self, TRANSFORM_LEN, TransformHeader},
    },
};
use alloc::{sync::Arc, vec, vec::Vec};

/// Requests of one chain; more is an attack.
const MAX_CHAIN: usize = 128;

/// Bytes that a chain may ask for: its answers are one frame, which has 24 bits for its length.
const MAX_ANSWERS: u32 = (1 << 24) - (128 << 10);

impl Connection {
    /// Takes the encryption off (MS-SMB2 3.3.5.2.1.1). The result is the message's place in the
    /// frame.
    pub(super) fn unwrap(&self, mut frame: Vec<u8>) -> Result<Unwrapped, ConnectionError> {
        let whole = 0..frame.len();
        match frame.first_chunk() {
            Some(&transform::PROTOCOL_ID) => {}
            Some(&transform::COMPRESSION_PROTOCOL_ID) => {
                return Err(ConnectionError::BadTransform("compression was not negotiated"));
            }
            _ => return Ok((frame, whole, Arrived::Plain)),
        }
        let header = TransformHeader::parse(&frame)?;
        let session = SessionId(header.session_id);
        let keys = self.keys.get(&session).and_then(Option::as_ref);
        let key = keys.and_then(|keys| keys.client_to_server());
        let key = key.ok_or(ConnectionError::BadTransform("no such session, or it has no key"))?;
        if header.original_message_size as usize != frame.len() - TRANSFORM_LEN {
            return Err(ConnectionError::BadTransform("OriginalMessageSize"));
        }
        let Some((head, message)) = frame.split_first_chunk_mut::<TRANSFORM_LEN>() else {
            return Err(Malformed("TRANSFORM_HEADER").into());
        };
        key.open(head, message).map_err(|_| ConnectionError::BadTransform("wrong tag"))?;
        Ok((frame, TRANSFORM_LEN..whole.end, Arrived::Encrypted(session)))
    }

    /// Parts the chain (MS-SMB2 3.3.5.2.7) and checks each request.
    pub(super) fn elements(
        &mut self,
        message: &Payload,
        arrived: Arrived,
    ) -> Result<Vec<Element>, ConnectionError> {
        if message.bytes().starts_with(&smb1::PROTOCOL_ID) {
            return self.smb1_negotiate(message).map(|element| vec![element]);
        }
        // Most frames have one; a vector that grows begins with four.
        let mut elements: Vec<Element> = Vec::with_capacity(1);
        let mut start = 0;
        let mut session = 0;
        let mut room = MAX_ANSWERS;
        while elements.is_empty() || start < message.len() {
            if elements.len() == MAX_CHAIN {
                return Err(Malformed("too many requests in a chain").into());
            }
            let rest = message.slice(start..message.len());
            let header = Header::parse(rest.bytes())?;
            let length = header.split(rest.bytes())?.0.len();
            let bytes = rest.slice(0..length);
            let first = elements.is_empty();
            if first || !header.flags.contains(HeaderFlags::RELATED_OPERATIONS) {
                session = header.session_id;
            }
            let mut element = self.element(header, bytes, arrived, session)?;
            let asked = element.body.as_ref().map_or(0, answer_size);
            match room.checked_sub(asked) {
                Some(left) => room = left,
                // Alone it is the command's to judge.
                None if first => room = 0,
                None => element.body = Err(NtStatus::INSUFFICIENT_RESOURCES),
            }
            elements.push(element);
            start += length;
        }
        Ok(elements)
    }

    fn element(
        &mut self,
        header: Header,
        bytes: Payload,
        arrived: Arrived,
        session: u64,
    ) -> Result<Element, ConnectionError> {
        if header.flags.contains(HeaderFlags::SERVER_TO_REDIR) {
            return Err(Malformed("a response instead of a request").into());
        }
        self.check_order(header.command)?;
        self.consume(&header)?;
        if let Arrived::Encrypted(by) = arrived
            && by.0 != session
        {
            return Err(ConnectionError::BadTransform("another session inside"));
        }
        let signed = header.flags.contains(HeaderFlags::SIGNED);
        let (signed, genuine) = match arrived {
            Arrived::Encrypted(_) => (true, true),
            Arrived::Plain if signed => self.verify(SessionId(session), bytes.bytes()),
            Arrived::Plain => (false, true),
        };
        let signed = signed || !genuine && self.is_for_first(&header, bytes.bytes());
        let body = match RequestBody::parse(header.command, bytes.bytes()) {
            _ if !genuine => Err(NtStatus::ACCESS_DENIED),
            Ok(body) if self.pays(&header, &body) => Ok(body),
            // MS-SMB2 3.3.5.2.5: CreditCharge does not cover the payload.
            Ok(_) => Err(NtStatus::INVALID_PARAMETER),
            Err(_) => Err(NtStatus::INVALID_PARAMETER),
        };
        let preauth = self.hash_request(&header, bytes.bytes());
        Ok(Element { header, body, signed, bytes, preauth, smb1: false })
    }

    /// MS-SMB2 3.3.5.4: NEGOTIATE comes first, and once.
    fn check_order(&self, command: Command) -> Result<(), ConnectionError> {
        match self.phase {
            Phase::Chosen(_) if command == Command::NEGOTIATE => {
                Err(ConnectionError::NegotiateOrder)
            }
            Phase::Fresh | Phase::Wildcard if command != Command::NEGOTIATE => {
                Err(ConnectionError::NegotiateOrder)
            }
            _ => Ok(()),
        }
    }

    /// MS-SMB2 3.3.5.2.3. CANCEL uses no number of its own.
    fn consume(&mut self, header: &Header) -> Result<(), ConnectionError> {
        if header.command == Command::CANCEL {
            return Ok(());
        }
        let charge = if self.counts_charge() { header.credit_charge } else { 1 };
        if self.credits.consume(header.message_id, charge) {
            Ok(())
        } else {
            Err(ConnectionError::OutOfSequence(header.message_id))
        }
    }

    /// Multi-credit operations came with 2.1.
    fn counts_charge(&self) -> bool {
        matches!(self.phase, Phase::Chosen(n) if n.dialect > Dialect::SMB_2_0_2)
    }

    /// MS-SMB2 3.3.5.2.5: one credit for each 64 KiB that is sent or asked for.
    fn pays(&self, header: &Header, body: &RequestBody) -> bool {
        if !self.counts_charge() {
            return true;
        }
        let credits = u32::from(header.credit_charge.max(1));
        payload_size(body).div_ceil(65536) <= credits
    }

    /// A session that is signed for and that is not known here: it may be another connection's, whose
    /// client wants this one to join, or does not know that it has not.
    pub(super) fn unknown_signer(&self, message: &[u8]) -> Option<SessionId> {
        let header = Header::parse(message).ok()?;
        let signed = header.flags.contains(HeaderFlags::SIGNED) && header.session_id != 0;
        let session = SessionId(header.session_id);
        let known = self.keys.contains_key(&session) || self.ended_keys(session).is_some();
        (signed && !known).then_some(session)
    }

    /// A SESSION_SETUP over a channel, signed as over the session's first: that is refused, but with a
    /// signature that its client can check (smb2.session.bind_negative_smb3signCtoHs).
    fn is_for_first(&self, header: &Header, element: &[u8]) -> bool {
        let keys = self.keys.get(&SessionId(header.session_id)).and_then(Option::as_ref);
        let first = keys.and_then(|keys| keys.first());
        header.command == Command::SESSION_SETUP
            && first.is_some_and(|first| first.signing().verify_message(element))
    }

    /// The keys of a session that has ended not long ago.
    pub(super) fn ended_keys(&self, session: SessionId) -> Option<&Arc<SessionKeys>> {
        self.ended.iter().find(|(ended, _)| *ended == session).map(|(_, keys)| keys)
    }

    /// Whether the signature counts, and whether it is right (MS-SMB2 3.3.5.2.4). Without keys (a
    /// guest, or a session that is being set up or that is nobody's) there is nothing to check.
    fn verify(&self, session: SessionId, element: &[u8]) -> (bool, bool) {
        let lent = self.lent.as_ref().filter(|(lent, _)| *lent == session);
        let keys = self.keys.get(&session).or_else(|| lent.map(|(_, keys)| keys));
        match keys.and_then(Option::as_ref) {
            Some(keys) => {
                let genuine = keys.signing().verify_message(element);
                (genuine, genuine)
            }
            None => (false, true),
        }
    }

    /// The hash that keys of this session will be derived with (MS-SMB2 3.3.5.4, 3.3.5.5).
    fn hash_request(&mut self, header: &Header, element: &[u8]) -> Option<PreauthHash> {
        match header.command {
            Command::NEGOTIATE => {
                self.preauth.connection = PreauthHash::default();
                self.preauth.connection.extend(element);
                None
            }
            Command::SESSION_SETUP => {
                let known = self.preauth.setups.remove(&header.session_id);
                let mut hash = known.unwrap_or_else(|| self.preauth.connection.clone());
                hash.extend(element);
                self.preauth.current = Some(hash.clone());
                Some(hash)
            }
            _ => None,
        }
    }

    /// MS-SMB2 3.3.5.3: the only SMB1 message there is, and only as the first.
    fn smb1_negotiate(&mut self, message: &Payload) -> Result<Element, ConnectionError> {
        if !matches!(self.phase, Phase::Fresh) || !self.credits.consume(0, 1) {
            return Err(ConnectionError::NegotiateOrder);
        }
        let request = Smb1Negotiate::parse(message.bytes())?;
        let named = [("SMB 2.???", Dialect::SMB_2_WILDCARD), ("SMB 2.002", Dialect::SMB_2_0_2)];
        let offered = named.iter().filter(|(name, _)| request.offers(name));
        let dialects = offered.map(|(_, dialect)| *dialect).collect();
        Ok(Element {
            header: Header::new(Command::NEGOTIATE),
            body: Ok(RequestBody::Negotiate(NegotiateRequest {
                security_mode: SecurityMode::empty(),
                capabilities: Capabilities::empty(),
                client_guid: [0; 16],
                dialects,
                contexts: Vec::new(),
            })),
            signed: false,
            bytes: message.slice(0..message.len().min(HEADER_LEN)),
            preauth: None,
            smb1: true,
        })
    }
}

/// Bytes that a request asks for.
fn answer_size(body: &RequestBody) -> u32 {
    match body {
        RequestBody::Read(read) => read.length,
        RequestBody::QueryDirectory(query) => query.output_buffer_length,
        RequestBody::QueryInfo(query) => query.output_buffer_length,
        RequestBody::Ioctl(ioctl) => ioctl.max_output_response,
        RequestBody::ChangeNotify(notify) => notify.output_buffer_length,
        _ => 0,
    }
}

/// Bytes that a request carries or asks for, whichever is more.
fn payload_size(body: &RequestBody) -> u32 {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    match body {
        RequestBody::Read(read) => read.length,
        RequestBody::Write(write) => length(write.data.len()),
        RequestBody::QueryDirectory(query) => query.output_buffer_length,
        RequestBody::QueryInfo(query) => query.output_buffer_length.max(length(query.input.len())),
        RequestBody::SetInfo(set) => length(set.buffer.len()),
        RequestBody::Ioctl(ioctl) => {
            let answer = ioctl.max_input_response.saturating_add(ioctl.max_output_response);
            answer.max(length(ioctl.input.len()))
        }
        RequestBody::ChangeNotify(notify) => notify.output_buffer_length,
        _ => 0,
    }
}
