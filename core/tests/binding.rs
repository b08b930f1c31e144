//! A connection that wants to join a session (MS-SMB2 3.3.5.5 with SMB2_SESSION_FLAG_BINDING,
//! 3.3.5.5.3): what it has to have in common with the session, and what it is refused with. Whatever
//! it is refused for, the session goes on.

use ksmbd_core::{
    auth::ntlm::client::Credentials, vfs::Identity, wire::session_setup::SessionSetupFlags,
};
use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

fn world() -> World {
    World::with(|config| config.multi_channel = true)
}

fn credentials(user: &str) -> Credentials {
    Credentials::new(user, "WORLD", &password(user))
}

fn offered(w: &World, offer: Offer) -> Client {
    let mut client = w.connect();
    client.offer = offer;
    client.negotiate().ok();
    client
}

/// The first leg is refused, signed with the session's key; the session goes on, and nothing is left.
#[track_caller]
fn is_refused(w: &World, a: &mut Client, b: &mut Client, status: NtStatus) {
    let before = w.counters();
    let mut logon = b.begin_join(a, credentials("alice"));
    let refusal = logon.first(b).is(status);
    let keys = a.keys().expect("the session's keys");
    assert!(refusal.signed && keys.signing().verify_message(&refusal.element));
    assert_eq!(w.counters(), before);
    a.echo().ok();
}

#[test]
fn each_dialect() {
    for dialect in [Dialect::SMB_3_0, Dialect::SMB_3_0_2, Dialect::SMB_3_1_1] {
        let w = world();
        let mut a = w.client(dialect).logged_on("alice");
        let f = a.create("x").ok();
        let mut b = w.client(dialect);
        let last = b.join(&a, "alice").ok();
        assert!(last.signed, "with the channel's own key");
        assert_eq!((w.counters().sessions, w.counters().channels), (1, 2));
        b.write(f, 0, b"over the other").ok();
        assert_eq!(a.read(f, 0, 14).ok().data(), b"over the other");
        b.close(f).ok();
    }
}

#[test]
fn each_signing_algorithm_and_cipher() {
    use SigningAlgorithm::{AesCmac, AesGmac, HmacSha256};
    for signing in [AesCmac, AesGmac, HmacSha256] {
        for cipher in [Cipher::Aes128Ccm, Cipher::Aes256Gcm] {
            let w = world();
            let mut a = offered(&w, Offer::algorithms(cipher, signing)).logged_on("alice");
            a.encrypt = cipher == Cipher::Aes256Gcm;
            let mut b = w.channel(&a, "alice");
            assert_eq!(b.encrypt, a.encrypt);
            let f = b.create("x").ok();
            a.write(f, 0, b"1").ok();
            b.close(f).ok();
        }
    }
}

/// Both signing keys are the channels' own: what is signed with the other's is refused.
#[test]
fn each_channel_has_its_own_key() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let (of_a, of_b) = (a.keys(), b.keys());
    a.set_keys(a.session_id, of_b.clone());
    a.create("x").is(NtStatus::ACCESS_DENIED);
    b.set_keys(b.session_id, of_a.clone());
    b.create("x").is(NtStatus::ACCESS_DENIED);
    a.set_keys(a.session_id, of_a);
    b.set_keys(b.session_id, of_b);
    a.create("x").ok();
    b.create("x").ok();
}

#[test]
fn switched_off() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    is_refused(&w, &mut a, &mut b, NtStatus::REQUEST_NOT_ACCEPTED);
}

/// It is said only where it can be done, and to who says the same (MS-SMB2 3.3.5.4).
#[test]
fn the_capability() {
    let asks = Capabilities::MULTI_CHANNEL;
    for (on, dialect, asked, told) in [
        (true, Dialect::SMB_3_0, asks, true),
        (true, Dialect::SMB_3_1_1, asks, true),
        (true, Dialect::SMB_3_1_1, Capabilities::empty(), false),
        (true, Dialect::SMB_2_1, asks, false),
        (false, Dialect::SMB_3_1_1, asks, false),
    ] {
        let w = World::with(|config| config.multi_channel = on);
        let a = offered(&w, Offer { capabilities: asked, ..Offer::only(dialect) });
        let capabilities = a.negotiated.as_ref().expect("negotiated").capabilities;
        assert_eq!(capabilities.contains(asks), told, "{on} {dialect:?} {asked:?}");
    }
}

