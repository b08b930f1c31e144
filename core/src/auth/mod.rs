//! Who the client is: SPNEGO (MS-SPNG) and NTLM (MS-NLMP).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)
)]

pub mod der;
pub mod ntlm;
pub mod spnego;

use crate::rng::Rng;
use crate::status::NtStatus;
use crate::time::FileTime;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use ntlm::message::{Authenticate, Challenge, Negotiate};
use ntlm::verify::{self, Exchange};
use ntlm::{Direction, Flags, SessionSecurity, utf16le};
use spnego::{Mech, NegState, NegTokenInit, NegTokenResp, Token};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The names a server introduces itself with. Outside of a domain, the domain is the computer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// At most 15 characters, in capitals.
    pub netbios_computer: String,
    /// At most 15 characters, in capitals.
    pub netbios_domain: String,
    /// Fully qualified.
    pub dns_computer: String,
    /// May be empty.
    pub dns_domain: String,
}

/// What the account database knows of a user.
pub enum AccountSecret {
    /// The hash of the password, see [`ntlm::nt_hash`].
    NtHash([u8; 16]),
    /// The session base key of this exchange, if its proof is right: somebody else has looked at it
    /// ([`Authenticator::base_key`]).
    Checked(Option<Zeroizing<[u8; 16]>>),
    /// There is no such user, or it may not log on.
    Unknown,
}

impl Drop for AccountSecret {
    fn drop(&mut self) {
        if let Self::NtHash(hash) = self {
            hash.zeroize();
        }
    }
}

impl fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NtHash(_) => "NtHash(..)",
            Self::Checked(_) => "Checked(..)",
            Self::Unknown => "Unknown",
        })
    }
}

/// What is left to do after a security blob.
#[derive(Debug)]
pub enum AuthStep {
    /// Answer STATUS_MORE_PROCESSING_REQUIRED with this token.
    Continue(Vec<u8>),
    /// Look up this account and go on with [`Authenticator::account`].
    NeedAccount {
        /// As the client spelt it.
        user: String,
        /// As the client spelt it; often of no meaning.
        domain: String,
        /// The client's name for itself.
        workstation: String,
    },
    /// The client asks to be nobody. Everybody knows the key of this proof.
    Anonymous(Proof),
}

/// The client is who it says.
pub struct Proof {
    /// As the client spelt it.
    pub user: String,
    /// As the client spelt it.
    pub domain: String,
    /// What all keys of the session derive from.
    pub session_key: Zeroizing<[u8; 16]>,
    /// The token for the last response; empty for NTLM without SPNEGO.
    pub token: Vec<u8>,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({:?} of {:?})", self.user, self.domain)
    }
}

/// One authentication, from the first SESSION_SETUP to the last (MS-SMB2 3.3.5.5.3). It takes a
/// fixed number of steps, so no client can keep it busy.
#[derive(Default)]
pub struct Authenticator {
    state: State,
    spnego: Option<Spnego>,
}

#[derive(Default)]
enum State {
    /// NEGOTIATE is due.
    #[default]
    Start,
    /// AUTHENTICATE is due.
    Challenged { negotiate: Vec<u8>, challenge: Vec<u8> },
    /// The account is being looked up.
    Claimed(Claim),
    /// Nothing is due any more.
    Done,
}

/// All that the client has sent to prove who it is.
struct Claim {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    authenticate: Vec<u8>,
    list_mic: Option<Vec<u8>>,
}

/// The envelope that the client uses.
struct Spnego {
    mech_list: Vec<u8>,
    /// The acceptor's choice has been sent; that is done once.
    chosen: bool,
    /// The client preferred something else, and has been asked to protect its list.
    mic_requested: bool,
}

/// What is wrong with a blob is the client's fault; Windows and Samba say so in this way.
const MALFORMED: NtStatus = NtStatus::INVALID_PARAMETER;

impl Authenticator {
    /// Ready for a first blob.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one security blob, SPNEGO or plain NTLM.
    pub fn step(
        &mut self,
        blob: &[u8],
        names: &ServerNames,
        now: FileTime,
        rng: &mut Rng,
    ) -> Result<AuthStep, NtStatus> {
        match Token::parse(blob).map_err(|_| MALFORMED)? {
            Token::Ntlm(message) => self.message(message, None, names, now, rng),
            Token::Init(init) => {
                if !matches!(self.state, State::Start) || self.spnego.is_some() {
                    return Err(MALFORMED);
                }
                match self.choose(&init)? {
                    Some(message) => self.message(message, None, names, now, rng),
                    // There is nothing to answer yet but the choice (RFC 4178 4.2.2).
                    None => Ok(AuthStep::Continue(self.wrap(&[]))),
                }
            }
            Token::Response(response) => {
                let (Some(message), Some(_)) = (response.token, &self.spnego) else {
                    return Err(MALFORMED);
                };
                self.message(message, response.mic, names, now, rng)
            }
        }
    }

