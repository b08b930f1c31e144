//! Oplocks and leases: asked for, broken, acknowledged.

use super::{Client, Create, Response, Sent};
use ksmbd_core::wire::{
    create::{CreateResponse, OplockLevel},
    create_context::{
        Lease, LeaseFlags, LeaseState, LeaseV2, RequestContext, ResponseContext, name,
    },
    header::FileId,
    message::{RequestBody, ResponseBody},
    oplock_break::{
        LeaseBreakAck, LeaseBreakNotification, OplockBreak, OplockBreakRequest, OplockBreakResponse,
    },
};

/// A state by its letters: `R`, `RH`, `RW`, `RWH` or nothing.
pub fn state(letters: &str) -> LeaseState {
    letters.chars().fold(LeaseState::empty(), |sum, letter| {
        sum | match letter {
            'R' => LeaseState::READ_CACHING,
            'W' => LeaseState::WRITE_CACHING,
            'H' => LeaseState::HANDLE_CACHING,
            other => panic!("{other} is no part of a lease"),
        }
    })
}

/// What a lease lets cache, in letters.
pub fn letters(state: LeaseState) -> String {
    let all = [('R', LeaseState::READ_CACHING), ('W', LeaseState::WRITE_CACHING)];
    let all = all.into_iter().chain([('H', LeaseState::HANDLE_CACHING)]);
    all.filter(|(_, part)| state.contains(*part)).map(|(letter, _)| letter).collect()
}

impl Create<'_> {
    /// RequestedOplockLevel.
    pub fn oplock(mut self, level: OplockLevel) -> Self {
        self.request.requested_oplock_level = level;
        self
    }

    /// A lease of version 1.
    pub fn lease(self, key: u8, asked: &str) -> Self {
        self.lease_context(Lease {
            lease_key: [key; 16],
            lease_state: state(asked),
            ..Lease::default()
        })
    }

    /// A lease of version 2.
    pub fn lease_v2(self, key: u8, asked: &str, epoch: u16, parent: Option<u8>) -> Self {
        let mut lease_flags = LeaseFlags::empty();
        lease_flags.set(LeaseFlags::PARENT_LEASE_KEY_SET, parent.is_some());
        let parent_lease_key = [parent.unwrap_or_default(); 16];
        self.lease_context(Lease {
            lease_key: [key; 16],
            lease_state: state(asked),
            lease_flags,
            lease_duration: 0,
            v2: Some(LeaseV2 { parent_lease_key, epoch }),
        })
    }

    /// Any lease.
    pub fn lease_context(self, lease: Lease) -> Self {
        let mut data = Vec::new();
        RequestContext::RqLs(lease).encode(&mut data).expect("a lease is never too long");
        self.oplock(OplockLevel::LEASE).context(name::RQLS, &data)
    }
}

/// The lease that a CREATE was answered with.
pub fn granted(response: &CreateResponse) -> Option<Lease> {
    let found = response.contexts.iter().find(|context| context.name == name::RQLS)?;
    match ResponseContext::parse(&found.name, &found.data) {
        Ok(ResponseContext::RqLs(lease)) => Some(lease),
        other => panic!("{other:?} is no lease"),
    }
}

/// What was granted, in letters; `-` where no lease was.
pub fn granted_state(response: &CreateResponse) -> String {
    granted(response).map_or_else(|| "-".into(), |lease| letters(lease.lease_state))
}

impl Response {
    /// A notification that nobody asked for.
    pub fn is_notification(&self) -> bool {
        self.header.message_id == u64::MAX
    }

    /// What answers this notification, if it has to be answered.
    pub fn acknowledgment(&self) -> Option<OplockBreakRequest> {
        match self.body {
            ResponseBody::OplockBreak(OplockBreakResponse::Oplock(broken)) => {
                Some(OplockBreakRequest::Oplock(broken))
            }
            ResponseBody::OplockBreak(OplockBreakResponse::LeaseNotification(broken)) => {
                Some(OplockBreakRequest::Lease(LeaseBreakAck {
                    flags: 0,
                    lease_key: broken.lease_key,
                    lease_state: broken.new_lease_state,
                    lease_duration: 0,
                }))
            }
            _ => None,
        }
    }
}

impl Client {
    /// The next message says that this file's oplock is broken; to which level.
    #[track_caller]
    pub fn oplock_broken(&mut self, file: FileId) -> OplockLevel {
        let message = self.receive();
        assert!(message.is_notification(), "an answer: {:?}", message.header.command);
        match message.body {
            ResponseBody::OplockBreak(OplockBreakResponse::Oplock(broken)) => {
                assert_eq!(broken.file_id, file, "another file's oplock");
                broken.oplock_level
            }
            other => panic!("no break of an oplock: {other:?}"),
        }
    }

    /// The next message says that the lease of this key is broken.
    #[track_caller]
    pub fn lease_broken(&mut self, key: u8) -> LeaseBreakNotification {
        let message = self.receive();
        assert!(message.is_notification(), "an answer: {:?}", message.header.command);
        assert_eq!(message.header.session_id, 0, "3.3.4.7: no session");
        match message.body {
            ResponseBody::OplockBreak(OplockBreakResponse::LeaseNotification(broken)) => {
                assert_eq!(broken.lease_key, [key; 16], "another lease");
                broken
            }
            other => panic!("no break of a lease: {other:?}"),
        }
    }

    /// The next message breaks the lease of this key from one state to another.
    #[track_caller]
    pub fn breaks(&mut self, key: u8, from: &str, to: &str) -> LeaseBreakNotification {
        let broken = self.lease_broken(key);
        let states = (broken.current_lease_state, broken.new_lease_state);
        assert_eq!(states, (state(from).bits(), state(to).bits()), "lease {key}");
        broken
    }

    /// Acknowledges the break of an oplock.
    pub fn ack_oplock(&mut self, file_id: FileId, oplock_level: OplockLevel) -> Sent<'_> {
        let broken = OplockBreakRequest::Oplock(OplockBreak { oplock_level, file_id });
        self.request(&RequestBody::OplockBreak(broken))
    }

    /// Acknowledges the break of a lease.
    pub fn ack_lease(&mut self, key: u8, to: &str) -> Sent<'_> {
        let broken = OplockBreakRequest::Lease(LeaseBreakAck {
            flags: 0,
            lease_key: [key; 16],
            lease_state: state(to).bits(),
            lease_duration: 0,
        });
        self.request(&RequestBody::OplockBreak(broken))
    }
}
