//! What QUERY_INFO answers about a file (MS-FSCC 2.4, MS-FSA 2.1.5.12).

use super::chain::Entries;
use super::ea::{FullEaInformation, pack_full_ea, parse_full_ea};
use super::field::Field;
use super::structure::pack_streams;
use super::{AccessMask, FileAttributes, FileInfoClass, FileMode, Fit, Information, fit_bytes};
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use crate::wire::utf16::Utf16;
use alloc::vec::Vec;

pub use super::structure::{
    AllInformation, BasicInformation, CompressionInformation, NetworkOpenInformation,
    PipeLocalInformation, StandardInformation, StreamInformation,
};

/// The answer to a QUERY_INFO of the type SMB2_0_INFO_FILE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileInformation {
    /// What the open may do (MS-FSCC 2.4.1).
    Access {
        /// The rights.
        access_flags: AccessMask,
    },
    /// What buffers must be aligned to (MS-FSCC 2.4.3).
    Alignment {
        /// The alignment, less one.
        alignment_requirement: u32,
    },
    /// Nearly everything (MS-FSCC 2.4.2).
    All(AllInformation),
    /// The 8.3 name (MS-FSCC 2.4.5).
    AlternateName(Utf16),
    /// Attributes and reparse tag (MS-FSCC 2.4.6).
    AttributeTag {
        /// The attributes.
        file_attributes: FileAttributes,
        /// The tag, 0 without a reparse point.
        reparse_tag: u32,
    },
    /// Times and attributes (MS-FSCC 2.4.7).
    Basic(BasicInformation),
    /// How the file is compressed (MS-FSCC 2.4.9).
    Compression(CompressionInformation),
    /// The size of the extended attributes (MS-FSCC 2.4.13).
    Ea {
        /// In bytes.
        ea_size: u32,
    },
    /// The extended attributes (MS-FSCC 2.4.16).
    FullEa(Vec<FullEaInformation>),
    /// Volume and 128-bit file id (MS-FSCC 2.4.26).
    Id {
        /// The volume.
        volume_serial_number: u64,
        /// The file.
        file_id: [u8; 16],
    },
    /// The 64-bit file id (MS-FSCC 2.4.27).
    Internal {
        /// The file.
        index_number: u64,
    },
    /// The mode of the open (MS-FSCC 2.4.31).
    Mode {
        /// The mode.
        mode: FileMode,
    },
    /// What a redirector asks for (MS-FSCC 2.4.34).
    NetworkOpen(NetworkOpenInformation),
    /// The path below the share, without short names (MS-FSCC 2.4.36).
    NormalizedName(Utf16),
    /// The modes of a pipe (MS-FSCC 2.4.37).
    Pipe {
        /// 0: bytes, 1: messages.
        read_mode: u32,
        /// 0: waits, 1: does not.
        completion_mode: u32,
    },
    /// The server's end of a pipe (MS-FSCC 2.4.38).
    PipeLocal(PipeLocalInformation),
    /// The position of the open (MS-FSCC 2.4.40).
    Position {
        /// In bytes.
        current_byte_offset: u64,
    },
    /// Sizes and links (MS-FSCC 2.4.46).
    Standard(StandardInformation),
    /// The streams (MS-FSCC 2.4.48).
    Stream(Vec<StreamInformation>),
}

