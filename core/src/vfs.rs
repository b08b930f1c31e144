//! Effects as values: what the server asks of the file system and of the daemon ([`Call`]), and what
//! comes back ([`Done`]). The runtime carries them out; this crate never looks into a [`File`].

use crate::{
    acl::{Change, Token},
    buffer::{Payload, ReplyBuf},
    config::Share,
    id::FileKey,
    name::SharePath,
    status::NtStatus,
    stream::StreamName,
    time::FileTime,
    wire::{
        change_notify::CompletionFilter,
        fscc::{
            FileAttributes, FileInfoClass, ea::FullEaInformation, file::StreamInformation,
            notify::FileAction,
        },
        security::{SecurityDescriptor, Sid},
    },
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{any::Any, fmt};

/// What the runtime keeps behind a [`File`].
pub trait FileObject: Any + Send + Sync {
    /// For the runtime, to get its own type back.
    fn as_any(&self) -> &dyn Any;
}

/// The runtime's handle: cloned and kept here, never looked into. The last clone closes it, so it
/// leaves through [`Sink::release`](crate::sink::Sink::release).
#[derive(Clone)]
pub struct File(pub Arc<dyn FileObject>);

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

/// Under whose name the file system is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account, for logs and lists.
    pub name: String,
    /// `fsuid` of the calls.
    pub uid: u32,
    /// `fsgid` of the calls.
    pub gid: u32,
    /// Supplementary groups of the calls.
    pub groups: Vec<u32>,
    /// The account's SID in the server's own domain, if it is an account: what clients are told
    /// when they ask whose SID its name is. Permissions may name it as well as the Unix user.
    pub sid: Option<Sid>,
}

impl Identity {
    /// For calls that need none.
    pub fn nobody() -> Self {
        Self { name: String::new(), uid: 65534, gid: 65534, groups: Vec::new(), sid: None }
    }
}

/// One effect. File-system calls run under `identity`; each completes exactly once.
#[derive(Debug)]
pub struct Call {
    /// Who asks. Not used by [`Op`]s that go to the daemon.
    pub identity: Arc<Identity>,
    /// What to do.
    pub op: Op,
}

