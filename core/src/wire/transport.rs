//! The prefix of each frame on TCP (MS-SMB2 2.1): a zero byte and a 24-bit big-endian length.

use super::codec::{Malformed, Parse};

/// Bytes of the prefix.
pub const PREFIX_LEN: usize = 4;
/// The longest frame that a prefix can announce.
pub const MAX_FRAME: usize = 0x00ff_ffff;

/// The frame's length, without the prefix.
pub fn parse_prefix(prefix: [u8; PREFIX_LEN]) -> Parse<usize> {
    let [0, high, middle, low] = prefix else {
        return Err(Malformed("not a direct TCP frame"));
    };
    let length = u32::from_be_bytes([0, high, middle, low]);
    usize::try_from(length).map_err(|_| Malformed("frame longer than memory"))
}

/// The prefix of a frame of `length` bytes; none when it is longer than [`MAX_FRAME`].
pub fn encode_prefix(length: usize) -> Option<[u8; PREFIX_LEN]> {
    let prefix = u32::try_from(length).ok()?.to_be_bytes();
    (length <= MAX_FRAME).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_at_the_ends() {
        for length in [0, 1, 64, 0x1_0000, MAX_FRAME] {
            assert_eq!(parse_prefix(encode_prefix(length).unwrap()), Ok(length));
        }
        assert_eq!(encode_prefix(MAX_FRAME + 1), None);
        assert_eq!(parse_prefix([0, 1, 2, 3]), Ok(0x01_0203));
        assert!(parse_prefix([0x81, 0, 0, 68]).is_err());
    }
}
