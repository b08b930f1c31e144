//! What commands tell those who watch (MS-FSA 2.1.4.1): each change once, when it has been made. What
//! others do to the disk comes from outside.

use super::Cx;
use crate::{
    config::Share,
    flow::park::Wait,
    id::OpenId,
    name::SharePath,
    state::{
        open::Place,
        watch::{At, Event},
    },
    stream::StreamName,
    vfs::FsChange,
    wire::{change_notify::CompletionFilter, fscc::notify::FileAction},
};
use alloc::{format, string::String, sync::Arc, vec::Vec};

/// A file or directory is there (MS-FSA 2.1.5.1.1).
pub(super) fn created(cx: &mut Cx<'_>, id: OpenId, (stream, file): (bool, bool)) {
    if let Some(place) = place(cx, id) {
        if file {
            name(cx, &place, FileAction::ADDED);
        }
        if stream && place.stream.is_some() {
            stream_name(cx, &place, place.stream.as_ref(), FileAction::ADDED_STREAM);
        }
    }
}

/// What was to be deleted with this open is gone (MS-FSA 2.1.5.5): its stream, else its file.
pub(super) fn deleted(cx: &mut Cx<'_>, id: OpenId) {
    if cx.state.watches.is_empty() {
        return;
    }
    let open = cx.state.opens.get(&id);
    let Some((key, place)) = open.and_then(|open| open.key().zip(open.place())) else {
        return;
    };
    let doomed = |key| {
        let file = cx.state.files.get(&key);
        file.and_then(|file| file.doomed(place)).map(|doomed| doomed.place.clone())
    };
    let stream = if key.is_stream() { doomed(key) } else { None };
    if let Some(place) = stream {
        stream_name(cx, &place, place.stream.as_ref(), FileAction::REMOVED_STREAM);
    } else if let Some(place) = doomed(key.base()) {
        name(cx, &place, FileAction::REMOVED);
    }
}

/// Something at `from` is now what the open's place says (MS-FSA 2.1.5.15.12), where perhaps another
/// file was.
pub(super) fn renamed(cx: &mut Cx<'_>, id: OpenId, from: &SharePath, replaced: bool) {
    let Some(to) = place(cx, id) else {
        return;
    };
    let stays = from.parent() == to.path.parent();
    let actions = match stays {
        true => [FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME],
        false => [FileAction::REMOVED, FileAction::ADDED],
    };
    if replaced {
        // Only files are replaced.
        name(cx, &Place { directory: false, ..to.clone() }, FileAction::REMOVED);
    }
    let old = Place { path: from.clone(), ..to.clone() };
    name(cx, &old, actions[0]);
    name(cx, &to, actions[1]);
    if !to.directory {
        // A file that moves is one to be archived: who asked for attributes and not for names is
        // told of that.
        let filter = CompletionFilter::ATTRIBUTES;
        let unless = CompletionFilter::FILE_NAME;
        report(cx, &to, None, Event { unless, ..event(FileAction::MODIFIED, filter) });
    }
}

/// An open file has a name more (MS-FSA 2.1.5.15.6), which perhaps another file had.
pub(super) fn linked(cx: &mut Cx<'_>, id: OpenId, to: SharePath, replaced: bool) {
    let Some(place) = place(cx, id) else {
        return;
    };
    let place = Place { path: to, ..place };
    if replaced {
        name(cx, &place, FileAction::REMOVED);
    }
    name(cx, &place, FileAction::ADDED);
}

/// A named stream of an open has another name, or is the file's own data (MS-FSA 2.1.5.15.12.1).
pub(super) fn stream_renamed(cx: &mut Cx<'_>, id: OpenId, from: Option<&StreamName>) {
    if let Some(to) = place(cx, id) {
        stream_name(cx, &to, from, FileAction::REMOVED_STREAM);
        stream_name(cx, &to, to.stream.as_ref(), FileAction::ADDED_STREAM);
    }
}

