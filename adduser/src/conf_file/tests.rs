//! The file as a whole; single lines and single values are tested where they are read.

use super::*;

fn parse(text: &str) -> ConfFile {
    ConfFile::parse(text.as_bytes(), Path::new("ksmbd.conf")).expect("a right file")
}

fn problems(text: &str) -> Vec<String> {
    let problems = ConfFile::parse(text.as_bytes(), Path::new("ksmbd.conf"));
    problems.expect_err("a wrong file").iter().map(ToString::to_string).collect()
}

fn value<'a>(file: &'a ConfFile, section: &str, key: &str) -> Option<&'a str> {
    Some(file.section(section)?.get(key)?.value())
}

#[test]
fn keeps_order_spelling_and_lines() {
    let file = parse("\n[Zed]\npath = /z\n[global]\n workgroup = W\n[alpha]\nRead Only = no\n");
    let names: Vec<_> = file.sections().iter().map(Section::name).collect();
    assert_eq!(names, ["Zed", "global", "alpha"]);
    let shares: Vec<_> = file.shares().map(Section::name).collect();
    assert_eq!(shares, ["Zed", "alpha"]);
    assert_eq!(file.section("zED").map(Section::line), Some(2));
    assert_eq!(file.section("zED").map(Section::folded_name), Some("zed"));
    let entry = file.section("alpha").and_then(|share| share.get("read only")).expect("entry");
    assert_eq!((entry.section(), entry.value(), entry.line()), ("alpha", "no", 7));
    assert_eq!(value(&file, "global", "workgroup"), Some("W"));
    assert!(file.global().expect("global").is_global());
    assert_eq!(file.path(), Path::new("ksmbd.conf"));
    assert!(file.warnings().is_empty());
}

#[test]
fn equal_sections_merge() {
    let file = parse("[Öl]\npath = /a\n[b]\npath = /b\n[öL]\ncomment = c\n");
    assert_eq!(file.sections().len(), 2);
    assert_eq!(value(&file, "Öl", "path"), Some("/a"));
    assert_eq!(value(&file, "Öl", "comment"), Some("c"));
    assert_eq!(file.sections()[0].entries().len(), 2);
}

#[test]
fn the_first_value_that_is_not_empty_counts() {
    let file = parse("[a]\npath =\npath = /1\n[A]\nPATH = /2\npath =\n");
    assert_eq!(value(&file, "a", "path"), Some("/1"));
    let warnings: Vec<_> = file.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["ksmbd.conf:5: [a] path: lines 3 and 5 both set it; the first counts, `/1`; remove one \
          of the two lines"]
    );
    assert_eq!(file.warnings()[0].severity, Severity::Warning);
}

#[test]
fn an_empty_value_is_no_value() {
    let file = parse("[a]\ncomment = ; nothing\n");
    assert_eq!(value(&file, "a", "comment"), None);
    assert!(file.section("a").expect("section").entries().is_empty());
}

#[test]
fn files_from_other_systems() {
    let file = parse("\u{feff}[a]\r\npath = /srv/a b \t# x\r\n\r\n");
    assert_eq!(value(&file, "a", "path"), Some("/srv/a b"));
    assert_eq!(parse("").sections().len(), 0);
    let utf16 = ConfFile::parse(b"\xff\xfe[\0a\0]\0", Path::new("c")).expect_err("UTF-16");
    assert_eq!(utf16[0].to_string(), "c:1: the file is UTF-16; save the file as UTF-8");
}

#[test]
fn all_problems_are_reported() {
    assert_eq!(
        problems("path = /x\n[a]\njunk\npath = /a\npath = /b\n[b\nmore\n= x\n"),
        [
            "ksmbd.conf:1: the key `path` is before the first section; write [global] or a \
             share's [name] above it",
            "ksmbd.conf:3: [a] `junk` is neither a [section] nor `key = value` nor a comment; \
             write `key = value`, or begin the line with # to make it a comment",
            "ksmbd.conf:5: [a] path: lines 4 and 5 both set it; the first counts, `/a`; remove \
             one of the two lines",
            "ksmbd.conf:6: `[b` has no closing bracket; write the share's name in brackets, \
             [name], alone on its line",
            "ksmbd.conf:7: `more` is neither a [section] nor `key = value` nor a comment; write \
             `key = value`, or begin the line with # to make it a comment",
            "ksmbd.conf:8: `= x` has no key before the `=`; write `key = value`, or begin the \
             line with # to make it a comment",
        ]
    );
}

#[test]
fn entries_below_a_wrong_header_are_nobodys() {
    let wrong = problems("[a]\npath = /a\n[b\npath = /b\n");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(problems("[b\npath = /b\n").len(), 1);
}

#[test]
fn a_continued_line_is_told_from_junk() {
    let wrong = problems("[a]\nvalid users = x \\\n  y\n");
    assert_eq!(wrong.len(), 1);
    assert!(
        wrong[0]
            .ends_with("a backslash does not continue a line here: write the value on one line")
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    let scratch = crate::scratch::Scratch::new("conf-missing");
    let path = scratch.path().join("ksmbd.conf");
    let problem = ConfFile::load(&path).expect_err("missing").remove(0);
    assert!(problem.is_error());
    assert!(problem.to_string().contains("ksmbd.conf: cannot read it: "), "{problem}");
    assert!(problem.to_string().ends_with("; create the file, or name another with -C"));
    assert!(ConfFile::load_if_exists(&path).expect("no error").is_none());
    let path = scratch.file("ksmbd.conf", "[global]\nworkgroup = W\n");
    assert_eq!(value(&ConfFile::load(&path).expect("right"), "global", "workgroup"), Some("W"));
    assert!(ConfFile::load_if_exists(&path).expect("right").is_some());
    assert!(ConfFile::load(scratch.path()).is_err());
    let endless = ConfFile::load(Path::new("/dev/zero")).expect_err("endless").remove(0);
    assert_eq!(
        endless.to_string(),
        "/dev/zero: cannot read it: it has more than 16777216 bytes; check the file, or name \
         another with -C"
    );
}
