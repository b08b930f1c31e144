//! A run in words: who asks what, and what is answered.

use crate::{
    client::Response,
    model::Use,
    world::{Asked, Seen},
};
use ksmbd_core::wire::{
    create::CreateRequest,
    create_context::{RequestContext, ResponseContext},
    fscc::{AccessMask, FileInfoClass, set_file::SetFileInformation},
    header::{FileId, HeaderFlags},
    lock::LockElement,
    message::{RequestBody, ResponseBody},
    oplock_break::{OplockBreakRequest, OplockBreakResponse},
    query_info::InfoType,
};
use std::fmt::Write;

/// One line for what happens.
pub fn line(seen: &Seen) -> String {
    match seen {
        Seen::Asked(asked) => request(asked),
        Seen::Answered(conn, answer) => format!("{} < {}", conn.0, response(answer)),
        Seen::Gone(conn) => format!("{} - is gone", conn.0),
        Seen::Waited(time) => format!("    {time:?} pass"),
        Seen::User(session, user) => format!("    session {session:#x} is {user}'s"),
        Seen::Cached(local) => {
            let (what, length) = match &local.how {
                Use::Read(data) => ("reads", data.len()),
                Use::Write(data) => ("writes", data.len()),
                Use::Lost => ("loses", 0),
            };
            let (inode, from) = (local.inode, local.offset);
            format!("    somebody {what} {from}+{length} of file {inode} in his cache")
        }
    }
}

fn request(asked: &Asked) -> String {
    let Asked { conn, header, session, tree, .. } = asked;
    let mut text = format!("{} > {:?} {}", conn.0, header.command, header.message_id);
    let related = if asked.before.is_some() { " related" } else { "" };
    let replay = header.flags.contains(HeaderFlags::REPLAY_OPERATION);
    let replay = if replay { " replay" } else { "" };
    let _ = write!(text, " [session {session:#x} tree {tree}{related}{replay}] ");
    match &asked.body {
        Some(body) => text.push_str(&self::body(body)),
        None => text.push_str("malformed"),
    }
    text
}

fn body(body: &RequestBody) -> String {
    match body {
        RequestBody::Create(create) => self::create(create),
        RequestBody::Close(r) => file(r.file_id),
        RequestBody::Read(r) => format!("{} {}+{}", file(r.file_id), r.offset, r.length),
        RequestBody::Write(r) => format!("{} {}+{}", file(r.file_id), r.offset, r.data.len()),
        RequestBody::Lock(r) => {
            let one = |e: &LockElement| format!("{}+{} {:?}", e.offset, e.length, e.flags);
            let all: Vec<String> = r.locks.iter().map(one).collect();
            format!("{} {} sequence {}", file(r.file_id), all.join(", "), r.lock_sequence)
        }
        RequestBody::SetInfo(r) if r.info_type == InfoType::FILE => {
            let set = SetFileInformation::parse(FileInfoClass(r.info_class), &r.buffer);
            format!("{} {set:?}", file(r.file_id))
        }
        RequestBody::OplockBreak(OplockBreakRequest::Oplock(r)) => {
            format!("{} {:?}", file(r.file_id), r.oplock_level)
        }
        RequestBody::OplockBreak(OplockBreakRequest::Lease(r)) => {
            format!("key {:x} state {}", r.lease_key[0], r.lease_state)
        }
        RequestBody::TreeConnect(r) => r.path.to_string_lossy(),
        RequestBody::SessionSetup(r) => {
            format!("{:?} previous {:#x}", r.flags, r.previous_session_id)
        }
        RequestBody::Negotiate(r) => format!("{:?} client {:x}", r.dialects, r.client_guid[0]),
        other => {
            let mut text = format!("{other:?}");
            text.truncate(200);
            text
        }
    }
}

fn create(create: &CreateRequest) -> String {
    let access = AccessMask::from_bits_retain(create.desired_access);
    let mut text = format!(
        "{:?} {:?} {:#x} sharing {:?} {:?} oplock {:?}",
        create.name.to_string_lossy(),
        create.create_disposition,
        access.bits(),
        create.share_access,
        create.create_options,
        create.requested_oplock_level,
    );
    for raw in &create.contexts {
        match RequestContext::parse(&raw.name, &raw.data) {
            Ok(RequestContext::QFid) => {}
            Ok(context) => drop(write!(text, " {context:?}")),
            Err(why) => drop(write!(text, " {why:?}")),
        }
    }
    text
}

fn response(answer: &Response) -> String {
    let header = &answer.header;
    let mut text = format!("{:?} {} {}", header.command, header.message_id, answer.status);
    match &answer.body {
        ResponseBody::Create(create) => {
            let _ = write!(text, " {} {:?}", file(create.file_id), create.create_action);
            let _ = write!(text, " oplock {:?}", create.oplock_level);
            for raw in &create.contexts {
                match ResponseContext::parse(&raw.name, &raw.data) {
                    Ok(ResponseContext::QFid { disk_file_id, .. }) => {
                        let _ = write!(text, " on disk {disk_file_id}");
                    }
                    Ok(context) => drop(write!(text, " {context:?}")),
                    Err(why) => drop(write!(text, " {why:?}")),
                }
            }
        }
        ResponseBody::OplockBreak(OplockBreakResponse::LeaseNotification(r)) => {
            let (from, to) = (r.current_lease_state, r.new_lease_state);
            let _ = write!(text, " lease {:x} from {from} to {to}", r.lease_key[0]);
        }
        ResponseBody::OplockBreak(OplockBreakResponse::Oplock(r)) => {
            let _ = write!(text, " {} to {:?}", file(r.file_id), r.oplock_level);
        }
        ResponseBody::TreeConnect(_) => {
            let _ = write!(text, " tree {}", header.tree_id);
        }
        ResponseBody::Read(read) => {
            let _ = write!(text, " {} bytes", read.data.len());
        }
        _ => {}
    }
    text
}

fn file(file: FileId) -> String {
    match file {
        FileId::ANY => "file of the chain".into(),
        FileId { persistent, volatile } => format!("file {persistent:x}:{volatile:x}"),
    }
}
