//! Files that are open: what all opens of one file share (MS-FSA 2.1.1.3).

use super::open::Place;
use super::range_lock::RangeLocks;
use crate::id::OpenId;
use alloc::vec::Vec;

/// Exists from the first open to the last, and no longer: an inode number means nothing without.
#[derive(Debug)]
pub(crate) struct FileState {
    pub(crate) opens: Vec<OpenId>,
    pub(crate) locks: RangeLocks,
    /// This name goes when the last open goes.
    pub(crate) delete: Option<Place>,
}

impl FileState {
    pub(crate) fn new() -> Self {
        Self { opens: Vec::new(), locks: RangeLocks::default(), delete: None }
    }
}
