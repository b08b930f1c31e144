//! One open, and the session that it belongs to.

use super::Key;
use ksmbd_core::{
    id::ConnId,
    wire::{
        create::{CreateOptions, CreateRequest, OplockLevel, ShareAccess},
        create_context::Lease,
        fscc::AccessMask,
        header::FileId,
    },
};
use std::collections::BTreeSet;

/// One open.
#[derive(Clone, Debug)]
pub struct Open {
    /// As its owner names it.
    pub file: FileId,
    /// The session that owns it.
    pub session: u64,
    /// The tree that it was made in.
    pub tree: u32,
    /// The file on the disk; `None` for what has none.
    pub inode: Option<u64>,
    /// The name that it was opened by, in lower case.
    pub name: String,
    /// What was granted at least.
    pub access: AccessMask,
    /// That is all that was granted.
    pub exact: bool,
    /// What others may do beside it.
    pub sharing: ShareAccess,
    /// How it was opened.
    pub options: CreateOptions,
    /// When it was asked for.
    pub asked: u64,
    /// When it was answered.
    pub since: u64,
    /// Requests that may end it.
    pub enders: BTreeSet<Key>,
    /// It may have ended without a word.
    pub doubtful: bool,
    /// It may outlive its connection.
    pub durable: bool,
    /// AppInstanceId: another one may end it.
    pub instance: Option<[u8; 16]>,
    /// The lease that it belongs to.
    pub lease: Option<Lease>,
    /// Nobody has said yet how it was opened but who asked for it again.
    pub replayed: bool,
    /// The oplock that it was granted.
    pub oplock: OplockLevel,
    /// Who the client says it is.
    pub client: [u8; 16],
}

impl Open {
    /// This request made it.
    pub(super) fn describe(&mut self, request: &CreateRequest) {
        let wanted = AccessMask::from_bits_retain(request.desired_access);
        self.access = mapped(wanted);
        self.exact = !wanted.contains(AccessMask::MAXIMUM_ALLOWED);
        self.sharing = request.share_access;
        self.options = request.create_options;
        self.replayed = false;
    }

    /// It is there, whatever is under way.
    pub fn is_certain(&self) -> bool {
        self.enders.is_empty() && !self.doubtful
    }
}

/// A session as its channels tell.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its account, if that is known.
    pub user: Option<String>,
    /// More than one account has proved to be who uses it.
    pub mixed: bool,
    /// The connections that it is used over.
    pub channels: BTreeSet<ConnId>,
}

impl Session {
    /// An account has proved to be who uses it.
    pub(in crate::model) fn is_of(&mut self, user: String) {
        self.mixed |= self.user.as_ref().is_some_and(|old| *old != user);
        self.user = Some(user).filter(|_| !self.mixed);
    }
}

/// The rights that a desired access stands for (MS-SMB2 2.2.13.1.1).
pub fn mapped(wanted: AccessMask) -> AccessMask {
    let mut bits = wanted.bits() & 0x01ff_ffff;
    for (generic, rights) in [
        (0x8000_0000, 0x0012_0089),
        (0x4000_0000, 0x0012_0116),
        (0x2000_0000, 0x0012_00a0),
        (0x1000_0000, 0x001f_01ff),
    ] {
        if wanted.bits() & generic != 0 {
            bits |= rights;
        }
    }
    AccessMask::from_bits_retain(bits)
}
