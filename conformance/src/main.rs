//! Runs foreign clients against the built server, and compares with what is expected.
//!
//! `conformance/run` builds everything and calls this; see its usage there.

mod bench;
mod clients;
mod config;
mod dos;
mod expect;
mod faults;
mod kernel;
mod load;
mod namespace;
mod process;
mod report;
mod server;
mod smbtorture;
mod storm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use config::Kind;
use expect::{Expectation, Suite, Test, Verdict, judge, matches, updated};
use report::Report;
use server::Env;
use smbtorture::Measured;

const USAGE: &str = "\
usage: ksmbd-conformance run [OPTION...] [FILTER...]
       ksmbd-conformance list [FILTER...]
       ksmbd-conformance bench [--rounds=N] [--seconds=S] [ROW...]
       ksmbd-conformance storm [--seconds=N] [--clients=N]

Run it from the project's root directory. A FILTER is a test's name, the dotted beginning of one
(smb2.lock, clients.smbclient), or a pattern with *.

  --update       write measured results into the expectations: new passes, and the true reason
                 where something was not built yet; a pass is never taken away
  --force        with --update: take passes away as well
  --jobs=N       so many smbtorture processes at once (4)
  --record       record what each server is told, and replay it when the server ends
  --seconds=N    how long each attack of the suite dos goes on (4)
  --totals=FILE  write `passed failed skipped` to FILE
  --server=samba run against Debian's smbd instead, to develop this program";

struct Options {
    update: bool,
    force: bool,
    jobs: usize,
    totals: Option<PathBuf>,
    record: bool,
    seconds: Option<u64>,
    kind: Kind,
    filters: Vec<String>,
}

