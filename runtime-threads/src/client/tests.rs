use super::*;
use crate::{
    clock::Clock,
    daemon::{Post, Receipt},
    mailbox::Bell,
    record::Recorder,
};
use crossbeam_channel::unbounded;
use ksmbd_core::{config::Config, id::SessionId, server::Server, vfs::Peer};
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
    let mailbox = Arc::new(Mailbox::new(16));
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

/// Does not wait for long.
fn look_up(client: &mut Client) {
    client.mailbox.push(Entry::Done(OpId(0), Done::Ok)).unwrap();
    client.receive().unwrap();
    assert!(matches!(client.mailbox.pop(), Next::Entry(_)));
}

/// How one who sleeps is woken.
fn asleep(mailbox: &Mailbox) -> Waker {
    loop {
        match mailbox.rouse() {
            Some(waker) => return waker,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn a_frame_has_its_time_though_it_began_with_the_end_of_another() {
    let (mut client, mut socket) = rig();
    let begun = [0, 0, 0x80, 0, 0xfe, b'S', b'M', b'B'];
    socket.write_all(&[&negotiate()[..], &begun].concat()).unwrap();
    turn(&mut client);
    assert!(client.connection.is_mid_frame() && client.frame.is_none());
    look_up(&mut client);
    let deadline = client.frame.as_ref().expect("it is waited for").deadline();
    assert!(deadline <= Instant::now() + FRAME_TIME);
    look_up(&mut client);
    assert_eq!(client.frame.as_ref().map(Arriving::deadline), Some(deadline), "and no longer");
}

#[test]
fn between_frames_there_is_time() {
    let (mut client, mut socket) = rig();
    socket.write_all(&negotiate()).unwrap();
    turn(&mut client);
    look_up(&mut client);
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

#[test]
fn there_is_a_bell_while_somebody_may_ring_it() {
    let (mut client, mut socket) = rig();
    socket.write_all(&negotiate()).unwrap();
    turn(&mut client);
    look_up(&mut client);
    assert!(client.bell.is_none(), "nobody knows it");
    client.asked.add(OpId(1), Receipt::lost(), 0);
    look_up(&mut client);
    assert!(client.bell.is_some(), "an answer is awaited");
    client.asked.answered(OpId(1));
    look_up(&mut client);
    assert!(client.bell.is_none(), "it has come");
    client.send(Outbound::Keys(SessionId(1), None)).unwrap();
    look_up(&mut client);
    assert!(client.bell.is_some(), "it has a session");
    client.send(Outbound::ForgetKeys(SessionId(1))).unwrap();
    look_up(&mut client);
    assert!(client.bell.is_some(), "what was asked in it may be answered late");
}

#[test]
fn who_has_no_bell_learns_why_he_has_to_go() {
    let (mut client, _socket) = rig();
    let mailbox = Arc::clone(&client.mailbox);
    let thread = thread::spawn(move || client.serve());
    let waker = asleep(&mailbox);
    mailbox.push(Entry::Message(Outbound::Close("there is no room"))).unwrap();
    waker.wake();
    let end = thread.join().unwrap();
    let why = ConnectionError::Closed("there is no room");
    assert!(matches!(end, Err(End::Protocol(end)) if end == why), "{end:?}");
}

#[test]
fn who_has_no_bell_ends_with_the_server() {
    let (mut client, _socket) = rig();
    let (shared, mailbox) = (Arc::clone(&client.shared), Arc::clone(&client.mailbox));
    let thread = thread::spawn(move || client.serve());
    let waker = asleep(&mailbox);
    shared.stop();
    waker.wake();
    let end = thread.join().unwrap();
    assert!(matches!(end, Err(End::Stopping)), "{end:?}");
}
