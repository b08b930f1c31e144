//! Credits and the sequence window (MS-SMB2 3.3.1.1, 3.3.1.2).

use alloc::collections::BTreeSet;

/// The MessageIds a client may use: those from `low` to `high`, without `used`.
pub(super) struct Credits {
    low: u64,
    high: u64,
    used: BTreeSet<u64>,
    max: u64,
}

impl Credits {
    /// One credit, for NEGOTIATE.
    pub(super) fn new(max: u16) -> Self {
        Self { low: 0, high: 1, used: BTreeSet::new(), max: u64::from(max).max(1) }
    }

    /// How many the client holds.
    pub(super) fn held(&self) -> u64 {
        self.high - self.low - self.used.len() as u64
    }

    /// Takes `charge` ids from `first` on out of the window; `false` when one is not in it
    /// (MS-SMB2 3.3.5.2.3).
    pub(super) fn consume(&mut self, first: u64, charge: u16) -> bool {
        let Some(end) = first.checked_add(u64::from(charge.max(1))) else {
            return false;
        };
        let inside = first >= self.low && end <= self.high;
        if !inside || self.used.range(first..end).next().is_some() {
            return false;
        }
        self.used.extend(first..end);
        while self.used.remove(&self.low) {
            self.low += 1;
        }
        true
    }

    /// Widens the window for a reply whose request asked for `asked`; what to put in its header.
    /// The window stays at most twice as wide as the credits, however many ids a client skips.
    pub(super) fn grant(&mut self, asked: u16) -> u16 {
        let wanted = u64::from(asked).max(u64::from(self.held() == 0));
        let room = (self.max.saturating_sub(self.held()))
            .min((2 * self.max).saturating_sub(self.high - self.low));
        let granted = wanted.min(room);
        self.high += granted;
        u16::try_from(granted).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_used_once_and_in_the_window() {
        let mut credits = Credits::new(10);
        assert!(!credits.consume(1, 1));
        assert!(credits.consume(0, 1));
        assert!(!credits.consume(0, 1));
        assert_eq!(credits.grant(5), 5);
        assert!(credits.consume(3, 2));
        assert!(!credits.consume(2, 2), "overlaps");
        assert!(!credits.consume(5, 2), "beyond");
        assert!(!credits.consume(u64::MAX, 2), "wraps");
        assert_eq!(credits.held(), 3);
        assert_eq!(credits.grant(u16::MAX), 7);
    }

    #[test]
    fn a_skipped_id_bounds_the_window() {
        let mut credits = Credits::new(10);
        assert!(credits.consume(0, 1));
        credits.grant(10);
        let mut next = 2;
        while credits.consume(next, 1) {
            credits.grant(1);
            next += 1;
        }
        assert_eq!(next, 21, "twice the credits from the id that was skipped");
        assert_eq!(credits.held(), 1);
        assert!(credits.consume(1, 1));
        assert_eq!(credits.grant(10), 10, "and it opens again");
    }

    #[test]
    fn a_client_is_never_left_without() {
        let mut credits = Credits::new(10);
        assert!(credits.consume(0, 1));
        assert_eq!(credits.grant(0), 1);
        assert_eq!(credits.grant(0), 0);
    }
}
