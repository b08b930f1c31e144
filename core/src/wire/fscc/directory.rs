//! What QUERY_DIRECTORY answers (MS-FSCC 2.4.8, 2.4.10, 2.4.14, 2.4.17, 2.4.22, 2.4.24, 2.4.33).

use super::chain::{Chain, Entries};
use super::field::{Field, len32, units};
use super::{FileAttributes, FileInfoClass};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use crate::wire::utf16::Utf16;
use alloc::vec::Vec;

/// One entry, with the fields of every class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// 0: clients must not use it.
    pub file_index: u32,
    /// When the file was made.
    pub creation_time: FileTime,
    /// When it was last read or written.
    pub last_access_time: FileTime,
    /// When its data last changed.
    pub last_write_time: FileTime,
    /// When anything about it last changed.
    pub change_time: FileTime,
    /// Bytes of data.
    pub end_of_file: u64,
    /// Bytes reserved on the disk.
    pub allocation_size: u64,
    /// Its attributes.
    pub file_attributes: FileAttributes,
    /// Bytes of extended attributes.
    pub ea_size: u32,
    /// The reparse tag. Classes without such a field have it in the place of EaSize when
    /// [`FileAttributes::REPARSE_POINT`] is set.
    pub reparse_point_tag: u32,
    /// The 64-bit file id; a 128-bit field has it in its low half.
    pub file_id: u64,
    /// The name.
    pub file_name: Utf16,
}

/// What follows FileNameLength in an entry, before the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// The name alone, in front also without times and sizes.
    Names,
    /// The name.
    Directory,
    /// EaSize.
    Full,
    /// EaSize, the short name.
    Both,
    /// EaSize, the short name, the file id.
    IdBoth,
    /// EaSize, the file id.
    IdFull,
    /// EaSize, the reparse tag, the 128-bit file id.
    IdExtd,
}

impl Layout {
    fn of(class: FileInfoClass) -> Option<Self> {
        Some(match class {
            FileInfoClass::DIRECTORY => Self::Directory,
            FileInfoClass::FULL_DIRECTORY => Self::Full,
            FileInfoClass::BOTH_DIRECTORY => Self::Both,
            FileInfoClass::NAMES => Self::Names,
            FileInfoClass::ID_BOTH_DIRECTORY => Self::IdBoth,
            FileInfoClass::ID_FULL_DIRECTORY => Self::IdFull,
            FileInfoClass::ID_EXTD_DIRECTORY => Self::IdExtd,
            _ => return None,
        })
    }

    fn name_offset(self) -> usize {
        match self {
            Self::Names => 12,
            Self::Directory => 64,
            Self::Full => 68,
            Self::IdFull => 80,
            Self::IdExtd => 88,
            Self::Both => 94,
            Self::IdBoth => 104,
        }
    }

    /// Everything after NextEntryOffset.
    fn put(self, entry: &DirectoryEntry, writer: &mut Writer<'_>) {
        writer.u32(entry.file_index);
        if self != Self::Names {
            entry.put_sizes(writer);
        }
        writer.u32(len32(entry.file_name.byte_len()));
        match self {
            Self::Names | Self::Directory => (),
            Self::Full => writer.u32(entry.ea_size_or_tag()),
            Self::Both => {
                writer.u32(entry.ea_size_or_tag());
                writer.zeros(SHORT_NAME);
            }
            Self::IdBoth => {
                writer.u32(entry.ea_size_or_tag());
                writer.zeros(SHORT_NAME);
                writer.u16(0);
                writer.u64(entry.file_id);
            }
            Self::IdFull => {
                writer.u32(entry.ea_size_or_tag());
                writer.u32(0);
                writer.u64(entry.file_id);
            }
            Self::IdExtd => {
                writer.u32(entry.ea_size);
                writer.u32(entry.reparse_point_tag);
                writer.u64(entry.file_id);
                writer.u64(0);
            }
        }
        entry.file_name.encode(writer);
    }

    fn parse(self, bytes: &[u8]) -> Parse<DirectoryEntry> {
        let reader = &mut Reader::new(bytes);
        reader.skip(4)?;
        let mut entry = DirectoryEntry { file_index: reader.u32()?, ..Default::default() };
        if self != Self::Names {
            entry.take_sizes(reader)?;
        }
        let length = reader.u32()?;
        match self {
            Self::Names | Self::Directory => (),
            Self::Full => entry.set_ea_size_or_tag(reader.u32()?),
            Self::Both => {
                entry.set_ea_size_or_tag(reader.u32()?);
                reader.skip(SHORT_NAME)?;
            }
            Self::IdBoth => {
                entry.set_ea_size_or_tag(reader.u32()?);
                reader.skip(SHORT_NAME)?;
                reader.skip(2)?;
                entry.file_id = reader.u64()?;
            }
            Self::IdFull => {
                entry.set_ea_size_or_tag(reader.u32()?);
                reader.skip(4)?;
                entry.file_id = reader.u64()?;
            }
            Self::IdExtd => {
                entry.ea_size = reader.u32()?;
                entry.reparse_point_tag = reader.u32()?;
                entry.file_id = reader.u64()?;
                reader.skip(8)?;
            }
        }
        entry.file_name = Utf16(units(reader, length)?);
        Ok(entry)
    }
}

/// ShortNameLength, Reserved and ShortName; there are no short names here.
const SHORT_NAME: usize = 26;

