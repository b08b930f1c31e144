//! SESSION_SETUP: nothing of the session changes before the proof.

use super::{Cx, Event, durable::Fate, ending};
use crate::{
    auth::{AccountSecret, AuthStep, Authenticator, Proof},
    config::Encryption,
    crypto::SessionKeys,
    flow::{Flow, Handled, Refused, job::Who, park::Wake, refuse},
    id::SessionId,
    message::Outbound,
    state::{
        conn::Settled,
        session::{Session, User, UserKind},
    },
    status::NtStatus,
    vfs::{Account, Call, Done, Identity, Op},
    wire::{
        message::ResponseBody,
        negotiate::SecurityMode,
        session_setup::{
            SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse,
        },
    },
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

#[derive(Debug)]
pub(crate) struct Step {
    authenticator: Box<Authenticator>,
    client_mode: SecurityMode,
}

/// MS-SMB2 3.3.5.5.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: SessionSetupRequest,
) -> Handled<super::Step> {
    let settled = settled(cx, who)?;
    check_encryption(cx, &settled)?;
    if request.flags.contains(SessionSetupFlags::BINDING) {
        // Multichannel is not here, and not advertised.
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.5: no session binding");
    }
    let id = find_or_make(cx, who)?;
    who.session_id = id.0;
    who.session = Some(id);
    let result = exchange(cx, who, id, request);
    if result.is_err() {
        give_up(cx, id);
    }
    result
}

/// The account, or the lack of one, has been found.
pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let id = who.session()?;
    let result = account(cx, who, id, step, event);
    if result.is_err() {
        give_up(cx, id);
    }
    result
}

fn settled(cx: &Cx<'_>, who: &Who) -> Result<Settled, Refused> {
    let conn = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    conn.ok_or(Refused { status: NtStatus::INVALID_PARAMETER, at: "3.3.5.5: not negotiated" })
}

/// `smb3 encryption = mandatory`: clients that cannot are refused.
fn check_encryption(cx: &Cx<'_>, settled: &Settled) -> Result<(), Refused> {
    let mandatory = cx.state.config.encryption == Encryption::Mandatory;
    if mandatory && settled.chosen.cipher.is_none() {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.5: the client cannot encrypt");
    }
    Ok(())
}

/// A new session for SessionId 0, else the client's own: one being set up, or one in use that is
/// authenticated again.
fn find_or_make(cx: &mut Cx<'_>, who: &mut Who) -> Result<SessionId, Refused> {
    let id = SessionId(who.session_id);
    if id.0 != 0 {
        let Some(session) = cx.state.session(who.conn, id) else {
            return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: no such session here");
        };
        if let Some(user) = &session.user {
            if let Some(keys) = &user.keys {
                who.sign = Some(keys.clone());
                who.seal = who.encrypted.then(|| (id, keys.clone()));
            }
            if user.signing_required && !who.signed {
                return refuse(NtStatus::ACCESS_DENIED, "3.3.5.2.4: must be signed");
            }
        }
        return Ok(id);
    }
    let limits = cx.state.config.limits;
    let full = cx.state.sessions.len() >= limits.sessions;
    let new = cx.state.new_session_id();
    let Some(conn) = cx.state.conns.get_mut(&who.conn) else {
        return Err(NtStatus::USER_SESSION_DELETED.into());
    };
    if full || conn.sessions.len() >= limits.sessions_per_connection {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many sessions as allowed");
    }
    conn.sessions.insert(new);
    cx.state.sessions.insert(new, Session::new(who.conn));
    Ok(new)
}

/// One leg of the exchange (MS-SMB2 3.3.5.5.3).
fn exchange(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: SessionId,
    request: SessionSetupRequest,
) -> Handled<super::Step> {
    let config = Arc::clone(&cx.state.config);
    let session = cx.state.sessions.get_mut(&id).ok_or(NtStatus::USER_SESSION_DELETED)?;
    let mut authenticator = session.setup.take().unwrap_or_default();
    if let Some(hash) = who.preauth.take() {
        session.preauth = hash;
    }
    let previous = request.previous_session_id;
    session.previous = (previous != 0 && previous != id.0).then_some(SessionId(previous));
    let blob = &request.security_buffer;
    let step = authenticator.step(blob, &config.names, cx.now.wall, &mut cx.state.rng)?;
    match step {
        AuthStep::Continue(token) => {
            session.setup = Some(authenticator);
            answer(NtStatus::MORE_PROCESSING_REQUIRED, SessionFlags::empty(), token)
        }
        AuthStep::NeedAccount { user, domain, .. } => {
            let client_mode = request.security_mode;
            let step = super::Step::SessionSetup(Step { authenticator, client_mode });
            let identity = Arc::new(Identity::nobody());
            Ok(Flow::Call(Call { identity, op: Op::Logon { user, domain } }, step))
        }
        AuthStep::Anonymous(proof) => anonymous(cx, who, id, &proof),
    }
}

