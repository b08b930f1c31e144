//! SET_INFO that gives files other names (MS-FSA 2.1.5.15.12), or more of them (MS-FSA 2.1.5.15.6).

use super::{Step, call, open_of, waits};
use crate::{
    command::{self, Cx, bad_name, contend, security, stream},
    config::Share,
    flow::{Handled, NO_OPEN, OUR_BUG, Refused, refuse},
    id::{FileKey, OpenId},
    name::SharePath,
    state::{
        State,
        open::{Open, What},
        share_mode,
    },
    status::NtStatus,
    stream::Suffix,
    vfs::{Done, Existing, FileInfo, FileKind, Missing, Op, OpenHow, Opened, VfsError, WantedKind},
    wire::{
        create::ShareAccess,
        fscc::{
            AccessMask, FileAttributes,
            set_file::{SetFileInformation, Target},
        },
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// What is wanted of a name that has passed the first checks.
#[derive(Debug)]
pub(crate) struct Naming {
    kind: Kind,
    to: SharePath,
    replace: bool,
    /// What is there, and may be replaced.
    over: Option<FileKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The open's own name becomes this one.
    Rename,
    /// The file gets this name as well.
    Link,
}

impl Kind {
    /// How the target's directory is opened to add the name.
    fn shares(self) -> ShareAccess {
        match self {
            Self::Rename => ShareAccess::READ | ShareAccess::WRITE,
            Self::Link => ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        }
    }
}

/// The name in a request; a leading separator is taken.
fn name(target: &Target) -> Result<&[u16], Refused> {
    if target.root_directory != 0 {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21.1: RootDirectory");
    }
    Ok(target.file_name.strip_prefix(&[u16::from(b'\\')]).unwrap_or(&target.file_name))
}

/// MS-FSA 2.1.5.15.12.
pub(super) fn rename(cx: &mut Cx<'_>, id: OpenId, target: Target) -> Handled<command::Step> {
    let open = open_of(cx, id)?;
    let name = name(&target)?;
    if let Some(to) = crate::stream::target(name) {
        return stream::rename(cx, open, to.map_err(bad_name)?, target.replace_if_exists);
    }
    let What::File { key, place, .. } = &open.what else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21.1: a pipe has no other name");
    };
    let (to, suffix) = crate::stream::split(name).map_err(bad_name)?;
    if to.is_root() || place.path.is_root() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.12: the share itself");
    }
    if cx.state.is_doomed(*key, place) {
        return refuse(NtStatus::DELETE_PENDING, "MS-FSA 2.1.5.15.12: about to be deleted");
    }
    parent_is_free(cx, open, &to, Kind::Rename)?;
    if key.is_stream() || suffix != Suffix::None {
        return refuse(
            NtStatus::OBJECT_NAME_INVALID,
            "MS-FSA 2.1.5.15.12: a stream stays in its file",
        );
    }
    let targets = opens_at(cx, &open.share, &to);
    if let Some(park) = contend::rename(cx, id, &targets) {
        return waits(park, SetFileInformation::Rename(target));
    }
    let open = open_of(cx, id)?;
    let (key, place) = open.key().zip(open.place()).ok_or(NO_OPEN)?;
    if cx.state.other_streams(key).next().is_some() {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: a stream is open");
    }
    if open.is_directory() && holds_opens(cx, open, &place.path) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: something below is open");
    }
    begin(
        cx,
        open,
        Naming { kind: Kind::Rename, to, replace: target.replace_if_exists, over: None },
    )
}

/// MS-FSA 2.1.5.15.6.
pub(super) fn link(cx: &mut Cx<'_>, id: OpenId, target: Target) -> Handled<command::Step> {
    let open = open_of(cx, id)?;
    let name = name(&target)?;
    let What::File { key, place, .. } = &open.what else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21.1: a pipe has no other name");
    };
    if key.is_stream() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.6: a stream has one name");
    }
    if open.is_directory() {
        return refuse(NtStatus::FILE_IS_A_DIRECTORY, "MS-FSA 2.1.5.15.6: a directory");
    }
    if cx.state.is_doomed(*key, place) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.6: about to be deleted");
    }
    let (to, suffix) = crate::stream::split(name).map_err(bad_name)?;
    if suffix != Suffix::None {
        return refuse(NtStatus::OBJECT_NAME_INVALID, "MS-FSA 2.1.5.15.6: a stream's name");
    }
    if to.is_root() {
        return refuse(NtStatus::INVALID_PARAMETER, "MS-FSA 2.1.5.15.6: the share itself");
    }
    parent_is_free(cx, open, &to, Kind::Link)?;
    let targets = opens_at(cx, &open.share, &to);
    if let Some(park) = contend::replace(cx, id, &targets) {
        return waits(park, SetFileInformation::Link(target));
    }
    let open = open_of(cx, id)?;
    begin(cx, open, Naming { kind: Kind::Link, to, replace: target.replace_if_exists, over: None })
}

