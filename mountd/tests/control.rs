//! `ksmbd.control` and the server, from outside.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

/// A server of one share, with a control socket.
struct Server {
    folder: PathBuf,
    port: u16,
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn start(test: &str) -> Self {
        let name = format!("ksmbd-control-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("folder");
        fs::write(folder.join("conf"), "[a]\npath = /tmp\n").expect("file");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut child = Command::new(env!("CARGO_BIN_EXE_ksmbd-mountd"))
            .arg("-n")
            .arg("-C")
            .arg(folder.join("conf"))
            .arg("-P")
            .arg(folder.join("db"))
            .arg("--control")
            .arg(folder.join("control"))
            .args(["-p", &port.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut server = Self { folder, port, child, log };
        server.line_with("serving IPC$, a on ");
        server
    }

    fn line_with(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).expect("a line"), 0, "no `{wanted}`");
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ksmbd-control"));
        command.arg("--socket").arg(self.folder.join("control")).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn tells(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str]) -> String {
        failed(&self.command(arguments).output().expect("it runs"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[track_caller]
fn failed(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("ksmbd.control: "), "{said}");
    said
}

/// Negotiates SMB 2.1, with a GUID of 0x11 bytes.
fn negotiate(port: u16) -> TcpStream {
    let mut message = vec![0xfe, b'S', b'M', b'B', 64, 0];
    message.resize(64, 0);
    // StructureSize, one dialect, signing enabled.
    message.extend([36, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0x11; 16]);
    message.extend([0; 8]);
    message.extend([0x10, 0x02]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it serves");
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    stream.write_all(&length).expect("written");
    stream.write_all(&message).expect("written");
    stream.read_exact(&mut [0; 68]).expect("an answer");
    stream
}

#[test]
fn a_server_tells_and_is_told() {
    let mut server = Server::start("all");
    assert_eq!(server.tells(&["-c"]).trim(), env!("CARGO_PKG_VERSION"));
    assert_eq!(server.tells(&["--list"]), "IPC$\na\t/tmp\n");
    assert_eq!(server.tells(&["-d", "vfs"]), "smb auth [vfs] oplock ipc conn rdma\n");
    assert_eq!(server.tells(&["--debug=vfs"]), "smb auth vfs oplock ipc conn rdma\n");
    assert!(server.refuses(&["-d", "net"]).contains("there is no component `net`; write all,"));

    fs::write(server.folder.join("conf"), "[b]\npath = /tmp\n").expect("file");
    assert_eq!(server.tells(&["-r"]), "reloaded\n");
    assert_eq!(server.tells(&["-l"]), "IPC$\nb\t/tmp\n");
    fs::write(server.folder.join("conf"), "junk\n").expect("file");
    assert!(
        server
            .refuses(&["-r"])
            .contains("not reloaded, everything but the accounts stays as it was")
    );

    assert_eq!(server.tells(&["-s"]), "stopped\n");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
    assert!(!server.folder.join("control").exists());
    assert!(server.refuses(&["-s"]).contains("is ksmbd.mountd running?"));
}

/// A file system that does not answer: here a FIFO that nobody writes to.
#[test]
fn a_reload_that_never_ends_keeps_nobody() {
    let mut server = Server::start("hangs");
    let database = server.folder.join("db");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &database, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a FIFO");
    let mut reload = server.command(&["-r"]).stderr(Stdio::null()).spawn().expect("it runs");
    let tasks = format!("/proc/{}/task", server.child.id());
    let is_at_it = || {
        let mut tasks = fs::read_dir(&tasks).expect("its threads").flatten();
        tasks.any(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm == "ksmbd.answer\n")
        })
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !is_at_it() {
        assert!(std::time::Instant::now() < until, "no reload has begun");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(server.tells(&["-c"]).trim(), env!("CARGO_PKG_VERSION"));
    assert_eq!(reload.try_wait().expect("a child"), None, "it does not end");
    assert_eq!(server.tells(&["-s"]), "stopped\n");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
    let _ = reload.kill();
    let _ = reload.wait();
}

#[test]
fn the_status_shows_who_is_there() {
    let server = Server::start("status");
    let shown = server.tells(&["--status"]);
    assert!(shown.starts_with("Connections: none\n"), "{shown}");
    let client = negotiate(server.port);
    let shown = server.tells(&["--status"]);
    let address = client.local_addr().expect("an address").to_string();
    assert!(shown.contains("HMAC-SHA256") && shown.contains(" 2.1 "), "{shown}");
    let value: Value = serde_json::from_str(&server.tells(&["--status", "--json"])).expect("JSON");
    let connection = &value["connections"][0];
    assert_eq!(connection["dialect"], "2.1");
    assert_eq!(connection["client_guid"], "11111111-1111-1111-1111-111111111111");
    assert!(connection["address"].as_str().is_some_and(|text| {
        text == address || text.contains(&client.local_addr().expect("one").port().to_string())
    }));
    let budgets = value["budgets"].as_array().expect("budgets");
    let budget = |name: &str| budgets.iter().find(|budget| budget["name"] == name).expect("it");
    assert_eq!(
        (&budget("connections")["used"], &budget("connections")["limit"]),
        (&Value::from(1), &Value::from(256))
    );
    assert_eq!(budget("pipes")["limit"], 256);
    assert_eq!(budget("directories watched outside SMB")["limit"], 4096);
}

#[test]
fn others_are_refused() {
    let server = Server::start("others");
    let socket = server.folder.join("control");
    let uid = fs::metadata(&socket).expect("file").uid();
    if uid != 0 {
        println!("skipped: needs root");
        return;
    }
    // A copy that everybody may execute, wherever this one is built.
    let program = server.folder.join("ksmbd-control");
    fs::copy(env!("CARGO_BIN_EXE_ksmbd-control"), &program).expect("copied");
    fs::set_permissions(&server.folder, fs::Permissions::from_mode(0o755)).expect("set");
    let ask = || {
        let mut command = Command::new(&program);
        command.arg("--socket").arg(&socket).arg("-s").uid(65_534).gid(65_534);
        loop {
            match command.current_dir("/").output() {
                // Another test forked while the copy was written, and has not executed yet.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                output => return failed(&output.expect("it runs")),
            }
        }
    };
    let said = ask();
    assert!(said.contains("run as root, or as the server's user"), "{said}");
    // Even if the file lets everybody connect.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).expect("set");
    let said = ask();
    assert!(said.contains("only root and the server's own user may control it"), "{said}");
    assert!(server.tells(&["-l"]).contains("IPC$"), "it still runs");
}

#[test]
fn help_version_and_wrong_options() {
    let run = |argument: &str| {
        Command::new(env!("CARGO_BIN_EXE_ksmbd-control")).arg(argument).output().expect("it runs")
    };
    assert!(text(&run("--help").stdout).contains("--ksmbd-version"));
    assert!(text(&run("-V").stdout).starts_with("ksmbd.control "));
    assert!(failed(&run("--nosuch")).contains("Try `ksmbd.control --help`"));
}
