//! READ.

use super::{Cx, Event, pipe};
use crate::{
    flow::{Answer, Flow, Handled, NO_OPEN, OUR_BUG, Refused, job::Who, park::Wait, refuse},
    id::OpenId,
    message::ReplyBody,
    state::{
        conn::Conn,
        open::Open,
        range_lock::{RangeLock, Touch},
    },
    status::NtStatus,
    vfs::{Call, Done, Op},
    wire::{
        negotiate::Dialect,
        read::{Channel, ReadRequest},
    },
};

#[derive(Debug)]
pub(crate) struct Step {
    asked: u32,
    minimum: u32,
    io: Io,
}

/// A READ or WRITE that is running, as locks see it.
#[derive(Debug)]
pub(crate) struct Io {
    range: RangeLock,
}

/// MS-SMB2 3.3.5.12.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who, request: &ReadRequest) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    if request.length > cx.state.config_of(who.conn).max_read {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.12: longer than MaxReadSize");
    }
    check_channel(cx, who, request.channel)?;
    if open.is_pipe() {
        return pipe::read(cx, who, request.length);
    }
    if open.is_directory() {
        return refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.12: READ of a directory");
    }
    let end = request.offset.checked_add(u64::from(request.length));
    if end.is_none_or(|end| end > i64::MAX as u64) {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.3: beyond the largest file");
    }
    let io = begin_io(cx, id, Touch::Read, request.offset, u64::from(request.length))?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let op = Op::Read { file: open.handle.clone(), offset: request.offset, length: request.length };
    let call = Call { identity: open.identity.clone(), op };
    Ok(Flow::Call(
        call,
        super::Step::Read(Step { asked: request.length, minimum: request.minimum_count, io }),
    ))
}

/// MS-SMB2 3.3.5.12, 3.3.5.13: there is no RDMA, so that no data can come by another way. SMB2 has no such
/// field, and what stands there is ignored.
pub(super) fn check_channel(cx: &Cx<'_>, who: &Who, channel: Channel) -> Result<(), Refused> {
    let dialect = cx.state.conns.get(&who.conn).and_then(Conn::dialect);
    if dialect.is_some_and(|dialect| dialect >= Dialect::SMB_3_0) && channel != Channel::NONE {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.12: a channel for data");
    }
    Ok(())
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    end_io(cx, &step.io);
    match event.done() {
        Done::Read(data) => {
            let length = data.data().len();
            let open = who.open.and_then(|id| cx.state.opens.get_mut(&id));
            if let Some(open) = open {
                open.position = open.position.saturating_add(length as u64);
            }
            let too_few = length == 0 && step.asked > 0 || length < step.minimum as usize;
            if too_few {
                return refuse(NtStatus::END_OF_FILE, "3.3.5.12: fewer bytes than MinimumCount");
            }
            Ok(Flow::Answer(Answer { status: NtStatus::SUCCESS, body: ReplyBody::Read(data) }))
        }
        Done::Failed(error) => Err(error.into()),
        _ => Err(OUR_BUG),
    }
}

/// MS-FSA 2.1.4.10: byte-range locks keep others' I/O out, and what has begun keeps new locks
/// waiting until [`end_io`].
pub(super) fn begin_io(
    cx: &mut Cx<'_>,
    open: OpenId,
    touch: Touch,
    offset: u64,
    length: u64,
) -> Result<Io, Refused> {
    let key = cx.state.opens.get(&open).and_then(Open::key).ok_or(NO_OPEN)?;
    let file = cx.state.files.get_mut(&key).ok_or(NO_OPEN)?;
    if file.locks.keeps_out(open, touch, offset, length) {
        return refuse(NtStatus::FILE_LOCK_CONFLICT, "MS-FSA 2.1.4.10: a byte-range lock");
    }
    let range = RangeLock { open, offset, length, exclusive: touch == Touch::Write };
    file.locks.begin(range);
    Ok(Io { range })
}

/// The whole of a file is about to change, whatever locks say: what has begun keeps locks and leases
/// waiting all the same.
pub(super) fn begin_change(cx: &mut Cx<'_>, open: OpenId) -> Result<Io, Refused> {
    let key = cx.state.opens.get(&open).and_then(Open::key).ok_or(NO_OPEN)?;
    let file = cx.state.files.get_mut(&key).ok_or(NO_OPEN)?;
    let range = RangeLock { open, offset: 0, length: u64::MAX, exclusive: true };
    file.locks.begin(range);
    Ok(Io { range })
}

/// The READ or WRITE is through, whatever came of it.
pub(super) fn end_io(cx: &mut Cx<'_>, io: &Io) {
    // A stream may have another name than when it began.
    let key = cx.state.opens.get(&io.range.open).and_then(Open::key);
    if let Some((key, file)) = key.and_then(|key| Some((key, cx.state.files.get_mut(&key)?))) {
        file.locks.end(&io.range);
        if io.range.exclusive {
            file.changed = cx.state.changes.next();
        }
        cx.flows.parking.wake(Wait::Range(key));
    }
}
