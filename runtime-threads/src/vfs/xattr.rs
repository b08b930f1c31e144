//! Extended attributes of Linux: names and values of unknown size, and what their errors mean. Files
//! are named by `/proc/self/fd`, so that descriptors that are not open for data have them as well.
//! Values are what anybody with access to the disk put there: nothing is expected of them.

use super::{Outcome, failed};
use ksmbd_core::vfs::VfsError;
use rustix::{
    fs::{self, XattrFlags},
    io::Errno,
};

/// Values change while they are read; after this often they are somebody's joke.
const TRIES: usize = 8;

/// Bytes of a value, by Linux.
pub(super) const MAX_VALUE: usize = 65_536;

/// Where attributes are looked up.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// A descriptor's path in `/proc`, which is a link to follow.
    Descriptor(&'a str),
    /// An entry of a directory; a link is not followed.
    Entry(&'a str),
}

/// The names in the `user.` namespace without that; none where the file system has none.
pub(super) fn user_names(at: At<'_>) -> Outcome<Vec<String>> {
    let size = || match at {
        At::Descriptor(path) => fs::listxattr_query(path),
        At::Entry(path) => fs::llistxattr_query(path),
    };
    let read = |buffer: &mut [u8]| match at {
        At::Descriptor(path) => fs::listxattr(path, buffer),
        At::Entry(path) => fs::llistxattr(path, buffer),
    };
    let list = grow(size, read)?.unwrap_or_default();
    let names = list.split(|&byte| byte == 0).filter_map(|name| name.strip_prefix(b"user."));
    Ok(names.filter_map(|name| std::str::from_utf8(name).ok()).map(str::to_owned).collect())
}

/// A value; `None` when there is no such attribute.
pub(super) fn value(path: &str, name: &str) -> Outcome<Option<Vec<u8>>> {
    grow(|| fs::getxattr_query(path, name), |buffer| fs::getxattr(path, name, buffer))
}

/// Bytes of a value.
pub(super) fn size(at: At<'_>, name: &str) -> Outcome<Option<usize>> {
    let result = match at {
        At::Descriptor(path) => fs::getxattr_query(path, name),
        At::Entry(path) => fs::lgetxattr_query(path, name),
    };
    missing(result)
}

/// Sets a value. [`VfsError::Exists`] and [`VfsError::Gone`] come with CREATE and REPLACE.
pub(super) fn set(path: &str, name: &str, value: &[u8], flags: XattrFlags) -> Outcome<()> {
    match fs::setxattr(path, name, value, flags) {
        Err(Errno::NODATA) => Err(VfsError::Gone),
        // The last is ext4's, whose attributes have to fit into a block.
        Err(Errno::TOOBIG | Errno::RANGE | Errno::NOSPC) => Err(VfsError::NoSpace),
        result => result.map_err(failed),
    }
}

/// Removes an attribute; `false` when there is none.
pub(super) fn remove(path: &str, name: &str) -> Outcome<bool> {
    missing(fs::removexattr(path, name)).map(|done| done.is_some())
}

/// What is not there is no error, nor is a file system without attributes.
fn missing<T>(result: Result<T, Errno>) -> Outcome<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}

/// Asks for the size, then for the bytes, until both agree.
fn grow(
    size: impl Fn() -> Result<usize, Errno>,
    read: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Outcome<Option<Vec<u8>>> {
    for _ in 0..TRIES {
        let Some(size) = missing(size())? else { return Ok(None) };
        if size == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut bytes = vec![0; size];
        match read(&mut bytes) {
            Err(Errno::RANGE) => {}
            result => {
                let Some(size) = missing(result)? else { return Ok(None) };
                bytes.truncate(size);
                return Ok(Some(bytes));
            }
        }
    }
    Err(VfsError::Busy)
}
