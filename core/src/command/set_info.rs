//! SET_INFO.

use super::{
    Cx, Event, contend, ea,
    read::{Io, begin_change, end_io},
    security, stream,
};
use crate::{
    flow::{
        Flow, Handled, Refused,
        job::Who,
        park::{Park, Wake},
        refuse,
    },
    id::{FileKey, OpenId},
    name::{SharePath, same_name},
    state::{
        State,
        open::{Open, Place, What},
        share_mode,
    },
    status::NtStatus,
    stream::{StreamName, Suffix},
    vfs::{Call, Done, FileInfo, Op, SetBasic},
    wire::{
        create::ShareAccess,
        fscc::{
            AccessMask, FileAttributes, FileInfoClass, FileMode,
            file::BasicInformation,
            set_file::{SetFileInformation, SetInfoError, Target, TimeChange},
        },
        message::ResponseBody,
        query_info::InfoType,
        set_info::SetInfoRequest,
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

#[derive(Debug)]
pub(crate) enum Step {
    /// The call is all there is.
    Done,
    /// The file has another size.
    Sized(Io),
    /// Others have been told that the file does not stay as it is; then it is tried again.
    Contended(Box<SetFileInformation>),
    /// The name changes in the tables when it has changed on the disk.
    Renamed { from: SharePath, to: SharePath },
    /// Metadata decides whether the file may go.
    MayDelete,
    /// The directory is empty, or may not go.
    IsEmpty,
    /// As [`Step::Renamed`], of a stream in its file.
    StreamRenamed { to: Option<StreamName> },
}

/// MS-SMB2 3.3.5.21.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &SetInfoRequest,
) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NtStatus::FILE_CLOSED)?;
    if open.is_pipe() {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.21: pipes cannot be changed");
    }
    if request.buffer.len() > cx.state.config_of(who.conn).max_trans as usize {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21: longer than MaxTransactSize");
    }
    match request.info_type {
        InfoType::FILE => {
            let class = FileInfoClass(request.info_class);
            let parsed = SetFileInformation::parse(class, &request.buffer);
            set_file(cx, id, parsed.map_err(|error| refused(class, error))?)
        }
        InfoType::FILESYSTEM => {
            refuse(NtStatus::ACCESS_DENIED, "3.3.5.21.2: volumes stay as they are")
        }
        InfoType::SECURITY => {
            let op = security::set(cx, open, request)?;
            call(open, op, Step::Done)
        }
        InfoType::QUOTA => refuse(NtStatus::NOT_SUPPORTED, "3.3.5.21.4: no quotas"),
        _ => refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21: InfoType"),
    }
}

fn set_file(cx: &mut Cx<'_>, id: OpenId, set: SetFileInformation) -> Handled<super::Step> {
    match set {
        SetFileInformation::Basic(set) => basic(cx, id, &set),
        SetFileInformation::EndOfFile { end_of_file: size } => {
            sized(cx, id, |file| Op::SetEndOfFile { file, size })
        }
        SetFileInformation::Allocation { allocation_size: size } => {
            sized(cx, id, |file| Op::SetAllocation { file, size })
        }
        SetFileInformation::Rename(target) => rename(cx, id, target),
        SetFileInformation::Disposition { delete_pending } => disposition(cx, id, delete_pending),
        SetFileInformation::Position { current_byte_offset } => {
            let open = cx.state.opens.get_mut(&id).ok_or(NtStatus::FILE_CLOSED)?;
            open.position = current_byte_offset;
            Flow::answer(ResponseBody::SetInfo)
        }
        SetFileInformation::Mode { mode } => set_mode(cx, id, mode),
        SetFileInformation::FullEa(eas) => ea::set(open_of(cx, id)?, eas),
        _ => refuse(NtStatus::NOT_SUPPORTED, "3.3.5.21.1: this class is not here yet"),
    }
}

