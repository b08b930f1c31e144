//! Where the files are. A packager moves them at build time with `KSMBD_SYSCONFDIR` (default
//! `/etc`), `KSMBD_RUNSTATEDIR` (default `/run`) and `KSMBD_LOCALSTATEDIR` (default `/var`); options of
//! the tools move them at run time.

use std::path::{Path, PathBuf};

/// The folder of system configuration, `/etc` unless the build said otherwise.
pub const SYSCONFDIR: &str = match option_env!("KSMBD_SYSCONFDIR") {
    Some(folder) => folder,
    None => "/etc",
};

/// The folder of run-time state, `/run` unless the build said otherwise.
pub const RUNSTATEDIR: &str = match option_env!("KSMBD_RUNSTATEDIR") {
    Some(folder) => folder,
    None => "/run",
};

/// The folder of state that is kept, `/var` unless the build said otherwise.
pub const LOCALSTATEDIR: &str = match option_env!("KSMBD_LOCALSTATEDIR") {
    Some(folder) => folder,
    None => "/var",
};

/// The configuration file: `/etc/ksmbd/ksmbd.conf`.
pub fn config() -> PathBuf {
    Path::new(SYSCONFDIR).join("ksmbd/ksmbd.conf")
}

/// The account database: `/etc/ksmbd/ksmbdpwd.db`.
pub fn account_database() -> PathBuf {
    Path::new(SYSCONFDIR).join("ksmbd/ksmbdpwd.db")
}

/// The machine's SID as three numbers: `/etc/ksmbd/ksmbd.subauth`.
pub fn subauth() -> PathBuf {
    Path::new(SYSCONFDIR).join("ksmbd/ksmbd.subauth")
}

/// The file that holds the PID of the running daemon: `/run/ksmbd.lock`.
pub fn lock_file() -> PathBuf {
    Path::new(RUNSTATEDIR).join("ksmbd.lock")
}

/// Where `ksmbd.control` reaches the running daemon: `/run/ksmbd.control`.
pub fn control_socket() -> PathBuf {
    Path::new(RUNSTATEDIR).join("ksmbd.control")
}

/// What the daemon keeps for its next start, unless `state directory` names another folder:
/// `/var/lib/ksmbd`.
pub fn state() -> PathBuf {
    Path::new(LOCALSTATEDIR).join("lib/ksmbd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_below_their_folders() {
        assert_eq!(config(), Path::new(SYSCONFDIR).join("ksmbd").join("ksmbd.conf"));
        assert_eq!(account_database().parent(), config().parent());
        assert_eq!(subauth().parent(), config().parent());
        assert_eq!(control_socket().parent(), lock_file().parent());
        assert_eq!(state(), Path::new(LOCALSTATEDIR).join("lib").join("ksmbd"));
        assert_eq!(lock_file(), Path::new(RUNSTATEDIR).join("ksmbd.lock"));
    }
}
