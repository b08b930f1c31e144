//! NTLM (MS-NLMP): version 2 only, with key exchange and message integrity.

pub mod client;
pub mod message;
pub mod verify;

#[cfg(feature = "null-crypto")]
use crate::crypto::null;
use alloc::vec::Vec;
use bitflags::bitflags;
use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

/// What every NTLM message begins with (MS-NLMP 2.2.1).
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

bitflags! {
    /// NEGOTIATE (MS-NLMP 2.2.2.5). Unknown bits survive.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// Strings are UTF-16LE.
        const UNICODE = 0x0000_0001;
        /// Strings are in the client's code page.
        const OEM = 0x0000_0002;
        /// The challenge is to name the server.
        const REQUEST_TARGET = 0x0000_0004;
        /// Keys for signing are wanted.
        const SIGN = 0x0000_0010;
        /// Keys for sealing are wanted.
        const SEAL = 0x0000_0020;
        /// NTLM at all.
        const NTLM = 0x0000_0200;
        /// The client has no account to give.
        const ANONYMOUS = 0x0000_0800;
        /// Keys for signing are derived even if nothing will be signed.
        const ALWAYS_SIGN = 0x0000_8000;
        /// TargetName is a domain.
        const TARGET_TYPE_DOMAIN = 0x0001_0000;
        /// TargetName is a server.
        const TARGET_TYPE_SERVER = 0x0002_0000;
        /// Session security as of NTLM version 2.
        const EXTENDED_SESSIONSECURITY = 0x0008_0000;
        /// TargetInfo is there.
        const TARGET_INFO = 0x0080_0000;
        /// Version is there.
        const VERSION = 0x0200_0000;
        /// Sealing keys of 128 bits.
        const KEY_128 = 0x2000_0000;
        /// The client chooses the session key and sends it encrypted.
        const KEY_EXCH = 0x4000_0000;
        /// Sealing keys of 56 bits.
        const KEY_56 = 0x8000_0000;

        const _ = !0;
    }
}

/// Who sends; each direction has keys of its own (MS-NLMP 3.4.5.2, 3.4.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client.
    ClientToServer,
    /// The server.
    ServerToClient,
}

/// NTOWFv1 (MS-NLMP 3.3.1), the "NT hash": what an account database keeps instead of a password.
pub fn nt_hash(password: &str) -> [u8; 16] {
    let password = Zeroizing::new(utf16le(password));
    Md4::digest(&*password).into()
}

/// `text` in UTF-16LE.
pub fn utf16le(text: &str) -> Vec<u8> {
    // Room for the worst case at once: a growing vector would leave unwiped copies of a password.
    let mut wide = Vec::with_capacity(text.len().saturating_mul(2));
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    wide
}

/// NTOWFv2 (MS-NLMP 3.3.2). Both names are UTF-16LE as in the message; only the user's is folded to
/// upper case.
pub fn nt_owf_v2(nt_hash: &[u8; 16], user: &[u8], domain: &[u8]) -> Zeroizing<[u8; 16]> {
    hmac_md5(nt_hash, &[&upper_case(user), domain])
}

/// Folds UTF-16LE as Windows does: unit by unit, and only where one unit becomes one other.
fn upper_case(name: &[u8]) -> Vec<u8> {
    let fold = |pair: &[u8]| match pair {
        [low, high] => upper_unit(u16::from_le_bytes([*low, *high])).to_le_bytes(),
        other => [other.first().copied().unwrap_or(0), 0],
    };
    name.chunks(2).flat_map(fold).take(name.len()).collect()
}

fn upper_unit(unit: u16) -> u16 {
    // Windows leaves the micro sign alone, Unicode makes a Greek capital of it.
    const MICRO: char = '\u{b5}';
    let Some(character) = char::from_u32(u32::from(unit)) else {
        return unit;
    };
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        // Dotless i and long s do not become ASCII letters either.
        (Some(upper), None) if character != MICRO && upper.is_ascii() == character.is_ascii() => {
            u16::try_from(u32::from(upper)).unwrap_or(unit)
        }
        _ => unit,
    }
}

/// HMAC-MD5 (RFC 2104) over `parts`, one behind the other.
pub fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    #[cfg(feature = "null-crypto")]
    return {
        let sums = parts.iter().map(|part| null::sum(&[key, part]));
        Zeroizing::new(sums.fold([0; 16], |all, one| null::sum(&[&all, &one])))
    };
    #[cfg(not(feature = "null-crypto"))]
    plain_hmac_md5(key, parts)
}

#[cfg_attr(feature = "null-crypto", expect(dead_code, reason = "a sum stands for it"))]
fn plain_hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Md5>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// MD5 over a key and what it is to be used for (MS-NLMP 3.4.5.2, 3.4.5.3).
fn label_key(secret: &[u8], label: &[u8]) -> Zeroizing<[u8; 16]> {
    #[cfg(feature = "null-crypto")]
    return Zeroizing::new(null::sum(&[secret, label]));
    #[cfg(not(feature = "null-crypto"))]
    Zeroizing::new(Md5::new().chain_update(secret).chain_update(label).finalize().into())
}

/// RC4 with a fresh state.
fn rc4(key: &[u8; 16], data: &mut [u8]) {
    // A key of 16 bytes is always taken.
    if !cfg!(feature = "null-crypto")
        && let Ok(mut cipher) = Rc4::new_from_slice(key)
    {
        cipher.apply_keystream(data);
    }
}

