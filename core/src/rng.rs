//! The one source of randomness. A seed in, a stream out: a recorded run replays.

use aes::Aes256;
use core::fmt;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, Zeroizing};

/// A cryptographic random generator: the key stream of AES-256 in counter mode.
pub struct Rng(Ctr128BE<Aes256>);

impl Rng {
    /// A generator whose stream depends on `seed` alone. In a server the seed comes from the
    /// operating system, in a test it is a constant.
    pub fn new(mut seed: [u8; 32]) -> Self {
        let generator = Self(Ctr128BE::<Aes256>::new(&seed.into(), &[0; 16].into()));
        seed.zeroize();
        generator
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
        self.0.apply_keystream(bytes);
    }

    /// `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Any 64-bit number.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Any 32-bit number.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A generator of its own, seeded from this one.
    pub fn fork(&mut self) -> Self {
        let seed = Zeroizing::new(self.array());
        Self::new(*seed)
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_reads_continue_the_stream() {
        let mut once = Rng::new([7; 32]);
        let mut parts = Rng::new([7; 32]);
        let whole: [u8; 21] = once.array();
        assert_eq!(whole[..5], parts.array::<5>());
        assert_eq!(whole[5..13], parts.u64().to_le_bytes());
        assert_eq!(whole[13..17], parts.u32().to_le_bytes());
        assert_eq!(whole[17..], parts.array::<4>());
        assert_ne!(whole, Rng::new([8; 32]).array());
        assert_ne!(once.fork().u64(), once.u64());
    }

    /// NIST's AES-256 known answer for the all-zero key and block.
    #[test]
    fn the_stream_is_aes_256_in_counter_mode() {
        let expected = [
            0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89, 0xad, 0x48, 0xa2, 0x14, 0x92, 0x84,
            0x20, 0x87,
        ];
        assert_eq!(Rng::new([0; 32]).array::<16>(), expected);
    }
}
