//! `veto files`: names that a share does not have, whatever its directory has.

use crate::name::{SharePath, fold};
use alloc::{string::String, vec::Vec};

/// Patterns of names: `*` stands for any letters, `?` for one; case does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Veto {
    patterns: Vec<String>,
    folded: Vec<Vec<char>>,
}

impl Veto {
    /// From patterns, one a name.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let patterns: Vec<String> = patterns.into_iter().map(Into::into).collect();
        let folded = patterns.iter().map(|pattern| pattern.chars().map(fold).collect()).collect();
        Self { patterns, folded }
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// No name is vetoed.
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether this name is vetoed. `.` and `..` never are: `/.*/` means files.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_empty() || matches!(name, "" | "." | "..") {
            return false;
        }
        let name: Vec<_> = name.chars().map(fold).collect();
        self.folded.iter().any(|pattern| fits(pattern, &name))
    }

    /// Whether a component of this path is vetoed.
    pub fn matches_path(&self, path: &SharePath) -> bool {
        !self.is_empty() && path.as_str().split('/').any(|name| self.matches(name))
    }
}

/// The last `*` that was met takes one letter more whenever what follows it does not fit: the time
/// is that of pattern × name at most.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while let Some(letter) = name.get(read) {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, read));
            }
            Some(wanted) if *wanted == '?' || wanted == letter => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    (at, read) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns_in_any_case() {
        let veto = Veto::new(["*.EXE", "a?c", "Thumbs.db", ".*", "*x*y"]);
        for name in ["a.exe", ".exe", "ABC", "aéc", "THUMBS.DB", ".hidden", "x-y", "axbxcy"] {
            assert!(veto.matches(name), "{name}");
        }
        for name in ["exe", "ac", "abbc", "thumbs", ".", "..", "", "xyz"] {
            assert!(!veto.matches(name), "{name}");
        }
        assert!(!Veto::default().matches("a") && Veto::default().is_empty());
        let bomb = Veto::new(["*a*a*a*a*a*a*a*a*b"]);
        assert!(!bomb.matches(&"a".repeat(255)));
    }

    #[test]
    fn each_component_of_a_path_counts() {
        let veto = Veto::new(["b"]);
        let path = |text: &str| SharePath::parse(&text.encode_utf16().collect::<Vec<_>>()).unwrap();
        assert!(veto.matches_path(&path("a\\B\\c")) && !veto.matches_path(&path("a\\bb")));
        assert!(!veto.matches_path(&SharePath::root()));
    }
}
