//! Asking for a password.

use std::fmt;
use std::io::{self, Stdin, Write};

use ksmbd_adduser::names::{MAX_PASSWORD, NameError, check_password};
use rustix::io::{read, retry_on_intr};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};
use zeroize::{Zeroize, Zeroizing};

/// How often somebody may type two different passwords.
const ATTEMPTS: usize = 3;
/// What is read of a line at most. It is more than a password has, so that one that is too long is
/// refused and not cut.
const MAX_LINE: usize = 2 * MAX_PASSWORD;

/// Why there is no password.
#[derive(Debug)]
pub(crate) enum PromptError {
    /// Standard input has no line.
    NoInput,
    /// The two passwords differ.
    Mismatch,
    /// Somebody pressed Ctrl-C, or Ctrl-D instead of a password.
    Cancelled,
    /// A key such as an arrow was pressed; what was meant is not known.
    ControlCharacter,
    /// It cannot be a password.
    Unfit(NameError),
    /// Standard input cannot be read.
    Io(io::Error),
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInput => f.write_str(
                "there is no password on standard input; write it there as a line, or use -p",
            ),
            Self::Mismatch => f.write_str("the passwords differ; nothing was changed"),
            Self::Cancelled => f.write_str("cancelled; nothing was changed"),
            Self::ControlCharacter => {
                f.write_str("the password has a control character; type it again")
            }
            Self::Unfit(error) => write!(f, "the password cannot be used: {error}"),
            Self::Io(error) => write!(f, "cannot read the password: {error}"),
        }
    }
}

impl From<rustix::io::Errno> for PromptError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Asks for a password twice, without echo, or reads it from standard input if that is not a
/// terminal.
pub(crate) fn new_password() -> Result<Zeroizing<String>, PromptError> {
    let stdin = io::stdin();
    // Not through `Stdin`'s buffer, which is never wiped.
    let next = || {
        let mut byte = Zeroizing::new([0]);
        let count = retry_on_intr(|| read(&stdin, byte.as_mut_slice()))?;
        Ok((count == 1).then_some(byte[0]))
    };
    if !isatty(&stdin) {
        return piped(next);
    }
    let _quiet = Quiet::new(&stdin)?;
    for attempt in 1.. {
        let first = typed("New password: ", next)?;
        let second = typed("Retype new password: ", next)?;
        if *first == *second {
            return Ok(first);
        }
        if attempt == ATTEMPTS {
            break;
        }
        ask("The passwords differ, try again.\n");
    }
    Err(PromptError::Mismatch)
}

/// The first line; if there is a second, as ksmbd's own tool wants one, it must repeat it.
fn piped(
    mut next: impl FnMut() -> Result<Option<u8>, PromptError>,
) -> Result<Zeroizing<String>, PromptError> {
    let first = piped_line(&mut next)?.ok_or(PromptError::NoInput)?;
    match piped_line(&mut next)? {
        Some(second) if *second != *first => Err(PromptError::Mismatch),
        _ => password(first),
    }
}

/// A line without its end; none at the end of the input.
fn piped_line(
    next: &mut impl FnMut() -> Result<Option<u8>, PromptError>,
) -> Result<Option<Zeroizing<Vec<u8>>>, PromptError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let ended = loop {
        match next()? {
            None => break false,
            Some(b'\n') => break true,
            Some(byte) => push(&mut line, byte)?,
        }
    };
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok((ended || !line.is_empty()).then_some(line))
}

/// A line from the keyboard.
fn typed(
    question: &str,
    mut next: impl FnMut() -> Result<Option<u8>, PromptError>,
) -> Result<Zeroizing<String>, PromptError> {
    ask(question);
    let line = edited(&mut next);
    // Enter was not echoed either.
    ask("\n");
    password(line?)
}

