//! Where a file is below its share.

use super::{mapping, same_name};
use crate::{status::NtStatus, wire::utf16::Utf16};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// Components of a path; more cannot be opened anyway.
const MAX_DEPTH: usize = 256;

/// UTF-16 units of a path: what Windows takes.
const MAX_PATH: usize = 32_767;

/// A path below a share: components joined by `/`, none of them empty, `.` or `..`; the share itself
/// is the empty path. Components are called as clients are shown them ([`mapping`]). Only
/// [`SharePath::parse`] and [`SharePath::join_host`] make one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SharePath(String);

impl SharePath {
    /// The share's directory.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// From a name in a request (MS-SMB2 2.2.13, MS-FSCC 2.1.5): backslashes separate.
    pub fn parse(name: &[u16]) -> Result<Self, NtStatus> {
        const SEPARATOR: u16 = b'\\' as u16;
        if name.first() == Some(&SEPARATOR) {
            // MS-SMB2 3.3.5.9: a leading separator is the client's mistake.
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if name.len() > MAX_PATH {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let name = name.strip_suffix(&[SEPARATOR]).unwrap_or(name);
        let name = without_data(name);
        Self::components(name.split(|&unit| unit == SEPARATOR).filter(|_| !name.is_empty()))
    }

    fn components<'a>(parts: impl Iterator<Item = &'a [u16]>) -> Result<Self, NtStatus> {
        const DOT: u16 = b'.' as u16;
        let mut path = Self::root();
        for (depth, part) in parts.enumerate() {
            if depth >= MAX_DEPTH {
                return Err(NtStatus::OBJECT_NAME_INVALID);
            }
            match part {
                // MS-FSCC 2.1.5.1: clients resolve these. One that was left is resolved by the name
                // alone, and never climbs (smb2.notify.tree).
                [DOT, DOT] if !path.is_root() => path = path.parent(),
                [DOT] | [DOT, DOT] => return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD),
                // An empty component in the middle cannot be said on Windows.
                _ => path = path.join_host(&mapping::parse(part)?),
            }
        }
        Ok(path)
    }

    /// This path with a component of the file system, as the server calls it ([`mapping::shown`]).
    pub fn join_host(&self, component: &str) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(component);
        Self(path)
    }

    /// With `/` between components, as the server calls them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With `/` between components, as the file system has them.
    pub fn host(&self) -> Cow<'_, [u8]> {
        let mut path = Vec::new();
        for (number, component) in self.0.split('/').enumerate() {
            match mapping::host(component) {
                // Nothing is mapped so far, and here neither: mostly this is all of the path.
                Cow::Borrowed(_) if number == 0 && !self.0.as_bytes().contains(&0xef) => {
                    return Cow::Borrowed(self.0.as_bytes());
                }
                host => {
                    if number > 0 {
                        path.push(b'/');
                    }
                    path.extend_from_slice(&host);
                }
            }
        }
        Cow::Owned(path)
    }

    /// The share itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the share.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Without the last component.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.into()))
    }

    /// `self` lies below `directory`.
    pub fn is_below(&self, directory: &Self) -> bool {
        let rest = self.0.strip_prefix(directory.as_str());
        directory.is_root() && !self.is_root() || rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The same place after `from` became `to`; `None` when it does not lie at or below `from`.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        if self == from {
            return Some(to.clone());
        }
        let rest = self.0.strip_prefix(from.as_str())?.strip_prefix('/')?;
        Some(to.join_host(rest))
    }

    /// The same place of the disk as a path of the share at `to`, not of the one at `from`; `None` where
    /// it is not inside of that.
    pub fn seen_from(&self, from: &str, to: &str) -> Option<Cow<'_, Self>> {
        if from == to {
            return Some(Cow::Borrowed(self));
        }
        let parts = |path| str::split(path, '/').filter(|part| !part.is_empty());
        // What the configuration names is what it names on the disk, where cases may differ.
        let shares = parts(from).map(|part| (part, true));
        let mut rest = shares.chain(parts(&self.0).map(|part| (part, false)));
        let is =
            |part: &str, (own, exact): (&str, bool)| own == part || !exact && same_name(own, part);
        let is_inside = parts(to).all(|part| rest.next().is_some_and(|own| is(part, own)));
        let join = |path: Self, (part, _): (&str, bool)| path.join_host(part);
        is_inside.then(|| Cow::Owned(rest.fold(Self::root(), join)))
    }

    /// The same place, a path of the share at `own`, after `from` became `to` in the share at `share`;
    /// `None` where it did not lie there, or has left its share.
    pub fn moved_in(&self, own: &str, share: &str, [from, to]: [&Self; 2]) -> Option<Self> {
        let from = from.seen_from(share, own)?;
        let is_there = *self == *from || self.is_below(&from);
        let to = is_there.then(|| to.seen_from(share, own)).flatten()?;
        self.moved(&from, &to)
    }

    /// With `\` between components and in front (MS-FSCC 2.4.2).
    pub fn to_windows(&self) -> Utf16 {
        let separate = |unit| if unit == u16::from(b'/') { u16::from(b'\\') } else { unit };
        let units = mapping::units(&self.0).map(separate);
        Utf16(core::iter::once(u16::from(b'\\')).chain(units).collect())
    }
}

