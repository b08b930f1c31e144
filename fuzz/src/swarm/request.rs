//! What clients send.

use super::{
    Actor, Choices, Swarm,
    durable::{ask_for_ever, ask_to_last, resiliency},
};
use crate::{
    client::{Message, body},
    daemon::password,
    world::Seen,
};
use ksmbd_core::{
    auth::ntlm::client::Credentials,
    status::NtStatus,
    wire::{
        change_notify::CompletionFilter,
        create::{
            CreateDisposition, CreateOptions, CreateRequest, OplockLevel, RawContext, ShareAccess,
        },
        create_context::{Lease, LeaseFlags, LeaseState, LeaseV2, RequestContext, name},
        fscc::{
            AccessMask, FileInfoClass, FsInfoClass,
            set_file::{SetFileInformation, Target},
        },
        header::{Command, FileId, HeaderFlags},
        lock::{LockFlags, LockRequest},
        message::RequestBody,
        negotiate::Dialect,
        oplock_break::OplockBreakRequest,
        query_directory::QueryDirectoryFlags,
        query_info::InfoType,
    },
};

const NAMES: [&str; 10] = ["", "a", "b", "A", "d", "d\\x", "d\\y", "e", "echo", "g\\x"];

impl Actor {
    fn file(&self, choices: &mut dyn Choices) -> FileId {
        match self.files.len() {
            0 => FileId::ANY,
            _ if choices.chance(12) => FileId::ANY,
            // Young ones are more likely to be open.
            count => self.files[count - 1 - choices.below(count.min(4))],
        }
    }

    fn create(&self, choices: &mut dyn Choices) -> CreateRequest {
        let mut request = create(choices);
        match self.keen && !choices.chance(3) {
            true => ask_for_ever(&mut request, choices),
            false => ask_to_last(&mut request, (&self.lost, &self.made), choices),
        }
        request
    }

    /// Any request, with data for a WRITE.
    fn request(&self, choices: &mut dyn Choices) -> (RequestBody, Vec<u8>) {
        let file = self.file(choices);
        let offset = (choices.below(40) * 13) as u64;
        let length = choices.below(70) as u32;
        let body = match choices.below(22) {
            0..4 => RequestBody::Create(self.create(choices)),
            4..6 => body::read(file, offset, length),
            6..8 => {
                self.tag.set(self.tag.get() % 255 + 1);
                let data = vec![self.tag.get(); choices.below(300)];
                return (body::write(file, offset, data.len()), data);
            }
            8..10 => self.lock(file, choices),
            10..12 => body::close(file),
            12 => body::flush(file),
            13 => list(file, choices),
            14 => body::query_file(file, FileInfoClass(choices.below(60) as u8), length * 8),
            15 => body::query_volume(file, FsInfoClass(choices.below(12) as u8), length * 8),
            16 => body::query(file, InfoType::SECURITY, 0, 7, length * 8),
            17 | 18 => set(file, choices),
            19 | 20 => notify(file, choices),
            _ => match choices.below(12) {
                0 => RequestBody::TreeDisconnect,
                1..4 => body::tree_connect(
                    ["share", "readonly", "IPC$", "crypt", "private", "inside"][choices.below(6)],
                ),
                4 => RequestBody::Logoff,
                5 => resiliency(file, choices),
                _ => RequestBody::Echo,
            },
        };
        (body, Vec::new())
    }

    /// LOCK of something, or UNLOCK of what was asked for before.
    fn lock(&self, file: FileId, choices: &mut dyn Choices) -> RequestBody {
        let mut asked = self.locks.borrow_mut();
        if choices.chance(3)
            && let Some((file, offset, length)) = asked.pop()
        {
            return body::lock(file, offset, length, LockFlags::UNLOCK);
        }
        let request = lock(file, choices);
        if let RequestBody::Lock(LockRequest { locks, .. }) = &request {
            asked.extend(locks.iter().map(|lock| (file, lock.offset, lock.length)));
        }
        request
    }

    fn message(&mut self, choices: &mut dyn Choices) -> Message {
        if let Some(tree) = self.trees.len().checked_sub(1) {
            self.client.tree_id = self.trees[choices.below(tree + 1)];
        }
        let (body, data) = self.request(choices);
        let mut message = self.client.message_with(&body, &data);
        if message.header.command == Command::CREATE {
            message.header.flags.set(HeaderFlags::REPLAY_OPERATION, choices.chance(6));
        }
        if choices.chance(10) {
            // ChannelSequence: now ahead of the others, now behind.
            message.header.status = choices.below(4) as u32;
            message.header.flags.set(HeaderFlags::REPLAY_OPERATION, choices.chance(3));
        }
        message
    }

    /// It can still pay for `count` requests.
    fn can_send(&self, count: u64) -> bool {
        self.client.credits > count && (!self.client.encrypt || self.client.keys().is_some())
    }
}

