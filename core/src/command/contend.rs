//! What each operation takes from those who cache the file (MS-FSA 2.1.4.12): one place for the
//! operations on an open; an open's own CREATE is in `create/reserve.rs`.

use super::Cx;
use crate::{
    flow::{breaks, park::Park},
    id::{FileKey, Holder, OpenId},
    name::SharePath,
    state::open::Open,
    wire::create_context::LeaseState,
};
use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};

const DATA: LeaseState = LeaseState::READ_CACHING.union(LeaseState::WRITE_CACHING);
const HANDLES: LeaseState = LeaseState::HANDLE_CACHING;

/// WRITE, LOCK, and what else changes a file's data or who may touch them: what others have read is
/// no longer true. They are told, and nobody waits: what nobody else can have is unwritten data.
pub(super) fn data(cx: &mut Cx<'_>, id: OpenId) {
    let Some(key) = cx.state.opens.get(&id).and_then(Open::key) else {
        return;
    };
    let mine = cx.state.holder(id).filter(|holder| !is_shared_oplock(cx, *holder));
    breaks::contend(cx, key, mine, DATA, LeaseState::empty());
}

/// Level II has no owner: whoever writes breaks his own as well (MS-FSA 2.1.4.12, LEVEL_TWO_OPLOCK).
fn is_shared_oplock(cx: &Cx<'_>, holder: Holder) -> bool {
    let lease = cx.state.leases.get(&holder);
    lease.is_some_and(|lease| lease.is_oplock() && lease.state == LeaseState::READ_CACHING)
}

/// The file is to be deleted: others may not keep it open any more. How to wait for them, if they
/// have to be waited for.
pub(super) fn delete(cx: &mut Cx<'_>, id: OpenId) -> Option<Park> {
    let key = cx.state.opens.get(&id).and_then(Open::key)?;
    let mine = cx.state.holder(id);
    let waits = breaks::contend(cx, key, mine, HANDLES, HANDLES);
    waits.then(|| quiet(key))
}

/// The file, or the directory, gets another name: others may not keep it open any more, nor what is
/// below it, nor `targets`, that its new name is now the name of.
pub(super) fn rename(cx: &mut Cx<'_>, id: OpenId, targets: &[FileKey]) -> Option<Park> {
    let open = cx.state.opens.get(&id)?;
    let (key, place) = (open.key()?, open.place()?);
    let below = |other: &&Open| {
        let other = other.place().filter(|_| open.is_directory());
        other.is_some_and(|other| other.is_below(&place.share, &place.path))
    };
    let mut keys: Vec<_> = cx.state.opens.values().filter(below).filter_map(Open::key).collect();
    keys.extend(cx.state.other_streams(key).filter_map(Open::key));
    keys.extend_from_slice(targets);
    keys.push(key);
    replace(cx, id, &keys)
}

/// These files lose their names: others may not keep them open.
pub(super) fn replace(cx: &mut Cx<'_>, id: OpenId, keys: &[FileKey]) -> Option<Park> {
    let keys: BTreeSet<_> = keys.iter().copied().collect();
    let mine = cx.state.holder(id);
    let mut first = None;
    for key in keys {
        if breaks::contend(cx, key, mine, HANDLES, HANDLES) {
            first.get_or_insert(key);
        }
    }
    first.map(quiet)
}

/// A file is listed differently by now: by its name, its size, its times. Who caches its directory
/// is told, but for whom the directory's lease belongs to as well.
pub(super) fn listing(cx: &mut Cx<'_>, id: OpenId) {
    let path = cx.state.opens.get(&id).and_then(Open::place).map(|place| place.path.clone());
    if let Some(path) = path.filter(|path| !path.is_root()) {
        listed_at(cx, id, &path);
    }
}

/// The same, of a name that is not the one that the open was made by.
pub(super) fn listed_at(cx: &mut Cx<'_>, id: OpenId, path: &SharePath) {
    if let Some(share) = cx.state.opens.get(&id).map(|open| Arc::clone(&open.share)) {
        breaks::directory_changed(cx, &share, &path.parent(), Some(id));
    }
}

/// These waits are not told the client (smb2.compound_async.rename_non_compound_no_async).
fn quiet(key: FileKey) -> Park {
    Park { interim: false, ..Park::for_break(key) }
}
