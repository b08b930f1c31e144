//! How opens, trees, sessions and connections end: at once for new work, and for good when the calls
//! that use them are back. One mechanism for CLOSE, TREE_DISCONNECT, LOGOFF and hang-up.

use super::{
    Cx, Step, contend,
    durable::{self, Fate},
    notice, promise,
};
use crate::{
    config::Share,
    flow::{
        Running, breaks,
        job::{Job, Who},
        park::{Park, Scope, Wait, Wake},
        timer::Timer,
    },
    id::{ConnId, FileKey, OpenId, SessionId, TreeId},
    message::Outbound,
    state::{
        State,
        conn::Conn,
        open::{Open, Place, Stage, What},
        session::Tree,
    },
    vfs::{Call, Done, Identity, Op},
    wire::header::Command,
};
use alloc::{sync::Arc, vec::Vec};

/// The open takes no new work; what waits on it is woken with `why`.
pub(super) fn end_open(cx: &mut Cx<'_>, id: OpenId, why: Wake) {
    let in_use = |open: &&mut Open| matches!(open.stage, Stage::Live | Stage::Kept);
    let Some(open) = cx.state.opens.get_mut(&id).filter(in_use) else {
        return;
    };
    open.stage = Stage::Closing;
    if let Some(until) = open.claim.until.take() {
        cx.flows.timers.clear(until, Timer::Kept(id));
    }
    if let (Some(key), Some(place), true) = (open.key(), open.place(), open.delete_on_close)
        && let Some(file) = cx.state.files.get_mut(&key)
    {
        // MS-FSA 2.1.5.5: the first close of a delete-on-close handle dooms the name.
        file.doom(place, &open.identity);
        notice::doomed(cx, id);
        contend::delete(cx, id);
    }
    wake_users(cx, id, why);
    advance(cx, id);
}

/// Requests that wait for what an open would have given them. A CLOSE that waits for its own open
/// waits on.
fn wake_users(cx: &mut Cx<'_>, id: OpenId, why: Wake) {
    cx.flows.parking.wake_where(why, |parked| {
        parked.job.who.open == Some(id) && !matches!(parked.park.wait, Wait::Gone(_) | Wait::Turn)
    });
}

/// All opens of a tree end, or wait for their client.
pub(super) fn end_tree(cx: &mut Cx<'_>, session: SessionId, tree: TreeId, why: Wake, fate: Fate) {
    if let Some(found) = cx.state.sessions.get_mut(&session).and_then(|s| s.trees.get_mut(&tree)) {
        found.ending = true;
    }
    for id in cx.state.opens_of(session, Some(tree)) {
        if fate == Fate::Keep && durable::keep(cx, id) {
            wake_users(cx, id, why);
        } else {
            end_open(cx, id, why);
        }
    }
    // A CREATE that waits has no open yet.
    cx.flows.parking.wake_where(why, |parked| {
        let who = &parked.job.who;
        (who.session, who.tree, who.open) == (Some(session), Some(tree), None)
            && !matches!(parked.park.wait, Wait::Gone(_))
    });
}

/// A session ends on all its channels.
pub(super) fn end_session(cx: &mut Cx<'_>, id: SessionId, why: Wake, fate: Fate) {
    let Some(session) = cx.state.sessions.get(&id).filter(|session| !session.ending) else {
        return;
    };
    for conn in session.channels.keys().copied().collect::<Vec<_>>() {
        cx.send(conn, Outbound::ForgetKeys(id));
    }
    end_trees(cx, id, why, fate);
}

/// The same by LOGOFF: the connection it came on forgets the keys after the answer.
pub(super) fn log_off(cx: &mut Cx<'_>, id: SessionId, on: ConnId) {
    let Some(session) = cx.state.sessions.get(&id).filter(|session| !session.ending) else {
        return;
    };
    for conn in session.channels.keys().copied().filter(|conn| *conn != on).collect::<Vec<_>>() {
        cx.send(conn, Outbound::ForgetKeys(id));
    }
    end_trees(cx, id, Wake::LoggedOff, Fate::Keep);
}

