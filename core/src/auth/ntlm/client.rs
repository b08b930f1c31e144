//! The client's side, for tests, the simulator and tools: what Windows sends, envelope included.

use super::message::{
    AV_FLAG_MIC, Authenticate, AvId, AvPairs, Challenge, MIC, Negotiate, push_av_pair,
};
use super::verify::{Exchange, compute};
use super::{Direction, Flags, SessionSecurity, nt_hash, rc4, utf16le};
use crate::auth::spnego::{self, Mech, NegState, NegTokenInit, NegTokenResp, Token};
use crate::rng::Rng;
use crate::wire::codec::{Malformed, Parse};
use alloc::string::String;
use alloc::vec::Vec;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Who logs on.
#[derive(Clone)]
pub struct Credentials {
    /// The account; empty to be nobody.
    pub user: String,
    /// Its domain; most servers take any.
    pub domain: String,
    /// The client's own name.
    pub workstation: String,
    /// From [`nt_hash`].
    pub nt_hash: Zeroizing<[u8; 16]>,
}

impl Credentials {
    /// An account with its password.
    pub fn new(user: &str, domain: &str, password: &str) -> Self {
        Self {
            user: user.into(),
            domain: domain.into(),
            workstation: "CLIENT".into(),
            nt_hash: Zeroizing::new(nt_hash(password)),
        }
    }

    /// Nobody.
    pub fn anonymous() -> Self {
        Self::new("", "", "")
    }
}

/// What NTLM's messages are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// Nothing, as the Linux kernel.
    Raw,
    /// SPNEGO with NTLM as the only mechanism, as Windows outside of a domain.
    Spnego,
    /// SPNEGO that prefers Kerberos and has already sent a token for it.
    KerberosFirst,
}

/// One logon.
pub struct NtlmClient {
    credentials: Credentials,
    wrapping: Wrapping,
    /// What the client offers; may be changed before the first message.
    pub flags: Flags,
    /// Whether the AUTHENTICATE gets a MIC.
    pub with_mic: bool,
    negotiate: Vec<u8>,
    session_key: Option<Zeroizing<[u8; 16]>>,
    agreed: Flags,
}

impl NtlmClient {
    /// A logon that offers what Windows offers.
    pub fn new(credentials: Credentials, wrapping: Wrapping) -> Self {
        Self {
            credentials,
            wrapping,
            flags: Flags::from_bits_retain(0xe208_8297),
            with_mic: true,
            negotiate: Vec::new(),
            session_key: None,
            agreed: Flags::empty(),
        }
    }

    /// The blob for the first SESSION_SETUP.
    pub fn start(&mut self) -> Vec<u8> {
        self.negotiate = Negotiate { flags: self.flags }.encode();
        let token = match self.wrapping {
            Wrapping::Raw => return self.negotiate.clone(),
            Wrapping::Spnego => &self.negotiate[..],
            Wrapping::KerberosFirst => b"a ticket",
        };
        NegTokenInit { mech_list: &self.mech_list(), token: Some(token), mic: None }.encode()
    }

    /// The blob that goes on after STATUS_MORE_PROCESSING_REQUIRED.
    pub fn answer(&mut self, blob: &[u8], rng: &mut Rng) -> Parse<Vec<u8>> {
        match Token::parse(blob)? {
            Token::Ntlm(challenge) => self.authenticate(challenge, rng),
            Token::Response(NegTokenResp { token: Some(challenge), .. }) => {
                let message = self.authenticate(challenge, rng)?;
                let mic = self.list_mic(Direction::ClientToServer);
                Ok(NegTokenResp {
                    token: Some(&message),
                    mic: mic.as_ref().map(|mic| &mic[..]),
                    ..NegTokenResp::default()
                }
                .encode())
            }
            Token::Response(NegTokenResp { state: Some(NegState::RequestMic), mech, .. })
                if mech == Some(Mech::Ntlm.oid()) =>
            {
                Ok(NegTokenResp { token: Some(&self.negotiate), ..NegTokenResp::default() }
                    .encode())
            }
            _ => Err(Malformed("the server does not go on with NTLM")),
        }
    }

