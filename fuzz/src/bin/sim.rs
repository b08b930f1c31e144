//! Random clients over the simulator: `sim --seeds N [--from S]` or `sim --seed S`. A failing run
//! prints its seed, and the seed runs it again.

use ksmbd_fuzz::swarm::{Choices, Seed, Swarm};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let (from, count) = match (value("--seed"), value("--seeds")) {
        (Some(seed), None) => (seed, 1),
        (None, Some(seeds)) => (value("--from").unwrap_or(0), seeds),
        _ => {
            eprintln!("usage: sim --seed S | sim --seeds N [--from S]");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    let mut totals = [0; 3];
    for seed in from..from.saturating_add(count) {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(run) => totals.iter_mut().zip(run).for_each(|(total, more)| *total += more),
            Err(_) => {
                eprintln!("seed {seed} failed; `sim --seed {seed}` runs it again");
                failed += 1;
            }
        }
    }
    let [sent, answered, dropped] = totals;
    println!(
        "{count} runs: {sent} requests, {answered} answers, {dropped} connections dropped, \
         {failed} runs failed"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One run; requests sent, answers read, connections dropped.
fn run(seed: u64) -> [usize; 3] {
    let mut choices = Seed::new(seed);
    let mut swarm = Swarm::new(&mut choices);
    for _ in 0..50 + choices.below(500) {
        swarm.step(&mut choices);
    }
    let counts = [swarm.sent, swarm.answered, swarm.dropped];
    swarm.finish();
    counts
}
