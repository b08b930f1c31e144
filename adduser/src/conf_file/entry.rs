//! A key with its value, and the value read as a type.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::problem::{ConfProblem, Severity};
use super::value::{self, Member, Reading};

/// A key with its value, which is not empty, and where they stand.
///
/// The typed readers put a warning into `problems` when the value is odd. An entry of `[global]`
/// that a share inherits still names its own line.
#[derive(Clone, Debug)]
pub struct Entry {
    path: Arc<Path>,
    section: Arc<str>,
    key: String,
    value: String,
    line: usize,
}

impl Entry {
    pub(super) fn new(
        path: &Arc<Path>,
        section: &Arc<str>,
        key: String,
        value: String,
        line: usize,
    ) -> Self {
        Self { path: Arc::clone(path), section: Arc::clone(section), key, value, line }
    }

    /// The key: ASCII lower case, one blank between words.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value, without blanks around it.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The line.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The section, as the file first spells it.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// A problem with this entry.
    pub fn problem(
        &self,
        severity: Severity,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfProblem {
        ConfProblem {
            path: self.path.to_path_buf(),
            line: Some(self.line),
            section: Some(self.section.to_string()),
            key: Some(self.key.clone()),
            what: what.into(),
            remedy: remedy.into(),
            severity,
        }
    }

    /// A boolean. True is what begins with `yes`, `1`, `true` or `enable`, or is `on`; what says
    /// neither yes nor no is false with a warning.
    pub fn boolean(&self, problems: &mut Vec<ConfProblem>) -> bool {
        self.told(value::boolean(&self.value), problems)
    }

    /// A decimal number in `range`; none, with a warning, if the default is to be used.
    pub fn number(
        &self,
        range: RangeInclusive<u64>,
        problems: &mut Vec<ConfProblem>,
    ) -> Option<u64> {
        self.told(value::number(&self.value, &range), problems)
    }

    /// A size in bytes with an optional suffix K to E; none, with a warning, if the default is to
    /// be used.
    pub fn size(&self, problems: &mut Vec<ConfProblem>) -> Option<u64> {
        self.told(value::size(&self.value), problems)
    }

    /// Permission bits in octal; none, with a warning, if the default is to be used.
    pub fn octal(&self, problems: &mut Vec<ConfProblem>) -> Option<u32> {
        self.told(value::octal(&self.value), problems)
    }

    /// The meaning of the longest word that the value begins with, in any case; none, with a
    /// warning that lists the words, if the default is to be used.
    pub fn choice<T: Copy>(
        &self,
        words: &[(&str, T)],
        problems: &mut Vec<ConfProblem>,
    ) -> Option<T> {
        self.told(value::choice(&self.value, words), problems)
    }

    /// The words of a list, between tabs, blanks and commas.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        value::words(&self.value)
    }

    /// The users and groups of a list.
    pub fn members(&self) -> Vec<Member> {
        value::members(&self.value)
    }

    fn told<T>(&self, reading: Reading<T>, problems: &mut Vec<ConfProblem>) -> T {
        if let Some(doubt) = reading.doubt {
            problems.push(self.problem(Severity::Warning, doubt.what, doubt.remedy));
        }
        reading.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Entry {
        let path = Arc::from(Path::new("ksmbd.conf"));
        Entry::new(&path, &Arc::from("share"), "a key".to_owned(), value.to_owned(), 12)
    }

    #[test]
    fn odd_values_name_file_line_section_key_and_remedy() {
        let mut problems = Vec::new();
        assert!(!entry("maybe").boolean(&mut problems));
        assert_eq!(entry("many").number(0..=9, &mut problems), None);
        assert_eq!(entry("big").size(&mut problems), None);
        assert_eq!(entry("999").octal(&mut problems), None);
        assert_eq!(entry("x").choice(&[("a", 1), ("b", 2)], &mut problems), None);
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "ksmbd.conf:12: [share] a key: `maybe` is not a boolean, no is assumed; write yes \
                 or no",
                "ksmbd.conf:12: [share] a key: `many` is not a number, the default is used; write \
                 a number from 0 to 9",
                "ksmbd.conf:12: [share] a key: `big` is not a size, the default is used; write a \
                 number of bytes, with K, M or G behind it if you like",
                "ksmbd.conf:12: [share] a key: `999` is not an octal number, the default is used; \
                 write permissions in octal, from 0000 to 7777",
                "ksmbd.conf:12: [share] a key: `x` is not known, the default is used; write one \
                 of: a, b",
            ]
        );
        assert!(problems.iter().all(|problem| !problem.is_error()));
    }

    #[test]
    fn right_values_are_silent() {
        let mut problems = Vec::new();
        assert!(entry("yes").boolean(&mut problems));
        assert_eq!(entry("7").number(0..=9, &mut problems), Some(7));
        assert_eq!(entry("4K").size(&mut problems), Some(4096));
        assert_eq!(entry("0755").octal(&mut problems), Some(0o755));
        assert_eq!(entry("b").choice(&[("a", 1), ("b", 2)], &mut problems), Some(2));
        assert_eq!(entry("a b").words().count(), 2);
        assert_eq!(entry("@g").members(), [Member::Group("g".to_owned())]);
        assert!(problems.is_empty());
    }
}
