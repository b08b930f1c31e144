//! Opens that outlive the server: what is promised of them is written down before it is said
//! (MS-SMB2 3.3.5.9.10, Open.IsPersistent).

use super::{Cx, Step};
use crate::{
    flow::Running,
    id::{FileKey, OpenId},
    state::{
        durable::Endurance,
        open::{Open, Stage},
        promise::Pending,
    },
    vfs::{Call, Done, Identity, Op, Promise},
};
use alloc::{sync::Arc, vec::Vec};

/// What has to be written down before something is said about this open, if anything has.
pub(super) fn due(cx: &mut Cx<'_>, id: OpenId) -> Option<(Call, Pending)> {
    if !cx.state.concerns_promise(id) {
        return None;
    }
    let key = cx.state.opens.get(&id).and_then(Open::key)?;
    due_of(cx, id, key)
}

/// The same, where it concerns everybody who has the file open.
pub(super) fn due_to_all(cx: &mut Cx<'_>, id: OpenId) -> Option<(Call, Pending)> {
    let key = cx.state.opens.get(&id).and_then(Open::key)?;
    due_of(cx, id, key)
}

fn due_of(cx: &mut Cx<'_>, id: OpenId, key: FileKey) -> Option<(Call, Pending)> {
    let identity = Arc::clone(&cx.state.opens.get(&id)?.identity);
    let (memo, pending) = cx.state.memo(key)?;
    Some((Call { identity, op: Op::Remember(memo) }, pending))
}

/// The call is back; `false`: it is not written, so it must not be said.
pub(super) fn written(cx: &mut Cx<'_>, pending: Pending, done: &Done) -> bool {
    let written = matches!(done, Done::Ok);
    match written {
        true => cx.state.written(pending),
        false => cx.state.unwritten(&pending),
    }
    written
}

/// The open, which nobody was told to be persistent, is not: it is as durable as others are.
pub(super) fn break_off(cx: &mut Cx<'_>, id: OpenId) {
    let Some(open) = cx.state.opens.get(&id) else {
        return;
    };
    if open.claim.endurance != Endurance::Persistent {
        return;
    }
    let durable = cx.state.config.durable_handles && cx.state.caches_handle(open);
    let limits = cx.state.config.limits;
    let Some(open) = cx.state.opens.get_mut(&id) else {
        return;
    };
    let client = open.claim.client;
    let identity = Arc::clone(&open.identity);
    let key = open.key();
    if durable {
        open.claim.endurance = Endurance::Durable;
        open.claim.timeout = open.claim.timeout.min(limits.durable_time);
    } else {
        open.claim.endurance = Endurance::None;
        cx.state.enduring.remove(&client);
    }
    if let Some(key) = key.filter(|key| cx.state.promises.remove(*key, id)) {
        start(cx, key, alloc::vec![id], identity);
    }
    if !durable && cx.state.opens.get(&id).is_some_and(|open| open.stage == Stage::Kept) {
        // Its connection was lost meanwhile.
        cx.flows.purged.push(id);
    }
}

/// An open is closed: the next server is not to find it.
pub(super) fn forget(cx: &mut Cx<'_>, open: &Open) {
    if let Some(key) = open.key().filter(|key| cx.state.promises.remove(*key, open.id)) {
        start(cx, key, alloc::vec![open.id], Arc::clone(&open.identity));
    }
}

/// Nobody has the file open any more: what could not be written is tried once more.
pub(super) fn last_closed(cx: &mut Cx<'_>, key: FileKey) {
    let gone = cx.state.promises.gone_of(key);
    if !gone.is_empty() {
        start(cx, key, gone, Arc::new(Identity::nobody()));
    }
}

/// What a server before this one has promised cannot be kept.
pub(super) fn give_up(cx: &mut Cx<'_>, promise: &Promise) {
    start(cx, promise.key, alloc::vec![promise.id], Arc::clone(&promise.identity));
}

/// Nobody waits for it.
fn start(cx: &mut Cx<'_>, key: FileKey, gone: Vec<OpenId>, identity: Arc<Identity>) {
    let (memo, pending) = cx.state.obituary(key, gone);
    let call = Call { identity, op: Op::Remember(memo) };
    cx.start(None, call, Running::alone(Step::Forgotten(pending)));
}
