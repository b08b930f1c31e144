//! Encryption (MS-SMB2 3.1.4.3, 3.3.5.2.1.1): the body of a message behind a TRANSFORM_HEADER,
//! in place.

use super::gcm::Gcm;
use aes::{Aes128, Aes256};
use alloc::boxed::Box;
use ccm::aead::AeadInOut;
use ccm::consts::{U11, U16};
use ccm::{Ccm, KeyInit};
use core::fmt;

/// The ciphers of SMB2_ENCRYPTION_CAPABILITIES (MS-SMB2 2.2.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cipher {
    /// The only one of dialects 3.0 and 3.0.2.
    Aes128Ccm,
    /// From dialect 3.1.1 on.
    Aes128Gcm,
    /// From dialect 3.1.1 on.
    Aes256Ccm,
    /// From dialect 3.1.1 on.
    Aes256Gcm,
}

impl Cipher {
    /// By its number in SMB2_ENCRYPTION_CAPABILITIES.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::Aes128Ccm),
            2 => Some(Self::Aes128Gcm),
            3 => Some(Self::Aes256Ccm),
            4 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }

    /// Its number in SMB2_ENCRYPTION_CAPABILITIES.
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128Ccm => 1,
            Self::Aes128Gcm => 2,
            Self::Aes256Ccm => 3,
            Self::Aes256Gcm => 4,
        }
    }

    /// How many bytes its key has.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Ccm | Self::Aes128Gcm => 16,
            Self::Aes256Ccm | Self::Aes256Gcm => 32,
        }
    }

    /// How many bytes of the 16-byte nonce field it uses (MS-SMB2 2.2.41).
    pub const fn nonce_length(self) -> usize {
        match self {
            Self::Aes128Ccm | Self::Aes256Ccm => 11,
            Self::Aes128Gcm | Self::Aes256Gcm => 12,
        }
    }

    /// What `dialect` can really encrypt with: 3.0 and 3.0.2 have no choice, 2.x nothing.
    pub const fn for_dialect(self, dialect: u16) -> Option<Self> {
        match dialect {
            0..super::DIALECT_300 => None,
            super::DIALECT_300..super::DIALECT_311 => Some(Self::Aes128Ccm),
            _ => Some(self),
        }
    }
}

/// The message is not what the other side sealed, or too long to be sealed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealError;

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message does not decrypt")
    }
}

/// The size of a TRANSFORM_HEADER (MS-SMB2 2.2.41).
pub const TRANSFORM_HEADER: usize = 52;

type Ccm128 = Ccm<Aes128, U16, U11>;
type Ccm256 = Ccm<Aes256, U16, U11>;

/// A key ready to seal or open; holds the expanded key schedule.
pub struct SealKey(Inner);

enum Inner {
    Ccm128(Box<Ccm128>),
    Gcm128(Box<Gcm<Aes128>>),
    Ccm256(Box<Ccm256>),
    Gcm256(Box<Gcm<Aes256>>),
}

impl SealKey {
    /// A key for `cipher`; 128-bit ciphers use the first half of `key` only.
    pub fn new(cipher: Cipher, key: &[u8; 32]) -> Self {
        let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = key;
        Self(match cipher {
            Cipher::Aes128Ccm => Inner::Ccm128(Box::new(Ccm128::new(half.into()))),
            Cipher::Aes128Gcm => Inner::Gcm128(Box::new(Gcm::new(half.into()))),
            Cipher::Aes256Ccm => Inner::Ccm256(Box::new(Ccm256::new(key.into()))),
            Cipher::Aes256Gcm => Inner::Gcm256(Box::new(Gcm::new(key.into()))),
        })
    }

    /// The cipher this key is for.
    pub fn cipher(&self) -> Cipher {
        match self.0 {
            Inner::Ccm128(_) => Cipher::Aes128Ccm,
            Inner::Gcm128(_) => Cipher::Aes128Gcm,
            Inner::Ccm256(_) => Cipher::Aes256Ccm,
            Inner::Gcm256(_) => Cipher::Aes256Gcm,
        }
    }

