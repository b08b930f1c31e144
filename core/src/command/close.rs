//! CLOSE.

use super::{Cx, Event, ending};
use crate::{
    flow::{
        Flow, Handled,
        job::Who,
        park::{Park, Scope, Wait, Wake},
    },
    vfs::{Call, Done, FileInfo, Op},
    wire::{
        close::{CloseFlags, CloseRequest, CloseResponse},
        message::ResponseBody,
    },
};

#[derive(Debug)]
pub(crate) enum Step {
    /// SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB: metadata first.
    Query,
    /// Until calls that use the open are back, and the file is deleted where it is to be.
    Gone(CloseResponse),
}

/// MS-SMB2 3.3.5.10.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &CloseRequest,
) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id);
    let wants = request.flags.contains(CloseFlags::POSTQUERY_ATTRIB);
    if let Some(open) = open.filter(|open| wants && !open.is_pipe()) {
        let call =
            Call { identity: open.identity.clone(), op: Op::Query { file: open.handle.clone() } };
        return Ok(Flow::Call(call, super::Step::Close(Step::Query)));
    }
    close(cx, who, CloseResponse::default())
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    match step {
        Step::Query => {
            let response = match event.done() {
                Done::Info(info) => with_attributes(&info),
                _ => CloseResponse::default(),
            };
            close(cx, who, response)
        }
        Step::Gone(response) => gone(cx, who, response),
    }
}

fn close(cx: &mut Cx<'_>, who: &mut Who, response: CloseResponse) -> Handled<super::Step> {
    let id = who.open()?;
    if let Some(open) = cx.state.opens.get_mut(&id) {
        open.closer = Some(who.conn);
    }
    ending::end_open(cx, id, Wake::Closed);
    if ending::has_ended_watches(cx) {
        let step = super::Step::Close(Step::Gone(response));
        return Ok(Flow::Park(ending::others_first(), step));
    }
    gone(cx, who, response)
}

fn gone(cx: &mut Cx<'_>, who: &mut Who, response: CloseResponse) -> Handled<super::Step> {
    let id = who.open()?;
    if !cx.state.opens.contains_key(&id) {
        return Flow::answer(ResponseBody::Close(response));
    }
    let park = Park { wait: Wait::Gone(Scope::Open(id)), deadline: None, interim: false };
    Ok(Flow::Park(park, super::Step::Close(Step::Gone(response))))
}

fn with_attributes(info: &FileInfo) -> CloseResponse {
    CloseResponse {
        flags: CloseFlags::POSTQUERY_ATTRIB,
        creation_time: info.creation_time,
        last_access_time: info.last_access_time,
        last_write_time: info.last_write_time,
        change_time: info.change_time,
        allocation_size: info.allocation,
        end_of_file: info.size,
        file_attributes: info.attributes.bits(),
    }
}
