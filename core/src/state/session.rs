//! Sessions and their tree connects (MS-SMB2 3.3.1.8, 3.3.1.9).

use crate::{
    acl::Token,
    auth::Authenticator,
    config::{Share, ShareKind},
    crypto::{PreauthHash, SessionKeys},
    id::{ConnId, SessionId, TreeId},
    vfs::{File, Identity},
    wire::fscc::AccessMask,
};
use alloc::{boxed::Box, collections::BTreeMap, string::String, sync::Arc};

pub(crate) struct Session {
    pub(crate) conn: ConnId,
    /// `None` until the first authentication has succeeded.
    pub(crate) user: Option<User>,
    /// An authentication that is under way: the first, or one of a session that is in use.
    pub(crate) setup: Option<Box<Authenticator>>,
    /// Hash of the exchange up to the last request, for the keys.
    pub(crate) preauth: PreauthHash,
    /// PreviousSessionId of the SESSION_SETUP under way.
    pub(crate) previous: Option<SessionId>,
    pub(crate) trees: BTreeMap<TreeId, Tree>,
    next_tree: u32,
    /// LOGOFF or hang-up has begun: no new work.
    pub(crate) ending: bool,
}

/// Who a session belongs to, from the proof on.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) kind: UserKind,
    /// The account as the daemon knows it; empty for anonymous.
    pub(crate) account: String,
    pub(crate) identity: Arc<Identity>,
    /// Guests and anonymous sessions have none.
    pub(crate) keys: Option<Arc<SessionKeys>>,
    /// Requests must be signed (Session.SigningRequired).
    pub(crate) signing_required: bool,
    /// Requests must be encrypted (Session.EncryptData).
    pub(crate) encrypt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserKind {
    Account,
    Guest,
    Anonymous,
}

impl Session {
    pub(crate) fn new(conn: ConnId) -> Self {
        Self {
            conn,
            user: None,
            setup: None,
            preauth: PreauthHash::default(),
            previous: None,
            trees: BTreeMap::new(),
            next_tree: 0,
            ending: false,
        }
    }

    pub(crate) fn new_tree_id(&mut self) -> TreeId {
        self.next_tree += 1;
        TreeId(self.next_tree)
    }
}

/// One tree connect.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) share: Arc<Share>,
    /// The share's directory; `None` for pipes.
    pub(crate) root: Option<File>,
    /// Whose name files are used under.
    pub(crate) identity: Arc<Identity>,
    /// Who that is to descriptors, where the share keeps them.
    pub(crate) token: Option<Arc<Token>>,
    pub(crate) read_only: bool,
    /// What an open may be granted at most.
    pub(crate) maximal_access: AccessMask,
    /// TREE_DISCONNECT, LOGOFF or hang-up has begun.
    pub(crate) ending: bool,
}

impl Tree {
    pub(crate) fn is_pipe(&self) -> bool {
        self.share.kind == ShareKind::Pipe
    }
}
