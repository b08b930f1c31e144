//! Is there room for one more bell? A connection takes a descriptor, and another for its bell while somebody may ring
//! it. Where descriptors are scarce more are let in than could all have one: those without a session go when
//! the others need theirs.

use crate::mailbox::Bell;
use std::{
    io,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What connections may take, and what their bells do.
#[derive(Debug)]
pub(crate) struct Room {
    /// Descriptors, of connections and of bells.
    limit: AtomicUsize,
    bells: AtomicUsize,
}

impl Room {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: AtomicUsize::new(limit), bells: AtomicUsize::new(0) })
    }

    /// From now on there is more, or less.
    pub(crate) fn set(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Not all may have one.
    pub(crate) fn is_scarce(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != usize::MAX
    }

    /// So many connections have room, with the bells that there are.
    pub(crate) fn fits(&self, connections: usize) -> bool {
        let bells = self.bells.load(Ordering::Relaxed);
        connections.saturating_add(bells) <= self.limit.load(Ordering::Relaxed)
    }
}

/// A bell that counts.
#[derive(Debug)]
pub(crate) struct Hung {
    bell: Arc<Bell>,
    room: Arc<Room>,
}

impl Hung {
    pub(crate) fn new(room: &Arc<Room>) -> io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        room.bells.fetch_add(1, Ordering::Relaxed);
        Ok(Self { bell, room: Arc::clone(room) })
    }
}

impl Deref for Hung {
    type Target = Arc<Bell>;

    fn deref(&self) -> &Arc<Bell> {
        &self.bell
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        self.room.bells.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bells_take_the_room_of_connections() {
        let room = Room::new(3);
        assert!(room.fits(3) && !room.fits(4));
        let bells = [Hung::new(&room).unwrap(), Hung::new(&room).unwrap()];
        assert!(room.fits(1) && !room.fits(2));
        drop(bells);
        assert!(room.fits(3));
        room.set(usize::MAX);
        let _bell = Hung::new(&room).unwrap();
        assert!(room.fits(usize::MAX));
    }
}
