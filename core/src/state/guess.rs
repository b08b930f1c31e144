//! Who guesses at passwords: attempts are counted by address and account, and beyond a number of them
//! each waits. Counted when it begins and forgiven when it succeeds, so that many at once gain nothing.
//! A user at another address waits for nobody, and the right password at this one ends the waiting.

use super::crowd::network;
use crate::{config::Limits, id::GuessId, name::fold, time::Instant};
use alloc::{collections::BTreeMap, string::String};
use core::{net::IpAddr, time::Duration};

/// The first wait; each further attempt waits twice as long, up to the limit.
const FIRST: Duration = Duration::from_millis(250);

/// Quiet for so long, and one attempt is forgotten.
const FORGET: Duration = Duration::from_secs(30);

/// Attempts beyond the free ones that are counted: with these every delay is at its limit.
const COUNTED: u32 = 16;

/// Letters of a name that are kept: a client chooses how many there are.
const LETTERS: usize = 64;

/// An account as an address names it; an empty name stands for all that are not counted apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    address: IpAddr,
    name: String,
}

impl Target {
    pub(crate) fn new(address: IpAddr, user: &str) -> Self {
        Self { address: network(address), name: user.chars().take(LETTERS).map(fold).collect() }
    }

    fn others(&self) -> Self {
        Self { address: self.address, name: String::new() }
    }
}

#[derive(Debug)]
struct Guess {
    id: GuessId,
    attempts: u32,
    last: Instant,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    guesses: BTreeMap<Target, Guess>,
    next: u64,
}

impl Guesses {
    pub(crate) fn len(&self) -> usize {
        self.guesses.len()
    }

    /// Counts an attempt. Where it has to wait: until when, or until [`Self::proven`] names the id.
    /// `target` becomes what it is counted under.
    pub(crate) fn attempt(
        &mut self,
        target: &mut Target,
        now: Instant,
        limits: &Limits,
    ) -> Option<(GuessId, Duration)> {
        if limits.guess_delay.is_zero() || limits.guesses == 0 {
            return None;
        }
        if !self.guesses.contains_key(target) {
            self.make_room(target, now, limits);
        }
        self.next += 1;
        let id = GuessId(self.next);
        let new = || Guess { id, attempts: 0, last: now };
        let guess = self.guesses.entry(target.clone()).or_insert_with(new);
        guess.attempts = guess.remembered(now).saturating_add(1);
        guess.attempts = guess.attempts.min(limits.free_guesses.saturating_add(COUNTED));
        guess.last = now;
        let beyond = guess.attempts.checked_sub(limits.free_guesses)?.checked_sub(1)?;
        let delay = FIRST.saturating_mul(1 << beyond.min(COUNTED));
        Some((guess.id, delay.min(limits.guess_delay)))
    }

    /// The password was right: what was counted is forgotten. Says who need not wait any more.
    pub(crate) fn proven(&mut self, target: &Target) -> Option<GuessId> {
        if target.name.is_empty() {
            // Who knows one password of many has not shown the others.
            let guess = self.guesses.get_mut(target)?;
            guess.attempts = guess.attempts.saturating_sub(1);
            return None;
        }
        self.guesses.remove(target).map(|guess| guess.id)
    }

    /// Forgets what is long past; where that is not enough, counts with others, or forgets others.
    fn make_room(&mut self, target: &mut Target, now: Instant, limits: &Limits) {
        let full_for = |guesses: &Self, target: &Target| {
            guesses.of_address(target) >= limits.guesses_per_address
                || guesses.len() >= limits.guesses
        };
        if !full_for(self, target) {
            return;
        }
        self.guesses.retain(|_, guess| guess.remembered(now) > 0);
        if self.of_address(target) >= limits.guesses_per_address {
            *target = target.others();
        }
        if self.len() >= limits.guesses && !self.guesses.contains_key(target) {
            let quietest = self.guesses.iter().min_by_key(|(_, guess)| guess.last);
            let quietest = quietest.map(|(target, _)| target.clone());
            quietest.and_then(|quietest| self.guesses.remove(&quietest));
        }
    }

    /// How many accounts are remembered of an address.
    fn of_address(&self, target: &Target) -> usize {
        let from = self.guesses.range(&target.others()..);
        from.take_while(|(other, _)| other.address == target.address).count()
    }
}

impl Guess {
    /// Attempts that count still.
    fn remembered(&self, now: Instant) -> u32 {
        let quiet = now.since(self.last).as_secs() / FORGET.as_secs();
        self.attempts.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX))
    }
}
