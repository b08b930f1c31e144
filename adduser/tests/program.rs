//! The program as it is run: options, prompts, files, exit status.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ksmbd_adduser::{Database, NtHash};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ksmbd-adduser");

/// A folder with a database and a configuration of its own.
struct Fixture(PathBuf);

impl Fixture {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ksmbd-run-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("folder");
        let fixture = Self(folder);
        fixture.write_conf("[global]\n[docs]\nvalid users = keeper @staff\n");
        fixture
    }

    fn db(&self) -> PathBuf {
        self.0.join("ksmbdpwd.db")
    }

    fn write_conf(&self, text: &str) {
        fs::write(self.0.join("ksmbd.conf"), text).expect("configuration");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("-C").arg(self.0.join("ksmbd.conf")).arg("-P").arg(self.db());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that refuses early does not read it.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        child.wait_with_output().expect("it ends")
    }

    fn load(&self) -> Database {
        Database::load(&self.db()).expect("a right database")
    }

    fn has(&self, name: &str, password: &str) -> bool {
        self.load().get(name) == Some(&NtHash::from_password(password))
    }

    fn names(&self) -> Vec<String> {
        self.load().iter().map(|(name, _)| name.to_owned()).collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn succeeds(output: &Output, says: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(text.contains(says), "{text}");
}

#[track_caller]
fn fails(output: &Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("ksmbd.adduser: "), "{errors}");
    assert!(errors.contains(says), "{errors}");
}

#[test]
fn adds_updates_and_deletes() {
    let fixture = Fixture::new("basic");
    succeeds(&fixture.run(&["-a", "-p", "one", "zoe"]), "account `zoe` added\n");
    succeeds(&fixture.run(&["--add", "--password=two", "alice"]), "account `alice` added\n");
    assert_eq!(fixture.names(), ["alice", "zoe"]);
    assert!(fixture.has("alice", "two"));
    assert_eq!(fs::metadata(fixture.db()).expect("file").mode() & 0o137, 0);

    succeeds(&fixture.run(&["-u", "-p", "three", "alice"]), "account `alice` updated\n");
    succeeds(&fixture.run(&["alice", "-pfour"]), "account `alice` updated\n");
    succeeds(&fixture.run(&["Jürgen", "-p", "größe"]), "account `Jürgen` added\n");
    assert!(fixture.has("alice", "four"));
    assert!(fixture.has("Jürgen", "größe"));

    succeeds(&fixture.run(&["-d", "alice"]), "account `alice` deleted\n");
    assert_eq!(fixture.names(), ["Jürgen", "zoe"]);
}

#[test]
fn refuses_what_does_not_fit_the_database() {
    let fixture = Fixture::new("unfit");
    fails(&fixture.run(&["-d", "alice"]), "there is no account `alice` to delete");
    fails(&fixture.run(&["-u", "-p", "x", "alice"]), "no account `alice`; use --add to add it");
    assert!(!fixture.db().exists());
    succeeds(&fixture.run(&["-a", "-p", "x", "alice"]), "added");
    fails(&fixture.run(&["-a", "-p", "y", "alice"]), "`alice` already; use --update");
    assert!(fixture.has("alice", "x"));
    let long = "x".repeat(48);
    fails(&fixture.run(&["-p", "x", &long]), "it has 48 bytes, 47 are allowed; use another name");
    fails(&fixture.run(&["-p", "x", "a:b"]), "`a:b` cannot be an account name: it contains `:`");
    fails(&fixture.run(&["-p", "x", ""]), "it is empty");
    fails(&fixture.run(&[]), "USER is missing\nTry `ksmbd.adduser --help`.");
    assert_eq!(fixture.names(), ["alice"]);
}

