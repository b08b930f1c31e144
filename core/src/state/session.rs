//! Sessions and their tree connects (MS-SMB2 3.3.1.8, 3.3.1.9).

use super::conn::Settled;
use crate::{
    acl::Token,
    auth::Authenticator,
    config::{Share, ShareKind},
    crypto::{PreauthHash, SessionKeys},
    id::{ConnId, SessionId, TreeId},
    time::FileTime,
    vfs::{File, Identity},
    wire::fscc::AccessMask,
};
use alloc::{boxed::Box, collections::BTreeMap, string::String, sync::Arc};
use core::net::IpAddr;

pub(crate) struct Session {
    /// What NEGOTIATE settled where it was made: whoever joins has to have the same.
    pub(crate) settled: Settled,
    /// The connections that it is used over (Session.ChannelList); while the first authentication is
    /// under way that is the one it began on.
    pub(crate) channels: BTreeMap<ConnId, Channel>,
    /// Of the next channel: no number is used twice.
    next_channel: u32,
    /// `None` until the first authentication has succeeded.
    pub(crate) user: Option<User>,
    /// Authentications that are under way, each on its connection: the first, one of a session that is
    /// in use, or that of a connection that wants to join.
    pub(crate) setups: BTreeMap<ConnId, Setup>,
    pub(crate) trees: BTreeMap<TreeId, Tree>,
    next_tree: u32,
    /// How many opens are its own.
    pub(crate) opens: usize,
    /// Nobody's yet: its number among those, and where it comes from.
    pub(crate) half_open: Option<(u64, IpAddr)>,
    /// LOGOFF or hang-up has begun: no new work.
    pub(crate) ending: bool,
}

/// A session on one connection (MS-SMB2 3.3.1.14).
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// Guests, anonymous sessions and those that are not set up have none.
    pub(crate) keys: Option<Arc<SessionKeys>>,
}

/// One authentication.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// `None` while the daemon is asked.
    pub(crate) authenticator: Option<Box<Authenticator>>,
    /// Hash of the exchange up to the last request, for the keys.
    pub(crate) preauth: PreauthHash,
    /// PreviousSessionId.
    pub(crate) previous: Option<SessionId>,
    /// It will make a channel of its connection.
    pub(crate) binding: bool,
}

/// Who a session belongs to, from the proof on.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) kind: UserKind,
    /// The account as the daemon knows it; empty for anonymous.
    pub(crate) account: String,
    pub(crate) identity: Arc<Identity>,
    /// Those of the first channel; all others' come of them. Guests and anonymous sessions have none.
    pub(crate) keys: Option<Arc<SessionKeys>>,
    /// Requests must be signed (Session.SigningRequired).
    pub(crate) signing_required: bool,
    /// Requests must be encrypted (Session.EncryptData).
    pub(crate) encrypt: bool,
    /// Until when that was shown (Session.ExpirationTime); without end with NTLM.
    pub(crate) expires: Option<FileTime>,
}

impl User {
    /// MS-SMB2 3.3.5.2.9: Session.State is Expired.
    pub(crate) fn has_expired(&self, now: FileTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The same person: two guests never are.
    pub(crate) fn is_same(&self, kind: UserKind, account: &str, identity: &Identity) -> bool {
        (self.kind, kind) == (UserKind::Account, UserKind::Account)
            && (self.account.as_str(), self.identity.uid) == (account, identity.uid)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserKind {
    Account,
    Guest,
    Anonymous,
}

impl Session {
    pub(crate) fn new(conn: ConnId, settled: Settled) -> Self {
        Self {
            settled,
            channels: BTreeMap::from([(conn, Channel::default())]),
            next_channel: 1,
            user: None,
            setups: BTreeMap::new(),
            trees: BTreeMap::new(),
            next_tree: 0,
            opens: 0,
            half_open: None,
            ending: false,
        }
    }

    /// A number for a channel beside the first; `None` when all of 24 bits have been used.
    pub(crate) fn new_channel(&mut self) -> Option<u32> {
        let number = self.next_channel;
        self.next_channel += 1;
        (number < 1 << 24).then_some(number)
    }

    /// Channels, and those that want to be.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len() + self.setups.values().filter(|setup| setup.binding).count()
    }

    /// Every connection that knows of it.
    pub(crate) fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.channels.keys().chain(self.setups.keys()).copied()
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
