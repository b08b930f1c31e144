//! What QUERY_INFO answers about a volume (MS-FSCC 2.5).

use super::field::{Field, fields, flags, put_utf16, text, utf16_len32};
use super::{FsInfoClass, Information};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use alloc::string::String;
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// What the file system can do (MS-FSCC 2.5.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FsAttributes: u32 {
        /// Finds names only in their case.
        const CASE_SENSITIVE_SEARCH = 0x0000_0001;
        /// Keeps the case of names.
        const CASE_PRESERVED_NAMES = 0x0000_0002;
        /// Names are Unicode.
        const UNICODE_ON_DISK = 0x0000_0004;
        /// Has access control lists.
        const PERSISTENT_ACLS = 0x0000_0008;
        /// Compresses single files.
        const FILE_COMPRESSION = 0x0000_0010;
        /// Has quotas.
        const VOLUME_QUOTAS = 0x0000_0020;
        /// Has sparse files.
        const SUPPORTS_SPARSE_FILES = 0x0000_0040;
        /// Has reparse points.
        const SUPPORTS_REPARSE_POINTS = 0x0000_0080;
        /// Has remote storage.
        const SUPPORTS_REMOTE_STORAGE = 0x0000_0100;
        /// CLOSE tells more than success.
        const RETURNS_CLEANUP_RESULT_INFO = 0x0000_0200;
        /// Has POSIX semantics of unlink and rename.
        const SUPPORTS_POSIX_UNLINK_RENAME = 0x0000_0400;
        /// The whole volume is compressed.
        const VOLUME_IS_COMPRESSED = 0x0000_8000;
        /// Has object ids.
        const SUPPORTS_OBJECT_IDS = 0x0001_0000;
        /// Encrypts files.
        const SUPPORTS_ENCRYPTION = 0x0002_0000;
        /// Has named streams.
        const NAMED_STREAMS = 0x0004_0000;
        /// Cannot be written.
        const READ_ONLY_VOLUME = 0x0008_0000;
        /// Written once, in order.
        const SEQUENTIAL_WRITE_ONCE = 0x0010_0000;
        /// Has transactions.
        const SUPPORTS_TRANSACTIONS = 0x0020_0000;
        /// Has hard links.
        const SUPPORTS_HARD_LINKS = 0x0040_0000;
        /// Has extended attributes.
        const SUPPORTS_EXTENDED_ATTRIBUTES = 0x0080_0000;
        /// Opens files by their id.
        const SUPPORTS_OPEN_BY_FILE_ID = 0x0100_0000;
        /// Keeps a change journal.
        const SUPPORTS_USN_JOURNAL = 0x0200_0000;
        /// Has integrity streams.
        const SUPPORT_INTEGRITY_STREAMS = 0x0400_0000;
        /// Shares blocks between files.
        const SUPPORTS_BLOCK_REFCOUNTING = 0x0800_0000;
        /// Knows which ranges of a sparse file were written.
        const SUPPORTS_SPARSE_VDL = 0x1000_0000;
        /// The volume is direct access storage.
        const DAX_VOLUME = 0x2000_0000;
        /// Has ghost ranges.
        const SUPPORTS_GHOSTING = 0x4000_0000;
        const _ = !0;
    }
}
flags!(FsAttributes);

fields! {
    /// Sizes in allocation units (MS-FSCC 2.5.8).
    #[derive(Copy)]
    pub SizeInformation {
        /// What the volume has.
        total_allocation_units: u64,
        /// What the user can still fill.
        available_allocation_units: u64,
        /// Sectors in an allocation unit.
        sectors_per_allocation_unit: u32,
        /// Bytes in a sector.
        bytes_per_sector: u32,
    }
    padding 0
}

fields! {
    /// Sizes in allocation units, with and without quotas (MS-FSCC 2.5.4).
    #[derive(Copy)]
    pub FullSizeInformation {
        /// What the volume has.
        total_allocation_units: u64,
        /// What the user can still fill.
        caller_available_allocation_units: u64,
        /// What is free.
        actual_available_allocation_units: u64,
        /// Sectors in an allocation unit.
        sectors_per_allocation_unit: u32,
        /// Bytes in a sector.
        bytes_per_sector: u32,
    }
    padding 0
}

fields! {
    /// Quotas (MS-FSCC 2.5.2); a client may also set them.
    #[derive(Copy)]
    pub ControlInformation {
        /// Not used.
        free_space_start_filtering: u64,
        /// Not used.
        free_space_threshold: u64,
        /// Not used.
        free_space_stop_filtering: u64,
        /// From where a user is warned.
        default_quota_threshold: u64,
        /// How much a user may have.
        default_quota_limit: u64,
        /// Whether quotas are kept and enforced.
        file_system_control_flags: u32,
    }
    padding 4
}

fields! {
    /// The volume's id (MS-FSCC 2.5.6).
    #[derive(Copy)]
    pub ObjectIdInformation {
        /// A GUID.
        object_id: [u8; 16],
        /// Anything.
        extended_info: ExtendedInfo,
    }
    padding 0
}

