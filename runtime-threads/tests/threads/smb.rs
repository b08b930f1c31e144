//! A client over a real socket that does what it is told: SMB 2.1, nothing signed, nothing awaited.

use crate::rig::{PASSWORD, Rig, USER};
use ksmbd_core::{
    auth::ntlm::client::{Credentials, NtlmClient, Wrapping},
    rng::Rng,
    status::NtStatus,
    wire::{
        codec::Writer,
        header::{FileId, Header},
        message::{RequestBody, ResponseBody},
        negotiate::{Capabilities, Dialect, NegotiateRequest, SecurityMode},
        session_setup::{SessionSetupFlags, SessionSetupRequest},
    },
};
use ksmbd_fuzz::client::body;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// As many as there are to be had.
const CREDITS: u16 = 8192;

pub(crate) struct Smb {
    pub(crate) socket: TcpStream,
    next_id: u64,
    session_id: u64,
    tree_id: u32,
}

impl Smb {
    /// Whoever has an account, connected to a share.
    pub(crate) fn member(rig: &Rig, share: &str) -> Self {
        Self::connect(rig, Credentials::new(USER, "", PASSWORD), share)
    }

    /// Nobody, connected to a share.
    pub(crate) fn nobody(rig: &Rig, share: &str) -> Self {
        Self::connect(rig, Credentials::anonymous(), share)
    }

    fn connect(rig: &Rig, who: Credentials, share: &str) -> Self {
        let mut smb = Self { socket: rig.connect(), next_id: 0, session_id: 0, tree_id: 0 };
        smb.negotiate();
        smb.log_on(who);
        smb.send(&body::tree_connect(share), &[]).unwrap();
        smb.tree_id = smb.ok().0.tree_id;
        smb
    }

    fn negotiate(&mut self) {
        let request = NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::LARGE_MTU,
            client_guid: [7; 16],
            dialects: vec![Dialect::SMB_2_1],
            contexts: Vec::new(),
        };
        self.send(&RequestBody::Negotiate(request), &[]).unwrap();
        self.ok();
    }

    fn log_on(&mut self, who: Credentials) {
        let mut ntlm = NtlmClient::new(who, Wrapping::Raw);
        let challenge = self.set_up(ntlm.start(), NtStatus::MORE_PROCESSING_REQUIRED);
        let blob = ntlm.answer(&challenge, &mut Rng::new([1; 32])).unwrap();
        self.set_up(blob, NtStatus::SUCCESS);
    }

    fn set_up(&mut self, security_buffer: Vec<u8>, expected: NtStatus) -> Vec<u8> {
        let request = SessionSetupRequest {
            flags: SessionSetupFlags::empty(),
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::empty(),
            previous_session_id: 0,
            security_buffer,
        };
        self.send(&RequestBody::SessionSetup(request), &[]).unwrap();
        let (header, message) = self.answer();
        assert_eq!(header.nt_status(), expected);
        self.session_id = header.session_id;
        match ResponseBody::parse(header.command, expected, &message).unwrap() {
            ResponseBody::SessionSetup(setup) => setup.security_buffer,
            other => panic!("{other:?}"),
        }
    }

    /// The first half of opening what is called `name`.
    pub(crate) fn create(&mut self, name: &str) {
        self.send(&RequestBody::Create(body::create(name)), &[]).unwrap();
    }

    /// The second.
    pub(crate) fn created(&mut self) -> FileId {
        let (header, message) = self.ok();
        match ResponseBody::parse(header.command, NtStatus::SUCCESS, &message).unwrap() {
            ResponseBody::Create(create) => create.file_id,
            other => panic!("{other:?}"),
        }
    }

    /// WRITE.
    pub(crate) fn write(&mut self, file: FileId, data: &[u8]) -> io::Result<()> {
        self.send(&body::write(file, 0, data.len()), data)
    }

    /// Sends a request, with what is written behind it.
    pub(crate) fn send(&mut self, body: &RequestBody, data: &[u8]) -> io::Result<()> {
        let charge = u16::try_from(data.len().div_ceil(65536)).unwrap().max(1);
        let header = Header {
            credit_charge: charge,
            credits: CREDITS,
            message_id: self.next_id,
            tree_id: self.tree_id,
            session_id: self.session_id,
            ..Header::new(body.command())
        };
        self.next_id += u64::from(charge);
        let mut message = Vec::new();
        let mut writer = Writer::new(&mut message);
        header.encode(&mut writer);
        body.encode(&mut writer);
        message.extend_from_slice(data);
        let length = u32::try_from(message.len()).unwrap();
        self.socket.write_all(&[&length.to_be_bytes()[..], &message].concat())
    }

    /// The next answer that is final.
    pub(crate) fn answer(&mut self) -> (Header, Vec<u8>) {
        loop {
            let mut prefix = [0; 4];
            self.socket.read_exact(&mut prefix).unwrap();
            let mut message = vec![0; u32::from_be_bytes(prefix) as usize];
            self.socket.read_exact(&mut message).unwrap();
            let header = Header::parse(&message).unwrap();
            if header.nt_status() != NtStatus::PENDING {
                return (header, message);
            }
        }
    }

    fn ok(&mut self) -> (Header, Vec<u8>) {
        let (header, message) = self.answer();
        assert_eq!(header.nt_status(), NtStatus::SUCCESS, "{:?}", header.command);
        (header, message)
    }
}
