use std::io::{Read, Write};
use std::net::Shutdown;

use super::super::client;
use super::*;
use ksmbd_adduser::scratch::Scratch;

struct Echo;

impl Handler for Echo {
    fn handle(&self, command: &Command) -> Answer {
        match command {
            Command::Debug(component) => Err(format!("no {component}")),
            command => Ok(command.to_string()),
        }
    }
}

fn serve(scratch: &Scratch) -> (PathBuf, Control) {
    let path = scratch.path().join("control");
    let control = ControlSocket::bind(&path).expect("bound").serve(Echo).expect("served");
    (path, control)
}

/// What the server says to these bytes.
fn say(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).expect("connected");
    // The server may have answered and gone before all was written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

#[test]
fn clients_are_answered_one_by_one() {
    let scratch = Scratch::new("control-answers");
    let (path, control) = serve(&scratch);
    let ask = |command| client::ask(&path, &command).expect("answered").0;
    assert_eq!(ask(Command::List), Ok("list".to_owned()));
    assert_eq!(ask(Command::Debug("x".to_owned())), Err("no x".to_owned()));
    drop(control);
    assert!(!path.exists());
    let gone = client::ask(&path, &Command::List).expect_err("nobody is there");
    assert!(gone.contains("is ksmbd.mountd running"), "{gone}");
}

#[test]
fn malformed_requests_are_survived() {
    let scratch = Scratch::new("control-malformed");
    let (path, _control) = serve(&scratch);
    let long = vec![b'x'; 10_000];
    for (bytes, expected) in [
        (&b""[..], "error 22\nthe request has no end"),
        (b"list", "error 22\nthe request has no end"),
        (b"\n", "error 22\nthere is no command ``"),
        (b"\xff\xfe\n", "error 24\nthe request is not UTF-8"),
        (b"GET / HTTP/1.1\r\n\r\n", "error 25\nthere is no command `GET`"),
        (b"\0\0\0\x10", "error 22\nthe request has no end"),
        (b"list\nshutdown\n", "ok 4\nlist"),
    ] {
        assert_eq!(say(&path, bytes), expected);
    }
    // What it has not read may make the kernel take the answer back.
    let said = say(&path, &long);
    assert!(said.is_empty() || said.contains("longer than 256 bytes"), "{said}");
    // Who says nothing is waited for, and then the next is served.
    let silent = UnixStream::connect(&path).expect("connected");
    assert_eq!(client::ask(&path, &Command::List).expect("answered").0, Ok("list".to_owned()));
    drop(silent);
    // Who does not read his answer is no obstacle.
    drop(UnixStream::connect(&path).expect("connected").write_all(b"list\n"));
    assert_eq!(client::ask(&path, &Command::List).expect("answered").0, Ok("list".to_owned()));
}

#[test]
fn only_root_and_the_servers_user_may() {
    assert!(permitted(0, 1000) && permitted(1000, 1000) && permitted(0, 0));
    assert!(!permitted(1001, 1000) && !permitted(1000, 0));
}

#[test]
fn the_file_is_private_and_only_a_stale_socket_is_replaced() {
    let scratch = Scratch::new("control-stale");
    let path = scratch.path().join("control");
    let socket = ControlSocket::bind(&path).expect("bound");
    assert_eq!(fs::metadata(&path).expect("file").mode() & 0o777, 0o600);
    let error = ControlSocket::bind(&path).expect_err("in use").to_string();
    assert!(error.contains("another server is controlled there"), "{error}");
    drop(socket);
    drop(UnixListener::bind(&path).expect("left behind"));
    assert!(path.exists());
    let socket = ControlSocket::bind(&path).expect("replaced");
    // Another's socket at the same path is left to its owner.
    fs::remove_file(&path).expect("removed");
    scratch.file("control", "a file");
    drop(socket);
    assert!(path.exists());
    let error = ControlSocket::bind(&path).expect_err("a file").to_string();
    assert!(error.contains("there is something else"), "{error}");
    let error = ControlSocket::bind(Path::new("/nonexistent/c")).expect_err("no folder");
    assert!(error.to_string().contains("cannot make the socket"), "{error}");
}
