//! `ksmbdpwd.db`: one `name:base64(NT hash)` a line.
//!
//! Blank lines are allowed, comments are not, and a later line for the same name updates the
//! earlier. A line that cannot be read makes the whole file unreadable on purpose: a tool that went
//! on would write the file back without that account.

mod error;
mod file;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

pub use error::DatabaseError;
pub use file::DatabaseLock;

use crate::names::check_user_name;
use crate::nt_hash::NtHash;

/// ksmbd writes the padding and does not look at it when it reads.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The accounts: names, in the order of their bytes, with the NT hash of each password.
#[derive(Clone, Debug, Default)]
pub struct Database {
    accounts: BTreeMap<String, NtHash>,
    warnings: Vec<String>,
}

impl Database {
    /// A database without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file. It may be replaced at any time, so a reader needs no lock.
    pub fn load(path: &Path) -> Result<Self, DatabaseError> {
        file::load(path)
    }

    /// Reads a file; one that does not exist has no accounts.
    pub fn load_if_exists(path: &Path) -> Result<Self, DatabaseError> {
        match Self::load(path) {
            Err(error) if error.is_missing() => Ok(Self::new()),
            result => result,
        }
    }

    /// Reads the text of a file; `path` is for the messages.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, DatabaseError> {
        let mut database = Self::new();
        let mut lines = BTreeMap::new();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let line = line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            let (name, hash) = parse_line(line).map_err(|wrong| wrong.at(path, number))?;
            if let Some(earlier) = lines.insert(name.to_owned(), number) {
                database.warnings.push(format!(
                    "{}:{number}: `{name}` was already in line {earlier}; the later line counts",
                    path.display()
                ));
            }
            database.set(name, hash);
        }
        Ok(database)
    }

    /// The text of the file: sorted by name, one line an account.
    pub fn serialise(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything at once: a growing vector would leave unwiped copies behind.
        let size = self.accounts.keys().map(|name| name.len() + ":".len() + 24 + "\n".len()).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        for (name, hash) in &self.accounts {
            let encoded = Zeroizing::new(BASE64.encode(hash.as_bytes()));
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(encoded.as_bytes());
            text.push(b'\n');
        }
        text
    }

    /// Writes the file under its lock. To change a file that others may change too, hold a
    /// [`DatabaseLock`] from before the reading until after the writing.
    pub fn save(&self, path: &Path) -> Result<(), DatabaseError> {
        DatabaseLock::acquire(path)?.save(self)
    }

    /// The NT hash of an account. Names are compared byte by byte, as ksmbd does.
    pub fn get(&self, name: &str) -> Option<&NtHash> {
        self.accounts.get(name)
    }

    /// Whether there is such an account.
    pub fn contains(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    /// Adds an account or replaces its hash; says whether it was there. The name must have
    /// passed [`check_user_name`], or the file could not be read again: another is refused when
    /// the file is saved.
    pub fn set(&mut self, name: &str, hash: NtHash) -> bool {
        self.accounts.insert(name.to_owned(), hash).is_some()
    }

    /// Removes an account; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.accounts.remove(name).is_some()
    }

    /// All accounts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &NtHash)> {
        self.accounts.iter().map(|(name, hash)| (name.as_str(), hash))
    }

    /// The number of accounts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are no accounts.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// What was odd about the file but does not keep it from being used: one sentence each, with
    /// the file's name.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// What is wrong with one line. It never quotes the line: it may be a secret.
struct WrongLine {
    what: String,
    remedy: &'static str,
}

impl WrongLine {
    fn at(self, path: &Path, line: usize) -> DatabaseError {
        DatabaseError::line(path, line, self.what, self.remedy)
    }
}

fn parse_line(line: &[u8]) -> Result<(&str, NtHash), WrongLine> {
    const REPAIR: &str =
        "correct or remove the line, then set the password anew with ksmbd.adduser";
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Err(WrongLine {
            what: "there is no `:` between a name and a hash".to_owned(),
            remedy: "remove the line, then add the account with ksmbd.adduser \
                     (this file has no comments)",
        });
    };
    let (name, encoded) = (&line[..colon], &line[colon + 1..]);
    let name = std::str::from_utf8(name).map_err(|_| WrongLine {
        what: "the account name is not UTF-8".to_owned(),
        remedy: REPAIR,
    })?;
    check_user_name(name).map_err(|error| WrongLine {
        what: format!("`{}` cannot be an account name: {error}", name.escape_debug()),
        remedy: REPAIR,
    })?;
    let hash = decode(encoded).map_err(|problem| WrongLine {
        what: format!("the hash of `{name}` {problem}"),
        remedy: REPAIR,
    })?;
    Ok((name, hash))
}

