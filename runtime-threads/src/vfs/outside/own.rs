//! The server's own changes, told apart from those of others.
//!
//! A change to a name is announced before it is made. While it is on its way, events of that name wait;
//! when it has been made, its event is in the queue (the kernel puts it there before the call returns)
//! and is expected, exactly once; then the queue is read to its end, and nothing is expected any more.
//! So no event of others is taken for the server's, and none of the server's for one of others.
//!
//! Writes make events that the kernel merges, and are too many to be counted: an event of a file's data
//! or metadata is taken for the server's as long as it is changing or making that file, and a moment
//! longer. Whoever watches was told of that file at that moment anyway.

use super::{is_active, state};
use ksmbd_core::{id::FileKey, name::mapping};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long after a change of data or metadata its events come: the queue is read more often.
const MOMENT: Duration = Duration::from_millis(250);

/// Names that are remembered for their data and metadata, at most.
const MAX_TOUCHED: usize = 4096;

/// What a change does to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vfs) enum Kind {
    Appears,
    Vanishes,
}

/// A name on the disk in a directory, and what is going to happen to it.
pub(in crate::vfs) type Name<'a> = (FileKey, &'a [u8], Kind);

#[derive(Default)]
struct Expected {
    /// Changes that are being made.
    on_their_way: u32,
    appears: u32,
    vanishes: u32,
}

impl Expected {
    fn count(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Appears => &mut self.appears,
            Kind::Vanishes => &mut self.vanishes,
        }
    }
}

struct Touched {
    by: u32,
    last: Instant,
}

struct Own {
    names: BTreeMap<(FileKey, Box<[u8]>), Expected>,
    touched: BTreeMap<(FileKey, Box<[u8]>), Touched>,
}

impl Own {
    /// Data or metadata of a file are changed now.
    fn touch(&mut self, file: &(FileKey, Box<[u8]>)) -> &mut Touched {
        if self.touched.len() >= MAX_TOUCHED {
            self.touched.retain(|_, touched| touched.by > 0 || touched.last.elapsed() < MOMENT);
        }
        let now = Instant::now();
        let touched = self.touched.entry(file.clone()).or_insert(Touched { by: 0, last: now });
        touched.last = now;
        touched
    }
}

fn own() -> MutexGuard<'static, Own> {
    static OWN: Mutex<Own> = Mutex::new(Own { names: BTreeMap::new(), touched: BTreeMap::new() });
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a change to names. `made` says whether it was made.
pub(in crate::vfs) fn change<T>(
    names: &[Name<'_>],
    work: impl FnOnce() -> T,
    made: impl FnOnce(&T) -> bool,
) -> T {
    for (directory, name, _) in names {
        own().names.entry((*directory, (*name).into())).or_default().on_their_way += 1;
    }
    let result = work();
    let made = made(&result);
    // Nobody else empties the queue between the promise and the look.
    let state = if is_active() { state() } else { None };
    {
        let mut own = own();
        for (directory, name, kind) in names {
            if made && state.is_some() && *kind == Kind::Appears {
                // What is made gets its attributes next.
                own.touch(&(*directory, (*name).into()));
            }
            if let Some(expected) = own.names.get_mut(&(*directory, (*name).into())) {
                expected.on_their_way = expected.on_their_way.saturating_sub(1);
                *expected.count(*kind) += u32::from(made && state.is_some());
            }
        }
    }
    match state {
        Some(mut state) => state.drain(),
        None => forget(),
    }
    result
}

/// The server may be making this change just now.
pub(super) fn may_be(directory: FileKey, name: &[u8], kind: Kind) -> bool {
    let mut own = own();
    if own.names.is_empty() {
        return false;
    }
    let expected = own.names.get_mut(&(directory, name.into()));
    expected.is_some_and(|expected| expected.on_their_way > 0 && *expected.count(kind) == 0)
}

/// An event is the server's own.
pub(super) fn is_expected(directory: FileKey, name: &[u8], kind: Kind) -> bool {
    let mut own = own();
    let Some(expected) = own.names.get_mut(&(directory, name.into())) else {
        return false;
    };
    let count = expected.count(kind);
    let found = *count > 0;
    *count = count.saturating_sub(1);
    found
}

/// The queue is empty: what has been made has been seen.
pub(super) fn forget() {
    own().names.retain(|_, expected| {
        (expected.appears, expected.vanishes) = (0, 0);
        expected.on_their_way > 0
    });
}

/// The server changes data or metadata of a file of this name, as long as this lives.
pub(in crate::vfs) struct Touch((FileKey, Box<[u8]>));

impl Touch {
    /// `name` is the shown name.
    pub(in crate::vfs) fn new(directory: FileKey, name: &str) -> Self {
        let file = (directory, (*mapping::host(name)).into());
        own().touch(&file).by += 1;
        Self(file)
    }
}

impl Drop for Touch {
    fn drop(&mut self) {
        let mut own = own();
        let touched = own.touch(&self.0);
        touched.by = touched.by.saturating_sub(1);
    }
}

/// An event of data or metadata of this name is taken for the server's own.
pub(super) fn is_touched(directory: FileKey, name: &[u8]) -> bool {
    let own = own();
    own.touched
        .get(&(directory, name.into()))
        .is_some_and(|t| t.by > 0 || t.last.elapsed() < MOMENT)
}
