//! What a value's text means, by ksmbd's rules. A wrong value never stops a load: what was made
//! of it is said, and the load goes on.

use std::ops::RangeInclusive;

/// A value as far as it could be read, and what was odd about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading<T> {
    pub(super) value: T,
    pub(super) doubt: Option<Doubt>,
}

/// What is odd about a value, and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl<T> Reading<T> {
    fn sure(value: T) -> Self {
        Self { value, doubt: None }
    }

    fn doubtful(value: T, what: String, remedy: impl Into<String>) -> Self {
        Self { value, doubt: Some(Doubt { what, remedy: remedy.into() }) }
    }
}

/// One word of a list of users.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// An account.
    User(String),
    /// `@group` (and Samba's `+group`, `&group`): the members of a group.
    Group(String),
}

/// True is what begins with `yes`, `1`, `true` or `enable`, as in ksmbd, or is `on`; all else is
/// false, and said to be unless it says no.
pub(super) fn boolean(text: &str) -> Reading<bool> {
    let begins = |words: &[&str]| words.iter().any(|word| has_prefix(text, word));
    if begins(&["yes", "1", "true", "enable"]) || text.eq_ignore_ascii_case("on") {
        return Reading::sure(true);
    }
    if begins(&["no", "0", "false", "disable", "off"]) {
        return Reading::sure(false);
    }
    Reading::doubtful(false, format!("`{text}` is not a boolean, no is assumed"), "write yes or no")
}

/// A decimal number in a range. What cannot be used is no value: the default stands.
pub(super) fn number(text: &str, range: &RangeInclusive<u64>) -> Reading<Option<u64>> {
    let (low, high) = (range.start(), range.end());
    let remedy = || match *high {
        u64::MAX => format!("write a number from {low} up"),
        _ => format!("write a number from {low} to {high}"),
    };
    let reading = match digits(text, 10) {
        Some((value, "")) => Reading::sure(Some(value)),
        Some((value, rest)) => Reading::doubtful(
            Some(value),
            format!("`{rest}` after the number is ignored, {value} is used"),
            remedy(),
        ),
        None => Reading::doubtful(
            None,
            format!("`{text}` is not a number, the default is used"),
            remedy(),
        ),
    };
    match reading.value {
        Some(value) if !range.contains(&value) => {
            Reading::doubtful(None, format!("{value} cannot be used, the default is"), remedy())
        }
        _ => reading,
    }
}

/// Bytes: `65536`, `0x10000`, `64K`, `4MB`. Hexadecimal after `0x`, octal after `0`, as in C.
pub(super) fn size(text: &str) -> Reading<Option<u64>> {
    const REMEDY: &str = "write a number of bytes, with K, M or G behind it if you like";
    let lower = text.to_ascii_lowercase();
    let parsed = match lower.strip_prefix("0x") {
        Some(hex) => digits(hex, 16),
        None if lower.starts_with('0') => digits(&lower, 8),
        None => digits(&lower, 10),
    };
    let Some((number, rest)) = parsed else {
        let what = format!("`{text}` is not a size, the default is used");
        return Reading::doubtful(None, what, REMEDY);
    };
    let unit = rest.trim_start();
    let power = unit.chars().next().and_then(|c| "kmgtpe".find(c));
    let (factor, unit) = match power {
        Some(power) => (1_u64 << (10 * (power + 1)), &unit[1..]),
        None => (1, unit),
    };
    match number.checked_mul(factor) {
        None => {
            Reading::doubtful(None, format!("`{text}` is too large, the default is used"), REMEDY)
        }
        Some(value) if matches!(unit, "" | "b" | "ib") => Reading::sure(Some(value)),
        Some(value) => Reading::doubtful(
            Some(value),
            format!("`{unit}` in `{text}` is ignored, {value} bytes are used"),
            REMEDY,
        ),
    }
}

/// Permission bits in octal.
pub(super) fn octal(text: &str) -> Reading<Option<u32>> {
    const REMEDY: &str = "write permissions in octal, from 0000 to 7777";
    let what = match digits(text, 8) {
        Some((mode, "")) => match u32::try_from(mode) {
            Ok(mode @ 0..=0o7777) => return Reading::sure(Some(mode)),
            _ => format!("`{text}` has bits that are no permissions, the default is used"),
        },
        _ => format!("`{text}` is not an octal number, the default is used"),
    };
    Reading::doubtful(None, what, REMEDY)
}

/// The word that the value begins with, in any case; the longest if several fit.
pub(super) fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Reading<Option<T>> {
    let fitting = words.iter().filter(|(word, _)| has_prefix(text, word));
    if let Some(&(_, meaning)) = fitting.max_by_key(|(word, _)| word.len()) {
        return Reading::sure(Some(meaning));
    }
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    Reading::doubtful(
        None,
        format!("`{text}` is not known, the default is used"),
        format!("write one of: {}", names.join(", ")),
    )
}

