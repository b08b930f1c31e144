//! What a CREATE asks to cache by, and what it gets (MS-SMB2 3.3.5.9, 3.3.5.9.8, 3.3.5.9.11).

use super::Wanted;
use crate::{
    flow::{Cx, Refused, breaks, refuse},
    id::{ConnId, FileKey, Holder, LeaseId, OpenId},
    state::{
        State,
        lease::{self, Caching, Kind, Lease},
        open::{Open, Place},
        session::Tree,
    },
    status::NtStatus,
    wire::{
        create::OplockLevel,
        create_context::{self, LeaseFlags, LeaseState, LeaseV2},
        negotiate::{Capabilities, Dialect},
    },
};

/// What is asked for, as far as it can be had here at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Oplock(LeaseState),
    Lease(LeaseId, LeaseState, Kind),
}

impl Asked {
    /// MS-SMB2 3.3.5.9.8: a lease counts only with the level that says so, and only where leases
    /// were negotiated; a directory is cached by leases of version 2 alone.
    pub(super) fn of(state: &State, conn: ConnId, tree: &Tree, wanted: &Wanted) -> Self {
        let settled = state.conns.get(&conn).and_then(|conn| conn.negotiated);
        let (Some(settled), true) = (settled, tree.share.oplocks) else {
            return Self::Nothing;
        };
        let level = wanted.request.requested_oplock_level;
        let (Some(asked), OplockLevel::LEASE) = (wanted.contexts.lease, level) else {
            let state = lease::of_level(level);
            return if state.is_empty() { Self::Nothing } else { Self::Oplock(state) };
        };
        let version = if asked.v2.is_some() { Dialect::SMB_3_0 } else { Dialect::SMB_2_1 };
        let leasing = settled.server_capabilities.contains(Capabilities::LEASING);
        if !leasing || settled.chosen.dialect < version {
            return Self::Nothing;
        }
        let kind = asked.v2.map_or(Kind::V1, |v2| Kind::V2 {
            epoch: v2.epoch,
            parent: asked
                .lease_flags
                .contains(LeaseFlags::PARENT_LEASE_KEY_SET)
                .then_some(v2.parent_lease_key),
        });
        let id = LeaseId { client: settled.client_guid, key: asked.lease_key };
        Self::Lease(id, lease::sane(asked.lease_state), kind)
    }

    /// The same, once it is known what was opened.
    pub(super) fn on(self, state: &State, conn: ConnId, directory: bool) -> Self {
        let settled = state.conns.get(&conn).and_then(|conn| conn.negotiated);
        let leases = settled.is_some_and(|settled| {
            settled.server_capabilities.contains(Capabilities::DIRECTORY_LEASING)
        });
        match self {
            asked if !directory => asked,
            Self::Lease(id, state, kind @ Kind::V2 { .. }) if leases => {
                Self::Lease(id, state.difference(LeaseState::WRITE_CACHING), kind)
            }
            _ => Self::Nothing,
        }
    }

    /// Whose caching does not stand in this CREATE's way: that under the same key.
    pub(super) fn holder(self) -> Option<Holder> {
        match self {
            Self::Lease(id, ..) => Some(Holder::Lease(id)),
            _ => None,
        }
    }

    /// It asks for something to be granted.
    pub(super) fn wants(self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Oplock(state) | Self::Lease(_, state, _) => !state.is_empty(),
        }
    }

    /// It is content with nothing.
    pub(super) fn less(self) -> Self {
        match self {
            Self::Lease(id, _, kind) => Self::Lease(id, LeaseState::empty(), kind),
            Self::Nothing | Self::Oplock(_) => Self::Nothing,
        }
    }

    /// MS-SMB2 3.3.5.9.8: a lease key names one file. Where a share's path has variables one name may be
    /// another file on another connection, which its client cannot know: then it caches neither of them, as
    /// with smbd (smb2.lease.dynamic_share).
    pub(super) fn check<S>(
        self,
        cx: &mut Cx<'_, S>,
        key: FileKey,
        place: &Place,
    ) -> Result<(), Refused> {
        let State { leases, opens, .. } = &mut *cx.state;
        let held = self.holder().and_then(|holder| Some((holder, leases.get_mut(&holder)?)));
        let Some((holder, lease)) = held.filter(|(_, lease)| lease.file != key) else {
            return Ok(());
        };
        let other = lease.opens.first().and_then(|open| opens.get(open)?.place());
        if !other.is_some_and(|other| other.is_namesake(place)) {
            return refuse(
                NtStatus::INVALID_PARAMETER,
                "3.3.5.9.8: the key of another file's lease",
            );
        }
        lease.split = true;
        breaks::take(cx, holder, LeaseState::all());
        Ok(())
    }

    /// Grants what is possible beside the others to an open that is in the tables.
    pub(super) fn grant(self, state: &mut State, key: FileKey, open: OpenId) {
        let directory = state.opens.get(&open).is_some_and(Open::is_directory);
        let (caching, holder, asked, kind) = match self {
            Self::Nothing => return,
            Self::Oplock(asked) => (Caching::Oplock, Holder::Open(open), asked, Kind::Oplock),
            Self::Lease(id, asked, kind) => (Caching::Lease(id), Holder::Lease(id), asked, kind),
        };
        let granted = lease::grantable(state, key, holder, open, asked);
        if granted.is_empty() && kind == Kind::Oplock {
            return;
        }
        let lease = state.leases.entry(holder).or_insert_with(|| Lease {
            file: key,
            state: LeaseState::empty(),
            kind,
            breaking: None,
            opens: alloc::vec![],
            split: false,
        });
        let granted = if lease.split { LeaseState::empty() } else { granted };
        lease.opens.push(open);
        if let Holder::Lease(id) = holder
            && directory
        {
            state.directories.insert(id);
        }
        // MS-SMB2 3.3.5.9.8: what is there becomes more when all that is asked for can be had on
        // top of it, and else it stays (smb2.lease.upgrade3).
        let first = lease.opens.len() == 1;
        let more = granted == asked && granted != lease.state && granted.contains(lease.state);
        if first || more && lease.breaking.is_none() {
            lease.state = granted;
            lease.next_epoch();
        }
        if let Some(open) = state.opens.get_mut(&open) {
            open.caching = caching;
        }
    }
}

/// What the client is told: the level, and the context that answers its own.
pub(super) fn answer(state: &State, open: OpenId) -> (OplockLevel, Option<create_context::Lease>) {
    let Some((holder, lease)) =
        state.holder(open).and_then(|holder| Some((holder, state.leases.get(&holder)?)))
    else {
        return (OplockLevel::NONE, None);
    };
    let Holder::Lease(LeaseId { key, .. }) = holder else {
        return (lease::level_of(lease.state), None);
    };
    let own = state.opens.get(&open).and_then(Open::key) == Some(lease.file);
    let mut lease_flags = LeaseFlags::empty();
    lease_flags.set(LeaseFlags::BREAK_IN_PROGRESS, own && lease.breaking.is_some());
    let v2 = match lease.kind {
        Kind::V2 { epoch, parent } => {
            lease_flags.set(LeaseFlags::PARENT_LEASE_KEY_SET, parent.is_some());
            Some(LeaseV2 { parent_lease_key: parent.unwrap_or_default(), epoch })
        }
        _ => None,
    };
    let context = create_context::Lease {
        lease_key: key,
        lease_state: state.cached(open),
        lease_flags,
        lease_duration: 0,
        v2,
    };
    (OplockLevel::LEASE, Some(context))
}
