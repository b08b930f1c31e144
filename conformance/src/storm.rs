//! Two hundred clients that do everything that waits, at random (`conformance/load/src/storm.rs`), and what
//! is left of them in the server when they have gone: nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::{Checked, Smbclient, wrong};
use crate::config::Setup;
use crate::load::{Load, What};
use crate::server::{Env, Server};

/// How long the clients may be there after their time, and the tables full after the clients.
const LATE: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(20);

/// The seconds of a first storm, behind which what is measured begins: inotify queues, the identities' and
/// the directories' caches and the allocator's arenas, eight for each CPU, are there then.
const WARM: u64 = 3;

/// KiB of resident memory that a storm may leave, however long it was: what is free lies scattered in the
/// arenas, and how much of it they keep differs from one time to the next. It is
/// some twenty-five bytes for each request of a storm of 20 seconds, and less than two for one of five minutes.
const KEPT: u64 = 12 << 10;

/// A table that is not emptied when everybody has gone: who has guessed is known for some minutes.
const REMEMBERED: &str = "accounts guessed at";

/// How much, and how long.
pub(crate) struct Options {
    pub(crate) clients: usize,
    pub(crate) seconds: u64,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { clients: 200, seconds: 300 };
        for argument in arguments {
            let wrong = || format!("{argument}: usage: storm [--seconds=N] [--clients=N]");
            match argument.split_once('=') {
                Some(("--seconds", value)) => {
                    options.seconds = value.parse().map_err(|_| wrong())?;
                }
                Some(("--clients", value)) => {
                    options.clients = value.parse().map_err(|_| wrong())?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(options)
    }
}

/// What a server has that a leak would add to.
#[derive(Default)]
pub(crate) struct Held {
    /// By name, as many as there are.
    threads: BTreeMap<String, usize>,
    descriptors: BTreeMap<String, usize>,
    /// KiB.
    memory: u64,
}

impl Held {
    pub(crate) fn of(server: &Server) -> Checked<Self> {
        let Some(pid) = server.pid() else {
            return wrong("the server is not running");
        };
        let (mut threads, mut descriptors) = (BTreeMap::new(), BTreeMap::new());
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // It may have ended since it was listed.
            if let Ok(name) = fs::read_to_string(task?.path().join("comm")) {
                *threads.entry(name.trim().to_owned()).or_default() += 1;
            }
        }
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))? {
            if let Ok(target) = fs::read_link(descriptor?.path()) {
                *descriptors.entry(target.display().to_string()).or_default() += 1;
            }
        }
        Ok(Self { threads, descriptors, memory: server.resident().unwrap_or(0) })
    }

    /// What there is now and was not before.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut found = self.but_memory(before);
        if self.memory > before.memory + KEPT {
            found.push(format!("{} KiB instead of {}", self.memory, before.memory));
        }
        found
    }

    /// The same, whatever memory there is.
    pub(crate) fn but_memory(&self, before: &Self) -> Vec<String> {
        let more = |now: &BTreeMap<String, usize>, then: &BTreeMap<String, usize>| {
            let more = now.iter().filter(|(name, count)| then.get(*name).unwrap_or(&0) < count);
            more.map(|(name, count)| format!("{count} of {name}")).collect::<Vec<_>>()
        };
        let mut found = more(&self.threads, &before.threads);
        found.extend(more(&self.descriptors, &before.descriptors));
        found
    }
}

/// A storm on a server of its own. Says what was done, and what it took.
pub(crate) fn weather(env: &Env, name: &str, options: &Options) -> Checked<String> {
    let global =
        ["smb2 leases = yes", "durable handles = yes", "server multi channel support = yes"];
    let mut setup = Setup::clients(name, &global);
    for share in &mut setup.shares {
        share.lines.push("max connections = 1024".to_owned());
    }
    let mut server = Server::start(env, setup)?;
    let fresh = server.resident().unwrap_or(0);
    // What is made when it is needed for the first time, and stays.
    blow(env, &mut server, options, WARM)?;
    serves(env, &server)?;
    settled(env, &server)?;
    let before = Held::of(&server)?;
    let cpu = server.cpu_seconds();
    let (done, most) = blow(env, &mut server, options, options.seconds)?;
    if done.returned == 0 {
        return wrong("no durable handle was there again");
    }
    let cpu = server.cpu_seconds() - cpu;
    let took = settled(env, &server)?;
    serves(env, &server)?;
    settled(env, &server)?;
    let after = left_alone(&server, &before)?;
    let troubles = server.stop();
    if !troubles.is_empty() {
        return wrong(troubles.join("; "));
    }
    Ok(format!(
        "{} clients, {} s: {done}, {cpu:.1} s of CPU time; memory {fresh} KiB at the \
         start, {} KiB before, {most} KiB meanwhile, {} KiB after; {} threads and {} descriptors before and after; \
         all tables empty {:.1} s after the last client",
        options.clients,
        options.seconds,
        before.memory,
        after.memory,
        before.threads.values().sum::<usize>(),
        before.descriptors.values().sum::<usize>(),
        took.as_secs_f64(),
    ))
}

