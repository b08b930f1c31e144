//! Moves chains: gate, command, answer or call or wait, until the frame's last request is answered.

use super::{Cx, Event, Step, create, dispatch, ending, gate, promise, resume};
use crate::{
    error::Refusal,
    flow::{
        Answer, Flow, Handled, Refused, Running, breaks,
        job::{Job, Who},
        park::{Park, Parked, Wait, Wake},
        refuse,
    },
    id::{AsyncId, OpId, SessionId},
    message::{Element, Outbound, ReplyBody},
    state::open::Stage,
    status::NtStatus,
    vfs::Done,
    wire::{error_response::ErrorResponse, header::Command, message::ResponseBody},
};
use alloc::boxed::Box;

/// A frame arrives.
pub(crate) fn begin(cx: &mut Cx<'_>, mut job: Box<Job>) {
    if let Some(element) = job.next() {
        let handled = enter(cx, &mut job, element);
        go_on(cx, job, handled);
    }
}

/// A call is back.
pub(crate) fn completed(cx: &mut Cx<'_>, op: OpId, done: Done) {
    let Some(mut running) = cx.flows.running.remove(&op) else {
        return;
    };
    if let Some(call) = running.left_undone(&done, cx.out) {
        return cx.start(None, call, running);
    }
    if let Some(open) = running.open.and_then(|id| cx.state.opens.get_mut(&id)) {
        open.running -= 1;
        if open.running == 0 && open.stage == Stage::Kept {
            let id = open.id;
            cx.flows.parking.wake(Wait::Idle(id));
        }
    }
    match (running.job, running.step) {
        (None, Step::DeleteOnClose(id)) => ending::deleted(cx, id, &done),
        (None, Step::Forgotten(pending)) => {
            promise::written(cx, pending, &done);
        }
        (None, _) => {}
        (Some(mut job), step) => {
            let handled = resume(cx, &mut job.who, step, Event::Done(done));
            go_on(cx, job, handled);
        }
    }
    // What the call has changed is in the tables; only now may its open go.
    running.open.into_iter().for_each(|id| ending::advance(cx, id));
}

/// Everything that was woken checks again. Ends every entry into the server.
pub(crate) fn run_ready(cx: &mut Cx<'_>) {
    finish_breaks(cx);
    while let Some((id, parked, wake)) = cx.flows.parking.next_ready(&mut cx.flows.timers) {
        let Parked { mut job, step, .. } = parked;
        count_parked(cx, &job, false);
        if wake == Wake::HungUp {
            give_up(cx, &mut job.who, step);
        } else {
            let handled = resume(cx, &mut job.who, step, Event::Wake(wake));
            go_on_as(cx, job, handled, Some(id));
        }
        finish_breaks(cx);
    }
}

/// There is nobody to answer any more, and so nothing to wait for.
fn give_up(cx: &mut Cx<'_>, who: &mut Who, step: Step) {
    let _ = resume(cx, who, step, Event::Wake(Wake::HungUp));
    create::settle(cx, who, false);
    gate::passed(cx, who);
}

/// What breaks have left to do.
fn finish_breaks(cx: &mut Cx<'_>) {
    breaks::finish(cx);
    for id in core::mem::take(&mut cx.flows.purged) {
        ending::end_open(cx, id, Wake::Closed);
    }
}

fn enter(cx: &mut Cx<'_>, job: &mut Job, element: Element) -> Handled<Step> {
    gate::pass(cx, job, &element)?;
    dispatch(cx, &mut job.who, element)
}

fn go_on(cx: &mut Cx<'_>, job: Box<Job>, handled: Handled<Step>) {
    go_on_as(cx, job, handled, None);
}

/// Works on the chain until it is answered, or a call is out, or it waits. `id` is what it waited
/// under.
fn go_on_as(cx: &mut Cx<'_>, mut job: Box<Job>, mut handled: Handled<Step>, id: Option<AsyncId>) {
    let mut id = id;
    loop {
        match handled {
            Ok(Flow::Call(call, step)) => {
                let (conn, open) = (job.conn, job.who.open);
                return cx.start(Some(conn), call, Running::of(job, step, open));
            }
            // The connection died while a call was out.
            Ok(Flow::Park(_, step)) if !cx.state.conns.contains_key(&job.who.conn) => {
                return give_up(cx, &mut job.who, step);
            }
            Ok(Flow::Park(park, step)) if is_late(cx, &job, &park) => {
                handled = resume(cx, &mut job.who, step, Event::Wake(Wake::Closed));
            }
            Ok(Flow::Park(park, step)) => match may_park(cx, &job, &park) {
                Ok(()) => return wait(cx, job, park, step, id),
                Err(refused) => handled = Err(refused),
            },
            Ok(Flow::Answer(answer)) => {
                create::settle(cx, &mut job.who, !answer.status.is_error());
                gate::passed(cx, &mut job.who);
                link(&mut job);
                told(cx, &job);
                job.answer(answer);
                if grants(cx, &job) {
                    send_replies(cx, &mut job);
                }
                if let Some(session) = ending::has_logged_off(cx, &job) {
                    send_replies(cx, &mut job);
                    cx.send(job.conn, Outbound::ForgetKeys(session));
                }
                handled = match next(cx, &mut job) {
                    Some(handled) => handled,
                    None => return send_replies(cx, &mut job),
                };
                id = None;
            }
            Ok(Flow::Silent) => {
                gate::passed(cx, &mut job.who);
                job.finish_link();
                handled = match next(cx, &mut job) {
                    Some(handled) => handled,
                    None => return send_replies(cx, &mut job),
                };
                id = None;
            }
            Err(refused) => {
                let answer = refusal(cx, &job, refused);
                // MS-SMB2 3.3.5.16: CANCEL is never answered, not even when it is refused.
                let cancel = job.who.asked.command == Command::CANCEL;
                handled = Ok(if cancel { Flow::Silent } else { Flow::Answer(answer) });
            }
        }
    }
}

