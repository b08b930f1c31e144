//! Keys, signatures and encryption (MS-SMB2 3.1.4, 3.1.5). RustCrypto is named in these files only;
//! everybody else holds [`SessionKeys`], [`SigningKey`] and [`SealKey`].

mod gcm;
pub mod kdf;
#[cfg(feature = "null-crypto")]
pub(crate) mod null;
pub mod preauth;
pub mod seal;
pub mod sign;

pub use preauth::PreauthHash;
pub use seal::{Cipher, SealError, SealKey};
pub use sign::{SigningAlgorithm, SigningKey};

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering;
use kdf::Purpose;
use zeroize::Zeroizing;

/// The first dialect whose keys are derived.
const DIALECT_300: u16 = 0x0300;
/// The first dialect that negotiates its algorithms and hashes what precedes authentication.
const DIALECT_311: u16 = 0x0311;

#[cfg(not(target_has_atomic = "64"))]
use core::sync::atomic::AtomicU32 as Counter;
/// Some small processors have no 64-bit atomics: there a session ends after 2^32 messages.
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64 as Counter;

/// What protects a session's messages on one of its channels: a signing key of that channel alone,
/// and the keys that all its channels' threads use at once. Wiped when the last of them lets go.
pub struct SessionKeys {
    signing: SigningKey,
    /// The first 24 bits of each nonce.
    channel: u32,
    /// The rest of it: each channel counts for itself.
    nonces: Counter,
    shared: Arc<Shared>,
    /// Of another channel than the first: the first's.
    first: Option<Arc<Self>>,
}

/// What is the session's, whatever channel it is used on.
struct Shared {
    application: Zeroizing<[u8; 16]>,
    seal: Option<SealKeys>,
}

struct SealKeys {
    client_to_server: SealKey,
    server_to_client: SealKey,
}

impl SessionKeys {
    /// The keys of a session that was just authenticated (MS-SMB2 3.3.5.5.3). `session_key` is the
    /// first 16 bytes of what authentication yielded, `full_session_key` all of it: 256-bit ciphers
    /// derive from that one. With NTLM both are the same. What the dialect has no choice about
    /// (algorithms before 3.1.1) overrides `signing` and `cipher`.
    pub fn derive(
        dialect: u16,
        session_key: &[u8; 16],
        full_session_key: &[u8],
        signing: SigningAlgorithm,
        cipher: Option<Cipher>,
        preauth: &PreauthHash,
    ) -> Self {
        let mut application = Zeroizing::new(*session_key);
        if dialect >= DIALECT_300 {
            let purpose = Purpose::Application;
            kdf::derive_for(purpose, dialect, session_key, preauth, &mut *application);
        }
        let seal_key = |purpose, cipher: Cipher| {
            let length = cipher.key_length();
            let secret = if length > 16 { full_session_key } else { session_key };
            let mut key = Zeroizing::new([0; 32]);
            kdf::derive_for(purpose, dialect, secret, preauth, &mut key[..length]);
            SealKey::new(cipher, &key)
        };
        let cipher = cipher.and_then(|cipher| cipher.for_dialect(dialect));
        let seal = cipher.map(|cipher| SealKeys {
            client_to_server: seal_key(Purpose::ClientToServer, cipher),
            server_to_client: seal_key(Purpose::ServerToClient, cipher),
        });
        Self {
            signing: SigningKey::derive(dialect, session_key, signing, preauth),
            channel: 0,
            nonces: Counter::new(0),
            shared: Arc::new(Shared { application, seal }),
            first: None,
        }
    }

    /// The same session's keys on another channel (MS-SMB2 3.3.5.5.3). `channel` is never used again
    /// within the session: with it begins each nonce. Its low 24 bits count; 0 is the first channel's.
    pub fn on_channel(self: &Arc<Self>, signing: SigningKey, channel: u32) -> Self {
        let (shared, first) = (Arc::clone(&self.shared), Some(Arc::clone(self)));
        Self { signing, channel, nonces: Counter::new(0), shared, first }
    }

    /// Of another channel than the first: the first's, by which a client knows the session before it
    /// has a key of the channel.
    pub fn first(&self) -> Option<&Arc<Self>> {
        self.first.as_ref()
    }

    /// Signs in both directions over this channel.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key for the protocols above SMB (MS-SMB2 3.3.4.6).
    pub fn application(&self) -> &[u8; 16] {
        &self.shared.application
    }

    /// The cipher, if the session can encrypt at all.
    pub fn cipher(&self) -> Option<Cipher> {
        self.shared.seal.as_ref().map(|keys| keys.server_to_client.cipher())
    }

    /// Opens what the client sealed.
    pub fn client_to_server(&self) -> Option<&SealKey> {
        self.shared.seal.as_ref().map(|keys| &keys.client_to_server)
    }

    /// Seals what goes to the client.
    pub fn server_to_client(&self) -> Option<&SealKey> {
        self.shared.seal.as_ref().map(|keys| &keys.server_to_client)
    }

    /// A nonce that was never used with these keys, as it goes into the TRANSFORM_HEADER: the
    /// channel's number in 3 bytes, then its counter; 11 bytes in all, which fits every cipher. `None`
    /// before the counter wraps: the session has to end.
    pub fn next_nonce(&self) -> Option<[u8; 16]> {
        let order = Ordering::Relaxed;
        let count = self.nonces.fetch_update(order, order, |count| count.checked_add(1)).ok()?;
        let count = count.to_le_bytes();
        let mut nonce = [0; 16];
        nonce[..3].copy_from_slice(&self.channel.to_le_bytes()[..3]);
        nonce[3..3 + count.len()].copy_from_slice(&count);
        Some(nonce)
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signing, cipher) = (self.signing.algorithm(), self.cipher());
        write!(f, "SessionKeys({signing:?}, {cipher:?})")
    }
}

#[cfg(all(test, not(feature = "null-crypto")))]
mod tests;

/// Hexadecimal test vectors.
#[cfg(test)]
pub(crate) mod testing {
    use alloc::vec::Vec;

    /// The bytes that `digits` spell; anything but digits is passed over.
    pub(crate) fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            digits.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        assert_eq!(digits.len() % 2, 0);
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// [`hex`] for a known length.
    pub(crate) fn hex_array<const N: usize>(digits: &str) -> [u8; N] {
        hex(digits).try_into().unwrap()
    }
}
