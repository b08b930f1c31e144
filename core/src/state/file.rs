//! Streams that are open: what all opens of one stream share (MS-FSA 2.1.1.5). A file's own data is a
//! stream of it, and so is a directory; what concerns the whole file is with that one.

use super::open::Place;
use super::range_lock::RangeLocks;
use crate::{
    id::{FileKey, OpenId},
    vfs::Identity,
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

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
    /// Until then any file may have.
    all_unnamed: Change,
}

/// So many files that have lost a name are told apart. Calls that open files take little time.
const UNNAMED: usize = 256;

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
            self.lost_all_names();
        }
        let now = self.next();
        self.unnamed.insert(key, now);
    }

    /// The same for whatever lies below a directory.
    pub(crate) fn lost_all_names(&mut self) {
        self.all_unnamed = self.next();
        self.unnamed.clear();
    }

    /// Whether what was opened after `since` may not be what the name means by now.
    pub(crate) fn may_have_lost_name(&self, key: FileKey, since: Change) -> bool {
        self.all_unnamed > since || self.has_lost_name(key, since)
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
