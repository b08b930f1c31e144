//! Share-relative paths, validated once, and the wildcards of QUERY_DIRECTORY.

use crate::status::NtStatus;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// Bytes of one component that Linux file systems take.
const MAX_COMPONENT: usize = 255;

/// Components of a path; more cannot be opened anyway.
const MAX_DEPTH: usize = 256;

/// A path below a share: components joined by `/`, none of them empty, `.` or `..`; the share itself
/// is the empty path. Only [`SharePath::parse`] and [`SharePath::join`] make one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SharePath(String);

impl SharePath {
    /// The share's directory.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// From a name in a request (MS-SMB2 2.2.13, MS-FSCC 2.1.5): backslashes separate.
    pub fn parse(name: &[u16]) -> Result<Self, NtStatus> {
        let text = String::from_utf16(name).map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
        if text.starts_with('\\') {
            // MS-SMB2 3.3.5.9: a leading separator is the client's mistake.
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let text = text.strip_suffix('\\').unwrap_or(&text);
        let text = text.strip_suffix("::$DATA").unwrap_or(text);
        Self::components(text.split('\\').filter(|_| !text.is_empty()))
    }

    fn components<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, NtStatus> {
        let mut path = Self::root();
        for (depth, part) in parts.enumerate() {
            if depth >= MAX_DEPTH {
                return Err(NtStatus::OBJECT_NAME_INVALID);
            }
            match part {
                // An empty component in the middle cannot be said on Windows.
                "" => return Err(NtStatus::OBJECT_NAME_INVALID),
                // Clients resolve these; one that arrives is an attempt to climb.
                "." | ".." => return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD),
                _ => path = path.join(part)?,
            }
        }
        Ok(path)
    }

    /// This path with one more component.
    pub fn join(&self, component: &str) -> Result<Self, NtStatus> {
        let plain = !component.is_empty() && component != "." && component != "..";
        if !plain || component.len() > MAX_COMPONENT || component.chars().any(is_illegal) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        Ok(self.join_host(component))
    }

    /// This path with a component as the file system gave it (it may hold what Windows cannot say).
    pub fn join_host(&self, component: &str) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(component);
        Self(path)
    }

    /// With `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The share itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the share.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Without the last component.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.into()))
    }

    /// `self` lies below `directory`.
    pub fn is_below(&self, directory: &Self) -> bool {
        let rest = self.0.strip_prefix(directory.as_str());
        directory.is_root() && !self.is_root() || rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The same place after `from` became `to`; `None` when it does not lie at or below `from`.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        if self == from {
            return Some(to.clone());
        }
        let rest = self.0.strip_prefix(from.as_str())?.strip_prefix('/')?;
        Some(to.join_host(rest))
    }

    /// With `\` between components and in front, as clients are told names (MS-FSCC 2.4.2).
    pub fn to_windows(&self) -> String {
        let mut text = String::from("\\");
        text.extend(self.0.chars().map(|c| if c == '/' { '\\' } else { c }));
        text
    }
}

impl fmt::Debug for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Characters that no component may hold (MS-FSCC 2.1.5.1). `:` names streams, which are not here yet.
fn is_illegal(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|')
}

/// Folds a character as the file system of Windows does for comparing: simple upper case.
pub fn fold(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// Two names are the same to a client.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || a.chars().map(fold).eq(b.chars().map(fold))
}

/// A search expression (MS-FSA 2.1.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    folded: Vec<char>,
    wild: bool,
}

impl Pattern {
    /// From QUERY_DIRECTORY's FileName; empty means everything.
    pub fn parse(name: &[u16]) -> Result<Self, NtStatus> {
        let text = String::from_utf16(name).map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
        if text.chars().any(|c| matches!(c, '\0'..='\x1f' | '/' | '\\' | '|' | ':')) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let text = if text.is_empty() { "*" } else { &text };
        let wild = text.chars().any(|c| matches!(c, '*' | '?' | '<' | '>' | '"'));
        Ok(Self { text: text.into(), folded: text.chars().map(fold).collect(), wild })
    }

    /// The name to look up, when there are no wildcards.
    pub fn literal(&self) -> Option<&str> {
        (!self.wild).then_some(self.text.as_str())
    }

    /// Without wildcards: the name to look up.
    pub fn is_wild(&self) -> bool {
        self.wild
    }

    /// It matches every name.
    pub fn is_everything(&self) -> bool {
        matches!(self.folded.as_slice(), ['*'] | ['*', '.', '*'])
    }

