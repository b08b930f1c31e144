//! CREATEs of opens that are there already: a durable one is wanted back (MS-SMB2 3.3.5.9.7,
//! 3.3.5.9.12), or the answer was lost and the request comes again (3.3.5.9.10).

use super::{
    Contexts, Step,
    durable::{self, Again, Asked},
};
use crate::{
    command::{self, Cx},
    flow::{
        Flow, Handled, NO_OPEN, NO_TREE, Refused,
        job::Who,
        park::{Park, Wait},
        refuse,
    },
    id::{Holder, LeaseId, OpenId},
    name::same_name,
    state::{
        durable::{Creation, Endurance, Owner},
        open::{Open, Stage},
    },
    status::NtStatus,
    stream::{self, Suffix},
    time::Instant,
    vfs::{Call, Op},
    wire::{
        create::{CreateRequest, OplockLevel},
        create_context::DurableFlags,
    },
};
use alloc::boxed::Box;
use core::time::Duration;

/// The end of a connection and what comes over the next one are read by two threads. How long a
/// connection that was lost may take to be known as such.
const LOSS_TIME: Duration = Duration::from_secs(1);

/// The connection of a durable open is there.
pub(super) const IN_USE: &str = "3.3.5.9.7: it is in use";

/// An open that is there already, while its metadata are asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) contexts: Contexts,
    pub(super) asked: Asked,
    /// What a replay asks for; a reconnect gets what there is.
    pub(super) level: Option<OplockLevel>,
}

/// MS-SMB2 3.3.5.9.7, 3.3.5.9.12. Nothing else that the request says is looked at.
pub(super) fn reclaim(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: CreateRequest,
    contexts: Contexts,
    again: Again,
) -> Handled<command::Step> {
    let id = OpenId(again.file_id.persistent);
    let open = check(cx, who, &request, &contexts, again)?;
    let deadline = (open.stage == Stage::Live).then(|| cx.now.mono + LOSS_TIME);
    if open.running > 0 || deadline.is_some() {
        // What the lost connection has begun is through before anything new is.
        let in_use = NtStatus::OBJECT_NAME_NOT_FOUND.at(IN_USE);
        return wait(id, deadline, request, in_use);
    }
    let client = durable::settled(cx, who)?.client_guid;
    command::durable::take_back(cx, id, (who.session()?, who.tree()?), client);
    let found = Found { contexts, asked: Asked::Again(again), level: None };
    query(cx, who, id, found, Step::Reclaimed)
}

/// The loss of the connection that has it open is noticed before long, if it is lost.
fn wait(
    id: OpenId,
    deadline: Option<Instant>,
    request: CreateRequest,
    in_use: Refused,
) -> Handled<command::Step> {
    let park = Park { wait: Wait::Idle(id), deadline, interim: false };
    let step = Step::Reclaim(Box::new(request), in_use);
    Ok(Flow::Park(park, command::Step::Create(step)))
}

/// Whether this client may have it back; there is no open else, as far as it is told.
fn check<'a>(
    cx: &'a Cx<'_>,
    who: &Who,
    request: &CreateRequest,
    contexts: &Contexts,
    again: Again,
) -> Result<&'a Open, Refused> {
    let none = |at| refuse(NtStatus::OBJECT_NAME_NOT_FOUND, at);
    let settled = durable::settled(cx, who)?;
    let Some(open) = cx.state.opens.get(&OpenId(again.file_id.persistent)) else {
        return none("3.3.5.9.7: no such open");
    };
    let claim = &open.claim;
    let lost = match open.stage {
        Stage::Kept => true,
        // Perhaps its connection is lost, and that was not noticed yet.
        Stage::Live => Some(open.session) != who.session,
        _ => false,
    };
    if !lost || claim.endurance == Endurance::None {
        return none(IN_USE);
    }
    if let Some((create, flags)) = again.v2 {
        // What was opened with version 1 has none: that is a CreateGuid of zeros. Which client it
        // is matters for leases alone, as on Windows.
        if claim.create.unwrap_or_default() != create {
            return none("3.3.5.9.12: another CreateGuid");
        }
        if flags.contains(DurableFlags::PERSISTENT) != (claim.endurance == Endurance::Persistent) {
            return none("3.3.5.9.12: one is persistent, and the other is not");
        }
    }
    if claim.endurance == Endurance::Persistent
        && (again.v2.is_none() || claim.client != settled.client_guid)
    {
        return none("3.3.5.9.12: another client's persistent open");
    }
    check_owner(cx, who, open)?;
    let lease = cx.state.holder(open.id).and_then(|holder| match holder {
        Holder::Lease(id) => Some(id),
        Holder::Open(_) => None,
    });
    check_lease(cx, open, lease, contexts, settled.client_guid)?;
    if lease.is_some() && !is_named(open, request) {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.9.7: a lease of another file");
    }
    Ok(open)
}

