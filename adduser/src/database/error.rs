//! Why a database cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a database: the file, the line, what, and what to do about it.
#[derive(Debug)]
pub struct DatabaseError {
    path: PathBuf,
    line: Option<usize>,
    what: String,
    remedy: String,
    source: Option<io::Error>,
}

impl DatabaseError {
    pub(super) fn line(path: &Path, line: usize, what: String, remedy: &str) -> Self {
        Self {
            path: path.to_owned(),
            line: Some(line),
            what,
            remedy: remedy.to_owned(),
            source: None,
        }
    }

    pub(super) fn content(path: &Path, what: String, remedy: &str) -> Self {
        Self { path: path.to_owned(), line: None, what, remedy: remedy.to_owned(), source: None }
    }

    /// `doing` completes "cannot …".
    pub(super) fn io(path: &Path, doing: &str, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            what: format!("cannot {doing} it: {source}"),
            remedy: remedy(path, &source),
            source: Some(source),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line, counted from 1, if one line is wrong.
    pub fn line_number(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        self.source.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

fn remedy(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or_else(|| Path::new("."));
            if folder.is_dir() || folder.as_os_str().is_empty() {
                "add the first account with ksmbd.adduser, or name another file with -P".to_owned()
            } else {
                format!("create the folder {}, or name another file with -P", folder.display())
            }
        }
        io::ErrorKind::PermissionDenied => {
            "run as root or as the file's owner, or name another file with -P".to_owned()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room; the old file is as it was".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => "remount the file system read-write".to_owned(),
        _ => "check the file and its folder, or name another file with -P".to_owned(),
    }
}
