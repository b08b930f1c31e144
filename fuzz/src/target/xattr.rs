//! What is kept in extended attributes, which whoever owns a file can write.

use super::choice;
use ksmbd_core::ea;
use ksmbd_runtime_threads::vfs::fuzzing;

/// The first byte chooses the attribute.
pub(super) fn run(data: &[u8]) {
    let (kind, value) = choice(data);
    match kind % 4 {
        0 => fuzzing::dos_attributes(value),
        1 => fuzzing::descriptor(value),
        2 => fuzzing::posix_acl(value),
        _ => {
            if let Ok(name) = str::from_utf8(value) {
                fuzzing::stream(name);
            }
            // What a client may name is not what the server keeps things in.
            let _ = (ea::check_name(value), ea::is_reserved(value));
        }
    }
}
