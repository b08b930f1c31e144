//! What the network does to clients, and how it heals.

use super::{Choices, Swarm};
use ksmbd_core::id::ConnId;

impl Swarm {
    fn connections(&self) -> Vec<ConnId> {
        let actors = self.actors.iter().map(|actor| actor.client.conn());
        actors.chain(self.careful.iter().map(|careful| careful.client.conn())).collect()
    }

    /// One client's network is slow from now on, or no more.
    pub(super) fn slow(&self, choices: &mut dyn Choices) {
        let all = self.connections();
        if let Some(conn) = all.get(choices.below(all.len())) {
            self.world.slow(*conn, !choices.chance(4));
        }
    }

    /// Some of what is on its way arrives, a frame or a part of one.
    pub(super) fn let_through(&self, choices: &mut dyn Choices) {
        let mut all = self.connections();
        all.retain(|conn| self.world.on_the_way(*conn) > 0);
        if let Some(conn) = all.get(choices.below(all.len())) {
            let waits = self.world.on_the_way(*conn);
            let count = if choices.chance(2) { waits } else { choices.below(waits + 1) };
            self.world.let_through(*conn, count);
        }
    }

    /// No more faults: everything arrives, and every call is carried out.
    pub(super) fn heal(&mut self) {
        self.world.vfs(crate::memvfs::MemVfs::heal);
        self.world.release_calls();
        for conn in self.connections() {
            self.world.slow(conn, false);
            self.world.let_through(conn, usize::MAX);
        }
        self.read_all();
    }
}
