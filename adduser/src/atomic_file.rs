//! Replacing a file so that whoever reads it, or whatever stops us, finds the old content or the
//! new, never a part.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use rustix::io::{Errno, retry_on_intr};

/// Replaces the file at `path` by what `write` writes.
///
/// The new file is written beside the old one, visible to its owner alone until it is complete,
/// then given `mode` and the owner of `old`, forced to the disk and renamed. If anything fails the
/// old file is as it was. The caller holds a lock: two writers would use the same temporary name.
///
/// `path` must not be a symbolic link, or the link is replaced and not its target.
pub fn replace(
    path: &Path,
    old: Option<&Metadata>,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = Temporary::create(temporary_name(path)?)?;
    let mut file = &temporary.file;
    write(&mut file.try_clone()?)?;
    if let Some(old) = old {
        keep_owner(file, old)?;
    }
    // After the owner: chown clears mode bits, and the old group must not see a wider mode.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    io::Write::flush(&mut file)?;
    file.sync_all()?;
    temporary.rename(path)?;
    sync_folder(path)
}

/// A file that one process at a time changes: the lock is held until this is dropped.
///
/// It is an advisory `flock` on the file itself, so that no other file lies about.
#[derive(Debug)]
pub struct LockedFile {
    /// Where it is, with no link on the way: what [`replace`] needs.
    pub path: PathBuf,
    /// Open for reading.
    pub file: File,
    /// As it was when it was locked.
    pub metadata: Metadata,
}

/// Waits for the lock of a file. A missing file is made, empty, with `mode`.
///
/// # Errors
///
/// What was being done, and what went wrong with it.
pub fn lock(path: &Path, mode: u32) -> Result<LockedFile, (&'static str, io::Error)> {
    let failed = |doing: &'static str| move |error| (doing, error);
    loop {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(mode)
            .open(path)
            .map_err(failed("open"))?;
        retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
            .map_err(|error| ("lock", error.into()))?;
        let metadata = file.metadata().map_err(failed("read"))?;
        // The holder before us may have put a new file in its place. Then this is a lock on a file
        // that is no longer there.
        match fs::metadata(path) {
            Ok(now) if (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()) => {}
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(("open", error)),
        }
        // A small device may have a link here to where it can write: keep the link.
        let path = fs::canonicalize(path).map_err(failed("find"))?;
        return Ok(LockedFile { path, file, metadata });
    }
}

fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".new");
    Ok(path.with_file_name(hidden))
}

/// The file being written; it is removed again unless it was renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    fn create(path: PathBuf) -> io::Result<Self> {
        // One may be left by a writer that was killed. The lock says that nobody uses it now.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file, renamed: false })
    }

    fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // The failure that brought us here is what gets reported.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn keep_owner(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let owner = (old.uid() != new.uid()).then(|| Uid::from_raw(old.uid()));
    let group = (old.gid() != new.gid()).then(|| Gid::from_raw(old.gid()));
    if owner.is_some() || group.is_some() {
        fchown(file, owner, group)?;
    }
    Ok(())
}

/// Makes the rename itself survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(folder)?.sync_all() {
        // Some file systems cannot do this for a folder; the file is in place all the same.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn replaces_content_mode_and_leaves_nothing_behind() {
        let scratch = Scratch::new("atomic-replace");
        let path = scratch.file("db", "old");
        replace(&path, None, 0o640, |file| file.write_all(b"new")).expect("replaced");
        assert_eq!(fs::read(&path).expect("file"), b"new");
        assert_eq!(fs::metadata(&path).expect("file").mode() & 0o7777, 0o640);
        assert_eq!(scratch.names(), ["db"]);
    }

    #[test]
    fn a_fault_while_writing_keeps_the_old_file() {
        let scratch = Scratch::new("atomic-fault");
        let path = scratch.file("db", "old");
        let error = replace(&path, None, 0o640, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .expect_err("the fault is reported");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).expect("file"), b"old");
        assert_eq!(scratch.names(), ["db"]);
    }

    #[test]
    fn the_new_file_is_private_while_it_is_written() {
        let scratch = Scratch::new("atomic-private");
        let path = scratch.file("db", "old");
        replace(&path, None, 0o640, |file| {
            assert_eq!(file.metadata()?.mode() & 0o777, 0o600);
            Ok(())
        })
        .expect("replaced");
    }

    #[test]
    fn what_a_killed_writer_left_is_no_obstacle() {
        let scratch = Scratch::new("atomic-stale");
        let path = scratch.file("db", "old");
        scratch.file(".db.new", "half");
        replace(&path, None, 0o640, |file| file.write_all(b"new")).expect("replaced");
        assert_eq!(fs::read(&path).expect("file"), b"new");
        assert_eq!(scratch.names(), ["db"]);
    }

    #[test]
    fn a_fault_before_the_rename_keeps_the_old_file() {
        let scratch = Scratch::new("atomic-blocked");
        let path = scratch.file("db", "old");
        fs::create_dir(scratch.path().join(".db.new")).expect("folder in the way");
        replace(&path, None, 0o640, |file| file.write_all(b"new")).expect_err("name is taken");
        assert_eq!(fs::read(&path).expect("file"), b"old");
    }
}
