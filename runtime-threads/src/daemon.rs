//! Letters to the daemon: crossbeam channels where ksmbd has netlink. A client's thread sends one and
//! goes on; the answer comes into its mailbox. What a client has asked is bounded, and taken back when
//! it goes: see [`Asked`].

use crate::{
    mailbox::{Entry, Mailbox, Waker},
    worker::Job,
};
use crossbeam_channel::Sender;
use ksmbd_core::{
    buffer::Payload,
    config::Share,
    id::{ConnId, OpId},
    vfs::{Done, File, FileObject, Op, Peer, VfsError},
    wire::negotiate::Dialect,
};
use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

mod asked;

pub(crate) use asked::Asked;

/// More is not written into a pipe at once: as long as the longest request of DCE/RPC that is taken,
/// and many times a fragment of one.
const PIPE_WRITE: usize = 128 * 1024;

/// With so many letters unopened nothing new is begun: far more than all clients have together, unless
/// some come, ask and go while the daemon waits for something else.
const UNOPENED: usize = 64 * 1024;

/// Which pipe; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipeId(pub u64);

/// What the daemon is asked; the calls of [`Op`] that are not the file system's.
#[derive(Debug)]
pub enum Question {
    /// Where can clients reach this server? Answered with [`Done::Interfaces`].
    Interfaces,
    /// Who is this? Answered with [`Done::Account`].
    Logon {
        /// As the client wrote it.
        user: String,
        /// As the client wrote it.
        domain: String,
    },
    /// May this session use that share? Answered with [`Done::Admitted`].
    Admit {
        /// As the client wrote it.
        share: String,
        /// `None` is anonymous.
        account: Option<String>,
        /// The session is a guest's.
        guest: bool,
        /// Both ends of the connection.
        peer: Peer,
        /// Its number.
        connection: ConnId,
        /// What was negotiated on it.
        dialect: Dialect,
    },
    /// A tree is gone. Answered with [`Done::Ok`].
    Leave {
        /// Its share.
        share: Arc<Share>,
    },
    /// Open a pipe. Answered with [`Done::Ok`].
    PipeOpen {
        /// What it will be called from now on.
        pipe: PipeId,
        /// Its name.
        name: String,
        /// `None` is anonymous.
        account: Option<String>,
    },
    /// A message into a pipe. Answered with [`Done::Wrote`].
    PipeWrite {
        /// The pipe.
        pipe: PipeId,
        /// The message.
        data: Payload,
    },
    /// Read a message. Answered with [`Done::PipeData`].
    PipeRead {
        /// The pipe.
        pipe: PipeId,
        /// In bytes.
        max: u32,
    },
    /// Write and read in one. Answered with [`Done::PipeData`].
    PipeTransact {
        /// The pipe.
        pipe: PipeId,
        /// The message.
        data: Vec<u8>,
        /// In bytes.
        max: u32,
    },
    /// Nobody has the pipe any more. Needs no answer.
    PipeClose {
        /// The pipe.
        pipe: PipeId,
    },
}

/// A question and where its answer goes. One that is dropped is answered with
/// [`VfsError::HungUp`].
#[derive(Debug)]
pub struct Letter(Arc<Content>);

/// What is in a letter until it is opened, or taken back.
type Content = Mutex<Option<(Question, Answer)>>;

impl Letter {
    fn new(question: Question, answer: Answer) -> Self {
        Self(Arc::new(Mutex::new(Some((question, answer)))))
    }

    /// The question, and what answers it; `None` when who has asked is gone.
    pub fn open(self) -> Option<(Question, Answer)> {
        take(&self.0, |_| true)
    }
}

/// What who has sent a letter keeps of it.
#[derive(Debug)]
pub(crate) struct Receipt(Weak<Content>);

impl Receipt {
    /// Of a letter that is nowhere.
    #[cfg(test)]
    pub(crate) fn lost() -> Self {
        Self(Weak::new())
    }

    /// The daemon need not look at it any more, unless it has begun to: the call fails with
    /// [`VfsError::HungUp`], and what the letter holds is free.
    fn take_back(&self) {
        // That a tree is gone has to be known, whoever is left.
        let is_question = |question: &Question| !matches!(question, Question::Leave { .. });
        drop(self.0.upgrade().and_then(|content| take(&content, is_question)));
    }
}

/// Once, for the one or the other.
fn take(content: &Content, which: impl Fn(&Question) -> bool) -> Option<(Question, Answer)> {
    let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
    content.take_if(|(question, _)| which(question))
}

/// Answers one question, once.
#[derive(Debug)]
pub struct Answer(Option<Address>);

impl Answer {
    /// Answers. May be called on any thread, and never waits.
    pub fn send(mut self, done: Done) {
        if let Some(address) = self.0.take() {
            address.deliver(done);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(address) = self.0.take() {
            address.deliver(Done::Failed(VfsError::HungUp));
        }
    }
}

/// Who waits for an answer.
#[derive(Debug)]
struct Address {
    op: OpId,
    /// The client's thread, if one asked.
    mailbox: Option<Arc<Mailbox>>,
    /// Completes what no client's thread can.
    worker: Sender<Job>,
    /// The pipe that is being opened, or that must stay open until this is answered.
    pipe: Option<File>,
    opens: bool,
}

impl Address {
    fn deliver(mut self, done: Done) {
        let pipe = self.pipe.take();
        let done = match (done, &pipe) {
            (Done::Ok, Some(pipe)) if self.opens => Done::Pipe(pipe.clone()),
            (done, _) => done,
        };
        let mut entry = Entry::Done(self.op, done);
        if let Some(mailbox) = self.mailbox {
            match mailbox.push(entry) {
                Ok(waker) => return waker.into_iter().for_each(Waker::wake),
                Err(refused) => entry = *refused,
            }
        }
        if let Entry::Done(op, done) = entry {
            // When the worker is gone, so is the server that waited for this.
            let _ = self.worker.send(Job::Done(op, done));
        }
    }
}

/// What stands behind a pipe's [`File`]. The last clone tells the daemon.
struct Pipe {
    id: PipeId,
    letters: Sender<Letter>,
}

impl FileObject for Pipe {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let question = Question::PipeClose { pipe: self.id };
        let _ = self.letters.send(Letter::new(question, Answer(None)));
    }
}

