//! An application that has moved to another machine opens its files anew, and what it had open on
//! the first goes (MS-SMB2 3.3.5.9.13).

use super::{Wanted, durable};
use crate::{
    command::{Cx, access, ending},
    flow::{
        NO_TREE, Refused,
        job::Who,
        park::{Park, Scope, Wait, Wake},
        refuse,
    },
    state::{durable::App, open::Open},
    status::NtStatus,
    vfs::Opened,
    wire::{fscc::AccessMask, negotiate::Dialect},
};
use alloc::vec::Vec;

/// Ends what the same application has open elsewhere. `Some`: that takes time, and the file may
/// be another one then.
pub(super) fn supersede(
    cx: &mut Cx<'_>,
    who: &Who,
    wanted: &Wanted,
    opened: &Opened,
) -> Result<Option<Park>, Refused> {
    let settled = durable::settled(cx, who)?;
    let dialect = settled.chosen.dialect;
    let Some(app) = wanted.contexts.durable.app(dialect) else {
        return Ok(None);
    };
    let tree = cx.state.tree(who.session()?, who.tree()?).ok_or(NO_TREE)?;
    let elsewhere = |open: &&Open| {
        open.claim.app.is_some_and(|other| other.id == app.id)
            && open.claim.client != settled.client_guid
            && open.share.name == tree.share.name
    };
    let theirs: Vec<_> = cx.state.siblings(opened.info.key).filter(elsewhere).collect();
    if theirs.iter().any(|open| is_newer(open.claim.app, app, dialect)) {
        return refuse(NtStatus::FILE_FORCED_CLOSED, "3.3.5.9.13: a newer instance has it open");
    }
    // Who may not read the file may not close it to others either.
    let maximal = access::effective(&opened.info, wanted.token(), tree.read_only);
    if !maximal.contains(AccessMask::GENERIC_READ.map_generic()) {
        return Ok(None);
    }
    let theirs: Vec<_> = theirs.iter().map(|open| open.id).collect();
    for id in &theirs {
        ending::end_open(cx, *id, Wake::Closed);
    }
    let after = theirs.into_iter().find(|id| cx.state.opens.contains_key(id));
    let wait = |id| Park { wait: Wait::Gone(Scope::Open(id)), deadline: None, interim: false };
    Ok(after.map(wait))
}

/// What is open is not of an older instance than what is asked for.
fn is_newer(theirs: Option<App>, mine: App, dialect: Dialect) -> bool {
    match (theirs.and_then(|app| app.version), mine.version) {
        (Some(theirs), Some(mine)) => dialect == Dialect::SMB_3_1_1 && theirs >= mine,
        (theirs, None) => theirs.is_some(),
        (None, Some(_)) => false,
    }
}
