//! The command line: ksmbd.mountd's options, and `--try`.

use std::ffi::OsString;
use std::path::PathBuf;

use ksmbd_adduser::options::lexopt::{self, Parser};
use ksmbd_adduser::options::{CommonOptions, HELP as COMMON_HELP, Own};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `-h`
    Help,
    /// `-V`
    Version,
    /// Serve what the configuration file says.
    Serve,
    /// `--check`: say what the files come to.
    Check,
    /// `--try`: serve one directory without any file.
    Try(Option<PathBuf>),
}

/// The command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub action: Action,
    /// `-C`, `-P`, `-v`
    pub common: CommonOptions,
    /// `-p`: instead of the file's `tcp port`.
    pub port: Option<u16>,
    /// No `-n`: go to the background.
    pub detach: bool,
    /// `--control`: where `ksmbd.control` reaches this server.
    pub control: Option<PathBuf>,
    /// `--record`: where everything that the server is told is written.
    pub record: Option<PathBuf>,
    /// `--record-limit`: MiB of one recording.
    pub record_limit: u32,
}

/// MiB of a recording, unless the command line says otherwise.
const RECORD_LIMIT: u32 = 1024;

/// The text of `-h`.
pub fn help() -> String {
    format!(
        "Usage: ksmbd.mountd [OPTION]...\n\
         \n\
         Serves the shares of ksmbd.conf over SMB.\n\
         \n\
         \u{20} -p, --port=PORT       listen on PORT instead of the file's `tcp port` (445)\n\
         \u{20} -n, --nodetach[=WAY]  stay in the foreground; WAY is 1 (if missing), or 0 to detach\n\
         \u{20}     --control=PATH    be reached by ksmbd.control at the socket PATH; without it there\n\
         \u{20}                       is one for the system's own ksmbd.conf alone\n\
         \u{20}     --record=DIR      write everything that the server is told into a file in DIR, for\n\
         \u{20}                       ksmbd-replay; it holds what clients read and write\n\
         \u{20}     --record-limit=M  stop recording at M MiB (1024); the server goes on\n\
         \u{20}     --check           print what would be served and every problem, and exit: with 1\n\
         \u{20}                       if there is an error\n\
         {COMMON_HELP}\
         \n\
         To try it out, no files needed:\n\
         \u{20} --try [DIR]           serve DIR, or a fresh directory, on 127.0.0.1:4450 in the\n\
         \u{20}                       foreground, and print how to reach it\n\
         \n\
         SIGHUP reads both files again, SIGUSR1 logs what is served, SIGTERM, SIGINT and\n\
         SIGQUIT stop the server. Only one server runs with the system's own ksmbd.conf; with -C\n\
         there may be more.\n"
    )
}

impl Options {
    /// Reads the arguments, without the program's name.
    ///
    /// # Errors
    ///
    /// An option is unknown, or its value cannot be used.
    pub fn parse<I>(arguments: I) -> Result<Self, lexopt::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut parser = Parser::from_args(arguments);
        let mut options = Self {
            action: Action::Serve,
            common: CommonOptions::default(),
            port: None,
            detach: true,
            control: None,
            record: None,
            record_limit: RECORD_LIMIT,
        };
        let default_pwddb = options.common.pwddb.clone();
        while let Some(own) = options.common.next(&mut parser)? {
            options.own(own, &mut parser)?;
        }
        let pwddb_given = options.common.pwddb != default_pwddb;
        if options.common.help {
            options.action = Action::Help;
        } else if options.common.version {
            options.action = Action::Version;
        } else if matches!(options.action, Action::Try(_))
            && (options.common.config_given || pwddb_given)
        {
            return Err("--try uses no files: leave -C and -P out".into());
        } else if options.action != Action::Serve && options.control.is_some() {
            return Err("--control is for a server: leave --check and --try out".into());
        } else if options.action == Action::Check && options.record.is_some() {
            return Err("--record is for a server: leave --check out".into());
        }
        Ok(options)
    }

    fn own(&mut self, own: Own, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match own {
            Own::Short('p') => self.port = Some(port(&parser.value()?)?),
            Own::Long(word) if word == "port" => self.port = Some(port(&parser.value()?)?),
            Own::Short('n') => self.detach = way(parser.optional_value())?,
            Own::Long(word) if word == "nodetach" => self.detach = way(parser.optional_value())?,
            Own::Long(word) if word == "check" => self.act(Action::Check)?,
            Own::Long(word) if word == "control" => self.control = Some(parser.value()?.into()),
            Own::Long(word) if word == "record" => self.record = Some(parser.value()?.into()),
            Own::Long(word) if word == "record-limit" => {
                self.record_limit = mebibytes(&parser.value()?)?;
            }
            Own::Long(word) if word == "try" => {
                self.act(Action::Try(parser.optional_value().map(PathBuf::from)))?;
            }
            Own::Value(folder) if self.action == Action::Try(None) => {
                self.action = Action::Try(Some(folder.into()));
            }
            other => return Err(other.unexpected()),
        }
        Ok(())
    }
}

