//! Breaking what others cache before it is changed under them (MS-SMB2 3.3.4.6, 3.3.4.7, MS-FSA
//! 2.1.4.12). A break ends in one of four ways: it is acknowledged, its opens are closed, its time is
//! over, or nobody is there who could be told.

use super::{Cx, park::Wait, timer::Timer};
use crate::{
    config::Share,
    crypto::SessionKeys,
    id::{ConnId, FileKey, Holder, LeaseId, OpenId, SessionId},
    message::{Notification, Outbound},
    name::SharePath,
    state::{
        State,
        conn::Conn,
        durable::Endurance,
        lease::{Breaking, Kind, Lease, is_stat_open, level_of},
        open::{Open, Stage},
        session::User,
    },
    wire::{
        create_context::LeaseState,
        fscc::AccessMask,
        header::FileId,
        negotiate::Dialect,
        oplock_break::{LeaseBreakFlags, LeaseBreakNotification, OplockBreak, OplockBreakResponse},
    },
};
use alloc::{sync::Arc, vec::Vec};

/// Takes `taken` away from everybody who caches it of a file, but for `mine`; `true` when somebody
/// has `awaited` until he answers.
pub(crate) fn contend<S>(
    cx: &mut Cx<'_, S>,
    key: FileKey,
    mine: Option<Holder>,
    taken: LeaseState,
    awaited: LeaseState,
) -> bool {
    let mut waits = false;
    for holder in cx.state.holders(key) {
        if Some(holder) != mine {
            take(cx, holder, taken);
            waits |= is_awaited(cx.state, holder, awaited);
        }
    }
    waits
}

/// An open, to those who cache the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener {
    /// By what it caches itself.
    pub(crate) mine: Option<Holder>,
    /// What it is granted.
    pub(crate) access: AccessMask,
    /// The file is emptied.
    pub(crate) overwrites: bool,
    /// Who deletes a file on close wants it gone then, and not when others get round to it.
    pub(crate) deletes: bool,
    /// It has waited before: then it waits until nobody is being asked any more.
    pub(crate) patient: bool,
}

/// The same for an open: others may not keep to themselves what they write, nor what they have read
/// when that goes. Who only looks at attributes leaves all of it true (MS-FSA 2.1.4.12, OPEN). All of it
/// is taken at once: the Linux kernel's client does not heed a second break that has the first one's epoch.
pub(crate) fn contend_open<S>(cx: &mut Cx<'_, S>, key: FileKey, opener: Opener) -> bool {
    let mut waited = LeaseState::WRITE_CACHING;
    waited.set(LeaseState::HANDLE_CACHING, opener.deletes);
    let mut taken = waited;
    taken.set(LeaseState::READ_CACHING, opener.overwrites);
    let mut waits = false;
    for holder in cx.state.holders(key) {
        if Some(holder) != opener.mine && !is_stat_open(opener.access, holder) {
            take(cx, holder, taken);
            let awaited = if opener.patient { LeaseState::all() } else { waited };
            waits |= is_awaited(cx.state, holder, awaited);
        }
    }
    waits
}

/// What is in a directory has changed: who caches it is told, but for whoever changed it under that
/// very lease (MS-FSA 2.1.4.12, PARENT_OBJECT). Comes after the change, so that who looks again
/// sees it.
pub(crate) fn directory_changed<S>(
    cx: &mut Cx<'_, S>,
    share: &Share,
    directory: &SharePath,
    by: Option<OpenId>,
) {
    let State { directories, leases, opens, .. } = &*cx.state;
    if directories.is_empty() {
        return;
    }
    let mine = by.and_then(|open| cx.state.parent_lease(open));
    let is_it = |open: &OpenId| {
        let place = opens.get(open).and_then(Open::place);
        place.is_some_and(|place| place.is_at(share, directory))
    };
    let caches = |id: &LeaseId| {
        let lease = leases.get(&Holder::Lease(*id));
        Some(*id) != mine && lease.is_some_and(|lease| lease.opens.iter().any(is_it))
    };
    let told: Vec<_> = directories.iter().copied().filter(caches).collect();
    for id in told {
        take(cx, Holder::Lease(id), LeaseState::READ_CACHING);
    }
}

/// A break is under way, and until it ends this holder caches something of `awaited`.
pub(crate) fn is_awaited(state: &State, holder: Holder, awaited: LeaseState) -> bool {
    let breaking = state.leases.get(&holder).filter(|lease| lease.breaking.is_some());
    breaking.is_some_and(|lease| lease.state.intersects(awaited))
}

/// Takes `taken` away from one holder.
pub(crate) fn take<S>(cx: &mut Cx<'_, S>, holder: Holder, taken: LeaseState) {
    let Some(lease) = cx.state.leases.get_mut(&holder) else {
        return;
    };
    let left = lease.without(taken);
    match &mut lease.breaking {
        // The next break follows the acknowledgment of this one.
        Some(breaking) => breaking.then = left,
        None if left != lease.state => {
            lease.next_epoch();
            start(cx, holder, left, left);
        }
        None => {}
    }
}

