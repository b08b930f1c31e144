//! Are byte-range locks what a list of intervals says? No two are granted that exclude each other, no
//! data passes them, nobody is refused or waits without one (MS-FSA 2.1.5.8, 2.1.5.9, 2.1.4.10).

use super::{Answered, Checker, Key, Ledger};
use crate::{
    client::Response,
    world::{Asked, World},
};
use ksmbd_core::{
    id::ConnId,
    status::NtStatus,
    wire::{
        lock::{LockElement, LockFlags, LockRequest},
        message::RequestBody,
    },
};
use std::collections::BTreeSet;

/// A range of a file, held or asked for by an open.
#[derive(Clone, Copy, Debug)]
struct Range {
    open: u64,
    inode: u64,
    offset: u64,
    length: u64,
    exclusive: bool,
}

impl Range {
    /// Both have a byte in common, or one is a place between two bytes of the other.
    fn meets(&self, other: &Self) -> bool {
        match (self.length, other.length) {
            (0, 0) => false,
            (0, _) => other.offset < self.offset && self.offset - other.offset < other.length,
            (_, 0) => other.meets(self),
            _ => {
                self.offset <= other.offset.saturating_add(other.length - 1)
                    && other.offset <= self.offset.saturating_add(self.length - 1)
            }
        }
    }

    /// A lock of this range cannot be beside that one.
    fn clashes(&self, held: &Self) -> bool {
        let apart = self.exclusive || held.exclusive && held.open != self.open;
        self.inode == held.inode && apart && self.meets(held)
    }

    /// Data of this range, written (`exclusive`) or read, cannot pass that lock.
    fn stops_at(&self, held: &Self) -> bool {
        let stops = match (self.exclusive, held.open == self.open) {
            (true, true) => !held.exclusive,
            (true, false) => true,
            (false, own) => held.exclusive && !own,
        };
        self.inode == held.inode && self.length > 0 && stops && self.meets(held)
    }
}

/// A lock that was granted.
#[derive(Clone, Debug)]
struct Lock {
    range: Range,
    since: u64,
    enders: BTreeSet<Key>,
    doubtful: bool,
    ended: Option<u64>,
}

/// All locks.
#[derive(Default)]
pub(super) struct RangeLocks {
    locks: Vec<Lock>,
    /// What was unlocked lately, and when that was answered.
    unlocked: Vec<(u64, u64, u64, u64)>,
    /// LOCKs that wait, as an interim answer has said.
    waiting: BTreeSet<Key>,
    /// When an UNLOCK was last lost.
    lost: u64,
    /// One was lost of which nobody knows which file it is about.
    blind: bool,
}

impl Checker for RangeLocks {
    fn asked(&mut self, ledger: &Ledger, asked: &Asked) {
        if let Some((lock, true)) = lock_of(asked) {
            let key = (asked.conn, asked.header.message_id);
            let about = ledger.candidates(asked);
            let locks = self.locks.iter_mut().filter(|held| {
                about.contains(&held.range.open) && lock.locks.iter().any(|e| is(&held.range, e))
            });
            locks.for_each(|held| _ = held.enders.insert(key));
        }
    }

    fn waits(&mut self, _: &Ledger, asked: &Asked, _: &Response) {
        if lock_of(asked).is_some() {
            self.waiting.insert((asked.conn, asked.header.message_id));
        }
    }

    fn answered(&mut self, ledger: &Ledger, answered: &Answered<'_>) {
        self.waiting.remove(&answered.key());
        match &answered.asked.body {
            Some(RequestBody::Lock(lock)) => match lock_of(answered.asked) {
                Some((_, true)) => self.unlocked(ledger, lock, answered),
                _ => self.locked(ledger, lock, answered),
            },
            Some(RequestBody::Read(read)) => {
                self.passed(ledger, (read.offset, u64::from(read.length), false), answered);
            }
            Some(RequestBody::Write(write)) => {
                let length = write.data.len() as u64;
                self.passed(ledger, (write.offset, length, true), answered);
            }
            _ => {}
        }
    }

    fn gone(&mut self, ledger: &Ledger, conn: ConnId, at: u64) {
        self.waiting.retain(|key| key.0 != conn);
        for lock in &mut self.locks {
            let heard = lock.enders.extract_if(.., |key| key.0 == conn).count();
            lock.doubtful |= heard > 0;
        }
        // What was granted in a chain of which nobody was told may stay, if its open does.
        for asked in ledger.pending.values().filter(|asked| asked.conn == conn) {
            let lock = match lock_of(asked) {
                Some((lock, false)) => lock,
                Some((_, true)) => {
                    self.lost = at;
                    continue;
                }
                None => continue,
            };
            let place = place(ledger, asked);
            self.blind |= ledger.is_adrift(asked) || place.is_none() && asked.before.is_some();
            if let Some((open, inode)) = place {
                self.locks.extend(lock.locks.iter().map(|element| Lock {
                    range: range(open, inode, element),
                    since: asked.at,
                    enders: BTreeSet::new(),
                    doubtful: true,
                    ended: None,
                }));
            }
        }
    }

