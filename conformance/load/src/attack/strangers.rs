//! Those who never show who they are.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use ksmbd_core::wire::message::RequestBody;

use super::Course;
use crate::Options;
use crate::logon::{greet, half_open, log_on};
use crate::smb::{broken, dial};

const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that are tried before others are looked at: a server that is full closes each at once.
const BATCH: usize = 256;

/// Sessions on one connection before it is given up.
const SESSIONS: u64 = 200;

/// What is said at once: nothing, a part of a length, a part of a frame, a frame of 16 MiB, the begin of
/// one that goes on with a byte a second.
const WORDS: [&[u8]; 5] =
    [b"", b"\0\0", b"\0\0\x01\0\xfeSMB\x40\0", b"\0\xff\xff\xff\xfe", b"\0\0\xff\0\xfeSMB\x40\0"];
const SLOW: usize = 4;

/// Keeps so many connections open, and begins a new one for each that is closed.
pub(super) fn silent(options: &Options, _: usize, course: &Course) -> io::Result<()> {
    let mut sockets: Vec<Option<TcpStream>> = (0..options.clients).map(|_| None).collect();
    let (mut first, mut second) = (true, Instant::now());
    while course.goes_on() {
        let drip = second.elapsed() >= Duration::from_secs(1);
        if drip {
            second = Instant::now();
        }
        let mut tried = 0;
        for (number, socket) in sockets.iter_mut().enumerate() {
            let kind = number % WORDS.len();
            if socket.as_mut().is_some_and(|socket| !is_there(socket, drip && kind == SLOW)) {
                *socket = None;
            }
            if socket.is_none() && (first || tried < BATCH) && course.goes_on() {
                tried += 1;
                *socket = begin(options, WORDS[kind]).ok();
                course.did(1);
            }
        }
        if first {
            first = false;
            course.in_place();
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn begin(options: &Options, words: &[u8]) -> io::Result<TcpStream> {
    let mut socket = dial(options.from, options.port)?;
    socket.write_all(words)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The server has not closed it; `drip`: it is sent one more byte.
fn is_there(socket: &mut TcpStream, drip: bool) -> bool {
    let open = match socket.read(&mut [0; 256]) {
        Ok(n) => n > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    open && (!drip || socket.write(b"x").is_ok())
}

/// Sessions that are begun and left, sessions that are made and left, and many of both on one connection;
/// each is counted. Ends when there were as many as `--size`.
pub(super) fn setups(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    course.in_place();
    let mut turn = number as u64;
    while course.goes_on() {
        let (mut smb, agreed) = greet(options, turn, PATIENCE)?;
        let many = if turn.is_multiple_of(8) { SESSIONS } else { 1 };
        for session in 0..many {
            if !(turn + session).is_multiple_of(3) {
                if !half_open(&mut smb, options)? && many == 1 {
                    return Err(broken("no session was begun"));
                }
            } else {
                log_on(&mut smb, options, turn, agreed.clone())?;
                if many > 1 {
                    smb.send_signed(&RequestBody::Logoff)?;
                    smb.receive()?;
                    smb.keys = None;
                }
            }
            if course.did(1) >= options.size as u64 {
                course.told.store(true, std::sync::atomic::Ordering::Relaxed);
                return Ok(());
            }
        }
        smb.abandon();
        turn += options.clients as u64;
    }
    Ok(())
}

/// Wrong passwords: for one name, and for names that there are not.
pub(super) fn guesses(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut guess = Options { password: "wrong".to_owned(), ..options.clone() };
    if number % 2 == 1 {
        guess.user = format!("nobody{}", course.did(0));
    }
    let (mut smb, agreed) = greet(&guess, number as u64, PATIENCE)?;
    course.in_place();
    let wrong = log_on(&mut smb, &guess, number as u64, agreed);
    course.did(1);
    smb.abandon();
    wrong
}
