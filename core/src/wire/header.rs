//! The header of every message (MS-SMB2 2.2.1), and the file id that most bodies carry.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::codec::{Malformed, Parse, Reader, Writer};
use crate::status::NtStatus;
use crate::wire_enum;
use bitflags::bitflags;

/// Bytes of the header.
pub const HEADER_LEN: usize = 64;
/// The first bytes of a plain message.
pub const PROTOCOL_ID: [u8; 4] = [0xfe, b'S', b'M', b'B'];
/// Where CreditRequest or CreditResponse lies in the header.
pub const CREDITS_OFFSET: usize = 14;
/// Where Flags lies in the header.
pub const FLAGS_OFFSET: usize = 16;
/// Where NextCommand lies in the header.
pub const NEXT_COMMAND_OFFSET: usize = 20;
/// Where Signature lies in the header.
pub const SIGNATURE_OFFSET: usize = 48;
/// Bytes of the signature.
pub const SIGNATURE_LEN: usize = 16;

wire_enum! {
    /// Command (MS-SMB2 2.2.1.2).
    pub Command(u16) {
        NEGOTIATE = 0x0000,
        SESSION_SETUP = 0x0001,
        LOGOFF = 0x0002,
        TREE_CONNECT = 0x0003,
        TREE_DISCONNECT = 0x0004,
        CREATE = 0x0005,
        CLOSE = 0x0006,
        FLUSH = 0x0007,
        READ = 0x0008,
        WRITE = 0x0009,
        LOCK = 0x000a,
        IOCTL = 0x000b,
        CANCEL = 0x000c,
        ECHO = 0x000d,
        QUERY_DIRECTORY = 0x000e,
        CHANGE_NOTIFY = 0x000f,
        QUERY_INFO = 0x0010,
        SET_INFO = 0x0011,
        OPLOCK_BREAK = 0x0012,
        SERVER_TO_CLIENT_NOTIFICATION = 0x0013,
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.1.2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct HeaderFlags: u32 {
        const SERVER_TO_REDIR = 0x0000_0001;
        const ASYNC_COMMAND = 0x0000_0002;
        const RELATED_OPERATIONS = 0x0000_0004;
        const SIGNED = 0x0000_0008;
        const PRIORITY_MASK = 0x0000_0070;
        const DFS_OPERATIONS = 0x1000_0000;
        const REPLAY_OPERATION = 0x2000_0000;
        const _ = !0;
    }
}

/// MS-SMB2 2.2.1.1, 2.2.1.2: both forms; the asynchronous one has `async_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub credit_charge: u16,
    /// The NTSTATUS in responses, ChannelSequence in requests.
    pub status: u32,
    pub command: Command,
    /// CreditRequest or CreditResponse.
    pub credits: u16,
    /// [`HeaderFlags::ASYNC_COMMAND`] is written when, and only when, there is an `async_id`.
    pub flags: HeaderFlags,
    pub next_command: u32,
    pub message_id: u64,
    pub async_id: Option<u64>,
    /// Zero in the asynchronous form.
    pub tree_id: u32,
    /// The reserved field of the synchronous form; zero in the asynchronous one.
    pub process_id: u32,
    pub session_id: u64,
    pub signature: [u8; SIGNATURE_LEN],
}

impl Header {
    /// A header with nothing but a command.
    pub const fn new(command: Command) -> Self {
        Self {
            credit_charge: 0,
            status: 0,
            command,
            credits: 0,
            flags: HeaderFlags::empty(),
            next_command: 0,
            message_id: 0,
            async_id: None,
            tree_id: 0,
            process_id: 0,
            session_id: 0,
            signature: [0; SIGNATURE_LEN],
        }
    }

