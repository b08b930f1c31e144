//! Requests as tests write them; everything else about them is usual.

use ksmbd_core::wire::{
    change_notify::{ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter},
    close::{CloseFlags, CloseRequest},
    create::{
        CreateDisposition, CreateOptions, CreateRequest, ImpersonationLevel, OplockLevel,
        ShareAccess,
    },
    flush::FlushRequest,
    fscc::{AccessMask, FileInfoClass, FsInfoClass, set_file::SetFileInformation},
    header::FileId,
    ioctl::{FsctlCode, IoctlFlags, IoctlRequest},
    lock::{LockElement, LockFlags, LockRequest},
    message::RequestBody,
    query_directory::{QueryDirectoryFlags, QueryDirectoryRequest},
    query_info::{InfoType, QueryInfoFlags, QueryInfoRequest},
    read::{Channel, ReadFlags, ReadRequest},
    set_info::SetInfoRequest,
    tree_connect::{TreeConnectFlags, TreeConnectRequest},
    write::WriteRequest,
};

/// TREE_CONNECT to `\\world\share`.
pub fn tree_connect(share: &str) -> RequestBody {
    let path = format!("\\\\world\\{share}");
    RequestBody::TreeConnect(TreeConnectRequest {
        flags: TreeConnectFlags::empty(),
        path: path.as_str().into(),
    })
}

/// CREATE for everything, shared with everybody, whether it is there or not.
pub fn create(name: &str) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        impersonation_level: ImpersonationLevel::IMPERSONATION,
        desired_access: (AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE | AccessMask::DELETE)
            .bits(),
        file_attributes: 0,
        share_access: ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        create_disposition: CreateDisposition::OPEN_IF,
        create_options: CreateOptions::empty(),
        name: name.into(),
        contexts: Vec::new(),
    }
}

/// CLOSE.
pub fn close(file_id: FileId) -> RequestBody {
    RequestBody::Close(CloseRequest { flags: CloseFlags::empty(), file_id })
}

/// FLUSH.
pub fn flush(file_id: FileId) -> RequestBody {
    RequestBody::Flush(FlushRequest { file_id })
}

/// READ.
pub fn read(file_id: FileId, offset: u64, length: u32) -> RequestBody {
    RequestBody::Read(ReadRequest {
        padding: 80,
        flags: ReadFlags::empty(),
        length,
        offset,
        file_id,
        minimum_count: 0,
        channel: Channel::NONE,
        remaining_bytes: 0,
        read_channel_info: Vec::new(),
    })
}

/// WRITE; its data follow.
pub fn write(file_id: FileId, offset: u64, length: usize) -> RequestBody {
    RequestBody::Write(WriteRequest::new(file_id, offset, length))
}

/// LOCK of one range.
pub fn lock(file_id: FileId, offset: u64, length: u64, flags: LockFlags) -> RequestBody {
    locks(file_id, &[(offset, length, flags)])
}

/// LOCK of several ranges.
pub fn locks(file_id: FileId, ranges: &[(u64, u64, LockFlags)]) -> RequestBody {
    let element = |&(offset, length, flags)| LockElement { offset, length, flags };
    let locks = ranges.iter().map(element).collect();
    RequestBody::Lock(LockRequest { lock_sequence: 0, file_id, locks })
}

/// IOCTL.
pub fn ioctl(file_id: FileId, ctl_code: FsctlCode, input: &[u8], max: u32) -> RequestBody {
    RequestBody::Ioctl(IoctlRequest {
        ctl_code,
        file_id,
        input: input.to_vec(),
        max_input_response: 0,
        max_output_response: max,
        flags: IoctlFlags::IS_FSCTL,
    })
}

/// CHANGE_NOTIFY.
pub fn notify(file_id: FileId, filter: CompletionFilter, tree: bool, max: u32) -> RequestBody {
    let mut flags = ChangeNotifyFlags::empty();
    flags.set(ChangeNotifyFlags::WATCH_TREE, tree);
    RequestBody::ChangeNotify(ChangeNotifyRequest {
        flags,
        output_buffer_length: max,
        file_id,
        completion_filter: filter,
    })
}

/// QUERY_DIRECTORY.
pub fn list(
    file_id: FileId,
    pattern: &str,
    class: FileInfoClass,
    flags: QueryDirectoryFlags,
    max: u32,
) -> RequestBody {
    RequestBody::QueryDirectory(QueryDirectoryRequest {
        file_information_class: class.0,
        flags,
        file_index: 0,
        file_id,
        file_name: pattern.into(),
        output_buffer_length: max,
    })
}

/// QUERY_INFO of any type.
pub fn query(
    file_id: FileId,
    info_type: InfoType,
    info_class: u8,
    parts: u32,
    max: u32,
) -> RequestBody {
    RequestBody::QueryInfo(QueryInfoRequest {
        info_type,
        info_class,
        output_buffer_length: max,
        additional_information: parts,
        flags: QueryInfoFlags::empty(),
        file_id,
        input: Vec::new(),
    })
}

/// QUERY_INFO of a file.
pub fn query_file(file_id: FileId, class: FileInfoClass, max: u32) -> RequestBody {
    query(file_id, InfoType::FILE, class.0, 0, max)
}

/// QUERY_INFO of a volume.
pub fn query_volume(file_id: FileId, class: FsInfoClass, max: u32) -> RequestBody {
    query(file_id, InfoType::FILESYSTEM, class.0, 0, max)
}

/// SET_INFO with any bytes.
pub fn set_raw(file_id: FileId, info_type: InfoType, info_class: u8, buffer: &[u8]) -> RequestBody {
    RequestBody::SetInfo(SetInfoRequest {
        info_type,
        info_class,
        additional_information: 0,
        file_id,
        buffer: buffer.to_vec(),
    })
}

/// SET_INFO of a file.
pub fn set_file(file_id: FileId, set: &SetFileInformation) -> RequestBody {
    let mut buffer = Vec::new();
    set.encode(&mut buffer);
    set_raw(file_id, InfoType::FILE, set.class().0, &buffer)
}
