//! smbtorture, leaf by leaf: each in a process of its own, on a share that was emptied before it.

use std::collections::VecDeque;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::Problem;
use crate::config::{Setup, USERS};
use crate::expect::{Expectation, Outcome, Test, Verdict, judge};
use crate::namespace;
use crate::process::{self, Output, lock};
use crate::server::{Env, Server, empty};

/// How long a leaf may take, and one that is expected to fail.
const LIMIT: u64 = 90;
const FAILING_LIMIT: u64 = 20;

/// A leaf's result.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) test: Test,
    pub(crate) outcome: Outcome,
}

/// What all jobs share.
struct Run<'a> {
    env: &'a Env,
    full_limits: bool,
    queue: Mutex<VecDeque<Test>>,
    /// Leaves that ran while a server died, and may be innocent.
    again: Mutex<Vec<Test>>,
    server: Mutex<Shared>,
    done: Mutex<Progress>,
}

struct Shared {
    server: Server,
    /// Counts its starts.
    generation: u32,
    /// Why it cannot be started any more.
    gone: Option<String>,
}

struct Progress {
    results: Vec<Measured>,
    total: usize,
    spoken: Instant,
}

/// Runs all leaves in `jobs` jobs; also returns what was wrong with the server.
pub(crate) fn run_all(
    env: &Env,
    mut tests: Vec<Test>,
    jobs: usize,
    full_limits: bool,
) -> Result<(Vec<Measured>, Vec<String>), String> {
    // The slow ones first, so that no job is left alone with one.
    tests.sort_by_key(|test| {
        let slow = test.seconds.unwrap_or(0);
        let runs_long = full_limits || test.expectation == Expectation::Pass;
        std::cmp::Reverse(if runs_long { slow } else { 0 })
    });
    let total = tests.len();
    let (alone, tests): (Vec<Test>, Vec<Test>) = tests.into_iter().partition(|test| test.alone);
    let run = Run {
        env,
        full_limits,
        queue: Mutex::new(tests.into()),
        again: Mutex::new(Vec::new()),
        server: Mutex::new(Shared {
            server: Server::start(env, Setup::torture("torture", jobs, &[]))?,
            generation: 0,
            gone: None,
        }),
        done: Mutex::new(Progress { results: Vec::new(), total, spoken: Instant::now() }),
    };
    thread::scope(|scope| {
        for job in 0..jobs {
            let run = &run;
            scope.spawn(move || run.work(job));
        }
    });
    // One by one: those that race with themselves; and, so that only the guilty die, what ran when the
    // server did.
    lock(&run.queue).extend(alone);
    run.work(0);
    let again = std::mem::take(&mut *lock(&run.again));
    for test in again {
        let (outcome, _) = run.on_shared(&test, 0);
        run.record(test, outcome);
    }
    let shared = run.server.into_inner().map_err(|e| e.to_string())?;
    let results = run.done.into_inner().map_err(|e| e.to_string())?.results;
    Ok((results, shared.server.stop()))
}

