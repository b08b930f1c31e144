//! CREATE: begin → opened → check → (overwrite) → finish.

mod app;
mod context;
mod durable;
mod grant;
mod lease;
mod pipe;
mod reopen;
mod reserve;
mod validate;
mod wanted;
mod withdraw;

use super::{
    Cx, Event, contend, ending, notice, promise,
    read::{Io, begin_change, end_io},
};
use crate::{
    command,
    flow::{
        CANCELLED, Flow, Handled, NO_OPEN, NO_SESSION, NO_TREE, OUR_BUG, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::{FileKey, OpenId},
    state::{
        durable::Creation,
        file::Change,
        open::{Place, Stage},
        promise::Pending,
        room::has_room,
        session::{Tree, UserKind},
    },
    status::NtStatus,
    vfs::{Call, Done, FileInfo, FileKind, Op, Opened, VfsError},
    wire::{
        change_notify::CompletionFilter,
        create::{
            CreateAction, CreateDisposition, CreateRequest, CreateResponse, CreateResponseFlags,
            OplockLevel,
        },
        message::ResponseBody,
    },
};
use alloc::{boxed::Box, sync::Arc};
use context::Contexts;
use durable::Asked;
use reopen::Found;
use reserve::Reserved;
use wanted::Wanted;

#[derive(Debug)]
pub(crate) enum Step {
    /// The file is being opened, or made.
    Opened(Box<Wanted>),
    /// The open is in the tables; the file is being emptied.
    Overwritten(Box<Wanted>, CreateAction, Io),
    /// The open is in the tables; the file's metadata are asked for again.
    Refreshed(Box<Wanted>, CreateAction),
    /// What was made for nothing is being removed.
    Withdrawn(Refused, FileKey, Box<Place>),
    /// What the open is promised is being written down.
    Promised(Box<Made>, Pending),
    /// Others have been told that they may not cache what this would change; then it begins anew.
    Contended(Box<Wanted>),
    /// A pipe is being opened.
    Pipe,
    /// An open is wanted back that a lost connection still uses. If it goes on using it, this is said.
    Reclaim(Box<CreateRequest>, Refused),
    /// An open is given back; its metadata are asked for.
    Reclaimed(Box<Found>),
    /// The same CREATE again: the open is there.
    Replayed(Box<Found>),
}

/// MS-SMB2 3.3.5.9.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: CreateRequest,
) -> Handled<super::Step> {
    let (session, tree) = (who.session()?, who.tree()?);
    let mut contexts = Contexts::read(&request.contexts);
    let pipe = cx.state.tree(session, tree).is_some_and(Tree::is_pipe);
    if let (Ok(contexts), false) = (&mut contexts, pipe) {
        let asked = contexts.asked(cx, who)?;
        if let Asked::Again(again) = asked {
            return reopen::reclaim(cx, who, request, core::mem::take(contexts), again);
        }
        if let Some(handled) = reopen::replay(cx, who, &request, contexts, asked) {
            return handled;
        }
        who.creating = durable::key(cx, who, asked);
    }
    if is_full(cx, who) {
        return refuse(NtStatus::TOO_MANY_OPENED_FILES, "as many opens as allowed");
    }
    cx.state.creations.extend(who.creating.map(|key| (key, Creation::Pending)));
    let tree = cx.state.tree(session, tree).ok_or(NO_TREE)?;
    let identity = Arc::clone(&tree.identity);
    if tree.is_pipe() {
        pipe::check_room(cx, session)?;
        let user = cx.state.sessions.get(&session).and_then(|session| session.user.as_ref());
        // A guest has a name, but has not logged on as anybody.
        let user = user.filter(|user| user.kind == UserKind::Account);
        let account = user.map(|user| user.account.clone());
        let name = pipe::name(&request)?;
        let call = Call { identity, op: Op::PipeOpen { name, account } };
        return Ok(Flow::Call(call, super::Step::Create(Step::Pipe)));
    }
    let wanted = Box::new(validate::wanted(request, contexts, tree)?);
    open(cx, tree, wanted)
}

/// Asks the file system for it.
fn open(cx: &Cx<'_>, tree: &Tree, mut wanted: Box<Wanted>) -> Handled<super::Step> {
    wanted.since = cx.state.changes.latest();
    let how = wanted::how(tree, &wanted)?;
    let call = Call { identity: Arc::clone(&tree.identity), op: Op::Open(Box::new(how)) };
    Ok(Flow::Call(call, super::Step::Create(Step::Opened(wanted))))
}