/// The keys that a terminal's own line editing has; it is off, so that Ctrl-C cannot end the
/// program while the echo is off.
fn edited(
    next: &mut impl FnMut() -> Result<Option<u8>, PromptError>,
) -> Result<Zeroizing<Vec<u8>>, PromptError> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const BACKSPACE: u8 = 0x08;
    const CTRL_U: u8 = 0x15;
    const DELETE: u8 = 0x7f;
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    loop {
        match next()? {
            None | Some(CTRL_C) => return Err(PromptError::Cancelled),
            Some(CTRL_D) if line.is_empty() => return Err(PromptError::Cancelled),
            Some(CTRL_D | b'\n' | b'\r') => return Ok(line),
            Some(CTRL_U) => line.clear(),
            Some(BACKSPACE | DELETE) => {
                // A character's first byte is the one that is not 10xxxxxx.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            Some(byte) if byte.is_ascii_control() => return Err(PromptError::ControlCharacter),
            Some(byte) => push(&mut line, byte)?,
        }
    }
}

/// Never grows the vector: a growing vector would leave unwiped copies behind.
fn push(line: &mut Vec<u8>, byte: u8) -> Result<(), PromptError> {
    if line.len() == MAX_LINE {
        let (length, limit) = (MAX_LINE + 1, MAX_PASSWORD);
        return Err(PromptError::Unfit(NameError::TooLong { length, limit }));
    }
    line.push(byte);
    Ok(())
}

fn password(mut line: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, PromptError> {
    let text = match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            error.into_bytes().zeroize();
            return Err(PromptError::Unfit(NameError::NotUtf8));
        }
    };
    check_password(&text).map_err(PromptError::Unfit)?;
    Ok(text)
}

fn ask(text: &str) {
    // Without standard error the password can still be typed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The terminal gives every key as it is pressed and shows none, until this is dropped.
struct Quiet<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a Stdin) -> Result<Self, PromptError> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO
            | LocalModes::ECHONL
            | LocalModes::ICANON
            | LocalModes::ISIG
            | LocalModes::IEXTEN;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // There is no other way to put it right.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &[u8]) -> impl FnMut() -> Result<Option<u8>, PromptError> {
        let mut bytes = text.iter().copied();
        move || Ok(bytes.next())
    }

    fn pipe(text: &[u8]) -> Result<String, String> {
        let password = piped(keys(text)).map_err(|error| error.to_string())?;
        Ok(password.to_string())
    }

    fn edit(text: &[u8]) -> Result<Vec<u8>, String> {
        let line = edited(&mut keys(text)).map_err(|error| error.to_string())?;
        Ok(line.to_vec())
    }

    #[test]
    fn a_pipe_has_one_line_or_two_equal_ones() {
        for text in ["pass word", "pass word\n", "pass word\r\n", "pass word\npass word\nmore\n"] {
            assert_eq!(pipe(text.as_bytes()).as_deref(), Ok("pass word"), "{text:?}");
        }
        assert_eq!(pipe(b"\n").as_deref(), Ok(""));
        let differ = "the passwords differ; nothing was changed";
        assert_eq!(pipe(b"a\nb\n"), Err(differ.to_owned()));
        assert_eq!(pipe(b"a\n\n"), Err(differ.to_owned()));
        assert!(pipe(b"").expect_err("nothing").starts_with("there is no password on standard"));
        let unfit = "the password cannot be used: it is not UTF-8";
        assert_eq!(pipe(b"\xff\n"), Err(unfit.to_owned()));
    }

    #[test]
    fn a_password_that_is_too_long_is_not_cut() {
        assert!(pipe(&[b'x'; 128]).is_ok());
        let message = pipe(&[b'x'; 129]).expect_err("too long");
        assert_eq!(message, "the password cannot be used: it has 129 bytes, 128 are allowed");
        assert!(pipe(&[b'x'; 5000]).expect_err("too long").contains("128 are allowed"));
        assert!(edit(&[b'x'; 5000]).expect_err("too long").contains("128 are allowed"));
    }

    #[test]
    fn the_keyboard() {
        assert_eq!(edit(b"secret\n"), Ok(b"secret".to_vec()));
        assert_eq!(edit(b"secret\r"), Ok(b"secret".to_vec()));
        assert_eq!(edit("aü\u{7f}b\u{8}\u{8}\u{8}c\n".as_bytes()), Ok(b"c".to_vec()));
        assert_eq!(edit(b"wrong\x15right\x04"), Ok(b"right".to_vec()));
        for cancel in [&b"abc\x03"[..], b"\x04", b"abc"] {
            assert_eq!(edit(cancel), Err("cancelled; nothing was changed".to_owned()));
        }
        assert!(edit(b"a\x1b[A\n").expect_err("an arrow").contains("control character"));
    }
}
