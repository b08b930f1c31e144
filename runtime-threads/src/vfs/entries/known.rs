//! The names of directories, kept in mind.
//!
//! Directories in which names are missed again and again (files are created in them) are read once
//! more, and from then on an inotify watch tells of every change, our own and anybody else's. The
//! kernel queues an event before the call that made the change returns, and the queue is emptied
//! before the names are believed: a name is known here as soon as whoever made it can know. That
//! holds where only this kernel changes the file system; other directories are read each time.

use super::{
    folded_hash, same,
    watch::{self, Change, Kind, Watches},
};
use ksmbd_core::{id::FileKey, name::mapping};
use rustix::fd::BorrowedFd;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::{Mutex, OnceLock, PoisonError},
};

/// Directories kept in mind.
const MAX_DIRECTORIES: usize = 64;

/// Names kept in mind, of all directories together: some 64 bytes each.
pub(super) const MAX_NAMES: usize = 1 << 18;

/// Directories that were missed in lately. One that comes again is worth remembering.
const MAX_MISSED: usize = 64;

/// Changes that are remembered while a directory is read.
const MAX_CHANGES: usize = 1 << 14;

/// What is known about a name.
pub(super) enum Answer {
    /// Everything.
    Known(Option<String>),
    /// Nothing: the directory has to be read.
    Unknown,
    /// The same, and [`Known::begin`] should be called.
    Learn,
}

/// What is kept in mind, for the whole process: whatever share a directory is reached through, its
/// names are the same.
pub(super) struct Known {
    watches: Watches,
    directories: BTreeMap<FileKey, Directory>,
    by_watch: BTreeMap<i32, FileKey>,
    missed: VecDeque<FileKey>,
    /// Of all directories.
    names: usize,
    /// Goes up with each use.
    clock: u64,
}

struct Directory {
    watch: i32,
    used: u64,
    state: State,
}

enum State {
    /// It is being read; what changes meanwhile is applied to what was read.
    Reading(Vec<(Kind, Box<[u8]>)>),
    /// Each name behind what all its cases have in common.
    Read(BTreeSet<(u64, Box<[u8]>)>),
}

impl Known {
    /// `None` where there is no inotify.
    fn with<T>(act: impl FnOnce(&mut Self) -> T) -> Option<T> {
        static KNOWN: OnceLock<Option<Mutex<Known>>> = OnceLock::new();
        let known =
            KNOWN.get_or_init(|| Watches::new().map(|watches| Mutex::new(Self::new(watches))));
        let mut known = known.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        known.catch_up();
        Some(act(&mut known))
    }

    fn new(watches: Watches) -> Self {
        Self {
            watches,
            directories: BTreeMap::new(),
            by_watch: BTreeMap::new(),
            missed: VecDeque::new(),
            names: 0,
            clock: 0,
        }
    }

    /// What is known of `wanted` in a directory that the asking identity may read.
    pub(super) fn ask(key: FileKey, wanted: &str) -> Answer {
        Self::with(|known| known.answer(key, wanted)).unwrap_or(Answer::Unknown)
    }

    fn answer(&mut self, key: FileKey, wanted: &str) -> Answer {
        self.clock += 1;
        let clock = self.clock;
        if let Some(directory) = self.directories.get_mut(&key) {
            directory.used = clock;
            let State::Read(names) = &directory.state else { return Answer::Unknown };
            return Answer::Known(find(names, wanted));
        }
        if self.missed.contains(&key) {
            return Answer::Learn;
        }
        if self.missed.len() >= MAX_MISSED {
            self.missed.pop_front();
        }
        self.missed.push_back(key);
        Answer::Unknown
    }

    /// The calling thread is going to read the directory and to call [`Known::finish`] with this number. None
    /// where that cannot be kept in mind.
    pub(super) fn begin(key: FileKey, directory: BorrowedFd<'_>) -> Option<i32> {
        // Asked by this thread alone: a file system that does not answer is not waited for by all.
        if !watch::tells_all(directory) {
            return None;
        }
        let began = Self::with(|known| {
            known.missed.retain(|missed| *missed != key);
            if known.directories.contains_key(&key) {
                // Another thread is at it.
                return None;
            }
            while known.directories.len() >= MAX_DIRECTORIES {
                known.forget_oldest();
            }
            let watch = known.watches.add(directory)?;
            let used = known.clock;
            let state = State::Reading(Vec::new());
            known.directories.insert(key, Directory { watch, used, state });
            known.by_watch.insert(watch, key);
            Some(watch)
        });
        began.flatten()
    }

    /// All names of the directory; `None` when it could not be read, or has too many.
    pub(super) fn finish(key: FileKey, watch: i32, names: Option<Vec<Box<[u8]>>>) {
        Self::with(|known| {
            // It may be forgotten by now, and another thread may be learning it anew: with its watch began what
            // is told of changes.
            let directory = known.directories.get_mut(&key).filter(|it| it.watch == watch);
            let Some(directory) = directory else { return };
            let State::Reading(changes) = &mut directory.state else { return };
            let Some(names) = names else {
                known.forget(key);
                return;
            };
            let changes = mem::take(changes);
            let names: BTreeSet<_> = names.into_iter().map(hashed).collect();
            known.names += names.len();
            directory.state = State::Read(names);
            for (kind, name) in changes {
                known.change(key, kind, name);
            }
            known.keep_within_bounds();
        });
    }

    /// Applies what has happened since.
    fn catch_up(&mut self) {
        let Ok(changes) = self.watches.changes() else {
            // Some were lost: nothing that is known can be believed.
            while !self.directories.is_empty() {
                self.forget_oldest();
            }
            return;
        };
        for Change { watch, kind, name } in changes {
            let Some(&key) = self.by_watch.get(&watch) else { continue };
            if kind == Kind::Gone {
                self.forget(key);
            } else {
                self.change(key, kind, name);
            }
        }
        self.keep_within_bounds();
    }

    fn change(&mut self, key: FileKey, kind: Kind, name: Box<[u8]>) {
        let Some(directory) = self.directories.get_mut(&key) else { return };
        match &mut directory.state {
            State::Reading(changes) if changes.len() >= MAX_CHANGES => self.forget(key),
            State::Reading(changes) => changes.push((kind, name)),
            State::Read(names) if kind == Kind::Appeared => {
                self.names += usize::from(names.insert(hashed(name)));
            }
            State::Read(names) => self.names -= usize::from(names.remove(&hashed(name))),
        }
    }

    fn keep_within_bounds(&mut self) {
        while self.names > MAX_NAMES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.directories.iter().min_by_key(|(_, directory)| directory.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: FileKey) {
        if let Some(Directory { watch, state, .. }) = self.directories.remove(&key) {
            self.by_watch.remove(&watch);
            self.watches.remove(watch);
            if let State::Read(names) = state {
                self.names -= names.len();
            }
        }
    }
}

fn hashed(name: Box<[u8]>) -> (u64, Box<[u8]>) {
    (folded_hash(&mapping::shown(&name)), name)
}

/// The name that is `wanted`, exactly or in another case.
fn find(names: &BTreeSet<(u64, Box<[u8]>)>, wanted: &str) -> Option<String> {
    let hash = folded_hash(wanted);
    let candidates = names.range((hash, Box::default())..).take_while(|(other, _)| *other == hash);
    let mut matching: Vec<String> = candidates.filter_map(|(_, name)| same(name, wanted)).collect();
    let exact = matching.iter().position(|name| name == wanted).unwrap_or(0);
    (!matching.is_empty()).then(|| matching.swap_remove(exact))
}
