//! An application that has moved: its new open ends the old one (MS-SMB2 3.3.5.9.13).

use ksmbd_core::wire::create_context::RequestContext;
use ksmbd_fuzz::client::Create;
use ksmbd_fuzz::prelude::*;

const APP: RequestContext = RequestContext::AppInstanceId([5; 16]);

/// A client on another machine, with a file that everybody may use.
fn elsewhere(w: &World, dialect: Dialect, user: &str, guid: u8) -> Client {
    let mut client = w.connect();
    client.offer = Offer::only(dialect);
    client.offer.guid = [guid; 16];
    client.negotiate().ok();
    client.logged_on(user)
}

fn world() -> (World, Client, Client) {
    let w = World::new();
    w.put("x", b"");
    let a = elsewhere(&w, Dialect::SMB_3_1_1, "alice", 1);
    let b = elsewhere(&w, Dialect::SMB_3_1_1, "alice", 2);
    (w, a, b)
}

fn app<'a>(create: Create<'a>, guid: u8, version: Option<(u64, u64)>) -> Create<'a> {
    let create = create.exclusive().batch().durable_v2([guid; 16], 0).with(&APP);
    match version {
        Some((high, low)) => create.with(&RequestContext::AppInstanceVersion { high, low }),
        None => create,
    }
}

/// smb2.durable-v2-open.app-instance: at once, and without asking who has it open.
#[test]
fn the_old_open_goes() {
    let (w, mut a, mut b) = world();
    let f = app(a.create("x"), 1, None).ok();
    app(b.create("x"), 2, None).ok();
    a.nothing();
    a.close(f).is(NtStatus::FILE_CLOSED);
    assert_eq!(w.counters().opens, 1);
}

/// As well when the old machine is gone.
#[test]
fn the_old_open_is_kept() {
    let (w, mut a, mut b) = world();
    let f = app(a.create("x"), 1, None).ok();
    a.hang_up();
    app(b.create("x"), 2, None).ok();
    assert_eq!(w.counters().opens, 1);
    let mut a = elsewhere(&w, Dialect::SMB_3_1_1, "alice", 1);
    a.create("x").again_v2(f, [1; 16]).is(NtStatus::OBJECT_NAME_NOT_FOUND);
}

/// It waits for what the old open has under way.
#[test]
fn a_write_is_under_way() {
    let (w, mut a, mut b) = world();
    let f = app(a.create("x"), 1, None).ok();
    w.hold("write");
    let write = a.write(f, 0, b"last").later();
    let create = app(b.create("x"), 2, None).send().later();
    b.nothing();
    w.release_calls();
    a.answer(write).ok();
    let g = b.answer(create).ok().created().file_id;
    assert_eq!(b.read(g, 0, 4).ok().data(), b"last");
}

/// Others, other names, and the same machine are let alone.
#[test]
fn not_the_same_application() {
    let (_w, mut a, mut b) = world();
    a.create("x").exclusive().with(&APP).ok();
    let violation = NtStatus::SHARING_VIOLATION;
    a.create("x").exclusive().with(&APP).is(violation);
    let other = RequestContext::AppInstanceId([6; 16]);
    b.create("x").exclusive().with(&other).is(violation);
    let mut old = elsewhere(a.world(), Dialect::SMB_2_1, "alice", 3);
    old.create("x").exclusive().with(&APP).is(violation);
}

/// The versions decide who is the newer one.
#[test]
fn versions() {
    let forced = Err(NtStatus::FILE_FORCED_CLOSED);
    for (old, new, expected) in [
        (Some((1, 1)), Some((1, 2)), Ok(())),
        (Some((1, 9)), Some((2, 0)), Ok(())),
        (Some((1, 1)), Some((1, 1)), forced),
        (Some((1, 2)), Some((1, 1)), forced),
        (Some((2, 0)), Some((1, 9)), forced),
        (Some((1, 1)), None, forced),
        (None, Some((1, 1)), Ok(())),
    ] {
        let (_w, mut a, mut b) = world();
        let f = app(a.create("x"), 1, old).ok();
        let sent = app(b.create("x"), 2, new).send();
        match expected {
            Ok(()) => {
                sent.ok();
                a.close(f).is(NtStatus::FILE_CLOSED);
            }
            Err(status) => {
                sent.is(status);
                a.close(f).ok();
            }
        }
    }
}

/// Who may not read the file does not close it to others.
#[test]
fn who_may_not_read() {
    let w = World::new();
    let mut a = elsewhere(&w, Dialect::SMB_3_1_1, "alice", 1);
    let mut b = elsewhere(&w, Dialect::SMB_3_1_1, "bob", 2);
    let f = app(a.create("own"), 1, None).ok();
    app(b.create("own"), 2, None).is(NtStatus::ACCESS_DENIED);
    a.close(f).ok();
}
