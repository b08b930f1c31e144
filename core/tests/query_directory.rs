//! QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3).

use ksmbd_core::wire::{fscc::directory::parse_entries, query_directory::QueryDirectoryFlags};
use ksmbd_fuzz::client::{
    body,
    request::{entries, names},
};
use ksmbd_fuzz::prelude::*;

const NEXT: QueryDirectoryFlags = QueryDirectoryFlags::empty();
const RESTART: QueryDirectoryFlags = QueryDirectoryFlags::RESTART_SCANS;
const SINGLE: QueryDirectoryFlags = QueryDirectoryFlags::RETURN_SINGLE_ENTRY;

/// A directory of three files, open.
fn listing() -> (World, Client, FileId) {
    let w = World::new();
    for name in ["a.txt", "b.txt", "c.doc"] {
        w.put(name, name.as_bytes());
    }
    let mut a = w.logged_on("alice");
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    (w, a, d)
}

#[test]
fn all_and_then_the_end() {
    let (_w, mut a, d) = listing();
    let page = a.list(d, "*", NEXT, 65536).ok();
    assert_eq!(names(page.data()), [".", "..", "a.txt", "b.txt", "c.doc"]);
    assert_eq!(entries(page.data())[2].end_of_file, 5);
    a.list(d, "*", NEXT, 65536).is(NtStatus::NO_MORE_FILES);
    a.list(d, "*", NEXT, 65536).is(NtStatus::NO_MORE_FILES);
    assert_eq!(names(a.list(d, "*", RESTART, 65536).ok().data()).len(), 5);
}

#[test]
fn patterns() {
    let (_w, mut a, d) = listing();
    assert_eq!(a.names(d, "*.txt"), ["a.txt", "b.txt"]);
    assert_eq!(a.names(d, "?.DOC"), ["c.doc"]);
    assert_eq!(a.names(d, "B.TXT"), ["b.txt"]);
    assert_eq!(a.names(d, "*.*").len(), 5);
    a.list(d, "*.none", RESTART, 65536).is(NtStatus::NO_SUCH_FILE);
    a.list(d, "none", RESTART, 65536).is(NtStatus::NO_SUCH_FILE);
    a.list(d, "a/b", RESTART, 65536).is(NtStatus::OBJECT_NAME_INVALID);
}

/// The pattern is the first one's until the scan is restarted; an empty one keeps it.
#[test]
fn the_first_pattern_stays() {
    let (_w, mut a, d) = listing();
    assert_eq!(names(a.list(d, "*.txt", SINGLE, 65536).ok().data()), ["a.txt"]);
    assert_eq!(names(a.list(d, "*", NEXT, 65536).ok().data()), ["b.txt"]);
    assert_eq!(names(a.list(d, "", RESTART, 65536).ok().data()), ["a.txt", "b.txt"]);
    assert_eq!(names(a.list(d, "*.doc", RESTART, 65536).ok().data()), ["c.doc"]);
    let reopen = QueryDirectoryFlags::REOPEN;
    assert_eq!(names(a.list(d, "", reopen, 65536).ok().data()).len(), 5);
}

#[test]
fn one_by_one() {
    let (_w, mut a, d) = listing();
    let mut found = Vec::new();
    loop {
        let page = a.list(d, "*", SINGLE, 65536).answer();
        if page.status == NtStatus::NO_MORE_FILES {
            break;
        }
        found.extend(names(page.ok().data()));
    }
    assert_eq!(found, [".", "..", "a.txt", "b.txt", "c.doc"]);
}

/// Small buffers make more pages, and lose nothing.
#[test]
fn small_buffers() {
    for max in [114, 120, 200, 250, 1000] {
        let (_w, mut a, d) = listing();
        let mut found = Vec::new();
        loop {
            let page = a.list(d, "*", NEXT, max).answer();
            if page.status == NtStatus::NO_MORE_FILES {
                break;
            }
            assert!(page.data().len() <= max as usize);
            found.extend(names(page.ok().data()));
        }
        assert_eq!(found, [".", "..", "a.txt", "b.txt", "c.doc"], "{max}");
    }
}

