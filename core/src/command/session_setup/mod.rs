//! SESSION_SETUP: nothing of the session changes before the proof.

mod bind;

use super::{Cx, Event, durable::Fate, ending, gate};
use crate::{
    auth::{AccountSecret, AuthStep, Authenticator, Proof},
    config::Encryption,
    crypto::SessionKeys,
    flow::{
        Flow, Handled, NO_SESSION, OUR_BUG, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::{ConnId, SessionId},
    message::Outbound,
    state::{
        conn::Settled,
        guess::Target,
        room::has_room,
        session::{User, UserKind},
    },
    status::NtStatus,
    time::FileTime,
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
    user: String,
    domain: String,
    /// What the attempt is counted under.
    guess: Target,
}

/// MS-SMB2 3.3.5.5.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: SessionSetupRequest,
) -> Handled<super::Step> {
    let settled = settled(cx, who)?;
    check_encryption(cx, &settled)?;
    let id = match request.flags.contains(SessionSetupFlags::BINDING) {
        true => bind::begin(cx, who, &settled)?,
        false => find_or_make(cx, who, settled)?,
    };
    who.session_id = id.0;
    who.session = Some(id);
    let result = exchange(cx, who, id, request);
    if result.is_err() {
        give_up(cx, who.conn, id);
    }
    result
}