#[test]
fn help_and_version() {
    let fixture = Fixture::new("help");
    succeeds(&fixture.run(&["--help"]), "Usage: ksmbd.adduser ");
    succeeds(&fixture.run(&["-V"]), concat!("ksmbd.adduser ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn reads_the_password_from_a_pipe() {
    let fixture = Fixture::new("pipe");
    succeeds(&fixture.run_with_input(&["alice"], b"one line\n"), "added");
    assert!(fixture.has("alice", "one line"));
    succeeds(&fixture.run_with_input(&["alice"], b"two\ntwo\n"), "updated");
    assert!(fixture.has("alice", "two"));
    fails(&fixture.run_with_input(&["alice"], b"two\nthree\n"), "the passwords differ");
    fails(&fixture.run(&["alice"]), "there is no password on standard input");
    fails(&fixture.run_with_input(&["alice"], &[b'x'; 129]), "128 are allowed");
    fails(&fixture.run_with_input(&["alice"], b"\xff\n"), "it is not UTF-8");
    assert!(fixture.has("alice", "two"));
    let empty = fixture.run_with_input(&["alice"], b"\n");
    succeeds(&empty, "updated");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("the password is empty"));
}

#[test]
fn a_wrong_database_is_named_and_left_alone() {
    let fixture = Fixture::new("wrong-db");
    succeeds(&fixture.run(&["-p", "x", "alice"]), "added");
    let mut file = OpenOptions::new().append(true).open(fixture.db()).expect("file");
    file.write_all(b"\nbob;c2VjcmV0\n").expect("written");
    let before = fs::read(fixture.db()).expect("file");
    for arguments in [&["-p", "x", "carol"][..], &["-u", "-p", "y", "alice"], &["-d", "alice"]] {
        let output = fixture.run(arguments);
        fails(&output, "ksmbdpwd.db:3: there is no `:` between a name and a hash; remove the line");
        fails(&output, "(nothing was changed)");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("c2VjcmV0"));
    }
    assert_eq!(fs::read(fixture.db()).expect("file"), before);
}

#[test]
fn a_kill_while_writing_keeps_the_old_database() {
    let fixture = Fixture::new("killed");
    succeeds(&fixture.run(&["-p", "x", "alice"]), "added");
    let before = fs::read(fixture.db()).expect("file");
    // No file may have a byte: the first write ends the program on the spot.
    let script = "ulimit -f 0; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", PROGRAM, "-p", "y", "bob", "-C"]);
    command.arg(fixture.0.join("ksmbd.conf")).arg("-P").arg(fixture.db());
    let output = command.stdin(Stdio::null()).output().expect("starts");
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::XFSZ.as_raw()));
    assert_eq!(fs::read(fixture.db()).expect("file"), before);
    // What it left behind is no obstacle.
    succeeds(&fixture.run(&["-p", "y", "bob"]), "added");
    assert_eq!(fixture.names(), ["alice", "bob"]);
    assert_eq!(fs::read_dir(&fixture.0).expect("folder").count(), 2);
}

#[test]
fn concurrent_adds_lose_nothing() {
    let fixture = Fixture::new("concurrent");
    let names: Vec<_> = (0..12).map(|number| format!("user{number:02}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = fixture.command(&["-a", "-p", name, name]);
            command.stdout(Stdio::null()).spawn().expect("starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    assert_eq!(fixture.names(), names);
    assert!(names.iter().all(|name| fixture.has(name, name)));
}

#[test]
fn the_configuration_is_asked() {
    let fixture = Fixture::new("conf");
    succeeds(&fixture.run(&["-p", "x", "keeper"]), "added");
    fails(
        &fixture.run(&["-d", "keeper"]),
        "ksmbd.conf:3: [docs] valid users: it needs the account `keeper`; take the name off",
    );
    fails(&fixture.run(&["-d", "nobody"]), "`nobody` is the guest account; it cannot be deleted");
    fails(&fixture.run(&["-p", "x", "nobody"]), "`nobody` is the guest account; it has no");

    fixture.write_conf("junk\n[docs\n");
    let output = fixture.run(&["-d", "keeper"]);
    fails(&output, "ksmbd.conf:1: `junk` is neither a [section] nor `key = value` nor a comment");
    fails(&output, "ksmbd.conf:2: `[docs` has no closing bracket");
    let output = fixture.run(&["-u", "-p", "new", "keeper"]);
    succeeds(&output, "updated");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ksmbd.conf:1: `junk`"));
    assert!(fixture.has("keeper", "new"));
    fs::remove_file(fixture.0.join("ksmbd.conf")).expect("removed");
    fails(&fixture.run(&["-d", "keeper"]), "create the file, or name another with -C");
}

#[test]
fn a_world_readable_database_is_complained_of_and_closed() {
    let fixture = Fixture::new("world");
    succeeds(&fixture.run(&["-p", "x", "alice"]), "added");
    fs::set_permissions(fixture.db(), fs::Permissions::from_mode(0o644)).expect("chmod");
    let output = fixture.run(&["-p", "x", "bob"]);
    succeeds(&output, "added");
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod 640 it"));
    assert_eq!(fs::metadata(fixture.db()).expect("file").mode() & 0o777, 0o640);
}

/// A terminal, and what the program writes to it.
struct Terminal {
    keyboard: File,
    screen: File,
    line: PathBuf,
}

impl Terminal {
    fn new() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("granted");
        unlockpt(&keyboard).expect("unlocked");
        let name = ptsname(&keyboard, Vec::new()).expect("its name");
        let line = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())).to_owned();
        let keyboard = File::from(keyboard);
        let screen = keyboard.try_clone().expect("cloned");
        Self { keyboard, screen, line }
    }

    fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(&self.line).expect("the terminal's line")
    }

    /// Waits for a question, then answers it.
    fn answer(&mut self, seen: &mut String, question: &str, keys: &str) {
        let from = seen.len();
        while !seen[from..].contains(question) {
            let mut bytes = [0; 256];
            let count = self.screen.read(&mut bytes).expect("output");
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        self.keyboard.write_all(keys.as_bytes()).expect("typed");
    }
}