impl FileInformation {
    /// The class that this answers.
    pub fn class(&self) -> FileInfoClass {
        match self {
            Self::Access { .. } => FileInfoClass::ACCESS,
            Self::Alignment { .. } => FileInfoClass::ALIGNMENT,
            Self::All(_) => FileInfoClass::ALL,
            Self::AlternateName(_) => FileInfoClass::ALTERNATE_NAME,
            Self::AttributeTag { .. } => FileInfoClass::ATTRIBUTE_TAG,
            Self::Basic(_) => FileInfoClass::BASIC,
            Self::Compression(_) => FileInfoClass::COMPRESSION,
            Self::Ea { .. } => FileInfoClass::EA,
            Self::FullEa(_) => FileInfoClass::FULL_EA,
            Self::Id { .. } => FileInfoClass::ID,
            Self::Internal { .. } => FileInfoClass::INTERNAL,
            Self::Mode { .. } => FileInfoClass::MODE,
            Self::NetworkOpen(_) => FileInfoClass::NETWORK_OPEN,
            Self::NormalizedName(_) => FileInfoClass::NORMALIZED_NAME,
            Self::Pipe { .. } => FileInfoClass::PIPE,
            Self::PipeLocal(_) => FileInfoClass::PIPE_LOCAL,
            Self::Position { .. } => FileInfoClass::POSITION,
            Self::Standard(_) => FileInfoClass::STANDARD,
            Self::Stream(_) => FileInfoClass::STREAM,
        }
    }

    /// The smallest buffer with which `class` may be asked for: the C structure with its padding
    /// (MS-FSA 2.1.5.12); None if this is no class for a query. Known before the answer is, so that
    /// a buffer that is too short is refused before anything is looked up.
    pub fn min_len_of(class: FileInfoClass) -> Option<usize> {
        Some(match class {
            FileInfoClass::FULL_EA => 0,
            FileInfoClass::ACCESS
            | FileInfoClass::ALIGNMENT
            | FileInfoClass::EA
            | FileInfoClass::MODE => 4,
            FileInfoClass::ALTERNATE_NAME
            | FileInfoClass::ATTRIBUTE_TAG
            | FileInfoClass::INTERNAL
            | FileInfoClass::NORMALIZED_NAME
            | FileInfoClass::PIPE
            | FileInfoClass::POSITION => 8,
            FileInfoClass::COMPRESSION => 16,
            FileInfoClass::ID | FileInfoClass::STANDARD => 24,
            FileInfoClass::STREAM => 32,
            FileInfoClass::BASIC | FileInfoClass::PIPE_LOCAL => 40,
            FileInfoClass::NETWORK_OPEN => 56,
            FileInfoClass::ALL => 104,
            _ => return None,
        })
    }

    /// The answer that `bytes` are (for clients).
    pub fn parse(class: FileInfoClass, bytes: &[u8]) -> Parse<Self> {
        let reader = &mut Reader::new(bytes);
        Ok(match class {
            FileInfoClass::ALL => Self::All(Field::take(reader)?),
            FileInfoClass::ALTERNATE_NAME => Self::AlternateName(Field::take(reader)?),
            FileInfoClass::BASIC => Self::Basic(Field::take(reader)?),
            FileInfoClass::COMPRESSION => Self::Compression(Field::take(reader)?),
            FileInfoClass::FULL_EA => Self::FullEa(parse_full_ea(bytes)?),
            FileInfoClass::NETWORK_OPEN => Self::NetworkOpen(Field::take(reader)?),
            FileInfoClass::NORMALIZED_NAME => Self::NormalizedName(Field::take(reader)?),
            FileInfoClass::PIPE_LOCAL => Self::PipeLocal(Field::take(reader)?),
            FileInfoClass::STANDARD => Self::Standard(Field::take(reader)?),
            FileInfoClass::STREAM => Self::Stream(
                Entries::new(bytes)
                    .map(|entry| StreamInformation::parse(entry?))
                    .collect::<Parse<_>>()?,
            ),
            _ => return Self::parse_small(class, reader),
        })
    }

