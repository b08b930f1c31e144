//! Lists of users.

use std::fmt;

use ksmbd_adduser::{Entry, Member};

use crate::account::Accounts;
use crate::account::unix::LookupFailed;

/// The users and groups of `valid users` and its like. An empty list has nobody in it, which is
/// not the same as no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserList(Vec<Member>);

impl UserList {
    /// The list of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        Self(entry.members())
    }

    /// Whether an account is on it. ksmbd writes the members of a group into the list when it
    /// reads the file; asked now, a group is what the machine says now.
    ///
    /// # Errors
    ///
    /// It may be in a group, and nobody can say.
    pub fn contains(&self, account: &str, accounts: &Accounts) -> Result<bool, LookupFailed> {
        let mut sure = Ok(false);
        for member in &self.0 {
            let is_it = match member {
                Member::User(name) => Ok(name == account),
                Member::Group(name) => accounts.is_member(account, name),
            };
            match is_it {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => sure = Err(error),
            }
        }
        sure
    }

    /// Names on the list that are no account's, or no group's: they let nobody in.
    pub(super) fn strangers<'a>(
        &'a self,
        accounts: &'a Accounts,
    ) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.0.iter().filter_map(|member| match member {
            Member::User(name) if !accounts.contains(name) => Some(("account", name.as_str())),
            Member::Group(name) if accounts.unix().group(name) == Ok(None) => {
                Some(("group", name.as_str()))
            }
            _ => None,
        })
    }
}

/// As it is written: `alice @staff`, and `@` when nobody is on it.
impl fmt::Display for UserList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("@");
        }
        for (at, member) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { " " } else { "" })?;
            match member {
                Member::User(name) => f.write_str(name)?,
                Member::Group(name) => write!(f, "@{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ksmbd_adduser::ConfFile;

    use super::*;
    use crate::account::Serving;
    use crate::account::tests::{accounts, accounts_in_an_outage};

    fn list(value: &str) -> UserList {
        let text = format!("[a]\nvalid users = {value}\n");
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right");
        UserList::of(file.sections()[0].get("valid users").expect("an entry"))
    }

    #[test]
    fn users_and_groups() {
        let accounts = accounts(&["alice", "bob"], Serving::Users);
        for (value, account, expected) in [
            ("alice, bob", "bob", true),
            ("alice", "bob", false),
            ("alice", "Alice", false),
            ("@staff", "alice", true),
            ("@staff", "bob", false),
            ("@users", "bob", true),
            ("+users", "bob", true),
            ("@nosuch", "bob", false),
            ("eve @users", "bob", true),
            ("@", "alice", false),
        ] {
            let contains = list(value).contains(account, &accounts);
            assert_eq!(contains, Ok(expected), "{value} {account}");
        }
    }

    #[test]
    fn who_is_in_a_group_is_not_known_in_an_outage() {
        let accounts = accounts_in_an_outage(&["alice"]);
        for (value, expected) in [
            ("@staff", Err(LookupFailed)),
            ("bob @staff", Err(LookupFailed)),
            ("@staff alice", Ok(true)),
            ("bob", Ok(false)),
        ] {
            assert_eq!(list(value).contains("alice", &accounts), expected, "{value}");
        }
        assert_eq!(list("@staff").strangers(&accounts).count(), 0, "it may be there");
    }

    #[test]
    fn strangers_are_named() {
        let accounts = accounts(&["alice"], Serving::Users);
        let list = list("alice eve @staff @nosuch");
        let strangers: Vec<_> = list.strangers(&accounts).collect();
        assert_eq!(strangers, [("account", "eve"), ("group", "nosuch")]);
    }
}