fn account(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: SessionId,
    mut step: Step,
    event: Event,
) -> Handled<super::Step> {
    // The session may have ended while the daemon was asked.
    let alive = cx.state.session(who.conn, id).is_some();
    if !alive {
        return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: the session has ended");
    }
    match event.done() {
        Done::Account(Account::Found { nt_hash, identity }) => {
            let proof = step.authenticator.account(AccountSecret::NtHash(*nt_hash))?;
            let kind = UserKind::Account;
            commit(cx, who, id, Proven { kind, identity, proof, mode: step.client_mode })
        }
        Done::Account(Account::Unknown { guest }) => {
            // Asked even so, so that unknown names take the time that known ones take.
            let failed = step.authenticator.account(AccountSecret::Unknown);
            let Some(identity) = guest else {
                let status = failed.err().unwrap_or(NtStatus::LOGON_FAILURE);
                return refuse(status, "3.3.5.5.3: no such account");
            };
            let proof = Proof {
                user: identity.name.clone(),
                domain: String::new(),
                session_key: Default::default(),
                token: step.authenticator.accept_without_keys(),
            };
            let kind = UserKind::Guest;
            commit(cx, who, id, Proven { kind, identity, proof, mode: step.client_mode })
        }
        Done::Failed(error) => Err(error.status().into()),
        _ => Err(NtStatus::INTERNAL_ERROR.into()),
    }
}

fn anonymous(cx: &mut Cx<'_>, who: &mut Who, id: SessionId, proof: &Proof) -> Handled<super::Step> {
    if !cx.state.config.allow_anonymous {
        return refuse(NtStatus::ACCESS_DENIED, "anonymous sessions are not allowed");
    }
    let proof = Proof {
        user: String::new(),
        domain: String::new(),
        session_key: Default::default(),
        token: proof.token.clone(),
    };
    let identity = Arc::new(Identity::nobody());
    let mode = SecurityMode::empty();
    commit(cx, who, id, Proven { kind: UserKind::Anonymous, identity, proof, mode })
}

/// Who the client has shown to be.
struct Proven {
    kind: UserKind,
    identity: Arc<Identity>,
    proof: Proof,
    mode: SecurityMode,
}

/// The only place where a session becomes somebody's (MS-SMB2 3.3.5.5.3).
fn commit(cx: &mut Cx<'_>, who: &mut Who, id: SessionId, proven: Proven) -> Handled<super::Step> {
    let settled = settled(cx, who)?;
    let config = Arc::clone(&cx.state.config);
    let mandatory = config.encryption == Encryption::Mandatory;
    if proven.kind != UserKind::Account && (config.require_signing || mandatory) {
        let at = "guests have no keys: refused where signing or encryption is required";
        return refuse(NtStatus::ACCESS_DENIED, at);
    }
    let session = cx.state.sessions.get_mut(&id).ok_or(NtStatus::USER_SESSION_DELETED)?;
    let new = session.user.is_none();
    let keys = match &session.user {
        // MS-SMB2 3.3.5.5.2: authenticating again keeps the keys.
        Some(user) => user.keys.clone(),
        None if proven.kind == UserKind::Account => {
            Some(Arc::new(derive(&settled, &proven.proof, &session.preauth)))
        }
        None => None,
    };
    let asks = proven.mode.contains(SecurityMode::SIGNING_REQUIRED);
    let user = User {
        kind: proven.kind,
        account: proven.proof.user,
        identity: proven.identity,
        signing_required: keys.is_some() && (asks || config.require_signing),
        encrypt: keys.is_some() && mandatory,
        keys: keys.clone(),
    };
    let (flags, previous) = (flags(&user), session.previous.take());
    let same_user = user.clone();
    session.user = Some(user);
    if let Some(previous) = previous {
        end_previous(cx, previous, &same_user);
    }
    if new {
        cx.send(who.conn, Outbound::Keys(id, keys.clone()));
    }
    if who.seal.is_none() {
        who.sign = keys;
    }
    answer(NtStatus::SUCCESS, flags, proven.proof.token)
}

fn derive(settled: &Settled, proof: &Proof, preauth: &crate::crypto::PreauthHash) -> SessionKeys {
    let key = &proof.session_key;
    let chosen = &settled.chosen;
    SessionKeys::derive(chosen.dialect.0, key, &key[..], chosen.signing, chosen.cipher, preauth)
}

fn flags(user: &User) -> SessionFlags {
    let mut flags = match user.kind {
        UserKind::Account => SessionFlags::empty(),
        UserKind::Guest => SessionFlags::IS_GUEST,
        UserKind::Anonymous => SessionFlags::IS_NULL,
    };
    flags.set(SessionFlags::ENCRYPT_DATA, user.encrypt);
    flags
}

/// MS-SMB2 3.3.5.5.3: the session that a client has lost ends, if it was the same user's, as if its
/// connection had been lost: what outlives that can be claimed from the new session.
fn end_previous(cx: &mut Cx<'_>, previous: SessionId, user: &User) {
    let theirs = |other: &User| {
        other.kind == UserKind::Account
            && user.kind == UserKind::Account
            && (&other.account, other.identity.uid) == (&user.account, user.identity.uid)
    };
    let found = cx.state.sessions.get(&previous).and_then(|session| session.user.as_ref());
    if found.is_some_and(theirs) {
        ending::end_session(cx, previous, Wake::LoggedOff, Fate::Keep);
    }
}

/// MS-SMB2 3.3.5.5.3: a session whose authentication fails ends, also one that was in use: who
/// cannot prove again who they are is not let go on. Only the session's own client gets here.
fn give_up(cx: &mut Cx<'_>, id: SessionId) {
    ending::end_session(cx, id, Wake::LoggedOff, Fate::End);
}

fn answer(status: NtStatus, session_flags: SessionFlags, token: Vec<u8>) -> Handled<super::Step> {
    let response = SessionSetupResponse { session_flags, security_buffer: token };
    Flow::answer_with(status, ResponseBody::SessionSetup(response))
}