/// All trees of a session end; it is found by nobody any more.
fn end_trees(cx: &mut Cx<'_>, id: SessionId, why: Wake, fate: Fate) {
    let Some(session) = cx.state.sessions.get_mut(&id) else {
        return;
    };
    session.ending = true;
    session.setups.values_mut().for_each(|setup| setup.authenticator = None);
    let channels: Vec<_> = session.channels.keys().copied().collect();
    cx.state.no_longer_half_open(id);
    for conn in channels {
        without_session(cx, conn);
    }
    let Some(session) = cx.state.sessions.get(&id) else {
        return;
    };
    for tree in session.trees.keys().copied().collect::<Vec<_>>() {
        end_tree(cx, id, tree, why, fate);
    }
    forget_if_empty(cx, id);
}

/// A connection that has lost its last session has to get another one in time.
fn without_session(cx: &mut Cx<'_>, conn: ConnId) {
    if cx.state.regard(conn, cx.now.mono) {
        let end = cx.now.mono + cx.state.config.limits.setup_time;
        cx.flows.timers.set(end, Timer::Setup(conn));
    }
}

/// A connection is gone. What was begun on it is given up; a session that has other channels stays,
/// and with it what was opened over this one.
pub(crate) fn end_connection(cx: &mut Cx<'_>, id: ConnId) {
    let Some(conn) = cx.state.conns.remove(&id) else {
        return;
    };
    if !conn.leaving {
        cx.state.arrivals.left(conn.peer.address.ip(), id);
    }
    cx.flows.timers.forget(id);
    hand_over(cx, id);
    cx.flows.parking.wake_where(Wake::HungUp, |parked| parked.job.who.conn == id);
    for session in conn.sessions {
        let Some(state) = cx.state.sessions.get_mut(&session) else {
            continue;
        };
        state.channels.remove(&id);
        state.setups.remove(&id);
        if state.channels.is_empty() {
            end_session(cx, session, Wake::HungUp, Fate::Keep);
        }
    }
    breaks::connection_lost(cx, id);
}

/// A CREATE that can come again on another channel of its session goes on for that one: its answer is
/// lost with the connection, but what it makes is known by its CreateGuid, and by its ClientGuid, which
/// the channel has to have, too (MS-SMB2 3.3.5.9.10). One that waits does so as the channel's own requests
/// do, so where as many of them wait as allowed it is given up.
fn hand_over(cx: &mut Cx<'_>, from: ConnId) {
    let (state, flows) = (&mut *cx.state, &mut *cx.flows);
    let limits = state.config.limits;
    let left = limits.parked_bytes.saturating_sub(flows.parking.bytes());
    for job in flows.parking.jobs_mut().filter(|job| job.who.conn == from) {
        let fits = |conn: &Conn| conn.may_wait(&limits, left);
        let Some(to) = heir(state, from, &job.who, fits) else {
            continue;
        };
        job.who.conn = to;
        if let Some(conn) = state.conns.get_mut(&to) {
            conn.count_parked(job.held(), true);
        }
    }
    let running = flows.running.values_mut().filter_map(|running| running.job.as_deref_mut());
    for who in running.map(|job| &mut job.who).filter(|who| who.conn == from) {
        who.conn = heir(state, from, who, |_| true).unwrap_or(from);
    }
}

/// The channel that a request of a lost one goes on for, if there is one.
fn heir(state: &State, from: ConnId, who: &Who, fits: impl Fn(&Conn) -> bool) -> Option<ConnId> {
    let (client, _) = who.creating?;
    let is_one = |id: &ConnId| {
        let conn = state.conns.get(id).filter(|conn| *id != from && fits(conn));
        let settled = conn.and_then(|conn| conn.negotiated);
        settled.is_some_and(|settled| settled.client_guid == client)
    };
    state.sessions.get(&who.session?)?.channels.keys().copied().find(is_one)
}