fn decode(encoded: &[u8]) -> Result<NtHash, String> {
    let bytes = match BASE64.decode(encoded) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(_) => return Err("is not base64".to_owned()),
    };
    match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(hash) => Ok(NtHash::new(hash)),
        Err(_) => Err(format!("has {} bytes, an NT hash has 16", bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pPScQGUQvcq2gk58MPDSUg==";
    const PASSWORD_HASH: &str = "pPScQGUQvcq2gk7nww/YUg==";

    fn parse(text: &str) -> Result<Database, DatabaseError> {
        Database::parse(text.as_bytes(), Path::new("/etc/ksmbd/ksmbdpwd.db"))
    }

    fn wrong(text: &str) -> String {
        parse(text).expect_err("a wrong line").to_string()
    }

    #[test]
    fn reads_and_writes_sorted() {
        let text = format!("zoe:{PASSWORD_HASH}\n\nalice:{PASSWORD}\n");
        let database = parse(&text).expect("right lines");
        assert_eq!(database.len(), 2);
        assert_eq!(database.get("zoe"), Some(&NtHash::from_password("Password")));
        assert_eq!(database.get("Zoe"), None);
        assert_eq!(
            database.serialise().as_slice(),
            format!("alice:{PASSWORD}\nzoe:{PASSWORD_HASH}\n").as_bytes()
        );
        let names: Vec<_> = database.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["alice", "zoe"]);
        assert!(database.warnings().is_empty());
    }

    #[test]
    fn bom_crlf_blanks_and_missing_padding_are_accepted() {
        let hash = PASSWORD_HASH.trim_end_matches('=');
        let text = format!("\u{feff}alice:{hash}\r\n\r\nbob:{PASSWORD_HASH} \t\n");
        let database = parse(&text).expect("right lines");
        assert_eq!(database.get("alice"), database.get("bob"));
        assert_eq!(database.len(), 2);
    }

    #[test]
    fn a_later_duplicate_updates_and_warns() {
        let database = parse(&format!("a:{PASSWORD}\nb:{PASSWORD}\na:{PASSWORD_HASH}"));
        let database = database.expect("right lines");
        assert_eq!(database.get("a"), Some(&NtHash::from_password("Password")));
        assert_eq!(
            database.warnings(),
            ["/etc/ksmbd/ksmbdpwd.db:3: `a` was already in line 1; the later line counts"]
        );
    }

    #[test]
    fn wrong_lines_name_file_line_and_remedy() {
        let error = parse(&format!("a:{PASSWORD}\n# comment\n")).expect_err("a comment");
        assert_eq!(error.line_number(), Some(2));
        assert_eq!(error.path(), Path::new("/etc/ksmbd/ksmbdpwd.db"));
        assert_eq!(
            error.to_string(),
            "/etc/ksmbd/ksmbdpwd.db:2: there is no `:` between a name and a hash; remove the \
             line, then add the account with ksmbd.adduser (this file has no comments)"
        );
        assert!(wrong(&format!(":{PASSWORD}")).contains(":1: `` cannot be an account name"));
        let long = wrong(&format!("{}:{PASSWORD}", "x".repeat(48)));
        assert!(long.contains("it has 48 bytes, 47 are allowed"), "{long}");
        assert!(wrong("a:secret!").contains("the hash of `a` is not base64; correct or remove"));
        assert!(wrong("a:QUJD").contains("the hash of `a` has 3 bytes, an NT hash has 16"));
        assert!(wrong("a:").contains("has 0 bytes"));
        let control = wrong(&format!("a\tb:{PASSWORD}"));
        assert!(control.contains("`a\\tb` cannot be an account name"), "{control}");
        let latin = Database::parse(b"J\xfcrgen:x", Path::new("db")).expect_err("Latin-1");
        assert!(latin.to_string().starts_with("db:1: the account name is not UTF-8; "));
    }

    #[test]
    fn messages_never_quote_a_hash() {
        assert!(!wrong(PASSWORD).contains(PASSWORD));
        assert!(!wrong(&format!("a:{PASSWORD}x")).contains(PASSWORD));
        let shown = format!("{:?}", parse(&format!("a:{PASSWORD}")));
        assert!(!shown.contains(PASSWORD) && shown.contains("NtHash(..)"));
    }

    #[test]
    fn set_and_remove_say_what_was_there() {
        let mut database = Database::new();
        assert!(database.is_empty());
        assert!(!database.set("a", NtHash::from_password("1")));
        assert!(database.set("a", NtHash::from_password("2")));
        assert!(database.contains("a"));
        assert!(database.remove("a"));
        assert!(!database.remove("a"));
    }
}
