//! Another recording of the same run, in which something is not told: the clients' messages are changed,
//! and signed and encrypted anew, so that it replays as any other.

use super::{Failed, Framed, PREFIX, Player, Watch, logon::Logons};
use ksmbd_core::{
    buffer::ReplyBuf,
    crypto::SessionKeys,
    id::{ConnId, SessionId},
    message::{Arrived, Element},
    status::NtStatus,
    time::Now,
    vfs::Done,
    wire::{
        header::{Command, HEADER_LEN, HeaderFlags},
        message::RequestBody,
        transform::TRANSFORM_LEN,
    },
};
use ksmbd_record::{Event, Reader, Writer, codec::Value};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{Read, Write},
    sync::Arc,
};

/// Events that are written together.
const BLOCK: usize = 64 << 10;

/// Bytes that stay of a frame that the server has not taken: the transport's prefix and a header.
const UNTAKEN: u64 = (PREFIX + HEADER_LEN) as u64;

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// The data of files: zeros where WRITE and READ have some, of the same length.
    Data,
    /// Session keys, and what proves a password: all sessions have keys that follow from [`logon::KEY`].
    ///
    /// [`logon::KEY`]: super::logon::KEY
    Keys,
}

/// Writes `recording`, which is read several times, without that.
///
/// # Errors
///
/// It does not replay, or the other one cannot be written.
pub fn rewrite<W: Write>(
    recording: impl Fn() -> std::io::Result<Box<dyn Read>>,
    output: W,
    without: Without,
) -> Result<W, Box<dyn std::error::Error>> {
    let mut frames = Frames::new(without, &mut Reader::new(recording()?)?)?;
    super::replay(recording()?, &mut frames)?;
    let mut reader = Reader::new(recording()?)?;
    let mut writer = Writer::new(output, u64::MAX)?;
    let mut player = Player::default();
    let mut block = Vec::new();
    let mut events = 0;
    while let Some(event) = reader.next_event()? {
        events += 1;
        let differs = |what| Failed::Differs(events, what);
        let event = match frames.apply(event, &player) {
            Event::End(why) => {
                writer.write(&block)?;
                return Ok(writer.end(why)?);
            }
            Event::Seal(conn, _) => Event::Seal(conn, player.sealed(conn).map_err(differs)?.0),
            event => event,
        };
        event.put(&mut block);
        if !matches!(event, Event::Seal(..)) {
            player.play(event, &mut ()).map_err(differs)?;
        }
        if block.len() > BLOCK {
            writer.write(&block)?;
            block.clear();
        }
    }
    Err("the recording has no end".into())
}

/// With what an element is signed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signer {
    /// Nothing: it was not signed, or what was signed wrongly stays so.
    Nobody,
    /// Its session.
    Session(SessionId),
    /// Its session's first channel, on another one: that is refused with a signature.
    First(SessionId),
}

impl Signer {
    fn of(element: &Element, session: SessionId, arrived: Arrived) -> Self {
        let genuine = element.body.as_ref().err() != Some(&NtStatus::ACCESS_DENIED);
        let signed = element.header.flags.contains(HeaderFlags::SIGNED) && element.signed;
        match (arrived, signed, genuine) {
            (Arrived::Plain, true, true) => Self::Session(session),
            (Arrived::Plain, true, false) => Self::First(session),
            _ => Self::Nobody,
        }
    }
}

/// A frame as it is to be, until there are the keys that it is signed and encrypted with.
#[derive(Debug)]
struct Frame {
    /// Where in all that the client has sent it begins, behind its prefix.
    at: u64,
    /// Its TRANSFORM_HEADER, and whose keys that means.
    sealed: Option<([u8; TRANSFORM_LEN], SessionId)>,
    /// Without encryption.
    message: Vec<u8>,
    /// Bytes of each element.
    elements: Vec<(usize, Signer)>,
}

impl Frame {
    /// What the client would have sent.
    fn bytes(mut self, keys: impl Fn(SessionId) -> Option<Arc<SessionKeys>>) -> Vec<u8> {
        let mut rest = self.message.as_mut_slice();
        for (length, signer) in self.elements {
            let Some((element, behind)) = rest.split_at_mut_checked(length) else { break };
            let keys = match signer {
                Signer::Nobody => None,
                Signer::Session(session) => keys(session),
                Signer::First(session) => keys(session).and_then(|keys| keys.first().cloned()),
            };
            if let Some(keys) = keys {
                keys.signing().sign_message(element);
            }
            rest = behind;
        }
        let Some((mut head, session)) = self.sealed else {
            return self.message;
        };
        let keys = keys(session);
        if let Some(key) = keys.as_ref().and_then(|keys| keys.client_to_server()) {
            // Where it is too long, the client could not have sealed it either.
            let _ = key.seal(&mut head, &mut self.message);
        }
        [&head[..], &self.message].concat()
    }
}