/// A lease belongs to the client that asked for it, is named by its key, and stays of its version.
fn check_lease(
    cx: &Cx<'_>,
    open: &Open,
    lease: Option<LeaseId>,
    contexts: &Contexts,
    client: [u8; 16],
) -> Result<(), Refused> {
    let none = |at| refuse(NtStatus::OBJECT_NAME_NOT_FOUND, at);
    match (lease, contexts.lease) {
        (None, None) => Ok(()),
        (None, Some(_)) => none("3.3.5.9.7: it has no lease"),
        (Some(_), None) => none("3.3.5.9.7: it has a lease"),
        (Some(id), Some(_)) if id.client != client => none("3.3.5.9.7: another client's lease"),
        (Some(id), Some(asked)) if id.key != asked.lease_key => none("3.3.5.9.7: another lease"),
        (Some(id), Some(asked)) => {
            let kind = cx.state.leases.get(&Holder::Lease(id)).map(|lease| lease.kind);
            let v2 = matches!(kind, Some(crate::state::lease::Kind::V2 { .. }));
            if v2 != asked.v2.is_some() || open.claim.client != client {
                return none("3.3.5.9.7: a lease of another version");
            }
            Ok(())
        }
    }
}

/// The request names the file that is open.
fn is_named(open: &Open, request: &CreateRequest) -> bool {
    let (Some(place), Ok((path, suffix))) = (open.place(), stream::split(&request.name.0)) else {
        return false;
    };
    let stream = if let Suffix::Named(stream) = suffix { Some(stream) } else { None };
    same_name(place.path.as_str(), path.as_str()) && place.stream == stream
}

/// MS-SMB2 3.3.5.9.10: a CREATE that is known by its CreateGuid. `None`: it is new.
pub(super) fn replay(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &CreateRequest,
    contexts: &mut Contexts,
    asked: Asked,
) -> Option<Handled<command::Step>> {
    let key = durable::key(cx, who, asked)?;
    let known = cx.state.creations.get(&key).copied()?;
    if !who.replay {
        return Some(refuse(NtStatus::DUPLICATE_OBJECTID, "3.3.5.9.10: the CreateGuid is in use"));
    }
    let Creation::Done(id) = known else {
        return Some(refuse(NtStatus::FILE_NOT_AVAILABLE, "3.3.5.9.10: it is still under way"));
    };
    Some(replayed(cx, who, request, core::mem::take(contexts), (id, asked)))
}

fn replayed(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &CreateRequest,
    contexts: Contexts,
    (id, asked): (OpenId, Asked),
) -> Handled<command::Step> {
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let elsewhere = Some(open.session) != who.session || Some(open.tree) != who.tree;
    let persists = matches!(asked, Asked::V2 { persistent: true, .. })
        && open.claim.endurance == Endurance::Persistent;
    if elsewhere && !persists {
        return refuse(NtStatus::DUPLICATE_OBJECTID, "3.3.5.9.10: it is another session's");
    }
    let key = match cx.state.holder(id) {
        Some(Holder::Lease(lease)) => Some(lease.key),
        _ => None,
    };
    let lease = request.requested_oplock_level == OplockLevel::LEASE;
    if key != contexts.lease.filter(|_| lease).map(|asked| asked.lease_key) {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.9.10: another lease, or none");
    }
    if elsewhere {
        check_owner(cx, who, open)?;
        let deadline = (open.stage == Stage::Live).then(|| cx.now.mono + LOSS_TIME);
        if open.running > 0 || deadline.is_some() {
            let in_use = NtStatus::FILE_NOT_AVAILABLE.at(IN_USE);
            return wait(id, deadline, request.clone(), in_use);
        }
        take_over(cx, who, id)?;
    }
    let level = Some(request.requested_oplock_level);
    query(cx, who, id, Found { contexts, asked, level }, Step::Replayed)
}

/// The answer of a CREATE was lost with its session, or with its server; the persistent open that it
/// made is there.
fn take_over(cx: &mut Cx<'_>, who: &Who, id: OpenId) -> Result<(), Refused> {
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    if open.stage != Stage::Kept {
        return refuse(NtStatus::FILE_NOT_AVAILABLE, "3.3.5.9.10: it is being closed");
    }
    let client = open.claim.client;
    command::durable::take_back(cx, id, (who.session()?, who.tree()?), client);
    Ok(())
}

/// It is this user's, and of this share.
fn check_owner(cx: &Cx<'_>, who: &Who, open: &Open) -> Result<(), Refused> {
    let (session, tree) = (who.session()?, who.tree()?);
    let user = cx.state.sessions.get(&session).and_then(|session| session.user.as_ref());
    if user.and_then(Owner::of) != open.claim.owner || open.claim.owner.is_none() {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.9.7: somebody else's open");
    }
    let tree = cx.state.tree(session, tree).ok_or(NO_TREE)?;
    if tree.share.name != open.share.name || tree.share.path != open.share.path {
        return refuse(NtStatus::OBJECT_NAME_NOT_FOUND, "3.3.5.9.7: an open of another share");
    }
    Ok(())
}

fn query(
    cx: &mut Cx<'_>,
    who: &mut Who,
    id: OpenId,
    found: Found,
    step: fn(Box<Found>) -> Step,
) -> Handled<command::Step> {
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let call =
        Call { identity: open.identity.clone(), op: Op::Query { file: open.handle.clone() } };
    who.open = Some(id);
    who.identity = Some(open.identity.clone());
    Ok(Flow::Call(call, command::Step::Create(step(Box::new(found)))))
}
