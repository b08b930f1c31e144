//! Where the promises are kept that outlive the server: a journal ([`ksmbd_record::journal`]) in the
//! state directory, which one server has for itself. What is promised is on stable storage before it
//! is said; threads that promise at the same time wait for the disk together.

use crate::{descriptors, vfs};
use ksmbd_core::vfs::{Done, Memo, Past, Promise, Restored, VfsError};
use ksmbd_core::{config::Share, vfs::Identity};
use ksmbd_record::journal::{Anchor, Ledger, MAX_BLOCK, Said, block, read};
use rustix::fs::{FlockOperation, flock};
use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// The journal's name in the state directory.
const NAME: &str = "persistent.journal";

/// A journal is written anew when it is longer than this, and much longer than what it says.
const LONG: u64 = 256 * 1024;

/// One that is longer was written by nobody here.
const LIMIT: u64 = 1 << 30;

/// Why there is no journal.
#[derive(Debug)]
pub enum JournalError {
    /// The directory, or something in it, cannot be used.
    Io(PathBuf, io::Error),
    /// Another server uses it.
    InUse(PathBuf),
    /// It cannot be read, and what it holds is not thrown away.
    Foreign(PathBuf, String),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::InUse(path) => write!(f, "{}: another server uses it", path.display()),
            Self::Foreign(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for JournalError {}

/// A share and who uses its files, as they are now; `None`: the promise does not hold any more.
pub type Resolve<'a> = &'a (dyn Fn(&Promise) -> Option<(Arc<Share>, Arc<Identity>)> + Sync);

/// The journal, open.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    /// Keeps other servers out.
    lock: File,
    inner: Mutex<Inner>,
    /// How many memos are on stable storage. Taken before `inner`, where both are.
    synced: Mutex<u64>,
}

#[derive(Debug)]
struct Inner {
    file: Arc<File>,
    ledger: Ledger,
    length: u64,
    /// How long it was when it was written anew.
    base: u64,
    /// Memos that are in the file.
    memos: u64,
    /// The file's end is not what it should be, or the disk has lost some of it: it is to be written
    /// anew before anything is added.
    broken: bool,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one. A server begins with it.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; nothing that was promised is lost by that.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(NAME);
        let failed = |path: &Path, error| JournalError::Io(path.to_owned(), error);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed(directory, error))?;
        let lock = File::open(directory).map_err(|error| failed(directory, error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(JournalError::InUse(directory.to_owned()));
        }
        let mut ledger = load(&path)?;
        ledger.take(Said::Servers(ledger.servers().saturating_add(1)));
        let anew = write_anew(directory, &ledger).map_err(|error| failed(&path, error))?;
        lock.sync_all().map_err(|error| failed(directory, error))?;
        let (file, length) = anew;
        let inner = Inner { file, ledger, length, base: length, memos: 0, broken: false };
        let directory = directory.to_owned();
        Ok(Self { directory, lock, inner: Mutex::new(inner), synced: Mutex::new(0) })
    }

    /// What the servers before have left, with its files open again. What is not there any more, or is
    /// another file, is let go. Files are opened as their users by a thread of its own: the caller stays who
    /// it is, and so do the threads that it starts.
    pub fn past(&self, resolve: Resolve<'_>) -> Past {
        let ledger = self.lock().ledger.clone();
        descriptors::provide_for(ledger.opens().count());
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                vfs::identity::renounce();
                self.restore_all(&ledger, resolve)
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn restore_all(&self, ledger: &Ledger, resolve: Resolve<'_>) -> Past {
        let mut past = Past { servers: ledger.servers(), opens: Vec::new() };
        let mut gone = Vec::new();
        for (number, promise, anchor) in ledger.opens() {
            match restore(number, promise, anchor, resolve) {
                Ok(restored) => past.opens.push(restored),
                Err(why) => {
                    let (share, path) = (&promise.share, promise.path.as_str());
                    log::warn!("a persistent open of `{path}` in {share} is given up: {why}");
                    gone.push(promise.id);
                }
            }
        }
        if !gone.is_empty() {
            // Later ones have higher numbers.
            let number = ledger.opens().map(|(number, ..)| number).max().unwrap_or_default();
            let memo = Memo { number: number.saturating_add(1), kept: Vec::new(), gone };
            let _ = self.remember(memo);
        }
        past
    }

    /// [`Op::Remember`](ksmbd_core::vfs::Op::Remember).
    pub(crate) fn remember(&self, memo: Memo) -> Done {
        match self.try_remember(memo) {
            Ok(()) => Done::Ok,
            Err(error) => Done::Failed(error),
        }
    }

    fn try_remember(&self, memo: Memo) -> Result<(), VfsError> {
        // The journal is the server's own, whoever's call this is.
        vfs::identity::assume_server()?;
        let sync = !memo.kept.is_empty();
        let said = said(memo)?;
        let failed = |error: io::Error| {
            log::error!("{}: {error}", self.directory.join(NAME).display());
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => VfsError::NoSpace,
                _ => VfsError::Io,
            }
        };
        let mine = self.lock().add(&self.directory, &self.lock, said).map_err(failed)?;
        if sync { self.sync(mine).map_err(failed) } else { Ok(()) }
    }

