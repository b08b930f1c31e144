//! CREATE: begin → opened → check → (overwrite) → finish.

mod context;
mod grant;
mod lease;
mod pipe;
mod reserve;
mod validate;
mod wanted;

use super::{Cx, Event, ending};
use crate::{
    flow::{Flow, Handled, Refused, job::Who, park::Wake, refuse},
    status::NtStatus,
    vfs::{Call, Done, FileInfo, FileKind, Op, Opened, VfsError},
    wire::{
        create::{CreateAction, CreateRequest, CreateResponse, CreateResponseFlags},
        message::ResponseBody,
    },
};
use alloc::{boxed::Box, sync::Arc};
use context::Contexts;
use wanted::Wanted;

#[derive(Debug)]
pub(crate) enum Step {
    /// The file is being opened, or made.
    Opened(Box<Wanted>),
    /// The open is in the tables; the file is being emptied.
    Overwritten(Box<Wanted>, CreateAction),
    /// A file that was made for nothing is being removed.
    Withdrawn(Refused),
    /// A pipe is being opened.
    Pipe,
}

/// MS-SMB2 3.3.5.9.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: CreateRequest,
) -> Handled<super::Step> {
    let (session, tree) = (who.session()?, who.tree()?);
    if is_full(cx) {
        return refuse(NtStatus::TOO_MANY_OPENED_FILES, "as many opens as allowed");
    }
    let tree = cx.state.tree(session, tree).ok_or(NtStatus::NETWORK_NAME_DELETED)?;
    let identity = Arc::clone(&tree.identity);
    if tree.is_pipe() {
        let user = cx.state.sessions.get(&session).and_then(|session| session.user.as_ref());
        let account = user.map(|user| user.account.clone()).filter(|account| !account.is_empty());
        let name = pipe::name(&request)?;
        let call = Call { identity, op: Op::PipeOpen { name, account } };
        return Ok(Flow::Call(call, super::Step::Create(Step::Pipe)));
    }
    let wanted = Box::new(validate::wanted(request, tree)?);
    let how = wanted::how(tree, &wanted)?;
    let call = Call { identity, op: Op::Open(Box::new(how)) };
    Ok(Flow::Call(call, super::Step::Create(Step::Opened(wanted))))
}

/// Opens on their way count as well; they are only counted where it matters.
fn is_full(cx: &Cx<'_>) -> bool {
    let (limit, opens) = (cx.state.config.limits.opens, cx.state.opens.len());
    let opening =
        |step: &super::Step| matches!(step, super::Step::Create(Step::Opened(_) | Step::Pipe));
    opens + cx.flows.running.len() >= limit
        && opens + cx.flows.running_at(|running| opening(&running.step)) >= limit
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    match (step, event.done()) {
        (Step::Opened(wanted), Done::Opened(done)) => opened(cx, who, wanted, *done),
        (Step::Opened(wanted), Done::Failed(error)) => failed(cx, who, &wanted, error),
        (Step::Overwritten(wanted, action), Done::Info(info)) => {
            Flow::answer(ResponseBody::Create(response(cx, who, &wanted, &info, action)?))
        }
        (Step::Overwritten(..), done) => {
            // Reserved before the call, so taken out after it failed.
            ending::end_open(cx, who.open()?, Wake::Closed);
            who.open = None;
            Err(error_of(&done).into())
        }
        (Step::Withdrawn(refused), _) => Err(refused),
        (Step::Pipe, Done::Pipe(handle)) => pipe::opened(cx, who, handle),
        (Step::Pipe, Done::Failed(error)) => {
            let status = if error == VfsError::NotFound {
                error.status()
            } else {
                super::pipe::failed(error)
            };
            Err(status.into())
        }
        (_, done) => Err(error_of(&done).into()),
    }
}

fn error_of(done: &Done) -> NtStatus {
    match done {
        Done::Failed(error) => error.status(),
        _ => NtStatus::INTERNAL_ERROR,
    }
}

fn failed(cx: &Cx<'_>, who: &Who, wanted: &Wanted, error: VfsError) -> Handled<super::Step> {
    let tree = cx.state.tree(who.session()?, who.tree()?);
    if error == VfsError::NotFound && wanted.creates() && tree.is_some_and(|tree| tree.read_only) {
        return refuse(NtStatus::ACCESS_DENIED, "the share is read-only");
    }
    if error == VfsError::NotFound && wanted.creates() && wanted.is_stillborn() {
        return refuse(NtStatus::CANNOT_DELETE, "MS-FSA 2.1.5.1.1: read-only, deleted on close");
    }
    Err(error.status().into())
}

/// The file is open; may this client have it beside the others? Then it is in the tables, before
/// anything else is asked of the file system.
fn opened(
    cx: &mut Cx<'_>,
    who: &mut Who,
    wanted: Box<Wanted>,
    opened: Opened,
) -> Handled<super::Step> {
    let file = opened.file.clone();
    let (created, path) = (opened.created, opened.path.clone());
    let (key, directory) = (opened.info.key, opened.info.kind == FileKind::Directory);
    match reserve::reserve(cx, who, &wanted, opened) {
        Ok((_, action))
            if action == CreateAction::OVERWRITTEN || action == CreateAction::SUPERSEDED =>
        {
            let identity = who.identity.clone().ok_or(NtStatus::INTERNAL_ERROR)?;
            let eas = wanted.contexts.eas.clone();
            let op = Op::Overwrite { file, attributes: wanted.attributes(), eas };
            let step = super::Step::Create(Step::Overwritten(wanted, action));
            Ok(Flow::Call(Call { identity, op }, step))
        }
        Ok((info, action)) => {
            Flow::answer(ResponseBody::Create(response(cx, who, &wanted, &info, action)?))
        }
        Err(refused) => {
            cx.out.release(file);
            let tree = cx.state.tree(who.session()?, who.tree()?);
            let root = tree.and_then(|tree| tree.root.clone()).filter(|_| created);
            let (Some(root), Some(identity)) = (root, who.identity.clone()) else {
                return Err(refused);
            };
            // A CREATE that is refused leaves nothing behind.
            let op = Op::Delete { root, path, key, directory };
            let step = super::Step::Create(Step::Withdrawn(refused));
            Ok(Flow::Call(Call { identity, op }, step))
        }
    }
}

/// MS-SMB2 2.2.14.
fn response(
    cx: &Cx<'_>,
    who: &Who,
    wanted: &Wanted,
    info: &FileInfo,
    action: CreateAction,
) -> Result<CreateResponse, NtStatus> {
    let mut flags = CreateResponseFlags::empty();
    flags.set(CreateResponseFlags::REPARSEPOINT, info.kind == FileKind::Symlink);
    let (oplock_level, lease) = lease::answer(cx.state, who.open()?);
    Ok(CreateResponse {
        oplock_level,
        flags,
        create_action: action,
        creation_time: info.creation_time,
        last_access_time: info.last_access_time,
        last_write_time: info.last_write_time,
        change_time: info.change_time,
        allocation_size: info.allocation,
        end_of_file: info.size,
        file_attributes: info.attributes.bits(),
        file_id: reserve::file_id(cx, who)?,
        contexts: wanted.contexts.answer(info, wanted.token(), wanted.read_only, lease),
    })
}
