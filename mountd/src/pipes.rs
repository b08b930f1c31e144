//! The thread that speaks DCE/RPC: the pipes that clients have open. What they ask here may take long, and
//! nobody's logon waits for it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use ksmbd_core::config::MAX_PIPES;
use ksmbd_core::rng::Rng;
use ksmbd_core::vfs::{Done, VfsError};
use ksmbd_runtime_threads::daemon::{Letter, PipeId, Question};

use crate::daemon;
use crate::rpc::{Pipe, PipeError};
use crate::state::Current;

/// The open pipes.
pub struct Pipes {
    current: Current,
    rng: Rng,
    pipes: BTreeMap<PipeId, Pipe>,
    /// How many there are, for whoever watches.
    count: Arc<AtomicUsize>,
}

impl Pipes {
    /// None yet. They show what `current` has, and what they make up comes from `rng`.
    pub fn new(current: Current, rng: Rng) -> Self {
        Self { current, rng, pipes: BTreeMap::new(), count: Arc::default() }
    }

    /// How many there are, now and later.
    pub fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    /// Answers letters in a thread of its own, until nobody can write one any more.
    ///
    /// # Errors
    ///
    /// No thread can be had.
    pub fn spawn(mut self, letters: Receiver<Letter>) -> io::Result<JoinHandle<()>> {
        daemon::spawn("ksmbd.rpc", letters, move |question| self.decide(&question))
    }

    /// The answer to one question.
    pub fn decide(&mut self, question: &Question) -> Done {
        let done = self.answer(question);
        self.count.store(self.pipes.len(), Ordering::Relaxed);
        done
    }

    fn answer(&mut self, question: &Question) -> Done {
        match question {
            Question::PipeOpen { pipe, name, account } => self.open(*pipe, name, account.clone()),
            Question::PipeWrite { pipe, data } => self.write(*pipe, data.bytes()),
            Question::PipeRead { pipe, max } => self.read(*pipe, *max),
            Question::PipeTransact { pipe, data, max } => match self.write(*pipe, data) {
                Done::Wrote(_) => self.read(*pipe, *max),
                failed => failed,
            },
            Question::PipeClose { pipe } => {
                self.pipes.remove(pipe);
                Done::Ok
            }
            Question::Interfaces
            | Question::Logon { .. }
            | Question::Admit { .. }
            | Question::Leave { .. } => Done::Failed(VfsError::NotSupported),
        }
    }

    fn open(&mut self, id: PipeId, name: &str, account: Option<String>) -> Done {
        if self.pipes.len() >= MAX_PIPES {
            log::warn!("no pipe is left: {MAX_PIPES} are open");
            return Done::Failed(VfsError::TooManyFiles);
        }
        match Pipe::open(name, account, self.rng.fork()) {
            Some(pipe) => {
                self.pipes.insert(id, pipe);
                Done::Ok
            }
            None => {
                log::debug!("there is no pipe `{}`", name.escape_debug());
                Done::Failed(VfsError::NotFound)
            }
        }
    }

    fn write(&mut self, id: PipeId, data: &[u8]) -> Done {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return Done::Failed(VfsError::Gone);
        };
        match pipe.write(data, &*self.current.get()) {
            Ok(()) => Done::Wrote(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => {
                log::info!("write to the pipe `{}` refused: {error}", pipe.name());
                Done::Failed(match error {
                    PipeError::Closed | PipeError::Protocol(_) => VfsError::Gone,
                    PipeError::Unread => VfsError::NoMemory,
                })
            }
        }
    }

    fn read(&mut self, id: PipeId, max: u32) -> Done {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return Done::Failed(VfsError::Gone);
        };
        if !pipe.has_output() {
            let gone = pipe.broken().is_some();
            return Done::Failed(if gone { VfsError::Gone } else { VfsError::WouldBlock });
        }
        let read = pipe.read(usize::try_from(max).unwrap_or(usize::MAX));
        Done::PipeData { data: read.data, more: read.more }
    }
}

#[cfg(test)]
mod tests;