fn create(choices: &mut dyn Choices) -> CreateRequest {
    let mut request = body::create(NAMES[choices.below(NAMES.len())]);
    request.create_disposition = CreateDisposition(choices.below(6) as u32);
    let access = [
        AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE | AccessMask::DELETE,
        AccessMask::MAXIMUM_ALLOWED,
        AccessMask::GENERIC_READ,
        AccessMask::FILE_READ_ATTRIBUTES,
    ];
    request.desired_access = access[choices.below(access.len())].bits();
    if choices.chance(4) {
        request.share_access = ShareAccess::from_bits_retain(choices.below(8) as u32);
    }
    // Models know files by their number on the disk.
    request.contexts.push(RawContext { name: name::QFID.to_vec(), data: Vec::new() });
    ask_to_cache(&mut request, choices);
    request.create_options.set(CreateOptions::DELETE_ON_CLOSE, choices.chance(5));
    request.create_options.set(CreateOptions::DIRECTORY_FILE, choices.chance(5));
    request
}

/// An oplock, or a lease under one of a few keys, sometimes of its directory's.
fn ask_to_cache(request: &mut CreateRequest, choices: &mut dyn Choices) {
    let levels = [OplockLevel::NONE, OplockLevel::II, OplockLevel::EXCLUSIVE, OplockLevel::BATCH];
    request.requested_oplock_level = levels[choices.below(levels.len())];
    if !choices.chance(2) {
        return;
    }
    let mut lease_flags = LeaseFlags::empty();
    lease_flags.set(LeaseFlags::PARENT_LEASE_KEY_SET, choices.chance(3));
    let lease = Lease {
        lease_key: [choices.below(4) as u8; 16],
        lease_state: LeaseState::from_bits_retain(choices.below(8) as u32),
        lease_flags,
        lease_duration: 0,
        v2: choices.chance(2).then(|| LeaseV2 {
            parent_lease_key: [choices.below(4) as u8; 16],
            epoch: choices.below(1 << 16) as u16,
        }),
    };
    let mut data = Vec::new();
    if RequestContext::RqLs(lease).encode(&mut data).is_ok() {
        request.requested_oplock_level = OplockLevel::LEASE;
        request.contexts.push(RawContext { name: name::RQLS.to_vec(), data });
    }
}

fn lock(file: FileId, choices: &mut dyn Choices) -> RequestBody {
    let flags = [
        LockFlags::EXCLUSIVE_LOCK,
        LockFlags::SHARED_LOCK,
        LockFlags::UNLOCK,
        LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
    ];
    let count = 1 + choices.below(2) * choices.below(2);
    let ranges: Vec<_> = (0..count)
        .map(|_| {
            let (mut offset, length) = (choices.below(4) as u64, choices.below(4) as u64);
            if choices.chance(8) {
                // The end of what can be locked.
                offset = u64::MAX - offset;
            }
            (offset, length, flags[choices.below(flags.len())])
        })
        .collect();
    let mut request = body::locks(file, &ranges);
    if let RequestBody::Lock(lock) = &mut request
        && choices.chance(6)
    {
        // LockSequenceNumber, LockSequenceIndex.
        lock.lock_sequence = choices.below(3) as u32 | (choices.below(3) as u32) << 4;
    }
    request
}

fn list(file: FileId, choices: &mut dyn Choices) -> RequestBody {
    let flags = QueryDirectoryFlags::from_bits_retain([0, 1, 2, 3][choices.below(4)]);
    let pattern = ["*", "d", "?", "*.x"][choices.below(4)];
    let class = FileInfoClass::ID_BOTH_DIRECTORY;
    body::list(file, pattern, class, flags, [64, 150, 4096][choices.below(3)])
}

fn notify(file: FileId, choices: &mut dyn Choices) -> RequestBody {
    let filters = [CompletionFilter::all(), CompletionFilter::FILE_NAME, CompletionFilter::SIZE];
    let max = [0, 1, 40, 4096][choices.below(4)];
    body::notify(file, filters[choices.below(3)], choices.chance(2), max)
}

fn set(file: FileId, choices: &mut dyn Choices) -> RequestBody {
    let size = (choices.below(40) * 100) as u64;
    let set = match choices.below(5) {
        0 => SetFileInformation::EndOfFile { end_of_file: size },
        1 => SetFileInformation::Allocation { allocation_size: size },
        2 => SetFileInformation::Disposition { delete_pending: choices.chance(2) },
        which => {
            let file_name = NAMES[choices.below(NAMES.len())].encode_utf16().collect();
            let replace_if_exists = choices.chance(2);
            let target = Target { replace_if_exists, root_directory: 0, file_name };
            let link = which == 3;
            if link { SetFileInformation::Link(target) } else { SetFileInformation::Rename(target) }
        }
    };
    body::set_file(file, &set)
}

/// What one client does.
impl Swarm {
    pub(super) fn request(&mut self, index: usize, choices: &mut dyn Choices) {
        let actor = &mut self.actors[index];
        if actor.can_send(1) {
            let message = actor.message(choices);
            actor.client.send_chain(&[message]);
            self.sent += 1;
        }
    }

