//! Whole exchanges between [`NtlmClient`] and [`Authenticator`], and one recorded with Windows.

use super::ntlm::client::{Credentials, NtlmClient, Wrapping};
use super::ntlm::nt_hash;
use super::*;
use crate::crypto::testing::{hex, hex_array};
use alloc::vec;

const WRAPPINGS: [Wrapping; 3] = [Wrapping::Raw, Wrapping::Spnego, Wrapping::KerberosFirst];

fn names() -> ServerNames {
    ServerNames {
        netbios_computer: "NAS".into(),
        netbios_domain: "NAS".into(),
        dns_computer: "nas.example".into(),
        dns_domain: "example".into(),
    }
}

fn rng() -> Rng {
    Rng::new([1; 32])
}

fn user() -> Credentials {
    Credentials::new("Jörg", "HOME", "sesam")
}

/// Feeds one blob to the server.
fn step(server: &mut Authenticator, blob: &[u8]) -> Result<AuthStep, NtStatus> {
    server.step(blob, &names(), FileTime(132_000_000_000_000_000), &mut rng())
}

/// Goes through the exchange until the client's AUTHENTICATE has been answered. `meddle` sees every
/// blob on its way: the client's are even.
fn exchange(
    client: &mut NtlmClient,
    server: &mut Authenticator,
    mut meddle: impl FnMut(usize, &mut Vec<u8>),
) -> Result<AuthStep, NtStatus> {
    let mut rng = Rng::new([2; 32]);
    let mut blob = client.start();
    for turn in 0..3 {
        meddle(turn * 2, &mut blob);
        let AuthStep::Continue(mut token) = step(server, &blob)? else {
            panic!("the server did without AUTHENTICATE")
        };
        meddle(turn * 2 + 1, &mut token);
        blob = client.answer(&token, &mut rng).unwrap();
        if client.session_key().is_some() {
            meddle(turn * 2 + 2, &mut blob);
            return step(server, &blob);
        }
    }
    panic!("the exchange does not end")
}

