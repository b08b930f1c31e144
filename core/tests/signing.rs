//! Signatures: each algorithm, and what is refused without one (MS-SMB2 3.3.5.2.4, 3.3.4.1.1).

use ksmbd_fuzz::prelude::*;

fn with(signing: SigningAlgorithm) -> (World, Client) {
    let w = World::new();
    let mut a = w.connect();
    a.offer = Offer::algorithms(Cipher::Aes128Gcm, signing);
    a.negotiate().ok();
    assert_eq!(a.signing(), signing);
    let a = a.logged_on("alice");
    (w, a)
}

#[test]
fn each_algorithm() {
    use SigningAlgorithm::{AesCmac, AesGmac, HmacSha256};
    for signing in [HmacSha256, AesCmac, AesGmac] {
        let (_w, mut a) = with(signing);
        let f = a.create("x").ok();
        a.write(f, 0, &[7; 1000]).ok();
        let read = a.read(f, 0, 1000).ok();
        assert!(read.signed && read.data() == [7; 1000]);
        a.close(f).ok();
    }
}

#[test]
fn each_dialect_has_its_own() {
    let expected = [
        (Dialect::SMB_2_0_2, SigningAlgorithm::HmacSha256),
        (Dialect::SMB_2_1, SigningAlgorithm::HmacSha256),
        (Dialect::SMB_3_0, SigningAlgorithm::AesCmac),
        (Dialect::SMB_3_0_2, SigningAlgorithm::AesCmac),
        (Dialect::SMB_3_1_1, SigningAlgorithm::AesGmac),
    ];
    for (dialect, signing) in expected {
        let w = World::new();
        let mut a = w.client(dialect).logged_on("alice");
        assert_eq!(a.signing(), signing);
        assert!(a.echo().ok().signed);
    }
}

/// What is not signed is not answered with a signature, where none is required.
#[test]
fn unsigned_where_it_is_not_required() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.sign = false;
    assert!(!a.create("x").send().ok().signed);
}

#[test]
fn a_wrong_signature() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut message = a.message(&RequestBody::Logoff).unsigned();
    message.header.flags |= HeaderFlags::SIGNED;
    message.header.signature = [9; 16];
    a.send(message).is(NtStatus::ACCESS_DENIED);
    assert_eq!(w.counters().sessions, 1, "it did nothing");
    a.echo().ok();
}

#[test]
fn required_by_the_server() {
    let w = World::with(|config| config.require_signing = true);
    let mut a = w.logged_on("alice");
    let message = a.message(&RequestBody::Logoff).unsigned();
    a.send(message).is(NtStatus::ACCESS_DENIED);
    let message = a.message(&RequestBody::TreeDisconnect).unsigned();
    a.send(message).is(NtStatus::ACCESS_DENIED);
    assert_eq!((w.counters().sessions, w.counters().trees), (1, 1));
    a.echo().ok();
}

#[test]
fn required_by_the_client() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let credentials =
        ksmbd_core::auth::ntlm::client::Credentials::new("alice", "", &password("alice"));
    let mut logon = a.begin(credentials);
    logon.security_mode = SecurityMode::SIGNING_REQUIRED;
    logon.run(&mut a).ok();
    let message = a.message(&RequestBody::Logoff).unsigned();
    a.send(message).is(NtStatus::ACCESS_DENIED);
    a.connect_tree("share");
}

/// A signature of one session is none of another.
#[test]
fn signed_with_anothers_key() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let alices = a.session_id;
    a.logon("bob", &password("bob")).ok();
    let bobs = a.session_id;
    let keys = a.keys();
    a.session_id = alices;
    let own = a.keys();
    a.set_keys(alices, keys);
    let mid = a.logoff().later();
    a.set_keys(alices, own);
    a.answer(mid).is(NtStatus::ACCESS_DENIED);
    a.session_id = bobs;
    a.logoff().ok();
}
