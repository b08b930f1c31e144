//! Buffers that carry file data without a copy.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Range};

/// Room in front of READ's data for every header: transport prefix, TRANSFORM_HEADER, SMB2 header
/// and the fixed part of the READ response.
pub const HEADROOM: usize = 4 + 52 + 64 + 16;

/// A counted slice of a received frame. Cloning it copies no bytes.
#[derive(Clone)]
pub struct Payload {
    frame: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Payload {
    /// The part of `frame` that `range` names; empty when it is not inside.
    pub fn new(frame: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        let range = if range.start <= range.end && range.end <= frame.len() { range } else { 0..0 };
        Self { frame, range }
    }

    /// A payload of its own bytes.
    pub fn owned(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { frame: Arc::new(bytes), range }
    }

    /// A part of this payload, `range` counted from its start; empty when it is not inside.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = self.range.start.saturating_add(range.start);
        let end = self.range.start.saturating_add(range.end);
        let inside = start <= end && end <= self.range.end;
        let range = if inside { start..end } else { 0..0 };
        Self { frame: Arc::clone(&self.frame), range }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.frame.get(self.range.clone()).unwrap_or_default()
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// What the frame that this is a slice of takes: it stays as long as this.
    pub fn held(&self) -> usize {
        self.frame.capacity()
    }

    /// No bytes at all.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// Where READ's data goes: a vector that begins with [`HEADROOM`] bytes for the headers, so that the
/// reply is sealed in place and written once.
pub struct ReplyBuf(Vec<u8>);

impl ReplyBuf {
    /// An empty buffer with room for `capacity` bytes of data; `recycled` gives its memory.
    pub fn new(mut recycled: Vec<u8>, capacity: usize) -> Self {
        recycled.clear();
        recycled.reserve(HEADROOM.saturating_add(capacity));
        recycled.resize(HEADROOM, 0);
        Self(recycled)
    }

    /// The vector to append data to (`rustix::buffer::spare_capacity` fits). Its first
    /// [`HEADROOM`] bytes are not data and must stay.
    pub fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The data.
    pub fn data(&self) -> &[u8] {
        self.0.get(HEADROOM..).unwrap_or_default()
    }

    /// The whole vector, headroom first.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for ReplyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyBuf({} bytes)", self.data().len())
    }
}

/// Bytes ready for the socket, transport prefix first.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    start: usize,
}

impl Frame {
    /// The bytes of `bytes` from `start` on.
    pub fn new(bytes: Vec<u8>, start: usize) -> Self {
        Self { start: start.min(bytes.len()), bytes }
    }

    /// What to write to the socket.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The memory, for the pool.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes().len())
    }
}
