//! Byte-range locks of one file (MS-FSA 2.1.5.8, 2.1.5.9, 2.1.4.10).

use crate::id::OpenId;
use alloc::vec::Vec;

/// A lock that is held, or asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RangeLock {
    pub(crate) open: OpenId,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) exclusive: bool,
}

impl RangeLock {
    /// The last byte lies beyond the 64-bit space.
    pub(crate) fn wraps(&self) -> bool {
        self.length > 0 && self.offset.checked_add(self.length - 1).is_none()
    }

    fn end(&self) -> u128 {
        u128::from(self.offset) + u128::from(self.length)
    }

    /// A range of no bytes lies between two bytes: it overlaps what has bytes on both sides of it.
    fn overlaps(&self, other: &Self) -> bool {
        u128::from(self.offset) < other.end() && u128::from(other.offset) < self.end()
    }
}

/// What READ or WRITE is about to touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Read,
    Write,
}

#[derive(Debug, Default)]
pub(crate) struct RangeLocks {
    held: Vec<RangeLock>,
    /// READs and WRITEs that are running; a write is `exclusive`.
    running: Vec<RangeLock>,
}

impl RangeLocks {
    /// Another lock stands in the way. An exclusive lock shares its range with none, not even with
    /// one's own; a shared one only gives way to others' exclusive ones.
    pub(crate) fn conflicts(&self, wanted: &RangeLock) -> bool {
        let clash =
            |held: &&RangeLock| wanted.exclusive || held.exclusive && held.open != wanted.open;
        self.held.iter().filter(clash).any(|held| held.overlaps(wanted))
    }

    /// Data that a lock would keep others away from is being moved right now: the lock has to wait
    /// until it is through, or its holder would see a write that began before.
    pub(crate) fn is_busy(&self, wanted: &RangeLock) -> bool {
        let clash = |io: &&RangeLock| io.open != wanted.open && (io.exclusive || wanted.exclusive);
        self.running.iter().filter(clash).any(|io| io.overlaps(wanted))
    }

    /// Somebody is writing.
    pub(crate) fn is_written(&self) -> bool {
        self.running.iter().any(|io| io.exclusive)
    }

    /// A READ or WRITE begins.
    pub(crate) fn begin(&mut self, io: RangeLock) {
        self.running.push(io);
    }

    /// A READ or WRITE is through.
    pub(crate) fn end(&mut self, io: &RangeLock) {
        if let Some(index) = self.running.iter().position(|running| running == io) {
            self.running.swap_remove(index);
        }
    }

    pub(crate) fn add(&mut self, lock: RangeLock) {
        self.held.push(lock);
    }

    /// Takes one lock of exactly this range away, an exclusive one first; `false` when there is none.
    pub(crate) fn remove(&mut self, open: OpenId, offset: u64, length: u64) -> bool {
        let same =
            |lock: &RangeLock| (lock.open, lock.offset, lock.length) == (open, offset, length);
        let exclusive = self.held.iter().position(|lock| same(lock) && lock.exclusive);
        let found = exclusive.or_else(|| self.held.iter().position(same));
        found.map(|index| self.held.remove(index)).is_some()
    }

    /// Takes away what was added last of exactly this.
    pub(crate) fn give_back(&mut self, lock: &RangeLock) {
        if let Some(index) = self.held.iter().rposition(|held| held == lock) {
            self.held.remove(index);
        }
    }

    /// Takes all locks of an open away; `true` when there were some.
    pub(crate) fn remove_all(&mut self, open: OpenId) -> bool {
        let before = self.held.len();
        self.held.retain(|lock| lock.open != open);
        self.held.len() != before
    }

    /// Hands all locks of an open over, and what it has begun.
    pub(crate) fn take_all(&mut self, open: OpenId) -> Self {
        let all = |list: &mut Vec<RangeLock>| list.extract_if(.., |it| it.open == open).collect();
        Self { held: all(&mut self.held), running: all(&mut self.running) }
    }

