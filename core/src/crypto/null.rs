//! What stands for hashes with `null-crypto`: a sum that tells inputs apart, and that a fuzzer's time is
//! not spent on. It protects nothing.

/// A short sum over `parts`; cut elsewhere, the same bytes have another.
pub(crate) fn sum(parts: &[&[u8]]) -> [u8; 16] {
    let mix =
        |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut sum = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        let (words, rest) = part.as_chunks();
        sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    }
    (u128::from(sum) << 64 | u128::from(sum.rotate_left(32))).to_le_bytes()
}
