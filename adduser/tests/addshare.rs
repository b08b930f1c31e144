//! `ksmbd-addshare` as it is run: options, the editor, the file, exit status.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder with a configuration of its own.
struct Fixture(PathBuf);

const CONF: &str = "\
[global]
\tworkgroup = HOME

# All of us.
[docs]
\tpath = /tmp  # big disk
\tvalid users = @staff
";

impl Fixture {
    fn new(test: &str) -> Self {
        let name = format!("ksmbd-addshare-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("folder");
        let fixture = Self(folder);
        fs::write(fixture.conf(), CONF).expect("configuration");
        fixture
    }

    fn conf(&self) -> PathBuf {
        self.0.join("ksmbd.conf")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.conf()).expect("file")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ksmbd-addshare"));
        command.arg("-C").arg(self.conf()).arg("-P").arg(self.0.join("db"));
        command.args(arguments).stdin(Stdio::null()).env_remove("VISUAL");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// With an editor that is a script; `$1` is the file.
    fn edit(&self, arguments: &[&str], script: &str) -> Output {
        let editor = self.0.join("editor");
        fs::write(&editor, script).expect("script");
        let editor = format!("sh {}", editor.display());
        self.command(arguments).env("EDITOR", editor).output().expect("it runs")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn succeeds(output: &Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), says);
}

#[track_caller]
fn fails(output: &Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("ksmbd.addshare: "), "{errors}");
    assert!(errors.contains(says), "{errors}");
}

#[test]
fn adds_changes_and_deletes_and_keeps_the_rest() {
    let fixture = Fixture::new("basic");
    let output = fixture.run(&["-a", "new", "-o", "path = /tmp", "--option=read only = no"]);
    succeeds(&output, "share `new` added\n");
    let added = format!("{CONF}\n[new]\n\tpath = /tmp\n\tread only = no\n");
    assert_eq!(fixture.text(), added);
    succeeds(&fixture.run(&["-u", "NEW", "-o", "read only ="]), "share `NEW` updated\n");
    assert_eq!(fixture.text(), added.replace("\tread only = no\n", ""));
    succeeds(&fixture.run(&["docs", "-o", "path=/"]), "share `docs` updated\n");
    assert!(fixture.text().contains("# All of us.\n[docs]\n\tpath = /  # big disk\n"));
    succeeds(&fixture.run(&["docs", "-o", "path=/"]), "share `docs` is as it was\n");
    let output = fixture.run(&["-u", "global", "-o", "tcp port = 4450"]);
    succeeds(&output, "share `global` updated\n");
    assert!(fixture.text().contains("\tworkgroup = HOME\n\ttcp port = 4450\n"));
    succeeds(&fixture.run(&["--delete", "docs"]), "share `docs` deleted\n");
    assert!(!fixture.text().contains("docs") && !fixture.text().contains("All of us"));
    // Nothing else lies about.
    assert_eq!(fs::read_dir(&fixture.0).expect("folder").count(), 1);
}

/// With them there would be no server.
#[test]
fn words_that_are_not_known_are_not_written() {
    let fixture = Fixture::new("words");
    for (option, said) in [
        ("server signing = manditory", "`manditory` is not known; write one of: auto, mandatory,"),
        ("smb3 encryption = on", "`on` is not known; write one of: auto, mandatory,"),
        ("server max protocol = SMB4", "`SMB4` is not known; write one of: SMB2_02,"),
        ("restrict anonymous = yes", "`yes` is not known; write one of: 0, 1, 2"),
        ("tcp port = 70000", "65535"),
    ] {
        let output = fixture.run(&["-u", "global", "-o", option]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(said), "{option}: {error}");
        assert_eq!(fixture.text(), CONF);
    }
}

#[test]
fn global_is_made_where_there_is_none() {
    let fixture = Fixture::new("global");
    fs::write(fixture.conf(), "[a]\npath = /tmp\n").expect("configuration");
    fixture.run(&["-u", "global", "-o", "workgroup = HOME"]);
    let text = fixture.text();
    assert!(text.contains("[global]\n") && text.contains("workgroup = HOME\n"), "{text}");
    assert!(text.starts_with("[a]\npath = /tmp\n"), "{text}");
}

#[test]
fn of_several_options_for_a_key_the_last_counts() {
    let fixture = Fixture::new("last");
    let output = fixture.run(&["docs", "-o", "path = /", "-o", "path = /usr"]);
    succeeds(&output, "share `docs` updated\n");
    assert!(fixture.text().contains("\tpath = /usr  # big disk\n"));
}

#[test]
fn what_is_wrong_changes_nothing() {
    let fixture = Fixture::new("wrong");
    for (arguments, says) in [
        (&["-a", "docs", "-o", "path = /"][..], "there is a share `docs` already; use --update"),
        (&["-u", "none", "-o", "path = /"], "there is no share `none`; use --add"),
        (&["-d", "none"], "there is no share `none` to delete"),
        (&["none", "-o", "comment = x"], "[none] the share has no path"),
        (&["docs", "-o", "read only = maybe"], "read only: `maybe` is not a boolean"),
        (&["docs", "-o", "create mask = 9"], "create mask: `9` is not an octal number"),
        (&["docs", "-o", "path = tmp"], "path: `tmp` does not begin with /"),
        (&["docs", "-o", "pth = /"], "there is no key `pth`; did you mean `path`?"),
        (&["--nosuch"], "Try `ksmbd.addshare --help`"),
    ] {
        fails(&fixture.run(arguments), says);
        assert_eq!(fixture.text(), CONF, "{arguments:?}");
    }
    fs::write(fixture.conf(), "[a]\njunk\n").expect("file");
    let output = fixture.run(&["b", "-o", "path = /tmp"]);
    fails(&output, "ksmbd.conf:2: [a] `junk` is neither a [section] nor");
    fails(&output, "(nothing was changed)");
    assert_eq!(fixture.text(), "[a]\njunk\n");
}