    /// Encrypts `body` and returns its tag. `nonce` is the header's whole nonce field, `associated`
    /// the header from there to its end.
    pub fn encrypt_in_place(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; 16], SealError> {
        if cfg!(feature = "null-crypto") {
            return Ok([0; 16]);
        }
        match &self.0 {
            Inner::Ccm128(aead) => encrypt(&**aead, nonce, associated, body),
            Inner::Gcm128(gcm) => Ok(gcm.encrypt(&gcm_nonce(nonce), associated, body)),
            Inner::Ccm256(aead) => encrypt(&**aead, nonce, associated, body),
            Inner::Gcm256(gcm) => Ok(gcm.encrypt(&gcm_nonce(nonce), associated, body)),
        }
    }

    /// Decrypts `body` if `tag` is right. If it is not, what `body` holds is of no use.
    pub fn decrypt_in_place(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        body: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), SealError> {
        if cfg!(feature = "null-crypto") {
            return Ok(());
        }
        let genuine = match &self.0 {
            Inner::Ccm128(aead) => return decrypt(&**aead, nonce, associated, body, tag),
            Inner::Ccm256(aead) => return decrypt(&**aead, nonce, associated, body, tag),
            Inner::Gcm128(gcm) => gcm.decrypt(&gcm_nonce(nonce), associated, body, tag),
            Inner::Gcm256(gcm) => gcm.decrypt(&gcm_nonce(nonce), associated, body, tag),
        };
        if genuine { Ok(()) } else { Err(SealError) }
    }

    /// Seals a message: `header` is complete but for its signature (MS-SMB2 3.1.4.3).
    pub fn seal(
        &self,
        header: &mut [u8; TRANSFORM_HEADER],
        body: &mut [u8],
    ) -> Result<(), SealError> {
        let (_, nonce, associated) = fields(header);
        let tag = self.encrypt_in_place(&nonce, associated, body)?;
        header[4..20].copy_from_slice(&tag);
        Ok(())
    }

    /// Opens a message sealed by the peer (MS-SMB2 3.3.5.2.1.1).
    pub fn open(&self, header: &[u8; TRANSFORM_HEADER], body: &mut [u8]) -> Result<(), SealError> {
        let (tag, nonce, associated) = fields(header);
        self.decrypt_in_place(&nonce, associated, body, &tag)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({:?})", self.cipher())
    }
}

/// The header's signature, its nonce, and what the signature covers besides the body.
fn fields(header: &[u8; TRANSFORM_HEADER]) -> ([u8; 16], [u8; 16], &[u8]) {
    let part = |start: usize| core::array::from_fn(|i| header[start + i]);
    (part(4), part(20), &header[20..])
}

fn gcm_nonce(field: &[u8; 16]) -> [u8; 12] {
    core::array::from_fn(|i| field[i])
}

fn ccm_nonce(field: &[u8; 16]) -> [u8; 11] {
    core::array::from_fn(|i| field[i])
}

fn encrypt<A: AeadInOut<TagSize = U16, NonceSize = U11>>(
    aead: &A,
    nonce: &[u8; 16],
    associated: &[u8],
    body: &mut [u8],
) -> Result<[u8; 16], SealError> {
    aead.encrypt_inout_detached(&ccm_nonce(nonce).into(), associated, body.into())
        .map(Into::into)
        .map_err(|_| SealError)
}

fn decrypt<A: AeadInOut<TagSize = U16, NonceSize = U11>>(
    aead: &A,
    nonce: &[u8; 16],
    associated: &[u8],
    body: &mut [u8],
    tag: &[u8; 16],
) -> Result<(), SealError> {
    aead.decrypt_inout_detached(&ccm_nonce(nonce).into(), associated, body.into(), tag.into())
        .map_err(|_| SealError)
}
