//! `ksmbd-load journal` under way: clients that remember what the server has acknowledged.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::{Checked, Context, wrong};
use crate::load::{Load, What};
use crate::process::run;
use crate::server::Server;

/// How long after its time a load may still be there: more is a hang.
const LATE: Duration = Duration::from_secs(15);

/// A file as long as this has blocks that a FLUSH has acknowledged (`load/src/journal.rs`).
const ACKNOWLEDGED: u64 = 9 * (16 << 10);

/// How long it may take until every client has one.
const BEGUN: Duration = Duration::from_secs(20);

pub(super) struct Journal {
    load: Load,
    share: PathBuf,
    clients: usize,
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
        let what = What { kind: "journal", share, clients, seconds };
        let load = Load::start(context.env, server, what, LATE)?;
        Ok(Self { load, share: server.share_dir(share), clients })
    }

    /// Waits until each of them has been promised something.
    pub(super) fn under_way(self) -> Checked<Self> {
        let until = Instant::now() + BEGUN;
        while !(0..self.clients).all(|client| self.has_promised(client)) {
            if Instant::now() > until {
                return wrong("a client is promised nothing");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(self)
    }

    fn has_promised(&self, client: usize) -> bool {
        let first = self.share.join(format!("load{client}/journal0"));
        fs::metadata(first).is_ok_and(|file| file.len() >= ACKNOWLEDGED)
    }

    /// Waits for the end of all clients, which have to notice whatever happened.
    pub(super) fn finish(self, context: &Context<'_>) -> Checked<Ended> {
        let mut ended = Ended { kept: String::new(), why: Vec::new(), share: self.share };
        loop {
            let line = self.load.line(|| ())?;
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
