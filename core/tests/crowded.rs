//! No room for one more: the oldest connection without a session gives way, the oldest session that is
//! nobody's, and nobody takes from the others what they need (DESIGN 3, property 9).

use ksmbd_core::{auth::ntlm::client::Credentials, server::Unwelcome};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const ATTACKER: [u8; 4] = [10, 0, 0, 2];
const OTHER: [u8; 4] = [10, 0, 0, 3];
const GONE: ConnectionError = ConnectionError::Closed("another client needs the room");

fn crowded(connections: usize, of_address: usize) -> World {
    World::with(|config| {
        config.limits.connections = connections;
        config.limits.connections_per_address = of_address;
    })
}

fn logged_on(w: &World, from: [u8; 4]) -> Client {
    let mut client = w.try_connect(from).unwrap();
    client.negotiate().ok();
    client.logon("bob", &password("bob")).ok();
    client
}

#[test]
fn the_oldest_without_a_session_gives_way() {
    let w = crowded(4, 100);
    let mut known = logged_on(&w, ATTACKER);
    let mut silent: Vec<Client> = (0..3).map(|_| w.try_connect(ATTACKER).unwrap()).collect();
    let mut good = w.connect();
    assert_eq!(silent[0].dropped(), GONE);
    good.negotiate().ok();
    good.logon("alice", &password("alice")).ok();
    let next = w.try_connect(OTHER).unwrap();
    assert_eq!(silent[1].dropped(), GONE);
    silent[2].nothing();
    known.echo().ok();
    good.echo().ok();
    assert_eq!(w.counters().connections, 4);
    next.hang_up();
    assert_eq!(w.counters().connections, 3);
}

/// Who is about to log on is not thrown out by the others of a flood: they are more, so they go.
#[test]
fn a_flood_goes_before_a_client_that_logs_on() {
    let w = crowded(20, 100);
    let mut good = w.connect();
    good.negotiate().ok();
    let mut logon = good.begin(Credentials::new("alice", "", &password("alice")));
    let first = logon.first(&mut good).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.extend(w.try_connect(OTHER));
        flood.extend(w.try_connect(ATTACKER));
        w.advance(Duration::from_millis(100));
    }
    logon.second(&mut good, &first).ok();
    assert_eq!(w.counters().connections, 20);
    let gone: Vec<_> =
        flood.iter_mut().filter(|client| client.is_dropped()).map(Client::dropped).collect();
    assert!(gone.iter().all(|why| *why == GONE));
    assert_eq!(gone.len() + 19, flood.len(), "all the others are there");
}

/// Connections of one address are replaced no faster than one can log on.
#[test]
fn one_address_takes_its_own_room() {
    let w = crowded(100, 3);
    let mut silent: Vec<Client> = (0..3).map(|_| w.try_connect(ATTACKER).unwrap()).collect();
    let refused = w.try_connect(ATTACKER).err();
    assert_eq!(refused, Some(Unwelcome::TooManyOfAddress), "all are too young to go");
    w.advance(Duration::from_secs(1));
    let mut known = logged_on(&w, ATTACKER);
    assert_eq!(silent[0].dropped(), GONE);
    let _more = [w.try_connect(ATTACKER).unwrap(), w.try_connect(ATTACKER).unwrap()];
    assert_eq!((silent[1].dropped(), silent[2].dropped()), (GONE, GONE));
    known.echo().ok();
}

/// Where everybody has a session nobody gives way.
#[test]
fn who_has_a_session_stays() {
    let w = crowded(2, 100);
    let mut both = [logged_on(&w, ATTACKER), logged_on(&w, OTHER)];
    w.advance(Duration::from_secs(60));
    assert_eq!(w.try_connect([10, 0, 0, 9]).err(), Some(Unwelcome::TooMany));
    both[1].logoff().ok();
    w.advance(Duration::from_secs(1));
    let mut third = logged_on(&w, [10, 0, 0, 9]);
    assert_eq!(both[1].dropped(), GONE, "it has a session no more");
    both[0].echo().ok();
    third.echo().ok();
}

