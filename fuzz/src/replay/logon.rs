//! Logons whose keys are nobody's secret: as if NTLM had come to another session base key, which is written
//! here. What proves a password is zeros; what proves the messages is made anew (MS-NLMP 3.1.5.1.2).

use ksmbd_core::{
    auth::{
        ntlm::{
            Direction, SessionSecurity,
            message::{Authenticate, Challenge, MIC},
            verify::{Exchange, exported_session_key, has_mic, mic_is_right},
        },
        spnego::Token,
    },
    id::ConnId,
    status::NtStatus,
    vfs::Account,
    wire::{
        header::{Command, HEADER_LEN, Header},
        message::{RequestBody, ResponseBody},
    },
};
use std::collections::BTreeMap;

/// The session base key of every logon.
pub const KEY: [u8; 16] = *b"it is no secret.";

/// Bytes of NTProofStr, and of an NTLMv1 response, which is a proof as a whole.
const PROOF: usize = 16;
const NTLM_V1: usize = 24;

/// What was said before the message that proves something.
#[derive(Clone, Debug, Default)]
struct Said {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    /// SPNEGO's list, which mechListMIC is over.
    mech_list: Vec<u8>,
}

/// A token that proves something: all of it, NTLM's message in it, what that says, and mechListMIC.
struct Proven<'a> {
    whole: &'a [u8],
    message: &'a [u8],
    was: Authenticate<'a>,
    list_mic: Option<&'a [u8]>,
}

/// The logons of a recording.
#[derive(Default)]
pub(super) struct Logons {
    /// Of all of them.
    base_keys: Vec<[u8; 16]>,
    /// What a connection has said last.
    begun: BTreeMap<ConnId, Said>,
    /// What was said for a session.
    challenged: BTreeMap<(ConnId, u64), Said>,
}

impl Logons {
    /// What a logon has come to.
    pub(super) fn learn(&mut self, account: &Account) {
        if let Account::Checked { base_key: Some(key), .. } = account {
            self.base_keys.push(**key);
        }
    }

    /// The same with the other key.
    pub(super) fn forget(account: Account) -> Account {
        match account {
            Account::Checked { base_key, identity, expires } => {
                let base_key = base_key.map(|_| KEY.into());
                Account::Checked { base_key, identity, expires }
            }
            other => other,
        }
    }

    /// A SESSION_SETUP: what it proves is made anew.
    pub(super) fn asked(&mut self, conn: ConnId, element: &mut [u8]) {
        let Ok(header) = Header::parse(element) else {
            return;
        };
        let Some(blob) = blob_mut(element) else {
            return;
        };
        let begun = self.begun.entry(conn).or_default();
        let whole = blob.to_vec();
        let (message, list_mic) = match Token::parse(&whole) {
            Ok(Token::Init(init)) => {
                *begun = Said { mech_list: init.mech_list.to_vec(), ..Said::default() };
                (init.token, None)
            }
            Ok(Token::Response(response)) => (response.token, response.mic),
            Ok(Token::Ntlm(message)) => (Some(message), None),
            Err(_) => return,
        };
        let Some(message) = message else {
            return;
        };
        match Authenticate::parse(message) {
            Ok(was) if was.is_anonymous() => {}
            Ok(was) => {
                let said = self.challenged.get(&(conn, header.session_id));
                let said = said.cloned().unwrap_or_default();
                self.prove(&said, blob, Proven { whole: &whole, message, was, list_mic });
            }
            Err(_) => begun.negotiate = message.to_vec(),
        }
    }

    /// An answer: it may be a challenge.
    pub(super) fn answered(&mut self, conn: ConnId, message: &[u8]) {
        let Ok(header) = Header::parse(message) else {
            return;
        };
        let status = header.nt_status();
        if header.command != Command::SESSION_SETUP || status != NtStatus::MORE_PROCESSING_REQUIRED
        {
            return;
        }
        let Ok(ResponseBody::SessionSetup(setup)) =
            ResponseBody::parse(header.command, status, message)
        else {
            return;
        };
        let challenge = match Token::parse(&setup.security_buffer) {
            Ok(Token::Ntlm(challenge)) => Some(challenge),
            Ok(Token::Response(response)) => response.token,
            _ => None,
        };
        if let Some(challenge) = challenge.filter(|challenge| Challenge::parse(challenge).is_ok()) {
            let said = self.begun.get(&conn).cloned().unwrap_or_default();
            let said = Said { challenge: challenge.to_vec(), ..said };
            self.challenged.insert((conn, header.session_id), said);
        }
    }

    /// `blob` becomes what it would be under [`KEY`]. What was proven wrongly stays wrong, but tells as
    /// little about the password that was meant.
    fn prove(&self, said: &Said, blob: &mut [u8], proven: Proven<'_>) {
        let Proven { whole, message, was, list_mic } = proven;
        let exchange = |authenticate| Exchange {
            negotiate: &said.negotiate,
            challenge: &said.challenge,
            authenticate,
        };
        let list_mic_of = |key: &[u8; 16]| {
            let keys = SessionSecurity::new(Direction::ClientToServer, was.flags, key)?;
            Some(keys.first_mac(&said.mech_list))
        };
        let keys = self.base_keys.iter().filter_map(|base| exported_session_key(base, &was).ok());
        let keys: Vec<_> = keys.collect();
        let right = keys.iter().any(|key| mic_is_right(exchange(message), &was, key));
        let list_right = |mic| {
            let own = |key| list_mic_of(key).is_some_and(|own| own == mic);
            keys.iter().any(|key| own(key))
        };
        let proof = if was.nt_response.len() > NTLM_V1 { PROOF } else { was.nt_response.len() };
        blob[place(whole, was.lm_response)].fill(0);
        blob[place(whole, &was.nt_response[..proof])].fill(0);
        let key = exported_session_key(&KEY, &was).unwrap_or_default();
        if was.mic.is_some() && has_mic(&was) {
            let here = place(whole, message);
            let mic = if right { exchange(&blob[here.clone()]).mic(&key) } else { [0; 16] };
            blob[here][MIC].copy_from_slice(&mic);
        }
        if let Some(mic) = list_mic {
            let place = &mut blob[place(whole, mic)];
            match list_mic_of(&key).filter(|own| own.len() == mic.len() && list_right(mic)) {
                Some(own) => place.copy_from_slice(&own),
                None => place.fill(0),
            }
        }
    }
}

/// Where in `whole` a part of it is.
fn place(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let at = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len());
    at..(at + part.len()).min(whole.len())
}

/// SecurityBuffer (MS-SMB2 2.2.5).
fn blob_mut(element: &mut [u8]) -> Option<&mut [u8]> {
    const OFFSET: usize = HEADER_LEN + 12;
    let Ok(RequestBody::SessionSetup(setup)) = RequestBody::parse(Command::SESSION_SETUP, element)
    else {
        return None;
    };
    let at = usize::from(u16::from_le_bytes(*element.get(OFFSET..)?.first_chunk()?));
    element.get_mut(at..at + setup.security_buffer.len())
}