/// The frames that are other than they were, by who has sent them.
struct Frames {
    without: Without,
    logons: Logons,
    frames: BTreeMap<ConnId, VecDeque<Frame>>,
    /// The one that has not passed as a whole: where it begins, and its bytes.
    passing: BTreeMap<ConnId, (u64, Vec<u8>)>,
    /// How much of all that each has sent has passed.
    passed: BTreeMap<ConnId, u64>,
    /// How much of that is frames that the server has taken.
    shown: BTreeMap<ConnId, u64>,
}

impl Watch for Frames {
    fn frame(&mut self, conn: ConnId, framed: &Framed<'_>) {
        let mut message = framed.message.to_vec();
        let (mut elements, mut changed) = (Vec::new(), self.without == Without::Keys);
        let (mut rest, mut session) = (message.as_mut_slice(), 0);
        for element in &framed.request.elements {
            if !element.header.flags.contains(HeaderFlags::RELATED_OPERATIONS) {
                session = element.header.session_id;
            }
            let Some((bytes, behind)) = rest.split_at_mut_checked(element.bytes.len()) else {
                break;
            };
            match (self.without, element.header.command) {
                (Without::Data, Command::WRITE) => changed |= blank(bytes),
                (Without::Keys, Command::SESSION_SETUP) => self.logons.asked(conn, bytes),
                _ => {}
            }
            let signer = Signer::of(element, SessionId(session), framed.request.arrived);
            elements.push((bytes.len(), signer));
            rest = behind;
        }
        self.shown.insert(conn, framed.at + framed.raw.len() as u64);
        let sealed = match framed.request.arrived {
            Arrived::Encrypted(by) => framed.raw.first_chunk().map(|head| (*head, by)),
            Arrived::Plain => None,
        };
        if changed {
            let frame = Frame { at: framed.at, sealed, message, elements };
            self.frames.entry(conn).or_default().push_back(frame);
        }
    }

    fn reply(&mut self, conn: ConnId, message: &[u8], _: Now) {
        if self.without == Without::Keys {
            self.logons.answered(conn, message);
        }
    }
}

impl Frames {
    fn new(without: Without, reader: &mut Reader<impl Read>) -> Result<Self, ksmbd_record::Fault> {
        let mut logons = Logons::default();
        while without == Without::Keys
            && let Some(event) = reader.next_event()?
        {
            if let Event::Complete(_, Done::Account(account), _) = &event {
                logons.learn(account);
            }
        }
        let (frames, passing, passed, shown) = Default::default();
        Ok(Self { without, logons, frames, passing, passed, shown })
    }

    fn apply(&mut self, event: Event, player: &Player) -> Event {
        match (event, self.without) {
            (Event::Bytes(conn, mut data), _) => {
                self.patch(conn, &mut data, player);
                Event::Bytes(conn, data)
            }
            (Event::Complete(op, Done::Read(data), now), Without::Data) => {
                Event::Complete(op, Done::Read(zeros(data.data().len())), now)
            }
            (Event::Complete(op, Done::Account(account), now), Without::Keys) => {
                Event::Complete(op, Done::Account(Logons::forget(account)), now)
            }
            (other, _) => other,
        }
    }

    /// The next bytes of a client. Frames that begin in them are made now: by now the server has told
    /// their client what they are signed and encrypted with.
    fn patch(&mut self, conn: ConnId, data: &mut [u8], player: &Player) {
        let passed = self.passed.entry(conn).or_default();
        let (begin, end) = (*passed, *passed + data.len() as u64);
        *passed = end;
        // A frame that was cut off, or refused: how it begins decides what becomes of it.
        let untold = self.shown.get(&conn).copied().unwrap_or(0) + UNTAKEN;
        if let Some(rest) = data.get_mut(untold.saturating_sub(begin) as usize..) {
            rest.fill(0);
        }
        let frames = self.frames.entry(conn).or_default();
        loop {
            if let Some((at, bytes)) = self.passing.get(&conn) {
                let until = at + bytes.len() as u64;
                let (from, to) = ((*at).max(begin), until.min(end));
                if from < to {
                    let (here, there) = ((from - begin) as usize, (from - at) as usize);
                    let count = (to - from) as usize;
                    data[here..here + count].copy_from_slice(&bytes[there..there + count]);
                }
                if until > end {
                    return;
                }
                self.passing.remove(&conn);
            }
            match frames.pop_front() {
                Some(frame) if frame.at < end => {
                    let bytes = (frame.at, frame.bytes(|session| player.keys(conn, session)));
                    self.passing.insert(conn, bytes);
                }
                later => {
                    later.into_iter().for_each(|frame| frames.push_front(frame));
                    return;
                }
            }
        }
    }
}

/// Zeros for the data of a WRITE; `false`: there is none.
fn blank(element: &mut [u8]) -> bool {
    let Ok(RequestBody::Write(write)) = RequestBody::parse(Command::WRITE, element) else {
        return false;
    };
    element.get_mut(write.data).map(|data| data.fill(0)).is_some()
}

fn zeros(length: usize) -> ReplyBuf {
    let mut zeros = ReplyBuf::new(Vec::new(), length);
    let whole = zeros.vec().len() + length;
    zeros.vec().resize(whole, 0);
    zeros
}
