//! Opens that outlive their connection: kept when it is lost, closed when nobody comes back for them
//! in time (MS-SMB2 3.3.7.1, 3.3.2.2). How they are promised and claimed is CREATE's.

use super::{Cx, ending};
use crate::{
    flow::{
        NO_OPEN, Refused, breaks,
        job::Who,
        park::{Wait, Wake},
        refuse,
        timer::Timer,
    },
    id::{ConnId, OpenId, SessionId, TreeId},
    state::{
        State,
        conn::Conn,
        durable::{Endurance, Guid},
        lease::Breaking,
        open::{Open, Stage},
    },
    status::NtStatus,
    vfs::FileKind,
    wire::{
        create_context::LeaseState, fsctl::NetworkResiliencyRequest, header::FileId,
        negotiate::Dialect,
    },
};
use alloc::vec::Vec;
use core::time::Duration;

/// What becomes of the opens of a session that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are closed.
    End,
    /// Those that outlive their connection wait for their client.
    Keep,
}

/// Keeps an open whose connection is lost; `false` when it has to go (MS-SMB2 3.3.7.1).
pub(super) fn keep(cx: &mut Cx<'_>, id: OpenId) -> bool {
    let state = &mut *cx.state;
    let Some(open) = state.opens.get(&id).filter(|open| open.stage == Stage::Live) else {
        return false;
    };
    if !endures(state, open) {
        return false;
    }
    let Some(open) = state.opens.get_mut(&id) else {
        return false;
    };
    let until = cx.now.mono + open.claim.timeout;
    open.stage = Stage::Kept;
    let session = core::mem::replace(&mut open.session, SessionId::NONE);
    open.tree = TreeId::NONE;
    open.claim.until = Some(until);
    let idle = open.running == 0;
    state.count_open(session, false);
    cx.flows.timers.set(until, Timer::Kept(id));
    if idle {
        cx.flows.parking.wake(Wait::Idle(id));
    }
    true
}

/// A durable open is worth keeping while nobody else can have changed the file behind its back: as
/// long as the client may cache that it is open.
fn endures(state: &State, open: &Open) -> bool {
    match open.claim.endurance {
        Endurance::None => false,
        Endurance::Durable => state.caches_handle(open),
        Endurance::Resilient | Endurance::Persistent => true,
    }
}

/// Nobody came back for it (MS-SMB2 3.3.2.2).
pub(crate) fn expire(cx: &mut Cx<'_>, id: OpenId) {
    if cx.state.opens.get(&id).is_some_and(|open| open.stage == Stage::Kept) {
        ending::end_open(cx, id, Wake::Closed);
    }
}

/// The server ends, so nobody will: what goes with an open that is closed is still done. For
/// persistent ones the next server will be there.
pub(crate) fn expire_all(cx: &mut Cx<'_>) {
    let kept = cx.state.opens.values().filter(|open| open.stage == Stage::Kept);
    let persists = |open: &Open| open.claim.endurance == Endurance::Persistent;
    let kept: Vec<_> = kept.map(|open| (open.id, persists(open))).collect();
    for (id, persists) in kept {
        match persists {
            true => ending::suspend(cx, id),
            false => expire(cx, id),
        }
    }
}

/// Somebody is back for it: it is theirs before anything else is done. Its FileId is a new one, so
/// that what the old connection still says does not reach it.
pub(super) fn take_back(
    cx: &mut Cx<'_>,
    id: OpenId,
    (session, tree): (SessionId, TreeId),
    client: Guid,
) {
    let volatile = cx.state.new_volatile();
    // It is known without its CREATE's answer.
    cx.state.heard(id);
    let Some(open) = cx.state.opens.get_mut(&id) else {
        return;
    };
    let before = core::mem::replace(&mut open.claim.client, client);
    open.stage = Stage::Live;
    open.volatile = volatile;
    // Nor of what it caches by: that is heard with the answer.
    open.told = false;
    let from = core::mem::replace(&mut open.session, session);
    open.tree = tree;
    if let Some(until) = open.claim.until.take() {
        cx.flows.timers.clear(until, Timer::Kept(id));
    }
    cx.state.count_open(from, false);
    cx.state.count_open(session, true);
    cx.state.enduring.remove(&before);
    cx.state.enduring.add(client);
    learn(cx, id);
}

/// What could not be told the client it learns by the answer that gives it this open: that others need
/// what it caches. Where it has others under the same lease that are still without a connection, that
/// one answer is for all of them.
pub(super) fn learn(cx: &mut Cx<'_>, id: OpenId) {
    let Some(holder) = cx.state.holder(id) else {
        return;
    };
    let Some(lease) = cx.state.leases.get(&holder) else {
        return;
    };
    let untold = |breaking: Breaking| breaking.on == ConnId::NONE || lease.opens == [id];
    if lease.breaking.is_some_and(untold) {
        breaks::settle(cx, holder, LeaseState::empty());
    }
}

/// Promises that the open outlives its connection; `false` where as many do as are allowed.
pub(super) fn promise(
    cx: &mut Cx<'_>,
    id: OpenId,
    endurance: Endurance,
    timeout: Duration,
) -> bool {
    let Some(client) = cx.state.opens.get(&id).map(|open| open.claim.client) else {
        return false;
    };
    let new = cx.state.opens.get(&id).is_some_and(|o| o.claim.endurance == Endurance::None);
    if new && is_full(cx, &client) {
        return false;
    }
    let Some(open) = cx.state.opens.get_mut(&id) else {
        return false;
    };
    open.claim.timeout = timeout;
    if open.claim.endurance != Endurance::Persistent {
        open.claim.endurance = endurance;
    }
    if endurance == Endurance::Persistent {
        cx.state.promises.add(id);
    }
    if new {
        cx.state.enduring.add(client);
    }
    true
}

fn is_full(cx: &Cx<'_>, client: &Guid) -> bool {
    let (enduring, limits) = (&cx.state.enduring, cx.state.config.limits);
    enduring.len() >= limits.durable_opens || enduring.of(client) >= limits.durable_opens_per_client
}

/// FSCTL_LMR_REQUEST_RESILIENCY (MS-SMB2 3.3.5.15.9): the open outlives its connection whatever it
/// caches. A time of 0 is as the server likes.
pub(super) fn resiliency(cx: &mut Cx<'_>, who: &Who, input: &[u8]) -> Result<FileId, Refused> {
    let id = who.open()?;
    let dialect = cx.state.conns.get(&who.conn).and_then(Conn::dialect);
    if dialect.is_none_or(|dialect| dialect == Dialect::SMB_2_0_2) {
        return refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.15.9: not in 2.0.2");
    }
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let file_id = open.file_id();
    let can_be = open.is_of(FileKind::File) && open.claim.owner.is_some();
    if !cx.state.config.durable_handles || !can_be {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.15.9: this open goes with its connection");
    }
    let limits = cx.state.config.limits;
    let asked = NetworkResiliencyRequest::parse(input).ok();
    let timeout = asked.map(|asked| Duration::from_millis(asked.timeout.into()));
    let Some(timeout) = timeout.filter(|timeout| *timeout <= limits.durable_time_max) else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.15.9: too short, or for too long");
    };
    let timeout = if timeout.is_zero() { limits.durable_time } else { timeout };
    if !promise(cx, id, Endurance::Resilient, timeout) {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many durable opens as allowed");
    }
    Ok(file_id)
}
