//! LOCK.

use super::{Cx, Event};
use crate::{
    flow::{
        Flow, Handled, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::{FileKey, OpenId},
    state::range_lock::RangeLock,
    status::NtStatus,
    wire::{
        lock::{LockElement, LockFlags, LockRequest},
        message::ResponseBody,
    },
};

/// A lock that waits for others to go.
#[derive(Debug)]
pub(crate) struct Step {
    lock: RangeLock,
}

/// MS-SMB2 3.3.5.14.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who, request: LockRequest) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NtStatus::FILE_CLOSED)?;
    if open.is_directory() || open.is_pipe() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.8: only files have ranges");
    }
    let key = open.key().ok_or(NtStatus::INVALID_PARAMETER)?;
    let Some(first) = request.locks.first() else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14: LockCount is 0");
    };
    if first.flags.contains(LockFlags::UNLOCK) {
        unlock(cx, key, id, &request)
    } else {
        lock(cx, who, key, id, &request)
    }
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let Event::Wake(wake) = event else {
        return Err(NtStatus::INTERNAL_ERROR.into());
    };
    match wake {
        Wake::Ready => wait_for(cx, who, step.lock),
        Wake::Cancelled => refuse(NtStatus::CANCELLED, "3.3.5.16: cancelled"),
        Wake::TimedOut => refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.5.14: waited long enough"),
        // Whoever asked no longer has the open that would hold the lock.
        Wake::Closed | Wake::TreeGone | Wake::LoggedOff | Wake::HungUp => {
            refuse(NtStatus::RANGE_NOT_LOCKED, "3.3.5.14: the open is gone")
        }
    }
}

/// MS-SMB2 3.3.5.14.1: in order; what was unlocked before a failure stays so.
fn unlock(
    cx: &mut Cx<'_>,
    key: FileKey,
    id: OpenId,
    request: &LockRequest,
) -> Handled<super::Step> {
    let mut result = Ok(());
    let mut released = false;
    for element in &request.locks {
        if element.flags != LockFlags::UNLOCK {
            result = refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14.1: not an unlock");
            break;
        }
        let file = cx.state.files.get_mut(&key).ok_or(NtStatus::FILE_CLOSED)?;
        if !file.locks.remove(id, element.offset, element.length) {
            result = refuse(NtStatus::RANGE_NOT_LOCKED, "3.3.5.14.1: no such lock");
            break;
        }
        released = true;
    }
    if released {
        cx.flows.parking.wake(Wait::Range(key));
    }
    result?;
    Flow::answer(ResponseBody::Lock)
}

/// MS-SMB2 3.3.5.14.2: all or none. Only a request of one lock may wait.
fn lock(
    cx: &mut Cx<'_>,
    who: &mut Who,
    key: FileKey,
    id: OpenId,
    request: &LockRequest,
) -> Handled<super::Step> {
    let at_once = |lock: &LockElement| lock.flags.contains(LockFlags::FAIL_IMMEDIATELY);
    if request.locks.len() > 1 && !request.locks.iter().all(at_once) {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14.2: several locks that wait");
    }
    let limit = cx.state.config.limits.locks_per_open;
    let mut taken = 0;
    let mut result = Ok(());
    for element in &request.locks {
        result = wanted(id, element).and_then(|wanted| {
            let file = cx.state.files.get_mut(&key).ok_or(NtStatus::FILE_CLOSED)?;
            if file.locks.count(id) >= limit {
                return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many locks as allowed");
            }
            if file.locks.conflicts(&wanted) {
                return refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.5.14.2: another lock");
            }
            file.locks.add(wanted);
            Ok(())
        });
        if result.is_err() {
            break;
        }
        taken += 1;
    }
    let Err(refused) = result else {
        return Flow::answer(ResponseBody::Lock);
    };
    if let Some(file) = cx.state.files.get_mut(&key) {
        for lock in request.locks.iter().take(taken) {
            file.locks.remove(id, lock.offset, lock.length);
        }
    }
    match request.locks.first() {
        Some(first) if refused.status == NtStatus::LOCK_NOT_GRANTED && !at_once(first) => {
            wait_for(cx, who, wanted(id, first)?)
        }
        _ => Err(refused),
    }
}

/// One lock of a request, if it makes sense.
fn wanted(open: OpenId, element: &LockElement) -> Result<RangeLock, Refused> {
    let exclusive = match element.flags.difference(LockFlags::FAIL_IMMEDIATELY) {
        LockFlags::SHARED_LOCK => false,
        LockFlags::EXCLUSIVE_LOCK => true,
        _ => return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14.2: flags of a lock"),
    };
    let LockElement { offset, length, .. } = *element;
    let lock = RangeLock { open, offset, length, exclusive };
    if lock.wraps() {
        return refuse(NtStatus::INVALID_LOCK_RANGE, "MS-FSA 2.1.5.8: beyond 64 bits");
    }
    Ok(lock)
}

/// Takes the lock, or waits on.
fn wait_for(cx: &mut Cx<'_>, who: &Who, lock: RangeLock) -> Handled<super::Step> {
    let open = cx.state.opens.get(&lock.open).ok_or(NtStatus::RANGE_NOT_LOCKED)?;
    let key = open.key().ok_or(NtStatus::RANGE_NOT_LOCKED)?;
    let limit = cx.state.config.limits.locks_per_open;
    let file = cx.state.files.get_mut(&key).ok_or(NtStatus::RANGE_NOT_LOCKED)?;
    if !file.locks.conflicts(&lock) {
        if file.locks.count(lock.open) >= limit {
            return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many locks as allowed");
        }
        file.locks.add(lock);
        return Flow::answer(ResponseBody::Lock);
    }
    if !who.last {
        return refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.4.2: cannot wait inside a chain");
    }
    let park = Park { wait: Wait::Range(key), deadline: None, interim: true };
    Ok(Flow::Park(park, super::Step::Lock(Step { lock })))
}
