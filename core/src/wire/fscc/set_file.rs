//! What SET_INFO sets on a file (MS-FSCC 2.4, MS-FSA 2.1.5.15).

use super::ea::{FullEaInformation, pack_full_ea, parse_full_ea};
use super::field::{Field, put_units, units};
use super::file::BasicInformation;
use super::{FileInfoClass, FileMode};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use alloc::vec::Vec;

/// What a time in FileBasicInformation says (MS-FSCC 2.4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChange {
    /// 0: stays.
    Keep,
    /// -1: stays, and later operations on this handle do not touch it.
    Suspend,
    /// -2: later operations on this handle touch it again.
    Resume,
    /// The new time.
    Set(FileTime),
}

impl TimeChange {
    /// What `time` says; None for the other negative values, which are invalid.
    pub fn of(time: FileTime) -> Option<Self> {
        match time.0.cast_signed() {
            0 => Some(Self::Keep),
            -1 => Some(Self::Suspend),
            -2 => Some(Self::Resume),
            1.. => Some(Self::Set(time)),
            _ => None,
        }
    }
}

/// Where a file goes (MS-FSCC 2.4.42.2) or gets a link (MS-FSCC 2.4.28.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// An existing target is replaced.
    pub replace_if_exists: bool,
    /// Must be 0 on the network.
    pub root_directory: u64,
    /// A path below the share; never empty.
    pub file_name: Vec<u16>,
}

impl Target {
    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        let replace_if_exists = reader.u8()? != 0;
        reader.skip(7)?;
        let root_directory = reader.u64()?;
        let length = reader.u32()?;
        if length == 0 {
            return Err(Malformed("no name to go to"));
        }
        Ok(Self { replace_if_exists, root_directory, file_name: units(reader, length)? })
    }

    fn put(&self, writer: &mut Writer<'_>) {
        writer.u8(self.replace_if_exists.into());
        writer.zeros(7);
        writer.u64(self.root_directory);
        put_units(writer, &self.file_name);
        // Windows takes no buffer that is shorter than the C structure.
        let length = writer.len();
        writer.zeros(24_usize.saturating_sub(length));
    }
}

/// Why a client's buffer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetInfoError {
    /// The class cannot be set: STATUS_INVALID_INFO_CLASS.
    UnknownClass,
    /// The buffer ends inside the fixed part: STATUS_INFO_LENGTH_MISMATCH.
    TooShort,
    /// A field has a value that it cannot have: STATUS_INVALID_PARAMETER, for extended attributes
    /// STATUS_EA_LIST_INCONSISTENT.
    Invalid(Malformed),
}

impl From<Malformed> for SetInfoError {
    fn from(malformed: Malformed) -> Self {
        Self::Invalid(malformed)
    }
}

/// The buffer of a SET_INFO of the type SMB2_0_INFO_FILE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetFileInformation {
    /// Room on the disk (MS-FSCC 2.4.4).
    Allocation {
        /// Bytes; a smaller file is cut.
        allocation_size: u64,
    },
    /// Times, see [`TimeChange`], and attributes, 0 to keep them (MS-FSCC 2.4.7).
    Basic(BasicInformation),
    /// Whether the file is to be deleted (MS-FSCC 2.4.11).
    Disposition {
        /// It is.
        delete_pending: bool,
    },
    /// The size (MS-FSCC 2.4.14).
    EndOfFile {
        /// In bytes.
        end_of_file: u64,
    },
    /// Extended attributes (MS-FSCC 2.4.16).
    FullEa(Vec<FullEaInformation>),
    /// A new link (MS-FSCC 2.4.28.2).
    Link(Target),
    /// The mode of the open (MS-FSCC 2.4.31).
    Mode {
        /// The mode.
        mode: FileMode,
    },
    /// The modes of a pipe (MS-FSCC 2.4.37).
    Pipe {
        /// 0: bytes, 1: messages.
        read_mode: u32,
        /// 0: waits, 1: does not.
        completion_mode: u32,
    },
    /// The position of the open (MS-FSCC 2.4.40).
    Position {
        /// In bytes.
        current_byte_offset: u64,
    },
    /// A new name (MS-FSCC 2.4.42.2).
    Rename(Target),
    /// The 8.3 name (MS-FSCC 2.4.45).
    ShortName {
        /// Empty to remove it.
        file_name: Vec<u16>,
    },
    /// How much of the data is valid (MS-FSCC 2.4.50).
    ValidDataLength {
        /// In bytes.
        valid_data_length: u64,
    },
}

