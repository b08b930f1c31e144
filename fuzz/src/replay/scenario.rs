//! A recording as a test: a file that reads as the exchange, and has it again.

use super::Watch;
use ksmbd_core::{
    id::ConnId,
    status::NtStatus,
    time::Now,
    vfs::Peer,
    wire::header::{Header, HeaderFlags},
};
use std::fmt::Write;

/// Lines of the exchange that are worth reading.
const LINES: usize = 400;

/// Collects what is said, one line a message.
#[derive(Debug, Default)]
pub struct Transcript {
    lines: Vec<String>,
    more: usize,
}

impl Transcript {
    fn line(&mut self, conn: ConnId, arrow: &str, what: &str) {
        if self.lines.len() < LINES {
            self.lines.push(format!("{} {arrow} {what}", conn.0));
        } else {
            self.more += 1;
        }
    }

    /// The test, which finds the recording beside it under this name.
    pub fn test(&self, name: &str, recording: &str) -> String {
        let mut text = String::from(
            "//! A run as it was recorded: `>` is a client's message, `<` what it is sent. Whoever changes\n\
             //! what the server says records it anew.\n\n\
             use ksmbd_fuzz::replay;\n\n",
        );
        for line in &self.lines {
            let _ = writeln!(text, "/// {line}");
        }
        if self.more > 0 {
            let _ = writeln!(text, "/// and {} messages more", self.more);
        }
        let _ = write!(
            text,
            "#[test]\nfn {name}() {{\n    replay::check(include_bytes!(\"{recording}\"));\n}}\n"
        );
        text
    }
}

impl Watch for Transcript {
    fn accepted(&mut self, conn: ConnId, _: &Peer, _: Now) {
        self.line(conn, ">", "connects");
    }
    fn request(&mut self, conn: ConnId, message: &[u8], _: Now) {
        self.line(conn, ">", &summary(message));
    }
    fn reply(&mut self, conn: ConnId, message: &[u8], _: Now) {
        self.line(conn, "<", &summary(message));
    }
    fn hung_up(&mut self, conn: ConnId, _: Now) {
        self.line(conn, "-", "is gone");
    }
}

/// The commands of a message, and what they are answered with.
pub fn summary(message: &[u8]) -> String {
    let mut said = Vec::new();
    let mut rest = message;
    while let Ok(header) = Header::parse(rest) {
        let mut what = format!("{:?} {}", header.command, header.message_id);
        if header.flags.contains(HeaderFlags::SERVER_TO_REDIR) {
            let _ = write!(what, " {}", NtStatus(header.status));
        }
        said.push(what);
        match header.split(rest) {
            Ok((_, next)) if !next.is_empty() && next.len() < rest.len() => rest = next,
            _ => break,
        }
    }
    if said.is_empty() { format!("{} bytes", message.len()) } else { said.join(", ") }
}
