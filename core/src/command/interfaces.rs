//! FSCTL_QUERY_NETWORK_INTERFACE_INFO: where else a client finds this server.

use super::{Cx, Event, ioctl};
use crate::{
    flow::{Flow, Handled, OUR_BUG, job::Who, refuse},
    status::NtStatus,
    vfs::{Call, Done, Identity, Op},
    wire::{
        codec::Writer,
        header::FileId,
        ioctl::{FsctlCode, IoctlRequest},
        negotiate::Dialect,
        network_interface::NetworkInterfaceInfo,
    },
};
use alloc::{sync::Arc, vec::Vec};

/// How many bytes the answer may have.
#[derive(Debug)]
pub(crate) struct Step(u32);

/// MS-SMB2 3.3.5.15.11.
pub(super) fn begin(cx: &Cx<'_>, who: &Who, request: &IoctlRequest) -> Handled<super::Step> {
    let dialect = cx.state.conns.get(&who.conn).and_then(|conn| conn.dialect());
    let able = cx.state.config_of(who.conn).multi_channel;
    if !able || dialect.is_none_or(|dialect| dialect < Dialect::SMB_3_0) {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.15.11: one channel only");
    }
    if request.file_id != FileId::ANY {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.15: this FSCTL is of no open");
    }
    let call = Call { identity: Arc::new(Identity::nobody()), op: Op::Interfaces };
    Ok(Flow::Call(call, super::Step::Interfaces(Step(request.max_output_response))))
}

pub(super) fn resume(step: &Step, event: Event) -> Handled<super::Step> {
    let interfaces = match event.done() {
        Done::Interfaces(interfaces) => interfaces,
        Done::Failed(error) => return Err(error.into()),
        _ => return Err(OUR_BUG),
    };
    let mut output = Vec::new();
    NetworkInterfaceInfo::encode_list(&interfaces, &mut Writer::new(&mut output));
    if output.len() > step.0 as usize {
        return refuse(NtStatus::BUFFER_TOO_SMALL, "3.3.5.15.11: no room for all interfaces");
    }
    ioctl::answer(FsctlCode::QUERY_NETWORK_INTERFACE_INFO, FileId::ANY, output)
}
