//! The thread that answers the server's questions, where ksmbd has netlink messages.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;
use ksmbd_core::config::Share;
use ksmbd_core::rng::Rng;
use ksmbd_core::vfs::{Done, VfsError};
use ksmbd_runtime_threads::daemon::{Letter, PipeId, Question};

use crate::admit::{Visitor, admit};
use crate::config::interfaces;
use crate::rpc::{Pipe, PipeError};
use crate::state::Current;

/// Open pipes at once, of all clients. A pipe can hold some 650 KiB for a client that asks much and
/// reads nothing; clients that behave have one for a moment.
pub const MAX_PIPES: usize = 256;

/// What the daemon remembers between two questions.
pub struct Daemon {
    current: Current,
    rng: Rng,
    pipes: BTreeMap<PipeId, Pipe>,
    /// How many there are, for whoever watches.
    pipe_count: Arc<AtomicUsize>,
    /// Trees that are connected, by the share's folded name: a reload makes other [`Share`]s, and
    /// the trees stay.
    connected: BTreeMap<String, usize>,
}

impl Daemon {
    /// A daemon that decides by `current`. What it makes up comes from `rng`.
    pub fn new(current: Current, rng: Rng) -> Self {
        Self {
            current,
            rng,
            pipes: BTreeMap::new(),
            pipe_count: Arc::default(),
            connected: BTreeMap::new(),
        }
    }

    /// Open pipes, now and later.
    pub fn pipe_count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.pipe_count)
    }

    /// Answers letters in a thread of its own, until nobody can write one any more.
    ///
    /// # Errors
    ///
    /// No thread can be had.
    pub fn spawn(mut self, letters: Receiver<Letter>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("ksmbd.mountd".to_owned()).spawn(move || {
            for letter in letters {
                let done = self.decide(&letter.question);
                letter.answer(done);
            }
        })
    }

    /// The answer to one question.
    pub fn decide(&mut self, question: &Question) -> Done {
        let done = self.answer(question);
        self.pipe_count.store(self.pipes.len(), Ordering::Relaxed);
        done
    }

    fn answer(&mut self, question: &Question) -> Done {
        match question {
            Question::Interfaces => {
                match interfaces::advertised(&self.current.get().settings.global) {
                    Ok(interfaces) => Done::Interfaces(interfaces),
                    Err(error) => {
                        log::warn!("{error}");
                        Done::Failed(VfsError::Io)
                    }
                }
            }
            Question::Logon { user, domain } => self.logon(user, domain),
            Question::Admit { share, account, guest, peer, connection, dialect } => {
                let visitor = Visitor {
                    account: account.as_deref(),
                    guest: *guest,
                    peer,
                    connection: *connection,
                    dialect: *dialect,
                };
                self.admit(share, visitor)
            }
            Question::Leave { share } => self.leave(share),
            Question::PipeOpen { pipe, name, account } => {
                self.pipe_open(*pipe, name, account.clone())
            }
            Question::PipeWrite { pipe, data } => self.pipe_write(*pipe, data.bytes()),
            Question::PipeRead { pipe, max } => self.pipe_read(*pipe, *max),
            Question::PipeTransact { pipe, data, max } => match self.pipe_write(*pipe, data) {
                Done::Wrote(_) => self.pipe_read(*pipe, *max),
                failed => failed,
            },
            Question::PipeClose { pipe } => {
                self.pipes.remove(pipe);
                Done::Ok
            }
        }
    }

    fn logon(&self, user: &str, domain: &str) -> Done {
        log::debug!("logon of `{}\\{}`", domain.escape_debug(), user.escape_debug());
        let state = self.current.get();
        let global = &state.settings.global;
        let guest = global.map_to_guest.then_some(global.guest_account.as_str());
        Done::Account(state.accounts.logon(user, guest))
    }

    fn admit(&mut self, share: &str, visitor: Visitor<'_>) -> Done {
        let state = self.current.get();
        let connected = &mut self.connected;
        let answer = admit(&state, share, visitor, |settings| {
            connected.get(&folded(&settings.share)).copied().unwrap_or_default()
        });
        match answer {
            Ok(admission) => {
                let count = connected.entry(folded(&admission.share)).or_default();
                *count = count.saturating_add(1);
                Done::Admitted(Ok(admission))
            }
            Err(refusal) => {
                log::info!(
                    "TREE_CONNECT to `{}` by {} from {} refused with {}: {refusal}",
                    share.escape_debug(),
                    visitor.account.unwrap_or("nobody").escape_debug(),
                    visitor.peer.address.ip().to_canonical(),
                    refusal.status(),
                );
                Done::Admitted(Err(refusal.status()))
            }
        }
    }

    fn leave(&mut self, share: &Share) -> Done {
        let name = folded(share);
        if let Some(count) = self.connected.get_mut(&name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.connected.remove(&name);
            }
        }
        Done::Ok
    }

    fn pipe_open(&mut self, id: PipeId, name: &str, account: Option<String>) -> Done {
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

    fn pipe_write(&mut self, id: PipeId, data: &[u8]) -> Done {
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

    fn pipe_read(&mut self, id: PipeId, max: u32) -> Done {
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

fn folded(share: &Share) -> String {
    share.name.to_lowercase()
}

#[cfg(test)]
mod tests;
