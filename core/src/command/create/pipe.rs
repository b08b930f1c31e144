//! Opening a pipe.

use super::reserve;
use crate::{
    command::{Cx, Step},
    config::MAX_PIPES,
    flow::{Flow, Handled, NO_TREE, Refused, Running, job::Who, refuse},
    id::{OpenId, SessionId},
    state::{
        durable::Claim,
        lease::Caching,
        open::{Listing, Open, Stage, What},
        room::has_room,
        sequence::{ChannelSequence, LockSequences},
    },
    status::NtStatus,
    vfs::File,
    wire::{
        create::{
            CreateAction, CreateRequest, CreateResponse, CreateResponseFlags, OplockLevel,
            ShareAccess,
        },
        fscc::{AccessMask, FileAttributes},
        message::ResponseBody,
    },
};
use alloc::{string::String, sync::Arc, vec::Vec};

/// Pipes have flat names, with or without a leading backslash.
pub(super) fn name(request: &CreateRequest) -> Result<String, Refused> {
    let none = NtStatus::OBJECT_NAME_NOT_FOUND.at("3.3.5.9: not a name that a pipe has");
    let name = request.name.to_string().ok_or(none)?;
    let name = name.strip_prefix('\\').unwrap_or(&name);
    let flat = !name.is_empty() && !name.contains(['\\', '/', '\0']);
    if flat { Ok(name.into()) } else { Err(none) }
}

/// Nobody gets more pipes than are left for the others. Those that are being opened are counted, too.
pub(super) fn check_room(cx: &Cx<'_>, session: SessionId) -> Result<(), Refused> {
    let opening = |running: &Running<Step>| matches!(running.step, Step::Create(super::Step::Pipe));
    let pipes = || cx.state.opens.values().filter(|open| open.is_pipe());
    let used = pipes().count() + cx.flows.running_at(opening);
    let own = pipes().filter(|open| open.session == session).count();
    if has_room(MAX_PIPES, used, own) {
        return Ok(());
    }
    refuse(NtStatus::TOO_MANY_OPENED_FILES, "as many pipes as allowed")
}

pub(super) fn opened(cx: &mut Cx<'_>, who: &mut Who, handle: File) -> Handled<Step> {
    let (session, tree_id) = (who.session()?, who.tree()?);
    // Where its connection has gone meanwhile nobody would know its FileId.
    let there = cx.state.conns.contains_key(&who.conn);
    let Some(tree) = cx.state.tree(session, tree_id).filter(|_| there) else {
        cx.out.release(handle);
        return Err(NO_TREE);
    };
    let (share, identity) = (Arc::clone(&tree.share), Arc::clone(&tree.identity));
    let open = Open {
        id: OpenId(0),
        volatile: 0,
        session,
        tree: tree_id,
        share,
        what: What::Pipe,
        handle,
        identity,
        granted: AccessMask::ALL_ACCESS,
        share_access: ShareAccess::all(),
        caching: Caching::None,
        delete_on_close: false,
        write_through: false,
        modified: false,
        position: 0,
        mode: 0,
        listing: Listing::default(),
        channel_sequence: ChannelSequence::new(who.channel_sequence),
        lock_sequences: LockSequences::default(),
        running: 0,
        stage: Stage::Live,
        closer: None,
        told: false,
        claim: Claim::default(),
    };
    reserve::insert(cx, who, open);
    Flow::answer(ResponseBody::Create(CreateResponse {
        oplock_level: OplockLevel::NONE,
        flags: CreateResponseFlags::empty(),
        create_action: CreateAction::OPENED,
        creation_time: Default::default(),
        last_access_time: Default::default(),
        last_write_time: Default::default(),
        change_time: Default::default(),
        allocation_size: 4096,
        end_of_file: 0,
        file_attributes: FileAttributes::NORMAL.bits(),
        file_id: reserve::file_id(cx, who)?,
        contexts: Vec::new(),
    }))
}
