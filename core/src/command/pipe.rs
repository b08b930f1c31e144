//! Named pipes: open, write, read and transact, all answered by the daemon.

use super::{Cx, Event};
use crate::{
    buffer::{Payload, ReplyBuf},
    flow::{
        Answer, CANCELLED, Flow, Handled, OUR_BUG, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::OpenId,
    message::ReplyBody,
    state::open::Open,
    status::NtStatus,
    vfs::{Call, Done, Op, VfsError},
    wire::{
        header::FileId,
        ioctl::{FsctlCode, IoctlRequest, IoctlResponse},
        message::ResponseBody,
        write::WriteResponse,
    },
};
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) enum Step {
    Write,
    Read { max: u32 },
    Transact { file_id: FileId },
}

/// MS-SMB2 3.3.5.13 on a pipe: one message.
pub(super) fn write(cx: &mut Cx<'_>, who: &mut Who, data: Payload) -> Handled<super::Step> {
    let pipe = pipe_of(cx, who)?.handle.clone();
    call(cx, who, Op::PipeWrite { pipe, data }, Step::Write)
}

/// MS-SMB2 3.3.5.12 on a pipe: waits for a message.
pub(super) fn read(cx: &mut Cx<'_>, who: &mut Who, max: u32) -> Handled<super::Step> {
    let pipe = pipe_of(cx, who)?.handle.clone();
    call(cx, who, Op::PipeRead { pipe, max }, Step::Read { max })
}

/// FSCTL_PIPE_TRANSCEIVE (MS-SMB2 3.3.5.15.10).
pub(super) fn transact(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: IoctlRequest,
) -> Handled<super::Step> {
    let open = pipe_of(cx, who)?;
    let (pipe, file_id) = (open.handle.clone(), open.file_id());
    let max = request.max_output_response;
    let op = Op::PipeTransact { pipe, data: request.input, max };
    call(cx, who, op, Step::Transact { file_id })
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let done = match event {
        Event::Wake(wake) => return woken(cx, who, step, wake),
        Event::Done(done) => done,
    };
    match (step, done) {
        (Step::Write, Done::Wrote(count)) => {
            // A reader of this pipe may have what it waits for.
            cx.flows.parking.wake(Wait::Pipe(who.open()?));
            Flow::answer(ResponseBody::Write(WriteResponse { count }))
        }
        (Step::Read { .. }, Done::PipeData { data, more }) => {
            let mut buffer = ReplyBuf::new(Vec::new(), data.len());
            buffer.vec().extend_from_slice(&data);
            Ok(Flow::Answer(Answer { status: status(more), body: ReplyBody::Read(buffer) }))
        }
        (step @ Step::Read { .. }, Done::Failed(VfsError::WouldBlock)) => {
            if !who.last {
                return refuse(NtStatus::PIPE_LISTENING, "3.3.4.2: cannot wait in a chain");
            }
            let wait = Wait::Pipe(who.open()?);
            let park = Park { wait, deadline: None, interim: true };
            Ok(Flow::Park(park, super::Step::Pipe(step)))
        }
        (Step::Transact { file_id }, Done::PipeData { data, more }) => {
            let ctl_code = FsctlCode::PIPE_TRANSCEIVE;
            let response = IoctlResponse { output: data, ..IoctlResponse::new(ctl_code, file_id) };
            Flow::answer_with(status(more), ResponseBody::Ioctl(response))
        }
        (_, Done::Failed(error)) => Err(failed(error)),
        _ => Err(OUR_BUG),
    }
}

fn woken(cx: &mut Cx<'_>, who: &mut Who, step: Step, wake: Wake) -> Handled<super::Step> {
    match (wake, step) {
        (Wake::Ready, Step::Read { max }) => read(cx, who, max),
        (Wake::Cancelled, _) => Err(CANCELLED),
        _ => refuse(NtStatus::PIPE_BROKEN, "3.3.5.12: the pipe was closed"),
    }
}

fn status(more: bool) -> NtStatus {
    if more { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }
}

/// A pipe that is gone is not a share that is gone.
pub(super) fn failed(error: VfsError) -> Refused {
    match error {
        VfsError::Unavailable | VfsError::Gone => NtStatus::PIPE_BROKEN.at("the pipe is gone"),
        VfsError::Busy => NtStatus::PIPE_BUSY.at("as many of this pipe as allowed"),
        error => error.into(),
    }
}

fn call(cx: &Cx<'_>, who: &Who, op: Op, step: Step) -> Handled<super::Step> {
    let identity = pipe_of(cx, who)?.identity.clone();
    Ok(Flow::Call(Call { identity, op }, super::Step::Pipe(step)))
}

fn pipe_of<'a>(cx: &'a Cx<'_>, who: &Who) -> Result<&'a Open, Refused> {
    let id: OpenId = who.open()?;
    let open = cx.state.opens.get(&id).filter(|open| open.is_pipe());
    open.ok_or(Refused { status: NtStatus::INVALID_DEVICE_REQUEST, at: "not a pipe" })
}
