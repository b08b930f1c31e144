//! CHANGE_NOTIFY. A watch begins with the first request on an open and lasts as long as that; each
//! request fetches what was kept, or waits for the next change.

use super::{Cx, Event};
use crate::{
    flow::{
        Flow, Handled, NO_OPEN, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::OpenId,
    state::{
        room::has_room,
        watch::{Kept, Watch},
    },
    status::NtStatus,
    vfs::{Call, Done, Op},
    wire::{
        change_notify::{ChangeNotifyFlags, ChangeNotifyRequest},
        message::ResponseBody,
        output::Output,
    },
};
use alloc::vec::Vec;

/// The runtime is told of a new watch, or the request waits. With the OutputBufferLength.
#[derive(Debug)]
pub(crate) struct Step(u32);

/// MS-SMB2 3.3.5.19.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &ChangeNotifyRequest,
) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let max = request.output_buffer_length;
    if max > cx.state.config_of(who.conn).max_trans {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.19: longer than MaxTransactSize");
    }
    if !open.is_directory() {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.19: not a directory");
    }
    if !open.share.change_notify {
        return refuse(NtStatus::NOT_IMPLEMENTED, "`change notify = no`");
    }
    if cx.state.watches.contains(id) {
        return fetch(cx, who, max);
    }
    check_room(cx, who)?;
    let outside = open.share.kernel_change_notify;
    let tree = request.flags.contains(ChangeNotifyFlags::WATCH_TREE);
    let filter = request.completion_filter;
    let call = Call {
        identity: open.identity.clone(),
        op: Op::Watch { file: open.handle.clone(), tree, filter },
    };
    cx.state.watches.insert(id, Watch::new(filter, tree, max, outside));
    if outside && !is_doomed(cx, id) {
        return Ok(Flow::Call(call, super::Step::ChangeNotify(Step(max))));
    }
    fetch(cx, who, max)
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    match event {
        Event::Done(Done::Watching(source)) => {
            match cx.state.watches.get_mut(who.open()?) {
                Some(watch) => watch.source = Some(source),
                None => cx.out.release(source),
            }
            fetch(cx, who, step.0)
        }
        // What the server does itself is told all the same.
        Event::Done(_) | Event::Wake(Wake::Ready) => fetch(cx, who, step.0),
        Event::Wake(Wake::Cancelled) => refuse(NtStatus::CANCELLED, "3.3.5.16: cancelled"),
        Event::Wake(_) => refuse(NtStatus::NOTIFY_CLEANUP, "3.3.5.10: the open is gone"),
    }
}

/// MS-FSA 2.1.5.11.1. Requests that wait are in the order in which they came, and the first takes
/// everything.
fn fetch(cx: &mut Cx<'_>, who: &Who, max: u32) -> Handled<super::Step> {
    let id = who.open()?;
    if is_doomed(cx, id) {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.15.3: about to be deleted");
    }
    match cx.state.watches.take(id, max) {
        Kept::Changes(buffer) => Flow::answer(ResponseBody::ChangeNotify(Output { buffer })),
        Kept::TooMuch => {
            let nothing = ResponseBody::ChangeNotify(Output { buffer: Vec::new() });
            Flow::answer_with(NtStatus::NOTIFY_ENUM_DIR, nothing)
        }
        Kept::Nothing if who.last => {
            let park = Park { wait: Wait::Watch(id), deadline: None, interim: true };
            Ok(Flow::Park(park, super::Step::ChangeNotify(Step(max))))
        }
        Kept::Nothing => refuse(NtStatus::INTERNAL_ERROR, "3.3.4.2: cannot wait inside a chain"),
    }
}

fn is_doomed(cx: &Cx<'_>, id: OpenId) -> bool {
    let open = cx.state.opens.get(&id);
    let named = open.and_then(|open| open.key().zip(open.place()));
    named.is_some_and(|(key, place)| cx.state.is_doomed(key, place))
}

fn check_room(cx: &Cx<'_>, who: &Who) -> Result<(), Refused> {
    let limits = cx.state.config.limits;
    let of_session = cx.state.watches_of(who.session()?);
    let room = has_room(limits.watches, cx.state.watches.len(), of_session);
    if !room || of_session >= limits.watches_per_session {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many watches as allowed");
    }
    Ok(())
}
