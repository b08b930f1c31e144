//! Bytes that are no client's: pieces, silence, nonsense, too many.

use crate::rig::{Rig, is_closed, send};
use ksmbd_core::config::Limits;
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// An SMB2 NEGOTIATE of dialect 2.1 with its transport prefix.
pub(crate) fn negotiate() -> Vec<u8> {
    let mut message = vec![0xfe, b'S', b'M', b'B', 64, 0, 1, 0];
    message.resize(64, 0);
    // CreditRequest.
    message[14] = 10;
    message.extend([36, 0, 1, 0, 1, 0, 0, 0]);
    message.extend([0; 28]);
    message.extend([0x10, 0x02]);
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], &message].concat()
}

pub(crate) fn reply(mut socket: &TcpStream) -> Vec<u8> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix).unwrap();
    let mut message = vec![0; u32::from_be_bytes(prefix) as usize];
    socket.read_exact(&mut message).unwrap();
    message
}

#[test]
fn a_request_in_pieces_is_answered() {
    let rig = Rig::new();
    let socket = rig.connect();
    for piece in negotiate().chunks(7) {
        send(&socket, piece);
        thread::sleep(Duration::from_millis(2));
    }
    let reply = reply(&socket);
    assert_eq!(reply[..4], [0xfe, b'S', b'M', b'B']);
    assert_eq!(reply[8..12], [0; 4], "status");
    rig.wait_for_clients(1);
    drop(socket);
    rig.wait_for_clients(0);
    rig.stop();
}

#[test]
fn nonsense_is_hung_up_on() {
    let rig = Rig::new();
    for bytes in [&[0xff; 64][..], &[0, 0xff, 0xff, 0xff], &[0, 0, 0, 4, 1, 2, 3, 4]] {
        let socket = rig.connect();
        send(&socket, bytes);
        assert!(is_closed(&socket), "{bytes:x?}");
    }
    rig.wait_for_clients(0);
    rig.stop();
}

#[test]
fn who_says_nothing_is_hung_up_on_in_time() {
    let limits = Limits { setup_time: Duration::from_millis(300), ..Limits::default() };
    let rig = Rig::with(limits);
    let (silent, partial) = (rig.connect(), rig.connect());
    send(&partial, &negotiate()[..20]);
    let since = Instant::now();
    assert!(is_closed(&silent) && is_closed(&partial));
    assert!(since.elapsed() < Duration::from_secs(10));
    rig.wait_for_clients(0);
    rig.stop();
}

#[test]
fn too_many_are_turned_away_and_there_is_room_again() {
    let rig = Rig::with(Limits { connections: 2, ..Limits::default() });
    let (first, second) = (rig.connect(), rig.connect());
    rig.wait_for_clients(2);
    assert!(is_closed(&rig.connect()));
    drop(first);
    rig.wait_for_clients(1);
    let third = rig.connect();
    send(&third, &negotiate());
    assert_eq!(reply(&third)[8..12], [0; 4]);
    drop(second);
    rig.stop();
}

#[test]
fn stopping_hangs_everybody_up() {
    let rig = Rig::new();
    let sockets: Vec<_> = (0..20).map(|_| rig.connect()).collect();
    send(&sockets[0], &negotiate());
    send(&sockets[1], &negotiate()[..9]);
    rig.wait_for_clients(20);
    rig.stop();
    assert!(sockets.iter().all(is_closed));
}

#[test]
fn threads_have_names() {
    let rig = Rig::new();
    let _socket = rig.connect();
    rig.wait_for_clients(1);
    let names = || -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect()
    };
    // A thread names itself, when it first runs.
    let until = Instant::now() + Duration::from_secs(10);
    for name in ["ksmbd/0\n", "ksmbd/1\n", "ksmbd/w\n"] {
        while !names().iter().any(|n| n == name) {
            assert!(Instant::now() < until, "{name} in {:?}", names());
            thread::sleep(Duration::from_millis(1));
        }
    }
    rig.stop();
}

/// An ECHO without a session: whatever the answer is, it is one.
pub(crate) fn echo(message_id: u64) -> Vec<u8> {
    let mut message = vec![0xfe, b'S', b'M', b'B', 64, 0, 1, 0];
    message.resize(64, 0);
    (message[12], message[14]) = (13, 1);
    message[24..32].copy_from_slice(&message_id.to_le_bytes());
    message.extend([4, 0, 0, 0]);
    [&68_u32.to_be_bytes()[..], &message].concat()
}

#[test]
fn who_does_not_read_stalls_himself_alone() {
    let rig = Rig::new();
    let stalled = rig.connect();
    send(&stalled, &negotiate());
    reply(&stalled);
    stalled.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0_u64;
    let full = (1..2_000_000).any(|id| {
        sent = id;
        (&stalled).write_all(&echo(id)).is_err()
    });
    assert!(full, "{sent} answers were taken");
    let since = Instant::now();
    let other = rig.connect();
    send(&other, &negotiate());
    assert_eq!(reply(&other)[8..12], [0; 4]);
    send(&other, &echo(1));
    reply(&other);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop(stalled);
    rig.wait_for_clients(1);
    rig.stop();
}
