//! Who may open a file beside whom (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.2.2).

use ksmbd_fuzz::prelude::*;

/// Every access against every sharing, by two clients.
#[test]
fn access_against_sharing() {
    let all = ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE;
    let pairs = [
        (AccessMask::FILE_READ_DATA, ShareAccess::READ),
        (AccessMask::FILE_EXECUTE, ShareAccess::READ),
        (AccessMask::FILE_WRITE_DATA, ShareAccess::WRITE),
        (AccessMask::FILE_APPEND_DATA, ShareAccess::WRITE),
        (AccessMask::DELETE, ShareAccess::DELETE),
    ];
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    for (access, share) in pairs {
        let f = a.create("x").access(AccessMask::FILE_READ_DATA).sharing(all - share).ok();
        b.create("x").access(access).is(NtStatus::SHARING_VIOLATION);
        let g = b.create("x").access(AccessMask::FILE_READ_ATTRIBUTES).exclusive().ok();
        b.close(g).ok();
        a.close(f).ok();
        let f = a.create("x").access(access).ok();
        b.create("x")
            .access(AccessMask::FILE_READ_DATA)
            .sharing(all - share)
            .is(NtStatus::SHARING_VIOLATION);
        a.close(f).ok();
    }
}

#[test]
fn one_client_against_itself() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").exclusive().ok();
    a.create("X").is(NtStatus::SHARING_VIOLATION);
    a.close(f).ok();
    a.create("x").exclusive().ok();
}

/// Through another share that serves the same files.
#[test]
fn across_shares() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.create("x").exclusive().ok();
    let mut b = w.logged_on("bob");
    b.connect_tree("readonly");
    b.create("x").access(AccessMask::GENERIC_READ).is(NtStatus::SHARING_VIOLATION);
}

/// Overwriting is writing.
#[test]
fn an_overwrite_that_asks_for_reading() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    a.create("x").access(AccessMask::GENERIC_READ).sharing(ShareAccess::READ).ok();
    b.create("x")
        .access(AccessMask::GENERIC_READ)
        .disposition(CreateDisposition::OVERWRITE)
        .is(NtStatus::SHARING_VIOLATION);
    assert_eq!(w.data("x").unwrap(), b"data", "and nothing was lost");
}

/// DESIGN 3, property 4: the share mode goes when the running calls are back.
#[test]
fn closed_while_a_call_runs() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let f = a.create("x").exclusive().ok();
    w.hold("write");
    let write = a.write(f, 0, b"late").silent();
    let close = a.close(f).silent();
    b.create("x").is(NtStatus::SHARING_VIOLATION);
    a.read(f, 0, 1).is(NtStatus::FILE_CLOSED);
    a.close(f).is(NtStatus::FILE_CLOSED);
    w.complete(0);
    a.answer(write).ok();
    a.answer(close).ok();
    let g = b.create("x").ok();
    assert_eq!(b.read(g, 0, 4).ok().data(), b"late");
}

#[test]
fn hung_up_while_a_call_runs() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let mut b = w.logged_on("bob");
    let f = a.create("x").exclusive().ok();
    w.hold("write");
    a.write(f, 0, b"late").silent();
    a.hang_up();
    b.create("x").is(NtStatus::SHARING_VIOLATION);
    assert_eq!(w.counters().sessions, 2, "the session stays with its open");
    w.complete(0);
    assert_eq!((w.counters().sessions, w.counters().opens), (1, 0));
    b.create("x").ok();
}

#[test]
fn the_tree_is_disconnected_while_calls_run() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("y").ok());
    w.hold_calls();
    let reads = [a.read(f, 0, 1).silent(), a.read(g, 0, 1).silent()];
    let leave = a.tree_disconnect().silent();
    w.complete(1);
    a.answer(reads[1]).is(NtStatus::END_OF_FILE);
    a.nothing();
    w.complete(0);
    a.answer(reads[0]).is(NtStatus::END_OF_FILE);
    a.answer(leave).ok();
    w.release_calls();
}
