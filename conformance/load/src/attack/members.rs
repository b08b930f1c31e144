//! Those who have an account, and use it against the others.

use std::io;
use std::thread;
use std::time::Duration;

use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::change_notify::{ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter};
use ksmbd_core::wire::create::{CreateDisposition, CreateOptions};
use ksmbd_core::wire::fscc::{AccessMask, FileInfoClass};
use ksmbd_core::wire::header::FileId;
use ksmbd_core::wire::lock::{LockElement, LockFlags, LockRequest};
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::query_directory::{QueryDirectoryFlags, QueryDirectoryRequest};

use super::Course;
use crate::Options;
use crate::logon::{close, connect_within, create, open, read, write};
use crate::smb::{Smb, broken};

const PATIENCE: Duration = Duration::from_secs(20);

/// The file that is read, of some MiB, and the directory of long names; the suite makes both.
const FILE: &str = "large";
const LONG: &str = "long";

/// Bytes of one READ that nobody takes the answer of.
const PIECE: usize = 1 << 20;

/// Elements of the largest chain, of which the first opens the file.
const CHAIN: usize = 128;

/// Locks of one request.
const LOCKS: u64 = 1000;

/// C706 12.6.4.2: a whole PDU of DCE/RPC that takes a call back.
const CANCEL: [u8; 16] = [5, 0, 18, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];

fn join(options: &Options, number: usize) -> io::Result<Smb> {
    connect_within(options, number as u64, PATIENCE)
}

fn opened(smb: &mut Smb, name: &str, directory: bool) -> io::Result<FileId> {
    let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
    let kind = if directory { CreateOptions::DIRECTORY_FILE } else { CreateOptions::empty() };
    open(smb, &create(name, access, CreateDisposition::OPEN_IF, kind))
}

