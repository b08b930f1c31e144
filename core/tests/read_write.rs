//! READ, WRITE and FLUSH at their edges (MS-SMB2 3.3.5.11, 3.3.5.12, 3.3.5.13).

use ksmbd_core::wire::write::WriteRequest;
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::client::request::{EXCLUSIVE, SHARED};
use ksmbd_fuzz::prelude::*;

#[test]
fn at_the_end_of_the_file() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.read(f, 0, 0).ok();
    a.read(f, 0, 1).is(NtStatus::END_OF_FILE);
    a.write(f, 0, b"0123456789").ok();
    assert_eq!(a.read(f, 8, 100).ok().data(), b"89");
    a.read(f, 10, 1).is(NtStatus::END_OF_FILE);
    a.read(f, 1 << 40, 1).is(NtStatus::END_OF_FILE);
    assert_eq!(a.read(f, 10, 0).ok().data(), b"");
}

/// MinimumCount: fewer bytes are an error.
#[test]
fn fewer_than_the_minimum() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for (minimum, expected) in [(5, NtStatus::SUCCESS), (6, NtStatus::END_OF_FILE)] {
        let body = body::read(f, 5, 100);
        let RequestBody::Read(mut read) = body else { unreachable!() };
        read.minimum_count = minimum;
        a.request(&RequestBody::Read(read)).is(expected);
    }
}

#[test]
fn beyond_the_largest_file() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let last = i64::MAX as u64;
    let largest = 0x0fff_ffff_0000;
    a.read(f, last, 1).is(NtStatus::INVALID_PARAMETER);
    a.read(f, u64::MAX, 1).is(NtStatus::INVALID_PARAMETER);
    a.write(f, last, b"x").is(NtStatus::INVALID_PARAMETER);
    a.write(f, u64::MAX, b"x").is(NtStatus::INVALID_PARAMETER);
    a.write(f, last, b"").ok();
    a.write(f, largest, b"x").is(NtStatus::INVALID_PARAMETER);
    a.write(f, largest - 1, b"x").ok();
}

#[test]
fn more_than_negotiated() {
    let w = World::with(|config| {
        config.max_read = 128 << 10;
        config.max_write = 128 << 10;
    });
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.ask = 64;
    a.echo().ok();
    a.write(f, 0, &vec![1; 128 << 10]).ok();
    a.write(f, 0, &vec![1; (128 << 10) + 1]).is(NtStatus::INVALID_PARAMETER);
    a.read(f, 0, 128 << 10).ok();
    a.read(f, 0, (128 << 10) + 1).is(NtStatus::INVALID_PARAMETER);
}

/// Multi-credit I/O up to 8 MiB.
#[test]
fn eight_mebibytes() {
    let w = World::with(|config| {
        config.max_read = 8 << 20;
        config.max_write = 8 << 20;
    });
    for encrypt in [false, true] {
        let mut a = w.logged_on("alice");
        a.encrypt = encrypt;
        a.ask = 512;
        a.echo().ok();
        let f = a.create("x").ok();
        let data: Vec<u8> = (0..8_u32 << 20).map(|i| (i * 7) as u8).collect();
        a.write(f, 0, &data).ok();
        assert!(a.read(f, 0, 8 << 20).ok().data() == data);
        a.close(f).ok();
    }
}

#[test]
fn nothing_to_write() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.write(f, 100, b"").ok();
    assert_eq!(w.data("x").unwrap(), b"");
    a.write(f, 3, b"x").ok();
    assert_eq!(w.data("x").unwrap(), b"\0\0\0x", "a hole reads as zeros");
}

#[test]
fn without_the_right() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = w.logged_on("alice");
    let r = a.create("x").access(AccessMask::GENERIC_READ).ok();
    let wr = a.create("x").access(AccessMask::GENERIC_WRITE).ok();
    a.write(r, 0, b"x").is(NtStatus::ACCESS_DENIED);
    a.flush(r).is(NtStatus::ACCESS_DENIED);
    a.read(wr, 0, 1).is(NtStatus::ACCESS_DENIED);
    a.write(wr, 0, b"x").ok();
    a.flush(wr).ok();
}

#[test]
fn directories_have_no_data() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    a.read(d, 0, 1).is(NtStatus::INVALID_DEVICE_REQUEST);
}