#[test]
fn a_missing_file_is_made_for_a_right_share_alone() {
    let fixture = Fixture::new("missing");
    fs::remove_file(fixture.conf()).expect("removed");
    fails(&fixture.run(&["a", "-o", "comment = x"]), "the share has no path");
    assert!(!fixture.conf().exists());
    succeeds(&fixture.run(&["a", "-o", "path = /tmp"]), "share `a` added\n");
    assert_eq!(fixture.text(), "[a]\n    path = /tmp\n");
    let output = Command::new(env!("CARGO_BIN_EXE_ksmbd-addshare"))
        .args(["-C", "/nonexistent/ksmbd.conf", "a", "-o", "path = /tmp"])
        .output()
        .expect("it runs");
    fails(&output, "/nonexistent/ksmbd.conf: cannot open it");
}

#[test]
fn links_modes_and_odd_values_are_kept_or_told() {
    let fixture = Fixture::new("mode");
    let real = fixture.0.join("real.conf");
    fs::rename(fixture.conf(), &real).expect("renamed");
    symlink("real.conf", fixture.conf()).expect("linked");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).expect("set");
    fs::write(fixture.0.join("db"), "").expect("database");
    let output = fixture.run(&["docs", "-o", "path = /none", "-o", "write list = eve"]);
    succeeds(&output, "share `docs` updated\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no directory `/none` now"), "{said}");
    assert!(said.contains("there is no account `eve`; add it with ksmbd.adduser"), "{said}");
    assert!(fs::symlink_metadata(fixture.conf()).expect("link").is_symlink());
    assert_eq!(fs::metadata(&real).expect("file").mode() & 0o777, 0o604);
}

#[test]
fn the_editor_gets_the_section_alone() {
    let fixture = Fixture::new("editor");
    let script = "cp \"$1\" \"$1\".seen; sed -i 's/@staff/@users/' \"$1\"; \
                  mv \"$1\".seen $(dirname \"$0\")/seen";
    succeeds(&fixture.edit(&["-u", "docs"], script), "share `docs` updated\n");
    let seen = fs::read_to_string(fixture.0.join("seen")).expect("seen");
    assert_eq!(seen, "[docs]\n\tpath = /tmp  # big disk\n\tvalid users = @staff\n");
    assert_eq!(fixture.text(), CONF.replace("@staff", "@users"));
    succeeds(&fixture.edit(&["docs"], "true"), "share `docs` is as it was\n");
    let script = "sed -i 's/path =/path = \\/tmp/' \"$1\"";
    succeeds(&fixture.edit(&["new"], script), "share `new` added\n");
    assert!(fixture.text().contains("\n[new]\n    path = /tmp\n#   comment =\n"));
}

#[test]
fn what_is_edited_wrongly_changes_nothing() {
    let fixture = Fixture::new("editor-wrong");
    for (script, says) in [
        ("exit 3", "failed (exit status: 3); nothing was changed"),
        ("echo junk >> \"$1\"", "`junk` is neither a [section] nor"),
        ("echo '[b]' >> \"$1\"", "there is a second section below [docs]"),
        ("sed -i s/docs/dogs/ \"$1\"", "[docs] has become [dogs]"),
        ("rm \"$1\"", "cannot read it"),
        ("echo 'guest ok = perhaps' >> \"$1\"", "`perhaps` is not a boolean"),
    ] {
        let output = fixture.edit(&["docs"], script);
        fails(&output, says);
        fails(&output, "nothing was changed");
        assert_eq!(fixture.text(), CONF, "{script}");
    }
    fails(&fixture.edit(&["new"], "true"), "the share has no path");
    // Another change in the meantime is not lost.
    let script = "echo '\tcomment = mine' >> \"$1\"; \
                  echo '\tcomment = his' >> $(dirname \"$0\")/ksmbd.conf";
    fails(&fixture.edit(&["docs"], script), "[docs] was changed meanwhile by somebody else");
    assert_eq!(fixture.text(), format!("{CONF}\tcomment = his\n"));
}

#[test]
fn concurrent_changes_lose_nothing() {
    let fixture = Fixture::new("concurrent");
    let names: Vec<_> = (0..8).map(|number| format!("share{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = fixture.command(&["-a", name, "-o", "path = /tmp"]);
            command.stdout(Stdio::null()).spawn().expect("starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    let text = fixture.text();
    assert!(names.iter().all(|name| text.contains(&format!("[{name}]"))), "{text}");
}

#[test]
fn help_and_version() {
    let fixture = Fixture::new("help");
    let help = fixture.run(&["--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("--option=\"KEY = VALUE\""));
    let version = fixture.run(&["-V"]);
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("ksmbd.addshare "));
}
