use super::*;
use crate::{
    vfs::{Identity, VfsError},
    wire::{
        fscc::AccessMask,
        query_info::SecurityInformation,
        security::{AceFlags, AceType, SecurityControl, SecurityDescriptor, Sid},
    },
};
use alloc::{sync::Arc, vec, vec::Vec};

const ALICE: u32 = 1000;

fn token(uid: u32) -> Token {
    let groups = vec![uid, 50];
    Token::new(&Identity { name: "a".into(), uid, gid: uid, groups }, TokenKind::Account)
}

fn descriptor(owner: Sid, aces: Vec<Ace>) -> SecurityDescriptor {
    SecurityDescriptor {
        control: SecurityControl::DACL_PRESENT,
        owner: Some(owner),
        group: Some(sid_of_gid(ALICE)),
        dacl: Some(Acl { acl_revision: 2, aces }),
        ..Default::default()
    }
}

fn alices(aces: Vec<Ace>) -> SecurityDescriptor {
    descriptor(sid_of_uid(ALICE), aces)
}

fn with(mut ace: Ace, flags: AceFlags) -> Ace {
    ace.ace_flags = flags;
    ace
}

const READ: AccessMask = AccessMask::FILE_READ_DATA;
const WRITE: AccessMask = AccessMask::FILE_WRITE_DATA;
const OWNED: AccessMask = AccessMask::READ_CONTROL.union(AccessMask::WRITE_DAC);
const OI: AceFlags = AceFlags::OBJECT_INHERIT;
const CI: AceFlags = AceFlags::CONTAINER_INHERIT;
const NP: AceFlags = AceFlags::NO_PROPAGATE_INHERIT;
const IO: AceFlags = AceFlags::INHERIT_ONLY;

#[test]
fn ids_come_and_go() {
    assert_eq!(uid_of_sid(&sid_of_uid(7)), Some(7));
    assert_eq!(gid_of_sid(&sid_of_gid(7)), Some(7));
    assert_eq!(uid_of_sid(&sid_of_gid(7)), None);
    let (guest, anonymous) = (TokenKind::Guest, TokenKind::Anonymous);
    for (kind, has, lacks) in [
        (TokenKind::Account, Sid::AUTHENTICATED_USERS, Sid::BUILTIN_GUESTS),
        (guest, Sid::BUILTIN_GUESTS, Sid::AUTHENTICATED_USERS),
        (anonymous, Sid::ANONYMOUS, Sid::AUTHENTICATED_USERS),
    ] {
        let token = Token::new(&Identity::nobody(), kind);
        assert!(token.has(&Sid::EVERYONE) && token.has(&has) && !token.has(&lacks));
        assert!(!token.is_privileged());
    }
}

#[test]
fn the_null_dacl_lets_all_and_the_empty_one_nobody_but_the_owner() {
    let mut null = alices(vec![]);
    assert_eq!(granted(&null, &token(ALICE)), OWNED);
    assert_eq!(granted(&null, &token(2000)), AccessMask::empty());
    null.dacl = None;
    assert_eq!(granted(&null, &token(2000)), AccessMask::ALL_ACCESS);
}

#[test]
fn the_first_ace_that_names_a_bit_decides() {
    let alice = sid_of_uid(ALICE);
    let sd = alices(vec![Ace::deny(alice, READ), Ace::allow(alice, READ | WRITE)]);
    assert_eq!(granted(&sd, &token(ALICE)), OWNED | WRITE);
    let sd = alices(vec![Ace::allow(alice, READ | WRITE), Ace::deny(alice, READ)]);
    assert_eq!(granted(&sd, &token(ALICE)), OWNED | READ | WRITE);
    let sd = alices(vec![Ace::allow(sid_of_gid(50), READ), Ace::allow(sid_of_gid(51), WRITE)]);
    assert_eq!(granted(&sd, &token(2000)), READ);
    let sd = alices(vec![Ace::allow(Sid::EVERYONE, AccessMask::GENERIC_READ)]);
    assert_eq!(granted(&sd, &token(2000)), AccessMask::FILE_GENERIC_READ);
    let all = AccessMask::all();
    let sd = alices(vec![with(Ace::allow(Sid::EVERYONE, all), IO)]);
    assert_eq!(granted(&sd, &token(2000)), AccessMask::empty(), "for children only");
    for sid in [Sid::CREATOR_OWNER, Sid::CREATOR_GROUP, Sid::OWNER_RIGHTS, Sid::NULL] {
        let sd = alices(vec![Ace::allow(sid, all)]);
        assert_eq!(granted(&sd, &token(2000)), AccessMask::empty(), "{sid}");
    }
}

