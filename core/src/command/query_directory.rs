//! QUERY_DIRECTORY.

use super::{Cx, Event, bad_name, security};
use crate::{
    flow::{
        CANCELLED, Flow, Handled, NO_OPEN, OUR_BUG,
        job::Who,
        park::{Park, Wait, Wake},
        refuse,
    },
    name::Pattern,
    state::open::Listing,
    status::NtStatus,
    vfs::{Call, Done, ListHow, Op, VfsError},
    wire::{
        fscc::{FileInfoClass, directory::DirectoryPacker},
        message::ResponseBody,
        output::Output,
        query_directory::{QueryDirectoryFlags, QueryDirectoryRequest},
    },
};
use alloc::boxed::Box;

#[derive(Debug)]
pub(crate) enum Step {
    /// The page is being read.
    Page,
    /// Another page of this open is being read.
    Turn(Box<QueryDirectoryRequest>),
}

/// MS-SMB2 3.3.5.18.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &QueryDirectoryRequest,
) -> Handled<super::Step> {
    let id = who.open()?;
    let token = cx.state.opens.get(&id).and_then(|open| security::token(cx, open));
    let max = cx.state.config_of(who.conn).max_trans;
    let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
    if !open.is_directory() {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.18: not a directory");
    }
    let class = FileInfoClass(request.file_information_class);
    let Some(smallest) = DirectoryPacker::min_len(class) else {
        return refuse(NtStatus::INVALID_INFO_CLASS, "3.3.5.18: unknown class");
    };
    if request.output_buffer_length > max {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.18: longer than MaxTransactSize");
    }
    if (request.output_buffer_length as usize) < smallest {
        return refuse(NtStatus::INFO_LENGTH_MISMATCH, "3.3.5.18: shorter than one entry");
    }
    if open.listing.busy {
        let park = Park { wait: Wait::Listing(id), deadline: None, interim: false };
        let step = Step::Turn(Box::new(request.clone()));
        return Ok(Flow::Park(park, super::Step::QueryDirectory(step)));
    }
    let fresh = QueryDirectoryFlags::RESTART_SCANS | QueryDirectoryFlags::REOPEN;
    let listing = &mut open.listing;
    if request.flags.intersects(fresh) || listing.pattern.is_none() {
        // A restart may bring a new pattern; an empty one keeps the old.
        let keeps =
            request.file_name.is_empty() && !request.flags.contains(QueryDirectoryFlags::REOPEN);
        let kept = listing.pattern.take().filter(|_| keeps);
        let pattern =
            kept.map_or_else(|| Pattern::parse(&request.file_name.0).map_err(bad_name), Ok)?;
        *listing = Listing { pattern: Some(pattern), ..Listing::default() };
    }
    if let Some(error) = listing.broken {
        return Err(error.into());
    }
    let Some(pattern) = listing.pattern.clone() else {
        return Err(OUR_BUG);
    };
    listing.class = Some(class);
    listing.busy = true;
    let how = ListHow {
        file: open.handle.clone(),
        cursor: listing.cursor.take(),
        pattern,
        class,
        max: request.output_buffer_length,
        single: request.flags.contains(QueryDirectoryFlags::RETURN_SINGLE_ENTRY),
        token,
    };
    let call = Call { identity: open.identity.clone(), op: Op::List(Box::new(how)) };
    Ok(Flow::Call(call, super::Step::QueryDirectory(Step::Page)))
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    match (step, event) {
        (Step::Turn(request), Event::Wake(Wake::Ready)) => begin(cx, who, &request),
        (Step::Turn(_), Event::Wake(Wake::Cancelled)) => Err(CANCELLED),
        (Step::Turn(_), _) => Err(NO_OPEN),
        (Step::Page, event) => page(cx, who, event.done()),
    }
}

fn page(cx: &mut Cx<'_>, who: &mut Who, done: Done) -> Handled<super::Step> {
    let id = who.open()?;
    let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
    let listing = &mut open.listing;
    listing.busy = false;
    let found_before = listing.found;
    let result = match done {
        Done::Listed { data, overflow, cursor } => {
            listing.cursor = Some(cursor);
            listing.found |= !data.is_empty() || overflow;
            Ok((data, overflow))
        }
        Done::Failed(error) => Err(error),
        _ => Err(VfsError::Io),
    };
    listing.broken = result.as_ref().err().copied().filter(|_| found_before);
    cx.flows.parking.wake(Wait::Listing(id));
    match result {
        Ok((data, true)) if data.is_empty() => {
            refuse(NtStatus::INFO_LENGTH_MISMATCH, "3.3.5.18: not one entry fits")
        }
        Ok((data, _)) if data.is_empty() && found_before => {
            refuse(NtStatus::NO_MORE_FILES, "3.3.5.18: the end")
        }
        Ok((data, _)) if data.is_empty() => {
            refuse(NtStatus::NO_SUCH_FILE, "3.3.5.18: nothing matches")
        }
        Ok((buffer, _)) => Flow::answer(ResponseBody::QueryDirectory(Output { buffer })),
        Err(error) => Err(error.into()),
    }
}
