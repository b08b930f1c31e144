//! Bytes of the socket to whole frames (MS-SMB2 2.1).

use super::pool::Pool;
use crate::{error::ConnectionError, wire::transport};
use alloc::{vec, vec::Vec};

/// Frames up to this are read together with others and copied out once; larger ones are read in
/// place.
const STAGING: usize = 4096;

/// What was received and is not yet a request.
pub(super) struct Inbound {
    staging: Vec<u8>,
    start: usize,
    end: usize,
    partial: Option<Partial>,
    /// Bytes of the largest frame that is taken now.
    pub(super) limit: usize,
}

/// A frame that is longer than what was staged.
struct Partial {
    bytes: Vec<u8>,
    filled: usize,
    length: usize,
}

impl Inbound {
    pub(super) fn new(limit: usize) -> Self {
        Self { staging: Vec::new(), start: 0, end: 0, partial: None, limit }
    }

    pub(super) fn spare(&mut self) -> &mut [u8] {
        if let Some(partial) = &mut self.partial {
            return &mut partial.bytes[partial.filled..partial.length];
        }
        self.staging.resize(STAGING, 0);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == STAGING {
            self.staging.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.staging[self.end..]
    }

    pub(super) fn filled(&mut self, n: usize) {
        match &mut self.partial {
            Some(partial) => partial.filled = (partial.filled + n).min(partial.length),
            None => self.end = (self.end + n).min(self.staging.len()),
        }
    }

    pub(super) fn is_mid_frame(&self) -> bool {
        self.partial.is_some() || self.start != self.end
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn trim(&mut self) {
        if !self.is_mid_frame() {
            self.staging = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    /// The next whole frame without its prefix.
    pub(super) fn next(&mut self, pool: &mut Pool) -> Result<Option<Vec<u8>>, ConnectionError> {
        if let Some(partial) = self.partial.take_if(|partial| partial.filled == partial.length) {
            let mut bytes = partial.bytes;
            bytes.truncate(partial.length);
            return Ok(Some(bytes));
        }
        if self.partial.is_some() {
            return Ok(None);
        }
        let staged = &self.staging[self.start..self.end];
        let Some(prefix) = staged.first_chunk::<{ transport::PREFIX_LEN }>() else {
            return Ok(None);
        };
        let length = transport::parse_prefix(*prefix)?;
        if length > self.limit {
            return Err(ConnectionError::FrameTooLarge { claimed: length, limit: self.limit });
        }
        let body = &staged[transport::PREFIX_LEN..];
        if let Some(whole) = body.get(..length) {
            // It may wait for long: it is not to hold what a large frame has left.
            let mut bytes = pool.take_short();
            bytes.extend_from_slice(whole);
            self.start += transport::PREFIX_LEN + length;
            return Ok(Some(bytes));
        }
        let mut bytes = pool.take();
        if bytes.capacity() < length {
            // Zeroed pages of the allocator cost nothing until the peer has sent what it claims.
            bytes = vec![0; length];
        } else if bytes.len() < length {
            bytes.resize(length, 0);
        }
        bytes[..body.len()].copy_from_slice(body);
        self.partial = Some(Partial { filled: body.len(), length, bytes });
        (self.start, self.end) = (0, 0);
        Ok(None)
    }
}
