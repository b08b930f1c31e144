//! The command line, as `ksmbd.addshare` has it.

use ksmbd_adduser::conf_file;
use ksmbd_adduser::keys::{self, Key, Place};
use ksmbd_adduser::names::check_share_name;
use ksmbd_adduser::options::{self, Action, CommonOptions, Editing, Request};
use lexopt::{Error, Parser};

/// A key and its new value; an empty one takes the key away.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) value: String,
}

pub(crate) struct Options {
    pub(crate) common: CommonOptions,
    pub(crate) action: Action,
    /// Without one an editor is opened.
    pub(crate) settings: Vec<Setting>,
    pub(crate) share: String,
}

/// The help text.
pub(crate) fn help() -> String {
    format!(
        "\
Usage: ksmbd.addshare [-a | -u] [-o \"KEY = VALUE\"]... [OPTIONS] SHARE
       ksmbd.addshare -d [OPTIONS] SHARE
       ksmbd.addshare -V | -h

Adds SHARE to the configuration file, or changes it there, and tells a running
ksmbd.mountd. What is not changed stays as it was written, comments too.

  -a, --add             add SHARE; it must not be there
  -u, --update          change SHARE; it must be there. It may be global
  -d, --delete          delete SHARE
  -o, --option=\"KEY = VALUE\"
                        set KEY to VALUE, or without a VALUE take KEY away; of
                        several for one KEY the last counts
{}
Without -o the editor that VISUAL or EDITOR names, or vi, is opened on SHARE.
What the keys mean: ksmbd.conf(5), and `ksmbd.mountd --check`.

The exit status is 0 if the file was changed or needed no change, otherwise 1.
",
        options::HELP
    )
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(parser: Parser) -> Result<Request<Self>, Error> {
        let mut settings = Vec::new();
        let request = Editing::parse(parser, "SHARE", |own, parser| {
            let mine = own.is('o', "option");
            if mine {
                settings.push(options::text(parser)?);
            }
            Ok(mine)
        })?;
        request.and_then(|Editing { common, action, name: share }| {
            if action == Action::Delete && !settings.is_empty() {
                return Err("--delete needs no --option".into());
            }
            check(&share, action)?;
            let global = share.eq_ignore_ascii_case("global");
            let settings = settings.iter().map(|text| setting(text, global));
            let settings = settings.collect::<Result<_, _>>()?;
            Ok(Self { common, action, settings, share })
        })
    }
}

fn check(share: &str, action: Action) -> Result<(), String> {
    // A comment would begin there.
    let reserved = share.chars().find(|c| matches!(c, ';' | '#'));
    let wrong = match (check_share_name(share), reserved) {
        (Err(error), _) => error.to_string(),
        (Ok(()), Some(c)) => format!("it contains `{c}`"),
        (Ok(()), None) if share.trim() != share => "it has blanks at an end".to_owned(),
        (Ok(()), None) if !share.eq_ignore_ascii_case("global") => return Ok(()),
        (Ok(()), None) if action == Action::Update => return Ok(()),
        (Ok(()), None) => return Err("`global` is no share; --update can change it".to_owned()),
    };
    Err(format!("`{}` cannot be a share name: {wrong}; use another name", share.escape_debug()))
}

/// `key = value`
fn setting(text: &str, global: bool) -> Result<Setting, String> {
    let shown = text.escape_debug();
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("`{shown}` is not an option; write \"key = value\""));
    };
    let words: Vec<_> = name.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    let name = words.join(" ");
    let Some(key) = keys::find(&name) else {
        let name = name.escape_debug();
        return Err(match keys::nearest(&name.to_string()) {
            Some(known) => format!("there is no key `{name}`; did you mean `{known}`?"),
            None => format!("there is no key `{name}`; ksmbd.conf(5) has all of them"),
        });
    };
    if key.place == Place::Global && !global {
        return Err(format!("`{name}` is the server's and not a share's; update global with it"));
    }
    if let Some(c) = conf_file::comment_in(&format!("{name} = {value}")) {
        return Err(format!("`{shown}` cannot be written: `{c}` would begin a comment"));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("`{shown}` cannot be written: it contains a control character"));
    }
    Ok(Setting { key, value: value.trim().to_owned() })
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
    fn actions_and_options() {
        assert_eq!(run(&["a"]).action, Action::AddOrUpdate);
        assert_eq!(run(&["-a", "a"]).action, Action::Add);
        assert_eq!(run(&["--update", "global"]).action, Action::Update);
        assert_eq!(run(&["-vd", "IPC$"]).action, Action::Delete);
        let options = run(&["a", "-o", " Read  Only=no", "--option=public = yes ", "-opath ="]);
        let settings: Vec<_> =
            options.settings.iter().map(|s| (s.key.name(), s.value.as_str())).collect();
        assert_eq!(settings, [("read only", "no"), ("guest ok", "yes"), ("path", "")]);
        assert_eq!(run(&["-uo", "tcp port = 4450", "GLOBAL"]).settings[0].value, "4450");
    }

    #[test]
    fn wrong_command_lines() {
        assert_eq!(wrong(&[]), "SHARE is missing");
        assert_eq!(wrong(&["a", "b"]), "there is more than one SHARE");
        assert_eq!(wrong(&["-ad", "a"]), "only one of --add, --update and --delete can be given");
        assert_eq!(wrong(&["-d", "-o", "path = /", "a"]), "--delete needs no --option");
        assert_eq!(wrong(&["-x", "a"]), "invalid option '-x'");
        assert_eq!(wrong(&["--opt=x", "a"]), "invalid option '--opt'");
        assert_eq!(wrong(&["a", "-o"]), "missing argument for option '-o'");
        assert_eq!(
            wrong(&["a]"]),
            "`a]` cannot be a share name: it contains `]`; use another name"
        );
        assert!(wrong(&["a#b"]).contains("it contains `#`"));
        assert!(wrong(&[" a"]).contains("it has blanks at an end"));
        assert!(wrong(&[""]).contains("it is empty"));
        let global = "`global` is no share; --update can change it";
        assert_eq!(wrong(&["-d", "Global"]), global);
        assert_eq!(wrong(&["-a", "global"]), global);
    }

    #[test]
    fn wrong_options() {
        let option = |text: &str| wrong(&["a", "-o", text]);
        assert_eq!(option("read only"), "`read only` is not an option; write \"key = value\"");
        assert_eq!(
            option("read onyl = x"),
            "there is no key `read onyl`; did you mean `read only`?"
        );
        assert_eq!(option("zzz = x"), "there is no key `zzz`; ksmbd.conf(5) has all of them");
        assert_eq!(option(" = x"), "there is no key ``; ksmbd.conf(5) has all of them");
        assert_eq!(
            option("tcp port = 1"),
            "`tcp port` is the server's and not a share's; update global with it"
        );
        assert_eq!(
            option("comment = a;b"),
            "`comment = a;b` cannot be written: `;` would begin a comment"
        );
        assert_eq!(
            option("comment = a\n[b]"),
            "`comment = a\\n[b]` cannot be written: it contains a control character"
        );
    }

    #[test]
    fn help_and_version_need_no_share() {
        let ask = |argument: &str| Options::parse(Parser::from_args([argument]));
        assert!(matches!(ask("-h"), Ok(Request::Help)));
        assert!(matches!(ask("--version"), Ok(Request::Version)));
        assert!(help().contains("--option=\"KEY = VALUE\""));
        assert!(help().lines().all(|line| line.len() <= 79));
    }
}
