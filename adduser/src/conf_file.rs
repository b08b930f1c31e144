//! The syntax of `ksmbd.conf`, and of an `smb.conf` of Samba's with the same keys.
//!
//! Where ksmbd's parser has a rule that files rely on, the rule stands; where it has a trap, the
//! trap is gone:
//!
//! * `;` and `#` anywhere end the line: a value cannot contain them. The one exception is a `;` that hangs
//!   on a word of `interfaces`, where Samba has what is to be known of an address.
//! * Of two values for one key the first that is not empty counts (Samba: the last), with a
//!   warning. An empty value is as if the key were not there.
//! * Sections with equal names are one section. Names compare without case, keys without ASCII
//!   case.
//! * A key before the first section and a line that says nothing are errors. All of them are
//!   reported, not the first alone.
//! * Blanks at the end of a value, a byte order mark and CR LF do no harm (in ksmbd they do).
//!
//! What a key means, and that a share inherits the keys of `[global]`, is the daemon's.

pub mod edit;
mod entry;
mod line;
mod problem;
mod value;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

pub use entry::Entry;
pub use problem::{ConfProblem, Severity};
pub use value::Member;

/// What would begin a comment in a line.
pub fn comment_in(line: &str) -> Option<char> {
    line.get(line::comment_at(line.as_bytes())..)?.chars().next()
}

use line::{Line, LineReader, WrongLine};

/// The largest file that is read.
const MAX_FILE: u64 = 16 << 20;

/// A configuration file that could be read.
#[derive(Clone, Debug)]
pub struct ConfFile {
    path: Arc<Path>,
    sections: Vec<Section>,
    warnings: Vec<ConfProblem>,
}

/// A section, with the entries of all sections of that name.
#[derive(Clone, Debug)]
pub struct Section {
    name: Arc<str>,
    folded: String,
    line: usize,
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
}

impl ConfFile {
    /// Reads a file. The list of problems has at least one error, and the warnings too.
    pub fn load(path: &Path) -> Result<Self, Vec<ConfProblem>> {
        match read_bounded(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) => Err(vec![unreadable(path, &error)]),
        }
    }

    /// Reads a file if there is one.
    pub fn load_if_exists(path: &Path) -> Result<Option<Self>, Vec<ConfProblem>> {
        match read_bounded(path) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(vec![unreadable(path, &error)]),
        }
    }

    /// Reads the text of a file; `path` is for the messages.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Vec<ConfProblem>> {
        Reader::new(path).read(text)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All sections, in the order in which the file first names them.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of a name; case does not count.
    pub fn section(&self, name: &str) -> Option<&Section> {
        let folded = fold_section(name);
        self.sections.iter().find(|section| section.folded == folded)
    }

    /// `[global]`, if the file has it.
    pub fn global(&self) -> Option<&Section> {
        self.section("global")
    }

    /// All sections but `[global]`.
    pub fn shares(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.is_global())
    }

    /// What is odd but does not keep the file from being used.
    pub fn warnings(&self) -> &[ConfProblem] {
        &self.warnings
    }
}

impl Section {
    /// The name, as the file first spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in lower case: equal for all spellings.
    pub fn folded_name(&self) -> &str {
        &self.folded
    }

    /// The line of its first header.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether this is `[global]`.
    pub fn is_global(&self) -> bool {
        self.folded == "global"
    }

    /// The entry of a key, given in lower case. Its value is not empty.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).map(|&at| &self.entries[at])
    }

    /// All entries in the order of the file: one a key, none with an empty value.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// ksmbd decomposes (NFD) and folds; lower case is what can be had without Unicode's tables.
fn fold_section(name: &str) -> String {
    name.to_lowercase()
}

/// Reads a file, or a pipe; a device such as `/dev/zero` would have no end.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MAX_FILE} bytes"),
        ));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> ConfProblem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "create the file, or name another with -C",
        io::ErrorKind::PermissionDenied => "run as root, or let the file be read",
        _ => "check the file, or name another with -C",
    };
    ConfProblem {
        path: path.to_owned(),
        line: None,
        section: None,
        key: None,
        what: format!("cannot read it: {error}"),
        remedy: remedy.to_owned(),
        severity: Severity::Error,
    }
}

