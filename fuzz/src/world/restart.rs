//! The server is killed, and another one goes on with what was written down.

use super::{Inner, World};
use ksmbd_core::{
    id::{Holder, LeaseId},
    server::Server,
    status_report::{LockStatus, OpenEndurance, OpenStatus, Status},
    vfs::{Lock, Past, Promise},
    wire::create_context::LeaseState,
};
use ksmbd_record::{event::put, journal::Ledger};
use std::sync::Arc;

impl World {
    /// `kill -9`, and a new server: no client is told, no call completes, nothing is closed. Clients of
    /// the old server are of no use any more.
    pub fn restart(&self) {
        self.0.borrow_mut().restart(false);
    }

    /// The same when the power fails: what nobody has waited for is lost, too.
    pub fn fail_power(&self) {
        self.0.borrow_mut().restart(true);
    }

    /// The server is killed, and the next one reads another journal, in which anything may be said.
    pub fn restart_with(&self, journal: Ledger) {
        let mut world = self.0.borrow_mut();
        world.vfs.replace_journal(journal);
        let past = world.begin_again(false);
        world.restore(past);
        world.run();
    }

    /// The server stops, after its last client.
    pub fn close_kept(&self) {
        let mut world = self.0.borrow_mut();
        world.note_now(put::close_kept);
        world.enter(|server, now, out| server.close_kept(now, out));
        world.run();
    }

    /// What a server that began now would be told.
    pub fn promised(&self) -> Vec<Promise> {
        self.vfs(|vfs| vfs.promised())
    }
}

impl Inner {
    fn restart(&mut self, power_failed: bool) {
        let past = self.begin_again(power_failed);
        let promises: Vec<_> = past.opens.iter().map(|open| open.promise.clone()).collect();
        self.restore(past);
        let status = self.server.status(self.now.mono);
        // A limit may be lower now, and then not all of them fit.
        if status.opens.len() == promises.len() {
            promises.iter().for_each(|promise| check(&status, promise));
        }
        self.run();
    }

    /// Another server; what is left to it.
    fn begin_again(&mut self, power_failed: bool) -> Past {
        self.links.clear();
        self.alive.clear();
        self.outputs.clear();
        self.calls = Default::default();
        self.daemon.restart();
        self.runs += 1;
        let mut seed = super::SEED;
        seed[..4].copy_from_slice(&self.runs.to_le_bytes());
        // Its files are closed when it is gone.
        self.server = Server::new(Arc::clone(&self.config), seed);
        self.begin_tape(seed);
        let daemon = &self.daemon;
        self.vfs.past(power_failed, |share| daemon.disk(share))
    }

    fn restore(&mut self, past: Past) {
        self.note_now(|| put::restore(&past));
        self.enter(|server, now, out| server.restore(now, past, out));
    }
}

/// Exactly what was promised is there, and waits. That an open is closed need not be on the disk when the
/// server is killed: where others have since been promised what it had, it is left the rest.
fn check(status: &Status, promise: &Promise) {
    let found = status.opens.iter().find(|open| open.id == promise.id);
    let open = found.unwrap_or_else(|| panic!("{promise:?} is not there"));
    let OpenStatus { path, access, share_access, endurance, kept, caching, locks, .. } = open;
    assert_eq!(path.as_str(), promise.path.as_str(), "{promise:?}");
    assert_eq!((*access, *share_access), (promise.granted, promise.share_access), "{promise:?}");
    assert_eq!(*endurance, OpenEndurance::Persistent, "{promise:?}");
    assert!(kept.is_some(), "{promise:?} is in use");
    let others = || status.opens.iter().filter(|other| other.id != open.id);
    let beside = || others().filter(|other| other.file == open.file);
    let taken = |lock: &Lock| {
        let end = |offset: u64, length: u64| u128::from(offset) + u128::from(length);
        let conflicts = |other: &LockStatus| {
            u128::from(other.offset) < end(lock.offset, lock.length)
                && u128::from(lock.offset) < end(other.offset, other.length)
                && (lock.exclusive || other.exclusive)
        };
        beside().flat_map(|other| &other.locks).any(conflicts)
    };
    let locks: Vec<_> = locks.iter().map(|l| (l.offset, l.length, l.exclusive)).collect();
    let promised = promise.locks.iter().filter(|lock| !taken(lock));
    let promised: Vec<_> = promised.map(|l| (l.offset, l.length, l.exclusive)).collect();
    assert_eq!(locks, promised, "{promise:?}");
    let mut cached = promise.cached.map(|cached| cached.state).unwrap_or_default();
    let key = promise.cached.and_then(|cached| cached.key);
    let lease = key.map(|key| Holder::Lease(LeaseId { client: promise.client, key }));
    if others()
        .any(|other| lease.is_some() && other.caching.holder == lease && other.file != open.file)
    {
        // A lease's key names one file.
        cached = LeaseState::empty();
    }
    for other in beside() {
        // Who came before its CREATE was answered has taken that: its client was told so, the disk may
        // not know yet.
        let writes = other.caching.state.contains(LeaseState::WRITE_CACHING);
        cached &= if writes { LeaseState::empty() } else { LeaseState::READ_CACHING };
    }
    assert!(caching.state.contains(cached), "{promise:?} is left {caching:?}");
}