/// The words of a list, between tabs, blanks and commas.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\t', ' ', ',']).filter(|word| !word.is_empty())
}

/// The users and groups of a list.
pub(super) fn members(text: &str) -> Vec<Member> {
    let member = |word: &str| match word.trim_start_matches(['@', '+', '&']) {
        "" => None,
        name if name.len() < word.len() => Some(Member::Group(name.to_owned())),
        name => Some(Member::User(name.to_owned())),
    };
    words(text).filter_map(member).collect()
}

fn has_prefix(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The number that the text begins with, and the rest; none if there is none or it is too large.
fn digits(text: &str, radix: u32) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
    let value = u64::from_str_radix(&text[..end], radix).ok()?;
    Some((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<u64> = 0..=u64::MAX;

    fn doubt<T>(reading: &Reading<T>) -> &str {
        reading.doubt.as_ref().map_or("", |doubt| &doubt.what)
    }

    #[test]
    fn booleans() {
        for text in ["yes", "YES", "yesterday", "1", "true", "Enabled", "on", "ON"] {
            assert_eq!(boolean(text), Reading::sure(true), "{text}");
        }
        for text in ["no", "No", "0", "false", "disabled", "off"] {
            assert_eq!(boolean(text), Reading::sure(false), "{text}");
        }
        for text in ["only", "y", "maybe", "\u{fc}"] {
            let reading = boolean(text);
            assert!(!reading.value);
            assert_eq!(doubt(&reading), format!("`{text}` is not a boolean, no is assumed"));
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("445", &(1..=65535)), Reading::sure(Some(445)));
        assert_eq!(number("010", &ANY), Reading::sure(Some(10)));
        let trailing = number("12 minutes", &ANY);
        assert_eq!(trailing.value, Some(12));
        assert_eq!(doubt(&trailing), "` minutes` after the number is ignored, 12 is used");
        for text in ["never", "-1", "99999999999999999999"] {
            let reading = number(text, &ANY);
            assert_eq!(reading.value, None);
            assert_eq!(doubt(&reading), format!("`{text}` is not a number, the default is used"));
        }
        let range = number("70000", &(1..=65535));
        assert_eq!(range.value, None);
        assert_eq!(doubt(&range), "70000 cannot be used, the default is");
        assert_eq!(range.doubt.expect("a doubt").remedy, "write a number from 1 to 65535");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("65536", 65536),
            ("0x10000", 65536),
            ("0200000", 65536),
            ("64K", 65536),
            ("64 kb", 65536),
            ("4MB", 4 << 20),
            ("4MiB", 4 << 20),
            ("1g", 1 << 30),
            ("2T", 2 << 40),
            ("1E", 1 << 60),
            ("0", 0),
        ] {
            assert_eq!(size(text), Reading::sure(Some(bytes)), "{text}");
        }
        let odd = size("4 Mbit");
        assert_eq!(odd.value, Some(4 << 20));
        assert_eq!(doubt(&odd), "`bit` in `4 Mbit` is ignored, 4194304 bytes are used");
        assert_eq!(size("much").value, None);
        assert_eq!(doubt(&size("much")), "`much` is not a size, the default is used");
        assert_eq!(doubt(&size("32E")), "`32E` is too large, the default is used");
        assert_eq!(size("").value, None);
        assert_eq!(size("1\u{e9}").value, Some(1));
    }

    #[test]
    fn masks() {
        assert_eq!(octal("0744"), Reading::sure(Some(0o744)));
        assert_eq!(octal("7777"), Reading::sure(Some(0o7777)));
        assert_eq!(doubt(&octal("0899")), "`0899` is not an octal number, the default is used");
        assert_eq!(doubt(&octal("rwx")), "`rwx` is not an octal number, the default is used");
        assert!(doubt(&octal("10000")).contains("bits that are no permissions"));
    }

    #[test]
    fn choices() {
        let words = [("SMB3", 3), ("SMB3_11", 311), ("auto", 0)];
        assert_eq!(choice("smb3_11", &words), Reading::sure(Some(311)));
        assert_eq!(choice("SMB3_02", &words), Reading::sure(Some(3)));
        let unknown = choice("manditory", &words);
        assert_eq!(doubt(&unknown), "`manditory` is not known, the default is used");
        assert_eq!(unknown.doubt.expect("a doubt").remedy, "write one of: SMB3, SMB3_11, auto");
    }

    #[test]
    fn lists() {
        let user = |name: &str| Member::User(name.to_owned());
        let group = |name: &str| Member::Group(name.to_owned());
        assert_eq!(
            members("alice, bob\t@staff,,+wheel &+net @"),
            [user("alice"), user("bob"), group("staff"), group("wheel"), group("net")]
        );
        assert_eq!(words(" eth0,lo\t").collect::<Vec<_>>(), ["eth0", "lo"]);
    }
}
