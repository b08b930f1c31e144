//! Is whoever caches told before what he caches changes? Never two hold a file of which one caches
//! what he writes; whoever caches what he has read is told of a change before it is answered
//! (MS-FSA 2.1.4.12, MS-SMB2 3.3.4.6, 3.3.4.7).

use super::{Answered, Change, Checker, Ledger, Open};
use crate::{client::Response, world::Asked};
use ksmbd_core::{
    id::ConnId,
    wire::{
        create::{CreateAction, OplockLevel},
        create_context::{LeaseFlags, LeaseState},
        fscc::FileInfoClass,
        message::{RequestBody, ResponseBody},
        oplock_break::{LeaseBreakFlags, OplockBreakRequest, OplockBreakResponse},
        query_info::InfoType,
    },
};
use std::collections::BTreeMap;

/// Who caches: a client by its lease's key, or one open by its oplock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Lease([u8; 16], [u8; 16]),
    Oplock(u64),
}

/// What he caches for certain.
#[derive(Clone, Copy, Debug)]
struct Held {
    state: LeaseState,
    since: u64,
    /// What is left of it once a break is acknowledged. Until then it may be over without a word.
    left: LeaseState,
}

/// What everybody caches.
#[derive(Default)]
pub(super) struct Caching {
    held: BTreeMap<Holder, Held>,
    /// Whose lease is being broken, and where he was asked to acknowledge that.
    asked: BTreeMap<Holder, ConnId>,
}

impl Checker for Caching {
    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        match answered.change {
            Change::Opened(id) | Change::Taken { id, .. } => {
                if let Some(open) = ledger.opens.get(&id) {
                    self.granted(ledger, open, answered.at);
                    self.alone(ledger, open);
                }
            }
            Change::Again(_) | Change::Late(_) | Change::Nothing => {}
        }
        match &answered.answer.body {
            ResponseBody::OplockBreak(broken) => {
                self.lower(ledger, answered.asked.conn, broken, false);
            }
            _ if matches!(answered.asked.body, Some(RequestBody::OplockBreak(_))) => {
                self.wrongly_acknowledged(ledger, answered.asked);
            }
            _ if answered.is_ok() => self.used(ledger, answered),
            _ => {}
        }
    }

    fn notified(&mut self, ledger: &Ledger, conn: ConnId, answer: &Response, _: u64) {
        if let ResponseBody::OplockBreak(broken) = &answer.body {
            self.lower(ledger, conn, broken, true);
        }
    }

    /// A lease's client is not told on a channel of another one (ClientGuid), though the session lives.
    fn gone(&mut self, ledger: &Ledger, conn: ConnId, _: u64) {
        self.asked.retain(|_, on| *on != conn);
        let client = ledger.client(conn);
        let stays = |open: &Open| {
            let mut channels =
                ledger.sessions.get(&open.session).into_iter().flat_map(|s| &s.channels);
            channels.any(|other| *other != conn && ledger.client(*other) == client)
        };
        for (&at, held) in &mut self.held {
            let theirs = matches!(at, Holder::Lease(of, _) if of == client);
            if theirs && !ledger.opens.values().any(|open| holder(open) == at && stays(open)) {
                (held.state, held.left) = (LeaseState::empty(), LeaseState::empty());
            }
        }
    }
}

impl Caching {
    fn granted(&mut self, ledger: &Ledger, open: &Open, at: u64) {
        let holder = holder(open);
        let Some(lease) = &open.lease else {
            // A replay may be told less than is held.
            let state = match open.replayed {
                true => LeaseState::empty(),
                false => state_of(open.oplock),
            };
            self.held.insert(holder, Held { state, since: at, left: state });
            return;
        };
        let before = self.held.get(&holder).copied();
        let old = before.map_or(LeaseState::empty(), |held| held.state);
        let breaking = lease.lease_flags.contains(LeaseFlags::BREAK_IN_PROGRESS);
        let told = !breaking || self.asked.contains_key(&holder);
        assert!(told, "{holder:?} was never told of the break that is in progress: {open:?}");
        let certain = !breaking && !open.replayed;
        let state = if certain { lease.lease_state } else { old & lease.lease_state };
        // The key may have been another file's.
        let mut certain = open.inode.into_iter().flat_map(|inode| ledger.certain(inode));
        let goes_on = certain.any(|other| other.file != open.file && self::holder(other) == holder);
        let same = before.filter(|_| goes_on && old.contains(state));
        let since = same.map_or(at, |held| held.since);
        self.held.insert(holder, Held { state, since, left: state });
    }

