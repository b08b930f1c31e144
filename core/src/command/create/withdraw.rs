//! A CREATE that is refused, or fails, leaves nothing behind: neither an open nor what it has made.

use super::Step;
use crate::{
    command::{self, Cx, ending},
    flow::{Flow, Handled, Refused, job::Who, park::Wake},
    id::FileKey,
    name::SharePath,
    state::{file::FileState, open::Place},
    stream::StreamName,
    vfs::{Call, Done, File, FileKind, Op, Opened},
    wire::create::CreateAction,
};
use alloc::{boxed::Box, sync::Arc};

/// What was made on the disk, and is in no table yet.
pub(super) struct Leftover {
    path: SharePath,
    stream: Option<StreamName>,
    /// The file is new, not only a stream of it.
    whole: bool,
    key: FileKey,
    directory: bool,
}

impl Leftover {
    pub(super) fn of(opened: &Opened, whole: bool) -> Self {
        Self {
            path: opened.path.clone(),
            stream: opened.stream.clone(),
            whole,
            key: opened.info.key,
            directory: opened.info.kind == FileKind::Directory,
        }
    }
}

/// The open was in the tables before the call that failed. What was there before is not deleted by an
/// open that nobody got.
pub(super) fn take_out(
    cx: &mut Cx<'_>,
    who: &mut Who,
    action: CreateAction,
    refused: Refused,
) -> Handled<command::Step> {
    let id = who.open()?;
    if let Some(open) = cx.state.opens.get_mut(&id) {
        open.delete_on_close &= action == CreateAction::CREATED;
    }
    ending::end_open(cx, id, Wake::Closed);
    who.open = None;
    Err(refused)
}

/// Removes it, unless somebody else has found it meanwhile: then it is his. Until it is gone nobody
/// opens it any more.
pub(super) fn remove(
    cx: &mut Cx<'_>,
    who: &Who,
    (left, file): (Leftover, File),
    refused: Refused,
) -> Handled<command::Step> {
    cx.out.release(file.clone());
    let tree = cx.state.tree(who.session()?, who.tree()?);
    let root = tree.and_then(|tree| Some((tree.root.clone()?, Arc::clone(&tree.share))));
    let (Some((root, share)), Some(identity)) = (root, who.identity.clone()) else {
        return Err(refused);
    };
    let Leftover { path, stream, whole, key, directory } = left;
    let (key, stream) = if whole { (key.base(), None) } else { (key, stream) };
    let is_used = match whole {
        true => cx.state.is_open(key),
        false => cx.state.siblings(key).next().is_some(),
    };
    let place = Place { share, root: root.clone(), path: path.clone(), stream, directory };
    if is_used || cx.state.is_doomed(key, &place) {
        return Err(refused);
    }
    cx.state.files.entry(key).or_insert_with(FileState::new).doom(&place, &identity);
    let op = match whole {
        true => Op::Delete { root, path, key, directory },
        false => Op::DeleteStream { file },
    };
    let step = command::Step::Create(Step::Withdrawn(refused, key, Box::new(place)));
    Ok(Flow::Call(Call { identity, op }, step))
}

/// It is removed, or cannot be.
pub(super) fn removed(cx: &mut Cx<'_>, key: FileKey, place: &Place, done: &Done) {
    if matches!(done, Done::Ok) {
        cx.state.changes.lost_name(key);
    }
    let file = cx.state.files.get_mut(&key);
    let spared = file.and_then(|file| file.spare(place));
    spared.into_iter().for_each(|place| cx.out.release(place.root));
    let is_left = |file: &FileState| file.opens.is_empty() && file.doomed.is_empty();
    if cx.state.files.get(&key).is_some_and(is_left) {
        cx.state.forget_file(key);
    }
}