fn refused(class: FileInfoClass, error: SetInfoError) -> Refused {
    let (status, at) = match error {
        SetInfoError::UnknownClass => (NtStatus::INVALID_INFO_CLASS, "3.3.5.21.1: unknown class"),
        SetInfoError::TooShort => (NtStatus::INFO_LENGTH_MISMATCH, "3.3.5.21.1: too short"),
        SetInfoError::Invalid(what) if class == FileInfoClass::FULL_EA => {
            (NtStatus::EA_LIST_INCONSISTENT, what.0)
        }
        SetInfoError::Invalid(what) => (NtStatus::INVALID_PARAMETER, what.0),
    };
    Refused { status, at }
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let (step, event) = match (step, event) {
        (Step::Contended(set), Event::Wake(wake)) => return again(cx, who, *set, wake),
        other => other,
    };
    let done = event.done();
    if let Step::Sized(io) = &step {
        end_io(cx, io);
    }
    if let Done::Failed(error) = done {
        return Err(error.status().into());
    }
    match (step, done) {
        (Step::Renamed { from, to }, _) => {
            // Gone from one directory, come to another, and maybe not the same lease knows.
            contend::listing(cx, who.open()?);
            renamed(cx, who.open()?, &from, &to);
            contend::listing(cx, who.open()?);
            Flow::answer(ResponseBody::SetInfo)
        }
        (Step::StreamRenamed { to }, _) => {
            stream::renamed(cx, who.open()?, to);
            Flow::answer(ResponseBody::SetInfo)
        }
        (Step::MayDelete, Done::Info(info)) => may_delete(cx, who.open()?, &info),
        (Step::IsEmpty, _) => doom(cx, who.open()?),
        _ => {
            contend::listing(cx, who.open()?);
            Flow::answer(ResponseBody::SetInfo)
        }
    }
}

/// The wait for others is over: everything is checked again.
fn again(cx: &mut Cx<'_>, who: &Who, set: SetFileInformation, wake: Wake) -> Handled<super::Step> {
    match wake {
        Wake::Ready | Wake::TimedOut => set_file(cx, who.open()?, set),
        Wake::Cancelled => refuse(NtStatus::CANCELLED, "3.3.5.16: cancelled"),
        Wake::Closed | Wake::TreeGone | Wake::LoggedOff | Wake::HungUp => {
            refuse(NtStatus::FILE_CLOSED, "3.3.5.21: the open is gone")
        }
    }
}

fn waits(park: Park, set: SetFileInformation) -> Handled<super::Step> {
    Ok(Flow::Park(park, super::Step::SetInfo(Step::Contended(Box::new(set)))))
}

fn open_of<'a>(cx: &'a Cx<'_>, id: OpenId) -> Result<&'a Open, NtStatus> {
    cx.state.opens.get(&id).ok_or(NtStatus::FILE_CLOSED)
}

pub(super) fn call(open: &Open, op: Op, step: Step) -> Handled<super::Step> {
    Ok(Flow::Call(Call { identity: open.identity.clone(), op }, super::Step::SetInfo(step)))
}

/// MS-FSA 2.1.5.15.2.
fn basic(cx: &Cx<'_>, id: OpenId, set: &BasicInformation) -> Handled<super::Step> {
    let open = open_of(cx, id)?;
    let bad_time = Refused { status: NtStatus::INVALID_PARAMETER, at: "MS-FSA 2.1.5.15.2: a time" };
    let time = |time| match TimeChange::of(time) {
        Some(TimeChange::Set(time)) => Ok(Some(time)),
        Some(_) => Ok(None),
        None => Err(bad_time),
    };
    let hold = |time| match TimeChange::of(time) {
        Some(TimeChange::Set(_) | TimeChange::Suspend) => Some(true),
        Some(TimeChange::Resume) => Some(false),
        _ => None,
    };
    let attributes = set.file_attributes;
    let directory = open.is_directory();
    if attributes.contains(FileAttributes::DIRECTORY) && !directory {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.2: a file is no directory");
    }
    if attributes.contains(FileAttributes::TEMPORARY) && directory {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.2: a temporary directory");
    }
    let set = SetBasic {
        creation_time: time(set.creation_time)?,
        last_access_time: time(set.last_access_time)?,
        last_write_time: time(set.last_write_time)?,
        change_time: time(set.change_time)?,
        attributes: Some(attributes).filter(|attributes| !attributes.is_empty()),
        hold_access_time: hold(set.last_access_time),
        hold_write_time: hold(set.last_write_time),
    };
    call(open, Op::SetBasic { file: open.handle.clone(), set }, Step::Done)
}

