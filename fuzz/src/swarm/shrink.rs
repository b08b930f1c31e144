//! Makes a failing run short: steps are left out, then decisions become smaller, as long as the same
//! check fails.

use super::script::{Finding, Script};
use std::time::{Duration, Instant};

/// The shortest run that is found in this time, and what it finds.
pub fn shrink(script: Script, finding: Finding, time: Duration) -> (Script, Finding) {
    let mut shrinking = Shrinking { best: script, finding, until: Instant::now() + time };
    loop {
        let before = shrinking.best.clone();
        shrinking.leave_steps_out();
        shrinking.make_smaller();
        if shrinking.is_late() || shrinking.best == before {
            return (shrinking.best, shrinking.finding);
        }
    }
}

struct Shrinking {
    best: Script,
    finding: Finding,
    until: Instant,
}

impl Shrinking {
    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Takes another run, if it fails in the same way.
    fn take(&mut self, other: Script) -> bool {
        match other.run() {
            Err(finding) if finding.place == self.finding.place => {
                (self.best, self.finding) = (other, finding);
                true
            }
            _ => false,
        }
    }

    /// Long pieces first, from the end, where they are more likely not to matter.
    fn leave_steps_out(&mut self) {
        let mut length = self.best.steps.len().div_ceil(2);
        while length > 0 {
            let mut end = self.best.steps.len();
            while end > 0 && !self.is_late() {
                let start = end.saturating_sub(length);
                let mut other = self.best.clone();
                other.steps.drain(start..end);
                self.take(other);
                end = start.min(self.best.steps.len());
            }
            length = if length == 1 { 0 } else { length.div_ceil(2) };
        }
    }

    /// Each decision is 0 if it can be, or half.
    fn make_smaller(&mut self) {
        for step in (0..=self.best.steps.len()).rev() {
            self.shorten(step);
            let mut at = 0;
            while let Some(&number) = self.part(step).get(at) {
                for smaller in [0, number / 2, number.saturating_sub(1)] {
                    if self.is_late() {
                        return;
                    }
                    if smaller < self.part(step).get(at).copied().unwrap_or(0) {
                        let mut other = self.best.clone();
                        part_mut(&mut other, step)[at] = smaller;
                        self.take(other);
                    }
                }
                at += 1;
            }
        }
    }

    /// What is 0 at the end need not be said.
    fn shorten(&mut self, step: usize) {
        let mut other = self.best.clone();
        let part = part_mut(&mut other, step);
        while part.last() == Some(&0) {
            part.pop();
        }
        self.take(other);
    }

    fn part(&self, step: usize) -> &[u64] {
        match step.checked_sub(1) {
            None => &self.best.shape,
            Some(step) => &self.best.steps[step],
        }
    }
}

fn part_mut(script: &mut Script, step: usize) -> &mut Vec<u64> {
    match step.checked_sub(1) {
        None => &mut script.shape,
        Some(step) => &mut script.steps[step],
    }
}