    /// Goes on after the account was looked up. A wrong password and an unknown user are told apart
    /// by nothing, and in about the same time.
    pub fn account(&mut self, found: AccountSecret) -> Result<Proof, NtStatus> {
        let State::Claimed(claim) = core::mem::take(&mut self.state) else {
            self.state = State::Done;
            return Err(NtStatus::INTERNAL_ERROR);
        };
        self.state = State::Done;
        let message = Authenticate::parse(&claim.authenticate).map_err(|_| MALFORMED)?;
        let challenge = Challenge::parse(&claim.challenge).map_err(|_| MALFORMED)?;
        if !verify::is_well_formed(&message) {
            return Err(MALFORMED);
        }
        let base = |hash| verify::session_base_key(hash, &challenge.server_challenge, &message);
        let base = match &found {
            AccountSecret::NtHash(hash) => base(hash),
            AccountSecret::Checked(base) => base.clone(),
            AccountSecret::Unknown => base(&[0; 16]).filter(|_| false),
        };
        let base = base.ok_or(NtStatus::LOGON_FAILURE)?;
        let key = verify::exported_session_key(&base, &message).map_err(|_| MALFORMED)?;
        let exchange = Exchange {
            negotiate: &claim.negotiate,
            challenge: &claim.challenge,
            authenticate: &claim.authenticate,
        };
        if !verify::mic_is_right(exchange, &message, &key) {
            return Err(MALFORMED);
        }
        let token = self.completed(claim.list_mic.as_deref(), message.flags, &key)?;
        Ok(Proof {
            user: message.text(message.user),
            domain: message.text(message.domain),
            session_key: key,
            token,
        })
    }

    /// The session base key that [`Self::account`] would find with this hash, if the proof is right.
    pub fn base_key(&self, nt_hash: &[u8; 16]) -> Option<Zeroizing<[u8; 16]>> {
        let State::Claimed(claim) = &self.state else {
            return None;
        };
        let message = Authenticate::parse(&claim.authenticate).ok()?;
        let challenge = Challenge::parse(&claim.challenge).ok()?;
        verify::session_base_key(nt_hash, &challenge.server_challenge, &message)
    }

    /// The last token for a client that is let in without proof, as a guest. There is no key, so the
    /// server signs nothing.
    pub fn accept_without_keys(&mut self) -> Vec<u8> {
        self.state = State::Done;
        self.accept(None)
    }

