//! What smbtorture asks of a server under test by FSCTLs of Samba's own: answers of an odd shape, an
//! open that is busy, a connection that breaks. Only with `smbtorture hooks`, which is off unless
//! somebody runs tests.

use super::{Cx, Event, Step, ioctl};
use crate::{
    flow::{
        CANCELLED, Flow, Handled,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    message::Outbound,
    status::NtStatus,
    wire::{
        header::FileId,
        ioctl::{FsctlCode, IoctlRequest, IoctlResponse},
        message::ResponseBody,
    },
};
use alloc::{vec, vec::Vec};
use core::time::Duration;

/// Bytes between the fixed part of an answer and its data.
const PADDING: u8 = 8;

pub(super) fn begin(cx: &mut Cx<'_>, who: &Who, request: &IoctlRequest) -> Handled<Step> {
    let code = request.ctl_code;
    if !cx.state.config.smbtorture_hooks {
        return refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.15: this FSCTL is not here");
    }
    let input = usize::from(code == FsctlCode::SMBTORTURE_SLEEP);
    if request.input.len() != input {
        return refuse(NtStatus::INVALID_PARAMETER, "a test's FSCTL: its input");
    }
    match code {
        FsctlCode::SMBTORTURE_UNACKED => {
            if let Some(conn) = cx.state.conns.get_mut(&who.conn) {
                conn.deaf = true;
            }
            ioctl::answer(code, FileId::ANY, Vec::new())
        }
        FsctlCode::SMBTORTURE_PAD_READS => {
            cx.send(who.conn, Outbound::PadReads(PADDING));
            ioctl::answer(code, FileId::ANY, Vec::new())
        }
        FsctlCode::SMBTORTURE_PAD_IOCTL => Flow::answer(ResponseBody::Ioctl(IoctlResponse {
            padding: PADDING,
            output: vec![PADDING; request.max_output_response as usize],
            ..IoctlResponse::new(code, FileId::ANY)
        })),
        FsctlCode::SMBTORTURE_SLEEP => {
            let time = request.input.first().copied().unwrap_or_default();
            let deadline = Some(cx.now.mono + Duration::from_millis(time.into()));
            let wait = Wait::Sleep(who.open()?);
            Ok(Flow::Park(Park { wait, deadline, interim: false }, Step::Sleep(code)))
        }
        _ => refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.15: this FSCTL is not here"),
    }
}

/// A CLOSE ends the sleep: the request that was there before it is not refused for it.
pub(super) fn awake(cx: &Cx<'_>, who: &Who, code: FsctlCode, event: &Event) -> Handled<Step> {
    match event {
        Event::Wake(Wake::Cancelled) => Err(CANCELLED),
        _ => {
            let volatile = cx.state.opens.get(&who.open()?).map_or(0, |open| open.volatile);
            ioctl::answer(code, FileId { persistent: who.open()?.0, volatile }, Vec::new())
        }
    }
}
