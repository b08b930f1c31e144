//! LOCK (MS-SMB2 2.2.26); the response has no fields.
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, short};
use super::codec::{Parse, Reader, Writer};
use super::header::FileId;
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// Flags (MS-SMB2 2.2.26.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LockFlags: u32 {
        const SHARED_LOCK = 0x0000_0001;
        const EXCLUSIVE_LOCK = 0x0000_0002;
        const UNLOCK = 0x0000_0004;
        const FAIL_IMMEDIATELY = 0x0000_0010;
        const _ = !0;
    }
}

/// SMB2_LOCK_ELEMENT (MS-SMB2 2.2.26.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockElement {
    pub offset: u64,
    pub length: u64,
    pub flags: LockFlags,
}

impl LockElement {
    fn parse(reader: &mut Reader<'_>) -> Parse<Self> {
        let element = Self {
            offset: reader.u64()?,
            length: reader.u64()?,
            flags: LockFlags::from_bits_retain(reader.u32()?),
        };
        reader.skip(4)?;
        Ok(element)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.offset);
        writer.u64(self.length);
        writer.u32(self.flags.bits());
        writer.u32(0);
    }
}

/// SMB2 LOCK request (MS-SMB2 2.2.26).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRequest {
    /// LockSequenceNumber in the low 4 bits, LockSequenceIndex above.
    pub lock_sequence: u32,
    pub file_id: FileId,
    /// As many as LockCount says, also none.
    pub locks: Vec<LockElement>,
}

impl LockRequest {
    /// Includes one lock.
    const FIXED: u16 = 48;

    /// LockSequenceNumber.
    pub const fn lock_sequence_number(&self) -> u32 {
        self.lock_sequence & 0xf
    }

    /// LockSequenceIndex.
    pub const fn lock_sequence_index(&self) -> u32 {
        self.lock_sequence >> 4
    }

    /// MS-SMB2 2.2.26.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, Self::FIXED)?;
        let lock_count = reader.u16()?;
        let lock_sequence = reader.u32()?;
        let file_id = FileId::parse(&mut reader)?;
        let locks = (0..lock_count).map(|_| LockElement::parse(&mut reader));
        Ok(Self { lock_sequence, file_id, locks: locks.collect::<Parse<_>>()? })
    }

    /// MS-SMB2 2.2.26.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(Self::FIXED);
        writer.u16(short(self.locks.len()));
        writer.u32(self.lock_sequence);
        self.file_id.encode(writer);
        self.locks.iter().for_each(|lock| lock.encode(writer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::round_trip;
    use alloc::vec;

    #[test]
    fn requests() {
        let lock = LockElement {
            offset: 1,
            length: u64::MAX,
            flags: LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
        };
        for count in [0, 1, 3] {
            let request =
                LockRequest { lock_sequence: 0x25, file_id: FileId::ANY, locks: vec![lock; count] };
            assert_eq!(request.lock_sequence_index(), 2);
            assert_eq!(request.lock_sequence_number(), 5);
            let bytes = round_trip(&request, LockRequest::encode, LockRequest::parse);
            assert_eq!(bytes.len(), 64 + 24 + 24 * count);
        }
    }
}
