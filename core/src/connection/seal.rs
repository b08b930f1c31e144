//! From replies to a frame: encode the chain, grant credits, sign or encrypt in place.

use super::{Connection, holds};
use crate::{
    buffer::{Frame, HEADROOM},
    crypto::SessionKeys,
    error::ConnectionError,
    id::SessionId,
    message::{Notification, Reply, ReplyBody, ReplyElement},
    status::NtStatus,
    wire::{
        codec::{Malformed, Writer},
        header::{Command, HEADER_LEN, Header, HeaderFlags, NEXT_COMMAND_OFFSET},
        read,
        transform::{FLAG_ENCRYPTED, PROTOCOL_ID, TRANSFORM_LEN, TransformHeader},
        transport::{PREFIX_LEN, encode_prefix},
    },
};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

/// Where the first SMB2 header begins in a frame under construction.
const MESSAGE: usize = PREFIX_LEN + TRANSFORM_LEN;

/// What is left to do for one element once the whole message stands.
struct Placed {
    range: Range<usize>,
    command: Command,
    status: NtStatus,
    session_id: u64,
    sign: Option<Arc<SessionKeys>>,
}

impl Connection {
    pub(super) fn seal_reply(&mut self, reply: Reply) -> Result<Frame, ConnectionError> {
        let last = reply.elements.len().saturating_sub(1);
        let mut bytes = Vec::new();
        let mut placed = Vec::with_capacity(reply.elements.len());
        for (index, mut element) in reply.elements.into_iter().enumerate() {
            let gone = element.status == NtStatus::USER_SESSION_DELETED && element.to.signed;
            if gone && element.sign.is_none() {
                element.sign = self.ended_keys(SessionId(element.session_id)).cloned();
            }
            let start = if index == 0 { MESSAGE } else { bytes.len() };
            let rest = (element.to.command, element.status, element.session_id);
            let sign = element.sign.clone();
            self.place(&mut bytes, start, element, reply.seal.is_some());
            // MS-SMB2 3.3.4.1.3: the elements of a chain are padded, as on Windows also the last.
            let padded = (bytes.len() - start).next_multiple_of(8);
            if last > 0 {
                bytes.resize(start + padded, 0);
            }
            if index < last {
                let next = (padded as u32).to_le_bytes();
                bytes[start + NEXT_COMMAND_OFFSET..][..4].copy_from_slice(&next);
            }
            let (command, status, session_id) = rest;
            placed.push(Placed { range: start..bytes.len(), command, status, session_id, sign });
        }
        for element in &placed {
            self.finish(&mut bytes, element, reply.seal.is_some());
        }
        match reply.seal {
            Some((session, keys)) => encrypt(bytes, session, &keys),
            None => prefixed(bytes, MESSAGE - PREFIX_LEN),
        }
    }

    /// MS-SMB2 3.3.4.6, 3.3.4.7: it answers no request, so it grants no credits.
    pub(super) fn seal_notification(
        &mut self,
        notification: &Notification,
    ) -> Result<Frame, ConnectionError> {
        let header = Header {
            message_id: u64::MAX,
            flags: HeaderFlags::SERVER_TO_REDIR,
            session_id: notification.session_id,
            ..Header::new(Command::OPLOCK_BREAK)
        };
        let mut bytes = self.pool.take_short();
        bytes.resize(MESSAGE, 0);
        let mut writer = Writer::new(&mut bytes);
        header.encode(&mut writer);
        notification.body.encode(&mut writer);
        match &notification.seal {
            Some((session, keys)) => encrypt(bytes, *session, keys),
            None => prefixed(bytes, MESSAGE - PREFIX_LEN),
        }
    }

    /// Appends one element. A lone READ brings its own buffer and is completed around its data.
    fn place(&mut self, bytes: &mut Vec<u8>, start: usize, element: ReplyElement, sealed: bool) {
        let mut header = self.header(&element);
        header.flags.set(HeaderFlags::SIGNED, element.sign.is_some() && !sealed);
        let body = match element.body {
            ReplyBody::Read(buffer) if start == MESSAGE && self.read_padding == 0 => {
                *bytes = buffer.into_vec();
                let length = bytes.len() - HEADROOM;
                let mut head = Vec::with_capacity(HEADROOM - MESSAGE);
                let mut writer = Writer::new(&mut head);
                header.encode(&mut writer);
                read_response(length, 0).encode(&mut writer);
                bytes[MESSAGE..HEADROOM].copy_from_slice(&head);
                return;
            }
            body => body,
        };
        if bytes.is_empty() {
            *bytes = self.pool.take_short();
            bytes.resize(start, 0);
        }
        let mut writer = Writer::new(bytes);
        header.encode(&mut writer);
        match body {
            ReplyBody::Wire(body) => body.encode(&mut writer),
            ReplyBody::Read(buffer) => {
                read_response(buffer.data().len(), self.read_padding).encode(&mut writer);
                writer.zeros(usize::from(self.read_padding));
                writer.bytes(buffer.data());
                self.pool.give(buffer.into_vec());
            }
        }
    }

