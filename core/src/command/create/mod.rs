//! CREATE: begin → opened → check → (overwrite) → finish.

mod context;
mod grant;
mod validate;

use super::{Cx, Event, ending, pipe};
use crate::{
    acl::Token,
    flow::{Flow, Handled, Refused, job::Who, park::Wake, refuse},
    id::OpenId,
    state::{
        durable::Claim,
        file::FileState,
        open::{Listing, Open, Place, Stage, What},
        session::Tree,
    },
    status::NtStatus,
    stream::{self, Suffix},
    vfs::{
        Call, Done, Existing, File, FileInfo, FileKind, Missing, Op, OpenHow, OpenSecurity, Opened,
        VfsError, WantedKind,
    },
    wire::{
        create::{
            CreateAction, CreateDisposition, CreateOptions, CreateRequest, CreateResponse,
            CreateResponseFlags, OplockLevel,
        },
        fscc::{AccessMask, FileAttributes},
        header::FileId,
        message::ResponseBody,
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use context::Contexts;

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

/// A checked request.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Without generic bits.
    desired: AccessMask,
    request: CreateRequest,
    contexts: Contexts,
    /// The tree's.
    read_only: bool,
    /// The tree's.
    token: Option<Arc<Token>>,
}

impl Wanted {
    fn token(&self) -> Option<&Token> {
        self.token.as_deref()
    }

    fn has(&self, option: CreateOptions) -> bool {
        self.request.create_options.contains(option)
    }

    /// An existing file is emptied.
    fn overwrites(&self) -> bool {
        matches!(
            self.request.create_disposition,
            CreateDisposition::SUPERSEDE
                | CreateDisposition::OVERWRITE
                | CreateDisposition::OVERWRITE_IF
        )
    }

    /// A missing file is made.
    fn creates(&self) -> bool {
        !matches!(
            self.request.create_disposition,
            CreateDisposition::OPEN | CreateDisposition::OVERWRITE
        )
    }

    /// It would be made as what may not be deleted, to be deleted on close: it is not made.
    fn is_stillborn(&self) -> bool {
        self.has(CreateOptions::DELETE_ON_CLOSE)
            && self.attributes().contains(FileAttributes::READONLY)
    }

    /// For what is made or overwritten.
    fn attributes(&self) -> FileAttributes {
        let settable = FileAttributes::READONLY
            | FileAttributes::HIDDEN
            | FileAttributes::SYSTEM
            | FileAttributes::ARCHIVE
            | FileAttributes::TEMPORARY
            | FileAttributes::OFFLINE
            | FileAttributes::NOT_CONTENT_INDEXED;
        let asked = FileAttributes::from_bits_retain(self.request.file_attributes) & settable;
        if self.has(CreateOptions::DIRECTORY_FILE) {
            asked
        } else {
            // MS-FSA 2.1.5.1.1: a new file is one to be archived.
            asked | FileAttributes::ARCHIVE
        }
    }
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
        let name = pipe_name(&request)?;
        let call = Call { identity, op: Op::PipeOpen { name, account } };
        return Ok(Flow::Call(call, super::Step::Create(Step::Pipe)));
    }
    let wanted = Box::new(validate::wanted(request, tree)?);
    let how = how(tree, &wanted)?;
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
        (Step::Pipe, Done::Pipe(handle)) => pipe_opened(cx, who, handle),
        (Step::Pipe, Done::Failed(error)) => {
            let status =
                if error == VfsError::NotFound { error.status() } else { pipe::failed(error) };
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

/// Pipes have flat names, with or without a leading backslash.
fn pipe_name(request: &CreateRequest) -> Result<alloc::string::String, NtStatus> {
    let name = request.name.to_string().ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let name = name.strip_prefix('\\').unwrap_or(&name);
    let flat = !name.is_empty() && !name.contains(['\\', '/', '\0']);
    if flat { Ok(name.into()) } else { Err(NtStatus::OBJECT_NAME_NOT_FOUND) }
}

/// What the file system is asked for.
fn how(tree: &Tree, wanted: &Wanted) -> Result<OpenHow, Refused> {
    let name = &wanted.request.name.0;
    let (path, suffix) = stream::split(name)?;
    if suffix != Suffix::None && !tree.share.streams {
        return refuse(NtStatus::OBJECT_NAME_INVALID, "MS-FSCC 2.1.5: streams are not kept here");
    }
    let root = tree.root.clone().ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    if tree.read_only && wanted.overwrites() {
        return refuse(NtStatus::ACCESS_DENIED, "the share is read-only");
    }
    let stream = if let Suffix::Named(stream) = &suffix { Some(stream.clone()) } else { None };
    if path.is_root() && stream.is_none() && wanted.has(CreateOptions::DELETE_ON_CLOSE) {
        return refuse(NtStatus::ACCESS_DENIED, "the share's own directory stays");
    }
    let data = matches!(suffix, Suffix::Data | Suffix::Named(_));
    if data && wanted.has(CreateOptions::DIRECTORY_FILE) {
        return refuse(NtStatus::NOT_A_DIRECTORY, "MS-FSA 2.1.5.1: data is no directory");
    }
    let directory = wanted.has(CreateOptions::DIRECTORY_FILE) || suffix == Suffix::Index;
    let creates = wanted.creates() && !tree.read_only && !wanted.is_stillborn();
    let no_directory = wanted.has(CreateOptions::NON_DIRECTORY_FILE) || wanted.overwrites() || data;
    Ok(OpenHow {
        root,
        path,
        stream,
        read: wanted.desired.intersects(AccessMask::FILE_READ_DATA | AccessMask::FILE_EXECUTE),
        write: wanted
            .desired
            .intersects(AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA)
            || wanted.overwrites(),
        missing: match (creates, directory) {
            (false, _) => Missing::Fail,
            (true, true) => Missing::CreateDirectory,
            (true, false) => Missing::CreateFile,
        },
        existing: match wanted.request.create_disposition {
            CreateDisposition::CREATE => Existing::Fail,
            _ => Existing::Open,
        },
        kind: match (directory, no_directory) {
            (true, _) => WantedKind::Directory,
            (false, true) => WantedKind::File,
            (false, false) => WantedKind::Any,
        },
        attributes: wanted.attributes(),
        allocation: wanted.contexts.allocation,
        delete: wanted.desired.intersects(AccessMask::DELETE | AccessMask::MAXIMUM_ALLOWED)
            || wanted.contexts.maximal_access,
        eas: wanted.contexts.eas.clone(),
        no_follow: wanted.has(CreateOptions::OPEN_REPARSE_POINT),
        security: wanted.token.as_ref().map(|token| {
            let descriptor = wanted.contexts.security.clone();
            Box::new(OpenSecurity { token: Arc::clone(token), descriptor })
        }),
    })
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
    match reserve(cx, who, &wanted, opened) {
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

/// Checks, and puts the open into the tables.
fn reserve(
    cx: &mut Cx<'_>,
    who: &mut Who,
    wanted: &Wanted,
    opened: Opened,
) -> Result<(FileInfo, CreateAction), Refused> {
    let Opened { file, path, stream, info, created, file_created } = opened;
    let (session, tree_id) = (who.session()?, who.tree()?);
    let tree = cx.state.tree(session, tree_id).ok_or(NtStatus::NETWORK_NAME_DELETED)?;
    let granted = grant::check(cx.state, tree, wanted, &info, (created, file_created))?;
    let action = match wanted.request.create_disposition {
        _ if created => CreateAction::CREATED,
        CreateDisposition::SUPERSEDE => CreateAction::SUPERSEDED,
        _ if wanted.overwrites() => CreateAction::OVERWRITTEN,
        _ => CreateAction::OPENED,
    };
    let root = tree.root.clone().ok_or(NtStatus::INTERNAL_ERROR)?;
    let directory = info.kind == FileKind::Directory;
    let place = Place { root, path, stream, directory };
    let what = What::File { key: info.key, kind: info.kind, place };
    let (share, identity) = (Arc::clone(&tree.share), Arc::clone(&tree.identity));
    let open = Open {
        id: OpenId(0),
        volatile: 0,
        session,
        tree: tree_id,
        share,
        what,
        handle: file,
        identity,
        granted,
        share_access: wanted.request.share_access,
        delete_on_close: wanted.has(CreateOptions::DELETE_ON_CLOSE),
        write_through: wanted.has(CreateOptions::WRITE_THROUGH),
        position: 0,
        mode: mode(wanted.request.create_options),
        listing: Listing::default(),
        running: 0,
        stage: Stage::Live,
        claim: Claim::default(),
    };
    insert(cx, who, open);
    Ok((info, action))
}

/// FileModeInformation repeats these options (MS-FSCC 2.4.31).
fn mode(options: CreateOptions) -> u32 {
    let kept = CreateOptions::WRITE_THROUGH
        | CreateOptions::SEQUENTIAL_ONLY
        | CreateOptions::NO_INTERMEDIATE_BUFFERING
        | CreateOptions::SYNCHRONOUS_IO_ALERT
        | CreateOptions::SYNCHRONOUS_IO_NONALERT
        | CreateOptions::DELETE_ON_CLOSE;
    (options & kept).bits()
}

fn insert(cx: &mut Cx<'_>, who: &mut Who, mut open: Open) {
    let id = cx.state.new_open_id();
    open.id = id;
    open.volatile = cx.state.new_volatile();
    if let Some(key) = open.key() {
        cx.state.files.entry(key).or_insert_with(FileState::new).opens.push(id);
    }
    who.open = Some(id);
    who.identity = Some(Arc::clone(&open.identity));
    cx.state.opens.insert(id, open);
}

fn file_id(cx: &Cx<'_>, who: &Who) -> Result<FileId, NtStatus> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NtStatus::FILE_CLOSED)?;
    Ok(open.file_id())
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
    Ok(CreateResponse {
        oplock_level: OplockLevel::NONE,
        flags,
        create_action: action,
        creation_time: info.creation_time,
        last_access_time: info.last_access_time,
        last_write_time: info.last_write_time,
        change_time: info.change_time,
        allocation_size: info.allocation,
        end_of_file: info.size,
        file_attributes: info.attributes.bits(),
        file_id: file_id(cx, who)?,
        contexts: wanted.contexts.answer(info, wanted.token(), wanted.read_only),
    })
}

fn pipe_opened(cx: &mut Cx<'_>, who: &mut Who, handle: File) -> Handled<super::Step> {
    let (session, tree_id) = (who.session()?, who.tree()?);
    let Some(tree) = cx.state.tree(session, tree_id) else {
        cx.out.release(handle);
        return Err(NtStatus::NETWORK_NAME_DELETED.into());
    };
    let (share, identity) = (Arc::clone(&tree.share), Arc::clone(&tree.identity));
    let open = Open {
        id: OpenId(0),
        volatile: 0,
        session,
        tree: tree_id,
        share,
        what: What::Pipe,
        handle,
        identity,
        granted: AccessMask::ALL_ACCESS,
        share_access: crate::wire::create::ShareAccess::all(),
        delete_on_close: false,
        write_through: false,
        position: 0,
        mode: 0,
        listing: Listing::default(),
        running: 0,
        stage: Stage::Live,
        claim: Claim::default(),
    };
    insert(cx, who, open);
    Flow::answer(ResponseBody::Create(CreateResponse {
        oplock_level: OplockLevel::NONE,
        flags: CreateResponseFlags::empty(),
        create_action: CreateAction::OPENED,
        creation_time: Default::default(),
        last_access_time: Default::default(),
        last_write_time: Default::default(),
        change_time: Default::default(),
        allocation_size: 4096,
        end_of_file: 0,
        file_attributes: FileAttributes::NORMAL.bits(),
        file_id: file_id(cx, who)?,
        contexts: Vec::new(),
    }))
}
