//! Information structures of MS-FSCC: what QUERY_INFO, SET_INFO and QUERY_DIRECTORY carry.
//!
//! The server encodes answers and parses what clients set; test clients do the opposite, so every
//! type goes both ways.

mod access;
mod chain;
pub mod directory;
pub mod ea;
mod field;
pub mod file;
pub mod notify;
pub mod set_file;
mod structure;
pub mod volume;

pub use access::AccessMask;

use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// File attributes (MS-FSCC 2.6).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FileAttributes: u32 {
        /// Must not be written.
        const READONLY = 0x0000_0001;
        /// Not shown in ordinary listings.
        const HIDDEN = 0x0000_0002;
        /// Part of the operating system.
        const SYSTEM = 0x0000_0004;
        /// A directory.
        const DIRECTORY = 0x0000_0010;
        /// To be backed up.
        const ARCHIVE = 0x0000_0020;
        /// No other attribute is set.
        const NORMAL = 0x0000_0080;
        /// Kept in memory as long as possible.
        const TEMPORARY = 0x0000_0100;
        /// Has holes.
        const SPARSE_FILE = 0x0000_0200;
        /// Has a reparse point, or is one.
        const REPARSE_POINT = 0x0000_0400;
        /// Stored compressed.
        const COMPRESSED = 0x0000_0800;
        /// The data is not at hand.
        const OFFLINE = 0x0000_1000;
        /// Not to be indexed.
        const NOT_CONTENT_INDEXED = 0x0000_2000;
        /// Stored encrypted.
        const ENCRYPTED = 0x0000_4000;
        /// Protected by integrity streams.
        const INTEGRITY_STREAM = 0x0000_8000;
        /// Left out by the data integrity scan.
        const NO_SCRUB_DATA = 0x0002_0000;
        /// Opening it fetches it from remote storage.
        const RECALL_ON_OPEN = 0x0004_0000;
        /// Kept locally at all times.
        const PINNED = 0x0008_0000;
        /// Not kept locally unless used.
        const UNPINNED = 0x0010_0000;
        /// Reading it fetches it from remote storage.
        const RECALL_ON_DATA_ACCESS = 0x0040_0000;
        const _ = !0;
    }
}

bitflags! {
    /// The mode of an open (MS-FSCC 2.4.31); the bits are those of CREATE's options.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FileMode: u32 {
        /// Writes reach the disk before they are answered.
        const WRITE_THROUGH = 0x0000_0002;
        /// Read and written in order.
        const SEQUENTIAL_ONLY = 0x0000_0004;
        /// Not cached on the way.
        const NO_INTERMEDIATE_BUFFERING = 0x0000_0008;
        /// Synchronous, a wait can be interrupted.
        const SYNCHRONOUS_IO_ALERT = 0x0000_0010;
        /// Synchronous, a wait cannot be interrupted.
        const SYNCHRONOUS_IO_NONALERT = 0x0000_0020;
        /// Removed with the last handle.
        const DELETE_ON_CLOSE = 0x0000_1000;
        const _ = !0;
    }
}

