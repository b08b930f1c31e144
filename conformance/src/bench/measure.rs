//! One load against one server, with the server's CPU time and memory.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use super::Row;
use crate::clients::{Checked, wrong};
use crate::config::USERS;
use crate::process::Process;
use crate::server::{Env, Server};

/// What one server did in one row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Operations or bytes a second.
    pub(super) rate: f64,
    /// Seconds of CPU time for each operation or byte.
    pub(super) cpu: f64,
    /// KiB, with the clients connected.
    pub(super) memory: u64,
}

impl Sample {
    /// Keeps the best of both: noise only makes things slower.
    pub(super) fn take(&mut self, other: Self) {
        let first = self.rate == 0.0;
        self.rate = self.rate.max(other.rate);
        self.cpu = if first { other.cpu } else { self.cpu.min(other.cpu) };
        self.memory = self.memory.max(other.memory);
    }
}

/// What was measured in one row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) ours: Sample,
    pub(super) samba: Sample,
    pub(super) limit: Option<Sample>,
}

/// Runs `ksmbd-load`, against plain copies when there is no server.
pub(super) fn measure(
    env: &Env,
    row: &Row,
    seconds: f64,
    server: Option<&Server>,
    share: &Path,
) -> Checked<Sample> {
    let mut command = env.tool("ksmbd-load");
    command
        .arg(format!("--path={}", share.display()))
        .arg(format!("--clients={}", row.clients))
        .arg(format!("--seconds={seconds}"))
        .arg(format!("--protection={}", row.protection))
        .arg(row.load)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(size) = row.size {
        command.arg(format!("--size={size}"));
    }
    match server {
        None => command.arg("--raw"),
        Some(server) => command
            .arg(format!("--port={}", server.port))
            .arg("--share=files")
            .arg(format!("--user={}", USERS[0].0))
            .arg(format!("--password={}", USERS[0].1)),
    };
    let mut process = Process::spawn(&mut command)?;
    let child = process.child();
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return wrong("no pipes");
    };
    let mut lines = BufReader::new(output).lines();
    let mut next = || lines.next().transpose().map(Option::unwrap_or_default);
    let ready = next()?;
    if ready != "ready" {
        return wrong(ready);
    }
    let before = server.map_or(0.0, Server::cpu_seconds);
    input.write_all(b"go\n")?;
    let done = next()?;
    let cpu = server.map_or(0.0, Server::cpu_seconds) - before;
    let memory = server.and_then(Server::resident).unwrap_or(0);
    let Some((operations, bytes, seconds)) = figures(&done) else {
        return wrong(done);
    };
    let amount = if row.in_bytes() { bytes } else { operations };
    if amount <= 0.0 {
        return wrong(format!("nothing was done: {done}"));
    }
    Ok(Sample { rate: amount / seconds, cpu: cpu / amount, memory })
}

fn figures(line: &str) -> Option<(f64, f64, f64)> {
    let mut words = line.strip_prefix("done ")?.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loads_last_line_is_read() {
        assert_eq!(figures("done 10 4096 1.25"), Some((10.0, 4096.0, 1.25)));
        assert_eq!(figures("failed CREATE: ACCESS_DENIED"), None);
    }

    #[test]
    fn the_best_is_kept() {
        let mut best = Sample::default();
        best.take(Sample { rate: 5.0, cpu: 2.0, memory: 7 });
        best.take(Sample { rate: 9.0, cpu: 3.0, memory: 6 });
        assert_eq!((best.rate, best.cpu, best.memory), (9.0, 2.0, 7));
    }
}
