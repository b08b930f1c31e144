//! What stands for hashes with `null-crypto`: a sum that tells inputs apart, and that a fuzzer's time is
//! not spent on. It protects nothing.

/// A short sum over `parts`; cut elsewhere, the same bytes have another.
pub(crate) fn sum(parts: &[&[u8]]) -> [u8; 16] {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for piece in parts.iter().flat_map(|part| part.chunks(8)) {
        let mut word = [0; 8];
        word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    (u128::from(sum) << 64 | u128::from(sum.rotate_left(32))).to_le_bytes()
}