    fn parse_small(class: FileInfoClass, reader: &mut Reader<'_>) -> Parse<Self> {
        Ok(match class {
            FileInfoClass::ACCESS => Self::Access { access_flags: Field::take(reader)? },
            FileInfoClass::ALIGNMENT => Self::Alignment { alignment_requirement: reader.u32()? },
            FileInfoClass::ATTRIBUTE_TAG => Self::AttributeTag {
                file_attributes: Field::take(reader)?,
                reparse_tag: reader.u32()?,
            },
            FileInfoClass::EA => Self::Ea { ea_size: reader.u32()? },
            FileInfoClass::ID => {
                Self::Id { volume_serial_number: reader.u64()?, file_id: reader.array()? }
            }
            FileInfoClass::INTERNAL => Self::Internal { index_number: reader.u64()? },
            FileInfoClass::MODE => Self::Mode { mode: Field::take(reader)? },
            FileInfoClass::PIPE => {
                Self::Pipe { read_mode: reader.u32()?, completion_mode: reader.u32()? }
            }
            FileInfoClass::POSITION => Self::Position { current_byte_offset: reader.u64()? },
            _ => return Err(Malformed("no class for a query")),
        })
    }
}

impl Information for FileInformation {
    fn encode(&self, out: &mut Vec<u8>) {
        let writer = &mut Writer::new(out);
        match self {
            Self::Access { access_flags } => writer.u32(access_flags.bits()),
            Self::Alignment { alignment_requirement } => writer.u32(*alignment_requirement),
            Self::All(all) => all.put(writer),
            Self::AlternateName(name) | Self::NormalizedName(name) => name.put(writer),
            Self::AttributeTag { file_attributes, reparse_tag } => {
                writer.u32(file_attributes.bits());
                writer.u32(*reparse_tag);
            }
            Self::Basic(basic) => basic.put(writer),
            Self::Compression(compression) => compression.put(writer),
            Self::Ea { ea_size } => writer.u32(*ea_size),
            Self::FullEa(attributes) => writer.bytes(&pack_full_ea(attributes, usize::MAX).0),
            Self::Id { volume_serial_number, file_id } => {
                writer.u64(*volume_serial_number);
                writer.bytes(file_id);
            }
            Self::Internal { index_number } => writer.u64(*index_number),
            Self::Mode { mode } => writer.u32(mode.bits()),
            Self::NetworkOpen(network_open) => network_open.put(writer),
            Self::Pipe { read_mode, completion_mode } => {
                writer.u32(*read_mode);
                writer.u32(*completion_mode);
            }
            Self::PipeLocal(pipe) => pipe.put(writer),
            Self::Position { current_byte_offset } => writer.u64(*current_byte_offset),
            Self::Standard(standard) => standard.put(writer),
            Self::Stream(streams) => writer.bytes(&pack_streams(streams, usize::MAX).0),
        }
    }

    fn min_len(&self) -> usize {
        Self::min_len_of(self.class()).unwrap_or(0)
    }

