//! `--try`: one directory, one user, no files, this machine only.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ksmbd_adduser::{Database, NtHash};
use ksmbd_core::config::Share;
use signal_hook::consts::{SIGHUP, SIGUSR1};

use crate::account::{Accounts, Serving, unix};
use crate::config::{GlobalSettings, Settings, ShareSettings};
use crate::options::Options;
use crate::serve::{recording, signals};
use crate::server::{Server, StartError};
use crate::state::State;
use crate::{random, subauth};

/// The port, unless `-p` says otherwise: no root is needed for it.
const PORT: u16 = 4450;
const USER: &str = "try";
const SHARE: &str = "share";

/// Serves `folder`, or a fresh one, until a signal ends it.
pub fn run(folder: Option<&Path>, options: &Options) -> ExitCode {
    match serve(folder, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(folder: Option<&Path>, options: &Options) -> Result<(), StartError> {
    let port = options.port.unwrap_or(PORT);
    let mut signals = signals()?;
    let folder = Folder::of(folder).map_err(StartError::Folder)?;
    let password =
        random::password().map_err(|error| StartError::System("get randomness", error))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let machine =
        subauth::made_up().map_err(|error| StartError::System("get randomness", error))?;
    let state = state(&folder, &password, port, machine);
    let server = Server::start(state, vec![address], recording(options)?)?;
    println!("{}", invitation(&folder, &password, port));
    // There are no files to read again.
    for signal in signals.forever() {
        if !matches!(signal, SIGHUP | SIGUSR1) {
            break;
        }
    }
    server.stop();
    println!("{}", folder.farewell());
    Ok(())
}

fn state(folder: &Folder, password: &str, port: u16, machine: [u32; 3]) -> State {
    let mut database = Database::new();
    database.set(USER, NtHash::from_password(password));
    // Without root, descriptors are kept in the users' own attributes.
    let share = Share { acl_xattr: true, streams: true, ..Share::disk(SHARE, &folder.path) };
    let share = ShareSettings { writable: true, ..ShareSettings::new(share) };
    State {
        settings: Settings {
            global: GlobalSettings { port, ..GlobalSettings::default() },
            shares: vec![ShareSettings::ipc(), share],
        },
        // There need not be a Unix user called `try`.
        accounts: Accounts::new(database, Arc::from(unix::machine()), Serving::myself(), machine),
        machine,
    }
}

fn invitation(folder: &Folder, password: &str, port: u16) -> String {
    format!(
        "Serving {path}\n\
         as      //127.0.0.1/{SHARE} on port {port}\n\
         to user {USER} with password {password}\n\
         \n\
         From another terminal:\n\
         \n\
         \u{20} smbclient //127.0.0.1/{SHARE} -p {port} -U {USER}%{password}\n\
         \u{20} sudo mount -t cifs //127.0.0.1/{SHARE} /mnt \
         -o port={port},username={USER},password={password}\n\
         \n\
         Ctrl-C ends it.",
        path = folder.path,
    )
}

/// What is served.
struct Folder {
    path: String,
    /// Made by us: it goes again, if nobody has put anything into it.
    fresh: bool,
}

impl Folder {
    fn of(named: Option<&Path>) -> Result<Self, String> {
        match named {
            Some(path) => Self::existing(path),
            None => Self::create(),
        }
    }

    fn existing(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let whole = fs::canonicalize(path)
            .map_err(|error| format!("cannot serve {shown}: {error}; name a directory"))?;
        if !whole.is_dir() {
            return Err(format!("cannot serve {shown}: it is not a directory; name one"));
        }
        Self::named(whole, false)
    }

    fn create() -> Result<Self, String> {
        let failed = |error: io::Error| {
            format!("cannot make a fresh directory: {error}; name one: --try DIR")
        };
        let name = format!("ksmbd-try-{}", random::password().map_err(failed)?);
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        Self::named(path, true)
    }

    fn named(path: PathBuf, fresh: bool) -> Result<Self, String> {
        let path = path
            .into_os_string()
            .into_string()
            .map_err(|path| format!("cannot serve {}: its name is not UTF-8", path.display()))?;
        Ok(Self { path, fresh })
    }

    fn farewell(&self) -> String {
        match self.fresh && fs::remove_dir(&self.path).is_err() {
            true => format!("Stopped. What was put into {} is still there.", self.path),
            false => "Stopped.".to_owned(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.fresh {
            // Only an empty one can be removed. After a failed start nobody has seen it.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_adduser::scratch::Scratch;

    #[test]
    fn the_invitation_has_the_lines_to_copy() {
        let folder = Folder { path: "/srv/x".to_owned(), fresh: false };
        let text = invitation(&folder, "pw", 4450);
        for line in [
            "Serving /srv/x\n",
            "\n  smbclient //127.0.0.1/share -p 4450 -U try%pw\n",
            "\n  sudo mount -t cifs //127.0.0.1/share /mnt -o port=4450,username=try,password=pw\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn one_writable_share_for_one_user_who_needs_no_unix_user() {
        let folder = Folder { path: "/srv/x".to_owned(), fresh: false };
        let state = state(&folder, "pw", 4450, [1, 2, 3]);
        let share = state.settings.share("share").expect("the share");
        assert!(share.writable && !share.guest_ok && share.share.path == "/srv/x");
        assert!(state.settings.share("ipc$").is_some());
        assert!(
            state.accounts.contains("try") && matches!(state.accounts.identity("try"), Ok(Some(_)))
        );
    }

    #[test]
    fn a_fresh_directory_goes_if_it_is_empty() {
        let folder = Folder::create().expect("made");
        let path = PathBuf::from(&folder.path);
        assert!(path.is_dir());
        assert_eq!(folder.farewell(), "Stopped.");
        assert!(!path.exists());

        let folder = Folder::create().expect("made");
        let path = PathBuf::from(&folder.path);
        fs::write(path.join("file"), "x").expect("file");
        assert!(folder.farewell().contains("is still there"));
        drop(folder);
        assert!(path.join("file").exists());
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn a_named_directory_stays_and_must_be_one() {
        let scratch = Scratch::new("try-folder");
        let folder = Folder::of(Some(scratch.path())).expect("a directory");
        assert_eq!(folder.farewell(), "Stopped.");
        drop(folder);
        assert!(scratch.path().is_dir());
        let file = scratch.file("file", "");
        let error = Folder::of(Some(&file)).err().expect("a file");
        assert!(error.contains("not a directory"), "{error}");
        Folder::of(Some(Path::new("/nonexistent"))).err().expect("nothing");
    }
}
