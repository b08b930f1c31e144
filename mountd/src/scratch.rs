//! A folder for one test.

use std::fs;
use std::path::{Path, PathBuf};

/// A fresh folder; it is removed on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Each test has a name of its own.
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("ksmbd-mountd-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
