//! The descriptor of a new file (MS-DTYP 2.5.3.4).

use super::{Token, map_ace, mapped};
use crate::wire::{
    fscc::AccessMask,
    security::{Ace, AceBody, AceFlags, Acl, SecurityControl, SecurityDescriptor, Sid},
};
use alloc::{vec, vec::Vec};

/// What a new file's descriptor is made of.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its directory's, if one is stored.
    pub parent: Option<&'a SecurityDescriptor>,
    /// What its maker asks for (SMB2_CREATE_SD_BUFFER).
    pub explicit: Option<&'a SecurityDescriptor>,
    /// Its maker.
    pub token: &'a Token,
    /// It is a directory.
    pub directory: bool,
}

/// MS-DTYP 2.5.3.4.1. `None`: neither its directory nor its maker has a word to say, and its mode
/// counts.
pub fn new_descriptor(new: New<'_>) -> Option<SecurityDescriptor> {
    let New { parent, explicit, token, directory } = new;
    if parent.is_none() && explicit.is_none() {
        return None;
    }
    let owner = explicit.and_then(|asked| asked.owner).unwrap_or(token.user);
    let group = explicit.and_then(|asked| asked.group).unwrap_or(token.group);
    let heir = Heir { owner, group, directory };
    let mut control = SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PRESENT;
    let auto = flags_of(parent).contains(SecurityControl::DACL_AUTO_INHERITED);
    let inherited = heir.acl(parent.and_then(|parent| parent.dacl.as_ref()), auto);
    let asked = explicit.filter(|asked| asked.control.contains(SecurityControl::DACL_PRESENT));
    let dacl = match (asked, inherited) {
        (Some(asked), inherited) => {
            let protected = asked.control & SecurityControl::DACL_PROTECTED;
            control |= protected;
            let mut dacl = asked.dacl.as_ref().map(mapped);
            // Explicit ACEs come before inherited ones (MS-DTYP 2.5.3.4.2).
            if let (Some(dacl), Some(inherited)) = (&mut dacl, inherited)
                && auto
                && protected.is_empty()
            {
                control |= SecurityControl::DACL_AUTO_INHERITED;
                dacl.aces.extend(inherited.aces);
            }
            dacl
        }
        (None, Some(inherited)) => {
            control.set(SecurityControl::DACL_AUTO_INHERITED, auto);
            Some(inherited)
        }
        (None, None) => Some(default_dacl(owner)),
    };
    let auto = flags_of(parent).contains(SecurityControl::SACL_AUTO_INHERITED);
    let sacl = heir.acl(parent.and_then(|parent| parent.sacl.as_ref()), auto);
    let asked = explicit.filter(|_| token.is_privileged()).and_then(|asked| asked.sacl.as_ref());
    let sacl = asked.map(mapped).or(sacl);
    control.set(SecurityControl::SACL_PRESENT, sacl.is_some());
    Some(SecurityDescriptor {
        sbz1: 0,
        control,
        owner: Some(owner),
        group: Some(group),
        sacl,
        dacl,
    })
}

fn flags_of(descriptor: Option<&SecurityDescriptor>) -> SecurityControl {
    descriptor.map_or(SecurityControl::empty(), |descriptor| descriptor.control)
}

/// What a Windows token's default DACL says: all to the owner and to the system.
fn default_dacl(owner: Sid) -> Acl {
    let all = AccessMask::ALL_ACCESS;
    Acl { acl_revision: 2, aces: vec![Ace::allow(owner, all), Ace::allow(Sid::SYSTEM, all)] }
}

/// The new file, as ACEs see it.
struct Heir {
    owner: Sid,
    group: Sid,
    directory: bool,
}

impl Heir {
    /// What it inherits of its directory's list; `None` is nothing. `auto` marks what is inherited.
    fn acl(&self, parent: Option<&Acl>, auto: bool) -> Option<Acl> {
        let parent = parent?;
        let mut aces = Vec::new();
        for ace in &parent.aces {
            let from = aces.len();
            self.ace(ace, &mut aces);
            for new in aces.iter_mut().skip(from).filter(|_| auto) {
                new.ace_flags |= AceFlags::INHERITED;
            }
        }
        (!aces.is_empty()).then_some(Acl { acl_revision: parent.acl_revision, aces })
    }

    /// MS-DTYP 2.5.3.4.3, 2.5.3.4.4.
    fn ace(&self, ace: &Ace, out: &mut Vec<Ace>) {
        let objects = ace.ace_flags & AceFlags::OBJECT_INHERIT;
        let both = ace.ace_flags & (AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT);
        let audit = ace.ace_flags & (AceFlags::SUCCESSFUL_ACCESS | AceFlags::FAILED_ACCESS);
        let on = !ace.ace_flags.contains(AceFlags::NO_PROPAGATE_INHERIT);
        let with = |ace: &Ace, flags| Ace { ace_flags: flags | audit, ..ace.clone() };
        if !self.directory {
            if !objects.is_empty() {
                out.push(with(&self.effective(ace), AceFlags::empty()));
            }
        } else if ace.ace_flags.contains(AceFlags::CONTAINER_INHERIT) {
            let effective = self.effective(ace);
            match (on, effective.body == ace.body) {
                (false, _) => out.push(with(&effective, AceFlags::empty())),
                (true, true) => out.push(with(ace, both)),
                (true, false) => {
                    // What it means here, and what it will mean further down.
                    out.push(with(&effective, AceFlags::empty()));
                    out.push(with(ace, both | AceFlags::INHERIT_ONLY));
                }
            }
        } else if on && !objects.is_empty() {
            out.push(with(ace, objects | AceFlags::INHERIT_ONLY));
        }
    }

    /// The ACE with CREATOR OWNER, CREATOR GROUP and generic bits replaced by what they mean here.
    fn effective(&self, ace: &Ace) -> Ace {
        let mut ace = map_ace(ace.clone());
        if let AceBody::Sid { sid, .. } = &mut ace.body {
            match *sid {
                Sid::CREATOR_OWNER => *sid = self.owner,
                Sid::CREATOR_GROUP => *sid = self.group,
                _ => {}
            }
        }
        ace
    }
}
