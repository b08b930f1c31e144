//! Requests that come late or twice, as an open sees them: the channel sequence (MS-SMB2 3.3.5.2.10)
//! and the lock sequence (3.3.5.14). Both let a client that has lost a connection ask again.

use alloc::{collections::BTreeMap, vec::Vec};

/// Open.ChannelSequence and the requests that are under way by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelSequence {
    number: u16,
    /// Of this number.
    outstanding: u32,
    /// Of those before.
    outstanding_before: u32,
}

/// What a request is to its open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It counts until its answer.
    Counted,
    /// It comes from before a connection was lost, or repeats what is still under way: it may look,
    /// but change nothing.
    Stale,
}

impl ChannelSequence {
    /// Of an open that was made by a request with this number.
    pub(crate) fn new(number: u16) -> Self {
        Self { number, ..Self::default() }
    }

    /// As it is written down.
    pub(crate) fn number(self) -> u16 {
        self.number
    }

    /// MS-SMB2 3.3.5.2.10.
    pub(crate) fn begin(&mut self, number: u16, replay: bool) -> Order {
        let ahead = number.wrapping_sub(self.number);
        if ahead > 0x7fff {
            return Order::Stale;
        }
        if ahead > 0 {
            self.outstanding_before += self.outstanding;
            self.outstanding = 0;
            self.number = number;
        }
        if replay && self.outstanding_before > 0 {
            return Order::Stale;
        }
        self.outstanding += 1;
        Order::Counted
    }

    /// A request that was counted under this number is answered (MS-SMB2 3.3.4.1), or never will be.
    pub(crate) fn end(&mut self, number: u16) {
        let count = match number == self.number {
            true => &mut self.outstanding,
            false => &mut self.outstanding_before,
        };
        *count = count.saturating_sub(1);
    }
}

/// Open.LockSequenceArray: the last LockSequenceNumber of each LockSequenceIndex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LockSequences(BTreeMap<u8, u8>);

/// LockSequenceIndex goes from 1 to this.
const LAST_INDEX: u32 = 64;

impl LockSequences {
    /// MS-SMB2 3.3.5.14: `true` when this very request has been done before. One of another number
    /// makes the place empty, until it is done itself.
    pub(crate) fn is_replay(&mut self, sequence: u32) -> bool {
        let same = self.is_done(sequence);
        if !same {
            self.undone(sequence);
        }
        same
    }

    /// This very request has been done.
    pub(crate) fn is_done(&self, sequence: u32) -> bool {
        split(sequence).is_some_and(|(index, number)| self.0.get(&index) == Some(&number))
    }

    /// It has not been done after all.
    pub(crate) fn undone(&mut self, sequence: u32) {
        if let Some((index, _)) = split(sequence) {
            self.0.remove(&index);
        }
    }

    /// Indices and numbers, as they are written down.
    pub(crate) fn parts(&self) -> Vec<(u8, u8)> {
        self.0.iter().map(|(index, number)| (*index, *number)).collect()
    }

    /// From [`Self::parts`]; what is none of them is not taken.
    pub(crate) fn of(parts: &[(u8, u8)]) -> Self {
        let is_one = |(index, number): &&(u8, u8)| {
            (1..=LAST_INDEX).contains(&u32::from(*index)) && *number < 16
        };
        Self(parts.iter().filter(is_one).copied().collect())
    }

    /// It has been done.
    pub(crate) fn done(&mut self, sequence: u32) {
        if let Some((index, number)) = split(sequence) {
            self.0.insert(index, number);
        }
    }
}

/// LockSequenceIndex and LockSequenceNumber (MS-SMB2 2.2.26); `None` for an index that is none.
fn split(sequence: u32) -> Option<(u8, u8)> {
    let index = sequence >> 4;
    let index = (1..=LAST_INDEX).contains(&index).then_some(index)?;
    Some((u8::try_from(index).ok()?, u8::try_from(sequence & 0xf).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round() {
        let mut sequence = ChannelSequence::new(0xfffe);
        assert_eq!(sequence.begin(0xfffd, false), Order::Stale);
        assert_eq!(sequence.begin(2, false), Order::Counted);
        assert_eq!(sequence.begin(0xffff, false), Order::Stale);
        assert_eq!(sequence.begin(0x8002, false), Order::Stale);
        assert_eq!(sequence.begin(0x8001, false), Order::Counted);
    }

    #[test]
    fn a_replay_waits_for_what_it_repeats() {
        let mut sequence = ChannelSequence::new(0);
        assert_eq!(sequence.begin(0, false), Order::Counted);
        assert_eq!(sequence.begin(0, true), Order::Counted, "nothing is from before");
        assert_eq!(sequence.begin(1, true), Order::Stale, "two are");
        assert_eq!(sequence.begin(1, false), Order::Counted);
        sequence.end(0);
        assert_eq!(sequence.begin(1, true), Order::Stale, "one is");
        sequence.end(0);
        assert_eq!(sequence.begin(1, true), Order::Counted);
        sequence.end(1);
        sequence.end(1);
        assert_eq!(sequence, ChannelSequence::new(1));
    }

    #[test]
    fn each_index_remembers_its_number() {
        let mut locks = LockSequences::default();
        let at = |index: u32, number: u32| index << 4 | number;
        for index in [0, 65, 1 << 27] {
            locks.done(at(index, 1));
            assert!(!locks.is_replay(at(index, 1)), "{index} is none");
        }
        locks.done(at(1, 5));
        locks.done(at(64, 15));
        assert!(locks.is_replay(at(1, 5)) && locks.is_replay(at(64, 15)));
        assert!(!locks.is_replay(at(1, 6)));
        assert!(!locks.is_replay(at(1, 5)), "another came between");
    }
}
