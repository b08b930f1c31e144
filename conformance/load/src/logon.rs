//! NEGOTIATE, SESSION_SETUP and TREE_CONNECT, and the requests that the loads are made of.

use std::io;
use std::time::Duration;

use ksmbd_core::auth::ntlm::client::{Credentials, NtlmClient, Wrapping};
use ksmbd_core::crypto::{self, PreauthHash, SessionKeys};
use ksmbd_core::rng::Rng;
use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::close::{CloseFlags, CloseRequest};
use ksmbd_core::wire::create::{
    CreateDisposition, CreateOptions, CreateRequest, CreateResponse, ImpersonationLevel,
    OplockLevel, RawContext, ShareAccess,
};
use ksmbd_core::wire::create_context::{Lease, LeaseState, LeaseV2, RequestContext};
use ksmbd_core::wire::fscc::{AccessMask, FileInfoClass};
use ksmbd_core::wire::header::FileId;
use ksmbd_core::wire::message::{RequestBody, ResponseBody};
use ksmbd_core::wire::negotiate::{
    Capabilities, Cipher, Dialect, HashAlgorithm, NegotiateContext, NegotiateRequest, SecurityMode,
    SigningAlgorithm,
};
use ksmbd_core::wire::oplock_break::{
    LeaseBreakAck, LeaseBreakFlags, OplockBreakRequest, OplockBreakResponse,
};
use ksmbd_core::wire::query_info::InfoType;
use ksmbd_core::wire::read::{Channel, ReadFlags, ReadRequest};
use ksmbd_core::wire::session_setup::{SessionSetupFlags, SessionSetupRequest};
use ksmbd_core::wire::set_info::SetInfoRequest;
use ksmbd_core::wire::tree_connect::{TreeConnectFlags, TreeConnectRequest};
use ksmbd_core::wire::utf16::Utf16;
use ksmbd_core::wire::write::WriteRequest;

use crate::Options;
use crate::smb::{Protection, Reply, Smb, broken, malformed};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects, and is logged on to the share in the end.
pub(crate) fn connect(options: &Options, number: u64) -> io::Result<Smb> {
    connect_within(options, number, PATIENCE)
}

/// Connects, with less patience than others.
pub(crate) fn connect_within(
    options: &Options,
    number: u64,
    patience: Duration,
) -> io::Result<Smb> {
    let (mut smb, agreed) = greet(options, number, patience)?;
    log_on(&mut smb, options, number, agreed)?;
    let path = format!("\\\\127.0.0.1\\{}", options.share);
    let tree = TreeConnectRequest { flags: TreeConnectFlags::empty(), path: path.as_str().into() };
    smb.send_signed(&RequestBody::TreeConnect(tree))?;
    smb.tree_id = smb.receive()?.ok()?.header.tree_id;
    Ok(smb)
}

/// What NEGOTIATE has settled: its hash, and how is encrypted.
pub(crate) type Agreed = (PreauthHash, Option<crypto::Cipher>);

/// Connects and negotiates.
pub(crate) fn greet(
    options: &Options,
    number: u64,
    patience: Duration,
) -> io::Result<(Smb, Agreed)> {
    let to = (options.from, options.port);
    let mut smb = Smb::connect(to, options.protection, patience)?;
    let agreed = negotiate(&mut smb, number)?;
    Ok((smb, agreed))
}

/// Begins a session, and leaves it at that. Says whether the server has begun it, too.
pub(crate) fn half_open(smb: &mut Smb, options: &Options) -> io::Result<bool> {
    let credentials = Credentials::new(&options.user, "", &options.password);
    smb.session_id = 0;
    let first = NtlmClient::new(credentials, Wrapping::Spnego).start();
    let reply = setup(smb, first, &mut PreauthHash::default())?;
    Ok(reply.status() == NtStatus::MORE_PROCESSING_REQUIRED)
}

