//! The command line, as `ksmbd.adduser` has it.

use ksmbd_adduser::names::{MAX_PASSWORD, check_password};
use ksmbd_adduser::options::{self, Action, CommonOptions, Editing, Request};
use lexopt::{Error, Parser};
use zeroize::{Zeroize, Zeroizing};

pub(crate) struct Options {
    pub(crate) common: CommonOptions,
    pub(crate) action: Action,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) user: String,
}

/// The help text.
pub(crate) fn help() -> String {
    format!(
        "\
Usage: ksmbd.adduser [-a | -u] [-p PWD] [OPTIONS] USER
       ksmbd.adduser -d [OPTIONS] USER
       ksmbd.adduser -V | -h

Adds USER to the account database, or updates the password of USER, and tells
a running ksmbd.mountd. USER has 1 to 47 bytes of UTF-8, without a colon.

  -a, --add             add USER; it must not be there
  -u, --update          update the password of USER; it must be there
  -d, --delete          delete USER
  -p, --password=PWD    take PWD as the password instead of asking for it;
                        other users can see it while the program runs
{}
Without -p the password is asked for twice, and not shown. If standard input
is not a terminal, its first line is the password; a second line, if there is
one, must repeat it. A password has up to {MAX_PASSWORD} bytes of UTF-8.

The exit status is 0 if the account was changed, otherwise 1.
",
        options::HELP
    )
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(parser: Parser) -> Result<Request<Self>, Error> {
        let mut password = None;
        let request = Editing::parse(parser, "USER", |own, parser| {
            let mine = own.is('p', "password");
            if mine {
                password = Some(secret(parser)?);
            }
            Ok(mine)
        })?;
        request.and_then(|Editing { common, action, name: user }| {
            if action == Action::Delete && password.is_some() {
                return Err("--delete needs no password".into());
            }
            Ok(Self { common, action, password, user })
        })
    }
}

/// The value of `-p`. The messages do not repeat it.
fn secret(parser: &mut Parser) -> Result<Zeroizing<String>, Error> {
    let text = match parser.value()?.into_string() {
        Ok(text) => Zeroizing::new(text),
        Err(raw) => {
            raw.into_encoded_bytes().zeroize();
            return Err("the password is not UTF-8".into());
        }
    };
    check_password(&text).map_err(|error| format!("the password cannot be used: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Options {
        match Options::parse(Parser::from_args(arguments)) {
            Ok(Request::Run(options)) => options,
            _ => panic!("{arguments:?} should run"),
        }
    }

    fn wrong(arguments: &[&str]) -> String {
        match Options::parse(Parser::from_args(arguments)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{arguments:?} should be refused"),
        }
    }

    #[test]
    fn actions() {
        assert_eq!(run(&["alice"]).action, Action::AddOrUpdate);
        assert_eq!(run(&["-a", "alice"]).action, Action::Add);
        assert_eq!(run(&["alice", "--update"]).action, Action::Update);
        assert_eq!(run(&["-vd", "alice"]).action, Action::Delete);
        assert_eq!(run(&["-a", "--add", "--", "-x"]).user, "-x");
    }

    #[test]
    fn passwords() {
        let password = |arguments: &[&str]| run(arguments).password.map(|p| p.to_string());
        assert_eq!(password(&["alice"]), None);
        assert_eq!(password(&["-ap", "x y", "alice"]).as_deref(), Some("x y"));
        assert_eq!(password(&["-apx", "alice"]).as_deref(), Some("x"));
        assert_eq!(password(&["alice", "--password=a=b"]).as_deref(), Some("a=b"));
        assert_eq!(password(&["alice", "--password", ""]).as_deref(), Some(""));
    }

    #[test]
    fn wrong_command_lines() {
        assert_eq!(wrong(&[]), "USER is missing");
        assert_eq!(wrong(&["-a"]), "USER is missing");
        assert_eq!(wrong(&["a", "secret"]), "there is more than one USER");
        assert_eq!(wrong(&["-ad", "a"]), "only one of --add, --update and --delete can be given");
        assert_eq!(wrong(&["-d", "-p", "x", "a"]), "--delete needs no password");
        assert_eq!(wrong(&["-x", "a"]), "invalid option '-x'");
        assert_eq!(wrong(&["--frob", "a"]), "invalid option '--frob'");
        assert_eq!(wrong(&["a", "-p"]), "missing argument for option '-p'");
        let long = "secret".repeat(30);
        let message = wrong(&["a", "-p", &long]);
        assert_eq!(message, "the password cannot be used: it has 180 bytes, 128 are allowed");
    }

    #[test]
    fn help_and_version_need_no_user() {
        let ask = |argument: &str| Options::parse(Parser::from_args([argument]));
        assert!(matches!(ask("-h"), Ok(Request::Help)));
        assert!(matches!(ask("--help"), Ok(Request::Help)));
        assert!(matches!(ask("-V"), Ok(Request::Version)));
        assert!(matches!(ask("--version"), Ok(Request::Version)));
        assert!(help().contains("--password=PWD"));
        assert!(help().contains("\n  -C, --config=CONF "));
        assert!(help().lines().all(|line| line.len() <= 79));
    }
}
