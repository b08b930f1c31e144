//! Threads that change the same thing one after the other, and wait for nobody else: what one of them
//! does may take long, or for ever, where its file system does not answer.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Of all things, those that somebody is at.
pub(super) struct Turns<K: Ord + Clone + 'static> {
    taken: Mutex<BTreeSet<K>>,
    given_back: Condvar,
}

/// As long as this lives, it is nobody else's turn.
pub(super) struct Turn<K: Ord + Clone + 'static> {
    turns: &'static Turns<K>,
    key: K,
}

impl<K: Ord + Clone> Turns<K> {
    pub(super) const fn new() -> Self {
        Self { taken: Mutex::new(BTreeSet::new()), given_back: Condvar::new() }
    }

    /// Waits until it is the caller's turn. Nobody may take two.
    pub(super) fn take(&'static self, key: K) -> Turn<K> {
        let is_taken = |taken: &mut BTreeSet<K>| !taken.insert(key.clone());
        let taken = self.given_back.wait_while(self.taken(), is_taken);
        drop(taken.unwrap_or_else(PoisonError::into_inner));
        Turn { turns: self, key }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        self.turns.taken().remove(&self.key);
        self.turns.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    #[test]
    fn whoever_wants_something_else_does_not_wait() {
        static TURNS: Turns<u32> = Turns::new();
        let _one = TURNS.take(1);
        let two = TURNS.take(2);
        drop(two);
        drop(TURNS.take(2));
    }

    #[test]
    fn one_at_a_time() {
        static TURNS: Turns<u32> = Turns::new();
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    for _ in 0..1000 {
                        let _turn = TURNS.take(7);
                        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                        INSIDE.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(TURNS.taken().is_empty());
    }
}
