//! From the bytes of a frame to answers, checked.

use super::{Asked, Client};
use crate::world::Seen;
use ksmbd_core::{
    error::ConnectionError,
    status::NtStatus,
    wire::{
        create::CreateResponse,
        fscc::notify::{FileAction, NotifyInformation, parse_changes},
        header::{Command, Header, HeaderFlags},
        message::ResponseBody,
        transform::{PROTOCOL_ID, TRANSFORM_LEN, TransformHeader},
    },
};

/// One answer, checked.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its header.
    pub header: Header,
    /// Its status.
    pub status: NtStatus,
    /// Its body.
    pub body: ResponseBody,
    /// All its bytes.
    pub element: Vec<u8>,
    /// It came encrypted.
    pub encrypted: bool,
    /// It came signed, rightly.
    pub signed: bool,
    /// Nothing follows it in its frame.
    pub last: bool,
}

impl Response {
    /// It is a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.is(NtStatus::SUCCESS)
    }

    /// It has this status.
    #[track_caller]
    pub fn is(self, status: NtStatus) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.header.command, self.header.message_id);
        self
    }

    /// READ's data.
    #[track_caller]
    pub fn data(&self) -> &[u8] {
        match &self.body {
            ResponseBody::Read(read) => &self.element[read.data.clone()],
            ResponseBody::QueryInfo(output)
            | ResponseBody::QueryDirectory(output)
            | ResponseBody::ChangeNotify(output) => &output.buffer,
            ResponseBody::Ioctl(ioctl) => &ioctl.output,
            other => panic!("no data in {other:?}"),
        }
    }

    /// CHANGE_NOTIFY's changes: what happened to which name.
    #[track_caller]
    pub fn changes(&self) -> Vec<(FileAction, String)> {
        let changes = parse_changes(self.data()).unwrap_or_else(|why| panic!("{why}"));
        let told = |change: NotifyInformation| (change.action, change.file_name.to_string_lossy());
        changes.into_iter().map(told).collect()
    }

    /// CREATE's answer.
    #[track_caller]
    pub fn created(&self) -> &CreateResponse {
        match &self.body {
            ResponseBody::Create(create) => create,
            other => panic!("{:?} with {other:?}", self.status),
        }
    }
}

/// A request that was sent; its answer is still to be read.
#[must_use = "an answer that nobody reads fails the test"]
pub struct Sent<'a> {
    pub(super) client: &'a mut Client,
    pub(super) mid: u64,
}

/// A request that waits, as an interim answer has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its MessageId.
    pub mid: u64,
    /// Its AsyncId.
    pub async_id: u64,
}

impl Sent<'_> {
    /// The answer, whatever it is.
    #[track_caller]
    pub fn answer(self) -> Response {
        self.client.answer(self.mid)
    }

    /// It succeeds.
    #[track_caller]
    pub fn ok(self) -> Response {
        self.answer().ok()
    }

    /// It is answered with this status.
    #[track_caller]
    pub fn is(self, status: NtStatus) -> Response {
        self.answer().is(status)
    }

    /// It waits: an interim answer, unsigned, and nothing else.
    #[track_caller]
    pub fn waits(self) -> Waiting {
        let waiting = self.client.interim(self.mid);
        self.client.nothing();
        waiting
    }

    /// Nothing comes, not even an interim answer; the MessageId, to ask for the answer later.
    #[track_caller]
    pub fn silent(self) -> u64 {
        self.client.nothing();
        self.mid
    }

    /// The answer is read later.
    pub fn later(self) -> u64 {
        self.mid
    }

    /// The server drops the connection.
    #[track_caller]
    pub fn drops(self) -> ConnectionError {
        self.client.dropped()
    }
}

