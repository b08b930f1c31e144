//! Breaking what others cache before it is changed under them (MS-SMB2 3.3.4.6, 3.3.4.7, MS-FSA
//! 2.1.4.12). A break ends in one of four ways: it is acknowledged, its opens are closed, its time is
//! over, or nobody is there who could be told.

use super::{Cx, park::Wait, timer::Timer};
use crate::{
    id::{ConnId, FileKey, Holder, LeaseId, OpenId, SessionId},
    message::{Notification, Outbound},
    state::{
        State,
        durable::Endurance,
        lease::{Breaking, Kind, Lease, is_stat_open, level_of},
        open::Stage,
    },
    time::Instant,
    wire::{
        create_context::LeaseState,
        fscc::AccessMask,
        header::FileId,
        oplock_break::{LeaseBreakFlags, LeaseBreakNotification, OplockBreak, OplockBreakResponse},
    },
};
use alloc::vec::Vec;

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

/// The same for an open with this access. Who only looks at a file's attributes leaves true what is
/// cached of it (MS-FSA 2.1.4.12, OPEN).
pub(crate) fn contend_open<S>(
    cx: &mut Cx<'_, S>,
    key: FileKey,
    mine: Option<Holder>,
    access: AccessMask,
    taken: LeaseState,
) -> bool {
    let mut waits = false;
    for holder in cx.state.holders(key) {
        if Some(holder) != mine && !is_stat_open(access, holder) {
            take(cx, holder, taken);
            waits |= is_awaited(cx.state, holder, LeaseState::WRITE_CACHING);
        }
    }
    waits
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
        None if left != lease.state => start(cx, holder, left),
        None => {}
    }
}

/// MS-SMB2 3.3.4.6, 3.3.4.7: who can only read from his cache is told and not asked.
fn start<S>(cx: &mut Cx<'_, S>, holder: Holder, to: LeaseState) {
    let deadline = cx.now.mono + cx.state.config.limits.break_time;
    let Some((channel, message)) = notification(cx.state, holder, to) else {
        return unheard(cx, holder, to, deadline);
    };
    if let Some(lease) = cx.state.leases.get_mut(&holder) {
        lease.next_epoch();
        if lease.is_asked() {
            lease.breaking = Some(Breaking { to, then: to, deadline });
            cx.flows.timers.set(deadline, Timer::Break(holder));
        } else {
            lease.state = to;
        }
    }
    cx.send(channel, Outbound::Notification(message));
}

/// The connection on which an open's client is told what it did not ask for, and the session.
fn channel(state: &State, open: OpenId) -> Option<(ConnId, SessionId)> {
    let session = state.opens.get(&open)?.session;
    let conn = state.sessions.get(&session)?.conn;
    state.conns.contains_key(&conn).then_some((conn, session))
}

/// What to tell whom, if anybody is there.
fn notification(state: &State, holder: Holder, to: LeaseState) -> Option<(ConnId, Notification)> {
    let lease = state.leases.get(&holder)?;
    let found = lease.opens.iter().find_map(|id| Some((*id, channel(state, *id)?)));
    let (open, (conn, session)) = found?;
    let (session_id, body) = match holder {
        Holder::Open(id) => (session.0, oplock_message(state.opens.get(&id)?.file_id(), to)),
        Holder::Lease(id) => (0, lease_message(id, lease, to)),
    };
    let seal = seal(state, open, session);
    Some((conn, Notification { session_id, seal, body }))
}

fn oplock_message(file_id: FileId, to: LeaseState) -> OplockBreakResponse {
    OplockBreakResponse::Oplock(OplockBreak { oplock_level: level_of(to), file_id })
}

fn lease_message(id: LeaseId, lease: &Lease, to: LeaseState) -> OplockBreakResponse {
    let mut flags = LeaseBreakFlags::empty();
    flags.set(LeaseBreakFlags::ACK_REQUIRED, lease.is_asked());
    let new_epoch = match lease.kind {
        Kind::V2 { epoch, .. } => epoch.wrapping_add(1),
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

/// Encrypted where the session's or the tree's answers are.
fn seal(
    state: &State,
    open: OpenId,
    session: SessionId,
) -> Option<(SessionId, alloc::sync::Arc<crate::crypto::SessionKeys>)> {
    let open = state.opens.get(&open)?;
    let user = state.sessions.get(&session)?.user.as_ref()?;
    let keys = user.keys.clone().filter(|_| user.encrypt || open.share.encrypt)?;
    Some((session, keys))
}

/// Whoever caches this cannot be told. What was promised to stay open only as long as nobody else
/// needs it goes now; a resilient open stays, and its client has the time to come back that it would
/// have had to answer.
fn unheard<S>(cx: &mut Cx<'_, S>, holder: Holder, to: LeaseState, deadline: Instant) {
    let opens = cx.state.leases.get(&holder).map(|lease| lease.opens.clone()).unwrap_or_default();
    let of_kind = |kind| {
        let stays = |id: &&OpenId| {
            let open = cx.state.opens.get(id);
            open.is_some_and(|open| open.stage == Stage::Kept && open.claim.endurance == kind)
        };
        opens.iter().filter(stays).copied().collect::<Vec<_>>()
    };
    let (durable, resilient) = (of_kind(Endurance::Durable), of_kind(Endurance::Resilient));
    if durable.is_empty() && resilient.is_empty() {
        return settle(cx, holder, LeaseState::empty());
    }
    cx.flows.purged.extend(durable);
    if let Some(lease) = cx.state.leases.get_mut(&holder) {
        lease.next_epoch();
        lease.breaking = Some(Breaking { to, then: to, deadline });
        cx.flows.timers.set(deadline, Timer::Break(holder));
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
        if lease.state.intersects(!breaking.then) {
            cx.flows.unfinished.push((holder, lease.state.difference(breaking.then)));
        }
    }
    let file = lease.file;
    cx.flows.parking.wake(Wait::File(file));
}

/// What was found to be in the way while a break was under way. It comes after the answer to the
/// acknowledgment, as the state has it.
pub(crate) fn finish<S>(cx: &mut Cx<'_, S>) {
    for (holder, taken) in core::mem::take(&mut cx.flows.unfinished) {
        take(cx, holder, taken);
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
