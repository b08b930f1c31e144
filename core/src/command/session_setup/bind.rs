//! A connection joins a session that another one has made (MS-SMB2 3.3.5.5, 3.3.5.5.3): a second
//! channel. Whoever wants that signs with the session's key and shows again who they are; whatever
//! they are refused for, the session goes on as it was.

use super::{Proven, answer, flags};
use crate::{
    command::{Cx, Step, gate},
    crypto::{SigningAlgorithm, SigningKey},
    flow::{Handled, NO_SESSION, Refused, job::Who, refuse},
    id::SessionId,
    message::{Negotiated, Outbound},
    state::{
        conn::Settled,
        session::{Channel, Session, Setup, User, UserKind},
    },
    status::NtStatus,
    wire::negotiate::Dialect,
};
use alloc::sync::Arc;

/// MS-SMB2 3.3.5.5, with SMB2_SESSION_FLAG_BINDING: each leg of the exchange.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    settled: &Settled,
) -> Result<SessionId, Refused> {
    let id = SessionId(who.session_id);
    gate::sign_to_set_up(cx, who);
    let session = cx.state.sessions.get(&id).filter(|session| !session.ending);
    let user = session.and_then(|session| session.user.as_ref());
    if !cx.state.config_of(who.conn).multi_channel {
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.5: one connection a session");
    }
    if let Some(session) = session.filter(|_| who.signed) {
        check_gmac(&settled.chosen, &session.settled.chosen)?;
    }
    if settled.chosen.dialect < Dialect::SMB_3_0 {
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.5: channels came with 3.0");
    }
    let Some(session) = session else {
        return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.5: no such session");
    };
    if session.channels.contains_key(&who.conn) {
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.5: a channel already");
    }
    check(cx, who, settled, session, user)?;
    reserve(cx, who, id)?;
    Ok(id)
}

/// What the session must be, and what the connection must have in common with its first.
fn check(
    cx: &Cx<'_>,
    who: &Who,
    settled: &Settled,
    session: &Session,
    user: Option<&User>,
) -> Result<(), Refused> {
    let (mine, its) = (&settled.chosen, &session.settled.chosen);
    if mine.dialect != its.dialect {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.5: another dialect");
    }
    if !who.signed {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.5: binding must be signed");
    }
    let Some(user) = user else {
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.5: the session is not set up");
    };
    if user.has_expired(cx.now.wall) {
        return refuse(NtStatus::NETWORK_SESSION_EXPIRED, "3.3.5.5: the session has expired");
    }
    if user.kind != UserKind::Account {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.5: guests have one connection");
    }
    if mine.cipher != its.cipher {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.5: another cipher");
    }
    Ok(())
}

/// Windows tells apart who signs with GMAC and who does not, before anything else; the other two
/// algorithms are the same to it.
fn check_gmac(mine: &Negotiated, its: &Negotiated) -> Result<(), Refused> {
    let gmac = |settled: &Negotiated| settled.signing == SigningAlgorithm::AesGmac;
    match (gmac(its), gmac(mine)) {
        (true, false) => refuse(NtStatus::REQUEST_OUT_OF_SEQUENCE, "3.3.5.5: no GMAC here"),
        (false, true) => refuse(NtStatus::NOT_SUPPORTED, "3.3.5.5: GMAC only here"),
        _ => Ok(()),
    }
}

/// The place among the channels is taken before the proof.
fn reserve(cx: &mut Cx<'_>, who: &Who, id: SessionId) -> Result<(), Refused> {
    let limits = cx.state.config.limits;
    let full = || Refused {
        status: NtStatus::INSUFFICIENT_RESOURCES,
        at: "as many channels, or sessions of a connection, as allowed",
    };
    let session = cx.state.sessions.get_mut(&id).ok_or(NO_SESSION)?;
    let conn = cx.state.conns.get_mut(&who.conn).ok_or(NO_SESSION)?;
    if session.setups.contains_key(&who.conn) {
        return Ok(());
    }
    let many = session.channel_count() >= limits.channels_per_session;
    if many || conn.sessions.len() >= limits.sessions_per_connection {
        return Err(full());
    }
    conn.sessions.insert(id);
    session.setups.insert(who.conn, Setup { binding: true, ..Setup::default() });
    Ok(())
}

/// MS-SMB2 3.3.5.5.3: the same user has shown to be on the other end of this connection, too.
pub(super) fn commit(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: SessionId,
    settled: &Settled,
    (proven, setup): (Proven, &Setup),
) -> Handled<Step> {
    let Proven { kind, identity, proof, .. } = proven;
    let session = cx.state.sessions.get_mut(&id).ok_or(NO_SESSION)?;
    let user = session.user.as_ref().filter(|user| user.is_same(kind, &proof.user, &identity));
    let Some((flags, keys)) = user.and_then(|user| Some((flags(user), user.keys.clone()?))) else {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.5.3: not the session's user");
    };
    let Some(number) = session.new_channel() else {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many channels as nonces can name");
    };
    let (dialect, algorithm) = (settled.chosen.dialect.0, settled.chosen.signing);
    let signing = SigningKey::derive(dialect, &proof.session_key, algorithm, &setup.preauth);
    let keys = Arc::new(keys.on_channel(signing, number));
    session.channels.insert(who.conn, Channel { keys: Some(Arc::clone(&keys)) });
    cx.state.regard(who.conn, cx.now.mono);
    cx.send(who.conn, Outbound::Keys(id, Some(Arc::clone(&keys))));
    who.sign = Some(keys);
    answer(NtStatus::SUCCESS, flags, proof.token)
}
