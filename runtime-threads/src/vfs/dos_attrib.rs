//! The extended attribute `user.DOSATTRIB`, in which Samba and ksmbd keep DOS attributes and the
//! creation time: Samba's `xattr_DOSATTRIB`, NDR in little-endian order. Five versions are read;
//! version 4, which all of them can read, is written.

use super::{Outcome, failed, handle::proc_path, xattr::At};
use ksmbd_core::{
    time::FileTime,
    wire::{
        codec::{Malformed, Reader},
        fscc::FileAttributes,
    },
};
use rustix::{
    fd::BorrowedFd,
    fs::{self, XattrFlags},
    io::Errno,
};

/// The attribute's name.
const NAME: &std::ffi::CStr = c"user.DOSATTRIB";

/// The same without its namespace.
pub(super) const USER_NAME: &str = "DOSATTRIB";

/// More than any version needs; a longer value is not one of ours.
const MAX_VALUE: usize = 1024;

/// The field holds attributes.
const VALID_ATTRIBUTES: u32 = 0x01;
/// The field holds a creation time.
const VALID_CREATION_TIME: u32 = 0x10;
/// The field holds the time that Samba makes file ids of.
const VALID_ITIME: u32 = 0x40;

/// What is kept with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// What clients set.
    pub(super) attributes: Option<FileAttributes>,
    /// When the file was made.
    pub(super) creation_time: Option<FileTime>,
}

/// What a client may set and see again.
pub(super) const SETTABLE: FileAttributes = FileAttributes::READONLY
    .union(FileAttributes::HIDDEN)
    .union(FileAttributes::SYSTEM)
    .union(FileAttributes::ARCHIVE)
    .union(FileAttributes::TEMPORARY)
    .union(FileAttributes::OFFLINE)
    .union(FileAttributes::NOT_CONTENT_INDEXED);

/// What is believed of a stored value: the rest is computed from the file itself.
const BELIEVED: FileAttributes = SETTABLE.union(FileAttributes::SPARSE_FILE);

/// Reads any version. Whatever is wrong with a value, it is then as if there were none.
pub(super) fn parse(value: &[u8]) -> Option<Stored> {
    parse_value(value).ok().flatten()
}

fn parse_value(value: &[u8]) -> Result<Option<Stored>, Malformed> {
    let length = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    let mut reader = Reader::new(value);
    let text = reader.bytes(length)?;
    if reader.remaining() <= 2 {
        return Ok(parse_text(text));
    }
    reader.skip(1)?;
    align(&mut reader, 2)?;
    let version = reader.u16()?;
    if reader.u16()? != version {
        return Ok(None);
    }
    align(&mut reader, 4)?;
    let (valid, attributes, creation_time) = match version {
        1 => {
            let attributes = reader.u32()?;
            reader.skip(4 + 8 + 8)?;
            (VALID_ATTRIBUTES | VALID_CREATION_TIME, attributes, reader.u64()?)
        }
        2 => {
            reader.skip(4)?;
            let attributes = reader.u32()?;
            reader.skip(4 + 8 + 8)?;
            (VALID_ATTRIBUTES | VALID_CREATION_TIME, attributes, reader.u64()?)
        }
        3 => {
            let (valid, attributes) = (reader.u32()?, reader.u32()?);
            reader.skip(4 + 8 + 8)?;
            (valid, attributes, reader.u64()?)
        }
        4 => {
            let (valid, attributes) = (reader.u32()?, reader.u32()?);
            reader.skip(8)?;
            (valid, attributes, reader.u64()?)
        }
        5 => (reader.u32()?, reader.u32()?, reader.u64()?),
        _ => return Ok(None),
    };
    let attributes = FileAttributes::from_bits_retain(attributes) & BELIEVED;
    let believable = 0 < creation_time && i64::try_from(creation_time).is_ok();
    Ok(Some(Stored {
        attributes: (valid & VALID_ATTRIBUTES != 0).then_some(attributes),
        creation_time: (valid & VALID_CREATION_TIME != 0 && believable)
            .then_some(FileTime(creation_time)),
    }))
}

/// The oldest form: nothing but `0x` and the attributes in hex.
fn parse_text(text: &[u8]) -> Option<Stored> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix("0x")?;
    let bits = u32::from_str_radix(digits, 16).ok()?;
    let attributes = FileAttributes::from_bits_retain(bits) & BELIEVED;
    Some(Stored { attributes: Some(attributes), creation_time: None })
}

fn align(reader: &mut Reader<'_>, alignment: usize) -> Result<(), Malformed> {
    let position = reader.position();
    reader.skip(position.next_multiple_of(alignment) - position)
}

/// Version 4, as ksmbd writes it.
pub(super) fn encode(attributes: FileAttributes, creation_time: FileTime) -> Vec<u8> {
    let valid = VALID_ATTRIBUTES | VALID_CREATION_TIME | VALID_ITIME;
    let mut value = Vec::with_capacity(32);
    // The empty string, and what aligns the version after it.
    value.extend([0, 0]);
    value.extend(4_u16.to_le_bytes());
    value.extend(4_u32.to_le_bytes());
    value.extend(valid.to_le_bytes());
    value.extend(attributes.bits().to_le_bytes());
    value.extend(creation_time.0.to_le_bytes());
    value.extend(creation_time.0.to_le_bytes());
    value
}