/// Where letters are posted.
#[derive(Debug)]
pub(crate) struct Post {
    daemon: Sender<Letter>,
    /// Who answers for pipes, so that nobody's logon waits behind what others ask there.
    rpc: Sender<Letter>,
    worker: Sender<Job>,
    pipes: AtomicU64,
}

/// What becomes of a call.
pub(crate) enum Posted {
    /// It is on its way, and the answer comes by itself.
    Sent(Receipt),
    /// It has failed at once.
    Refused(VfsError),
    /// It is the file system's.
    NotMine(Op),
}

/// A call as a letter.
struct Draft {
    question: Question,
    /// See [`Address::pipe`].
    pipe: Option<File>,
    opens: bool,
}

impl Draft {
    fn new(question: Question) -> Self {
        Self { question, pipe: None, opens: false }
    }

    fn about(pipe: File, question: Question) -> Self {
        Self { question, pipe: Some(pipe), opens: false }
    }

    fn is_about_pipes(&self) -> bool {
        self.pipe.is_some()
    }

    fn is_too_long(&self) -> bool {
        let length = match &self.question {
            Question::PipeWrite { data, .. } => data.len(),
            Question::PipeTransact { data, .. } => data.len(),
            _ => 0,
        };
        length > PIPE_WRITE
    }
}

impl Post {
    /// `rpc` is for what is asked about pipes, and `daemon` for the rest.
    pub(crate) fn new(daemon: Sender<Letter>, rpc: Sender<Letter>, worker: Sender<Job>) -> Self {
        Self { daemon, rpc, worker, pipes: AtomicU64::new(0) }
    }

    /// Sends the daemon's calls off; the file system's come back. The answer goes to `mailbox`, or to
    /// the worker where there is none.
    pub(crate) fn post(&self, mailbox: Option<&Arc<Mailbox>>, op_id: OpId, op: Op) -> Posted {
        // A pipe that is refused must not leave a letter that says that it is closed.
        let unopened = match &op {
            Op::Logon { .. } | Op::Admit { .. } => self.daemon.len(),
            Op::PipeOpen { .. } => self.rpc.len(),
            _ => 0,
        };
        if unopened >= UNOPENED {
            return Posted::Refused(VfsError::NoMemory);
        }
        let draft = match self.draft(op) {
            Ok(draft) => draft,
            Err(op) => return Posted::NotMine(op),
        };
        let letters = if draft.is_about_pipes() { &self.rpc } else { &self.daemon };
        if draft.is_too_long() {
            return Posted::Refused(VfsError::NoMemory);
        }
        let Draft { question, pipe, opens } = draft;
        let (mailbox, worker) = (mailbox.cloned(), self.worker.clone());
        let address = Address { op: op_id, mailbox, worker, pipe, opens };
        let letter = Letter::new(question, Answer(Some(address)));
        let receipt = Receipt(Arc::downgrade(&letter.0));
        // A daemon that is gone drops the letter, which is an answer too.
        let _ = letters.send(letter);
        Posted::Sent(receipt)
    }

    #[allow(clippy::result_large_err, reason = "the operation goes back to who is to run it")]
    fn draft(&self, op: Op) -> Result<Draft, Op> {
        Ok(match op {
            Op::Interfaces => Draft::new(Question::Interfaces),
            Op::Logon { user, domain } => Draft::new(Question::Logon { user, domain }),
            Op::Admit { share, account, guest, peer, connection, dialect } => {
                let question = Question::Admit { share, account, guest, peer, connection, dialect };
                Draft::new(question)
            }
            Op::Leave { share } => Draft::new(Question::Leave { share }),
            Op::PipeOpen { name, account } => {
                let pipe = PipeId(self.pipes.fetch_add(1, Ordering::Relaxed));
                let file = File(Arc::new(Pipe { id: pipe, letters: self.rpc.clone() }));
                let question = Question::PipeOpen { pipe, name, account };
                Draft { opens: true, ..Draft::about(file, question) }
            }
            Op::PipeWrite { pipe: file, data } => match id_of(&file) {
                Some(pipe) => Draft::about(file, Question::PipeWrite { pipe, data }),
                None => return Err(Op::PipeWrite { pipe: file, data }),
            },
            Op::PipeRead { pipe: file, max } => match id_of(&file) {
                Some(pipe) => Draft::about(file, Question::PipeRead { pipe, max }),
                None => return Err(Op::PipeRead { pipe: file, max }),
            },
            Op::PipeTransact { pipe: file, data, max } => match id_of(&file) {
                Some(pipe) => Draft::about(file, Question::PipeTransact { pipe, data, max }),
                None => return Err(Op::PipeTransact { pipe: file, data, max }),
            },
            op => return Err(op),
        })
    }
}

fn id_of(file: &File) -> Option<PipeId> {
    file.0.as_any().downcast_ref::<Pipe>().map(|pipe| pipe.id)
}

#[cfg(test)]
mod tests;