    pub(super) fn chain(&mut self, index: usize, choices: &mut dyn Choices) {
        let count = 1 + choices.below(4);
        let actor = &mut self.actors[index];
        if !actor.can_send(count as u64) {
            return;
        }
        let related = choices.chance(2);
        let mut chain = Vec::new();
        for place in 0..count {
            let message = actor.message(choices);
            chain.push(if related && place > 0 { message.related() } else { message });
        }
        actor.client.send_chain(&chain);
        self.sent += count;
    }

    /// A break is acknowledged, most of the time as it should be.
    pub(super) fn acknowledge(&mut self, index: usize, choices: &mut dyn Choices) {
        let actor = &mut self.actors[index];
        if actor.broken.is_empty() || !actor.can_send(1) {
            return;
        }
        let mut broken = actor.broken.remove(choices.below(actor.broken.len()));
        if choices.chance(6) {
            actor.broken.push(broken);
            match &mut broken {
                OplockBreakRequest::Oplock(ack) => ack.oplock_level.0 = choices.below(10) as u8,
                OplockBreakRequest::Lease(ack) => ack.lease_state = choices.below(8) as u32,
            }
        }
        let message = actor.client.message(&RequestBody::OplockBreak(broken));
        actor.client.send_chain(&[message]);
        self.sent += 1;
    }

    /// A request with a few bytes changed, signed or encrypted as it then is.
    pub(super) fn mutate(&mut self, index: usize, choices: &mut dyn Choices) {
        let actor = &mut self.actors[index];
        if !actor.can_send(1) {
            return;
        }
        let mut message = actor.message(choices);
        for _ in 0..=choices.below(3) {
            let value = [0, 1, 0x7f, 0xff, choices.below(256) as u8][choices.below(5)];
            let at = choices.below(message.body.len());
            if let Some(byte) = message.body.get_mut(at) {
                *byte = value;
            }
        }
        match choices.below(8) {
            0 => message.header.tree_id = choices.below(4) as u32,
            1 => {
                let charge = choices.below(4) as u16;
                message.header.credit_charge = charge;
                if actor.client.dialect != Dialect::SMB_2_0_2 {
                    let used = u64::from(charge.max(1));
                    actor.client.next_mid = message.header.message_id + used;
                }
            }
            2 => message.header.credits = choices.below(1 << 16) as u16,
            3 => message.body.truncate(choices.below(message.body.len())),
            4 => message.header.command.0 = [2, 3, 5, 7, 15, 18, 19][choices.below(7)],
            5 => message.sign = false,
            _ => {}
        }
        actor.client.send_chain(&[message]);
        self.sent += 1;
    }

    pub(super) fn cancel(&mut self, index: usize, choices: &mut dyn Choices) {
        let actor = &mut self.actors[index];
        let waiting = actor.client.unanswered();
        if waiting.is_empty() || !actor.can_send(0) {
            return;
        }
        let mid = waiting[choices.below(waiting.len())];
        match actor.client.async_id(mid) {
            Some(async_id) if choices.chance(2) => {
                actor.client.cancel(crate::client::Waiting { mid, async_id });
            }
            _ => actor.client.cancel_message(mid),
        }
    }

    /// Another session, the same one again, or one in the place of another's.
    pub(super) fn set_up(&mut self, index: usize, choices: &mut dyn Choices) {
        if self.holds() {
            return;
        }
        let Some(conn) = self.actors.get(index).map(|actor| actor.client.conn()) else {
            return;
        };
        self.world.slow(conn, false);
        self.world.let_through(conn, usize::MAX);
        self.read(index);
        let previous = {
            let other = choices.below(self.actors.len());
            self.actors.get(other).map_or(0, |actor| actor.client.session_id)
        };
        let Some(actor) = self.actors.get_mut(index) else {
            return;
        };
        // It may have left.
        if actor.client.conn() != conn || actor.client.is_dropped() {
            return;
        }
        let user = super::user(choices);
        let secret = if choices.chance(4) { "guess".into() } else { password(user) };
        if !actor.can_send(2) || !actor.client.unanswered().is_empty() {
            return;
        }
        let mut logon = actor.client.begin(Credentials::new(user, "", &secret));
        match choices.below(3) {
            0 => logon.previous = previous,
            1 if !actor.client.encrypt => logon.session_id = actor.client.session_id,
            _ => {}
        }
        let encrypt = std::mem::take(&mut actor.client.encrypt);
        self.sent += 2;
        let Some(last) = logon.run_patiently(&mut actor.client) else {
            self.answered += 1;
            return;
        };
        self.answered += 2;
        let success = last.status == NtStatus::SUCCESS;
        actor.client.encrypt |= encrypt && success;
        if success {
            self.world.see(Seen::User(actor.client.session_id, user.into()));
        }
    }
}
