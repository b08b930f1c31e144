//! What CHANGE_NOTIFY answers (FILE_NOTIFY_INFORMATION, MS-FSCC 2.7.1).

use super::chain::{Chain, Entries};
use super::field::{len32, units};
use crate::wire::codec::{Parse, Reader};
use crate::wire::utf16::Utf16;
use crate::wire_enum;
use alloc::vec::Vec;

wire_enum! {
    /// What happened to a file (MS-FSCC 2.7.1).
    pub FileAction(u32) {
        /// It came into the directory.
        ADDED = 1,
        /// It left the directory.
        REMOVED = 2,
        /// Its data or metadata changed.
        MODIFIED = 3,
        /// It got another name in its directory; this is the one it had.
        RENAMED_OLD_NAME = 4,
        /// It got another name in its directory; this is the one it has.
        RENAMED_NEW_NAME = 5,
        /// A named stream was added to it.
        ADDED_STREAM = 6,
        /// A named stream of it is gone.
        REMOVED_STREAM = 7,
        /// A named stream of it changed.
        MODIFIED_STREAM = 8,
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyInformation {
    /// What happened.
    pub action: FileAction,
    /// To which file, seen from the watched directory.
    pub file_name: Utf16,
}

impl NotifyInformation {
    fn parse(entry: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(entry);
        reader.skip(4)?;
        let action = FileAction(reader.u32()?);
        let length = reader.u32()?;
        Ok(Self { action, file_name: Utf16(units(&mut reader, length)?) })
    }
}

/// Packs changes into one answer.
#[derive(Debug)]
pub struct NotifyPacker(Chain);

impl NotifyPacker {
    /// An empty answer of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self(Chain::new(4, max))
    }

    /// Appends a change. False: it does not fit, and nothing changed.
    pub fn push(&mut self, change: &NotifyInformation) -> bool {
        self.0.push(|writer| {
            writer.u32(change.action.0);
            writer.u32(len32(change.file_name.byte_len()));
            change.file_name.encode(writer);
        })
    }

    /// Nothing was packed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that are packed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The answer.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// The changes in an answer (for clients).
pub fn parse_changes(bytes: &[u8]) -> Parse<Vec<NotifyInformation>> {
    Entries::new(bytes).map(|entry| NotifyInformation::parse(entry?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_round_trip_and_never_panic() {
        let change = |action, name: &str| NotifyInformation { action, file_name: name.into() };
        let changes =
            [change(FileAction::RENAMED_OLD_NAME, "abc"), change(FileAction(77), "d\\\u{1f600}")];
        let mut packer = NotifyPacker::new(20 + 20);
        assert!(packer.is_empty());
        assert!(changes.iter().all(|change| packer.push(change)));
        assert!(!packer.push(&changes[0]));
        assert_eq!(packer.len(), 40);
        let bytes = packer.finish();
        assert_eq!(bytes[..12], [20, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!(parse_changes(&bytes).as_deref(), Ok(&changes[..]));
        for length in 1..bytes.len() {
            assert!(parse_changes(&bytes[..length]).is_err());
        }
    }
}
