//! The NT hash of a password. Who has it can log on: it is kept, shown and compared as a secret.

use std::fmt;

use ksmbd_core::auth::ntlm;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// MD4 over a password in UTF-16LE. It is wiped on drop, compared in constant time and never
/// printed.
#[derive(Clone)]
pub struct NtHash([u8; 16]);

impl NtHash {
    /// Takes a hash that is already computed.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Hashes a password.
    pub fn from_password(password: &str) -> Self {
        Self(ntlm::nt_hash(password))
    }

    /// The bytes, for the NTLM computations.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for NtHash {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for NtHash {}

impl PartialEq for NtHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for NtHash {}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MS-NLMP 4.2.2.1.2: NTOWFv1 of "Password".
    #[test]
    fn hashes_the_specifications_password() {
        let expected = [
            0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca, 0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f,
            0xd8, 0x52,
        ];
        assert_eq!(NtHash::from_password("Password").as_bytes(), &expected);
        assert_eq!(NtHash::from_password("Password"), NtHash::new(expected));
        assert_ne!(NtHash::from_password("password"), NtHash::new(expected));
    }

    #[test]
    fn an_empty_password_has_the_known_hash() {
        let hash = NtHash::from_password("");
        assert_eq!(hash.as_bytes()[..4], [0x31, 0xd6, 0xcf, 0xe0]);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", NtHash::new([0x41; 16])), "NtHash(..)");
    }
}
