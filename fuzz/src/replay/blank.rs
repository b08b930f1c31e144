//! A recording without the data of files: zeros where WRITE and READ have some, of the same length. The
//! clients' messages are signed and encrypted anew, with the keys that the recording leads to anyway, so
//! that it replays as any other.

use super::{Failed, Framed, Player, Watch};
use ksmbd_core::{
    buffer::ReplyBuf,
    id::ConnId,
    message::Arrived,
    vfs::Done,
    wire::{
        header::{Command, HeaderFlags},
        message::RequestBody,
        transform::TRANSFORM_LEN,
    },
};
use ksmbd_record::{Event, Reader, Writer, codec::Value};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{Read, Write},
};

/// Events that are written together.
const BLOCK: usize = 64 << 10;

/// Writes `recording`, which is read twice, without the data of files.
///
/// # Errors
///
/// It does not replay, or the other one cannot be written.
pub fn blank<W: Write>(
    recording: impl Fn() -> std::io::Result<Box<dyn Read>>,
    output: W,
) -> Result<W, Box<dyn std::error::Error>> {
    let mut patches = Patches::default();
    super::replay(recording()?, &mut patches)?;
    let mut reader = Reader::new(recording()?)?;
    let mut writer = Writer::new(output, u64::MAX)?;
    let mut player = Player::default();
    let mut block = Vec::new();
    let mut events = 0;
    while let Some(event) = reader.next_event()? {
        events += 1;
        let differs = |what| Failed::Differs(events, what);
        let event = match patches.apply(event) {
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

/// What is other than it was, in all that each client has sent.
#[derive(Debug, Default)]
struct Patches {
    patches: BTreeMap<ConnId, VecDeque<(u64, Vec<u8>)>>,
    /// How much of that has passed.
    passed: BTreeMap<ConnId, u64>,
}

impl Watch for Patches {
    fn frame(&mut self, conn: ConnId, framed: &Framed<'_>) {
        if let Some(bytes) = without_data(framed) {
            self.patches.entry(conn).or_default().push_back((framed.at, bytes));
        }
    }
}

impl Patches {
    fn apply(&mut self, event: Event) -> Event {
        match event {
            Event::Bytes(conn, mut data) => {
                self.patch(conn, &mut data);
                Event::Bytes(conn, data)
            }
            Event::Complete(op, Done::Read(data), now) => {
                let length = data.data().len();
                let mut zeros = ReplyBuf::new(Vec::new(), length);
                let whole = zeros.vec().len() + length;
                zeros.vec().resize(whole, 0);
                Event::Complete(op, Done::Read(zeros), now)
            }
            other => other,
        }
    }

    fn patch(&mut self, conn: ConnId, data: &mut [u8]) {
        let passed = self.passed.entry(conn).or_default();
        let (begin, end) = (*passed, *passed + data.len() as u64);
        *passed = end;
        let Some(patches) = self.patches.get_mut(&conn) else { return };
        while let Some((at, bytes)) = patches.front() {
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
            patches.pop_front();
        }
    }
}

/// The frame with zeros for data; `None` where there is none.
fn without_data(framed: &Framed<'_>) -> Option<Vec<u8>> {
    let mut message = framed.message.to_vec();
    let mut changed = false;
    let (mut rest, mut session) = (message.as_mut_slice(), 0);
    for element in &framed.request.elements {
        let header = &element.header;
        if !header.flags.contains(HeaderFlags::RELATED_OPERATIONS) {
            session = header.session_id;
        }
        let (bytes, behind) = rest.split_at_mut_checked(element.bytes.len())?;
        rest = behind;
        if header.command != Command::WRITE {
            continue;
        }
        let Ok(RequestBody::Write(write)) = RequestBody::parse(header.command, bytes) else {
            continue;
        };
        bytes.get_mut(write.data)?.fill(0);
        changed = true;
        // What was signed wrongly stays so.
        let signed = header.flags.contains(HeaderFlags::SIGNED) && element.body.is_ok();
        if let Some(keys) = framed.keys.get(&ksmbd_core::id::SessionId(session))
            && signed
            && framed.request.arrived == Arrived::Plain
        {
            keys.signing().sign_message(bytes);
        }
    }
    let Arrived::Encrypted(by) = framed.request.arrived else {
        return changed.then_some(message);
    };
    let mut head = *framed.raw.first_chunk::<TRANSFORM_LEN>().filter(|_| changed)?;
    framed.keys.get(&by)?.client_to_server()?.seal(&mut head, &mut message).ok()?;
    Some([&head[..], &message].concat())
}
