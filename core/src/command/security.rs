//! Security descriptors: QUERY_INFO and SET_INFO of InfoType SECURITY.
//!
//! A share that keeps descriptors (`vfs objects = acl_xattr`) answers with the stored one, any other
//! with one made of owner and mode. There, setting one is refused as by a file system of Windows
//! that has none (MS-FSA 2.1.5.16): nothing is taken that would not be kept.

use super::{Cx, Step};
use crate::{
    acl::{self, Change, Token},
    flow::{Flow, Handled, OUR_BUG, Refused, job::Who, refuse},
    state::open::Open,
    status::NtStatus,
    vfs::{FileInfo, Op},
    wire::{
        error_response::ErrorResponse,
        message::ResponseBody,
        negotiate::Dialect,
        output::Output,
        query_info::SecurityInformation,
        security::{SecurityControl, SecurityDescriptor},
        set_info::SetInfoRequest,
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// MS-SMB2 3.3.5.20.3: the parts that were asked for; a buffer that is too short is told the size.
pub(super) fn answer(
    cx: &Cx<'_>,
    who: &Who,
    info: &FileInfo,
    parts: SecurityInformation,
    max: u32,
) -> Handled<Step> {
    let whole = info.security.as_deref().cloned().unwrap_or_else(|| acl::synthetic(info));
    let mut buffer = Vec::new();
    if only(whole, parts).encode(&mut buffer).is_err() {
        return Err(OUR_BUG);
    }
    if buffer.len() <= max as usize {
        return Flow::answer(ResponseBody::QueryInfo(Output { buffer }));
    }
    let needed = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    let conn = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    let in_context = conn.is_some_and(|settled| settled.chosen.dialect == Dialect::SMB_3_1_1);
    let error = ErrorResponse::with_data(needed.to_le_bytes().to_vec(), in_context);
    Flow::answer_with(NtStatus::BUFFER_TOO_SMALL, ResponseBody::Error(error))
}

/// The asked-for parts of a descriptor, and the flags that belong to them.
fn only(mut descriptor: SecurityDescriptor, parts: SecurityInformation) -> SecurityDescriptor {
    let without = |part| !parts.contains(part);
    if without(SecurityInformation::OWNER) {
        descriptor.owner = None;
        descriptor.control.remove(SecurityControl::OWNER_DEFAULTED);
    }
    if without(SecurityInformation::GROUP) {
        descriptor.group = None;
        descriptor.control.remove(SecurityControl::GROUP_DEFAULTED);
    }
    if without(SecurityInformation::DACL) {
        descriptor.dacl = None;
        descriptor.control.remove(
            SecurityControl::DACL_PRESENT
                | SecurityControl::DACL_DEFAULTED
                | SecurityControl::DACL_AUTO_INHERITED
                | SecurityControl::DACL_PROTECTED,
        );
    }
    if without(SecurityInformation::SACL) {
        descriptor.sacl = None;
        descriptor.control.remove(
            SecurityControl::SACL_PRESENT
                | SecurityControl::SACL_DEFAULTED
                | SecurityControl::SACL_AUTO_INHERITED
                | SecurityControl::SACL_PROTECTED,
        );
    }
    descriptor
}

/// MS-SMB2 3.3.5.21.3. The gate has seen to the access that the parts need.
pub(super) fn set(cx: &Cx<'_>, open: &Open, request: &SetInfoRequest) -> Result<Op, Refused> {
    let Some(token) = token(cx, open) else {
        return refuse(
            NtStatus::INVALID_DEVICE_REQUEST,
            "MS-FSA 2.1.5.16: the share keeps no descriptors",
        );
    };
    let Ok(descriptor) = SecurityDescriptor::parse(&request.buffer) else {
        return refuse(NtStatus::INVALID_SECURITY_DESCR, "3.3.5.21.3: a malformed descriptor");
    };
    let parts = SecurityInformation::from_bits_retain(request.additional_information);
    let change = Box::new(Change { parts, descriptor, token });
    Ok(Op::SetSecurity { file: open.handle.clone(), change })
}

/// Who the open's session is to descriptors, where they are kept.
pub(super) fn token(cx: &Cx<'_>, open: &Open) -> Option<Arc<Token>> {
    cx.state.tree(open.session, open.tree).and_then(|tree| tree.token.clone())
}
