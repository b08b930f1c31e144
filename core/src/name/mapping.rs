//! What Linux and clients call the same file. Linux takes any bytes but `/` and NUL; clients send
//! UTF-16 in which some characters cannot stand and surrogates may be alone. Every name of the one
//! side has exactly one on the other, so nothing is hidden and nothing is meant twice:
//!
//! | on the disk | told to clients |
//! |---|---|
//! | bytes 1–31 | U+F001–U+F01F |
//! | `"` `*` `:` `<` `>` `?` `\` `\|` | U+F020 F021 F022 F023 F024 F025 F026 F027 |
//! | a space at the end | U+F028 |
//! | a dot at the end (but not `.` and `..`) | U+F029 |
//! | a byte ≥ 0x80 that is not part of UTF-8 | U+F700 + the byte: U+F780–U+F7FF |
//! | ED A0 80–ED BF BF: a surrogate alone, as WTF-8 writes it | that surrogate |
//! | these private characters themselves, in UTF-8 | each of their bytes as if it were not UTF-8 |
//! | everything else, in UTF-8 | itself |
//!
//! The first four lines are the mapping of Services for Macintosh: what macOS and the Linux client
//! (`mapposix`, its default) send, and what Samba's `fruit:encoding = native` or `catia` can be set to.
//! U+F028 and U+F029 are themselves where they are not at the end.
//!
//! Three forms of a name are told apart: *host* is the bytes on the disk; *shown* is a `str` in which
//! a surrogate alone is its three bytes in U+F780–U+F7FF; *units* is the UTF-16 of the wire. Inside
//! the server names are shown names. A client's name with a dot or a space at the end is taken for
//! the name with U+F029 or U+F028, which is how it is then told.

use crate::status::NtStatus;
use alloc::{borrow::Cow, string::String, vec::Vec};

/// UTF-16 units of one component: what Windows takes.
pub const MAX_UNITS: usize = 255;

/// The characters of U+F020 to U+F027.
const SPECIAL: [u8; 8] = *b"\"*:<>?\\|";
const FIRST_SPECIAL: u32 = 0xf020;
const CONTROL: u32 = 0xf000;
const SPACE_AT_END: char = '\u{f028}';
const DOT_AT_END: char = '\u{f029}';
/// A raw byte is this and the byte.
const RAW: u32 = 0xf700;

/// The byte that stands for itself on the disk and for a private character on the wire.
fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    let byte = match code {
        0xf001..=0xf01f => code - CONTROL,
        0xf020..=0xf027 => {
            return SPECIAL.get((code - FIRST_SPECIAL) as usize).copied();
        }
        0xf780..=0xf7ff => code - RAW,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

fn is_raw(c: char) -> bool {
    matches!(c, '\u{f780}'..='\u{f7ff}')
}

fn raw(byte: u8) -> char {
    char::from_u32(RAW + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// What a character of ASCII that clients cannot say is shown as.
fn private(c: char) -> Option<char> {
    let code = match u8::try_from(c).ok()? {
        byte @ 1..=31 => CONTROL + u32::from(byte),
        byte => FIRST_SPECIAL + SPECIAL.iter().position(|&special| special == byte)? as u32,
    };
    char::from_u32(code)
}

/// A component as the file system has it → as the server calls it.
pub fn shown(host: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(host) {
        Ok(text) if is_plain(text) => Cow::Borrowed(text),
        _ => Cow::Owned(show(host)),
    }
}

/// Nothing in it is called otherwise.
fn is_plain(text: &str) -> bool {
    let at_end = text.ends_with(['.', ' ', SPACE_AT_END, DOT_AT_END]);
    let plain = |c: char| byte_of(c).is_none() && private(c).is_none();
    matches!(text, "." | "..") || !at_end && text.chars().all(plain)
}

fn show(host: &[u8]) -> String {
    let mut name = String::with_capacity(host.len() * 2);
    let end = host.len();
    let mut at = 0;
    for chunk in host.utf8_chunks() {
        for c in chunk.valid().chars() {
            at += c.len_utf8();
            match c {
                ' ' if at == end => name.push(SPACE_AT_END),
                '.' if at == end => name.push(DOT_AT_END),
                SPACE_AT_END | DOT_AT_END if at == end => push_raw(&mut name, c),
                _ if byte_of(c).is_some() => push_raw(&mut name, c),
                _ => name.push(private(c).unwrap_or(c)),
            }
        }
        at += chunk.invalid().len();
        name.extend(chunk.invalid().iter().copied().map(raw));
    }
    name
}

fn push_raw(name: &mut String, c: char) {
    name.extend(c.encode_utf8(&mut [0; 4]).bytes().map(raw));
}

/// A component as the server calls it → as the file system has it.
pub fn host(shown: &str) -> Cow<'_, [u8]> {
    // Private characters all begin with this byte in UTF-8.
    if !shown.as_bytes().contains(&0xef) {
        return Cow::Borrowed(shown.as_bytes());
    }
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        match c {
            SPACE_AT_END if rest.as_str().is_empty() => bytes.push(b' '),
            DOT_AT_END if rest.as_str().is_empty() => bytes.push(b'.'),
            _ => match byte_of(c) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            },
        }
    }
    Cow::Owned(bytes)
}

