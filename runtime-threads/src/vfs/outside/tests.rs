use super::*;
use crate::vfs;
use ksmbd_core::{
    buffer::ReplyBuf,
    config::Share,
    vfs::{Call, Op},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{env, fs, process};

fn has_news() -> bool {
    let queue = queue().expect("somebody has watched");
    let mut fds = [PollFd::new(&queue, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

/// What the last watch leaves in the queue is not news for ever: the forker sleeps on it.
#[test]
fn the_queue_is_empty_when_nobody_watches_any_more() {
    let directory = env::temp_dir().join(format!("ksmbd-outside-{}", process::id()));
    fs::create_dir_all(&directory).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let who = Identity { name: "test".into(), uid, gid: uid, groups: vec![uid], sid: None };
    let who = Arc::new(who);
    let share = Arc::new(Share::disk("test", directory.to_str().unwrap()));
    let call = Call { identity: Arc::clone(&who), op: Op::OpenShare(share) };
    let opened = vfs::run(call, &mut |length| ReplyBuf::new(Vec::new(), length));
    let Done::Opened(opened) = opened else { panic!("{opened:?}") };
    let what = (true, CompletionFilter::all());
    let watching = watch(&opened.file, what, &who, 10, Arc::new(|_| ()));
    assert!(matches!(watching, Done::Watching(_)), "{watching:?}");
    drop(watching);
    assert!(!is_active() && has_news());
    drain();
    assert!(!has_news());
    fs::remove_dir_all(directory).unwrap();
}
