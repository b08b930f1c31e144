//! `ksmbd-load` under way: clients of our own, connected and set going at one moment.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::clients::{Checked, wrong};
use crate::config::USERS;
use crate::process::{Process, lines};
use crate::server::{Env, Server};

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What<'a> {
    /// As the program calls it.
    pub(crate) kind: &'a str,
    pub(crate) share: &'a str,
    pub(crate) clients: usize,
    pub(crate) seconds: u64,
}

pub(crate) struct Load {
    // Ended when it is dropped.
    _process: Process,
    // The clients stay connected as long as this is open.
    _input: ChildStdin,
    said: Receiver<String>,
    until: Instant,
}

impl Load {
    /// Connects the clients, and lets them go. They may take `late` to connect, and to end behind their time.
    pub(crate) fn start(
        env: &Env,
        server: &Server,
        what: What<'_>,
        late: Duration,
    ) -> Checked<Self> {
        let mut command = env.tool("ksmbd-load");
        command
            .arg(format!("--port={}", server.port))
            .arg(format!("--share={}", what.share))
            .arg(format!("--user={}", USERS[0].0))
            .arg(format!("--password={}", USERS[0].1))
            .arg(format!("--path={}", server.share_dir(what.share).display()))
            .arg(format!("--clients={}", what.clients))
            .arg(format!("--seconds={}", what.seconds))
            .arg(what.kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let child = process.child();
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return wrong("no pipes");
        };
        let said = lines(output);
        match said.recv_timeout(late) {
            Ok(line) if line == "ready" => {}
            other => return wrong(format!("the clients do not start: {other:?}")),
        }
        input.write_all(b"go\n")?;
        let until = Instant::now() + Duration::from_secs(what.seconds) + late;
        Ok(Self { _process: process, _input: input, said, until })
    }

    /// What it says next; `meanwhile` is done once a second.
    pub(crate) fn line(&self, mut meanwhile: impl FnMut()) -> Checked<String> {
        while Instant::now() < self.until {
            meanwhile();
            if let Ok(line) = self.said.recv_timeout(Duration::from_secs(1)) {
                return Ok(line);
            }
        }
        wrong("the clients hang: neither answered nor disconnected")
    }
}
