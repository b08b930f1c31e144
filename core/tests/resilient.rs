//! Resilient handles (MS-SMB2 3.3.5.15.9): what stays open whatever is cached of it.

use ksmbd_core::wire::{
    create::OplockLevel,
    create_context::{LeaseFlags, LeaseState},
    ioctl::{FsctlCode, IoctlFlags, IoctlRequest},
};
use ksmbd_fuzz::client::{caching::granted, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

const KEY: [u8; 16] = [1; 16];

fn request(file_id: FileId, input: Vec<u8>) -> RequestBody {
    RequestBody::Ioctl(IoctlRequest {
        ctl_code: FsctlCode::LMR_REQUEST_RESILIENCY,
        file_id,
        max_input_response: 0,
        max_output_response: 0,
        flags: IoctlFlags::IS_FSCTL,
        input,
    })
}

fn resilient(a: &mut Client, file: FileId, milliseconds: u32) -> Response {
    let input = [milliseconds.to_le_bytes(), [0; 4]].concat();
    let sent = a.request(&request(file, input)).later();
    a.answer(sent)
}

/// No oplock, no lease: and still it waits, with its locks, and others in their place.
#[test]
fn the_open_waits_for_its_client() {
    let w = World::new();
    w.put("x", b"data");
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    resilient(&mut a, f, 10_000).ok();
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    let g = b.create("x").ok();
    b.read(g, 0, 1).is(NtStatus::FILE_LOCK_CONFLICT);
    b.create("x").exclusive().is(NtStatus::SHARING_VIOLATION);
    w.advance(Duration::from_secs(9));
    let mut a = w.logged_on("alice");
    let back = a.create("x").again(f).opened();
    assert_eq!(back.oplock_level, OplockLevel::NONE);
    a.write(back.file_id, 0, b"D").ok();
    a.hang_up();
    w.advance(Duration::from_secs(10));
    assert_eq!(w.counters().kept, 0);
    assert_eq!(b.read(g, 0, 4).ok().data(), b"Data");
}

#[test]
fn who_may_have_it_back() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    resilient(&mut a, f, 0).ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    b.create("x").again(f).is(NtStatus::ACCESS_DENIED);
    w.advance(Duration::from_secs(61));
    let mut a = w.logged_on("alice");
    a.create("x").again(f).is(NtStatus::OBJECT_NAME_NOT_FOUND);
}

/// Others who need what it caches wait as long as its client would have had to answer.
#[test]
fn its_oplock_is_in_the_way() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().ok();
    resilient(&mut a, f, 300_000).ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    let waiting = b.create("x").send().waits();
    w.advance(Duration::from_secs(40));
    b.answer(waiting.mid).ok();
    assert_eq!(w.counters().kept, 1);
    let mut a = w.logged_on("alice");
    assert_eq!(a.create("x").again(f).opened().oplock_level, OplockLevel::NONE);
}

/// It comes back while others wait: what it cached is broken, and it knows.
#[test]
fn back_while_others_wait() {
    let w = World::new();
    w.put("x", b"");
    let mut a = w.logged_on("alice");
    let f = a.create("x").batch().ok();
    resilient(&mut a, f, 300_000).ok();
    a.hang_up();
    let mut b = w.logged_on("bob");
    let waiting = b.create("x").send().waits();
    let mut a = w.logged_on("alice");
    assert_eq!(a.create("x").again(f).opened().oplock_level, OplockLevel::NONE);
    b.answer(waiting.mid).ok();
}

/// 3.3.4.7: the same with two opens under one lease. Nobody could be told of the break, so whoever comes
/// back for the first of them, or uses its key for another open, is told by that answer.
#[test]
fn two_of_a_lease_back_while_others_wait() {
    for anew in [false, true] {
        let w = World::new();
        w.put("x", b"");
        let mut a = w.logged_on("alice");
        let all = LeaseState::all();
        let files = [(); 2].map(|()| a.create("x").leased_v2(KEY, all).ok());
        for file in files {
            resilient(&mut a, file, 300_000).ok();
        }
        a.hang_up();
        let mut b = w.logged_on("bob");
        let waiting = b.create("x").send().waits();
        let mut a = w.logged_on("alice");
        let mut answers = Vec::new();
        if anew {
            answers.push(a.create("x").leased_v2(KEY, all).opened());
        }
        answers.extend(files.map(|file| a.create("x").leased_v2(KEY, all).again(file).opened()));
        for answer in answers {
            let lease = granted(&answer).expect("a lease");
            let nothing = (LeaseState::empty(), LeaseFlags::empty());
            assert_eq!((lease.lease_state, lease.lease_flags), nothing);
        }
        b.answer(waiting.mid).ok();
        assert_eq!(w.counters().breaks, 0);
    }
}

#[test]
fn refusals() {
    let w = World::with(|config| config.limits.durable_opens = 1);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let invalid = NtStatus::INVALID_PARAMETER;
    resilient(&mut a, f, 300_001).is(invalid);
    a.request(&request(f, vec![0; 7])).is(invalid);
    a.request(&request(f, vec![])).is(invalid);
    let d = a.create("d").directory().ok();
    resilient(&mut a, d, 0).is(NtStatus::NOT_SUPPORTED);
    resilient(&mut a, f, 300_000).ok();
    // Once more for another time is no second one.
    resilient(&mut a, f, 1_000).ok();
    let g = a.create("y").ok();
    resilient(&mut a, g, 0).is(NtStatus::INSUFFICIENT_RESOURCES);
    let mut old = w.client(Dialect::SMB_2_0_2).logged_on("alice");
    let h = old.create("z").ok();
    resilient(&mut old, h, 0).is(NtStatus::INVALID_DEVICE_REQUEST);
    a.hang_up();
    w.advance(Duration::from_secs(2));
    assert_eq!(w.counters().kept, 0);
}
