//! `ksmbd.lock`: the PID of the running server, so that there is one, and the tools find it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use ksmbd_adduser::daemon::is_daemon;

/// The right to be the server of the system's configuration. It is given back on drop.
#[derive(Debug)]
pub struct LockFile(PathBuf);

/// Why it cannot be had.
#[derive(Debug)]
pub enum LockError {
    /// Another server runs.
    Running(PathBuf, i32),
    /// The file cannot be written.
    Io(PathBuf, io::Error),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(path, pid) => write!(
                f,
                "{}: ksmbd.mountd runs already, as process {pid}; stop it with `kill {pid}`, or \
                 name another configuration file with -C",
                path.display()
            ),
            Self::Io(path, error) => write!(
                f,
                "{}: cannot write it: {error}; run as root, or name a configuration file with -C",
                path.display()
            ),
        }
    }
}

impl std::error::Error for LockError {}

impl LockFile {
    /// Writes our PID into `path`, unless a server runs whose PID is in it. What a server that
    /// was killed has left is replaced.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |error| LockError::Io(path.to_owned(), error);
        // Twice: once to find a stale file, and once more without it. Another server that
        // starts at the same moment wins the race for `create_new`, and is found.
        for _ in 0..2 {
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    let lock = Self(path.to_owned());
                    file.write_all(format!("{}\n", process::id()).as_bytes()).map_err(failed)?;
                    return Ok(lock);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if let Some(pid) = running(path).map_err(failed)? {
                        return Err(LockError::Running(path.to_owned(), pid));
                    }
                    log::info!("{}: left by a server that is gone; replaced", path.display());
                    remove(path).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Somebody may have removed it and started another server.
        if pid_in(&self.0).ok().flatten() == i32::try_from(process::id()).ok() {
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The PID in the file, if a server runs under it.
fn running(path: &Path) -> io::Result<Option<i32>> {
    Ok(pid_in(path)?.filter(|&pid| is_server(pid)))
}

fn pid_in(path: &Path) -> io::Result<Option<i32>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process is another server: after a crash the PID may be anybody's, even ours.
fn is_server(pid: i32) -> bool {
    pid > 0 && Ok(pid) != i32::try_from(process::id()) && is_daemon(pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_adduser::scratch::{Scratch, sleeper};

    #[test]
    fn it_holds_our_pid_and_goes_with_us() {
        let scratch = Scratch::new("lock-own");
        let path = scratch.path().join("lock");
        let lock = LockFile::acquire(&path).expect("nobody has it");
        assert_eq!(fs::read_to_string(&path).expect("file"), format!("{}\n", process::id()));
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn a_running_server_is_left_alone() {
        let scratch = Scratch::new("lock-live");
        let mut server = sleeper(&scratch, "ksmbd-mountd");
        let path = scratch.file("lock", &format!("{}\n", server.id()));
        let error = LockFile::acquire(&path).expect_err("it runs").to_string();
        assert!(error.contains(&format!("runs already, as process {}", server.id())), "{error}");
        assert!(path.exists());
        server.kill().expect("killed");
        server.wait().expect("ended");
        LockFile::acquire(&path).expect("stale now");
    }

    #[test]
    fn what_is_stale_is_replaced() {
        let scratch = Scratch::new("lock-stale");
        let mut other = sleeper(&scratch, "ksmbd-other");
        for content in ["", "junk", "-1", "0", "999999999", &other.id().to_string()] {
            let path = scratch.file("lock", content);
            drop(LockFile::acquire(&path).expect(content));
        }
        other.kill().expect("killed");
        other.wait().expect("ended");
    }

    #[test]
    fn anothers_file_is_not_removed() {
        let scratch = Scratch::new("lock-other");
        let path = scratch.path().join("lock");
        let lock = LockFile::acquire(&path).expect("nobody has it");
        scratch.file("lock", "12345\n");
        drop(lock);
        assert!(path.exists());
        let error = LockFile::acquire(Path::new("/nonexistent/lock")).expect_err("no folder");
        assert!(error.to_string().contains("cannot write it"), "{error}");
    }
}
