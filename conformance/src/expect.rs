//! Expectations: `suites/<suite>.toml`, and what a measured result means against them.
//!
//! A suite's file names each test with `"pass"`, `"skip: reason"` or `"fail: reason"`, and may then
//! have the tables `[seconds]` (time limits), `[arguments]` (a tool's own arguments), `[share]`
//! (the share to run against), `[global]` (configuration lines, which give the test a server of its own),
//! `[port]` (the server's, in a network namespace of the test's own) and `[alone]` (why no other test may run
//! meanwhile).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Value};

/// What a test is expected to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    Pass,
    /// Never run.
    Skip(String),
    /// Run, and its success is news.
    Fail(String),
}

impl Expectation {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let reason = |rest: &str| match rest.trim() {
            "" => Err(format!("{text:?} has no reason")),
            reason => Ok(reason.to_owned()),
        };
        if text == "pass" {
            Ok(Self::Pass)
        } else if let Some(rest) = text.strip_prefix("skip:") {
            reason(rest).map(Self::Skip)
        } else if let Some(rest) = text.strip_prefix("fail:") {
            reason(rest).map(Self::Fail)
        } else {
            Err(format!("{text:?} is none of pass, skip: REASON, fail: REASON"))
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Skip(reason) => write!(f, "skip: {reason}"),
            Self::Fail(reason) => write!(f, "fail: {reason}"),
        }
    }
}

/// What a test did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail(String),
    /// The tool itself would not run it against this server.
    Skip(String),
    /// This machine cannot run it (no root, no such package).
    CannotRun(String),
    /// The server died or stopped answering: never what is expected.
    Died(String),
}

/// An outcome against an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    FailedAsExpected,
    Skipped(String),
    Unexpected(String),
}

/// Judges an outcome: both a failure where a pass is expected and the reverse are unexpected.
pub(crate) fn judge(expectation: &Expectation, outcome: &Outcome) -> Verdict {
    match (expectation, outcome) {
        (Expectation::Skip(reason), _) | (_, Outcome::CannotRun(reason)) => {
            Verdict::Skipped(reason.clone())
        }
        (_, Outcome::Died(why)) => Verdict::Unexpected(why.clone()),
        (Expectation::Pass, Outcome::Pass) => Verdict::Passed,
        (Expectation::Pass, Outcome::Fail(why)) => Verdict::Unexpected(why.clone()),
        (Expectation::Pass, Outcome::Skip(why)) => {
            Verdict::Unexpected(format!("the tool skipped it: {why}"))
        }
        (Expectation::Fail(reason), Outcome::Pass) => Verdict::Unexpected(format!(
            "passes, but is expected to fail ({reason}); `--update` records it"
        )),
        (Expectation::Fail(_), Outcome::Fail(_) | Outcome::Skip(_)) => Verdict::FailedAsExpected,
    }
}

/// One test of a suite.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) expectation: Expectation,
    pub(crate) seconds: Option<u64>,
    pub(crate) arguments: Vec<String>,
    pub(crate) share: Option<String>,
    pub(crate) global: Vec<String>,
    /// Nothing else runs meanwhile.
    pub(crate) alone: bool,
    /// The server has to be at this port.
    pub(crate) port: Option<u16>,
}

/// One file of expectations.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) tests: Vec<Test>,
    path: PathBuf,
    document: DocumentMut,
}

const TABLES: [&str; 6] = ["seconds", "arguments", "share", "global", "alone", "port"];

