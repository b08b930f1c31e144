//! The end of threads. One may hang in a file system, or in a look-up of names, for ever: it is left behind, and
//! keeps nobody else.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it is looked.
const MOMENT: Duration = Duration::from_millis(1);

/// Waits for threads that have been told to end. Whoever has not when `patience` is over is left behind.
pub fn join(threads: impl IntoIterator<Item = JoinHandle<()>>, patience: Duration) {
    let deadline = Instant::now() + patience;
    for thread in threads {
        let name = thread.thread().name().unwrap_or_default().to_owned();
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(MOMENT);
        }
        if !thread.is_finished() {
            log::warn!("the thread {name} does not end and is left behind");
        } else if thread.join().is_err() {
            log::error!("the thread {name} had panicked");
        }
    }
}

/// What `shared` points to, once nobody else uses it; none if that takes longer than `patience`.
pub fn alone<T>(mut shared: Arc<T>, patience: Duration) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        shared = match Arc::try_unwrap(shared) {
            Ok(value) => return Some(value),
            Err(_) if Instant::now() >= deadline => return None,
            Err(shared) => shared,
        };
        thread::sleep(MOMENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_do_not_end_are_left_behind() {
        let (keep, never) = crossbeam_channel::bounded::<()>(0);
        let hangs = thread::spawn(move || {
            let _ = never.recv();
        });
        let ends = thread::spawn(|| ());
        join([hangs, ends], Duration::from_millis(20));
        drop(keep);
    }

    #[test]
    fn threads_that_end_are_waited_for() {
        let (keep, begun) = crossbeam_channel::bounded(0);
        let (done, told) = crossbeam_channel::bounded(1);
        let ends = thread::spawn(move || {
            let _ = begun.recv();
            done.send(()).expect("it is listened");
        });
        let other = thread::spawn(move || {
            let _ = keep.send(());
        });
        join([ends, other], Duration::from_secs(60));
        assert!(told.try_recv().is_ok());
    }

    #[test]
    fn whoever_uses_it_for_a_moment_is_waited_for() {
        let shared = Arc::new(7);
        let other = Arc::clone(&shared);
        let user = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            drop(other);
        });
        assert_eq!(alone(shared, Duration::from_secs(60)), Some(7));
        user.join().expect("ended");
        let shared = Arc::new(8);
        assert_eq!(alone(Arc::clone(&shared), Duration::ZERO), None);
    }
}
