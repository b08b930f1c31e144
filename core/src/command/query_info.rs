//! QUERY_INFO.

use super::{Cx, Event, ea, security};
use crate::{
    config::{Config, Share},
    flow::{Flow, Handled, NO_OPEN, OUR_BUG, Refused, job::Who, refuse},
    name::mapping,
    state::open::{Open, Place},
    status::NtStatus,
    vfs::{Call, Done, FileInfo, FileKind, Op, VolumeInfo},
    wire::{
        fscc::{
            FileInfoClass, Fit, FsInfoClass, Information,
            file::{
                AllInformation, BasicInformation, CompressionInformation, FileInformation,
                NetworkOpenInformation, StandardInformation,
            },
            volume::{
                ControlInformation, FsAttributes, FsInformation, FullSizeInformation,
                ObjectIdInformation, SectorSizeInformation, SizeInformation,
            },
        },
        message::ResponseBody,
        negotiate::Dialect,
        output::Output,
        query_info::{InfoType, QueryInfoFlags, QueryInfoRequest, SecurityInformation},
        utf16::Utf16,
    },
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    File { class: FileInfoClass, max: u32 },
    Volume { class: FsInfoClass, max: u32 },
    Security { parts: SecurityInformation, max: u32 },
    Streams { max: u32 },
    Ea { flags: QueryInfoFlags, max: u32 },
}

/// IO_REPARSE_TAG_SYMLINK (MS-FSCC 2.1.2.1).
const TAG_SYMLINK: u32 = 0xa000_000c;

/// MS-SMB2 3.3.5.20.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &QueryInfoRequest,
) -> Handled<super::Step> {
    let max = request.output_buffer_length;
    let open = cx.state.opens.get(&who.open()?).ok_or(NO_OPEN)?;
    if max > cx.state.config_of(who.conn).max_trans {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.20: longer than MaxTransactSize");
    }
    let step = match request.info_type {
        InfoType::FILE => {
            let class = FileInfoClass(request.info_class);
            let dialect = cx.state.conns.get(&who.conn).and_then(|conn| conn.dialect());
            if class == FileInfoClass::NORMALIZED_NAME && dialect != Some(Dialect::SMB_3_1_1) {
                return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.20.1: only of dialect 3.1.1");
            }
            room(file_min(class), max)?;
            match class {
                FileInfoClass::STREAM => Step::Streams { max },
                FileInfoClass::FULL_EA => Step::Ea { flags: request.flags, max },
                _ => Step::File { class, max },
            }
        }
        InfoType::FILESYSTEM => {
            let class = FsInfoClass(request.info_class);
            room(fs_min(class), max)?;
            Step::Volume { class, max }
        }
        InfoType::SECURITY => {
            let parts = SecurityInformation::from_bits_retain(request.additional_information);
            Step::Security { parts, max }
        }
        InfoType::QUOTA => return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.20.4: no quotas"),
        _ => return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.20: InfoType"),
    };
    if open.is_pipe() {
        return on_pipe(open, step);
    }
    let file = open.handle.clone();
    let op = match step {
        Step::Volume { .. } => Op::Volume { file },
        Step::Streams { .. } => Op::ListStreams { file },
        Step::Ea { max, .. } => ea::query(request, open, max)?,
        Step::File { .. } | Step::Security { .. } => Op::Query { file },
    };
    let call = Call { identity: open.identity.clone(), op };
    Ok(Flow::Call(call, super::Step::QueryInfo(step)))
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    let open = cx.state.opens.get(&who.open()?).ok_or(NO_OPEN)?;
    match (step, event.done()) {
        (Step::File { class, max }, Done::Info(info)) => {
            let Some(value) = file_value(class, open, &info, pending(cx, open, &info)) else {
                return refuse(NtStatus::INVALID_INFO_CLASS, "3.3.5.20.1: unknown class");
            };
            fitted(&value, max)
        }
        (Step::Volume { class, max }, Done::Volume(volume)) => {
            let config = &cx.state.config;
            let read_only = who.session.zip(who.tree);
            let tree = read_only.and_then(|(session, tree)| cx.state.tree(session, tree));
            let read_only = tree.is_some_and(|tree| tree.read_only);
            let Some(value) = fs_value(class, config, &open.share, &volume, read_only) else {
                return refuse(NtStatus::INVALID_INFO_CLASS, "3.3.5.20.2: unknown class");
            };
            fitted(&value, max)
        }
        (Step::Streams { max }, Done::Streams(streams)) => {
            fitted(&FileInformation::Stream(streams), max)
        }
        (Step::Ea { flags, max }, Done::Eas(eas)) => ea::answer(eas, flags, max),
        (Step::Security { parts, max }, Done::Info(info)) => {
            security::answer(cx, who, &info, parts, max)
        }
        (_, Done::Failed(error)) => Err(error.into()),
        _ => Err(OUR_BUG),
    }
}

