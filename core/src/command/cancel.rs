//! CANCEL.

use super::{Cx, Step};
use crate::flow::{Flow, Handled, job::Who, park::Wake};

/// MS-SMB2 3.3.5.16: by AsyncId or by MessageId; what does not wait is not cancelled. No answer.
pub(super) fn begin(cx: &mut Cx<'_>, who: &Who) -> Handled<Step> {
    let found = cx.flows.parking.find(who.conn, who.names, who.asked.message_id);
    if let Some(id) = found {
        cx.flows.parking.wake_one(id, Wake::Cancelled);
    }
    Ok(Flow::Silent)
}
