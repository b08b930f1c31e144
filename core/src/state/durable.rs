//! What makes an open outlive its connection, and by what it is found again (MS-SMB2 3.3.1.10).

use super::session::{User, UserKind};
use crate::{id::OpenId, time::Instant, vfs::Promise, wire::create::CreateAction};
use alloc::{collections::BTreeMap, string::String, sync::Arc};
use core::time::Duration;

/// ClientGuid, CreateGuid, AppInstanceId.
pub(crate) type Guid = [u8; 16];

/// What an open says about who may have it again, and how it is named.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Open.ClientGuid: of the connection it was made on.
    pub(crate) client: Guid,
    /// Open.CreateGuid.
    pub(crate) create: Option<Guid>,
    /// Open.DurableOwner. Guests cannot be told from each other, so they own nothing.
    pub(crate) owner: Option<Owner>,
    pub(crate) endurance: Endurance,
    /// For how long it is kept without a connection.
    pub(crate) timeout: Duration,
    /// What the CREATE was answered with, for its replay.
    pub(crate) action: CreateAction,
    pub(crate) app: Option<App>,
    /// Set while it is kept: until then.
    pub(crate) until: Option<Instant>,
    /// What is known to be written down of a persistent one, and under which number.
    pub(crate) written: Option<(u64, Arc<Promise>)>,
    /// Under which number it was last said, which may not be known to be written.
    pub(crate) said: u64,
}

impl Claim {
    /// By what the CREATE that made the open is known when it comes again.
    pub(crate) fn creation(&self) -> Option<CreateKey> {
        Some((self.client, self.create?))
    }
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            client: Guid::default(),
            create: None,
            owner: None,
            endurance: Endurance::None,
            timeout: Duration::ZERO,
            action: CreateAction::OPENED,
            app: None,
            until: None,
            written: None,
            said: 0,
        }
    }
}

/// Open.IsDurable, IsResilient, IsPersistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endurance {
    /// It goes with its connection.
    None,
    /// It stays as long as the client is let cache that it is open.
    Durable,
    /// It stays.
    Resilient,
    /// It stays, even if the server does not.
    Persistent,
}

/// The user that an open belongs to, by the name that the daemon knows the account by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    account: String,
    uid: u32,
}

impl Owner {
    pub(crate) fn new(account: String, uid: u32) -> Self {
        Self { account, uid }
    }

    pub(crate) fn parts(&self) -> (String, u32) {
        (self.account.clone(), self.uid)
    }

    pub(crate) fn of(user: &User) -> Option<Self> {
        let identity = &user.identity;
        let own = || Self { account: identity.name.clone(), uid: identity.uid };
        (user.kind == UserKind::Account).then(own)
    }
}

/// The application that made an open (MS-SMB2 2.2.13.2.13, 2.2.13.2.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) id: Guid,
    /// High and low half.
    pub(crate) version: Option<(u64, u64)>,
}

/// A CREATE that a client may send again: its ClientGuid and CreateGuid.
pub(crate) type CreateKey = (Guid, Guid);

/// What has become of a CREATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// It is under way.
    Pending,
    /// It was answered with this open, which nobody has used since (Open.IsReplayEligible).
    Done(OpenId),
}

/// How many opens endure, in all and for each client.
#[derive(Debug, Default)]
pub(crate) struct Enduring {
    of_client: BTreeMap<Guid, usize>,
    total: usize,
}

impl Enduring {
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// Of the client that has most.
    pub(crate) fn most(&self) -> usize {
        self.of_client.values().copied().max().unwrap_or_default()
    }

    pub(crate) fn of(&self, client: &Guid) -> usize {
        self.of_client.get(client).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, client: Guid) {
        *self.of_client.entry(client).or_default() += 1;
        self.total += 1;
    }

    pub(crate) fn remove(&mut self, client: &Guid) {
        let Some(count) = self.of_client.get_mut(client) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.of_client.remove(client);
        }
        self.total -= 1;
    }
}
