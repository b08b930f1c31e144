//! For fuzzing: what is made of the values of extended attributes. Each function panics where something
//! is wrong.

use super::{dos_attrib, ntacl, streams};
use ksmbd_core::time::FileTime;

/// `user.DOSATTRIB`: what was read is written to what reads as the same.
pub fn dos_attributes(value: &[u8]) {
    let Some(stored) = dos_attrib::parse(value) else {
        return;
    };
    let attributes = stored.attributes.unwrap_or_default();
    let creation_time = stored.creation_time.unwrap_or(FileTime(1));
    let again = dos_attrib::parse(&dos_attrib::encode(attributes, creation_time));
    let (attributes, creation_time) = (Some(attributes), Some(creation_time));
    assert_eq!(again, Some(dos_attrib::Stored { attributes, creation_time }));
}

/// `security.NTACL`: the same.
pub fn descriptor(value: &[u8]) {
    let Ok(read) = ntacl::parse(value) else {
        return;
    };
    let hash = read.hash.unwrap_or_default();
    // Parts may lie one on the other, and apart be too long.
    let Some(written) = ntacl::encode(&read.descriptor, hash, FileTime(1)) else {
        return;
    };
    assert!(value.len() > ntacl::MAX_VALUE || written.len() <= ntacl::MAX_VALUE);
    let again = ntacl::Value { descriptor: read.descriptor, hash: Some(hash) };
    assert_eq!(ntacl::parse(&written), Ok(again));
}

/// `system.posix_acl_access`, as the kernel gives it: any bytes have a hash.
pub fn posix_acl(value: &[u8]) {
    let (access, default) = value.split_at(value.len() / 2);
    let posix = ntacl::Posix {
        uid: 1,
        gid: 2,
        mode: 0o644,
        access: Some(access.to_vec()),
        default: Some(default.to_vec()),
    };
    assert_eq!(posix.hash(), posix.hash());
    let _ = posix.kernel_hash();
}

/// The name of an attribute that holds a stream.
pub fn stream(name: &str) {
    if let Some(stream) = streams::of_attribute(name) {
        assert_eq!(streams::attribute(&stream).strip_prefix("user."), Some(name));
    }
}
