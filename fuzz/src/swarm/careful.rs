//! Clients that really cache: under their lease or oplock they read from memory and keep what they
//! write to themselves; before they acknowledge a break they write it back. The models are told what
//! they use their caches for, and find what is stale.

use super::Choices;
use crate::{
    client::{Client, Offer, Response, body},
    daemon::password,
    model::{Local, Use, contexts_of},
    world::{Seen, World},
};
use ksmbd_core::{
    status::NtStatus,
    wire::{
        create::{CreateDisposition, OplockLevel, RawContext},
        create_context::{
            Lease, LeaseFlags, LeaseState, LeaseV2, RequestContext, ResponseContext, name,
        },
        fscc::AccessMask,
        header::FileId,
        message::{RequestBody, ResponseBody},
        negotiate::{Capabilities, Dialect},
        oplock_break::{OplockBreakRequest, OplockBreakResponse},
    },
};
use std::{cell::Cell, collections::BTreeMap, rc::Rc};

/// Bytes of a file that such a client uses.
const SIZE: usize = 64;

/// What a request is for.
#[derive(Clone, Copy, Debug)]
enum What {
    Open,
    Read { offset: usize, generation: u64 },
    Write { length: usize },
    Close,
    Acknowledgment,
}

/// What is open.
struct Held {
    file: FileId,
    inode: u64,
    state: LeaseState,
    /// What is known of the file, and whether only this client knows it.
    cache: [Option<u8>; SIZE],
    dirty: [bool; SIZE],
    /// A break that is to be acknowledged once everything is written back.
    asked: Option<OplockBreakRequest>,
}

/// One such client.
pub(super) struct Careful {
    pub(super) client: Client,
    number: u8,
    held: Option<Held>,
    waits: BTreeMap<u64, What>,
    /// Grows with each break: what was asked for before is not cached.
    generation: u64,
    /// When it has last looked at what it was sent.
    looked: u64,
    /// When it had looked before it was asked for something. What else is taken meanwhile it hears behind its
    /// answer.
    unaware: Option<u64>,
    tag: Rc<Cell<u8>>,
    /// It opens nothing any more.
    leaves: bool,
}

impl Careful {
    /// A client with a session and a tree, if it gets one.
    pub(super) fn join(
        world: &World,
        number: u8,
        tag: Rc<Cell<u8>>,
        choices: &mut dyn Choices,
    ) -> Option<Self> {
        let dialect = [Dialect::SMB_3_1_1, Dialect::SMB_2_1, Dialect::SMB_3_0][choices.below(3)];
        let mut client = world.try_connect([10, 0, 0, 2]).ok()?;
        client.lenient = true;
        client.offer = Offer::only(dialect);
        client.offer.guid = [100 + number; 16];
        client.offer.capabilities |= Capabilities::LEASING;
        client.negotiate().ok();
        let user = ["alice", "alice", "bob"][choices.below(3)];
        if client.logon(user, &password(user)).status != NtStatus::SUCCESS {
            client.forget();
            client.hang_up();
            return None;
        }
        world.see(Seen::User(client.session_id, user.into()));
        client.connect_tree("share");
        let (held, waits) = (None, BTreeMap::new());
        let looked = world.moment();
        let (generation, unaware, leaves) = (0, None, false);
        Some(Self { client, number, held, waits, generation, looked, unaware, tag, leaves })
    }

