//! The access check (MS-DTYP 2.5.3.2).

use super::Token;
use crate::wire::{
    fscc::AccessMask,
    security::{Ace, AceBody, AceFlags, AceType, SecurityDescriptor, Sid},
};

/// All that `descriptor` grants `token`. Each bit is decided by the first ACE that names it, on its
/// own; so a request is granted if it is contained in this, and MAXIMUM_ALLOWED is this.
pub fn granted(descriptor: &SecurityDescriptor, token: &Token) -> AccessMask {
    let mut granted = AccessMask::empty();
    if token.is_privileged() {
        granted |= AccessMask::ACCESS_SYSTEM_SECURITY | AccessMask::WRITE_OWNER;
    }
    let Some(dacl) = &descriptor.dacl else {
        // No DACL, or the NULL DACL: nobody is kept out.
        return granted | AccessMask::ALL_ACCESS;
    };
    let owns = descriptor.owner.is_some_and(|owner| token.has(&owner));
    let here = || dacl.aces.iter().filter(|ace| !ace.ace_flags.contains(AceFlags::INHERIT_ONLY));
    let restricted = here().any(|ace| is_for(ace, &Sid::OWNER_RIGHTS));
    if owns && !restricted {
        granted |= AccessMask::READ_CONTROL | AccessMask::WRITE_DAC;
    }
    let mut denied = AccessMask::empty();
    for ace in here() {
        match effect(ace, token, owns) {
            Effect::Allow(mask) => granted |= mask.difference(denied),
            Effect::Deny(mask) => denied |= mask.difference(granted),
            Effect::None => {}
        }
    }
    granted & AccessMask::ALL_ACCESS.union(AccessMask::ACCESS_SYSTEM_SECURITY)
}

enum Effect {
    Allow(AccessMask),
    Deny(AccessMask),
    None,
}

/// What an ACE does to `token`. What cannot be evaluated never allows, and denies.
fn effect(ace: &Ace, token: &Token, owns: bool) -> Effect {
    let theirs = |sid: &Sid| token.has(sid) || owns && *sid == Sid::OWNER_RIGHTS;
    match (ace.ace_type, &ace.body) {
        (AceType::ACCESS_ALLOWED, AceBody::Sid { mask, sid, .. }) if theirs(sid) => {
            // Only root sees what is audited, whatever an ACE says.
            Effect::Allow(mask.map_generic().difference(AccessMask::ACCESS_SYSTEM_SECURITY))
        }
        (
            AceType::ACCESS_DENIED | AceType::ACCESS_DENIED_CALLBACK,
            AceBody::Sid { mask, sid, .. },
        ) if theirs(sid) => Effect::Deny(mask.map_generic()),
        // Its SID is behind ids of a directory's objects, which files are not: for everybody.
        (AceType::ACCESS_DENIED_OBJECT, AceBody::Opaque(bytes)) => {
            let mask = bytes.first_chunk().map_or(u32::MAX, |mask| u32::from_le_bytes(*mask));
            Effect::Deny(AccessMask::from_bits_retain(mask).map_generic())
        }
        _ => Effect::None,
    }
}

fn is_for(ace: &Ace, wanted: &Sid) -> bool {
    matches!(&ace.body, AceBody::Sid { sid, .. } if sid == wanted)
}
