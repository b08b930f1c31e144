//! Variables in a share's `path`, as Samba has them: `/srv/home/%U` is another directory for each
//! user. They are resolved when a tree is connected, so that a tree's directory stays what it was.

use std::fmt;
use std::path::Path;

use ksmbd_core::id::ConnId;
use ksmbd_core::wire::negotiate::Dialect;
use std::net::IpAddr;

/// What stands behind the `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// `%S`
    Share,
    /// `%U`
    Account,
    /// `%u`
    User,
    /// `%I`
    Client,
    /// `%i`
    Server,
    /// `%R`
    Dialect,
    /// `%d`
    Connection,
}

const VARIABLES: [(char, Variable); 7] = [
    ('S', Variable::Share),
    ('U', Variable::Account),
    ('u', Variable::User),
    ('I', Variable::Client),
    ('i', Variable::Server),
    ('R', Variable::Dialect),
    ('d', Variable::Connection),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// A path with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Vec<Part>);

/// Who connects a tree, as far as a path may tell them apart.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The share's name, as it is configured.
    pub share: &'a str,
    /// The account that logged on; a guest's is the guest account.
    pub account: &'a str,
    /// As whom files are used: not the account where there is a `force user`.
    pub user: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// The server's address that it has come to.
    pub server: IpAddr,
    /// What was negotiated.
    pub dialect: Dialect,
    /// The number of its connection, where Samba has that of its process.
    pub connection: ConnId,
}

/// What is wrong with a path or with a value for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongPath {
    /// There is no such variable; `%` stands for one at the end.
    Unknown(char),
    /// A name on the way would be none: empty, `.`, `..`, or with a `/` of its own.
    NoName(String),
}

impl fmt::Display for WrongPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown('%') => f.write_str("a `%` at the end is no variable"),
            Self::Unknown(letter) => write!(f, "`%{letter}` is not known"),
            Self::NoName(name) => write!(f, "`{}` is no directory's name", name.escape_debug()),
        }
    }
}

impl PathPattern {
    /// Reads a path. `None`: it has no variable, and is a path as it is. So is one that names a directory
    /// which is there under that very name: a `%` is nothing but a character to the file system and to ksmbd.
    ///
    /// # Errors
    ///
    /// [`WrongPath::Unknown`]
    pub fn read(path: &str) -> Result<Option<Self>, WrongPath> {
        if !path.contains('%') || Path::new(path).exists() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut letters = path.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            let name = letters.next().ok_or(WrongPath::Unknown('%'))?;
            if name == '%' {
                text.push('%');
                continue;
            }
            let found = VARIABLES.iter().find(|(known, _)| *known == name);
            let (_, variable) = found.ok_or(WrongPath::Unknown(name))?;
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Variable(*variable));
        }
        parts.push(Part::Text(text));
        Ok(Some(Self(parts)))
    }

    /// The directory above the first name with a variable in it.
    pub fn fixed(&self) -> &Path {
        let text = match self.0.first() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "",
        };
        let above = text.rfind('/').and_then(|at| text.get(..=at));
        Path::new(above.unwrap_or_default())
    }

    /// The path on an occasion. What comes from outside is a name, or a piece of one, and nothing else.
    ///
    /// # Errors
    ///
    /// [`WrongPath::NoName`]
    pub fn resolve(&self, occasion: &Occasion<'_>) -> Result<String, WrongPath> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Variable(variable) => {
                    let value = variable.value(occasion);
                    if value.is_empty() || value.contains(['/', '\0']) {
                        return Err(WrongPath::NoName(value));
                    }
                    path.push_str(&value);
                }
            }
        }
        match path.split('/').find(|name| matches!(*name, "." | "..")) {
            Some(name) => Err(WrongPath::NoName(name.to_owned())),
            None => Ok(path),
        }
    }
}

impl Variable {
    fn value(self, occasion: &Occasion<'_>) -> String {
        match self {
            Self::Share => occasion.share.to_owned(),
            Self::Account => occasion.account.to_owned(),
            Self::User => occasion.user.to_owned(),
            Self::Client => occasion.client.to_canonical().to_string(),
            Self::Server => occasion.server.to_canonical().to_string(),
            Self::Dialect => dialect(occasion.dialect).to_owned(),
            Self::Connection => occasion.connection.0.to_string(),
        }
    }
}

/// As `server max protocol` has it.
fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::SMB_2_0_2 => "SMB2_02",
        Dialect::SMB_2_1 => "SMB2_10",
        Dialect::SMB_3_0 => "SMB3_00",
        Dialect::SMB_3_0_2 => "SMB3_02",
        _ => "SMB3_11",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion(account: &str) -> Occasion<'_> {
        Occasion {
            share: "Home",
            account,
            user: "nobody",
            client: "::ffff:10.0.0.7".parse().expect("an address"),
            server: "fe80::1".parse().expect("an address"),
            dialect: Dialect::SMB_3_0_2,
            connection: ConnId(12),
        }
    }

    fn resolved(path: &str, account: &str) -> Result<String, WrongPath> {
        let pattern = PathPattern::read(path).expect("known").expect("variables");
        pattern.resolve(&occasion(account))
    }

    #[test]
    fn every_variable_and_a_percent_sign() {
        let path = resolved("/nowhere/%S/%U.%u/%I/%i/%R/%d/100%%", "alice");
        let expected = "/nowhere/Home/alice.nobody/10.0.0.7/fe80::1/SMB3_02/12/100%";
        assert_eq!(path, Ok(expected.to_owned()));
    }

    #[test]
    fn what_is_there_and_what_is_unknown() {
        assert_eq!(PathPattern::read("/nowhere/plain"), Ok(None));
        let scratch = ksmbd_adduser::scratch::Scratch::new("variables");
        let literal = scratch.path().join("100%U");
        std::fs::create_dir(&literal).expect("a directory");
        assert_eq!(PathPattern::read(&literal.display().to_string()), Ok(None));
        for (path, letter) in [("/nowhere/%m", 'm'), ("/nowhere/%", '%'), ("/nowhere/%é", 'é')] {
            assert_eq!(PathPattern::read(path), Err(WrongPath::Unknown(letter)), "{path}");
        }
    }

    /// What logs on is called what its account is called, which is anything.
    #[test]
    fn no_value_leads_elsewhere() {
        for account in ["", "..", ".", "a/b", "/etc", "../../etc", "a\0b"] {
            let wrong = resolved("/nowhere/%U/x", account).expect_err(account);
            assert!(matches!(wrong, WrongPath::NoName(_)), "{account}");
        }
        resolved("/nowhere/.%U", ".").expect_err("put together");
        assert_eq!(resolved("/nowhere/%U", "..."), Ok("/nowhere/...".to_owned()));
    }

    #[test]
    fn what_has_to_be_there() {
        let fixed = |path| {
            let pattern = PathPattern::read(path).expect("known").expect("variables");
            pattern.fixed().display().to_string()
        };
        assert_eq!(fixed("/nowhere/of/u-%U/x"), "/nowhere/of/");
        assert_eq!(fixed("/%U"), "/");
    }
}