/// MS-SMB2 3.3.4.6, 3.3.4.7: who can only read from his cache is told and not asked.
fn start<S>(cx: &mut Cx<'_, S>, holder: Holder, to: LeaseState, then: LeaseState) {
    if is_untold(cx.state, holder) {
        return settle(cx, holder, to);
    }
    let deadline = cx.now.mono + cx.state.config.limits.break_time;
    let Some((on, message)) = notification(cx.state, holder, to) else {
        return abandoned(cx, holder, Breaking { to, then, deadline, on: ConnId::NONE });
    };
    if let Some(lease) = cx.state.leases.get_mut(&holder) {
        if lease.is_asked() {
            lease.breaking = Some(Breaking { to, then, deadline, on });
            cx.flows.timers.set(deadline, Timer::Break(holder));
        } else {
            lease.state = to;
        }
    }
    cx.send(on, Outbound::Notification(message));
}

/// The CREATE that this was granted to is under way, so that nothing is cached yet. It will be told
/// what is left: nobody is asked, and nobody hears of a break before he hears of what is broken.
fn is_untold(state: &State, holder: Holder) -> bool {
    let is_under_way = |open: &Open| !open.told && open.stage != Stage::Kept;
    let untold = |id: &OpenId| state.opens.get(id).is_some_and(is_under_way);
    state.leases.get(&holder).is_some_and(|lease| lease.opens.iter().all(untold))
}

/// A connection is gone: who was being asked on it is asked again on another (MS-SMB2 3.3.4.6,
/// 3.3.4.7), in the time that is left.
pub(crate) fn connection_lost<S>(cx: &mut Cx<'_, S>, conn: ConnId) {
    let asked = |lease: &Lease| lease.breaking.filter(|breaking| breaking.on == conn);
    let lost = cx.state.leases.iter().filter_map(|(id, lease)| Some((*id, asked(lease)?)));
    for (holder, breaking) in lost.collect::<Vec<_>>() {
        let Some((on, message)) = notification(cx.state, holder, breaking.to) else {
            abandoned(cx, holder, Breaking { on: ConnId::NONE, ..breaking });
            continue;
        };
        if let Some(lease) = cx.state.leases.get_mut(&holder) {
            lease.breaking = Some(Breaking { on, ..breaking });
        }
        cx.send(on, Outbound::Notification(message));
    }
}

/// Where a holder is told what it did not ask for, and the session that protects it: the one place
/// where that is chosen. An oplock's on the connection of its open, a lease's on one of its client:
/// nobody else's has its key. From 3.0 on all the client's connections know it, so that its oldest is as
/// good, if the same user is on it: a ClientGuid is no secret, and who moves on to another connection may
/// leave others behind on a dead one.
fn channel(state: &State, holder: Holder) -> Option<(ConnId, SessionId, Option<Arc<SessionKeys>>)> {
    let lease = state.leases.get(&holder)?;
    let is_theirs = |conn: &Conn| match holder {
        Holder::Open(_) => true,
        Holder::Lease(id) => {
            conn.negotiated.is_some_and(|settled| settled.client_guid == id.client)
        }
    };
    let own = |id: &OpenId| {
        let open = state.opens.get(id)?;
        let session = state.sessions.get(&open.session)?;
        let user = session.user.as_ref()?;
        let there = |conn: &ConnId| state.conns.get(conn).is_some_and(is_theirs);
        let (conn, channel) = session.channels.iter().find(|(conn, _)| there(conn))?;
        // Encrypted where the session's or the tree's answers are, with the channel's nonces.
        let keys = channel.keys.clone().filter(|_| user.encrypt || open.share.encrypt);
        Some((*conn, open.session, user, keys))
    };
    let (conn, session, user, keys) = lease.opens.iter().find_map(own)?;
    let is_users = |(id, conn): &(&ConnId, &Conn)| {
        let dialect = conn.dialect().is_some_and(|dialect| dialect >= Dialect::SMB_3_0);
        let mut users = conn.sessions.iter().filter_map(|session| {
            state.session(**id, *session).and_then(|session| session.user.as_ref())
        });
        let is_same = |other: &User| other.is_same(user.kind, &user.account, &user.identity);
        dialect && is_theirs(conn) && users.any(is_same)
    };
    let oldest = match holder {
        // Another connection has not got this session's keys.
        Holder::Lease(_) if keys.is_none() => state.conns.iter().find(is_users).map(|(id, _)| *id),
        _ => None,
    };
    Some((oldest.unwrap_or(conn), session, keys))
}

