//! Published vectors for what the session's keys do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::testing::{hex, hex_array};
use super::*;
use aes_gcm::{AeadInOut, Aes128Gcm, KeyInit};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// RFC 4493 4. Its messages are shorter than a header, so this is the crate alone.
#[test]
fn cmac_is_rfc_4493() {
    use cmac::{Cmac, Mac};
    let key = hex_array::<16>("2b7e151628aed2a6abf7158809cf4f3c");
    let message = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    for (length, expected) in [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ] {
        let mut mac = <Cmac<aes::Aes128> as KeyInit>::new(&key.into());
        mac.update(&message[..length]);
        assert_eq!(mac.finalize().into_bytes()[..], hex(expected));
    }
}

/// The last SESSION_SETUP response of Microsoft's "The anatomy of signing and cryptographic keys".
#[test]
fn the_signed_session_setup_of_a_windows_server() {
    let preauth = PreauthHash(hex_array(
        "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79\
         28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01",
    ));
    let session_key = hex_array("270E1BA896585EEB7AF3472D3B4C75A7");
    let key = SigningKey::derive(0x0311, &session_key, SigningAlgorithm::AesCmac, &preauth);
    let mut message =
        hex("FE534D4240000100000000000100800009000000000000000300000000000000FFFE000000000000\
         1900000000100000EBE146DA120BA25FC3376A49DFE31BC10900000048001D00A11B3019A0030A01\
         00A3120410010000003B453CDC3524164200000000");
    assert!(key.verify_message(&message));
    let signed = message.clone();
    message[48..64].fill(0xaa);
    assert!(!key.verify_message(&message));
    assert!(key.sign_message(&mut message));
    assert_eq!(message, signed);
    *message.last_mut().unwrap() ^= 1;
    assert!(!key.verify_message(&message));
    assert!(!key.verify_message(&message[..63]));
    assert!(!key.sign_message(&mut message[..63]));
}

/// The header 00 01 02 .. 3f with flags and command set, and 1000 bytes behind it.
fn message_to_sign(flags: u8, command: u8) -> ([u8; 64], Vec<u8>) {
    let mut header: [u8; 64] = core::array::from_fn(|i| i as u8);
    header[16] = flags;
    header[12..14].copy_from_slice(&[command, 0]);
    (header, (0..1000).map(|i| i as u8).collect())
}

/// Tags computed with OpenSSL as AES-128-GCM over associated data alone.
#[test]
fn gmac_takes_its_nonce_from_the_header() {
    let key = SigningKey::new(SigningAlgorithm::AesGmac, &core::array::from_fn(|i| i as u8));
    for (flags, command, expected) in [
        (0, 5, "765883de04b0f9271a9253981b8fa50c"),
        (1, 5, "2abce6f393cd6937d5389e490731e64f"),
        (0, 12, "ef5f4c50a5b46fb6f06653ea0057986d"),
    ] {
        let (header, rest) = message_to_sign(flags, command);
        assert_eq!(key.sign(&header, &[&rest])[..], hex(expected));
    }
}

#[test]
fn how_a_message_is_cut_makes_no_difference() {
    let (header, rest) = message_to_sign(1, 8);
    for algorithm in (0..3).map_while(SigningAlgorithm::from_id) {
        let key = SigningKey::new(algorithm, &[0x5a; 16]);
        for length in [0, 1, 15, 16, 17, 31, 100, 1000] {
            let whole = key.sign(&header, &[&rest[..length]]);
            for step in [1, 3, 15, 16, 17, 64, 333] {
                let parts: Vec<&[u8]> = rest[..length].chunks(step).collect();
                assert_eq!(key.sign(&header, &parts), whole, "{algorithm:?} {length} {step}");
            }
        }
    }
}

/// McGrew and Viega's test cases 1 and 14, and RustCrypto's own GCM for tags over data alone.
#[test]
fn gcm_is_sp_800_38d() {
    let key = SealKey::new(Cipher::Aes128Gcm, &[0; 32]);
    let tag = key.encrypt_in_place(&[0; 16], &[], &mut []).unwrap();
    assert_eq!(tag[..], hex("58e2fccefa7e3061367f1d57a4e7455a"));

    let key = SealKey::new(Cipher::Aes256Gcm, &[0; 32]);
    let mut body = [0; 16];
    let tag = key.encrypt_in_place(&[0; 16], &[], &mut body).unwrap();
    assert_eq!(body[..], hex("cea7403d4d606b6e074ec5d3baf39d18"));
    assert_eq!(tag[..], hex("d0d1c8a799996bf0265b98b5d48ab919"));

    let (mut header, rest) = message_to_sign(1, 3);
    header[48..64].fill(0);
    let mut message = header.to_vec();
    message.extend_from_slice(&rest);
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&header[24..32]);
    nonce[8] = 1;
    let expected = Aes128Gcm::new(&[9; 16].into())
        .encrypt_inout_detached(&nonce.into(), &message, (&mut [][..]).into())
        .unwrap();
    let key = SigningKey::new(SigningAlgorithm::AesGmac, &[9; 16]);
    assert_eq!(key.sign(&header, &[&rest])[..], expected[..]);
}

