//! The program from outside: command line, files, signals, exit status.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(20);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ksmbd-mountd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A folder with a configuration of one share.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ksmbd-program-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        let folder = Self(path);
        folder.configure("[a]\npath = /tmp\n");
        folder
    }

    fn configure(&self, text: &str) {
        fs::write(self.0.join("conf"), text).expect("file");
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server, and what it says on one of its outputs, line by line.
struct Server<R> {
    child: Child,
    output: BufReader<R>,
}

impl<R: Read> Server<R> {
    fn line_with(&mut self, wanted: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("a line");
            assert_ne!(read, 0, "`{wanted}` was not said, but:\n{said}");
            if line.contains(wanted) {
                return line;
            }
            said.push_str(&line);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status.code();
            }
            assert!(start.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<R> Drop for Server<R> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> Server<std::process::ChildStderr> {
    let mut child = program(arguments).spawn().expect("it starts");
    let output = BufReader::new(child.stderr.take().expect("a pipe"));
    Server { child, output }
}

#[test]
fn help_version_and_wrong_options() {
    let help = run(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("--try [DIR]"));
    let version = run(&["-V"]);
    assert!(version.status.success() && text(&version.stdout).starts_with("ksmbd.mountd "));
    let wrong = run(&["--nosuch"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("Try `ksmbd.mountd --help`"));
}

#[test]
fn a_missing_configuration_is_said_with_the_remedy() {
    let output = run(&["-n", "-C", "/nonexistent/ksmbd.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("/nonexistent/ksmbd.conf: cannot read it"), "{said}");
    assert!(said.contains("create the file, or name another with -C"), "{said}");
}

#[test]
fn signals_reload_list_and_stop() {
    let folder = Folder::new("signals");
    let (conf, pwddb, port) = (folder.path("conf"), folder.path("db"), free_port().to_string());
    let mut server = serve(&["-n", "-C", &conf, "-P", &pwddb, "-p", &port]);
    server.line_with("serving IPC$, a on ");
    folder.configure("junk\n");
    server.signal(Signal::HUP);
    server.line_with("not reloaded, everything but the accounts stays as it was");
    server.signal(Signal::USR1);
    server.line_with("serving IPC$, a on ");
    folder.configure("[b]\npath = /tmp\n");
    server.signal(Signal::HUP);
    server.line_with("reloaded");
    server.signal(Signal::USR1);
    server.line_with("serving IPC$, b on ");
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn a_port_that_is_taken_is_said_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = run(&["--try", "-p", &port]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    assert!(said.contains("choose another port with -p"), "{said}");
}

#[test]
fn trying_out_ends_cleanly_and_leaves_nothing() {
    let port = free_port().to_string();
    let mut child = program(&["--try", "-p", &port]).spawn().expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut server = Server { child, output };
    let first = server.line_with("Serving ");
    let folder = PathBuf::from(first.trim_start_matches("Serving ").trim());
    assert!(folder.is_dir());
    server.line_with(&format!("smbclient //127.0.0.1/share -p {port} -U try%"));
    server.line_with("Ctrl-C ends it");
    assert_eq!(server.end(Signal::INT), Some(0));
    assert!(!folder.exists());
}

#[test]
fn in_the_background_it_serves_when_the_first_process_ends() {
    let folder = Folder::new("background");
    let (conf, pwddb, port) = (folder.path("conf"), folder.path("db"), free_port());
    let shown = port.to_string();
    let output = run(&["-C", &conf, "-P", &pwddb, "-p", &shown]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("serving IPC$, a on "), "{said}");
    TcpStream::connect(("127.0.0.1", port)).expect("it serves");
    let pid = background(&conf).expect("it runs");
    kill_process(pid, Signal::TERM).expect("signalled");
    let start = Instant::now();
    while background(&conf).is_some() {
        assert!(start.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    folder.configure("junk\n");
    let output = run(&["-C", &conf, "-P", &pwddb, "-p", &shown]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("`junk` is neither"));
    assert!(background(&conf).is_none());
}

/// The process that was started with this configuration file. One that has ended has no arguments.
fn background(conf: &str) -> Option<Pid> {
    fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).find_map(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).ok()?;
        let ours = arguments.split(|&byte| byte == 0).any(|argument| argument == conf.as_bytes());
        let pid = entry.file_name().to_str()?.parse().ok()?;
        ours.then(|| Pid::from_raw(pid)).flatten()
    })
}

#[test]
fn check_says_what_would_be_served_and_every_problem() {
    let folder = Folder::new("check");
    let (conf, pwddb) = (folder.path("conf"), folder.path("db"));
    let check = || run(&["--check", "-C", &conf, "-P", &pwddb, "-p", "4450"]);
    folder.configure("[a]\npath = /tmp\nread only = no\nworkgroup = X\n");
    let output = check();
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in ["[global]\n", "[IPC$]\n", "[a]\n    path = /tmp\n", "    read only = no\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(shown.contains("# listens on "), "{shown}");
    assert!(said.contains(":4: [a] workgroup: it is the server's and not a share's"), "{said}");
    assert!(said.contains("no errors, 1 warning"), "{said}");
    // A share that would not be served is an error, though the server would start.
    folder.configure("[a]\npath = /tmp\n[b]\npath = tmp\n");
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("1 error, no warnings"));
    assert!(!text(&output.stdout).contains("[b]"));
    folder.configure("junk\n[global]\ntcp port = x\n");
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("`junk` is neither"), "{output:?}");
}

#[test]
fn a_reload_takes_global_and_says_what_needs_a_restart() {
    let folder = Folder::new("globals");
    let (conf, pwddb, port) = (folder.path("conf"), folder.path("db"), free_port().to_string());
    let mut server = serve(&["-n", "-C", &conf, "-P", &pwddb, "-p", &port]);
    server.line_with("serving IPC$, a on ");
    let address = format!("127.0.0.1:{port}");
    let mut first = TcpStream::connect(&address).expect("it serves");
    folder.configure("[global]\nmax connections = 1\ntcp port = 4451\n[a]\npath = /tmp\n");
    server.signal(Signal::HUP);
    server.line_with("[global] tcp port has changed; restart the server to listen elsewhere");
    server.line_with("reloaded; a restart is needed for: tcp port");
    // The limit is the new one, and who was there stays.
    let mut second = TcpStream::connect(&address).expect("the kernel takes it");
    assert_eq!(second.read(&mut [0; 1]).ok(), Some(0), "closed at once");
    first.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    first.read(&mut [0; 1]).expect_err("still open, and nothing to say");
    assert_eq!(server.end(Signal::TERM), Some(0));
}

/// ksmbd's: 0 when it was done, help and version included, else 1; nothing else, and never in silence.
#[test]
fn exit_codes_of_both_programs() {
    let mountd = env!("CARGO_BIN_EXE_ksmbd-mountd");
    let control = env!("CARGO_BIN_EXE_ksmbd-control");
    for (program, name) in [(mountd, "ksmbd.mountd"), (control, "ksmbd.control")] {
        for (line, code, says) in [
            ("--help", 0, format!("Usage: {name} ")),
            ("-h", 0, format!("Usage: {name} ")),
            ("--version", 0, format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
            ("-V", 0, format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
            // Help counts, whatever else is asked.
            ("-V --help", 0, format!("Usage: {name} ")),
            ("--nosuch", 1, format!("{name}: invalid option '--nosuch'\nTry `{name} --help`.\n")),
            (
                "nosuch",
                1,
                format!("{name}: unexpected argument \"nosuch\"\nTry `{name} --help`.\n"),
            ),
        ] {
            let arguments = line.split(' ');
            let output = Command::new(program).args(arguments).output().expect("it runs");
            let (used, empty) = match code {
                0 => (&output.stdout, &output.stderr),
                _ => (&output.stderr, &output.stdout),
            };
            assert_eq!(output.status.code(), Some(code), "{name} {line}");
            assert!(text(used).starts_with(&says), "{name} {line}: {}", text(used));
            assert!(empty.is_empty(), "{name} {line}: {}", text(empty));
        }
    }
    let output = Command::new(control).args(["-l", "--socket=/nonexistent"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("ksmbd.control: "), "{output:?}");
}
