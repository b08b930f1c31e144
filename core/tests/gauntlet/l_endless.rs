//! Class L: work without an end (MS-SMB2 3.3.5.2.4, 3.3.5.2.7, 3.3.5.18, 3.3.5.21.1). That each input
//! takes a bounded number of steps is also what the simulator's loop shows: it ends.

use crate::common::unsigned;
use ksmbd_core::{name::Pattern, veto::Veto, wire::query_directory::QueryDirectoryFlags};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;
use std::time::Instant;

/// A signature is wrong in one element of a chain, each in turn: that one is refused, each of the
/// others is answered once, and nothing is run twice.
#[test]
fn a_bad_signature_in_a_chain() {
    for required in [false, true] {
        for wrong in 0..4 {
            let w = World::with(|config| config.require_signing = required);
            let mut a = w.logged_on("alice");
            let f = a.create("x").ok();
            let mut chain: Vec<Message> = (0..4_u64)
                .map(|n| a.message_with(&body::write(f, n, 1), &[b'0' + n as u8]))
                .collect();
            chain[wrong].sign = false;
            chain[wrong].header.flags |= HeaderFlags::SIGNED;
            chain[wrong].header.signature = [9; 16];
            a.send_chain(&chain);
            for (n, message) in chain.iter().enumerate() {
                let answer = a.answer(message.header.message_id);
                let refused = n == wrong;
                assert_eq!(answer.status == NtStatus::ACCESS_DENIED, refused, "{n} of {wrong}");
                assert_eq!(answer.last, n == 3);
            }
            let data = w.data("x").unwrap();
            let expected = b"0123";
            let length = if wrong == 3 { 3 } else { 4 };
            assert_eq!(data.len(), length);
            assert!((0..length).all(|n| n == wrong || data[n] == expected[n]), "{data:?}");
            assert_ne!(data.get(wrong), Some(&expected[wrong]));
            // The same frame again is out of sequence and drops, it is not run again.
            a.send_chain(&chain);
            assert!(matches!(a.dropped(), ConnectionError::OutOfSequence(_)));
        }
    }
}

/// Patterns that make matchers with backtracking take for ever, against names they almost fit; of
/// listings and of vetoes.
#[test]
fn patterns_that_almost_fit() {
    let name = "a".repeat(254);
    let since = Instant::now();
    let bombs = [
        "*a".repeat(100) + "*b",
        "a*".repeat(120) + "b",
        "*".repeat(254) + "b",
        "?*".repeat(120) + "b",
        "<".repeat(200) + "b",
        "<.".repeat(100) + "b",
        "*?".repeat(100) + "b",
        ">\"".repeat(100) + "b",
    ];
    let w = World::new();
    for n in 0..20 {
        w.put(&format!("{}{n:02}", "a".repeat(240)), b"");
    }
    let mut a = unsigned(&w, "alice");
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    for bomb in &bombs {
        let units: Vec<u16> = bomb.encode_utf16().collect();
        let pattern = Pattern::parse(&units).unwrap();
        assert!(!pattern.matches(&name), "{bomb}");
        assert!(!Veto::new([bomb.as_str()]).matches(&name), "{bomb}");
        a.list(d, bomb, QueryDirectoryFlags::RESTART_SCANS, 4096).is(NtStatus::NO_SUCH_FILE);
    }
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
}

/// A link and a rename within one directory, onto itself and over another, with and without replacing:
/// answered, and the directory is as usable as before.
#[test]
fn one_directory_twice() {
    let w = World::new();
    w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let f = a.create("d\\x").ok();
    let g = a.create("d\\y").ok();
    a.close(g).ok();
    for replace in [false, true] {
        for to in ["d\\x", "D\\X", "d\\y", "d"] {
            a.link(f, to, replace).answer();
            a.rename(f, to, replace).answer();
            let free = b.create("d\\free").fresh().ok();
            b.delete(free, true).ok();
            b.close(free).ok();
        }
    }
}

/// Whatever fails in a directory, at whatever step, the next in line finds it free.
#[test]
fn errors_leave_directories_free() {
    for op in ["open", "rename", "link", "delete", "list", "overwrite"] {
        for error in [VfsError::Io, VfsError::NoSpace, VfsError::AccessDenied, VfsError::HungUp] {
            let w = World::new();
            w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
            w.put("d/x", b"");
            let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
            let f = a.create("d\\x").ok();
            let d = a.create("d").directory().access(AccessMask::GENERIC_READ).ok();
            w.vfs(|vfs| vfs.fail_next(op, error));
            match op {
                "open" => drop(a.create("d\\new").send().answer()),
                "rename" => drop(a.rename(f, "d\\y", true).answer()),
                "link" => drop(a.link(f, "d\\y", true).answer()),
                "delete" => {
                    a.delete(f, true).ok();
                    a.close(f).ok();
                }
                "list" => drop(a.list(d, "*", Default::default(), 4096).answer()),
                _ => {
                    let over = a.create("d\\x").disposition(CreateDisposition::OVERWRITE);
                    over.send().answer();
                }
            }
            let free = b.create("d\\free").fresh().ok();
            b.rename(free, "d\\freed", false).ok();
            b.delete(free, true).ok();
            b.close(free).ok();
            assert!(!w.exists("d/free") && !w.exists("d/freed"), "{op}, {error:?}");
        }
    }
}