/// The bytes that a class has at least, for the classes that are answered.
fn file_min(class: FileInfoClass) -> Option<usize> {
    let known = [
        FileInfoClass::BASIC,
        FileInfoClass::STANDARD,
        FileInfoClass::INTERNAL,
        FileInfoClass::EA,
        FileInfoClass::ACCESS,
        FileInfoClass::POSITION,
        FileInfoClass::MODE,
        FileInfoClass::ALIGNMENT,
        FileInfoClass::ALL,
        FileInfoClass::ALTERNATE_NAME,
        FileInfoClass::STREAM,
        FileInfoClass::COMPRESSION,
        FileInfoClass::FULL_EA,
        FileInfoClass::NETWORK_OPEN,
        FileInfoClass::ATTRIBUTE_TAG,
        FileInfoClass::NORMALIZED_NAME,
        FileInfoClass::ID,
    ];
    FileInformation::min_len_of(class).filter(|_| known.contains(&class))
}

fn fs_min(class: FsInfoClass) -> Option<usize> {
    let known = [
        FsInfoClass::VOLUME,
        FsInfoClass::SIZE,
        FsInfoClass::DEVICE,
        FsInfoClass::ATTRIBUTE,
        FsInfoClass::CONTROL,
        FsInfoClass::FULL_SIZE,
        FsInfoClass::OBJECT_ID,
        FsInfoClass::SECTOR_SIZE,
    ];
    FsInformation::min_len_of(class).filter(|_| known.contains(&class))
}

/// MS-SMB2 3.3.5.20.1: unknown classes first, then the buffer.
fn room(min: Option<usize>, max: u32) -> Result<(), Refused> {
    match min {
        None => refuse(NtStatus::INVALID_INFO_CLASS, "3.3.5.20: unknown class"),
        Some(min) if min > max as usize => {
            refuse(NtStatus::INFO_LENGTH_MISMATCH, "3.3.5.20: shorter than the fixed part")
        }
        Some(_) => Ok(()),
    }
}

pub(super) fn fitted(value: &impl Information, max: u32) -> Handled<super::Step> {
    match value.fit(max as usize) {
        Fit::Whole(buffer) => Flow::answer(ResponseBody::QueryInfo(Output { buffer })),
        Fit::Truncated(buffer) => {
            let body = ResponseBody::QueryInfo(Output { buffer });
            Flow::answer_with(NtStatus::BUFFER_OVERFLOW, body)
        }
        Fit::TooShort => refuse(NtStatus::INFO_LENGTH_MISMATCH, "3.3.5.20: too short"),
        Fit::NoEntryFits => refuse(NtStatus::BUFFER_TOO_SMALL, "MS-FSA 2.1.5.12: no entry fits"),
    }
}

fn basic(info: &FileInfo) -> BasicInformation {
    BasicInformation {
        creation_time: info.creation_time,
        last_access_time: info.last_access_time,
        last_write_time: info.last_write_time,
        change_time: info.change_time,
        file_attributes: info.attributes,
    }
}

/// What is about to go.
#[derive(Clone, Copy)]
struct Pending {
    /// What is open goes.
    delete: bool,
    /// The names that the file then has.
    links: u32,
}

