//! Recorded runs, had again: what the server was told is told to a fresh one, in the recorded order
//! and by one thread, and every byte that it sends has to be the recorded one.

pub mod corpus;
pub mod logon;
pub mod pcap;
pub mod rewrite;
pub mod scenario;

use ksmbd_core::{
    connection::{Connection, Incoming},
    crypto::SessionKeys,
    id::{ConnId, OpId, SessionId},
    message::{Outbound, Request},
    server::Server,
    sink::{Executor, Sink},
    time::Now,
    vfs::{Call, File, Peer},
    wire::transform::{PROTOCOL_ID, TRANSFORM_LEN},
};
use ksmbd_record::{Came, Ended, Event, Reader, Sent};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    io::Read,
    sync::Arc,
};

/// Bytes of the transport's prefix.
const PREFIX: usize = 4;

/// Who looks on.
pub trait Watch {
    /// A client was accepted.
    fn accepted(&mut self, _: ConnId, _: &Peer, _: Now) {}
    /// A client's message, without encryption.
    fn request(&mut self, _: ConnId, _: &[u8], _: Now) {}
    /// The same as it came, and what it came to.
    fn frame(&mut self, _: ConnId, _: &Framed<'_>) {}
    /// A message for a client, without encryption.
    fn reply(&mut self, _: ConnId, _: &[u8], _: Now) {}
    /// The connection is gone.
    fn hung_up(&mut self, _: ConnId, _: Now) {}
}

/// Looks away.
impl Watch for () {}

/// A frame of a client.
#[derive(Debug)]
pub struct Framed<'a> {
    /// Where in all that the client has sent it begins, behind its prefix.
    pub at: u64,
    /// As it came, without its prefix.
    pub raw: &'a [u8],
    /// Without encryption.
    pub message: &'a [u8],
    /// What it says.
    pub request: &'a Request,
    /// Of the connection's sessions, at this time.
    pub keys: &'a BTreeMap<SessionId, Arc<SessionKeys>>,
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events.
    pub events: u64,
    /// Connections.
    pub connections: u64,
    /// Frames that were sent as recorded.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The recording was as long as it might be, and the run went on.
    pub full: bool,
}

/// Why a replay did not come to its end.
#[derive(Debug)]
pub enum Failed {
    /// The recording cannot be read; up to there all was as recorded.
    Fault(ksmbd_record::Fault, Replayed),
    /// This event, counted from 1, did not come as recorded.
    Differs(u64, String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault, done) => {
                write!(f, "{fault}; {} frames before it are as recorded", done.frames)
            }
            Self::Differs(event, what) => write!(f, "differs at event {event}: {what}"),
        }
    }
}

impl std::error::Error for Failed {}

/// Has a whole recording again.
///
/// # Errors
///
/// It is damaged, or something is not as recorded.
pub fn replay(recording: impl Read, watch: &mut dyn Watch) -> Result<Replayed, Failed> {
    let fault = |fault| Failed::Fault(fault, Replayed::default());
    let mut reader = Reader::new(recording).map_err(fault)?;
    let mut player = Player::default();
    loop {
        match reader.next_event() {
            Ok(Some(event)) => {
                if let Err(what) = player.play(event, watch) {
                    return Err(Failed::Differs(player.done.events, what));
                }
            }
            Ok(None) => return Ok(player.done),
            Err(fault) => return Err(Failed::Fault(fault, player.done)),
        }
    }
}

/// For tests: has a recording again.
///
/// # Panics
///
/// It is damaged, or something is not as recorded.
#[track_caller]
pub fn check(recording: &[u8]) {
    if let Err(error) = replay(recording, &mut ()) {
        panic!("{error}");
    }
}

/// One connection and what is on its way to it.
struct Line {
    connection: Connection,
    mailbox: VecDeque<Outbound>,
    /// Polled and not handled.
    request: Option<Request>,
    /// Asked for and not given.
    wanted: Option<SessionId>,
    /// Received, and not polled as a request.
    raw: Vec<u8>,
    /// Received before that.
    before: u64,
    /// What the connection was told of its sessions' keys.
    keys: BTreeMap<SessionId, Arc<SessionKeys>>,
}

/// A server that is told what a recorded one was told.
#[derive(Default)]
pub struct Player {
    server: Option<Server>,
    lines: BTreeMap<ConnId, Line>,
    calls: BTreeSet<OpId>,
    now: Now,
    /// So far.
    pub done: Replayed,
}

/// Takes what the server puts out; calls are not carried out: what they came to was recorded.
struct Out<'a> {
    lines: &'a mut BTreeMap<ConnId, Line>,
    calls: &'a mut BTreeSet<OpId>,
}

