//! FSCTL_VALIDATE_NEGOTIATE_INFO: a NEGOTIATE that was changed on its way is found out
//! (MS-SMB2 3.3.5.15.12).

use ksmbd_core::wire::{
    codec::Writer,
    fsctl::{FsctlCode, ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse},
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const OFFERED: [Dialect; 3] = [Dialect::SMB_2_0_2, Dialect::SMB_2_1, Dialect::SMB_3_0];

fn client(w: &World) -> Client {
    let mut a = w.connect();
    a.offer = Offer::of(&OFFERED);
    a.negotiate().ok();
    a.logged_on("alice")
}

fn validate<'a>(a: &'a mut Client, told: &ValidateNegotiateInfoRequest, max: u32) -> Sent<'a> {
    let mut input = Vec::new();
    told.encode(&mut Writer::new(&mut input));
    let code = FsctlCode::VALIDATE_NEGOTIATE_INFO;
    a.request(&body::ioctl(FileId::ANY, code, &input, max))
}

fn truth(a: &Client) -> ValidateNegotiateInfoRequest {
    ValidateNegotiateInfoRequest {
        capabilities: a.offer.capabilities,
        guid: a.offer.guid,
        security_mode: a.offer.security_mode,
        dialects: OFFERED.to_vec(),
    }
}

#[test]
fn what_was_said_is_repeated() {
    let w = World::new();
    let mut a = client(&w);
    let told = truth(&a);
    let answer = validate(&mut a, &told, 24).ok();
    let answer = ValidateNegotiateInfoResponse::parse(answer.data()).unwrap();
    let negotiated = a.negotiated.as_ref().unwrap();
    assert_eq!(answer.dialect, Dialect::SMB_3_0);
    assert_eq!(answer.capabilities, negotiated.capabilities);
    assert_eq!(answer.guid, negotiated.server_guid);
    assert_eq!(answer.security_mode, negotiated.security_mode);
}

#[test]
fn any_difference_drops() {
    type Change = fn(&mut ValidateNegotiateInfoRequest);
    let changes: [Change; 4] = [
        |told| told.capabilities = Capabilities::DFS,
        |told| told.guid[3] ^= 1,
        |told| told.security_mode = SecurityMode::SIGNING_REQUIRED,
        |told| told.dialects.push(Dialect::SMB_3_0_2),
    ];
    for change in changes {
        let w = World::new();
        let mut a = client(&w);
        let mut told = truth(&a);
        change(&mut told);
        assert!(matches!(validate(&mut a, &told, 24).drops(), ConnectionError::Closed(_)));
    }
}

#[test]
fn garbage_drops() {
    let w = World::new();
    let mut a = client(&w);
    let code = FsctlCode::VALIDATE_NEGOTIATE_INFO;
    a.request(&body::ioctl(FileId::ANY, code, &[1, 2, 3], 24)).drops();
}

#[test]
fn no_room_for_the_answer() {
    let w = World::new();
    let mut a = client(&w);
    let told = truth(&a);
    validate(&mut a, &told, 23).is(NtStatus::INVALID_PARAMETER);
}

/// 3.1.1 has pre-authentication integrity instead.
#[test]
fn with_3_1_1_it_drops() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let told = truth(&a);
    validate(&mut a, &told, 24).drops();
}
