//! The change itself: from the old text of the file to the new one, which is looked at before it is
//! written.

use std::path::Path;

use ksmbd_adduser::conf_file::edit::ConfText;
use ksmbd_adduser::keys::{self, Place};
use ksmbd_adduser::{ConfFile, ConfProblem, Entry, Member, Section, Severity};

use crate::options::Setting;
use ksmbd_adduser::options::Action;

/// The lists whose names should be accounts.
const LISTS: [&str; 5] = ["valid users", "invalid users", "read list", "write list", "admin users"];

/// What is to become of a section.
#[derive(Debug)]
pub(crate) enum Change {
    Delete,
    /// These keys.
    Set(Vec<Setting>),
    /// All lines.
    Body(Vec<u8>),
}

/// Refuses to add what is there, and to change what is not.
pub(crate) fn expect(
    text: &ConfText,
    action: Action,
    share: &str,
    path: &Path,
) -> Result<(), String> {
    let shown = path.display();
    match (action, text.has(share)) {
        (Action::Add, true) => {
            Err(format!("{shown}: there is a share `{share}` already; use --update to change it"))
        }
        // [global] is everywhere, if it says something or not.
        (Action::Update, false) if share.eq_ignore_ascii_case("global") => Ok(()),
        (Action::Update, false) => {
            Err(format!("{shown}: there is no share `{share}`; use --add to add it"))
        }
        (Action::Delete, false) => Err(format!("{shown}: there is no share `{share}` to delete")),
        _ => Ok(()),
    }
}

/// Makes the change.
pub(crate) fn apply(text: &mut ConfText, share: &str, change: &Change) {
    if !text.has(share) && !matches!(change, Change::Delete) {
        text.add(share);
    }
    match change {
        Change::Delete => text.remove(share),
        Change::Set(settings) => {
            for setting in settings {
                text.set(share, setting.key.names, &setting.value);
            }
        }
        Change::Body(body) => text.replace_body(share, body),
    }
}

/// Looks at what the file would be. Errors keep it from being written; returns what else is worth
/// knowing.
pub(crate) fn look(
    text: &[u8],
    path: &Path,
    share: &str,
    change: &Change,
    is_account: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let file = ConfFile::parse(text, path).map_err(|problems| shown(&problems, true))?;
    let Some(section) = file.section(share) else {
        return match change {
            Change::Delete => Ok(Vec::new()),
            Change::Set(_) | Change::Body(_) => Err(format!("there is no [{share}] any more")),
        };
    };
    let mut problems: Vec<_> = file
        .warnings()
        .iter()
        .filter(|problem| problem.section.as_deref() == Some(section.name()))
        .cloned()
        .collect();
    for entry in section.entries() {
        check_entry(section, entry, change, &is_account, &mut problems);
    }
    if !section.is_global() && section.folded_name() != "ipc$" {
        check_path(&file, section, &mut problems);
    }
    match problems.iter().any(ConfProblem::is_error) {
        true => Err(shown(&problems, true)),
        false => Ok(problems.iter().map(ToString::to_string).collect()),
    }
}