    /// It is asked for something, and has not answered.
    pub(super) fn is_asked(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.asked.is_some())
            || self.waits.values().any(|what| matches!(what, What::Acknowledgment))
    }

    /// Nothing is under way, and nothing is kept.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_none() && self.waits.is_empty()
    }

    /// Does one thing, after a look at what it was sent.
    pub(super) fn step(&mut self, choices: &mut dyn Choices) {
        if !choices.chance(4) {
            self.look();
        }
        if self.client.credits < 8 || self.client.is_dropped() {
            return;
        }
        let offset = choices.below(SIZE - 8);
        let length = 1 + choices.below(8);
        match (self.held.is_some(), choices.below(12)) {
            (false, _) => self.open(choices),
            (true, 0) => self.close(),
            (true, 1) => self.write_back(),
            (true, 2..6) => self.write(offset, length),
            (true, _) => self.read(offset, length),
        }
    }

    /// Goes: what is dirty is written back, what is open is closed.
    pub(super) fn leave(&mut self) {
        self.leaves = true;
        self.look();
        self.close();
    }

    /// The connection is cut, and with it goes what was not written back.
    pub(super) fn is_cut(&mut self) {
        self.client.take_off_the_wire();
        self.lose();
    }

    fn send(&mut self, request: &RequestBody, data: &[u8], what: What) {
        let message = self.client.message_with(request, data);
        self.waits.insert(message.header.message_id, what);
        self.client.send_chain(&[message]);
    }

    fn open(&mut self, choices: &mut dyn Choices) {
        if self.leaves || self.waits.values().any(|what| matches!(what, What::Open)) {
            return;
        }
        let mut request = body::create(["a", "b", "e"][choices.below(3)]);
        request.create_disposition = CreateDisposition::OPEN_IF;
        request.desired_access = (AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE).bits();
        request.contexts.push(RawContext { name: name::QFID.to_vec(), data: Vec::new() });
        let levels = [OplockLevel::II, OplockLevel::EXCLUSIVE, OplockLevel::BATCH];
        request.requested_oplock_level = levels[choices.below(3)];
        if choices.chance(2) && self.client.dialect >= Dialect::SMB_2_1 {
            let states = [1, 3, 5, 7];
            let v2 = LeaseV2 { parent_lease_key: [0; 16], epoch: 0 };
            let v2 = Some(v2).filter(|_| self.client.dialect >= Dialect::SMB_3_0);
            let lease = Lease {
                lease_key: [50 + self.number; 16],
                lease_state: LeaseState::from_bits_retain(states[choices.below(4)]),
                lease_flags: LeaseFlags::empty(),
                lease_duration: 0,
                v2,
            };
            let mut data = Vec::new();
            RequestContext::RqLs(lease).encode(&mut data).unwrap_or_else(|why| panic!("{why:?}"));
            request.requested_oplock_level = OplockLevel::LEASE;
            request.contexts.push(RawContext { name: name::RQLS.to_vec(), data });
        }
        self.send(&RequestBody::Create(request), &[], What::Open);
    }

    fn close(&mut self) {
        self.write_back();
        let busy = self.waits.values().any(|what| matches!(what, What::Write { .. } | What::Close));
        let Some(held) = self.held.as_ref().filter(|_| !busy) else {
            return;
        };
        if held.dirty.contains(&true) {
            return;
        }
        let file = held.file;
        // From now on nothing is known any more.
        self.generation += 1;
        self.held = None;
        self.send(&body::close(file), &[], What::Close);
    }

    fn read(&mut self, offset: usize, length: usize) {
        let Some(held) = &self.held else {
            return;
        };
        let known: Option<Vec<u8>> = held.cache[offset..offset + length].iter().copied().collect();
        let dirty = held.dirty[offset..offset + length].contains(&true);
        let writing = self.waits.values().any(|what| matches!(what, What::Write { .. }));
        match known {
            Some(data) if held.state.contains(LeaseState::READ_CACHING) => {
                self.tell(held.inode, offset, Use::Read(data));
            }
            // The server does not know it yet.
            _ if dirty => self.write_back(),
            _ if writing => {}
            _ => {
                let what = What::Read { offset, generation: self.generation };
                self.send(&body::read(held.file, offset as u64, length as u32), &[], what);
            }
        }
    }

    fn write(&mut self, offset: usize, length: usize) {
        self.tag.set(self.tag.get() % 255 + 1);
        let data = vec![self.tag.get(); length];
        let Some(held) = &mut self.held else {
            return;
        };
        let range = offset..offset + length;
        // A read that is under way is older than this.
        self.generation += 1;
        if held.state.contains(LeaseState::WRITE_CACHING) && held.asked.is_none() {
            held.cache[range.clone()].fill(Some(self.tag.get()));
            held.dirty[range].fill(true);
            let inode = held.inode;
            return self.tell(inode, offset, Use::Write(data));
        }
        if !held.dirty[range.clone()].contains(&true) {
            held.cache[range].fill(None);
            let file = held.file;
            self.send(
                &body::write(file, offset as u64, data.len()),
                &data,
                What::Write { length: data.len() },
            );
        }
    }

    /// Everything that only this client knows.
    fn write_back(&mut self) {
        let writing = self.waits.values().any(|what| matches!(what, What::Write { .. }));
        let Some(held) = self.held.as_mut().filter(|_| !writing) else {
            return;
        };
        let Some(start) = held.dirty.iter().position(|dirty| *dirty) else {
            return;
        };
        let end = held.dirty[start..].iter().position(|dirty| !dirty);
        let end = end.map_or(SIZE, |length| start + length);
        let data: Vec<u8> = held.cache[start..end].iter().map(|byte| byte.unwrap_or(0)).collect();
        held.dirty[start..end].fill(false);
        let file = held.file;
        self.send(
            &body::write(file, start as u64, data.len()),
            &data,
            What::Write { length: data.len() },
        );
    }

    fn tell(&self, inode: u64, offset: usize, how: Use) {
        let world = self.client.world();
        let (from, until) = (self.unaware.unwrap_or(self.looked), world.moment());
        let local = Local { inode, from, until, offset: offset as u64, how };
        world.see(Seen::Cached(Box::new(local)));
    }

    /// What was not written back is lost.
    fn lose(&mut self) {
        self.generation += 1;
        let wrote = self.waits.values().any(|what| matches!(what, What::Write { .. }));
        if let Some(held) = self.held.take()
            && (wrote || held.dirty.contains(&true))
        {
            self.tell(held.inode, 0, Use::Lost);
        }
        self.waits.clear();
    }

    /// Reads what it was sent, and does what that asks for.
    pub(super) fn look(&mut self) {
        while let Some(response) = self.client.try_receive() {
            if response.is_notification() {
                self.broken(&response);
            } else if response.status != NtStatus::PENDING {
                self.answered(&response);
            }
        }
        self.looked = self.client.world().moment();
        if !self.is_asked() {
            self.unaware = None;
        }
        if self.client.is_dropped() {
            return self.lose();
        }
        self.acknowledge();
    }

    fn answered(&mut self, response: &Response) {
        let ok = response.status == NtStatus::SUCCESS;
        match (self.waits.remove(&response.header.message_id), &response.body) {
            (Some(What::Open), ResponseBody::Create(create)) => {
                let mut inode = None;
                let mut state = state_of(create.oplock_level);
                for context in contexts_of(create) {
                    match context {
                        ResponseContext::QFid { disk_file_id, .. } => inode = Some(disk_file_id),
                        ResponseContext::RqLs(lease) => {
                            let breaks = LeaseFlags::BREAK_IN_PROGRESS;
                            let sure = !lease.lease_flags.contains(breaks);
                            state = if sure { lease.lease_state } else { LeaseState::empty() };
                        }
                        _ => {}
                    }
                }
                self.generation += 1;
                let file = create.file_id;
                let (cache, dirty) = ([None; SIZE], [false; SIZE]);
                let inode = inode.unwrap_or_default();
                self.held = Some(Held { file, inode, state, cache, dirty, asked: None });
            }
            (Some(What::Read { offset, generation }), ResponseBody::Read(read)) if ok => {
                let data = response.element.get(read.data.clone()).unwrap_or_default();
                if let Some(held) = self.held.as_mut().filter(|_| generation == self.generation) {
                    let places = held.cache[offset..].iter_mut().zip(data);
                    places.for_each(|(place, byte)| *place = Some(*byte));
                }
            }
            // A short one has lost the rest, as a failed one has lost all.
            (Some(What::Write { length }), ResponseBody::Write(write))
                if write.count as usize == length => {}
            (Some(What::Write { .. }), _) => self.lost(),
            _ => {}
        }
    }

    /// A write has failed.
    fn lost(&self) {
        if let Some(inode) = self.held.as_ref().map(|held| held.inode) {
            self.tell(inode, 0, Use::Lost);
        }
    }

    fn broken(&mut self, response: &Response) {
        let Some(held) = &mut self.held else {
            return;
        };
        let (to, asks) = match &response.body {
            ResponseBody::OplockBreak(OplockBreakResponse::Oplock(broken)) => {
                (state_of(broken.oplock_level), held.state != LeaseState::READ_CACHING)
            }
            ResponseBody::OplockBreak(OplockBreakResponse::LeaseNotification(broken)) => {
                (LeaseState::from_bits_retain(broken.new_lease_state), broken.flags.bits() & 1 != 0)
            }
            _ => return,
        };
        self.generation += 1;
        held.state &= to;
        if !held.state.contains(LeaseState::READ_CACHING) {
            let places = held.cache.iter_mut().zip(held.dirty);
            places.filter(|(_, dirty)| !dirty).for_each(|(place, _)| *place = None);
        }
        if asks {
            held.asked = response.acknowledgment();
            self.unaware.get_or_insert(self.looked);
        }
    }

    /// Everything is written back before a break is acknowledged.
    fn acknowledge(&mut self) {
        let asked =
            |held: &Held| held.asked.is_some() && !held.state.contains(LeaseState::WRITE_CACHING);
        if !self.held.as_ref().is_some_and(asked) {
            // What is left may still be kept.
            if self.is_asked() && self.held.is_some() {
                self.say();
            }
            return;
        }
        self.write_back();
        let writing = self.waits.values().any(|what| matches!(what, What::Write { .. }));
        let dirty = self.held.as_ref().is_some_and(|held| held.dirty.contains(&true));
        if !writing && !dirty {
            self.say();
        }
    }

    fn say(&mut self) {
        let asked = self.held.as_mut().and_then(|held| held.asked.take());
        if let Some(asked) = asked {
            self.send(&RequestBody::OplockBreak(asked), &[], What::Acknowledgment);
        }
    }
}

fn state_of(level: OplockLevel) -> LeaseState {
    let read = LeaseState::READ_CACHING;
    match level {
        OplockLevel::II => read,
        OplockLevel::EXCLUSIVE => read | LeaseState::WRITE_CACHING,
        OplockLevel::BATCH => read | LeaseState::WRITE_CACHING | LeaseState::HANDLE_CACHING,
        _ => LeaseState::empty(),
    }
}
