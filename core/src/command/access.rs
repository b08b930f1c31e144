//! What each operation needs, one table without a default: a new one does not compile without its
//! entry. And what a file's permissions grant (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.2.1).

use crate::{
    acl::{self, Token},
    vfs::{FileInfo, FileKind, Permitted},
    wire::{
        fscc::{AccessMask, FileAttributes, FileInfoClass},
        header::FileId,
        ioctl::FsctlCode,
        message::RequestBody,
        oplock_break::OplockBreakRequest,
        query_info::{InfoType, SecurityInformation},
    },
};

/// What the gate checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// A tree connect.
    pub(super) tree: bool,
    /// An open; [`FileId::ANY`] is the chain's.
    pub(super) file_id: Option<FileId>,
    /// One of these is enough; empty asks for none.
    pub(super) any_of: AccessMask,
    /// And all of these.
    pub(super) all_of: AccessMask,
    /// It changes what is on the disk.
    pub(super) changes: bool,
}

const NOTHING: Need = Need {
    tree: false,
    file_id: None,
    any_of: AccessMask::empty(),
    all_of: AccessMask::empty(),
    changes: false,
};
const TREE: Need = Need { tree: true, ..NOTHING };

const READS: AccessMask = AccessMask::FILE_READ_DATA.union(AccessMask::FILE_EXECUTE);
const WRITES: AccessMask = AccessMask::FILE_WRITE_DATA.union(AccessMask::FILE_APPEND_DATA);

fn open(file_id: FileId, any_of: AccessMask) -> Need {
    Need { file_id: Some(file_id), any_of, ..TREE }
}

fn change(file_id: FileId, any_of: AccessMask) -> Need {
    Need { changes: true, ..open(file_id, any_of) }
}

/// The table.
pub(super) fn need(body: &RequestBody) -> Need {
    let free = AccessMask::empty();
    match body {
        RequestBody::Negotiate(_)
        | RequestBody::SessionSetup(_)
        | RequestBody::Logoff
        | RequestBody::TreeConnect(_)
        | RequestBody::Cancel
        | RequestBody::Echo
        | RequestBody::OplockBreak(OplockBreakRequest::Lease(_)) => NOTHING,
        RequestBody::OplockBreak(OplockBreakRequest::Oplock(r)) => open(r.file_id, free),
        RequestBody::TreeDisconnect | RequestBody::Create(_) => TREE,
        RequestBody::Close(r) => open(r.file_id, free),
        RequestBody::Flush(r) => change(r.file_id, WRITES),
        RequestBody::Read(r) => open(r.file_id, READS),
        RequestBody::Write(r) => change(r.file_id, WRITES),
        RequestBody::Lock(r) => open(r.file_id, READS.union(WRITES)),
        RequestBody::QueryDirectory(r) => open(r.file_id, AccessMask::FILE_LIST_DIRECTORY),
        RequestBody::ChangeNotify(r) => open(r.file_id, AccessMask::FILE_LIST_DIRECTORY),
        RequestBody::QueryInfo(r) => Need {
            all_of: parts(r.info_type, r.additional_information, READ_SECURITY),
            ..open(r.file_id, query(r.info_type, r.info_class))
        },
        RequestBody::SetInfo(r) => Need {
            all_of: parts(r.info_type, r.additional_information, WRITE_SECURITY),
            ..change(r.file_id, set(r.info_type, r.info_class))
        },
        RequestBody::Ioctl(r) => ioctl(r.ctl_code, r.file_id),
    }
}

/// FSCTLs that name no open carry [`FileId::ANY`] (MS-SMB2 3.3.5.15).
fn ioctl(code: FsctlCode, file_id: FileId) -> Need {
    match code {
        FsctlCode::VALIDATE_NEGOTIATE_INFO
        | FsctlCode::QUERY_NETWORK_INTERFACE_INFO
        | FsctlCode::DFS_GET_REFERRALS
        | FsctlCode::DFS_GET_REFERRALS_EX
        | FsctlCode::PIPE_WAIT
        | FsctlCode::SMBTORTURE_UNACKED
        | FsctlCode::SMBTORTURE_PAD_IOCTL
        | FsctlCode::SMBTORTURE_PAD_READS => TREE,
        // Refused by the command; here they only have to name an open.
        _ => open(file_id, AccessMask::empty()),
    }
}

