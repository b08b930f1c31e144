//! The server is killed in the middle of everything, and begins anew: what anybody was promised is
//! there, and nothing else. Clients come back for it.

use super::{Choices, LOST, Swarm};
use ksmbd_core::{id::OpenId, status_report::OpenEndurance};
use std::collections::BTreeSet;

impl Swarm {
    /// `kill -9`, or a power failure.
    pub(super) fn restart(&mut self, choices: &mut dyn Choices) {
        if !self.persistent {
            return;
        }
        // What a client has not read it may have read.
        self.read_all();
        self.check_promises();
        let count = self.actors.len();
        for mut actor in std::mem::take(&mut self.actors) {
            self.lost.append(&mut actor.files);
            actor.client.forget();
        }
        self.lost.drain(..self.lost.len().saturating_sub(LOST));
        match choices.chance(3) {
            true => self.world.fail_power(),
            false => self.world.restart(),
        }
        self.survived += self.world.counters().persistent;
        (0..count).for_each(|_| self.join(choices));
        self.check_caches();
    }

    /// Whoever was told that an open outlives the server was told so when it was written.
    fn check_promises(&mut self) {
        let written: BTreeSet<OpenId> =
            self.world.promised().into_iter().map(|promise| promise.id).collect();
        let persistent = self.world.status().opens.into_iter();
        let persistent = persistent.filter(|open| open.endurance == OpenEndurance::Persistent);
        for open in persistent.filter(|open| self.promised.contains(&open.id)) {
            assert!(written.contains(&open.id), "{open:?} was promised and is not written");
        }
        self.promised.retain(|id| written.contains(id));
    }
}
