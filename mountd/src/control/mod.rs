//! `ksmbd.control` and the server, over a Unix socket.
//!
//! A request is a line, `COMMAND` or `COMMAND ARGUMENT`; the answer is a line, `ok LENGTH` or
//! `error LENGTH`, and a text of so many bytes. One request a connection.

pub mod client;
pub mod handler;
pub mod report;
pub mod socket;
pub mod text;

use std::fmt;
use std::io::{self, Read, Write};

/// The longest request line.
const MAX_REQUEST: usize = 256;
/// The longest answer that a client takes: that of a server with 65536 opens.
const MAX_ANSWER: usize = 256 << 20;

/// What the server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stop.
    Shutdown,
    /// Read the files again.
    Reload,
    /// The shares.
    List,
    /// Turn a component's debugging lines on or off.
    Debug(String),
    /// The server's version.
    Version,
    /// Who is connected and what is open, for people.
    Status,
    /// The same as JSON.
    StatusJson,
}

impl Command {
    /// Reads a request line without its end.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line = str::from_utf8(line).map_err(|_| "the request is not UTF-8".to_owned())?;
        let (word, argument) = match line.split_once(' ') {
            Some((word, argument)) => (word, Some(argument)),
            None => (line, None),
        };
        let command = match word {
            "shutdown" => Self::Shutdown,
            "reload" => Self::Reload,
            "list" => Self::List,
            "version" => Self::Version,
            "status" => Self::Status,
            "status-json" => Self::StatusJson,
            "debug" => match argument {
                None | Some("") => return Err("debug needs a component".to_owned()),
                Some(component) => return Ok(Self::Debug(component.to_owned())),
            },
            _ => return Err(format!("there is no command `{}`", word.escape_debug())),
        };
        match argument {
            None => Ok(command),
            Some(_) => Err(format!("{word} has no argument")),
        }
    }
}

/// The request line without its end.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "shutdown",
            Self::Reload => "reload",
            Self::List => "list",
            Self::Version => "version",
            Self::Status => "status",
            Self::StatusJson => "status-json",
            Self::Debug(component) => return write!(f, "debug {component}"),
        })
    }
}

/// A text for who asked, or what is wrong.
pub type Answer = Result<String, String>;

/// Reads up to the end of a line.
fn read_line(stream: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Err("the request has no end".to_owned()),
            Ok(_) if byte == *b"\n" => return Ok(line),
            Ok(_) if line.len() == MAX_REQUEST => {
                return Err(format!("the request is longer than {MAX_REQUEST} bytes"));
            }
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("the request did not come: {error}")),
        }
    }
}

/// Writes an answer.
fn write_answer(stream: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let (word, text) = match answer {
        Ok(text) => ("ok", text),
        Err(text) => ("error", text),
    };
    stream.write_all(format!("{word} {}\n{text}", text.len()).as_bytes())
}

/// Reads an answer.
fn read_answer(stream: &mut impl Read) -> Result<Answer, String> {
    let line = read_line(stream).map_err(|_| "the server gave no answer".to_owned())?;
    let strange = || format!("the server's answer is strange: {}", line.escape_ascii());
    let text = str::from_utf8(&line).map_err(|_| strange())?;
    let (word, length) = text.split_once(' ').ok_or_else(strange)?;
    let length: usize = length.parse().map_err(|_| strange())?;
    if length > MAX_ANSWER {
        return Err(strange());
    }
    let mut text = Vec::new();
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() < length {
        return Err("the server's answer has no end".to_owned());
    }
    let text = String::from_utf8(text).map_err(|_| strange())?;
    match word {
        "ok" => Ok(Ok(text)),
        "error" => Ok(Err(text)),
        _ => Err(strange()),
    }
}

/// For fuzzing: what either end makes of any bytes.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use super::{read_answer, read_line, write_answer};

    /// The line that a client sends, without its end.
    pub fn request(mut bytes: &[u8]) -> Option<Vec<u8>> {
        read_line(&mut bytes).ok()
    }

    /// An answer: what was read is written to what reads as the same.
    pub fn answer(mut bytes: &[u8]) {
        if let Ok(answer) = read_answer(&mut bytes) {
            let mut written = Vec::new();
            assert!(write_answer(&mut written, &answer).is_ok());
            assert_eq!(read_answer(&mut &written[..]), Ok(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines() {
        use Command::{Debug, List, Reload, Shutdown, Status, StatusJson, Version};
        let vfs = Debug("vfs".to_owned());
        for command in [Shutdown, Reload, List, vfs, Version, Status, StatusJson] {
            assert_eq!(Command::parse(command.to_string().as_bytes()), Ok(command));
        }
    }

    #[test]
    fn wrong_commands_are_named() {
        let wrong = |line: &[u8]| Command::parse(line).expect_err("wrong");
        assert_eq!(wrong(b"format c:"), "there is no command `format`");
        assert_eq!(wrong(b""), "there is no command ``");
        assert_eq!(wrong(b"reload\r"), "there is no command `reload\\r`");
        assert_eq!(wrong(b"\xff"), "the request is not UTF-8");
        assert_eq!(wrong(b"reload now"), "reload has no argument");
        assert_eq!(wrong(b"reload "), "reload has no argument");
        assert_eq!(wrong(b"debug"), "debug needs a component");
        assert_eq!(wrong(b"debug "), "debug needs a component");
    }

    #[test]
    fn request_lines_are_bounded() {
        let read = |bytes: &[u8]| read_line(&mut &bytes[..]);
        assert_eq!(read(b"list\nmore"), Ok(b"list".to_vec()));
        assert_eq!(read(b"list"), Err("the request has no end".to_owned()));
        let long = vec![b'x'; 100_000];
        assert_eq!(read(&long), Err("the request is longer than 256 bytes".to_owned()));
    }

    #[test]
    fn answers_go_there_and_back() {
        for answer in [Ok(String::new()), Ok("a\nb ü\n".to_owned()), Err("no".to_owned())] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, &answer).expect("written");
            assert_eq!(read_answer(&mut &bytes[..]), Ok(answer));
        }
        let strange = [&b"ok\n"[..], b"ok x\n", b"maybe 0\n", b"ok 1\n\xff", b"ok 9999999999\n"];
        for bytes in strange {
            let error = read_answer(&mut &bytes[..]).expect_err("strange");
            assert!(error.starts_with("the server's answer is strange"), "{error}");
        }
        let cut = read_answer(&mut &b"ok 5\nab"[..]).expect_err("cut");
        assert_eq!(cut, "the server's answer has no end");
        assert_eq!(read_answer(&mut &b""[..]), Err("the server gave no answer".to_owned()));
    }
}
