#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Options, Runtime, room::Hung};
use ksmbd_core::config::Config;
use std::io::Read;

#[test]
fn who_does_not_go_keeps_others_out_for_a_while() {
    let now = Instant::now();
    let mut leaving = Leaving::default();
    for id in 0..31 {
        leaving.ids.insert(ConnId(id), now);
    }
    assert_eq!(leaving.crowded_for(now, LEAVING), None);
    leaving.ids.insert(ConnId(31), now + Duration::from_secs(1));
    let two = now + Duration::from_secs(2);
    assert_eq!(leaving.crowded_for(two, LEAVING), Some(Duration::from_secs(3)));
    assert_eq!(leaving.crowded_for(now + Duration::from_secs(6), LEAVING), None);
}

fn server(room: usize) -> Runtime {
    let (daemon, _) = unbounded();
    let runtime = Runtime::start(Options {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        config: Arc::new(Config::default()),
        seed: [7; 32],
        rpc: daemon.clone(),
        daemon,
        record: None,
        journal: None,
    });
    let runtime = runtime.unwrap();
    runtime.shared.room.set(room);
    runtime
}

/// Waits until so many of them are hung up on, the oldest first.
fn left(sockets: &mut Vec<TcpStream>, count: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    let is_there = |socket: &mut TcpStream| {
        socket.set_nonblocking(true).unwrap();
        matches!(socket.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    while sockets.len() != count && Instant::now() < until {
        // The youngest is looked at first: while we look, others may go.
        let there: Vec<bool> = sockets.iter_mut().rev().map(is_there).collect();
        assert!(there.is_sorted_by(|younger, older| younger >= older), "{there:?}");
        sockets.drain(..there.iter().filter(|there| !**there).count());
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(sockets.len(), count);
}

#[test]
fn where_descriptors_are_scarce_strangers_go_for_others() {
    let runtime = server(6);
    let connect = |_| TcpStream::connect(runtime.local_addrs()[0]).unwrap();
    let mut sockets: Vec<_> = (0..8).map(connect).collect();
    left(&mut sockets, 6);
    let shared = &runtime.shared;
    let bells: Vec<_> = (0..4).map(|_| Hung::new(&shared.room).unwrap()).collect();
    shared.forker.ring();
    left(&mut sockets, 2);
    sockets.push(connect(0));
    left(&mut sockets, 2);
    drop(bells);
    sockets.extend((0..4).map(connect));
    left(&mut sockets, 6);
}
