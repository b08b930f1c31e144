//! `ksmbd.subauth`: the three numbers of the machine's SID, S-1-5-21-a-b-c.
//!
//! They are made up at the first start and stay: a client that has written down who may use its
//! files means these numbers.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ksmbd_adduser::atomic_file;
use rustix::fs::{FlockOperation, flock};

use crate::random;

/// Anybody may know the numbers: each file's owner shows them.
const MODE: u32 = 0o644;
/// Three numbers of ten digits, two colons, and room for blanks.
const MAX_LENGTH: usize = 64;

/// The file cannot be used.
#[derive(Debug)]
pub enum SubauthError {
    /// It is there, and is not three numbers.
    Malformed(PathBuf),
    /// It is there, and cannot be read.
    Unreadable(PathBuf, io::Error),
    /// There is no randomness.
    Random(io::Error),
}

impl fmt::Display for SubauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(path) => write!(
                f,
                "{}: these are not three numbers with colons between them, which are the \
                 machine's SID; restore the file, or remove it to get another SID",
                path.display()
            ),
            Self::Unreadable(path, error) => {
                write!(f, "{}: cannot be read: {error}; it has the machine's SID", path.display())
            }
            Self::Random(error) => write!(f, "cannot make up the machine's SID: {error}"),
        }
    }
}

impl std::error::Error for SubauthError {}

/// The file that belongs to a configuration: it lies beside it.
pub fn beside(config: &Path) -> PathBuf {
    config.with_file_name("ksmbd.subauth")
}

/// Three numbers that nobody has.
///
/// # Errors
///
/// See [`random::bytes`].
pub fn made_up() -> io::Result<[u32; 3]> {
    let [a, b, c] = [random::bytes()?, random::bytes()?, random::bytes()?];
    Ok([a, b, c].map(u32::from_le_bytes))
}

/// The numbers in the file at `path`, which is written if it is not there. Where that is not
/// possible (a file system that is read-only), they are others at each start, and that is logged.
///
/// # Errors
///
/// See [`SubauthError`]. A file that cannot be understood is not written over: perhaps somebody
/// has another copy, and all stored permissions of its users depend on it.
pub fn load_or_create(path: &Path) -> Result<[u32; 3], SubauthError> {
    if let Some(numbers) = load(path)? {
        return Ok(numbers);
    }
    let numbers = made_up().map_err(SubauthError::Random)?;
    match create(path, numbers) {
        Ok(true) => Ok(numbers),
        // Another server was quicker.
        Ok(false) => Ok(load(path)?.unwrap_or(numbers)),
        Err(error) => {
            log::warn!(
                "{}: cannot be written: {error}; the machine's SID will be another at each start",
                path.display()
            );
            Ok(numbers)
        }
    }
}

/// None if there is no file, or an empty one, as a device that lost its power leaves it.
fn load(path: &Path) -> Result<Option<[u32; 3]>, SubauthError> {
    match fs::read(path) {
        Ok(text) if text.trim_ascii().is_empty() => Ok(None),
        Ok(text) => match parse(&text) {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(SubauthError::Malformed(path.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SubauthError::Unreadable(path.to_owned(), error)),
    }
}

/// `a:b:c`, as ksmbd writes it.
fn parse(text: &[u8]) -> Option<[u32; 3]> {
    let text = str::from_utf8(text).ok().filter(|text| text.len() <= MAX_LENGTH)?;
    let mut numbers = text.trim().split(':').map(|number| number.parse().ok());
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(found)
}

/// Whether it was written: not if somebody else has done it meanwhile.
fn create(path: &Path, [a, b, c]: [u32; 3]) -> io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let lock = fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if fs::read(path).is_ok_and(|text| !text.trim_ascii().is_empty()) {
        return Ok(false);
    }
    atomic_file::replace(path, None, MODE, |file| writeln!(file, "{a}:{b}:{c}"))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use ksmbd_adduser::scratch::Scratch;

    #[test]
    fn the_first_start_makes_it_up_and_the_next_finds_it() {
        let scratch = Scratch::new("subauth-first");
        let path = beside(&scratch.path().join("other.conf"));
        assert_eq!(path, scratch.path().join("ksmbd.subauth"));
        let numbers = load_or_create(&path).expect("made");
        assert_eq!(load_or_create(&path).expect("found"), numbers);
        let [a, b, c] = numbers;
        assert_eq!(fs::read_to_string(&path).expect("text"), format!("{a}:{b}:{c}\n"));
        let mode = fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(fs::read_dir(scratch.path()).expect("folder").count(), 1, "nothing is left");
    }

    #[test]
    fn ksmbds_own_file_is_read() {
        let scratch = Scratch::new("subauth-ksmbd");
        for text in ["1:22:4294967295", "1:22:4294967295\n", " 1:22:4294967295 \n"] {
            let path = scratch.file("ksmbd.subauth", text);
            assert_eq!(load_or_create(&path).expect("numbers"), [1, 22, u32::MAX], "{text}");
        }
    }

    #[test]
    fn another_file_is_left_alone_and_an_empty_one_is_not() {
        let scratch = Scratch::new("subauth-wrong");
        for text in ["1:2", "1:2:3:4", "1:2:x", "1:2:4294967296", "1:2:-3", "1::2", "\u{fffd}"] {
            let path = scratch.file("ksmbd.subauth", text);
            let error = load_or_create(&path).expect_err(text).to_string();
            assert!(error.contains("ksmbd.subauth") && error.contains("remove it"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("text"), text);
        }
        let path = scratch.file("ksmbd.subauth", "\n");
        let numbers = load_or_create(&path).expect("made");
        assert_eq!(load_or_create(&path).expect("found"), numbers);
    }

    #[test]
    fn what_cannot_be_read_is_not_written_over() {
        let scratch = Scratch::new("subauth-unreadable");
        let path = scratch.path().join("ksmbd.subauth");
        fs::create_dir(&path).expect("folder");
        let error = load_or_create(&path).expect_err("a folder").to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn without_a_place_to_write_there_are_numbers_all_the_same() {
        let path = Path::new("/nonexistent/ksmbd.subauth");
        let first = load_or_create(path).expect("numbers");
        assert_ne!(first, load_or_create(path).expect("numbers"));
    }

    #[test]
    fn who_comes_second_takes_the_firsts() {
        let scratch = Scratch::new("subauth-second");
        let path = scratch.path().join("ksmbd.subauth");
        assert!(create(&path, [1, 2, 3]).expect("written"));
        assert!(!create(&path, [4, 5, 6]).expect("there"));
        assert_eq!(load_or_create(&path).expect("numbers"), [1, 2, 3]);
    }
}