    /// Takes up a client's list of mechanisms (RFC 4178 4.2.1); returns the NTLM message that came
    /// with it, if any.
    fn choose<'a>(&mut self, init: &NegTokenInit<'a>) -> Result<Option<&'a [u8]>, NtStatus> {
        let preference = init.mechs().position(|mech| mech == Some(Mech::Ntlm));
        // There is no mechanism in common.
        let preference = preference.ok_or(NtStatus::LOGON_FAILURE)?;
        let optimistic =
            init.token.filter(|token| preference == 0 || token.starts_with(ntlm::SIGNATURE));
        self.spnego = Some(Spnego {
            mech_list: init.mech_list.to_vec(),
            chosen: false,
            mic_requested: preference > 0 && optimistic.is_none(),
        });
        Ok(optimistic)
    }

    /// Takes one NTLM message.
    fn message(
        &mut self,
        message: &[u8],
        list_mic: Option<&[u8]>,
        names: &ServerNames,
        now: FileTime,
        rng: &mut Rng,
    ) -> Result<AuthStep, NtStatus> {
        match core::mem::replace(&mut self.state, State::Done) {
            State::Start => {
                let challenge = challenge(message, names, now, rng)?;
                let token = self.wrap(&challenge);
                let negotiate = message.to_vec();
                self.state = State::Challenged { negotiate, challenge };
                Ok(AuthStep::Continue(token))
            }
            State::Challenged { negotiate, challenge } => self.claim(Claim {
                negotiate,
                challenge,
                authenticate: message.to_vec(),
                list_mic: list_mic.map(<[u8]>::to_vec),
            }),
            State::Claimed(_) | State::Done => Err(MALFORMED),
        }
    }

    /// MS-NLMP 3.2.5.1.2, as far as it goes without the account.
    fn claim(&mut self, claim: Claim) -> Result<AuthStep, NtStatus> {
        let message = Authenticate::parse(&claim.authenticate).map_err(|_| MALFORMED)?;
        if message.is_anonymous() {
            let key = verify::exported_session_key(&[0; 16], &message)
                .unwrap_or_else(|_| Zeroizing::default());
            // Nobody's MIC proves nothing, so a wrong or missing one is not held against anybody.
            let list_mic = claim.list_mic.as_deref();
            let token =
                self.completed(list_mic, message.flags, &key).unwrap_or_else(|_| self.accept(None));
            return Ok(AuthStep::Anonymous(Proof {
                user: String::new(),
                domain: String::new(),
                session_key: key,
                token,
            }));
        }
        let step = AuthStep::NeedAccount {
            user: message.text(message.user),
            domain: message.text(message.domain),
            workstation: message.text(message.workstation),
        };
        self.state = State::Claimed(claim);
        Ok(step)
    }

    /// Checks the client's mechListMIC and makes the last token (RFC 4178 5): a MIC is answered by a
    /// MIC, and it is due where the client preferred something else and signing was agreed on.
    fn completed(
        &self,
        list_mic: Option<&[u8]>,
        flags: Flags,
        key: &[u8; 16],
    ) -> Result<Vec<u8>, NtStatus> {
        let Some(spnego) = &self.spnego else {
            return Ok(Vec::new());
        };
        let keys = |direction| SessionSecurity::new(direction, flags, key);
        let (Some(client), Some(server)) =
            (keys(Direction::ClientToServer), keys(Direction::ServerToClient))
        else {
            return Ok(self.accept(None));
        };
        match list_mic {
            Some(mic) => {
                let expected = client.first_mac(&spnego.mech_list);
                if !bool::from(expected.ct_eq(mic)) {
                    return Err(NtStatus::ACCESS_DENIED);
                }
                let mic = server.first_mac(&spnego.mech_list);
                Ok(self.accept(Some(&mic)))
            }
            None if spnego.mic_requested && flags.contains(Flags::SIGN) => {
                Err(NtStatus::ACCESS_DENIED)
            }
            None => Ok(self.accept(None)),
        }
    }

    fn accept(&self, mic: Option<&[u8]>) -> Vec<u8> {
        if self.spnego.is_none() {
            return Vec::new();
        }
        NegTokenResp { state: Some(NegState::AcceptCompleted), mic, ..NegTokenResp::default() }
            .encode()
    }

    /// Puts a token that is not the last into the client's envelope.
    fn wrap(&mut self, token: &[u8]) -> Vec<u8> {
        let Some(spnego) = &mut self.spnego else {
            return token.to_vec();
        };
        let first = !core::mem::replace(&mut spnego.chosen, true);
        let state = if first && spnego.mic_requested {
            NegState::RequestMic
        } else {
            NegState::AcceptIncomplete
        };
        NegTokenResp {
            state: Some(state),
            mech: first.then_some(Mech::Ntlm.oid()),
            token: Some(token).filter(|token| !token.is_empty()),
            mic: None,
        }
        .encode()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Start => "Authenticator(Start)",
            State::Challenged { .. } => "Authenticator(Challenged)",
            State::Claimed(_) => "Authenticator(Claimed)",
            State::Done => "Authenticator(Done)",
        })
    }
}

/// The answer to a NEGOTIATE (MS-NLMP 3.2.5.1.1).
fn challenge(
    negotiate: &[u8],
    names: &ServerNames,
    now: FileTime,
    rng: &mut Rng,
) -> Result<Vec<u8>, NtStatus> {
    let client = Negotiate::parse(negotiate).map_err(|_| MALFORMED)?.flags;
    let flags = Challenge::answer(client).ok_or(MALFORMED)?;
    let target_name = match (flags.contains(Flags::REQUEST_TARGET), flags) {
        (false, _) => Vec::new(),
        (true, flags) if flags.contains(Flags::UNICODE) => utf16le(&names.netbios_computer),
        (true, _) => names.netbios_computer.clone().into_bytes(),
    };
    Ok(Challenge {
        flags,
        server_challenge: rng.array(),
        target_name: &target_name,
        target_info: &ntlm::message::target_info(names, now),
    }
    .encode())
}

#[cfg(test)]
mod tests;
