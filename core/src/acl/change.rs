//! What SET_INFO makes of a descriptor (MS-FSA 2.1.5.16).

use super::{Token, mapped};
use crate::{
    vfs::VfsError,
    wire::{
        query_info::SecurityInformation,
        security::{SecurityControl, SecurityDescriptor},
    },
};
use alloc::sync::Arc;

/// The parts of a descriptor that somebody wants to change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which parts; [`crate::vfs::Op::SetSecurity`] comes after the gate has checked their access.
    pub parts: SecurityInformation,
    /// The new parts.
    pub descriptor: SecurityDescriptor,
    /// Who.
    pub token: Arc<Token>,
}

/// The descriptor after the change.
pub fn change(old: &SecurityDescriptor, by: &Change) -> Result<SecurityDescriptor, VfsError> {
    let (new, token) = (&by.descriptor, &by.token);
    let wants = |part| by.parts.contains(part);
    let mut changed = old.clone();
    // What stays as it is needs no right to it.
    if let Some(owner) = new.owner.filter(|_| wants(SecurityInformation::OWNER))
        && old.owner != Some(owner)
    {
        if !token.may_own(&owner) {
            return Err(VfsError::InvalidOwner);
        }
        changed.owner = Some(owner);
    }
    if let Some(group) = new.group.filter(|_| wants(SecurityInformation::GROUP))
        && old.group != Some(group)
    {
        if !token.may_be_group(&group) {
            return Err(VfsError::InvalidGroup);
        }
        changed.group = Some(group);
    }
    if wants(SecurityInformation::DACL) {
        changed.dacl = new.dacl.as_ref().map(mapped);
        // No DACL in the descriptor is the NULL DACL: it lets everybody, and is there.
        take(&mut changed, new.control | SecurityControl::DACL_PRESENT, &DACL);
    }
    if wants(SecurityInformation::SACL) {
        changed.sacl = new.sacl.as_ref().map(mapped);
        take(&mut changed, new.control, &SACL);
    }
    Ok(changed)
}

/// The flags of one list.
struct Flags {
    /// They are as they were given.
    plain: SecurityControl,
    /// Asks for the next; is never kept.
    request: SecurityControl,
    inherited: SecurityControl,
}

const DACL: Flags = Flags {
    plain: SecurityControl::DACL_PRESENT.union(SecurityControl::DACL_PROTECTED),
    request: SecurityControl::DACL_AUTO_INHERIT_REQ,
    inherited: SecurityControl::DACL_AUTO_INHERITED,
};

const SACL: Flags = Flags {
    plain: SecurityControl::SACL_PRESENT.union(SecurityControl::SACL_PROTECTED),
    request: SecurityControl::SACL_AUTO_INHERIT_REQ,
    inherited: SecurityControl::SACL_AUTO_INHERITED,
};

/// A list counts as inherited only if that was asked for as well (MS-DTYP 2.4.6, as Windows has it).
fn take(changed: &mut SecurityDescriptor, new: SecurityControl, flags: &Flags) {
    let mut taken = new & flags.plain;
    if new.contains(flags.request.union(flags.inherited)) {
        taken |= flags.inherited;
    }
    let all = flags.plain | flags.request | flags.inherited;
    changed.control = changed.control.difference(all) | taken;
}