#[test]
fn a_full_disk() {
    let w = World::new();
    w.vfs(|vfs| vfs.capacity = 8192);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.write(f, 0, &[1; 8192]).ok();
    a.write(f, 8192, b"x").is(NtStatus::DISK_FULL);
    a.write(f, 0, b"there").ok();
}

#[test]
fn a_medium_that_fails() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for op in ["write", "read", "flush"] {
        w.vfs(|vfs| vfs.fail_next(op, VfsError::Io));
    }
    a.write(f, 0, b"x").is(NtStatus::IO_DEVICE_ERROR);
    a.read(f, 0, 1).is(NtStatus::IO_DEVICE_ERROR);
    a.flush(f).is(NtStatus::IO_DEVICE_ERROR);
    a.write(f, 0, b"x").ok();
}

/// MS-FSA 2.1.4.10: byte-range locks keep others out, and writers out of their own shared locks.
#[test]
fn locked_ranges() {
    let w = World::new();
    w.put("x", &[1; 100]);
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let (f, g) = (a.create("x").ok(), b.create("x").ok());
    a.lock(f, 10, 10, EXCLUSIVE).ok();
    a.lock(f, 50, 10, SHARED).ok();
    b.read(g, 0, 10).ok();
    b.read(g, 0, 11).is(NtStatus::FILE_LOCK_CONFLICT);
    b.write(g, 19, b"x").is(NtStatus::FILE_LOCK_CONFLICT);
    b.write(g, 20, b"x").ok();
    a.write(f, 10, b"mine").ok();
    b.read(g, 50, 10).ok();
    b.write(g, 50, b"x").is(NtStatus::FILE_LOCK_CONFLICT);
    a.write(f, 50, b"x").is(NtStatus::FILE_LOCK_CONFLICT);
}

/// Data that lies where the header is, or outside the message.
#[test]
fn data_at_a_strange_place() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let mut write = WriteRequest::new(f, 0, 4);
    write.data = 112..1 << 20;
    let message = a.message_with(&RequestBody::Write(write), b"data");
    a.send(message).is(NtStatus::INVALID_PARAMETER);
    assert_eq!(w.data("x").unwrap(), b"");
}

/// SMB3 has a field that says where the data comes from if not with the request; here it cannot. SMB2 has
/// no such field, and whatever clients leave there is ignored.
#[test]
fn data_by_another_channel() {
    let w = World::new();
    w.put("x", b"as it was");
    for (dialect, channel, expected) in [
        (Dialect::SMB_2_0_2, 1, NtStatus::SUCCESS),
        (Dialect::SMB_2_1, 0x5555, NtStatus::SUCCESS),
        (Dialect::SMB_3_0, 1, NtStatus::INVALID_PARAMETER),
        (Dialect::SMB_3_1_1, 2, NtStatus::INVALID_PARAMETER),
        (Dialect::SMB_3_1_1, 0x5555, NtStatus::INVALID_PARAMETER),
        (Dialect::SMB_3_1_1, 0, NtStatus::SUCCESS),
    ] {
        let mut a = w.connect();
        a.offer = Offer::only(dialect);
        a.negotiate().ok();
        let mut a = a.logged_on("alice");
        let f = a.create("x").ok();
        // Channel, RemainingBytes, and an offset and a length that lead outside.
        let fields = [&u32::to_le_bytes(channel)[..], &[9; 4], &[0xff; 4]].concat();
        for body in [body::read(f, 0, 9), body::write(f, 0, 9)] {
            let data: &[u8] =
                if matches!(body, RequestBody::Write(_)) { b"as it was" } else { b"" };
            let mut message = a.message_with(&body, data);
            let at = if data.is_empty() { 36 } else { 32 };
            message.body[at..at + 12].copy_from_slice(&fields);
            a.send(message).is(expected);
        }
        a.close(f).ok();
    }
    assert_eq!(w.data("x").unwrap(), b"as it was");
}

/// Replies leave in the order in which calls complete.
#[test]
fn in_the_order_of_completion() {
    let w = World::new();
    w.put("x", b"0123456789");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    w.hold("read");
    let reads: Vec<u64> = (0..3).map(|i| a.read(f, i, 1).later()).collect();
    assert_eq!(w.held(), ["read"; 3]);
    w.complete(2);
    assert_eq!(a.answer(reads[2]).ok().data(), b"2");
    w.complete(0);
    assert_eq!(a.answer(reads[0]).ok().data(), b"0");
    a.nothing();
    w.complete(0);
    assert_eq!(a.answer(reads[1]).ok().data(), b"1");
}