    /// A break: he caches no more than this.
    fn lower(&mut self, ledger: &Ledger, conn: ConnId, broken: &OplockBreakResponse, told: bool) {
        let (holder, state) = match broken {
            OplockBreakResponse::Oplock(broken) => {
                (Holder::Oplock(broken.file_id.persistent), state_of(broken.oplock_level))
            }
            OplockBreakResponse::LeaseNotification(broken) => (
                Holder::Lease(ledger.client(conn), broken.lease_key),
                LeaseState::from_bits_retain(broken.new_lease_state),
            ),
            OplockBreakResponse::Lease(acknowledged) => (
                Holder::Lease(ledger.client(conn), acknowledged.lease_key),
                LeaseState::from_bits_retain(acknowledged.lease_state),
            ),
        };
        let before = self.held.get(&holder).map(|held| held.state);
        let asked = match broken {
            _ if !told => false,
            OplockBreakResponse::LeaseNotification(broken) => {
                broken.flags.contains(LeaseBreakFlags::ACK_REQUIRED)
            }
            _ => before != Some(LeaseState::READ_CACHING),
        };
        match asked {
            true => _ = self.asked.insert(holder, conn),
            false => _ = self.asked.remove(&holder),
        }
        let Some(held) = self.held.get_mut(&holder) else {
            return;
        };
        held.left &= state;
        held.state = if asked { LeaseState::empty() } else { held.left };
    }

    /// What somebody caches who answers nonsense is not said.
    fn wrongly_acknowledged(&mut self, ledger: &Ledger, asked: &Asked) {
        let holder = match &asked.body {
            Some(RequestBody::OplockBreak(OplockBreakRequest::Oplock(broken))) => {
                Holder::Oplock(broken.file_id.persistent)
            }
            Some(RequestBody::OplockBreak(OplockBreakRequest::Lease(broken))) => {
                Holder::Lease(ledger.client(asked.conn), broken.lease_key)
            }
            _ => return,
        };
        if let Some(held) = self.held.get_mut(&holder) {
            (held.state, held.left) = (LeaseState::empty(), LeaseState::empty());
        }
    }

    /// Who certainly caches a file, but for one.
    fn others(&self, ledger: &Ledger, inode: u64, but: Holder) -> Vec<(Holder, Held)> {
        let holders = ledger.certain(inode).map(holder).filter(|other| *other != but);
        holders.filter_map(|other| Some((other, *self.held.get(&other)?))).collect()
    }

    /// Nobody is beside who caches writes.
    fn alone(&self, ledger: &Ledger, open: &Open) {
        let (Some(inode), true) = (open.inode, open.is_certain()) else {
            return;
        };
        let me = holder(open);
        let mine = self.held.get(&me).map_or(LeaseState::empty(), |held| held.state);
        let writes = |state: LeaseState| state.contains(LeaseState::WRITE_CACHING);
        for (other, held) in self.others(ledger, inode, me) {
            let clash =
                writes(mine) && !held.state.is_empty() || writes(held.state) && !mine.is_empty();
            assert!(!clash, "{me:?} caches {mine:?} while {other:?} caches {held:?}");
        }
    }

    /// Data was read, or changed.
    fn used(&self, ledger: &Ledger, answered: &Answered<'_>) {
        let asked = answered.asked;
        let open = match answered.change {
            // A replay tells what was done before it.
            Change::Opened(id) => ledger.opens.get(&id).filter(|open| !open.replayed),
            _ => ledger.open_of(asked),
        };
        let (Some(open), Some(part)) = (open, touched(asked.body.as_ref(), &answered.answer.body))
        else {
            return;
        };
        let Some(inode) = open.inode else {
            return;
        };
        for (other, held) in self.others(ledger, inode, holder(open)) {
            let untold = held.state.intersects(part) && held.since <= asked.at;
            assert!(!untold, "{other:?} was not told, and caches {held:?}, before {asked:?}");
        }
    }
}

/// What nobody else may cache when this is done.
fn touched(asked: Option<&RequestBody>, answer: &ResponseBody) -> Option<LeaseState> {
    match (asked?, answer) {
        (RequestBody::Read(_), ResponseBody::Read(read)) if !read.data.is_empty() => {
            Some(LeaseState::WRITE_CACHING)
        }
        (RequestBody::Write(_), ResponseBody::Write(write)) if write.count > 0 => {
            Some(LeaseState::READ_CACHING | LeaseState::WRITE_CACHING)
        }
        (RequestBody::SetInfo(set), _)
            if set.info_type == InfoType::FILE
                && [FileInfoClass::END_OF_FILE.0, FileInfoClass::ALLOCATION.0]
                    .contains(&set.info_class) =>
        {
            Some(LeaseState::READ_CACHING | LeaseState::WRITE_CACHING)
        }
        (_, ResponseBody::Create(create))
            if [CreateAction::OVERWRITTEN, CreateAction::SUPERSEDED]
                .contains(&create.create_action) =>
        {
            Some(LeaseState::READ_CACHING | LeaseState::WRITE_CACHING)
        }
        _ => None,
    }
}

fn holder(open: &Open) -> Holder {
    match &open.lease {
        Some(lease) => Holder::Lease(open.client, lease.lease_key),
        None => Holder::Oplock(open.file.persistent),
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