/// smb2.session.bind_negative_smb202, smb210, smb3to2, smb2to3, smb3to3.
#[test]
fn another_dialect() {
    use Dialect as D;
    for (first, second, status) in [
        (D::SMB_2_0_2, D::SMB_2_0_2, NtStatus::REQUEST_NOT_ACCEPTED),
        (D::SMB_2_1, D::SMB_2_1, NtStatus::REQUEST_NOT_ACCEPTED),
        (D::SMB_3_1_1, D::SMB_2_1, NtStatus::REQUEST_NOT_ACCEPTED),
        (D::SMB_2_1, D::SMB_3_1_1, NtStatus::INVALID_PARAMETER),
        (D::SMB_3_0, D::SMB_3_0_2, NtStatus::INVALID_PARAMETER),
        (D::SMB_3_1_1, D::SMB_3_0, NtStatus::INVALID_PARAMETER),
    ] {
        let w = world();
        let cmac = |dialect| Offer {
            dialects: vec![dialect],
            ..Offer::algorithms(Cipher::Aes128Ccm, SigningAlgorithm::AesCmac)
        };
        let mut a = offered(&w, cmac(first)).logged_on("alice");
        let mut b = offered(&w, cmac(second));
        is_refused(&w, &mut a, &mut b, status);
    }
}

/// smb2.session.bind_negative_smb3sign*, smb3enc*: as Windows has it, GMAC is one kind and the other
/// two are another.
#[test]
fn other_algorithms() {
    use Cipher::{Aes128Ccm, Aes128Gcm};
    use SigningAlgorithm::{AesCmac, AesGmac, HmacSha256};
    for (first, second, status) in [
        ((Aes128Gcm, AesGmac), (Aes128Gcm, AesCmac), NtStatus::REQUEST_OUT_OF_SEQUENCE),
        ((Aes128Gcm, AesGmac), (Aes128Gcm, HmacSha256), NtStatus::REQUEST_OUT_OF_SEQUENCE),
        ((Aes128Gcm, AesCmac), (Aes128Gcm, AesGmac), NtStatus::NOT_SUPPORTED),
        ((Aes128Gcm, HmacSha256), (Aes128Gcm, AesGmac), NtStatus::NOT_SUPPORTED),
        ((Aes128Gcm, AesCmac), (Aes128Ccm, AesCmac), NtStatus::INVALID_PARAMETER),
    ] {
        let w = world();
        let mut a = offered(&w, Offer::algorithms(first.0, first.1)).logged_on("alice");
        let mut b = offered(&w, Offer::algorithms(second.0, second.1));
        is_refused(&w, &mut a, &mut b, status);
    }
    // Before the dialect counts.
    for (first, second, status) in [
        (Dialect::SMB_3_1_1, Dialect::SMB_3_0, NtStatus::REQUEST_OUT_OF_SEQUENCE),
        (Dialect::SMB_3_1_1, Dialect::SMB_2_1, NtStatus::REQUEST_OUT_OF_SEQUENCE),
        (Dialect::SMB_3_0, Dialect::SMB_3_1_1, NtStatus::NOT_SUPPORTED),
        (Dialect::SMB_2_1, Dialect::SMB_3_1_1, NtStatus::NOT_SUPPORTED),
    ] {
        let w = world();
        let mut a = w.client(first).logged_on("alice");
        let mut b = w.client(second);
        is_refused(&w, &mut a, &mut b, status);
    }
    let w = world();
    let a = offered(&w, Offer::algorithms(Aes128Gcm, AesCmac)).logged_on("alice");
    let mut b = offered(&w, Offer::algorithms(Aes128Gcm, HmacSha256));
    b.join(&a, "alice").ok();
    b.create("x").ok();
}

/// Without the session's key nothing is learnt but that.
#[test]
fn unsigned_or_wrongly_signed() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.sign = false;
    let mut logon = b.begin_join(&a, credentials("alice"));
    let refusal = logon.first(&mut b).is(NtStatus::INVALID_PARAMETER);
    assert!(!refusal.signed);
    // Signed with the keys of bob's session.
    let c = w.logged_on("bob");
    let mut d = w.client(Dialect::SMB_3_1_1);
    let mut logon = d.begin_join(&a, credentials("bob"));
    d.set_keys(a.session_id, c.keys());
    let refusal = logon.first(&mut d).is(NtStatus::ACCESS_DENIED);
    assert!(!refusal.signed);
    assert_eq!(w.counters().channels, 2);
    a.echo().ok();
}

/// The second leg needs the signature as much as the first.
#[test]
fn unsigned_in_the_end() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin_join(&a, credentials("alice"));
    let first = logon.first(&mut b).answer();
    b.sign = false;
    logon.second(&mut b, &first).is(NtStatus::INVALID_PARAMETER);
    b.create("x").is(NtStatus::USER_SESSION_DELETED);
    a.create("x").ok();
}

#[test]
fn no_such_session() {
    let w = world();
    let a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin_join(&a, credentials("alice"));
    logon.session_id += 1;
    b.set_keys(a.session_id + 1, a.keys());
    logon.first(&mut b).is(NtStatus::USER_SESSION_DELETED);
}

/// A session whose first authentication is under way has no keys, and no channels but one.
#[test]
fn a_session_in_progress() {
    let w = world();
    let keys = w.logged_on("alice").keys();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut first = a.begin(credentials("alice"));
    let challenge = first.first(&mut a).answer();
    let id = challenge.header.session_id;
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.set_keys(id, keys);
    let mut logon = b.begin(credentials("alice"));
    (logon.session_id, logon.flags) = (id, SessionSetupFlags::BINDING);
    logon.first(&mut b).is(NtStatus::INVALID_PARAMETER);
    let last = first.second(&mut a, &challenge).ok();
    first.finish(&mut a, &last);
    a.connect_tree("share");
}

