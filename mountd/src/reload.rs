//! Reading the files again. That asks file systems and name services, which may not answer: it is done by a
//! thread of its own, and never keeps the server from ending.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use crate::server::Server;
use crate::state::{Current, LoadError, Source};

/// A running server, and the files that it is made of.
pub struct Reloader {
    /// It may end meanwhile.
    server: Weak<Server>,
    current: Current,
    source: Source,
    /// One reload at a time: what the core and the daemon decide by is to be of one file.
    alone: Mutex<()>,
    /// Those that are under way, or wait for one.
    reloads: AtomicUsize,
}

/// More than so many wait for one that does not end.
const RELOADS: usize = 4;

impl Reloader {
    /// For this server.
    pub fn new(server: &Arc<Server>, source: Source) -> Self {
        let current = server.current().clone();
        Self {
            server: Arc::downgrade(server),
            current,
            source,
            alone: Mutex::new(()),
            reloads: AtomicUsize::new(0),
        }
    }

    /// The server, while it runs.
    pub fn server(&self) -> Option<Arc<Server>> {
        self.server.upgrade()
    }

    /// Reads the files again, and says what came of it in the log and to the caller.
    ///
    /// # Errors
    ///
    /// A file cannot be used; what it says stays as it was. Or reloads wait already, and the first does not end.
    pub fn reload(&self) -> Result<String, String> {
        let before = self.reloads.fetch_add(1, Ordering::SeqCst);
        let said = match before < RELOADS {
            true => self.reload_alone(),
            false => Err(
                "not reloaded: one that has begun before does not end, and others wait for it; \
                 is there a share or a name service that does not answer?"
                    .to_owned(),
            ),
        };
        self.reloads.fetch_sub(1, Ordering::SeqCst);
        said
    }

    fn reload_alone(&self) -> Result<String, String> {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.get();
        match self.current.reload(&self.source) {
            Ok(mut kept) => {
                if let Some(server) = self.server() {
                    kept.extend(server.changed(&before));
                }
                if kept.is_empty() {
                    log::info!("reloaded");
                    return Ok("reloaded".to_owned());
                }
                let said = format!("reloaded; a restart is needed for: {}", kept.join(", "));
                log::warn!("{said}");
                Ok(said)
            }
            Err(error) => {
                let stays = match error {
                    LoadError::Config(..) => "everything but the accounts",
                    LoadError::Database(..) => "everything",
                };
                let said = format!("not reloaded, {stays} stays as it was: {error}");
                log::error!("{said}");
                Err(said)
            }
        }
    }

    /// A thread that reloads when it is told to, and ends when nobody can tell it any more. What is said
    /// while a reload waits to begin is said in time for that one.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub fn spawn(self: Arc<Self>) -> io::Result<(Sender<()>, JoinHandle<()>)> {
        let (tell, told) = bounded(1);
        let thread = thread::Builder::new().name("ksmbd.reload".to_owned());
        let thread = thread.spawn(move || {
            for () in told {
                let _ = self.reload();
            }
        })?;
        Ok((tell, thread))
    }
}