impl Options {
    fn act(&mut self, action: Action) -> Result<(), lexopt::Error> {
        let other = |a: &Action, b: &Action| *a == Action::Check && matches!(b, Action::Try(_));
        if other(&self.action, &action) || other(&action, &self.action) {
            return Err("--check and --try are two different things".into());
        }
        self.action = action;
        Ok(())
    }
}

fn port(value: &OsString) -> Result<u16, lexopt::Error> {
    match value.to_str().map(str::parse) {
        Some(Ok(port @ 1..)) => Ok(port),
        _ => Err(wrong("port", value, "write a number from 1 to 65535")),
    }
}

fn mebibytes(value: &OsString) -> Result<u32, lexopt::Error> {
    match value.to_str().map(str::parse) {
        Some(Ok(limit @ 1..)) => Ok(limit),
        _ => Err(wrong("record-limit", value, "write a number of MiB")),
    }
}

/// Whether to detach. ksmbd's way 1 also makes the process the leader of its group, to end its
/// worker with it; there is no other process here, and Ctrl-C in a script would miss the server.
fn way(value: Option<OsString>) -> Result<bool, lexopt::Error> {
    match value.as_ref().map(|value| value.to_str()) {
        None | Some(Some("1")) => Ok(false),
        Some(Some("0")) => Ok(true),
        Some(_) => Err(wrong("nodetach", &value.unwrap_or_default(), "write 1, 0 or nothing")),
    }
}

fn wrong(option: &str, value: &OsString, remedy: &str) -> lexopt::Error {
    format!("`{}` cannot be the value of --{option}: {remedy}", value.to_string_lossy()).into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(line: &str) -> Options {
        Options::parse(line.split_ascii_whitespace()).expect(line)
    }

    fn error(line: &str) -> String {
        Options::parse(line.split_ascii_whitespace()).expect_err(line).to_string()
    }

    #[test]
    fn ksmbds_options() {
        let options = parse("");
        assert!(options.detach && options.port.is_none() && options.action == Action::Serve);
        assert!(!options.common.config_given);
        for line in ["-n", "--nodetach", "-n1", "--nodetach=1", "-vn"] {
            assert!(!parse(line).detach, "{line}");
        }
        for line in ["-n0", "--nodetach=0"] {
            assert!(parse(line).detach, "{line}");
        }
        let options = parse("-p 4450 -C a.conf -P b.db -v -n");
        assert_eq!(options.port, Some(4450));
        assert_eq!(options.common.config, Path::new("a.conf"));
        assert_eq!(options.common.pwddb, Path::new("b.db"));
        assert!(options.common.verbose);
        assert_eq!(parse("--port=1").port, Some(1));
        assert_eq!(parse("-h -p 3").action, Action::Help);
        assert_eq!(parse("--version").action, Action::Version);
        assert_eq!(parse("--check -C a").action, Action::Check);
        assert_eq!(parse("--control /run/c").control, Some("/run/c".into()));
        assert_eq!(error("--control"), "missing argument for option '--control'");
        assert_eq!(parse("--record r").record, Some("r".into()));
        assert_eq!(parse("--try --record=r --record-limit 5").record_limit, 5);
        assert_eq!(error("--record r --check"), "--record is for a server: leave --check out");
        assert!(error("--record-limit 0").ends_with("write a number of MiB"));
        let both = "--control is for a server: leave --check and --try out";
        assert_eq!(error("--control x --check"), both);
        assert_eq!(error("--try --control x"), both);
        assert_eq!(error("--check /x"), "unexpected argument \"/x\"");
        assert_eq!(error("--check --try"), "--check and --try are two different things");
        assert_eq!(error("--try --check"), error("--check --try"));
    }

    #[test]
    fn trying_out() {
        assert_eq!(parse("--try").action, Action::Try(None));
        assert_eq!(parse("--try /srv").action, Action::Try(Some("/srv".into())));
        assert_eq!(parse("--try=/srv -p 9").action, Action::Try(Some("/srv".into())));
        assert_eq!(error("--try /a /b"), "unexpected argument \"/b\"");
        assert_eq!(error("--try -C x"), "--try uses no files: leave -C and -P out");
        assert_eq!(error("--try -P x"), error("--try -C x"));
    }

    #[test]
    fn wrong_options_say_what_is_right() {
        assert_eq!(error("/srv"), "unexpected argument \"/srv\"");
        assert_eq!(error("-x"), "invalid option '-x'");
        assert_eq!(error("--nodetatch"), "invalid option '--nodetatch'");
        for line in ["-p 0", "-p 65536", "-p x", "--port=-1"] {
            assert!(error(line).ends_with("write a number from 1 to 65535"), "{line}");
        }
        assert_eq!(error("-n2"), "`2` cannot be the value of --nodetach: write 1, 0 or nothing");
    }

    #[test]
    fn the_help_names_every_option_and_fits_a_terminal() {
        let help = help();
        for option in
            ["-p,", "-n,", "-C,", "-P,", "-v,", "-V,", "-h,", "--try", "--check", "--control="]
        {
            assert!(help.contains(option), "{option}");
        }
        assert!(help.lines().all(|line| line.len() <= 90), "{help}");
    }
}
