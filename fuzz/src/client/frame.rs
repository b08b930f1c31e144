//! From requests to the bytes of a frame.

use super::{Asked, Client};
use ksmbd_core::wire::{
    codec::Writer,
    header::{Command, HEADER_LEN, Header, HeaderFlags},
    message::RequestBody,
    negotiate::Dialect,
    transform::{FLAG_ENCRYPTED, TRANSFORM_LEN, TransformHeader},
};

/// One request, ready to be sent; tests may change all of it first.
#[derive(Clone, Debug)]
pub struct Message {
    /// The header; sizes, offsets and the signature are put in when it is sent.
    pub header: Header,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Sign it, where there are keys.
    pub sign: bool,
}

impl Message {
    /// It goes on with what the one before it in the chain has used.
    pub fn related(mut self) -> Self {
        self.header.flags |= HeaderFlags::RELATED_OPERATIONS;
        self
    }

    /// Not signed, whatever the client does otherwise.
    pub fn unsigned(mut self) -> Self {
        self.sign = false;
        self
    }

    /// Bytes, what pads it in a chain not counted.
    fn len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        self.header.encode(&mut Writer::new(bytes));
        bytes.extend_from_slice(&self.body);
    }
}

impl Client {
    /// A request with the next MessageId.
    pub fn message(&mut self, body: &RequestBody) -> Message {
        self.message_with(body, &[])
    }

    /// A request with data behind it, for WRITE.
    pub fn message_with(&mut self, body: &RequestBody, data: &[u8]) -> Message {
        // Offsets in a body count from its header.
        let mut bytes = Vec::with_capacity(256 + data.len());
        let mut writer = Writer::new(&mut bytes);
        Header::new(body.command()).encode(&mut writer);
        body.encode(&mut writer);
        writer.bytes(data);
        bytes.drain(..HEADER_LEN);
        let multi = self.dialect != Dialect::SMB_2_0_2 && self.negotiated.is_some();
        let charge = if multi { charge(body, data.len()) } else { 1 };
        let header = Header {
            credit_charge: if multi { charge } else { 0 },
            credits: self.ask.max(charge),
            message_id: self.next_mid,
            tree_id: self.tree_id,
            process_id: 0xfeff,
            session_id: self.session_id,
            ..Header::new(body.command())
        };
        if body.command() != Command::CANCEL {
            self.next_mid += u64::from(charge);
            self.credits = self.credits.saturating_sub(u64::from(charge));
        }
        Message { header, body: bytes, sign: self.sign }
    }

    /// Sends requests as one chain, signed one by one or encrypted as a whole.
    pub fn send_chain(&mut self, messages: &[Message]) {
        let mut plain = std::mem::take(&mut self.last_sent);
        plain.clear();
        plain.reserve(messages.iter().map(|message| message.len() + 8).sum());
        let mut last = 0;
        for (index, message) in messages.iter().enumerate() {
            last = plain.len();
            message.encode(&mut plain);
            if index + 1 < messages.len() {
                plain.resize(plain.len().next_multiple_of(8), 0);
                let length = u32::try_from(plain.len() - last).unwrap_or(0).to_le_bytes();
                plain[last + 20..last + 24].copy_from_slice(&length);
            }
            let element = &mut plain[last..];
            if message.sign && !self.encrypt {
                self.sign_element(element);
            }
            self.note(element);
        }
        let lengths = messages.iter().map(Message::len);
        self.world.inner(|world| world.see_chain(self.conn, &plain, lengths));
        if self.encrypt {
            let frame = self.seal(plain.clone());
            self.raw_frame(&frame);
        } else {
            self.raw_frame(&plain);
        }
        plain.drain(..last);
        self.last_sent = plain;
    }

    fn sign_element(&self, element: &mut [u8]) {
        let session = self.chain_session(element);
        if let Some(keys) = self.sessions.get(&session) {
            element[16] |= 8;
            keys.signing().sign_message(element);
        }
    }

    fn chain_session(&self, element: &[u8]) -> u64 {
        match Header::parse(element) {
            Ok(header) if header.flags.contains(HeaderFlags::RELATED_OPERATIONS) => self.session_id,
            Ok(header) => header.session_id,
            Err(_) => 0,
        }
    }

    /// Remembers what was asked, from the bytes as they go out.
    pub(super) fn note(&mut self, element: &[u8]) {
        let Ok(header) = Header::parse(element) else {
            return;
        };
        if header.command == Command::CANCEL {
            return;
        }
        let asked = Asked {
            command: header.command,
            session_id: self.chain_session(element),
            signed: header.flags.contains(HeaderFlags::SIGNED),
            encrypted: self.encrypt,
            async_id: None,
        };
        self.pending.insert(header.message_id, asked);
    }

    /// Wraps a message into a TRANSFORM_HEADER, with the current session's keys.
    pub fn seal(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        let keys = self.keys();
        let Some(key) = keys.as_ref().and_then(|keys| keys.client_to_server()) else {
            panic!("nothing to encrypt with");
        };
        self.nonces += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
        // The session's other channels use the same key.
        nonce[8..11].copy_from_slice(&self.conn().0.to_le_bytes()[..3]);
        let header = TransformHeader {
            signature: [0; 16],
            nonce,
            original_message_size: u32::try_from(message.len()).unwrap_or(0),
            flags: FLAG_ENCRYPTED,
            session_id: self.session_id,
        };
        let mut bytes = Vec::with_capacity(TRANSFORM_LEN);
        header.encode(&mut Writer::new(&mut bytes));
        let mut head = [0; TRANSFORM_LEN];
        head.copy_from_slice(&bytes);
        key.seal(&mut head, &mut message).unwrap_or_else(|why| panic!("{why}"));
        [&head[..], &message].concat()
    }
}

/// What a request costs (MS-SMB2 3.2.4.1.5).
fn charge(body: &RequestBody, data: usize) -> u16 {
    let payload = match body {
        RequestBody::Read(read) => read.length as usize,
        RequestBody::QueryDirectory(query) => query.output_buffer_length as usize,
        RequestBody::QueryInfo(query) => query.output_buffer_length as usize,
        RequestBody::SetInfo(set) => set.buffer.len(),
        RequestBody::Ioctl(ioctl) => ioctl.max_output_response as usize,
        _ => data,
    };
    u16::try_from(payload.div_ceil(65536).max(1)).unwrap_or(u16::MAX)
}
