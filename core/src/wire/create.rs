//! CREATE (MS-SMB2 2.2.13, 2.2.14), its contexts untyped.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, buffer, inner, long, short, size};
use super::codec::{Malformed, Parse, Reader, Writer};
use super::header::FileId;
use super::utf16::Utf16;
use crate::time::FileTime;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// RequestedOplockLevel, OplockLevel (MS-SMB2 2.2.13, 2.2.14, 2.2.23).
    pub OplockLevel(u8) {
        NONE = 0x00,
        II = 0x01,
        EXCLUSIVE = 0x08,
        BATCH = 0x09,
        LEASE = 0xff,
    }
}

wire_enum! {
    /// ImpersonationLevel (MS-SMB2 2.2.13).
    pub ImpersonationLevel(u32) {
        ANONYMOUS = 0,
        IDENTIFICATION = 1,
        IMPERSONATION = 2,
        DELEGATE = 3,
    }
}

bitflags! {
    /// ShareAccess (MS-SMB2 2.2.13).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ShareAccess: u32 {
        const READ = 0x0000_0001;
        const WRITE = 0x0000_0002;
        const DELETE = 0x0000_0004;
        const _ = !0;
    }
}

wire_enum! {
    /// CreateDisposition (MS-SMB2 2.2.13).
    pub CreateDisposition(u32) {
        SUPERSEDE = 0,
        OPEN = 1,
        CREATE = 2,
        OPEN_IF = 3,
        OVERWRITE = 4,
        OVERWRITE_IF = 5,
    }
}

bitflags! {
    /// CreateOptions (MS-SMB2 2.2.13).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CreateOptions: u32 {
        const DIRECTORY_FILE = 0x0000_0001;
        const WRITE_THROUGH = 0x0000_0002;
        const SEQUENTIAL_ONLY = 0x0000_0004;
        const NO_INTERMEDIATE_BUFFERING = 0x0000_0008;
        const SYNCHRONOUS_IO_ALERT = 0x0000_0010;
        const SYNCHRONOUS_IO_NONALERT = 0x0000_0020;
        const NON_DIRECTORY_FILE = 0x0000_0040;
        const COMPLETE_IF_OPLOCKED = 0x0000_0100;
        const NO_EA_KNOWLEDGE = 0x0000_0200;
        const OPEN_REMOTE_INSTANCE = 0x0000_0400;
        const RANDOM_ACCESS = 0x0000_0800;
        const DELETE_ON_CLOSE = 0x0000_1000;
        const OPEN_BY_FILE_ID = 0x0000_2000;
        const OPEN_FOR_BACKUP_INTENT = 0x0000_4000;
        const NO_COMPRESSION = 0x0000_8000;
        const OPEN_REQUIRING_OPLOCK = 0x0001_0000;
        const DISALLOW_EXCLUSIVE = 0x0002_0000;
        const RESERVE_OPFILTER = 0x0010_0000;
        const OPEN_REPARSE_POINT = 0x0020_0000;
        const OPEN_NO_RECALL = 0x0040_0000;
        const OPEN_FOR_FREE_SPACE_QUERY = 0x0080_0000;
        const _ = !0;
    }
}

wire_enum! {
    /// CreateAction (MS-SMB2 2.2.14).
    pub CreateAction(u32) {
        SUPERSEDED = 0,
        OPENED = 1,
        CREATED = 2,
        OVERWRITTEN = 3,
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.14).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CreateResponseFlags: u8 {
        const REPARSEPOINT = 0x01;
        const _ = !0;
    }
}

/// SMB2_CREATE_CONTEXT (MS-SMB2 2.2.13.2): a name, mostly of four bytes, and its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawContext {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
}

impl RawContext {
    const FIXED: usize = 16;
    /// Bytes that names have at least; Windows refuses shorter ones.
    const NAME: usize = 4;