    /// MS-SMB2 3.3.4.1: the response's header, with the credits it grants.
    fn header(&mut self, element: &ReplyElement) -> Header {
        let asked = &element.to;
        let interim = element.status == NtStatus::PENDING;
        // The interim answer has granted; the final one repeats nothing.
        let granted_before = element.async_id.is_some() && !interim;
        let credits = if granted_before { 0 } else { self.credits.grant(asked.credits) };
        let mut flags = HeaderFlags::SERVER_TO_REDIR;
        flags.set(HeaderFlags::RELATED_OPERATIONS, asked.related);
        Header {
            credit_charge: asked.credit_charge,
            status: element.status.0,
            credits,
            flags,
            message_id: asked.message_id,
            async_id: element.async_id.map(|id| id.0),
            tree_id: element.tree_id,
            session_id: element.session_id,
            ..Header::new(asked.command)
        }
    }

    /// Signs one element and takes it into the pre-authentication hash where it belongs.
    fn finish(&mut self, bytes: &mut [u8], element: &Placed, sealed: bool) {
        let Some(message) = bytes.get_mut(element.range.clone()) else {
            return;
        };
        if let Some(keys) = element.sign.as_ref().filter(|_| !sealed) {
            keys.signing().sign_message(message);
        }
        if holds(element.command) {
            self.holding = false;
        }
        if element.command == Command::NEGOTIATE {
            self.preauth.connection.extend(message);
        }
        if element.command == Command::SESSION_SETUP
            && let Some(mut hash) = self.preauth.current.take()
            && element.status == NtStatus::MORE_PROCESSING_REQUIRED
        {
            hash.extend(message);
            if self.preauth.setups.len() >= self.max_setups {
                self.preauth.setups.pop_first();
            }
            self.preauth.setups.insert(element.session_id, hash);
        }
    }
}

fn read_response(length: usize, padding: u8) -> read::ReadResponse {
    let mut response = read::ReadResponse::of_length(length);
    response.data.start += usize::from(padding);
    response.data.end += usize::from(padding);
    response
}

/// MS-SMB2 3.1.4.3.
fn encrypt(
    mut bytes: Vec<u8>,
    session: SessionId,
    keys: &SessionKeys,
) -> Result<Frame, ConnectionError> {
    let key = keys.server_to_client().ok_or(ConnectionError::BadTransform("no key"))?;
    let size = bytes.len() - MESSAGE;
    let header = TransformHeader {
        signature: [0; 16],
        nonce: keys.next_nonce().ok_or(ConnectionError::NonceExhausted)?,
        original_message_size: size as u32,
        flags: FLAG_ENCRYPTED,
        session_id: session.0,
    };
    let mut head = Vec::with_capacity(TRANSFORM_LEN);
    header.encode(&mut Writer::new(&mut head));
    let (front, message) = bytes.split_at_mut(MESSAGE);
    let Some((_, transform)) = front.split_last_chunk_mut::<TRANSFORM_LEN>() else {
        return Err(Malformed("TRANSFORM_HEADER").into());
    };
    transform.copy_from_slice(&head);
    debug_assert_eq!(transform[..4], PROTOCOL_ID);
    key.seal(transform, message).map_err(|_| ConnectionError::BadTransform("too long"))?;
    prefixed(bytes, 0)
}

/// Puts the transport's length in front of what begins at `start + PREFIX_LEN`.
fn prefixed(mut bytes: Vec<u8>, start: usize) -> Result<Frame, ConnectionError> {
    let length = bytes.len() - start - PREFIX_LEN;
    let prefix = encode_prefix(length).ok_or(Malformed("a reply too long for a frame"))?;
    bytes[start..start + PREFIX_LEN].copy_from_slice(&prefix);
    debug_assert!(length >= HEADER_LEN);
    Ok(Frame::new(bytes, start))
}
