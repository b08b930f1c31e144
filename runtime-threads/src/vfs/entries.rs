//! The entry of a directory that a client means whatever the case: found without reading the
//! directory each time ([`known`]).

mod known;
mod watch;

use super::{
    Outcome, failed,
    handle::Root,
    identity::Who,
    info, rights,
    turns::{Turn, Turns},
};
use known::{Answer, Known};
use ksmbd_core::{
    id::FileKey,
    name::{fold, mapping, same_name},
    vfs::VfsError,
};
use rustix::{
    fd::BorrowedFd,
    fs::{self, Dir, Mode, OFlags, Statx},
};

/// A directory to look in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) root: &'a Root,
    /// Opened with O_PATH.
    pub(super) fd: BorrowedFd<'a>,
    pub(super) stat: &'a Statx,
    pub(super) who: Who,
}

impl Place<'_> {
    /// The entry that is `wanted` (a shown name) in whatever case, exactly if there is that one. A
    /// directory that may be searched and not read has none.
    pub(super) fn look_for(self, wanted: &str) -> Outcome<Option<String>> {
        if !rights::may_list(self.root, self.fd, self.stat, self.who) {
            return Ok(None);
        }
        let key = info::key(self.stat);
        match Known::ask(key, wanted) {
            Answer::Known(name) => return Ok(name),
            Answer::Unknown => {}
            Answer::Learn => {
                if let Some(watch) = Known::begin(key, self.fd) {
                    return self.learn(key, watch, wanted);
                }
            }
        }
        match self.read(|_| true, wanted) {
            Err(VfsError::AccessDenied) => Ok(None),
            found => found,
        }
    }

    /// Reads all of the directory and keeps its names.
    fn learn(self, key: FileKey, watch: i32, wanted: &str) -> Outcome<Option<String>> {
        let mut names = Vec::new();
        let found = self.read(
            |name| {
                names.push(name.into());
                names.len() <= known::MAX_NAMES
            },
            wanted,
        );
        let whole = found.is_ok() && names.len() <= known::MAX_NAMES;
        Known::finish(key, watch, whole.then_some(names));
        found
    }

    /// What is `wanted`, by reading the directory; `keep` is shown every name until it has enough.
    pub(super) fn read(
        self,
        mut keep: impl FnMut(&[u8]) -> bool,
        wanted: &str,
    ) -> Outcome<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(self.fd, c".", flags, Mode::empty()).map_err(failed)?;
        let (mut exact, mut other_case, mut keeps) = (None, None, true);
        for entry in Dir::new(fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let host = entry.file_name().to_bytes();
            if matches!(host, b"." | b"..") {
                continue;
            }
            keeps = keeps && keep(host);
            let Some(name) = same(host, wanted) else { continue };
            if name == wanted {
                exact = Some(name);
            } else {
                other_case = other_case.or(Some(name));
            }
        }
        Ok(exact.or(other_case))
    }
}

/// The name of `host` as it is shown, if it is `wanted` in whatever case. Fast for what most are.
fn same(host: &[u8], wanted: &str) -> Option<String> {
    if wanted.is_ascii() && !wanted.as_bytes().eq_ignore_ascii_case(host) {
        // No other letter is one of ASCII in another case, and what is mapped is not ASCII.
        return None;
    }
    let name = mapping::shown(host);
    same_name(&name, wanted).then(|| name.into_owned())
}

/// What all the cases of a name have in common (FNV-1a).
fn folded_hash(shown: &str) -> u64 {
    shown.chars().map(fold).fold(0xcbf2_9ce4_8422_2325, |hash, c| {
        (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A directory, and what all cases of a name in it have in common.
pub(super) type Naming = (FileKey, u64);

/// Whoever makes a name that was not there waits for others that are about to make the same in
/// another case: held from looking until it is made.
pub(super) fn turn(directory: &Statx, wanted: &str) -> Turn<Naming> {
    static TURNS: Turns<Naming> = Turns::new();
    TURNS.take((info::key(directory), folded_hash(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_another_case() {
        assert_eq!(same(b"README.txt", "readme.TXT").as_deref(), Some("README.txt"));
        assert_eq!(same("Äpfel".as_bytes(), "äPFEL").as_deref(), Some("Äpfel"));
        assert_eq!(same(b"a:B", "A\u{f022}b").as_deref(), Some("a\u{f022}B"));
        assert_eq!(same(b"a.", "A\u{f029}").as_deref(), Some("a\u{f029}"));
        assert_eq!(same(b"a\xff", "A\u{f7ff}").as_deref(), Some("a\u{f7ff}"));
        assert_eq!((same(b"a", "b"), same(b"a", "ab"), same(b"a:b", "a")), (None, None, None));
        assert_eq!(folded_hash("Größe.TXT"), folded_hash("GRÖßE.txt"));
    }
}