    fn quiet(&mut self, ledger: &Ledger, world: &World) {
        let oldest = ledger.pending.values().map(|asked| asked.at).min().unwrap_or(u64::MAX);
        // Who was refused because of it may be told so later.
        let now = world.moment();
        let over = |lock: &&mut Lock| !ledger.opens.contains_key(&lock.range.open);
        let over = self.locks.iter_mut().filter(over);
        over.for_each(|lock| _ = lock.ended.get_or_insert(now));
        self.unlocked.retain(|(.., at)| *at >= oldest);
        self.locks.retain(|lock| lock.ended.is_none_or(|ended| ended >= oldest));
        for asked in ledger.pending.values().filter(|_| !self.blind && !ledger.is_blind()) {
            let key = (asked.conn, asked.header.message_id);
            let alone =
                asked.header.message_id == asked.frame && ledger.followers(asked).next().is_none();
            if let Some((lock, false)) = lock_of(asked)
                && (alone || self.waiting.contains(&key))
                && let Some((open, inode)) = place(ledger, asked)
            {
                let stands = |range: Range| {
                    let live = self.locks.iter().filter(|held| held.ended.is_none());
                    live.into_iter().any(|held| range.clashes(&held.range))
                        || untold(ledger, asked, &range)
                };
                let waits = lock.locks.iter().any(|e| stands(range(open, inode, e)));
                assert!(waits, "a LOCK waits for nothing: {asked:?}");
            }
        }
    }
}

/// No LOCK of a chain is under way. It may be done, and its answer comes with the rest: until then nobody knows what
/// it has unlocked, and who has locked that since.
fn is_told(ledger: &Ledger, but: &Asked) -> bool {
    let mine = (but.conn, but.header.message_id);
    !ledger.pending.iter().any(|(key, asked)| {
        let chained = asked.header.next_command != 0 || asked.header.message_id != asked.frame;
        *key != mine && chained && lock_of(asked).is_some()
    })
}

/// Others may hold it by now: they are answered with the rest of their chain.
fn untold(ledger: &Ledger, but: &Asked, wanted: &Range) -> bool {
    let mine = (but.conn, but.header.message_id);
    let mut others = ledger.pending.values().filter(|asked| {
        (asked.conn, asked.header.message_id) != mine && ledger.followers(asked).next().is_some()
    });
    others.any(|asked| {
        let lock = lock_of(asked).filter(|(_, unlocks)| !unlocks);
        let clashes = |element: &LockElement| {
            let place = place(ledger, asked).filter(|_| !ledger.is_adrift(asked));
            place.is_none_or(|(open, inode)| wanted.clashes(&range(open, inode, element)))
        };
        lock.is_some_and(|(lock, _)| lock.locks.iter().any(clashes))
    })
}

impl RangeLocks {
    fn is_certain(lock: &Lock, ledger: &Ledger) -> bool {
        let open = ledger.opens.get(&lock.range.open);
        lock.enders.is_empty()
            && !lock.doubtful
            && lock.ended.is_none()
            && open.is_some_and(super::Open::is_certain)
    }

    fn locked(&mut self, ledger: &Ledger, lock: &LockRequest, answered: &Answered<'_>) {
        let Some((open, inode)) = place(ledger, answered.asked) else {
            return;
        };
        let ranges: Vec<Range> = lock.locks.iter().map(|e| range(open, inode, e)).collect();
        if answered.answer.status == NtStatus::LOCK_NOT_GRANTED {
            let because = ranges.len() > 1
                || ranges.iter().any(|wanted| self.stood(ledger, answered, |h| wanted.clashes(h)));
            assert!(because, "no lock is in the way of {:?}", answered.asked);
        }
        if !answered.is_ok() {
            return;
        }
        // What comes twice is not done twice; and what is answered late may be over by then.
        let over = |range: &Range| {
            self.unlocked.iter().any(|(of, offset, length, at)| {
                (*of, *offset, *length) == (open, range.offset, range.length)
                    && *at >= answered.asked.at
            })
        };
        let lost = self.lost >= answered.asked.at;
        let doubtful = lock.lock_sequence != 0 || lost || ranges.iter().any(over);
        let enders = self.unlockers(ledger, &ranges, open);
        let claims = !doubtful && enders.is_empty() && is_told(ledger, answered.asked);
        for wanted in &ranges {
            let held = self.locks.iter().find(|held| {
                // Which of them came first is not known if the other's answer came meanwhile.
                let first = held.since <= answered.asked.at || held.range.clashes(wanted);
                let clash = wanted.clashes(&held.range) && first;
                claims && clash && Self::is_certain(held, ledger)
            });
            assert!(held.is_none(), "{wanted:?} was granted beside {held:?}");
        }
        self.locks.extend(ranges.into_iter().map(|range| {
            let enders = enders.clone();
            Lock { range, since: answered.at, enders, doubtful, ended: None }
        }));
    }