/// Computed with OpenSSL: key 00 01 .., nonce 10 11 .., associated data 64 65 .., body c8 c9 ..
#[test]
fn ciphers_with_256_bits() {
    let count = |from: u8, to: u8| (from..to).collect::<Vec<u8>>();
    let key: [u8; 32] = count(0, 32).try_into().unwrap();
    let nonce: [u8; 16] = count(16, 32).try_into().unwrap();
    for (cipher, expected) in [
        (
            Cipher::Aes256Ccm,
            "ef972553830bd3c5bfa8a07636ab034bfb0a15aaa04a73fc41b36ef2bf277553\
             4ffe77c366f3cc8fa33444322034eb18ac17251efaaf5ac3",
        ),
        (
            Cipher::Aes256Gcm,
            "b53752dd8504f47c1aa4dacedbacbf840f8994d5c71f896e07180084bab1b23c\
             b800bde8194b80004d70c346dcd815b00491115d83cff6d5",
        ),
    ] {
        let mut body = count(200, 240);
        let key = SealKey::new(cipher, &key);
        let tag = key.encrypt_in_place(&nonce, &count(100, 132), &mut body);
        body.extend_from_slice(&tag.unwrap());
        assert_eq!(body, hex(expected), "{cipher:?}");
    }
}

fn split(frame: &str) -> ([u8; 52], Vec<u8>) {
    let frame = hex(frame);
    let (header, body) = frame.split_first_chunk().unwrap();
    (*header, body.to_vec())
}

const WRITE_30: &str = "FE534D4240000100000000000900400008000000000000000400000000000000\
    FFFE0000010000001100001400E4080000000000000000000000000000000000\
    3100700017000000000000000000000015010000390000020100000039020000\
    00000000000000007000000000000000536D623320656E6372797074696F6E20\
    74657374696E67";

/// Microsoft's "Encryption in SMB 3.0: a protocol perspective": a WRITE and its response.
#[test]
fn ccm_as_in_the_smb_3_0_walk_through() {
    let keys = SessionKeys::derive(
        0x0300,
        &hex_array("B4546771B515F766A86735532DD6C4F0"),
        &[],
        SigningAlgorithm::AesGmac,
        Some(Cipher::Aes256Gcm),
        &PreauthHash::default(),
    );
    assert_eq!(keys.cipher(), Some(Cipher::Aes128Ccm));
    assert_eq!(keys.signing().algorithm(), SigningAlgorithm::AesCmac);
    let (header, sealed) = split(
        "FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A\
         744DA3EE87000000000001001100001400E4080025C8FEE16605A437832D1CD5\
         2DA9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A4\
         4C29BE5658DE2E6117585779E7B59FFD971278D08580D7FA899E410E910EABF5\
         AA1DB43050B33B49182637759AC15D84BFCDF5B6B238993C0F4CF4D6012023F6\
         C627297075D84B7803912D0A9639634453595EF3E33FFE4E7AC2AB",
    );
    let key = keys.client_to_server().unwrap();
    let mut body = sealed.clone();
    key.open(&header, &mut body).unwrap();
    assert_eq!(body, hex(WRITE_30));
    let mut again = header;
    again[4..20].fill(0);
    key.seal(&mut again, &mut body).unwrap();
    assert_eq!((again, body), (header, sealed));

    let (header, mut body) = split(
        "FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014\
         00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079\
         E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787\
         1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D1\
         77309E5B",
    );
    keys.server_to_client().unwrap().open(&header, &mut body).unwrap();
    assert_eq!(
        body,
        hex("FE534D4240000100000000000900210009000000000000000400000000000000\
             FFFE0000010000001100001400E4080000000000000000000000000000000000\
             11000000170000000000000000000000")
    );
}