/// The delete has been tried; whether it worked is for nobody to know but those who watch.
pub(super) fn deleted(cx: &mut Cx<'_>, id: OpenId, done: &Done) {
    if matches!(done, Done::Ok) {
        contend::listing(cx, id);
        notice::deleted(cx, id);
    }
    let Some(open) = cx.state.opens.get_mut(&id) else {
        return;
    };
    let Some((key, place)) = open.key().zip(open.place()) else {
        return remove(cx, id);
    };
    let files = &mut cx.state.files;
    let is_gone = matches!(done, Done::Ok);
    let stream = files.get_mut(&key).filter(|_| key.is_stream());
    if let Some(gone) = stream.and_then(|stream| stream.spare(place)) {
        if is_gone {
            cx.state.changes.lost_name(key);
        }
        // The stream is gone; by now its file may be next.
        open.stage = Stage::Closing;
        cx.out.release(gone.root);
        return advance(cx, id);
    }
    if is_gone {
        cx.state.changes.lost_name(key.base());
    }
    let gone = files.get_mut(&key.base()).and_then(|file| file.spare(place));
    gone.into_iter().for_each(|gone| cx.out.release(gone.root));
    remove(cx, id);
}

/// Goes on closing when nothing uses the open any more.
pub(super) fn advance(cx: &mut Cx<'_>, id: OpenId) {
    let unused = |open: &&mut Open| open.stage == Stage::Closing && open.running == 0;
    let Some(open) = cx.state.opens.get_mut(&id).filter(unused) else {
        return;
    };
    if core::mem::take(&mut open.modified) {
        // Writing shows in the directory when the file is closed (smb2.lease.v2_request).
        contend::listing(cx, id);
    }
    let Some(open) = cx.state.opens.get(&id) else {
        return;
    };
    let Some(call) = open.key().and_then(|key| last_act(cx, key, open)) else {
        return remove(cx, id);
    };
    let closer = open.closer.filter(|conn| cx.state.conns.contains_key(conn));
    let conn = closer.or_else(|| cx.state.oldest_channel(open.session));
    if let Some(open) = cx.state.opens.get_mut(&id) {
        open.stage = Stage::Deleting;
    }
    cx.start(conn, call, Running::alone(Step::DeleteOnClose(id)));
}

/// What goes with the last open: of a stream, with its own; of a file's name, with the last that was
/// made by it, whatever stream it is of (MS-FSA 2.1.5.5). It goes as whoever asked for it: who closes
/// last may not be allowed to.
fn last_act(cx: &Cx<'_>, key: FileKey, open: &Open) -> Option<Call> {
    let (files, mine) = (&cx.state.files, open.place()?);
    let doomed = |key| files.get(&key).and_then(|file| file.doomed(mine));
    let alone = files.get(&key).is_none_or(|file| file.opens.len() <= 1);
    if let Some(stream) = doomed(key).filter(|_| key.is_stream() && alone) {
        let op = Op::DeleteStream { file: open.handle.clone() };
        return Some(Call { identity: stream.by.clone(), op });
    }
    let name = doomed(key.base())?;
    let by_name = |other: &Open| other.place().is_some_and(|place| place.is_same(mine));
    let mut others = cx.state.siblings(key).chain(cx.state.other_streams(key));
    if others.any(|other| other.id != open.id && by_name(other)) {
        return None;
    }
    let Place { root, path, directory, .. } = name.place.clone();
    let op = Op::Delete { root, path, key: key.base(), directory };
    Some(Call { identity: name.by.clone(), op })
}

/// The server ends, and the next one is to find the open as it is: nothing that goes with a CLOSE is
/// done.
pub(super) fn suspend(cx: &mut Cx<'_>, id: OpenId) {
    if let Some(until) = cx.state.opens.get_mut(&id).and_then(|open| open.claim.until.take()) {
        cx.flows.timers.clear(until, Timer::Kept(id));
    }
    cx.state.promises.leave(id);
    remove(cx, id);
}