    /// MS-SMB2 2.2.1.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(element);
        if reader.array()? != PROTOCOL_ID {
            return Err(Malformed("ProtocolId"));
        }
        if reader.u16()? != 64 {
            return Err(Malformed("StructureSize of the header"));
        }
        let mut header = Self {
            credit_charge: reader.u16()?,
            status: reader.u32()?,
            command: Command(reader.u16()?),
            credits: reader.u16()?,
            flags: HeaderFlags::from_bits_retain(reader.u32()?),
            next_command: reader.u32()?,
            message_id: reader.u64()?,
            ..Self::new(Command::NEGOTIATE)
        };
        if header.flags.contains(HeaderFlags::ASYNC_COMMAND) {
            header.async_id = Some(reader.u64()?);
        } else {
            header.process_id = reader.u32()?;
            header.tree_id = reader.u32()?;
        }
        header.session_id = reader.u64()?;
        header.signature = reader.array()?;
        Ok(header)
    }

    /// MS-SMB2 2.2.1.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let mut flags = self.flags;
        flags.set(HeaderFlags::ASYNC_COMMAND, self.async_id.is_some());
        writer.reserve(HEADER_LEN);
        writer.bytes(&PROTOCOL_ID);
        writer.u16(64);
        writer.u16(self.credit_charge);
        writer.u32(self.status);
        writer.u16(self.command.0);
        writer.u16(self.credits);
        writer.u32(flags.bits());
        writer.u32(self.next_command);
        writer.u64(self.message_id);
        if let Some(async_id) = self.async_id {
            writer.u64(async_id);
        } else {
            writer.u32(self.process_id);
            writer.u32(self.tree_id);
        }
        writer.u64(self.session_id);
        writer.bytes(&self.signature);
    }

    /// The status of a response.
    pub const fn nt_status(&self) -> NtStatus {
        NtStatus(self.status)
    }

    /// ChannelSequence of a request: the low half of the status field.
    pub const fn channel_sequence(&self) -> u16 {
        let [low, high, _, _] = self.status.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Parts `bytes` into the first element and the rest of the compound, by NextCommand: zero
    /// ends the chain, and any other value lies behind this header and inside `bytes`.
    pub fn split<'a>(&self, bytes: &'a [u8]) -> Parse<(&'a [u8], &'a [u8])> {
        if self.next_command == 0 {
            return Ok((bytes, &[]));
        }
        let next = usize::try_from(self.next_command).unwrap_or(usize::MAX);
        if next < HEADER_LEN {
            return Err(Malformed("NextCommand inside the header"));
        }
        bytes.split_at_checked(next).ok_or(Malformed("NextCommand outside the message"))
    }
}

/// SMB2_FILEID (MS-SMB2 2.2.14.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    pub persistent: u64,
    pub volatile: u64,
}

impl FileId {
    /// "The file of the request before" in a related compound, and "no file" in some IOCTLs.
    pub const ANY: Self = Self { persistent: u64::MAX, volatile: u64::MAX };

    /// MS-SMB2 2.2.14.1.
    pub fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        Ok(Self { persistent: reader.u64()?, volatile: reader.u64()? })
    }

    /// MS-SMB2 2.2.14.1.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.persistent);
        writer.u64(self.volatile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::damage;
    use alloc::vec;
    use alloc::vec::Vec;

    fn encoded(header: &Header) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode(&mut Writer::new(&mut bytes));
        assert_eq!(bytes.len(), HEADER_LEN);
        bytes
    }

    #[test]
    fn both_forms_survive() {
        let sync = Header {
            credit_charge: 1,
            status: 0xabcd_0102,
            credits: 33,
            flags: HeaderFlags::SIGNED | HeaderFlags::from_bits_retain(0x4000_0000),
            next_command: 0x70,
            message_id: 5,
            tree_id: 7,
            process_id: 0xfeff,
            session_id: 9,
            signature: [3; 16],
            ..Header::new(Command(0x7777))
        };
        let bytes = encoded(&sync);
        assert_eq!(Header::parse(&bytes), Ok(sync));
        assert_eq!(sync.channel_sequence(), 0x0102);
        assert_eq!(bytes[SIGNATURE_OFFSET..], [3; 16]);
        assert_eq!(bytes[CREDITS_OFFSET], 33);
        assert_eq!(bytes[NEXT_COMMAND_OFFSET], 0x70);
        damage(&bytes, Header::parse);

        let interim = Header {
            async_id: Some(77),
            flags: HeaderFlags::ASYNC_COMMAND | HeaderFlags::SERVER_TO_REDIR,
            ..Header::new(Command::CREATE)
        };
        assert_eq!(Header::parse(&encoded(&interim)), Ok(interim));
    }

    #[test]
    fn a_compound_parts_at_next_command() {
        let mut header = Header::new(Command::ECHO);
        let bytes = vec![0; 200];
        assert_eq!(header.split(&bytes).unwrap().0.len(), 200);
        header.next_command = 72;
        assert_eq!(header.split(&bytes).unwrap().1.len(), 128);
        for outside in [1, 63, 201, u32::MAX] {
            header.next_command = outside;
            assert!(header.split(&bytes).is_err());
        }
    }
}
