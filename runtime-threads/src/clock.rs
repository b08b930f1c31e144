//! Both clocks, as the core wants them.

use ksmbd_core::time::{FileTime, Instant, Now};
use std::time::{self, Duration, SystemTime, UNIX_EPOCH};

/// The monotonic clock counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(time::Instant);

impl Clock {
    /// Time begins now.
    pub(crate) fn start() -> Self {
        Self(time::Instant::now())
    }

    /// What both clocks show.
    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono(), wall: wall() }
    }

    /// What the monotonic clock shows.
    pub(crate) fn mono(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    /// How long it is until `deadline`.
    pub(crate) fn until(&self, deadline: Instant) -> Duration {
        deadline.since(self.mono())
    }
}

/// What the wall clock shows.
pub(crate) fn wall() -> FileTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    FileTime::from_unix(seconds, since.subsec_nanos())
}
