//! Names of extended attributes: what a client may say, and what it never sees because it is how the
//! server itself keeps things (peers keep the same under the same names).

use crate::status::NtStatus;

/// Bytes of all attributes of one file (MS-FSCC 2.4.13), as NTFS has it.
pub const MAX_SIZE: u32 = 65_535;

/// Bytes of a name: Linux's 255 of an extended attribute, less `user.`.
const MAX_NAME: usize = 255 - 5;

/// Attributes that are something else: DOS attributes, streams, reparse data, descriptors.
const RESERVED: &[&[u8]] = &[b"DOSATTRIB", b"NTACL", b"SmbReparse", b"KSMBD_PROBE"];

/// The same by what they begin with.
const RESERVED_PREFIXES: &[&[u8]] = &[b"DosStream.", b"SAMBA_"];

/// Part of how files are kept, whatever its case: not shown and not written as an attribute.
pub fn is_reserved(name: &[u8]) -> bool {
    let begins = |prefix: &&[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || RESERVED_PREFIXES.iter().any(begins)
}

/// May a client set an attribute of this name (MS-FSCC 2.4.16)?
pub fn check_name(name: &[u8]) -> Result<(), NtStatus> {
    let illegal = |c: &u8| matches!(c, 0..=0x1f) || br#""*+,/:;<=>?[\]|"#.contains(c);
    if name.is_empty() || name.len() > MAX_NAME || name.iter().any(illegal) {
        return Err(NtStatus::INVALID_EA_NAME);
    }
    // A name that is not text cannot be an attribute's on the disk.
    if core::str::from_utf8(name).is_err() {
        return Err(NtStatus::INVALID_EA_NAME);
    }
    if is_reserved(name) { Err(NtStatus::ACCESS_DENIED) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_nobody_s_attribute() {
        for name in
            ["DOSATTRIB", "dosattrib", "DosStream.a:$DATA", "SAMBA_PAI", "ntacl", "SMBREPARSE"]
        {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["DOSATTRIB2", "DosStream", "comment", ""] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
        assert_eq!(check_name(b"SAMBA_PAI"), Err(NtStatus::ACCESS_DENIED));
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(check_name(b"EAONE"), Ok(()));
        assert_eq!(check_name("größe".as_bytes()), Ok(()));
        for bad in [&b""[..], b"a:b", b"a/b", b"a\0", b"\xff", &[b'x'; 251]] {
            assert_eq!(check_name(bad), Err(NtStatus::INVALID_EA_NAME), "{bad:?}");
        }
    }
}