    /// Returns when so many memos are on stable storage. Who comes while another thread waits for the
    /// disk often finds that it has waited for both.
    fn sync(&self, mine: u64) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced >= mine {
            return Ok(());
        }
        let (file, memos, broken) = {
            let inner = self.lock();
            (Arc::clone(&inner.file), inner.memos, inner.broken)
        };
        if broken {
            return Err(io::Error::other("it could not be written"));
        }
        // What a disk has lost once it does not lose again: it would be taken for written.
        file.sync_data().inspect_err(|_| self.lock().broken = true)?;
        *synced = memos;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in there is changed after what could panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Adds what is news, all or nothing; how many memos there are then. `handle` is the directory's.
    fn add(&mut self, directory: &Path, handle: &File, said: Vec<Said>) -> io::Result<u64> {
        let news: Vec<_> = said.into_iter().filter(|said| self.ledger.is_news(said)).collect();
        let bytes = block(&news);
        if bytes.len() > MAX_BLOCK {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let long = self.length > LONG && self.length / 4 > self.base;
        if self.broken || long {
            match write_anew(directory, &self.ledger) {
                Ok((file, length)) => {
                    (self.file, self.length, self.base) = (file, length, length);
                    // The name has to be there after a power failure, too.
                    self.broken = true;
                    handle.sync_all()?;
                    self.broken = false;
                }
                Err(error) if self.broken => return Err(error),
                // It goes on as long as there is room.
                Err(error) => log::warn!("{}: {error}", directory.display()),
            }
        }
        if !news.is_empty() {
            if let Err(error) = (&*self.file).write_all(&bytes) {
                // Half a block would hide all that comes after it.
                self.broken = self.file.set_len(self.length).is_err();
                return Err(error);
            }
            self.length = self.length.saturating_add(bytes.len() as u64);
            news.into_iter().for_each(|said| self.ledger.take(said));
        }
        self.memos = self.memos.saturating_add(1);
        Ok(self.memos)
    }
}

fn said(memo: Memo) -> Result<Vec<Said>, VfsError> {
    let Memo { number, kept, gone } = memo;
    let mut said: Vec<_> = gone.into_iter().map(|open| Said::Gone(number, open)).collect();
    for (promise, file) in kept {
        let anchor = vfs::anchor(&file)?;
        said.push(Said::Kept(number, Box::new((*promise).clone()), anchor));
    }
    Ok(said)
}

fn restore(
    number: u64,
    promise: &Promise,
    anchor: &Anchor,
    resolve: Resolve<'_>,
) -> Result<Restored, String> {
    let found = resolve(promise);
    let (share, identity) = found.ok_or("the share, or who may use it, is not what it was")?;
    if share.path != promise.root || !share.continuous {
        return Err("the share is not what it was".to_owned());
    }
    let found = vfs::reopen(promise, anchor, &share, &identity);
    let (directory, opened) = found.map_err(|error| format!("{error:?}"))?;
    let promise = Promise { identity, ..promise.clone() };
    Ok(Restored { number, promise, share, directory, opened })
}

/// What an old journal says. One that is damaged is kept beside, as far as that can be done.
fn load(path: &Path) -> Result<Ledger, JournalError> {
    let failed = |error| JournalError::Io(path.to_owned(), error);
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ledger::default()),
        Err(error) => return Err(failed(error)),
    };
    let (ledger, fault) =
        read(&bytes).map_err(|fault| JournalError::Foreign(path.to_owned(), fault.what))?;
    if let Some(fault) = fault {
        log::warn!("{}: {fault}; what comes after it does not count", path.display());
        let _ = fs::copy(path, path.with_extension("damaged"));
    }
    Ok(ledger)
}

/// Writes a journal that says this, beside the old one, and puts it in its place: from then on it is the one that
/// counts.
fn write_anew(directory: &Path, ledger: &Ledger) -> io::Result<(Arc<File>, u64)> {
    let (path, beside) = (directory.join(NAME), directory.join(format!("{NAME}.new")));
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let bytes = ledger.journal();
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)?;
    let written = (&file).write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, &path)?;
    Ok((Arc::new(file), bytes.len() as u64))
}

#[cfg(test)]
mod tests;
