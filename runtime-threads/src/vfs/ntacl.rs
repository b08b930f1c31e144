//! The value in which Samba and ksmbd keep a security descriptor: Samba's `xattr_NTACL`, NDR in
//! little-endian order. Version 4 is written; 1 and 3, as Samba writes them where it does not look
//! at the POSIX ACL, are read as well.
//!
//! Version 4 holds a hash of the file's owner, group, mode and POSIX ACLs. When `chmod`, `chown` or
//! `setfacl` has changed them since, the hash is another one, and the descriptor counts no more: who
//! administers the machine has the last word.

use ksmbd_core::{
    time::FileTime,
    wire::{
        codec::{Malformed, Reader},
        security::SecurityDescriptor,
    },
};
use sha2::{Digest, Sha256};

/// A descriptor has at most 64 KiB; the rest is less than this.
pub(super) const MAX_VALUE: usize = 0x1_0000 + 512;

/// XATTR_SD_HASH_TYPE_NONE and XATTR_SD_HASH_TYPE_SHA256.
const NO_HASH: u16 = 0;
const SHA256: u16 = 1;

/// Hashes are kept in fields of this size, behind which there is nothing.
const HASH_FIELD: usize = 64;

/// What Samba and ksmbd write as the description of what was hashed.
const DESCRIPTION: &[u8] = b"posix_acl\0";

/// A stored value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) descriptor: SecurityDescriptor,
    /// Of the POSIX side; `None` counts whatever that has become.
    pub(super) hash: Option<[u8; 32]>,
}

/// Reads a value. It is as hostile as whoever could write it.
pub(super) fn parse(value: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader::new(value);
    let version = reader.u16()?;
    if reader.u16()? != version {
        return Err(Malformed("two versions in an NTACL"));
    }
    pointer(&mut reader)?;
    if version == 1 {
        return whole(&mut reader, None);
    }
    pointer(&mut reader)?;
    let hash_type = reader.u16()?;
    reader.skip(HASH_FIELD)?;
    match version {
        // Its hash is of a descriptor that only Samba can make.
        3 if hash_type != NO_HASH => Err(Malformed("NTACL with a hash of Samba's own")),
        3 => whole(&mut reader, None),
        4 => {
            while reader.u8()? != 0 {}
            align(&mut reader, 8)?;
            reader.skip(8)?;
            let hash: [u8; 32] = reader.array()?;
            reader.skip(HASH_FIELD - 32)?;
            match hash_type {
                NO_HASH => whole(&mut reader, None),
                SHA256 => whole(&mut reader, Some(hash)),
                _ => Err(Malformed("NTACL with an unknown hash")),
            }
        }
        _ => Err(Malformed("NTACL of an unknown version")),
    }
}

/// What is not there has the pointer 0.
fn pointer(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    if reader.u32()? == 0 { Err(Malformed("NTACL without a descriptor")) } else { Ok(()) }
}

fn whole(reader: &mut Reader<'_>, hash: Option<[u8; 32]>) -> Result<Value, Malformed> {
    align(reader, 4)?;
    let base = u32::try_from(reader.position()).map_err(|_| Malformed("NTACL too long"))?;
    let mut bytes = reader.rest().to_vec();
    let outside = Malformed("part of a descriptor before it");
    rebase(&mut bytes, |offset| offset.checked_sub(base).ok_or(outside))?;
    Ok(Value { descriptor: SecurityDescriptor::parse(&bytes)?, hash })
}

/// NDR counts the offsets of a descriptor's parts from the beginning of the whole value.
fn rebase(
    descriptor: &mut [u8],
    from: impl Fn(u32) -> Result<u32, Malformed>,
) -> Result<(), Malformed> {
    for field in [4, 8, 12, 16] {
        let bytes = descriptor.get_mut(field..).and_then(|rest| rest.first_chunk_mut());
        let bytes = bytes.ok_or(Malformed("NTACL shorter than a descriptor"))?;
        match u32::from_le_bytes(*bytes) {
            0 => {}
            offset => *bytes = from(offset)?.to_le_bytes(),
        }
    }
    Ok(())
}

fn align(reader: &mut Reader<'_>, alignment: usize) -> Result<(), Malformed> {
    let position = reader.position();
    reader.skip(position.next_multiple_of(alignment) - position)
}

/// Version 4. `None`: the descriptor is too long.
pub(super) fn encode(
    descriptor: &SecurityDescriptor,
    hash: [u8; 32],
    time: FileTime,
) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    descriptor.encode(&mut bytes).ok()?;
    let mut value = Vec::with_capacity(160 + bytes.len());
    value.extend(4_u16.to_le_bytes());
    value.extend(4_u16.to_le_bytes());
    for pointer in POINTERS {
        value.extend(pointer.to_le_bytes());
    }
    value.extend(SHA256.to_le_bytes());
    // Samba looks at this hash, of the descriptor, only when the other one does not fit.
    field(&mut value, &Sha256::digest(&bytes));
    value.extend(DESCRIPTION);
    pad(&mut value, 8);
    value.extend(time.0.to_le_bytes());
    field(&mut value, &hash);
    let base = u32::try_from(value.len()).ok()?;
    rebase(&mut bytes, |offset| Ok(offset.saturating_add(base))).ok()?;
    value.extend(bytes);
    Some(value)
}

/// NDR's ids of the first and the second thing that is pointed at.
const POINTERS: [u32; 2] = [0x0002_0000, 0x0002_0004];

fn field(value: &mut Vec<u8>, hash: &[u8]) {
    value.extend(hash);
    value.extend([0; HASH_FIELD - 32]);
}

