//! What is being made: it has its name before it has all that it is to begin with (attributes, owner, descriptor),
//! and goes again if it cannot have that. Whoever finds it by its name meanwhile waits until it is decided.

use ksmbd_core::id::FileKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many are at it: most opens find that nobody is.
static MAKERS: AtomicUsize = AtomicUsize::new(0);

static MAKING: Mutex<Making> =
    Mutex::new(Making { next: 0, beginning: BTreeMap::new(), unfinished: BTreeSet::new() });
static DECIDED: Condvar = Condvar::new();

struct Making {
    next: u64,
    /// On which device somebody makes something of which it is not known yet what it is.
    beginning: BTreeMap<u64, u64>,
    unfinished: BTreeSet<FileKey>,
}

fn making() -> MutexGuard<'static, Making> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody makes something.
pub(super) struct Maker {
    number: u64,
    made: Option<FileKey>,
}

impl Maker {
    /// To be called before the name can be found.
    pub(super) fn begin(device: u64) -> Self {
        MAKERS.fetch_add(1, Ordering::SeqCst);
        let mut making = making();
        let number = making.next;
        making.next += 1;
        making.beginning.insert(number, device);
        Self { number, made: None }
    }

    /// This is what was made. It is finished, or gone again, when the maker is dropped.
    pub(super) fn made(&mut self, key: FileKey) {
        let mut making = making();
        making.beginning.remove(&self.number);
        making.unfinished.insert(key);
        self.made = Some(key);
        DECIDED.notify_all();
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        let mut making = making();
        making.beginning.remove(&self.number);
        self.made.map(|key| making.unfinished.remove(&key));
        drop(making);
        MAKERS.fetch_sub(1, Ordering::SeqCst);
        DECIDED.notify_all();
    }
}

/// Waits until it is decided what becomes of what was found by its name, if it is being made; whether that was so,
/// or could have been.
pub(super) fn wait_for(key: FileKey) -> bool {
    if MAKERS.load(Ordering::SeqCst) == 0 {
        return false;
    }
    let until = making().next;
    decided(key, until)
}

/// The same, but for those who have begun with this number or a later one: it is none of theirs.
fn decided(key: FileKey, until: u64) -> bool {
    let mut waited = false;
    let undecided = |making: &mut Making| {
        let mut before = making.beginning.range(..until);
        let waits = making.unfinished.contains(&key) || before.any(|(_, at)| *at == key.device);
        waited |= waits;
        waits
    };
    drop(DECIDED.wait_while(making(), undecided).unwrap_or_else(PoisonError::into_inner));
    waited
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

    fn key(inode: u64) -> FileKey {
        // A device that no other test has.
        FileKey::new(u64::MAX, inode)
    }

    #[test]
    fn whoever_finds_it_waits_until_it_is_decided() {
        let mut maker = Maker::begin(u64::MAX);
        let (tell, told) = mpsc::channel();
        let wait = |inode| {
            let tell = tell.clone();
            thread::spawn(move || {
                wait_for(key(inode));
                tell.send(inode).unwrap();
            })
        };
        // It could be either.
        let threads = [wait(1), wait(2)];
        told.recv_timeout(Duration::from_millis(20)).unwrap_err();
        // Whoever is on another device waits for nobody.
        assert!(!wait_for(FileKey::new(u64::MAX - 1, 1)));
        maker.made(key(1));
        assert_eq!(told.recv(), Ok(2));
        told.recv_timeout(Duration::from_millis(20)).unwrap_err();
        drop(maker);
        assert_eq!(told.recv(), Ok(1));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn nobody_waits_for_those_who_begin_later() {
        let device = u64::MAX - 2;
        let first = Maker::begin(device);
        let until = making().next;
        let _later = Maker::begin(device);
        drop(first);
        assert!(!decided(FileKey::new(device, 1), until));
    }
}
