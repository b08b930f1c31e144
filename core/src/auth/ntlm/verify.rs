//! Whether an AUTHENTICATE proves what it claims (MS-NLMP 3.2.5.1.2, 3.3.2).

use super::message::{AV_FLAG_MIC, Authenticate, AvId, AvPairs, MIC};
use super::{Flags, hmac_md5, nt_owf_v2, rc4};
use crate::wire::codec::{Malformed, Parse, Reader};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The fixed part of an NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7), before its AV_PAIRs.
const CLIENT_CHALLENGE: usize = 28;

/// The three messages of an exchange as they were sent and received.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// From the client.
    pub negotiate: &'a [u8],
    /// From the server.
    pub challenge: &'a [u8],
    /// From the client.
    pub authenticate: &'a [u8],
}

impl Exchange<'_> {
    /// The message integrity code over all three (MS-NLMP 3.1.5.1.2).
    pub fn mic(&self, session_key: &[u8; 16]) -> [u8; 16] {
        let before = self.authenticate.get(..MIC.start).unwrap_or_default();
        let behind = self.authenticate.get(MIC.end..).unwrap_or_default();
        *hmac_md5(session_key, &[self.negotiate, self.challenge, before, &[0; 16], behind])
    }
}

/// NTProofStr and SessionBaseKey (MS-NLMP 3.3.2): `client` is the response behind its proof.
pub fn compute(
    nt_hash: &[u8; 16],
    user: &[u8],
    domain: &[u8],
    server_challenge: &[u8; 8],
    client: &[u8],
) -> (Zeroizing<[u8; 16]>, Zeroizing<[u8; 16]>) {
    let owf = nt_owf_v2(nt_hash, user, domain);
    let proof = hmac_md5(&owf, &[server_challenge, client]);
    let base = hmac_md5(&owf, &[&*proof]);
    (proof, base)
}

/// An NT response that is longer than NTLMv1's is an NTLMv2 response, and has to be a whole one
/// (MS-NLMP 2.2.2.8): what cannot be read proves nothing, whatever the password.
pub fn is_well_formed(message: &Authenticate<'_>) -> bool {
    const NTLM_V1: usize = 24;
    let response = message.nt_response;
    let pairs = response.get(16usize.saturating_add(CLIENT_CHALLENGE)..);
    response.len() <= NTLM_V1 || pairs.is_some_and(AvPairs::are_whole)
}

/// The session base key, if the client knows the password. Only NTLMv2 in the NT response counts:
/// NTLMv1, LM and LMv2 responses are wrong whatever they hold.
pub fn session_base_key(
    nt_hash: &[u8; 16],
    server_challenge: &[u8; 8],
    message: &Authenticate<'_>,
) -> Option<Zeroizing<[u8; 16]>> {
    let (proof, client) = message.nt_response.split_first_chunk::<16>()?;
    if client.len() < CLIENT_CHALLENGE {
        return None;
    }
    let user = message.wide(message.user);
    let domain = message.wide(message.domain);
    let (expected, base) = compute(nt_hash, &user, &domain, server_challenge, client);
    bool::from(expected.ct_eq(proof)).then_some(base)
}

/// ExportedSessionKey (MS-NLMP 3.2.5.1.2): the client's own choice if keys are exchanged. NTLMv2's
/// KeyExchangeKey is the session base key (3.4.5.1).
pub fn exported_session_key(
    base: &[u8; 16],
    message: &Authenticate<'_>,
) -> Parse<Zeroizing<[u8; 16]>> {
    if !message.flags.contains(Flags::KEY_EXCH) {
        return Ok(Zeroizing::new(*base));
    }
    let encrypted = <[u8; 16]>::try_from(message.session_key)
        .map_err(|_| Malformed("NTLM: the session key is not of 16 bytes"))?;
    let mut key = Zeroizing::new(encrypted);
    rc4(base, &mut *key);
    Ok(key)
}

/// Whether the client says, under its proof, that the message has a MIC (MS-NLMP 2.2.2.1).
pub fn has_mic(message: &Authenticate<'_>) -> bool {
    let pairs =
        message.nt_response.get(16usize.saturating_add(CLIENT_CHALLENGE)..).unwrap_or_default();
    AvPairs::new(pairs)
        .filter(|(id, _)| *id == AvId::FLAGS)
        .filter_map(|(_, value)| Reader::new(value).u32().ok())
        .any(|flags| flags & AV_FLAG_MIC != 0)
}

/// Whether the exchange was received as it was sent. A message without a MIC passes: only clients
/// older than Windows Vista send none, and nobody else's can be taken away unnoticed.
pub fn mic_is_right(
    exchange: Exchange<'_>,
    message: &Authenticate<'_>,
    session_key: &[u8; 16],
) -> bool {
    if !has_mic(message) {
        return true;
    }
    let expected = exchange.mic(session_key);
    message.mic.is_some_and(|mic| expected.ct_eq(&mic).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ntlm::{nt_hash, utf16le};
    use crate::crypto::testing::{hex, hex_array};
    use alloc::vec::Vec;

    const RESPONSE: &str = "68cd0ab851e51c96aabc927bebef6a1c\
        01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000\
        02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000\
        00000000";

    fn message<'a>(names: &'a [Vec<u8>; 2], response: &'a [u8], key: &'a [u8]) -> Authenticate<'a> {
        Authenticate {
            lm_response: &[],
            nt_response: response,
            domain: &names[1],
            user: &names[0],
            workstation: &[],
            session_key: key,
            flags: Flags::from_bits_retain(0xe28a_8233),
            mic: None,
        }
    }

    /// MS-NLMP 4.2.4.
    #[test]
    fn the_example_of_the_specification() {
        let challenge = hex_array("0123456789abcdef");
        let names = [utf16le("User"), utf16le("Domain")];
        let response = hex(RESPONSE);
        let encrypted = hex("c5dad2544fc9799094ce1ce90bc9d03e");
        let message = message(&names, &response, &encrypted);
        let base = session_base_key(&nt_hash("Password"), &challenge, &message).unwrap();
        assert_eq!(base[..], hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
        let key = exported_session_key(&base, &message).unwrap();
        assert_eq!(*key, [0x55; 16]);
        assert!(!has_mic(&message));
        assert!(session_base_key(&nt_hash("password"), &challenge, &message).is_none());
        assert!(session_base_key(&nt_hash("Password"), &[0; 8], &message).is_none());
    }

    #[test]
    fn short_responses_are_wrong_and_short_keys_malformed() {
        let names = [utf16le("User"), utf16le("Domain")];
        for length in [0, 16, 24, 43] {
            let response = &hex(RESPONSE)[..length];
            let message = message(&names, response, &[]);
            assert!(session_base_key(&nt_hash("Password"), &[0; 8], &message).is_none());
            assert!(!has_mic(&message));
            assert!(exported_session_key(&[0; 16], &message).is_err());
        }
    }
}