/// What is held when nothing is left that was not there before. Threads end, and sockets are closed, behind the
/// last word of who had them.
fn left_alone(server: &Server, before: &Held) -> Checked<Held> {
    let until = Instant::now() + LATE;
    loop {
        let after = Held::of(server)?;
        let left = after.beyond(before);
        if left.is_empty() {
            return Ok(after);
        }
        if Instant::now() > until {
            return wrong(format!("left: {}", left.join(", ")));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// What clients have done.
struct Done {
    operations: String,
    /// Durable handles that were there again.
    returned: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers, {} durable handles again", self.operations, self.returned)
    }
}

/// Runs the clients. What they have done, and the server's largest size in KiB.
fn blow(env: &Env, server: &mut Server, options: &Options, seconds: u64) -> Checked<(Done, u64)> {
    let blown = clients(env, server, options.clients, seconds);
    // That it died explains whatever the clients say.
    server.dead().map_or(blown, wrong)
}

fn clients(env: &Env, server: &Server, clients: usize, seconds: u64) -> Checked<(Done, u64)> {
    let what = What { kind: "storm", share: "files", clients, seconds };
    let load = Load::start(env, server, what, LATE)?;
    let mut most = 0;
    let line = load.line(|| most = most.max(server.resident().unwrap_or(0)))?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["done", operations, _, _, returned] = words[..] else {
        return wrong(line);
    };
    let returned = returned.parse().map_err(|_| line.clone())?;
    Ok((Done { operations: operations.to_owned(), returned }, most))
}

/// Waits until every table is empty; how long that took.
pub(crate) fn settled(env: &Env, server: &Server) -> Checked<Duration> {
    let begun = Instant::now();
    loop {
        let full = tables(env, server)?;
        if full.is_empty() {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > SETTLED {
            return wrong(format!("without clients there are {}", full.join(", ")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The tables that are not empty.
fn tables(env: &Env, server: &Server) -> Checked<Vec<String>> {
    let status = server.status(env)?;
    let Some(budgets) = status["budgets"].as_array().filter(|budgets| !budgets.is_empty()) else {
        return wrong("the status has no budgets");
    };
    let budgets = budgets.iter().map(|budget| (&budget["name"], budget["used"].as_u64()));
    let used = budgets.filter(|(name, used)| *used != Some(0) && **name != REMEMBERED);
    let mut full: Vec<String> = used.map(|(name, used)| format!("{name}: {used:?}")).collect();
    for table in ["connections", "sessions", "trees", "opens"] {
        if status[table].as_array().is_none_or(|rows| !rows.is_empty()) {
            full.push(format!("rows in {table}"));
        }
    }
    Ok(full)
}

/// An ordinary client is served, and soon.
fn serves(env: &Env, server: &Server) -> Checked {
    let work = env.work("storm")?;
    fs::write(work.join("after"), b"still here")?;
    Smbclient::new(server.port, "files")
        .run(&work, "put after; get after back; del after; ls")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_there_before_is_left() {
        let held = |names: &[(&str, usize)], memory| Held {
            threads: names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            descriptors: BTreeMap::new(),
            memory,
        };
        let before = held(&[("ksmbd/0", 1), ("ksmbd/w", 1)], 9000);
        assert!(held(&[("ksmbd/0", 1)], 9000 + KEPT).beyond(&before).is_empty());
        let after = held(&[("ksmbd/0", 2), ("ksmbd/7", 1)], 9001 + KEPT);
        assert_eq!(after.beyond(&before).len(), 3);
    }
}
