//! Times that stay: a client that sets a time through an open, or says that it wants to have it left
//! alone, does not find it changed by what it then does through the same open (MS-FSA 2.1.1.4:
//! UserSetModificationTime, UserSetAccessTime). The kernel knows no such thing, so what it changed is
//! put back.

use super::{
    Outcome, failed,
    handle::{proc_fd, proc_name},
    identity, info,
};
use ksmbd_core::vfs::SetBasic;
use rustix::{
    fd::BorrowedFd,
    fs::{self, AtFlags, StatxTimestamp, Timespec, Timestamps, UTIME_OMIT},
};
use std::sync::atomic::{AtomicBool, Ordering};

/// Of one open.
#[derive(Default)]
pub(super) struct Held {
    write: AtomicBool,
    access: AtomicBool,
}

const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };

impl Held {
    /// A time that is set stays; the client may also say so, or take it back.
    pub(super) fn change(&self, set: &SetBasic) {
        let set_one = |held: &AtomicBool, is_set: bool, hold: Option<bool>| {
            if let Some(hold) = hold.or_else(|| is_set.then_some(true)) {
                held.store(hold, Ordering::Relaxed);
            }
        };
        set_one(&self.write, set.last_write_time.is_some(), set.hold_write_time);
        set_one(&self.access, set.last_access_time.is_some(), set.hold_access_time);
    }

    /// Does something that changes the time of the last write, unless that stays.
    pub(super) fn while_writing<T>(
        &self,
        fd: BorrowedFd<'_>,
        act: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        if !self.write.load(Ordering::Relaxed) {
            return act();
        }
        let before = info::stat_fd(fd).map_err(failed)?.stx_mtime;
        let result = act()?;
        let put_back = || set(fd, true, OMIT, timespec(&before));
        // Only an owner may set a time. Whatever becomes of it, what is written is written.
        let _ = put_back().or_else(|_| identity::as_server(put_back));
        Ok(result)
    }

    /// Does something that changes the time of the last access, unless that stays.
    pub(super) fn while_reading<T>(
        &self,
        fd: BorrowedFd<'_>,
        act: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        if !self.access.load(Ordering::Relaxed) {
            return act();
        }
        let before = info::stat_fd(fd).map_err(failed)?.stx_atime;
        let result = act()?;
        // Who may read may not always set a time: then it is as it is.
        let _ = set(fd, true, timespec(&before), OMIT);
        Ok(result)
    }
}

fn timespec(stamp: &StatxTimestamp) -> Timespec {
    Timespec { tv_sec: stamp.tv_sec, tv_nsec: stamp.tv_nsec.into() }
}

/// Sets the times of the last access and the last write; `plain` is an open for data and not an O_PATH
/// descriptor.
pub(super) fn set(
    fd: BorrowedFd<'_>,
    plain: bool,
    last_access: Timespec,
    last_modification: Timespec,
) -> Outcome<()> {
    let times = Timestamps { last_access, last_modification };
    if plain {
        fs::futimens(fd, &times).map_err(failed)
    } else {
        fs::utimensat(proc_fd()?, proc_name(fd), &times, AtFlags::empty()).map_err(failed)
    }
}
