//! May this session use this share, and as whom? The order of ksmbd's `tcm_handle_tree_connect`,
//! without its defects: a limit of n admits n, and a reload forgets no open tree.

use std::fmt;
use std::sync::Arc;

use ksmbd_core::config::Share;
use ksmbd_core::id::ConnId;
use ksmbd_core::status::NtStatus;
use ksmbd_core::vfs::{Admission, Identity, Peer, Promise};
use ksmbd_core::wire::negotiate::Dialect;

use crate::account::unix::LookupFailed;
use crate::config::variables::Occasion;
use crate::config::{ShareSettings, UserList};
use crate::state::State;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The account; none for an anonymous session.
    pub account: Option<&'a str>,
    /// The session is a guest's.
    pub guest: bool,
    /// Where it comes from.
    pub peer: &'a Peer,
    /// On which connection.
    pub connection: ConnId,
    /// What was negotiated there.
    pub dialect: Dialect,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such share.
    NoShare,
    /// As many trees as may be are connected.
    TooMany,
    /// `hosts allow` or `hosts deny`.
    Host,
    /// `restrict anonymous`.
    Anonymous,
    /// No `guest ok`.
    Guest,
    /// The account was removed after it logged on.
    NoAccount,
    /// On `invalid users`.
    Invalid,
    /// Not on `valid users`.
    NotValid,
    /// The Unix user or group, as whom files would be used, is gone.
    NoIdentity,
    /// Users and groups of the machine cannot be looked up: it may be on a list.
    Unsure,
    /// What a variable stands for cannot be part of a path.
    NoPath,
}

impl Refusal {
    /// What the client is told: as ksmbd, but for a full share, where MS-SMB2 3.3.5.7 has a status
    /// of its own.
    pub fn status(self) -> NtStatus {
        match self {
            Self::NoShare | Self::NoPath => NtStatus::BAD_NETWORK_NAME,
            Self::TooMany => NtStatus::REQUEST_NOT_ACCEPTED,
            Self::Host
            | Self::Anonymous
            | Self::Guest
            | Self::NoAccount
            | Self::Invalid
            | Self::NotValid
            | Self::NoIdentity
            | Self::Unsure => NtStatus::ACCESS_DENIED,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoShare => "there is no such share",
            Self::TooMany => "`max connections` are connected",
            Self::Host => "`hosts allow` and `hosts deny` keep the address out",
            Self::Anonymous => "`restrict anonymous` keeps guests out of it",
            Self::Guest => "it has no `guest ok`",
            Self::NoAccount => "the account is not in the database any more",
            Self::Invalid => "the account is on `invalid users`",
            Self::NotValid => "the account is not on `valid users`",
            Self::NoPath => "what a variable in its path stands for is no directory's name",
            Self::NoIdentity => "the machine does not know the user or group to use files as",
            Self::Unsure => "the machine's users and groups cannot be looked up",
        })
    }
}

impl From<LookupFailed> for Refusal {
    fn from(_: LookupFailed) -> Self {
        Self::Unsure
    }
}

/// Decides. `connected` is how many trees are connected to a share now.
///
/// # Errors
///
/// The first reason against it.
pub fn admit(
    state: &State,
    share: &str,
    visitor: Visitor<'_>,
    connected: impl Fn(&ShareSettings) -> usize,
) -> Result<Admission, Refusal> {
    let settings = state.settings.share(share).ok_or(Refusal::NoShare)?;
    if connected(settings) >= settings.max_connections {
        return Err(Refusal::TooMany);
    }
    if !settings.hosts.permit(visitor.peer.address.ip()) {
        return Err(Refusal::Host);
    }
    match visitor.account.filter(|_| !visitor.guest) {
        None => admit_guest(state, settings, visitor),
        Some(account) => admit_user(state, settings, account, visitor),
    }
}

/// Who has a file open since before the server was ended: the share, and as whom its files are used,
/// if both are what they were then.
pub fn heir(state: &State, promise: &Promise) -> Option<(Arc<Share>, Arc<Identity>)> {
    let settings = state.settings.share(&promise.share)?;
    let (account, uid) = &promise.owner;
    let (_, identity) = rights(state, settings, account).ok()?;
    let own = state.accounts.of_account(account).ok()?;
    let same = own.uid == *uid;
    let identity = Arc::new(identity.unwrap_or(own));
    let same = same && identity.uid == promise.identity.uid;
    same.then(|| (Arc::clone(&settings.share), identity))
}

