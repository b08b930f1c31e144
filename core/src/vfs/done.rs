//! What effects come to.

use super::{Cursor, File, Identity, VfsError};
#[cfg(doc)]
use super::{Op, OpenHow};
use crate::{
    buffer::ReplyBuf,
    config::Share,
    id::FileKey,
    name::SharePath,
    status::NtStatus,
    stream::StreamName,
    time::FileTime,
    wire::{
        fscc::{FileAttributes, ea::FullEaInformation, file::StreamInformation},
        network_interface::NetworkInterfaceInfo,
        security::SecurityDescriptor,
    },
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

/// What a call came to.
#[derive(Debug)]
pub enum Done {
    /// Nothing to tell.
    Ok,
    /// A file was opened.
    Opened(Box<Opened>),
    /// Data, after its headroom.
    Read(ReplyBuf),
    /// How many bytes.
    Wrote(u32),
    /// Metadata.
    Info(Box<FileInfo>),
    /// A page; `data` is empty where nothing (more) matches.
    Listed {
        /// Packed entries.
        data: Vec<u8>,
        /// At least one name matched, though it did not fit.
        overflow: bool,
        /// For the next page.
        cursor: Cursor,
    },
    /// Streams, as clients are told them.
    Streams(Vec<StreamInformation>),
    /// Extended attributes.
    Eas(Vec<FullEaInformation>),
    /// Something has another name, or one more.
    Named {
        /// The name, with the case that the file system has for its directory.
        to: SharePath,
        /// Another file was there, and is gone.
        replaced: bool,
    },
    /// A directory is watched, until the last clone of this is gone.
    Watching(File),
    /// The file system.
    Volume(Box<VolumeInfo>),
    /// The daemon's answer to [`Op::Interfaces`].
    Interfaces(Vec<NetworkInterfaceInfo>),
    /// The daemon's answer to [`Op::Logon`].
    Account(Account),
    /// The daemon's answer to [`Op::Admit`].
    Admitted(Result<Admission, NtStatus>),
    /// A pipe was opened.
    Pipe(File),
    /// Data of a message; `more` when the message has more than fitted.
    PipeData {
        /// The bytes.
        data: Vec<u8>,
        /// STATUS_BUFFER_OVERFLOW.
        more: bool,
    },
    /// It did not work.
    Failed(VfsError),
}

/// The result of [`Op::Open`] and [`Op::OpenShare`].
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub file: File,
    /// The path with the case that the file system has.
    pub path: SharePath,
    /// The named stream, in the case that is on the disk.
    pub stream: Option<StreamName>,
    /// Metadata after the open.
    pub info: FileInfo,
    /// It was not there before.
    pub created: bool,
    /// Nor was the file that it is a stream of.
    pub file_created: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only with `no_follow`, or where links are not followed).
    Symlink,
    /// A FIFO, socket or device: shown, never opened for data.
    Special,
}

bitflags::bitflags! {
    /// What the identity of the call may do with a file, from mode bits, owner and parent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Permitted: u8 {
        /// Read data or list.
        const READ = 1;
        /// Write data, or add and remove entries.
        const WRITE = 2;
        /// Execute or traverse.
        const EXECUTE = 4;
        /// Change mode, owner, times and attributes.
        const OWNER = 8;
        /// Remove this name from its directory. Told when [`OpenHow::delete`] asks for it.
        const DELETE = 16;
        /// The directory it is in grants FILE_LIST_DIRECTORY, which shows attributes too
        /// (MS-FSA 2.1.5.1.2.1).
        const PARENT_LISTS = 32;
        /// The directory it is in grants FILE_DELETE_CHILD.
        const PARENT_DELETES = 64;
    }
}

/// Metadata of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Which file.
    pub key: FileKey,
    /// What it is; a named stream is a file, also a directory's.
    pub kind: FileKind,
    /// In bytes; 0 for directories.
    pub size: u64,
    /// In bytes on disk, without extended attributes.
    pub allocation: u64,
    /// Hard links.
    pub links: u32,
    /// As the client sees them; NORMAL when there are no others.
    pub attributes: FileAttributes,
    /// Bytes of extended attributes (MS-FSCC 2.4.13); only [`Op::Query`] fills it in.
    pub ea_size: u32,
    /// From `user.DOSATTRIB`, else statx, else the earliest time known.
    pub creation_time: FileTime,
    /// atime.
    pub last_access_time: FileTime,
    /// mtime.
    pub last_write_time: FileTime,
    /// ctime.
    pub change_time: FileTime,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What the calling identity may do.
    pub permitted: Permitted,
    /// The stored descriptor; `None` where there is none, and then owner and mode count.
    pub security: Option<Arc<SecurityDescriptor>>,
}

/// The file system below a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeInfo {
    /// `st_dev` hashed or the file system's id: stable for the share.
    pub serial: u32,
    /// Of the share's directory.
    pub creation_time: FileTime,
    /// Bytes of an allocation unit (fragment).
    pub unit: u32,
    /// In units.
    pub total: u64,
    /// In units, for the calling identity.
    pub available: u64,
    /// In units, for root.
    pub free: u64,
}

/// The daemon's answer to a logon.
pub enum Account {
    /// The account exists: prove the password, then use the identity.
    Found {
        /// MD4 of the password.
        nt_hash: zeroize::Zeroizing<[u8; 16]>,
        /// Under whose name files are used.
        identity: Arc<Identity>,
        /// Until when that holds; whoever goes on has to authenticate again. Passwords have no end.
        expires: Option<FileTime>,
    },
    /// Somebody else has looked at the proof of this one exchange, and did not tell the password.
    Checked {
        /// NTLM's session base key (MS-NLMP 3.3.2); `None`: the proof was wrong.
        base_key: Option<zeroize::Zeroizing<[u8; 16]>>,
        /// As of [`Self::Found`].
        identity: Arc<Identity>,
        /// As of [`Self::Found`].
        expires: Option<FileTime>,
    },
    /// Nobody of that name; a guest where the configuration maps bad users to one.
    Unknown {
        /// `map to guest = bad user`.
        guest: Option<Arc<Identity>>,
    },
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { identity, .. } => write!(f, "Found({})", identity.name),
            Self::Checked { identity, .. } => write!(f, "Checked({})", identity.name),
            Self::Unknown { guest } => write!(f, "Unknown(guest: {})", guest.is_some()),
        }
    }
}

/// A session may use a share.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The share's settings, as they are now.
    pub share: Arc<Share>,
    /// No changes for this session, whatever the file's permissions.
    pub read_only: bool,
    /// Instead of the session's own identity (`force user`, guests).
    pub identity: Option<Arc<Identity>>,
}
