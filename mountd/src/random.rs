//! Randomness from the kernel.

use std::fs::File;
use std::io::{self, Read};

/// Bytes nobody can guess.
///
/// # Errors
///
/// `/dev/urandom` is not there, as in a badly made chroot.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A password that can be read aloud and typed: no l, no o, no 0, no 1.
///
/// # Errors
///
/// See [`bytes`].
pub fn password() -> io::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = bytes::<12>()?;
    // 32 letters: every one is as likely as another.
    Ok(random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_can_be_typed() {
        let (one, two) = (password().expect("random"), password().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 12);
        assert!(one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(bytes::<32>().expect("random"), [0; 32]);
    }
}
