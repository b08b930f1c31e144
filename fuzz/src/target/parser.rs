//! The least there is between a stranger's bytes and the server: a connection, and a server that nobody
//! has logged on to. Nothing is carried out and nothing is checked but that it goes on: this is the
//! fastest target. `frame` asks more of the same bytes.

use ksmbd_core::{
    config::Config,
    connection::{Connection, Incoming},
    error::Refusal,
    id::{ConnId, OpId},
    message::Outbound,
    server::Server,
    sink::{Executor, Sink},
    time::{FileTime, Instant, Now},
    vfs::{Call, File, Peer},
};
use std::sync::{Arc, OnceLock};

/// One connection's bytes, as one read of its socket after the other gives them.
pub(super) fn run(data: &[u8]) {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let config = Arc::clone(CONFIG.get_or_init(Arc::default));
    let now = Now { mono: Instant(1_000_000), wall: FileTime::from_unix(1_700_000_000, 0) };
    let mut server = Server::new(config, [7; 32]);
    let peer = Peer { address: ([10, 0, 0, 1], 1024).into(), local: ([10, 0, 0, 2], 445).into() };
    let accepted = server.accept(now, peer, &mut Answers::default());
    let mut connection = accepted.unwrap_or_else(|why| panic!("{why}")).connection;
    let mut unread = data;
    while let Some(more) = step(&mut server, &mut connection, now, &mut unread) {
        if !more {
            break;
        }
    }
    let mut out = Answers::default();
    server.hang_up(now, connection.id(), &mut out);
}

/// One request, or one read; `None`: the connection is dropped.
fn step(
    server: &mut Server,
    connection: &mut Connection,
    now: Now,
    unread: &mut &[u8],
) -> Option<bool> {
    let mut out = Answers::default();
    match connection.poll_request().ok()? {
        Some(Incoming::Request(request)) => server.handle(now, request, &mut out),
        Some(Incoming::NeedKeys(session)) => {
            connection.give_keys(session, server.keys_of(session));
        }
        None if unread.is_empty() || !connection.wants_input() => return Some(false),
        None => {
            let spare = connection.spare();
            let (now, later) = unread.split_at(spare.len().min(unread.len()));
            spare[..now.len()].copy_from_slice(now);
            connection.filled(now.len());
            *unread = later;
        }
    }
    for message in out.0 {
        let frame = connection.seal(message).ok()?;
        frame.into_iter().for_each(|frame| connection.recycle(frame));
    }
    Some(true)
}

/// What the connection is sent. Calls are not carried out: who waits for one waits until the end.
#[derive(Default)]
struct Answers(Vec<Outbound>);

impl Sink for Answers {
    fn send(&mut self, _: ConnId, message: Outbound) {
        self.0.push(message);
    }

    fn call(&mut self, _: Executor, _: OpId, _: Call) {}

    fn release(&mut self, _: File) {}

    fn refused(&mut self, _: &Refusal) {}
}
