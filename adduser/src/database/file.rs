//! The database as a file: reading, and changing it under a lock.

use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Database, DatabaseError};
use crate::atomic_file::{self, LockedFile};
use crate::names::check_user_name;

/// The mode of a new database: the hashes are as good as passwords.
const MODE: u32 = 0o640;

pub(super) fn load(path: &Path) -> Result<Database, DatabaseError> {
    let file = File::open(path).map_err(|error| DatabaseError::io(path, "open", error))?;
    read(path, &file)
}

fn read(path: &Path, mut file: &File) -> Result<Database, DatabaseError> {
    let failed = |error| DatabaseError::io(path, "read", error);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(DatabaseError::content(
            path,
            "it is not a regular file".to_owned(),
            "name another file with -P",
        ));
    }
    // Room for the whole file at once: a growing vector would leave unwiped copies behind.
    let size = usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1);
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    file.read_to_end(&mut text).map_err(failed)?;
    let mut database = Database::parse(&text, path)?;
    if metadata.mode() & 0o007 != 0 {
        database.warnings.push(format!(
            "{}: everybody on this machine may open it, and a hash is as good as its password; \
             chmod {MODE:o} it, and change the passwords",
            path.display()
        ));
    }
    Ok(database)
}

/// The right to change a database: held from before it is read until after it is written, by one
/// process at a time.
///
/// The lock is an advisory `flock` on the database itself, so that no other file lies about.
#[derive(Debug)]
pub struct DatabaseLock {
    path: PathBuf,
    file: File,
    metadata: Metadata,
}

impl DatabaseLock {
    /// Waits for the lock. A missing database is created without accounts.
    pub fn acquire(path: &Path) -> Result<Self, DatabaseError> {
        let LockedFile { path, file, metadata } = atomic_file::lock(path, MODE)
            .map_err(|(doing, error)| DatabaseError::io(path, doing, error))?;
        Ok(Self { path, file, metadata })
    }

    /// Reads the database.
    pub fn load(&self) -> Result<Database, DatabaseError> {
        read(&self.path, &self.file)
    }

    /// Puts `database` in the place of the file, whole or not at all, and gives the lock back.
    ///
    /// Owner and group stay, and so does the mode, except that it is never wider than 0640.
    pub fn save(self, database: &Database) -> Result<(), DatabaseError> {
        if let Some((name, error)) =
            database.iter().find_map(|(name, _)| Some((name, check_user_name(name).err()?)))
        {
            return Err(DatabaseError::content(
                &self.path,
                format!("`{}` cannot be an account name: {error}", name.escape_debug()),
                "nothing was written; use another name",
            ));
        }
        let mode = (self.metadata.mode() & MODE) | 0o600;
        let text = database.serialise();
        atomic_file::replace(&self.path, Some(&self.metadata), mode, |file| file.write_all(&text))
            .map_err(|error| DatabaseError::io(&self.path, "replace", error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::nt_hash::NtHash;
    use crate::scratch::Scratch;

    fn one_account() -> Database {
        let mut database = Database::new();
        database.set("alice", NtHash::from_password("secret"));
        database
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("file").mode() & 0o7777
    }

    #[test]
    fn a_new_database_is_0640_and_loads_again() {
        let scratch = Scratch::new("db-new");
        let path = scratch.path().join("db");
        one_account().save(&path).expect("saved");
        assert_eq!(mode(&path) & !0o640, 0);
        let database = Database::load(&path).expect("loads");
        assert_eq!(database.get("alice"), Some(&NtHash::from_password("secret")));
        assert_eq!(scratch.names(), ["db"]);
    }

    #[test]
    fn a_mode_is_kept_but_never_wider_than_0640() {
        let scratch = Scratch::new("db-mode");
        for (before, after) in [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o666, 0o640)] {
            let path = scratch.file("db", "");
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).expect("chmod");
            one_account().save(&path).expect("saved");
            assert_eq!(mode(&path), after, "{before:o}");
        }
    }

    #[test]
    fn a_readable_database_warns() {
        let scratch = Scratch::new("db-world");
        let path = scratch.file("db", "");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let database = Database::load(&path).expect("loads");
        assert_eq!(database.warnings().len(), 1);
        assert!(database.warnings()[0].contains("chmod 640 it"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(Database::load(&path).expect("loads").warnings().is_empty());
    }

    #[test]
    fn a_missing_database_is_told_from_a_wrong_one() {
        let scratch = Scratch::new("db-missing");
        let path = scratch.path().join("db");
        let error = Database::load(&path).expect_err("missing");
        assert!(error.is_missing());
        assert!(error.to_string().contains("add the first account"), "{error}");
        assert!(Database::load_if_exists(&path).expect("empty").is_empty());
        let error = Database::load(&scratch.path().join("no/db")).expect_err("missing");
        assert!(error.to_string().contains("create the folder"), "{error}");
        let wrong = scratch.file("wrong", "junk");
        assert!(!Database::load_if_exists(&wrong).expect_err("wrong").is_missing());
    }

    #[test]
    fn only_a_file_is_read() {
        for path in ["/dev/zero", "/proc"] {
            let error = Database::load(Path::new(path)).expect_err("not a file").to_string();
            assert_eq!(
                error,
                format!("{path}: it is not a regular file; name another file with -P")
            );
        }
    }

    #[test]
    fn a_name_that_could_not_be_read_again_is_not_written() {
        let scratch = Scratch::new("db-name");
        let path = scratch.file("db", "alice:pPScQGUQvcq2gk58ww/YUg==\n");
        let before = fs::read(&path).expect("file");
        let mut database = Database::load(&path).expect("loads");
        database.set("a:b", NtHash::from_password("x"));
        let error = database.save(&path).expect_err("a wrong name");
        assert!(error.to_string().contains("`a:b` cannot be an account name"));
        assert_eq!(fs::read(&path).expect("file"), before);
    }

    #[test]
    fn a_link_stays_a_link() {
        let scratch = Scratch::new("db-link");
        let target = scratch.path().join("target");
        let link = scratch.path().join("link");
        symlink(&target, &link).expect("symlink");
        one_account().save(&link).expect("saved");
        assert!(fs::symlink_metadata(&link).expect("link").is_symlink());
        assert!(Database::load(&target).expect("loads").contains("alice"));
    }

    #[test]
    fn writers_take_turns() {
        let scratch = Scratch::new("db-lock");
        let path = scratch.path().join("db");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for round in 0..10 {
                        let lock = DatabaseLock::acquire(path).expect("locked");
                        let mut database = lock.load().expect("loads");
                        database.set(&format!("u{thread}-{round}"), NtHash::from_password("x"));
                        lock.save(&database).expect("saved");
                    }
                });
            }
        });
        assert_eq!(Database::load(&path).expect("loads").len(), 80);
        assert_eq!(scratch.names(), ["db"]);
    }
}
