//! WRITE.

use super::{
    Cx, Event, contend, notice, pipe,
    read::{Io, begin_io, check_channel, end_io},
};
use crate::{
    flow::{Flow, Handled, NO_OPEN, OUR_BUG, job::Who, refuse},
    state::range_lock::Touch,
    status::NtStatus,
    vfs::{Call, Done, Op},
    wire::{
        message::ResponseBody,
        write::{WriteFlags, WriteRequest, WriteResponse},
    },
};

#[derive(Debug)]
pub(crate) struct Step(Io);

/// MAXFILESIZE of MS-FSA 2.1.5.4, in bytes: what NTFS holds with clusters of 4 KiB.
const MAX_FILE_SIZE: u64 = 0x0fff_ffff_0000;

/// MS-SMB2 3.3.5.13.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &WriteRequest,
) -> Handled<super::Step> {
    let id = who.open()?;
    let data = who.bytes.slice(request.data.clone());
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    if data.len() > cx.state.config_of(who.conn).max_write as usize {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.13: longer than MaxWriteSize");
    }
    check_channel(cx, who, request.channel)?;
    if open.is_pipe() {
        return pipe::write(cx, who, data);
    }
    if open.is_directory() {
        return refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.13: WRITE to a directory");
    }
    let length = data.len() as u64;
    let end = request.offset.checked_add(length);
    let largest = if length > 0 { MAX_FILE_SIZE } else { i64::MAX as u64 };
    if end.is_none_or(|end| end > largest) {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.4: beyond MAXFILESIZE");
    }
    if length == 0 {
        return Flow::answer(ResponseBody::Write(WriteResponse { count: 0 }));
    }
    let through = open.write_through || request.flags.contains(WriteFlags::WRITE_THROUGH);
    let file = open.handle.clone();
    let op = Op::Write { file, offset: request.offset, data, through };
    let call = Call { identity: open.identity.clone(), op };
    let io = begin_io(cx, id, Touch::Write, request.offset, length)?;
    contend::data(cx, id);
    Ok(Flow::Call(call, super::Step::Write(Step(io))))
}

pub(super) fn resume(cx: &mut Cx<'_>, who: &Who, step: Step, event: Event) -> Handled<super::Step> {
    end_io(cx, &step.0);
    match event.done() {
        Done::Wrote(count) => {
            if let Some(open) = who.open.and_then(|id| cx.state.opens.get_mut(&id)) {
                open.modified = true;
            }
            notice::written(cx, who.open()?);
            Flow::answer(ResponseBody::Write(WriteResponse { count }))
        }
        Done::Failed(error) => Err(error.into()),
        _ => Err(OUR_BUG),
    }
}