    /// Does `name` match? Linear in name × pattern, whatever the pattern.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_everything() {
            return true;
        }
        let name: Vec<char> = name.chars().map(fold).collect();
        // states[i]: the pattern's first i characters match what was read of the name.
        let mut states = alloc::vec![false; self.folded.len() + 1];
        if let Some(first) = states.first_mut() {
            *first = true;
        }
        self.skip_empty(&mut states, &name, 0);
        for position in 0..name.len() {
            states = self.advance(&states, &name, position);
            self.skip_empty(&mut states, &name, position + 1);
        }
        states.last().copied().unwrap_or_default()
    }

    /// All states after the name's character at `position`.
    fn advance(&self, states: &[bool], name: &[char], position: usize) -> Vec<bool> {
        let mut next = alloc::vec![false; states.len()];
        let c = name[position];
        // DOS_STAR reads on until it has read the last dot; a name without one is read to its end.
        let until_dot = name[position..].contains(&'.') || !name.contains(&'.');
        for (i, &p) in self.folded.iter().enumerate().filter(|(i, _)| states[*i]) {
            match p {
                '*' => next[i] = true,
                '<' if until_dot => next[i] = true,
                '?' => next[i + 1] = true,
                // DOS_QM: a character that is not a dot.
                '>' if c != '.' => next[i + 1] = true,
                // DOS_DOT: a dot.
                '"' if c == '.' => next[i + 1] = true,
                _ if p == c => next[i + 1] = true,
                _ => {}
            }
        }
        next
    }

    /// Wildcards that match nothing at this place of the name.
    fn skip_empty(&self, states: &mut [bool], name: &[char], position: usize) {
        let at_end = position >= name.len();
        let at_dot = name.get(position) == Some(&'.');
        for (i, &p) in self.folded.iter().enumerate() {
            let empty = match p {
                '*' | '<' => true,
                '>' => at_end || at_dot,
                '"' => at_end,
                _ => false,
            };
            if empty && states[i] {
                states[i + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<SharePath, NtStatus> {
        SharePath::parse(&text.encode_utf16().collect::<Vec<_>>())
    }

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(&pattern.encode_utf16().collect::<Vec<_>>()).unwrap().matches(name)
    }

    #[test]
    fn paths_cannot_climb() {
        for bad in ["..", "a\\..", "a\\..\\..\\b", ".", "a\\.\\b"] {
            assert_eq!(path(bad), Err(NtStatus::OBJECT_PATH_SYNTAX_BAD), "{bad}");
        }
        for bad in ["a\\\\b", "a/b", "a:b", "a*", "a\0b", "\u{1}"] {
            assert_eq!(path(bad), Err(NtStatus::OBJECT_NAME_INVALID), "{bad}");
        }
        assert_eq!(path("\\a"), Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(SharePath::parse(&[0xd800]), Err(NtStatus::OBJECT_NAME_INVALID));
        assert_eq!(path("").unwrap(), SharePath::root());
        assert_eq!(path("a\\b").unwrap().as_str(), "a/b");
        assert_eq!(path("a\\").unwrap().as_str(), "a");
        assert_eq!(path("a::$DATA").unwrap().as_str(), "a");
        assert_eq!(path(&"x".repeat(256)), Err(NtStatus::OBJECT_NAME_INVALID));
    }

    #[test]
    fn moving_a_directory_moves_what_is_below() {
        let (a, b) = (path("a").unwrap(), path("d\\b").unwrap());
        assert_eq!(path("a\\x\\y").unwrap().moved(&a, &b).unwrap().as_str(), "d/b/x/y");
        assert_eq!(path("ab").unwrap().moved(&a, &b), None);
        assert!(path("a\\x").unwrap().is_below(&a));
        assert!(!path("ab").unwrap().is_below(&a) && !a.is_below(&a));
        assert!(a.is_below(&SharePath::root()));
    }

    #[test]
    fn wildcards() {
        for (pattern, name) in [
            ("*", "a"),
            ("*.*", "a"),
            ("a*b", "AxxB"),
            ("?.txt", "é.TXT"),
            ("<.txt", "a.b.txt"),
            ("<", "ab"),
            ("a>>>", "ab"),
            ("a\"", "a"),
            ("file?", "file1"),
            ("<\"*", "abc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a*b", "abc"), ("?", "ab"), ("<.txt", "a.b"), ("<", "a.b"), ("a>", "abc")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        let bomb = "*a".repeat(60) + "b";
        assert!(!matches(&bomb, &"a".repeat(200)));
    }
}
