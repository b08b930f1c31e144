//! Extended attributes: FileFullEaInformation both ways, and the buffer that CREATE brings.

use super::{query_info, set_info};
use crate::{
    ea,
    flow::{Handled, Refused, refuse},
    state::open::Open,
    status::NtStatus,
    vfs::Op,
    wire::{
        change_notify::CompletionFilter,
        fscc::{
            ea::{FullEaInformation, parse_get_ea},
            file::FileInformation,
        },
        query_info::{QueryInfoFlags, QueryInfoRequest},
    },
};
use alloc::vec::Vec;

/// Attributes that a client wants to set: names that may be, and no more than a file can have.
pub(super) fn check(eas: &[FullEaInformation]) -> Result<(), Refused> {
    for ea in eas {
        if let Err(status) = ea::check_name(&ea.ea_name) {
            return refuse(status, "MS-FSCC 2.4.16: EaName");
        }
    }
    let size = eas.iter().fold(0_u32, |sum, ea| sum.saturating_add(ea.size()));
    if size > ea::MAX_SIZE {
        return refuse(NtStatus::EA_TOO_LARGE, "MS-FSA 2.1.5.15.6: more than a file can have");
    }
    Ok(())
}

/// MS-FSA 2.1.5.15.6.
pub(super) fn set(open: &Open, eas: Vec<FullEaInformation>) -> Handled<super::Step> {
    check(&eas)?;
    let op = Op::SetEa { file: open.handle.clone(), eas };
    set_info::call(open, op, set_info::Step::Done(CompletionFilter::EA))
}

/// MS-FSA 2.1.5.12.10. Every query begins with the first attribute, as if with SL_RESTART_SCAN.
pub(super) fn query(request: &QueryInfoRequest, open: &Open, max: u32) -> Result<Op, Refused> {
    let Ok(names) = parse_get_ea(&request.input) else {
        return refuse(NtStatus::EA_LIST_INCONSISTENT, "MS-FSCC 2.4.16.1: a malformed list");
    };
    let names = Some(names).filter(|names| !names.is_empty());
    // A name that is none would come back with a value that is none.
    for name in names.iter().flatten() {
        if let Err(NtStatus::INVALID_EA_NAME) = ea::check_name(name) {
            return refuse(NtStatus::INVALID_EA_NAME, "MS-FSCC 2.4.16.1: EaName");
        }
    }
    Ok(Op::QueryEa { file: open.handle.clone(), names, max })
}

/// The attributes that fit.
pub(super) fn answer(
    mut eas: Vec<FullEaInformation>,
    flags: QueryInfoFlags,
    max: u32,
) -> Handled<super::Step> {
    if eas.is_empty() {
        return refuse(NtStatus::NO_EAS_ON_FILE, "MS-FSA 2.1.5.12.10: there are none");
    }
    if flags.contains(QueryInfoFlags::RETURN_SINGLE_ENTRY) {
        eas.truncate(1);
    }
    query_info::fitted(&FileInformation::FullEa(eas), max)
}
