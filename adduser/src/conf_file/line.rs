//! One line of the file.
//!
//! The `ini` crate does the splitting. It is fed line by line, because only then does every
//! message have a line number, and what it is too lenient about is checked around it.

use ini::configparser::ini::{Ini, IniDefault};

use crate::names::check_share_name;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing, or a comment.
    Blank,
    /// `[name]`
    Section(String),
    /// `key = value`; the key is folded, the value may be empty.
    Entry { key: String, value: String },
}

/// Why a line says nothing, and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongLine {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

const WRITE_AN_ENTRY: &str = "write `key = value`, or begin the line with # to make it a comment";
const WRITE_A_SECTION: &str = "write the share's name in brackets, [name], alone on its line";

/// Where the `ini` crate puts keys that it sees before any section. NUL is refused beforehand, so
/// no section can have this name.
const NO_SECTION: &str = "\0";

pub(super) struct LineReader {
    ini: Ini,
}

impl LineReader {
    pub(super) fn new() -> Self {
        let mut syntax = IniDefault::default();
        NO_SECTION.clone_into(&mut syntax.default_section);
        syntax.delimiters = vec!['='];
        // There is none any more: see `comment_at`.
        syntax.comment_symbols = Vec::new();
        syntax.enable_inline_comments = false;
        syntax.multiline = false;
        syntax.case_sensitive = true;
        Self { ini: Ini::new_from_defaults(syntax) }
    }

    /// Reads a line without its line feed.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Line, WrongLine> {
        let payload = payload(bytes)?;
        if payload.is_empty() {
            return Ok(Line::Blank);
        }
        let map = self.ini.read(payload.to_owned()).map_err(|_| refused(payload))?;
        match map.into_iter().next() {
            None => Ok(Line::Blank),
            Some((name, entries)) if name == NO_SECTION => {
                let Some((key, Some(value))) = entries.into_iter().next() else {
                    return Err(junk(payload));
                };
                Ok(Line::Entry { key: fold_key(&key), value })
            }
            Some((name, _)) => section(payload, name),
        }
    }
}

/// Folds a key: ASCII lower case, one blank between words.
pub(super) fn fold_key(key: &str) -> String {
    let words: Vec<_> = key.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    words.join(" ")
}

/// Where a line's comment begins, or its end. In `interfaces` a `;` that hangs on a word is the value's:
/// Samba has behind it what is to be known of an address (`eth0;speed=1000000000`).
pub(super) fn comment_at(line: &[u8]) -> usize {
    let equals = line.iter().position(|&byte| byte == b'=').unwrap_or(line.len());
    let key = line[..equals].trim_ascii();
    let begins = |at: usize| match line[at] {
        b'#' => true,
        b';' if at > equals && key.eq_ignore_ascii_case(b"interfaces") => {
            at - 1 == equals || matches!(line[at - 1], b' ' | b'\t')
        }
        byte => byte == b';',
    };
    (0..line.len()).find(|&at| begins(at)).unwrap_or(line.len())
}

/// What is left of a line without its comment and the blanks around it. A comment may hold any
/// bytes; the rest is text.
fn payload(bytes: &[u8]) -> Result<&str, WrongLine> {
    let bytes = bytes[..comment_at(bytes)].trim_ascii();
    if let Some(byte) = bytes.iter().find(|&&byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(WrongLine {
            what: format!("the line contains the control character 0x{byte:02X}"),
            remedy: "remove the character; the file must be plain text",
        });
    }
    std::str::from_utf8(bytes).map_err(|_| WrongLine {
        what: format!("`{}` is not UTF-8", quoted(&String::from_utf8_lossy(bytes))),
        remedy: "save the file as UTF-8",
    })
}

/// As much of a line as a message should repeat.
fn quoted(payload: &str) -> String {
    const LIMIT: usize = 60;
    match payload.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", &payload[..end]),
        None => payload.to_owned(),
    }
}

/// The only two things that the `ini` crate refuses: an open bracket, and no key.
fn refused(payload: &str) -> WrongLine {
    if payload.starts_with('[') {
        WrongLine {
            what: format!("`{}` has no closing bracket", quoted(payload)),
            remedy: WRITE_A_SECTION,
        }
    } else {
        WrongLine {
            what: format!("`{}` has no key before the `=`", quoted(payload)),
            remedy: WRITE_AN_ENTRY,
        }
    }
}

fn junk(payload: &str) -> WrongLine {
    WrongLine {
        what: format!(
            "`{}` is neither a [section] nor `key = value` nor a comment",
            quoted(payload)
        ),
        remedy: WRITE_AN_ENTRY,
    }
}