    /// These are here as well.
    pub(crate) fn join(&mut self, other: Self) {
        self.held.extend(other.held);
        self.running.extend(other.running);
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// The locks of an open.
    pub(crate) fn of(&self, open: OpenId) -> impl Iterator<Item = &RangeLock> {
        self.held.iter().filter(move |lock| lock.open == open)
    }

    pub(crate) fn count(&self, open: OpenId) -> usize {
        self.held.iter().filter(|lock| lock.open == open).count()
    }

    /// READ is kept out by others' exclusive locks; WRITE by others' locks and by one's own shared
    /// ones.
    pub(crate) fn keeps_out(&self, open: OpenId, touch: Touch, offset: u64, length: u64) -> bool {
        if length == 0 {
            return false;
        }
        let range = RangeLock { open, offset, length, exclusive: touch == Touch::Write };
        self.held.iter().filter(|held| held.overlaps(&range)).any(|held| match touch {
            Touch::Read => held.exclusive && held.open != open,
            Touch::Write => !(held.exclusive && held.open == open),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(open: u64, offset: u64, length: u64, exclusive: bool) -> RangeLock {
        RangeLock { open: OpenId(open), offset, length, exclusive }
    }

    #[test]
    fn ranges_at_the_ends() {
        let mut locks = RangeLocks::default();
        locks.add(lock(1, u64::MAX, 1, true));
        assert!(locks.conflicts(&lock(2, u64::MAX, 1, false)));
        assert!(!locks.conflicts(&lock(2, u64::MAX - 1, 1, true)));
        assert!(lock(1, u64::MAX, 2, true).wraps() && !lock(1, u64::MAX, 1, true).wraps());
        assert!(!lock(1, u64::MAX, 0, true).wraps());
    }

    #[test]
    fn empty_ranges_lie_between_bytes() {
        let mut locks = RangeLocks::default();
        locks.add(lock(1, 10, 10, true));
        for (offset, expected) in [(9, false), (10, false), (11, true), (19, true), (20, false)] {
            assert_eq!(locks.conflicts(&lock(2, offset, 0, true)), expected, "{offset}");
        }
    }

    #[test]
    fn who_keeps_whom_out() {
        let mut locks = RangeLocks::default();
        locks.add(lock(1, 0, 10, false));
        assert!(!locks.conflicts(&lock(2, 0, 10, false)));
        assert!(locks.conflicts(&lock(1, 5, 1, true)), "one's own shared lock too");
        let mut own = RangeLocks::default();
        own.add(lock(1, 0, 10, true));
        assert!(!own.conflicts(&lock(1, 5, 1, false)), "locks of one open stack");
        assert!(locks.keeps_out(OpenId(1), Touch::Write, 0, 1));
        assert!(!locks.keeps_out(OpenId(2), Touch::Read, 0, 1));
        assert!(!locks.keeps_out(OpenId(2), Touch::Write, 10, 1));
        assert!(locks.remove(OpenId(1), 0, 10) && !locks.remove(OpenId(1), 0, 10));
        locks.add(lock(1, 0, 10, true));
        assert!(!locks.keeps_out(OpenId(1), Touch::Write, 0, 1));
        assert!(locks.keeps_out(OpenId(2), Touch::Read, 9, 1));
        assert!(!locks.keeps_out(OpenId(2), Touch::Read, 9, 0));
    }

    #[test]
    fn running_io_keeps_locks_waiting() {
        let mut locks = RangeLocks::default();
        let write = lock(1, 0, 10, true);
        locks.begin(write);
        assert!(locks.is_busy(&lock(2, 5, 1, false)), "a shared lock would see half a write");
        assert!(!locks.is_busy(&lock(1, 5, 1, true)), "one's own");
        assert!(!locks.is_busy(&lock(2, 10, 1, true)), "another range");
        locks.end(&write);
        locks.begin(lock(1, 0, 10, false));
        assert!(!locks.is_busy(&lock(2, 0, 10, false)), "readers beside readers");
        assert!(locks.is_busy(&lock(2, 0, 10, true)));
    }
}
