//! What a CREATE says about connections that are lost: that its open shall outlive this one, that it
//! wants one back, and by what it can be told from others (MS-SMB2 3.3.5.9.6, .7, .10, .12, .13).

use super::{Contexts, Wanted};
use crate::{
    command::{Cx, durable},
    flow::{NO_SESSION, Refused, job::Who, refuse},
    id::OpenId,
    state::{
        State,
        conn::Settled,
        durable::{App, Claim, CreateKey, Endurance, Guid, Owner},
    },
    status::NtStatus,
    vfs::FileKind,
    wire::{
        create::{CreateAction, OplockLevel},
        create_context::{DurableFlags, RequestContext, ResponseContext},
        header::FileId,
        negotiate::{Capabilities, Dialect},
    },
};
use core::time::Duration;

/// The contexts as they came.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// SMB2_CREATE_DURABLE_HANDLE_REQUEST.
    pub(super) v1: bool,
    /// SMB2_CREATE_DURABLE_HANDLE_RECONNECT.
    pub(super) again_v1: Option<FileId>,
    /// SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2.
    pub(super) v2: Option<(u32, Guid, DurableFlags)>,
    /// SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2.
    pub(super) again_v2: Option<(FileId, Guid, DurableFlags)>,
    /// SMB2_CREATE_APP_INSTANCE_ID.
    pub(super) app: Option<Guid>,
    /// SMB2_CREATE_APP_INSTANCE_VERSION.
    pub(super) app_version: Option<(u64, u64)>,
}

/// What they come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    V1,
    V2 {
        /// In milliseconds; 0 is as the server likes.
        timeout: u32,
        create: Guid,
        /// SMB2_DHANDLE_FLAG_PERSISTENT.
        persistent: bool,
    },
    /// An open that was made before.
    Again(Again),
}

/// Which open is wanted back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) file_id: FileId,
    /// CreateGuid and flags, of version 2.
    pub(super) v2: Option<(Guid, DurableFlags)>,
}

impl Raw {
    pub(super) fn take(&mut self, context: &RequestContext) {
        let id = |(persistent, volatile): (u64, u64)| FileId { persistent, volatile };
        match *context {
            RequestContext::DHnQ => self.v1 = true,
            RequestContext::DHnC { file_id } => self.again_v1 = Some(id(file_id)),
            RequestContext::DH2Q { timeout, create_guid, flags } => {
                self.v2 = Some((timeout, create_guid, flags));
            }
            RequestContext::DH2C { file_id, create_guid, flags } => {
                self.again_v2 = Some((id(file_id), create_guid, flags));
            }
            RequestContext::AppInstanceId(app) => self.app = Some(app),
            RequestContext::AppInstanceVersion { high, low } => {
                self.app_version = Some((high, low));
            }
            // Unknown ones, and those of what is not here.
            _ => {}
        }
    }

    /// MS-SMB2 3.3.5.9.6, .7, .10, .12: one of them, but for a reconnect that repeats the request of
    /// version 1. Version 2 is there from 3.0 on.
    pub(super) fn asked(&self, dialect: Dialect) -> Result<Asked, Refused> {
        let three = dialect >= Dialect::SMB_3_0;
        let (v2, again_v2) = (self.v2.filter(|_| three), self.again_v2.filter(|_| three));
        let (one, two) = (self.v1 || self.again_v1.is_some(), v2.is_some() || again_v2.is_some());
        if one && two || v2.is_some() && again_v2.is_some() {
            return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.9.12: two kinds of durability");
        }
        Ok(match (self.again_v1, v2, again_v2) {
            (Some(file_id), ..) => Asked::Again(Again { file_id, v2: None }),
            (_, Some((timeout, create, flags)), _) => {
                let persistent = flags.contains(DurableFlags::PERSISTENT);
                Asked::V2 { timeout, create, persistent }
            }
            (.., Some((file_id, create, flags))) => {
                Asked::Again(Again { file_id, v2: Some((create, flags)) })
            }
            _ if self.v1 => Asked::V1,
            _ => Asked::Nothing,
        })
    }

    /// MS-SMB2 3.3.5.9.13: from 3.0 on, its version from 3.1.1 on.
    pub(super) fn app(&self, dialect: Dialect) -> Option<App> {
        let id = self.app.filter(|_| dialect >= Dialect::SMB_3_0)?;
        Some(App { id, version: self.app_version.filter(|_| dialect >= Dialect::SMB_3_1_1) })
    }
}

