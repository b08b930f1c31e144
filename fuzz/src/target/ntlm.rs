//! NTLM's messages, and the authentication that they are for: whatever is sent, only who knows the
//! password gets in.

use super::choice;
use ksmbd_core::{
    auth::{
        AccountSecret, AuthStep, Authenticator, ServerNames,
        ntlm::{
            client::{Credentials, NtlmClient, Wrapping},
            message::{Authenticate, AvPairs, Challenge, Negotiate},
            nt_hash,
        },
    },
    rng::Rng,
    time::FileTime,
};

/// The first byte chooses between messages of any bytes, and an exchange of a real client some of
/// whose bytes are changed on their way.
pub(super) fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    match kind % 4 {
        0 => messages(rest),
        1 => exchange(rest, Wrapping::Raw),
        2 => exchange(rest, Wrapping::Spnego),
        _ => exchange(rest, Wrapping::KerberosFirst),
    }
}

fn messages(bytes: &[u8]) {
    let pairs = AvPairs::new(bytes).count();
    assert!(pairs * 4 <= bytes.len());
    if let Ok(message) = Negotiate::parse(bytes) {
        assert_eq!(Negotiate::parse(&message.encode()), Ok(message));
    }
    if let Ok(message) = Challenge::parse(bytes) {
        assert_eq!(Challenge::parse(&message.encode()), Ok(message));
    }
    if let Ok(message) = Authenticate::parse(bytes) {
        let fields = [message.domain, message.user, message.workstation, message.nt_response];
        // Fields may lie one on the other: then they do not fit behind one another.
        if fields.iter().all(|field| field.len() < 0x4000) {
            let encoded = message.encode();
            let again = Authenticate::parse(&encoded).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!((again.user, again.domain), (message.user, message.domain));
            assert_eq!((again.nt_response, again.flags), (message.nt_response, message.flags));
        }
        let _ = (message.text(message.user), message.is_anonymous());
    }
}

fn names() -> ServerNames {
    ServerNames {
        netbios_computer: "WORLD".into(),
        netbios_domain: "WORLD".into(),
        dns_computer: "world".into(),
        dns_domain: String::new(),
    }
}

/// Each message passes through somebody who changes as many of its bytes as the data say. The password
/// is wrong if the first byte is odd: then nothing may be accepted.
fn exchange(data: &[u8], wrapping: Wrapping) {
    let (first, mut changes) = choice(data);
    let password = if first & 1 == 1 { "wrong" } else { "right" };
    let mut client = NtlmClient::new(Credentials::new("alice", "WORLD", password), wrapping);
    client.with_mic = first & 2 == 0;
    let (mut authenticator, mut rng) = (Authenticator::new(), Rng::new([3; 32]));
    let mut blob = client.start();
    // The longest exchange has four blobs of the client.
    for _ in 0..5 {
        change(&mut blob, &mut changes);
        match authenticator.step(&blob, &names(), FileTime(1 << 56), &mut rng) {
            Ok(AuthStep::Continue(mut answer)) => {
                change(&mut answer, &mut changes);
                match client.answer(&answer, &mut rng) {
                    Ok(next) => blob = next,
                    Err(_) => return,
                }
            }
            Ok(AuthStep::NeedAccount { .. }) => {
                let base = authenticator.base_key(&nt_hash("right"));
                let proof = authenticator.account(AccountSecret::NtHash(nt_hash("right")));
                if let Ok(proof) = proof {
                    assert!(base.is_some(), "{proof:?}, and no key for it");
                    assert_eq!(password, "right", "{proof:?}");
                }
                assert!(authenticator.account(AccountSecret::Unknown).is_err(), "asked twice");
                return;
            }
            Ok(AuthStep::Anonymous(proof)) => return assert!(proof.user.is_empty()),
            Err(_) => return,
        }
    }
    panic!("an authentication without an end");
}

/// How many bytes, then place (two bytes) and value of each.
fn change(blob: &mut [u8], changes: &mut &[u8]) {
    let (count, mut rest) = choice(changes);
    for _ in 0..count % 8 {
        let Some((&[low, high, value], behind)) = rest.split_first_chunk() else {
            break;
        };
        let at = usize::from(u16::from_le_bytes([low, high])) % blob.len().max(1);
        if let Some(byte) = blob.get_mut(at) {
            *byte = value;
        }
        rest = behind;
    }
    *changes = rest;
}
