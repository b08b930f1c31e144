//! What SET_INFO does with named streams: they get other names within their file.

use super::{Cx, notice, set_info::Step};
use crate::{
    flow::{Handled, park::Wait, refuse},
    id::{FileKey, OpenId},
    state::{
        file::{Doomed, FileState},
        open::{Open, Place, What},
    },
    status::NtStatus,
    stream::{StreamName, Suffix},
    vfs::Op,
};

/// MS-FSA 2.1.5.15.12.1: the name begins with `:`.
pub(super) fn rename(cx: &Cx<'_>, open: &Open, to: Suffix, replace: bool) -> Handled<super::Step> {
    if !open.share.streams {
        return refuse(NtStatus::OBJECT_NAME_INVALID, "MS-FSCC 2.1.5: streams are not kept here");
    }
    let to = match to {
        Suffix::Named(name) => Some(name),
        Suffix::Data => None,
        Suffix::Index | Suffix::None => {
            return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.12.1: another type");
        }
    };
    let Some(key) = open.key().filter(|key| key.is_stream()) else {
        return refuse(NtStatus::INVALID_PARAMETER, "a file's own data stays what it is");
    };
    if open.place().is_some_and(|place| cx.state.is_doomed(key, place)) {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.15.12: about to be deleted");
    }
    if cx.state.siblings(key).any(|other| other.id != open.id) {
        return refuse(NtStatus::SHARING_VIOLATION, "others have the stream open");
    }
    let target = moved(key, to.as_ref());
    if target != key && cx.state.siblings(target).next().is_some() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.12.1: the target is open");
    }
    let op = Op::RenameStream { file: open.handle.clone(), to: to.clone(), replace };
    super::set_info::call(open, op, Step::StreamRenamed { to })
}

fn moved(key: FileKey, to: Option<&StreamName>) -> FileKey {
    FileKey { stream: to.map_or(0, StreamName::id), ..key }
}

/// The open, with its locks and what is known of its data, is now one of the stream of the new name.
/// Whoever came to open that while the rename ran is its sibling.
pub(super) fn renamed(cx: &mut Cx<'_>, id: OpenId, to: Option<StreamName>) {
    let Some(open) = cx.state.opens.get_mut(&id) else {
        return;
    };
    let What::File { key, place, .. } = &mut open.what else {
        return;
    };
    let (from, target) = (*key, moved(*key, to.as_ref()));
    let old = core::mem::replace(&mut place.stream, to.clone());
    *key = target;
    notice::stream_renamed(cx, id, old.as_ref());
    if from == target {
        return;
    }
    cx.state.changes.lost_name(from);
    cx.state.changes.lost_name(target);
    let mut moved = FileState::new();
    if let Some(old) = cx.state.files.get_mut(&from) {
        old.opens.retain(|other| *other != id);
        moved.locks = old.locks.take_all(id);
        moved.changed = old.changed;
        if old.opens.is_empty() {
            // To be deleted since the rename began: it still is.
            moved.doomed = core::mem::take(&mut old.doomed);
            cx.state.forget_file(from);
        }
    }
    let new = cx.state.files.entry(target).or_insert_with(FileState::new);
    new.opens.push(id);
    new.locks.join(moved.locks);
    new.changed = new.changed.max(moved.changed);
    for Doomed { place, by } in moved.doomed {
        new.doom(&Place { stream: to.clone(), ..place.clone() }, &by);
        cx.out.release(place.root);
    }
    if let Some(lease) = cx.state.holder(id).and_then(|holder| cx.state.leases.get_mut(&holder)) {
        lease.file = target;
    }
    // Who waited for the old name's ranges looks for them under the new one, and who waited for a
    // break to open it finds that it is gone.
    cx.flows.parking.wake(Wait::Range(from));
    cx.flows.parking.wake(Wait::File(from));
}
