//! Streams that are open: what all opens of one stream share (MS-FSA 2.1.1.5). A file's own data is a
//! stream of it, and so is a directory; what concerns the whole file is with that one.

use super::open::Place;
use super::range_lock::RangeLocks;
use crate::id::OpenId;
use alloc::vec::Vec;

/// Exists from the first open to the last, and no longer: an inode number means nothing without. A
/// file that is to be deleted is kept until its last stream is closed.
#[derive(Debug)]
pub(crate) struct FileState {
    pub(crate) opens: Vec<OpenId>,
    pub(crate) locks: RangeLocks,
    /// This name goes when the last open goes; a file's, when the last of any of its streams goes.
    pub(crate) delete: Option<Place>,
}

impl FileState {
    pub(crate) fn new() -> Self {
        Self { opens: Vec::new(), locks: RangeLocks::default(), delete: None }
    }
}
