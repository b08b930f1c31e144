//! The requests of the storm.

use ksmbd_core::wire::change_notify::{ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter};
use ksmbd_core::wire::create::{
    CreateDisposition, CreateOptions, OplockLevel, RawContext, ShareAccess,
};
use ksmbd_core::wire::create_context::{DurableFlags, LeaseState, LeaseV2, RequestContext, name};
use ksmbd_core::wire::flush::FlushRequest;
use ksmbd_core::wire::fscc::{AccessMask, FileInfoClass};
use ksmbd_core::wire::header::FileId;
use ksmbd_core::wire::lock::{LockElement, LockFlags, LockRequest};
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::query_directory::{QueryDirectoryFlags, QueryDirectoryRequest};
use ksmbd_core::wire::query_info::InfoType;
use ksmbd_core::wire::set_info::SetInfoRequest;
use ksmbd_core::wire::utf16::Utf16;

use super::Chance;
use crate::logon::{Cache, cached, close, create, lease, read, write};

pub(super) const DIRECTORIES: [&str; 4] = ["north", "east", "south", "west"];

/// Files of all clients together, and those of them that clients who answer no break may cache.
const FILES: usize = 40;
const QUIET: usize = 3;

/// For how many milliseconds a handle is kept that nobody comes back to.
const KEPT: u32 = 3000;

fn path(file: usize) -> String {
    format!("{}\\file {file}", DIRECTORIES[file % DIRECTORIES.len()])
}

/// Opens a file or a directory.
pub(super) fn open(chance: &mut Chance, deaf: bool) -> RequestBody {
    let everything = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE | AccessMask::DELETE;
    if chance.once_in(6) {
        let (place, kind) = (chance.pick(&DIRECTORIES), CreateOptions::DIRECTORY_FILE);
        let request = create(place, AccessMask::GENERIC_READ, CreateDisposition::OPEN_IF, kind);
        return asking(chance, request);
    }
    let file = chance.below(if deaf { QUIET } else { FILES });
    let access = chance.pick(&[everything, everything, AccessMask::GENERIC_READ]);
    let disposition = if chance.once_in(10) {
        CreateDisposition::OVERWRITE_IF
    } else {
        CreateDisposition::OPEN_IF
    };
    let mut options = CreateOptions::NON_DIRECTORY_FILE;
    options.set(CreateOptions::DELETE_ON_CLOSE, access == everything && chance.once_in(20));
    let mut request = create(&path(file), access, disposition, options);
    if let RequestBody::Create(request) = &mut request
        && chance.once_in(10)
    {
        request.share_access = ShareAccess::READ;
    }
    asking(chance, request)
}

/// Asks to cache it, mostly, and now and then to have it again after the connection.
fn asking(chance: &mut Chance, request: RequestBody) -> RequestBody {
    if chance.once_in(4) {
        return request;
    }
    let mut request = caching(chance, request);
    if chance.once_in(3) {
        let mut create_guid = [7; 16];
        create_guid.fill_with(|| chance.below(256).to_le_bytes()[0]);
        let flags = DurableFlags::empty();
        with(&mut request, &RequestContext::DH2Q { timeout: KEPT, flags, create_guid });
    }
    request
}

fn with(request: &mut RequestBody, context: &RequestContext) {
    let mut data = Vec::new();
    if let RequestBody::Create(body) = request
        && context.encode(&mut data).is_ok()
    {
        body.contexts.push(RawContext { name: context.name().to_vec(), data });
    }
}

/// Opens a durable handle again (MS-SMB2 3.2.4.4).
pub(super) fn again(request: &RequestBody, file: FileId) -> RequestBody {
    let mut request = request.clone();
    let mut create_guid = [0; 16];
    if let RequestBody::Create(body) = &mut request {
        body.contexts.retain(|context| {
            let asked = RequestContext::parse(&context.name, &context.data);
            if let Ok(RequestContext::DH2Q { create_guid: own, .. }) = asked {
                create_guid = own;
            }
            context.name != name::DH2Q
        });
    }
    let (file_id, flags) = ((file.persistent, file.volatile), DurableFlags::empty());
    with(&mut request, &RequestContext::DH2C { file_id, create_guid, flags });
    request
}

