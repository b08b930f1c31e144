//! LOCK.

use super::{Cx, Event, contend, promise};
use crate::{
    flow::{
        CANCELLED, Flow, Handled, NO_OPEN, OUR_BUG, Refused,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    id::{FileKey, OpenId},
    state::{
        durable::Endurance,
        promise::Pending,
        range_lock::{RangeLock, RangeLocks},
    },
    status::NtStatus,
    wire::{
        lock::{LockElement, LockFlags, LockRequest},
        message::ResponseBody,
        negotiate::{Capabilities, Dialect},
    },
};

const CLOSED: &str = "3.3.5.14: the open is gone";

#[derive(Debug)]
pub(crate) enum Step {
    /// Locks that wait for others to go.
    Waits(LockRequest),
    /// What has changed is being written down.
    Promised(LockRequest, Pending),
    /// A lock was asked for again, by this LockSequence, and is being written down.
    Again(u32, Pending),
}

/// MS-SMB2 3.3.5.14.
pub(super) fn begin(cx: &mut Cx<'_>, who: &mut Who, request: LockRequest) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    if open.is_directory() || open.is_pipe() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.8: only files have ranges");
    }
    let key = open.key().ok_or(NO_OPEN)?;
    let Some(first) = request.locks.first() else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14: LockCount is 0");
    };
    let unlocks = first.flags.contains(LockFlags::UNLOCK);
    if has_sequences(cx, who) {
        let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
        if open.lock_sequences.is_replay(request.lock_sequence) {
            return if unlocks {
                Flow::answer(ResponseBody::Lock)
            } else {
                again(cx, id, &request)
            };
        }
    }
    match unlocks {
        true => unlock(cx, who, key, request),
        false => lock(cx, who, key, id, request),
    }
}

/// Whether a LOCK that comes twice is noticed: where clients may have to ask again (MS-SMB2 3.3.5.14).
/// That is over another channel, or with an open that outlives its connection; 2.0.2 has neither.
fn has_sequences(cx: &Cx<'_>, who: &Who) -> bool {
    let Some(settled) = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated) else {
        return false;
    };
    let open = who.open.and_then(|id| cx.state.opens.get(&id));
    let endures = open.is_some_and(|open| open.claim.endurance != Endurance::None);
    endures && settled.chosen.dialect > Dialect::SMB_2_0_2
        || settled.server_capabilities.contains(Capabilities::MULTI_CHANNEL)
}

/// It is done, and will not be done again. Of a persistent open that has to be written down first.
fn done(cx: &mut Cx<'_>, who: &Who, request: LockRequest) -> Handled<super::Step> {
    if has_sequences(cx, who)
        && let Some(open) = who.open.and_then(|id| cx.state.opens.get_mut(&id))
    {
        open.lock_sequences.done(request.lock_sequence);
    }
    if let Some((call, pending)) = promise::due(cx, who.open()?) {
        return Ok(Flow::Call(call, super::Step::Lock(Step::Promised(request, pending))));
    }
    Flow::answer(ResponseBody::Lock)
}

/// It was done before, and is not done again. That it is written down may not be known yet: it may be
/// another channel's call, which comes to nothing when that channel ends.
fn again(cx: &mut Cx<'_>, id: OpenId, request: &LockRequest) -> Handled<super::Step> {
    match promise::due(cx, id) {
        Some((call, pending)) => {
            let step = Step::Again(request.lock_sequence, pending);
            Ok(Flow::Call(call, super::Step::Lock(step)))
        }
        None => Flow::answer(ResponseBody::Lock),
    }
}

/// It may have been taken back meanwhile. Where nothing is certain the client asks once more.
fn done_again(cx: &Cx<'_>, who: &Who, sequence: u32, written: bool) -> Handled<super::Step> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NO_OPEN)?;
    if written && open.lock_sequences.is_done(sequence) {
        return Flow::answer(ResponseBody::Lock);
    }
    refuse(NtStatus::FILE_NOT_AVAILABLE, "3.3.5.14: the lock is not written down yet")
}

/// What cannot be written down is not promised. That locks are released is true all the same: at
/// worst the next server holds them until the file is closed.
fn promised(
    cx: &mut Cx<'_>,
    who: &Who,
    request: &LockRequest,
    written: bool,
) -> Handled<super::Step> {
    let unlocks = request.locks.first().is_none_or(|lock| lock.flags.contains(LockFlags::UNLOCK));
    if written || unlocks {
        return Flow::answer(ResponseBody::Lock);
    }
    let id = who.open()?;
    let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
    open.lock_sequences.undone(request.lock_sequence);
    let key = open.key().ok_or(NO_OPEN)?;
    let locks = &mut cx.state.files.get_mut(&key).ok_or(NO_OPEN)?.locks;
    give_back(locks, id, &request.locks);
    cx.flows.parking.wake(Wait::Range(key));
    refuse(NtStatus::INSUFFICIENT_RESOURCES, "3.3.5.14: the lock could not be written down")
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let (request, wake) = match (step, event) {
        (Step::Waits(request), Event::Wake(wake)) => (request, wake),
        (Step::Promised(request, pending), Event::Done(done)) => {
            // What was written after it, for others, has it in it.
            let since = who.open.is_some_and(|id| cx.state.is_written_since(id, &pending));
            let written = promise::written(cx, pending, &done) || since;
            return promised(cx, who, &request, written);
        }
        (Step::Again(sequence, pending), Event::Done(done)) => {
            let written = promise::written(cx, pending, &done);
            return done_again(cx, who, sequence, written);
        }
        _ => return Err(OUR_BUG),
    };
    match wake {
        Wake::Ready => {
            let id = who.open()?;
            let key = cx.state.opens.get(&id).and_then(|open| open.key());
            let key = key.ok_or(NtStatus::RANGE_NOT_LOCKED.at(CLOSED))?;
            lock(cx, who, key, id, request)
        }
        Wake::Cancelled => Err(CANCELLED),
        Wake::TimedOut => refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.5.14: waited long enough"),
        // Whoever asked no longer has the open that would hold the lock.
        Wake::Closed | Wake::TreeGone | Wake::LoggedOff | Wake::HungUp => {
            refuse(NtStatus::RANGE_NOT_LOCKED, CLOSED)
        }
    }
}