impl Client {
    /// The next answer, which is the final one to this request.
    #[track_caller]
    pub fn answer(&mut self, mid: u64) -> Response {
        let mut response = self.receive();
        while self.lenient && response.is_notification() {
            response = self.receive();
        }
        let Header { command, message_id, .. } = response.header;
        assert_eq!(message_id, mid, "an answer to another {command:?}: {:?}", response.status);
        assert_ne!(response.status, NtStatus::PENDING, "{command:?} waits");
        response
    }

    /// The next answer, which says that this request waits.
    #[track_caller]
    pub fn interim(&mut self, mid: u64) -> Waiting {
        let response = self.receive();
        let Header { command, message_id, async_id, .. } = response.header;
        assert_eq!(message_id, mid, "an answer to another {command:?}");
        assert_eq!(response.status, NtStatus::PENDING, "{command:?} does not wait");
        Waiting { mid, async_id: async_id.unwrap_or_else(|| panic!("no AsyncId")) }
    }

    /// The next answer.
    #[track_caller]
    pub fn receive(&mut self) -> Response {
        self.try_receive().unwrap_or_else(|| {
            let dropped = self.world.inner(|world| world.dropped(self.conn));
            panic!("nothing was sent to {:?}, dropped: {dropped:?}", self.conn)
        })
    }

    /// The next answer, if there is one.
    #[track_caller]
    pub fn try_receive(&mut self) -> Option<Response> {
        if self.answers.is_empty() {
            let (at, frame) = self.world.inner(|world| world.receive(self.conn))?;
            self.take_frame(at, frame);
        }
        self.answers.pop_front()
    }

    /// Takes everything that was sent off the wire, and checks it; it is read later.
    #[track_caller]
    pub fn take_off_the_wire(&mut self) {
        while let Some((at, frame)) = self.world.inner(|world| world.receive(self.conn)) {
            self.take_frame(at, frame);
        }
    }

    #[track_caller]
    fn take_frame(&mut self, at: u64, frame: Vec<u8>) {
        let (mut message, sealed_for) = self.open(frame);
        while !message.is_empty() {
            let header = Header::parse(&message).unwrap_or_else(|why| panic!("{why}"));
            let (element, _) = header.split(&message).unwrap_or_else(|why| panic!("{why}"));
            let behind = message.split_off(element.len());
            let mut response = self.check(header, message, sealed_for);
            response.last = behind.is_empty();
            self.world.inner(|world| {
                if world.history.is_kept() {
                    let seen = Seen::Answered(self.conn, Box::new(response.clone()));
                    world.history.see_at(at, seen);
                }
            });
            self.answers.push_back(response);
            message = behind;
        }
    }

    /// Takes the encryption off.
    #[track_caller]
    fn open(&self, frame: Vec<u8>) -> (Vec<u8>, Option<u64>) {
        if !frame.starts_with(&PROTOCOL_ID) {
            return (frame, None);
        }
        let header = TransformHeader::parse(&frame).unwrap_or_else(|why| panic!("{why}"));
        let keys = self.sessions.get(&header.session_id);
        let key = keys.and_then(|keys| keys.server_to_client());
        let Some(key) = key else { panic!("encrypted for {:#x}: no key", header.session_id) };
        let mut head = [0; TRANSFORM_LEN];
        head.copy_from_slice(&frame[..TRANSFORM_LEN]);
        let mut message = frame[TRANSFORM_LEN..].to_vec();
        key.open(&head, &mut message).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(header.original_message_size as usize, message.len());
        (message, Some(header.session_id))
    }