/// The keys of NTLM's own session security (MS-NLMP 3.4.4.2, 3.4.5): SMB uses them for
/// mechListMIC alone.
pub struct SessionSecurity {
    signing: Zeroizing<[u8; 16]>,
    sealing: Zeroizing<[u8; 16]>,
    encrypts: bool,
}

impl SessionSecurity {
    /// The keys of one direction. `None` without extended session security, whose predecessor had
    /// no integrity worth the name.
    pub fn new(direction: Direction, flags: Flags, session_key: &[u8; 16]) -> Option<Self> {
        if !flags.contains(Flags::EXTENDED_SESSIONSECURITY) {
            return None;
        }
        let (sign, seal): (&[u8], &[u8]) = match direction {
            Direction::ClientToServer => (
                b"session key to client-to-server signing key magic constant\0",
                b"session key to client-to-server sealing key magic constant\0",
            ),
            Direction::ServerToClient => (
                b"session key to server-to-client signing key magic constant\0",
                b"session key to server-to-client sealing key magic constant\0",
            ),
        };
        let strength = if flags.contains(Flags::KEY_128) {
            16
        } else if flags.contains(Flags::KEY_56) {
            7
        } else {
            5
        };
        let weakened = session_key.get(..strength).unwrap_or_default();
        Some(Self {
            signing: label_key(session_key, sign),
            sealing: label_key(weakened, seal),
            encrypts: flags.contains(Flags::KEY_EXCH),
        })
    }

    /// The signature of the first message in this direction (MS-NLMP 3.4.4.2), sequence number 0.
    pub fn first_mac(&self, message: &[u8]) -> [u8; 16] {
        let digest = hmac_md5(&self.signing, &[&[0; 4], message]);
        let [a, b, c, d, e, f, g, h, ..] = *digest;
        let mut checksum = [a, b, c, d, e, f, g, h];
        if self.encrypts {
            rc4(&self.sealing, &mut checksum);
        }
        let [a, b, c, d, e, f, g, h] = checksum;
        [1, 0, 0, 0, a, b, c, d, e, f, g, h, 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{hex, hex_array};

    #[test]
    fn hashes_of_passwords() {
        for (password, hash) in [
            ("Password", "a4f49c406510bdcab6824ee7c30fd852"),
            ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            ("password", "8846f7eaee8fb117ad06bdd830b7586c"),
        ] {
            assert_eq!(nt_hash(password)[..], hex(hash), "{password}");
        }
    }

    /// MS-NLMP 4.2.4.1.1.
    #[test]
    fn nt_owf_v2_folds_the_user_only() {
        let owf = |user, domain| nt_owf_v2(&nt_hash("Password"), &utf16le(user), &utf16le(domain));
        let expected = hex("0c868a403bfd7a93a3001ef22ef02e3f");
        assert_eq!(owf("User", "Domain")[..], expected);
        assert_eq!(owf("uSER", "Domain")[..], expected);
        assert_ne!(owf("User", "DOMAIN")[..], expected);
    }

    #[test]
    fn names_are_folded_as_windows_folds_them() {
        for (name, upper) in [
            ("jörg.ÿ", "JÖRG.Ÿ"),
            ("straße", "STRAßE"),
            ("ıſµ", "ıſµ"),
            ("юзер", "ЮЗЕР"),
            ("😀a", "😀A"),
        ] {
            assert_eq!(upper_case(&utf16le(name)), utf16le(upper), "{name}");
        }
        assert_eq!(upper_case(&[0x00, 0xd8, b'a']), [0x00, 0xd8, b'a']);
        assert_eq!(upper_case(&[]), []);
    }

    /// RFC 6229's key of 128 bits.
    #[test]
    fn rc4_is_rfc_6229() {
        let mut stream = [0; 16];
        rc4(&hex_array("0102030405060708090a0b0c0d0e0f10"), &mut stream);
        assert_eq!(stream[..], hex("9ac7cc9a609d1ef7b2932899cde41b97"));
    }

    /// MS-NLMP 4.2.4.4: there the signature follows a sealed message, so the key stream is 18 bytes
    /// further on.
    #[test]
    fn keys_of_session_security() {
        let flags = Flags::from_bits_retain(0xe28a_8233);
        let direction = Direction::ClientToServer;
        let keys = SessionSecurity::new(direction, flags, &[0x55; 16]).unwrap();
        assert_eq!(keys.signing[..], hex("4788dc861b4782f35d43fd98fe1a2d39"));
        assert_eq!(keys.sealing[..], hex("59f600973cc4960a25480a7c196e4c58"));
        let message = utf16le("Plaintext");
        let digest = hmac_md5(&keys.signing, &[&[0; 4], &message]);
        let mut stream = [&message[..], &digest[..8]].concat();
        rc4(&keys.sealing, &mut stream);
        assert_eq!(stream, hex("54e50165bf1936dc996020c1811b0f06fb5f 7fb38ec5c55d4976"));
        let flags = flags.difference(Flags::KEY_EXCH);
        let plain = SessionSecurity::new(direction, flags, &[0x55; 16]).unwrap();
        assert_eq!(plain.first_mac(&message)[4..12], digest[..8]);
        let flags = flags.difference(Flags::EXTENDED_SESSIONSECURITY);
        assert!(SessionSecurity::new(direction, flags, &[0x55; 16]).is_none());
    }
}
