//! What is made of every key of `ksmbd.conf`.

use ksmbd_adduser::keys::{self, Place};
use ksmbd_adduser::{ConfFile, ConfProblem, Entry, Section, Severity};

pub(super) use ksmbd_adduser::keys::{
    BROWSEABLE, CREATE_MASK, DIRECTORY_MASK, ENCRYPT, FORCE_GROUP, GUEST_OK, HOSTS_ALLOW,
    HOSTS_DENY, MAX_PROTOCOL, MIN_PROTOCOL, PATH, PRINTABLE, READ_ONLY, ROOT_DIRECTORY, WRITABLE,
    find,
};

/// What is made of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It does what it says.
    Honoured,
    /// A switch that does nothing when it is on, and why.
    NotOn(&'static str),
    /// It does nothing, and why.
    Not(&'static str),
}

/// What is made of the key of this name.
fn usage(name: &str) -> Use {
    use Use::{Honoured, Not, NotOn};
    match name {
        "smbd max io size" => Not("not supported yet: there is no SMB Direct"),
        "ipc timeout" => Not("it has no effect: no kernel waits for this program's answers"),
        "kerberos support" => NotOn("not supported yet: users log on with NTLMv2"),
        "kerberos service name" | "kerberos keytab file" => {
            Not("not supported yet: there is no Kerberos")
        }
        "time machine" => NotOn("not supported yet: there is nothing for Time Machine"),
        "aapl model" => Not("not supported yet: there is nothing for Time Machine"),
        "wide links" => NotOn("not supported yet: links that leave the share are not followed"),
        _ => Honoured,
    }
}

/// Warns about every key that is unknown, in the wrong place, or without effect.
pub(super) fn check(file: &ConfFile, problems: &mut Vec<ConfProblem>) {
    for section in file.sections() {
        for entry in section.entries() {
            check_entry(section, entry, problems);
        }
    }
}

fn check_entry(section: &Section, entry: &Entry, problems: &mut Vec<ConfProblem>) {
    let warn = |what: &str, remedy: &str| entry.problem(Severity::Warning, what, remedy);
    let Some(key) = find(entry.key()) else {
        problems.push(unknown(entry));
        return;
    };
    if key.place == Place::Global && !section.is_global() {
        let what = "it is the server's and not a share's; it is ignored here";
        problems.push(warn(what, "write it in [global]"));
        return;
    }
    if key.name() == "vfs objects" {
        return check_modules(entry, problems);
    }
    // What is odd about the value does not matter while it is not used.
    let why = match usage(key.name()) {
        Use::Not(why) => Some(why),
        Use::NotOn(why) => entry.boolean(&mut Vec::new()).then_some(why),
        Use::Honoured => None,
    };
    if let Some(why) = why {
        let remedy = match why.starts_with("not supported yet") {
            true => "remove the line, or leave it for a later version",
            false => "remove the line",
        };
        problems.push(warn(why, remedy));
    }
}

/// `vfs objects`: ksmbd's two are here; the rest are Samba's.
fn check_modules(entry: &Entry, problems: &mut Vec<ConfProblem>) {
    for word in entry.words().filter(|word| !matches!(*word, "acl_xattr" | "streams_xattr")) {
        let what = format!("there is no module `{word}` in this server; it is ignored");
        let remedy = "remove the word if the file is not meant for another server";
        problems.push(entry.problem(Severity::Warning, what, remedy));
    }
}

fn unknown(entry: &Entry) -> ConfProblem {
    let remedy = match keys::nearest(entry.key()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "remove the line if it is not meant for another server".to_owned(),
    };
    entry.problem(Severity::Warning, "there is no such key; it is ignored", remedy)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
        let mut problems = Vec::new();
        check(&file, &mut problems);
        assert!(problems.iter().all(|problem| !problem.is_error()));
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_key_warns_and_may_suggest_another() {
        assert_eq!(
            problems("[global]\nworkgruop = X\ndns proxy = no\n[a]\nread onyl = yes\n"),
            [
                "f:2: [global] workgruop: there is no such key; it is ignored; did you mean \
                 `workgroup`?",
                "f:3: [global] dns proxy: there is no such key; it is ignored; remove the line \
                 if it is not meant for another server",
                "f:5: [a] read onyl: there is no such key; it is ignored; did you mean \
                 `read only`?",
            ]
        );
    }

    #[test]
    fn a_key_of_the_server_in_a_share_warns() {
        assert_eq!(
            problems("[a]\ntcp port = 4450\n"),
            ["f:2: [a] tcp port: it is the server's and not a share's; it is ignored here; write \
              it in [global]"]
        );
    }

    #[test]
    fn what_is_not_supported_yet_warns_unless_it_is_off() {
        let off = "kerberos support";
        for key in off.split(',') {
            assert!(problems(&format!("[global]\n{key} = no\n")).is_empty(), "{key}");
            let warnings = problems(&format!("[global]\n{key} = yes\n"));
            let expected = format!("f:2: [global] {key}: not supported yet: ");
            assert!(warnings[0].starts_with(&expected), "{warnings:?}");
        }
        let off = "time machine,wide links";
        for key in off.split(',') {
            let warnings = problems(&format!("[a]\n{key} = yes\n"));
            assert!(warnings[0].starts_with(&format!("f:2: [a] {key}: not supported yet: ")));
        }
        for key in ["smbd max io size", "kerberos service name", "kerberos keytab file"] {
            let warnings = problems(&format!("[global]\n{key} = x\n"));
            assert!(warnings[0].contains("not supported yet"), "{warnings:?}");
        }
        assert_eq!(
            problems("[global]\nipc timeout = 20\n"),
            ["f:2: [global] ipc timeout: it has no effect: no kernel waits for this program's \
              answers; remove the line"]
        );
    }

    #[test]
    fn every_key_is_documented() {
        let readme = include_str!("../../README.md");
        for name in keys::KEYS.iter().flat_map(|key| key.names) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn modules_are_named_one_by_one() {
        let warnings = problems("[a]\nvfs objects = acl_xattr streams_xattr fruit\n");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("there is no module `fruit` in this server"));
    }
}