#[test]
fn owner_rights_take_the_place_of_what_owners_have() {
    let alice = sid_of_uid(ALICE);
    let sd = alices(vec![Ace::allow(Sid::OWNER_RIGHTS, WRITE), Ace::allow(alice, READ)]);
    assert_eq!(granted(&sd, &token(ALICE)), READ | WRITE);
    assert_eq!(granted(&sd, &token(2000)), AccessMask::empty());
    let later = with(Ace::allow(Sid::OWNER_RIGHTS, WRITE), IO | OI);
    assert_eq!(granted(&alices(vec![later]), &token(ALICE)), OWNED);
}

#[test]
fn root_may_take_what_it_was_not_given() {
    let sd = alices(vec![Ace::allow(Sid::EVERYONE, AccessMask::all())]);
    let system = AccessMask::ACCESS_SYSTEM_SECURITY;
    assert_eq!(granted(&sd, &token(2000)), AccessMask::ALL_ACCESS, "no SACL by an ACE");
    assert_eq!(granted(&alices(vec![]), &token(0)), system | AccessMask::WRITE_OWNER);
}

#[test]
fn what_cannot_be_evaluated_denies_and_never_allows() {
    let kind = |mut ace: Ace, kind| {
        ace.ace_type = kind;
        ace
    };
    let everyone = Ace::allow(Sid::EVERYONE, READ | WRITE);
    let sd = alices(vec![kind(everyone.clone(), AceType::ACCESS_ALLOWED_CALLBACK)]);
    assert_eq!(granted(&sd, &token(2000)), AccessMask::empty());
    let conditional = kind(Ace::deny(Sid::EVERYONE, READ), AceType::ACCESS_DENIED_CALLBACK);
    let sd = alices(vec![conditional, everyone.clone()]);
    assert_eq!(granted(&sd, &token(2000)), WRITE);
    for (bytes, left) in [(vec![1, 0, 0, 0], WRITE), (vec![1], AccessMask::empty())] {
        let ace_type = AceType::ACCESS_DENIED_OBJECT;
        let ace_flags = AceFlags::empty();
        let object = Ace { ace_type, ace_flags, body: AceBody::Opaque(bytes) };
        let sd = alices(vec![object, everyone.clone()]);
        assert_eq!(granted(&sd, &token(2000)), left);
    }
}

/// MS-DTYP 2.5.3.2 as it is written there, bit by bit requested: the same as [`granted`] says.
#[test]
fn one_answer_for_a_request_and_for_the_maximum() {
    let sids = [sid_of_uid(ALICE), Sid::EVERYONE, sid_of_uid(2000)];
    let bits = [READ, WRITE, READ | WRITE, AccessMask::DELETE];
    for round in 0..4096_usize {
        let pick = |shift: usize| {
            let n = round >> shift;
            let (sid, mask) = (sids[n % 3], bits[n / 3 % 4]);
            if n & 1 == 0 { Ace::allow(sid, mask) } else { Ace::deny(sid, mask) }
        };
        let sd = descriptor(sid_of_uid(1), vec![pick(0), pick(3), pick(6), pick(9)]);
        let who = token(ALICE);
        for desired in bits {
            let mut remaining = desired;
            let mut refused = false;
            for ace in &sd.dacl.as_ref().unwrap().aces {
                let AceBody::Sid { mask, sid, .. } = &ace.body else { unreachable!() };
                if who.has(sid) && ace.ace_type == AceType::ACCESS_ALLOWED {
                    remaining = remaining.difference(*mask);
                } else if who.has(sid) && remaining.intersects(*mask) {
                    refused = true;
                }
            }
            let expected = !refused && remaining.is_empty();
            assert_eq!(granted(&sd, &who).contains(desired), expected, "{sd:?} {desired:?}");
        }
    }
}

