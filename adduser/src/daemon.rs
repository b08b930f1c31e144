//! Telling a running `ksmbd-mountd` that a file has changed.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What the daemon's program may be called: as cargo builds it, and as it is installed.
const PROGRAMS: [&str; 2] = ["ksmbd-mountd", "ksmbd.mountd"];

/// What became of a request to reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The daemon of this PID was told.
    Told(i32),
    /// No daemon runs: there is no lock file.
    NotRunning,
    /// No daemon runs: the lock file is left over. Its PID is nobody's, or another program's.
    Stale(i32),
}

/// Why the daemon could not be told.
#[derive(Debug)]
pub enum ReloadError {
    /// The lock file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The lock file does not hold a PID.
    NoPid(PathBuf),
    /// The signal was refused.
    Refused(i32, io::Error),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "{}: cannot read it: {error}", path.display())
            }
            Self::NoPid(path) => {
                write!(f, "{}: it does not hold the PID of ksmbd.mountd", path.display())
            }
            Self::Refused(pid, error) => {
                write!(f, "cannot signal ksmbd.mountd (process {pid}): {error}")
            }
        }
    }
}

impl std::error::Error for ReloadError {}

/// Sends SIGHUP to the daemon that the lock file names, after a check that it is one: after a
/// crash the PID may be another program's, which SIGHUP would end.
pub fn reload(lock_file: &Path) -> Result<Reload, ReloadError> {
    let text = match fs::read_to_string(lock_file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reload::NotRunning),
        Err(error) => return Err(ReloadError::Unreadable(lock_file.to_owned(), error)),
    };
    // 0 and below are not processes; 1 is init, or in a container the server.
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    let Some((number, pid)) = number.and_then(|number| Some((number, Pid::from_raw(number)?)))
    else {
        return Err(ReloadError::NoPid(lock_file.to_owned()));
    };
    // The descriptor stands for this process for good: the PID cannot become another's between
    // the check and the signal.
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(Reload::Stale(number)),
        Err(error) => return Err(ReloadError::Refused(number, error.into())),
    };
    if !is_daemon(number) {
        return Ok(Reload::Stale(number));
    }
    match pidfd_send_signal(&process, Signal::HUP) {
        Ok(()) => Ok(Reload::Told(number)),
        Err(rustix::io::Errno::SRCH) => Ok(Reload::Stale(number)),
        Err(error) => Err(ReloadError::Refused(number, error.into())),
    }
}

/// Tells the daemon that the lock file names, and says what is worth knowing: what keeps it from
/// being told, and if `verbose` the rest. As in ksmbd this has no effect on the exit status.
pub fn notify(lock_file: &Path, changed: &str, verbose: bool) -> Option<String> {
    match reload(lock_file) {
        Ok(Reload::Told(pid)) => {
            verbose.then(|| format!("told ksmbd.mountd (process {pid}) to read it"))
        }
        Ok(Reload::NotRunning) => verbose
            .then(|| "ksmbd.mountd is not running; it reads the file when it starts".to_owned()),
        Ok(Reload::Stale(pid)) => verbose.then(|| {
            let lock_file = lock_file.display();
            format!("ksmbd.mountd is not running ({lock_file} is left over from process {pid})")
        }),
        Err(error) => Some(format!(
            "{error}; the {changed} is changed, but ksmbd.mountd was not told: \
             `ksmbd.control --reload` does that"
        )),
    }
}

/// Whether a process is the daemon, by its name or by the file it runs: a daemon may have renamed
/// its first thread, and only root may see which file another's process runs.
pub fn is_daemon(pid: i32) -> bool {
    // Of a process that has ended, but that its parent has not asked about, the name is left.
    if fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty() {
        return false;
    }
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if PROGRAMS.contains(&comm.trim_end()) {
        return true;
    }
    let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) else {
        return false;
    };
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // After an upgrade the running file is unlinked.
    PROGRAMS.contains(&name.trim_end_matches(" (deleted)"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::scratch::{Scratch, sleeper};

    #[test]
    fn a_daemon_is_told() {
        let scratch = Scratch::new("daemon-told");
        let mut daemon = sleeper(&scratch, "ksmbd-mountd");
        let lock = scratch.file("lock", &format!("{}\n", daemon.id()));
        let pid = i32::try_from(daemon.id()).expect("a PID");
        assert_eq!(reload(&lock).expect("told"), Reload::Told(pid));
        let status = daemon.wait().expect("ended");
        assert_eq!(status.signal(), Some(Signal::HUP.as_raw()));
        assert_eq!(reload(&lock).expect("gone"), Reload::Stale(pid));
    }

    #[test]
    fn another_program_is_left_alone() {
        let scratch = Scratch::new("daemon-other");
        let mut other = sleeper(&scratch, "ksmbd-other");
        let lock = scratch.file("lock", &other.id().to_string());
        let pid = i32::try_from(other.id()).expect("a PID");
        assert_eq!(reload(&lock).expect("not told"), Reload::Stale(pid));
        assert!(other.try_wait().expect("runs").is_none());
        other.kill().expect("killed");
        other.wait().expect("ended");
    }

    #[test]
    fn lock_files_without_a_pid() {
        let scratch = Scratch::new("daemon-lock");
        let missing = scratch.path().join("none");
        assert_eq!(reload(&missing).expect("none"), Reload::NotRunning);
        for content in ["", "x", "0", "-5", "99999999999"] {
            let error = reload(&scratch.file("lock", content)).expect_err(content).to_string();
            assert!(error.ends_with("lock: it does not hold the PID of ksmbd.mountd"), "{error}");
        }
        // Init is no daemon.
        assert_eq!(reload(&scratch.file("lock", "1")).expect("not told"), Reload::Stale(1));
        let error = reload(scratch.path()).expect_err("a folder").to_string();
        assert!(error.contains("cannot read it"), "{error}");
    }
}