#[test]
fn a_channel_already() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    for client in [&mut a, &mut b] {
        let mut logon = client.begin(credentials("alice"));
        (logon.session_id, logon.flags) = (client.session_id, SessionSetupFlags::BINDING);
        logon.first(client).is(NtStatus::REQUEST_NOT_ACCEPTED);
        client.create("x").ok();
    }
}

/// Two identities: who has the key but is another user is refused, and takes nobody's place
/// (smb2.session.bind_different_user).
#[test]
fn another_user() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let refusal = b.join(&a, "bob").is(NtStatus::ACCESS_DENIED);
    let keys = a.keys().expect("the session's keys");
    assert!(keys.signing().verify_message(&refusal.element), "signed as the request was");
    b.session_id = a.session_id;
    b.tree_id = a.tree_id;
    b.create("x").is(NtStatus::USER_SESSION_DELETED);
    a.create("x").ok();
    b.join(&a, "alice").ok();
    b.create("x").ok();
}

/// smb2.session.bind_invalid_auth.
#[test]
fn a_wrong_password() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    for user in ["alice", "mallory"] {
        let logon = b.begin_join(&a, Credentials::new(user, "WORLD", "guess"));
        logon.run(&mut b).is(NtStatus::LOGON_FAILURE);
        assert_eq!(w.counters().channels, 1);
        a.create("x").ok();
    }
}

/// Guests and those without a name have no keys: they neither have channels nor join any.
#[test]
fn guests() {
    let w = world();
    w.daemon(|daemon| daemon.guest = Some(Arc::new(Identity::nobody())));
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.join(&a, "mallory").is(NtStatus::ACCESS_DENIED);
    b.begin_join(&a, Credentials::anonymous()).run(&mut b).is(NtStatus::ACCESS_DENIED);
    a.echo().ok();
    let mut guest = w.client(Dialect::SMB_3_1_1);
    guest.logon("mallory", "x").ok();
    let mut c = w.client(Dialect::SMB_3_1_1);
    let mut logon = c.begin_join(&guest, Credentials::new("mallory", "", "x"));
    // Nothing that it could have signed with counts.
    c.set_keys(guest.session_id, a.keys());
    logon.first(&mut c).is(NtStatus::INVALID_PARAMETER);
    guest.connect_tree("share");
}

/// Without the flag, another connection's session does not exist (smb2.session.bind_negative_*).
#[test]
fn without_the_flag() {
    let w = world();
    let mut a = w.logged_on("alice");
    for sign in [true, false] {
        let mut b = w.client(Dialect::SMB_3_1_1);
        let mut logon = b.begin_join(&a, credentials("alice"));
        logon.flags = SessionSetupFlags::empty();
        b.sign = sign;
        let refusal = logon.first(&mut b).is(NtStatus::USER_SESSION_DELETED);
        assert_eq!(refusal.signed, sign, "as the request was");
    }
    a.echo().ok();
}

#[test]
fn as_many_as_allowed() {
    let w = World::with(|config| {
        config.multi_channel = true;
        config.limits.channels_per_session = 3;
    });
    let mut a = w.logged_on("alice");
    let b = w.channel(&a, "alice");
    // One that is under way counts.
    let mut c = w.client(Dialect::SMB_3_1_1);
    let mut logon = c.begin_join(&a, credentials("alice"));
    let first = logon.first(&mut c).answer();
    let mut d = w.client(Dialect::SMB_3_1_1);
    is_refused(&w, &mut a, &mut d, NtStatus::INSUFFICIENT_RESOURCES);
    let last = logon.second(&mut c, &first).ok();
    logon.finish(&mut c, &last);
    is_refused(&w, &mut a, &mut d, NtStatus::INSUFFICIENT_RESOURCES);
    b.hang_up();
    d.join(&a, "alice").ok();
}

/// The session ends while the daemon is asked who wants to join.
#[test]
fn the_session_ends_meanwhile() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin_join(&a, credentials("alice"));
    let first = logon.first(&mut b).answer();
    w.hold("logon");
    let mid = logon.second(&mut b, &first).later();
    a.logoff().ok();
    w.release_calls();
    b.answer(mid).is(NtStatus::USER_SESSION_DELETED);
    assert_eq!((w.counters().sessions, w.counters().channels), (0, 0));
}

/// Whoever wants to join hangs up in the middle.
#[test]
fn gone_in_the_middle() {
    let w = world();
    let mut a = w.logged_on("alice");
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin_join(&a, credentials("alice"));
    let first = logon.first(&mut b).answer();
    w.hold("logon");
    let _ = logon.second(&mut b, &first).later();
    b.hang_up();
    assert_eq!(w.counters().channels, 1);
    w.release_calls();
    assert_eq!(w.counters().channels, 1);
    a.create("x").ok();
}