impl Run<'_> {
    fn work(&self, job: usize) {
        loop {
            let Some(test) = lock(&self.queue).pop_front() else {
                return;
            };
            if test.port.is_some() || !test.global.is_empty() {
                let outcome = self.on_own_server(&test);
                self.record(test, outcome);
                continue;
            }
            match self.on_shared(&test, job) {
                (Outcome::Died(why), true) => {
                    println!("smbtorture: {} will be repeated alone: {why}", test.name);
                    lock(&self.again).push(test);
                }
                (outcome, _) => self.record(test, outcome),
            }
        }
    }

    /// Runs a leaf on the common server. The flag says whether others ran when the server died.
    fn on_shared(&self, test: &Test, job: usize) -> (Outcome, bool) {
        let share = test.share.clone().unwrap_or_else(|| format!("torture{job}"));
        let (before, port, dir) = {
            let shared = lock(&self.server);
            if let Some(why) = &shared.gone {
                return (Outcome::Died(why.clone()), false);
            }
            (shared.generation, shared.server.port, shared.server.share_dir(&share))
        };
        if let Err(e) = empty(&dir) {
            return (Outcome::Fail(format!("emptying the share: {e}")), false);
        }
        let outcome = self.leaf(test, port, &share, &dir.display().to_string());
        if outcome == Outcome::Pass {
            return (outcome, false);
        }
        let mut shared = lock(&self.server);
        if shared.generation != before {
            return (Outcome::Died("the server died while it ran".into()), true);
        }
        let Some(why) = shared.server.dead() else {
            return (outcome, false);
        };
        println!("smbtorture: {}: {why}", test.name);
        shared.generation += 1;
        let died = format!("during {}: {why}", test.name);
        if let Err(e) = shared.server.restart(died) {
            shared.gone = Some(format!("the server does not start again: {e}"));
        }
        (Outcome::Died(why), true)
    }

    fn on_own_server(&self, test: &Test) -> Outcome {
        let Some(port) = test.port else {
            let setup = Setup::torture(&test.name, 1, &test.global);
            return self.on_server(test, Server::start(self.env, setup));
        };
        let elsewhere = || match namespace::enter() {
            Ok(()) => {
                let setup = Setup::torture(&test.name, 1, &test.global);
                self.on_server(test, Server::start_on(self.env, setup, port))
            }
            Err(Problem::CannotRun(why)) => Outcome::CannotRun(why),
            Err(Problem::Wrong(why)) => Outcome::Fail(why),
        };
        let ended = thread::scope(|scope| scope.spawn(elsewhere).join());
        ended.unwrap_or_else(|_| Outcome::Fail("the runner's thread panicked".into()))
    }

    fn on_server(&self, test: &Test, server: Result<Server, String>) -> Outcome {
        let server = match server {
            Ok(server) => server,
            Err(e) => return Outcome::Died(e),
        };
        let share = test.share.clone().unwrap_or_else(|| "torture0".into());
        let dir = server.share_dir(&share).display().to_string();
        let outcome = self.leaf(test, server.port, &share, &dir);
        match server.stop().first() {
            Some(trouble) => Outcome::Died(trouble.clone()),
            None => outcome,
        }
    }

    fn leaf(&self, test: &Test, port: u16, share: &str, dir: &str) -> Outcome {
        let limit = match test.expectation {
            Expectation::Fail(_) if !self.full_limits => FAILING_LIMIT,
            _ => test.seconds.unwrap_or(LIMIT),
        };
        let work = match self.env.work(&test.name) {
            Ok(work) => work,
            Err(e) => return Outcome::Fail(e),
        };
        let [(user, password), (user2, password2)] = USERS;
        let mut command = Command::new("smbtorture");
        command
            .args(["-s", "/dev/null", "--format=subunit", "--option=torture:progress=no"])
            .arg(format!("--basedir={}", work.display()))
            .args(["-p", &port.to_string()])
            .args(["-U", &format!("{user}%{password}")])
            .arg(format!("--option=torture:user2name={user2}"))
            .arg(format!("--option=torture:user2password={password2}"))
            .args(test.arguments.iter().map(|argument| argument.replace("{dir}", dir)))
            .arg(format!("//127.0.0.1/{share}"))
            .arg(&test.name)
            .current_dir(&work);
        let output = match process::run(&mut command, b"", Duration::from_secs(limit)) {
            Ok(output) => output,
            Err(e) => return Outcome::CannotRun(format!("smbtorture: {e}")),
        };
        let outcome = if output.status.is_none() {
            Outcome::Fail(format!("time limit of {limit} s"))
        } else {
            parse(&test.name, &output.stdout, output.success())
        };
        let _ = fs::remove_dir_all(&work);
        if matches!(judge(&test.expectation, &outcome), Verdict::Unexpected(_)) {
            self.keep(test, &output);
        }
        outcome
    }

    /// Keeps what smbtorture said of an unexpected result.
    fn keep(&self, test: &Test, output: &Output) {
        let directory = self.env.out.join("leaves");
        let _ = fs::create_dir_all(&directory);
        let text = format!("{}\n\n{}\n\n{}", output.ending(), output.stdout, output.stderr);
        let _ = fs::write(directory.join(format!("{}.txt", test.name)), text);
    }

    fn record(&self, test: Test, outcome: Outcome) {
        let mut done = lock(&self.done);
        if let Verdict::Unexpected(why) = judge(&test.expectation, &outcome) {
            println!("smbtorture: unexpected: {}: {why}", test.name);
        }
        done.results.push(Measured { test, outcome });
        if done.spoken.elapsed() > Duration::from_secs(10) || done.results.len() == done.total {
            done.spoken = Instant::now();
            let passed = done.results.iter().filter(|r| r.outcome == Outcome::Pass).count();
            println!("smbtorture: {} of {} done, {passed} pass", done.results.len(), done.total);
        }
    }
}

