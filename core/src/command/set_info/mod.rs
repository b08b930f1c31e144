//! SET_INFO.

mod disposition;
mod rename;

use super::{
    Cx, Event, contend, ea, notice, promise,
    read::{Io, begin_change, end_io},
    security, stream,
};
use crate::{
    flow::{
        CANCELLED, Flow, Handled, NO_OPEN, OUR_BUG, Refused,
        job::Who,
        park::{Park, Wake},
        refuse,
    },
    id::{FileKey, OpenId},
    name::SharePath,
    state::{open::Open, promise::Pending},
    status::NtStatus,
    stream::StreamName,
    vfs::{Call, Done, Op, SetBasic},
    wire::{
        change_notify::CompletionFilter,
        fscc::{
            FileAttributes, FileInfoClass, FileMode,
            file::BasicInformation,
            set_file::{SetFileInformation, SetInfoError, TimeChange},
        },
        message::ResponseBody,
        query_info::InfoType,
        set_info::SetInfoRequest,
    },
};
use alloc::boxed::Box;

#[derive(Debug)]
pub(crate) enum Step {
    /// The call is all there is; then this is other than before.
    Done(CompletionFilter),
    /// The file has another size.
    Sized(Io),
    /// Others have been told that the file does not stay as it is; then it is tried again.
    Contended(Box<SetFileInformation>),
    /// What is at a new name decides whether it may be replaced.
    Target(Box<rename::Naming>),
    /// The name changes in the tables when it has changed on the disk.
    Renamed { from: SharePath, over: Option<FileKey> },
    /// The file has one name more.
    Linked { over: Option<FileKey> },
    /// Metadata decides whether the file may go.
    MayDelete,
    /// The directory is empty, or may not go.
    IsEmpty,
    /// What persistent opens are now is being written down.
    Promised(Pending),
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
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
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
            call(open, op, Step::Done(CompletionFilter::SECURITY))
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
        SetFileInformation::Rename(target) => rename::rename(cx, id, target),
        SetFileInformation::Link(target) => rename::link(cx, id, target),
        SetFileInformation::Disposition { delete_pending } => {
            disposition::disposition(cx, id, delete_pending)
        }
        SetFileInformation::Position { current_byte_offset } => {
            let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
            open.position = current_byte_offset;
            Flow::answer(ResponseBody::SetInfo)
        }
        SetFileInformation::Mode { mode } => set_mode(cx, id, mode),
        SetFileInformation::FullEa(eas) => ea::set(open_of(cx, id)?, eas),
        SetFileInformation::ShortName { .. } => {
            refuse(NtStatus::PRIVILEGE_NOT_HELD, "MS-FSA 2.1.5.15: SeRestorePrivilege")
        }
        SetFileInformation::ValidDataLength { .. } => {
            refuse(NtStatus::PRIVILEGE_NOT_HELD, "MS-FSA 2.1.5.15: SeManageVolumePrivilege")
        }
        SetFileInformation::Pipe { .. } => {
            refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15: not a pipe")
        }
    }
}

fn refused(class: FileInfoClass, error: SetInfoError) -> Refused {
    let (status, at) = match error {
        // Windows knows them, and does not take them from the network.
        SetInfoError::UnknownClass
            if matches!(
                class,
                FileInfoClass::DISPOSITION_EX | FileInfoClass::RENAME_EX | FileInfoClass::LINK_EX
            ) =>
        {
            (NtStatus::NOT_IMPLEMENTED, "MS-FSCC 2.4: a class for local programs")
        }
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
    match step {
        Step::Target(naming) => return rename::looked(cx, who.open()?, *naming, done),
        Step::Promised(pending) => {
            // It is so, whether it is written or not: at worst the next server does not find the file.
            promise::written(cx, pending, &done);
            return Flow::answer(ResponseBody::SetInfo);
        }
        _ => {}
    }
    if let Done::Failed(error) = done {
        return Err(error.into());
    }
    match (step, done) {
        (Step::Renamed { from, over }, Done::Named { to, replaced }) => {
            if replaced {
                rename::replaced(cx, over);
            }
            // Gone from one directory, come to another.
            contend::listing(cx, who.open()?);
            rename::renamed(cx, who.open()?, &from, &to);
            contend::listing(cx, who.open()?);
            notice::renamed(cx, who.open()?, &from, replaced);
            return changed_for_all(cx, who.open()?);
        }
        (Step::Linked { over }, Done::Named { to, replaced }) => {
            if replaced {
                rename::replaced(cx, over);
            }
            contend::listed_at(cx, who.open()?, &to);
            notice::linked(cx, who.open()?, to, replaced);
        }
        (Step::StreamRenamed { to }, _) => {
            stream::renamed(cx, who.open()?, to);
            return changed_for_all(cx, who.open()?);
        }
        (Step::Done(changed), _) => modified(cx, who.open()?, changed),
        (Step::Sized(_), _) => modified(cx, who.open()?, CompletionFilter::SIZE),
        (Step::MayDelete, Done::Info(info)) => {
            return disposition::may_delete(cx, who.open()?, &info);
        }
        (Step::IsEmpty, _) => return disposition::doom(cx, who.open()?),
        _ => return Err(OUR_BUG),
    }
    Flow::answer(ResponseBody::SetInfo)
}

/// A file has another name, or is to go: who has it open persistently finds it so again.
fn changed_for_all(cx: &mut Cx<'_>, id: OpenId) -> Handled<super::Step> {
    match promise::due_to_all(cx, id) {
        Some((call, pending)) => {
            Ok(Flow::Call(call, super::Step::SetInfo(Step::Promised(pending))))
        }
        None => Flow::answer(ResponseBody::SetInfo),
    }
}

/// What a directory says of the file is other than before.
fn modified(cx: &mut Cx<'_>, id: OpenId, changed: CompletionFilter) {
    contend::listing(cx, id);
    notice::modified(cx, id, changed);
}

/// The wait for others is over: everything is checked again.
fn again(cx: &mut Cx<'_>, who: &Who, set: SetFileInformation, wake: Wake) -> Handled<super::Step> {
    match wake {
        Wake::Ready | Wake::TimedOut => set_file(cx, who.open()?, set),
        Wake::Cancelled => Err(CANCELLED),
        Wake::Closed | Wake::TreeGone | Wake::LoggedOff | Wake::HungUp => Err(NO_OPEN),
    }
}

fn waits(park: Park, set: SetFileInformation) -> Handled<super::Step> {
    Ok(Flow::Park(park, super::Step::SetInfo(Step::Contended(Box::new(set)))))
}

fn open_of<'a>(cx: &'a Cx<'_>, id: OpenId) -> Result<&'a Open, Refused> {
    cx.state.opens.get(&id).ok_or(NO_OPEN)
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
    let step = Step::Done(changed(&set));
    call(open, Op::SetBasic { file: open.handle.clone(), set }, step)
}

/// Whom it concerns that these are set.
fn changed(set: &SetBasic) -> CompletionFilter {
    let mut changed = CompletionFilter::empty();
    changed.set(CompletionFilter::ATTRIBUTES, set.attributes.is_some());
    changed.set(CompletionFilter::CREATION, set.creation_time.is_some());
    changed.set(CompletionFilter::LAST_ACCESS, set.last_access_time.is_some());
    changed.set(CompletionFilter::LAST_WRITE, set.last_write_time.is_some());
    changed
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
    let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
    open.mode = open.mode & !settable.bits() | mode.bits();
    Flow::answer(ResponseBody::SetInfo)
}
