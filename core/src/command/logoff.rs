//! LOGOFF.

use super::{Cx, Step, ending};
use crate::{
    flow::{
        Flow, Handled,
        job::Who,
        park::{Park, Scope, Wait},
    },
    wire::message::ResponseBody,
};

/// MS-SMB2 3.3.5.6: every open of the session is closed before the answer, but for what outlives its
/// session, as on Windows (smb2.durable-open.reopen4).
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    ending::log_off(cx, who.session()?, who.conn);
    if ending::has_ended_watches(cx) {
        return Ok(Flow::Park(ending::others_first(), Step::Logoff));
    }
    resume(cx, who)
}

pub(super) fn resume(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    let session = who.session()?;
    if cx.state.opens_of(session, None).is_empty() {
        return Flow::answer(ResponseBody::Logoff);
    }
    let wait = Wait::Gone(Scope::Session(session));
    Ok(Flow::Park(Park { wait, deadline: None, interim: false }, Step::Logoff))
}
