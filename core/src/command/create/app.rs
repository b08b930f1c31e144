//! An application that has moved to another machine opens its files anew, and what it had open on
//! the first goes (MS-SMB2 3.3.5.9.13).

use super::{Step, Wanted, durable};
use crate::{
    command::{self, Cx, access, ending},
    flow::{
        Flow, Handled, Refused,
        job::Who,
        park::{Park, Scope, Wait, Wake},
        refuse,
    },
    id::OpenId,
    state::{durable::App, open::Open},
    status::NtStatus,
    vfs::{File, Opened},
    wire::{fscc::AccessMask, negotiate::Dialect},
};
use alloc::{boxed::Box, vec::Vec};

/// Ends what the same application has open elsewhere. `Some`: that takes time, wait for it.
pub(super) fn supersede(
    cx: &mut Cx<'_>,
    who: &Who,
    wanted: &Wanted,
    opened: &Opened,
) -> Result<Option<OpenId>, Refused> {
    let settled = durable::settled(cx, who)?;
    let dialect = settled.chosen.dialect;
    let Some(app) = wanted.contexts.durable.app(dialect) else {
        return Ok(None);
    };
    let tree = cx.state.tree(who.session()?, who.tree()?).ok_or(NtStatus::NETWORK_NAME_DELETED)?;
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
    Ok(theirs.into_iter().find(|id| cx.state.opens.contains_key(id)))
}

/// What is open is not of an older instance than what is asked for.
fn is_newer(theirs: Option<App>, mine: App, dialect: Dialect) -> bool {
    match (theirs.and_then(|app| app.version), mine.version) {
        (Some(theirs), Some(mine)) => dialect == Dialect::SMB_3_1_1 && theirs >= mine,
        (theirs, None) => theirs.is_some(),
        (None, Some(_)) => false,
    }
}

/// Lets go of the file, and opens it anew when the other open is gone: it may have been deleted with
/// it.
pub(super) fn retry(
    cx: &mut Cx<'_>,
    wanted: Box<Wanted>,
    file: File,
    after: OpenId,
) -> Handled<command::Step> {
    cx.out.release(file);
    let wait = Wait::Gone(Scope::Open(after));
    let step = command::Step::Create(Step::Retry(wanted));
    Ok(Flow::Park(Park { wait, deadline: None, interim: false }, step))
}
