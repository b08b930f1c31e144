//! The options that all of ksmbd's tools have, on top of `lexopt`; and the command line of those that
//! add, update and delete what has a name.

use std::path::{Path, PathBuf};

pub use lexopt;
use lexopt::{Arg, Error, Parser, ValueExt};

use crate::paths;

/// `-C`, `-P`, `-v`, `-V` and `-h`.
#[derive(Clone, Debug)]
pub struct CommonOptions {
    /// `-C`, `--config`: the configuration file.
    pub config: PathBuf,
    /// Whether `-C` was given: then the file must be there.
    pub config_given: bool,
    /// `-P`, `--pwddb`: the account database.
    pub pwddb: PathBuf,
    /// `-v`, `--verbose`
    pub verbose: bool,
    /// `-V`, `--version`
    pub version: bool,
    /// `-h`, `--help`
    pub help: bool,
}

impl Default for CommonOptions {
    fn default() -> Self {
        Self {
            config: paths::config(),
            config_given: false,
            pwddb: paths::account_database(),
            verbose: false,
            version: false,
            help: false,
        }
    }
}

/// The part of the help text that is about these options.
pub const HELP: &str = "  -C, --config=CONF     use CONF instead of the system's ksmbd.conf
  -P, --pwddb=PWDDB     use PWDDB instead of the system's ksmbdpwd.db
  -v, --verbose         say more
  -V, --version         print the version and exit
  -h, --help            print this help and exit
";

/// What `next` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// An option with one letter.
    Short(char),
    /// An option with a word.
    Long(String),
    /// An argument that is not an option.
    Value(std::ffi::OsString),
}

impl CommonOptions {
    /// Reads on until there is an option of the tool's own. Its value, if it has one, is still in
    /// the parser.
    pub fn next(&mut self, parser: &mut Parser) -> Result<Option<Own>, Error> {
        // As getopt: the value of `-p=x` is `=x`.
        parser.set_short_equals(false);
        loop {
            match parser.next()? {
                None => return Ok(None),
                Some(Arg::Short('C') | Arg::Long("config")) => {
                    self.config = parser.value()?.into();
                    self.config_given = true;
                }
                Some(Arg::Short('P') | Arg::Long("pwddb")) => self.pwddb = parser.value()?.into(),
                Some(Arg::Short('v') | Arg::Long("verbose")) => self.verbose = true,
                Some(Arg::Short('V') | Arg::Long("version")) => self.version = true,
                Some(Arg::Short('h') | Arg::Long("help")) => self.help = true,
                Some(Arg::Short(letter)) => return Ok(Some(Own::Short(letter))),
                Some(Arg::Long(word)) => return Ok(Some(Own::Long(word.to_owned()))),
                Some(Arg::Value(value)) => return Ok(Some(Own::Value(value))),
            }
        }
    }
}

impl CommonOptions {
    /// The configuration file is another one than the system's.
    pub fn is_own(&self) -> bool {
        self.config_given && is_other(&self.config, &paths::config())
    }

    /// A running server that nobody can find is worth a word: it may have been started with these files.
    pub fn names_files(&self) -> bool {
        self.is_own() || is_other(&self.pwddb, &paths::account_database())
    }
}

/// They are two files, whatever they are called.
fn is_other(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.canonicalize().unwrap_or_else(|_| absolute())
    };
    whole(one) != whole(other)
}

impl Own {
    /// It is this option, short or long.
    pub fn is(&self, letter: char, word: &str) -> bool {
        match self {
            Self::Short(short) => *short == letter,
            Self::Long(long) => long == word,
            Self::Value(_) => false,
        }
    }

    /// The error for an option that the tool does not know.
    pub fn unexpected(&self) -> Error {
        match self {
            Self::Short(letter) => Error::UnexpectedOption(format!("-{letter}")),
            Self::Long(word) => Error::UnexpectedOption(format!("--{word}")),
            Self::Value(value) => Error::UnexpectedArgument(value.clone()),
        }
    }
}

/// What a tool is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<T> {
    /// The help text.
    Help,
    /// The version.
    Version,
    /// Its work.
    Run(T),
}

