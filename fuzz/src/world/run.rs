//! The loop: what the server has put out, then the calls, then what clients have sent, until nothing
//! is left to do. And what must be true when everybody is gone.

use super::{Inner, Seen, link::Link};
use crate::memvfs::inside;
use core::time::Duration;
use ksmbd_core::{
    connection::Incoming,
    error::{ConnectionError, Refusal},
    id::{ConnId, OpId},
    message::Outbound,
    server::{Counters, Server},
    sink::{Executor, Sink},
    time::{FileTime, Now},
    vfs::{Call, Done, File, VfsError},
};
use ksmbd_record::{Came, Sent, event::put};

/// One thing that the server has put out, in its order.
pub(super) enum Output {
    Send(ConnId, Outbound),
    Call(Executor, OpId, Call),
    Release(File),
}

/// Collects while the server is borrowed.
struct Collect<'a> {
    outputs: &'a mut std::collections::VecDeque<Output>,
    refusals: &'a mut Vec<Refusal>,
}

impl Sink for Collect<'_> {
    fn send(&mut self, to: ConnId, message: Outbound) {
        self.outputs.push_back(Output::Send(to, message));
    }

    fn call(&mut self, on: Executor, op: OpId, call: Call) {
        self.outputs.push_back(Output::Call(on, op, call));
    }

    fn release(&mut self, file: File) {
        self.outputs.push_back(Output::Release(file));
    }

    fn refused(&mut self, refusal: &Refusal) {
        assert!(refusal.status.0 != 0, "a refusal that says success");
        assert!(!refusal.at.is_empty(), "a refusal without its reason: {refusal}");
        self.refusals.push(refusal.clone());
    }
}