    /// MS-FSA 2.1.5.12.12: as many whole attributes as fit, at least one.
    /// MS-FSA 2.1.5.12.29: as many whole streams as fit, or none.
    fn fit(&self, max: usize) -> Fit {
        let (bytes, count, total) = match self {
            Self::FullEa(attributes) => {
                let (bytes, count) = pack_full_ea(attributes, max);
                if count == 0 && !attributes.is_empty() {
                    return Fit::NoEntryFits;
                }
                (bytes, count, attributes.len())
            }
            Self::Stream(streams) if max >= self.min_len() => {
                let (bytes, count) = pack_streams(streams, max);
                (bytes, count, streams.len())
            }
            _ => return fit_bytes(self, max),
        };
        if count < total { Fit::Truncated(bytes) } else { Fit::Whole(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FileTime;
    use alloc::string::ToString;
    use alloc::vec;

    fn all() -> AllInformation {
        AllInformation {
            basic: BasicInformation {
                creation_time: FileTime(1),
                last_access_time: FileTime(2),
                last_write_time: FileTime(3),
                change_time: FileTime(4),
                file_attributes: FileAttributes::ARCHIVE,
            },
            standard: StandardInformation {
                allocation_size: 4096,
                end_of_file: 7,
                number_of_links: 1,
                delete_pending: true,
                directory: false,
            },
            access_flags: AccessMask::ALL_ACCESS,
            file_name: "\\bufsize.txt".into(),
            ..Default::default()
        }
    }

    fn streams() -> Vec<StreamInformation> {
        ["::$DATA", ":two:$DATA"]
            .map(|name| StreamInformation {
                stream_size: 7,
                stream_allocation_size: 4096,
                stream_name: name.to_string(),
            })
            .to_vec()
    }

    #[rustfmt::skip]
    fn every() -> Vec<(FileInformation, usize)> {
        use FileInformation as F;
        let ea = FullEaInformation { flags: 0, ea_name: b"A".to_vec(), ea_value: b"B".to_vec() };
        vec![
            (F::Access { access_flags: AccessMask::DELETE }, 4),
            (F::Alignment { alignment_requirement: 1 }, 4),
            (F::All(all()), 100 + 24),
            (F::AlternateName("BUFSIZ~1.TXT".into()), 28),
            (F::AttributeTag { file_attributes: FileAttributes::NORMAL, reparse_tag: 9 }, 8),
            (F::Basic(all().basic), 40),
            (F::Compression(CompressionInformation::default()), 16),
            (F::Ea { ea_size: 3 }, 4),
            (F::FullEa(vec![ea]), 11),
            (F::Id { volume_serial_number: 5, file_id: [6; 16] }, 24),
            (F::Internal { index_number: 4 }, 8),
            (F::Mode { mode: FileMode::WRITE_THROUGH }, 4),
            (F::NetworkOpen(NetworkOpenInformation::default()), 56),
            (F::NormalizedName("dir\\\u{1f600}".into()), 4 + 12),
            (F::Pipe { read_mode: 1, completion_mode: 0 }, 8),
            (F::PipeLocal(PipeLocalInformation::default()), 40),
            (F::Position { current_byte_offset: 2 }, 8),
            (F::Standard(all().standard), 24),
            (F::Stream(streams()), 40 + 44),
        ]
    }

    #[test]
    fn every_class_round_trips_and_never_panics() {
        for (information, length) in every() {
            let class = information.class();
            let mut bytes = vec![];
            information.encode(&mut bytes);
            assert_eq!(bytes.len(), length, "{class:?}");
            assert_eq!(FileInformation::parse(class, &bytes), Ok(information));
            for length in 1..length {
                assert!(FileInformation::parse(class, &bytes[..length]).is_err());
            }
        }
        assert!(FileInformation::parse(FileInfoClass(200), &[0; 64]).is_err());
    }

    /// What smb2.getinfo.qfile_buffercheck asks for, at every size of the buffer.
    #[test]
    fn a_buffer_is_too_short_or_overflows_or_is_enough() {
        for (information, length) in every() {
            let min = information.min_len();
            for max in 0..length + 8 {
                match information.fit(max) {
                    Fit::TooShort => assert!(max < min),
                    Fit::NoEntryFits => assert!(max < length),
                    Fit::Truncated(bytes) => {
                        assert!(max >= min && bytes.len() <= max && max < length);
                    }
                    Fit::Whole(bytes) => assert!(max >= min && bytes.len() == length),
                }
            }
        }
    }

    #[test]
    fn a_cut_name_keeps_its_length() {
        let Fit::Truncated(bytes) = FileInformation::All(all()).fit(105) else {
            panic!("must be cut");
        };
        assert_eq!(bytes.len(), 104);
        assert_eq!(bytes[96..], [24, 0, 0, 0, b'\\', 0, b'b', 0]);
        let streams = FileInformation::Stream(streams());
        assert_eq!(streams.fit(31), Fit::TooShort);
        assert_eq!(streams.fit(37), Fit::Truncated(vec![]));
        let Fit::Truncated(bytes) = streams.fit(83) else {
            panic!("must be cut");
        };
        assert_eq!((bytes.len(), bytes[0]), (38, 0));
    }
}
