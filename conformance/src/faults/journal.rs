//! `ksmbd-load journal` under way: clients that remember what the server has acknowledged.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::clients::{Checked, Context, wrong};
use crate::config::USERS;
use crate::process::{Process, lines, run};
use crate::server::Server;

/// How long after its time a load may still be there: more is a hang.
const LATE: Duration = Duration::from_secs(15);

pub(super) struct Journal {
    // Ended when it is dropped.
    _process: Process,
    // The load stays connected as long as this is open.
    _input: ChildStdin,
    said: Receiver<String>,
    until: Instant,
    share: PathBuf,
}

impl Journal {
    /// Starts so many clients, which write for so long.
    pub(super) fn start(
        context: &Context<'_>,
        server: &Server,
        share: &str,
        clients: usize,
        seconds: u64,
    ) -> Checked<Self> {
        let path = server.share_dir(share);
        let mut command = context.env.tool("ksmbd-load");
        command
            .arg(format!("--port={}", server.port))
            .arg(format!("--share={share}"))
            .arg(format!("--user={}", USERS[0].0))
            .arg(format!("--password={}", USERS[0].1))
            .arg(format!("--path={}", path.display()))
            .arg(format!("--clients={clients}"))
            .arg(format!("--seconds={seconds}"))
            .arg("journal")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let child = process.child();
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return wrong("no pipes");
        };
        let said = lines(output);
        match said.recv_timeout(LATE) {
            Ok(line) if line == "ready" => {}
            other => return wrong(format!("the load does not start: {other:?}")),
        }
        std::io::Write::write_all(&mut input, b"go\n")?;
        let until = Instant::now() + Duration::from_secs(seconds) + LATE;
        Ok(Self { _process: process, _input: input, said, until, share: path })
    }

    /// Waits for the end of all clients, which have to notice whatever happened.
    pub(super) fn finish(self, context: &Context<'_>) -> Checked<Ended> {
        let mut ended = Ended { kept: String::new(), why: Vec::new(), share: self.share };
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let Ok(line) = self.said.recv_timeout(left) else {
                return wrong("the clients hang: neither answered nor disconnected");
            };
            if line.starts_with("done ") {
                break;
            }
            match line.strip_prefix("ended ") {
                Some(why) => ended.why.push(why.to_owned()),
                None => ended.kept += &format!("{line}\n"),
            }
        }
        if ended.kept.is_empty() {
            return wrong(format!("nothing was acknowledged: {:?}", ended.why));
        }
        let share = ended.share.clone();
        ended.compare(context, &share)?;
        Ok(ended)
    }
}

/// What the clients were told.
pub(super) struct Ended {
    kept: String,
    /// Of each client, why it ended.
    pub(super) why: Vec<String>,
    share: PathBuf,
}

impl Ended {
    /// Wants everything that was acknowledged to be on the disk.
    fn compare(&self, context: &Context<'_>, share: &Path) -> Checked {
        let mut command = context.env.tool("ksmbd-load");
        command.arg("compare").arg(share);
        let output = run(&mut command, self.kept.as_bytes(), Duration::from_secs(60))?;
        if output.success() { Ok(()) } else { wrong(output.tail()) }
    }

    /// Wants every client to have ended like this.
    pub(super) fn all(&self, how: &[&str]) -> Checked {
        let other = self.why.iter().find(|why| !how.iter().any(|part| why.contains(part)));
        other.map_or(Ok(()), |why| wrong(format!("client {why}: wanted {}", how.join(" or "))))
    }
}
