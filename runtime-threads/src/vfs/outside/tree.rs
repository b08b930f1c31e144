//! Events to changes, and the watched directories as they come, move and go.

use super::{DATA, Fresh, METADATA, Node, State, Told, WATCHED, own, own::Kind};
use crate::vfs::inotify::Event;
use ksmbd_core::{
    name::mapping,
    vfs::FsChange,
    wire::{change_notify::CompletionFilter, fscc::notify::FileAction},
};
use rustix::fs::inotify::ReadFlags;
use std::{collections::BTreeSet, sync::atomic::Ordering};

/// Directories above another that are gone through, at most.
pub(super) const MAX_DEPTH: usize = 256;

/// A name that was moved away; where to comes next, if it is watched.
pub(super) struct Moved {
    event: Event,
    own: bool,
    /// The directory's own watch.
    child: Option<i32>,
}

impl State {
    /// One event.
    pub(super) fn pass_on(&mut self, event: Event) {
        let Some(node) = self.nodes.get_mut(&event.watch) else {
            return;
        };
        let (key, mask) = (node.key, event.mask);
        if mask.intersects(ReadFlags::IGNORED) {
            return self.remove(event.watch);
        }
        if event.name.is_empty() {
            return;
        }
        let changes =
            ReadFlags::CREATE | ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO;
        let seen = mask.intersects(changes) && node.seen.remove(&event.name);
        let own = kind(mask).is_some_and(|kind| own::is_expected(key, &event.name, kind));
        match kind(mask) {
            Some(Kind::Appears) => self.appeared(&event, own || seen),
            Some(Kind::Vanishes) => {
                self.settle();
                let child = self.child(event.watch, &event.name);
                self.moved = Some(Moved { event, own, child });
                if mask.contains(ReadFlags::DELETE) {
                    self.settle();
                }
            }
            None if own::is_touched(key, &event.name) => {}
            None => {
                let data = mask.contains(ReadFlags::MODIFY);
                self.tell(&event, FileAction::MODIFIED, if data { DATA } else { METADATA });
            }
        }
    }

    fn appeared(&mut self, event: &Event, known: bool) {
        let of_this = |moved: &Moved| event.cookie != 0 && moved.event.cookie == event.cookie;
        let from = if self.moved.as_ref().is_some_and(of_this) { self.moved.take() } else { None };
        self.settle();
        let is_directory = event.mask.contains(ReadFlags::ISDIR);
        let child = from.as_ref().and_then(|from| from.child);
        if let Some(node) = child.and_then(|child| self.nodes.get_mut(&child)) {
            node.parent = Some((event.watch, event.name.clone()));
        } else if is_directory && self.is_in_tree(event.watch) {
            let (parent, name) = (event.watch, event.name.clone());
            // What was moved here with all that is in it came as one thing.
            let told = !known && event.mask.contains(ReadFlags::CREATE);
            self.fresh.push(Fresh { parent, name, told });
        }
        if known {
            return;
        }
        let filter = named(event);
        match from.filter(|from| !from.own) {
            Some(from) if from.event.watch == event.watch => {
                self.tell(&from.event, FileAction::RENAMED_OLD_NAME, filter);
                self.tell(event, FileAction::RENAMED_NEW_NAME, filter);
            }
            Some(from) => {
                self.tell(&from.event, FileAction::REMOVED, filter);
                self.tell(event, FileAction::ADDED, filter);
            }
            None => self.tell(event, FileAction::ADDED, filter),
        }
    }

    /// What was moved away has not come back.
    pub(super) fn settle(&mut self) {
        let Some(Moved { event, own, child }) = self.moved.take() else {
            return;
        };
        if !own {
            self.tell(&event, FileAction::REMOVED, named(&event));
        }
        if let Some(node) = child.and_then(|child| self.nodes.get_mut(&child)) {
            node.parent = None;
            self.forget_unwanted();
        }
    }

    /// Tells all who watch the directory or a tree that it is in.
    pub(super) fn tell(&self, event: &Event, action: FileAction, filter: CompletionFilter) {
        let mut path = mapping::shown(&event.name).into_owned();
        let mut at = event.watch;
        for depth in 0..MAX_DEPTH {
            let Some(node) = self.nodes.get(&at) else {
                return;
            };
            let ids = node.subscriptions.iter().filter_map(|id| self.subscriptions.get(id));
            let mut told: Vec<&super::Tell> = Vec::new();
            for subscription in ids.filter(|subscription| depth == 0 || subscription.tree) {
                // One server is told once; it knows who watches.
                let tell = &subscription.tell;
                if !told.iter().any(|other| std::sync::Arc::ptr_eq(other, tell)) {
                    let (directory, path) = (node.key, path.clone());
                    tell(Told::Changed(FsChange::Below { directory, path, action, filter }));
                    told.push(tell);
                }
            }
            let Some((parent, name)) = &node.parent else {
                return;
            };
            path = format!("{}/{path}", mapping::shown(name));
            at = *parent;
        }
    }

    /// The directory of this name has a watch of its own.
    pub(super) fn child(&self, parent: i32, name: &[u8]) -> Option<i32> {
        let is = |at: &Option<(i32, Box<[u8]>)>| {
            at.as_ref().is_some_and(|(above, called)| (*above, &**called) == (parent, name))
        };
        self.nodes.iter().find(|(_, node)| is(&node.parent)).map(|(watch, _)| *watch)
    }

    /// Somebody watches all that is below this directory.
    pub(super) fn is_in_tree(&self, watch: i32) -> bool {
        let mut at = watch;
        for _ in 0..MAX_DEPTH {
            let Some(node) = self.nodes.get(&at) else {
                return false;
            };
            let mut ids = node.subscriptions.iter().filter_map(|id| self.subscriptions.get(id));
            if ids.any(|subscription| subscription.tree) {
                return true;
            }
            let Some((parent, _)) = &node.parent else {
                return false;
            };
            at = *parent;
        }
        false
    }

    /// The directory is gone, and its watch with it.
    fn remove(&mut self, watch: i32) {
        self.nodes.remove(&watch);
        self.forget_unwanted();
    }

    /// Ends watches that nobody needs any more.
    pub(super) fn forget_unwanted(&mut self) {
        let wanted = |(watch, node): &(&i32, &Node)| {
            // Whoever is about to watch it gets the same watch.
            let comes = self.coming.contains_key(&node.key);
            comes || !node.subscriptions.is_empty() || self.is_in_tree(**watch)
        };
        let unwanted: BTreeSet<i32> =
            self.nodes.iter().filter(|node| !wanted(node)).map(|(watch, _)| *watch).collect();
        for watch in &unwanted {
            self.queue.remove(*watch);
            self.nodes.remove(watch);
        }
        let left: BTreeSet<i32> = self.nodes.keys().copied().collect();
        for node in self.nodes.values_mut() {
            node.parent.take_if(|(parent, _)| !left.contains(parent));
        }
        WATCHED.store(self.nodes.len(), Ordering::Release);
    }
}

/// What an event says of a name; none when it is about data or metadata.
pub(super) fn kind(mask: ReadFlags) -> Option<Kind> {
    if mask.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
        Some(Kind::Appears)
    } else if mask.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Some(Kind::Vanishes)
    } else {
        None
    }
}

fn named(event: &Event) -> CompletionFilter {
    match event.mask.contains(ReadFlags::ISDIR) {
        true => CompletionFilter::DIR_NAME,
        false => CompletionFilter::FILE_NAME,
    }
}