/// The wait for others is over: the name is looked up again, for it may mean another file by now.
fn again(cx: &Cx<'_>, who: &Who, mut wanted: Box<Wanted>, wake: Wake) -> Handled<super::Step> {
    match wake {
        Wake::Ready | Wake::TimedOut => {}
        Wake::Cancelled => return Err(CANCELLED),
        Wake::LoggedOff => return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.6: logged off"),
        Wake::Closed | Wake::TreeGone | Wake::HungUp => {
            return refuse(NtStatus::NETWORK_NAME_DELETED, "3.3.5.8: disconnected");
        }
    }
    if is_full(cx, who) {
        // Others that were let in meanwhile have taken what was left.
        return refuse(NtStatus::TOO_MANY_OPENED_FILES, "as many opens as allowed");
    }
    // What it has made may be gone by now, and its number another file's.
    let is_there = |key: &FileKey| !cx.state.changes.has_lost_name(*key, wanted.since);
    wanted.created = wanted.created.filter(is_there);
    let tree = cx.state.tree(who.session()?, who.tree()?);
    open(cx, tree.ok_or(NO_TREE)?, wanted)
}

/// A CREATE is answered, or never will be: it is known by its open from now on, or not at all.
pub(super) fn settle(cx: &mut Cx<'_>, who: &mut Who, made: bool) {
    let Some(key) = who.creating.take() else {
        return;
    };
    match who.open.filter(|_| made) {
        Some(id) => cx.state.creations.insert(key, Creation::Done(id)),
        None => cx.state.creations.remove(&key),
    };
}

/// Opens on their way count as well; they are only counted where it matters.
fn is_full(cx: &Cx<'_>, who: &Who) -> bool {
    let (limit, opens) = (cx.state.config.limits.opens, cx.state.opens.len());
    let session = who.session.and_then(|id| cx.state.sessions.get(&id));
    if !has_room(limit, opens, session.map_or(0, |session| session.opens)) {
        return true;
    }
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
    let (step, event) = match (step, event) {
        (Step::Contended(wanted), Event::Wake(wake)) => return again(cx, who, wanted, wake),
        (Step::Reclaim(..), Event::Wake(Wake::Cancelled)) => return Err(CANCELLED),
        (Step::Reclaim(_, in_use), Event::Wake(Wake::TimedOut)) => return Err(in_use),
        (Step::Reclaim(request, _), Event::Wake(_)) => return begin(cx, who, *request),
        other => other,
    };
    match (step, event.done()) {
        (Step::Opened(wanted), Done::Opened(done)) => opened(cx, who, wanted, *done),
        (Step::Opened(wanted), Done::Failed(error)) => failed(cx, who, &wanted, error),
        (Step::Overwritten(wanted, action, io), Done::Info(info)) => {
            end_io(cx, &io);
            contend::listing(cx, who.open()?);
            let mut changed = CompletionFilter::ATTRIBUTES
                | CompletionFilter::SIZE
                | CompletionFilter::LAST_WRITE;
            changed.set(CompletionFilter::EA, !wanted.contexts.eas.is_empty());
            notice::modified(cx, who.open()?, changed);
            finish(cx, who, wanted, *info, action)
        }
        (Step::Promised(made, pending), done) => {
            if !promise::written(cx, pending, &done) {
                promise::break_off(cx, who.open()?);
            }
            answer(cx, who, &made)
        }
        (Step::Refreshed(wanted, action), Done::Info(info)) => {
            finish(cx, who, wanted, *info, action)
        }
        (Step::Overwritten(_, action, io), done) => {
            end_io(cx, &io);
            withdraw::take_out(cx, who, action, error_of(&done))
        }
        (Step::Refreshed(_, action), done) => withdraw::take_out(cx, who, action, error_of(&done)),
        (Step::Withdrawn(refused, key, place), done) => {
            withdraw::removed(cx, key, &place, &done);
            Err(refused)
        }
        (Step::Pipe, Done::Pipe(handle)) => pipe::opened(cx, who, handle),
        (Step::Pipe, Done::Failed(error)) => {
            Err(if error == VfsError::NotFound { error.into() } else { super::pipe::failed(error) })
        }
        (Step::Reclaimed(_), _) if !cx.state.conns.contains_key(&who.conn) => lost(cx, who.open()?),
        (Step::Reclaimed(found) | Step::Replayed(found), Done::Info(info)) => {
            let id = who.open()?;
            let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
            let action = match found.asked {
                Asked::Again(_) => CreateAction::OPENED,
                _ => open.claim.action,
            };
            let Found { contexts, asked, level } = &*found;
            let told = Told { contexts, asked: *asked, level: *level };
            Flow::answer(ResponseBody::Create(response(cx, who, &told, &info, action)?))
        }
        (Step::Reclaimed(_), done) => {
            // Nobody would know its new FileId.
            ending::end_open(cx, who.open()?, Wake::Closed);
            Err(error_of(&done))
        }
        (_, done) => Err(error_of(&done)),
    }
}

