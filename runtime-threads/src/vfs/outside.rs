//! What others do to directories that clients watch, as inotify tells it.
//!
//! One queue for the process. Each watched directory is a [`Node`]; below the root of a watched tree
//! there is one for each subdirectory, as many as the server may have. Whoever finds events in the
//! queue passes them on, without ever waiting, to the servers that asked; the forker sleeps on the
//! queue too, and lets the worker look. The worker also does what takes time: it looks through
//! directories that are new in a tree ([`scan`]).
//!
//! What the server does itself it tells its clients itself: the core knows more about it than
//! inotify, and where inotify has no more watches it knows it still. So each of its own changes to a
//! name is announced here before it is made, and its event is left out ([`own`]).

pub(super) mod own;
mod scan;
mod tree;

pub use scan::look_through;

use super::{
    Outcome, failed,
    handle::Handle,
    identity,
    inotify::{self, Queue},
};
use ksmbd_core::{
    id::FileKey,
    vfs::{Done, File, FileKind, FileObject, FsChange, Identity, VfsError},
    wire::change_notify::CompletionFilter,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::inotify::WatchFlags,
    io::Errno,
};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tree::Moved;

/// Events that are kept while the server itself is at the name of the first.
const MAX_PENDING: usize = 1 << 14;

/// Names of one directory that may be told a second time.
const MAX_SEEN: usize = 1024;

/// What a server is told.
pub enum Told {
    /// For the core.
    Changed(FsChange),
    /// Call [`look_through`].
    NewDirectories,
}

/// How a server is told. Must not wait.
pub type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// One watched directory, and whether clients asked for it or for a directory above.
struct Node {
    key: FileKey,
    parent: Option<(i32, Box<[u8]>)>,
    /// Who asked for this one.
    subscriptions: BTreeSet<u64>,
    /// Names that were told when the directory was looked through, and that may be told again.
    seen: BTreeSet<Box<[u8]>>,
}

/// What one open watches.
struct Subscription {
    root: i32,
    tree: bool,
    what: WatchFlags,
    directory: Arc<OwnedFd>,
    /// Other file systems are not entered.
    device: Option<u64>,
    identity: Arc<Identity>,
    tell: Tell,
}

/// A directory that appeared in a tree.
struct Fresh {
    parent: i32,
    name: Box<[u8]>,
    /// What is in it is told: others made it.
    told: bool,
}

struct State {
    queue: Queue,
    nodes: BTreeMap<i32, Node>,
    subscriptions: BTreeMap<u64, Subscription>,
    /// Read and not passed on yet.
    pending: VecDeque<inotify::Event>,
    /// The first half of a rename.
    moved: Option<Moved>,
    fresh: Vec<Fresh>,
    /// Directories that threads are about to watch, each as often as one is.
    coming: BTreeMap<FileKey, usize>,
    next: u64,
}

/// Directories that are watched; while there is none nothing has to be remembered.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// To sleep on.
static QUEUE: OnceLock<OwnedFd> = OnceLock::new();

fn state() -> Option<MutexGuard<'static, State>> {
    static STATE: OnceLock<Option<Mutex<State>>> = OnceLock::new();
    let new = || {
        let told =
            |errno| log::warn!("no inotify ({errno}): changes made outside SMB are not told");
        let queue = Queue::new().map_err(told).ok()?;
        let _ = QUEUE.set(queue.as_fd().try_clone_to_owned().ok()?);
        Some(Mutex::new(State::new(queue)))
    };
    let state = STATE.get_or_init(new).as_ref()?;
    Some(state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Can be read when something has happened; none as long as nobody watches.
pub(crate) fn queue() -> Option<BorrowedFd<'static>> {
    QUEUE.get().map(AsFd::as_fd)
}

/// Directories that are watched.
pub(crate) fn watched() -> usize {
    WATCHED.load(Ordering::Acquire)
}

/// Somebody watches something.
pub(super) fn is_active() -> bool {
    watched() > 0
}