/// The access that parts of a descriptor ask for, each its own.
type PartAccess = [(SecurityInformation, AccessMask)];

/// MS-SMB2 3.3.5.20.3, MS-FSA 2.1.5.14. No part asks for nothing, and gets an empty descriptor.
const READ_SECURITY: &PartAccess = &[
    (OWNER_GROUP.union(SecurityInformation::DACL).union(LABELS), AccessMask::READ_CONTROL),
    (SecurityInformation::SACL, AccessMask::ACCESS_SYSTEM_SECURITY),
];

/// MS-SMB2 3.3.5.21.3, MS-FSA 2.1.5.16.
const WRITE_SECURITY: &PartAccess = &[
    (OWNER_GROUP.union(SecurityInformation::LABEL), AccessMask::WRITE_OWNER),
    (SecurityInformation::DACL.union(SecurityInformation::ATTRIBUTE), AccessMask::WRITE_DAC),
    (SACLS, AccessMask::ACCESS_SYSTEM_SECURITY),
];

const OWNER_GROUP: SecurityInformation =
    SecurityInformation::OWNER.union(SecurityInformation::GROUP);
const LABELS: SecurityInformation = SecurityInformation::LABEL
    .union(SecurityInformation::ATTRIBUTE)
    .union(SecurityInformation::SCOPE)
    .union(SecurityInformation::BACKUP);
const SACLS: SecurityInformation =
    SecurityInformation::SACL.union(SecurityInformation::SCOPE).union(SecurityInformation::BACKUP);

fn parts(kind: InfoType, parts: u32, access: &PartAccess) -> AccessMask {
    let parts = SecurityInformation::from_bits_retain(parts);
    let asked =
        access.iter().filter(|(part, _)| kind == InfoType::SECURITY && parts.intersects(*part));
    asked.fold(AccessMask::empty(), |all, (_, access)| all | *access)
}

/// MS-SMB2 3.3.5.20.1. Descriptors: see [`parts`].
fn query(kind: InfoType, class: u8) -> AccessMask {
    match kind {
        InfoType::FILE => query_file(FileInfoClass(class)),
        // File systems have no access of their own; quotas are refused by the command.
        _ => AccessMask::empty(),
    }
}

fn query_file(class: FileInfoClass) -> AccessMask {
    match class {
        FileInfoClass::BASIC
        | FileInfoClass::ALL
        | FileInfoClass::NETWORK_OPEN
        | FileInfoClass::ATTRIBUTE_TAG => AccessMask::FILE_READ_ATTRIBUTES,
        FileInfoClass::FULL_EA => AccessMask::FILE_READ_EA,
        _ => AccessMask::empty(),
    }
}

/// MS-SMB2 3.3.5.21.1. Descriptors: see [`parts`].
fn set(kind: InfoType, class: u8) -> AccessMask {
    match kind {
        InfoType::FILE => set_file(FileInfoClass(class)),
        _ => AccessMask::empty(),
    }
}

fn set_file(class: FileInfoClass) -> AccessMask {
    match class {
        FileInfoClass::BASIC => AccessMask::FILE_WRITE_ATTRIBUTES,
        FileInfoClass::RENAME | FileInfoClass::DISPOSITION => AccessMask::DELETE,
        // A second name asks for nothing of the file, but of the directory (MS-FSA 2.1.5.15.6).
        FileInfoClass::LINK => AccessMask::empty(),
        FileInfoClass::END_OF_FILE
        | FileInfoClass::ALLOCATION
        | FileInfoClass::VALID_DATA_LENGTH => AccessMask::FILE_WRITE_DATA,
        FileInfoClass::FULL_EA => AccessMask::FILE_WRITE_EA,
        _ => AccessMask::empty(),
    }
}

