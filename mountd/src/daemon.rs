//! The threads that answer the server's questions, where ksmbd has netlink messages: one lets people in,
//! and [another](crate::pipes) speaks DCE/RPC with those who are in.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;
use ksmbd_core::config::Share;
use ksmbd_core::vfs::{Done, VfsError};
use ksmbd_runtime_threads::daemon::{Letter, Question};

use crate::admit::{Visitor, admit};
use crate::config::interfaces;
use crate::state::Current;

/// What the daemon remembers between two questions.
pub struct Daemon {
    current: Current,
    /// Trees that are connected, by the share's folded name: a reload makes other [`Share`]s, and
    /// the trees stay.
    connected: BTreeMap<String, usize>,
}

impl Daemon {
    /// A daemon that decides by `current`.
    pub fn new(current: Current) -> Self {
        Self { current, connected: BTreeMap::new() }
    }

    /// Answers letters in a thread of its own, until nobody can write one any more.
    ///
    /// # Errors
    ///
    /// No thread can be had.
    pub fn spawn(mut self, letters: Receiver<Letter>) -> io::Result<JoinHandle<()>> {
        spawn("ksmbd.mountd", letters, move |question| self.decide(&question))
    }

    /// The answer to one question.
    pub fn decide(&mut self, question: &Question) -> Done {
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
            Question::PipeOpen { .. }
            | Question::PipeWrite { .. }
            | Question::PipeRead { .. }
            | Question::PipeTransact { .. }
            | Question::PipeClose { .. } => Done::Failed(VfsError::NotSupported),
        }
    }

    fn logon(&self, user: &str, domain: &str) -> Done {
        log::debug!("logon of `{}\\{}`", domain.escape_debug(), user.escape_debug());
        let state = self.current.get();
        let global = &state.settings.global;
        let guest = global.map_to_guest.then_some(global.guest_account.as_str());
        match state.accounts.logon(user, guest) {
            Ok(account) => Done::Account(account),
            Err(error) => {
                log::warn!("logon of `{}` refused: {error}", user.escape_debug());
                Done::Failed(VfsError::Io)
            }
        }
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
}

/// Answers letters in a thread called `name`, until nobody can write one any more. Those whose sender is
/// gone are passed over. A question that makes it panic fails, and nobody else's does.
pub(crate) fn spawn(
    name: &str,
    letters: Receiver<Letter>,
    mut decide: impl FnMut(Question) -> Done + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        for (question, answer) in letters.into_iter().filter_map(Letter::open) {
            let decided = catch_unwind(AssertUnwindSafe(|| decide(question)));
            answer.send(decided.unwrap_or_else(|_| {
                log::error!("a question of a client made the daemon panic");
                Done::Failed(VfsError::Io)
            }));
        }
    })
}

fn folded(share: &Share) -> String {
    share.name.to_lowercase()
}

#[cfg(test)]
pub(crate) mod tests;
