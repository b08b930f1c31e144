//! Into the tables with a file that has been opened.

use super::{Wanted, durable, grant, lease::Asked};
use crate::{
    command::{self, Cx},
    flow::{
        NO_OPEN, NO_TREE, OUR_BUG, Refused,
        breaks::{self, Opener},
        job::Who,
        park::{Park, Wait},
        refuse,
    },
    id::{FileKey, OpenId},
    state::{
        durable::Endurance,
        file::FileState,
        lease::Caching,
        open::{Listing, Open, Place, Stage, What},
        sequence::{ChannelSequence, LockSequences},
    },
    status::NtStatus,
    vfs::{FileInfo, FileKind, Opened},
    wire::{
        create::{CreateAction, CreateDisposition, CreateOptions},
        create_context::LeaseState,
        fscc::AccessMask,
        header::FileId,
        negotiate::Dialect,
    },
};
use alloc::sync::Arc;

/// How many writes are waited for to be allowed to cache. Where they do not end nothing is cached, which
/// is what others would take anyway.
const PATIENCE: u8 = 3;

/// What became of an open.
pub(super) enum Reserved {
    /// It is in the tables.
    In(FileInfo, CreateAction),
    /// Others have to be waited for, and then it is tried again.
    Later(Park),
}

/// Checks, and puts the open into the tables.
pub(super) fn reserve(
    cx: &mut Cx<'_>,
    who: &mut Who,
    wanted: &Wanted,
    opened: Opened,
) -> Result<Reserved, Refused> {
    let Opened { file, path, stream, info, created, file_created } = opened;
    let (session, tree_id) = (who.session()?, who.tree()?);
    let tree = cx.state.tree(session, tree_id).ok_or(NO_TREE)?;
    let root = tree.root.clone().ok_or(OUR_BUG)?;
    let directory = info.kind == FileKind::Directory;
    let (share, identity) = (Arc::clone(&tree.share), Arc::clone(&tree.identity));
    let place = Place { share: Arc::clone(&share), root, path, stream, directory };
    let how = (created, file_created);
    wait_for_owner(cx, who, info.key)?;
    let granted = grant::check(cx.state, tree, wanted, (&info, &place), how)?;
    let asked = Asked::of(cx.state, who.conn, tree, wanted);
    asked.check(cx, info.key, &place)?;
    let mut asked = asked.on(cx.state, who.conn, directory);
    if let Some(park) = contend(cx, wanted, asked, info.key, granted)? {
        return Ok(Reserved::Later(park));
    }
    if asked.wants() && is_written(cx, info.key) {
        if wanted.waits_for_writes < PATIENCE {
            // As long as a write takes, for what would be read now is not what will be there.
            let wait = Wait::Range(info.key);
            return Ok(Reserved::Later(Park { wait, deadline: None, interim: false }));
        }
        asked = asked.less();
    }
    let action = match wanted.request.create_disposition {
        _ if created => CreateAction::CREATED,
        CreateDisposition::SUPERSEDE => CreateAction::SUPERSEDED,
        _ if wanted.overwrites() => CreateAction::OVERWRITTEN,
        _ => CreateAction::OPENED,
    };
    let what = What::File { key: info.key, kind: info.kind, place };
    let claim = durable::claim(cx, who, wanted, action);
    let open = Open {
        id: OpenId(0),
        volatile: 0,
        session,
        tree: tree_id,
        share,
        what,
        handle: file,
        identity,
        granted,
        share_access: wanted.request.share_access,
        caching: Caching::None,
        delete_on_close: wanted.has(CreateOptions::DELETE_ON_CLOSE),
        write_through: wanted.has(CreateOptions::WRITE_THROUGH),
        modified: false,
        position: 0,
        mode: mode(wanted.request.create_options),
        listing: Listing::default(),
        channel_sequence: ChannelSequence::new(who.channel_sequence),
        lock_sequences: LockSequences::default(),
        running: 0,
        stage: Stage::Live,
        closer: None,
        told: false,
        claim,
    };
    let id = insert(cx, who, open);
    asked.grant(cx.state, info.key, id);
    command::durable::learn(cx, id);
    Ok(Reserved::In(info, action))
}

