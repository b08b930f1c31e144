//! What outlives the server: a journal of the promises it has made of persistent opens. It is
//! [`MAGIC`], then blocks as those of a recording: the length of what is in it (4 bytes, the lowest
//! first), its [`digest`] (8 bytes) and what is [`Said`], all of it or nothing. Blocks are only ever
//! added; a journal that has become long is written anew. Whoever reads one takes it for hostile: what
//! is intact counts up to the first block that is not.

use crate::{
    codec::{Value, fields},
    event::digest,
    file::Fault,
};
use ksmbd_core::{
    id::OpenId,
    vfs::Promise,
    wire::codec::{Malformed, Parse, Reader},
};
use std::collections::BTreeMap;

/// What a journal begins with; the last byte is the version of the format.
pub const MAGIC: [u8; 9] = *b"ksmbdpst\x01";

/// No block is longer.
pub const MAX_BLOCK: usize = 64 << 20;

/// Closed opens that are remembered, so that what was said of them before, and comes late, does not
/// count.
const REMEMBERED: usize = 4096;

/// By what a file is told from another one that has its name or its number now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// When it was made, in seconds and nanoseconds, where the file system knows.
    pub birth: Option<(u64, u32)>,
}

impl Anchor {
    /// It is the same file. Devices may be numbered otherwise after a restart of the machine.
    pub fn is(&self, other: &Self) -> bool {
        let born = self.birth.is_some() && self.birth == other.birth;
        let same = self.device == other.device && self.birth == other.birth;
        self.inode == other.inode && (born || same)
    }
}

/// One thing that a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A server begins: the so-many-th.
    Servers(u32),
    /// This is promised of an open.
    Kept(u64, Box<Promise>, Anchor),
    /// An open is closed.
    Gone(u64, OpenId),
}

impl Value for Said {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Servers(count) => {
                out.push(0);
                count.put(out);
            }
            Self::Kept(number, promise, anchor) => {
                out.push(1);
                number.put(out);
                promise.put(out);
                anchor.put(out);
            }
            Self::Gone(number, open) => {
                out.push(2);
                number.put(out);
                open.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            0 => Self::Servers(Value::get(from)?),
            1 => Self::Kept(Value::get(from)?, sound(from)?, Value::get(from)?),
            2 => Self::Gone(Value::get(from)?, Value::get(from)?),
            _ => return Err(Malformed("no Said")),
        })
    }
}

fields! { Anchor { device, inode, birth } }

/// A promise, whose path stays below its share.
fn sound(from: &mut Reader<'_>) -> Parse<Box<Promise>> {
    let promise = Box::<Promise>::get(from)?;
    let path = promise.path.as_str();
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
        return Err(Malformed("a path that leads elsewhere"));
    }
    Ok(promise)
}

/// All that a journal comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    servers: u32,
    opens: BTreeMap<OpenId, (u64, Box<Promise>, Anchor)>,
    /// Under which numbers they were closed.
    gone: BTreeMap<OpenId, u64>,
}

impl Ledger {
    /// How many servers there have been.
    pub fn servers(&self) -> u32 {
        self.servers
    }

    /// The opens that are there.
    pub fn opens(&self) -> impl Iterator<Item = (u64, &Promise, &Anchor)> {
        self.opens.values().map(|(number, promise, anchor)| (*number, &**promise, anchor))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.opens.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.opens.is_empty()
    }

    /// What was not said before, or was said of an earlier state.
    pub fn is_news(&self, said: &Said) -> bool {
        let known = |open: &OpenId| {
            let there = self.opens.get(open).map(|(number, ..)| *number);
            there.max(self.gone.get(open).copied())
        };
        match said {
            Said::Servers(count) => *count > self.servers,
            Said::Kept(number, promise, _) => known(&promise.id) < Some(*number),
            Said::Gone(number, open) => known(open) < Some(*number),
        }
    }

    /// It is said.
    pub fn take(&mut self, said: Said) {
        if !self.is_news(&said) {
            return;
        }
        match said {
            Said::Servers(count) => self.servers = count,
            Said::Kept(number, promise, anchor) => {
                self.opens.insert(promise.id, (number, promise, anchor));
            }
            Said::Gone(number, open) => {
                self.opens.remove(&open);
                self.gone.insert(open, number);
                if self.gone.len() > REMEMBERED {
                    self.gone.pop_first();
                }
            }
        }
    }

    /// A journal that says this and nothing else.
    pub fn journal(&self) -> Vec<u8> {
        let mut journal = MAGIC.to_vec();
        journal.extend(block(&[Said::Servers(self.servers)]));
        for (number, promise, anchor) in self.opens.values() {
            journal.extend(block(&[Said::Kept(*number, promise.clone(), *anchor)]));
        }
        journal
    }
}

/// What is said together.
pub fn block(said: &[Said]) -> Vec<u8> {
    let mut inside = Vec::new();
    said.iter().for_each(|said| said.put(&mut inside));
    let mut block = Vec::with_capacity(inside.len().saturating_add(12));
    let length = u32::try_from(inside.len()).unwrap_or(u32::MAX);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&digest(&inside).to_le_bytes());
    block.extend_from_slice(&inside);
    block
}

/// What a journal comes to, and what is wrong behind that, if anything is.
///
/// # Errors
///
/// It is no journal, or one of another version: none of it can be read.
pub fn read(bytes: &[u8]) -> Result<(Ledger, Option<Fault>), Fault> {
    let mut ledger = Ledger::default();
    let mut rest = match bytes.split_at_checked(MAGIC.len()) {
        Some((magic, rest)) if magic == MAGIC => rest,
        _ => return Err(foreign(bytes)),
    };
    let mut blocks = 0_u64;
    while !rest.is_empty() {
        let offset = bytes.len().saturating_sub(rest.len()) as u64;
        match next(rest) {
            Ok((said, behind)) => {
                said.into_iter().for_each(|said| ledger.take(said));
                rest = behind;
            }
            Err(what) => {
                return Ok((ledger, Some(Fault { events: blocks, offset, what })));
            }
        }
        blocks = blocks.saturating_add(1);
    }
    Ok((ledger, None))
}

fn foreign(bytes: &[u8]) -> Fault {
    let what = match (bytes.split_at_checked(8), MAGIC.split_at_checked(8)) {
        (Some((name, [version, ..])), Some((ours, [known, ..]))) if name == ours => {
            format!("format {version}; this program reads {known}")
        }
        _ => "this is no journal".to_owned(),
    };
    Fault { events: 0, offset: 0, what }
}

/// One block, and what is behind it.
fn next(rest: &[u8]) -> Result<(Vec<Said>, &[u8]), String> {
    let cut_off = || "it is cut off".to_owned();
    let (head, rest) = rest.split_first_chunk::<12>().ok_or_else(cut_off)?;
    let [a, b, c, d, sum @ ..] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length == 0 || length > MAX_BLOCK {
        return Err(format!("damaged: {length} bytes are no block"));
    }
    let (inside, rest) = rest.split_at_checked(length).ok_or_else(cut_off)?;
    if digest(inside) != u64::from_le_bytes(sum) {
        return Err("damaged: the digest is wrong".to_owned());
    }
    let mut reader = Reader::new(inside);
    let mut said = Vec::new();
    while reader.remaining() > 0 {
        said.push(Said::get(&mut reader).map_err(|error| error.to_string())?);
    }
    Ok((said, rest))
}
