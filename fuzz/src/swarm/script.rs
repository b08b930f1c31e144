//! A run as a list of decisions: those of its shape, and those of each step. A seed makes one; what
//! is cut out of it leaves the others what they are, so that a failing run can be made short.

use super::{Choices, Seed, Swarm};
use std::{
    cell::RefCell,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
};

/// What a run decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What the server is, and who does what how often.
    pub shape: Vec<u64>,
    /// What each step does.
    pub steps: Vec<Vec<u64>>,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were sent.
    pub sent: u64,
    /// Final answers that were read.
    pub answered: u64,
    /// Entries into the server.
    pub events: u64,
    /// Connections that the server has dropped.
    pub dropped: u64,
}

impl Totals {
    /// Another run's beside this one's.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.events += other.events;
        self.dropped += other.dropped;
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that failed.
    pub place: String,
    /// What it says.
    pub message: String,
}

/// Choices that are remembered.
struct Remembered<'a> {
    from: &'a mut dyn Choices,
    made: &'a mut Vec<u64>,
}

impl Choices for Remembered<'_> {
    fn number(&mut self) -> u64 {
        let number = self.from.number();
        self.made.push(number);
        number
    }

    fn below(&mut self, bound: usize) -> usize {
        let number = self.from.below(bound);
        self.made.push(number as u64);
        number
    }
}

/// Choices that were made; the rest is 0.
struct Made<'a>(std::slice::Iter<'a, u64>);

impl Choices for Made<'_> {
    fn number(&mut self) -> u64 {
        self.0.next().copied().unwrap_or(0)
    }
}

thread_local! {
    static LAST: RefCell<Option<Finding>> = const { RefCell::new(None) };
}

/// From now on a panic is a finding, and nothing is printed.
pub fn catch_findings() {
    std::panic::set_hook(Box::new(|info| {
        let place =
            info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        let text = info.payload().downcast_ref::<String>().cloned();
        let text = text.or_else(|| info.payload().downcast_ref::<&str>().map(ToString::to_string));
        let finding = Finding { place, message: text.unwrap_or_default() };
        LAST.with_borrow_mut(|last| _ = last.get_or_insert(finding));
    }));
}

fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Finding> {
    LAST.take();
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        let unknown = Finding { place: String::new(), message: "a panic".into() };
        LAST.take().unwrap_or(unknown)
    })
}

impl Script {
    /// The run of a seed, and what it has come to.
    pub fn of_seed(seed: u64) -> (Self, Result<Totals, Finding>) {
        let mut script = Self::default();
        let result = caught(|| {
            let mut seed = Seed::new(seed);
            let mut swarm =
                Swarm::with_models(&mut Remembered { from: &mut seed, made: &mut script.shape });
            for _ in 0..50 + seed.below(500) {
                script.steps.push(Vec::new());
                if let Some(made) = script.steps.last_mut() {
                    swarm.step(&mut Remembered { from: &mut seed, made });
                }
            }
            swarm.ended()
        });
        (script, result)
    }

    /// Has the run again.
    pub fn run(&self) -> Result<Totals, Finding> {
        self.run_with(|_| {})
    }

    /// The same, with something done before its first step.
    pub fn run_with(&self, first: impl FnOnce(&mut Swarm)) -> Result<Totals, Finding> {
        caught(|| {
            let mut swarm = Swarm::with_models(&mut Made(self.shape.iter()));
            first(&mut swarm);
            self.steps.iter().for_each(|step| swarm.step(&mut Made(step.iter())));
            swarm.ended()
        })
    }

    /// Has the run again as a test does: what it finds is a panic.
    #[track_caller]
    pub fn check(text: &str) {
        let script: Self = text.parse().unwrap_or_else(|why| panic!("{why}"));
        let mut swarm = Swarm::with_models(&mut Made(script.shape.iter()));
        for step in &script.steps {
            swarm.step(&mut Made(step.iter()));
        }
        swarm.finish();
    }
}

impl Swarm {
    /// The end of a run.
    fn ended(self) -> Totals {
        let world = self.world.clone();
        let (sent, answered) = (self.sent as u64, self.answered as u64);
        let dropped = self.dropped as u64;
        self.finish();
        Totals { sent, answered, events: world.entries(), dropped }
    }
}

/// `shape;step;step`, each a list of numbers.
impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, step) in std::iter::once(&self.shape).chain(&self.steps).enumerate() {
            if index > 0 {
                f.write_char(';')?;
            }
            for (index, number) in step.iter().enumerate() {
                if index > 0 {
                    f.write_char(' ')?;
                }
                write!(f, "{number}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = |part: &str| {
            let numbers = part.split_whitespace().map(str::parse);
            numbers.collect::<Result<Vec<u64>, _>>().map_err(|why| format!("{part:?}: {why}"))
        };
        let mut parts = text.split(';').map(numbers);
        let shape = parts.next().unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Self { shape, steps: parts.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script is the run that it was made of, and can be written down.
    #[test]
    fn a_script_is_its_run() {
        for seed in 0..10 {
            let (script, first) = Script::of_seed(seed);
            let read: Script = script.to_string().parse().unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(read, script);
            assert_eq!(read.run(), first, "seed {seed}");
        }
    }
}