/// What was negotiated with whoever asks.
pub(super) fn settled(cx: &Cx<'_>, who: &Who) -> Result<Settled, Refused> {
    let conn = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    conn.ok_or(NO_SESSION)
}

impl Contexts {
    pub(super) fn asked(&self, cx: &Cx<'_>, who: &Who) -> Result<Asked, Refused> {
        self.durable.asked(settled(cx, who)?.chosen.dialect)
    }
}

/// By what a CREATE is known when it comes again.
pub(super) fn key(cx: &Cx<'_>, who: &Who, asked: Asked) -> Option<CreateKey> {
    match asked {
        Asked::V2 { create, .. } => Some((settled(cx, who).ok()?.client_guid, create)),
        _ => None,
    }
}

/// By what the open is known that is about to be made.
pub(super) fn claim(cx: &Cx<'_>, who: &Who, wanted: &Wanted, action: CreateAction) -> Claim {
    let Ok(settled) = settled(cx, who) else {
        return Claim::default();
    };
    let raw = &wanted.contexts.durable;
    let user = who.session.and_then(|id| cx.state.sessions.get(&id)?.user.as_ref());
    Claim {
        client: settled.client_guid,
        create: match raw.asked(settled.chosen.dialect) {
            Ok(Asked::V2 { create, .. }) => Some(create),
            _ => None,
        },
        owner: user.and_then(Owner::of),
        app: raw.app(settled.chosen.dialect),
        action,
        ..Claim::default()
    }
}

/// Promises what can be promised: a file, with an oplock or lease that caches that it is open, or on a
/// share where opens outlive the server.
pub(super) fn grant(cx: &mut Cx<'_>, who: &Who, asked: Asked) -> Result<(), Refused> {
    let (id, limits) = (who.open()?, cx.state.config.limits);
    if let Asked::V2 { timeout, persistent: true, .. } = asked
        && can_persist(cx, who, id)
    {
        let asked = Some(Duration::from_millis(timeout.into())).filter(|time| !time.is_zero());
        let timeout = asked.unwrap_or(limits.persistent_time).min(limits.durable_time_max);
        if durable::promise(cx, id, Endurance::Persistent, timeout) {
            return Ok(());
        }
    }
    let timeout = match asked {
        Asked::V1 | Asked::V2 { timeout: 0, .. } => limits.durable_time,
        Asked::V2 { timeout, .. } => {
            Duration::from_millis(timeout.into()).min(limits.durable_time_max)
        }
        Asked::Nothing | Asked::Again(_) => return Ok(()),
    };
    let can_be = cx.state.opens.get(&id).is_some_and(|open| {
        open.is_of(FileKind::File) && open.claim.owner.is_some() && cx.state.caches_handle(open)
    });
    if cx.state.config.durable_handles && can_be {
        durable::promise(cx, id, Endurance::Durable, timeout);
    }
    Ok(())
}

/// MS-SMB2 3.3.5.9.10: TreeConnect.Share.IsCA, and the client was told that it can.
fn can_persist(cx: &Cx<'_>, who: &Who, id: OpenId) -> bool {
    let told = settled(cx, who).is_ok_and(|settled| {
        settled.server_capabilities.contains(Capabilities::PERSISTENT_HANDLES)
    });
    let config = &cx.state.config;
    let here = config.durable_handles && config.persistent_handles;
    let room = cx.state.promises.len() < config.limits.persistent_opens;
    let can_be = cx.state.opens.get(&id).is_some_and(|open| {
        open.share.continuous && open.is_of(FileKind::File) && open.claim.owner.is_some()
    });
    told && here && room && can_be
}

/// The context that says what was promised. A replay is told no more than what the level that it
/// asks for could have had.
pub(super) fn answer(
    state: &State,
    id: OpenId,
    asked: Asked,
    level: OplockLevel,
) -> Option<ResponseContext> {
    let claim = &state.opens.get(&id)?.claim;
    let caches = level == OplockLevel::BATCH || level == OplockLevel::LEASE;
    let mut flags = DurableFlags::empty();
    match claim.endurance {
        Endurance::Durable if caches => {}
        Endurance::Persistent => flags.insert(DurableFlags::PERSISTENT),
        _ => return None,
    }
    let timeout = u32::try_from(claim.timeout.as_millis()).unwrap_or(u32::MAX);
    match asked {
        Asked::V1 => Some(ResponseContext::DHnQ),
        Asked::V2 { .. } => Some(ResponseContext::DH2Q { timeout, flags }),
        Asked::Nothing | Asked::Again(_) => None,
    }
}
