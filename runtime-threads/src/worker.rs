//! The thread `ksmbd/w`: calls that no client waits for (delete on close after a hang-up, expiry),
//! answers of the daemon whose client is gone, changes made outside SMB, and what the forker may not wait for.

use crate::{
    server::{Ran, Shared},
    vfs::{
        identity,
        outside::{self, Tell, Told},
    },
};
use crossbeam_channel::{Receiver, Sender};
use ksmbd_core::{
    buffer::ReplyBuf,
    id::OpId,
    vfs::{Call, Done, File, FsChange, VfsError},
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
    /// Close them.
    Release(Vec<File>),
    /// Pass on what was changed outside SMB, and look through what is new.
    Outside,
    /// Something was changed outside SMB.
    Changed(FsChange),
    /// What is there now is still done; then the thread ends.
    Stop,
}

/// Starts the thread.
pub(crate) fn spawn(shared: Arc<Shared>, jobs: Receiver<Job>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("ksmbd/w".into()).stack_size(crate::STACK).spawn(move || {
        identity::renounce();
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
                Ok(Ran::Done(done)) => (op, done),
                Ok(Ran::Asked(_)) => return,
                Err(_) => {
                    log::error!("ksmbd/w: a call panicked");
                    (op, Done::Failed(VfsError::Io))
                }
            }
        }
        Job::Done(op, done) => (op, done),
        Job::Release(files) => return drop(files),
        Job::Outside => {
            shared.looking_outside();
            outside::drain();
            return outside::look_through();
        }
        Job::Changed(change) => {
            return shared.fs_changed(&change);
        }
        Job::Stop => return,
    };
    shared.complete(None, op, done);
}

/// How the file system tells of changes made outside SMB.
pub(crate) fn teller(worker: Sender<Job>) -> Tell {
    Arc::new(move |told| {
        // When the worker is gone, nobody is left to be told.
        let _ = worker.send(match told {
            Told::Changed(change) => Job::Changed(change),
            Told::NewDirectories => Job::Outside,
        });
    })
}

fn fresh(length: usize) -> ReplyBuf {
    ReplyBuf::new(Vec::new(), length)
}
