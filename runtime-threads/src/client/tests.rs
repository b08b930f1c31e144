use super::*;
use crate::{
    clock::Clock,
    daemon::{Post, Receipt},
    mailbox::Bell,
    record::Recorder,
};
use crossbeam_channel::unbounded;
use ksmbd_core::{config::Config, server::Server, vfs::Peer};
use std::{io::Write, net::TcpListener};

/// A client's thread without the thread, and the client.
fn rig() -> (Client, TcpStream) {
    let (daemon, _) = unbounded();
    let (worker, _) = unbounded();
    let server = Server::new(Arc::new(Config::default()), [7; 32]);
    let post = Post::new(daemon.clone(), daemon, worker.clone());
    let (clock, bell) = (Clock::start(), Bell::new().unwrap());
    let shared = Shared::new(server, clock, bell, worker, Recorder::default(), (post, None), 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, address) = listener.accept().unwrap();
    socket::prepare(&ours).unwrap();
    let mailbox = Arc::new(Mailbox::new(16).unwrap());
    let peer = Peer { address, local: ours.local_addr().unwrap() };
    let accepted = shared.accept(peer, Arc::clone(&mailbox)).unwrap_or_else(|_| panic!("room"));
    (Client::new(shared, accepted.connection, Arc::new(ours), mailbox), theirs)
}

/// An SMB2 NEGOTIATE of dialect 2.1 with its transport prefix.
fn negotiate() -> Vec<u8> {
    let mut message = vec![0xfe, b'S', b'M', b'B', 64, 0, 1, 0];
    message.resize(64, 0);
    message.extend([36, 0, 1, 0, 1, 0, 0, 0]);
    message.extend([0; 28]);
    message.extend([0x10, 0x02]);
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

/// Waits for what was sent, and does it.
fn turn(client: &mut Client) {
    client.receive().unwrap();
    client.work().unwrap();
}

#[test]
fn a_frame_has_its_time_though_it_began_with_the_end_of_another() {
    let (mut client, mut socket) = rig();
    let begun = [0, 0, 0x80, 0, 0xfe, b'S', b'M', b'B'];
    socket.write_all(&[&negotiate()[..], &begun].concat()).unwrap();
    turn(&mut client);
    assert!(client.connection.is_mid_frame() && client.frame.is_none());
    client.mailbox.bell().ring();
    client.receive().unwrap();
    let deadline = client.frame.as_ref().expect("it is waited for").deadline();
    assert!(deadline <= Instant::now() + FRAME_TIME);
    client.mailbox.bell().ring();
    client.receive().unwrap();
    assert_eq!(client.frame.as_ref().map(Arriving::deadline), Some(deadline), "and no longer");
}

#[test]
fn between_frames_there_is_time() {
    let (mut client, mut socket) = rig();
    socket.write_all(&negotiate()).unwrap();
    turn(&mut client);
    client.mailbox.bell().ring();
    client.receive().unwrap();
    assert!(client.frame.is_none());
}

#[test]
fn who_goes_while_he_is_not_read_from_is_noticed() {
    let (mut client, socket) = rig();
    let mut ops = 0..;
    while client.asked.has_room() {
        client.asked.add(OpId(ops.next().unwrap()), Receipt::lost(), 0);
    }
    drop(socket);
    client.receive().unwrap();
    assert!(client.asked.has_room(), "what he has asked is taken back");
    assert!(matches!(client.receive(), Err(End::Closed)));
}
