//! The control socket: a line to the server, and an answer from it.

use super::choice;
use ksmbd_mountd::control::{Command, fuzzing};

/// The first byte chooses which end reads the rest.
pub(super) fn run(data: &[u8]) {
    let (kind, bytes) = choice(data);
    if kind & 1 == 1 {
        return fuzzing::answer(bytes);
    }
    let Some(line) = fuzzing::request(bytes) else {
        return;
    };
    match Command::parse(&line) {
        Ok(command) => assert_eq!(command.to_string().as_bytes(), line),
        // It goes to a terminal.
        Err(why) => assert!(!why.contains(char::is_control), "{why:?}"),
    }
}