/// A component as a client sends it → as the server calls it (MS-FSCC 2.1.5.2). `.` and `..` are no
/// names, and neither is what would be one of them on the disk.
pub fn parse(name: &[u16]) -> Result<String, NtStatus> {
    let invalid = Err(NtStatus::OBJECT_NAME_INVALID);
    if name.is_empty() || name.len() > MAX_UNITS {
        return invalid;
    }
    let mut shown = String::with_capacity(name.len());
    for unit in char::decode_utf16(name.iter().copied()) {
        match unit {
            Ok(c) if is_illegal(c) => return invalid,
            Ok(c) => shown.push(c),
            Err(alone) => shown.extend(wtf8(alone.unpaired_surrogate()).map(raw)),
        }
    }
    let (end, private) = match shown.as_bytes() {
        b"." | b".." => return invalid,
        [.., b'.'] => (1, DOT_AT_END),
        [.., b' '] => (1, SPACE_AT_END),
        _ => (0, '\0'),
    };
    if end > 0 {
        shown.truncate(shown.len() - end);
        shown.push(private);
    }
    let on_disk = host(&shown);
    // Raw bytes that are UTF-8 after all, or half of a pair, are another name: there is but one.
    let other_name = shown.contains(is_raw)
        && (self::shown(&on_disk) != shown || end == 0 && !units(&shown).eq(name.iter().copied()));
    if matches!(&*on_disk, b"." | b"..") || other_name {
        return invalid;
    }
    Ok(shown)
}

/// Characters that no component may hold (MS-FSCC 2.1.5.1). `:` names streams, which are not here yet.
fn is_illegal(c: char) -> bool {
    matches!(c, '\0' | '/') || private(c).is_some()
}

/// How a surrogate is written in UTF-8 that need not be Unicode.
fn wtf8(surrogate: u16) -> [u8; 3] {
    let [high, low] = [surrogate >> 6, surrogate].map(|bits| 0x80 | (bits & 0x3f) as u8);
    [0xed, high, low]
}

/// A name as the server calls it → the units that clients are told. Also for paths.
pub fn units(shown: &str) -> impl Iterator<Item = u16> {
    let mut rest = shown.chars();
    let mut second = None;
    // The unit before was a high surrogate that stood alone: one that would complete it must not
    // follow, for the two would be another character.
    let mut open = false;
    core::iter::from_fn(move || {
        if let Some(low) = second.take() {
            return Some(low);
        }
        if let Some(alone) = surrogate(rest.as_str())
            && !(open && alone >= 0xdc00)
        {
            open = alone < 0xdc00;
            rest.nth(2);
            return Some(alone);
        }
        open = false;
        let mut pair = [0; 2];
        let units = rest.next()?.encode_utf16(&mut pair);
        second = units.get(1).copied();
        units.first().copied()
    })
}

/// The surrogate that stands alone at the beginning of `shown`.
fn surrogate(shown: &str) -> Option<u16> {
    let mut bytes = shown.chars().map_while(|c| if is_raw(c) { byte_of(c) } else { None });
    match (bytes.next()?, bytes.next()?, bytes.next()?) {
        (0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf) => {
            Some(0xd000 | u16::from(high & 0x3f) << 6 | u16::from(low & 0x3f))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
