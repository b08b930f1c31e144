//! Encryption: each cipher, where it is required, and whose key it is (MS-SMB2 3.3.5.2.1.1,
//! 3.3.5.2.9, 3.3.5.2.11, 3.3.4.1.4).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

#[test]
fn each_cipher() {
    use Cipher::{Aes128Ccm, Aes128Gcm, Aes256Ccm, Aes256Gcm};
    for cipher in [Aes128Ccm, Aes128Gcm, Aes256Ccm, Aes256Gcm] {
        let w = World::new();
        let mut a = w.connect();
        a.offer = Offer::algorithms(cipher, SigningAlgorithm::AesGmac);
        a.negotiate().ok();
        assert_eq!(a.cipher(), Some(cipher));
        let mut a = a.logged_on("alice").encrypted();
        let f = a.create("x").ok();
        let data: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
        a.write(f, 3, &data).ok();
        let read = a.read(f, 3, 100_000).ok();
        assert!(read.encrypted && read.data() == data);
        a.close(f).ok();
        a.logoff().ok();
    }
}

#[test]
fn in_the_older_dialects() {
    for dialect in [Dialect::SMB_3_0, Dialect::SMB_3_0_2] {
        let w = World::new();
        let mut a = w.client(dialect).logged_on("alice").encrypted();
        assert_eq!(a.cipher(), Some(Cipher::Aes128Ccm));
        a.create("x").ok();
    }
}

/// Where the client did not say that it can, 3.0 is not encrypted, and not said to be.
#[test]
fn a_client_of_3_0_that_cannot() {
    let w = World::new();
    let mut a = w.connect();
    a.offer = Offer::only(Dialect::SMB_3_0);
    a.offer.capabilities = Capabilities::LARGE_MTU;
    a.negotiate().ok();
    assert_eq!(a.cipher(), None);
    let mut a = a.logged_on("alice");
    a.tree_connect("crypt").is(NtStatus::ACCESS_DENIED);
}

#[test]
fn mandatory() {
    let w = World::with(|config| config.encryption = Encryption::Mandatory);
    let mut a = w.logged_on("alice");
    assert!(a.encrypt, "the session says so");
    assert!(a.create("x").send().ok().encrypted);
    a.encrypt = false;
    a.create("x").is(NtStatus::ACCESS_DENIED);
}

/// A client that cannot is refused before it shows its password.
#[test]
fn mandatory_and_a_client_that_cannot() {
    let w = World::with(|config| config.encryption = Encryption::Mandatory);
    let mut a = w.client(Dialect::SMB_2_1);
    a.logon("alice", &password("alice")).is(NtStatus::ACCESS_DENIED);
    assert_eq!(w.counters().sessions, 0);
}

#[test]
fn disabled() {
    let w = World::with(|config| config.encryption = Encryption::Disabled);
    for dialect in [Dialect::SMB_3_0, Dialect::SMB_3_1_1] {
        let mut a = w.client(dialect).logged_on("alice");
        assert_eq!(a.cipher(), None);
        a.tree_connect("crypt").is(NtStatus::ACCESS_DENIED);
    }
}

/// A share that wants it takes nothing plain.
#[test]
fn a_share_that_wants_it() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let open_tree = a.tree_id;
    a.encrypt = true;
    a.connect_tree("crypt");
    let f = a.create("x").ok();
    a.encrypt = false;
    a.write(f, 0, b"plain").is(NtStatus::ACCESS_DENIED);
    a.create("y").is(NtStatus::ACCESS_DENIED);
    a.tree_id = open_tree;
    a.create("y").ok();
}

/// MS-SMB2 3.3.5.2.1.1: the frame's session and the message's are one.
#[test]
fn another_session_inside() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let alices = a.session_id;
    a.logon("bob", &password("bob")).ok();
    a.encrypt = true;
    let mut message = a.message(&RequestBody::Logoff);
    message.header.session_id = alices;
    let why = a.send(message).drops();
    assert_eq!(why, ConnectionError::BadTransform("another session inside"));
}