#[test]
fn asks_twice_without_echo() {
    let fixture = Fixture::new("terminal");
    let mut terminal = Terminal::new();
    let line = terminal.open();
    let mut command = fixture.command(&["alice"]);
    command.stdin(line.try_clone().expect("cloned")).stderr(line.try_clone().expect("cloned"));
    let child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let mut seen = String::new();
    terminal.answer(&mut seen, "New password: ", "geheim\n");
    terminal.answer(&mut seen, "Retype new password: ", "gehiem\n");
    terminal.answer(&mut seen, "New password: ", "gehex\u{7f}im\n");
    terminal.answer(&mut seen, "Retype new password: ", "geheim\n");
    succeeds(&child.wait_with_output().expect("ends"), "account `alice` added\n");
    assert!(seen.contains("The passwords differ, try again."), "{seen}");
    assert!(!seen.contains("geh"), "{seen}");
    assert!(fixture.has("alice", "geheim"));
    let modes = tcgetattr(&line).expect("modes").local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
}

#[test]
fn ctrl_c_cancels_and_brings_the_echo_back() {
    let fixture = Fixture::new("cancel");
    let mut terminal = Terminal::new();
    let line = terminal.open();
    let mut command = fixture.command(&["alice"]);
    command.stdin(line.try_clone().expect("cloned")).stderr(line.try_clone().expect("cloned"));
    let child = command.stdout(Stdio::piped()).spawn().expect("starts");
    terminal.answer(&mut String::new(), "New password: ", "geh\u{3}");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(!fixture.db().exists());
    let modes = tcgetattr(&line).expect("modes").local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
}

/// ksmbd's: 0 when it was done, help and version included, else 1; nothing else, and never in silence.
#[test]
fn exit_codes_of_both_programs() {
    let addshare = env!("CARGO_BIN_EXE_ksmbd-addshare");
    for (program, name) in [(PROGRAM, "ksmbd.adduser"), (addshare, "ksmbd.addshare")] {
        for (line, code, says) in [
            ("--help", 0, format!("Usage: {name} ")),
            ("-h", 0, format!("Usage: {name} ")),
            ("--version", 0, format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
            ("-V", 0, format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
            ("-V --help", 0, format!("Usage: {name} ")),
            ("--nosuch", 1, format!("{name}: invalid option '--nosuch'\nTry `{name} --help`.\n")),
            ("-a -d x", 1, format!("{name}: only one of --add, --update and --delete can be")),
            ("a b", 1, format!("{name}: there is more than one ")),
            ("-C", 1, format!("{name}: missing argument for option '-C'\n")),
        ] {
            let mut command = Command::new(program);
            let output = command.args(line.split(' ')).stdin(Stdio::null()).output();
            let output = output.expect("it runs");
            let (used, empty) = match code {
                0 => (&output.stdout, &output.stderr),
                _ => (&output.stderr, &output.stdout),
            };
            assert_eq!(output.status.code(), Some(code), "{name} {line}");
            let used = String::from_utf8_lossy(used);
            assert!(used.starts_with(&says), "{name} {line}: {used}");
            assert!(empty.is_empty(), "{name} {line}");
        }
    }
}