/// The vocabulary of effects.
#[derive(Debug)]
pub enum Op {
    /// The share's directory, for a tree connect. → [`Done::Opened`]
    OpenShare(Arc<Share>),
    /// Find, and if asked create, a file below `root`. Never truncates. → [`Done::Opened`]
    Open(Box<OpenHow>),
    /// Make the file empty, with these attributes and without named streams; or make a named stream
    /// empty. → [`Done::Info`]
    Overwrite {
        /// An open for writing.
        file: File,
        /// The new attributes; ARCHIVE is added by the caller. A named stream has none.
        attributes: FileAttributes,
        /// Extended attributes to set; others stay.
        eas: Vec<FullEaInformation>,
    },
    /// Up to `length` bytes at `offset`. → [`Done::Read`], empty at the end of the file
    Read {
        /// An open with read access.
        file: File,
        /// In bytes.
        offset: u64,
        /// In bytes, bounded by the negotiated maximum.
        length: u32,
    },
    /// All of `data` at `offset`. → [`Done::Wrote`]
    Write {
        /// An open with write access.
        file: File,
        /// In bytes.
        offset: u64,
        /// A slice of the received frame.
        data: Payload,
        /// The data must be on stable storage before this completes.
        through: bool,
    },
    /// Everything written is on stable storage. → [`Done::Ok`]
    Flush {
        /// An open.
        file: File,
    },
    /// → [`Done::Info`]
    Query {
        /// An open.
        file: File,
    },
    /// Times and attributes. → [`Done::Ok`]
    SetBasic {
        /// An open.
        file: File,
        /// `None` leaves a field as it is.
        set: SetBasic,
    },
    /// End of file, in bytes. → [`Done::Ok`]
    SetEndOfFile {
        /// An open with write access.
        file: File,
        /// In bytes.
        size: u64,
    },
    /// Space on the disk, in bytes; truncates when the file is longer (MS-FSA 2.1.5.14.1). → [`Done::Ok`]
    SetAllocation {
        /// An open with write access.
        file: File,
        /// In bytes.
        size: u64,
    },
    /// Changes parts of the descriptor, and the owner with it; for shares that keep descriptors.
    /// → [`Done::Ok`]
    SetSecurity {
        /// An open.
        file: File,
        /// What, and who wants it.
        change: Box<Change>,
    },
    /// → [`Done::Renamed`]
    Rename {
        /// The share.
        root: File,
        /// What to rename; it must still be what is open.
        from: SharePath,
        /// The new name; its parent must exist.
        to: SharePath,
        /// What is at `from`.
        key: FileKey,
        /// A file (never a directory) at `to` is replaced.
        replace: bool,
        /// On shares that keep descriptors: who has to be allowed to add to the directory.
        token: Option<Arc<Token>>,
    },
    /// Removes a name, if it still is the file `key` names. → [`Done::Ok`]
    Delete {
        /// The share.
        root: File,
        /// The name.
        path: SharePath,
        /// What is expected there.
        key: FileKey,
        /// Use `rmdir`.
        directory: bool,
    },
    /// A named stream gets another name, or becomes the file's own data. [`VfsError::Invalid`] where
    /// the target is not empty (MS-FSA 2.1.5.15.12). → [`Done::Ok`]
    RenameStream {
        /// An open named stream.
        file: File,
        /// The new name; `None` is the file itself.
        to: Option<StreamName>,
        /// An empty stream of that name is replaced.
        replace: bool,
    },
    /// Removes an open named stream. → [`Done::Ok`]
    DeleteStream {
        /// The open.
        file: File,
    },
    /// The streams of a file, whichever of them is open, its own data first. → [`Done::Streams`]
    ListStreams {
        /// An open.
        file: File,
    },
    /// Extended attributes, until they are more than `max` bytes. → [`Done::Eas`]
    QueryEa {
        /// An open.
        file: File,
        /// These, missing ones with an empty value; `None` is all there are.
        names: Option<Vec<Vec<u8>>>,
        /// In bytes.
        max: u32,
    },
    /// Sets extended attributes; an empty value removes one. → [`Done::Ok`]
    SetEa {
        /// An open.
        file: File,
        /// Names that were checked ([`crate::ea`]).
        eas: Vec<FullEaInformation>,
    },
    /// Does the directory have entries besides `.` and `..`? → [`Done::Ok`] or [`VfsError::NotEmpty`]
    CheckEmpty {
        /// An open directory.
        file: File,
    },
    /// One page of a directory, packed for the wire. → [`Done::Listed`]
    List(Box<ListHow>),
    /// → [`Done::Volume`]
    Volume {
        /// The share, or an open below it.
        file: File,
    },
    /// From now on changes that others make in a directory are told with
    /// [`Server::fs_changed`](crate::server::Server::fs_changed), as far as that can be done.
    /// → [`Done::Watching`]
    Watch {
        /// An open directory.
        file: File,
        /// What is below its subdirectories counts too.
        tree: bool,
        /// Changes of other kinds need not be told.
        filter: CompletionFilter,
    },
    /// Asks the daemon for an account. → [`Done::Account`]
    Logon {
        /// As the client wrote it.
        user: String,
        /// As the client wrote it.
        domain: String,
    },
    /// Asks the daemon whether a session may use a share. → [`Done::Admitted`]
    Admit {
        /// The share's name as the client wrote it.
        share: String,
        /// The account; `None` is anonymous.
        account: Option<String>,
        /// The session is a guest's.
        guest: bool,
        /// The client's address, for lists of hosts.
        peer: Peer,
    },
    /// Tells the daemon that a tree is gone. → [`Done::Ok`]
    Leave {
        /// The share.
        share: Arc<Share>,
    },
    /// Opens a named pipe of the daemon. → [`Done::Pipe`]
    PipeOpen {
        /// Without a leading backslash.
        name: String,
        /// The account; `None` is anonymous.
        account: Option<String>,
    },
    /// One message into a pipe. → [`Done::Wrote`]
    PipeWrite {
        /// The pipe.
        pipe: File,
        /// The message.
        data: Payload,
    },
    /// Up to `max` bytes of the next message. → [`Done::PipeData`] or [`VfsError::WouldBlock`]
    PipeRead {
        /// The pipe.
        pipe: File,
        /// In bytes.
        max: u32,
    },
    /// A write and a read in one (FSCTL_PIPE_TRANSCEIVE). → [`Done::PipeData`]
    PipeTransact {
        /// The pipe.
        pipe: File,
        /// The message.
        data: Vec<u8>,
        /// In bytes.
        max: u32,
    },
}

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
    /// A name with `*`, `?`, `<`, `>`, `"` ([`crate::name::Pattern`]).
    pub pattern: crate::name::Pattern,
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
    /// Something has another name.
    Renamed {
        /// Where it is now, in the case that the file system has.
        to: SharePath,
        /// Another file was there, and is gone.
        replaced: bool,
    },
    /// A directory is watched, until the last clone of this is gone.
    Watching(File),
    /// The file system.
    Volume(Box<VolumeInfo>),
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

/// Something that was not done by SMB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsChange {
    /// Below a directory for which [`Op::Watch`] was asked.
    Below {
        /// That directory. A change below several of them is told for each.
        directory: FileKey,
        /// The path from there, with `/` between components that are called as in a [`SharePath`].
        path: String,
        /// What happened.
        action: FileAction,
        /// Whom it concerns.
        filter: CompletionFilter,
    },
    /// It is not known what happened.
    Lost,
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

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub address: core::net::SocketAddr,
    /// Ours.
    pub local: core::net::SocketAddr,
}

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
