//! `throughput [--seconds=N] [--floor] [parser | sessions]`: how many executions a second one core has, by the time that it
//! spent and by the clock on the wall. With `--floor`, fewer than are aimed at is a failure.
//! Built with `null-crypto` and optimised, or it says nothing.

use ksmbd_fuzz::{Client, World, daemon::password, target::TARGETS};
use rustix::time::{ClockId, clock_gettime};
use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// What is aimed at on one core: executions of the unauthenticated parser, and whole sessions, a second.
const PARSER: f64 = 100_000.0;
const SESSIONS: f64 = 20_000.0;

/// Sessions of one server, before the next one begins.
const OF_ONE_SERVER: usize = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = arguments.iter().find_map(|argument| argument.strip_prefix("--seconds="));
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(5);
    let time = Duration::from_secs(seconds);
    let wants = |what: &str| {
        let mut named = arguments.iter().filter(|argument| !argument.starts_with('-'));
        named.clone().next().is_none() || named.any(|argument| argument == what)
    };
    let floor = arguments.iter().any(|argument| argument == "--floor");
    let mut enough = true;
    if wants("parser") {
        let found = measure("executions of the unauthenticated parser", time, parser());
        enough &= found >= PARSER;
    }
    if wants("sessions") {
        enough &= measure("whole sessions", time, sessions()) >= SESSIONS;
    }
    if floor && !enough {
        eprintln!("fewer than {PARSER} executions or {SESSIONS} sessions");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// CPU time of this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Does rounds for some time; what a round did is counted.
fn measure(what: &str, time: Duration, mut round: impl FnMut() -> usize) -> f64 {
    round();
    let (started, before) = (Instant::now(), spent());
    let mut count = 0;
    while started.elapsed() < time {
        count += round();
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), (spent() - before).as_secs_f64());
    let per_core = count as f64 / cpu;
    println!(
        "{count} {what}: {per_core:.0} a second of CPU time, {:.0} of the clock",
        count as f64 / wall
    );
    per_core
}

/// The target `parser` over its corpus: a new server and a new connection each time, and what nobody has
/// to log on for.
fn parser() -> impl FnMut() -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/parser");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let inputs: Vec<Vec<u8>> =
        files.flatten().filter_map(|file| std::fs::read(file.path()).ok()).collect();
    assert!(!inputs.is_empty(), "{folder:?} is empty");
    let Some(target) = TARGETS.iter().find(|target| target.name == "parser") else {
        panic!("no target `parser`");
    };
    move || {
        inputs.iter().for_each(|input| (target.run)(input));
        inputs.len()
    }
}

/// Connections, one after the other, each with all of a session.
fn sessions() -> impl FnMut() -> usize {
    || {
        let world = World::new();
        for number in 0..OF_ONE_SERVER {
            session(world.connect(), &format!("file{}", number % 10));
        }
        world.finish();
        OF_ONE_SERVER
    }
}

/// NEGOTIATE of 3.1.1, SESSION_SETUP (twice), TREE_CONNECT, CREATE, WRITE, READ, CLOSE and LOGOFF; every answer
/// is checked.
fn session(mut client: Client, name: &str) {
    const DATA: [u8; 512] = [7; 512];
    client.negotiate().ok();
    client.logon("alice", &password("alice")).ok();
    client.connect_tree("share");
    let file = client.create(name).ok();
    client.write(file, 0, &DATA).ok();
    assert_eq!(client.read(file, 0, 512).ok().data(), DATA);
    client.close(file).ok();
    client.logoff().ok();
    client.hang_up();
}
