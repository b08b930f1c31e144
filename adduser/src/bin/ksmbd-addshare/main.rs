//! `ksmbd.addshare`: adds, changes and deletes shares in `ksmbd.conf`.

mod change;
mod editor;
mod options;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use ksmbd_adduser::atomic_file::{self, LockedFile};
use ksmbd_adduser::conf_file::edit::ConfText;
use ksmbd_adduser::options::Action;
use ksmbd_adduser::tool::{Tool, say};
use ksmbd_adduser::{ConfFile, Database, daemon, paths};

use change::Change;
use editor::Draft;
use options::Options;

/// The name under which the program is installed.
const TOOL: Tool = Tool("ksmbd.addshare");
/// The mode of a new file: there are no secrets in it.
const MODE: u32 = 0o644;

fn main() -> ExitCode {
    let request = Options::parse(lexopt::Parser::from_env());
    TOOL.main(&options::help(), request, |options| run(&options))
}

/// The message says what is wrong and what to do about it.
fn run(options: &Options) -> Result<(), String> {
    // Seen before the editor, so that nobody types in vain, and again under the lock, which is not
    // held while somebody thinks.
    let before = read(options)?;
    change::expect(&before, options.action, &options.share, &options.common.config)?;
    let done = match (options.action, options.settings.is_empty()) {
        (Action::Delete, _) => write(options, &Change::Delete)?,
        (_, false) => write(options, &Change::Set(options.settings.clone()))?,
        (_, true) => edit(options, &before)?,
    };
    let Some(done) = done else {
        return say(&format!("share `{}` is as it was", options.share));
    };
    // The file is changed whether or not somebody reads this.
    let _ = say(&format!("share `{}` {done}", options.share));
    let verbose = options.common.verbose || options.common.names_files();
    let told = daemon::notify(&paths::lock_file(), "share", verbose);
    told.into_iter().for_each(|text| TOOL.complain(text));
    Ok(())
}

/// The file as it is; a missing one is empty.
fn read(options: &Options) -> Result<ConfText, String> {
    let path = &options.common.config;
    match fs::read(path) {
        Ok(text) => checked(options, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ConfText::parse(b"")),
        Err(error) => Err(format!("{}: cannot read it: {error}", path.display())),
    }
}

/// A file that cannot be read by its lines cannot be changed by its lines.
fn checked(options: &Options, text: &[u8]) -> Result<ConfText, String> {
    match ConfFile::parse(text, &options.common.config) {
        Ok(_) => Ok(ConfText::parse(text)),
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.is_error());
            let lines: Vec<_> = errors.map(ToString::to_string).collect();
            Err(format!("{}\n(nothing was changed)", lines.join("\n")))
        }
    }
}

/// Lets somebody edit the section until it is right, or he has enough of it.
fn edit(options: &Options, before: &ConfText) -> Result<Option<&'static str>, String> {
    let share = &options.share;
    let body = before.has(share).then(|| before.body(share));
    let draft = Draft::new(share, body.as_deref())?;
    loop {
        let edited = draft.edit().and_then(|new| match Some(&new) == body.as_ref() {
            true => Ok(None),
            false => {
                // Somebody else may have changed it meanwhile: his change is not to be lost.
                let now = read(options)?;
                if now.has(share).then(|| now.body(share)) != body {
                    return Err(format!("[{share}] was changed meanwhile by somebody else"));
                }
                write(options, &Change::Body(new))
            }
        });
        match edited {
            Ok(done) => return Ok(done),
            Err(error) => {
                TOOL.complain(&error);
                if !editor::once_more() {
                    return Err("nothing was changed".to_owned());
                }
            }
        }
    }
}

/// Makes a change, whole or not at all. Returns what was done, if anything.
fn write(options: &Options, change: &Change) -> Result<Option<&'static str>, String> {
    let (share, shown) = (&options.share, options.common.config.display());
    let failed = |(doing, error): (&str, io::Error)| format!("{shown}: cannot {doing} it: {error}");
    // A dry run first: a file is not made for a share that cannot be.
    attempt(options, read(options)?, change)?;
    let LockedFile { path, metadata, file: _lock } =
        atomic_file::lock(&options.common.config, MODE).map_err(failed)?;
    let old = read(options)?;
    change::expect(&old, options.action, share, &options.common.config)?;
    let done = match (change, old.has(share)) {
        (Change::Delete, _) => "deleted",
        (_, true) => "updated",
        (_, false) => "added",
    };
    let before = old.bytes();
    let (text, said) = attempt(options, old, change)?;
    said.into_iter().for_each(|text| TOOL.complain(text));
    if text == before {
        return Ok(None);
    }
    let mode = metadata.mode() & 0o777;
    atomic_file::replace(&path, Some(&metadata), mode, |file| file.write_all(&text))
        .map_err(|error| failed(("replace", error)))?;
    Ok(Some(done))
}

/// The text with the change, and what there is to say about it.
fn attempt(
    options: &Options,
    mut text: ConfText,
    change: &Change,
) -> Result<(Vec<u8>, Vec<String>), String> {
    let database = Database::load(&options.common.pwddb).ok();
    let is_account = |name: &str| database.as_ref().is_none_or(|database| database.contains(name));
    change::apply(&mut text, &options.share, change);
    let text = text.bytes();
    let said = change::look(&text, &options.common.config, &options.share, change, is_account)?;
    Ok((text, said))
}