/// A sum that goes on with more bytes: FNV's, eight bytes at a time.
fn digest(sum: u64, bytes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(29);
    let (words, rest) = bytes.as_chunks();
    let sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

impl Inner {
    /// Enters the server, as the runtime does under its lock.
    pub(super) fn enter(&mut self, entry: impl FnOnce(&mut Server, Now, &mut dyn Sink)) {
        self.entries += 1;
        let Self { server, outputs, refusals, now, .. } = self;
        inside(|| entry(server, *now, &mut Collect { outputs, refusals }));
        if self.refusals.len() > 10_000 {
            self.refusals.clear();
        }
    }

    /// Until nothing is left to do.
    pub(super) fn run(&mut self) {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                self.put_out(output);
            } else if let Some((op, call)) = self.calls.next() {
                self.carry_out(op, call);
            } else if !self.poll_links() {
                return;
            }
        }
    }

    fn put_out(&mut self, output: Output) {
        match output {
            Output::Send(to, message) => self.send(to, message),
            Output::Call(on, op, call) => self.started(on, op, call),
            Output::Release(file) => drop(file),
        }
    }

    fn send(&mut self, to: ConnId, message: Outbound) {
        let link = self.links.get_mut(&to).unwrap_or_else(|| panic!("sent to nobody: {to:?}"));
        // Queued before it was known that the client is gone: discarded.
        let Some(connection) = link.connection.as_mut() else {
            return;
        };
        let sealed = connection.seal(message);
        let sent = Sent::of(&sealed);
        match sealed {
            Ok(None) => {}
            Ok(Some(frame)) => {
                let (prefix, message) = frame.bytes().split_at(4);
                let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
                assert_eq!(length as usize, message.len(), "the prefix tells the length");
                self.digest = digest(self.digest ^ to.0, frame.bytes());
                let at = self.history.tick();
                link.sent.push_back((at, message.to_vec()));
                connection.recycle(frame);
            }
            Err(why) => {
                self.note(|| put::seal(to, sent));
                return self.drop_link(to, why);
            }
        }
        self.note(|| put::seal(to, sent));
    }

    pub(super) fn completed(&mut self, op: OpId, done: Done) {
        self.calls.complete(op);
        self.note_completed(op, &done);
        self.enter(|server, now, out| server.complete(now, op, done, out));
    }

    fn drop_link(&mut self, conn: ConnId, why: ConnectionError) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.dropped = Some(why);
        }
        self.cut(conn);
    }

    fn cut(&mut self, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn).filter(|link| link.connection.is_some()) else {
            return;
        };
        link.cut();
        self.alive.retain(|alive| *alive != conn);
        let before = self.take_calls(conn);
        self.history.see(Seen::Gone(conn));
        self.note_now(|| put::hang_up(conn));
        self.enter(|server, now, out| server.hang_up(now, conn, out));
        for op in before {
            self.completed(op, Done::Failed(VfsError::HungUp));
        }
    }

    /// What was to run on the thread of a client before it was known that it has gone: it never does, and
    /// fails. Calls that are asked for from now on are a bug.
    fn take_calls(&mut self, conn: ConnId) -> Vec<OpId> {
        let of = |output: &Output| match output {
            Output::Call(Executor::Client(on), op, _) if *on == conn => Some(*op),
            _ => None,
        };
        let taken: Vec<OpId> = self.outputs.iter().filter_map(of).collect();
        self.outputs.retain(|output| of(output).is_none());
        taken.iter().for_each(|op| self.calls.abandon(*op));
        taken
    }

    /// The client closes its socket, and is gone.
    #[track_caller]
    pub(crate) fn hang_up(&mut self, conn: ConnId) {
        self.cut(conn);
        self.run();
        if let Some(link) = self.links.remove(&conn) {
            let unexpected = link.dropped.filter(|_| !link.expected);
            assert!(unexpected.is_none(), "{conn:?} was dropped: {unexpected:?}");
        }
    }

    /// One frame of each connection, or one more piece of one.
    fn poll_links(&mut self) -> bool {
        let (mut busy, mut at) = (false, 0);
        while let Some(&id) = self.alive.get(at) {
            busy |= self.poll_link(id);
            // It may have hung up, and the next one stands there.
            at += usize::from(self.alive.get(at) == Some(&id));
        }
        busy
    }

    fn poll_link(&mut self, id: ConnId) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        let Some(connection) = link.connection.as_mut() else {
            return false;
        };
        let polled = connection.poll_request();
        let came = Came::of(&polled);
        self.note(|| put::poll(id, came));
        match polled {
            Ok(None) => self.read(id),
            Ok(Some(Incoming::NeedKeys(session))) => {
                self.note(|| put::keys(id, session));
                let keys = self.server.keys_of(session);
                if let Some(connection) =
                    self.links.get_mut(&id).and_then(|l| l.connection.as_mut())
                {
                    connection.give_keys(session, keys);
                }
                true
            }
            Ok(Some(Incoming::Request(request))) => {
                assert_eq!(request.conn, id);
                self.note_now(|| put::handle(id));
                self.enter(|server, now, out| server.handle(now, request, out));
                true
            }
            Err(why) => {
                self.drop_link(id, why);
                true
            }
        }
    }

    fn read(&mut self, id: ConnId) -> bool {
        let Self { links, tape, .. } = self;
        let Some(read) = links.get_mut(&id).and_then(Link::read) else {
            return false;
        };
        tape.note(|| put::received(id, read));
        true
    }

    /// Moves the clock, stopping exactly where the server asks for it.
    pub(super) fn advance(&mut self, time: Duration) {
        self.history.see(Seen::Waited(time));
        // Whoever is idle while time passes gives its buffers back, as the runtime has it.
        self.links.values_mut().filter_map(|link| link.connection.as_mut()).for_each(|c| c.trim());
        let end = self.now.mono + time;
        while let Some((at, timer)) = self.server.poll_timeout().filter(|(at, _)| *at <= end) {
            self.set_clock(at.max(self.now.mono));
            self.note_now(put::timeout);
            self.enter(|server, now, out| server.handle_timeout(now, out));
            let next = self.server.poll_timeout();
            assert!(next.is_none_or(|(next, _)| next > at), "{timer:?} fires again at once");
            self.run();
        }
        self.set_clock(end);
        self.run();
    }

    fn set_clock(&mut self, to: ksmbd_core::time::Instant) {
        let passed = to.since(self.now.mono).as_micros() as u64;
        self.now = Now { mono: to, wall: FileTime(self.now.wall.0 + passed * 10) };
    }

    /// Everybody hangs up; then nothing may be left.
    #[track_caller]
    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.run();
        for (id, link) in &self.links {
            assert!(link.sent.is_empty(), "{id:?} was sent {} frames more", link.sent.len());
        }
        let ids: Vec<ConnId> = self.links.keys().copied().collect();
        ids.into_iter().for_each(|id| self.hang_up(id));
        self.release_calls();
        // Nobody comes back for what was kept.
        self.advance(Duration::from_secs(3600));
        assert_eq!(self.calls.outstanding(), 0, "calls that never completed");
        assert_eq!(self.server.counters(), Counters::default(), "the tables are not empty");
        assert_eq!(self.vfs.live(), 0, "files are still open");
        assert_eq!(self.daemon.live(), 0, "pipes are still open");
        assert_eq!(self.daemon.admitted(), 0, "trees that never left");
    }
}
