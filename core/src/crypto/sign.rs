//! Signatures (MS-SMB2 3.1.4.1). The message is given as its header and the slices behind it, so
//! nothing is copied; the header's own signature field counts as zero.

use super::gcm::Gcm;
use super::kdf::{self, Purpose};
use super::preauth::PreauthHash;
use aes::Aes128;
use alloc::boxed::Box;
use cmac::{Cmac, Mac};
use core::fmt;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How messages are signed (MS-SMB2 2.2.3.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SigningAlgorithm {
    /// Dialects 2.0.2 and 2.1, and 3.1.1 where it was negotiated.
    HmacSha256,
    /// Dialects 3.0 and 3.0.2, and the default of 3.1.1.
    AesCmac,
    /// Dialect 3.1.1 where it was negotiated; by far the fastest.
    AesGmac,
}

impl SigningAlgorithm {
    /// By its number in SMB2_SIGNING_CAPABILITIES.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::HmacSha256),
            1 => Some(Self::AesCmac),
            2 => Some(Self::AesGmac),
            _ => None,
        }
    }

    /// Its number in SMB2_SIGNING_CAPABILITIES.
    pub const fn id(self) -> u16 {
        match self {
            Self::HmacSha256 => 0,
            Self::AesCmac => 1,
            Self::AesGmac => 2,
        }
    }

    /// What `dialect` really signs with: only 3.1.1 has a choice.
    pub const fn for_dialect(self, dialect: u16) -> Self {
        match dialect {
            0..super::DIALECT_300 => Self::HmacSha256,
            super::DIALECT_300..super::DIALECT_311 => Self::AesCmac,
            _ => self,
        }
    }
}

/// A signature as it stands in bytes 48 to 64 of the header.
pub type Signature = [u8; 16];

/// Where the signature stands in the header.
const FIELD: core::ops::Range<usize> = 48..64;
/// The size of the SMB2 header, which a signature always covers.
const HEADER: usize = 64;

/// A key ready to sign and to verify; the key schedule is kept, each message clones it.
pub struct SigningKey(Inner);

enum Inner {
    Hmac(Box<Hmac<Sha256>>),
    Cmac(Box<Cmac<Aes128>>),
    Gmac(Box<Gcm<Aes128>>),
}

impl SigningKey {
    /// A key that is used as it is. With dialects 2.0.2 and 2.1 that is the session key.
    pub fn new(algorithm: SigningAlgorithm, key: &[u8; 16]) -> Self {
        Self(match algorithm {
            SigningAlgorithm::HmacSha256 => {
                let mut block = Zeroizing::new([0; 64]);
                block[..16].copy_from_slice(key);
                Inner::Hmac(Box::new(Hmac::new((&*block).into())))
            }
            SigningAlgorithm::AesCmac => Inner::Cmac(Box::new(Cmac::new(key.into()))),
            SigningAlgorithm::AesGmac => Inner::Gmac(Box::new(Gcm::new(key.into()))),
        })
    }

    /// The key of a session or of a channel bound to it (MS-SMB2 3.3.5.5.3): `session_key` is what
    /// the authentication over that connection yielded, `preauth` that exchange's hash.
    pub fn derive(
        dialect: u16,
        session_key: &[u8; 16],
        algorithm: SigningAlgorithm,
        preauth: &PreauthHash,
    ) -> Self {
        let mut key = Zeroizing::new(*session_key);
        if dialect >= super::DIALECT_300 {
            kdf::derive_for(Purpose::Signing, dialect, session_key, preauth, &mut *key);
        }
        Self::new(algorithm.for_dialect(dialect), &key)
    }

    /// The algorithm this key signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        match self.0 {
            Inner::Hmac(_) => SigningAlgorithm::HmacSha256,
            Inner::Cmac(_) => SigningAlgorithm::AesCmac,
            Inner::Gmac(_) => SigningAlgorithm::AesGmac,
        }
    }

    /// The signature of one message (one element of a compound, with its padding): its header and
    /// what follows it. GMAC takes its nonce from the header, so flags, command and MessageId have
    /// to be final.
    pub fn sign(&self, header: &[u8; HEADER], rest: &[&[u8]]) -> Signature {
        if cfg!(feature = "null-crypto") {
            return [0; 16];
        }
        let mut zeroed = *header;
        zeroed[FIELD].fill(0);
        match &self.0 {
            Inner::Hmac(key) => {
                let mut mac = Hmac::clone(key);
                mac.update(&zeroed);
                rest.iter().for_each(|part| mac.update(part));
                let full: [u8; 32] = mac.finalize().into_bytes().into();
                let mut signature = [0; 16];
                signature.copy_from_slice(&full[..16]);
                signature
            }
            Inner::Cmac(key) => {
                let mut mac = Cmac::clone(key);
                mac.update(&zeroed);
                rest.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().into()
            }
            Inner::Gmac(key) => key.tag(&gmac_nonce(header), &zeroed, rest),
        }
    }

    /// Whether the signature in `header` is that of the message; takes the same time for all wrong
    /// ones.
    pub fn verify(&self, header: &[u8; HEADER], rest: &[&[u8]]) -> bool {
        cfg!(feature = "null-crypto") || bool::from(self.sign(header, rest).ct_eq(&header[FIELD]))
    }

    /// Writes the signature into a message that lies in one piece; false if it is shorter than a
    /// header.
    pub fn sign_message(&self, message: &mut [u8]) -> bool {
        let Some((header, rest)) = message.split_first_chunk_mut() else {
            return false;
        };
        let signature = self.sign(header, &[rest]);
        header[FIELD].copy_from_slice(&signature);
        true
    }

    /// [`SigningKey::verify`] for a message that lies in one piece.
    pub fn verify_message(&self, message: &[u8]) -> bool {
        message.split_first_chunk().is_some_and(|(header, rest)| self.verify(header, &[rest]))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm())
    }
}

/// MS-SMB2 3.1.4.1: the MessageId, then a bit for "from the server" and one for CANCEL.
fn gmac_nonce(header: &[u8; HEADER]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&header[24..32]);
    let from_server = header[16] & 1;
    let cancel = u8::from(header[12..14] == [0x0c, 0]);
    nonce[8] = from_server | cancel << 1;
    nonce
}
