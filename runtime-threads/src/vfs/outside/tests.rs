use super::*;
use crate::vfs;
use ksmbd_core::{
    buffer::ReplyBuf,
    config::Share,
    vfs::{Call, Op},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{env, fs, path::PathBuf, process};

/// A directory, and nobody else who watches.
struct Rig {
    directory: PathBuf,
    who: Arc<Identity>,
    opened: File,
    _alone: MutexGuard<'static, ()>,
}

impl Rig {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = env::temp_dir().join(format!("ksmbd-outside-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let who = Identity { name: "test".into(), uid, gid: uid, groups: vec![uid], sid: None };
        let who = Arc::new(who);
        let share = Arc::new(Share::disk("test", directory.to_str().unwrap()));
        let call = Call { identity: Arc::clone(&who), op: Op::OpenShare(share) };
        let opened = vfs::run(call, &mut |length| ReplyBuf::new(Vec::new(), length));
        let Done::Opened(opened) = opened else { panic!("{opened:?}") };
        Self { directory, who, opened: opened.file, _alone: alone }
    }

    fn watch(&self) -> File {
        let what = (true, CompletionFilter::all());
        match watch(&self.opened, what, &self.who, 10, Arc::new(|_| ())) {
            Done::Watching(watching) => watching,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn has_news() -> bool {
    let queue = queue().expect("somebody has watched");
    let mut fds = [PollFd::new(&queue, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

/// What the last watch leaves in the queue is not news for ever: the forker sleeps on it.
#[test]
fn the_queue_is_empty_when_nobody_watches_any_more() {
    let rig = Rig::new();
    drop(rig.watch());
    assert!(!is_active() && has_news());
    drain();
    assert!(!has_news());
}

/// The kernel has one watch for a directory: whoever asks for it gets the one that there is, and nobody
/// may end it meanwhile.
#[test]
fn a_watch_that_somebody_is_about_to_have_is_not_ended() {
    let rig = Rig::new();
    let key = Handle::of(&rig.opened).unwrap().key;
    for comes in [true, false] {
        let watching = rig.watch();
        let watch = *state().unwrap().nodes.keys().next().unwrap();
        state().unwrap().comes(key, 10).unwrap();
        drop(watching);
        assert_eq!(watched(), 1);
        let mut state = state().unwrap();
        state.has_come(key, comes.then_some(watch));
        assert_eq!(watched(), usize::from(comes));
        state.forget_unwanted();
        assert_eq!(watched(), 0);
    }
}

/// As many threads as there are places may be about to watch.
#[test]
fn who_is_about_to_watch_has_a_place() {
    let rig = Rig::new();
    let key = Handle::of(&rig.opened).unwrap().key;
    let other = FileKey { inode: key.inode.wrapping_add(1), ..key };
    let mut state = state().unwrap();
    state.comes(key, 1).unwrap();
    assert_eq!(state.comes(other, 1), Err(VfsError::NotSupported));
    state.has_come(key, None);
    state.comes(other, 1).unwrap();
    state.has_come(other, None);
    assert!(state.coming.is_empty());
}