#[test]
fn another_session_in_the_middle_of_a_chain() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let alices = a.session_id;
    a.logon("bob", &password("bob")).ok();
    a.encrypt = true;
    let first = a.message(&RequestBody::Echo);
    let mut second = a.message(&RequestBody::Logoff);
    second.header.session_id = alices;
    a.send_chain(&[first, second]);
    assert_eq!(a.dropped(), ConnectionError::BadTransform("another session inside"));
}

#[test]
fn a_session_that_nobody_has() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (mine, keys) = (a.session_id, a.keys());
    a.session_id = mine + 1;
    a.set_keys(mine + 1, keys);
    a.encrypt = true;
    assert!(matches!(a.echo().drops(), ConnectionError::BadTransform(_)));
}

/// A session of another connection has no key here.
#[test]
fn a_session_of_another_connection() {
    let w = World::new();
    let a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    b.session_id = a.session_id;
    b.set_keys(a.session_id, a.keys());
    b.encrypt = true;
    assert!(matches!(b.echo().drops(), ConnectionError::BadTransform(_)));
}

#[test]
fn a_bit_that_was_changed() {
    for at in [5, 25, 45, 60, 110] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        let message = a.message(&RequestBody::Echo);
        let mut plain = Vec::new();
        message.header.encode(&mut ksmbd_core::wire::codec::Writer::new(&mut plain));
        plain.extend_from_slice(&message.body);
        let mut frame = a.seal(plain);
        frame[at] ^= 4;
        a.raw_frame(&frame);
        assert!(matches!(a.dropped(), ConnectionError::BadTransform(_)));
    }
}

/// Keys are gone with the session: what is encrypted after LOGOFF drops the connection.
#[test]
fn after_logoff() {
    let w = World::new();
    let mut a = w.logged_on("alice").encrypted();
    assert!(a.logoff().ok().encrypted);
    assert!(matches!(a.echo().drops(), ConnectionError::BadTransform(_)));
}

/// A whole chain is encrypted once.
#[test]
fn a_chain() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice").encrypted();
    let create = a.create("x").message();
    let read = a.message(&body::read(Client::PREVIOUS, 2, 4)).related();
    let close = a.message(&body::close(Client::PREVIOUS)).related();
    a.send_chain(&[create, read, close]);
    let answers = [a.receive().ok(), a.receive().ok(), a.receive().ok()];
    assert_eq!(answers.each_ref().map(|answer| answer.last), [false, false, true]);
    assert_eq!(answers[1].data(), b"2345");
    assert!(answers.iter().all(|answer| answer.encrypted));
}

/// MS-SMB2 3.3.4.1.4: what was asked under encryption is answered so, also where the session ends in
/// the middle of the chain.
#[test]
fn a_chain_that_outlives_its_session() {
    let w = World::new();
    w.put("x", b"secret");
    let mut a = w.logged_on("alice").encrypted();
    let f = a.create("x").ok();
    let read = a.message(&body::read(f, 0, 6));
    let logoff = a.message(&RequestBody::Logoff);
    let echo = a.message(&body::close(f));
    a.send_chain(&[read, logoff, echo]);
    let answers = [a.receive(), a.receive(), a.receive()];
    let deleted = NtStatus::USER_SESSION_DELETED;
    assert_eq!(
        answers.each_ref().map(|answer| answer.status),
        [NtStatus::SUCCESS, NtStatus::SUCCESS, deleted]
    );
    assert!(answers.iter().all(|answer| answer.encrypted));
}

/// The same when another connection ends it while the chain's READ is out.
#[test]
fn a_chain_whose_session_is_ended_by_another_connection() {
    let w = World::new();
    w.put("x", b"secret");
    let mut a = w.logged_on("alice").encrypted();
    let f = a.create("x").ok();
    w.hold("read");
    let read = a.message(&body::read(f, 0, 6));
    let close = a.message(&body::close(f));
    a.send_chain(&[read, close]);
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin(Credentials::new("alice", "WORLD", &password("alice")));
    logon.previous = a.session_id;
    logon.run(&mut b).ok();
    w.release_calls();
    let answers = [a.receive(), a.receive()];
    assert!(answers.iter().all(|answer| answer.encrypted));
}