/// Passes on what has happened until now. Never waits.
pub fn drain() {
    // The end of the last watch is told, too: unread, it would wake whoever sleeps on the queue for ever.
    if queue().is_some()
        && let Some(mut state) = state()
    {
        state.drain();
    }
}

/// Begins to tell of an open directory ([`Op::Watch`](ksmbd_core::vfs::Op::Watch)), under the
/// identity of the call; `limit` is the number of directories that may be watched.
pub fn watch(
    file: &File,
    (tree, filter): (bool, CompletionFilter),
    identity: &Arc<Identity>,
    limit: usize,
    tell: Tell,
) -> Done {
    let begun = begin(file, tree, filter, identity, limit, tell);
    begun.map_or_else(Done::Failed, |watching| Done::Watching(File(Arc::new(watching))))
}

fn begin(
    file: &File,
    tree: bool,
    filter: CompletionFilter,
    identity: &Arc<Identity>,
    limit: usize,
    tell: Tell,
) -> Outcome<Watching> {
    let handle = Handle::of(file)?;
    if handle.kind != FileKind::Directory {
        return Err(VfsError::NotDirectory);
    }
    identity::assume(identity)?;
    let directory = Arc::clone(&handle.fd);
    let what = events(filter, tree);
    let device = (!handle.root.share.cross_mounts).then_some(handle.key.device);
    let subscription = |root| Subscription {
        root,
        tree,
        what,
        directory,
        device,
        identity: Arc::clone(identity),
        tell,
    };
    let (id, root) = add(handle.fd.as_fd(), handle.key, what, limit, |state, root| {
        state.next += 1;
        let id = state.next;
        state.subscriptions.insert(id, subscription(root));
        if let Some(node) = state.nodes.get_mut(&root) {
            node.subscriptions.insert(id);
        }
        (id, root)
    })?;
    let watching = Watching(id);
    if tree {
        scan::whole_tree(id, root, limit);
    }
    Ok(watching)
}

/// Watches a directory, if there is room, and does `then` with its watch. Under the identity of the
/// caller. Nobody else waits where its file system does not answer: what happens there meanwhile, and is
/// told to nobody, happens before there is a watch.
fn add<T>(
    directory: BorrowedFd<'_>,
    key: FileKey,
    what: WatchFlags,
    limit: usize,
    then: impl FnOnce(&mut State, i32) -> T,
) -> Outcome<T> {
    state().ok_or(VfsError::NotSupported)?.comes(key, limit)?;
    // There is one where there is a state.
    let queue = queue().ok_or(VfsError::NotSupported)?;
    let added = inotify::add(queue, directory, what | WatchFlags::MASK_ADD);
    let mut state = state().ok_or(VfsError::NotSupported)?;
    state.has_come(key, added.ok());
    let watch = added.map_err(|errno| {
        if errno == Errno::NOSPC {
            warn_once("as many directories are watched as fs.inotify.max_user_watches allows");
        }
        failed(errno)
    })?;
    Ok(then(&mut state, watch))
}

fn warn_once(why: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::warn!("{why}: not all changes made outside SMB are told");
    }
}

/// What to ask the kernel for.
fn events(filter: CompletionFilter, tree: bool) -> WatchFlags {
    let names = CompletionFilter::FILE_NAME | CompletionFilter::DIR_NAME;
    let mut what = WatchFlags::DELETE_SELF;
    if tree || filter.intersects(names) {
        what |= WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
    }
    if filter.intersects(DATA) {
        what |= WatchFlags::MODIFY;
    }
    if filter.intersects(METADATA) {
        what |= WatchFlags::ATTRIB;
    }
    what
}

/// What a write changes.
const DATA: CompletionFilter = CompletionFilter::SIZE.union(CompletionFilter::LAST_WRITE);