/// Makes a session, of a connection that has none or another one.
pub(crate) fn log_on(
    smb: &mut Smb,
    options: &Options,
    number: u64,
    (mut hash, cipher): Agreed,
) -> io::Result<()> {
    (smb.session_id, smb.keys) = (0, None);
    let protection = std::mem::replace(&mut smb.protection, Protection::Off);
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let credentials = Credentials::new(&options.user, "", &options.password);
    let mut ntlm = NtlmClient::new(credentials, Wrapping::Spnego);
    let first = ntlm.start();
    let reply = setup(smb, first, &mut hash)?;
    if reply.status() != NtStatus::MORE_PROCESSING_REQUIRED {
        return Err(broken(format!("SESSION_SETUP: {:?}", reply.status())));
    }
    hash.extend(&smb.bytes[reply.element.clone()]);
    smb.session_id = reply.header.session_id;
    let blob = ntlm.answer(&security_buffer(smb, &reply)?, &mut Rng::new(seed));
    let reply = setup(smb, blob.map_err(malformed)?, &mut hash)?.ok()?;
    ntlm.finish(&security_buffer(smb, &reply)?).map_err(malformed)?;
    let Some(key) = ntlm.session_key() else {
        return Err(broken("no session key"));
    };
    let dialect = Dialect::SMB_3_1_1.0;
    smb.keys = Some(SessionKeys::derive(dialect, key, &key[..], smb.signing, cipher, &hash));
    smb.protection = protection;
    Ok(())
}

/// Each connection is a client of its own: with one ClientGuid for all, leases would not conflict, and
/// smbd would serve all of them in one process.
fn negotiate(smb: &mut Smb, number: u64) -> io::Result<(PreauthHash, Option<crypto::Cipher>)> {
    let mut client_guid = *b"a load's client.";
    client_guid[8..].copy_from_slice(&number.to_be_bytes());
    let request = NegotiateRequest {
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::LARGE_MTU
            | Capabilities::ENCRYPTION
            | Capabilities::LEASING
            | Capabilities::DIRECTORY_LEASING,
        client_guid,
        dialects: vec![Dialect::SMB_3_1_1],
        contexts: vec![
            NegotiateContext::PreauthIntegrity {
                hash_algorithms: vec![HashAlgorithm::SHA_512],
                salt: vec![5; 32],
            },
            NegotiateContext::Encryption { ciphers: vec![Cipher::AES_128_GCM] },
            NegotiateContext::Signing { algorithms: vec![SigningAlgorithm::AES_GMAC] },
        ],
    };
    smb.send(&RequestBody::Negotiate(request), &[])?;
    let mut hash = PreauthHash::default();
    hash.extend(smb.last_sent());
    let reply = smb.receive()?.ok()?;
    let element = &smb.bytes[reply.element.clone()];
    hash.extend(element);
    let body = ResponseBody::parse(reply.header.command, reply.status(), element);
    let ResponseBody::Negotiate(body) = body.map_err(malformed)? else {
        return Err(broken("no answer to NEGOTIATE"));
    };
    (smb.max_read, smb.max_write) = (body.max_read_size as usize, body.max_write_size as usize);
    let mut cipher = None;
    for context in &body.contexts {
        match context {
            NegotiateContext::Encryption { ciphers } => {
                cipher = ciphers.first().and_then(|cipher| crypto::Cipher::from_id(cipher.0));
            }
            NegotiateContext::Signing { algorithms } => {
                let chosen = algorithms.first();
                let chosen = chosen.and_then(|a| crypto::SigningAlgorithm::from_id(a.0));
                smb.signing = chosen.ok_or_else(|| broken("no signing algorithm"))?;
            }
            _ => {}
        }
    }
    Ok((hash, cipher))
}

fn setup(smb: &mut Smb, security_buffer: Vec<u8>, hash: &mut PreauthHash) -> io::Result<Reply> {
    let request = SessionSetupRequest {
        flags: SessionSetupFlags::empty(),
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::empty(),
        previous_session_id: 0,
        security_buffer,
    };
    smb.send(&RequestBody::SessionSetup(request), &[])?;
    hash.extend(smb.last_sent());
    smb.receive()
}

fn security_buffer(smb: &Smb, reply: &Reply) -> io::Result<Vec<u8>> {
    match body(smb, reply)? {
        ResponseBody::SessionSetup(setup) => Ok(setup.security_buffer),
        _ => Err(broken("no answer to SESSION_SETUP")),
    }
}

/// An answer's body.
pub(crate) fn body(smb: &Smb, reply: &Reply) -> io::Result<ResponseBody> {
    let element = &smb.bytes[reply.element.clone()];
    ResponseBody::parse(reply.header.command, reply.status(), element).map_err(malformed)
}

