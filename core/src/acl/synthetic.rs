//! A descriptor made of owner and mode, for files with which none is stored.

use super::{sid_of_gid, sid_of_uid};
use crate::{
    vfs::{FileInfo, FileKind},
    wire::{
        fscc::AccessMask,
        security::{Ace, Acl, SecurityControl, SecurityDescriptor, Sid},
    },
};
use alloc::vec::Vec;

/// S-1-22-1-uid and S-1-22-2-gid, and a DACL of owner, group and everybody.
pub fn synthetic(info: &FileInfo) -> SecurityDescriptor {
    let (owner, group) = (sid_of_uid(info.uid), sid_of_gid(info.gid));
    let class = |shift: u32| mask(info.kind, info.mode >> shift & 7);
    let owner_mask = class(6)
        | AccessMask::WRITE_DAC
        | AccessMask::WRITE_OWNER
        | AccessMask::DELETE
        | AccessMask::FILE_WRITE_ATTRIBUTES
        | AccessMask::READ_CONTROL;
    let entries = [(owner, owner_mask), (group, class(3)), (Sid::EVERYONE, class(0))];
    let aces = entries.into_iter().filter(|(_, mask)| !mask.is_empty());
    let aces: Vec<_> = aces.map(|(sid, mask)| Ace::allow(sid, mask)).collect();
    SecurityDescriptor {
        sbz1: 0,
        control: SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PRESENT,
        owner: Some(owner),
        group: Some(group),
        sacl: None,
        dacl: Some(Acl { acl_revision: 2, aces }),
    }
}

/// The mask that three bits of a mode stand for.
fn mask(kind: FileKind, bits: u32) -> AccessMask {
    if bits == 0 {
        return AccessMask::empty();
    }
    let mut mask = AccessMask::FILE_READ_ATTRIBUTES
        | AccessMask::FILE_READ_EA
        | AccessMask::READ_CONTROL
        | AccessMask::SYNCHRONIZE;
    let (read, write, execute) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
    if read {
        mask |= AccessMask::FILE_READ_DATA;
    }
    // A file that can be read can be read as a program: Windows clients ask for both.
    if execute || read && kind == FileKind::File {
        mask |= AccessMask::FILE_EXECUTE;
    }
    if write {
        mask |= AccessMask::FILE_WRITE_DATA
            | AccessMask::FILE_APPEND_DATA
            | AccessMask::FILE_WRITE_EA
            | AccessMask::FILE_WRITE_ATTRIBUTES
            | AccessMask::FILE_DELETE_CHILD;
    }
    mask
}