fn heir(parent: &SecurityDescriptor, directory: bool) -> SecurityDescriptor {
    let new = New { parent: Some(parent), explicit: None, token: &token(ALICE), directory };
    new_descriptor(new).unwrap()
}

fn aces(sd: &SecurityDescriptor) -> &[Ace] {
    &sd.dacl.as_ref().unwrap().aces
}

/// CREATOR OWNER with every combination of flags, as smb2.acls.INHERITANCE has them.
#[test]
fn creators_inherit() {
    let alice = sid_of_uid(ALICE);
    let default = [Sid::SYSTEM, alice].map(|sid| Ace::allow(sid, AccessMask::ALL_ACCESS));
    for bits in 0..16 {
        let flags = AceFlags::from_bits_retain(bits);
        let creator = with(Ace::allow(Sid::CREATOR_OWNER, WRITE), flags);
        let parent = alices(vec![creator.clone(), Ace::allow(Sid::EVERYONE, AccessMask::all())]);
        let none = || vec![default[1].clone(), default[0].clone()];
        let mine = Ace::allow(alice, WRITE);
        let file = if flags.contains(OI) { vec![mine.clone()] } else { none() };
        assert_eq!(aces(&heir(&parent, false)), file, "{flags:?}");
        let directory = match (flags.contains(CI), flags.contains(OI), flags.contains(NP)) {
            (true, _, true) => vec![mine],
            (true, ..) => vec![mine, with(creator, flags & (OI | CI) | IO)],
            (false, true, false) => vec![with(creator, OI | IO)],
            _ => none(),
        };
        assert_eq!(aces(&heir(&parent, true)), directory, "{flags:?}");
    }
}

#[test]
fn others_inherit_once_and_generic_bits_twice() {
    let plain = with(Ace::allow(sid_of_uid(7), READ), OI | CI | AceFlags::INHERITED);
    let parent = alices(vec![plain.clone()]);
    assert_eq!(aces(&heir(&parent, true)), [with(plain, OI | CI)]);
    assert_eq!(aces(&heir(&parent, false)), [Ace::allow(sid_of_uid(7), READ)]);
    let generic = with(Ace::allow(Sid::CREATOR_GROUP, AccessMask::GENERIC_ALL), CI);
    let here = Ace::allow(sid_of_gid(ALICE), AccessMask::ALL_ACCESS);
    let found = heir(&alices(vec![generic.clone()]), true);
    assert_eq!(aces(&found), [here, with(generic, CI | IO)]);
    assert_eq!((found.owner, found.group), (Some(sid_of_uid(ALICE)), Some(sid_of_gid(ALICE))));
}

#[test]
fn what_was_inherited_is_marked_where_the_directory_is() {
    let mut parent = alices(vec![with(Ace::allow(Sid::EVERYONE, READ), OI)]);
    assert_eq!(
        heir(&parent, false).control & SecurityControl::DACL_AUTO_INHERITED,
        SecurityControl::empty()
    );
    parent.control |= SecurityControl::DACL_AUTO_INHERITED | SecurityControl::DACL_PROTECTED;
    let found = heir(&parent, false);
    assert!(found.control.contains(SecurityControl::DACL_AUTO_INHERITED));
    assert!(!found.control.contains(SecurityControl::DACL_PROTECTED), "that is the parent's");
    assert_eq!(aces(&found), [with(Ace::allow(Sid::EVERYONE, READ), AceFlags::INHERITED)]);
}

