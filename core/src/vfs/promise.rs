//! Opens that outlive the server (MS-SMB2 3.3.1.10, Open.IsPersistent): what is written down of one,
//! and how a server that begins is told of those of the one before.

use super::{File, Identity, Opened};
use crate::{
    config::Share,
    id::{FileKey, OpenId},
    name::SharePath,
    stream::StreamName,
    wire::{
        create::{CreateAction, ShareAccess},
        create_context::LeaseState,
        fscc::AccessMask,
    },
};
use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

/// All that was promised of a persistent open. Plain values: whoever has them can make it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The persistent half of its FileId.
    pub id: OpenId,
    /// The share's name.
    pub share: String,
    /// Its directory.
    pub root: String,
    /// The name that it was made by, as renames have changed it since.
    pub path: SharePath,
    /// The named stream that is open.
    pub stream: Option<StreamName>,
    /// Which file.
    pub key: FileKey,
    /// Open.DurableOwner: the account, and its number.
    pub owner: (String, u32),
    /// Under whose name the file is used.
    pub identity: Arc<Identity>,
    /// Open.ClientGuid.
    pub client: [u8; 16],
    /// Open.CreateGuid.
    pub create: [u8; 16],
    /// Open.AppInstanceId, and its version.
    pub app: Option<AppInstance>,
    /// For how long it is kept without a connection.
    pub timeout: Duration,
    /// What the CREATE was answered with.
    pub action: CreateAction,
    /// Open.GrantedAccess.
    pub granted: AccessMask,
    /// What others may be granted beside it.
    pub share_access: ShareAccess,
    /// FILE_DELETE_ON_CLOSE.
    pub delete_on_close: bool,
    /// Its name is to go with the last open.
    pub delete_pending: bool,
    /// FILE_WRITE_THROUGH.
    pub write_through: bool,
    /// FileModeInformation.
    pub mode: u32,
    /// What its client caches.
    pub cached: Option<Cached>,
    /// Its byte-range locks.
    pub locks: Vec<Lock>,
    /// Open.LockSequenceArray: indices and numbers.
    pub lock_sequences: Vec<(u8, u8)>,
    /// Open.ChannelSequence.
    pub channel_sequence: u16,
}

/// An application by its number, and its version's high and low half.
pub type AppInstance = ([u8; 16], Option<(u64, u64)>);

/// An oplock, or a part in a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    /// What may be cached.
    pub state: LeaseState,
    /// The lease's key; an oplock has none.
    pub key: Option<[u8; 16]>,
    /// Of a lease of version 2: its epoch, and the key of its directory's lease.
    pub v2: Option<(u16, Option<[u8; 16]>)>,
}

/// A byte-range lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The first byte.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// Nobody else may even read.
    pub exclusive: bool,
}

/// What is to be written down, all of it or nothing ([`Op::Remember`](super::Op::Remember)).
#[derive(Debug)]
pub struct Memo {
    /// Grows. What was written of an open under a higher number stays.
    pub number: u64,
    /// With the handle, by which the file can be told from others.
    pub kept: Vec<(Arc<Promise>, File)>,
    /// These are closed.
    pub gone: Vec<OpenId>,
}

/// A persistent open of a server before this one, with its file open again.
#[derive(Debug)]
pub struct Restored {
    /// What was written of it last, under this number.
    pub number: u64,
    /// What was written.
    pub promise: Promise,
    /// The share, as it is now.
    pub share: Arc<Share>,
    /// Its directory.
    pub directory: File,
    /// The file.
    pub opened: Opened,
}

/// What a server is told that goes on where another one was ended.
#[derive(Debug, Default)]
pub struct Past {
    /// How many servers there have been: numbers of theirs are not given again.
    pub servers: u32,
    /// What they have left.
    pub opens: Vec<Restored>,
}