/// The client that an open was given back to has gone again: it is kept again, if it was not yet, for the
/// session may live on by another channel (MS-SMB2 3.3.7.1). Nobody knows its new FileId.
fn lost(cx: &mut Cx<'_>, id: OpenId) -> Handled<super::Step> {
    let live = cx.state.opens.get(&id).is_some_and(|open| open.stage == Stage::Live);
    if live && !command::durable::keep(cx, id) {
        ending::end_open(cx, id, Wake::Closed);
    }
    Err(NO_SESSION)
}

fn error_of(done: &Done) -> Refused {
    match done {
        Done::Failed(error) => (*error).into(),
        _ => OUR_BUG,
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
    Err(error.into())
}

/// The file is open; may this client have it beside the others? Then it is in the tables, before
/// anything else is asked of the file system.
fn opened(
    cx: &mut Cx<'_>,
    who: &mut Who,
    mut wanted: Box<Wanted>,
    mut opened: Opened,
) -> Handled<super::Step> {
    wanted.recall(&mut opened);
    let (key, new) = (opened.info.key, (opened.created, opened.file_created));
    if is_missed(cx, &wanted, key) {
        cx.out.release(opened.file);
        return missed(cx, who, wanted);
    }
    if let Some(tree) = cx.state.tree(who.session()?, who.tree()?) {
        cx.state.changes.follow(key, &tree.share, &mut opened.path, wanted.since);
    }
    if !opened.created && wanted.request.create_disposition == CreateDisposition::CREATE {
        // What it has made is gone, and this is somebody else's.
        cx.out.release(opened.file);
        return refuse(NtStatus::OBJECT_NAME_COLLISION, "MS-FSA 2.1.5.1: there is one");
    }
    let made = new.0.then(|| withdraw::Leftover::of(&opened, new.1));
    let file = opened.file.clone();
    let later = match app::supersede(cx, who, &wanted, &opened) {
        Ok(None) => reserve::reserve(cx, who, &wanted, opened),
        Ok(Some(park)) => Ok(Reserved::Later(park)),
        Err(refused) => Err(refused),
    };
    match later {
        Ok(Reserved::Later(park)) => {
            cx.out.release(file);
            // Who is not there does not keep anybody waiting.
            let interim = park.interim && cx.flows.purged.is_empty();
            let park = Park { interim, ..park };
            wanted.waited = true;
            // Until now it has its name.
            wanted.since = cx.state.changes.latest();
            wanted.waits_for_writes += u8::from(matches!(park.wait, Wait::Range(_)));
            Ok(Flow::Park(park, super::Step::Create(Step::Contended(wanted))))
        }
        Ok(Reserved::In(_, action))
            if action == CreateAction::OVERWRITTEN || action == CreateAction::SUPERSEDED =>
        {
            let identity = who.identity.clone().ok_or(OUR_BUG)?;
            let eas = wanted.contexts.eas.clone();
            let op = Op::Overwrite { file, attributes: wanted.attributes(), eas };
            let io = begin_change(cx, who.open()?)?;
            let step = super::Step::Create(Step::Overwritten(wanted, action, io));
            Ok(Flow::Call(Call { identity, op }, step))
        }
        Ok(Reserved::In(info, action)) => {
            if action == CreateAction::CREATED {
                contend::listing(cx, who.open()?);
            }
            notice::created(cx, who.open()?, new);
            if is_stale(cx, who, key, wanted.since)? {
                let identity = who.identity.clone().ok_or(OUR_BUG)?;
                let call = Call { identity, op: Op::Query { file } };
                return Ok(Flow::Call(call, super::Step::Create(Step::Refreshed(wanted, action))));
            }
            finish(cx, who, wanted, info, action)
        }
        Err(refused) => match made {
            Some(made) => withdraw::remove(cx, who, (made, file), refused),
            None => {
                cx.out.release(file);
                Err(refused)
            }
        },
    }
}

/// How often a name is looked up that means something else each time.
const MISSES: u8 = 8;

/// What was opened was deleted, or replaced, before it was in the tables: nobody could have told whoever
/// did that of this open. Where that is only possible the name is not looked up for ever.
fn is_missed(cx: &Cx<'_>, wanted: &Wanted, key: FileKey) -> bool {
    let changes = &cx.state.changes;
    let may_be = wanted.missed < MISSES && changes.is_vague(wanted.since);
    may_be || changes.has_lost_name(key, wanted.since)
}

/// What the name means by now is opened.
fn missed(cx: &Cx<'_>, who: &Who, mut wanted: Box<Wanted>) -> Handled<super::Step> {
    wanted.missed += 1;
    if wanted.missed > MISSES {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.1.2: deleted again and again");
    }
    let tree = cx.state.tree(who.session()?, who.tree()?);
    open(cx, tree.ok_or(NO_TREE)?, wanted)
}

/// Whether what was read of the file may be from before a change, and the open lets its client
/// cache: it would believe what it knows of older times to be still true. From now on who changes the
/// file has to break that first.
fn is_stale(cx: &Cx<'_>, who: &Who, key: FileKey, since: Change) -> Result<bool, Refused> {
    let changed = cx.state.changes.is_changed(cx.state.files.get(&key), since);
    Ok(changed && cx.state.holder(who.open()?).is_some())
}

/// A new open that lacks nothing but its answer.
#[derive(Debug)]
pub(crate) struct Made {
    wanted: Box<Wanted>,
    info: FileInfo,
    action: CreateAction,
    asked: Asked,
}

/// A new open is answered, when what is promised with it is written.
fn finish(
    cx: &mut Cx<'_>,
    who: &mut Who,
    wanted: Box<Wanted>,
    info: FileInfo,
    action: CreateAction,
) -> Handled<super::Step> {
    let Ok(asked) = wanted.contexts.asked(cx, who) else {
        // Its connection has gone meanwhile, and nobody else would know its FileId (MS-SMB2 3.3.7.1).
        return withdraw::take_out(cx, who, action, VfsError::HungUp.into());
    };
    durable::grant(cx, who, asked)?;
    let made = Made { wanted, info, action, asked };
    match promise::due(cx, who.open()?) {
        Some((call, pending)) => {
            let step = Step::Promised(Box::new(made), pending);
            Ok(Flow::Call(call, super::Step::Create(step)))
        }
        None => answer(cx, who, &made),
    }
}

fn answer(cx: &Cx<'_>, who: &Who, made: &Made) -> Handled<super::Step> {
    let Made { wanted, info, action, asked } = made;
    let told = Told { contexts: &wanted.contexts, asked: *asked, level: None };
    Flow::answer(ResponseBody::Create(response(cx, who, &told, info, *action)?))
}

/// What an answer depends on besides the open.
struct Told<'a> {
    contexts: &'a Contexts,
    asked: Asked,
    /// What a replay asks for: it is told no other oplock than that.
    level: Option<OplockLevel>,
}

/// MS-SMB2 2.2.14.
fn response(
    cx: &Cx<'_>,
    who: &Who,
    told: &Told<'_>,
    info: &FileInfo,
    action: CreateAction,
) -> Result<CreateResponse, Refused> {
    let mut flags = CreateResponseFlags::empty();
    flags.set(CreateResponseFlags::REPARSEPOINT, info.kind == FileKind::Symlink);
    let id = who.open()?;
    let (held, lease) = lease::answer(cx.state, id);
    let oplock_level = match told.level {
        Some(level) if lease.is_none() => held.min(level),
        _ => held,
    };
    let tree = cx.state.tree(who.session()?, who.tree()?).ok_or(NO_TREE)?;
    let durable = durable::answer(cx.state, id, told.asked, oplock_level);
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
        contexts: told.contexts.answer(info, tree, lease, durable),
    })
}
