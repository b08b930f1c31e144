//! Class H: negotiation, authentication, and who a request is from (MS-SMB2 3.3.5.2.4, 3.3.5.2.9,
//! 3.3.5.3.1, 3.3.5.4, 3.3.5.5, 3.3.5.15.12). Always with two identities: what the one does leaves the
//! other unharmed.

use crate::common::{Victim, unsigned};
use ksmbd_core::{
    auth::ntlm::client::{Credentials, NtlmClient, Wrapping},
    rng::Rng,
    vfs::Identity,
    wire::{
        codec::Writer,
        fsctl::{FsctlCode, ValidateNegotiateInfoRequest},
        session_setup::{SessionSetupFlags, SessionSetupRequest},
    },
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

/// A request of every command that has no business outside of a session.
fn requests(f: FileId) -> Vec<RequestBody> {
    vec![
        RequestBody::Logoff,
        body::tree_connect("share"),
        RequestBody::TreeDisconnect,
        RequestBody::Create(body::create("victim")),
        body::close(f),
        body::flush(f),
        body::read(f, 0, 9),
        body::write(f, 0, 0),
        body::lock(f, 0, 4, LockFlags::UNLOCK),
        body::ioctl(f, FsctlCode::SRV_REQUEST_RESUME_KEY, b"", 64),
        body::list(f, "*", FileInfoClass::NAMES, Default::default(), 4096),
        body::query_file(f, FileInfoClass::BASIC, 40),
        crate::common::set(f, FileInfoClass::END_OF_FILE, &[0; 8]),
    ]
}

/// NEGOTIATE again: as a frame, twice in a chain, twice in one write to the socket, after a session is
/// there. What was negotiated stays until the connection is dropped, and others notice nothing.
#[test]
fn negotiate_twice() {
    let negotiate = |a: &mut Client| {
        a.offer = Offer::only(Dialect::SMB_3_0);
        let request = ksmbd_core::wire::negotiate::NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::empty(),
            client_guid: [9; 16],
            dialects: vec![Dialect::SMB_3_0],
            contexts: Vec::new(),
        };
        a.message(&RequestBody::Negotiate(request))
    };
    for way in 0..4 {
        let w = World::new();
        let mut victim = Victim::new(&w);
        let mut a = w.connect();
        match way {
            0 => {
                let chain = [negotiate(&mut a), negotiate(&mut a)];
                a.send_chain(&chain);
                a.dropped();
            }
            1 => {
                let mut bytes = Vec::new();
                for _ in 0..2 {
                    let message = negotiate(&mut a);
                    let mut plain = Vec::new();
                    message.header.encode(&mut Writer::new(&mut plain));
                    plain.extend_from_slice(&message.body);
                    bytes.extend_from_slice(&(plain.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(&plain);
                }
                a.raw_bytes(&bytes);
                assert!(a.is_dropped(), "the first is answered, the second drops");
                a.forget();
            }
            2 => {
                a.negotiate_smb1(&["SMB 2.???"]).ok();
                let chain = [negotiate(&mut a), negotiate(&mut a)];
                a.send_chain(&chain);
                assert!(a.is_dropped());
                a.forget();
            }
            _ => {
                a.negotiate().ok();
                let mut a = a.logged_on("bob");
                let f = a.create("mine").ok();
                let read = a.message(&body::read(f, 0, 9));
                let again = negotiate(&mut a);
                a.send_chain(&[read, again]);
                assert!(a.is_dropped());
                a.forget();
            }
        }
        assert_eq!((w.counters().connections, w.counters().sessions), (1, 1), "{way}");
        victim.is_unharmed();
    }
}

/// Every command under a SessionId that is another connection's, that is half set up, and that nobody
/// has; signed with the sender's own key, and not signed at all. Nothing of the victim's is reached.
#[test]
fn a_foreign_session_id() {
    let w = World::new();
    let mut victim = Victim::new(&w);
    let mut b = unsigned(&w, "bob");
    let own = b.session_id;
    let keys = b.keys();
    let mut half = b.begin(Credentials::new("alice", "", &password("alice")));
    let first = half.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let before = w.counters();
    for session_id in [victim.session_id(), first.header.session_id, 1, u64::MAX] {
        for sign in [false, true] {
            b.set_keys(session_id, keys.clone().filter(|_| sign));
            for request in requests(victim.file()) {
                let mut message = b.message(&request);
                message.header.session_id = session_id;
                message.header.tree_id = victim.tree_id();
                message.sign = sign;
                let status = b.send(message).answer().status;
                assert_eq!(status, NtStatus::USER_SESSION_DELETED, "{request:?}");
            }
            b.set_keys(session_id, None);
        }
    }
    assert_eq!(w.counters(), before);
    b.session_id = own;
    b.create("mine").ok();
    victim.is_unharmed();
}

/// A chain that goes on behind a SESSION_SETUP which is not the last leg: no element of it runs in the
/// session that is not yet anybody's, by relation or by its id.
#[test]
fn a_chain_behind_half_a_session_setup() {
    let w = World::new();
    let mut victim = Victim::new(&w);
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.ask = 100;
    for request in requests(victim.file()) {
        let mut ntlm = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::Spnego);
        let leg = first_leg(&mut b, &ntlm.start(), 0);
        let mut related = b.message(&request).related();
        related.header.tree_id = victim.tree_id();
        let mids = [leg.header.message_id, related.header.message_id];
        b.send_chain(&[leg, related]);
        let half = b.answer(mids[0]).is(NtStatus::MORE_PROCESSING_REQUIRED).header.session_id;
        b.answer(mids[1]).is(NtStatus::USER_SESSION_DELETED);
        // And by its id, in front of the last leg, which then fails.
        let mut named = b.message(&request);
        (named.header.session_id, named.header.tree_id) = (half, victim.tree_id());
        let wrong = first_leg(&mut b, b"no token", half);
        let mids = [named.header.message_id, wrong.header.message_id];
        b.send_chain(&[named, wrong]);
        b.answer(mids[0]).is(NtStatus::USER_SESSION_DELETED);
        b.answer(mids[1]).is(NtStatus::INVALID_PARAMETER);
        assert_eq!(w.counters().sessions, 1);
    }
    assert_eq!((w.counters().trees, w.counters().opens), (1, 1));
    victim.is_unharmed();
}

fn first_leg(b: &mut Client, token: &[u8], session_id: u64) -> Message {
    let request = SessionSetupRequest {
        flags: SessionSetupFlags::empty(),
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::empty(),
        previous_session_id: 0,
        security_buffer: token.to_vec(),
    };
    let mut message = b.message(&RequestBody::SessionSetup(request));
    message.header.session_id = session_id;
    message
}

/// PreviousSessionId names the victim's session: in the first leg, in a leg that fails, from another
/// user, a guest, nobody. It ends by the proof of the same user, and by nothing else.
#[test]
fn previous_sessions_of_others() {
    let w = World::new();
    w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
    let mut victim = Victim::new(&w);
    let attempts = [
        (Credentials::new("alice", "", "guess"), NtStatus::LOGON_FAILURE),
        (Credentials::new("bob", "", &password("bob")), NtStatus::SUCCESS),
        (Credentials::new("mallory", "", "x"), NtStatus::SUCCESS),
        (Credentials::anonymous(), NtStatus::SUCCESS),
    ];
    for (credentials, expected) in attempts {
        let mut b = w.client(Dialect::SMB_3_1_1);
        let mut logon = b.begin(credentials);
        logon.previous = victim.session_id();
        let first = logon.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
        victim.is_unharmed();
        let last = logon.second(&mut b, &first).is(expected);
        logon.finish(&mut b, &last);
        victim.is_unharmed();
        b.hang_up();
    }
    // The first leg is all there ever is.
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin(Credentials::new("alice", "", &password("alice")));
    logon.previous = victim.session_id();
    logon.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
    b.hang_up();
    victim.is_unharmed();
}

/// A second authentication that fails, or that is begun and left, does not touch the keys: what others
/// hold is unharmed, and what the same client had is used on with the keys it had.
#[test]
fn keys_change_with_the_proof_only() {
    let w = World::new();
    let mut victim = Victim::new(&w);
    let (session, file) = (victim.session_id(), victim.file());
    let a = victim.client();
    let mut logon = a.begin(Credentials::new("alice", "", "guess"));
    logon.session_id = session;
    let first = logon.first(a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    assert_eq!(first.header.session_id, session);
    assert!(a.read(file, 0, 9).ok().signed, "between the legs the old keys are right");
    let mut b = w.client(Dialect::SMB_3_1_1);
    // The other half from another connection is nobody's.
    logon.second(&mut b, &first).is(NtStatus::USER_SESSION_DELETED);
    victim.is_unharmed();
}

/// A session that is bound, by whom it does not belong to, is what it was: with the victim's own flag
/// and id, signed with other keys, unsigned, half way, and in any order with a proper set-up.
#[test]
fn a_binding_that_fails_harms_nobody() {
    binding_that_fails(false);
    binding_that_fails(true);
}

fn binding_that_fails(multi_channel: bool) {
    let w = World::with(|config| config.multi_channel = multi_channel);
    w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
    let mut victim = Victim::new(&w);
    for (user, secret) in
        [("bob", password("bob")), ("alice", "guess".into()), ("mallory", "x".into())]
    {
        let mut b = w.client(Dialect::SMB_3_1_1);
        let mut binding = b.begin(Credentials::new(user, "", &secret));
        binding.flags = SessionSetupFlags::BINDING;
        binding.session_id = victim.session_id();
        let refused = binding.first(&mut b).answer();
        assert!(refused.status.is_error(), "{:?}", refused.status);
        victim.is_unharmed();
        // No mark of it stays with the connection: another set-up is one of its own.
        let mut b = b.logged_on("bob");
        assert_ne!(b.session_id, victim.session_id());
        b.create("mine").ok();
        let read = body::read(victim.file(), 0, 9);
        let mut message = b.message(&read).unsigned();
        message.header.session_id = victim.session_id();
        b.send(message).is(NtStatus::USER_SESSION_DELETED);
        victim.is_unharmed();
    }
    assert_eq!(w.counters().connections, 4);
}

/// VALIDATE_NEGOTIATE_INFO with a ClientGuid that is the same up to a zero byte: it is another one.
#[test]
fn guids_are_no_strings() {
    let guid = [7, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
    for same in [true, false] {
        let w = World::new();
        let mut a = w.connect();
        a.offer = Offer::only(Dialect::SMB_3_0);
        a.offer.guid = guid;
        a.negotiate().ok();
        let mut a = a.logged_on("alice");
        let mut told = ValidateNegotiateInfoRequest {
            capabilities: a.offer.capabilities,
            guid,
            security_mode: a.offer.security_mode,
            dialects: a.offer.dialects.clone(),
        };
        if !same {
            told.guid[15] ^= 1;
        }
        let mut input = Vec::new();
        told.encode(&mut Writer::new(&mut input));
        let ioctl = body::ioctl(FileId::ANY, FsctlCode::VALIDATE_NEGOTIATE_INFO, &input, 24);
        let sent = a.request(&ioctl);
        if same {
            sent.ok();
        } else {
            sent.drops();
        }
    }
}

/// A stale or wrong NEGOTIATE is followed by SESSION_SETUP: there is no session without a dialect.
#[test]
fn session_setup_after_a_refused_negotiate() {
    let none = (Offer::of(&[]), NtStatus::INVALID_PARAMETER);
    let unknown = (Offer::of(&[Dialect(0x0999)]), NtStatus::NOT_SUPPORTED);
    for (offer, status) in [none, unknown] {
        let w = World::new();
        let mut a = w.connect();
        a.offer = offer;
        a.negotiate().is(status);
        let mut ntlm = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::Raw);
        let setup = first_leg(&mut a, &ntlm.start(), 0);
        assert_eq!(a.send(setup).drops(), ConnectionError::NegotiateOrder);
        assert_eq!(w.counters(), Default::default());
    }
}

/// Signing that was required is enforced on every command, in chains, and for what follows a proof in
/// the same frame: Samba once only negotiated it (CVE-2023-3347, CVE-2016-2118).
#[test]
fn signing_is_enforced_and_not_only_negotiated() {
    let w = World::with(|config| config.require_signing = true);
    let mut a = w.logged_on("alice");
    a.ask = 100;
    let f = a.create("victim").ok();
    a.write(f, 0, b"as it was").ok();
    let before = w.counters();
    for request in requests(f) {
        let message = a.message(&request).unsigned();
        a.send(message).is(NtStatus::ACCESS_DENIED);
        let mut wrong = a.message(&request).unsigned();
        wrong.header.flags |= HeaderFlags::SIGNED;
        a.send(wrong).is(NtStatus::ACCESS_DENIED);
        let first = a.message(&RequestBody::Echo);
        let second = a.message(&request).unsigned();
        let mids = [first.header.message_id, second.header.message_id];
        a.send_chain(&[first, second]);
        a.answer(mids[0]).ok();
        a.answer(mids[1]).is(NtStatus::ACCESS_DENIED);
    }
    assert_eq!(w.counters(), before);
    assert_eq!(w.data("victim").unwrap(), b"as it was");
}

/// An answer or a request recorded from a session is no proof in another exchange: the challenge is new
/// each time.
#[test]
fn a_recorded_authentication_is_worth_nothing() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let user = Credentials::new("alice", "", &password("alice"));
    let mut ntlm = NtlmClient::new(user, Wrapping::Raw);
    let leg = first_leg(&mut a, &ntlm.start(), 0);
    let first = a.send(leg).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let ResponseBody::SessionSetup(body) = &first.body else { panic!("{first:?}") };
    let recorded = ntlm.answer(&body.security_buffer, &mut Rng::new([1; 32])).unwrap();
    let leg = first_leg(&mut a, &recorded, first.header.session_id);
    a.lenient = true;
    a.send(leg).ok();
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut other = NtlmClient::new(Credentials::new("alice", "", "?"), Wrapping::Raw);
    let leg = first_leg(&mut b, &other.start(), 0);
    let first = b.send(leg).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let leg = first_leg(&mut b, &recorded, first.header.session_id);
    b.send(leg).is(NtStatus::LOGON_FAILURE);
    assert_eq!(w.counters().sessions, 1);
}

/// Half a binding is no channel, and a proof that fails ends it: with the victim's own key stolen, for
/// another user, with a wrong password, by a guest. Neither the victim's keys nor its channels change,
/// and what is marked as binding is forgotten.
#[test]
fn half_a_binding_reaches_nothing() {
    for user in ["bob", "alice", "mallory"] {
        let w = World::with(|config| config.multi_channel = true);
        w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
        let mut victim = Victim::new(&w);
        let mut b = w.client(Dialect::SMB_3_1_1);
        b.ask = 100;
        let secret = if user == "bob" { password("bob") } else { "guess".into() };
        let credentials = Credentials::new(user, "", &secret);
        let mut binding = b.begin_join(victim.client(), credentials);
        let first = binding.first(&mut b).is(NtStatus::MORE_PROCESSING_REQUIRED);
        assert_eq!(first.header.session_id, victim.session_id());
        for request in requests(victim.file()) {
            for sign in [true, false] {
                let mut message = b.message(&request);
                message.header.session_id = victim.session_id();
                message.header.tree_id = victim.tree_id();
                message.sign = sign;
                b.send(message).is(NtStatus::USER_SESSION_DELETED);
            }
        }
        victim.is_unharmed();
        assert!(binding.second(&mut b, &first).answer().status.is_error(), "{user}");
        assert_eq!((w.counters().sessions, w.counters().channels), (1, 1));
        victim.is_unharmed();
        // What comes next is a session of its own.
        let mut b = b.logged_on("bob");
        assert_ne!(b.session_id, victim.session_id());
        b.create("mine").ok();
        victim.is_unharmed();
    }
}

/// A guest's session has no key that a binding could be signed with: nobody joins it, guest or not.
#[test]
fn guests_are_never_bound() {
    let w = World::with(|config| config.multi_channel = true);
    w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
    let mut guest = w.client(Dialect::SMB_3_1_1);
    guest.logon("mallory", "x").ok();
    guest.connect_tree("share");
    let f = guest.create("x").ok();
    for user in ["mallory", "bob"] {
        let mut b = w.client(Dialect::SMB_3_1_1);
        let mut logon = b.begin(Credentials::new(user, "", &password(user)));
        (logon.flags, logon.session_id) = (SessionSetupFlags::BINDING, guest.session_id);
        let status = logon.first(&mut b).answer().status;
        assert!(status.is_error(), "{status:?}");
        b.session_id = guest.session_id;
        b.sign = false;
        b.read(f, 0, 1).is(NtStatus::USER_SESSION_DELETED);
    }
    guest.write(f, 0, b"still his").ok();
    assert_eq!(w.counters().channels, 1);
}
