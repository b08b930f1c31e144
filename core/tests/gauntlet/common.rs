//! What several classes need. Offsets count from the message's header, as MS-SMB2 counts them.

use ksmbd_core::wire::{header::HEADER_LEN, query_info::InfoType, set_info::SetInfoRequest};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

/// Bytes of a message at this offset from its header.
pub(crate) fn patch(mut message: Message, at: usize, bytes: &[u8]) -> Message {
    let at = at - HEADER_LEN;
    message.body[at..at + bytes.len()].copy_from_slice(bytes);
    message
}

/// A good request with a part of it replaced.
pub(crate) fn patched(a: &mut Client, body: &RequestBody, at: usize, bytes: &[u8]) -> Message {
    patch(a.message(body), at, bytes)
}

/// A good request without its last bytes.
pub(crate) fn cut(a: &mut Client, body: &RequestBody, by: usize) -> Message {
    let mut message = a.message(body);
    message.body.truncate(message.body.len() - by);
    message
}

/// A client whose requests are not signed, with enough credits for many of them.
pub(crate) fn unsigned(w: &World, user: &str) -> Client {
    let mut a = w.logged_on(user);
    a.sign = false;
    a.ask = 400;
    a.echo().ok();
    a
}

/// SET_INFO of a class with any bytes.
pub(crate) fn set(file: FileId, class: FileInfoClass, buffer: &[u8]) -> RequestBody {
    body::set_raw(file, InfoType::FILE, class.0, buffer)
}

/// SET_INFO of parts of the descriptor.
pub(crate) fn set_security(file_id: FileId, parts: u32, buffer: &[u8]) -> RequestBody {
    RequestBody::SetInfo(SetInfoRequest {
        info_type: InfoType::SECURITY,
        info_class: 0,
        additional_information: parts,
        file_id,
        buffer: buffer.to_vec(),
    })
}

/// Everybody may do everything to what is open here; who is after it must find it unharmed.
pub(crate) struct Victim {
    client: Client,
    file: FileId,
}

impl Victim {
    /// A session of `alice` with a file open, locked and written.
    pub(crate) fn new(w: &World) -> Self {
        let mut client = w.logged_on("alice");
        let file = client.create("victim").ok();
        client.write(file, 0, b"as it was").ok();
        let flags = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
        client.lock(file, 0, 4, flags).ok();
        Self { client, file }
    }

    pub(crate) fn session_id(&self) -> u64 {
        self.client.session_id
    }

    pub(crate) fn tree_id(&self) -> u32 {
        self.client.tree_id
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// It was sent nothing; session, keys, tree, open, data and lock are what they were.
    #[track_caller]
    pub(crate) fn is_unharmed(&mut self) {
        self.client.nothing();
        let read = self.client.read(self.file, 0, 100).ok();
        assert!(read.signed && read.data() == b"as it was");
        self.client.unlock(self.file, 0, 4).ok();
        let flags = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
        self.client.lock(self.file, 0, 4, flags).ok();
    }
}