#[test]
fn what_the_maker_asks_for_comes_first() {
    let inherited = with(Ace::allow(Sid::EVERYONE, READ), OI);
    let mut parent = alices(vec![inherited]);
    let mine = Ace::allow(sid_of_uid(7), AccessMask::GENERIC_WRITE);
    let mut asked = SecurityDescriptor { owner: None, group: None, ..alices(vec![mine]) };
    let make = |parent: Option<&_>, asked: &_| {
        let token = &token(ALICE);
        new_descriptor(New { parent, explicit: Some(asked), token, directory: false }).unwrap()
    };
    let mapped = Ace::allow(sid_of_uid(7), AccessMask::FILE_GENERIC_WRITE);
    assert_eq!(aces(&make(None, &asked)), core::slice::from_ref(&mapped));
    assert_eq!(aces(&make(Some(&parent), &asked)), core::slice::from_ref(&mapped));
    parent.control |= SecurityControl::DACL_AUTO_INHERITED;
    let both = make(Some(&parent), &asked);
    let inherited = with(Ace::allow(Sid::EVERYONE, READ), AceFlags::INHERITED);
    assert_eq!(aces(&both), [mapped.clone(), inherited]);
    asked.control |= SecurityControl::DACL_PROTECTED;
    let protected = make(Some(&parent), &asked);
    assert_eq!(aces(&protected), [mapped]);
    assert!(protected.control.contains(SecurityControl::DACL_PROTECTED));
    asked.dacl = None;
    let null = make(Some(&parent), &asked);
    assert!(null.dacl.is_none() && null.control.contains(SecurityControl::DACL_PRESENT));
    let nothing = New { parent: None, explicit: None, token: &token(ALICE), directory: true };
    assert_eq!(new_descriptor(nothing), None);
}

fn changed(
    parts: SecurityInformation,
    new: &SecurityDescriptor,
    uid: u32,
) -> Result<SecurityDescriptor, VfsError> {
    let token = Arc::new(token(uid));
    change(&alices(vec![]), &Change { parts, descriptor: new.clone(), token })
}

#[test]
fn only_the_parts_that_are_named_change() {
    let (owner, dacl) = (SecurityInformation::OWNER, SecurityInformation::DACL);
    let mut new =
        descriptor(sid_of_uid(7), vec![Ace::allow(Sid::EVERYONE, AccessMask::GENERIC_ALL)]);
    new.group = Some(sid_of_gid(50));
    let after = changed(dacl, &new, ALICE).unwrap();
    assert_eq!((after.owner, after.group), (Some(sid_of_uid(ALICE)), Some(sid_of_gid(ALICE))));
    assert_eq!(aces(&after), [Ace::allow(Sid::EVERYONE, AccessMask::ALL_ACCESS)]);
    assert_eq!(changed(owner, &new, ALICE), Err(VfsError::InvalidOwner));
    assert_eq!(changed(owner, &new, 7).unwrap().owner, Some(sid_of_uid(7)), "taken");
    assert_eq!(changed(owner, &new, 0).unwrap().owner, Some(sid_of_uid(7)), "given");
    let group = SecurityInformation::GROUP;
    assert_eq!(changed(group, &new, ALICE).unwrap().group, Some(sid_of_gid(50)));
    new.group = Some(sid_of_gid(51));
    assert_eq!(changed(group, &new, ALICE), Err(VfsError::InvalidGroup));
    let same = alices(vec![]);
    assert!(changed(owner | group, &same, 7).is_ok(), "nothing changes");
}

#[test]
fn a_list_is_inherited_only_if_that_was_asked_for() {
    let inherited = SecurityControl::DACL_AUTO_INHERITED;
    let request = SecurityControl::DACL_AUTO_INHERIT_REQ;
    let present = SecurityControl::DACL_PRESENT;
    let protected = SecurityControl::DACL_PROTECTED;
    for (given, kept) in [
        (inherited, present),
        (request, present),
        (inherited | request, present | inherited),
        (protected | request, present | protected),
    ] {
        let new = SecurityDescriptor { control: given | present, ..alices(vec![]) };
        let after = changed(SecurityInformation::DACL, &new, ALICE).unwrap();
        assert_eq!(after.control, kept, "{given:?}");
    }
}

#[test]
fn a_dacl_that_is_not_there_becomes_the_null_dacl() {
    let mut new = SecurityDescriptor { dacl: None, ..alices(vec![]) };
    for control in [SecurityControl::DACL_PRESENT, SecurityControl::empty()] {
        new.control = control;
        let after = changed(SecurityInformation::DACL, &new, ALICE).unwrap();
        assert!(after.dacl.is_none() && after.control.contains(SecurityControl::DACL_PRESENT));
    }
}