    /// Requests under way that may unlock one of these.
    fn unlockers(&self, ledger: &Ledger, ranges: &[Range], open: u64) -> BTreeSet<Key> {
        let unlocks = ledger.pending.iter().filter(|(_, asked)| {
            let file = ledger.file_of(asked);
            (ledger.is_adrift(asked) || file.is_none_or(|file| file.persistent == open))
                && lock_of(asked).is_some_and(|(lock, unlocks)| {
                    let of_these = |e: &LockElement| ranges.iter().any(|range| is(range, e));
                    unlocks && lock.locks.iter().any(of_these)
                })
        });
        unlocks.map(|(key, _)| *key).collect()
    }

    fn unlocked(&mut self, ledger: &Ledger, lock: &LockRequest, answered: &Answered<'_>) {
        let key = answered.key();
        self.locks.iter_mut().for_each(|held| _ = held.enders.remove(&key));
        let status = answered.answer.status;
        let done = [NtStatus::SUCCESS, NtStatus::RANGE_NOT_LOCKED, NtStatus::INVALID_PARAMETER];
        let Some((open, _)) = place(ledger, answered.asked).filter(|_| done.contains(&status))
        else {
            return;
        };
        let unlocks = |element: &LockElement| element.flags == LockFlags::UNLOCK;
        if status == NtStatus::INVALID_PARAMETER && lock.locks.iter().all(unlocks) {
            // It was not looked at.
            return;
        }
        let ranges = lock.locks.iter().map(|e| (open, e.offset, e.length, answered.at));
        self.unlocked.extend(ranges);
        // Whether it was one of these that was unlocked, or nothing because it came twice, or because the
        // chain was refused; and whether those were there already whose answer came meanwhile.
        let of_open = |held: &&mut Lock| held.range.open == open;
        let young = |held: &&mut Lock| held.since >= answered.asked.at;
        let late = self.locks.iter_mut().filter(of_open).any(|held| young(&held));
        let chained = status == NtStatus::INVALID_PARAMETER && answered.asked.before.is_some();
        if lock.lock_sequence != 0 || late || chained {
            let held = self.locks.iter_mut().filter(of_open);
            return held.for_each(|held| held.doubtful = true);
        }
        let certain = !self.blind
            && !ledger.is_blind()
            && ledger.opens.get(&open).is_some_and(super::Open::is_certain)
            && ledger.pending.values().all(|asked| lock_of(asked).is_none())
            && self.locks.iter().all(|held| held.range.open != open || !held.doubtful);
        if status != NtStatus::SUCCESS && !certain {
            // How many of these were unlocked before one was not is not known, since others are under way.
            let these = |held: &&mut Lock| {
                held.range.open == open && lock.locks.iter().any(|e| is(&held.range, e))
            };
            return self.locks.iter_mut().filter(these).for_each(|held| held.doubtful = true);
        }
        let all = lock
            .locks
            .iter()
            .all(|element| unlocks(element) && self.end_one(open, element, answered.at));
        let right = match status {
            NtStatus::SUCCESS => all,
            _ => !all,
        };
        assert!(right || !certain, "{status:?}, but all were locked: {all}; {:?}", answered.asked);
    }

    /// One lock of this range ends; false if there is none.
    fn end_one(&mut self, open: u64, element: &LockElement, at: u64) -> bool {
        let same = |held: &&mut Lock| {
            held.range.open == open && held.ended.is_none() && is(&held.range, element)
        };
        let mut held: Vec<&mut Lock> = self.locks.iter_mut().filter(same).collect();
        let kinds: BTreeSet<bool> = held.iter().map(|held| held.range.exclusive).collect();
        let alike = kinds.len() == 1 && held.iter().all(|held| !held.doubtful);
        match held.first_mut() {
            None => return false,
            Some(first) if alike => first.ended = Some(at),
            // Which one of them is not said.
            _ => held.iter_mut().for_each(|held| held.doubtful = true),
        }
        true
    }

