//! The thread `ksmbd/w`: calls that no client waits for (delete on close after a hang-up, expiry),
//! and answers of the daemon whose client is gone.

use crate::server::Shared;
use crossbeam_channel::Receiver;
use ksmbd_core::{
    buffer::ReplyBuf,
    id::OpId,
    vfs::{Call, Done, VfsError},
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Something for the worker.
#[derive(Debug)]
pub(crate) enum Job {
    /// Run it, then complete.
    Call(OpId, Call),
    /// Complete.
    Done(OpId, Done),
    /// What is there now is still done; then the thread ends.
    Stop,
}

/// Starts the thread.
pub(crate) fn spawn(shared: Arc<Shared>, jobs: Receiver<Job>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("ksmbd/w".into()).stack_size(crate::STACK).spawn(move || {
        let mut stopping = false;
        loop {
            let job = if stopping { jobs.try_recv().ok() } else { jobs.recv().ok() };
            match job {
                Some(Job::Stop) => stopping = true,
                Some(job) => work(&shared, job),
                None => return,
            }
        }
    })
}

fn work(shared: &Arc<Shared>, job: Job) {
    let (op, done) = match job {
        Job::Call(op, call) => {
            let run = || shared.run(None, op, call, &mut fresh);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Some(done)) => (op, done),
                Ok(None) => return,
                Err(_) => {
                    log::error!("ksmbd/w: a call panicked");
                    (op, Done::Failed(VfsError::Io))
                }
            }
        }
        Job::Done(op, done) => (op, done),
        Job::Stop => return,
    };
    shared.enter("complete", |server, now, sink| server.complete(now, op, done, sink));
}

fn fresh(length: usize) -> ReplyBuf {
    ReplyBuf::new(Vec::new(), length)
}
