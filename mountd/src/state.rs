//! What the daemon decides by: one value, replaced whole by a reload.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ksmbd_adduser::{ConfProblem, Database, DatabaseError};

use crate::account::unix::UnixSource;
use crate::account::{Accounts, Serving};
use crate::config::{Loaded, Settings};
use crate::rpc::{Directory, People, ShareInfo};

/// Settings and accounts that belong together.
pub struct State {
    /// The configuration file.
    pub settings: Settings,
    /// The account database.
    pub accounts: Accounts,
    /// The machine's SID is S-1-5-21 and these.
    pub machine: [u32; 3],
}

/// Where a state is read from, at the start and at each reload.
#[derive(Clone)]
pub struct Source {
    /// `ksmbd.conf`
    pub config: PathBuf,
    /// `ksmbdpwd.db`
    pub pwddb: PathBuf,
    /// Users and groups of the machine.
    pub unix: Arc<dyn UnixSource>,
    /// Under whose name files are used.
    pub serving: Serving,
    /// See [`State::machine`]; read once, for it stays.
    pub machine: [u32; 3],
}

/// Why there is no (new) state.
#[derive(Debug)]
pub enum LoadError {
    /// The configuration file cannot be used.
    Config(PathBuf, Vec<ConfProblem>),
    /// The account database cannot be used.
    Database(DatabaseError),
}

/// The file alone: what is wrong with it has been logged, line by line.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self {
            Self::Config(path, _) => path,
            Self::Database(error) => error.path(),
        };
        write!(f, "{} cannot be used, for the reasons above", path.display())
    }
}

impl std::error::Error for LoadError {}

impl Source {
    /// Reads both files, and logs what is odd. Nothing is changed anywhere: who has a state keeps
    /// it if this fails.
    ///
    /// # Errors
    ///
    /// One of the files cannot be used. All that is wrong with it has been logged.
    pub fn load(&self) -> Result<State, LoadError> {
        self.load_with_problems().map(|(state, _)| state)
    }

    /// As [`load`](Self::load), with the problems that were logged and keep nothing but single
    /// shares from being served.
    ///
    /// # Errors
    ///
    /// See [`load`](Self::load).
    pub fn load_with_problems(&self) -> Result<(State, Vec<ConfProblem>), LoadError> {
        let accounts = self.load_accounts(true)?;
        let Loaded { settings, problems } = self.load_settings(&accounts)?;
        Ok((State { settings, accounts, machine: self.machine }, problems))
    }

    fn load_settings(&self, accounts: &Accounts) -> Result<Loaded, LoadError> {
        let loaded = Settings::load(&self.config, accounts);
        log_problems(loaded.as_ref().map_or_else(|problems| problems, |loaded| &loaded.problems));
        loaded.map_err(|problems| LoadError::Config(self.config.clone(), problems))
    }

    /// `may_miss`: a database that is not there has no accounts.
    fn load_accounts(&self, may_miss: bool) -> Result<Accounts, LoadError> {
        let database = match Database::load(&self.pwddb) {
            Ok(database) => database,
            // A server for guests needs no accounts.
            Err(error) if error.is_missing() && may_miss => {
                log::warn!("{error}");
                Database::new()
            }
            Err(error) => {
                log::error!("{error}");
                return Err(LoadError::Database(error));
            }
        };
        for warning in database.warnings() {
            log::warn!("{warning}");
        }
        let accounts = Accounts::new(
            database.clone(),
            Arc::clone(&self.unix),
            self.serving.clone(),
            self.machine,
        );
        for (name, _) in database.iter() {
            if accounts.identity(name) == Ok(None) {
                log::warn!(
                    "`{name}` uses files as nobody: there is no Unix user `{name}`; useradd it"
                );
            }
        }
        Ok(accounts)
    }
}

fn log_problems(problems: &[ConfProblem]) {
    for problem in problems {
        let level = if problem.is_error() { log::Level::Error } else { log::Level::Warn };
        log::log!(level, "{problem}");
    }
}