/// Data was written (MS-FSA 2.1.5.4). Whether the end of the file moved is not known here: who asks
/// for sizes is told.
pub(super) fn written(cx: &mut Cx<'_>, id: OpenId) {
    modified(cx, id, CompletionFilter::SIZE | CompletionFilter::LAST_WRITE);
}

/// Something about an open file, or about its open stream, is other than before.
pub(super) fn modified(cx: &mut Cx<'_>, id: OpenId, filter: CompletionFilter) {
    let Some(place) = place(cx, id) else {
        return;
    };
    let data = filter & (CompletionFilter::SIZE | CompletionFilter::LAST_WRITE);
    let Some(stream) = place.stream.as_ref().filter(|_| !data.is_empty()) else {
        return report(cx, &place, None, event(FileAction::MODIFIED, filter));
    };
    let mut of_stream = CompletionFilter::empty();
    of_stream.set(CompletionFilter::STREAM_SIZE, data.contains(CompletionFilter::SIZE));
    of_stream.set(CompletionFilter::STREAM_WRITE, data.contains(CompletionFilter::LAST_WRITE));
    report(cx, &place, Some(stream), event(FileAction::MODIFIED_STREAM, of_stream));
}

/// A directory is to be deleted: who watches it need not wait any more (MS-FSA 2.1.5.15.3).
pub(super) fn doomed(cx: &mut Cx<'_>, id: OpenId) {
    let opens = &cx.state.opens;
    let Some(key) = opens.get(&id).and_then(|open| open.key()) else {
        return;
    };
    let watching: Vec<_> = cx.state.watches.opens().collect();
    for id in watching {
        if opens.get(&id).and_then(|open| open.key()) == Some(key) {
            cx.flows.parking.wake(Wait::Watch(id));
        }
    }
}

/// Something was changed outside SMB.
pub(crate) fn outside(cx: &mut Cx<'_>, change: &FsChange) {
    let told = match change {
        FsChange::Lost => cx.state.watches.lost(),
        FsChange::Below { directory, path, action, filter } => {
            let event = Event { at: At::Below(*directory, path), ..event(*action, *filter) };
            let limit = cx.state.config.limits.watch_bytes;
            cx.state.watches.report(&cx.state.opens, &event, limit)
        }
    };
    told.into_iter().for_each(|id| cx.flows.parking.wake(Wait::Watch(id)));
}

/// Where an open is; nothing where nobody watches.
fn place(cx: &Cx<'_>, id: OpenId) -> Option<Place> {
    let open = cx.state.opens.get(&id).filter(|_| !cx.state.watches.is_empty())?;
    open.place().cloned()
}

fn name(cx: &mut Cx<'_>, place: &Place, action: FileAction) {
    let filter = match place.directory {
        true => CompletionFilter::DIR_NAME,
        false => CompletionFilter::FILE_NAME,
    };
    report(cx, place, None, event(action, filter));
}

/// `stream` is none for the file's own data, which has no name of its own.
fn stream_name(cx: &mut Cx<'_>, place: &Place, stream: Option<&StreamName>, action: FileAction) {
    if stream.is_some() {
        report(cx, place, stream, event(action, CompletionFilter::STREAM_NAME));
    }
}

fn event<'a>(action: FileAction, filter: CompletionFilter) -> Event<'a> {
    Event { action, filter, unless: CompletionFilter::empty(), at: At::Path(""), stream: None }
}

fn report(cx: &mut Cx<'_>, place: &Place, stream: Option<&StreamName>, event: Event<'_>) {
    let path = whole(&place.share, &place.path);
    let stream = stream.map(StreamName::as_str);
    let event = Event { at: At::Path(&path), stream, ..event };
    let limit = cx.state.config.limits.watch_bytes;
    let told = cx.state.watches.report(&cx.state.opens, &event, limit);
    told.into_iter().for_each(|id| cx.flows.parking.wake(Wait::Watch(id)));
}

/// So that shares of one directory, and of one within another, tell of each other's changes.
fn whole(share: &Arc<Share>, path: &SharePath) -> String {
    format!("{}/{}", share.path.trim_end_matches('/'), path.as_str())
}
