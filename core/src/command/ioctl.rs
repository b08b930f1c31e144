//! IOCTL.

use super::{Cx, Step, interfaces, pipe, smbtorture};
use crate::{
    flow::{Flow, Handled, NO_OPEN, job::Who, refuse},
    message::Outbound,
    status::NtStatus,
    wire::{
        codec::Writer,
        fsctl::{ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse},
        header::FileId,
        ioctl::{FsctlCode, IoctlFlags, IoctlRequest, IoctlResponse},
        message::ResponseBody,
        negotiate::Dialect,
    },
};
use alloc::vec::Vec;

/// MS-SMB2 3.3.5.15.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who, request: IoctlRequest) -> Handled<Step> {
    if !request.flags.contains(IoctlFlags::IS_FSCTL) {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.15: not an FSCTL");
    }
    let max = cx.state.config_of(who.conn).max_trans;
    let largest = request.max_input_response.max(request.max_output_response);
    if largest > max || request.input.len() > max as usize {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.15: longer than MaxTransactSize");
    }
    match request.ctl_code {
        FsctlCode::VALIDATE_NEGOTIATE_INFO => validate(cx, who, &request),
        FsctlCode::PIPE_TRANSCEIVE => pipe::transact(cx, who, request),
        FsctlCode::CREATE_OR_GET_OBJECT_ID | FsctlCode::GET_OBJECT_ID => {
            object_id(cx, who, &request)
        }
        FsctlCode::LMR_REQUEST_RESILIENCY => {
            let file_id = super::durable::resiliency(cx, who, &request.input)?;
            answer(request.ctl_code, file_id, Vec::new())
        }
        // MS-SMB2 3.3.5.15.2: no DFS here, and it is not advertised.
        FsctlCode::DFS_GET_REFERRALS | FsctlCode::DFS_GET_REFERRALS_EX => {
            refuse(NtStatus::NOT_FOUND, "3.3.5.15.2: no DFS")
        }
        FsctlCode::QUERY_NETWORK_INTERFACE_INFO => interfaces::begin(cx, who, &request),
        FsctlCode::SMBTORTURE_UNACKED
        | FsctlCode::SMBTORTURE_PAD_IOCTL
        | FsctlCode::SMBTORTURE_PAD_READS
        | FsctlCode::SMBTORTURE_SLEEP => smbtorture::begin(cx, who, &request),
        _ => refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.15: this FSCTL is not here"),
    }
}

/// FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2 3.3.5.15.12): a man in the middle who changed NEGOTIATE
/// loses the connection.
fn validate(cx: &mut Cx<'_>, who: &mut Who, request: &IoctlRequest) -> Handled<Step> {
    let conn = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    let Some(settled) = conn else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.15.12: nothing was negotiated");
    };
    let chosen = settled.chosen.dialect;
    let told = ValidateNegotiateInfoRequest::parse(&request.input).ok().filter(|told| {
        chosen != Dialect::SMB_3_1_1
            && told.guid == settled.client_guid
            && told.capabilities == settled.client_capabilities
            && told.security_mode == settled.client_security_mode
            && super::negotiate::choose(cx.state.config_of(who.conn), &told.dialects)
                == Some(chosen)
    });
    if told.is_none() {
        cx.send(who.conn, Outbound::Close("VALIDATE_NEGOTIATE_INFO does not match NEGOTIATE"));
        return Ok(Flow::Silent);
    }
    if (request.max_output_response as usize) < ValidateNegotiateInfoResponse::LEN {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.15.12: no room for the answer");
    }
    let response = ValidateNegotiateInfoResponse {
        capabilities: settled.server_capabilities,
        guid: cx.state.config.server_guid,
        security_mode: settled.server_security_mode,
        dialect: chosen,
    };
    let mut output = Vec::new();
    response.encode(&mut Writer::new(&mut output));
    answer(request.ctl_code, FileId::ANY, output)
}

/// Bytes of FILE_OBJECTID_BUFFER (MS-FSCC 2.1.3).
const OBJECT_ID_LEN: usize = 64;

/// FSCTL_CREATE_OR_GET_OBJECT_ID (MS-FSCC 2.3.1): inode and device are unique and stable, so they
/// are the ObjectId, and the BirthObjectId too. The domain is always zero.
fn object_id(cx: &Cx<'_>, who: &Who, request: &IoctlRequest) -> Handled<Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    let Some(key) = open.key() else {
        return refuse(NtStatus::INVALID_DEVICE_REQUEST, "3.3.5.15: a pipe has no object id");
    };
    if (request.max_output_response as usize) < OBJECT_ID_LEN {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSCC 2.3.1: no room for the object id");
    }
    let mut output = Vec::with_capacity(OBJECT_ID_LEN);
    let mut writer = Writer::new(&mut output);
    let unique = |writer: &mut Writer<'_>| {
        writer.u64(key.inode);
        writer.u64(key.device);
    };
    unique(&mut writer);
    writer.zeros(16);
    unique(&mut writer);
    writer.zeros(16);
    answer(request.ctl_code, open.file_id(), output)
}

pub(super) fn answer(code: FsctlCode, file_id: FileId, output: Vec<u8>) -> Handled<Step> {
    let response = IoctlResponse { output, ..IoctlResponse::new(code, file_id) };
    Flow::answer(ResponseBody::Ioctl(response))
}
