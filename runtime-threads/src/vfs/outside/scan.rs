//! Looking through directories for those below them, without holding anything: each is watched first
//! and read then, so nothing that comes later is missed.

use super::{Fresh, State, Subscription, add, state};
use crate::vfs::{identity, info, inotify::Event};
use ksmbd_core::{
    vfs::{FileKind, Identity},
    wire::{change_notify::CompletionFilter, fscc::notify::FileAction},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{
        self, Dir, FileType, Mode, OFlags,
        inotify::{ReadFlags, WatchFlags},
    },
};
use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What the last watch that was begun may count on; the worker needs it too.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// What a subscription needs for the directories below its root.
#[derive(Clone)]
struct Wanted {
    id: u64,
    what: WatchFlags,
    device: Option<u64>,
    identity: Arc<Identity>,
    root: i32,
    directory: Arc<OwnedFd>,
}

impl Wanted {
    fn of(id: u64, subscription: &Subscription) -> Self {
        Self {
            id,
            what: subscription.what,
            device: subscription.device,
            identity: Arc::clone(&subscription.identity),
            root: subscription.root,
            directory: Arc::clone(&subscription.directory),
        }
    }
}

/// A directory with a watch, which is to be looked through.
struct Open {
    watch: i32,
    fd: OwnedFd,
    /// What is in it is told.
    told: bool,
}

/// All that is below the root of a new watch. Under the identity of the caller.
pub(super) fn whole_tree(id: u64, root: i32, limit: usize) {
    LIMIT.store(limit, Ordering::Relaxed);
    let wanted = state().and_then(|state| {
        state.subscriptions.get(&id).map(|subscription| Wanted::of(id, subscription))
    });
    let Some(wanted) = wanted else { return };
    if let Some(fd) = down(wanted.directory.as_fd(), b".") {
        walk(&wanted, Open { watch: root, fd, told: false });
    }
}

/// Directories that appeared since. Takes time; for a thread that nobody waits for.
pub fn look_through() {
    let fresh = state().map(|mut state| mem::take(&mut state.fresh)).unwrap_or_default();
    for fresh in fresh {
        look_at(&fresh);
    }
}

fn look_at(fresh: &Fresh) {
    let Some((wanted, path)) = state().and_then(|state| above(&state, fresh)) else {
        return;
    };
    // A thread that cannot be who asked does not look.
    if identity::assume(&wanted.identity).is_err() {
        return;
    }
    let mut at = down(wanted.directory.as_fd(), b".");
    for name in path {
        at = at.and_then(|fd| down(fd.as_fd(), &name));
    }
    let Some(fd) = at else { return };
    if fresh.name.is_empty() {
        return walk(&wanted, Open { watch: fresh.parent, fd, told: false });
    }
    if let Some(watch) = join(&wanted, fd.as_fd(), fresh.parent, &fresh.name) {
        walk(&wanted, Open { watch, fd, told: fresh.told });
    }
}

/// The tree that a new directory is in, and the way there from its root.
fn above(state: &State, fresh: &Fresh) -> Option<(Wanted, Vec<Box<[u8]>>)> {
    let mut path = VecDeque::new();
    if !fresh.name.is_empty() {
        path.push_front(fresh.name.clone());
    }
    let mut at = fresh.parent;
    while path.len() < super::tree::MAX_DEPTH {
        let node = state.nodes.get(&at)?;
        let subscription = |id: &u64| state.subscriptions.get(id).map(|found| (*id, found));
        let mut found = node.subscriptions.iter().filter_map(subscription);
        if let Some((id, found)) = found.find(|(_, found)| found.tree) {
            return Some((Wanted::of(id, found), path.into()));
        }
        let (parent, name) = node.parent.as_ref()?;
        path.push_front(name.clone());
        at = *parent;
    }
    None
}

/// A directory below another, never through a link.
fn down(directory: BorrowedFd<'_>, name: &[u8]) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::empty()).ok()
}

/// Watches a directory as part of the tree; none when that cannot be, or is not wanted.
fn join(wanted: &Wanted, fd: BorrowedFd<'_>, parent: i32, name: &[u8]) -> Option<i32> {
    let stat = info::stat_fd(fd).ok()?;
    let key = info::key(&stat);
    if wanted.device.is_some_and(|device| device != key.device) {
        return None;
    }
    let goes_on = |state: &State| {
        // The watch may have ended meanwhile, and the directory above gone.
        state.subscriptions.contains_key(&wanted.id) && state.nodes.contains_key(&parent)
    };
    if !goes_on(&*state()?) {
        return None;
    }
    let limit = LIMIT.load(Ordering::Relaxed);
    let watch = add(fd, key, wanted.what, limit, |state, watch| {
        if watch == wanted.root {
            return None;
        }
        if !goes_on(state) {
            state.forget_unwanted();
            return None;
        }
        let node = state.nodes.get_mut(&watch)?;
        node.parent = Some((parent, name.into()));
        Some(watch)
    });
    watch.ok().flatten()
}

fn walk(wanted: &Wanted, top: Open) {
    let mut open = VecDeque::from([top]);
    while let Some(Open { watch, fd, told }) = open.pop_front() {
        for (name, kind) in entries(fd.as_fd()) {
            if told {
                tell_found(watch, &name, kind);
            }
            if kind == FileKind::Directory
                && let Some(fd) = down(fd.as_fd(), &name)
                && let Some(watch) = join(wanted, fd.as_fd(), watch, &name)
            {
                open.push_back(Open { watch, fd, told });
            }
        }
    }
}

/// What is in a directory that others have made may have come before it was watched.
fn tell_found(watch: i32, name: &[u8], kind: FileKind) {
    let Some(mut state) = state() else { return };
    let directory = kind == FileKind::Directory;
    let Some(node) = state.nodes.get_mut(&watch) else { return };
    // Of more than that the events alone tell.
    if node.seen.len() < super::MAX_SEEN && node.seen.insert(name.into()) {
        let mask = if directory { ReadFlags::ISDIR } else { ReadFlags::empty() };
        let filter =
            if directory { CompletionFilter::DIR_NAME } else { CompletionFilter::FILE_NAME };
        let event = Event { watch, mask, cookie: 0, name: name.into() };
        state.tell(&event, FileAction::ADDED, filter);
    }
}

/// Names and kinds; what cannot be read has none.
fn entries(directory: BorrowedFd<'_>) -> Vec<(Box<[u8]>, FileKind)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(fd) = fs::openat(directory, c".", flags, Mode::empty()) else {
        return Vec::new();
    };
    let Ok(listing) = Dir::new(fd) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in listing.map_while(Result::ok) {
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Directory => FileKind::Directory,
            FileType::Unknown => info::stat_entry(directory, name)
                .map_or(FileKind::Special, |stat| info::kind(&stat)),
            _ => FileKind::File,
        };
        found.push((name.into(), kind));
    }
    found
}