impl SetFileInformation {
    /// The class that this sets.
    pub fn class(&self) -> FileInfoClass {
        match self {
            Self::Allocation { .. } => FileInfoClass::ALLOCATION,
            Self::Basic(_) => FileInfoClass::BASIC,
            Self::Disposition { .. } => FileInfoClass::DISPOSITION,
            Self::EndOfFile { .. } => FileInfoClass::END_OF_FILE,
            Self::FullEa(_) => FileInfoClass::FULL_EA,
            Self::Link(_) => FileInfoClass::LINK,
            Self::Mode { .. } => FileInfoClass::MODE,
            Self::Pipe { .. } => FileInfoClass::PIPE,
            Self::Position { .. } => FileInfoClass::POSITION,
            Self::Rename(_) => FileInfoClass::RENAME,
            Self::ShortName { .. } => FileInfoClass::SHORT_NAME,
            Self::ValidDataLength { .. } => FileInfoClass::VALID_DATA_LENGTH,
        }
    }

    /// The fixed part, which must be there; None if the class cannot be set.
    fn min_len_of(class: FileInfoClass) -> Option<usize> {
        Some(match class {
            FileInfoClass::DISPOSITION => 1,
            FileInfoClass::MODE | FileInfoClass::SHORT_NAME => 4,
            FileInfoClass::ALLOCATION
            | FileInfoClass::END_OF_FILE
            | FileInfoClass::FULL_EA
            | FileInfoClass::PIPE
            | FileInfoClass::POSITION
            | FileInfoClass::VALID_DATA_LENGTH => 8,
            FileInfoClass::LINK | FileInfoClass::RENAME => 20,
            FileInfoClass::BASIC => 40,
            _ => return None,
        })
    }

    /// What a client's buffer sets.
    pub fn parse(class: FileInfoClass, bytes: &[u8]) -> Result<Self, SetInfoError> {
        let min = Self::min_len_of(class).ok_or(SetInfoError::UnknownClass)?;
        if bytes.len() < min {
            return Err(SetInfoError::TooShort);
        }
        let reader = &mut Reader::new(bytes);
        Ok(match class {
            FileInfoClass::ALLOCATION => Self::Allocation { allocation_size: size(reader)? },
            FileInfoClass::BASIC => Self::Basic(Field::take(reader)?),
            FileInfoClass::DISPOSITION => {
                Self::Disposition { delete_pending: Field::take(reader)? }
            }
            FileInfoClass::END_OF_FILE => Self::EndOfFile { end_of_file: size(reader)? },
            FileInfoClass::FULL_EA => Self::FullEa(parse_full_ea(bytes)?),
            FileInfoClass::LINK => Self::Link(Target::take(reader)?),
            FileInfoClass::MODE => Self::Mode { mode: Field::take(reader)? },
            FileInfoClass::PIPE => {
                Self::Pipe { read_mode: reader.u32()?, completion_mode: reader.u32()? }
            }
            FileInfoClass::POSITION => Self::Position { current_byte_offset: size(reader)? },
            FileInfoClass::RENAME => Self::Rename(Target::take(reader)?),
            FileInfoClass::SHORT_NAME => {
                let length = reader.u32()?;
                Self::ShortName { file_name: units(reader, length)? }
            }
            FileInfoClass::VALID_DATA_LENGTH => {
                Self::ValidDataLength { valid_data_length: size(reader)? }
            }
            _ => return Err(SetInfoError::UnknownClass),
        })
    }