/// Guests and sessions without any user. The lists are not asked: guests have no name.
fn admit_guest(
    state: &State,
    settings: &ShareSettings,
    visitor: Visitor<'_>,
) -> Result<Admission, Refusal> {
    if state.settings.global.restrict_anonymous && (settings.is_ipc() || !settings.guest_ok) {
        return Err(Refusal::Anonymous);
    }
    if !settings.guest_ok {
        return Err(Refusal::Guest);
    }
    let guest = settings.guest_account.as_ref().unwrap_or(&state.settings.global.guest_account);
    let identity = match forced(state, settings, guest)? {
        // Pipes are nobody's files.
        None if settings.is_ipc() => None,
        None => Some(state.accounts.of_guest(guest)?.ok_or(Refusal::NoIdentity)?),
        forced => forced,
    };
    admission(settings, !settings.writable, identity, guest, visitor)
}

fn admit_user(
    state: &State,
    settings: &ShareSettings,
    account: &str,
    visitor: Visitor<'_>,
) -> Result<Admission, Refusal> {
    let (read_only, identity) = rights(state, settings, account)?;
    admission(settings, read_only, identity, account, visitor)
}

/// Whether this account may only read there, and as whom it uses files, if not as itself.
fn rights(
    state: &State,
    settings: &ShareSettings,
    account: &str,
) -> Result<(bool, Option<Identity>), Refusal> {
    if !state.accounts.contains(account) {
        return Err(Refusal::NoAccount);
    }
    let on = |list: &Option<UserList>| {
        list.as_ref().map(|list| list.contains(account, &state.accounts)).transpose()
    };
    if on(&settings.invalid_users)? == Some(true) {
        return Err(Refusal::Invalid);
    }
    let admin = on(&settings.admin_users)? == Some(true);
    // A name on one of these two, and an administrator, may though it is not on `valid users`.
    let read_only = if on(&settings.read_list)? == Some(true) {
        true
    } else if on(&settings.write_list)? == Some(true) {
        false
    } else if !admin && on(&settings.valid_users)? == Some(false) {
        return Err(Refusal::NotValid);
    } else {
        !settings.writable
    };
    let identity = match admin && !settings.is_ipc() && settings.force_user.is_none() {
        true => administrator(state, settings, account)?,
        false => forced(state, settings, account)?,
    };
    Ok((read_only, identity))
}

/// `admin users`. `force user` wins over it, as in Samba: who writes that wants all files to be one
/// user's.
fn administrator(
    state: &State,
    settings: &ShareSettings,
    account: &str,
) -> Result<Option<Identity>, Refusal> {
    let Some(root) = state.accounts.administrator(account)? else {
        return Ok(None);
    };
    match &settings.force_group {
        Some(group) => state.accounts.with_group(root, group)?.map(Some).ok_or(Refusal::NoIdentity),
        None => Ok(Some(root)),
    }
}

/// `force user` and `force group`. The group wins over the user's own.
fn forced(
    state: &State,
    settings: &ShareSettings,
    account: &str,
) -> Result<Option<Identity>, Refusal> {
    if settings.is_ipc() || (settings.force_user.is_none() && settings.force_group.is_none()) {
        return Ok(None);
    }
    let name = settings.force_user.as_deref().unwrap_or(account);
    let identity = state.accounts.identity(name)?.ok_or(Refusal::NoIdentity)?;
    match &settings.force_group {
        Some(group) => {
            state.accounts.with_group(identity, group)?.map(Some).ok_or(Refusal::NoIdentity)
        }
        None => Ok(Some(identity)),
    }
}

fn admission(
    settings: &ShareSettings,
    read_only: bool,
    identity: Option<Identity>,
    account: &str,
    visitor: Visitor<'_>,
) -> Result<Admission, Refusal> {
    let share = match &settings.pattern {
        None => Arc::clone(&settings.share),
        Some(pattern) => {
            let occasion = Occasion {
                share: &settings.share.name,
                account,
                user: settings.force_user.as_deref().unwrap_or(account),
                client: visitor.peer.address.ip(),
                server: visitor.peer.local.ip(),
                dialect: visitor.dialect,
                connection: visitor.connection,
            };
            let path = pattern.resolve(&occasion).map_err(|wrong| {
                log::warn!("the path of {}: {wrong}", settings.share.name);
                Refusal::NoPath
            })?;
            Arc::new(Share { path, ..(*settings.share).clone() })
        }
    };
    Ok(Admission { share, read_only, identity: identity.map(Arc::new) })
}

#[cfg(test)]
mod tests;
