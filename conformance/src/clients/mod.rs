//! Checks with real clients, and of the daemon as a process: `suites/clients.toml`. The checks of the
//! suite `faults` run in the same way.

mod accounts;
mod daemon;
mod files;
mod foreign;
mod guessing;
mod gvfs;
mod matrix;
mod rclone;
mod refusals;
mod rpcclient;
mod secrets;
mod slow;
mod smbclient;
mod tap;
mod tools;
mod wireshark;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::config::Setup;
use crate::expect::{Outcome, Test, Verdict, judge, matches};
use crate::server::{Env, Server};
use crate::smbtorture::Measured;

pub(crate) use files::{make_big, same_file, same_tree};
pub(crate) use refusals::SmallDisk;
pub(crate) use smbclient::Smbclient;

/// Why a check did not pass.
#[derive(Debug)]
pub(crate) enum Problem {
    Wrong(String),
    /// This machine cannot run it.
    CannotRun(String),
}

/// A Python that has this module: it may be there without, where it could not be had.
pub(crate) fn python_with(env: &Env, module: &str) -> Checked<PathBuf> {
    let python = env.out.join("venv/bin/python3");
    let has = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    match has.is_ok_and(|output| output.status.success()) {
        true => Ok(python),
        false => Err(Problem::CannotRun(format!("{} has no {module}", python.display()))),
    }
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl From<std::io::Error> for Problem {
    fn from(why: std::io::Error) -> Self {
        Self::Wrong(why.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(why) => f.write_str(why),
            Self::CannotRun(why) => write!(f, "cannot run here: {why}"),
        }
    }
}

pub(crate) type Checked<T = ()> = Result<T, Problem>;

/// Fails a check.
pub(crate) fn wrong<T>(why: impl Into<String>) -> Checked<T> {
    Err(Problem::Wrong(why.into()))
}

/// What a check is given.
pub(crate) struct Context<'a> {
    pub(crate) env: &'a Env,
    pub(crate) server: &'a Server,
    pub(crate) name: &'a str,
}

/// A check's body that needs nothing besides.
pub(crate) type Plain = fn(&Context<'_>) -> Checked;

type Body = Box<dyn Fn(&Context<'_>) -> Checked>;

/// A named check.
pub(crate) struct Check {
    name: String,
    body: Body,
}

impl Check {
    pub(crate) fn new(
        name: impl Into<String>,
        body: impl Fn(&Context<'_>) -> Checked + 'static,
    ) -> Self {
        Self { name: name.into(), body: Box::new(body) }
    }
}

/// Checks that share a server.
struct Group {
    setup: Setup,
    checks: Vec<Check>,
}

fn groups() -> Vec<Group> {
    let plain = || {
        let mut checks = matrix::checks();
        checks.extend(refusals::checks());
        checks.extend(foreign::checks());
        checks.extend(rclone::checks());
        checks.extend(gvfs::checks());
        checks.extend(tools::checks());
        checks.extend(rpcclient::checks());
        checks
    };
    vec![
        Group { setup: Setup::clients("clients", &["durable handles = yes"]), checks: plain() },
        Group {
            setup: Setup::clients("guests", &["map to guest = bad user"]),
            checks: refusals::guest_checks().into_iter().chain(rpcclient::guest_checks()).collect(),
        },
        Group { setup: Setup::clients("slow", &[]), checks: slow::checks() },
        Group { setup: Setup::clients("guessing", &[]), checks: guessing::checks() },
        Group { setup: Setup::clients("daemon", &[]), checks: daemon::checks() },
        Group { setup: Setup::clients("wireshark", &[]), checks: wireshark::checks() },
        Group { setup: Setup::clients("secrets", &[]), checks: secrets::checks() },
        Group { setup: Setup::clients("faults", &[]), checks: crate::faults::checks() },
        Group { setup: Setup::clients("dos", &[]), checks: crate::dos::checks() },
    ]
}

/// Runs the chosen checks; appends their results and what was wrong with the servers.
pub(crate) fn run_all(
    env: &Env,
    tests: &[Test],
    results: &mut Vec<Measured>,
    troubles: &mut Vec<(String, Vec<String>)>,
) {
    let mut known = Vec::new();
    for group in groups() {
        known.extend(group.checks.iter().map(|check| check.name.clone()));
        let chosen: Vec<(&Check, &Test)> = group
            .checks
            .iter()
            .filter_map(|check| Some((check, tests.iter().find(|test| test.name == check.name)?)))
            .collect();
        if !chosen.is_empty() {
            let name = format!("server.{}", group.setup.name);
            let trouble = run_group(env, group.setup.clone(), &chosen, results);
            troubles.push((name, trouble));
        }
    }
    for test in tests.iter().filter(|test| !known.contains(&test.name)) {
        let outcome = Outcome::Fail("no such check".into());
        results.push(Measured { test: test.clone(), outcome });
    }
}

fn run_group(
    env: &Env,
    setup: Setup,
    chosen: &[(&Check, &Test)],
    results: &mut Vec<Measured>,
) -> Vec<String> {
    let full = setup.shares.iter().any(|share| share.name == "full")
        && chosen.iter().any(|(check, _)| matches("*full-disk", &check.name));
    let mount = full.then(|| SmallDisk::mount(env, &setup));
    let mut server = match Server::start(env, setup) {
        Ok(server) => server,
        Err(e) => {
            let count = chosen.len();
            return vec![format!("none of {count} checks was run: {e}")];
        }
    };
    let mut gone = None;
    for (check, test) in chosen {
        let start = Instant::now();
        let mut outcome = match &gone {
            Some(why) => Outcome::Died(String::clone(why)),
            None => outcome((check.body)(&Context { env, server: &server, name: &check.name })),
        };
        let failed = gone.is_none() && outcome != Outcome::Pass;
        if failed && let Some(why) = server.dead() {
            if let Err(e) = server.restart(format!("during {}: {why}", check.name)) {
                gone = Some(format!("the server does not start again: {e}"));
            }
            outcome = Outcome::Died(why);
        }
        say(test, &outcome, start);
        results.push(Measured { test: (*test).clone(), outcome });
    }
    let troubles = server.stop();
    drop(mount);
    troubles
}

fn outcome(checked: Checked) -> Outcome {
    match checked {
        Ok(()) => Outcome::Pass,
        Err(Problem::Wrong(why)) => Outcome::Fail(why.replace('\n', " | ")),
        Err(Problem::CannotRun(why)) => Outcome::CannotRun(why),
    }
}

pub(crate) fn say(test: &Test, outcome: &Outcome, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let word = match judge(&test.expectation, outcome) {
        Verdict::Passed => "passes".to_owned(),
        Verdict::FailedAsExpected => "fails, as expected".to_owned(),
        Verdict::Skipped(why) => format!("cannot run here: {why}"),
        Verdict::Unexpected(why) => format!("unexpected: {why}"),
    };
    println!("{}: {word} ({seconds:.1} s)", test.name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// A check that no file expects would never run, and an expectation without a check always fails.
    #[test]
    fn every_check_has_its_expectation() {
        let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
        let mut expected = BTreeSet::new();
        for file in ["clients.toml", "dos.toml", "faults.toml"] {
            let suite = crate::expect::Suite::load(&suites.join(file)).unwrap();
            expected.extend(suite.tests.into_iter().map(|test| test.name));
        }
        let checks: BTreeSet<String> =
            groups().into_iter().flat_map(|group| group.checks).map(|check| check.name).collect();
        assert_eq!(checks, expected);
    }
}