impl DirectoryEntry {
    fn put_sizes(&self, writer: &mut Writer<'_>) {
        writer.u64(self.creation_time.0);
        writer.u64(self.last_access_time.0);
        writer.u64(self.last_write_time.0);
        writer.u64(self.change_time.0);
        writer.u64(self.end_of_file);
        writer.u64(self.allocation_size);
        writer.u32(self.file_attributes.bits());
    }

    fn take_sizes(&mut self, reader: &mut Reader<'_>) -> Parse<()> {
        self.creation_time = Field::take(reader)?;
        self.last_access_time = Field::take(reader)?;
        self.last_write_time = Field::take(reader)?;
        self.change_time = Field::take(reader)?;
        self.end_of_file = reader.u64()?;
        self.allocation_size = reader.u64()?;
        self.file_attributes = Field::take(reader)?;
        Ok(())
    }

    fn ea_size_or_tag(&self) -> u32 {
        if self.file_attributes.contains(FileAttributes::REPARSE_POINT) {
            self.reparse_point_tag
        } else {
            self.ea_size
        }
    }

    fn set_ea_size_or_tag(&mut self, value: u32) {
        if self.file_attributes.contains(FileAttributes::REPARSE_POINT) {
            self.reparse_point_tag = value;
        } else {
            self.ea_size = value;
        }
    }
}

/// Packs entries of one class into one answer.
#[derive(Debug)]
pub struct DirectoryPacker {
    layout: Layout,
    chain: Chain,
}

impl DirectoryPacker {
    /// An empty answer of at most `max_len` bytes; None if `class` does not list directories.
    pub fn new(class: FileInfoClass, max_len: usize) -> Option<Self> {
        Some(Self { layout: Layout::of(class)?, chain: Chain::new(8, max_len) })
    }

    /// The smallest buffer with which `class` may be asked for: an entry up to its name
    /// (MS-FSA 2.1.5.6.3), else STATUS_INFO_LENGTH_MISMATCH. None if it does not list directories.
    pub fn min_len(class: FileInfoClass) -> Option<usize> {
        Layout::of(class).map(Layout::name_offset)
    }

    /// Appends an entry, aligned to 8 bytes. False: it does not fit, and nothing changed.
    pub fn push(&mut self, entry: &DirectoryEntry) -> bool {
        let layout = self.layout;
        self.chain.push(|writer| layout.put(entry, writer))
    }

    /// Nothing was packed.
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// The answer.
    pub fn finish(self) -> Vec<u8> {
        self.chain.into_bytes()
    }
}

/// The entries of an answer (for clients).
pub fn parse_entries(class: FileInfoClass, bytes: &[u8]) -> Parse<Vec<DirectoryEntry>> {
    let layout = Layout::of(class).ok_or(Malformed("no class for a directory"))?;
    Entries::new(bytes).map(|entry| layout.parse(entry?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [(u8, usize); 7] =
        [(1, 64), (2, 68), (3, 94), (12, 12), (37, 104), (38, 80), (60, 88)];

    fn entry(name: &str) -> DirectoryEntry {
        DirectoryEntry {
            creation_time: FileTime(1),
            last_access_time: FileTime(2),
            last_write_time: FileTime(3),
            change_time: FileTime(4),
            end_of_file: 5,
            allocation_size: 6,
            file_attributes: FileAttributes::REPARSE_POINT,
            reparse_point_tag: 0xa000_000c,
            file_id: 0x0102_0304_0506_0708,
            file_name: name.into(),
            ..Default::default()
        }
    }

    /// What of an entry the class has.
    fn seen(class: u8, entry: &DirectoryEntry) -> DirectoryEntry {
        let mut seen = entry.clone();
        if class == 12 {
            seen = DirectoryEntry { file_name: seen.file_name, ..Default::default() };
        }
        if class == 1 {
            seen.reparse_point_tag = 0;
        }
        if ![37, 38, 60].contains(&class) {
            seen.file_id = 0;
        }
        seen
    }

    #[test]
    fn every_class_round_trips_and_never_panics() {
        for (number, offset) in CLASSES {
            let class = FileInfoClass(number);
            assert_eq!(DirectoryPacker::min_len(class), Some(offset));
            let mut packer = DirectoryPacker::new(class, 4096).unwrap();
            assert!(packer.is_empty());
            let entries = [entry("."), entry("a longer name"), entry("\u{e4}\u{1f600}")];
            for entry in &entries {
                assert!(packer.push(entry));
            }
            let bytes = packer.finish();
            let next = (offset + 2).next_multiple_of(8);
            assert_eq!(usize::from(bytes[0]), next);
            assert_eq!(bytes[offset..offset + 2], [b'.', 0]);
            let seen: Vec<_> = entries.iter().map(|e| seen(number, e)).collect();
            assert_eq!(parse_entries(class, &bytes), Ok(seen));
            for length in 1..bytes.len() {
                assert!(parse_entries(class, &bytes[..length]).is_err());
            }
        }
        assert!(DirectoryPacker::new(FileInfoClass::BASIC, 4096).is_none());
        assert!(parse_entries(FileInfoClass::BASIC, &[]).is_err());
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        for max in 0..400 {
            let mut packer = DirectoryPacker::new(FileInfoClass::ID_BOTH_DIRECTORY, max).unwrap();
            let packed = (0..5).take_while(|_| packer.push(&entry("name"))).count();
            assert_eq!(packed, max / 112, "{max}");
            assert_eq!(packer.is_empty(), packed == 0);
            let bytes = packer.finish();
            assert_eq!(bytes.len(), packed * 112);
            let parsed = parse_entries(FileInfoClass::ID_BOTH_DIRECTORY, &bytes).unwrap();
            assert_eq!(parsed.len(), packed);
        }
    }
}
