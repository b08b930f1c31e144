//! Opens (MS-SMB2 3.3.1.10).

use super::durable::Claim;
use super::lease::Caching;
use super::sequence::{ChannelSequence, LockSequences};
use crate::{
    config::Share,
    id::{ConnId, FileKey, OpenId, SessionId, TreeId},
    name::{Pattern, SharePath, same_name},
    stream::StreamName,
    vfs::{Cursor, File, FileKind, Identity, VfsError},
    wire::{
        create::ShareAccess,
        fscc::{AccessMask, FileInfoClass},
        header::FileId,
        utf16::Utf16,
    },
};
use alloc::sync::Arc;

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: OpenId,
    /// The other half of its FileId: new with each connection.
    pub(crate) volatile: u64,
    /// [`SessionId::NONE`] and [`TreeId::NONE`] while it is kept ([`Stage::Kept`]).
    pub(crate) session: SessionId,
    /// See `session`.
    pub(crate) tree: TreeId,
    pub(crate) share: Arc<Share>,
    pub(crate) what: What,
    pub(crate) handle: File,
    /// Whose name the file was opened under and stays used under.
    pub(crate) identity: Arc<Identity>,
    pub(crate) granted: AccessMask,
    pub(crate) share_access: ShareAccess,
    pub(crate) caching: Caching,
    /// FILE_DELETE_ON_CLOSE.
    pub(crate) delete_on_close: bool,
    /// FILE_WRITE_THROUGH: every write is.
    pub(crate) write_through: bool,
    /// It has written.
    pub(crate) modified: bool,
    /// FilePositionInformation: a number clients keep here.
    pub(crate) position: u64,
    /// FileModeInformation.
    pub(crate) mode: u32,
    pub(crate) listing: Listing,
    pub(crate) channel_sequence: ChannelSequence,
    pub(crate) lock_sequences: LockSequences,
    /// Calls that use the handle and have not completed.
    pub(crate) running: usize,
    pub(crate) stage: Stage,
    /// Who has asked for its end: what goes with it is done there. Another channel may be stuck.
    pub(crate) closer: Option<ConnId>,
    /// Its client has been answered: it knows the open, and what it may cache.
    pub(crate) told: bool,
    pub(crate) claim: Claim,
}

/// What is open.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A file, a directory or a stream, with its place in the file table.
    File { key: FileKey, kind: FileKind, place: Place },
    /// A named pipe.
    Pipe,
}

/// How an open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In use.
    Live,
    /// Its connection is lost, and its client may come back for it.
    Kept,
    /// No new work; running calls go on.
    Closing,
    /// The last open of a file to be deleted: the delete runs.
    Deleting,
}

/// Where QUERY_DIRECTORY is (Open.EnumerationLocation, EnumerationSearchPattern).
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) cursor: Option<Cursor>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) class: Option<FileInfoClass>,
    /// A page is being read; the cursor is out.
    pub(crate) busy: bool,
    /// Where it is was lost in the middle, by this: it does not begin anew without being asked to.
    pub(crate) broken: Option<VfsError>,
    /// Something was found since the start.
    pub(crate) found: bool,
}

impl Open {
    /// Both halves (MS-SMB2 2.2.14.1).
    pub(crate) fn file_id(&self) -> FileId {
        FileId { persistent: self.id.0, volatile: self.volatile }
    }

    pub(crate) fn key(&self) -> Option<FileKey> {
        match self.what {
            What::File { key, .. } => Some(key),
            What::Pipe => None,
        }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.what {
            What::File { place, .. } => Some(place),
            What::Pipe => None,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.what, What::File { kind: FileKind::Directory, .. })
    }

    pub(crate) fn is_of(&self, wanted: FileKind) -> bool {
        matches!(self.what, What::File { kind, .. } if kind == wanted)
    }

    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.what, What::Pipe)
    }
}

/// The name an open was made by, as renames have changed it since.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) share: Arc<Share>,
    pub(crate) root: File,
    pub(crate) path: SharePath,
    /// The named stream of the file at `path`.
    pub(crate) stream: Option<StreamName>,
    /// It is a directory.
    pub(crate) directory: bool,
}

impl Place {
    /// Both are the same name in the same directory, through whatever share.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_at(&other.share, &other.path)
    }

    /// It is called so, by this share or by another one of the same directories.
    pub(crate) fn is_at(&self, share: &Share, path: &SharePath) -> bool {
        let path = path.seen_from(&share.path, &self.share.path);
        path.is_some_and(|path| same_name(self.path.as_str(), path.as_str()))
    }

    /// It lies below this directory, by whatever share.
    pub(crate) fn is_below(&self, share: &Share, directory: &SharePath) -> bool {
        let path = self.path.seen_from(&self.share.path, &share.path);
        path.is_some_and(|path| path.is_below(directory))
    }

    /// The same after `from` became `to` in this share; `None` where it did not lie there, or has left
    /// what its own share has.
    pub(crate) fn moved(
        &self,
        share: &Share,
        from: &SharePath,
        to: &SharePath,
    ) -> Option<SharePath> {
        self.path.moved_in(&self.share.path, &share.path, [from, to])
    }

    /// Both are the same name to a client, in directories that are both called by the same share.
    pub(crate) fn is_namesake(&self, other: &Self) -> bool {
        self.share.name == other.share.name
            && self.share.path != other.share.path
            && same_name(self.path.as_str(), other.path.as_str())
            && self.stream == other.stream
    }

    /// The share's own directory, and no stream of it.
    pub(crate) fn is_root(&self) -> bool {
        self.path.is_root() && self.stream.is_none()
    }

    /// As clients are told names (MS-FSCC 2.4.2): a stream's without its type.
    pub(crate) fn to_windows(&self) -> Utf16 {
        let mut name = self.path.to_windows();
        if let Some(stream) = &self.stream {
            name.0.push(u16::from(b':'));
            name.0.extend(stream.as_str().encode_utf16());
        }
        name
    }
}