/// The open leaves the tables: share mode, locks and handle go, and who waited is woken.
fn remove(cx: &mut Cx<'_>, id: OpenId) {
    breaks::leave(cx, id);
    let Some(open) = cx.state.opens.remove(&id) else {
        return;
    };
    cx.state.count_open(open.session, false);
    if let Some(key) = open.key() {
        leave_file(cx, key, id);
    }
    cx.state.forget_claim(&open);
    promise::forget(cx, &open);
    let Open { session, tree, handle, what, .. } = open;
    cx.out.release(handle);
    if let What::File { place, .. } = what {
        // An open that was kept may have outlived the tree that the directory is of.
        cx.out.release(place.root);
    }
    cx.state.watches.remove(id).into_iter().for_each(|source| cx.out.release(source));
    cx.flows.parking.wake(Wait::Gone(Scope::Open(id)));
    cx.flows.parking.wake(Wait::Idle(id));
    cx.flows.parking.wake(Wait::Gone(Scope::Tree(session, tree)));
    cx.flows.parking.wake(Wait::Gone(Scope::Session(session)));
    forget_if_empty(cx, session);
}

fn leave_file(cx: &mut Cx<'_>, key: FileKey, id: OpenId) {
    let Some(file) = cx.state.files.get_mut(&key) else {
        return;
    };
    file.opens.retain(|other| *other != id);
    cx.flows.parking.wake(Wait::File(key));
    if file.locks.remove_all(id) {
        cx.flows.parking.wake(Wait::Range(key));
    }
    // A file that is to be deleted is remembered while streams of it are open.
    let waits =
        !key.is_stream() && !file.doomed.is_empty() && cx.state.other_streams(key).next().is_some();
    if cx.state.files.get(&key).is_some_and(|file| file.opens.is_empty()) && !waits {
        forget(cx, key);
    }
    if !cx.state.is_open(key) {
        forget(cx, key.base());
    }
}

fn forget(cx: &mut Cx<'_>, key: FileKey) {
    let doomed = cx.state.forget_file(key).map(|file| file.doomed).unwrap_or_default();
    // The tree that the name belongs to may have gone before.
    doomed.into_iter().for_each(|doomed| cx.out.release(doomed.place.root));
    promise::last_closed(cx, key);
}

/// A tree that has ended goes when its last open is gone, and so does a session.
pub(super) fn forget_if_empty(cx: &mut Cx<'_>, id: SessionId) {
    let Some(session) = cx.state.sessions.get_mut(&id) else {
        return;
    };
    let opens = &cx.state.opens;
    let in_use = |tree| opens.values().any(|open| (open.session, open.tree) == (id, tree));
    let gone = session.trees.extract_if(.., |tree, state| state.ending && !in_use(*tree));
    let trees: Vec<Tree> = gone.map(|(_, tree)| tree).collect();
    let gone = session.ending && session.trees.is_empty();
    let on = cx.state.oldest_channel(id);
    for Tree { share, root, identity, .. } in trees {
        leave(cx, on, share, identity);
        root.into_iter().for_each(|root| cx.out.release(root));
    }
    let Some(session) = gone.then(|| cx.state.sessions.remove(&id)).flatten() else {
        return;
    };
    for conn in session.conns() {
        if let Some(conn) = cx.state.conns.get_mut(&conn) {
            conn.sessions.remove(&id);
        }
    }
}

/// Tells the daemon that an admission is taken back.
pub(super) fn leave(
    cx: &mut Cx<'_>,
    on: Option<ConnId>,
    share: Arc<Share>,
    identity: Arc<Identity>,
) {
    let call = Call { identity, op: Op::Leave { share } };
    cx.start(on, call, Running::alone(Step::Nothing));
}

/// What ended with an open has to be answered before the request that ended it: its keys may go with
/// the answer to that one.
pub(super) fn others_first() -> Park {
    Park { wait: Wait::Turn, deadline: None, interim: false }
}

/// Requests of watches have been ended and are not answered yet.
pub(super) fn has_ended_watches(cx: &Cx<'_>) -> bool {
    cx.flows.parking.has_woken(|wait| matches!(wait, Wait::Watch(_)))
}

/// The session whose LOGOFF has been answered: its keys are forgotten, when the answer has left.
pub(super) fn has_logged_off(cx: &Cx<'_>, job: &Job) -> Option<SessionId> {
    let session = job.who.session.filter(|_| job.who.asked.command == Command::LOGOFF)?;
    (!cx.state.sessions.contains_key(&session)).then_some(session)
}
