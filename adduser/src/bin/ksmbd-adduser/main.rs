//! `ksmbd.adduser`: adds, updates and deletes accounts in `ksmbdpwd.db`.

mod guard;
mod options;
mod prompt;

use std::fmt::Display;
use std::process::ExitCode;

use ksmbd_adduser::daemon;
use ksmbd_adduser::names::check_user_name;
use ksmbd_adduser::options::Action;
use ksmbd_adduser::tool::{Tool, say};
use ksmbd_adduser::{Database, DatabaseLock, NtHash, paths};
use zeroize::Zeroizing;

use options::Options;

/// The name under which the program is installed.
const TOOL: Tool = Tool("ksmbd.adduser");

fn main() -> ExitCode {
    let request = Options::parse(lexopt::Parser::from_env());
    TOOL.main(&options::help(), request, run)
}

/// The message says what is wrong and what to do about it.
fn run(options: Options) -> Result<(), String> {
    let name = options.user.as_str();
    check_user_name(name).map_err(|error| {
        format!("`{}` cannot be an account name: {error}; use another name", name.escape_debug())
    })?;
    guard::check(&options)?;

    // Seen before the prompt, so that nobody types a password in vain, and again under the lock,
    // which is not held while somebody thinks about a password.
    let database = Database::load_if_exists(&options.common.pwddb).map_err(refused)?;
    database.warnings().iter().for_each(|text| TOOL.complain(text));
    expect(&options, &database)?;
    drop(database);

    let hash = match options.action {
        Action::Delete => None,
        Action::Add | Action::Update | Action::AddOrUpdate => Some(hash(options.password)?),
    };
    let options = Options { password: None, ..options };
    change(&options, hash)?;
    let verbose = options.common.verbose || options.common.names_files();
    let told = daemon::notify(&paths::lock_file(), "account", verbose);
    told.into_iter().for_each(|text| TOOL.complain(text));
    Ok(())
}

/// Refuses to add what is there, and to change what is not.
fn expect(options: &Options, database: &Database) -> Result<(), String> {
    let (name, path) = (&options.user, options.common.pwddb.display());
    match (options.action, database.contains(name)) {
        (Action::Add, true) => Err(format!(
            "{path}: there is an account `{name}` already; use --update to change its password"
        )),
        (Action::Update, false) => {
            Err(format!("{path}: there is no account `{name}`; use --add to add it"))
        }
        (Action::Delete, false) => Err(format!("{path}: there is no account `{name}` to delete")),
        _ => Ok(()),
    }
}

fn hash(given: Option<Zeroizing<String>>) -> Result<NtHash, String> {
    let password = match given {
        Some(password) => password,
        None => prompt::new_password().map_err(|error| error.to_string())?,
    };
    if password.is_empty() {
        TOOL.complain("the password is empty: whoever knows the account's name can use it");
    }
    Ok(NtHash::from_password(&password))
}

fn change(options: &Options, hash: Option<NtHash>) -> Result<(), String> {
    let lock = DatabaseLock::acquire(&options.common.pwddb).map_err(refused)?;
    let mut database = lock.load().map_err(refused)?;
    expect(options, &database)?;
    let name = &options.user;
    let done = match hash {
        Some(hash) => match database.set(name, hash) {
            true => "updated",
            false => "added",
        },
        None => {
            database.remove(name);
            "deleted"
        }
    };
    lock.save(&database).map_err(|error| error.to_string())?;
    // The account is changed whether or not somebody reads this.
    let _ = say(&format!("account `{name}` {done}"));
    Ok(())
}

fn refused(error: impl Display) -> String {
    format!("{error} (nothing was changed)")
}
