//! What a client can do, as values that mutate field by field.

use super::{create, name};
use crate::client::body;
use arbitrary::Arbitrary;
use ksmbd_core::wire::{
    change_notify::CompletionFilter,
    create::{
        CreateDisposition, CreateOptions, CreateRequest, OplockLevel, RawContext, ShareAccess,
    },
    create_context::{
        DurableFlags, Lease, LeaseFlags, LeaseState, LeaseV2, RequestContext, name as context_name,
    },
    fscc::{
        FileInfoClass,
        set_file::{SetFileInformation, Target},
    },
    header::{Command, FileId},
    ioctl::FsctlCode,
    lock::LockFlags,
    message::RequestBody,
    oplock_break::OplockBreakRequest,
    query_directory::QueryDirectoryFlags,
    query_info::InfoType,
};

/// Who does what.
#[derive(Arbitrary, Debug)]
pub(super) struct Step {
    pub(super) client: u8,
    pub(super) operation: Operation,
}

#[derive(Arbitrary, Debug)]
pub(super) enum Operation {
    Request(Request),
    Chain(Box<Request>, Box<Request>, bool),
    Cancel(u8),
    Hold,
    Release,
    Complete(u8),
    Fail(u8),
    Wait(u8),
    Outside(bool),
}

/// Files are counted from the youngest; 0 is that of the element before in a chain.
#[derive(Arbitrary, Debug)]
pub(super) enum Request {
    Create(Create),
    Close(u8),
    Read {
        file: u8,
        offset: u16,
        length: u32,
    },
    Write {
        file: u8,
        offset: u32,
        length: u16,
    },
    Flush(u8),
    Lock {
        file: u8,
        ranges: [(u8, u8, u8); 2],
        both: bool,
    },
    QueryFile {
        file: u8,
        class: u8,
        room: u16,
    },
    QueryVolume {
        file: u8,
        class: u8,
        room: u16,
    },
    QuerySecurity {
        file: u8,
        parts: u8,
        room: u16,
    },
    Set {
        file: u8,
        set: Set,
    },
    SetRaw {
        file: u8,
        kind: u8,
        class: u8,
        buffer: Vec<u8>,
    },
    List {
        file: u8,
        pattern: u8,
        class: u8,
        flags: u8,
        room: u16,
    },
    Notify {
        file: u8,
        filter: u16,
        tree: bool,
        room: u16,
    },
    Ioctl {
        file: u8,
        code: u8,
        input: Vec<u8>,
        room: u16,
    },
    Acknowledge {
        state: Option<u8>,
    },
    Tree(u8),
    TreeDisconnect,
    Logoff,
    Echo,
    /// Any bytes as a body that parses.
    Bytes {
        command: u8,
        body: Vec<u8>,
    },
}

#[derive(Arbitrary, Debug)]
pub(super) struct Create {
    name: u8,
    disposition: u8,
    access: u32,
    share: u8,
    options: u32,
    oplock: u8,
    lease: Option<(u8, u8, bool)>,
    context: Option<Context>,
}

