//! SPNEGO and the DER below it.

use super::choice;
use ksmbd_core::{
    auth::{
        Authenticator, ServerNames,
        der::{self, Elements},
        spnego::{NegTokenResp, Token},
    },
    rng::Rng,
    time::FileTime,
};

/// Deeper than any token is.
const DEPTH: usize = 32;

/// The bytes as DER, as a token, and as all blobs of one authentication: each has two bytes of length.
pub(super) fn run(data: &[u8]) {
    elements(data, 0);
    token(data);
    let names = ServerNames::default();
    let (mut authenticator, mut rng) = (Authenticator::new(), Rng::new([1; 32]));
    let mut rest = data;
    while !rest.is_empty() {
        let (low, behind) = choice(rest);
        let (high, behind) = choice(behind);
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (blob, behind) = behind.split_at(length);
        let _ = authenticator.step(blob, &names, FileTime(1), &mut rng);
        rest = behind;
    }
}

/// What is read is inside, and is encoded to itself where its length was the shortest.
fn elements(bytes: &[u8], depth: usize) {
    let mut list = Elements::new(bytes);
    let mut read = 0;
    while let Ok(element) = list.element() {
        read += element.encoded.len();
        assert!(element.content.len() < element.encoded.len() && read <= bytes.len());
        let mut again = Vec::new();
        der::primitive(&mut again, element.tag, element.content);
        assert!(again.len() <= element.encoded.len(), "longer than it need be");
        assert_eq!(der::single(&again, element.tag), Ok(element.content));
        if depth < DEPTH && element.tag & 0x20 != 0 {
            elements(element.content, depth + 1);
        }
    }
}

fn token(bytes: &[u8]) {
    match Token::parse(bytes) {
        Ok(Token::Init(init)) => {
            assert!(init.mechs().count() <= bytes.len());
            let again = init.encode();
            let Ok(Token::Init(again)) = Token::parse(&again) else {
                panic!("{again:02x?}");
            };
            assert_eq!((again.mech_list, again.token), (init.mech_list, init.token));
        }
        Ok(Token::Response(response)) => {
            let again = NegTokenResp::encode(&response);
            assert_eq!(Token::parse(&again), Ok(Token::Response(response)));
        }
        Ok(Token::Ntlm(_)) | Err(_) => {}
    }
}
