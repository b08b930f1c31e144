//! `ksmbd-load attack`, as a process.

use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::clients::{Checked, Context, Problem, wrong};
use crate::config::USERS;
use crate::process::{Process, lines};
use crate::server::Server;

/// How long it may take to be in full swing, and to end.
const LATE: Duration = Duration::from_secs(120);

/// Longer than any attack that is not told to end.
const SECONDS: u64 = 3600;

/// Attackers of one address.
pub(super) struct Attack {
    process: Process,
    input: Option<ChildStdin>,
    said: Receiver<String>,
    name: String,
}

impl Attack {
    pub(super) fn begin(
        context: &Context<'_>,
        server: &Server,
        name: &str,
        address: u8,
        clients: u64,
        size: u64,
    ) -> Checked<Self> {
        let (user, password) = USERS[1];
        let mut command = context.env.tool("ksmbd-load");
        command
            .args(["attack", name])
            .arg(format!("--port={}", server.port))
            .arg(format!("--from=127.0.0.{}", 2 + address))
            .arg("--share=files")
            // Guessed at is the account of the ordinary client.
            .arg(format!("--user={}", if name == "guesses" { USERS[0].0 } else { user }))
            .arg(format!("--password={password}"))
            .arg(format!("--clients={clients}"))
            .arg(format!("--size={}", size.max(1)))
            .arg(format!("--seconds={SECONDS}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let child = process.child();
        let (input, Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return wrong("no pipes");
        };
        Ok(Self { said: lines(output), process, input, name: name.to_owned() })
    }

    /// It is in full swing.
    pub(super) fn ready(&self) -> Checked {
        match self.said.recv_timeout(LATE) {
            Ok(line) if line == "ready" => Ok(()),
            Ok(line) if line.contains("descriptors") => Err(Problem::CannotRun(line)),
            other => wrong(format!("{} does not begin: {other:?}", self.name)),
        }
    }

    /// It has ended by itself.
    pub(super) fn is_over(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Ends it. How often it has done what it does.
    pub(super) fn end(mut self) -> Checked<u64> {
        drop(self.input.take());
        let line = self.said.recv_timeout(LATE).unwrap_or_default();
        let done = line.strip_prefix("done ").and_then(|count| count.parse().ok());
        done.map_or_else(|| wrong(format!("{} does not end: {line:?}", self.name)), Ok)
    }
}
