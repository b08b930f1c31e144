//! Streams that are open: what all opens of one stream share (MS-FSA 2.1.1.5). A file's own data is a
//! stream of it, and so is a directory; what concerns the whole file is with that one.

use super::open::Place;
use super::range_lock::RangeLocks;
use crate::{
    config::Share,
    id::{FileKey, OpenId},
    name::SharePath,
    vfs::Identity,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// Exists from the first open to the last, and no longer: an inode number means nothing without. A
/// file that is to be deleted is kept until its last stream is closed.
#[derive(Debug)]
pub(crate) struct FileState {
    pub(crate) opens: Vec<OpenId>,
    pub(crate) locks: RangeLocks,
    /// A stream goes with its last open. A name of a file (Link.IsDeleted) goes with the last open
    /// that was made by it, of whatever stream; a file can have more than one.
    pub(crate) doomed: Vec<Doomed>,
    /// When its data last became other data.
    pub(crate) changed: Change,
}

/// A change of some file's data, by its number: they are counted through the whole server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change(u64);

/// Which changes there were, as long as anybody needs to know.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    latest: Change,
    /// The latest of files that nobody has open any more.
    forgotten: Change,
    /// When files last lost a name, for those that are being opened by it.
    unnamed: BTreeMap<FileKey, Change>,
    /// What got another name, for the same, in the order of time.
    renamed: VecDeque<Renamed>,
    /// Until then there was more of both than is remembered.
    vague: Change,
}

/// A file got another name, or a directory, and with it what is below.
#[derive(Debug)]
struct Renamed {
    at: Change,
    key: FileKey,
    share: Arc<Share>,
    from: SharePath,
    to: SharePath,
}

/// So many files that have lost a name are told apart. Calls that open files take little time.
const UNNAMED: usize = 256;

/// So many that got another name, with paths of some thousand bytes each.
const RENAMED: usize = 32;

impl Changes {
    /// The latest one, of whatever file.
    pub(crate) fn latest(&self) -> Change {
        self.latest
    }

    /// There is one more.
    pub(crate) fn next(&mut self) -> Change {
        self.latest = Change(self.latest.0.wrapping_add(1));
        self.latest
    }

    /// A file or a stream is not called any more what it was: who was about to open it has something
    /// else than what he asked for.
    pub(crate) fn lost_name(&mut self, key: FileKey) {
        if self.unnamed.len() >= UNNAMED {
            self.unnamed.clear();
            self.forget_names();
        }
        let now = self.next();
        self.unnamed.insert(key, now);
    }

    /// The same, and which file it was is not known.
    pub(crate) fn forget_names(&mut self) {
        self.vague = self.next();
    }

    /// What is called `from` in a share is called `to` now, and so is what is below.
    pub(crate) fn renamed(
        &mut self,
        key: FileKey,
        share: &Arc<Share>,
        [from, to]: [&SharePath; 2],
    ) {
        if self.renamed.len() >= RENAMED
            && let Some(oldest) = self.renamed.pop_front()
        {
            self.vague = self.vague.max(oldest.at);
        }
        let (at, share) = (self.next(), Arc::clone(share));
        let (from, to) = (from.clone(), to.clone());
        self.renamed.push_back(Renamed { at, key, share, from, to });
    }

    /// What was opened by this name, in a share, after `since`, is called so by now.
    pub(crate) fn follow(&self, key: FileKey, own: &Share, path: &mut SharePath, since: Change) {
        let first = self.renamed.partition_point(|renamed| renamed.at <= since);
        for Renamed { key: other, share, from, to, .. } in self.renamed.range(first..) {
            // The very name may be another file's by then.
            let is_named =
                path.seen_from(&own.path, &share.path).is_some_and(|path| *path == *from);
            if is_named && *other != key.base() {
                continue;
            }
            if let Some(moved) = path.moved_in(&own.path, &share.path, [from, to]) {
                *path = moved;
            }
        }
    }

    /// Whether more has happened to names since than is remembered.
    pub(crate) fn is_vague(&self, since: Change) -> bool {
        self.vague > since
    }

    /// Whether it is known to have lost a name since.
    pub(crate) fn has_lost_name(&self, key: FileKey, since: Change) -> bool {
        let lost = |key| self.unnamed.get(&key).is_some_and(|lost| *lost > since);
        lost(key) || lost(key.base())
    }

    /// What is known of a file goes.
    pub(crate) fn forget(&mut self, file: &FileState) {
        self.forgotten = self.forgotten.max(file.changed);
    }

    /// Whether a file may have changed after `since`: of a file that nobody has open only that one of
    /// those has.
    pub(crate) fn is_changed(&self, file: Option<&FileState>, since: Change) -> bool {
        self.forgotten > since || file.is_some_and(|file| file.changed > since)
    }
}

/// A name that is to go.
#[derive(Debug)]
pub(crate) struct Doomed {
    pub(crate) place: Place,
    /// Who was allowed to ask for it, whoever closes the last open.
    pub(crate) by: Arc<Identity>,
}

impl FileState {
    /// This name is to go; the first who asks for it has done so.
    pub(crate) fn doom(&mut self, place: &Place, by: &Arc<Identity>) {
        if self.doomed(place).is_none() {
            self.doomed.push(Doomed { place: place.clone(), by: by.clone() });
        }
    }

    /// This name is gone, or is not to go any more. What it kept is for the caller to let go.
    #[must_use]
    pub(crate) fn spare(&mut self, place: &Place) -> Option<Place> {
        let at = self.doomed.iter().position(|doomed| is_meant(&doomed.place, place))?;
        Some(self.doomed.swap_remove(at).place)
    }

    /// This name, if it is one that is to go.
    pub(crate) fn doomed(&self, place: &Place) -> Option<&Doomed> {
        self.doomed.iter().find(|doomed| is_meant(&doomed.place, place))
    }

    pub(crate) fn new() -> Self {
        Self {
            opens: Vec::new(),
            locks: RangeLocks::default(),
            doomed: Vec::new(),
            changed: Change::default(),
        }
    }
}

/// A stream is one, whichever name of its file it was opened by.
fn is_meant(doomed: &Place, place: &Place) -> bool {
    doomed.stream.is_some() || doomed.is_same(place)
}
