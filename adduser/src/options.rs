//! The options that all of ksmbd's tools have, on top of `lexopt`.

use std::path::PathBuf;

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

impl Own {
    /// The error for an option that the tool does not know.
    pub fn unexpected(&self) -> Error {
        match self {
            Self::Short(letter) => Error::UnexpectedOption(format!("-{letter}")),
            Self::Long(word) => Error::UnexpectedOption(format!("--{word}")),
            Self::Value(value) => Error::UnexpectedArgument(value.clone()),
        }
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
