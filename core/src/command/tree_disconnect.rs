//! TREE_DISCONNECT.

use super::{Cx, Step, durable::Fate, ending};
use crate::{
    flow::{
        Flow, Handled,
        job::Who,
        park::{Park, Scope, Wait, Wake},
    },
    wire::message::ResponseBody,
};

/// MS-SMB2 3.3.5.8: every open of the tree is closed before the answer.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    ending::end_tree(cx, who.session()?, who.tree()?, Wake::TreeGone, Fate::End);
    ending::forget_if_empty(cx, who.session()?);
    if ending::has_ended_watches(cx) {
        return Ok(Flow::Park(ending::others_first(), Step::TreeDisconnect));
    }
    resume(cx, who)
}

pub(super) fn resume(cx: &mut Cx<'_>, who: &mut Who) -> Handled<Step> {
    let (session, tree) = (who.session()?, who.tree()?);
    if cx.state.opens_of(session, Some(tree)).is_empty() {
        return Flow::answer(ResponseBody::TreeDisconnect);
    }
    let wait = Wait::Gone(Scope::Tree(session, tree));
    Ok(Flow::Park(Park { wait, deadline: None, interim: false }, Step::TreeDisconnect))
}
