//! A network that delays and cuts: what clients send stays on its way until it is let through, in
//! pieces of any size.

use super::World;
use ksmbd_core::id::ConnId;

impl World {
    /// From now on what this client sends waits for [`Self::let_through`], or does no more.
    pub fn slow(&self, conn: ConnId, slow: bool) {
        self.inner(|world| {
            if let Some(link) = world.links.get_mut(&conn) {
                link.slow = slow;
            }
        });
    }

    /// Up to `count` bytes of what a client has sent arrive.
    pub fn let_through(&self, conn: ConnId, count: usize) {
        self.inner(|world| {
            if let Some(link) = world.links.get_mut(&conn) {
                link.let_through(count);
            }
            world.run();
        });
    }

    /// Bytes of a client that are on their way.
    pub fn on_the_way(&self, conn: ConnId) -> usize {
        self.inner(|world| world.links.get(&conn).map_or(0, super::Link::on_the_way))
    }
}
