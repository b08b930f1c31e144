//! OPLOCK_BREAK: the client acknowledges.

use super::{Cx, Step};
use crate::{
    flow::{Flow, Handled, NO_SESSION, breaks, job::Who, refuse},
    id::{Holder, LeaseId},
    state::lease::{self, Lease},
    status::NtStatus,
    wire::{
        create::OplockLevel,
        create_context::LeaseState,
        message::ResponseBody,
        oplock_break::{LeaseBreakAck, OplockBreak, OplockBreakRequest, OplockBreakResponse},
    },
};

/// MS-SMB2 3.3.5.22.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who, request: &OplockBreakRequest) -> Handled<Step> {
    match request {
        OplockBreakRequest::Oplock(acknowledged) => oplock(cx, who, *acknowledged),
        OplockBreakRequest::Lease(acknowledged) => lease(cx, who, *acknowledged),
    }
}

/// MS-SMB2 3.3.5.22.1.
fn oplock(cx: &mut Cx<'_>, who: &Who, acknowledged: OplockBreak) -> Handled<Step> {
    let holder = Holder::Open(who.open()?);
    let level = acknowledged.oplock_level;
    let held = cx.state.leases.get(&holder);
    let Some(breaking) = held.and_then(|lease| lease.breaking) else {
        if held.is_some_and(Lease::is_spent) {
            return refuse(NtStatus::INVALID_OPLOCK_PROTOCOL, "2.2.24.1: level II goes unasked");
        }
        return refuse(NtStatus::INVALID_DEVICE_STATE, "3.3.5.22.1: no break is under way");
    };
    if level != OplockLevel::NONE && level != OplockLevel::II {
        breaks::settle(cx, holder, LeaseState::empty());
        if level == OplockLevel::LEASE {
            return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.22.1: an oplock is no lease");
        }
        return refuse(NtStatus::INVALID_OPLOCK_PROTOCOL, "3.3.5.22.1: not a lower level");
    }
    let state = lease::of_level(level) & breaking.to;
    breaks::settle(cx, holder, state);
    let answer = OplockBreak { oplock_level: lease::level_of(state), ..acknowledged };
    Flow::answer(ResponseBody::OplockBreak(OplockBreakResponse::Oplock(answer)))
}

/// MS-SMB2 3.3.5.22.2.
fn lease(cx: &mut Cx<'_>, who: &Who, acknowledged: LeaseBreakAck) -> Handled<Step> {
    let settled = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    let client = settled.ok_or(NO_SESSION)?.client_guid;
    let holder = Holder::Lease(LeaseId { client, key: acknowledged.lease_key });
    let Some(held) = cx.state.leases.get(&holder) else {
        return refuse(NtStatus::OBJECT_NAME_NOT_FOUND, "3.3.5.22.2: no lease has this key");
    };
    let breaking = held.breaking;
    // Whoever knows the lease has got the answers that granted it.
    for open in held.opens.clone() {
        cx.state.heard(open);
    }
    let Some(breaking) = breaking else {
        return refuse(NtStatus::UNSUCCESSFUL, "3.3.5.22.2: no break is under way");
    };
    let state = LeaseState::from_bits_retain(acknowledged.lease_state);
    if !breaking.to.contains(state) {
        return refuse(NtStatus::REQUEST_NOT_ACCEPTED, "3.3.5.22.2: more than it was broken to");
    }
    breaks::settle(cx, holder, lease::sane(state));
    let answer = LeaseBreakAck {
        flags: 0,
        lease_key: acknowledged.lease_key,
        lease_state: lease::sane(state).bits(),
        lease_duration: 0,
    };
    Flow::answer(ResponseBody::OplockBreak(OplockBreakResponse::Lease(answer)))
}