/// The attempt has waited long enough; or the account, or the lack of one, has been found.
pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let id = who.session()?;
    // The session may have ended while the request waited, or the daemon was asked.
    let session = cx.state.sessions.get(&id).filter(|session| !session.ending);
    if !session.is_some_and(|session| session.setups.contains_key(&who.conn)) {
        return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: the session has ended");
    }
    let result = match event {
        Event::Done(done) => account(cx, who, id, step, done),
        Event::Wake(Wake::TimedOut) => look_up(step),
        Event::Wake(Wake::Ready) => attempt(cx, step),
        Event::Wake(Wake::Cancelled) => refuse(NtStatus::CANCELLED, "3.3.5.16: cancelled"),
        Event::Wake(_) => refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: the session has ended"),
    };
    if result.is_err() {
        give_up(cx, who.conn, id);
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
fn find_or_make(cx: &mut Cx<'_>, who: &mut Who, settled: Settled) -> Result<SessionId, Refused> {
    let id = SessionId(who.session_id);
    if id.0 != 0 {
        let Some(session) = cx.state.session(who.conn, id) else {
            gate::sign_to_set_up(cx, who);
            return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: no such session here");
        };
        if let Some(user) = &session.user {
            let channel = session.channels.get(&who.conn);
            if let Some(keys) = channel.and_then(|channel| channel.keys.as_ref())
                && who.signed
            {
                who.sign = Some(keys.clone());
                who.seal = who.encrypted.then(|| (id, keys.clone()));
            }
            // Who has to encrypt is known by that: nobody else ends the session, or makes it his.
            if (user.signing_required || user.encrypt) && !who.signed {
                return refuse(NtStatus::ACCESS_DENIED, "3.3.5.2.4: must be signed");
            }
        }
        return Ok(id);
    }
    make_room(cx, who.conn)?;
    Ok(cx.state.make_session(who.conn, settled, cx.now.mono))
}

/// Where there is no room for one more session, the oldest that is nobody's gives way.
fn make_room(cx: &mut Cx<'_>, conn: ConnId) -> Result<(), Refused> {
    let limits = cx.state.config.limits;
    let own = cx.state.conns.get(&conn).ok_or(NO_SESSION)?.sessions.len();
    let full = |cx: &Cx<'_>| !has_room(limits.sessions, cx.state.sessions.len(), own);
    if full(cx)
        && let Some(old) = cx.state.yielding_session(conn, cx.now.mono)
    {
        cx.state.tally.sessions_ended += 1;
        ending::end_session(cx, old, Wake::LoggedOff, Fate::End);
    }
    if full(cx) || own >= limits.sessions_per_connection {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many sessions as allowed");
    }
    Ok(())
}

/// What the authentication protocol says to a token or to a proof.
const NOT_PROVEN: &str = "3.3.5.5.3: the authentication failed";

/// One leg of the exchange (MS-SMB2 3.3.5.5.3).
fn exchange(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: SessionId,
    request: SessionSetupRequest,
) -> Handled<super::Step> {
    let config = Arc::clone(&cx.state.config);
    let session = cx.state.sessions.get_mut(&id).ok_or(NO_SESSION)?;
    let setup = session.setups.entry(who.conn).or_default();
    let mut authenticator = setup.authenticator.take().unwrap_or_default();
    if let Some(hash) = who.preauth.take() {
        setup.preauth = hash;
    }
    let previous = request.previous_session_id;
    setup.previous = (previous != 0 && previous != id.0).then_some(SessionId(previous));
    let blob = &request.security_buffer;
    let step = authenticator.step(blob, &config.names, cx.now.wall, &mut cx.state.rng);
    let step = step.map_err(|status| status.at(NOT_PROVEN))?;
    match step {
        AuthStep::Continue(token) => {
            setup.authenticator = Some(authenticator);
            answer(NtStatus::MORE_PROCESSING_REQUIRED, SessionFlags::empty(), token)
        }
        AuthStep::NeedAccount { user, domain, .. } => {
            let client_mode = request.security_mode;
            let address = cx.state.conns.get(&who.conn).map(|conn| conn.peer.address.ip());
            let address = address.ok_or(NO_SESSION)?;
            let guess = Target::new(address, &user);
            attempt(cx, Step { authenticator, client_mode, user, domain, guess })
        }
        AuthStep::Anonymous(proof) => anonymous(cx, who, id, &proof),
    }
}

/// Counts the attempt, right or wrong, and lets it wait where there have been many. It waits before
/// the password is looked at: hanging up saves no time, and the wait says nothing about the password.
fn attempt(cx: &mut Cx<'_>, mut step: Step) -> Handled<super::Step> {
    let (now, limits) = (cx.now.mono, cx.state.config.limits);
    let Some((id, delay)) = cx.state.guesses.attempt(&mut step.guess, now, &limits) else {
        return look_up(step);
    };
    cx.state.tally.attempts_delayed += 1;
    let park = Park { wait: Wait::Logon(id), deadline: Some(now + delay), interim: false };
    Ok(Flow::Park(park, super::Step::SessionSetup(step)))
}

fn look_up(step: Step) -> Handled<super::Step> {
    let identity = Arc::new(Identity::nobody());
    let op = Op::Logon { user: step.user.clone(), domain: step.domain.clone() };
    Ok(Flow::Call(Call { identity, op }, super::Step::SessionSetup(step)))
}

/// Who knows the password is not kept waiting for those who do not.
fn proven(cx: &mut Cx<'_>, guess: &Target) {
    if let Some(id) = cx.state.guesses.proven(guess) {
        cx.flows.parking.wake(Wait::Logon(id));
    }
}

fn account(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: SessionId,
    mut step: Step,
    done: Done,
) -> Handled<super::Step> {
    let mut known = |secret, identity, expires| {
        let proof = step.authenticator.account(secret);
        let proof = proof.map_err(|status| status.at(NOT_PROVEN))?;
        proven(cx, &step.guess);
        let (kind, mode) = (UserKind::Account, step.client_mode);
        commit(cx, who, id, Proven { kind, identity, proof, mode, expires })
    };
    match done {
        Done::Account(Account::Found { nt_hash, identity, expires }) => {
            known(AccountSecret::NtHash(*nt_hash), identity, expires)
        }
        Done::Account(Account::Checked { base_key, identity, expires }) => {
            known(AccountSecret::Checked(base_key), identity, expires)
        }
        Done::Account(Account::Unknown { guest }) => {
            // Asked even so, so that unknown names take the time that known ones take.
            let failed = step.authenticator.account(AccountSecret::Unknown);
            let Some(identity) = guest else {
                let status = failed.err().unwrap_or(NtStatus::LOGON_FAILURE);
                return refuse(status, "3.3.5.5.3: no such account");
            };
            // Where everybody is let in, nothing is guessed at.
            proven(cx, &step.guess);
            let proof = Proof {
                user: identity.name.clone(),
                domain: String::new(),
                session_key: Default::default(),
                token: step.authenticator.accept_without_keys(),
            };
            let kind = UserKind::Guest;
            let mode = step.client_mode;
            commit(cx, who, id, Proven { kind, identity, proof, mode, expires: None })
        }
        Done::Failed(error) => Err(error.into()),
        _ => Err(OUR_BUG),
    }
}

impl Step {
    /// What the account comes to in this exchange, and nothing that is of use in another one.
    pub(crate) fn checked(&self, account: &Account) -> Account {
        match account {
            Account::Found { nt_hash, identity, expires } => Account::Checked {
                base_key: self.authenticator.base_key(nt_hash),
                identity: Arc::clone(identity),
                expires: *expires,
            },
            Account::Checked { base_key, identity, expires } => Account::Checked {
                base_key: base_key.clone(),
                identity: Arc::clone(identity),
                expires: *expires,
            },
            Account::Unknown { guest } => Account::Unknown { guest: guest.clone() },
        }
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
    let kind = UserKind::Anonymous;
    commit(cx, who, id, Proven { kind, identity, proof, mode, expires: None })
}

/// Who the client has shown to be.
struct Proven {
    kind: UserKind,
    identity: Arc<Identity>,
    proof: Proof,
    mode: SecurityMode,
    /// Until when this counts.
    expires: Option<FileTime>,
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
    let session = cx.state.sessions.get_mut(&id).ok_or(NO_SESSION)?;
    let setup = session.setups.remove(&who.conn).ok_or(NO_SESSION)?;
    if setup.binding {
        return bind::commit(cx, who, id, &settled, (proven, &setup));
    }
    let new = session.user.is_none();
    let keys = match &session.user {
        // MS-SMB2 3.3.5.5.2: authenticating again keeps the keys.
        Some(user) => user.keys.clone(),
        None if proven.kind == UserKind::Account => {
            Some(Arc::new(derive(&settled, &proven.proof, &setup.preauth)))
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
        expires: proven.expires,
    };
    let channel = session.channels.get_mut(&who.conn).ok_or(NO_SESSION)?;
    if new {
        channel.keys.clone_from(&keys);
    }
    let sign = channel.keys.clone();
    let (flags, same_user) = (flags(&user), user.clone());
    session.user = Some(user);
    cx.state.no_longer_half_open(id);
    cx.state.regard(who.conn, cx.now.mono);
    if let Some(previous) = setup.previous {
        end_previous(cx, previous, &same_user);
    }
    if new {
        cx.send(who.conn, Outbound::Keys(id, keys));
    }
    if who.seal.is_none() {
        who.sign = sign;
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
    let found = cx.state.sessions.get(&previous).and_then(|session| session.user.as_ref());
    if found.is_some_and(|other| other.is_same(user.kind, &user.account, &user.identity)) {
        ending::end_session(cx, previous, Wake::LoggedOff, Fate::Keep);
    }
}

/// MS-SMB2 3.3.5.5.3: a session whose authentication fails ends, also one that was in use: who
/// cannot prove again who they are is not let go on. Only the session's own client gets here. Where a
/// connection wanted to join, the session stays as it was.
fn give_up(cx: &mut Cx<'_>, conn: ConnId, id: SessionId) {
    let Some(session) = cx.state.sessions.get_mut(&id) else {
        return;
    };
    if session.channels.contains_key(&conn) {
        return ending::end_session(cx, id, Wake::LoggedOff, Fate::End);
    }
    session.setups.remove(&conn);
    if let Some(conn) = cx.state.conns.get_mut(&conn) {
        conn.sessions.remove(&id);
    }
}

fn answer(status: NtStatus, session_flags: SessionFlags, token: Vec<u8>) -> Handled<super::Step> {
    let response = SessionSetupResponse { session_flags, security_buffer: token };
    Flow::answer_with(status, ResponseBody::SessionSetup(response))
}
