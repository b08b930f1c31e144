//! Security descriptors made from owner and mode, until stored ones are here.

use super::{Step, query_info::mask_of};
use crate::{
    flow::{Flow, Handled, refuse},
    status::NtStatus,
    vfs::{FileInfo, FileKind},
    wire::{
        fscc::AccessMask,
        message::ResponseBody,
        output::Output,
        query_info::SecurityInformation,
        security::{Ace, AceFlags, Acl, SecurityControl, SecurityDescriptor, Sid},
    },
};
use alloc::{vec, vec::Vec};

/// MS-SMB2 3.3.5.20.3: the parts that were asked for; a buffer that is too short is told the size.
pub(super) fn answer(info: &FileInfo, parts: SecurityInformation, max: u32) -> Handled<Step> {
    let mut buffer = Vec::new();
    if descriptor(info, parts).encode(&mut buffer).is_err() {
        return Err(NtStatus::INTERNAL_ERROR.into());
    }
    if buffer.len() > max as usize {
        return refuse(NtStatus::BUFFER_TOO_SMALL, "3.3.5.20.3: the descriptor does not fit");
    }
    Flow::answer(ResponseBody::QueryInfo(Output { buffer }))
}

/// S-1-22-1-uid and S-1-22-2-gid, and a DACL of owner, group and everybody.
fn descriptor(info: &FileInfo, parts: SecurityInformation) -> SecurityDescriptor {
    let owner = Sid::UNIX_USERS.join(info.uid);
    let group = Sid::UNIX_GROUPS.join(info.gid);
    let wants = |part| parts.contains(part);
    let dacl = wants(SecurityInformation::DACL);
    let mut control = SecurityControl::SELF_RELATIVE;
    control.set(SecurityControl::DACL_PRESENT, dacl);
    SecurityDescriptor {
        sbz1: 0,
        control,
        owner: owner.filter(|_| wants(SecurityInformation::OWNER)),
        group: group.filter(|_| wants(SecurityInformation::GROUP)),
        sacl: None,
        dacl: dacl.then(|| Acl { acl_revision: 2, aces: aces(info, owner, group) }),
    }
}

fn aces(info: &FileInfo, owner: Option<Sid>, group: Option<Sid>) -> Vec<Ace> {
    let class = |shift: u32| mask_of(info, info.mode >> shift & 7);
    let owner_mask = class(6)
        | AccessMask::WRITE_DAC
        | AccessMask::WRITE_OWNER
        | AccessMask::DELETE
        | AccessMask::FILE_WRITE_ATTRIBUTES
        | AccessMask::READ_CONTROL;
    let entries = [(owner, owner_mask), (group, class(3)), (Some(Sid::EVERYONE), class(0))];
    let mut aces = vec![];
    for (sid, mask) in entries {
        let Some(sid) = sid.filter(|_| !mask.is_empty()) else {
            continue;
        };
        let mut ace = Ace::allow(sid, mask);
        if info.kind == FileKind::Directory {
            ace.ace_flags = AceFlags::empty();
        }
        aces.push(ace);
    }
    aces
}