    /// READ or WRITE of a range.
    fn passed(
        &self,
        ledger: &Ledger,
        (offset, length, exclusive): (u64, u64, bool),
        answered: &Answered<'_>,
    ) {
        let Some((open, inode)) = place(ledger, answered.asked) else {
            return;
        };
        let io = Range { open, inode, offset, length, exclusive };
        if answered.answer.status == NtStatus::FILE_LOCK_CONFLICT {
            let because = self.stood(ledger, answered, |held| io.stops_at(held));
            assert!(because, "no lock is in the way of {:?}", answered.asked);
        }
        if answered.is_ok() && is_told(ledger, answered.asked) {
            let held = self.locks.iter().find(|held| {
                Self::is_certain(held, ledger)
                    && held.since <= answered.asked.at
                    && io.stops_at(&held.range)
            });
            assert!(held.is_none(), "{:?} passes {held:?}", answered.asked);
        }
    }

    /// Such a lock may have been there some time between a request and its answer.
    fn stood(
        &self,
        ledger: &Ledger,
        answered: &Answered<'_>,
        like: impl Fn(&Range) -> bool,
    ) -> bool {
        let at = answered.asked.at;
        let there = |held: &&Lock| held.ended.is_none_or(|ended| ended >= at);
        let granted = self.locks.iter().filter(there).any(|held| like(&held.range));
        let perhaps = ledger.pending.values().any(|asked| {
            let Some((lock, false)) = lock_of(asked) else {
                return false;
            };
            if ledger.is_adrift(asked) {
                return true;
            }
            let Some((open, inode)) = place(ledger, asked) else {
                // Behind a CREATE, of whatever.
                return asked.before.is_some();
            };
            lock.locks.iter().any(|element| like(&range(open, inode, element)))
        });
        granted || perhaps || self.blind || ledger.is_blind()
    }
}

/// LOCK, and whether it unlocks.
fn lock_of(asked: &Asked) -> Option<(&LockRequest, bool)> {
    match &asked.body {
        Some(RequestBody::Lock(lock)) => {
            let unlocks = lock.locks.first().is_some_and(|e| e.flags.contains(LockFlags::UNLOCK));
            Some((lock, unlocks))
        }
        _ => None,
    }
}

/// The open and the file that a request is about.
fn place(ledger: &Ledger, asked: &Asked) -> Option<(u64, u64)> {
    let open = ledger.open_of(asked)?;
    Some((open.file.persistent, open.inode?))
}

fn range(open: u64, inode: u64, element: &LockElement) -> Range {
    let LockElement { offset, length, flags } = *element;
    Range { open, inode, offset, length, exclusive: flags.contains(LockFlags::EXCLUSIVE_LOCK) }
}

fn is(range: &Range, element: &LockElement) -> bool {
    (range.offset, range.length) == (element.offset, element.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(open: u64, offset: u64, length: u64, exclusive: bool) -> Range {
        Range { open, inode: 1, offset, length, exclusive }
    }

    #[test]
    fn places_between_bytes_and_the_last_byte() {
        let held = at(1, 10, 10, true);
        let empty = |offset| at(2, offset, 0, true).clashes(&held);
        assert_eq!([9, 10, 11, 19, 20].map(empty), [false, false, true, true, false]);
        assert!(!at(2, 10, 0, true).clashes(&at(1, 10, 0, true)));
        let last = at(1, u64::MAX, 1, true);
        assert!(at(2, u64::MAX, 1, false).clashes(&last));
        assert!(!at(2, u64::MAX - 1, 1, true).clashes(&last));
        assert!(at(2, 0, u64::MAX, false).clashes(&at(1, u64::MAX - 1, 2, true)));
    }

    #[test]
    fn who_stops_whom() {
        let shared = at(1, 0, 10, false);
        assert!(at(1, 5, 1, true).clashes(&shared), "one's own too");
        assert!(!at(2, 5, 1, false).clashes(&shared));
        assert!(at(1, 5, 1, true).stops_at(&shared) && at(2, 5, 1, true).stops_at(&shared));
        assert!(!at(2, 5, 1, false).stops_at(&shared));
        let exclusive = at(1, 0, 10, true);
        assert!(!at(1, 5, 1, true).stops_at(&exclusive) && at(2, 5, 1, false).stops_at(&exclusive));
        assert!(!at(2, 5, 0, false).stops_at(&exclusive));
    }
}