/// Reads subunit: exactly one result, of this leaf, that agrees with the exit status.
pub(crate) fn parse(leaf: &str, stdout: &str, success: bool) -> Outcome {
    let mut results = Vec::new();
    let mut lines = stdout.lines();
    while let Some(line) = lines.next() {
        let Some((word, rest)) = line.split_once(": ") else {
            continue;
        };
        if !["success", "failure", "error", "skip", "xfail", "uxsuccess"].contains(&word) {
            continue;
        }
        let (name, reason) = match rest.strip_suffix(" [") {
            None => (rest, String::new()),
            Some(name) => {
                let reason: Vec<&str> = lines.by_ref().take_while(|line| *line != "]").collect();
                (name, shorten(&reason))
            }
        };
        results.push((word, name, reason));
    }
    let own = |name: &str| leaf.strip_suffix(name).is_some_and(|head| head.ends_with('.'));
    match results.as_slice() {
        [] => Outcome::Fail(format!(
            "no result: {}",
            shorten(&stdout.lines().rev().collect::<Vec<_>>())
        )),
        [(_, name, _)] if !own(name) => {
            Outcome::Fail(format!("the result of another test: {name}"))
        }
        [("success", ..)] if !success => Outcome::Fail("success, but a bad exit status".into()),
        [("success", ..)] => Outcome::Pass,
        [("skip", _, reason)] => Outcome::Skip(reason.clone()),
        [(_, _, reason)] => Outcome::Fail(reason.clone()),
        more => Outcome::Fail(format!("{} results instead of one", more.len())),
    }
}

/// A reason's first line, without the build's paths.
fn shorten(reason: &[&str]) -> String {
    let line = reason.iter().find(|line| !line.trim().is_empty()).unwrap_or(&"no reason given");
    let line = line.trim().replace("../../source4/torture/", "").replace("../../", "");
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "smbtorture 4.17.12-Debian\nUsing seed 1\ntest: async\ntime: 2026-01-01 00:00:46.108550\n";

    fn parsed(tail: &str, success: bool) -> Outcome {
        parse("smb2.lock.async", &format!("{HEAD}{tail}"), success)
    }

    #[test]
    fn results_are_read() {
        assert_eq!(parsed("success: async\n", true), Outcome::Pass);
        assert_eq!(
            parsed("failure: async [\n../../source4/torture/smb2/lock.c:1: bad\nmore\n]\n", false),
            Outcome::Fail("smb2/lock.c:1: bad".into())
        );
        assert_eq!(parsed("skip: async [\nnot here\n]\n", true), Outcome::Skip("not here".into()));
        let error = parsed("error: async [\nUnknown error/failure.\n]\n", false);
        assert_eq!(error, Outcome::Fail("Unknown error/failure.".into()));
    }

    #[test]
    fn names_with_spaces_and_suites_of_one() {
        let leaf = "smb2.charset.Testing partial surrogate";
        assert_eq!(parse(leaf, "success: Testing partial surrogate\n", true), Outcome::Pass);
        assert_eq!(parse("smb2.connect", "success: connect\n", true), Outcome::Pass);
    }

    #[test]
    fn nothing_else_passes() {
        let failed =
            |tail, success| assert!(matches!(parsed(tail, success), Outcome::Fail(_)), "{tail}");
        failed("", true);
        failed("success: async\n", false);
        failed("success: other\n", true);
        failed("success: async\nsuccess: async\n", true);
        failed("Unknown torture operation 'smb2.lock.asink'\n", false);
        failed("uxsuccess: async\n", true);
    }

    #[test]
    fn a_reason_is_not_taken_for_a_result() {
        let text = "failure: async [\nsuccess: async\n]\n";
        assert!(matches!(parsed(text, false), Outcome::Fail(_)));
    }
}
