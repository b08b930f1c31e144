//! NEGOTIATE: which dialect, and what it is refused for (MS-SMB2 3.3.5.3, 3.3.5.4).

use ksmbd_core::wire::negotiate as wire;
use ksmbd_fuzz::prelude::*;

const ALL: [Dialect; 5] = [
    Dialect::SMB_2_0_2,
    Dialect::SMB_2_1,
    Dialect::SMB_3_0,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_1_1,
];

fn chosen(response: &Response) -> &wire::NegotiateResponse {
    match &response.body {
        ResponseBody::Negotiate(body) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_dialect_alone() {
    for dialect in ALL {
        let w = World::new();
        let mut a = w.client(dialect).logged_on("alice");
        assert_eq!(a.dialect, dialect);
        a.echo().ok();
    }
}

#[test]
fn the_highest_in_common() {
    for highest in ALL {
        let w = World::with(|config| config.max_dialect = highest);
        let mut a = w.connect();
        a.offer = Offer::of(&ALL);
        a.negotiate().ok();
        assert_eq!(a.dialect, highest);
        a.logged_on("alice");
    }
}

#[test]
fn no_dialect_in_common() {
    let w = World::with(|config| config.min_dialect = Dialect::SMB_3_0);
    let mut a = w.connect();
    a.offer = Offer::of(&[Dialect::SMB_2_0_2, Dialect::SMB_2_1, Dialect(0x0999)]);
    a.negotiate().is(NtStatus::NOT_SUPPORTED);
    let mut b = w.connect();
    b.offer = Offer::of(&[]);
    b.negotiate().is(NtStatus::INVALID_PARAMETER);
}

/// What is advertised: 2.0.2 has no multi-credit I/O, 3.0 says encryption by a capability and 3.1.1
/// by a context; nothing is promised that is not there.
#[test]
fn what_is_advertised() {
    for dialect in ALL {
        let w = World::new();
        let mut a = w.connect();
        a.offer = Offer::only(dialect);
        let response = a.negotiate().ok();
        let body = chosen(&response);
        let mut expected = Capabilities::empty();
        expected.set(Capabilities::LARGE_MTU, dialect != Dialect::SMB_2_0_2);
        expected.set(Capabilities::LEASING, dialect >= Dialect::SMB_2_1);
        expected.set(Capabilities::DIRECTORY_LEASING, dialect >= Dialect::SMB_3_0);
        let by_capability = dialect == Dialect::SMB_3_0 || dialect == Dialect::SMB_3_0_2;
        expected.set(Capabilities::ENCRYPTION, by_capability);
        assert_eq!(body.capabilities, expected, "{dialect:?}");
        assert_eq!(body.max_read_size <= 65536, dialect == Dialect::SMB_2_0_2);
        assert_eq!(body.contexts.is_empty(), dialect != Dialect::SMB_3_1_1);
        assert_eq!(body.security_mode, SecurityMode::SIGNING_ENABLED);
        assert_eq!(body.system_time, w.now().wall);
    }
}

/// MS-SMB2 3.3.5.4: after a dialect is chosen, another NEGOTIATE drops the connection.
#[test]
fn a_second_one_drops() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    assert_eq!(a.negotiate().drops(), ConnectionError::NegotiateOrder);
}

#[test]
fn anything_before_it_drops() {
    let w = World::new();
    let mut a = w.connect();
    assert_eq!(a.echo().drops(), ConnectionError::NegotiateOrder);
}

/// A refused NEGOTIATE has chosen nothing.
#[test]
fn a_refused_one_may_be_tried_again() {
    let w = World::new();
    let mut a = w.connect();
    a.offer = Offer::of(&[]);
    a.negotiate().is(NtStatus::INVALID_PARAMETER);
    a.offer = Offer::only(Dialect::SMB_3_1_1);
    a.negotiate().ok();
    a.logged_on("alice");
}

/// MS-SMB2 3.3.5.3.1: the one SMB2 NEGOTIATE after an answer of 0x02FF is not a second one.
#[test]
fn smb1_upgrade_then_smb2() {
    let w = World::new();
    let mut a = w.connect();
    let response = a.negotiate_smb1(&["NT LM 0.12", "SMB 2.002", "SMB 2.???"]).ok();
    assert_eq!(chosen(&response).dialect_revision, Dialect::SMB_2_WILDCARD);
    a.offer = Offer::of(&ALL);
    a.negotiate().ok();
    assert_eq!(a.dialect, Dialect::SMB_3_1_1);
    let mut a = a.logged_on("alice");
    assert_eq!(a.negotiate().drops(), ConnectionError::NegotiateOrder);
}

/// MS-SMB2 3.3.5.3.2: 2.0.2 is chosen at once.
#[test]
fn smb1_upgrade_to_2_002() {
    let w = World::new();
    let mut a = w.connect();
    a.negotiate_smb1(&["NT LM 0.12", "SMB 2.002"]).ok();
    assert_eq!(a.dialect, Dialect::SMB_2_0_2);
    let mut a = a.logged_on("alice");
    assert_eq!(a.negotiate().drops(), ConnectionError::NegotiateOrder);
}

#[test]
fn smb1_alone_drops() {
    let w = World::new();
    let mut a = w.connect();
    assert!(matches!(a.negotiate_smb1(&["NT LM 0.12"]).drops(), ConnectionError::Closed(_)));
    let mut b = w.client(Dialect::SMB_2_1);
    let why = b.negotiate_smb1(&["SMB 2.???"]).drops();
    assert_eq!(why, ConnectionError::NegotiateOrder, "SMB1 later than as the first");
}

#[test]
fn contexts_come_once() {
    let w = World::new();
    for index in 0..3 {
        let mut a = w.connect();
        let again = a.offer.contexts[index].clone();
        a.offer.contexts.push(again);
        a.negotiate().is(NtStatus::INVALID_PARAMETER);
    }
}

#[test]
fn no_preauth_context() {
    let w = World::new();
    let mut a = w.connect();
    a.offer.contexts.remove(0);
    a.negotiate().is(NtStatus::INVALID_PARAMETER);
}

/// STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP.
#[test]
fn no_preauth_hash_in_common() {
    let w = World::new();
    let mut a = w.connect();
    let hash_algorithms = vec![wire::HashAlgorithm(9)];
    let context = NegotiateContext::PreauthIntegrity { hash_algorithms, salt: Vec::new() };
    a.offer.contexts[0] = context;
    a.negotiate().is(NtStatus(0xc05d_0000));
}

/// MS-SMB2 3.3.5.4: no cipher in common is answered with none, and the session works unencrypted.
#[test]
fn an_unknown_cipher() {
    let w = World::new();
    let mut a = w.connect();
    a.offer.contexts[1] = NegotiateContext::Encryption { ciphers: vec![wire::Cipher(99)] };
    let response = a.negotiate().ok();
    let none = NegotiateContext::Encryption { ciphers: vec![wire::Cipher::NONE] };
    assert!(chosen(&response).contexts.contains(&none));
    a.logged_on("alice");
}

#[test]
fn no_ciphers_at_all() {
    let w = World::new();
    let mut a = w.connect();
    a.offer.contexts[1] = NegotiateContext::Encryption { ciphers: Vec::new() };
    a.negotiate().is(NtStatus::INVALID_PARAMETER);
}

/// Contexts that are not understood are not answered.
#[test]
fn unknown_contexts_are_ignored() {
    let w = World::new();
    let mut a = w.connect();
    a.offer.contexts.push(NegotiateContext::Other { context_type: 0x7777, data: vec![1; 5] });
    a.offer.contexts.push(NegotiateContext::NetName("world".into()));
    let response = a.negotiate().ok();
    assert_eq!(chosen(&response).contexts.len(), 3);
}

/// Contexts belong to 3.1.1: a client that speaks it to a server that does not is not answered with
/// any.
#[test]
fn contexts_with_an_older_server() {
    let w = World::with(|config| config.max_dialect = Dialect::SMB_3_0_2);
    let mut a = w.connect();
    a.offer = Offer::of(&[Dialect::SMB_3_0_2, Dialect::SMB_3_1_1]);
    a.offer.contexts.clear();
    let response = a.negotiate().ok();
    assert!(chosen(&response).contexts.is_empty());
}

#[test]
fn signing_is_said_to_be_required() {
    let w = World::with(|config| config.require_signing = true);
    let mut a = w.connect();
    let response = a.negotiate().ok();
    assert!(chosen(&response).security_mode.contains(SecurityMode::SIGNING_REQUIRED));
}