    /// Takes the blob of the last, successful SESSION_SETUP.
    pub fn finish(&self, blob: &[u8]) -> Parse<()> {
        if self.wrapping == Wrapping::Raw {
            return match blob {
                [] => Ok(()),
                _ => Err(Malformed("NTLM has no fourth message")),
            };
        }
        let Token::Response(response) = Token::parse(blob)? else {
            return Err(Malformed("not the end of a SPNEGO exchange"));
        };
        if response.state != Some(NegState::AcceptCompleted) {
            return Err(Malformed("the server has not completed"));
        }
        match (self.list_mic(Direction::ServerToClient), response.mic) {
            (Some(expected), Some(mic)) if bool::from(expected.ct_eq(mic)) => Ok(()),
            (None, None) => Ok(()),
            _ => Err(Malformed("the server's mechListMIC is wrong")),
        }
    }

    /// The key of the session, once AUTHENTICATE has been built.
    pub fn session_key(&self) -> Option<&[u8; 16]> {
        self.session_key.as_deref()
    }

    fn mech_list(&self) -> Vec<u8> {
        spnego::mech_list(match self.wrapping {
            Wrapping::KerberosFirst => &[Mech::MsKerberos, Mech::Kerberos, Mech::Ntlm],
            _ => &[Mech::Ntlm],
        })
    }

    fn list_mic(&self, direction: Direction) -> Option<[u8; 16]> {
        if !self.with_mic || self.credentials.user.is_empty() {
            return None;
        }
        let key = self.session_key()?;
        let keys = SessionSecurity::new(direction, self.agreed, key)?;
        Some(keys.first_mac(&self.mech_list()))
    }

    /// MS-NLMP 3.1.5.1.2.
    fn authenticate(&mut self, challenge: &[u8], rng: &mut Rng) -> Parse<Vec<u8>> {
        let parsed = Challenge::parse(challenge)?;
        self.agreed = parsed.flags.intersection(self.flags);
        let user = utf16le(&self.credentials.user);
        let domain = utf16le(&self.credentials.domain);
        let (response, base) = self.response(&parsed, [&user, &domain], rng);
        let mut encrypted = [0; 16];
        let mut session_key = base;
        let exchanged = self.agreed.contains(Flags::KEY_EXCH);
        if exchanged {
            let chosen = Zeroizing::new(rng.array());
            encrypted = *chosen;
            rc4(&session_key, &mut encrypted);
            session_key = chosen;
        }
        let mut message = Authenticate {
            lm_response: if user.is_empty() { &[0] } else { &[0; 24] },
            nt_response: &response,
            domain: &domain,
            user: &user,
            workstation: &utf16le(&self.credentials.workstation),
            session_key: if exchanged { &encrypted } else { &[] },
            flags: self.agreed,
            mic: None,
        }
        .encode();
        if self.with_mic {
            let exchange =
                Exchange { negotiate: &self.negotiate, challenge, authenticate: &message };
            let mic = exchange.mic(&session_key);
            if let Some(field) = message.get_mut(MIC) {
                field.copy_from_slice(&mic);
            }
        }
        self.session_key = Some(session_key);
        Ok(message)
    }

    /// The NTLMv2 response and the session base key (MS-NLMP 3.3.2).
    fn response(
        &self,
        challenge: &Challenge<'_>,
        [user, domain]: [&[u8]; 2],
        rng: &mut Rng,
    ) -> (Vec<u8>, Zeroizing<[u8; 16]>) {
        if user.is_empty() {
            return (Vec::new(), Zeroizing::default());
        }
        let mut time = [0; 8];
        let mut pairs = Vec::new();
        for (id, value) in AvPairs::new(challenge.target_info) {
            if let (AvId::TIMESTAMP, Ok(now)) = (id, value.try_into()) {
                time = now;
            }
            push_av_pair(&mut pairs, id, value);
        }
        if self.with_mic {
            push_av_pair(&mut pairs, AvId::FLAGS, &AV_FLAG_MIC.to_le_bytes());
        }
        push_av_pair(&mut pairs, AvId::EOL, &[]);
        let nonce: [u8; 8] = rng.array();
        let client =
            [&[1, 1, 0, 0, 0, 0, 0, 0][..], &time, &nonce, &[0; 4], &pairs, &[0; 4]].concat();
        let key = &self.credentials.nt_hash;
        let (proof, base) = compute(key, user, domain, &challenge.server_challenge, &client);
        ([&proof[..], &client].concat(), base)
    }
}
