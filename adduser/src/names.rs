//! Which names and passwords the file formats can hold.

use std::fmt;

/// The longest account name in bytes: ksmbd's kernel side has a 48-byte field with a NUL.
pub const MAX_USER_NAME: usize = 47;
/// The longest share name in bytes.
pub const MAX_SHARE_NAME: usize = 63;
/// The longest password in bytes of UTF-8.
pub const MAX_PASSWORD: usize = 128;

/// What an editor may put in front of a file: nobody sees it, and there it belongs to no name.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a name or a password cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It has more bytes than the field holds.
    TooLong {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It is not UTF-8.
    NotUtf8,
    /// It contains a control character, or [`BYTE_ORDER_MARK`].
    Unprintable(char),
    /// It contains a character that the file format uses itself.
    Reserved(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { length, limit } => {
                write!(f, "it has {length} bytes, {limit} are allowed")
            }
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::Unprintable(c) => {
                write!(f, "it contains the unprintable character U+{:04X}", u32::from(*c))
            }
            Self::Reserved(c) => write!(f, "it contains `{c}`"),
        }
    }
}

impl std::error::Error for NameError {}

/// Checks an account name: 1–47 bytes, printable, without `:`.
pub fn check_user_name(name: &str) -> Result<(), NameError> {
    check(name, MAX_USER_NAME, &[':'])
}

/// Checks a share name: 1–63 bytes, printable, without brackets.
pub fn check_share_name(name: &str) -> Result<(), NameError> {
    check(name, MAX_SHARE_NAME, &['[', ']'])
}

/// Checks a password: up to 128 bytes without NUL. An empty one is allowed.
pub fn check_password(password: &str) -> Result<(), NameError> {
    if password.len() > MAX_PASSWORD {
        return Err(NameError::TooLong { length: password.len(), limit: MAX_PASSWORD });
    }
    match password.contains('\0') {
        true => Err(NameError::Unprintable('\0')),
        false => Ok(()),
    }
}

fn check(name: &str, limit: usize, reserved: &[char]) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limit {
        return Err(NameError::TooLong { length: name.len(), limit });
    }
    for c in name.chars() {
        if c.is_control() || c == BYTE_ORDER_MARK {
            return Err(NameError::Unprintable(c));
        }
        if reserved.contains(&c) {
            return Err(NameError::Reserved(c));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        assert_eq!(check_user_name("alice"), Ok(()));
        assert_eq!(check_user_name("Jürgen Müller"), Ok(()));
        assert_eq!(check_user_name(&"x".repeat(47)), Ok(()));
        assert_eq!(
            check_user_name(&"x".repeat(48)),
            Err(NameError::TooLong { length: 48, limit: 47 })
        );
        assert_eq!(check_user_name(""), Err(NameError::Empty));
        assert_eq!(check_user_name("a:b"), Err(NameError::Reserved(':')));
        assert_eq!(check_user_name("a\tb"), Err(NameError::Unprintable('\t')));
        assert_eq!(check_user_name("a\u{7f}"), Err(NameError::Unprintable('\u{7f}')));
        assert_eq!(check_user_name("\u{feff}a"), Err(NameError::Unprintable('\u{feff}')));
    }

    #[test]
    fn share_names() {
        assert_eq!(check_share_name("ipc$"), Ok(()));
        assert_eq!(check_share_name("a:b"), Ok(()));
        assert_eq!(check_share_name("a]b"), Err(NameError::Reserved(']')));
        assert_eq!(
            check_share_name(&"ä".repeat(32)),
            Err(NameError::TooLong { length: 64, limit: 63 })
        );
    }

    #[test]
    fn passwords() {
        assert_eq!(check_password(""), Ok(()));
        assert_eq!(check_password(&"p".repeat(128)), Ok(()));
        let long = check_password(&"p".repeat(129)).expect_err("129 bytes");
        assert_eq!(long.to_string(), "it has 129 bytes, 128 are allowed");
        let nul = check_password("a\0b").expect_err("NUL");
        assert_eq!(nul.to_string(), "it contains the unprintable character U+0000");
    }
}