/// The whole exchange with the right password.
fn log_on(
    client: &mut NtlmClient,
    meddle: impl FnMut(usize, &mut Vec<u8>),
) -> Result<Proof, NtStatus> {
    let mut server = Authenticator::new();
    match exchange(client, &mut server, meddle)? {
        AuthStep::NeedAccount { user, domain, .. } => {
            assert_eq!((&user[..], &domain[..]), ("Jörg", "HOME"));
            server.account(AccountSecret::NtHash(nt_hash("sesam")))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_get_the_same_key() {
    for wrapping in WRAPPINGS {
        for with_mic in [true, false] {
            for without in [Flags::empty(), Flags::KEY_EXCH, Flags::SIGN, Flags::KEY_128] {
                let mut client = NtlmClient::new(user(), wrapping);
                client.flags.remove(without);
                client.with_mic = with_mic;
                let proof = log_on(&mut client, |_, _| ());
                if wrapping == Wrapping::KerberosFirst && !with_mic && without != Flags::SIGN {
                    assert_eq!(proof.unwrap_err(), NtStatus::ACCESS_DENIED);
                    continue;
                }
                let proof = proof.unwrap();
                assert_eq!(client.session_key(), Some(&*proof.session_key));
                client.finish(&proof.token).unwrap();
            }
        }
    }
}

#[test]
fn clients_without_extended_security_or_unicode_get_in() {
    for without in [Flags::EXTENDED_SESSIONSECURITY, Flags::REQUEST_TARGET] {
        let mut client = NtlmClient::new(user(), Wrapping::Spnego);
        client.flags.remove(without);
        let proof = log_on(&mut client, |_, _| ()).unwrap();
        client.finish(&proof.token).unwrap();
    }
    let mut client = NtlmClient::new(user(), Wrapping::Raw);
    client.flags.remove(Flags::UNICODE | Flags::OEM);
    let refused = step(&mut Authenticator::new(), &client.start());
    assert_eq!(refused.unwrap_err(), NtStatus::INVALID_PARAMETER);
}

/// What somebody else has found out of an exchange is as good as the hash, in this exchange only.
#[test]
fn a_checked_proof_is_as_good_as_the_hash() {
    let claimed = |rng: &mut Rng| {
        let mut client = NtlmClient::new(user(), Wrapping::Spnego);
        let mut server = Authenticator::new();
        let first = client.start();
        let answer = server.step(&first, &names(), FileTime(1), rng).unwrap();
        let AuthStep::Continue(token) = answer else { panic!("{answer:?}") };
        let last = client.answer(&token, rng).unwrap();
        server.step(&last, &names(), FileTime(1), rng).unwrap();
        (client, server)
    };
    let mut rng = rng();
    let (client, mut server) = claimed(&mut rng);
    assert_eq!(server.base_key(&nt_hash("Sesam")), None);
    let base = server.base_key(&nt_hash("sesam"));
    let proof = server.account(AccountSecret::Checked(base.clone())).unwrap();
    assert_eq!(client.session_key(), Some(&*proof.session_key));
    client.finish(&proof.token).unwrap();
    assert_eq!(server.base_key(&nt_hash("sesam")), None, "nothing is claimed any more");

    let (_, mut another) = claimed(&mut rng);
    assert!(another.account(AccountSecret::Checked(base)).is_err());
    let (_, mut wrong) = claimed(&mut rng);
    let refused = wrong.account(AccountSecret::Checked(None)).unwrap_err();
    assert_eq!(refused, NtStatus::LOGON_FAILURE);
}

#[test]
fn a_wrong_password_looks_like_an_unknown_user() {
    for wrapping in WRAPPINGS {
        for secret in [AccountSecret::NtHash(nt_hash("Sesam")), AccountSecret::Unknown] {
            let mut client = NtlmClient::new(user(), wrapping);
            let mut server = Authenticator::new();
            exchange(&mut client, &mut server, |_, _| ()).unwrap();
            let refused = server.account(secret).unwrap_err();
            assert_eq!(refused, NtStatus::LOGON_FAILURE);
            let again = server.account(AccountSecret::NtHash(nt_hash("sesam")));
            assert_eq!(again.unwrap_err(), NtStatus::INTERNAL_ERROR);
        }
    }
}

#[test]
fn a_guest_is_let_in_without_a_mic() {
    for (wrapping, token) in
        [(Wrapping::Raw, vec![]), (Wrapping::Spnego, hex("a1073005a0030a0100"))]
    {
        let mut client = NtlmClient::new(user(), wrapping);
        let mut server = Authenticator::new();
        exchange(&mut client, &mut server, |_, _| ()).unwrap();
        server.account(AccountSecret::Unknown).unwrap_err();
        assert_eq!(server.accept_without_keys(), token);
    }
}

#[test]
fn nobody_is_recognised() {
    for wrapping in WRAPPINGS {
        let mut client = NtlmClient::new(Credentials::anonymous(), wrapping);
        let mut server = Authenticator::new();
        let step = exchange(&mut client, &mut server, |_, _| ());
        let Ok(AuthStep::Anonymous(proof)) = step else { panic!("{step:?}") };
        assert_eq!(client.session_key(), Some(&*proof.session_key));
        client.finish(&proof.token).unwrap();
    }
}

#[test]
fn a_changed_negotiate_breaks_the_mic() {
    // The flags of NEGOTIATE, in the middle of the blob.
    let proof = log_on(&mut NtlmClient::new(user(), Wrapping::Raw), |turn, blob| {
        if turn == 0 {
            blob[12] ^= 0x80;
        }
    });
    assert_eq!(proof.unwrap_err(), NtStatus::INVALID_PARAMETER);
}

#[test]
fn a_changed_list_of_mechanisms_breaks_its_mic() {
    let mut client = NtlmClient::new(user(), Wrapping::KerberosFirst);
    let proof = log_on(&mut client, |turn, blob| {
        let oid = Mech::Kerberos.oid();
        let at = blob.windows(oid.len()).position(|bytes| bytes == oid);
        if let (0, Some(at)) = (turn, at) {
            blob[at + 8] = 9;
        }
    });
    assert_eq!(proof.unwrap_err(), NtStatus::ACCESS_DENIED);
}

#[test]
fn the_choice_is_announced_once() {
    let mut tokens = vec![];
    let mut client = NtlmClient::new(user(), Wrapping::KerberosFirst);
    log_on(&mut client, |turn, blob| {
        if turn % 2 == 1 {
            tokens.push(blob.clone());
        }
    })
    .unwrap();
    assert_eq!(tokens.len(), 2);
    let expected = hex("a1153013 a0030a0103 a10c060a2b06010401823702020a");
    assert_eq!(tokens[0], expected);
    let Ok(Token::Response(second)) = Token::parse(&tokens[1]) else { panic!() };
    assert_eq!(second.state, Some(NegState::AcceptIncomplete));
    assert_eq!(second.mech, None);
    assert!(second.token.unwrap().starts_with(ntlm::SIGNATURE));
}

#[test]
fn an_ntlm_token_is_taken_whatever_is_preferred() {
    let init = NegTokenInit {
        mech_list: &spnego::mech_list(&[Mech::MsKerberos, Mech::Ntlm]),
        token: Some(&NtlmClient::new(user(), Wrapping::Raw).start()),
        mic: None,
    };
    let step = step(&mut Authenticator::new(), &init.encode());
    let Ok(AuthStep::Continue(token)) = step else { panic!("{step:?}") };
    let Ok(Token::Response(response)) = Token::parse(&token) else { panic!() };
    assert_eq!(response.state, Some(NegState::AcceptIncomplete));
    assert!(response.token.is_some());
}

#[test]
fn what_is_out_of_turn_is_refused() {
    let kerberos =
        NegTokenInit { mech_list: &spnego::mech_list(&[Mech::Kerberos]), token: None, mic: None };
    let refused = step(&mut Authenticator::new(), &kerberos.encode());
    assert_eq!(refused.unwrap_err(), NtStatus::LOGON_FAILURE);

    for wrapping in [Wrapping::Raw, Wrapping::Spnego] {
        let mut client = NtlmClient::new(user(), wrapping);
        let mut server = Authenticator::new();
        let first = client.start();
        let Ok(AuthStep::Continue(token)) = step(&mut server, &first) else { panic!() };
        let last = client.answer(&token, &mut rng()).unwrap();
        assert!(step(&mut server, &first).is_err());
        assert!(step(&mut Authenticator::new(), &last).is_err());
        assert!(step(&mut Authenticator::new(), &[]).is_err());
    }
    let nothing_claimed = Authenticator::new().account(AccountSecret::Unknown);
    assert_eq!(nothing_claimed.unwrap_err(), NtStatus::INTERNAL_ERROR);
}

#[test]
fn ntlm_v1_is_refused_even_with_the_right_password() {
    let mut client = NtlmClient::new(user(), Wrapping::Raw);
    let proof = log_on(&mut client, |turn, blob| {
        if turn == 2 {
            blob[20..24].copy_from_slice(&[24, 0, 24, 0]);
        }
    });
    assert_eq!(proof.unwrap_err(), NtStatus::LOGON_FAILURE);
}

/// No bit of any blob can be flipped or cut off such that the server panics, and none in the last
/// one such that somebody gets in with another key.
#[test]
fn no_flipped_bit_gets_in() {
    for wrapping in WRAPPINGS {
        let last = if wrapping == Wrapping::KerberosFirst { 4 } else { 2 };
        for at in 0..600 {
            for turn in [0, 2, 4] {
                let mut client = NtlmClient::new(user(), wrapping);
                let mut server = Authenticator::new();
                let mut rng = Rng::new([2; 32]);
                let mut blob = client.start();
                let mut changed = false;
                for now in (0..=last).step_by(2) {
                    if now == turn && at < blob.len() * 2 {
                        changed = true;
                        match at % 2 {
                            0 => blob[at / 2] ^= 1 << (at % 7),
                            _ => blob.truncate(at / 2),
                        }
                    }
                    match step(&mut server, &blob) {
                        Ok(AuthStep::Continue(token)) => match client.answer(&token, &mut rng) {
                            Ok(next) => blob = next,
                            Err(_) => break,
                        },
                        Ok(AuthStep::NeedAccount { .. }) => {
                            let secret = AccountSecret::NtHash(nt_hash("sesam"));
                            if let Ok(proof) = server.account(secret) {
                                // The MIC covers the messages, but nothing covers the envelope.
                                assert!(!changed || wrapping != Wrapping::Raw);
                                assert_eq!(client.session_key(), Some(&*proof.session_key));
                            }
                        }
                        Ok(AuthStep::Anonymous(proof)) => panic!("{proof:?}"),
                        Err(_) => break,
                    }
                }
            }
        }
    }
}

/// The logon in Microsoft's "The anatomy of signing and cryptographic keys": Windows 10 on both
/// sides, with a MIC, key exchange and mechListMICs.
#[test]
fn a_logon_recorded_with_windows() {
    let negotiate = "4E544C4D5353500001000000978208E200000000000000000000000000000000\
        060380250000000F";
    let challenge = "4E544C4D53535000020000000C000C003800000015828AE20D1D8BA31179D008\
        000000000000000050005000440000000A0092270000000F53005500540033003100310002000C00\
        53005500540033003100310001000C0053005500540033003100310004000C005300550054003300\
        3100310003000C0053005500540033003100310007000800A1A1F5ADCBAED00100000000";
    let blob = "A18201CB308201C7A0030A0101A28201AA048201A64E544C4D5353500003000000\
        1800180090000000EE00EE00A80000000C000C00580000001A001A0064000000120012007E000000\
        1000100096010000158288E2060380250000000FECAC77A5F385A8BF9C38C706EEEDDCD353005500\
        5400330031003100610064006D0069006E006900730074007200610074006F007200440052004900\
        56004500520033003100310000000000000000000000000000000000000000000000000063078EB6\
        39FE03E20A231C3AE3BF23080101000000000000A1A1F5ADCBAED001BC4AD05F223CC90F00000000\
        02000C0053005500540033003100310001000C0053005500540033003100310004000C0053005500\
        540033003100310003000C0053005500540033003100310007000800A1A1F5ADCBAED00106000400\
        020000000800300030000000000000000000000000300000B61FEFCAA857EA57BF1EDCEBF8974B8E\
        0EBA5A6DFD9D07A31D11B548F8C9D0CC0A0010000000000000000000000000000000000009001600\
        63006900660073002F005300550054003300310031000000000000000000000000003B9BDFF38F5E\
        E8F9663F11A0F4C03A78A31204100100000063775A9A5FD97F0600000000";
    let mut server = Authenticator {
        state: State::Challenged { negotiate: hex(negotiate), challenge: hex(challenge) },
        spnego: Some(Spnego {
            mech_list: spnego::mech_list(&[Mech::Ntlm]),
            chosen: true,
            mic_requested: false,
        }),
    };
    let claimed = step(&mut server, &hex(blob));
    let Ok(AuthStep::NeedAccount { user, domain, workstation }) = claimed else {
        panic!("{claimed:?}")
    };
    assert_eq!(
        [&user[..], &domain[..], &workstation[..]],
        ["administrator", "SUT311", "DRIVER311"]
    );
    let secret = AccountSecret::NtHash(nt_hash("Password01!"));
    let proof = server.account(secret).unwrap();
    let key: [u8; 16] = hex_array("270E1BA896585EEB7AF3472D3B4C75A7");
    assert_eq!(*proof.session_key, key);
    let token = "A11B3019A0030A0100A3120410010000003B453CDC3524164200000000";
    assert_eq!(proof.token, hex(token));
}