/// CREATE, shared with everybody.
pub(crate) fn create(
    name: &str,
    access: AccessMask,
    disposition: CreateDisposition,
    options: CreateOptions,
) -> RequestBody {
    RequestBody::Create(CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        impersonation_level: ImpersonationLevel::IMPERSONATION,
        desired_access: access.bits(),
        file_attributes: 0,
        share_access: ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        create_disposition: disposition,
        create_options: options,
        name: name.into(),
        contexts: Vec::new(),
    })
}

/// What a client asks to cache of what it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Oplock(OplockLevel),
    Lease(Lease),
}

/// CREATE that asks to cache the file.
pub(crate) fn cached(request: RequestBody, cache: &Cache) -> RequestBody {
    let RequestBody::Create(mut request) = request else {
        return request;
    };
    match cache {
        Cache::Oplock(level) => request.requested_oplock_level = *level,
        Cache::Lease(lease) => {
            request.requested_oplock_level = OplockLevel::LEASE;
            let context = RequestContext::RqLs(*lease);
            let (mut data, name) = (Vec::new(), context.name().to_vec());
            // A lease has no lengths in it that could be too long.
            if context.encode(&mut data).is_ok() {
                request.contexts.push(RawContext { name, data });
            }
        }
    }
    RequestBody::Create(request)
}

/// A lease of version 2 on everything; the number is its key.
pub(crate) fn lease(number: u64) -> Lease {
    let mut lease_key = *b"a load's lease..";
    lease_key[8..].copy_from_slice(&number.to_be_bytes());
    let lease_state =
        LeaseState::READ_CACHING | LeaseState::HANDLE_CACHING | LeaseState::WRITE_CACHING;
    Lease { lease_key, lease_state, v2: Some(LeaseV2::default()), ..Lease::default() }
}

/// Gives up what the server wants back; `None` where it waits for no answer.
pub(crate) fn acknowledgment(told: &OplockBreakResponse) -> Option<RequestBody> {
    let request = match told {
        OplockBreakResponse::Oplock(oplock) => OplockBreakRequest::Oplock(*oplock),
        OplockBreakResponse::LeaseNotification(told) => {
            if !told.flags.contains(LeaseBreakFlags::ACK_REQUIRED) {
                return None;
            }
            OplockBreakRequest::Lease(LeaseBreakAck {
                flags: 0,
                lease_key: told.lease_key,
                lease_state: told.new_lease_state,
                lease_duration: 0,
            })
        }
        OplockBreakResponse::Lease(_) => return None,
    };
    Some(RequestBody::OplockBreak(request))
}

/// Opens, and wants it to work.
pub(crate) fn open(smb: &mut Smb, request: &RequestBody) -> io::Result<FileId> {
    smb.send(request, &[])?;
    let reply = smb.receive()?.ok()?;
    opened(smb, &reply).map(|create| create.file_id)
}

/// The answer to a CREATE that has worked.
pub(crate) fn opened(smb: &Smb, reply: &Reply) -> io::Result<CreateResponse> {
    match body(smb, reply)? {
        ResponseBody::Create(create) => Ok(create),
        _ => Err(broken("no answer to CREATE")),
    }
}

pub(crate) fn close(file_id: FileId) -> RequestBody {
    RequestBody::Close(CloseRequest { flags: CloseFlags::empty(), file_id })
}

pub(crate) fn read(file_id: FileId, offset: u64, length: usize) -> RequestBody {
    RequestBody::Read(ReadRequest {
        padding: 80,
        flags: ReadFlags::empty(),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        offset,
        file_id,
        minimum_count: 0,
        channel: Channel::NONE,
        remaining_bytes: 0,
        read_channel_info: Vec::new(),
    })
}

pub(crate) fn write(file_id: FileId, offset: u64, length: usize) -> RequestBody {
    RequestBody::Write(WriteRequest::new(file_id, offset, length))
}

/// FileRenameInformation (MS-FSCC 2.4.42.2).
pub(crate) fn rename(file_id: FileId, to: &str, replace: bool) -> RequestBody {
    let name = Utf16::from(to).to_bytes();
    let mut buffer = vec![0; 16];
    buffer[0] = u8::from(replace);
    buffer.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
    buffer.extend_from_slice(&name);
    RequestBody::SetInfo(SetInfoRequest {
        info_type: InfoType::FILE,
        info_class: FileInfoClass::RENAME.0,
        additional_information: 0,
        file_id,
        buffer,
    })
}
