//! Style as a test, and it ratchets: what is listed as too long may only get shorter.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file.
const FILE_LIMIT: usize = 800;

/// Lines of a function.
const FUNCTION_LIMIT: usize = 70;

/// Functions that are longer, and how long they may be. Shorten one, and its number goes down.
const LONG_FUNCTIONS: [(&str, &str, usize); LONG_COUNT] = [];
const LONG_COUNT: usize = 0;

/// What a pure state machine does not name.
const IMPURE: [&str; 12] = [
    "std::",
    "extern crate std",
    "SystemTime",
    "thread::",
    "TcpStream",
    "UdpSocket",
    "println!",
    "eprintln!",
    "dbg!(",
    "todo!(",
    "unimplemented!(",
    "#[allow(dead_code",
];

fn root() -> PathBuf {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.parent().map(Path::to_path_buf).unwrap()
}

/// All files below a folder with this extension, by their path from the root.
fn files(folder: &str, extension: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("out") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn sources() -> BTreeMap<String, String> {
    let folders = ["core", "record", "runtime-threads", "mountd", "adduser", "fuzz", "conformance"];
    folders.iter().flat_map(|folder| files(folder, "rs")).collect()
}

/// A file without its inline tests and its comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| !line.starts_with("mod tests {"));
    lines.enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LIMIT, "{path} has {lines} lines, at most {FILE_LIMIT} are allowed");
    }
}

/// The functions of a file, by indentation: from the line that begins one to the brace below it.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let words = body.split([' ', '(']).take(6).collect::<Vec<_>>();
        let Some(at) = words.iter().position(|word| *word == "fn") else { continue };
        let modifiers = ["pub", "const", "async", "unsafe", "extern"];
        let begins = |word: &&str| modifiers.iter().any(|m| word.starts_with(m)) || *word == "in";
        if !words[..at].iter().all(|word| begins(word) || word.ends_with(')')) {
            continue;
        }
        let end = lines[start..].iter().find(|line| line.contains('{') || line.ends_with(';'));
        if end.is_none_or(|line| !line.contains('{')) {
            continue; // A declaration without a body.
        }
        let indent = &line[..line.len() - body.len()];
        let brace = format!("{indent}}}");
        let length = lines[start..].iter().position(|line| **line == brace);
        let name = words.get(at + 1).copied().unwrap_or_default();
        let name = name.split(['<', '(']).next().unwrap_or_default();
        found.push((name.to_owned(), length.map_or(0, |length| length + 1)));
    }
    found
}

#[test]
fn functions_are_short() {
    let mut known: BTreeMap<(&str, &str), usize> =
        LONG_FUNCTIONS.iter().map(|&(path, name, lines)| ((path, name), lines)).collect();
    for (path, text) in sources() {
        for (name, lines) in functions(&text) {
            if lines <= FUNCTION_LIMIT {
                continue;
            }
            let listed = known.keys().find(|known| **known == (path.as_str(), name.as_str()));
            let listed = listed.copied().and_then(|listed| known.remove(&listed));
            let allowed = listed.unwrap_or(FUNCTION_LIMIT);
            assert!(lines <= allowed, "{path}: {name} has {lines} lines, {allowed} are allowed");
            assert!(lines == allowed, "{path}: {name} is shorter now: say {lines} in the list");
        }
    }
    assert!(known.is_empty(), "no longer too long, take them off the list: {known:?}");
}

/// The counting counts.
#[test]
fn functions_are_found() {
    let text =
        "impl A {\n    pub(crate) fn long<T>(\n        a: u8,\n    ) {\n        b();\n    }\n}\n";
    assert_eq!(functions(text), [("long".to_owned(), 5)]);
    assert_eq!(functions("fn one() {\n}\n"), [("one".to_owned(), 2)]);
    assert!(functions("    fn declared(&self);\n}\n").is_empty());
    assert!(functions("let f = |x| x;\n// fn not()\n").is_empty());
}

#[test]
fn the_core_is_pure() {
    for (path, text) in files("core/src", "rs") {
        let tests = path.ends_with("tests.rs") || path.ends_with("testing.rs");
        for (number, line) in code(&text).filter(|_| !tests) {
            for word in IMPURE {
                assert!(!line.contains(word), "{path}:{}: {word}", number + 1);
            }
        }
    }
    let lib = &files("core/src", "rs")["core/src/lib.rs"];
    assert!(lib.contains("\n#![no_std]\n") && lib.contains("\n#![forbid(unsafe_code)]\n"));
}

/// Imports point one way: server → command → flow → state, command → wire.
#[test]
fn nobody_looks_up() {
    let above = [
        ("core/src/wire/", &["state", "flow", "command", "server", "connection"][..]),
        ("core/src/crypto/", &["state", "flow", "command", "server", "connection"]),
        ("core/src/state/", &["flow", "command", "server", "connection", "sink"]),
        ("core/src/flow/", &["command", "server", "connection"]),
        ("core/src/connection/", &["state", "flow", "command", "server"]),
        ("core/src/command/", &["server", "connection"]),
    ];
    for (path, text) in files("core/src", "rs") {
        for (_, forbidden) in above.iter().filter(|(folder, _)| path.starts_with(folder)) {
            for (number, line) in code(&text) {
                let used = |name: &&&str| {
                    line.contains(&format!("crate::{name}::"))
                        || line.starts_with(&format!("    {name}::"))
                };
                let found = forbidden.iter().find(used);
                assert!(found.is_none(), "{path}:{}: uses {found:?}", number + 1);
            }
        }
    }
}

/// Every test that is not expected to pass says why.
#[test]
fn expectations_have_reasons() {
    let suites = files("conformance/suites", "toml");
    assert!(!suites.is_empty());
    for (path, text) in suites {
        for (number, line) in text.lines().enumerate() {
            let value = line.split_once('=').map(|(_, value)| value.trim().trim_matches('"'));
            let Some(value) = value else { continue };
            for kind in ["skip", "fail"] {
                let Some(rest) = value.strip_prefix(kind) else { continue };
                let reason = rest.strip_prefix(':').map(str::trim).unwrap_or_default();
                let at = number + 1;
                assert!(reason.len() > 3, "{path}:{at}: {kind} needs a reason behind a colon");
            }
        }
    }
}

/// A scenario that `main.rs` does not name would never run.
#[test]
fn scenarios_run() {
    let tests = files("core/tests", "rs");
    let main = &tests["core/tests/main.rs"];
    for path in tests.keys() {
        let name = path.strip_prefix("core/tests/").and_then(|path| path.strip_suffix(".rs"));
        let name = name.filter(|name| !name.contains('/') && !["main", "tidy"].contains(name));
        let missing = name.filter(|name| !main.contains(&format!("\nmod {name};\n")));
        assert!(missing.is_none(), "{path} is not in main.rs");
    }
}

/// Scenario tests name the section that they show.
#[test]
fn scenarios_name_their_section() {
    for (path, text) in files("core/tests", "rs") {
        let doc: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let named = ["MS-", "DESIGN", "Style"].iter().any(|name| doc.concat().contains(name));
        assert!(named, "{path}: which section?");
    }
}
