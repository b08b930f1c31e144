//! GCM (NIST SP 800-38D) from AES, counter mode and GHASH, with messages of megabytes in mind: one pass
//! over them, in pieces that stay in the processor's nearest cache, and the memory of each piece asked
//! for before it is used.

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, KeySizeUser};
use aes::cipher::{StreamCipher, consts::U16};
use core::{hint::black_box, iter};
use ctr::{Ctr32BE, CtrCore};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that are decrypted and hashed at a time: half of a first-level data cache.
const PIECE: usize = 16 * 1024;

/// Bytes that memory hands over at once.
const LINE: usize = 64;

const BLOCK: usize = 16;

/// A key of GCM, or of GMAC: the expanded key and the hash's.
pub(super) struct Gcm<C> {
    cipher: C,
    hash: GHash,
}

impl<C> Gcm<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    pub(super) fn new(key: &Array<u8, <C as KeySizeUser>::KeySize>) -> Self {
        let cipher = C::new(key);
        let mut subkey = Zeroizing::new([0; BLOCK]);
        cipher.encrypt_block((&mut *subkey).into());
        let hash = GHash::new((&*subkey).into());
        Self { cipher, hash }
    }

    /// Encrypts `body` and returns the tag of both.
    pub(super) fn encrypt(&self, nonce: &[u8; 12], associated: &[u8], body: &mut [u8]) -> [u8; 16] {
        let (mut stream, mask) = self.stream(nonce);
        let mut hash = self.hash.clone();
        hash.update_padded(associated);
        for piece in body.chunks_mut(PIECE) {
            fetch(piece);
            stream.apply_keystream(piece);
            hash.update_padded(piece);
        }
        finish(hash, associated.len(), body.len(), mask)
    }

    /// Decrypts `body`. `false`: the tag is wrong, and what `body` holds now is of no use.
    pub(super) fn decrypt(
        &self,
        nonce: &[u8; 12],
        associated: &[u8],
        body: &mut [u8],
        tag: &[u8; 16],
    ) -> bool {
        let (mut stream, mask) = self.stream(nonce);
        let mut hash = self.hash.clone();
        hash.update_padded(associated);
        for piece in body.chunks_mut(PIECE) {
            fetch(piece);
            hash.update_padded(piece);
            stream.apply_keystream(piece);
        }
        finish(hash, associated.len(), body.len(), mask).ct_eq(tag).into()
    }

    /// GMAC: the tag of a message in several parts, nothing of which is encrypted.
    pub(super) fn tag(&self, nonce: &[u8; 12], first: &[u8], rest: &[&[u8]]) -> [u8; 16] {
        let mut hash = self.hash.clone();
        let mut pending = [0; BLOCK];
        let (mut held, mut length) = (0, 0);
        for mut part in iter::once(first).chain(rest.iter().copied()) {
            length += part.len();
            if held > 0 {
                let taken = part.len().min(BLOCK - held);
                pending[held..held + taken].copy_from_slice(&part[..taken]);
                held += taken;
                part = &part[taken..];
                if held < BLOCK {
                    continue;
                }
                hash.update_padded(&pending);
            }
            let (whole, rest) = part.split_at(part.len() - part.len() % BLOCK);
            for piece in whole.chunks(PIECE) {
                fetch(piece);
                hash.update_padded(piece);
            }
            held = rest.len();
            pending[..held].copy_from_slice(rest);
        }
        hash.update_padded(&pending[..held]);
        finish(hash, length, 0, self.stream(nonce).1)
    }

    /// The key stream for the body, and what the tag is masked with: its first block.
    fn stream(&self, nonce: &[u8; 12]) -> (Ctr32BE<&C>, [u8; BLOCK]) {
        let mut start = [0; BLOCK];
        start[..12].copy_from_slice(nonce);
        start[15] = 1;
        let mut stream = Ctr32BE::from_core(CtrCore::inner_iv_init(&self.cipher, &start.into()));
        let mut mask = [0; BLOCK];
        stream.apply_keystream(&mut mask);
        (stream, mask)
    }
}

/// The lengths in bits end the hash.
fn finish(mut hash: GHash, associated: usize, body: usize, mask: [u8; BLOCK]) -> [u8; 16] {
    let mut lengths = [0; BLOCK];
    lengths[..8].copy_from_slice(&(associated as u64 * 8).to_be_bytes());
    lengths[8..].copy_from_slice(&(body as u64 * 8).to_be_bytes());
    hash.update_padded(&lengths);
    let digest = hash.finalize();
    core::array::from_fn(|i| mask[i] ^ digest[i])
}

/// Brings `piece` into the cache. GHASH works on one block after the other, so each wait for memory
/// would be a wait of its own; nothing here depends on anything, and the waits overlap.
fn fetch(piece: &[u8]) {
    let touched = piece.iter().step_by(LINE).fold(0, |all, byte| all ^ byte);
    black_box(touched);
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes256;
    use aes_gcm::{AeadInOut, Aes256Gcm};
    use alloc::vec::Vec;

    /// Lengths around a block, a piece and several of them, beside an implementation of another make.
    #[test]
    fn pieces_make_no_difference() {
        let (key, nonce, associated) = ([3; 32], [7; 12], [9; 32]);
        let ours = Gcm::<Aes256>::new(&key.into());
        let theirs = <Aes256Gcm as KeyInit>::new(&key.into());
        for length in [0, 1, 15, 16, 17, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 40] {
            let plain: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (mut a, mut b) = (plain.clone(), plain.clone());
            let tag = ours.encrypt(&nonce, &associated, &mut a);
            let body = b.as_mut_slice().into();
            let expected = theirs.encrypt_inout_detached(&nonce.into(), &associated, body);
            assert_eq!(expected.map(<[u8; 16]>::from), Ok(tag), "{length}");
            assert_eq!(a, b, "{length}");
            assert!(ours.decrypt(&nonce, &associated, &mut a, &tag), "{length}");
            assert_eq!(a, plain, "{length}");
            let nothing = (&mut [][..]).into();
            let expected = theirs.encrypt_inout_detached(&nonce.into(), &plain, nothing);
            let (head, tail) = plain.split_at(length / 3);
            let tag = ours.tag(&nonce, head, &[tail]);
            assert_eq!(expected.map(<[u8; 16]>::from), Ok(tag), "{length}");
        }
    }
}
