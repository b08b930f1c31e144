//! Files that are open: what all opens of one file share (MS-FSA 2.1.1.3).

use super::range_lock::RangeLocks;
use super::open::Place;
use crate::id::OpenId;
use alloc::vec::Vec;

/// Exists from the first open to the last, and no longer: an inode number means nothing without.
#[derive(Debug)]
pub(crate) struct FileState {
    /// Where it is now; a rename changes it for all opens.
    pub(crate) place: Place,
    pub(crate) opens: Vec<OpenId>,
    pub(crate) locks: RangeLocks,
    /// Goes when the last open goes.
    pub(crate) delete_pending: bool,
}

impl FileState {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, opens: Vec::new(), locks: RangeLocks::default(), delete_pending: false }
    }
}