    /// The contexts in `bytes`: each lies between its start and the next one's.
    pub fn parse_list(bytes: &[u8]) -> Parse<Vec<Self>> {
        let mut contexts = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let next = size(Reader::new(rest).u32()?);
            if next == 0 {
                contexts.push(Self::parse(rest)?);
                break;
            }
            if next < Self::FIXED {
                return Err(Malformed("Next of a create context"));
            }
            let (context, behind) =
                rest.split_at_checked(next).ok_or(Malformed("Next of a create context"))?;
            contexts.push(Self::parse(context)?);
            rest = behind;
        }
        Ok(contexts)
    }

    fn parse(context: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(context);
        reader.skip(4)?;
        let name_offset = usize::from(reader.u16()?);
        let name_length = usize::from(reader.u16()?);
        reader.skip(2)?;
        let data_offset = usize::from(reader.u16()?);
        let data_length = size(reader.u32()?);
        let in_fixed = |offset, length| length > 0 && offset < Self::FIXED;
        if name_length < Self::NAME {
            return Err(Malformed("NameLength of a create context"));
        }
        if in_fixed(name_offset, name_length) || in_fixed(data_offset, data_length) {
            return Err(Malformed("an offset in a create context"));
        }
        Ok(Self {
            name: inner(&reader, name_offset, name_length)?.to_vec(),
            data: inner(&reader, data_offset, data_length)?.to_vec(),
        })
    }

    /// Writes the contexts, the first one aligned to 8 bytes too; returns their offset and length,
    /// both 0 when there is none.
    pub fn encode_list(contexts: &[Self], writer: &mut Writer<'_>) -> (usize, usize) {
        if contexts.is_empty() {
            return (0, 0);
        }
        writer.align(8);
        let offset = writer.len();
        let mut previous = None;
        for context in contexts {
            writer.align(8);
            let start = writer.len();
            if let Some(previous) = previous.replace(start) {
                writer.patch_u32(previous, long(start.saturating_sub(previous)));
            }
            context.encode(writer, start);
        }
        (offset, writer.len().saturating_sub(offset))
    }

    fn encode(&self, writer: &mut Writer<'_>, start: usize) {
        writer.u32(0);
        writer.u16(short(Self::FIXED));
        writer.u16(short(self.name.len()));
        writer.u16(0);
        let data_offset_at = writer.len();
        writer.u16(0);
        writer.u32(long(self.data.len()));
        writer.bytes(&self.name);
        if !self.data.is_empty() {
            writer.align(8);
            let data_offset = writer.len().saturating_sub(start);
            writer.patch_u16(data_offset_at, short(data_offset));
            writer.bytes(&self.data);
        }
    }
}

/// SMB2 CREATE request (MS-SMB2 2.2.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    pub requested_oplock_level: OplockLevel,
    pub impersonation_level: ImpersonationLevel,
    /// An access mask (MS-SMB2 2.2.13.1).
    pub desired_access: u32,
    /// MS-FSCC 2.6.
    pub file_attributes: u32,
    pub share_access: ShareAccess,
    pub create_disposition: CreateDisposition,
    pub create_options: CreateOptions,
    /// Relative to the share's root; empty for the root itself.
    pub name: Utf16,
    pub contexts: Vec<RawContext>,
}

impl CreateRequest {
    const BUFFER: u16 = 120;

    /// MS-SMB2 2.2.13.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 57)?;
        reader.skip(1)?;
        let requested_oplock_level = OplockLevel(reader.u8()?);
        let impersonation_level = ImpersonationLevel(reader.u32()?);
        reader.skip(16)?;
        let desired_access = reader.u32()?;
        let file_attributes = reader.u32()?;
        let share_access = ShareAccess::from_bits_retain(reader.u32()?);
        let create_disposition = CreateDisposition(reader.u32()?);
        let create_options = CreateOptions::from_bits_retain(reader.u32()?);
        let name_offset = usize::from(reader.u16()?);
        let name_length = usize::from(reader.u16()?);
        let contexts_offset = size(reader.u32()?);
        let contexts_length = size(reader.u32()?);
        Ok(Self {
            requested_oplock_level,
            impersonation_level,
            desired_access,
            file_attributes,
            share_access,
            create_disposition,
            create_options,
            name: Utf16::parse(buffer(&reader, name_offset, name_length)?)?,
            contexts: RawContext::parse_list(buffer(&reader, contexts_offset, contexts_length)?)?,
        })
    }

    /// MS-SMB2 2.2.13.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(57);
        writer.u8(0);
        writer.u8(self.requested_oplock_level.0);
        writer.u32(self.impersonation_level.0);
        writer.zeros(16);
        writer.u32(self.desired_access);
        writer.u32(self.file_attributes);
        writer.u32(self.share_access.bits());
        writer.u32(self.create_disposition.0);
        writer.u32(self.create_options.bits());
        writer.u16(Self::BUFFER);
        writer.u16(short(self.name.byte_len()));
        let contexts_at = writer.len();
        writer.u64(0);
        self.name.encode(writer);
        let (offset, length) = RawContext::encode_list(&self.contexts, writer);
        writer.patch_u32(contexts_at, long(offset));
        writer.patch_u32(contexts_at.saturating_add(4), long(length));
        if self.name.is_empty() && self.contexts.is_empty() {
            // The buffer has at least one byte.
            writer.u8(0);
        }
    }
}

/// SMB2 CREATE response (MS-SMB2 2.2.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateResponse {
    pub oplock_level: OplockLevel,
    pub flags: CreateResponseFlags,
    pub create_action: CreateAction,
    pub creation_time: FileTime,
    pub last_access_time: FileTime,
    pub last_write_time: FileTime,
    pub change_time: FileTime,
    pub allocation_size: u64,
    pub end_of_file: u64,
    /// MS-FSCC 2.6.
    pub file_attributes: u32,
    pub file_id: FileId,
    pub contexts: Vec<RawContext>,
}

