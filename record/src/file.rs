//! A recording as a file: [`MAGIC`], then blocks. A block is the length of what is in it (4 bytes, the
//! lowest first), its [`digest`] (8 bytes) and whole events. Whoever may read a recording may read
//! what clients have read and written: so it is its owner's alone.

use crate::{
    codec::Value,
    event::{Ended, Event, Start, digest, put},
};
use ksmbd_core::wire::codec;
use std::{
    collections::VecDeque,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

/// What a recording begins with; the last byte is the version of the format.
pub const MAGIC: [u8; 9] = *b"ksmbdrec\x01";

/// How the names of recordings end.
pub const EXTENSION: &str = "rec";

/// No block is longer: a frame, with what is around it.
const MAX_BLOCK: usize = 64 << 20;

/// Room that is kept for the end.
const RESERVE: u64 = 64;

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W = File> {
    output: W,
    path: PathBuf,
    /// Bytes that may still be written.
    left: u64,
}

impl Writer {
    /// Begins a recording of at most `limit` bytes: a new file in `directory`, which is made if it is
    /// not there.
    ///
    /// # Errors
    ///
    /// It cannot be written, or others may look into the directory.
    pub fn create(directory: &Path, limit: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if fs::metadata(directory)?.mode() & 0o077 != 0 {
            let why = "others may look into it, and a recording holds secrets: `chmod 700` it";
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{}.{EXTENSION}", now.as_millis(), process::id());
        let path = directory.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, ..Self::new(file, limit)? })
    }
}

impl<W: Write> Writer<W> {
    /// Begins a recording of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(mut output: W, limit: u64) -> io::Result<Self> {
        output.write_all(&MAGIC)?;
        let left = limit.saturating_sub(MAGIC.len() as u64);
        Ok(Self { output, path: PathBuf::new(), left })
    }

    /// Where it is, if it is a file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the first event.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn start(&mut self, start: &Start) -> io::Result<()> {
        self.block(&put::start(start))
    }

    /// Writes whole events. `false`: there is no room for them, and they were not written.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, events: &[u8]) -> io::Result<bool> {
        let room = self.left.saturating_sub(RESERVE);
        if (events.len() as u64).saturating_add(12) > room {
            return Ok(false);
        }
        self.block(events).map(|()| true)
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn end(mut self, why: Ended) -> io::Result<W> {
        self.block(&put::end(why))?;
        Ok(self.output)
    }

    fn block(&mut self, events: &[u8]) -> io::Result<()> {
        let length = u32::try_from(events.len()).map_err(io::Error::other)?;
        let mut block = Vec::with_capacity(events.len().saturating_add(12));
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(&digest(events).to_le_bytes());
        block.extend_from_slice(events);
        self.left = self.left.saturating_sub(block.len() as u64);
        self.output.write_all(&block)
    }
}

/// The recordings in a directory, oldest first; or the one that `path` is.
///
/// # Errors
///
/// There are none, or they cannot be read.
pub fn recordings(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = entries.collect::<io::Result<Vec<_>>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    found.sort();
    if found.is_empty() {
        return Err(io::Error::new(ErrorKind::NotFound, "there is no recording in it"));
    }
    Ok(found)
}

/// What is wrong with a recording, and where.
#[derive(Debug)]
pub struct Fault {
    /// Events before it.
    pub events: u64,
    /// The block in which it is begins at this byte.
    pub offset: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, offset, what } = self;
        write!(f, "behind {events} events, in the block at byte {offset}: {what}")
    }
}

impl std::error::Error for Fault {}

/// Reads a recording, event by event.
pub struct Reader<R> {
    input: R,
    events: u64,
    offset: u64,
    next: u64,
    read: VecDeque<Event>,
    ended: bool,
}

impl Reader<BufReader<File>> {
    /// Begins to read a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no recording.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let fault = |error: io::Error| Fault { events: 0, offset: 0, what: error.to_string() };
        Self::new(BufReader::new(File::open(path).map_err(fault)?))
    }
}

impl<R: Read> Reader<R> {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// It is no recording, or one of another version.
    pub fn new(input: R) -> Result<Self, Fault> {
        let next = MAGIC.len() as u64;
        let read = VecDeque::new();
        let mut reader = Self { input, events: 0, offset: 0, next, read, ended: false };
        let mut magic = [0; MAGIC.len()];
        let length = reader.fill(&mut magic)?;
        match (magic.split_last(), MAGIC.split_last()) {
            _ if magic == MAGIC => Ok(reader),
            (Some((version, name)), Some((known, ours)))
                if length == MAGIC.len() && name == ours =>
            {
                Err(reader.fault(format!("format {version}; this program reads {known}")))
            }
            _ => Err(reader.fault("this is no recording".to_owned())),
        }
    }

    /// The next event; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The recording is damaged, or ends without an end. What came before counts.
    pub fn next_event(&mut self) -> Result<Option<Event>, Fault> {
        if self.read.is_empty() && !self.ended {
            self.block()?;
        }
        let event = self.read.pop_front();
        if event.is_some() {
            self.events = self.events.saturating_add(1);
        }
        self.ended |= matches!(event, Some(Event::End(_)));
        Ok(event)
    }

    fn block(&mut self) -> Result<(), Fault> {
        self.offset = self.next;
        let mut head = [0; 12];
        match self.fill(&mut head)? {
            12 => {}
            0 => return Err(self.fault("the recording has no end: the server was killed".into())),
            _ => return Err(self.fault("the recording is cut off".into())),
        }
        let [a, b, c, d, sum @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_BLOCK || length == 0 {
            return Err(self.fault(format!("damaged: {length} bytes are no block")));
        }
        let mut events = Vec::new();
        let taken = Read::by_ref(&mut self.input).take(length as u64).read_to_end(&mut events);
        match taken {
            Ok(taken) if taken == length => {}
            Ok(_) => return Err(self.fault("the recording is cut off".into())),
            Err(error) => return Err(self.fault(error.to_string())),
        }
        if digest(&events) != u64::from_le_bytes(sum) {
            return Err(self.fault("damaged: the digest is wrong".into()));
        }
        self.next = self.next.saturating_add(length as u64).saturating_add(12);
        self.parse(&events)
    }

    fn parse(&mut self, events: &[u8]) -> Result<(), Fault> {
        let mut reader = codec::Reader::new(events);
        while reader.remaining() > 0 {
            match Event::get(&mut reader) {
                Ok(event) => self.read.push_back(event),
                Err(error) => {
                    let what = format!("written by another version? {error}");
                    return Err(self.fault(what));
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(error.to_string())),
            }
        }
        Ok(filled)
    }

    fn fault(&self, what: String) -> Fault {
        Fault { events: self.events, offset: self.offset, what }
    }
}
