//! Counts, the table at the end, and the totals that `conformance/run` adds up.

use std::fs;
use std::path::Path;

use crate::expect::Verdict;

#[derive(Debug, Default)]
struct Row {
    suite: String,
    passed: usize,
    failed_expected: usize,
    skipped: usize,
    unexpected: usize,
}

/// Collects verdicts by suite.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    unexpected: Vec<(String, String)>,
    cannot_run: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn add(&mut self, suite: &str, test: &str, verdict: &Verdict, run: bool) {
        let row = match self.rows.iter_mut().position(|row| row.suite == suite) {
            Some(at) => &mut self.rows[at],
            None => {
                self.rows.push(Row { suite: suite.to_owned(), ..Row::default() });
                let last = self.rows.len() - 1;
                &mut self.rows[last]
            }
        };
        match verdict {
            Verdict::Passed => row.passed += 1,
            Verdict::FailedAsExpected => row.failed_expected += 1,
            Verdict::Skipped(why) => {
                row.skipped += 1;
                if run {
                    self.cannot_run.push((test.to_owned(), why.clone()));
                }
            }
            Verdict::Unexpected(why) => {
                row.unexpected += 1;
                self.unexpected.push((test.to_owned(), why.clone()));
            }
        }
    }

    pub(crate) fn unexpected(&self) -> usize {
        self.unexpected.len()
    }

    /// Passed, failed and skipped; what failed as expected counts as skipped, for it is known to be open.
    pub(crate) fn totals(&self) -> (usize, usize, usize) {
        let sum = |of: fn(&Row) -> usize| self.rows.iter().map(of).sum::<usize>();
        (
            sum(|row| row.passed),
            sum(|row| row.unexpected),
            sum(|row| row.skipped + row.failed_expected),
        )
    }

    /// The table by suite, then what is unexpected.
    pub(crate) fn table(&self) -> String {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|a, b| a.suite.cmp(&b.suite));
        let width = rows.iter().map(|row| row.suite.len()).max().unwrap_or(0).max(5);
        let mut text =
            format!("{:width$}  passed  failed, expected  skipped  unexpected\n", "suite");
        for row in rows {
            text += &format!(
                "{:width$}  {:6}  {:16}  {:7}  {:10}\n",
                row.suite, row.passed, row.failed_expected, row.skipped, row.unexpected
            );
        }
        for (title, list) in
            [("could not run here", &self.cannot_run), ("unexpected", &self.unexpected)]
        {
            for (test, why) in list {
                text += &format!("{title}: {test}: {why}\n");
            }
        }
        text
    }

    /// Writes `passed failed skipped` for the script.
    pub(crate) fn save_totals(&self, to: &Path) -> Result<(), String> {
        let (passed, failed, skipped) = self.totals();
        fs::write(to, format!("{passed} {failed} {skipped}\n"))
            .map_err(|e| format!("{}: {e}", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_once() {
        let mut report = Report::default();
        report.add("a", "a.1", &Verdict::Passed, true);
        report.add("a", "a.2", &Verdict::FailedAsExpected, true);
        report.add("b", "b.1", &Verdict::Skipped("no root".into()), true);
        report.add("b", "b.2", &Verdict::Unexpected("boom".into()), true);
        assert_eq!(report.totals(), (1, 1, 2));
        let table = report.table();
        assert!(table.contains("unexpected: b.2: boom"), "{table}");
        assert!(table.contains("could not run here: b.1: no root"), "{table}");
    }
}