/// Waits for the end, or for the server to hang up.
fn stay(smb: &mut Smb, course: &Course) -> io::Result<()> {
    smb.set_patience(Duration::from_millis(500))?;
    while course.goes_on() {
        match smb.receive() {
            Ok(_) => _ = course.did(1),
            Err(error) if is_silence(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Asks for as much as there are credits for, and takes nothing, or a byte a second.
pub(super) fn readers(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let file = opened(&mut smb, FILE, false)?;
    while smb.credits >= 16 && smb.pending() < 64 {
        smb.send(&read(file, 0, PIECE), &[])?;
        course.did(1);
    }
    course.in_place();
    while course.goes_on() {
        thread::sleep(Duration::from_secs(1));
        if number.is_multiple_of(2) {
            smb.sip()?;
        }
    }
    Ok(())
}

/// The longest chains, which ask for the most.
pub(super) fn chains(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let access = AccessMask::GENERIC_READ;
    let mut chain = vec![create(FILE, access, CreateDisposition::OPEN, CreateOptions::empty())];
    // What fits into the credits, and more than fits into one frame.
    let room = smb.credits.saturating_sub(CHAIN as u64) / CHAIN as u64;
    let piece = usize::try_from(room.max(1)).unwrap_or(1) << 16;
    chain.resize_with(CHAIN - 1, || read(FileId::ANY, 0, piece));
    chain.push(close(FileId::ANY));
    course.in_place();
    while course.goes_on() {
        smb.send_chain(&chain)?;
        for _ in 0..CHAIN {
            smb.receive()?;
            course.did(1);
        }
    }
    Ok(())
}

/// Opens as many files as there may be, and goes on asking.
pub(super) fn opens(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let mut next = 0_u64;
    while course.goes_on() {
        let name = format!("open{number}-{}", next % 500);
        next += 1;
        let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
        let request = create(&name, access, CreateDisposition::OPEN_IF, CreateOptions::empty());
        smb.send(&request, &[])?;
        let status = smb.receive()?.status();
        course.did(1);
        if status == NtStatus::TOO_MANY_OPENED_FILES && next > 100 {
            course.in_place();
        }
    }
    Ok(())
}

/// Locks as much as there may be of, one byte each, in a file of its own and in one of all.
pub(super) fn locks(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let names = [format!("locked{number}"), "locked".to_owned()];
    let files = [opened(&mut smb, &names[0], false)?, opened(&mut smb, &names[1], false)?];
    let mut at = number as u64 * 1_000_000;
    let mut first = true;
    while course.goes_on() {
        for file in files {
            let unlock = at.is_multiple_of(8 * LOCKS) && !first;
            let flags = match unlock {
                true => LockFlags::UNLOCK,
                false => LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
            };
            let from = if unlock { at - 8 * LOCKS } else { at };
            let locks = (from..from + LOCKS).map(|offset| LockElement { offset, length: 1, flags });
            let request = LockRequest { lock_sequence: 0, file_id: file, locks: locks.collect() };
            smb.send(&RequestBody::Lock(request), &[])?;
            let status = smb.receive()?.status();
            course.did(LOCKS);
            if status == NtStatus::INSUFFICIENT_RESOURCES && first {
                first = false;
                course.in_place();
            }
        }
        at += LOCKS;
    }
    Ok(())
}

/// Watches everything, with as many requests as may wait, and makes files and deletes them.
pub(super) fn notifies(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let watched = opened(&mut smb, "", true)?;
    let request = RequestBody::ChangeNotify(ChangeNotifyRequest {
        flags: ChangeNotifyFlags::WATCH_TREE,
        output_buffer_length: 64 << 10,
        file_id: watched,
        completion_filter: CompletionFilter::FILE_NAME | CompletionFilter::SIZE,
    });
    let mut waiting = 0;
    let mut next = 0_u64;
    while course.goes_on() {
        while waiting < 600 && smb.credits > 8 {
            smb.send(&request, &[])?;
            waiting += 1;
        }
        let options = CreateOptions::DELETE_ON_CLOSE;
        let access = AccessMask::GENERIC_READ | AccessMask::DELETE;
        let name = format!("seen{number}-{}", next % 50);
        next += 1;
        let made = create(&name, access, CreateDisposition::OPEN_IF, options);
        let asked = smb.send(&made, &[])?;
        loop {
            let reply = smb.receive()?;
            course.did(1);
            if reply.header.message_id != asked {
                waiting -= 1;
                continue;
            }
            if reply.status() == NtStatus::SUCCESS {
                let file = crate::logon::opened(&smb, &reply)?.file_id;
                smb.send(&close(file), &[])?;
                waiting += 1;
            }
            break;
        }
        if next == 5 {
            course.in_place();
        }
    }
    Ok(())
}

/// Patterns that take a careless matcher exponential time, against long names.
pub(super) fn wildcards(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let directory = opened(&mut smb, LONG, true)?;
    let patterns =
        ["*a".repeat(60) + "b", "<a".repeat(60) + "b", "<.".repeat(60) + ">\"b", "*?".repeat(120)];
    let mut next = number;
    while course.goes_on() {
        next += 1;
        smb.send(
            &RequestBody::QueryDirectory(QueryDirectoryRequest {
                file_information_class: FileInfoClass::ID_BOTH_DIRECTORY.0,
                flags: QueryDirectoryFlags::RESTART_SCANS,
                file_index: 0,
                file_id: directory,
                file_name: patterns[next % patterns.len()].as_str().into(),
                output_buffer_length: 64 << 10,
            }),
            &[],
        )?;
        smb.receive()?;
        course.did(1);
        if next == number + 4 {
            course.in_place();
        }
    }
    Ok(())
}

/// Writes into a pipe, as much as there are credits for, what takes the time to look at and has no answer
/// that would have to be read.
pub(super) fn pipes(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(&Options { share: "IPC$".to_owned(), ..options.clone() }, number)?;
    let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
    let request = create("srvsvc", access, CreateDisposition::OPEN, CreateOptions::empty());
    let pipe = open(&mut smb, &request)?;
    let data = CANCEL.repeat((64 << 10) / CANCEL.len());
    course.in_place();
    while course.goes_on() {
        while smb.credits > 1 && smb.pending() < 1024 {
            smb.send(&write(pipe, 0, data.len()), &data)?;
            course.did(1);
        }
        smb.receive()?;
    }
    Ok(())
}

/// Claims a frame of 16 MiB, which is refused, or the largest that it may send, and sends one byte of it, or
/// all but one.
pub(super) fn claims(options: &Options, number: usize, course: &Course) -> io::Result<()> {
    let mut smb = join(options, number)?;
    let largest = u32::try_from(smb.max_write).unwrap_or(0);
    let (claim, sent) = match number % 3 {
        0 => (0x00ff_ffff, 1),
        1 => (largest, 1),
        _ => (largest, largest as usize - 1),
    };
    smb.send_raw(&u32::to_be_bytes(claim))?;
    smb.send_raw(&vec![0xfe; sent])?;
    course.did(1);
    course.in_place();
    match stay(&mut smb, course) {
        Err(error) => Err(broken(format!("hung up: {error}"))),
        Ok(()) => Ok(()),
    }
}
