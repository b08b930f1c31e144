//! FLUSH.

use super::{Cx, Event, Step};
use crate::{
    flow::{Flow, Handled, job::Who},
    status::NtStatus,
    vfs::{Call, Done, Op},
    wire::message::ResponseBody,
};

/// MS-SMB2 3.3.5.11.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NtStatus::FILE_CLOSED)?;
    if open.is_pipe() {
        return Flow::answer(ResponseBody::Flush);
    }
    let call =
        Call { identity: open.identity.clone(), op: Op::Flush { file: open.handle.clone() } };
    Ok(Flow::Call(call, Step::Flush))
}

pub(super) fn resume(event: Event) -> Handled<Step> {
    match event.done() {
        Done::Failed(error) => Err(error.status().into()),
        _ => Flow::answer(ResponseBody::Flush),
    }
}
