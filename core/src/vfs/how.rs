//! What effects are told: how to open, what to set, which part of a directory.

use super::File;
#[cfg(doc)]
use super::{Permitted, VfsError};
use crate::{
    acl::Token,
    name::{Pattern, SharePath},
    stream::StreamName,
    time::FileTime,
    wire::{
        fscc::{FileAttributes, FileInfoClass, ea::FullEaInformation},
        security::SecurityDescriptor,
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::any::Any;

/// How to open.
#[derive(Debug)]
pub struct OpenHow {
    /// The share.
    pub root: File,
    /// Below the share; empty is the share itself.
    pub path: SharePath,
    /// Reading has to be permitted; without, the file is opened for it when it is first read.
    pub read: bool,
    /// Writing has to be permitted; without, as for `read`. Means nothing for a directory.
    pub write: bool,
    /// What to do when nothing is there.
    pub missing: Missing,
    /// What to do when something is there.
    pub existing: Existing,
    /// The named stream of the file at `path` that is meant. What is `missing` or `existing` is
    /// then the stream; a file that is missing is made with it, and `kind` means nothing.
    pub stream: Option<StreamName>,
    /// What the client will take.
    pub kind: WantedKind,
    /// For what is created.
    pub attributes: FileAttributes,
    /// For what is created: bytes of disk space.
    pub allocation: u64,
    /// [`Permitted::DELETE`] has to be told; that can cost extra calls.
    pub delete: bool,
    /// For a file or directory that is created: extended attributes, with checked names.
    pub eas: Vec<FullEaInformation>,
    /// Open symbolic links themselves (FILE_OPEN_REPARSE_POINT) and not what they point at.
    pub no_follow: bool,
    /// On shares that keep descriptors.
    pub security: Option<Box<OpenSecurity>>,
}

/// What descriptors are checked and made with.
#[derive(Debug)]
pub struct OpenSecurity {
    /// Who; the directory's descriptor has to let it make things.
    pub token: Arc<Token>,
    /// For what is created (SMB2_CREATE_SD_BUFFER); its owner has been checked.
    pub descriptor: Option<Box<SecurityDescriptor>>,
}

/// What to do when the name does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// [`VfsError::NotFound`].
    Fail,
    /// Make it.
    CreateFile,
    /// Make it.
    CreateDirectory,
}

/// What to do when the name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// [`VfsError::Exists`].
    Fail,
    /// Open it.
    Open,
}

/// FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedKind {
    /// Either.
    Any,
    /// Else [`VfsError::IsDirectory`].
    File,
    /// Else [`VfsError::NotDirectory`].
    Directory,
}

/// Times and attributes to set; `None` leaves a field alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetBasic {
    /// Kept in `user.DOSATTRIB`.
    pub creation_time: Option<FileTime>,
    /// atime.
    pub last_access_time: Option<FileTime>,
    /// mtime.
    pub last_write_time: Option<FileTime>,
    /// Cannot be stored on Linux: shown by this open until something changes the file.
    pub change_time: Option<FileTime>,
    /// Kept in `user.DOSATTRIB`.
    pub attributes: Option<FileAttributes>,
    /// Reading through this open leaves the access time alone (FILETIME -1, and whenever it is set),
    /// or no longer does (-2).
    pub hold_access_time: Option<bool>,
    /// The same for writing and the write time.
    pub hold_write_time: Option<bool>,
}

/// A page of a directory.
#[derive(Debug)]
pub struct ListHow {
    /// An open directory.
    pub file: File,
    /// Where the last page ended; `None` begins at the start.
    pub cursor: Option<Cursor>,
    /// A name with `*`, `?`, `<`, `>`, `"` ([`Pattern`]).
    pub pattern: Pattern,
    /// The layout of the entries.
    pub class: FileInfoClass,
    /// In bytes.
    pub max: u32,
    /// SL_RETURN_SINGLE_ENTRY.
    pub single: bool,
    /// Who looks, where the share keeps descriptors.
    pub token: Option<Arc<Token>>,
}

/// The runtime's place in a directory: kept here, never looked into.
#[derive(Debug)]
pub struct Cursor(pub Box<dyn Any + Send + Sync>);
