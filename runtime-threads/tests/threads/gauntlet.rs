//! The gauntlet over real sockets: connections that come and go while the forker accepts, lengths that
//! are claimed, work that is pending when a client goes or the server stops. See `GAUNTLET.md`.

use crate::{
    raw::{echo, negotiate, reply},
    rig::{Rig, is_closed, send},
};
use ksmbd_core::config::Limits;
use std::{
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// A client that is served: NEGOTIATE is answered, and soon.
fn is_served(rig: &Rig) {
    let since = Instant::now();
    let socket = rig.connect();
    send(&socket, &negotiate());
    assert_eq!(reply(&socket)[8..12], [0; 4]);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

/// Connections from several threads, closed before a byte, in the middle of a frame, after an answer,
/// half, and while they are accepted: no place, thread or entry is kept, whatever the order.
#[test]
fn connections_come_and_go() {
    let limits = Limits { connections: 24, connections_per_address: 24, ..Limits::default() };
    let rig = Rig::with(limits);
    let address = rig.address();
    let clients: Vec<_> = (0..4_usize)
        .map(|thread| {
            thread::spawn(move || {
                for n in 0..150 {
                    let Ok(socket) = TcpStream::connect(address) else { continue };
                    match (n + thread) % 5 {
                        0 => {}
                        1 => send_quietly(&socket, &negotiate()[..20]),
                        2 => send_quietly(&socket, &negotiate()),
                        3 => drop(socket.shutdown(Shutdown::Write)),
                        _ => send_quietly(&socket, &[0, 0xff, 0xff, 0xff, 1]),
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    // Who comes last is accepted last, or turned away: nobody waits to be accepted any more.
    let last = rig.connect();
    send_quietly(&last, &negotiate());
    let _ = last.peek(&mut [0]);
    drop(last);
    rig.wait_until_empty();
    is_served(&rig);
    rig.stop();
}

/// The server may have closed it already.
fn send_quietly(mut socket: &TcpStream, bytes: &[u8]) {
    let _ = std::io::Write::write_all(&mut socket, bytes);
}

/// One address has its share: what is more is closed at once and not only forgotten, its place is given
/// back with each that goes, and it never grows.
#[test]
fn one_address_does_not_take_all_places() {
    let rig = Rig::with(Limits { connections_per_address: 3, ..Limits::default() });
    for _ in 0..20 {
        let mine: Vec<TcpStream> = (0..3).map(|_| rig.connect()).collect();
        rig.wait_for_clients(3);
        let more: Vec<TcpStream> = (0..5).map(|_| rig.connect()).collect();
        assert!(more.iter().all(is_closed));
        rig.wait_for_clients(3);
        send(&mine[0], &negotiate());
        assert_eq!(reply(&mine[0])[8..12], [0; 4]);
        drop(mine);
        rig.wait_until_empty();
    }
    is_served(&rig);
    rig.stop();
}

/// Many connections claim the largest frame that strangers may send, and send one byte of it; others
/// claim more, and are hung up on. A good client is served in between, and all of them are gone in time.
#[test]
fn lengths_that_are_claimed_and_never_sent() {
    let limits = Limits {
        setup_time: Duration::from_secs(2),
        connections: 120,
        connections_per_address: 120,
        ..Limits::default()
    };
    let rig = Rig::with(limits);
    let claim = (66 * 1024_u32).to_be_bytes();
    let slow: Vec<TcpStream> = (0..50).map(|_| rig.connect()).collect();
    for socket in &slow {
        send(socket, &claim);
        send(socket, &[0xfe]);
    }
    let partial: Vec<TcpStream> = (0..20).map(|_| rig.connect()).collect();
    partial.iter().for_each(|socket| send(socket, &[0]));
    let greedy: Vec<TcpStream> = (0..20).map(|_| rig.connect()).collect();
    greedy.iter().for_each(|socket| send(socket, &[0, 0xff, 0xff, 0xff, 0xfe]));
    is_served(&rig);
    assert!(greedy.iter().all(is_closed));
    assert!(slow.iter().chain(&partial).all(is_closed));
    rig.wait_until_empty();
    rig.stop();
}

/// Frames are queued, and the client is gone before any of them is looked at: reset, closed, half
/// closed.
#[test]
fn hung_up_with_work_pending() {
    let rig = Rig::new();
    for round in 0..60 {
        let socket = rig.connect();
        send(&socket, &negotiate());
        if round % 3 == 0 {
            reply(&socket);
        }
        let frames: Vec<u8> = (1..10).flat_map(echo).collect();
        send_quietly(&socket, &frames);
        match round % 2 {
            // Unread answers make this a reset.
            0 => drop(socket),
            _ => drop(socket.shutdown(Shutdown::Both)),
        }
    }
    rig.wait_until_empty();
    is_served(&rig);
    rig.stop();
}

/// The server stops while clients connect, send, wait for answers and go: everybody is hung up on, and
/// it does not take long.
#[test]
fn stopped_while_everybody_is_at_work() {
    for _ in 0..3 {
        let rig = Rig::new();
        let address = rig.address();
        let clients: Vec<_> = (0..6)
            .map(|n| {
                thread::spawn(move || {
                    while let Ok(socket) = TcpStream::connect(address) {
                        send_quietly(&socket, &negotiate());
                        if n % 2 == 0 {
                            (1..5).for_each(|id| send_quietly(&socket, &echo(id)));
                        }
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(100));
        rig.stop();
        clients.into_iter().for_each(|client| client.join().unwrap());
    }
}
