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
    /// From the client, on its way: the network is slow.
    on_the_way: VecDeque<u8>,
    /// What clients send stays on its way until it is let through.
    pub(super) slow: bool,
    /// To the client, frame by frame, each with the moment at which it was sent.
    pub(super) sent: VecDeque<(u64, Vec<u8>)>,
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
            on_the_way: VecDeque::new(),
            slow: false,
            sent: VecDeque::new(),
            dropped: None,
            expected: false,
        }
    }

    /// Bytes of the client. In a slow network they follow those that are on their way.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.slow || !self.on_the_way.is_empty() {
            self.on_the_way.extend(bytes);
        } else {
            self.arrive(bytes);
        }
    }

    fn arrive(&mut self, bytes: &[u8]) {
        if self.connection.is_some() {
            self.arrived.drain(..std::mem::take(&mut self.read));
            self.arrived.extend_from_slice(bytes);
        }
    }

    /// Some of what is on its way arrives.
    pub(super) fn let_through(&mut self, count: usize) {
        let count = count.min(self.on_the_way.len());
        let bytes: Vec<u8> = self.on_the_way.drain(..count).collect();
        self.arrive(&bytes);
    }

    /// Bytes on their way.
    pub(super) fn on_the_way(&self) -> usize {
        self.on_the_way.len()
    }

    /// Nothing of the client waits to be read.
    pub(super) fn is_drained(&self) -> bool {
        self.connection.is_none() || self.on_the_way.is_empty() && self.read == self.arrived.len()
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
        self.on_the_way.clear();
        self.read = 0;
    }
}