impl fmt::Debug for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `::$DATA` names what is meant anyway, in any case.
fn without_data(name: &[u16]) -> &[u16] {
    const SUFFIX: &[u8] = b"::$DATA";
    let Some((rest, end)) = name.split_last_chunk::<7>() else { return name };
    let same = end.iter().zip(SUFFIX).all(|(&unit, &byte)| {
        u8::try_from(unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte))
    });
    if same { rest } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<SharePath, NtStatus> {
        SharePath::parse(&text.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn paths_cannot_climb() {
        assert_eq!(path("a\\.."), Ok(SharePath::root()));
        assert_eq!(path("a\\b\\..\\c").unwrap().as_str(), "a/c");
        for bad in ["..", "..\\a", "a\\..\\..\\b", "a\\..\\..", ".", "a\\.\\b"] {
            assert_eq!(path(bad), Err(NtStatus::OBJECT_PATH_SYNTAX_BAD), "{bad}");
        }
        for bad in ["a\\\\b", "a/b", "a:b", "a*", "a\0b", "\u{1}", "\u{f029}", "a\\.\u{f029}\\b"] {
            assert_eq!(path(bad), Err(NtStatus::OBJECT_NAME_INVALID), "{bad}");
        }
        assert_eq!(path("\\a"), Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(path("").unwrap(), SharePath::root());
        assert_eq!(path("a\\b").unwrap().as_str(), "a/b");
        assert_eq!(path("a\\").unwrap().as_str(), "a");
        assert_eq!(path("a::$DATA").unwrap().as_str(), "a");
        assert_eq!(path("a::$data").unwrap().as_str(), "a");
        assert_eq!(path(&"x".repeat(256)), Err(NtStatus::OBJECT_NAME_INVALID));
        assert_eq!(path(&"\u{4e2d}".repeat(255)).unwrap().host().len(), 765);
        assert!(path(&"x\\".repeat(257)).is_err() && path(&"x\\".repeat(20_000)).is_err());
    }

    #[test]
    fn a_path_on_the_disk_and_on_the_wire() {
        let odd = path("a\u{f022}b\\dot.\\\u{f7ff}").unwrap();
        assert_eq!(&*odd.host(), b"a:b/dot./\xff");
        let wire: Vec<u16> = "\\a\u{f022}b\\dot\u{f029}\\\u{f7ff}".encode_utf16().collect();
        assert_eq!(odd.to_windows().0, wire);
        assert_eq!(&*path("plain\\dir").unwrap().host(), b"plain/dir");
        assert_eq!(SharePath::root().to_windows().0, [u16::from(b'\\')]);
        let alone = SharePath::parse(&[0x61, 0xd800]).unwrap();
        assert_eq!(&*alone.host(), b"a\xed\xa0\x80");
        assert_eq!(alone.to_windows().0, [0x5c, 0x61, 0xd800]);
    }

    #[test]
    fn shares_within_shares() {
        let seen = |name, from, to| {
            let path = path(name).ok()?.seen_from(from, to)?.into_owned();
            Some(String::from(path.as_str()))
        };
        assert_eq!(seen("data\\a\\x", "/srv", "/srv/Data/").as_deref(), Some("a/x"));
        assert_eq!(seen("data", "/srv/", "/srv/data").as_deref(), Some(""));
        assert_eq!(seen("x", "/srv/data", "/srv").as_deref(), Some("data/x"));
        assert_eq!(seen("x", "/srv", "/srv").as_deref(), Some("x"));
        assert_eq!(seen("database", "/srv", "/srv/data"), None);
        assert_eq!(seen("x", "/srv/Data", "/srv/data"), None);
        assert_eq!(seen("x", "/srv", "/srv/data"), None);
    }

    #[test]
    fn moving_a_directory_moves_what_is_below() {
        let (a, b) = (path("a").unwrap(), path("d\\b").unwrap());
        assert_eq!(path("a\\x\\y").unwrap().moved(&a, &b).unwrap().as_str(), "d/b/x/y");
        assert_eq!(path("ab").unwrap().moved(&a, &b), None);
        assert!(path("a\\x").unwrap().is_below(&a));
        assert!(!path("ab").unwrap().is_below(&a) && !a.is_below(&a));
        assert!(a.is_below(&SharePath::root()));
    }
}