impl Suite {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(stem, path, &text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(name: String, path: &Path, text: &str) -> Result<Self, String> {
        let document: DocumentMut = text.parse().map_err(|e| format!("{e}"))?;
        let mut tests = Vec::new();
        for (key, item) in document.iter() {
            match item {
                Item::Value(Value::String(value)) => {
                    let expectation =
                        Expectation::parse(value.value()).map_err(|e| format!("{key}: {e}"))?;
                    tests.push(read_test(key, expectation, &document)?);
                }
                Item::Table(_) if TABLES.contains(&key) => {}
                _ => return Err(format!("{key}: neither a test nor a known table")),
            }
        }
        check_names(&name, &tests, &document)?;
        Ok(Self { name, tests, path: path.to_owned(), document })
    }

    /// Sets a test's expectation, keeping the order and the comments of the file.
    pub(crate) fn set(&mut self, test: &str, expectation: &Expectation) {
        if let Some(item) = self.document.get_mut(test) {
            let decor = item.as_value().map(|value| value.decor().clone());
            let mut value = Value::from(expectation.to_string());
            if let Some(decor) = decor {
                *value.decor_mut() = decor;
            }
            *item = Item::Value(value);
        }
    }

    pub(crate) fn save(&self) -> Result<(), String> {
        fs::write(&self.path, self.document.to_string())
            .map_err(|e| format!("{}: {e}", self.path.display()))
    }
}

fn read_test(key: &str, expectation: Expectation, from: &DocumentMut) -> Result<Test, String> {
    let entry = |table: &str| from.get(table).and_then(|table| table.get(key));
    let wrong = |table: &str| format!("[{table}] {key}: wrong type");
    let list = |table: &str| -> Result<Vec<String>, String> {
        let Some(item) = entry(table) else {
            return Ok(Vec::new());
        };
        let array = item.as_array().ok_or_else(|| wrong(table))?;
        array.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| wrong(table))).collect()
    };
    let seconds = match entry("seconds") {
        None => None,
        Some(item) => {
            let seconds = item.as_integer().and_then(|seconds| u64::try_from(seconds).ok());
            Some(seconds.ok_or_else(|| wrong("seconds"))?)
        }
    };
    let share = match entry("share") {
        None => None,
        Some(item) => Some(item.as_str().ok_or_else(|| wrong("share"))?.to_owned()),
    };
    let port =
        entry("port").map(|item| item.as_integer().and_then(|port| u16::try_from(port).ok()));
    let alone = entry("alone").map(|why| why.as_str().filter(|why| !why.is_empty()));
    Ok(Test {
        name: key.to_owned(),
        expectation,
        seconds,
        arguments: list("arguments")?,
        share,
        global: list("global")?,
        alone: alone.map(|why| why.ok_or_else(|| wrong("alone"))).transpose()?.is_some(),
        port: port.map(|port| port.ok_or_else(|| wrong("port"))).transpose()?,
    })
}

/// Tests must belong to the file's suite, and tables must speak of tests that exist.
fn check_names(suite: &str, tests: &[Test], document: &DocumentMut) -> Result<(), String> {
    for test in tests {
        if !matches(suite, &test.name) {
            return Err(format!("{} is not of the suite {suite}", test.name));
        }
    }
    for table in TABLES {
        let Some(table) = document.get(table).and_then(Item::as_table) else {
            continue;
        };
        for (key, _) in table {
            if !tests.iter().any(|test| test.name == key) {
                return Err(format!("{key} in a table, but not among the tests"));
            }
        }
    }
    Ok(())
}

/// All suites, in the order of their names.
pub(crate) fn load_all(directory: &Path) -> Result<Vec<Suite>, String> {
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| Suite::load(path)).collect()
}

/// Whether a filter chooses a test: the name itself, a dotted prefix of it, or a pattern with `*`.
pub(crate) fn matches(filter: &str, name: &str) -> bool {
    if filter.contains('*') {
        return glob(filter.as_bytes(), name.as_bytes());
    }
    name.strip_prefix(filter).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| glob(rest, &name[skip..])),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(first, name)| first == byte && glob(rest, name))
        }
    }
}

/// A reason that nobody wrote: what smbtorture said, at a line of its source, or that there was nothing
/// to say yet.
fn is_measured(reason: &str) -> bool {
    reason.starts_with("not built yet") || reason.contains(".c:")
}

/// Where in smbtorture's source it ended; the rest of the words has times and numbers of that run.
fn place(reason: &str) -> &str {
    let Some(line) = reason.find(".c:").map(|at| at + 3) else { return reason };
    let digits = reason[line..].bytes().take_while(u8::is_ascii_digit).count();
    &reason[..line + digits]
}