fn parse_options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        update: false,
        force: false,
        jobs: 4,
        totals: None,
        record: false,
        seconds: None,
        kind: Kind::Ksmbd,
        filters: Vec::new(),
    };
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--jobs", value)) => {
                let jobs = value.parse().ok().filter(|jobs| (1..=64).contains(jobs));
                options.jobs =
                    jobs.ok_or_else(|| format!("--jobs={value}: not a number from 1 to 64"))?;
            }
            Some(("--seconds", value)) => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3000).contains(seconds));
                options.seconds =
                    Some(seconds.ok_or_else(|| format!("--seconds={value}: not from 1 to 3000"))?);
            }
            Some(("--totals", value)) => options.totals = Some(value.into()),
            Some(("--server", "samba")) => options.kind = Kind::Samba,
            None if argument == "--update" => options.update = true,
            None if argument == "--record" => options.record = true,
            None if argument == "--force" => options.force = true,
            _ if argument.starts_with('-') => return Err(format!("{argument}?\n{USAGE}")),
            _ => options.filters.push(argument),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let result = match command.as_str() {
        "run" => parse_options(arguments).and_then(|options| run(&options)),
        "list" => parse_options(arguments).and_then(|options| list(&options)),
        "bench" => bench::Options::parse(arguments).and_then(|options| {
            let env = environment(Kind::Ksmbd)?;
            let result = bench::run(&env, &options);
            let _ = fs::remove_dir_all(&env.scratch);
            result.map(|()| true)
        }),
        "storm" => storm::Options::parse(arguments).and_then(|options| {
            let env = environment(Kind::Ksmbd)?;
            let result = storm::weather(&env, "storm", &options);
            let _ = fs::remove_dir_all(&env.scratch);
            result.map(|figures| println!("{figures}")).map_err(|e| e.to_string()).map(|()| true)
        }),
        "--help" | "-h" | "help" => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ksmbd-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// Finds the binaries, and makes the directories for logs and for shares.
fn environment(kind: Kind) -> Result<Env, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let bin = own.parent().ok_or("no directory of binaries")?.to_owned();
    let target = bin.parent().ok_or("no target directory")?;
    let out = target.join("conformance");
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let _ = fs::remove_dir_all(out.join("leaves"));
    // Not below target: the sessions' users must be able to reach the shares, and /tmp may lack
    // extended attributes.
    let base = std::env::var_os("KSMBD_CONFORMANCE_DIR").unwrap_or_else(|| "/var/tmp".into());
    let scratch = Path::new(&base).join(format!("ksmbd-conformance.{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    process::note_directory(&scratch);
    process::clean_up_when_interrupted().map_err(|e| e.to_string())?;
    Ok(Env { bin, out, scratch, kind, record: false, seconds: None })
}

fn list(options: &Options) -> Result<bool, String> {
    for suite in expect::load_all(Path::new("conformance/suites"))? {
        for test in chosen(&suite, &options.filters) {
            println!("{} = {}", test.name, test.expectation);
        }
    }
    Ok(true)
}

fn chosen(suite: &Suite, filters: &[String]) -> Vec<Test> {
    let wanted = |test: &&Test| {
        filters.is_empty() || filters.iter().any(|filter| matches(filter, &test.name))
    };
    suite.tests.iter().filter(wanted).cloned().collect()
}

fn run(options: &Options) -> Result<bool, String> {
    let mut suites = expect::load_all(Path::new("conformance/suites"))?;
    let mut report = Report::default();
    let (mut torture, mut clients, mut kernel) = (Vec::new(), Vec::new(), Vec::new());
    for suite in &suites {
        for test in chosen(suite, &options.filters) {
            if let Expectation::Skip(reason) = &test.expectation {
                report.add(&suite.name, &test.name, &Verdict::Skipped(reason.clone()), false);
            } else if test.name.starts_with("smb2.") {
                torture.push(test);
            } else if test.name.starts_with("kernel.") {
                kernel.push(test);
            } else {
                clients.push(test);
            }
        }
    }
    if torture.is_empty() && clients.is_empty() && kernel.is_empty() && report.totals().2 == 0 {
        return Err(format!("no test matches {}", options.filters.join(" ")));
    }
    let (record, seconds) = (options.record, options.seconds);
    let env = Env { record, seconds, ..environment(options.kind)? };
    let mut results = Vec::new();
    let mut troubles = Vec::new();
    if !torture.is_empty() {
        let count = torture.len();
        println!("smbtorture: {count} tests in {} jobs", options.jobs);
        let trouble = match smbtorture::run_all(&env, torture, options.jobs, options.update) {
            Ok((measured, trouble)) => {
                results.extend(measured);
                trouble
            }
            Err(e) => vec![format!("none of {count} tests was run: {e}")],
        };
        troubles.push(("server.torture".to_owned(), trouble));
    }
    if !clients.is_empty() {
        println!("clients: {} checks", clients.len());
        clients::run_all(&env, &clients, &mut results, &mut troubles);
    }
    if !kernel.is_empty() {
        println!("kernel: {} checks", kernel.len());
        kernel::run_all(&env, &kernel, &mut results, &mut troubles);
    }
    let _ = fs::remove_dir_all(&env.scratch);
    account(&suites, &results, &troubles, &mut report);
    if options.update {
        update(&mut suites, &results, options.force)?;
    }
    let table = report.table();
    println!("\n{table}");
    let _ = fs::write(env.out.join("report.txt"), &table);
    if let Some(totals) = &options.totals {
        report.save_totals(totals)?;
    }
    Ok(report.unexpected() == 0)
}

fn account(
    suites: &[Suite],
    results: &[Measured],
    troubles: &[(String, Vec<String>)],
    report: &mut Report,
) {
    for Measured { test, outcome } in results {
        let suite = suites.iter().find(|suite| matches(&suite.name, &test.name));
        let suite = suite.map_or("other", |suite| suite.name.as_str());
        report.add(suite, &test.name, &judge(&test.expectation, outcome), true);
    }
    for (server, troubles) in troubles {
        let verdict = match troubles.as_slice() {
            [] => Verdict::Passed,
            some => Verdict::Unexpected(some.join("; ")),
        };
        report.add("server", server, &verdict, true);
    }
}

fn update(suites: &mut [Suite], results: &[Measured], force: bool) -> Result<(), String> {
    for suite in suites {
        let mut changed = false;
        for Measured { test, outcome } in results {
            if !suite.tests.iter().any(|own| own.name == test.name) {
                continue;
            }
            if let Some(new) = updated(&test.expectation, outcome, force) {
                println!("update: {} = {new}", test.name);
                suite.set(&test.name, &new);
                changed = true;
            }
        }
        if changed {
            suite.save()?;
        }
    }
    Ok(())
}