impl<T> Request<T> {
    /// The same request, with what is to be done put otherwise.
    pub fn and_then<U>(
        self,
        change: impl FnOnce(T) -> Result<U, Error>,
    ) -> Result<Request<U>, Error> {
        Ok(match self {
            Self::Help => Request::Help,
            Self::Version => Request::Version,
            Self::Run(work) => Request::Run(change(work)?),
        })
    }
}

/// What to do with what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It must not be there.
    Add,
    /// It must be there.
    Update,
    /// It goes.
    Delete,
    /// Without an option: whichever of the first two fits.
    AddOrUpdate,
}

impl Action {
    fn of(option: &Own) -> Option<Self> {
        [('a', "add", Self::Add), ('u', "update", Self::Update), ('d', "delete", Self::Delete)]
            .into_iter()
            .find(|(letter, word, _)| option.is(*letter, word))
            .map(|(_, _, action)| action)
    }
}

/// `[-a | -u | -d] [OPTIONS] NAME`.
#[derive(Clone, Debug)]
pub struct Editing {
    /// Those that all tools have.
    pub common: CommonOptions,
    /// What to do.
    pub action: Action,
    /// With what.
    pub name: String,
}

impl Editing {
    /// Reads the command line. `what` is what the help text calls NAME; `own` takes an option of the
    /// tool's own with its value, or says that it is none.
    pub fn parse(
        mut parser: Parser,
        what: &str,
        mut own: impl FnMut(&Own, &mut Parser) -> Result<bool, Error>,
    ) -> Result<Request<Self>, Error> {
        let mut common = CommonOptions::default();
        let (mut action, mut name) = (None, None);
        while let Some(option) = common.next(&mut parser)? {
            if let Some(asked) = Action::of(&option) {
                if action.replace(asked).is_some_and(|before| before != asked) {
                    return Err("only one of --add, --update and --delete can be given".into());
                }
            } else if !own(&option, &mut parser)? {
                match option {
                    Own::Value(value) if name.is_none() => name = Some(value),
                    // It may be a password: it is not repeated.
                    Own::Value(_) => return Err(format!("there is more than one {what}").into()),
                    unknown => return Err(unknown.unexpected()),
                }
            }
        }
        if common.help {
            return Ok(Request::Help);
        }
        if common.version {
            return Ok(Request::Version);
        }
        let name = name.ok_or_else(|| format!("{what} is missing"))?;
        let name = name.into_string().map_err(|_| format!("{what} is not UTF-8"))?;
        Ok(Request::Run(Self { common, action: action.unwrap_or(Action::AddOrUpdate), name }))
    }
}

/// The text of an option's value.
pub fn text(parser: &mut Parser) -> Result<String, Error> {
    parser.value()?.string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn takes_its_own_and_hands_on_the_rest() {
        let mut parser =
            Parser::from_args(["-vC", "a.conf", "-n", "--pwddb=b.db", "-p=x", "--nodetach", "u"]);
        let mut options = CommonOptions::default();
        let mut next = |parser: &mut Parser| options.next(parser).expect("right");
        assert_eq!(next(&mut parser), Some(Own::Short('n')));
        assert_eq!(next(&mut parser), Some(Own::Short('p')));
        assert_eq!(text(&mut parser).expect("a value"), "=x");
        assert_eq!(next(&mut parser), Some(Own::Long("nodetach".to_owned())));
        assert_eq!(next(&mut parser), Some(Own::Value("u".into())));
        assert_eq!(next(&mut parser), None);
        assert_eq!(options.config, Path::new("a.conf"));
        assert_eq!(options.pwddb, Path::new("b.db"));
        assert!(options.verbose && options.config_given && !options.version && !options.help);
    }

    #[test]
    fn wrong_options() {
        let mut options = CommonOptions::default();
        let missing = options.next(&mut Parser::from_args(["-C"])).expect_err("no value");
        assert_eq!(missing.to_string(), "missing argument for option '-C'");
        let unknown = Own::Long("x".to_owned()).unexpected().to_string();
        assert_eq!(unknown, "invalid option '--x'");
        assert_eq!(Own::Short('x').unexpected().to_string(), "invalid option '-x'");
        assert_eq!(Own::Value("x".into()).unexpected().to_string(), "unexpected argument \"x\"");
    }
}