impl Sink for Out<'_> {
    fn send(&mut self, to: ConnId, message: Outbound) {
        if let Some(line) = self.lines.get_mut(&to) {
            line.mailbox.push_back(message);
        }
    }

    fn call(&mut self, _: Executor, op: OpId, _: Call) {
        self.calls.insert(op);
    }

    fn release(&mut self, file: File) {
        drop(file);
    }
}

/// What is not as recorded.
type Same<T = ()> = Result<T, String>;

impl Player {
    /// Tells the server one thing, or checks one.
    ///
    /// # Errors
    ///
    /// It is not as recorded; the player is of no use any more.
    pub fn play(&mut self, event: Event, watch: &mut dyn Watch) -> Same {
        self.done.events += 1;
        match event {
            Event::Start(start) if self.server.is_none() => {
                self.server = Some(Server::new(start.config, start.seed));
                Ok(())
            }
            Event::Start(_) => Err("a second start".into()),
            Event::Reconfigure(config) => {
                self.enter(None, |server, _, _| server.reconfigure(config))
            }
            Event::Accept(conn, peer, now) => self.accept(conn, peer, now, watch),
            Event::Bytes(conn, data) => self.receive(conn, &data),
            Event::Poll(conn, came) => self.poll(conn, came, watch),
            Event::Keys(conn, session) => self.give_keys(conn, session),
            Event::Handle(conn, now) => {
                let request = self.line(conn)?.request.take().ok_or("there is no request")?;
                self.enter(Some(now), |server, now, out| server.handle(now, request, out))
            }
            Event::Complete(op, done, now) => {
                if !self.calls.remove(&op) {
                    return Err(format!("{op:?} was not asked for, or is complete: {done:?}"));
                }
                self.enter(Some(now), |server, now, out| server.complete(now, op, done, out))
            }
            Event::Changed(change, now) => {
                self.enter(Some(now), |server, now, out| server.fs_changed(now, &change, out))
            }
            Event::HangUp(conn, now) => {
                self.lines.remove(&conn).ok_or_else(|| format!("{conn:?} is not there"))?;
                watch.hung_up(conn, now);
                self.enter(Some(now), |server, now, out| server.hang_up(now, conn, out))
            }
            Event::Timeout(now) => {
                self.enter(Some(now), |server, now, out| server.handle_timeout(now, out))
            }
            Event::CloseKept(now) => {
                self.enter(Some(now), |server, now, out| server.close_kept(now, out))
            }
            Event::Restore(past, now) => {
                self.enter(Some(now), |server, now, out| server.restore(now, past, out))
            }
            Event::Seal(conn, sent) => self.seal(conn, sent, watch),
            Event::End(why) => {
                self.done.full = why == Ended::Full;
                Ok(())
            }
        }
    }

    /// What a client signs and encrypts with.
    fn keys(&self, conn: ConnId, session: SessionId) -> Option<Arc<SessionKeys>> {
        let known = self.lines.get(&conn).and_then(|line| line.keys.get(&session)).cloned();
        known.or_else(|| self.server.as_ref()?.keys_of(session))
    }

    fn line(&mut self, conn: ConnId) -> Same<&mut Line> {
        self.lines.get_mut(&conn).ok_or_else(|| format!("{conn:?} is not there"))
    }

    fn enter(
        &mut self,
        now: Option<Now>,
        entry: impl FnOnce(&mut Server, Now, &mut dyn Sink),
    ) -> Same {
        self.now = now.unwrap_or(self.now);
        let server = self.server.as_mut().ok_or("the server was not started")?;
        let mut out = Out { lines: &mut self.lines, calls: &mut self.calls };
        entry(server, self.now, &mut out);
        Ok(())
    }

    fn accept(&mut self, conn: ConnId, peer: Peer, now: Now, watch: &mut dyn Watch) -> Same {
        self.now = now;
        let server = self.server.as_mut().ok_or("the server was not started")?;
        let mut out = Out { lines: &mut self.lines, calls: &mut self.calls };
        let accepted = server.accept(now, peer.clone(), &mut out);
        let accepted = accepted.map_err(|why| format!("{peer:?} is refused: {why}"))?;
        let connection = accepted.connection;
        if connection.id() != conn {
            return Err(format!("{:?} was {conn:?}", connection.id()));
        }
        watch.accepted(conn, &peer, now);
        self.done.connections += 1;
        let line = Line {
            connection,
            mailbox: VecDeque::new(),
            request: None,
            wanted: None,
            raw: Vec::new(),
            before: 0,
            keys: BTreeMap::new(),
        };
        self.lines.insert(conn, line);
        Ok(())
    }

