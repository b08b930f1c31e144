//! Going to the background.
//!
//! `fork` in a process with threads, or before them but in a program that forbids `unsafe`, is not
//! to be had. So the process starts itself once more, as a child that makes a session of its own,
//! and waits until that child serves or has failed: whoever started us gets the right exit status,
//! and sees the messages of the start.

use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Tells the child that it is the child.
const MARK: &str = "KSMBD_MOUNTD_DETACHED";
/// glibc moves the size from which on memory is given back as soon as it is free, up to the largest
/// buffer that was. Set, it stays where it begins: what clients' buffers took is the system's again when
/// they have been idle for a while. Under load buffers are used again and not given back at all.
const GIVE_BACK: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
/// What the child writes when it serves.
const READY: u8 = b'+';

/// Whether this process is the one in the background.
pub fn is_detached() -> bool {
    env::var_os(MARK).is_some_and(|mark| mark == "1")
}

/// Starts the child with our arguments, and waits until it serves.
///
/// # Errors
///
/// It cannot be started.
pub fn start_child() -> io::Result<ExitCode> {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("ksmbd.mountd"));
    let mut command = Command::new(env::current_exe()?);
    if env::var_os(GIVE_BACK.0).is_none() {
        command.env(GIVE_BACK.0, GIVE_BACK.1);
    }
    let mut child = command
        .arg0(name)
        .args(arguments)
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        // The end comes when the child serves and lets go of it, or when it ends.
        output.read_to_end(&mut answer)?;
    }
    if answer == [READY] {
        return Ok(ExitCode::SUCCESS);
    }
    child.wait()?;
    Ok(ExitCode::FAILURE)
}

/// In the child, first of all: away from the terminal's signals.
///
/// # Errors
///
/// This process leads a group; a child does not.
pub fn leave_session() -> io::Result<()> {
    setsid()?;
    Ok(())
}

/// In the child, once it serves: tells the parent, and lets go of terminal and directory.
///
/// # Errors
///
/// `/dev/null` is not to be had.
pub fn ready() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    env::set_current_dir("/")?;
    let mut output = io::stdout();
    output.write_all(&[READY])?;
    output.flush()?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}