/// MS-FSA 2.1.5.12.27: names that are about to go count no more.
fn pending(cx: &Cx<'_>, open: &Open, info: &FileInfo) -> Pending {
    let Some((key, place)) = open.key().zip(open.place()) else {
        return Pending { delete: false, links: info.links };
    };
    let doomed = u32::try_from(cx.state.doomed_names(key)).unwrap_or(u32::MAX);
    let links = info.links.saturating_sub(doomed);
    Pending { delete: cx.state.is_doomed(key, place) || links == 0, links }
}

fn standard(info: &FileInfo, pending: Pending) -> StandardInformation {
    StandardInformation {
        allocation_size: info.allocation,
        end_of_file: info.size,
        number_of_links: pending.links,
        delete_pending: pending.delete,
        directory: info.kind == FileKind::Directory,
    }
}

/// MS-FSCC 2.4, the classes of [`file_min`].
fn file_value(
    class: FileInfoClass,
    open: &Open,
    info: &FileInfo,
    pending: Pending,
) -> Option<FileInformation> {
    let name = || open.place().map_or_else(Utf16::default, Place::to_windows);
    let reparse_tag = if info.kind == FileKind::Symlink { TAG_SYMLINK } else { 0 };
    Some(match class {
        FileInfoClass::BASIC => FileInformation::Basic(basic(info)),
        FileInfoClass::STANDARD => FileInformation::Standard(standard(info, pending)),
        FileInfoClass::INTERNAL => FileInformation::Internal { index_number: info.key.inode },
        FileInfoClass::EA => FileInformation::Ea { ea_size: info.ea_size },
        FileInfoClass::ACCESS => FileInformation::Access { access_flags: open.granted },
        FileInfoClass::POSITION => FileInformation::Position { current_byte_offset: open.position },
        FileInfoClass::MODE => {
            FileInformation::Mode { mode: crate::wire::fscc::FileMode::from_bits_retain(open.mode) }
        }
        FileInfoClass::ALIGNMENT => FileInformation::Alignment { alignment_requirement: 0 },
        FileInfoClass::ALL => FileInformation::All(AllInformation {
            basic: basic(info),
            standard: standard(info, pending),
            index_number: info.key.inode,
            ea_size: info.ea_size,
            access_flags: open.granted,
            current_byte_offset: open.position,
            mode: crate::wire::fscc::FileMode::from_bits_retain(open.mode),
            alignment_requirement: 0,
            file_name: name(),
        }),
        // Nothing is compressed (MS-FSA 2.1.5.12.8).
        FileInfoClass::COMPRESSION => FileInformation::Compression(CompressionInformation {
            compressed_file_size: info.size,
            ..CompressionInformation::default()
        }),
        // 8.3 names are not made up: a file's other name is its name.
        FileInfoClass::ALTERNATE_NAME => {
            let name = open.place().map(|place| mapping::units(place.path.file_name()).collect());
            FileInformation::AlternateName(Utf16(name.unwrap_or_default()))
        }
        FileInfoClass::NETWORK_OPEN => FileInformation::NetworkOpen(NetworkOpenInformation {
            creation_time: info.creation_time,
            last_access_time: info.last_access_time,
            last_write_time: info.last_write_time,
            change_time: info.change_time,
            allocation_size: info.allocation,
            end_of_file: info.size,
            file_attributes: info.attributes,
        }),
        FileInfoClass::ATTRIBUTE_TAG => {
            FileInformation::AttributeTag { file_attributes: info.attributes, reparse_tag }
        }
        FileInfoClass::NORMALIZED_NAME => {
            // From the share on, with the stream, and without the separator in front.
            let Utf16(name) = name();
            FileInformation::NormalizedName(Utf16(name.get(1..).unwrap_or_default().to_vec()))
        }
        FileInfoClass::ID => {
            let mut file_id = [0; 16];
            file_id[..8].copy_from_slice(&info.key.inode.to_le_bytes());
            FileInformation::Id { volume_serial_number: info.key.device, file_id }
        }
        _ => return None,
    })
}

/// FILE_DEVICE_DISK, FILE_DEVICE_IS_MOUNTED (MS-FSCC 2.5.10).
const DEVICE_DISK: u32 = 7;
const DEVICE_IS_MOUNTED: u32 = 0x20;

