//! What is wrong in a configuration file, said so that it can be put right.

use std::fmt;
use std::path::PathBuf;

/// Whether a problem keeps the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is odd, and what was made of it is said.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One problem: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfProblem {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// The section, as the file spells it.
    pub section: Option<String>,
    /// The key, folded.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether it keeps the file from being used.
    pub severity: Severity,
}

impl ConfProblem {
    /// Whether the file cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `ksmbd.conf:12: [share] read only: what; remedy`
impl fmt::Display for ConfProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(":")?;
        if let Some(section) = &self.section {
            write!(f, " [{section}]")?;
        }
        if let Some(key) = &self.key {
            write!(f, " {key}:")?;
        }
        write!(f, " {}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for ConfProblem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_it_knows() {
        let mut problem = ConfProblem {
            path: "ksmbd.conf".into(),
            line: Some(12),
            section: Some("share".to_owned()),
            key: Some("read only".to_owned()),
            what: "`maybe` is not a boolean".to_owned(),
            remedy: "write yes or no".to_owned(),
            severity: Severity::Warning,
        };
        assert_eq!(
            problem.to_string(),
            "ksmbd.conf:12: [share] read only: `maybe` is not a boolean; write yes or no"
        );
        assert!(!problem.is_error());
        problem.line = None;
        problem.section = None;
        problem.key = None;
        assert_eq!(problem.to_string(), "ksmbd.conf: `maybe` is not a boolean; write yes or no");
    }
}