fn next(cx: &mut Cx<'_>, job: &mut Job) -> Option<Handled<Step>> {
    let element = job.next()?;
    Some(enter(cx, job, element))
}

/// A related request uses the open of the one before.
fn link(job: &mut Job) {
    if let Some(open) = job.who.open {
        job.link.open = Ok(open);
    }
}

/// From now on a break of what the open may cache is heard after the answer that grants it, if
/// anybody is there to hear that.
fn told(cx: &mut Cx<'_>, job: &Job) {
    let open = job.who.open.and_then(|id| cx.state.opens.get_mut(&id));
    if let Some(open) = open.filter(|_| cx.state.conns.contains_key(&job.conn)) {
        open.told = true;
    }
}

/// A CREATE was answered after which its client caches. The rest of the chain takes time, or breaks
/// that itself: whoever is told of a break knows by then what was granted (MS-SMB2 3.3.4.1.3 leaves it
/// to the server what it compounds).
fn grants(cx: &Cx<'_>, job: &Job) -> bool {
    let who = &job.who;
    who.asked.command == Command::CREATE
        && !who.last
        && who.open.is_some_and(|open| cx.state.holder(open).is_some())
}

/// What is done leaves.
fn send_replies(cx: &mut Cx<'_>, job: &mut Job) {
    if let Some(replies) = job.take_replies() {
        cx.send(job.conn, replies);
    }
}

fn refusal(cx: &mut Cx<'_>, job: &Job, refused: Refused) -> Answer {
    let (conn, who) = (job.conn, &job.who);
    let session = who.session.unwrap_or(SessionId(who.session_id));
    let Refused { status, at } = refused;
    cx.out.refused(&Refusal { conn, session, command: who.asked.command, at, status });
    Answer { status, body: ReplyBody::Wire(ResponseBody::Error(ErrorResponse::default())) }
}

/// The open was closed while a call of this request was out: nothing would end the wait.
fn is_late(cx: &Cx<'_>, job: &Job, park: &Park) -> bool {
    let live = |id| cx.state.opens.get(&id).is_some_and(|open| open.stage == Stage::Live);
    !is_ending(park) && !job.who.open.is_none_or(live)
}

/// It waits for what it has ended itself.
fn is_ending(park: &Park) -> bool {
    matches!(park.wait, Wait::Gone(_) | Wait::Turn)
}

/// Waiting requests are counted; and an interim answer only ever belongs to a chain's last request
/// (MS-SMB2 3.3.4.2), which the commands see to.
fn may_park(cx: &Cx<'_>, job: &Job, park: &Park) -> Result<(), Refused> {
    let limits = cx.state.config.limits;
    let left = limits.parked_bytes.saturating_sub(cx.flows.parking.bytes());
    // Who it goes on for, which is another channel once its own is lost.
    let conn = cx.state.conns.get(&job.who.conn);
    let fits = job.held() <= left && conn.is_none_or(|conn| conn.may_wait(&limits, left));
    // What has begun to end cannot be refused any more.
    if !fits && !is_ending(park) {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "3.3.4.2: as many waits as allowed");
    }
    Ok(())
}

fn wait(cx: &mut Cx<'_>, mut job: Box<Job>, park: Park, step: Step, id: Option<AsyncId>) {
    let id = id.unwrap_or_else(|| cx.flows.parking.new_id());
    if park.interim && job.who.async_id.is_none() {
        // What is done leaves before it is said that the rest takes time.
        send_replies(cx, &mut job);
        let interim = job.interim(id);
        cx.send(job.conn, interim);
    }
    count_parked(cx, &job, true);
    cx.flows.parking.insert(id, Parked { job, park, step }, &mut cx.flows.timers);
}

fn count_parked(cx: &mut Cx<'_>, job: &Job, more: bool) {
    if let Some(conn) = cx.state.conns.get_mut(&job.who.conn) {
        conn.count_parked(job.held(), more);
    }
}
