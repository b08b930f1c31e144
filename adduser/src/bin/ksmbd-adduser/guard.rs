//! What the configuration says about an account: a guest account is not in the database, and an
//! account that a share names cannot be deleted.

use ksmbd_adduser::{ConfFile, Section, Severity};

use crate::TOOL;
use crate::options::Options;
use ksmbd_adduser::options::Action;

/// ksmbd's guest account where the configuration names none.
const DEFAULT_GUEST: &str = "nobody";

/// The lists that let somebody in. A name on `invalid users` is not needed there.
const LISTS: [&str; 4] = ["valid users", "read list", "write list", "admin users"];

/// Refuses what the configuration forbids.
pub(crate) fn check(options: &Options) -> Result<(), String> {
    let conf = match load(options) {
        Ok(conf) => conf,
        Err(message) if options.action == Action::Delete => return Err(message),
        Err(message) => {
            // A password can be changed all the same.
            TOOL.complain(message);
            None
        }
    };
    refusal(conf.as_ref(), options.action, &options.user).map_or(Ok(()), Err)
}

fn load(options: &Options) -> Result<Option<ConfFile>, String> {
    let path = &options.common.config;
    let loaded = match options.common.config_given {
        true => ConfFile::load(path).map(Some),
        false => ConfFile::load_if_exists(path),
    };
    let problems = match loaded {
        Ok(Some(conf)) => return Ok(Some(conf)),
        Ok(None) => {
            if options.common.verbose {
                TOOL.complain(format!("{}: there is no such file", path.display()));
            }
            return Ok(None);
        }
        Err(problems) => problems,
    };
    let errors = problems.iter().filter(|problem| problem.is_error());
    let lines: Vec<_> = errors.map(ToString::to_string).collect();
    Err(lines.join("\n"))
}

fn refusal(conf: Option<&ConfFile>, action: Action, name: &str) -> Option<String> {
    let sections = conf.map_or(&[][..], ConfFile::sections);
    if is_guest(conf, sections, name) {
        return Some(match action {
            Action::Delete => format!("`{name}` is the guest account; it cannot be deleted"),
            _ => format!("`{name}` is the guest account; it has no password"),
        });
    }
    if action != Action::Delete {
        return None;
    }
    let needed: Vec<_> = sections.iter().flat_map(|section| needed_by(section, name)).collect();
    (!needed.is_empty()).then(|| needed.join("\n"))
}

fn is_guest(conf: Option<&ConfFile>, sections: &[Section], name: &str) -> bool {
    let guest = |section: &Section| section.get("guest account").map(|entry| entry.value() == name);
    let global = conf.and_then(ConfFile::global).and_then(guest);
    global.unwrap_or(name == DEFAULT_GUEST)
        || sections.iter().any(|section| guest(section) == Some(true))
}

/// Where a section names the account. The members of a group are not named: a group without an
/// account is none the worse.
fn needed_by(section: &Section, name: &str) -> Vec<String> {
    let entries = LISTS.iter().filter_map(|key| section.get(key));
    let naming = entries.filter(|entry| {
        entry.members().iter().any(|member| *member == ksmbd_adduser::Member::User(name.to_owned()))
    });
    let message = |entry: &ksmbd_adduser::Entry| {
        let what = format!("it needs the account `{name}`");
        entry.problem(Severity::Error, what, "take the name off the list first").to_string()
    };
    naming.map(message).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONF: &str = "\
[global]
  guest account = visitor
[docs]
  valid users = alice, @staff
  write list = bob
  invalid users = carol
[pub]
  guest account = pubguest
  read list = alice
";

    fn ask(action: Action, name: &str) -> Option<String> {
        let conf = ConfFile::parse(CONF.as_bytes(), Path::new("ksmbd.conf")).expect("right");
        refusal(Some(&conf), action, name)
    }

    #[test]
    fn guests_are_not_in_the_database() {
        for guest in ["visitor", "pubguest"] {
            let message = ask(Action::Delete, guest).expect("refused");
            assert_eq!(message, format!("`{guest}` is the guest account; it cannot be deleted"));
            let message = ask(Action::Add, guest).expect("refused");
            assert_eq!(message, format!("`{guest}` is the guest account; it has no password"));
        }
        assert_eq!(ask(Action::Add, "nobody"), None);
        assert!(refusal(None, Action::AddOrUpdate, "nobody").is_some());
        assert!(refusal(None, Action::AddOrUpdate, "alice").is_none());
    }

    #[test]
    fn a_listed_account_is_not_deleted() {
        assert_eq!(
            ask(Action::Delete, "alice").as_deref(),
            Some(
                "ksmbd.conf:4: [docs] valid users: it needs the account `alice`; take the name \
                 off the list first\n\
                 ksmbd.conf:9: [pub] read list: it needs the account `alice`; take the name off \
                 the list first"
            )
        );
        assert!(ask(Action::Delete, "bob").is_some());
        assert_eq!(ask(Action::Update, "alice"), None);
        for free in ["carol", "staff", "dave"] {
            assert_eq!(ask(Action::Delete, free), None, "{free}");
        }
    }
}