/// The expectation that `--update` writes, if it is another one.
pub(crate) fn updated(old: &Expectation, outcome: &Outcome, force: bool) -> Option<Expectation> {
    match (old, outcome) {
        (Expectation::Fail(_), Outcome::Pass) => Some(Expectation::Pass),
        (Expectation::Fail(reason), Outcome::Fail(why) | Outcome::Skip(why))
            if is_measured(reason) && place(reason) != place(why) =>
        {
            Some(Expectation::Fail(why.clone()))
        }
        (Expectation::Pass, Outcome::Fail(why) | Outcome::Skip(why)) if force => {
            Some(Expectation::Fail(why.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Head.\n\"s.a.one\" = \"pass\"\n# Between.\n\"s.a.two\" = \"fail: not built yet\" # After.\n\n[seconds]\n\"s.a.two\" = 150\n";

    fn suite(text: &str) -> Result<Suite, String> {
        Suite::parse("s.a".into(), Path::new("s.a.toml"), text)
    }

    #[test]
    fn a_suite_is_read() {
        let suite = suite(TEXT).unwrap();
        assert_eq!(suite.tests.len(), 2);
        assert_eq!(suite.tests[0].expectation, Expectation::Pass);
        assert_eq!(suite.tests[1].expectation, Expectation::Fail("not built yet".into()));
        assert_eq!(suite.tests[1].seconds, Some(150));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("\"s.a.x\" = \"passes\"", "s.a.x"),
            ("\"s.a.x\" = \"fail:\"", "no reason"),
            ("\"s.b.x\" = \"pass\"", "not of the suite"),
            ("\"s.a.x\" = 3", "s.a.x"),
            ("\"s.a.x\" = \"pass\"\n[second]\n", "second"),
            ("\"s.a.x\" = \"pass\"\n[seconds]\n\"s.a.y\" = 3", "s.a.y"),
        ] {
            let error = suite(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_update_keeps_order_and_comments() {
        let mut suite = suite(TEXT).unwrap();
        suite.set("s.a.two", &Expectation::Pass);
        assert_eq!(suite.document.to_string(), TEXT.replace("fail: not built yet", "pass"));
    }

    #[test]
    fn updates_never_take_a_pass_away_unless_forced() {
        let fail = Outcome::Fail("why".into());
        assert_eq!(updated(&Expectation::Pass, &fail, false), None);
        let forced = updated(&Expectation::Pass, &fail, true);
        assert_eq!(forced, Some(Expectation::Fail("why".into())));
        let unbuilt = Expectation::Fail("not built yet (room waiting)".into());
        assert_eq!(updated(&unbuilt, &fail, false), Some(Expectation::Fail("why".into())));
        assert_eq!(updated(&unbuilt, &Outcome::Pass, false), Some(Expectation::Pass));
        let known = Expectation::Fail("excludes its twin".into());
        assert_eq!(updated(&known, &fail, false), None);
        let here = Expectation::Fail("smb2/a.c:12: at 7 o'clock".into());
        let (same, moved) = ("smb2/a.c:12: at 8 o'clock", "smb2/a.c:123: later");
        assert_eq!(updated(&here, &Outcome::Fail(same.into()), false), None);
        let moved = Outcome::Fail(moved.into());
        assert_eq!(
            updated(&here, &moved, false),
            Some(Expectation::Fail("smb2/a.c:123: later".into()))
        );
        assert_eq!(updated(&unbuilt, &Outcome::Died("dead".into()), true), None);
    }

    #[test]
    fn a_dead_server_is_never_expected() {
        let died = Outcome::Died("dead".into());
        let verdict = judge(&Expectation::Fail("x".into()), &died);
        assert!(matches!(verdict, Verdict::Unexpected(_)));
    }

    #[test]
    fn both_kinds_of_surprise() {
        let fail = Outcome::Fail("x".into());
        assert!(matches!(judge(&Expectation::Pass, &fail), Verdict::Unexpected(_)));
        let expected = Expectation::Fail("x".into());
        assert!(matches!(judge(&expected, &Outcome::Pass), Verdict::Unexpected(_)));
        assert_eq!(judge(&expected, &fail), Verdict::FailedAsExpected);
        assert_eq!(judge(&Expectation::Pass, &Outcome::Pass), Verdict::Passed);
    }

    #[test]
    fn filters() {
        assert!(matches("smb2.lock", "smb2.lock.async"));
        assert!(matches("smb2.lock.async", "smb2.lock.async"));
        assert!(!matches("smb2.session", "smb2.session-id"));
        assert!(matches("smb2.*.cancel", "smb2.lock.cancel"));
        assert!(matches("*", "smb2.lock.cancel"));
        assert!(!matches("*.cancel", "smb2.lock.cancelled"));
    }

    #[test]
    fn the_suites_of_this_project_are_well_formed() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
        assert!(!load_all(&here).unwrap().is_empty());
    }
}