/// What would be replaced is looked at first.
fn begin(cx: &Cx<'_>, open: &Open, naming: Naming) -> Handled<command::Step> {
    let Some(place) = open.place().filter(|_| naming.replace) else {
        return carry_out(cx, open, naming);
    };
    let how = OpenHow {
        root: place.root.clone(),
        path: naming.to.clone(),
        read: false,
        write: false,
        missing: Missing::Fail,
        existing: Existing::Open,
        stream: None,
        kind: WantedKind::Any,
        attributes: FileAttributes::empty(),
        allocation: 0,
        delete: false,
        eas: Vec::new(),
        no_follow: true,
        security: None,
    };
    call(open, Op::Open(Box::new(how)), Step::Target(Box::new(naming)))
}

/// What is at the new name is known.
pub(super) fn looked(
    cx: &mut Cx<'_>,
    id: OpenId,
    mut naming: Naming,
    done: Done,
) -> Handled<command::Step> {
    match done {
        Done::Opened(opened) => {
            let Opened { file, info, .. } = *opened;
            cx.out.release(file);
            let own = open_of(cx, id)?.key();
            may_replace(cx, own, &info)?;
            naming.over = Some(info.key);
        }
        Done::Failed(VfsError::NotFound) => {}
        Done::Failed(error) => return Err(error.into()),
        _ => return Err(OUR_BUG),
    }
    carry_out(cx, open_of(cx, id)?, naming)
}

/// MS-FSA 2.1.5.15.6 and 2.1.5.15.12, TargetLink. Another name of the file itself may always go.
fn may_replace(cx: &Cx<'_>, own: Option<FileKey>, there: &FileInfo) -> Result<(), Refused> {
    if own == Some(there.key) {
        return Ok(());
    }
    if there.kind == FileKind::Directory {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: a directory stays");
    }
    if there.attributes.contains(FileAttributes::READONLY) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: the target is read-only");
    }
    if cx.state.is_open(there.key) {
        return refuse(NtStatus::ACCESS_DENIED, "MS-FSA 2.1.5.15.12: the target is open");
    }
    Ok(())
}

fn carry_out(cx: &Cx<'_>, open: &Open, naming: Naming) -> Handled<command::Step> {
    let What::File { key, place, .. } = &open.what else {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.21.1: a pipe has no other name");
    };
    let Naming { kind, to, replace, over } = naming;
    let (root, token) = (place.root.clone(), security::token(cx, open));
    match kind {
        Kind::Rename => {
            let (from, key) = (place.path.clone(), *key);
            let op = Op::Rename { root, from: from.clone(), to, key, replace, token };
            call(open, op, Step::Renamed { from, over })
        }
        Kind::Link => {
            let file = open.handle.clone();
            call(open, Op::Link { root, file, to, replace, token }, Step::Linked { over })
        }
    }
}

/// What is open under the new name, which it may lose.
fn opens_at(cx: &Cx<'_>, share: &Share, to: &SharePath) -> Vec<FileKey> {
    let there = |open: &&Open| open.place().is_some_and(|place| place.is_at(share, to));
    cx.state.opens.values().filter(there).filter_map(Open::key).collect()
}

/// The target's directory is opened to add the name: whoever has it open without sharing that, or for
/// what that does not share, is in the way.
fn parent_is_free(cx: &Cx<'_>, open: &Open, to: &SharePath, kind: Kind) -> Result<(), Refused> {
    let parent = to.parent();
    let mine = (AccessMask::FILE_ADD_FILE, kind.shares());
    let held = |other: &Open| {
        other.place().is_some_and(|place| place.is_at(&open.share, &parent))
            && share_mode::conflicts((other.granted, other.share_access), mine)
    };
    if cx.state.opens.values().any(held) {
        return refuse(NtStatus::SHARING_VIOLATION, "3.3.5.21.1: the target directory is held");
    }
    Ok(())
}

/// Another open lies below, through whatever share of the same directory.
fn holds_opens(cx: &Cx<'_>, open: &Open, path: &SharePath) -> bool {
    let mut places = cx.state.opens.values().filter_map(Open::place);
    places.any(|place| place.is_below(&open.share, path))
}

/// What was replaced is not called so any more.
pub(super) fn replaced(cx: &mut Cx<'_>, over: Option<FileKey>) {
    match over {
        Some(over) => cx.state.changes.lost_name(over),
        // It was made after the look.
        None => cx.state.changes.forget_names(),
    }
}

/// Every open that was reached by the old name is now at the new one, through whatever share of the
/// same directory.
pub(super) fn renamed(cx: &mut Cx<'_>, id: OpenId, from: &SharePath, to: &SharePath) {
    let State { opens, files, changes, .. } = &mut *cx.state;
    let open = opens.get(&id).and_then(|open| Some((open.key()?, Arc::clone(&open.share))));
    let Some((key, share)) = open else {
        return;
    };
    changes.renamed(key, &share, [from, to]);
    for open in opens.values_mut() {
        let What::File { key, place, .. } = &mut open.what else {
            continue;
        };
        let doomed = files.get_mut(key).into_iter().flat_map(|file| &mut file.doomed);
        for place in doomed.map(|doomed| &mut doomed.place).chain([place]) {
            if let Some(moved) = place.moved(&share, from, to) {
                place.path = moved;
            }
        }
    }
}