impl CreateResponse {
    /// MS-SMB2 2.2.14.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 89)?;
        let oplock_level = OplockLevel(reader.u8()?);
        let flags = CreateResponseFlags::from_bits_retain(reader.u8()?);
        let create_action = CreateAction(reader.u32()?);
        let creation_time = FileTime(reader.u64()?);
        let last_access_time = FileTime(reader.u64()?);
        let last_write_time = FileTime(reader.u64()?);
        let change_time = FileTime(reader.u64()?);
        let allocation_size = reader.u64()?;
        let end_of_file = reader.u64()?;
        let file_attributes = reader.u32()?;
        reader.skip(4)?;
        let file_id = FileId::parse(&mut reader)?;
        let contexts_offset = size(reader.u32()?);
        let contexts_length = size(reader.u32()?);
        Ok(Self {
            oplock_level,
            flags,
            create_action,
            creation_time,
            last_access_time,
            last_write_time,
            change_time,
            allocation_size,
            end_of_file,
            file_attributes,
            file_id,
            contexts: RawContext::parse_list(buffer(&reader, contexts_offset, contexts_length)?)?,
        })
    }

    /// MS-SMB2 2.2.14.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(89);
        writer.u8(self.oplock_level.0);
        writer.u8(self.flags.bits());
        writer.u32(self.create_action.0);
        writer.u64(self.creation_time.0);
        writer.u64(self.last_access_time.0);
        writer.u64(self.last_write_time.0);
        writer.u64(self.change_time.0);
        writer.u64(self.allocation_size);
        writer.u64(self.end_of_file);
        writer.u32(self.file_attributes);
        writer.u32(0);
        self.file_id.encode(writer);
        let contexts_at = writer.len();
        writer.u64(0);
        let (offset, length) = RawContext::encode_list(&self.contexts, writer);
        writer.patch_u32(contexts_at, long(offset));
        writer.patch_u32(contexts_at.saturating_add(4), long(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    fn contexts() -> Vec<RawContext> {
        vec![
            RawContext { name: b"MxAc".to_vec(), data: vec![] },
            RawContext { name: b"RqLs".to_vec(), data: vec![4; 52] },
            RawContext { name: vec![0xaa; 16], data: vec![5; 3] },
        ]
    }

    fn request(name: &str, contexts: Vec<RawContext>) -> CreateRequest {
        CreateRequest {
            requested_oplock_level: OplockLevel::BATCH,
            impersonation_level: ImpersonationLevel::IMPERSONATION,
            desired_access: 0x0012_0089,
            file_attributes: 0x80,
            share_access: ShareAccess::READ | ShareAccess::DELETE,
            create_disposition: CreateDisposition::OPEN_IF,
            create_options: CreateOptions::NON_DIRECTORY_FILE,
            name: name.into(),
            contexts,
        }
    }

    #[test]
    fn requests() {
        for (name, contexts, length) in [
            ("", vec![], 121),
            ("a", vec![], 122),
            ("", contexts(), 120 + 24 + 80 + 35),
            (r"dir\file", contexts(), 136 + 24 + 80 + 35),
        ] {
            let request = request(name, contexts);
            let bytes = round_trip(&request, CreateRequest::encode, CreateRequest::parse);
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn responses() {
        for contexts in [vec![], contexts()] {
            let response = CreateResponse {
                oplock_level: OplockLevel::LEASE,
                flags: CreateResponseFlags::REPARSEPOINT,
                create_action: CreateAction::CREATED,
                creation_time: FileTime(1),
                last_access_time: FileTime(2),
                last_write_time: FileTime(3),
                change_time: FileTime(4),
                allocation_size: 4096,
                end_of_file: 5,
                file_attributes: 0x20,
                file_id: FileId { persistent: 6, volatile: 7 },
                contexts,
            };
            round_trip(&response, CreateResponse::encode, CreateResponse::parse);
        }
    }

    #[test]
    fn a_chain_of_contexts_makes_progress_and_stays_inside() {
        let mut bytes = Vec::new();
        RawContext::encode_list(&contexts(), &mut Writer::new(&mut bytes));
        assert_eq!(RawContext::parse_list(&bytes), Ok(contexts()));
        for next in [1, 15, 0x1_0000] {
            bytes[..4].copy_from_slice(&u32::to_le_bytes(next));
            assert!(RawContext::parse_list(&bytes).is_err());
        }
        // The first context's data may not reach into the second one.
        bytes[..4].copy_from_slice(&24_u32.to_le_bytes());
        bytes[10] = 16;
        bytes[12] = 9;
        assert!(RawContext::parse_list(&bytes).is_err());
        assert_eq!(RawContext::parse_list(&[]), Ok(vec![]));
    }
}
