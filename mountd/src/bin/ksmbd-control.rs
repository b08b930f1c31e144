//! `ksmbd.control`: stops, reloads and watches a running `ksmbd.mountd`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ksmbd_adduser::options::lexopt::{Arg, Error, Parser, ValueExt};
use ksmbd_adduser::paths;
use ksmbd_mountd::control::{Command, client};

/// The name under which the program is installed.
const TOOL: &str = "ksmbd.control";

const HELP: &str = "\
Usage: ksmbd.control [--socket=PATH] OPTION

Controls a running ksmbd.mountd, as root or as the user that runs it.

  -s, --shutdown         stop it, and wait until it has stopped
  -r, --reload           let it read ksmbd.conf and ksmbdpwd.db again
  -l, --list             list its shares
  -d, --debug=COMPONENT  turn a component's debugging lines on or off: all,
                         smb, auth, vfs, oplock, ipc, conn or rdma
  -c, --ksmbd-version    print its version
      --status           print who is connected, what is open, and how full
                         its tables are
      --json             with --status: the same as JSON
      --socket=PATH      reach the server whose --control is PATH
  -v, --verbose          has no effect; other tools have it
  -V, --version          print the version of this program and exit
  -h, --help             print this help and exit

The exit status is 0 if the server did what was asked, otherwise 1.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Version,
    Ask(Command, PathBuf),
}

fn main() -> ExitCode {
    let done = match parse(Parser::from_env()) {
        Ok(Request::Help) => say(HELP.trim_end()),
        Ok(Request::Version) => say(&format!("{TOOL} {}", env!("CARGO_PKG_VERSION"))),
        Ok(Request::Ask(command, socket)) => ask(&command, &socket),
        Err(error) => Err(format!("{error}\nTry `{TOOL} --help`.")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody left to tell if this fails.
            let _ = writeln!(io::stderr(), "{TOOL}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(command: &Command, socket: &std::path::Path) -> Result<(), String> {
    let answer = match command {
        Command::Shutdown => client::shutdown(socket)?,
        command => client::ask(socket, command)?.0,
    };
    say(answer?.trim_end())
}

fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write: {error}"))
}

fn parse(mut parser: Parser) -> Result<Request, Error> {
    let mut socket = paths::control_socket();
    let (mut asked, mut json, mut help, mut version) = (None, false, false, false);
    // As getopt: the value of `-d=x` is `=x`.
    parser.set_short_equals(false);
    while let Some(argument) = parser.next()? {
        let command = match argument {
            Arg::Short('s') | Arg::Long("shutdown") => Command::Shutdown,
            Arg::Short('r') | Arg::Long("reload") => Command::Reload,
            Arg::Short('l') | Arg::Long("list") => Command::List,
            Arg::Short('c') | Arg::Long("ksmbd-version") => Command::Version,
            Arg::Long("status") => Command::Status,
            Arg::Short('d') | Arg::Long("debug") => Command::Debug(component(&mut parser)?),
            Arg::Long("json") => {
                json = true;
                continue;
            }
            Arg::Long("socket") => {
                socket = parser.value()?.into();
                continue;
            }
            Arg::Short('v') | Arg::Long("verbose") => continue,
            Arg::Short('V') | Arg::Long("version") => {
                version = true;
                continue;
            }
            Arg::Short('h') | Arg::Long("help") => {
                help = true;
                continue;
            }
            other => return Err(other.unexpected()),
        };
        if asked.replace(command).is_some() {
            return Err("only one thing can be asked at a time".into());
        }
    }
    match asked {
        _ if help => Ok(Request::Help),
        _ if version => Ok(Request::Version),
        Some(Command::Status) if json => Ok(Request::Ask(Command::StatusJson, socket)),
        Some(_) if json => Err("--json is for --status".into()),
        Some(command) => Ok(Request::Ask(command, socket)),
        None => Err("nothing is asked".into()),
    }
}

/// It is one word of a line.
fn component(parser: &mut Parser) -> Result<String, Error> {
    let component = parser.value()?.string()?;
    match component.is_empty() || component.len() > 64 || component.contains(char::is_control) {
        true => Err("COMPONENT is not the name of one".into()),
        false => Ok(component),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn right(line: &str) -> Request {
        parse(Parser::from_args(line.split_ascii_whitespace())).expect(line)
    }

    fn wrong(line: &str) -> String {
        parse(Parser::from_args(line.split_ascii_whitespace())).expect_err(line).to_string()
    }

    #[test]
    fn ksmbds_options_and_status() {
        let debug = || Command::Debug("vfs".to_owned());
        for (line, command) in [
            ("-s", Command::Shutdown),
            ("--shutdown", Command::Shutdown),
            ("-r", Command::Reload),
            ("--reload -v", Command::Reload),
            ("-l", Command::List),
            ("--list", Command::List),
            ("-c", Command::Version),
            ("--ksmbd-version", Command::Version),
            ("-dvfs", debug()),
            ("--debug=vfs", debug()),
            ("--status", Command::Status),
            ("--json --status", Command::StatusJson),
        ] {
            assert_eq!(right(line), Request::Ask(command, paths::control_socket()), "{line}");
        }
        let Request::Ask(_, socket) = right("-l --socket /x") else { panic!("asks") };
        assert_eq!(socket, Path::new("/x"));
        assert_eq!(right("-s -h"), Request::Help);
        assert_eq!(right("-V"), Request::Version);
    }

    #[test]
    fn wrong_command_lines() {
        assert_eq!(wrong(""), "nothing is asked");
        assert_eq!(wrong("-v"), "nothing is asked");
        assert_eq!(wrong("-s -r"), "only one thing can be asked at a time");
        assert_eq!(wrong("-l --json"), "--json is for --status");
        assert_eq!(wrong("--json"), "nothing is asked");
        assert_eq!(wrong("-d"), "missing argument for option '-d'");
        assert_eq!(wrong("--debug="), "COMPONENT is not the name of one");
        assert_eq!(wrong("--socket"), "missing argument for option '--socket'");
        assert_eq!(wrong("-x"), "invalid option '-x'");
        assert_eq!(wrong("--stats"), "invalid option '--stats'");
        assert_eq!(wrong("now"), "unexpected argument \"now\"");
    }

    #[test]
    fn the_help_names_every_option_and_fits_a_terminal() {
        for option in ["-s,", "-r,", "-l,", "-d,", "-c,", "--status", "--json", "--socket", "-h,"] {
            assert!(HELP.contains(option), "{option}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 79));
    }
}
