//! What every message's test asserts: a round trip, and that no damage makes `parse` panic.

use super::codec::{Parse, Writer};
use super::header::{Command, Header};
use alloc::vec::Vec;
use core::fmt::Debug;

/// An element of a header and the body that `encode` writes.
pub(super) fn element(encode: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    Header::new(Command::NEGOTIATE).encode(&mut writer);
    encode(&mut writer);
    bytes
}

/// Encodes `value`, parses it back, then parses every prefix and every element with one byte
/// changed. Returns the element.
pub(super) fn round_trip<T: PartialEq + Debug>(
    value: &T,
    encode: impl Fn(&T, &mut Writer<'_>),
    parse: impl Fn(&[u8]) -> Parse<T>,
) -> Vec<u8> {
    let bytes = element(|writer| encode(value, writer));
    assert_eq!(parse(&bytes).as_ref(), Ok(value));
    damage(&bytes, parse);
    bytes
}

/// Parses every prefix of `bytes`, and `bytes` with each byte changed in turn.
pub(super) fn damage<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Parse<T>) {
    for length in 0..bytes.len() {
        let _ = parse(&bytes[..length]);
    }
    let mut changed = bytes.to_vec();
    for index in 0..changed.len() {
        let original = changed[index];
        for value in [0, 1, 0x7f, 0x80, 0xff, original ^ 1, original ^ 8] {
            changed[index] = value;
            let _ = parse(&changed);
        }
        changed[index] = original;
    }
}