fn section(payload: &str, name: String) -> Result<Line, WrongLine> {
    if !payload.ends_with(']') {
        return Err(WrongLine {
            what: format!("`{}` has text after the closing bracket", quoted(payload)),
            remedy: WRITE_A_SECTION,
        });
    }
    match check_share_name(&name) {
        Ok(()) => Ok(Line::Section(name)),
        Err(error) => Err(WrongLine {
            what: format!("`{}` cannot be a share name: {error}", name.escape_debug()),
            remedy: "use another name: 1 to 63 bytes, printable, without brackets",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Line, WrongLine> {
        LineReader::new().read(line.as_bytes())
    }

    fn entry(key: &str, value: &str) -> Result<Line, WrongLine> {
        Ok(Line::Entry { key: key.to_owned(), value: value.to_owned() })
    }

    fn wrong(line: &str) -> String {
        read(line).expect_err("a wrong line").what
    }

    #[test]
    fn blanks_and_comments() {
        for line in ["", "  \t", "# a = b", "; [x]", "  # x", "\r"] {
            assert_eq!(read(line), Ok(Line::Blank), "{line:?}");
        }
        assert_eq!(LineReader::new().read(b"# J\xfcrgen \x07"), Ok(Line::Blank));
    }

    #[test]
    fn entries() {
        assert_eq!(read("path = /srv/a  # the first\r"), entry("path", "/srv/a"));
        assert_eq!(read("\tRead   Only=Yes;x"), entry("read only", "Yes"));
        assert_eq!(read("share:fake_fscaps = 64"), entry("share:fake_fscaps", "64"));
        assert_eq!(read("comment = a = b : c"), entry("comment", "a = b : c"));
        assert_eq!(read("comment ="), entry("comment", ""));
        assert_eq!(read("comment = # none"), entry("comment", ""));
        assert_eq!(read("default = x"), entry("default", "x"));
        assert_eq!(read("comment = [x]"), entry("comment", "[x]"));
        assert_eq!(read("comment = a;b"), entry("comment", "a"));
        let told = "eth0;speed=1000000000,capability=RSS lo";
        assert_eq!(read(&format!(" Interfaces = {told} ; x;y")), entry("interfaces", told));
        assert_eq!(
            read("interfaces = \"eth0;speed=1\" # x"),
            entry("interfaces", "\"eth0;speed=1\"")
        );
        assert_eq!(read("interfaces =;eth0"), entry("interfaces", ""));
        assert_eq!(read("interfaces = a=;b"), entry("interfaces", "a=;b"));
        assert_eq!(read("interfaces;x = eth0").expect_err("no entry").what, wrong("interfaces"));
    }

    #[test]
    fn sections() {
        assert_eq!(read("[global]"), Ok(Line::Section("global".to_owned())));
        assert_eq!(read(" [ My Share ] ; x"), Ok(Line::Section("My Share".to_owned())));
        assert_eq!(read("[a = b]"), Ok(Line::Section("a = b".to_owned())));
        assert_eq!(read("[IPC$]"), Ok(Line::Section("IPC$".to_owned())));
        assert_eq!(read("[default]"), Ok(Line::Section("default".to_owned())));
    }

    #[test]
    fn wrong_lines() {
        assert_eq!(wrong("junk"), "`junk` is neither a [section] nor `key = value` nor a comment");
        assert_eq!(wrong("re#ad only = yes"), wrong("re"));
        assert_eq!(wrong("= x"), "`= x` has no key before the `=`");
        assert_eq!(wrong("[share"), "`[share` has no closing bracket");
        assert_eq!(wrong("[sh;are]"), "`[sh` has no closing bracket");
        assert_eq!(wrong("[a] x"), "`[a] x` has text after the closing bracket");
        assert_eq!(wrong("[]"), "`` cannot be a share name: it is empty");
        assert_eq!(wrong("[a[b]"), "`a[b` cannot be a share name: it contains `[`");
        assert_eq!(wrong("[a]b]"), "`a]b` cannot be a share name: it contains `]`");
        assert!(
            wrong(&format!("[{}]", "x".repeat(64))).contains("it has 64 bytes, 63 are allowed")
        );
        assert_eq!(wrong("a\u{1b} = b"), "the line contains the control character 0x1B");
        assert_eq!(wrong("a = b\rc = d"), "the line contains the control character 0x0D");
        let long = wrong(&"ä".repeat(1000));
        assert!(long.starts_with(&format!("`{}...` is neither", "ä".repeat(60))));
        let latin = LineReader::new().read(b"[J\xfcrgen]").expect_err("Latin-1");
        assert_eq!(latin.what, "`[J\u{fffd}rgen]` is not UTF-8");
    }

    #[test]
    fn one_line_does_not_reach_the_next() {
        let mut reader = LineReader::new();
        assert_eq!(reader.read(b"[a]"), Ok(Line::Section("a".to_owned())));
        assert_eq!(reader.read(b"path = x"), entry("path", "x"));
        assert!(reader.read(b"  more").is_err());
    }
}