#[derive(Arbitrary, Debug)]
enum Context {
    Durable(u8, bool, u32),
    Reconnect(u8, u8),
    Allocation(u32),
    MaximalAccess,
    DiskId,
    Application(u8),
    Any([u8; 4], Vec<u8>),
    Attributes(Vec<u8>),
    Descriptor(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
pub(super) enum Set {
    Size(u16),
    Room(u16),
    Delete(bool),
    Rename(u8, bool),
    Link(u8, bool),
    Position(u32),
}

impl Request {
    /// The body, and a WRITE's data.
    pub(super) fn body(
        self,
        file: impl Fn(u8) -> FileId,
        told: impl FnOnce() -> Option<OplockBreakRequest>,
    ) -> (RequestBody, Vec<u8>) {
        let body = match self {
            Self::Create(create) => RequestBody::Create(create.body(file)),
            Self::Close(at) => body::close(file(at)),
            Self::Read { file: at, offset, length } => body::read(file(at), offset.into(), length),
            Self::Write { file: at, offset, length } => {
                let data = vec![7; usize::from(length)];
                return (body::write(file(at), offset.into(), data.len()), data);
            }
            Self::Flush(at) => body::flush(file(at)),
            Self::Lock { file: at, ranges, both } => {
                let range = |(offset, length, flags): (u8, u8, u8)| {
                    let flags = LockFlags::from_bits_retain(u32::from(flags & 0x1f));
                    (u64::from(offset), u64::from(length), flags)
                };
                let ranges = ranges.map(range);
                body::locks(file(at), if both { &ranges } else { &ranges[..1] })
            }
            Self::QueryFile { file: at, class, room } => {
                body::query_file(file(at), FileInfoClass(class), room.into())
            }
            Self::QueryVolume { file: at, class, room } => {
                body::query(file(at), InfoType::FILESYSTEM, class, 0, room.into())
            }
            Self::QuerySecurity { file: at, parts, room } => {
                body::query(file(at), InfoType::SECURITY, 0, parts.into(), room.into())
            }
            Self::Set { file: at, set } => body::set_file(file(at), &set.information()),
            Self::SetRaw { file: at, kind, class, buffer } => {
                body::set_raw(file(at), InfoType(kind % 5), class, &buffer)
            }
            Self::List { file: at, pattern, class, flags, room } => {
                let pattern = ["*", "", "?", "*.x", "<.\"", "a"][usize::from(pattern) % 6];
                let flags = QueryDirectoryFlags::from_bits_retain(flags);
                body::list(file(at), pattern, FileInfoClass(class), flags, room.into())
            }
            Self::Notify { file: at, filter, tree, room } => {
                let filter = CompletionFilter::from_bits_retain(filter.into());
                body::notify(file(at), filter, tree, room.into())
            }
            Self::Ioctl { file: at, code, input, room } => {
                body::ioctl(file(at), fsctl(code), &input, room.into())
            }
            Self::Acknowledge { state } => match told() {
                Some(told) => RequestBody::OplockBreak(acknowledged(told, state)),
                None => RequestBody::Echo,
            },
            Self::Tree(which) => {
                let shares = ["share", "streams", "readonly", "IPC$", "crypt", "private", "broken"];
                body::tree_connect(shares[usize::from(which) % shares.len()])
            }
            Self::TreeDisconnect => RequestBody::TreeDisconnect,
            Self::Logoff => RequestBody::Logoff,
            Self::Echo => RequestBody::Echo,
            Self::Bytes { command, body } => raw(Command(u16::from(command) % 19), &body),
        };
        (body, Vec::new())
    }
}

/// What `body` is to a server, if it is anything: what a client may send before its answer came is not
/// among it.
fn raw(command: Command, body: &[u8]) -> RequestBody {
    let session = [Command::NEGOTIATE, Command::SESSION_SETUP, Command::CANCEL, Command::WRITE];
    let element = [&[0; 64][..], body].concat();
    match RequestBody::parse(command, &element) {
        Ok(body) if !session.contains(&command) => body,
        _ => RequestBody::Echo,
    }
}

fn fsctl(code: u8) -> FsctlCode {
    const CODES: [FsctlCode; 8] = [
        FsctlCode::SRV_REQUEST_RESUME_KEY,
        FsctlCode::SRV_COPYCHUNK,
        FsctlCode::SRV_COPYCHUNK_WRITE,
        FsctlCode::LMR_REQUEST_RESILIENCY,
        FsctlCode::QUERY_NETWORK_INTERFACE_INFO,
        FsctlCode::VALIDATE_NEGOTIATE_INFO,
        FsctlCode::PIPE_TRANSCEIVE,
        FsctlCode::DFS_GET_REFERRALS,
    ];
    CODES[usize::from(code) % CODES.len()]
}

/// A break acknowledged as it should be, or with another state.
fn acknowledged(mut told: OplockBreakRequest, state: Option<u8>) -> OplockBreakRequest {
    match (&mut told, state) {
        (OplockBreakRequest::Oplock(told), Some(state)) => told.oplock_level = OplockLevel(state),
        (OplockBreakRequest::Lease(told), Some(state)) => told.lease_state = state.into(),
        (_, None) => {}
    }
    told
}

impl Set {
    fn information(&self) -> SetFileInformation {
        let target = |which: u8, replace_if_exists: bool| {
            let file_name = name(which).encode_utf16().collect();
            Target { replace_if_exists, root_directory: 0, file_name }
        };
        match *self {
            Self::Size(size) => SetFileInformation::EndOfFile { end_of_file: size.into() },
            Self::Room(size) => SetFileInformation::Allocation { allocation_size: size.into() },
            Self::Delete(delete_pending) => SetFileInformation::Disposition { delete_pending },
            Self::Rename(to, replace) => SetFileInformation::Rename(target(to, replace)),
            Self::Link(to, replace) => SetFileInformation::Link(target(to, replace)),
            Self::Position(at) => SetFileInformation::Position { current_byte_offset: at.into() },
        }
    }
}

impl Create {
    fn body(self, file: impl Fn(u8) -> FileId) -> CreateRequest {
        let mut request = create(self.name);
        request.create_disposition = CreateDisposition(u32::from(self.disposition % 7));
        // Half of them ask for everything.
        if self.access & 1 == 0 {
            request.desired_access = self.access;
        }
        request.share_access = ShareAccess::from_bits_retain(u32::from(!self.share & 7));
        request.create_options = CreateOptions::from_bits_retain(self.options);
        request.requested_oplock_level = OplockLevel(self.oplock);
        if let Some((key, state, v2)) = self.lease {
            request.requested_oplock_level = OplockLevel::LEASE;
            let v2 = v2.then_some(LeaseV2 { parent_lease_key: [key >> 4; 16], epoch: 1 });
            add(&mut request, &RequestContext::RqLs(lease(key, state, v2)));
        }
        if let Some(context) = self.context {
            context.add_to(&mut request, file);
        }
        request
    }
}

fn lease(key: u8, state: u8, v2: Option<LeaseV2>) -> Lease {
    let mut lease_flags = LeaseFlags::empty();
    lease_flags.set(LeaseFlags::PARENT_LEASE_KEY_SET, key & 8 != 0);
    Lease {
        lease_key: [key & 3; 16],
        lease_state: LeaseState::from_bits_retain(u32::from(state)),
        lease_flags,
        lease_duration: 0,
        v2,
    }
}

impl Context {
    fn add_to(self, request: &mut CreateRequest, file: impl Fn(u8) -> FileId) {
        let guid = |which: u8| [which & 3; 16];
        let id = |which: u8| {
            let FileId { persistent, volatile } = file(which);
            (persistent, volatile)
        };
        let context = match self {
            Self::Durable(which, persistent, timeout) => {
                let mut flags = DurableFlags::empty();
                flags.set(DurableFlags::PERSISTENT, persistent);
                RequestContext::DH2Q { timeout, flags, create_guid: guid(which) }
            }
            Self::Reconnect(of, which) => RequestContext::DH2C {
                file_id: id(of),
                create_guid: guid(which),
                flags: DurableFlags::empty(),
            },
            Self::Allocation(size) => RequestContext::AlSi(size.into()),
            Self::MaximalAccess => RequestContext::MxAc(None),
            Self::DiskId => RequestContext::QFid,
            Self::Application(which) => RequestContext::AppInstanceId(guid(which)),
            Self::Any(name, data) => RequestContext::Other { name: name.to_vec(), data },
            Self::Attributes(data) => {
                RequestContext::Other { name: context_name::EXT_A.to_vec(), data }
            }
            Self::Descriptor(data) => {
                RequestContext::Other { name: context_name::SEC_D.to_vec(), data }
            }
        };
        add(request, &context);
    }
}

fn add(request: &mut CreateRequest, context: &RequestContext) {
    let mut data = Vec::new();
    if context.encode(&mut data).is_ok() {
        request.contexts.push(RawContext { name: context.name().to_vec(), data });
    }
}
