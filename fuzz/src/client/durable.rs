//! What CREATE says about lost connections: durable handles asked for, claimed, and replayed.

use super::{Create, Sent};
use ksmbd_core::wire::{
    create::{CreateResponse, OplockLevel},
    create_context::{
        DurableFlags, Lease, LeaseFlags, LeaseState, LeaseV2, RequestContext, ResponseContext,
    },
    header::{FileId, HeaderFlags},
};

/// ClientGuid, CreateGuid, lease key, AppInstanceId.
pub type Guid = [u8; 16];

impl<'a> Create<'a> {
    /// A context, as a value.
    #[track_caller]
    pub fn with(self, context: &RequestContext) -> Self {
        let mut data = Vec::new();
        context.encode(&mut data).unwrap_or_else(|error| panic!("{error:?}"));
        self.context(context.name(), &data)
    }

    /// RequestedOplockLevel.
    pub fn level(mut self, level: OplockLevel) -> Self {
        self.request.requested_oplock_level = level;
        self
    }

    /// With a batch oplock.
    pub fn batch(self) -> Self {
        self.level(OplockLevel::BATCH)
    }

    /// With a lease of version 1.
    pub fn leased(self, key: Guid, state: LeaseState) -> Self {
        let lease_flags = LeaseFlags::empty();
        let lease =
            Lease { lease_key: key, lease_state: state, lease_flags, lease_duration: 0, v2: None };
        self.level(OplockLevel::LEASE).with(&RequestContext::RqLs(lease))
    }

    /// With a lease of version 2.
    pub fn leased_v2(self, key: Guid, state: LeaseState) -> Self {
        let lease = Lease {
            lease_key: key,
            lease_state: state,
            lease_flags: LeaseFlags::empty(),
            lease_duration: 0,
            v2: Some(LeaseV2 { parent_lease_key: [0; 16], epoch: 0 }),
        };
        self.level(OplockLevel::LEASE).with(&RequestContext::RqLs(lease))
    }

    /// DHnQ.
    pub fn durable(self) -> Self {
        self.with(&RequestContext::DHnQ)
    }

    /// DHnC, of which the persistent half counts.
    pub fn again(self, file: FileId) -> Self {
        self.with(&RequestContext::DHnC { file_id: (file.persistent, file.volatile) })
    }

    /// DH2Q; the time is in milliseconds.
    pub fn durable_v2(self, create_guid: Guid, timeout: u32) -> Self {
        let flags = DurableFlags::empty();
        self.with(&RequestContext::DH2Q { timeout, flags, create_guid })
    }

    /// DH2Q for an open that outlives the server.
    pub fn persistent(self, create_guid: Guid, timeout: u32) -> Self {
        let flags = DurableFlags::PERSISTENT;
        self.with(&RequestContext::DH2Q { timeout, flags, create_guid })
    }

    /// DH2C of such a one.
    pub fn again_persistent(self, file: FileId, create_guid: Guid) -> Self {
        let file_id = (file.persistent, file.volatile);
        let flags = DurableFlags::PERSISTENT;
        self.with(&RequestContext::DH2C { file_id, create_guid, flags })
    }

    /// DH2C.
    pub fn again_v2(self, file: FileId, create_guid: Guid) -> Self {
        let file_id = (file.persistent, file.volatile);
        let flags = DurableFlags::empty();
        self.with(&RequestContext::DH2C { file_id, create_guid, flags })
    }

    /// Sends it with SMB2_FLAGS_REPLAY_OPERATION.
    pub fn replay(self) -> Sent<'a> {
        let Self { client, request } = self;
        let mut message = client.message(&ksmbd_core::wire::message::RequestBody::Create(request));
        message.header.flags |= HeaderFlags::REPLAY_OPERATION;
        client.send(message)
    }
}

/// What a CREATE was answered with about durability: `None` is nothing, else for how many
/// milliseconds, 0 for version 1.
pub fn durability(response: &CreateResponse) -> Option<u32> {
    contexts(response).into_iter().find_map(|context| match context {
        ResponseContext::DHnQ => Some(0),
        ResponseContext::DH2Q { timeout, .. } => Some(timeout),
        _ => None,
    })
}

/// A CREATE was answered with an open that outlives the server, for so many milliseconds.
pub fn persistence(response: &CreateResponse) -> Option<u32> {
    contexts(response).into_iter().find_map(|context| match context {
        ResponseContext::DH2Q { timeout, flags } if flags.contains(DurableFlags::PERSISTENT) => {
            Some(timeout)
        }
        _ => None,
    })
}

/// The lease that a CREATE was answered with.
pub fn lease(response: &CreateResponse) -> Option<Lease> {
    contexts(response).into_iter().find_map(|context| match context {
        ResponseContext::RqLs(lease) => Some(lease),
        _ => None,
    })
}

fn contexts(response: &CreateResponse) -> Vec<ResponseContext> {
    let parsed = |raw: &ksmbd_core::wire::create::RawContext| {
        ResponseContext::parse(&raw.name, &raw.data).unwrap_or_else(|error| panic!("{error:?}"))
    };
    response.contexts.iter().map(parsed).collect()
}
