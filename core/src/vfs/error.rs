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
    /// The medium failed.
    Io,
    /// Whoever should have done it is gone.
    HungUp,
}

impl VfsError {
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
            Self::Io => NtStatus::UNEXPECTED_IO_ERROR,
            Self::HungUp => NtStatus::CANCELLED,
        }
    }
}