/// Microsoft's "SMB 3.1.1 encryption in Windows 10": the response to a WRITE.
#[test]
fn gcm_as_in_the_smb_3_1_1_walk_through() {
    let session_key = hex_array("419FDDF34C1E001909D362AE7FB6AF79");
    let preauth = PreauthHash(hex_array(
        "B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDB\
         A7DB256BA2EA30E977F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770",
    ));
    let keys = SessionKeys::derive(
        0x0311,
        &session_key,
        &session_key,
        SigningAlgorithm::HmacSha256,
        Some(Cipher::Aes128Gcm),
        &preauth,
    );
    assert_eq!(keys.signing().algorithm(), SigningAlgorithm::HmacSha256);
    let (mut header, mut body) = split(
        "FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B4000000000000000050000000\
         00000100250000000010000026BBBF949983A6C1C796559D0F2C510CB651D1F7B6AC8DED32A2A0B8\
         F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B\
         82E03C9E18A050FF0EA1C967",
    );
    let mut sealed = body.clone();
    let key = keys.server_to_client().unwrap();
    key.open(&header, &mut body).unwrap();
    assert_eq!(
        body,
        hex("FE534D4240000100000000000900010001000000000000000500000000000000FFFE000001000000\
             25000000001000000000000000000000000000000000000011000000170000000000000000000000")
    );
    header[51] ^= 1;
    assert_eq!(key.open(&header, &mut sealed.clone()), Err(SealError));
    let wrong_way = keys.client_to_server().unwrap();
    assert_eq!(wrong_way.open(&header, &mut sealed), Err(SealError));
}

#[test]
fn every_cipher_round_trips_and_notices_every_flipped_bit() {
    for cipher in (1..5).map_while(Cipher::from_id) {
        let keys = SessionKeys::derive(
            0x0311,
            &[3; 16],
            &[4; 32],
            SigningAlgorithm::AesGmac,
            Some(cipher),
            &PreauthHash::default(),
        );
        let key = keys.server_to_client().unwrap();
        let mut header = [0; 52];
        header[20..36].copy_from_slice(&keys.next_nonce().unwrap());
        let mut sealed = vec![0x11; 33];
        key.seal(&mut header, &mut sealed).unwrap();
        assert_ne!(sealed, [0x11; 33]);
        let mut body = sealed.clone();
        assert_eq!(key.open(&header, &mut body), Ok(()));
        assert_eq!(body, [0x11; 33]);
        for bit in 0..33 * 8 {
            let mut body = sealed.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&header, &mut body), Err(SealError));
        }
    }
}

#[test]
fn dialects_2_sign_with_the_session_key_and_never_encrypt() {
    let keys = SessionKeys::derive(
        0x0210,
        &[1; 16],
        &[1; 16],
        SigningAlgorithm::AesGmac,
        Some(Cipher::Aes128Gcm),
        &PreauthHash::default(),
    );
    assert_eq!(keys.cipher(), None);
    assert!(keys.client_to_server().is_none());
    assert_eq!(keys.application(), &[1; 16]);
    let plain = SigningKey::new(SigningAlgorithm::HmacSha256, &[1; 16]);
    assert_eq!(keys.signing().sign(&[2; 64], &[b"x"]), plain.sign(&[2; 64], &[b"x"]));
}

#[test]
fn nonces_differ_and_end_before_they_repeat() {
    fn shared<T: Send + Sync>(_: &T) {}
    let keys = Arc::new(SessionKeys::derive(
        0x0300,
        &[1; 16],
        &[1; 16],
        SigningAlgorithm::AesCmac,
        Some(Cipher::Aes128Ccm),
        &PreauthHash::default(),
    ));
    shared(&keys);
    let signing = || SigningKey::new(SigningAlgorithm::AesCmac, &[1; 16]);
    let other = keys.on_channel(signing(), 0xff_030201);
    let nonce = |start: [u8; 5]| {
        let mut nonce = [0; 16];
        nonce[..5].copy_from_slice(&start);
        Some(nonce)
    };
    assert_eq!(keys.next_nonce(), nonce([0; 5]));
    assert_eq!(other.next_nonce(), nonce([1, 2, 3, 0, 0]), "each channel counts for itself");
    assert_eq!(keys.next_nonce(), nonce([0, 0, 0, 1, 0]));
    other.nonces.store(0x0123, Ordering::Relaxed);
    assert_eq!(other.next_nonce(), nonce([1, 2, 3, 0x23, 1]));
    keys.nonces.store(0, Ordering::Relaxed);
    keys.nonces.fetch_sub(1, Ordering::Relaxed);
    assert_eq!(keys.next_nonce(), None);
    assert_eq!(keys.next_nonce(), None);
    assert_eq!(alloc::format!("{keys:?}"), "SessionKeys(AesCmac, Some(Aes128Ccm))");
}
