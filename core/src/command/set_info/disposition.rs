//! SET_INFO that marks what is open for deletion (MS-FSA 2.1.5.15.3).

use super::{Step, call, changed_for_all, open_of, waits};
use crate::{
    command::{self, Cx, contend, notice},
    flow::{Handled, refuse},
    id::OpenId,
    state::open::Place,
    status::NtStatus,
    vfs::{FileInfo, Op},
    wire::fscc::{FileAttributes, set_file::SetFileInformation},
};

/// MS-FSA 2.1.5.15.3.
pub(super) fn disposition(cx: &mut Cx<'_>, id: OpenId, delete: bool) -> Handled<command::Step> {
    let open = open_of(cx, id)?;
    if !delete {
        return spare(cx, id);
    }
    if open.place().is_none_or(Place::is_root) {
        return refuse(NtStatus::CANNOT_DELETE, "the share's own directory stays");
    }
    if let Some(park) = contend::delete(cx, id) {
        return waits(park, SetFileInformation::Disposition { delete_pending: true });
    }
    let open = open_of(cx, id)?;
    call(open, Op::Query { file: open.handle.clone() }, Step::MayDelete)
}

fn spare(cx: &mut Cx<'_>, id: OpenId) -> Handled<command::Step> {
    let open = cx.state.opens.get(&id);
    if let Some((key, place)) = open.and_then(|open| open.key().zip(open.place()))
        && let Some(spared) = cx.state.files.get_mut(&key).and_then(|file| file.spare(place))
    {
        cx.out.release(spared.root);
    }
    changed_for_all(cx, id)
}

pub(super) fn may_delete(cx: &mut Cx<'_>, id: OpenId, info: &FileInfo) -> Handled<command::Step> {
    if info.attributes.contains(FileAttributes::READONLY) {
        return refuse(NtStatus::CANNOT_DELETE, "MS-FSA 2.1.5.15.3: read-only");
    }
    let open = open_of(cx, id)?;
    if open.is_directory() {
        return call(open, Op::CheckEmpty { file: open.handle.clone() }, Step::IsEmpty);
    }
    doom(cx, id)
}

/// The name that the open was made by goes with the last open of that name.
pub(super) fn doom(cx: &mut Cx<'_>, id: OpenId) -> Handled<command::Step> {
    if let Some(open) = cx.state.opens.get(&id)
        && let Some((key, place)) = open.key().zip(open.place())
        && let Some(file) = cx.state.files.get_mut(&key)
    {
        file.doom(place, &open.identity);
    }
    notice::doomed(cx, id);
    changed_for_all(cx, id)
}