/// MS-SMB2 3.3.5.14.1: in order; what was unlocked before a failure stays so.
fn unlock(cx: &mut Cx<'_>, who: &Who, key: FileKey, request: LockRequest) -> Handled<super::Step> {
    let id = who.open()?;
    let mut result = Ok(());
    let mut released = false;
    for element in &request.locks {
        if element.flags != LockFlags::UNLOCK {
            result = refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14.1: not an unlock");
            break;
        }
        let file = cx.state.files.get_mut(&key).ok_or(NO_OPEN)?;
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
    done(cx, who, request)
}

/// MS-SMB2 3.3.5.14.2: all or none. Only a request of one lock may wait for another lock.
fn lock(
    cx: &mut Cx<'_>,
    who: &Who,
    key: FileKey,
    id: OpenId,
    request: LockRequest,
) -> Handled<super::Step> {
    let at_once = |lock: &LockElement| lock.flags.contains(LockFlags::FAIL_IMMEDIATELY);
    if request.locks.len() > 1 && !request.locks.iter().all(at_once) {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.14.2: several locks that wait");
    }
    let room = room(cx, key, id, request.locks.len());
    let locks = &mut cx.state.files.get_mut(&key).ok_or(NO_OPEN)?.locks;
    let wait = |interim, request| {
        let park = Park { wait: Wait::Range(key), deadline: None, interim };
        Ok(Flow::Park(park, super::Step::Lock(Step::Waits(request))))
    };
    if request.locks.iter().filter_map(|lock| wanted(id, lock).ok()).any(|w| locks.is_busy(&w)) {
        // As long as a read or write takes: the client is not told.
        return wait(false, request);
    }
    let Err(refused) = take_all(locks, id, room, &request.locks) else {
        contend::data(cx, id);
        return done(cx, who, request);
    };
    let waits =
        refused.status == NtStatus::LOCK_NOT_GRANTED && !request.locks.first().is_some_and(at_once);
    match waits {
        true if who.last => wait(true, request),
        true => refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.4.2: cannot wait inside a chain"),
        false => Err(refused),
    }
}

/// Locks of which no open is kept, however many others have.
const FEW: usize = 64;

/// How many more locks an open may have, if that are as many as it asks for.
fn room(cx: &Cx<'_>, key: FileKey, id: OpenId, asked: usize) -> usize {
    let limits = cx.state.config.limits;
    let Some(locks) = cx.state.files.get(&key).map(|file| &file.locks) else {
        return 0;
    };
    let own = locks.count(id);
    let of_open = limits.locks_per_open.saturating_sub(own);
    let of_file = limits.locks_per_file.saturating_sub(locks.len());
    let few = FEW.saturating_sub(own);
    // All are only counted for those who have many.
    let all = || cx.state.files.values().map(|file| file.locks.len()).sum();
    let of_all = if asked <= few { few } else { few.max(limits.locks.saturating_sub(all())) };
    of_open.min(of_file).min(of_all)
}

fn take_all(
    locks: &mut RangeLocks,
    id: OpenId,
    room: usize,
    asked: &[LockElement],
) -> Result<(), Refused> {
    for (taken, element) in asked.iter().enumerate() {
        if let Err(refused) = take(locks, id, taken < room, element) {
            give_back(locks, id, asked.get(..taken).unwrap_or_default());
            return Err(refused);
        }
    }
    Ok(())
}

/// What this request took goes, and nothing that was there before it.
fn give_back(locks: &mut RangeLocks, id: OpenId, taken: &[LockElement]) {
    let taken = taken.iter().filter_map(|element| wanted(id, element).ok());
    taken.for_each(|lock| locks.give_back(&lock));
}

fn take(
    locks: &mut RangeLocks,
    id: OpenId,
    room: bool,
    element: &LockElement,
) -> Result<(), Refused> {
    let wanted = wanted(id, element)?;
    if !room {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many locks as allowed");
    }
    if locks.conflicts(&wanted) {
        return refuse(NtStatus::LOCK_NOT_GRANTED, "3.3.5.14.2: another lock");
    }
    locks.add(wanted);
    Ok(())
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