    /// Appends the buffer (for clients).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let writer = &mut Writer::new(out);
        match self {
            Self::Allocation { allocation_size: size }
            | Self::EndOfFile { end_of_file: size }
            | Self::Position { current_byte_offset: size }
            | Self::ValidDataLength { valid_data_length: size } => writer.u64(*size),
            Self::Basic(basic) => basic.put(writer),
            Self::Disposition { delete_pending } => delete_pending.put(writer),
            Self::FullEa(attributes) => writer.bytes(&pack_full_ea(attributes, usize::MAX).0),
            Self::Link(target) | Self::Rename(target) => target.put(writer),
            Self::Mode { mode } => mode.put(writer),
            Self::Pipe { read_mode, completion_mode } => {
                writer.u32(*read_mode);
                writer.u32(*completion_mode);
            }
            Self::ShortName { file_name } => put_units(writer, file_name),
        }
    }
}

/// A signed 64-bit size or offset, which must not be negative.
fn size(reader: &mut Reader<'_>) -> Parse<u64> {
    let size = reader.u64()?;
    if size.cast_signed() < 0 {
        return Err(Malformed("negative size"));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fscc::FileAttributes;
    use alloc::vec;

    fn target(replace_if_exists: bool) -> Target {
        Target {
            replace_if_exists,
            root_directory: 0,
            file_name: "dir\\name".encode_utf16().collect(),
        }
    }

    #[rustfmt::skip]
    fn every() -> Vec<(SetFileInformation, usize)> {
        use SetFileInformation as S;
        let ea = FullEaInformation { flags: 0, ea_name: b"A".to_vec(), ea_value: vec![] };
        let basic = BasicInformation {
            creation_time: FileTime(u64::MAX),
            file_attributes: FileAttributes::HIDDEN,
            ..Default::default()
        };
        vec![
            (S::Allocation { allocation_size: 1 }, 8),
            (S::Basic(basic), 40),
            (S::Disposition { delete_pending: true }, 1),
            (S::EndOfFile { end_of_file: i64::MAX as u64 }, 8),
            (S::FullEa(vec![ea]), 10),
            (S::Link(target(false)), 36),
            (S::Mode { mode: FileMode::SEQUENTIAL_ONLY }, 4),
            (S::Pipe { read_mode: 1, completion_mode: 1 }, 8),
            (S::Position { current_byte_offset: 3 }, 8),
            (S::Rename(target(true)), 36),
            (S::ShortName { file_name: vec![0xd800] }, 6),
            (S::ValidDataLength { valid_data_length: 4 }, 8),
        ]
    }

    #[test]
    fn every_class_round_trips_and_never_panics() {
        for (set, length) in every() {
            let class = set.class();
            let mut bytes = vec![];
            set.encode(&mut bytes);
            assert_eq!(bytes.len(), length, "{class:?}");
            let min = SetFileInformation::min_len_of(class).unwrap();
            assert_eq!(SetFileInformation::parse(class, &bytes), Ok(set));
            for length in 0..length {
                let error = SetFileInformation::parse(class, &bytes[..length]).unwrap_err();
                assert_eq!(error == SetInfoError::TooShort, length < min, "{class:?}");
            }
        }
        let unknown = SetFileInformation::parse(FileInfoClass::ALL, &[0; 200]);
        assert_eq!(unknown, Err(SetInfoError::UnknownClass));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        let parse = SetFileInformation::parse;
        let invalid = |r: Result<_, _>| matches!(r, Err(SetInfoError::Invalid(_)));
        assert!(invalid(parse(FileInfoClass::END_OF_FILE, &[0xff; 8])));
        assert!(invalid(parse(FileInfoClass::RENAME, &[0; 24])));
        let mut odd = [0; 24];
        odd[16] = 3;
        assert!(invalid(parse(FileInfoClass::RENAME, &odd)));
        odd[16] = 6;
        assert!(invalid(parse(FileInfoClass::RENAME, &odd)));
        odd[16] = 2;
        assert!(parse(FileInfoClass::RENAME, &odd).is_ok());
    }

    #[test]
    fn times_have_meanings() {
        assert_eq!(TimeChange::of(FileTime(0)), Some(TimeChange::Keep));
        assert_eq!(TimeChange::of(FileTime(u64::MAX)), Some(TimeChange::Suspend));
        assert_eq!(TimeChange::of(FileTime(u64::MAX - 1)), Some(TimeChange::Resume));
        assert_eq!(TimeChange::of(FileTime(u64::MAX - 2)), None);
        assert_eq!(TimeChange::of(FileTime(7)), Some(TimeChange::Set(FileTime(7))));
    }
}