/// What may have changed when the kernel says that metadata has.
const METADATA: CompletionFilter = CompletionFilter::ATTRIBUTES
    .union(CompletionFilter::LAST_WRITE)
    .union(CompletionFilter::LAST_ACCESS)
    .union(CompletionFilter::CREATION)
    .union(CompletionFilter::EA)
    .union(CompletionFilter::SECURITY);

/// As long as this lives, a server is told.
struct Watching(u64);

impl FileObject for Watching {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(mut state) = state() {
            state.unsubscribe(self.0);
        }
    }
}

impl State {
    fn new(queue: Queue) -> Self {
        Self {
            queue,
            nodes: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            pending: VecDeque::new(),
            moved: None,
            fresh: Vec::new(),
            coming: BTreeMap::new(),
            next: 0,
        }
    }

    /// A thread is about to watch a directory, if there is room: until it does, or cannot, its watch is
    /// not ended.
    fn comes(&mut self, key: FileKey, limit: usize) -> Outcome<()> {
        let known =
            self.coming.contains_key(&key) || self.nodes.values().any(|node| node.key == key);
        if !known && self.nodes.len() + self.coming.len() >= limit {
            warn_once("as many directories are watched as the server may");
            return Err(VfsError::NotSupported);
        }
        *self.coming.entry(key).or_default() += 1;
        Ok(())
    }

    /// It does now, or cannot.
    fn has_come(&mut self, key: FileKey, watch: Option<i32>) {
        if let Some(threads) = self.coming.get_mut(&key) {
            *threads = threads.saturating_sub(1);
            if *threads == 0 {
                self.coming.remove(&key);
            }
        }
        let Some(watch) = watch else {
            // Others may have ended theirs.
            if self.nodes.values().any(|node| node.key == key) {
                self.forget_unwanted();
            }
            return;
        };
        self.nodes.entry(watch).or_insert_with(|| Node {
            key,
            parent: None,
            subscriptions: BTreeSet::new(),
            seen: BTreeSet::new(),
        });
        WATCHED.store(self.nodes.len(), Ordering::Release);
    }

    /// Passes on what has happened, up to a name that the server itself is at.
    fn drain(&mut self) {
        let Ok(events) = self.queue.events() else {
            return self.lost();
        };
        self.pending.extend(events);
        if self.pending.len() > MAX_PENDING {
            return self.lost();
        }
        while let Some(event) = self.pending.front() {
            let key = self.nodes.get(&event.watch).map(|node| node.key);
            if let (Some(key), Some(kind)) = (key, tree::kind(event.mask))
                && own::may_be(key, &event.name, kind)
            {
                return;
            }
            if let Some(event) = self.pending.pop_front() {
                self.pass_on(event);
            }
        }
        self.settle();
        own::forget();
        if !self.fresh.is_empty() {
            // Any server's worker will do.
            if let Some(subscription) = self.subscriptions.values().next() {
                (subscription.tell)(Told::NewDirectories);
            }
        }
    }

    /// Nobody knows what has happened: clients look for themselves, and so does the server.
    fn lost(&mut self) {
        self.pending.clear();
        self.moved = None;
        own::forget();
        for subscription in self.subscriptions.values() {
            (subscription.tell)(Told::Changed(FsChange::Lost));
        }
        let roots = self.subscriptions.values().filter(|s| s.tree).map(|s| s.root);
        let again = roots.map(|parent| Fresh { parent, name: Box::default(), told: false });
        self.fresh = again.collect();
        if let Some(subscription) = self.subscriptions.values().next() {
            (subscription.tell)(Told::NewDirectories);
        }
    }

    fn unsubscribe(&mut self, id: u64) {
        let Some(subscription) = self.subscriptions.remove(&id) else {
            return;
        };
        let root = subscription.root;
        let Some(node) = self.nodes.get_mut(&root) else {
            return;
        };
        node.subscriptions.remove(&id);
        if subscription.tree || node.subscriptions.is_empty() && !self.is_in_tree(root) {
            self.forget_unwanted();
        }
    }
}

#[cfg(test)]
mod tests;
