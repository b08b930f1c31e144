//! Guessing at passwords: attempts beyond a number of them wait, by address and account
//! (DESIGN 3, properties 4 and 9).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_core::vfs::Identity;
use ksmbd_fuzz::client::Logon;
use ksmbd_fuzz::prelude::*;
use std::sync::Arc;

const ATTACKER: [u8; 4] = [10, 0, 0, 66];
const FREE: usize = 10;

fn from(w: &World, address: [u8; 4]) -> Client {
    let mut client = w.try_connect(address).expect("room");
    client.offer = Offer::only(Dialect::SMB_3_1_1);
    client.negotiate().ok();
    client
}

/// An attempt up to where its password is looked at; returns the last request's number.
fn attempt(client: &mut Client, user: &str, password: &str) -> (u64, Logon) {
    let mut logon = client.begin(Credentials::new(user, "WORLD", password));
    let first = logon.first(client).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let mid = logon.second(client, &first).later();
    (mid, logon)
}

/// An attempt that waits.
#[track_caller]
fn waits(client: &mut Client, user: &str, password: &str) -> (u64, Logon) {
    let sent = attempt(client, user, password);
    client.nothing();
    sent
}

/// So many wrong passwords, each refused at once.
#[track_caller]
fn guess(w: &World, user: &str, count: usize) -> Client {
    let mut client = from(w, ATTACKER);
    for _ in 0..count {
        client.logon(user, "guess").is(NtStatus::LOGON_FAILURE);
    }
    client
}

#[test]
fn ten_wrong_passwords_are_answered_at_once_and_then_they_wait() {
    for user in ["alice", "nobody knows"] {
        let w = World::new();
        let mut a = guess(&w, user, FREE);
        for milliseconds in [250, 500, 1000, 2000, 4000, 5000, 5000] {
            let (mid, _) = waits(&mut a, user, "guess");
            assert_eq!(w.counters().parked, 1);
            w.advance(Duration::from_millis(milliseconds - 1));
            a.nothing();
            w.advance(Duration::from_millis(1));
            a.answer(mid).is(NtStatus::LOGON_FAILURE);
        }
        w.finish();
    }
}

/// The wait comes before the password is looked at, and hanging up does not shorten the next one.
#[test]
fn hanging_up_gains_nothing() {
    let w = World::new();
    guess(&w, "alice", FREE).hang_up();
    for milliseconds in [250, 500, 1000, 2000, 4000, 5000, 5000] {
        let mut a = from(&w, ATTACKER);
        let _ = waits(&mut a, "alice", &password("alice"));
        w.advance(Duration::from_millis(milliseconds - 1));
        a.nothing();
        a.hang_up();
        assert_eq!((w.counters().parked, w.counters().running), (0, 0));
    }
}

/// Attempts are counted when they begin: a hundred at once are no hundred free ones.
#[test]
fn many_at_once_gain_nothing() {
    let w = World::new();
    w.hold("logon");
    let mut clients: Vec<Client> = (0..20).map(|_| from(&w, ATTACKER)).collect();
    for client in &mut clients {
        let _ = attempt(client, "alice", "guess");
    }
    assert_eq!((w.held().len(), w.counters().parked), (FREE, 10));
}

#[test]
fn others_do_not_wait() {
    let w = World::new();
    let mut a = guess(&w, "alice", FREE);
    let _ = waits(&mut a, "alice", "guess");
    // The same account from elsewhere, and another account from the same address.
    w.logged_on("alice");
    from(&w, ATTACKER).logon("bob", &password("bob")).ok();
    w.advance(Duration::from_secs(6));
    a.receive().is(NtStatus::LOGON_FAILURE);
}

/// The right password waits as a wrong one does; then nobody waits any more.
#[test]
fn the_right_password_ends_the_waiting() {
    let w = World::new();
    guess(&w, "alice", FREE).hang_up();
    for _ in 0..4 {
        let mut a = from(&w, ATTACKER);
        let _ = waits(&mut a, "alice", "guess");
        a.hang_up();
    }
    let mut good = from(&w, ATTACKER);
    let mut bad = from(&w, ATTACKER);
    let (mid, mut logon) = waits(&mut good, "ALICE", &password("alice"));
    w.advance(Duration::from_secs(1));
    let (behind, _) = waits(&mut bad, "alice", "guess");
    w.advance(Duration::from_secs(3));
    let last = good.answer(mid).ok();
    logon.finish(&mut good, &last);
    bad.answer(behind).is(NtStatus::LOGON_FAILURE);
    good.connect_tree("share");
    for _ in 1..FREE {
        bad.logon("alice", "guess").is(NtStatus::LOGON_FAILURE);
    }
    let _ = waits(&mut bad, "alice", "guess");
}

