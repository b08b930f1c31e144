//! Named streams: share modes, deletion and names are each stream's own, and some of it is the file's
//! (MS-FSA 2.1.5.1.2, 2.1.5.5, 2.1.5.15.12).
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use ksmbd_core::wire::fscc::file::FileInformation;
use ksmbd_fuzz::prelude::*;

fn world() -> (World, Client) {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.connect_tree("streams");
    (w, a)
}

fn streams(a: &mut Client, file: FileId) -> Vec<String> {
    let class = FileInfoClass::STREAM;
    match FileInformation::parse(class, a.query_file(file, class, 65_536).ok().data()).unwrap() {
        FileInformation::Stream(list) => list.into_iter().map(|s| s.stream_name).collect(),
        other => panic!("{other:?}"),
    }
}

fn all(a: &mut Client, file: FileId) -> (String, u64, u64) {
    let class = FileInfoClass::ALL;
    match FileInformation::parse(class, a.query_file(file, class, 4096).ok().data()).unwrap() {
        FileInformation::All(all) => {
            (all.file_name.to_string_lossy(), all.standard.end_of_file, all.index_number)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_a_file_in_a_file() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    a.write(s, 3, b"abc").ok();
    assert_eq!(a.read(s, 0, 10).ok().data(), b"\0\0\0abc");
    a.write(s, 65_535, b"ab").is(NtStatus::DISK_FULL);
    a.write(s, 1 << 40, b"a").is(NtStatus::DISK_FULL);
    let base = a.create("x").existing().ok();
    assert_eq!(streams(&mut a, base), ["::$DATA", ":one:$DATA"]);
    let ((name, size, id), (_, base_size, base_id)) = (all(&mut a, s), all(&mut a, base));
    assert_eq!((name.as_str(), size, base_size, id), ("\\x:one", 6, 0, base_id));
    a.create("x:ONE:$data").existing().ok();
    a.create("x:two").existing().is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("x::$DATA").existing().ok();
    a.create("x:one").directory().fresh().is(NtStatus::NOT_A_DIRECTORY);
    assert!(w.exists("x"));
    w.finish();
}

#[test]
fn without_streams_there_are_none() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    for name in ["x:one", "x::$DATA", "x:", "x::$INDEX_ALLOCATION"] {
        a.create(name).is(NtStatus::OBJECT_NAME_INVALID);
    }
    let f = a.create("x").ok();
    a.rename(f, ":one", false).is(NtStatus::OBJECT_NAME_INVALID);
    assert_eq!(streams(&mut a, f), ["::$DATA"]);
}

#[test]
fn share_modes_and_locks_are_the_stream_s() {
    let (w, mut a) = world();
    let one = a.create("x:one").exclusive().ok();
    let two = a.create("x:two").exclusive().ok();
    a.create("x:one").existing().is(NtStatus::SHARING_VIOLATION);
    // Deleting the file would delete what is held.
    a.create("x").existing().access(AccessMask::DELETE).is(NtStatus::SHARING_VIOLATION);
    let base = a.create("x").existing().access(AccessMask::GENERIC_READ).exclusive().ok();
    let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    a.lock(one, 0, 10, exclusive).ok();
    a.lock(two, 0, 10, exclusive).ok();
    a.lock(base, 0, 10, exclusive).ok();
    w.finish();
}

#[test]
fn a_file_goes_with_the_last_of_its_streams() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    let base = a.create("x").existing().delete_on_close().ok();
    a.close(base).ok();
    assert!(w.exists("x"));
    a.create("x").is(NtStatus::DELETE_PENDING);
    a.create("x:one").is(NtStatus::DELETE_PENDING);
    a.create("x:two").is(NtStatus::DELETE_PENDING);
    a.write(s, 0, b"still there").ok();
    a.close(s).ok();
    assert!(!w.exists("x"));
    a.create("x").fresh().ok();
    w.finish();
}

