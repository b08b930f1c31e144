//! Under whose name the calling thread uses files. When root runs the server, each call sets the file
//! system identity of its own thread alone; anybody else serves as himself.

use super::Outcome;
use ksmbd_core::vfs::{Identity, VfsError};
use nix::unistd;
use rustix::{
    process,
    thread::{self, CapabilitySet},
};
use std::{
    cell::RefCell,
    io,
    sync::{Arc, Once, OnceLock},
};

/// As whom the kernel sees the thread's calls now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Root passes most checks, and owners may what others may not.
    pub uid: u32,
}

/// What the thread was last set to.
enum Current {
    /// A switch failed half-way, or none was made.
    Unknown,
    /// The process's own identity.
    Server,
    User(Arc<Identity>),
}

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::Unknown) };
}

/// Only root can be somebody else.
pub fn can_switch() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| process::geteuid().is_root())
}

/// Takes from the calling thread, for good, what it would have left whoever it is: without this, nobody's
/// disk quota would hold, and all could fill what a file system keeps for root. For threads that use
/// files for clients, before they do.
pub fn renounce() {
    static TOLD: Once = Once::new();
    if let Err(error) = give_up(CapabilitySet::SYS_RESOURCE) {
        TOLD.call_once(|| log::warn!("cannot give up CAP_SYS_RESOURCE ({error}): no quota holds"));
    }
}

fn give_up(unwanted: CapabilitySet) -> io::Result<()> {
    let mut sets = thread::capabilities(None)?;
    if sets.permitted.intersects(unwanted) {
        sets.effective.remove(unwanted);
        sets.permitted.remove(unwanted);
        thread::set_capabilities(None, sets)?;
    }
    Ok(())
}

/// Makes the calling thread use files as `identity`. When this fails, nothing may be called.
pub fn assume(identity: &Arc<Identity>) -> Result<Who, VfsError> {
    if !can_switch() {
        static OWN: OnceLock<u32> = OnceLock::new();
        return Ok(Who { uid: *OWN.get_or_init(|| process::geteuid().as_raw()) });
    }
    CURRENT.with_borrow_mut(|current| {
        let same = matches!(current, Current::User(now)
            if Arc::ptr_eq(now, identity) || same_rights(now, identity));
        if !same {
            // Whatever happens in between, a half-made switch is never taken for a whole one.
            *current = Current::Unknown;
            switch(identity.uid, identity.gid, &identity.groups)?;
            *current = Current::User(Arc::clone(identity));
        }
        Ok(Who { uid: identity.uid })
    })
}

/// Makes the calling thread use files as the server itself.
pub(crate) fn assume_server() -> Outcome<()> {
    if !can_switch() {
        return Ok(());
    }
    CURRENT.with_borrow_mut(|current| {
        if !matches!(current, Current::Server) {
            *current = Current::Unknown;
            switch(0, process::getegid().as_raw(), &[])?;
            *current = Current::Server;
        }
        Ok(())
    })
}

/// Does something as the server itself, then goes on as whoever the thread was.
pub(crate) fn as_server<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let before = CURRENT.with_borrow(|current| match current {
        Current::User(identity) => Some(Arc::clone(identity)),
        Current::Unknown | Current::Server => None,
    });
    assume_server()?;
    let result = work();
    if let Some(identity) = before {
        assume(&identity)?;
    }
    result
}

/// Whether whoever the thread uses files as is in a group.
pub(super) fn is_member(gid: u32) -> bool {
    CURRENT.with_borrow(|current| match current {
        Current::User(user) => user.gid == gid || user.groups.contains(&gid),
        Current::Server => process::getegid().as_raw() == gid,
        Current::Unknown => false,
    })
}

fn same_rights(a: &Identity, b: &Identity) -> bool {
    a.uid == b.uid && a.gid == b.gid && a.groups == b.groups
}

/// The capabilities to set groups stay with the thread: `setfsuid` takes only those of files away, and
/// [`renounce`] has taken what else counts there.
fn switch(uid: u32, gid: u32, groups: &[u32]) -> Outcome<()> {
    // The kernel reads this value as "do not change".
    let forbidden = u32::MAX;
    if uid == forbidden || gid == forbidden || groups.contains(&forbidden) {
        return Err(VfsError::AccessDenied);
    }
    let groups: Vec<_> = groups.iter().map(|&gid| process::Gid::from_raw(gid)).collect();
    if let Err(error) = thread::set_thread_groups(&groups) {
        log::error!("cannot set the groups of a thread ({error}): its calls are refused");
        return Err(VfsError::AccessDenied);
    }
    unistd::setfsgid(gid.into());
    unistd::setfsuid(uid.into());
    // Neither reports an error; asking for an impossible identity tells the one that is set.
    let set_gid = unistd::setfsgid(forbidden.into()).as_raw();
    let set_uid = unistd::setfsuid(forbidden.into()).as_raw();
    if (set_uid, set_gid) == (uid, gid) {
        Ok(())
    } else {
        log::error!("cannot act as uid {uid} gid {gid}: its calls are refused");
        Err(VfsError::AccessDenied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread as threads;

    fn sets() -> (CapabilitySet, CapabilitySet) {
        let sets = thread::capabilities(None).unwrap();
        (sets.effective, sets.permitted)
    }

    #[test]
    fn what_is_given_up_does_not_come_back() {
        let (_, before) = sets();
        // Tests may run where there is no SYS_RESOURCE; the other one stands for it.
        let unwanted = CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_TIME;
        let given_up = threads::spawn(move || {
            give_up(unwanted).unwrap();
            renounce();
            if can_switch() {
                switch(12_345, 12_345, &[]).unwrap();
                assert!(!sets().0.intersects(unwanted));
                switch(0, 0, &[]).unwrap();
            }
            sets()
        });
        let left = before.difference(unwanted);
        assert_eq!(given_up.join().unwrap(), (left, left), "and all else is there");
        assert_eq!(sets().1, before, "other threads keep it");
    }
}