/// Half a minute without an attempt forgives one.
#[test]
fn attempts_are_forgotten() {
    let w = World::new();
    guess(&w, "alice", FREE).hang_up();
    w.advance(Duration::from_secs(29));
    let mut a = from(&w, ATTACKER);
    let _ = waits(&mut a, "alice", "guess");
    a.hang_up();
    w.advance(Duration::from_secs(30 * 2));
    let mut a = guess(&w, "alice", 1);
    let _ = waits(&mut a, "alice", "guess");
    a.hang_up();
    w.advance(Duration::from_secs(30 * 11));
    guess(&w, "alice", FREE);
}

/// Many names from one address are counted together from the seventeenth on.
#[test]
fn one_password_for_many_names() {
    let w = World::new();
    let mut a = from(&w, ATTACKER);
    for number in 0..16 + FREE - 1 {
        a.logon(&format!("user{number}"), "guess").is(NtStatus::LOGON_FAILURE);
    }
    // A right password among them is only its own.
    a.logon("bob", &password("bob")).ok();
    a.logon("one more", "guess").is(NtStatus::LOGON_FAILURE);
    let (mid, mut logon) = waits(&mut a, "alice", &password("alice"));
    w.advance(Duration::from_millis(250));
    let last = a.answer(mid).ok();
    logon.finish(&mut a, &last);
    w.logged_on("alice");
}

/// The table is bounded, and whoever has been quiet longest is forgotten first.
#[test]
fn the_table_is_bounded() {
    let w = World::with(|config| {
        config.limits.guesses = 2;
        config.limits.free_guesses = 1;
    });
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        from(&w, [10, 0, 1, number as u8]).logon(name, "guess").is(NtStatus::LOGON_FAILURE);
        w.advance(Duration::from_secs(1));
    }
    let budget = w.budget("accounts guessed at");
    assert_eq!((budget.used, budget.limit), (2, Some(2)));
    from(&w, [10, 0, 1, 0]).logon("a", "guess").is(NtStatus::LOGON_FAILURE);
    let mut c = from(&w, [10, 0, 1, 2]);
    let _ = waits(&mut c, "c", "guess");
}

#[test]
fn nobody_waits_where_that_is_configured() {
    let w = World::with(|config| config.limits.guess_delay = Duration::ZERO);
    guess(&w, "alice", 100);
}

/// Where everybody is let in as a guest, a name that is not known is no guess.
#[test]
fn guests_do_not_wait() {
    let w = World::new();
    let identity = Identity { name: "nobody".into(), ..Identity::nobody() };
    w.daemon(|daemon| daemon.guest = Some(Arc::new(identity)));
    let mut a = from(&w, ATTACKER);
    for _ in 0..2 * FREE {
        a.logon("mallory", "x").ok();
    }
}

/// A session that authenticates again waits as well, and is gone if it fails.
#[test]
fn authenticating_again_waits_too() {
    let w = World::new();
    let mut a = from(&w, ATTACKER).logged_on("alice");
    guess(&w, "alice", FREE);
    let mut logon = a.begin(Credentials::new("alice", "WORLD", "guess"));
    logon.session_id = a.session_id;
    let first = logon.first(&mut a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let mid = logon.second(&mut a, &first).silent();
    w.advance(Duration::from_millis(250));
    a.answer(mid).is(NtStatus::LOGON_FAILURE);
    assert_eq!(w.counters().sessions, 0);
}

/// The session ends while its client waits to authenticate again.
#[test]
fn the_session_ends_meanwhile() {
    let w = World::new();
    let mut a = from(&w, ATTACKER).logged_on("alice");
    guess(&w, "alice", FREE);
    let mut again = a.begin(Credentials::new("alice", "WORLD", &password("alice")));
    again.session_id = a.session_id;
    let first = again.first(&mut a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let mid = again.second(&mut a, &first).silent();
    let mut b = w.client(Dialect::SMB_3_1_1);
    let mut logon = b.begin(Credentials::new("alice", "WORLD", &password("alice")));
    logon.previous = a.session_id;
    logon.run(&mut b).ok();
    w.advance(Duration::from_millis(250));
    a.answer(mid).is(NtStatus::USER_SESSION_DELETED);
    assert_eq!((w.counters().sessions, w.counters().parked), (1, 0));
}