/// MS-FSA 2.1.5.15.1, 2.1.5.15.4.
fn sized(
    cx: &mut Cx<'_>,
    id: OpenId,
    op: impl FnOnce(crate::vfs::File) -> Op,
) -> Handled<super::Step> {
    let open = open_of(cx, id)?;
    if open.is_directory() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15: directories have no size");
    }
    contend::data(cx, id);
    let io = begin_change(cx, id)?;
    let open = open_of(cx, id)?;
    call(open, op(open.handle.clone()), Step::Sized(io))
}

/// MS-FSA 2.1.5.15.9.
fn set_mode(cx: &mut Cx<'_>, id: OpenId, mode: FileMode) -> Handled<super::Step> {
    let settable = FileMode::WRITE_THROUGH
        | FileMode::SEQUENTIAL_ONLY
        | FileMode::SYNCHRONOUS_IO_ALERT
        | FileMode::SYNCHRONOUS_IO_NONALERT;
    if !settable.contains(mode) {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.9: Mode");
    }
    let open = cx.state.opens.get_mut(&id).ok_or(NtStatus::FILE_CLOSED)?;
    open.mode = open.mode & !settable.bits() | mode.bits();
    Flow::answer(ResponseBody::SetInfo)
}

/// MS-FSA 2.1.5.15.12.
fn rename(cx: &mut Cx<'_>, id: OpenId, target: Target) -> Handled<super::Step> {
    let open = open_of(cx, id)?;
    if target.root_directory != 0 {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21.1: RootDirectory");
    }
    let name = target.file_name.strip_prefix(&[u16::from(b'\\')]).unwrap_or(&target.file_name);
    if let Some(to) = crate::stream::target(name) {
        return stream::rename(cx, open, to?, target.replace_if_exists());
    }
    let What::File { key, place, .. } = &open.what else {
        return Err(NtStatus::INVALID_PARAMETER.into());
    };
    let (to, suffix) = crate::stream::split(name)?;
    if to.is_root() || place.path.is_root() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.12: the share itself");
    }
    if cx.state.is_doomed(*key) {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.15.12: about to be deleted");
    }
    if parent_is_held(cx, open, &to) {
        return refuse(NtStatus::SHARING_VIOLATION, "3.3.5.21.1: the target directory is held");
    }
    if key.is_stream() || suffix != Suffix::None {
        return refuse(
            NtStatus::OBJECT_NAME_INVALID,
            "MS-FSA 2.1.5.15.12: a stream stays in its file",
        );
    }
    let (key, share) = (*key, Arc::clone(&open.share));
    let targets = opens_at(cx, &share.path, &to);
    if let Some(park) = contend::rename(cx, id, &targets) {
        return waits(park, SetFileInformation::Rename(target));
    }
    let open = open_of(cx, id)?;
    let place = open.place().ok_or(NtStatus::INVALID_PARAMETER)?;
    if cx.state.other_streams(key).next().is_some() {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: a stream is open");
    }
    if open.is_directory() && holds_opens(cx, open, &place.path) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: something below is open");
    }
    let op = Op::Rename {
        root: place.root.clone(),
        from: place.path.clone(),
        to: to.clone(),
        key,
        replace: target.replace_if_exists(),
        token: security::token(cx, open),
    };
    call(open, op, Step::Renamed { from: place.path.clone(), to })
}

