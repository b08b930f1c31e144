//! The wire between one client and the server.

use ksmbd_core::{connection::Connection, error::ConnectionError};
use std::collections::VecDeque;

/// Bytes on their way in both directions.
pub(super) struct Link {
    /// `None` once either side has hung up.
    pub(super) connection: Option<Connection>,
    /// From the client, not yet read.
    arrived: VecDeque<u8>,
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
            arrived: VecDeque::new(),
            sent: VecDeque::new(),
            dropped: None,
            expected: false,
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.connection.is_some() {
            self.arrived.extend(bytes);
        }
    }

    /// Reads what fits, as a socket would be read; `true` when there was something to do.
    pub(super) fn read(&mut self) -> bool {
        let Some(connection) = self.connection.as_mut() else {
            return false;
        };
        if self.arrived.is_empty() || !connection.wants_input() {
            return false;
        }
        let spare = connection.spare();
        assert!(!spare.is_empty(), "a connection that wants input and has no room for it");
        let count = spare.len().min(self.arrived.len());
        for (to, from) in spare.iter_mut().zip(self.arrived.drain(..count)) {
            *to = from;
        }
        connection.filled(count);
        true
    }

    /// Nothing passes any more.
    pub(super) fn cut(&mut self) {
        self.connection = None;
        self.arrived.clear();
    }
}
