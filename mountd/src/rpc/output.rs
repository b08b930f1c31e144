//! What a pipe holds for its client to read.

use std::collections::VecDeque;

/// What one read returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadResult {
    /// Bytes of one message, or nothing if nothing waits.
    pub data: Vec<u8>,
    /// Whether the message goes on behind `data`: STATUS_BUFFER_OVERFLOW (MS-SMB2 3.3.5.12).
    pub more: bool,
}

/// Messages in the order in which they were written.
#[derive(Default)]
pub(super) struct Output {
    messages: VecDeque<Vec<u8>>,
    /// How much of the first message has been read.
    offset: usize,
    /// Bytes in all messages.
    held: usize,
}

impl Output {
    /// How many messages wait.
    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes all messages have, the first one's read part included.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn push(&mut self, message: Vec<u8>) {
        self.held = self.held.saturating_add(message.len());
        self.messages.push_back(message);
    }

    /// As [`super::Pipe::read`].
    pub(super) fn read(&mut self, max: usize) -> ReadResult {
        let Some(first) = self.messages.front() else {
            return ReadResult::default();
        };
        let left = first.get(self.offset..).unwrap_or_default();
        if let Some((now, later)) = left.split_at_checked(max)
            && !later.is_empty()
        {
            let data = now.to_vec();
            self.offset = self.offset.saturating_add(max);
            return ReadResult { data, more: true };
        }
        let data = if self.offset == 0 { None } else { Some(left.to_vec()) };
        let whole = self.messages.pop_front().unwrap_or_default();
        self.held = self.held.saturating_sub(whole.len());
        self.offset = 0;
        ReadResult { data: data.unwrap_or(whole), more: false }
    }
}