#[test]
fn buffers_that_are_too_small() {
    let (_w, mut a, d) = listing();
    a.list(d, "*", NEXT, 103).is(NtStatus::INFO_LENGTH_MISMATCH);
    a.list(d, "a.txt", NEXT, 104).is(NtStatus::INFO_LENGTH_MISMATCH);
    a.list(d, "a.txt", RESTART, 65536).ok();
}

#[test]
fn every_class() {
    let (_w, mut a, d) = listing();
    let classes = [
        FileInfoClass::DIRECTORY,
        FileInfoClass::FULL_DIRECTORY,
        FileInfoClass::BOTH_DIRECTORY,
        FileInfoClass::NAMES,
        FileInfoClass::ID_BOTH_DIRECTORY,
        FileInfoClass::ID_FULL_DIRECTORY,
        FileInfoClass::ID_EXTD_DIRECTORY,
    ];
    for class in classes {
        let page = a.request(&body::list(d, "*.txt", class, RESTART, 4096)).ok();
        let entries = parse_entries(class, page.data()).unwrap();
        assert_eq!(entries.len(), 2, "{class:?}");
        assert_eq!(entries[1].file_name, "b.txt");
    }
    let unknown = [FileInfoClass::BASIC, FileInfoClass(0), FileInfoClass(200)];
    for class in unknown {
        a.request(&body::list(d, "*", class, RESTART, 4096)).is(NtStatus::INVALID_INFO_CLASS);
    }
}

#[test]
fn an_empty_directory() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let d = a.create("d").directory().ok();
    assert_eq!(a.names(d, "*"), [".", ".."]);
    a.list(d, "*.*x", RESTART, 4096).is(NtStatus::NO_SUCH_FILE);
}

#[test]
fn what_cannot_be_listed() {
    let (_w, mut a, d) = listing();
    let f = a.create("a.txt").ok();
    a.list(f, "*", NEXT, 4096).is(NtStatus::INVALID_PARAMETER);
    let e = a.create("").directory().access(AccessMask::FILE_READ_ATTRIBUTES).ok();
    a.list(e, "*", NEXT, 4096).is(NtStatus::ACCESS_DENIED);
    a.ask = 64;
    a.echo().ok();
    a.list(d, "*", NEXT, (1 << 20) + 1).is(NtStatus::INVALID_PARAMETER);
    a.list(d, "*", NEXT, 1 << 20).ok();
}

/// Two pages of one open are read one after the other, whenever they are asked for.
#[test]
fn two_at_once() {
    let (w, mut a, d) = listing();
    w.hold("list");
    let first = a.list(d, "*", SINGLE, 4096).silent();
    let second = a.list(d, "*", SINGLE, 4096).silent();
    assert_eq!(w.held(), ["list"]);
    w.complete(0);
    assert_eq!(names(a.answer(first).ok().data()), ["."]);
    w.complete(0);
    assert_eq!(names(a.answer(second).ok().data()), [".."]);
}

#[test]
fn closed_while_a_page_is_read() {
    let (w, mut a, d) = listing();
    w.hold("list");
    let first = a.list(d, "*", NEXT, 4096).silent();
    let second = a.list(d, "*", NEXT, 4096).silent();
    let close = a.close(d).later();
    a.answer(second).is(NtStatus::FILE_CLOSED);
    a.nothing();
    w.complete(0);
    a.answer(first).ok();
    a.answer(close).ok();
}

#[test]
fn a_page_that_fails() {
    let (w, mut a, d) = listing();
    w.vfs(|vfs| vfs.fail_next("list", VfsError::Io));
    a.list(d, "*", NEXT, 4096).is(NtStatus::IO_DEVICE_ERROR);
    assert_eq!(names(a.list(d, "*", NEXT, 4096).ok().data()).len(), 5);
}

/// A page that fails in the middle does not make the listing begin anew: only its client does.
#[test]
fn a_page_that_fails_in_the_middle() {
    let (w, mut a, d) = listing();
    let page = a.list(d, "*", SINGLE, 65536).ok();
    assert_eq!(names(page.data()), ["."]);
    w.vfs(|vfs| vfs.fail_next("list", VfsError::Io));
    for _ in 0..2 {
        a.list(d, "*", NEXT, 65536).is(NtStatus::IO_DEVICE_ERROR);
    }
    assert_eq!(names(a.list(d, "*", RESTART, 65536).ok().data()).len(), 5);
}