    fn receive(&mut self, conn: ConnId, data: &[u8]) -> Same {
        let line = self.line(conn)?;
        let spare = line.connection.spare();
        let room = spare.len();
        let Some(spare) = spare.get_mut(..data.len()) else {
            return Err(format!("{conn:?} has room for {room} bytes, not for {}", data.len()));
        };
        spare.copy_from_slice(data);
        line.connection.filled(data.len());
        line.raw.extend_from_slice(data);
        Ok(())
    }

    fn poll(&mut self, conn: ConnId, recorded: Came, watch: &mut dyn Watch) -> Same {
        let now = self.now;
        let line = self.line(conn)?;
        let polled = line.connection.poll_request();
        let came = Came::of(&polled);
        let mut what = String::new();
        match polled {
            Ok(None) => {}
            Ok(Some(Incoming::NeedKeys(session))) => line.wanted = Some(session),
            Ok(Some(Incoming::Request(request))) => {
                let message = line.show(conn, &request, now, watch);
                line.request = Some(request);
                what = scenario::summary(&message);
            }
            Err(error) => what = error.to_string(),
        }
        if came == recorded {
            return Ok(());
        }
        Err(format!("{conn:?} polls {came:?} ({what}), recorded was {recorded:?}"))
    }

    fn give_keys(&mut self, conn: ConnId, session: SessionId) -> Same {
        let server = self.server.as_ref().ok_or("the server was not started")?;
        let keys = server.keys_of(session);
        let line = self.line(conn)?;
        if line.wanted.take() != Some(session) {
            return Err(format!("{conn:?} has not asked for the keys of {session:?}"));
        }
        line.connection.give_keys(session, keys);
        Ok(())
    }

    fn seal(&mut self, conn: ConnId, recorded: Sent, watch: &mut dyn Watch) -> Same {
        let (sent, plain) = self.sealed(conn)?;
        if sent != recorded {
            let what = scenario::summary(&plain);
            return Err(format!("{conn:?} is sent {sent:x?} ({what}), recorded was {recorded:x?}"));
        }
        if let Sent::Frame(length, _) = sent {
            watch.reply(conn, &plain, self.now);
            self.done.frames += 1;
            self.done.bytes += length as u64;
        }
        Ok(())
    }

    /// Seals the oldest message for a connection, whatever was recorded of it: what came of it, and the
    /// message without encryption.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn sealed(&mut self, conn: ConnId) -> Same<(Sent, Vec<u8>)> {
        let line = self.line(conn)?;
        let message = line.mailbox.pop_front();
        let message = message.ok_or_else(|| format!("{conn:?} has nothing to send"))?;
        let mut keys = None;
        match &message {
            Outbound::Reply(reply) => keys = reply.seal.as_ref().map(|(_, keys)| Arc::clone(keys)),
            Outbound::Keys(session, Some(keys)) => {
                line.keys.insert(*session, Arc::clone(keys));
            }
            Outbound::ForgetKeys(session) => {
                line.keys.remove(session);
            }
            _ => {}
        }
        let sealed = line.connection.seal(message);
        let sent = Sent::of(&sealed);
        let mut plain = Vec::new();
        if let Ok(Some(frame)) = sealed {
            plain = opened(frame.bytes(), keys.as_deref());
            line.connection.recycle(frame);
        }
        Ok((sent, plain))
    }
}

impl Line {
    /// Shows the frame that a request came in; the message, without encryption.
    fn show(
        &mut self,
        conn: ConnId,
        request: &Request,
        now: Now,
        watch: &mut dyn Watch,
    ) -> Vec<u8> {
        let length = self.raw.first_chunk::<PREFIX>().map_or(0, |prefix| {
            let [_, high, middle, low] = *prefix;
            u32::from_be_bytes([0, high, middle, low]) as usize
        });
        let whole = (PREFIX + length).min(self.raw.len());
        let frame: Vec<u8> = self.raw.drain(..whole).collect();
        let raw = frame.get(PREFIX..).unwrap_or_default();
        let message = match raw.starts_with(&PROTOCOL_ID) {
            true => request.elements.iter().flat_map(|e| e.bytes.bytes()).copied().collect(),
            false => raw.to_vec(),
        };
        watch.request(conn, &message, now);
        let at = self.before + PREFIX as u64;
        watch.frame(conn, &Framed { at, raw, message: &message, request, keys: &self.keys });
        self.before += whole as u64;
        message
    }
}

/// A frame without its prefix and its encryption.
fn opened(frame: &[u8], keys: Option<&SessionKeys>) -> Vec<u8> {
    let mut frame = frame.get(PREFIX..).unwrap_or_default().to_vec();
    let key = keys.and_then(SessionKeys::server_to_client);
    if let (Some(key), Some((head, message))) =
        (key, frame.split_first_chunk_mut::<TRANSFORM_LEN>())
        && key.open(head, message).is_ok()
    {
        return message.to_vec();
    }
    frame
}

#[cfg(test)]
mod tests;