/// The opaque bytes of [`ObjectIdInformation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedInfo(pub [u8; 48]);

impl Default for ExtendedInfo {
    fn default() -> Self {
        Self([0; 48])
    }
}

impl Field for ExtendedInfo {
    fn put(&self, writer: &mut Writer<'_>) {
        self.0.put(writer);
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        reader.array().map(Self)
    }
}

fields! {
    /// Sectors of the disk below (MS-FSCC 2.5.7).
    #[derive(Copy)]
    pub SectorSizeInformation {
        /// The sector that addresses count.
        logical_bytes_per_sector: u32,
        /// The sector that is written at once.
        physical_bytes_per_sector_for_atomicity: u32,
        /// The sector with which it is fast.
        physical_bytes_per_sector_for_performance: u32,
        /// What the file system takes the atomic sector to be.
        file_system_effective_physical_bytes_per_sector_for_atomicity: u32,
        /// 1: the device is aligned, 2: so is the partition, 4: seeks are free, 8: knows trim.
        flags: u32,
        /// Where the first aligned logical sector is.
        byte_offset_for_sector_alignment: u32,
        /// Where the partition is aligned.
        byte_offset_for_partition_alignment: u32,
    }
    padding 0
}

fields! {
    /// statvfs (SMB3 POSIX extensions, 2.3.1.1).
    #[derive(Copy)]
    pub PosixFsInformation {
        /// The best size of a transfer.
        optimal_transfer_size: u32,
        /// Bytes in a block.
        block_size: u32,
        /// What the volume has.
        total_blocks: u64,
        /// What is free.
        blocks_available: u64,
        /// What the user can still fill.
        user_blocks_available: u64,
        /// How many files there can be.
        total_file_nodes: u64,
        /// How many more.
        free_file_nodes: u64,
        /// Which file system.
        fs_identifier: u64,
    }
    padding 0
}

/// The answer to a QUERY_INFO of the type SMB2_0_INFO_FILESYSTEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsInformation {
    /// What the file system can do (MS-FSCC 2.5.1).
    Attribute {
        /// Its abilities.
        file_system_attributes: FsAttributes,
        /// Characters in a name.
        maximum_component_name_length: u32,
        /// `NTFS`, mostly.
        file_system_name: String,
    },
    /// Quotas (MS-FSCC 2.5.2).
    Control(ControlInformation),
    /// The device (MS-FSCC 2.5.10).
    Device {
        /// 7: a disk.
        device_type: u32,
        /// 0x20: mounted, 0x10: remote.
        characteristics: u32,
    },
    /// Sizes, with and without quotas (MS-FSCC 2.5.4).
    FullSize(FullSizeInformation),
    /// The volume's id (MS-FSCC 2.5.6).
    ObjectId(ObjectIdInformation),
    /// statvfs (SMB3 POSIX extensions).
    Posix(PosixFsInformation),
    /// Sectors (MS-FSCC 2.5.7).
    SectorSize(SectorSizeInformation),
    /// Sizes (MS-FSCC 2.5.8).
    Size(SizeInformation),
    /// Label and serial number (MS-FSCC 2.5.9).
    Volume {
        /// When the volume was made.
        volume_creation_time: FileTime,
        /// Its serial number.
        volume_serial_number: u32,
        /// It has object ids.
        supports_objects: bool,
        /// Its label.
        volume_label: String,
    },
}

impl FsInformation {
    /// The class that this answers.
    pub fn class(&self) -> FsInfoClass {
        match self {
            Self::Attribute { .. } => FsInfoClass::ATTRIBUTE,
            Self::Control(_) => FsInfoClass::CONTROL,
            Self::Device { .. } => FsInfoClass::DEVICE,
            Self::FullSize(_) => FsInfoClass::FULL_SIZE,
            Self::ObjectId(_) => FsInfoClass::OBJECT_ID,
            Self::Posix(_) => FsInfoClass::POSIX,
            Self::SectorSize(_) => FsInfoClass::SECTOR_SIZE,
            Self::Size(_) => FsInfoClass::SIZE,
            Self::Volume { .. } => FsInfoClass::VOLUME,
        }
    }

    /// The smallest buffer with which `class` may be asked for: the C structure with its padding
    /// (MS-FSA 2.1.5.13); None if this is no class for a query.
    pub fn min_len_of(class: FsInfoClass) -> Option<usize> {
        Some(match class {
            FsInfoClass::DEVICE => 8,
            FsInfoClass::ATTRIBUTE => 16,
            FsInfoClass::SIZE | FsInfoClass::VOLUME => 24,
            FsInfoClass::SECTOR_SIZE => 28,
            FsInfoClass::FULL_SIZE => 32,
            FsInfoClass::CONTROL => 48,
            FsInfoClass::POSIX => 56,
            FsInfoClass::OBJECT_ID => 64,
            _ => return None,
        })
    }

