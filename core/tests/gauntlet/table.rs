//! `GAUNTLET.md` is true: every id of `ids.txt` has one row, and every test that a row names is there
//! (Style is a test: DESIGN 5, rule 10).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a row's tests are, if it has no folder of its own.
const HERE: &str = "core/tests/gauntlet/";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The cells of each row but the headings: id, cause, tests; and the heading the row is below.
fn rows() -> Vec<(String, [String; 3])> {
    let text = fs::read_to_string(root().join("GAUNTLET.md")).unwrap();
    let (mut section, mut rows) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.into();
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            continue;
        };
        let cells: Vec<String> = cells.split(" | ").map(str::to_owned).collect();
        let row: [String; 3] = cells.try_into().unwrap_or_else(|_| panic!("three cells: {line}"));
        if row[0] != "id" {
            rows.push((section.clone(), row));
        }
    }
    rows
}

/// What stands between backticks and has a `::`.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect()
}

#[test]
fn every_id_has_one_row() {
    let ids: Vec<&str> = include_str!("ids.txt").lines().collect();
    let of_ksmbd = rows().into_iter().filter(|(section, _)| section != "Other servers");
    let found: Vec<String> = of_ksmbd.map(|(_, [id, ..])| id).collect();
    let (known, listed): (BTreeSet<&str>, BTreeSet<&str>) =
        (ids.iter().copied().collect(), found.iter().map(String::as_str).collect());
    assert_eq!((known.len(), listed.len()), (ids.len(), found.len()), "one twice");
    let missing: Vec<_> = known.symmetric_difference(&listed).collect();
    assert!(missing.is_empty(), "in one and not in the other: {missing:?}");
}

#[test]
fn every_row_names_tests_that_exist() {
    let mut count = 0;
    for (_, [id, cause, tests]) in rows() {
        assert!(cause.len() > 10, "{id}: what went wrong?");
        let names = named(&tests);
        let excused = ["owed: ", "not here: "].iter().any(|excuse| tests.starts_with(excuse));
        assert!(excused || !names.is_empty(), "{id}: {tests}");
        for name in names {
            exists(&id, name);
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

fn exists(id: &str, name: &str) {
    let (file, function) = name.rsplit_once("::").unwrap();
    let path = if file.contains('/') { file.into() } else { format!("{HERE}{file}.rs") };
    let text = fs::read_to_string(root().join(&path));
    let text = text.unwrap_or_else(|why| panic!("{id}: {path}: {why}"));
    let head = format!("fn {function}()");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.starts_with(&head));
    let at = at.unwrap_or_else(|| panic!("{id}: {path} has no {function}"));
    let is_test = lines[..at].iter().rev().take(4).any(|line| *line == "#[test]");
    assert!(is_test, "{id}: {path}: {function} is no test");
}

/// What is owed, and why, is said below the table.
#[test]
fn what_is_owed_is_explained() {
    let text = fs::read_to_string(root().join("GAUNTLET.md")).unwrap();
    let (_, owed) = text.split_once("## What is owed").unwrap();
    for (_, [id, _, tests]) in rows() {
        let Some(what) = tests.strip_prefix("owed: ") else { continue };
        let what = what.split(';').next().unwrap();
        let whole = owed.contains(&format!("**{what}**"));
        let parts = || what.split(" and ").all(|part| owed.contains(part));
        assert!(whole || parts(), "{id}: {what}");
    }
}