wire_enum! {
    /// Which structure describes a file (MS-FSCC 2.4).
    pub FileInfoClass(u8) {
        /// FileDirectoryInformation.
        DIRECTORY = 1,
        /// FileFullDirectoryInformation.
        FULL_DIRECTORY = 2,
        /// FileBothDirectoryInformation.
        BOTH_DIRECTORY = 3,
        /// FileBasicInformation.
        BASIC = 4,
        /// FileStandardInformation.
        STANDARD = 5,
        /// FileInternalInformation.
        INTERNAL = 6,
        /// FileEaInformation.
        EA = 7,
        /// FileAccessInformation.
        ACCESS = 8,
        /// FileNameInformation.
        NAME = 9,
        /// FileRenameInformation.
        RENAME = 10,
        /// FileLinkInformation.
        LINK = 11,
        /// FileNamesInformation.
        NAMES = 12,
        /// FileDispositionInformation.
        DISPOSITION = 13,
        /// FilePositionInformation.
        POSITION = 14,
        /// FileFullEaInformation.
        FULL_EA = 15,
        /// FileModeInformation.
        MODE = 16,
        /// FileAlignmentInformation.
        ALIGNMENT = 17,
        /// FileAllInformation.
        ALL = 18,
        /// FileAllocationInformation.
        ALLOCATION = 19,
        /// FileEndOfFileInformation.
        END_OF_FILE = 20,
        /// FileAlternateNameInformation.
        ALTERNATE_NAME = 21,
        /// FileStreamInformation.
        STREAM = 22,
        /// FilePipeInformation.
        PIPE = 23,
        /// FilePipeLocalInformation.
        PIPE_LOCAL = 24,
        /// FilePipeRemoteInformation.
        PIPE_REMOTE = 25,
        /// FileMailslotQueryInformation.
        MAILSLOT_QUERY = 26,
        /// FileMailslotSetInformation.
        MAILSLOT_SET = 27,
        /// FileCompressionInformation.
        COMPRESSION = 28,
        /// FileObjectIdInformation.
        OBJECT_ID = 29,
        /// FileMoveClusterInformation.
        MOVE_CLUSTER = 31,
        /// FileQuotaInformation.
        QUOTA = 32,
        /// FileReparsePointInformation.
        REPARSE_POINT = 33,
        /// FileNetworkOpenInformation.
        NETWORK_OPEN = 34,
        /// FileAttributeTagInformation.
        ATTRIBUTE_TAG = 35,
        /// FileTrackingInformation.
        TRACKING = 36,
        /// FileIdBothDirectoryInformation.
        ID_BOTH_DIRECTORY = 37,
        /// FileIdFullDirectoryInformation.
        ID_FULL_DIRECTORY = 38,
        /// FileValidDataLengthInformation.
        VALID_DATA_LENGTH = 39,
        /// FileShortNameInformation.
        SHORT_NAME = 40,
        /// FileSfioReserveInformation.
        SFIO_RESERVE = 44,
        /// FileSfioVolumeInformation.
        SFIO_VOLUME = 45,
        /// FileHardLinkInformation.
        HARD_LINK = 46,
        /// FileNormalizedNameInformation.
        NORMALIZED_NAME = 48,
        /// FileIdGlobalTxDirectoryInformation.
        ID_GLOBAL_TX_DIRECTORY = 50,
        /// FileStandardLinkInformation.
        STANDARD_LINK = 54,
        /// FileRemoteProtocolInformation.
        REMOTE_PROTOCOL = 55,
        /// FileIdInformation.
        ID = 59,
        /// FileIdExtdDirectoryInformation.
        ID_EXTD_DIRECTORY = 60,
        /// FileIdExtdBothDirectoryInformation.
        ID_EXTD_BOTH_DIRECTORY = 63,
        /// FileDispositionInformationEx.
        DISPOSITION_EX = 64,
        /// FileRenameInformationEx.
        RENAME_EX = 65,
        /// FileStatInformation.
        STAT = 68,
        /// FileStatLxInformation.
        STAT_LX = 70,
        /// FileCaseSensitiveInformation.
        CASE_SENSITIVE = 71,
        /// FileLinkInformationEx.
        LINK_EX = 72,
        /// FileId64ExtdDirectoryInformation.
        ID_64_EXTD_DIRECTORY = 78,
        /// FileId64ExtdBothDirectoryInformation.
        ID_64_EXTD_BOTH_DIRECTORY = 79,
        /// FileIdAllExtdDirectoryInformation.
        ID_ALL_EXTD_DIRECTORY = 80,
        /// FileIdAllExtdBothDirectoryInformation.
        ID_ALL_EXTD_BOTH_DIRECTORY = 81,
        /// FilePosixInformation of the SMB3 POSIX extensions.
        POSIX = 100,
    }
}

wire_enum! {
    /// Which structure describes a volume (MS-FSCC 2.5).
    pub FsInfoClass(u8) {
        /// FileFsVolumeInformation.
        VOLUME = 1,
        /// FileFsLabelInformation.
        LABEL = 2,
        /// FileFsSizeInformation.
        SIZE = 3,
        /// FileFsDeviceInformation.
        DEVICE = 4,
        /// FileFsAttributeInformation.
        ATTRIBUTE = 5,
        /// FileFsControlInformation.
        CONTROL = 6,
        /// FileFsFullSizeInformation.
        FULL_SIZE = 7,
        /// FileFsObjectIdInformation.
        OBJECT_ID = 8,
        /// FileFsDriverPathInformation.
        DRIVER_PATH = 9,
        /// FileFsVolumeFlagsInformation.
        VOLUME_FLAGS = 10,
        /// FileFsSectorSizeInformation.
        SECTOR_SIZE = 11,
        /// FileFsPosixInformation of the SMB3 POSIX extensions.
        POSIX = 100,
    }
}

/// How an answer fits into the room that the client gave (MS-SMB2 3.3.5.20, MS-FSA 2.1.5.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// All of it.
    Whole(Vec<u8>),
    /// A cut name, or the entries that fit: STATUS_BUFFER_OVERFLOW.
    Truncated(Vec<u8>),
    /// Not even the fixed part fits: STATUS_INFO_LENGTH_MISMATCH.
    TooShort,
    /// There are extended attributes and not even the first fits: STATUS_BUFFER_TOO_SMALL.
    NoEntryFits,
}

/// What QUERY_INFO can answer with.
pub trait Information {
    /// Appends the structure in full.
    fn encode(&self, out: &mut Vec<u8>);

    /// The smallest buffer with which this class may be asked for.
    fn min_len(&self) -> usize;

    /// As much of the structure as `max` bytes hold. Only names at the end can be cut, between two
    /// characters: they begin at an even offset in every class. Lists override this.
    fn fit(&self, max: usize) -> Fit {
        fit_bytes(self, max)
    }
}

fn fit_bytes(information: &(impl Information + ?Sized), max: usize) -> Fit {
    if max < information.min_len() {
        return Fit::TooShort;
    }
    let mut bytes = Vec::new();
    information.encode(&mut bytes);
    if bytes.len() <= max {
        return Fit::Whole(bytes);
    }
    bytes.truncate(max & !1);
    Fit::Truncated(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_survive() {
        assert_eq!(FileAttributes::from_bits_retain(0x8000_0011).bits(), 0x8000_0011);
        assert_eq!(FileAttributes::from_bits_truncate(0x8000_0011).bits(), 0x8000_0011);
        assert_eq!(alloc::format!("{:?}", FileInfoClass(18)), "ALL");
        assert_eq!(alloc::format!("{:?}", FsInfoClass(99)), "FsInfoClass(0x63)");
    }
}
