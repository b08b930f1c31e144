//! The wildcards of QUERY_DIRECTORY.

use super::{
    fold::{fold_unit, same_name},
    mapping,
};
use crate::status::NtStatus;
use alloc::{string::String, vec::Vec};

const DOT: u16 = b'.' as u16;
const STAR: u16 = b'*' as u16;
const QUESTION: u16 = b'?' as u16;
/// DOS_STAR.
const LESS: u16 = b'<' as u16;
/// DOS_QM.
const GREATER: u16 = b'>' as u16;
/// DOS_DOT.
const QUOTE: u16 = b'"' as u16;

/// A search expression (MS-FSA 2.1.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Without wildcards: the one name, as the server calls it.
    literal: Option<String>,
    folded: Vec<u16>,
}

impl Pattern {
    /// From QUERY_DIRECTORY's FileName; empty means everything.
    pub fn parse(name: &[u16]) -> Result<Self, NtStatus> {
        let star: &[u16] = &[STAR];
        let name = if name.is_empty() { star } else { name };
        let illegal =
            |&unit: &u16| matches!(u8::try_from(unit), Ok(0..=31 | b'/' | b'\\' | b'|' | b':'));
        if name.len() > mapping::MAX_UNITS || name.iter().any(illegal) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let wild = |unit: &u16| matches!(*unit, STAR | QUESTION | LESS | GREATER | QUOTE);
        let literal = match name {
            _ if name.iter().any(wild) => None,
            // Every directory has these two.
            [DOT] => Some(".".into()),
            [DOT, DOT] => Some("..".into()),
            _ => Some(mapping::parse(name)?),
        };
        Ok(Self { literal, folded: name.iter().copied().map(fold_unit).collect() })
    }

    /// The name to look up, when there are no wildcards.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// There are wildcards.
    pub fn is_wild(&self) -> bool {
        self.literal.is_none()
    }

    /// It matches every name.
    pub fn is_everything(&self) -> bool {
        matches!(self.folded.as_slice(), [STAR] | [STAR, DOT, STAR])
    }

    /// Does `name`, as the server calls it, match? Linear in name × pattern, whatever the pattern. As
    /// on Windows, `?` stands for one unit of UTF-16.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_everything() {
            return true;
        }
        if let Some(literal) = &self.literal {
            return same_name(literal, name);
        }
        let name: Vec<u16> = mapping::units(name).map(fold_unit).collect();
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
    fn advance(&self, states: &[bool], name: &[u16], position: usize) -> Vec<bool> {
        let mut next = alloc::vec![false; states.len()];
        let c = name[position];
        // DOS_STAR reads on until it has read the last dot; a name without one is read to its end.
        let until_dot = name[position..].contains(&DOT) || !name.contains(&DOT);
        for (i, &p) in self.folded.iter().enumerate().filter(|(i, _)| states[*i]) {
            match p {
                STAR => next[i] = true,
                LESS if until_dot => next[i] = true,
                QUESTION => next[i + 1] = true,
                // DOS_QM: a character that is not a dot.
                GREATER if c != DOT => next[i + 1] = true,
                // DOS_DOT: a dot.
                QUOTE if c == DOT => next[i + 1] = true,
                _ if p == c => next[i + 1] = true,
                _ => {}
            }
        }
        next
    }

    /// Wildcards that match nothing at this place of the name.
    fn skip_empty(&self, states: &mut [bool], name: &[u16], position: usize) {
        let at_end = position >= name.len();
        let at_dot = name.get(position) == Some(&DOT);
        for (i, &p) in self.folded.iter().enumerate() {
            let empty = match p {
                STAR | LESS => true,
                GREATER => at_end || at_dot,
                QUOTE => at_end,
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

    fn pattern(text: &str) -> Result<Pattern, NtStatus> {
        Pattern::parse(&text.encode_utf16().collect::<Vec<_>>())
    }

    fn matches(text: &str, name: &str) -> bool {
        pattern(text).unwrap().matches(name)
    }

    #[test]
    fn without_wildcards_it_is_a_name() {
        assert_eq!(pattern("a.").unwrap().literal(), Some("a\u{f029}"));
        assert_eq!(pattern("..").unwrap().literal(), Some(".."));
        assert!(matches("Name", "nAME") && !matches("Name", "Names"));
        assert_eq!(pattern("a*").unwrap().literal(), None);
        assert_eq!(pattern("a:b").unwrap_err(), NtStatus::OBJECT_NAME_INVALID);
        let alone = Pattern::parse(&[0xd800, STAR]).unwrap();
        assert!(alone.matches("\u{f7ed}\u{f7a0}\u{f780}x") && !alone.matches("x"));
        assert!(matches("??", "\u{1f980}"), "two units");
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
