//! Security descriptors, and what is computed of them: who is granted what, what a new file inherits,
//! what a change makes.

use super::{choice, round};
use ksmbd_core::{
    acl::{Change, New, Token, TokenKind, change, granted, new_descriptor},
    vfs::Identity,
    wire::{
        codec::Reader,
        fscc::AccessMask,
        query_info::SecurityInformation,
        security::{Ace, AceBody, AceFlags, AceType, SecurityDescriptor, Sid},
    },
};
use std::sync::Arc;

/// Parts of a descriptor may lie one on the other, and then are longer apart: a longer one may not fit
/// into the 64 KiB that one has.
const LONGEST: usize = 0x2000;

/// Who asks, how long the first descriptor is (two bytes), and two descriptors.
pub(super) fn run(data: &[u8]) {
    let (who, rest) = choice(data);
    let (low, rest) = choice(rest);
    let (high, rest) = choice(rest);
    let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (first, second) = rest.split_at(length);
    sid(first);
    for bytes in [first, second] {
        if bytes.len() > LONGEST {
            return;
        }
        round(bytes, SecurityDescriptor::parse, encoded);
    }
    let Ok(first) = SecurityDescriptor::parse(first) else {
        return;
    };
    let token = token(who);
    check(&first, &token);
    let second = SecurityDescriptor::parse(second).ok();
    inherit(&first, second.as_ref(), &token);
    if let Some(second) = second {
        changes(&first, second, token, who);
    }
}

fn encoded(descriptor: &SecurityDescriptor) -> Vec<u8> {
    let mut out = Vec::new();
    descriptor.encode(&mut out).unwrap_or_else(|why| panic!("{why}"));
    out
}

fn sid(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(sid) = Sid::parse(&mut reader) {
        assert_eq!(sid.encoded_len(), reader.position());
        if let Some((domain, relative)) = sid.split() {
            assert_eq!(domain.join(relative), Some(sid));
            assert_eq!(sid.relative_to(&domain), Some(relative));
        }
    }
}

fn token(who: u8) -> Token {
    let kind = [TokenKind::Account, TokenKind::Guest, TokenKind::Anonymous][usize::from(who % 3)];
    let identity = Identity {
        name: "alice".into(),
        uid: [0, 1000, 1001, 65534][usize::from(who >> 2 & 3)],
        gid: 100,
        groups: vec![100, 50],
        sid: None,
    };
    Token::new(&identity, kind)
}

/// What is granted, one bit at a time: the first entry that names a bit decides it.
fn check(descriptor: &SecurityDescriptor, token: &Token) {
    let found = granted(descriptor, token);
    let Some(dacl) = &descriptor.dacl else {
        return assert!(found.contains(AccessMask::ALL_ACCESS));
    };
    let owns = descriptor.owner.is_some_and(|owner| token.has(&owner));
    let here: Vec<&Ace> =
        dacl.aces.iter().filter(|ace| !ace.ace_flags.contains(AceFlags::INHERIT_ONLY)).collect();
    let sid_of = |ace: &Ace| match &ace.body {
        AceBody::Sid { sid, .. } => Some(*sid),
        AceBody::Opaque(_) => None,
    };
    let limited = here.iter().any(|ace| sid_of(ace) == Some(Sid::OWNER_RIGHTS));
    for bit in (0..32).map(|bit| AccessMask::from_bits_retain(1 << bit)) {
        let of_owner = AccessMask::READ_CONTROL | AccessMask::WRITE_DAC;
        let of_root = AccessMask::WRITE_OWNER | AccessMask::ACCESS_SYSTEM_SECURITY;
        let given = owns && !limited && of_owner.contains(bit)
            || token.is_privileged() && of_root.contains(bit);
        if given {
            assert!(found.contains(bit), "{bit:?} is theirs");
            continue;
        }
        let decides = here.iter().find_map(|ace| decides(ace, token, owns, bit));
        assert_eq!(found.contains(bit), decides == Some(true), "{bit:?} of {descriptor:?}");
    }
}

/// What an entry says of one bit, if it says anything.
fn decides(ace: &Ace, token: &Token, owns: bool, bit: AccessMask) -> Option<bool> {
    let theirs = |sid: &Sid| token.has(sid) || owns && *sid == Sid::OWNER_RIGHTS;
    match (&ace.body, ace.ace_type) {
        (AceBody::Sid { mask, sid, .. }, AceType::ACCESS_ALLOWED) if theirs(sid) => {
            let known = AccessMask::ALL_ACCESS.contains(bit);
            (known && mask.map_generic().contains(bit)).then_some(true)
        }
        (
            AceBody::Sid { mask, sid, .. },
            AceType::ACCESS_DENIED | AceType::ACCESS_DENIED_CALLBACK,
        ) if theirs(sid) => mask.map_generic().contains(bit).then_some(false),
        (AceBody::Opaque(bytes), AceType::ACCESS_DENIED_OBJECT) => {
            let mask = bytes.first_chunk().map_or(u32::MAX, |mask| u32::from_le_bytes(*mask));
            let mask = AccessMask::from_bits_retain(mask).map_generic();
            mask.contains(bit).then_some(false)
        }
        _ => None,
    }
}

/// What a new file and a new directory get is a descriptor that can be stored.
fn inherit(parent: &SecurityDescriptor, explicit: Option<&SecurityDescriptor>, token: &Token) {
    for directory in [false, true] {
        for (parent, explicit) in [(Some(parent), explicit), (Some(parent), None), (None, explicit)]
        {
            let new = new_descriptor(New { parent, explicit, token, directory });
            assert_eq!(new.is_none(), parent.is_none() && explicit.is_none());
            let Some(new) = new else {
                continue;
            };
            assert!(new.owner.is_some() && new.group.is_some(), "{new:?}");
            let bytes = encoded(&new);
            assert_eq!(SecurityDescriptor::parse(&bytes).as_ref(), Ok(&new));
            check(&new, token);
        }
    }
}

/// A change made twice is made once, and does not touch what it is not about.
fn changes(old: &SecurityDescriptor, new: SecurityDescriptor, token: Token, parts: u8) {
    let parts = SecurityInformation::from_bits_retain(u32::from(parts >> 4));
    let by = Change { parts, descriptor: new, token: Arc::new(token) };
    let Ok(changed) = change(old, &by) else {
        return;
    };
    assert_eq!(change(&changed, &by).as_ref(), Ok(&changed));
    for (part, same) in [
        (SecurityInformation::OWNER, changed.owner == old.owner),
        (SecurityInformation::GROUP, changed.group == old.group),
        (SecurityInformation::DACL, changed.dacl == old.dacl),
        (SecurityInformation::SACL, changed.sacl == old.sacl),
    ] {
        assert!(same || parts.contains(part), "{part:?} has changed");
    }
}
