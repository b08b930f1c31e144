//! What is wrong with a CREATE before anything is looked up (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1).

use super::{Contexts, Wanted};
use crate::{
    flow::{Refused, refuse},
    state::session::Tree,
    status::NtStatus,
    wire::{
        create::{
            CreateDisposition, CreateOptions, CreateRequest, ImpersonationLevel, ShareAccess,
        },
        fscc::{AccessMask, FileAttributes},
    },
};

/// Options that Windows knows; the rest are INVALID_PARAMETER.
const KNOWN_OPTIONS: u32 = 0x00ff_ffff;

/// Options that ask for what is not here; 0x80 is FILE_CREATE_TREE_CONNECTION.
const UNSUPPORTED: CreateOptions = CreateOptions::OPEN_BY_FILE_ID
    .union(CreateOptions::from_bits_retain(0x80))
    .union(CreateOptions::RESERVE_OPFILTER);

/// Attributes that may be named (MS-FSCC 2.6).
const KNOWN_ATTRIBUTES: u32 = 0x0000_7fb7;

/// Access bits that mean something.
const KNOWN_ACCESS: u32 = 0xf31f_01ff;

pub(super) fn wanted(
    request: CreateRequest,
    contexts: Result<Contexts, Refused>,
    tree: &Tree,
) -> Result<Wanted, Refused> {
    let invalid = |at| Refused { status: NtStatus::INVALID_PARAMETER, at };
    if request.impersonation_level > ImpersonationLevel::DELEGATE {
        return refuse(NtStatus::BAD_IMPERSONATION_LEVEL, "3.3.5.9: ImpersonationLevel");
    }
    if request.create_disposition > CreateDisposition::OVERWRITE_IF {
        return Err(invalid("3.3.5.9: CreateDisposition"));
    }
    let all = ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE;
    if !all.contains(request.share_access) {
        return Err(invalid("3.3.5.9: ShareAccess"));
    }
    let desired = AccessMask::from_bits_retain(request.desired_access);
    if desired.is_empty() || desired.bits() & !KNOWN_ACCESS != 0 {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.1: DesiredAccess");
    }
    let desired = desired.map_generic();
    options(&request, desired)?;
    if request.file_attributes & !KNOWN_ATTRIBUTES != 0 {
        return Err(invalid("MS-FSA 2.1.5.1: DesiredFileAttributes"));
    }
    let contexts = contexts?;
    let token = tree.token.clone();
    if let (Some(token), Some(asked)) = (&token, &contexts.security) {
        if asked.owner.is_some_and(|owner| !token.may_own(&owner)) {
            return refuse(NtStatus::INVALID_OWNER, "MS-DTYP 2.5.3.4.1: somebody else's file");
        }
        if asked.group.is_some_and(|group| !token.may_be_group(&group)) {
            return refuse(NtStatus::INVALID_PRIMARY_GROUP, "MS-DTYP 2.5.3.4.1: a foreign group");
        }
    }
    Ok(Wanted {
        desired,
        request,
        contexts,
        token,
        waited: false,
        waits_for_writes: 0,
        created: None,
        file_created: false,
        missed: 0,
        since: Default::default(),
    })
}

fn options(request: &CreateRequest, desired: AccessMask) -> Result<(), Refused> {
    let options = request.create_options;
    let invalid = |at| refuse(NtStatus::INVALID_PARAMETER, at);
    if options.bits() & !KNOWN_OPTIONS != 0 {
        return invalid("MS-FSA 2.1.5.1: CreateOptions");
    }
    if options.intersects(UNSUPPORTED) {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.9: this option is not here");
    }
    let directory = options.contains(CreateOptions::DIRECTORY_FILE);
    if directory && options.contains(CreateOptions::NON_DIRECTORY_FILE) {
        return invalid("MS-FSA 2.1.5.1: a directory that is none");
    }
    let overwrites = matches!(
        request.create_disposition,
        CreateDisposition::SUPERSEDE
            | CreateDisposition::OVERWRITE
            | CreateDisposition::OVERWRITE_IF
    );
    if directory && overwrites {
        return invalid("MS-FSA 2.1.5.1: a directory cannot be overwritten");
    }
    let temporary = FileAttributes::TEMPORARY.bits();
    if directory
        && request.file_attributes & temporary != 0
        && request.create_disposition != CreateDisposition::OPEN
    {
        return invalid("MS-FSA 2.1.5.1: a directory cannot be temporary");
    }
    let may_delete = AccessMask::DELETE | AccessMask::MAXIMUM_ALLOWED;
    if options.contains(CreateOptions::DELETE_ON_CLOSE) && !desired.intersects(may_delete) {
        return invalid("MS-FSA 2.1.5.1: delete on close without DELETE");
    }
    Ok(())
}