/// MS-FSCC 2.5, the classes of [`fs_min`].
fn fs_value(
    class: FsInfoClass,
    config: &Config,
    share: &Share,
    volume: &VolumeInfo,
    read_only: bool,
) -> Option<FsInformation> {
    let sectors_per_allocation_unit = (volume.unit / 512).max(1);
    let bytes_per_sector = volume.unit.min(512);
    Some(match class {
        FsInfoClass::VOLUME => FsInformation::Volume {
            volume_creation_time: volume.creation_time,
            volume_serial_number: volume.serial,
            supports_objects: false,
            volume_label: share.name.as_str().into(),
        },
        FsInfoClass::SIZE => FsInformation::Size(SizeInformation {
            total_allocation_units: volume.total,
            available_allocation_units: volume.available,
            sectors_per_allocation_unit,
            bytes_per_sector,
        }),
        FsInfoClass::FULL_SIZE => FsInformation::FullSize(FullSizeInformation {
            total_allocation_units: volume.total,
            caller_available_allocation_units: volume.available,
            actual_available_allocation_units: volume.free,
            sectors_per_allocation_unit,
            bytes_per_sector,
        }),
        FsInfoClass::DEVICE => FsInformation::Device {
            device_type: DEVICE_DISK,
            characteristics: DEVICE_IS_MOUNTED | if read_only { 2 } else { 0 },
        },
        FsInfoClass::ATTRIBUTE => {
            let mut attributes = FsAttributes::CASE_SENSITIVE_SEARCH
                | FsAttributes::CASE_PRESERVED_NAMES
                | FsAttributes::UNICODE_ON_DISK
                | FsAttributes::SUPPORTS_HARD_LINKS
                | FsAttributes::from_bits_retain(config.extra_fs_attributes);
            attributes.set(FsAttributes::NAMED_STREAMS, share.streams);
            attributes.set(FsAttributes::READ_ONLY_VOLUME, read_only);
            attributes.set(FsAttributes::PERSISTENT_ACLS, share.acl_xattr);
            FsInformation::Attribute {
                file_system_attributes: attributes,
                maximum_component_name_length: 255,
                file_system_name: "NTFS".into(),
            }
        }
        // As Windows answers for a volume without quotas: nobody is warned, nobody is limited.
        FsInfoClass::CONTROL => FsInformation::Control(ControlInformation {
            default_quota_threshold: u64::MAX,
            default_quota_limit: u64::MAX,
            ..ControlInformation::default()
        }),
        FsInfoClass::OBJECT_ID => FsInformation::ObjectId(ObjectIdInformation {
            object_id: volume_id(config.server_guid, volume.serial),
            ..ObjectIdInformation::default()
        }),
        FsInfoClass::SECTOR_SIZE => FsInformation::SectorSize(SectorSizeInformation {
            logical_bytes_per_sector: bytes_per_sector,
            physical_bytes_per_sector_for_atomicity: bytes_per_sector,
            physical_bytes_per_sector_for_performance: volume.unit,
            file_system_effective_physical_bytes_per_sector_for_atomicity: bytes_per_sector,
            flags: 3,
            byte_offset_for_sector_alignment: 0,
            byte_offset_for_partition_alignment: 0,
        }),
        _ => return None,
    })
}

/// A GUID that stays a share's own: the server's, made different by the volume's serial number.
fn volume_id(mut server: [u8; 16], serial: u32) -> [u8; 16] {
    for (byte, other) in server.iter_mut().zip(serial.to_le_bytes()) {
        *byte ^= other;
    }
    server
}

/// Pipes have no metadata of their own but a little (MS-FSCC 2.4.41).
fn on_pipe(open: &Open, step: Step) -> Handled<super::Step> {
    let Step::File { class: FileInfoClass::STANDARD, max } = step else {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.20: a pipe has no such information");
    };
    debug_assert!(open.is_pipe());
    fitted(
        &FileInformation::Standard(StandardInformation {
            allocation_size: 4096,
            end_of_file: 0,
            number_of_links: 1,
            delete_pending: true,
            directory: false,
        }),
        max,
    )
}