/// MS-SMB2 3.3.5.9: who has lost its connection and was promised to find the file as it was left does
/// so, though it caches nothing that others could ask for. Clients come again.
fn wait_for_owner(cx: &Cx<'_>, who: &Who, key: FileKey) -> Result<(), Refused> {
    let dialect = cx.state.conns.get(&who.conn).and_then(|conn| conn.dialect());
    let away = |open: &Open| {
        open.stage == Stage::Kept
            && open.claim.endurance == Endurance::Persistent
            && !cx.state.cached(open.id).contains(LeaseState::HANDLE_CACHING)
    };
    let three = dialect.is_some_and(|dialect| dialect >= Dialect::SMB_3_0);
    if three && cx.state.siblings(key).any(away) {
        return refuse(NtStatus::FILE_NOT_AVAILABLE, "3.3.5.9: its owner is awaited");
    }
    Ok(())
}

/// Breaks what others cache and this open would not leave true (MS-FSA 2.1.5.1.2, 2.1.4.12): that
/// they keep the file open, when they do not share it; that nobody else reads or writes it.
fn contend(
    cx: &mut Cx<'_>,
    wanted: &Wanted,
    asked: Asked,
    key: FileKey,
    granted: AccessMask,
) -> Result<Option<Park>, Refused> {
    let mine = asked.holder();
    let handles = LeaseState::HANDLE_CACHING;
    if let Some(held) = grant::clash(cx.state, wanted, key, granted) {
        if breaks::contend(cx, held, mine, handles, handles) {
            return Ok(Some(Park::for_break(held)));
        }
        return refuse(NtStatus::SHARING_VIOLATION, "MS-FSA 2.1.5.1.2.2: share modes");
    }
    let deletes = wanted.has(CreateOptions::DELETE_ON_CLOSE);
    let overwrites = wanted.overwrites();
    let access = if overwrites { granted | AccessMask::FILE_WRITE_DATA } else { granted };
    let opener = Opener { mine, access, overwrites, deletes, patient: wanted.waited };
    if breaks::contend_open(cx, key, opener) {
        return Ok(Some(Park::for_break(key)));
    }
    Ok(None)
}

fn is_written(cx: &Cx<'_>, key: FileKey) -> bool {
    cx.state.files.get(&key).is_some_and(|file| file.locks.is_written())
}

/// FileModeInformation repeats these options (MS-FSCC 2.4.31).
fn mode(options: CreateOptions) -> u32 {
    let kept = CreateOptions::WRITE_THROUGH
        | CreateOptions::SEQUENTIAL_ONLY
        | CreateOptions::NO_INTERMEDIATE_BUFFERING
        | CreateOptions::SYNCHRONOUS_IO_ALERT
        | CreateOptions::SYNCHRONOUS_IO_NONALERT
        | CreateOptions::DELETE_ON_CLOSE;
    (options & kept).bits()
}

pub(super) fn insert(cx: &mut Cx<'_>, who: &mut Who, mut open: Open) -> OpenId {
    let id = cx.state.new_open_id();
    open.id = id;
    open.volatile = cx.state.new_volatile();
    if let Some(key) = open.key() {
        cx.state.files.entry(key).or_insert_with(FileState::new).opens.push(id);
    }
    who.open = Some(id);
    who.identity = Some(Arc::clone(&open.identity));
    cx.state.count_open(open.session, true);
    cx.state.opens.insert(id, open);
    id
}

pub(super) fn file_id(cx: &Cx<'_>, who: &Who) -> Result<FileId, Refused> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NO_OPEN)?;
    Ok(open.file_id())
}
