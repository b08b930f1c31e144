//! Where choices come from.

use ksmbd_core::rng::Rng;

/// A source of choices. It never ends: a source that has nothing more to say says 0.
pub trait Choices {
    /// Any number.
    fn number(&mut self) -> u64;

    /// A number below `bound`; 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// Once in `n` times.
    fn chance(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }
}

/// Choices from a seed.
pub struct Seed(Rng);

impl Seed {
    /// The same seed makes the same choices.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Rng::new(bytes))
    }
}

impl Choices for Seed {
    fn number(&mut self) -> u64 {
        self.0.u64()
    }
}

/// Choices from bytes, two at a time.
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Choices as these bytes say.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Choices for Bytes<'_> {
    fn number(&mut self) -> u64 {
        let (now, rest) = self.0.split_at(self.0.len().min(2));
        self.0 = rest;
        now.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