/// What a file grants an identity at most.
pub(super) fn maximal(info: &FileInfo, read_only_share: bool) -> AccessMask {
    let mut mask = AccessMask::FILE_READ_ATTRIBUTES
        | AccessMask::FILE_READ_EA
        | AccessMask::READ_CONTROL
        | AccessMask::SYNCHRONIZE;
    let may = |what| info.permitted.contains(what);
    if may(Permitted::READ) {
        mask |= AccessMask::FILE_READ_DATA;
    }
    // A file that can be read can be read as a program: Windows clients ask for both.
    if may(Permitted::EXECUTE) || info.kind == FileKind::File && may(Permitted::READ) {
        mask |= AccessMask::FILE_EXECUTE;
    }
    if may(Permitted::WRITE) {
        mask |= WRITES | AccessMask::FILE_WRITE_EA | AccessMask::FILE_WRITE_ATTRIBUTES;
        mask |= AccessMask::FILE_DELETE_CHILD;
    }
    if may(Permitted::OWNER) {
        mask |= AccessMask::WRITE_DAC
            | AccessMask::WRITE_OWNER
            | AccessMask::FILE_WRITE_ATTRIBUTES
            | AccessMask::FILE_WRITE_EA;
    }
    if may(Permitted::DELETE) {
        mask |= AccessMask::DELETE;
    }
    if read_only_share { mask.difference(CHANGES) } else { mask }
}

/// What a file grants `token` at most: what its descriptor says, if one is stored and somebody asks
/// who counts with descriptors, but no more than the kernel does; else what owner and mode say.
pub(super) fn effective(
    info: &FileInfo,
    token: Option<&Token>,
    read_only_share: bool,
) -> AccessMask {
    let (Some(descriptor), Some(token)) = (&info.security, token) else {
        let system = token.map_or(AccessMask::empty(), system);
        return maximal(info, read_only_share) | system;
    };
    let may = |what| info.permitted.contains(what);
    let mut mask = acl::granted(descriptor, token);
    // MS-FSA 2.1.5.1.2.1: what the directory grants of what is in it.
    mask.set(
        AccessMask::DELETE,
        mask.contains(AccessMask::DELETE) || may(Permitted::PARENT_DELETES),
    );
    if may(Permitted::PARENT_LISTS) {
        mask |= AccessMask::FILE_READ_ATTRIBUTES;
    }
    let mask = mask.difference(refused_by_kernel(info));
    if read_only_share { mask.difference(CHANGES) } else { mask }
}

/// Access to the SACL, which only root has.
pub(super) fn system(token: &Token) -> AccessMask {
    match token.is_privileged() {
        true => AccessMask::ACCESS_SYSTEM_SECURITY,
        false => AccessMask::empty(),
    }
}

/// What would end in EACCES. Descriptor and owner are changed by the server itself.
fn refused_by_kernel(info: &FileInfo) -> AccessMask {
    let may = |what| info.permitted.contains(what);
    let file = info.kind == FileKind::File;
    let mut mask = AccessMask::empty();
    mask.set(AccessMask::FILE_READ_DATA, !may(Permitted::READ));
    let execute = may(Permitted::EXECUTE) || file && may(Permitted::READ);
    mask.set(AccessMask::FILE_EXECUTE, !execute);
    mask.set(WRITES | AccessMask::FILE_DELETE_CHILD, !may(Permitted::WRITE));
    let marks = AccessMask::FILE_WRITE_EA | AccessMask::FILE_WRITE_ATTRIBUTES;
    mask.set(marks, !may(Permitted::WRITE) && !may(Permitted::OWNER));
    mask.set(AccessMask::DELETE, !may(Permitted::DELETE));
    mask
}

/// What changes something; a read-only share grants none of it.
pub(super) const CHANGES: AccessMask = WRITES
    .union(AccessMask::FILE_WRITE_EA)
    .union(AccessMask::FILE_WRITE_ATTRIBUTES)
    .union(AccessMask::FILE_DELETE_CHILD)
    .union(AccessMask::DELETE)
    .union(AccessMask::WRITE_DAC)
    .union(AccessMask::WRITE_OWNER);

/// What the READONLY attribute takes away from a file (MS-FSA 2.1.5.1.2.1).
pub(super) fn without_writing(attributes: FileAttributes, directory: bool) -> AccessMask {
    if attributes.contains(FileAttributes::READONLY) && !directory {
        WRITES
    } else {
        AccessMask::empty()
    }
}
