//! Random clients over the simulator, with all models beside them: `sim --seeds N [--first S]` or
//! `sim --seed S [--trace]`. A failing run prints its seed, the commit, the shortest trace that was
//! found, and a test; the exit status is 1.

use ksmbd_fuzz::swarm::{Finding, Script, Totals, catch_findings, report, shrink};
use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

const USAGE: &str = "usage: sim --seeds N [--first S] [--seconds T] | sim --seed S [--trace]
  --seeds N    runs N seeds
  --first S    from this one on, instead of fresh ones
  --seconds T  no longer than that
  --shrink T   makes a failing run short for so many seconds (20)
  --keep-going does not end with the first finding
  --seed S     runs one seed
  --trace      prints what happens in it";

/// What is to be done.
#[derive(Default)]
struct Options {
    seeds: Option<u64>,
    first: Option<u64>,
    seed: Option<u64>,
    seconds: Option<u64>,
    shrink: Option<u64>,
    trace: bool,
    keep_going: bool,
}

impl Options {
    fn parse() -> Option<Self> {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok();
            match argument.as_str() {
                "--seeds" => options.seeds = Some(number()?),
                "--first" => options.first = Some(number()?),
                "--seed" => options.seed = Some(number()?),
                "--seconds" => options.seconds = Some(number()?),
                "--shrink" => options.shrink = Some(number()?),
                "--trace" => options.trace = true,
                "--keep-going" => options.keep_going = true,
                _ => return None,
            }
        }
        (options.seed.is_some() != options.seeds.is_some()).then_some(options)
    }

    /// Fresh seeds, unless it was said which.
    fn first(&self) -> u64 {
        let fresh = || {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            now.as_secs().wrapping_mul(1_000_000) % (1 << 48)
        };
        self.seed.or(self.first).unwrap_or_else(fresh)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    catch_findings();
    let begun = Instant::now();
    let (first, count) = (options.first(), options.seeds.unwrap_or(1));
    let until = options.seconds.map(|seconds| begun + Duration::from_secs(seconds));
    let (mut totals, mut runs, mut findings) = (Totals::default(), 0, 0);
    for seed in first..first.saturating_add(count) {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        runs += 1;
        let (script, result) = Script::of_seed(seed);
        if options.trace {
            println!("{}", report::trace(&script));
        }
        match result {
            Ok(run) => totals.add(run),
            Err(finding) => {
                findings += 1;
                failed(seed, script, finding, &options);
                if !options.keep_going {
                    break;
                }
            }
        }
    }
    let Totals { sent, answered, events, dropped } = totals;
    println!(
        "{runs} seeds from {first}: {sent} requests, {answered} answers, {dropped} connections dropped, \
         {events} events, {findings} findings, {:.1} seconds",
        begun.elapsed().as_secs_f64()
    );
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what was found, as shortly as possible.
fn failed(seed: u64, script: Script, finding: Finding, options: &Options) {
    println!("seed {seed} at {}: {}\n{}", commit(), finding.place, finding.message);
    let time = Duration::from_secs(options.shrink.unwrap_or(20));
    if !time.is_zero() {
        let (script, finding) = shrink(script, finding, time);
        println!("{}", report::test(seed, &script, &finding));
    }
}

/// The commit, where git can tell.
fn commit() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let text = described.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    text.map(|text| text.trim().to_string())
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| format!("version {}", env!("CARGO_PKG_VERSION")))
}