/// The state in use. A reload replaces it; who decides something looks at one state throughout.
#[derive(Clone)]
pub struct Current(Arc<Mutex<Arc<State>>>);

impl Current {
    /// The first state.
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(state))))
    }

    /// The state as it is now.
    pub fn get(&self) -> Arc<State> {
        // A pointer is never half replaced, whatever a thread that panicked was doing.
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another state in its place. Trees that are connected keep what they had.
    pub fn replace(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// Reads the files again. Returns the keys that have changed and need a restart; they keep their
    /// old values. Accounts that are gone, or have another password, are so whatever is wrong with the
    /// configuration.
    ///
    /// # Errors
    ///
    /// See [`Source::load`]; what could not be read stays as it was. A database that has vanished is no
    /// empty one.
    pub fn reload(&self, source: &Source) -> Result<Vec<&'static str>, LoadError> {
        let old = self.get();
        let accounts = source.load_accounts(old.accounts.is_empty())?;
        let (settings, failed) = match source.load_settings(&accounts) {
            Ok(loaded) => (loaded.settings, None),
            Err(error) => (old.settings.clone(), Some(error)),
        };
        let mut state = State { settings, accounts, machine: source.machine };
        let kept = state.settings.global.keep_listening(&old.settings.global);
        for key in &kept {
            log::warn!("[global] {key} has changed; restart the server to listen elsewhere");
        }
        self.replace(state);
        failed.map_or(Ok(kept), Err)
    }
}

/// What the RPC services show.
impl Directory for State {
    fn shares(&self) -> Vec<ShareInfo> {
        let shares = self.settings.shares.iter().map(|settings| ShareInfo {
            name: settings.share.name.clone(),
            comment: settings.share.comment.clone(),
            browseable: settings.browseable,
            ipc: settings.is_ipc(),
        });
        shares.collect()
    }

    fn server_name(&self) -> &str {
        &self.settings.global.netbios_name
    }

    fn server_comment(&self) -> &str {
        &self.settings.global.server_string
    }

    fn workgroup(&self) -> &str {
        &self.settings.global.workgroup
    }

    fn machine(&self) -> [u32; 3] {
        self.machine
    }

