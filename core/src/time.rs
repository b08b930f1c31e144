//! The two clocks. Both are always arguments: nothing in this crate knows what time it is.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point of the monotonic clock, in microseconds since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The time that has passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        let micros = u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<Self> for Instant {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

/// Wall time as the protocol has it: 100 ns units since 1601-01-01 UTC (MS-DTYP 2.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

/// 1970-01-01 in [`FileTime`] units.
const UNIX_EPOCH: i64 = 116_444_736_000_000_000;

impl FileTime {
    /// From Unix seconds and nanoseconds; saturates at both ends.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let ticks = i128::from(seconds) * 10_000_000 + i128::from(nanoseconds / 100);
        let ticks = ticks + i128::from(UNIX_EPOCH);
        Self(u64::try_from(ticks.clamp(0, i128::from(i64::MAX))).unwrap_or(0))
    }

    /// To Unix seconds and nanoseconds.
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = i64::try_from(self.0).unwrap_or(i64::MAX) - UNIX_EPOCH;
        let nanoseconds = ticks.rem_euclid(10_000_000) * 100;
        (ticks.div_euclid(10_000_000), u32::try_from(nanoseconds).unwrap_or(0))
    }
}

/// What both clocks show at the moment of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For what clients see.
    pub wall: FileTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_round_trip() {
        for (s, n) in [(0, 0), (1, 100), (-1, 999_999_900), (1_700_000_000, 123_456_700)] {
            assert_eq!(FileTime::from_unix(s, n).to_unix(), (s, n));
        }
        assert_eq!(FileTime::from_unix(0, 0).0, 116_444_736_000_000_000);
        assert_eq!(FileTime::from_unix(i64::MIN, 0).0, 0);
    }
}