fn pad(value: &mut Vec<u8>, alignment: usize) {
    value.resize(value.len().next_multiple_of(alignment), 0);
}

/// The POSIX side of a file.
#[derive(Debug)]
pub(super) struct Posix {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// With the bits of the file's type.
    pub(super) mode: u32,
    /// `system.posix_acl_access`, as the kernel gives it.
    pub(super) access: Option<Vec<u8>>,
    /// `system.posix_acl_default`.
    pub(super) default: Option<Vec<u8>>,
}

/// An entry of a POSIX ACL: the kernel's tag, permissions and id.
type Entry = (u16, u16, u32);

impl Posix {
    /// As Samba hashes it: where there is no ACL, the mode is one of three entries, and a directory's
    /// default ACL one of none.
    pub(super) fn hash(&self) -> [u8; 32] {
        let access = self.access.as_deref().map_or_else(|| self.minimal(), entries);
        let directory = self.mode & S_IFMT == S_IFDIR;
        let default = self.default.as_deref().map(entries);
        self.hashed([Some(access), default.or_else(|| directory.then(Vec::new))])
    }

    /// As ksmbd in the kernel does: where there is no ACL, there is none.
    pub(super) fn kernel_hash(&self) -> [u8; 32] {
        self.hashed([&self.access, &self.default].map(|list| list.as_deref().map(entries)))
    }

    /// acl(5): may this user do all of that? `bits` as the lowest three of a mode.
    pub(super) fn grants(&self, uid: u32, in_group: impl Fn(u32) -> bool, bits: u32) -> bool {
        let list = self.access.as_deref().map_or_else(|| self.minimal(), entries);
        let of = |wanted: u16| list.iter().find(|(tag, ..)| *tag == wanted).map(|(_, had, _)| *had);
        let has = |had: u16| u32::from(had) & bits == bits;
        let mask = of(TAG_MASK).unwrap_or(7);
        if uid == self.uid {
            return of(TAG_USER_OBJ).is_some_and(has);
        }
        let named = list.iter().find(|(tag, _, id)| (*tag, *id) == (TAG_USER, uid));
        if let Some((_, had, _)) = named {
            return has(had & mask);
        }
        let is_mine = |(tag, _, id): &&Entry| match *tag {
            TAG_GROUP_OBJ => in_group(self.gid),
            TAG_GROUP => in_group(*id),
            _ => false,
        };
        let mut groups = list.iter().filter(is_mine).map(|(_, had, _)| has(had & mask)).peekable();
        // One of them has to have all of it; who is in some is none of the others.
        match groups.peek() {
            Some(_) => groups.any(|grants| grants),
            None => of(TAG_OTHER).is_some_and(has),
        }
    }

    fn minimal(&self) -> Vec<Entry> {
        let class = |tag, shift: u32| (tag, (self.mode >> shift & 7) as u16, u32::MAX);
        vec![class(TAG_USER_OBJ, 6), class(TAG_GROUP_OBJ, 3), class(TAG_OTHER, 0)]
    }

    /// Samba's `smb_acl_wrapper`.
    fn hashed(&self, lists: [Option<Vec<Entry>>; 2]) -> [u8; 32] {
        let mut bytes = Vec::new();
        let mut pointers = POINTERS.into_iter();
        for list in &lists {
            let pointer = list.as_ref().and_then(|_| pointers.next());
            bytes.extend(pointer.unwrap_or(0).to_le_bytes());
        }
        bytes.extend(u64::from(self.uid).to_le_bytes());
        bytes.extend(u64::from(self.gid).to_le_bytes());
        bytes.extend(self.mode.to_le_bytes());
        lists.iter().flatten().for_each(|list| put_list(&mut bytes, list));
        Sha256::digest(&bytes).into()
    }
}

/// The bits of a mode that are the file's type, and those of a directory.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;

const TAG_USER_OBJ: u16 = 0x01;
const TAG_USER: u16 = 0x02;
const TAG_GROUP_OBJ: u16 = 0x04;
const TAG_GROUP: u16 = 0x08;
const TAG_MASK: u16 = 0x10;
const TAG_OTHER: u16 = 0x20;

/// The entries of the kernel's value, behind its version.
fn entries(value: &[u8]) -> Vec<Entry> {
    let entries = value.get(4..).unwrap_or_default().chunks_exact(8);
    entries
        .filter_map(|entry| {
            let (tag, rest) = entry.split_first_chunk()?;
            let (permissions, id) = rest.split_first_chunk()?;
            let id = u32::from_le_bytes(*id.first_chunk()?);
            Some((u16::from_le_bytes(*tag), u16::from_le_bytes(*permissions), id))
        })
        .collect()
}

fn put_list(bytes: &mut Vec<u8>, list: &[Entry]) {
    let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
    pad(bytes, 4);
    bytes.extend(count.to_le_bytes());
    pad(bytes, 8);
    bytes.extend(count.to_le_bytes());
    bytes.extend([0; 4]);
    for &(tag, permissions, id) in list {
        // SMB_ACL_USER, SMB_ACL_USER_OBJ and so on.
        let kind: u16 = match tag {
            TAG_USER => 1,
            TAG_USER_OBJ => 2,
            TAG_GROUP => 3,
            TAG_GROUP_OBJ => 4,
            TAG_OTHER => 5,
            TAG_MASK => 6,
            _ => 0,
        };
        pad(bytes, 8);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        if matches!(tag, TAG_USER | TAG_GROUP) {
            pad(bytes, 8);
            bytes.extend(u64::from(id).to_le_bytes());
        }
        pad(bytes, 4);
        bytes.extend(u32::from(permissions).to_le_bytes());
    }
    pad(bytes, 8);
}

#[cfg(test)]
mod tests;