    fn people(&self) -> &dyn People {
        &self.accounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::Village;
    use ksmbd_adduser::scratch::Scratch;

    const ALICE: &str = "alice:pPScQGUQvcq2gk58ww/YUg==\n";

    fn source(scratch: &Scratch) -> Source {
        Source {
            config: scratch.path().join("ksmbd.conf"),
            pwddb: scratch.path().join("ksmbdpwd.db"),
            unix: Arc::new(Village),
            serving: Serving::Users,
            machine: [1, 2, 3],
        }
    }

    #[test]
    fn a_reload_replaces_all_but_where_the_server_listens() {
        let scratch = Scratch::new("state-reload");
        let source = source(&scratch);
        scratch.file(
            "ksmbd.conf",
            "[global]\nserver string = one\ntcp port = 4450\n[a]\npath = /tmp\n",
        );
        let current = Current::new(source.load().expect("loads"));
        assert!(!current.get().accounts.contains("alice"));
        let text = "[global]\nserver string = two\ntcp port = 4451\ninterfaces = lo\n\
            bind interfaces only = yes\n[b]\npath = /tmp\n";
        scratch.file("ksmbd.conf", text);
        scratch.file("ksmbdpwd.db", ALICE);
        let kept = current.reload(&source).expect("reloads");
        assert_eq!(kept, ["tcp port", "bind interfaces only", "interfaces"]);
        let state = current.get();
        assert!(state.accounts.contains("alice"));
        assert!(state.settings.share("A").is_none() && state.settings.share("B").is_some());
        let global = &state.settings.global;
        assert_eq!((global.server_string.as_str(), global.port), ("two", 4450));
        assert!(!global.bind_interfaces_only && global.interfaces.is_empty());
        // What is the same is not said again.
        scratch.file("ksmbd.conf", "[global]\ntcp port = 4450\ninterfaces = lo\n");
        assert!(current.reload(&source).expect("reloads").is_empty());
    }

    #[test]
    fn a_wrong_file_leaves_everything_as_it_was() {
        let scratch = Scratch::new("state-wrong");
        let source = source(&scratch);
        scratch.file("ksmbd.conf", "[a]\npath = /tmp\n");
        scratch.file("ksmbdpwd.db", ALICE);
        let current = Current::new(source.load().expect("loads"));
        let wrong = [("ksmbd.conf", "[a]\njunk\n"), ("ksmbdpwd.db", "junk\n")];
        for (name, text) in wrong {
            let path = scratch.path().join(name);
            let right = std::fs::read(&path).expect("file");
            scratch.file(name, text);
            let error = current.reload(&source).expect_err("a wrong line").to_string();
            assert!(error.contains(&format!("{name} cannot be used")), "{error}");
            assert!(current.get().accounts.contains("alice"));
            assert!(current.get().settings.share("a").is_some());
            std::fs::write(path, right).expect("file");
        }
        current.reload(&source).expect("right again");
    }

    #[test]
    fn accounts_go_whatever_is_wrong_with_the_configuration() {
        let scratch = Scratch::new("state-accounts");
        let source = source(&scratch);
        scratch.file("ksmbd.conf", "[a]\npath = /tmp\n");
        scratch.file("ksmbdpwd.db", ALICE);
        let current = Current::new(source.load().expect("loads"));
        scratch.file("ksmbd.conf", "[global]\nserver signing = perhaps\n");
        scratch.file("ksmbdpwd.db", &ALICE.replace("alice", "bob"));
        current.reload(&source).expect_err("a wrong word");
        let state = current.get();
        assert!(!state.accounts.contains("alice") && state.accounts.contains("bob"));
        assert!(state.settings.share("a").is_some());
        // What has vanished is no empty database.
        std::fs::remove_file(&source.pwddb).expect("a file");
        let error = current.reload(&source).expect_err("no database").to_string();
        assert!(error.contains("ksmbdpwd.db cannot be used"), "{error}");
        assert!(current.get().accounts.contains("bob"));
        scratch.file("ksmbd.conf", "[b]\npath = /tmp\n");
        scratch.file("ksmbdpwd.db", "");
        current.reload(&source).expect("an empty one");
        assert!(!current.get().accounts.contains("bob"));
        std::fs::remove_file(&source.pwddb).expect("a file");
        current.reload(&source).expect("there were no accounts");
    }

    #[test]
    fn a_missing_configuration_names_the_remedy() {
        let scratch = Scratch::new("state-missing");
        let Some(LoadError::Config(path, problems)) = source(&scratch).load().err() else {
            panic!("there is no file");
        };
        assert!(path.ends_with("ksmbd.conf"));
        assert_eq!(problems[0].remedy, "create the file, or name another with -C");
    }

    #[test]
    fn the_directory_shows_all_shares_and_says_which_are_hidden() {
        let scratch = Scratch::new("state-directory");
        scratch.file(
            "ksmbd.conf",
            "[global]\nnetbios name = BOX\n[a]\npath = /tmp\ncomment = A\n\
             [b]\npath = /tmp\nbrowseable = no\n",
        );
        let state = source(&scratch).load().expect("loads");
        let shown: Vec<_> = state
            .shares()
            .into_iter()
            .map(|share| (share.name, share.comment, share.browseable, share.ipc))
            .collect();
        assert_eq!(
            shown,
            [
                ("IPC$".to_owned(), "IPC share".to_owned(), true, true),
                ("a".to_owned(), "A".to_owned(), true, false),
                ("b".to_owned(), String::new(), false, false),
            ]
        );
        assert_eq!((state.server_name(), state.server_comment()), ("BOX", "SMB SERVER"));
    }
}