/// Where the next entry belongs.
#[derive(Clone, Copy)]
enum Place {
    BeforeAnySection,
    /// After a header that cannot be read: its entries are nobody's, and not errors of their own.
    InWrongSection,
    In(usize),
}

struct Reader {
    file: ConfFile,
    place: Place,
    errors: bool,
    /// The line before ended in a backslash, as Samba's may.
    continued: bool,
}

impl Reader {
    fn new(path: &Path) -> Self {
        let file = ConfFile { path: path.into(), sections: Vec::new(), warnings: Vec::new() };
        Self { file, place: Place::BeforeAnySection, errors: false, continued: false }
    }

    fn read(mut self, text: &[u8]) -> Result<ConfFile, Vec<ConfProblem>> {
        if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            self.error(1, "the file is UTF-16".to_owned(), "save the file as UTF-8");
            return Err(self.file.warnings);
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lines = LineReader::new();
        for (number, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            match lines.read(bytes) {
                Ok(Line::Blank) => {}
                Ok(Line::Section(name)) => self.section(&name, number),
                Ok(Line::Entry { key, value }) => self.entry(key, value, number),
                Err(wrong) => self.wrong_line(bytes, wrong, number),
            }
            self.continued = bytes.trim_ascii_end().ends_with(b"\\");
        }
        match self.errors {
            true => Err(self.file.warnings),
            false => Ok(self.file),
        }
    }

    fn section(&mut self, name: &str, line: usize) {
        let folded = fold_section(name);
        let sections = &mut self.file.sections;
        let at = sections.iter().position(|section| section.folded == folded);
        let at = at.unwrap_or_else(|| {
            sections.push(Section {
                name: name.into(),
                folded,
                line,
                entries: Vec::new(),
                index: BTreeMap::new(),
            });
            sections.len() - 1
        });
        self.place = Place::In(at);
    }

    fn entry(&mut self, key: String, value: String, line: usize) {
        let at = match self.place {
            Place::In(at) => at,
            Place::InWrongSection => return,
            Place::BeforeAnySection => {
                let what = format!("the key `{key}` is before the first section");
                return self.error(line, what, "write [global] or a share's [name] above it");
            }
        };
        if value.is_empty() {
            return;
        }
        let section = &mut self.file.sections[at];
        if let Some(first) = section.get(&key) {
            let what = format!(
                "lines {} and {line} both set it; the first counts, `{}`",
                first.line(),
                first.value()
            );
            let later = Entry::new(&self.file.path, &section.name, key, value, line);
            let problem = later.problem(Severity::Warning, what, "remove one of the two lines");
            self.file.warnings.push(problem);
            return;
        }
        section.index.insert(key.clone(), section.entries.len());
        section.entries.push(Entry::new(&self.file.path, &section.name, key, value, line));
    }

    fn wrong_line(&mut self, bytes: &[u8], wrong: WrongLine, line: usize) {
        let is_header = bytes.trim_ascii_start().starts_with(b"[");
        let remedy = match self.continued && !is_header {
            true => "a backslash does not continue a line here: write the value on one line",
            false => wrong.remedy,
        };
        if is_header {
            self.place = Place::InWrongSection;
        }
        self.error(line, wrong.what, remedy);
    }

    fn error(&mut self, line: usize, what: String, remedy: &str) {
        self.errors = true;
        let section = match self.place {
            Place::In(at) => Some(self.file.sections[at].name.to_string()),
            Place::BeforeAnySection | Place::InWrongSection => None,
        };
        self.file.warnings.push(ConfProblem {
            path: self.file.path.to_path_buf(),
            line: Some(line),
            section,
            key: None,
            what,
            remedy: remedy.to_owned(),
            severity: Severity::Error,
        });
    }
}

#[cfg(test)]
mod tests;
