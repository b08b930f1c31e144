//! Credits and the sequence window (MS-SMB2 3.3.1.1, 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5).

use ksmbd_fuzz::client::{body, request::EXCLUSIVE};
use ksmbd_fuzz::prelude::*;

#[test]
fn as_many_as_asked_for_up_to_the_limit() {
    let w = World::with(|config| config.limits.credits = 500);
    let mut a = w.logged_on("alice");
    a.ask = 10;
    let before = a.credits;
    a.echo().ok();
    assert_eq!(a.credits, before + 9);
    a.ask = u16::MAX;
    for _ in 0..3 {
        a.echo().ok();
        assert_eq!(a.credits, 500);
    }
}

/// Whoever asks for nothing keeps at least one.
#[test]
fn never_without() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_2_0_2);
    a.ask = 0;
    while a.credits > 1 {
        let mut message = a.message(&RequestBody::Echo);
        message.header.credits = 0;
        a.send(message).ok();
    }
    let mut message = a.message(&RequestBody::Echo);
    message.header.credits = 0;
    assert_eq!(a.send(message).ok().header.credits, 1);
    a.echo().ok();
}

#[test]
fn out_of_sequence_drops() {
    type Change = fn(&mut Message);
    let changes: [Change; 3] = [
        |message| message.header.message_id = 0,
        |message| message.header.message_id += 100_000,
        |message| message.header.message_id = u64::MAX,
    ];
    for change in changes {
        let w = World::new();
        let mut a = w.logged_on("alice");
        let mut message = a.message(&RequestBody::Echo);
        change(&mut message);
        let mid = message.header.message_id;
        assert_eq!(a.send(message).drops(), ConnectionError::OutOfSequence(mid));
    }
}

/// MessageIds may be used in any order inside the window, each once.
#[test]
fn skipped_ids() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let chain: Vec<Message> = (0..4).map(|_| a.message(&RequestBody::Echo)).collect();
    for index in [3, 1, 0] {
        a.send(chain[index].clone()).ok();
    }
    let again = chain[3].clone();
    let mid = again.header.message_id;
    a.send(chain[2].clone()).ok();
    assert_eq!(a.send(again).drops(), ConnectionError::OutOfSequence(mid));
}

/// A charge takes as many ids.
#[test]
fn a_charge_uses_several_ids() {
    let w = World::new();
    w.put("x", &[1; 200_000]);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let next = a.next_mid;
    a.read(f, 0, 150_000).ok();
    assert_eq!(a.next_mid, next + 3);
    let mut inside = a.message(&RequestBody::Echo);
    inside.header.message_id = next + 2;
    assert_eq!(a.send(inside).drops(), ConnectionError::OutOfSequence(next + 2));
}

#[test]
fn a_charge_that_is_not_paid() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let unpaid = |a: &mut Client, body: &RequestBody, data: &[u8]| {
        let mut message = a.message_with(body, data);
        assert!(message.header.credit_charge > 1);
        a.next_mid -= u64::from(message.header.credit_charge) - 1;
        message.header.credit_charge = 1;
        a.send(message).is(NtStatus::INVALID_PARAMETER);
    };
    unpaid(&mut a, &body::read(f, 0, 65537), b"");
    unpaid(&mut a, &body::write(f, 0, 65537), &[0; 65537]);
    unpaid(&mut a, &body::query_file(f, FileInfoClass::ALL, 65537), b"");
    assert_eq!(w.data("x").unwrap(), b"");
}

/// Charges came with 2.1: in 2.0.2 each request costs one credit, and the field means nothing.
#[test]
fn no_charge_in_2_0_2() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_2_0_2).logged_on("alice");
    let mut message = a.message(&RequestBody::Echo);
    message.header.credit_charge = 7;
    a.send(message).ok();
    a.echo().ok();
}

/// The interim answer grants, the final one repeats nothing.
#[test]
fn granted_by_the_interim_answer() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (f, g) = (a.create("x").ok(), a.create("x").ok());
    a.lock(f, 0, 1, EXCLUSIVE).ok();
    let before = a.credits;
    a.ask = 5;
    let waiting = a.lock(g, 0, 1, EXCLUSIVE).waits();
    assert_eq!(a.credits, before - 1 + 5);
    a.ask = 1;
    a.unlock(f, 0, 1).ok();
    assert_eq!(a.answer(waiting.mid).ok().header.credits, 0);
    assert_eq!(a.credits, before - 1 + 5);
}

/// CANCEL uses no id of its own.
#[test]
fn cancel_costs_nothing() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    for mid in [0, 5, 1 << 40] {
        a.cancel_message(mid);
    }
    a.echo().ok();
}

/// A client that never uses its lowest id cannot make the window grow without bound.
#[test]
fn a_hole_bounds_the_window() {
    let w = World::with(|config| config.limits.credits = 20);
    let mut a = w.logged_on("alice");
    a.ask = u16::MAX;
    a.echo().ok();
    let hole = a.message(&RequestBody::Echo);
    let mut sent = 0;
    while a.credits > 0 {
        a.echo().ok();
        sent += 1;
        assert!(sent < 100);
    }
    a.send(hole).ok();
    a.echo().ok();
}