#[test]
fn a_stream_goes_alone_or_with_its_file() {
    let (w, mut a) = world();
    let s = a.create("x:one").delete_on_close().ok();
    let base = a.create("x").existing().ok();
    a.create("x:one").existing().ok();
    a.close(s).ok();
    a.create("x:one").existing().is(NtStatus::DELETE_PENDING);
    assert_eq!(streams(&mut a, base), ["::$DATA", ":one:$DATA"], "it is open once more");
    a.hang_up();
    let mut b = w.logged_on("alice");
    b.connect_tree("streams");
    let base = b.create("x").existing().ok();
    assert_eq!(streams(&mut b, base), ["::$DATA"]);
    // Both are to go, and the stream's handle is the last of all.
    let s = b.create("x:one").delete_on_close().ok();
    b.delete(base, true).ok();
    b.close(base).ok();
    assert!(w.exists("x"));
    b.close(s).ok();
    assert!(!w.exists("x"));
    w.finish();
}

#[test]
fn renaming_a_stream_takes_its_locks_along() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    a.write(s, 0, b"abc").ok();
    a.lock(s, 0, 10, LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY).ok();
    let two = a.create("x:two").ok();
    a.rename(s, ":two", true).is(NtStatus::INVALID_PARAMETER);
    a.close(two).ok();
    a.rename(s, ":two", false).is(NtStatus::OBJECT_NAME_COLLISION);
    a.rename(s, "y:two", false).is(NtStatus::OBJECT_NAME_INVALID);
    a.rename(s, ":$I30:$INDEX_ALLOCATION", false).is(NtStatus::INVALID_PARAMETER);
    a.rename(s, ":two", true).ok();
    assert_eq!(all(&mut a, s).0, "\\x:two");
    a.create("x:one").existing().is(NtStatus::OBJECT_NAME_NOT_FOUND);
    let other = a.create("x:TWO").existing().ok();
    a.read(other, 0, 3).is(NtStatus::FILE_LOCK_CONFLICT);
    a.rename(s, ":three", false).is(NtStatus::SHARING_VIOLATION);
    a.close(other).ok();
    let base = a.create("x").existing().ok();
    a.rename(base, "y", false).is(NtStatus::ACCESS_DENIED);
    a.rename(base, ":four", false).is(NtStatus::INVALID_PARAMETER);
    a.close(base).ok();
    a.rename(s, "::$DATA", true).ok();
    assert_eq!(w.data("x").unwrap(), b"abc");
    assert_eq!(all(&mut a, s).0, "\\x");
    assert_eq!(streams(&mut a, s), ["::$DATA"]);
    w.finish();
}

#[test]
fn overwriting_the_file_removes_its_streams() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    let over = |a: &mut Client, name: &str| {
        a.create(name).disposition(CreateDisposition::OVERWRITE).opened().file_id
    };
    let again = over(&mut a, "x:one");
    assert_eq!(streams(&mut a, again), ["::$DATA", ":one:$DATA"]);
    a.close(s).ok();
    a.close(again).ok();
    let base = over(&mut a, "x");
    assert_eq!(streams(&mut a, base), ["::$DATA"]);
    w.finish();
}

/// Who waits for a break of a stream that gets another name looks again: there is no such stream now.
#[test]
fn renaming_a_stream_wakes_who_waits_to_open_it() {
    let (w, mut a) = world();
    let s = a.create("x:one").oplock(OplockLevel::BATCH).ok();
    let mut b = w.logged_on("alice");
    b.connect_tree("streams");
    let waiting = b.create("x:one").existing().send().waits();
    assert_eq!(a.oplock_broken(s), OplockLevel::II);
    a.rename(s, ":two", false).ok();
    b.answer(waiting.mid).is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.close(s).ok();
    assert_eq!(w.counters().parked, 0);
}

/// A stream is to be deleted, and gets another name at the same time: it is gone when it is closed.
#[test]
fn deleted_while_it_is_renamed() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    w.hold("rename stream");
    let rename = a.rename(s, ":two", false).silent();
    a.delete(s, true).ok();
    w.release_calls();
    a.answer(rename).ok();
    a.close(s).ok();
    let base = a.create("x").existing().ok();
    assert_eq!(streams(&mut a, base), ["::$DATA"]);
}

/// What is written to a stream keeps locks waiting by whatever name.
#[test]
fn written_while_it_is_renamed() {
    let (w, mut a) = world();
    let s = a.create("x:one").ok();
    w.hold("write");
    let write = a.write(s, 0, b"data").silent();
    a.rename(s, ":two", false).ok();
    let other = a.create("x:two").existing().ok();
    let lock = a.lock(other, 0, 1, LockFlags::EXCLUSIVE_LOCK).silent();
    w.release_calls();
    a.answer(write).ok();
    a.answer(lock).ok();
    w.finish();
}
