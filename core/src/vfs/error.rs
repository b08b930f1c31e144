//! How effects fail, and the one mapping of it to the wire.

use crate::status::NtStatus;

/// Why an effect failed. Small on purpose: one function maps it to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VfsError {
    /// The last component does not exist.
    NotFound,
    /// Another component does not exist, or is not a directory.
    PathNotFound,
    /// Something of that name exists.
    Exists,
    /// The identity may not, or the path leaves the share.
    AccessDenied,
    /// The file system is read-only.
    ReadOnly,
    /// The disk or the quota is full.
    NoSpace,
    /// A directory where a file was wanted.
    IsDirectory,
    /// A file where a directory was wanted.
    NotDirectory,
    /// The directory has entries.
    NotEmpty,
    /// No descriptor is left.
    TooManyFiles,
    /// The name is longer than the file system takes.
    NameTooLong,
    /// Busy, or in use as a program or mount point.
    Busy,
    /// Across file systems.
    CrossDevice,
    /// As many names as a file can have.
    TooManyLinks,
    /// A symbolic link that may not be followed, or a loop of them.
    Symlink,
    /// Who asks may not make that SID an owner.
    InvalidOwner,
    /// Who asks may not make that SID a file's group.
    InvalidGroup,
    /// The file system cannot do this.
    NotSupported,
    /// A number out of the file system's range.
    Invalid,
    /// Too large for the file system.
    TooLarge,
    /// More extended attributes than a file can have.
    EaTooLarge,
    /// The file is gone (stale handle, or the name is another file now).
    Gone,
    /// Nothing to read yet.
    WouldBlock,
    /// The share or the pipe is not there.
    Unavailable,
    /// No memory.
    NoMemory,
    /// What is behind the file system did not answer in time.
    TimedOut,
    /// The medium failed, or what is behind the file system is gone.
    Io,
    /// Whoever should have done it is gone.
    HungUp,
}

impl VfsError {
    /// In a few words, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "MS-FSA 2.1.5.1: no such name",
            Self::PathNotFound => "MS-FSA 2.1.5.1: no such directory",
            Self::Exists => "MS-FSA 2.1.5.1: the name exists",
            Self::AccessDenied => "the file system: not permitted, or out of the share",
            Self::ReadOnly => "the file system is read-only",
            Self::NoSpace => "the file system, or a quota of it, is full",
            Self::IsDirectory => "MS-FSA 2.1.5.1: it is a directory",
            Self::NotDirectory => "MS-FSA 2.1.5.1: it is no directory",
            Self::NotEmpty => "MS-FSA 2.1.5.15.3: the directory has entries",
            Self::TooManyFiles => "the server is out of descriptors",
            Self::NameTooLong => "the file system: the name is too long",
            Self::Busy => "the file system: in use by others than clients",
            Self::CrossDevice => "the file system: not the same one",
            Self::TooManyLinks => "MS-FSA 2.1.5.15.6: as many names as a file can have",
            Self::Symlink => "a symbolic link that is not followed",
            Self::InvalidOwner => "MS-FSA 2.1.5.17: not an owner of this caller's choice",
            Self::InvalidGroup => "MS-FSA 2.1.5.17: not a group of this caller's choice",
            Self::NotSupported => "the file system cannot do this",
            Self::Invalid => "the file system: a value out of range",
            Self::TooLarge => "the file system: too large a file",
            Self::EaTooLarge => "MS-FSA 2.1.5.15.5: more extended attributes than fit",
            Self::Gone => "the file of this name is another, or none, by now",
            Self::WouldBlock => "the pipe has nothing to read yet",
            Self::Unavailable => "what is served there is not there",
            Self::NoMemory => "the server is out of memory",
            Self::TimedOut => "the file system did not answer in time",
            Self::Io => "the file system failed",
            Self::HungUp => "whoever should have done it is gone",
        }
    }

    /// The one mapping to the wire (MS-ERREF 2.3). Commands where the specification differs say so.
    pub fn status(self) -> NtStatus {
        match self {
            Self::NotFound => NtStatus::OBJECT_NAME_NOT_FOUND,
            Self::PathNotFound => NtStatus::OBJECT_PATH_NOT_FOUND,
            Self::Exists => NtStatus::OBJECT_NAME_COLLISION,
            Self::AccessDenied => NtStatus::ACCESS_DENIED,
            Self::ReadOnly => NtStatus::MEDIA_WRITE_PROTECTED,
            Self::NoSpace => NtStatus::DISK_FULL,
            Self::IsDirectory => NtStatus::FILE_IS_A_DIRECTORY,
            Self::NotDirectory => NtStatus::NOT_A_DIRECTORY,
            Self::NotEmpty => NtStatus::DIRECTORY_NOT_EMPTY,
            Self::TooManyFiles => NtStatus::TOO_MANY_OPENED_FILES,
            Self::NameTooLong => NtStatus::OBJECT_NAME_INVALID,
            Self::Busy => NtStatus::SHARING_VIOLATION,
            Self::CrossDevice => NtStatus::NOT_SAME_DEVICE,
            Self::TooManyLinks => NtStatus::TOO_MANY_LINKS,
            Self::Symlink => NtStatus::STOPPED_ON_SYMLINK,
            Self::InvalidOwner => NtStatus::INVALID_OWNER,
            Self::InvalidGroup => NtStatus::INVALID_PRIMARY_GROUP,
            Self::NotSupported => NtStatus::NOT_SUPPORTED,
            Self::Invalid => NtStatus::INVALID_PARAMETER,
            Self::TooLarge => NtStatus::DISK_FULL,
            Self::EaTooLarge => NtStatus::EA_TOO_LARGE,
            Self::Gone => NtStatus::FILE_CLOSED,
            Self::WouldBlock => NtStatus::PIPE_LISTENING,
            Self::Unavailable => NtStatus::BAD_NETWORK_NAME,
            Self::NoMemory => NtStatus::INSUFFICIENT_RESOURCES,
            Self::TimedOut => NtStatus::IO_TIMEOUT,
            Self::Io => NtStatus::IO_DEVICE_ERROR,
            Self::HungUp => NtStatus::CANCELLED,
        }
    }
}