/// What to tell whom, if anybody is there.
fn notification(state: &State, holder: Holder, to: LeaseState) -> Option<(ConnId, Notification)> {
    let lease = state.leases.get(&holder)?;
    let (conn, session, keys) = channel(state, holder)?;
    let (session_id, body) = match holder {
        Holder::Open(id) => (session.0, oplock_message(state.opens.get(&id)?.file_id(), to)),
        Holder::Lease(id) => (0, lease_message(id, lease, to)),
    };
    let seal = keys.map(|keys| (session, keys));
    Some((conn, Notification { session_id, seal, body }))
}

fn oplock_message(file_id: FileId, to: LeaseState) -> OplockBreakResponse {
    OplockBreakResponse::Oplock(OplockBreak { oplock_level: level_of(to), file_id })
}

fn lease_message(id: LeaseId, lease: &Lease, to: LeaseState) -> OplockBreakResponse {
    let mut flags = LeaseBreakFlags::empty();
    flags.set(LeaseBreakFlags::ACK_REQUIRED, lease.is_asked());
    let new_epoch = match lease.kind {
        Kind::V2 { epoch, .. } => epoch,
        _ => 0,
    };
    OplockBreakResponse::LeaseNotification(LeaseBreakNotification {
        new_epoch,
        flags,
        lease_key: id.key,
        current_lease_state: lease.state.bits(),
        new_lease_state: to.bits(),
    })
}

/// Whoever caches this cannot be told, for there is no connection: the one place where it is decided
/// what becomes of that. What was promised to stay open only as long as nobody else needs it goes
/// now; a resilient or persistent open stays, and its client has the time to come back that it would have had to
/// answer. Of anything else nobody comes back, so nothing is cached any more.
fn abandoned<S>(cx: &mut Cx<'_, S>, holder: Holder, breaking: Breaking) {
    let opens = cx.state.leases.get(&holder).map(|lease| lease.opens.clone()).unwrap_or_default();
    let of_kind = |kinds: &[Endurance]| {
        let stays = |id: &&OpenId| {
            let open = cx.state.opens.get(id).filter(|open| open.stage == Stage::Kept);
            open.is_some_and(|open| kinds.contains(&open.claim.endurance))
        };
        opens.iter().filter(stays).copied().collect::<Vec<_>>()
    };
    let durable = of_kind(&[Endurance::Durable]);
    let stays = of_kind(&[Endurance::Resilient, Endurance::Persistent]);
    if durable.is_empty() && stays.is_empty() {
        return settle(cx, holder, LeaseState::empty());
    }
    cx.flows.purged.extend(durable);
    if let Some(lease) = cx.state.leases.get_mut(&holder) {
        lease.breaking = Some(breaking);
        cx.flows.timers.set(breaking.deadline, Timer::Break(holder));
    }
}

/// Nobody answered in time: nothing is cached any more, whatever the holder believes.
pub(crate) fn timed_out<S>(cx: &mut Cx<'_, S>, holder: Holder) {
    settle(cx, holder, LeaseState::empty());
}

/// A break ends here: this is what is cached from now on, and who waited checks again.
pub(crate) fn settle<S>(cx: &mut Cx<'_, S>, holder: Holder, state: LeaseState) {
    let Some(lease) = cx.state.leases.get_mut(&holder) else {
        return;
    };
    lease.state = state;
    if let Some(breaking) = lease.breaking.take() {
        cx.flows.timers.clear(breaking.deadline, Timer::Break(holder));
        if !breaking.then.contains(state) {
            cx.flows.unfinished.push((holder, breaking.then & state));
        }
    }
    let file = lease.file;
    if let Holder::Open(open) = holder
        && state.is_empty()
    {
        // An oplock of nothing is none; a lease keeps its key.
        cx.state.stop_caching(open);
    }
    cx.flows.parking.wake(Wait::File(file));
}

/// What was found to be in the way while a break was under way. It comes after the answer to the
/// acknowledgment, as the state has it, and is the same change to the client: it has its epoch.
/// Handles go first, and what was read when it can go without a word (smb2.lease.breaking3).
pub(crate) fn finish<S>(cx: &mut Cx<'_, S>) {
    for (holder, then) in core::mem::take(&mut cx.flows.unfinished) {
        let Some(lease) = cx.state.leases.get(&holder) else {
            continue;
        };
        let reads = lease.state & LeaseState::READ_CACHING;
        let to = if lease.is_asked() { then | reads } else { then };
        start(cx, holder, to, then);
    }
}

/// The open caches no more: its oplock, or its part in a lease, goes.
pub(crate) fn leave<S>(cx: &mut Cx<'_, S>, open: OpenId) {
    let Some(holder) = cx.state.holder(open) else {
        return;
    };
    if let Some(lease) = cx.state.stop_caching(open)
        && let Some(breaking) = lease.breaking
    {
        cx.flows.timers.clear(breaking.deadline, Timer::Break(holder));
    }
}
