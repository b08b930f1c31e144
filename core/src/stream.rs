//! Names of streams (MS-FSCC 2.1.5.3, 2.1.5.4): what follows the `:` of a file's last component,
//! taken apart once.

use crate::{
    name::{SharePath, fold, same_name},
    status::NtStatus,
};
use alloc::string::String;
use core::fmt;
use sha2::{Digest, Sha256};

/// Bytes of a name: Linux's 255 of an extended attribute, less `user.DosStream.` and `:$DATA`.
const MAX_NAME: usize = 255 - 15 - 6;

/// The name of a named stream, without its type: not empty, and without `:`, `/`, `\` and NUL. Only
/// [`StreamName::new`] makes one. Names that differ in case only are equal.
#[derive(Clone)]
pub struct StreamName(String);

impl StreamName {
    /// Checks a name. Control characters and wildcards are allowed in it (MS-FSCC 2.1.5.3).
    pub fn new(name: &str) -> Result<Self, NtStatus> {
        if name.is_empty() || name.len() > MAX_NAME || name.contains([':', '/', '\\', '\0']) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        Ok(Self(name.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells the streams of a file apart in [`FileKey`](crate::id::FileKey): the same for names
    /// that differ in case only, and never 0. It is a hash, so that a key stays a plain number; who
    /// searches 2^32 names for two that collide has two streams that share their share modes.
    pub fn id(&self) -> u64 {
        let mut hash = Sha256::new();
        let mut buffer = [0; 4];
        for c in self.0.chars() {
            hash.update(fold(c).encode_utf8(&mut buffer).as_bytes());
        }
        let first = hash.finalize().iter().take(8).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        first.max(1)
    }
}

impl PartialEq for StreamName {
    fn eq(&self, other: &Self) -> bool {
        same_name(&self.0, &other.0)
    }
}

impl Eq for StreamName {}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:?}", self.0)
    }
}

/// What a name says after the file's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// Nothing.
    None,
    /// `::$DATA`: the file's own data.
    Data,
    /// `::$INDEX_ALLOCATION` or `:$I30:$INDEX_ALLOCATION`: a directory's own entries.
    Index,
    /// `:name` or `:name:$DATA`.
    Named(StreamName),
}

impl Suffix {
    /// What stands behind the first `:`.
    fn parse(text: &str) -> Result<Self, NtStatus> {
        let (name, kind) = text.split_once(':').unwrap_or((text, "$DATA"));
        let is = |word: &str| kind.eq_ignore_ascii_case(word);
        match name {
            // `file:` names nothing, while `file::$DATA` does.
            "" if !text.contains(':') => Err(NtStatus::OBJECT_NAME_INVALID),
            "" if is("$DATA") => Ok(Self::Data),
            _ if is("$DATA") => StreamName::new(name).map(Self::Named),
            _ if is("$INDEX_ALLOCATION")
                && (name.is_empty() || name.eq_ignore_ascii_case("$I30")) =>
            {
                Ok(Self::Index)
            }
            _ => Err(NtStatus::OBJECT_NAME_INVALID),
        }
    }
}

const COLON: u16 = b':' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// A name in a request, as the file's path and the stream in it. Only the last component has one: a
/// `:` before it is an illegal character.
pub fn split(name: &[u16]) -> Result<(SharePath, Suffix), NtStatus> {
    let start = name.iter().rposition(|&unit| unit == BACKSLASH).map_or(0, |at| at + 1);
    let (directory, last) = name.split_at(start);
    let Some(colon) = last.iter().position(|&unit| unit == COLON) else {
        return Ok((SharePath::parse(name)?, Suffix::None));
    };
    let (file, suffix) = last.split_at(colon);
    if file.is_empty() && !directory.is_empty() {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    let path = SharePath::parse(&name[..start + colon])?;
    Ok((path, suffix_of(suffix)?))
}

/// A name that begins with `:`: where a stream goes when it is renamed (MS-FSCC 2.4.42). `None` is
/// any other name.
pub fn target(name: &[u16]) -> Option<Result<Suffix, NtStatus>> {
    (name.first() == Some(&COLON)).then(|| suffix_of(name))
}

fn suffix_of(units: &[u16]) -> Result<Suffix, NtStatus> {
    let text = String::from_utf16(units).map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
    Suffix::parse(text.strip_prefix(':').unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{borrow::ToOwned, vec::Vec};

    fn parts(text: &str) -> Result<(String, Suffix), NtStatus> {
        let name: Vec<u16> = text.encode_utf16().collect();
        split(&name).map(|(path, suffix)| (path.as_str().into(), suffix))
    }

    fn named(name: &str) -> Suffix {
        Suffix::Named(StreamName::new(name).unwrap())
    }

    #[test]
    fn a_name_is_a_path_and_a_stream() {
        for (text, path, suffix) in [
            ("d\\f", "d/f", Suffix::None),
            ("d\\f::$data", "d/f", Suffix::Data),
            ("d\\f:s", "d/f", named("s")),
            ("f:\u{5}S\n ?*:$DaTa", "f", named("\u{5}S\n ?*")),
            ("d::$INDEX_ALLOCATION", "d", Suffix::Index),
            ("d:$i30:$Index_Allocation", "d", Suffix::Index),
            (":on the share", "", named("on the share")),
            ("", "", Suffix::None),
        ] {
            assert_eq!(parts(text), Ok((path.into(), suffix)), "{text}");
        }
    }

    #[test]
    fn what_names_no_stream_is_refused() {
        let long = "f:".to_owned() + &"x".repeat(MAX_NAME + 1);
        for bad in [
            "f:",
            "f::",
            "f:s:",
            "f:s:$FOO",
            "f::$FOO",
            "f:s:$DATA:",
            "f:s:$DATA:x",
            "f:a/b",
            "d:s\\f",
            "d:s\\f:t",
            "f:s\\",
            "d\\:s",
            "f*:s",
            "f:a\0b",
            "f:s:$INDEX_ALLOCATION",
            &long,
        ] {
            assert_eq!(parts(bad), Err(NtStatus::OBJECT_NAME_INVALID), "{bad}");
        }
        let lone = [b'f'.into(), COLON, 0xd800];
        assert_eq!(split(&lone), Err(NtStatus::OBJECT_NAME_INVALID));
        assert_eq!(parts("..\\f:s"), Err(NtStatus::OBJECT_PATH_SYNTAX_BAD));
    }

    #[test]
    fn case_makes_no_other_stream() {
        let (a, b) = (StreamName::new("Größe").unwrap(), StreamName::new("gRÖßE").unwrap());
        assert_eq!((&a, a.id()), (&b, b.id()));
        assert_ne!(a.id(), StreamName::new("Grösse").unwrap().id());
        let target = |text: &str| target(&text.encode_utf16().collect::<Vec<_>>());
        assert_eq!(target("f:s"), None);
        assert_eq!(target(":s:$DATA"), Some(Ok(named("S"))));
        assert_eq!(target("::$DATA"), Some(Ok(Suffix::Data)));
        assert_eq!(target(":"), Some(Err(NtStatus::OBJECT_NAME_INVALID)));
    }
}