    /// The answer that `bytes` are (for clients), or what a client sets: Control and ObjectId.
    pub fn parse(class: FsInfoClass, bytes: &[u8]) -> Parse<Self> {
        let reader = &mut Reader::new(bytes);
        Ok(match class {
            FsInfoClass::ATTRIBUTE => Self::Attribute {
                file_system_attributes: Field::take(reader)?,
                maximum_component_name_length: reader.u32()?,
                file_system_name: Field::take(reader)?,
            },
            FsInfoClass::CONTROL => Self::Control(Field::take(reader)?),
            FsInfoClass::DEVICE => {
                Self::Device { device_type: reader.u32()?, characteristics: reader.u32()? }
            }
            FsInfoClass::FULL_SIZE => Self::FullSize(Field::take(reader)?),
            FsInfoClass::OBJECT_ID => Self::ObjectId(Field::take(reader)?),
            FsInfoClass::POSIX => Self::Posix(Field::take(reader)?),
            FsInfoClass::SECTOR_SIZE => Self::SectorSize(Field::take(reader)?),
            FsInfoClass::SIZE => Self::Size(Field::take(reader)?),
            FsInfoClass::VOLUME => {
                let volume_creation_time = Field::take(reader)?;
                let volume_serial_number = reader.u32()?;
                let label_length = reader.u32()?;
                let supports_objects = Field::take(reader)?;
                reader.skip(1)?;
                Self::Volume {
                    volume_creation_time,
                    volume_serial_number,
                    supports_objects,
                    volume_label: text(reader, label_length)?,
                }
            }
            _ => return Err(Malformed("no class for a query")),
        })
    }
}

impl Information for FsInformation {
    fn encode(&self, out: &mut Vec<u8>) {
        let writer = &mut Writer::new(out);
        match self {
            Self::Attribute {
                file_system_attributes,
                maximum_component_name_length,
                file_system_name,
            } => {
                file_system_attributes.put(writer);
                writer.u32(*maximum_component_name_length);
                file_system_name.put(writer);
            }
            Self::Control(control) => control.put(writer),
            Self::Device { device_type, characteristics } => {
                writer.u32(*device_type);
                writer.u32(*characteristics);
            }
            Self::FullSize(size) => size.put(writer),
            Self::ObjectId(id) => id.put(writer),
            Self::Posix(posix) => posix.put(writer),
            Self::SectorSize(size) => size.put(writer),
            Self::Size(size) => size.put(writer),
            Self::Volume {
                volume_creation_time,
                volume_serial_number,
                supports_objects,
                volume_label,
            } => {
                volume_creation_time.put(writer);
                writer.u32(*volume_serial_number);
                writer.u32(utf16_len32(volume_label));
                supports_objects.put(writer);
                writer.u8(0);
                put_utf16(writer, volume_label);
            }
        }
    }

    fn min_len(&self) -> usize {
        Self::min_len_of(self.class()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fscc::Fit;
    use alloc::string::ToString;
    use alloc::vec;

    #[rustfmt::skip]
    fn every() -> Vec<(FsInformation, usize)> {
        use FsInformation as F;
        vec![
            (F::Attribute {
                file_system_attributes: FsAttributes::from_bits_retain(0x8000_0003),
                maximum_component_name_length: 255,
                file_system_name: "NTFS".to_string(),
            }, 20),
            (F::Control(ControlInformation::default()), 48),
            (F::Device { device_type: 7, characteristics: 0x20 }, 8),
            (F::FullSize(FullSizeInformation { bytes_per_sector: 512, ..Default::default() }), 32),
            (F::ObjectId(ObjectIdInformation::default()), 64),
            (F::Posix(PosixFsInformation::default()), 56),
            (F::SectorSize(SectorSizeInformation { flags: 3, ..Default::default() }), 28),
            (F::Size(SizeInformation { total_allocation_units: 9, ..Default::default() }), 24),
            (F::Volume {
                volume_creation_time: FileTime(1),
                volume_serial_number: 2,
                supports_objects: true,
                volume_label: "share".to_string(),
            }, 28),
        ]
    }

    #[test]
    fn every_class_round_trips_and_never_panics() {
        for (information, length) in every() {
            let class = information.class();
            let mut bytes = vec![];
            information.encode(&mut bytes);
            assert_eq!(bytes.len(), length, "{class:?}");
            assert_eq!(FsInformation::parse(class, &bytes), Ok(information));
            for length in 0..length {
                assert!(FsInformation::parse(class, &bytes[..length]).is_err());
            }
        }
        assert!(FsInformation::parse(FsInfoClass::DRIVER_PATH, &[0; 64]).is_err());
    }

    /// What smb2.getinfo.qfs_buffercheck asks for, at every size of the buffer.
    #[test]
    fn a_buffer_is_too_short_or_overflows_or_is_enough() {
        for (information, length) in every() {
            let min = information.min_len();
            for max in 0..length + 8 {
                match information.fit(max) {
                    Fit::TooShort => assert!(max < min),
                    Fit::NoEntryFits => panic!("no list"),
                    Fit::Truncated(bytes) => {
                        assert!(max >= min && bytes.len() <= max && max < length);
                    }
                    Fit::Whole(bytes) => assert!(max >= min && bytes.len() == length),
                }
            }
        }
    }
}
