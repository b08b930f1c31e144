//! FLUSH.

use super::{Cx, Event, Step};
use crate::{
    flow::{Flow, Handled, NO_OPEN, job::Who},
    vfs::{Call, Done, Op},
    wire::message::ResponseBody,
};

/// MS-SMB2 3.3.5.11. No interim answer, however long the disk takes: Windows sends one only for pipes
/// (MS-SMB2 3.3.4.2, its behavior note), whose messages here have gone where they belong.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NO_OPEN)?;
    if open.is_pipe() {
        return Flow::answer(ResponseBody::Flush);
    }
    let call =
        Call { identity: open.identity.clone(), op: Op::Flush { file: open.handle.clone() } };
    Ok(Flow::Call(call, Step::Flush))
}

pub(super) fn resume(event: Event) -> Handled<Step> {
    match event.done() {
        Done::Failed(error) => Err(error.into()),
        _ => Flow::answer(ResponseBody::Flush),
    }
}
