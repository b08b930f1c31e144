//! A folder for one test, and a process of any name: for the tests of this crate and of the daemon.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// A fresh folder; it is removed on drop.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Each test has a name of its own.
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ksmbd-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("file");
        path
    }

    /// The names of what is in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// A process called `name` that does nothing.
pub fn sleeper(scratch: &Scratch, name: &str) -> Child {
    let program = scratch.path().join(name);
    // Not a copy: while another test forks, a file just written cannot be executed.
    symlink("/bin/sleep", &program).expect("linked");
    // Under nohup(1) our children ignore SIGHUP, too.
    let mut command = Command::new("env");
    let child = command.arg("--default-signal=HUP").arg(&program).arg("60").spawn();
    let child = child.expect("started");
    // Until it has executed, the process still has our name.
    for _ in 0..500 {
        let of = |what| fs::read_to_string(format!("/proc/{}/{what}", child.id()));
        // An exec sets the name before the arguments.
        let named = of("comm").is_ok_and(|comm| comm.trim_end() == name);
        if named && of("cmdline").is_ok_and(|line| !line.is_empty()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