/// What is kept with the file that `fd` names; nothing where that cannot be read.
pub(super) fn load(fd: BorrowedFd<'_>, plain: bool) -> Option<Stored> {
    let mut value = [0; MAX_VALUE];
    let length = if plain {
        fs::fgetxattr(fd, NAME, &mut value[..])
    } else {
        fs::getxattr(proc_path(fd), NAME, &mut value[..])
    };
    parse(value.get(..length.ok()?)?)
}

/// The same by a path; a link is not followed where it is an entry's.
pub(super) fn load_at(at: At<'_>) -> Option<Stored> {
    let mut value = [0; MAX_VALUE];
    let length = match at {
        At::Descriptor(path) => fs::getxattr(path, NAME, &mut value[..]),
        At::Entry(path) => fs::lgetxattr(path, NAME, &mut value[..]),
    };
    parse(value.get(..length.ok()?)?)
}

/// Keeps attributes and creation time. A file system without such attributes keeps nothing (false), and
/// that is no error; `plain` is an open for data and not an O_PATH descriptor.
pub(super) fn store(
    fd: BorrowedFd<'_>,
    plain: bool,
    attributes: FileAttributes,
    creation_time: FileTime,
) -> Outcome<bool> {
    let value = encode(attributes, creation_time);
    let result = if plain {
        fs::fsetxattr(fd, NAME, &value, XattrFlags::empty())
    } else {
        fs::setxattr(proc_path(fd), NAME, &value, XattrFlags::empty())
    };
    match result {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        result => result.map(|()| true).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn stored(attributes: u32, creation_time: u64) -> Option<Stored> {
        Some(Stored {
            attributes: Some(FileAttributes::from_bits_retain(attributes)),
            creation_time: (creation_time != 0).then_some(FileTime(creation_time)),
        })
    }

    #[test]
    fn version_4_is_written_to_the_byte() {
        let value = encode(
            FileAttributes::ARCHIVE | FileAttributes::HIDDEN,
            FileTime(0x01dd_7ad7_76e9_a2b7),
        );
        let golden = "0000 0400 04000000 51000000 22000000 b7a2e976d77add01 b7a2e976d77add01";
        assert_eq!(value, bytes(golden));
        assert_eq!(parse(&value), stored(0x22, 0x01dd_7ad7_76e9_a2b7));
    }

    #[test]
    fn every_version_is_read() {
        // Version 5 was written by Samba 4.17 for a file made hidden and system.
        let five = bytes("0000 0500 05000000 11000000 26000000 b7a2e976d77add01");
        assert_eq!(parse(&five), stored(0x26, 0x01dd_7ad7_76e9_a2b7));
        // A directory: that bit is the file system's business.
        let directory = bytes("0000 0500 05000000 11000000 10000000 75dae976d77add01");
        assert_eq!(parse(&directory), stored(0, 0x01dd_7ad7_76e9_da75));
        let three = bytes(
            "3078323000 00 0300 03000000 11000000 20000000 00000000 0000000000000000
             0000000000000000 b7a2e976d77add01 0000000000000000",
        );
        assert_eq!(parse(&three), stored(0x20, 0x01dd_7ad7_76e9_a2b7));
        let odd_text = bytes(
            "30783230303000 00 0300 0300 11000000 21000000 00000000 0000000000000000
             0000000000000000 b7a2e976d77add01 0000000000000000",
        );
        assert_eq!(parse(&odd_text), stored(0x21, 0x01dd_7ad7_76e9_a2b7));
        let two = bytes(
            "0000 0200 02000000 00000000 03000000 00000000 0000000000000000 0000000000000000
             b7a2e976d77add01 0000000000000000 0000000000000000 00",
        );
        assert_eq!(parse(&two), stored(0x03, 0x01dd_7ad7_76e9_a2b7));
        let one = bytes(
            "0000 0100 01000000 03000000 00000000 0000000000000000 0000000000000000
             b7a2e976d77add01 0000000000000000",
        );
        assert_eq!(parse(&one), stored(0x03, 0x01dd_7ad7_76e9_a2b7));
        assert_eq!(parse(b"0x27\0"), stored(0x27, 0));
        assert_eq!(parse(b"0x2"), stored(0x02, 0));
    }

    #[test]
    fn hostile_values_are_as_none() {
        let good = encode(FileAttributes::ARCHIVE, FileTime(1));
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "{length}");
        }
        for value in [&b"0x\0"[..], b"0xfffffffff\0", b"nonsense", b"\xff\xfe", b"0x-1"] {
            assert_eq!(parse(value), None);
        }
        let mut other = good.clone();
        other[4] = 5;
        assert_eq!(parse(&other), None, "the two versions differ");
        let far = encode(FileAttributes::ARCHIVE, FileTime(u64::MAX));
        assert_eq!(parse(&far).unwrap().creation_time, None);
        let mut state = 1_u32;
        for _ in 0..10_000 {
            let mut value = good.clone();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 16) as usize % value.len();
            value[at] = (state >> 8) as u8;
            let _ = parse(&value);
        }
    }
}
