//! ChannelSequence (MS-SMB2 3.3.5.2.10): a client that has lost a connection counts on, and what the
//! lost one still brings changes nothing any more.

use ksmbd_core::wire::fscc::set_file::SetFileInformation;
use ksmbd_core::wire::fsctl::FsctlCode;
use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

fn opened(dialect: Dialect) -> (World, Client, FileId) {
    let w = World::new();
    let mut a = w.client(dialect).logged_on("alice");
    let f = a.create("x").ok();
    (w, a, f)
}

fn numbered<'a>(a: &'a mut Client, number: u16, replay: bool, body: &RequestBody) -> Sent<'a> {
    let mut message = match body {
        RequestBody::Write(_) => a.message_with(body, b"x"),
        _ => a.message(body),
    };
    message.header.status = number.into();
    message.header.flags.set(HeaderFlags::REPLAY_OPERATION, replay);
    a.send(message)
}

fn write(f: FileId) -> RequestBody {
    body::write(f, 0, 1)
}

#[test]
fn newer_is_taken_older_is_not() {
    let (_w, mut a, f) = opened(Dialect::SMB_3_1_1);
    numbered(&mut a, 0, false, &write(f)).ok();
    numbered(&mut a, 0x7fff, false, &write(f)).ok();
    numbered(&mut a, 0x7ffe, false, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    numbered(&mut a, 0xfffe, false, &write(f)).ok();
    numbered(&mut a, 1, false, &write(f)).ok();
    numbered(&mut a, 0xffff, false, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    numbered(&mut a, 1, false, &write(f)).ok();
}

/// What changes nothing is answered, whatever its number.
#[test]
fn what_is_refused() {
    let (w, mut a, f) = opened(Dialect::SMB_3_0);
    numbered(&mut a, 5, false, &write(f)).ok();
    let refused = NtStatus::FILE_NOT_AVAILABLE;
    let delete = SetFileInformation::Disposition { delete_pending: true };
    numbered(&mut a, 4, false, &body::set_file(f, &delete)).is(refused);
    let object_id = body::ioctl(f, FsctlCode::CREATE_OR_GET_OBJECT_ID, &[], 64);
    numbered(&mut a, 4, false, &object_id).is(refused);
    numbered(&mut a, 4, false, &body::read(f, 0, 1)).ok();
    numbered(&mut a, 4, false, &body::flush(f)).ok();
    numbered(&mut a, 4, false, &body::lock(f, 0, 1, EXCLUSIVE)).ok();
    numbered(&mut a, 4, false, &body::query_file(f, FileInfoClass::STANDARD, 100)).ok();
    numbered(&mut a, 4, false, &body::close(f)).ok();
    assert!(w.exists("x"));
}

/// The number that CREATE has is where the open begins.
#[test]
fn the_number_of_create() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut create = a.create("x").message();
    create.header.status = 7;
    let f = a.send(create).ok().created().file_id;
    numbered(&mut a, 6, false, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    numbered(&mut a, 7, false, &write(f)).ok();
}

/// The dialects before have no such number.
#[test]
fn before_3_0() {
    for dialect in [Dialect::SMB_2_0_2, Dialect::SMB_2_1] {
        let (_w, mut a, f) = opened(dialect);
        numbered(&mut a, 5, false, &write(f)).ok();
        numbered(&mut a, 4, false, &write(f)).ok();
    }
}

/// A replay is not done while what it repeats may still be (MS-SMB2 3.3.5.2.10).
#[test]
fn a_replay() {
    let (w, mut a, f) = opened(Dialect::SMB_3_1_1);
    w.hold("write");
    let first = numbered(&mut a, 0, false, &write(f)).silent();
    numbered(&mut a, 1, true, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    numbered(&mut a, 1, true, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    w.release_calls();
    a.answer(first).ok();
    numbered(&mut a, 1, true, &write(f)).ok();
}

/// Over the channel that is left, while the dead one's write is still running.
#[test]
fn over_another_channel() {
    let w = World::with(|config| config.multi_channel = true);
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let f = a.create("x").ok();
    w.hold("write");
    let _ = b.write(f, 0, b"first").later();
    b.hang_up();
    numbered(&mut a, 1, true, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    w.release_calls();
    numbered(&mut a, 1, true, &write(f)).ok();
    assert_eq!(w.data("x").as_deref(), Some(&b"xirst"[..]));
}

/// A request that waited, and whose connection is gone, no longer counts.
#[test]
fn a_wait_that_was_given_up() {
    let w = World::with(|config| config.multi_channel = true);
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(g, 5, 1, EXCLUSIVE).ok();
    let _ = b.lock(f, 5, 1, EXCLUSIVE).waits();
    numbered(&mut a, 1, true, &write(f)).is(NtStatus::FILE_NOT_AVAILABLE);
    b.hang_up();
    numbered(&mut a, 1, true, &write(f)).ok();
}
