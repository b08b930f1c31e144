//! Open files of the memory file system, counted, and never closed under the server's lock.

use super::Outcome;
use ksmbd_core::{
    config::Share,
    name::SharePath,
    stream::StreamName,
    vfs::{File, FileObject, Permitted, VfsError},
};
use std::any::Any;
use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs an entry into the server. A file whose last clone is dropped meanwhile would have been closed
/// under the lock: that is a bug, and panics.
pub fn inside<T>(entry: impl FnOnce() -> T) -> T {
    INSIDE.set(true);
    let result = entry();
    INSIDE.set(false);
    result
}

/// Counts what exists: each handle holds one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<()>);

impl Live {
    pub(crate) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let wrong = INSIDE.get() && !std::thread::panicking();
        assert!(!wrong, "a file was closed under the server's lock");
    }
}

/// An open file or directory.
pub(crate) struct Handle {
    pub(super) share: Arc<Share>,
    pub(super) inode: u64,
    pub(super) path: SharePath,
    /// What is open is this stream of it.
    pub(super) stream: Mutex<Option<StreamName>>,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) deletable: bool,
    /// What its directory's descriptor grants of it.
    pub(super) by_parent: Permitted,
    /// Allocation that was asked for through this handle.
    pub(super) reserved: AtomicU64,
    /// Keeps the file while its name is gone.
    pub(super) _keeps: Arc<()>,
    pub(super) _live: Live,
}

/// Somebody wants to know what happens to a directory.
pub(super) struct Watching {
    pub(super) _live: Live,
}

impl FileObject for Watching {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl FileObject for Handle {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Handle {
    pub(super) fn of(file: &File) -> Outcome<&Self> {
        file.0.as_any().downcast_ref().ok_or(VfsError::Invalid)
    }

    pub(super) fn stream(&self) -> Option<StreamName> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_stream(&self, to: Option<StreamName>) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}