/// The time in which a session has to be there begins anew when the last one has ended.
#[test]
fn logged_off_for_good() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.advance(Duration::from_secs(25));
    a.logoff().ok();
    w.advance(Duration::from_secs(29));
    a.nothing();
    w.advance(Duration::from_secs(1));
    assert_eq!(a.dropped(), ConnectionError::Closed("no session in time"));
}

/// MS-SMB2 3.3.5.5: SESSION_SETUPs that are never finished fill the table, and give way.
#[test]
fn half_open_sessions_give_way() {
    let w = World::with(|config| config.limits.sessions = 20);
    let mut flood: Vec<Client> = (0..4).map(|_| w.try_connect(ATTACKER).unwrap()).collect();
    let mut begun = 0;
    for client in &mut flood {
        client.negotiate().ok();
        for _ in 0..8 {
            let mut logon = client.begin(Credentials::new("bob", "", "x"));
            let answer = logon.first(client).answer();
            begun += usize::from(answer.status == NtStatus::MORE_PROCESSING_REQUIRED);
        }
    }
    assert!((16..=20).contains(&begun), "{begun}");
    let mut good = w.connect();
    good.negotiate().ok();
    good.logon("alice", &password("alice")).ok();
    assert!(w.counters().sessions <= 20);
}

/// One session does not take all opens: the last ones are for others.
#[test]
fn opens_are_left_for_others() {
    let w = World::with(|config| config.limits.opens = 100);
    w.put("x", b"data");
    let mut greedy = w.logged_on("alice");
    while w.counters().opens < 50 {
        greedy.create("x").ok();
    }
    greedy.create("x").ok();
    greedy.create("x").is(NtStatus::TOO_MANY_OPENED_FILES);
    let mut other = w.logged_on("bob");
    for _ in 0..20 {
        other.create("x").ok();
    }
    assert_eq!(w.counters().opens, 71);
}

/// Locks are counted for each file, and all together for those who have many.
#[test]
fn locks_have_an_end() {
    let w = World::with(|config| {
        config.limits.locks_per_file = 150;
        config.limits.locks = 200;
    });
    w.vfs(|vfs| vfs.node_at("/srv/share", "").unwrap().mode = 0o777);
    let mut a = w.logged_on("alice");
    let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
    let opens: Vec<_> = ["a", "a", "b", "c"].map(|name| a.create(name).ok()).into();
    let fill = |a: &mut Client, open, from: u64| {
        (from..)
            .take_while(|at| a.lock(open, *at, 1, exclusive).answer().status == NtStatus::SUCCESS)
            .count()
    };
    assert_eq!(fill(&mut a, opens[0], 0), 150, "of a file");
    assert_eq!(fill(&mut a, opens[1], 1000), 0);
    assert_eq!(fill(&mut a, opens[2], 0), 64, "beyond the few there is nothing left");
    assert_eq!(fill(&mut a, opens[3], 0), 64, "but these are anybody's");
    assert_eq!(w.counters().locks, 278);
}

/// A chain asks for no more than one frame can answer: what goes beyond is refused, before a byte is
/// read.
#[test]
fn a_chain_asks_for_more_than_a_frame() {
    let w = World::new();
    w.put("x", &vec![7; 1 << 20]);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.ask = 400;
    a.echo().ok();
    let chain: Vec<_> = (0..4).map(|_| a.message(&body::read(f, 0, 4 << 20))).collect();
    a.send_chain(&chain);
    let statuses: Vec<_> =
        chain.iter().map(|message| a.answer(message.header.message_id).status).collect();
    let wanted = [NtStatus::SUCCESS; 3].into_iter().chain([NtStatus::INSUFFICIENT_RESOURCES]);
    assert_eq!(statuses, wanted.collect::<Vec<_>>());
}
