//! Child processes: run with a time limit, known by pid, and never left behind.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What is to be undone when the runner is interrupted.
struct Left {
    groups: BTreeSet<i32>,
    mounts: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

static LEFT: Mutex<Left> = Mutex::new(Left {
    groups: BTreeSet::new(),
    mounts: BTreeSet::new(),
    directories: BTreeSet::new(),
});

/// Locks, whoever panicked before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a mounted directory, to be unmounted on interruption.
pub(crate) fn note_mount(at: &Path, mounted: bool) {
    if mounted {
        lock(&LEFT).mounts.insert(at.to_owned());
    } else {
        lock(&LEFT).mounts.remove(at);
    }
}

/// Notes a scratch directory, to be removed on interruption.
pub(crate) fn note_directory(at: &Path) {
    lock(&LEFT).directories.insert(at.to_owned());
}

/// On INT and TERM: ends what this runner started, removes what it made, and exits.
pub(crate) fn clean_up_when_interrupted() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let left = lock(&LEFT);
            for group in &left.groups {
                end_group(*group);
            }
            thread::sleep(Duration::from_millis(200));
            for mount in &left.mounts {
                let _ = Command::new("umount").arg("-l").arg(mount).status();
            }
            for directory in &left.directories {
                let _ = std::fs::remove_dir_all(directory);
            }
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

fn end_group(group: i32) {
    if let Some(pid) = Pid::from_raw(group) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// The processes of a group.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let leader = leader.to_string();
    let own = |entry: io::Result<std::fs::DirEntry>| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        (rest.split_whitespace().nth(2)? == leader).then_some(pid)
    };
    std::fs::read_dir("/proc").into_iter().flatten().filter_map(own).collect()
}

/// A child in a process group of its own, killed with the group when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: i32,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let group = i32::try_from(child.id()).map_err(io::Error::other)?;
        lock(&LEFT).groups.insert(group);
        Ok(Self { child, group })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.group) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Its status, when it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end, at most for `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end_group(self.group);
        let _ = self.child.wait();
        lock(&LEFT).groups.remove(&self.group);
    }
}

/// What a finished program said.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// `None` when its time was up and it was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Both streams, for a search or a report.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// How it ended, for people.
    pub(crate) fn ending(&self) -> String {
        self.status.map_or_else(|| "time limit".into(), |status| status.to_string())
    }

    /// The last lines of what it said, on one line.
    pub(crate) fn tail(&self) -> String {
        let all = self.all();
        let lines: Vec<&str> = all.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(4)..].join(" | ")
    }
}

/// Runs a program to its end with `stdin` as its input, at most for `limit`.
pub(crate) fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> io::Result<Output> {
    let input = if stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(command)?;
    let child = process.child();
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(stdin);
    }
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let status = process.wait(limit);
    drop(process);
    let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
}

/// The lines that come from a pipe, to be waited for with a time limit.
pub(crate) fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_given_its_input_and_heard() {
        let output = run(&mut Command::new("cat"), b"hello", Duration::from_secs(10)).unwrap();
        assert!(output.success());
        assert_eq!(output.stdout, "hello");
    }

    #[test]
    fn a_slow_program_and_its_children_are_ended() {
        let start = Instant::now();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo begun; sleep 60 & sleep 60"]);
        let output = run(&mut shell, b"", Duration::from_millis(300)).unwrap();
        assert!(output.status.is_none());
        assert_eq!(output.stdout, "begun\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
