//! The wire between one client and the server.

use ksmbd_core::{connection::Connection, error::ConnectionError};
use std::collections::VecDeque;

/// Bytes on their way in both directions.
pub(super) struct Link {
    /// `None` once either side has hung up.
    pub(super) connection: Option<Connection>,
    /// From the client, not yet read.
    arrived: Vec<u8>,
    /// How much of it was read.
    read: usize,
    /// To the client, frame by frame.
    pub(super) sent: VecDeque<Vec<u8>>,
    /// Why the server's side has hung up.
    pub(super) dropped: Option<ConnectionError>,
    /// A test knows.
    pub(super) expected: bool,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Some(connection),
            arrived: Vec::new(),
            read: 0,
            sent: VecDeque::new(),
            dropped: None,
            expected: false,
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.connection.is_some() {
            self.arrived.drain(..std::mem::take(&mut self.read));
            self.arrived.extend_from_slice(bytes);
        }
    }

    /// Reads what fits, as a socket would be read; what it was, when there was something to do.
    pub(super) fn read(&mut self) -> Option<&[u8]> {
        let connection = self.connection.as_mut()?;
        if self.read == self.arrived.len() || !connection.wants_input() {
            return None;
        }
        let spare = connection.spare();
        assert!(!spare.is_empty(), "a connection that wants input and has no room for it");
        let unread = &self.arrived[self.read..];
        let count = spare.len().min(unread.len());
        spare[..count].copy_from_slice(&unread[..count]);
        self.read += count;
        connection.filled(count);
        Some(&self.arrived[self.read - count..self.read])
    }

    /// Nothing passes any more.
    pub(super) fn cut(&mut self) {
        self.connection = None;
        self.arrived.clear();
        self.read = 0;
    }
}