/// What is open under the new name, which it may lose.
fn opens_at(cx: &Cx<'_>, share: &str, to: &SharePath) -> Vec<FileKey> {
    let there = |open: &&Open| {
        open.share.path == share
            && open.place().is_some_and(|place| same_name(place.path.as_str(), to.as_str()))
    };
    cx.state.opens.values().filter(there).filter_map(Open::key).collect()
}

/// Renaming opens the target's directory to add the name, without sharing its deletion: whoever has
/// the directory open for deletion, or does not share writing, is in the way.
fn parent_is_held(cx: &Cx<'_>, open: &Open, to: &SharePath) -> bool {
    let parent = to.parent();
    let mine = (AccessMask::FILE_ADD_FILE, ShareAccess::READ | ShareAccess::WRITE);
    let held = |other: &Open| {
        other.share.path == open.share.path
            && other.place().is_some_and(|place| same_name(place.path.as_str(), parent.as_str()))
            && share_mode::conflicts((other.granted, other.share_access), mine)
    };
    cx.state.opens.values().any(held)
}

/// Another open lies below, through whatever share of the same directory.
fn holds_opens(cx: &Cx<'_>, open: &Open, path: &SharePath) -> bool {
    let below = |other: &Open| {
        other.share.path == open.share.path
            && other.place().is_some_and(|place| place.path.is_below(path))
    };
    cx.state.opens.values().any(below)
}

/// Every open that was reached by the old name is now at the new one, through whatever share of the
/// same directory.
fn renamed(cx: &mut Cx<'_>, id: OpenId, from: &SharePath, to: &SharePath) {
    let State { opens, files, .. } = &mut *cx.state;
    let Some(share) = opens.get(&id).map(|open| Arc::clone(&open.share)) else {
        return;
    };
    for open in opens.values_mut().filter(|open| open.share.path == share.path) {
        let What::File { key, place, .. } = &mut open.what else {
            continue;
        };
        let doomed = files.get_mut(key).and_then(|file| file.delete.as_mut());
        for place in doomed.into_iter().chain([place]) {
            if let Some(moved) = place.path.moved(from, to) {
                place.path = moved;
            }
        }
    }
}

/// MS-FSA 2.1.5.15.3.
fn disposition(cx: &mut Cx<'_>, id: OpenId, delete: bool) -> Handled<super::Step> {
    let open = open_of(cx, id)?;
    if !delete {
        let key = open.key().ok_or(NtStatus::INVALID_PARAMETER)?;
        let doomed = cx.state.files.get_mut(&key).and_then(|file| file.delete.take());
        doomed.into_iter().for_each(|place| cx.out.release(place.root));
        return Flow::answer(ResponseBody::SetInfo);
    }
    if open.place().is_none_or(Place::is_root) {
        return refuse(NtStatus::CANNOT_DELETE, "the share's own directory stays");
    }
    if let Some(park) = contend::delete(cx, id) {
        return waits(park, SetFileInformation::Disposition { delete_pending: true });
    }
    let open = open_of(cx, id)?;
    call(open, Op::Query { file: open.handle.clone() }, Step::MayDelete)
}

fn may_delete(cx: &mut Cx<'_>, id: OpenId, info: &FileInfo) -> Handled<super::Step> {
    if info.attributes.contains(FileAttributes::READONLY) {
        return refuse(NtStatus::CANNOT_DELETE, "MS-FSA 2.1.5.15.3: read-only");
    }
    let open = open_of(cx, id)?;
    if open.is_directory() {
        return call(open, Op::CheckEmpty { file: open.handle.clone() }, Step::IsEmpty);
    }
    doom(cx, id)
}

/// The name goes with the last open.
fn doom(cx: &mut Cx<'_>, id: OpenId) -> Handled<super::Step> {
    let open = open_of(cx, id)?;
    let (key, place): (Option<FileKey>, _) = (open.key(), open.place().cloned());
    if let Some(file) = key.and_then(|key| cx.state.files.get_mut(&key)) {
        let doomed = core::mem::replace(&mut file.delete, place);
        doomed.into_iter().for_each(|place| cx.out.release(place.root));
    }
    Flow::answer(ResponseBody::SetInfo)
}