fn caching(chance: &mut Chance, request: RequestBody) -> RequestBody {
    if chance.once_in(2) {
        let levels = [OplockLevel::II, OplockLevel::EXCLUSIVE, OplockLevel::BATCH];
        return cached(request, &Cache::Oplock(chance.pick(&levels)));
    }
    let RequestBody::Create(body) = &request else {
        return request;
    };
    // A key belongs to one file.
    let key = body
        .name
        .to_bytes()
        .into_iter()
        .fold(7, |key: u64, byte| key.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut lease = lease(key);
    let (r, w, h) =
        (LeaseState::READ_CACHING, LeaseState::WRITE_CACHING, LeaseState::HANDLE_CACHING);
    lease.lease_state = chance.pick(&[r, r | h, r | w, r | w | h]);
    lease.v2 = (!chance.once_in(3)).then(LeaseV2::default);
    cached(request, &Cache::Lease(lease))
}

/// Something that is done to what is open; for a directory some of it is nonsense. With its data.
pub(super) fn on(chance: &mut Chance, file_id: FileId) -> (RequestBody, Vec<u8>) {
    let at = chance.below(16) as u64 * 512;
    let nothing = Vec::new();
    match chance.below(12) {
        0..3 => (lock(chance, file_id, at), nothing),
        3 => (write(file_id, at, 512), vec![7; 512]),
        4 => (read(file_id, at, 512), nothing),
        5 => (RequestBody::Flush(FlushRequest { file_id }), nothing),
        6 | 7 => (watch(chance, file_id), nothing),
        8 => (list(file_id), nothing),
        9 => (set(file_id, FileInfoClass::END_OF_FILE, at.to_le_bytes().to_vec()), nothing),
        10 => (set(file_id, FileInfoClass::RENAME, rename(chance)), nothing),
        _ if chance.once_in(4) => (set(file_id, FileInfoClass::DISPOSITION, vec![1]), nothing),
        _ => (close(FileId { persistent: at, volatile: at }), nothing),
    }
}

fn lock(chance: &mut Chance, file_id: FileId, offset: u64) -> RequestBody {
    let shared = LockFlags::SHARED_LOCK;
    let exclusive = LockFlags::EXCLUSIVE_LOCK;
    let at_once = LockFlags::FAIL_IMMEDIATELY;
    let all = [shared, exclusive, shared | at_once, exclusive | at_once, LockFlags::UNLOCK];
    let locks = vec![LockElement { offset, length: 512, flags: chance.pick(&all) }];
    RequestBody::Lock(LockRequest { lock_sequence: 0, file_id, locks })
}

fn watch(chance: &mut Chance, file_id: FileId) -> RequestBody {
    let flags = [ChangeNotifyFlags::empty(), ChangeNotifyFlags::WATCH_TREE];
    RequestBody::ChangeNotify(ChangeNotifyRequest {
        flags: chance.pick(&flags),
        output_buffer_length: chance.pick(&[0, 200, 4096]),
        file_id,
        completion_filter: CompletionFilter::FILE_NAME
            | CompletionFilter::DIR_NAME
            | CompletionFilter::SIZE
            | CompletionFilter::LAST_WRITE,
    })
}

fn list(file_id: FileId) -> RequestBody {
    RequestBody::QueryDirectory(QueryDirectoryRequest {
        file_information_class: FileInfoClass::ID_BOTH_DIRECTORY.0,
        flags: QueryDirectoryFlags::empty(),
        file_index: 0,
        file_id,
        file_name: "*".into(),
        output_buffer_length: 16 << 10,
    })
}

fn set(file_id: FileId, class: FileInfoClass, buffer: Vec<u8>) -> RequestBody {
    RequestBody::SetInfo(SetInfoRequest {
        info_type: InfoType::FILE,
        info_class: class.0,
        additional_information: 0,
        file_id,
        buffer,
    })
}

/// FileRenameInformation (MS-FSCC 2.4.42.2): to any of the names, which may be there.
fn rename(chance: &mut Chance) -> Vec<u8> {
    let name = Utf16::from(path(chance.below(FILES)).as_str()).to_bytes();
    let mut buffer = vec![0; 16];
    buffer[0] = u8::from(!chance.once_in(4));
    buffer.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
    buffer.extend_from_slice(&name);
    buffer
}