/// One problem a line.
fn shown(problems: &[ConfProblem], errors: bool) -> String {
    let lines = problems.iter().filter(|problem| problem.is_error() == errors);
    lines.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What was just written is wrong; what was there before is odd.
fn check_entry(
    section: &Section,
    entry: &Entry,
    change: &Change,
    is_account: impl Fn(&str) -> bool,
    problems: &mut Vec<ConfProblem>,
) {
    let own = match change {
        Change::Set(settings) => {
            settings.iter().any(|setting| setting.key.names.contains(&entry.key()))
        }
        Change::Body(_) => true,
        Change::Delete => false,
    };
    let severity = if own { Severity::Error } else { Severity::Warning };
    let Some(key) = keys::find(entry.key()) else {
        let remedy = match keys::nearest(entry.key()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "remove the line if it is not meant for another server".to_owned(),
        };
        problems.push(entry.problem(Severity::Warning, "there is no such key", remedy));
        return;
    };
    if key.place == Place::Global && !section.is_global() {
        let what = "it is the server's and not a share's";
        problems.push(entry.problem(severity, what, "write it in [global]"));
    }
    problems.extend(key.doubts(entry).into_iter().map(|doubt| ConfProblem { severity, ..doubt }));
    if LISTS.contains(&key.name()) {
        for member in entry.members() {
            if let Member::User(name) = member
                && !is_account(&name)
            {
                let what = format!("there is no account `{name}`");
                let remedy = "add it with ksmbd.adduser, or remove it here";
                problems.push(entry.problem(Severity::Warning, what, remedy));
            }
        }
    }
}

/// Without a path a share is not served.
fn check_path(file: &ConfFile, section: &Section, problems: &mut Vec<ConfProblem>) {
    let find = |section: &Section, names: &[&str]| {
        names.iter().find_map(|name| section.get(name)).cloned()
    };
    let global = |names: &[&str]| file.global().and_then(|global| find(global, names));
    let Some(entry) = find(section, keys::PATH).or_else(|| global(keys::PATH)) else {
        problems.push(ConfProblem {
            path: file.path().to_owned(),
            line: Some(section.line()),
            section: Some(section.name().to_owned()),
            key: None,
            what: "the share has no path".to_owned(),
            remedy: "give it one: path = /some/directory".to_owned(),
            severity: Severity::Error,
        });
        return;
    };
    let root = global(keys::ROOT_DIRECTORY).map(|entry| entry.value().to_owned());
    let path = format!("{}{}", root.unwrap_or_default(), entry.value());
    if !Path::new(&path).is_absolute() {
        let what = format!("`{path}` does not begin with /");
        problems.push(entry.problem(Severity::Error, what, "write the whole path"));
    } else if !Path::new(&path).is_dir() {
        let what = format!("there is no directory `{path}` now");
        problems.push(entry.problem(Severity::Warning, what, "make it; no restart is needed"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &str) -> Result<Vec<String>, String> {
        let change = Change::Body(lines.into());
        let mut text = ConfText::parse(b"[global]\n\n[b]\npath = /tmp\n");
        apply(&mut text, "a", &change);
        look(&text.bytes(), Path::new("f"), "a", &change, |name| name == "alice")
    }

    #[test]
    fn a_share_is_looked_at() {
        assert_eq!(body("path = /tmp\nread only = no\nvalid users = alice @staff\n"), Ok(vec![]));
        for (lines, expected) in [
            ("comment = x", "f:6: [a] the share has no path; give it one: path = /some/directory"),
            ("path = tmp", "f:7: [a] path: `tmp` does not begin with /; write the whole path"),
            ("path = /tmp\njunk", "f:8: [a] `junk` is neither a [section] nor `key = value` nor"),
            ("path = /tmp\nread only = maybe", "f:8: [a] read only: `maybe` is not a boolean"),
            ("path = /tmp\ncreate mask = rwx", "create mask: `rwx` is not an octal number"),
            ("path = /tmp\nmax connections = many", "max connections: `many` is not a number"),
            ("path = /tmp\ntcp port = 1", "tcp port: it is the server's and not a share's"),
        ] {
            let error = body(lines).expect_err(lines);
            assert!(error.contains(expected), "{error}");
        }
        for (lines, expected) in [
            ("path = /nonexistent", "there is no directory `/nonexistent` now"),
            ("path = /tmp\nread onyl = no", "there is no such key; did you mean `read only`?"),
            ("path = /tmp\nzzz = no", "remove the line if it is not meant for another server"),
            ("path = /tmp\nadmin users = eve", "there is no account `eve`; add it with"),
            ("path = /tmp\npath = /srv", "lines 7 and 8 both set it"),
        ] {
            let said = body(lines).expect(lines);
            assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
        }
    }

    #[test]
    fn old_lines_of_others_are_left_alone() {
        let old = b"[a]\npath = /tmp\nread only = maybe\n[b]\nfoo = bar\n";
        let mut text = ConfText::parse(old);
        let key = keys::find("comment").expect("a key");
        let change = Change::Set(vec![Setting { key, value: "x".to_owned() }]);
        apply(&mut text, "A", &change);
        let said = look(&text.bytes(), Path::new("f"), "a", &change, |_| true).expect("odd");
        assert!(said.len() == 1 && said[0].contains("`maybe` is not a boolean"), "{said:?}");
        apply(&mut text, "a", &Change::Delete);
        assert_eq!(text.bytes(), b"[b]\nfoo = bar\n");
        look(&text.bytes(), Path::new("f"), "a", &Change::Delete, |_| true).expect("gone");
    }

    #[test]
    fn the_root_directory_is_before_the_path() {
        let change = Change::Body(b"path = mp".to_vec());
        let mut text = ConfText::parse(b"[global]\nroot directory = /t\n");
        apply(&mut text, "a", &change);
        assert_eq!(look(&text.bytes(), Path::new("f"), "a", &change, |_| true), Ok(vec![]));
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let text = ConfText::parse(b"[a]\n");
        let ask = |action, share| expect(&text, action, share, Path::new("f"));
        let error = |action, share| ask(action, share).expect_err("refused");
        assert!(error(Action::Add, "A").contains("f: there is a share `A` already; use --update"));
        assert!(error(Action::Update, "b").contains("there is no share `b`; use --add"));
        assert!(error(Action::Delete, "b").contains("there is no share `b` to delete"));
        for (action, share) in [
            (Action::Add, "b"),
            (Action::Update, "a"),
            (Action::Delete, "a"),
            (Action::AddOrUpdate, "a"),
            (Action::AddOrUpdate, "b"),
        ] {
            ask(action, share).expect("may be");
        }
    }
}
