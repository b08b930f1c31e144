//! The wall clock jumps by days, forward and backward, while clients work. What waits, waits by the
//! monotonic clock, which nobody can set.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::journal::Journal;
use super::{SECONDS, serves, stopped};
use crate::clients::{Checked, Context, Problem, Smbclient, wrong};
use crate::config::{Setup, USERS};
use crate::server::{Server, negotiate};

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// From now, as libfaketime reads it. The last is the truth.
const JUMPS: [&str; 8] = ["+5d", "-5d", "+400d", "-9000d", "+20000d", "+1d", "-1d", "+0"];

/// Wrong passwords that are answered at once, and the delays of the next ones in seconds.
const FREE: usize = 10;
const DELAYS: [f64; 4] = [0.25, 0.5, 1.0, 2.0];

/// The wall clock of a server.
struct Clock(PathBuf);

impl Clock {
    fn set(&self, to: &str) -> Checked {
        // Read by the server at any moment: never half of it.
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{to}\n"))?;
        Ok(fs::rename(new, &self.0)?)
    }

    fn server(context: &Context<'_>) -> Checked<(Self, Server)> {
        let clock = Self(context.env.work("clock")?.join("clock"));
        clock.set("+0")?;
        let mut setup = Setup::clients(&context.name.replace('.', "-"), &[]);
        let file = clock.0.display().to_string();
        let environment = [
            ("LD_PRELOAD", library()?.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
        ];
        setup.environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let server = Server::start(context.env, setup)?;
        Ok((clock, server))
    }
}

fn library() -> Checked<PathBuf> {
    let found = fs::read_dir("/usr/lib")?
        .filter_map(|entry| Some(entry.ok()?.path().join(LIBRARY)))
        .chain([Path::new("/usr/lib").join(LIBRARY)])
        .find(|path| path.exists());
    found.ok_or_else(|| Problem::CannotRun("there is no libfaketime".into()))
}

/// The days that the server's clock is ahead of the true one.
fn ahead(server: &Server) -> Checked<i64> {
    const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
    let told = negotiate(server.address(), Duration::from_secs(5))?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = told.saturating_sub(UNIX_EPOCH) / 10_000_000;
    let (seconds, truth) = (i64::try_from(seconds), i64::try_from(since.as_secs()));
    let off = seconds.unwrap_or(i64::MAX).saturating_sub(truth.unwrap_or_default());
    Ok((off as f64 / DAY.as_secs_f64()).round() as i64)
}

/// Nobody who writes notices, nobody is dropped, delays are as long as they were, and times that
/// clients are told are those of one clock or the other.
pub(super) fn jumps(context: &Context<'_>) -> Checked {
    let (clock, server) = Clock::server(context)?;
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(server.port, "files");
    let mut held = client.hold()?;
    let journal = Journal::start(context, &server, "files", 4, SECONDS)?;
    let share = server.share_dir("files");
    let step = Duration::from_secs(SECONDS) / JUMPS.len() as u32;
    for (number, jump) in JUMPS.iter().enumerate() {
        clock.set(jump)?;
        let days: i64 = jump.trim_end_matches('d').parse().unwrap_or_default();
        if ahead(&server)? != days {
            return wrong(format!(
                "at {jump} the server's clock is {} days ahead",
                ahead(&server)?
            ));
        }
        thread::sleep(step);
        client.run(&work, &format!("mkdir at{number}; ls; allinfo at{number}"))?;
    }
    journal.finish(context)?.all(&["in time"])?;
    for number in 0..JUMPS.len() {
        let made = fs::metadata(share.join(format!("at{number}")))?.modified()?;
        let off = SystemTime::now().duration_since(made).unwrap_or_else(|e| e.duration());
        if off > DAY {
            return wrong(format!("what the disk keeps is off by {off:?}"));
        }
    }
    delays(&clock, &server, &work)?;
    if held.ended().is_some() {
        return wrong("a client that did nothing was dropped");
    }
    serves(context, &server, "files")?;
    stopped(server)
}

/// Wrong passwords wait, and the clock jumps in every wait.
fn delays(clock: &Clock, server: &Server, work: &Path) -> Checked {
    let attempt = || -> Checked<f64> {
        let begun = Instant::now();
        let client = Smbclient::new(server.port, "files").login(USERS[1].0, "guess");
        client.refused(work, "ls", &["NT_STATUS_LOGON_FAILURE"])?;
        Ok(begun.elapsed().as_secs_f64())
    };
    for _ in 0..FREE {
        attempt()?;
    }
    for (delay, jump) in DELAYS.iter().zip(JUMPS) {
        let took = thread::scope(|scope| {
            let attempt = scope.spawn(attempt);
            thread::sleep(Duration::from_secs_f64(delay / 2.0));
            clock.set(jump)?;
            attempt.join().unwrap_or_else(|_| wrong("a panic"))
        })?;
        if !(*delay..delay + 1.0).contains(&took) {
            return wrong(format!("at {jump}: a delay of {delay} s took {took:.2} s"));
        }
    }
    clock.set("+0")
}
