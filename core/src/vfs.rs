//! Effects as values: what the server asks of the file system and of the daemon ([`Call`]), and what
//! comes back ([`Done`]). The runtime carries them out; this crate never looks into a [`File`].

mod done;
mod error;
mod how;
mod promise;

pub use done::{Account, Admission, Done, FileInfo, FileKind, Opened, Permitted, VolumeInfo};
pub use error::VfsError;
pub use how::{Cursor, Existing, ListHow, Missing, OpenHow, OpenSecurity, SetBasic, WantedKind};
pub use promise::{AppInstance, Cached, Lock, Memo, Past, Promise, Restored};

use crate::{
    acl::{Change, Token},
    buffer::Payload,
    config::Share,
    id::{ConnId, FileKey},
    name::SharePath,
    stream::StreamName,
    wire::{
        change_notify::CompletionFilter,
        fscc::{FileAttributes, ea::FullEaInformation, notify::FileAction},
        negotiate::Dialect,
        security::Sid,
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

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub address: core::net::SocketAddr,
    /// Ours.
    pub local: core::net::SocketAddr,
}

/// One effect. File-system calls run under `identity`; each completes exactly once.
#[derive(Debug)]
pub struct Call {
    /// Who asks. Not used by [`Op`]s that go to the daemon.
    pub identity: Arc<Identity>,
    /// What to do.
    pub op: Op,
}

impl Call {
    /// The same once more, if it is one that has to be done whoever does it.
    pub(crate) fn duty(&self) -> Option<Self> {
        let op = match &self.op {
            Op::Leave { share } => Op::Leave { share: Arc::clone(share) },
            Op::DeleteStream { file } => Op::DeleteStream { file: file.clone() },
            Op::Delete { root, path, key, directory } => Op::Delete {
                root: root.clone(),
                path: path.clone(),
                key: *key,
                directory: *directory,
            },
            _ => return None,
        };
        Some(Self { identity: Arc::clone(&self.identity), op })
    }

    /// The file that a [`duty`](Self::duty) keeps open.
    pub(crate) fn into_file(self) -> Option<File> {
        match self.op {
            Op::DeleteStream { file } => Some(file),
            Op::Delete { root, .. } => Some(root),
            _ => None,
        }
    }
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
    /// → [`Done::Named`]
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
    /// One more name for an open file (a hard link). [`VfsError::IsDirectory`] for a directory,
    /// [`VfsError::TooManyLinks`] where the file system takes no more. → [`Done::Named`]
    Link {
        /// The share.
        root: File,
        /// An open.
        file: File,
        /// The new name; its parent must exist.
        to: SharePath,
        /// Another file (never a directory) at `to` is replaced.
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
    /// Writes down what outlives the server. When something is kept, all of it, and what was written
    /// before, is on stable storage before this completes; of what failed nothing counts. → [`Done::Ok`]
    Remember(Memo),
    /// The addresses that clients may use this server at. → [`Done::Interfaces`]
    Interfaces,
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
        /// Its connection.
        connection: ConnId,
        /// What was negotiated there.
        dialect: Dialect,
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