    /// Who asked, what protects it, and what it grants.
    #[track_caller]
    fn check(&mut self, header: Header, element: Vec<u8>, sealed_for: Option<u64>) -> Response {
        let (command, status) = (header.command, header.nt_status());
        if header.message_id == u64::MAX {
            return self.check_notification(header, element, sealed_for);
        }
        let asked = self.pending.remove(&header.message_id);
        let asked = asked.unwrap_or_else(|| {
            panic!("{command:?} {} was not asked, or was answered before", header.message_id)
        });
        assert_eq!(command, asked.command, "the answer is to another command");
        assert!(header.flags.contains(HeaderFlags::SERVER_TO_REDIR), "not a response");
        self.check_async(&header, asked);
        if !self.lenient {
            self.check_protection(&header, &element, asked, sealed_for);
        }
        // Whatever was wrong with it: what was asked in secret is not told in public.
        let is_public = asked.encrypted && sealed_for.is_none() && !status.is_error();
        assert!(!is_public, "{command:?} was encrypted, and succeeds in plain sight");
        self.credits += u64::from(header.credits);
        let body = ResponseBody::parse(command, status, &element);
        Response {
            header,
            status,
            body: body.unwrap_or_else(|why| panic!("{command:?}, {status:?}: {why}")),
            element,
            encrypted: sealed_for.is_some(),
            signed: header.flags.contains(HeaderFlags::SIGNED),
            last: true,
        }
    }

    /// MS-SMB2 3.3.4.6, 3.3.4.7: a break that nobody asked for is never signed and grants nothing.
    #[track_caller]
    fn check_notification(
        &self,
        header: Header,
        element: Vec<u8>,
        sealed_for: Option<u64>,
    ) -> Response {
        assert_eq!(header.command, Command::OPLOCK_BREAK, "an answer to nothing");
        let flags = header.flags;
        assert_eq!(flags, HeaderFlags::SERVER_TO_REDIR, "flags of a notification");
        assert_eq!((header.credits, header.tree_id), (0, 0), "credits or a tree of a notification");
        let body = ResponseBody::parse(header.command, header.nt_status(), &element);
        Response {
            status: header.nt_status(),
            body: body.unwrap_or_else(|why| panic!("a notification: {why}")),
            header,
            element,
            encrypted: sealed_for.is_some(),
            signed: false,
            last: true,
        }
    }

    /// MS-SMB2 3.3.4.2: the interim answer grants the credits, the final one has its id.
    #[track_caller]
    fn check_async(&mut self, header: &Header, asked: Asked) {
        if header.nt_status() == NtStatus::PENDING {
            assert!(asked.async_id.is_none(), "a second interim answer");
            assert!(header.async_id.is_some(), "an interim answer without an AsyncId");
            let asked = Asked { async_id: header.async_id, ..asked };
            self.pending.insert(header.message_id, asked);
            return;
        }
        assert_eq!(header.async_id, asked.async_id, "AsyncId of the final answer");
        assert!(asked.async_id.is_none() || header.credits == 0, "credits are granted twice");
    }

    /// MS-SMB2 3.3.4.1.1, 3.3.4.1.4: as the request, but interim answers are not signed.
    #[track_caller]
    fn check_protection(
        &self,
        header: &Header,
        element: &[u8],
        asked: Asked,
        sealed_for: Option<u64>,
    ) {
        let command = header.command;
        let signed = header.flags.contains(HeaderFlags::SIGNED);
        let setup = matches!(command, Command::SESSION_SETUP | Command::NEGOTIATE);
        if let Some(session) = sealed_for {
            assert!(asked.encrypted, "{command:?} was not encrypted, its answer is");
            assert_eq!(session, asked.session_id, "encrypted for another session");
            assert!(!signed, "{command:?}: signed inside the encryption");
            return;
        }
        assert!(!asked.encrypted, "{command:?} was encrypted, its answer is not");
        if header.nt_status() == NtStatus::PENDING {
            assert!(!signed, "an interim answer is signed");
        } else if signed && !setup {
            let keys = self.sessions.get(&asked.session_id);
            let genuine = keys.is_some_and(|keys| keys.signing().verify_message(element));
            assert!(genuine, "{command:?}: the signature is wrong");
        } else if !setup {
            let gone = header.nt_status() == NtStatus::USER_SESSION_DELETED;
            let denied = header.nt_status() == NtStatus::ACCESS_DENIED;
            assert!(!asked.signed || gone || denied, "{command:?} was signed, its answer is not");
        }
    }
}
