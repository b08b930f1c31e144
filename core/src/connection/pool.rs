//! Memory that is used again: a frame costs no allocation once its connection is warm.

use crate::buffer::Frame;
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

/// Buffers that are kept.
const KEPT: usize = 3;

/// A buffer that may serve an answer without file data.
const SHORT: usize = 4096;

/// Received frames that are watched until nobody uses them any more.
const LENT: usize = 8;

#[derive(Default)]
pub(super) struct Pool {
    free: Vec<Vec<u8>>,
    lent: VecDeque<Arc<Vec<u8>>>,
}

impl Pool {
    /// A buffer with any content.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.reclaim();
        self.free.pop().unwrap_or_default()
    }

    /// An empty buffer for a few bytes. The large ones stay for the next frame: one of them would come
    /// back short, and be filled with zeros as far as that frame is longer.
    pub(super) fn take_short(&mut self) -> Vec<u8> {
        self.reclaim();
        match self.free.first() {
            Some(first) if first.capacity() <= SHORT => {
                let mut bytes = self.free.remove(0);
                bytes.clear();
                bytes
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn give(&mut self, bytes: Vec<u8>) {
        if self.free.len() < KEPT && bytes.capacity() > 0 {
            self.free.push(bytes);
            // The largest last: the next frame is likely as large as this one.
            self.free.sort_by_key(Vec::capacity);
        }
    }

    pub(super) fn give_frame(&mut self, frame: Frame) {
        self.give(frame.into_vec());
    }

    /// Remembers a frame whose bytes requests now share.
    pub(super) fn lend(&mut self, bytes: &Arc<Vec<u8>>) {
        if self.lent.len() < LENT {
            self.lent.push_back(Arc::clone(bytes));
        }
    }

    fn reclaim(&mut self) {
        for _ in 0..self.lent.len() {
            match self.lent.pop_front().map(Arc::try_unwrap) {
                Some(Ok(bytes)) => self.give(bytes),
                Some(Err(bytes)) => self.lent.push_back(bytes),
                None => {}
            }
        }
    }

    /// Gives all memory back that nobody uses.
    pub(super) fn trim(&mut self) {
        self.reclaim();
        self.free = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a large one comes back with few bytes in it, and a large frame fills it with zeros.
    #[test]
    fn a_short_answer_leaves_the_large_buffers_alone() {
        let mut pool = Pool::default();
        pool.give(alloc::vec![1; 1 << 20]);
        assert!(pool.take_short().capacity() <= SHORT);
        pool.give(Vec::with_capacity(100));
        assert_eq!(pool.take_short().capacity(), 100);
        let large = pool.take();
        assert_eq!(large.len(), 1 << 20);
    }
}
