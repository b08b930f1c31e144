//! A CREATE as it is wanted, once it is known to make sense, and what the file system is asked for.

use super::Contexts;
use crate::{
    acl::Token,
    command::bad_name,
    flow::{NO_TREE, Refused, refuse},
    id::FileKey,
    state::{file::Change, session::Tree},
    status::NtStatus,
    stream::{self, Suffix},
    vfs::{Existing, Missing, OpenHow, OpenSecurity, Opened, WantedKind},
    wire::{
        create::{CreateDisposition, CreateOptions, CreateRequest},
        fscc::{AccessMask, FileAttributes},
    },
};
use alloc::{boxed::Box, sync::Arc};

/// A checked request.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Without generic bits.
    pub(super) desired: AccessMask,
    pub(super) request: CreateRequest,
    pub(super) contexts: Contexts,
    /// The tree's.
    pub(super) token: Option<Arc<Token>>,
    /// Others had to be waited for.
    pub(super) waited: bool,
    /// How often it has waited for writes.
    pub(super) waits_for_writes: u8,
    /// What has been made already, before others had to be waited for.
    pub(super) created: Option<FileKey>,
    /// The file it is a stream of, too.
    pub(super) file_created: bool,
    /// How often what was opened had lost its name by then.
    pub(super) missed: u8,
    /// The latest change when the file system was asked.
    pub(super) since: Change,
}

impl Wanted {
    /// What was made before there was something to wait for was made by this CREATE, and what is made
    /// now will have been.
    pub(super) fn recall(&mut self, opened: &mut Opened) {
        let key = opened.info.key;
        let own = self.created == Some(key);
        opened.created |= own;
        opened.file_created |= own && self.file_created;
        if opened.created {
            (self.created, self.file_created) = (Some(key), opened.file_created);
        }
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_deref()
    }

    pub(super) fn has(&self, option: CreateOptions) -> bool {
        self.request.create_options.contains(option)
    }

    /// An existing file is emptied.
    pub(super) fn overwrites(&self) -> bool {
        matches!(
            self.request.create_disposition,
            CreateDisposition::SUPERSEDE
                | CreateDisposition::OVERWRITE
                | CreateDisposition::OVERWRITE_IF
        )
    }

    /// A missing file is made.
    pub(super) fn creates(&self) -> bool {
        !matches!(
            self.request.create_disposition,
            CreateDisposition::OPEN | CreateDisposition::OVERWRITE
        )
    }

    /// It would be made as what may not be deleted, to be deleted on close: it is not made.
    pub(super) fn is_stillborn(&self) -> bool {
        self.has(CreateOptions::DELETE_ON_CLOSE)
            && self.attributes().contains(FileAttributes::READONLY)
    }

    /// For what is made or overwritten.
    pub(super) fn attributes(&self) -> FileAttributes {
        let settable = FileAttributes::READONLY
            | FileAttributes::HIDDEN
            | FileAttributes::SYSTEM
            | FileAttributes::ARCHIVE
            | FileAttributes::TEMPORARY
            | FileAttributes::OFFLINE
            | FileAttributes::NOT_CONTENT_INDEXED;
        let asked = FileAttributes::from_bits_retain(self.request.file_attributes) & settable;
        if self.has(CreateOptions::DIRECTORY_FILE) {
            asked
        } else {
            // MS-FSA 2.1.5.1.1: a new file is one to be archived.
            asked | FileAttributes::ARCHIVE
        }
    }
}

/// What the file system is asked for.
pub(super) fn how(tree: &Tree, wanted: &Wanted) -> Result<OpenHow, Refused> {
    let name = &wanted.request.name.0;
    let (path, suffix) = stream::split(name).map_err(bad_name)?;
    if suffix != Suffix::None && !tree.share.streams {
        return refuse(NtStatus::OBJECT_NAME_INVALID, "MS-FSCC 2.1.5: streams are not kept here");
    }
    let root = tree.root.clone().ok_or(NO_TREE)?;
    if tree.read_only && wanted.overwrites() {
        return refuse(NtStatus::ACCESS_DENIED, "the share is read-only");
    }
    let stream = if let Suffix::Named(stream) = &suffix { Some(stream.clone()) } else { None };
    if path.is_root() && stream.is_none() && wanted.has(CreateOptions::DELETE_ON_CLOSE) {
        return refuse(NtStatus::ACCESS_DENIED, "the share's own directory stays");
    }
    let data = matches!(suffix, Suffix::Data | Suffix::Named(_));
    if data && wanted.has(CreateOptions::DIRECTORY_FILE) {
        return refuse(NtStatus::NOT_A_DIRECTORY, "MS-FSA 2.1.5.1: data is no directory");
    }
    let directory = wanted.has(CreateOptions::DIRECTORY_FILE) || suffix == Suffix::Index;
    let creates = wanted.creates() && !tree.read_only && !wanted.is_stillborn();
    let no_directory = wanted.has(CreateOptions::NON_DIRECTORY_FILE) || wanted.overwrites() || data;
    Ok(OpenHow {
        root,
        path,
        stream,
        read: wanted.desired.intersects(AccessMask::FILE_READ_DATA | AccessMask::FILE_EXECUTE),
        write: wanted
            .desired
            .intersects(AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA)
            || wanted.overwrites(),
        missing: match (creates, directory) {
            (false, _) => Missing::Fail,
            (true, true) => Missing::CreateDirectory,
            (true, false) => Missing::CreateFile,
        },
        existing: match wanted.request.create_disposition {
            CreateDisposition::CREATE if wanted.created.is_none() => Existing::Fail,
            _ => Existing::Open,
        },
        kind: match (directory, no_directory) {
            (true, _) => WantedKind::Directory,
            (false, true) => WantedKind::File,
            (false, false) => WantedKind::Any,
        },
        attributes: wanted.attributes(),
        allocation: wanted.contexts.allocation,
        delete: wanted.desired.intersects(AccessMask::DELETE | AccessMask::MAXIMUM_ALLOWED)
            || wanted.contexts.maximal_access,
        eas: wanted.contexts.eas.clone(),
        no_follow: wanted.has(CreateOptions::OPEN_REPARSE_POINT),
        security: wanted.token.as_ref().map(|token| {
            let descriptor = wanted.contexts.security.clone();
            Box::new(OpenSecurity { token: Arc::clone(token), descriptor })
        }),
    })
}
