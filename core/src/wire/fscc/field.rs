//! Fields: how each type of value stands on the wire, and structures as tables of fields.
//!
//! Names are UTF-16LE without a terminator, mostly with their length in bytes in front.

use super::{AccessMask, FileAttributes, FileMode};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use crate::wire::utf16::Utf16;
use alloc::string::String;
use alloc::vec::Vec;

/// A value inside a structure.
pub(super) trait Field: Sized {
    /// Appends the value.
    fn put(&self, writer: &mut Writer<'_>);

    /// Reads a value.
    fn take(reader: &mut Reader<'_>) -> Parse<Self>;
}

/// A structure as a table in wire order, with as many bytes of padding after it.
macro_rules! fields {
    ($(#[$meta:meta])* pub $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* } padding $padding:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $type,)*
        }

        impl super::field::Field for $name {
            fn put(&self, writer: &mut crate::wire::codec::Writer<'_>) {
                $(super::field::Field::put(&self.$field, writer);)*
                writer.zeros($padding);
            }

            fn take(
                reader: &mut crate::wire::codec::Reader<'_>,
            ) -> crate::wire::codec::Parse<Self> {
                let value = Self {
                    $($field: super::field::Field::take(reader)?,)*
                };
                reader.skip($padding)?;
                Ok(value)
            }
        }
    };
}
pub(super) use fields;

macro_rules! integers {
    ($($type:ident)*) => {
        $(impl Field for $type {
            fn put(&self, writer: &mut Writer<'_>) {
                writer.$type(*self);
            }

            fn take(reader: &mut Reader<'_>) -> Parse<Self> {
                reader.$type()
            }
        })*
    };
}
integers!(u8 u16 u32 u64);

/// The same for flags of 32 bits.
macro_rules! flags {
    ($($type:ident)*) => {
        $(impl super::field::Field for $type {
            fn put(&self, writer: &mut crate::wire::codec::Writer<'_>) {
                writer.u32(self.bits());
            }

            fn take(
                reader: &mut crate::wire::codec::Reader<'_>,
            ) -> crate::wire::codec::Parse<Self> {
                reader.u32().map(Self::from_bits_retain)
            }
        })*
    };
}
pub(super) use flags;
flags!(AccessMask FileAttributes FileMode);

impl Field for bool {
    fn put(&self, writer: &mut Writer<'_>) {
        writer.u8((*self).into());
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        Ok(reader.u8()? != 0)
    }
}

impl<const N: usize> Field for [u8; N] {
    fn put(&self, writer: &mut Writer<'_>) {
        writer.bytes(self);
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        reader.array()
    }
}

impl Field for FileTime {
    fn put(&self, writer: &mut Writer<'_>) {
        writer.u64(self.0);
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        reader.u64().map(Self)
    }
}

/// A length and the text after it.
impl Field for String {
    fn put(&self, writer: &mut Writer<'_>) {
        writer.u32(utf16_len32(self));
        put_utf16(writer, self);
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        let length = reader.u32()?;
        text(reader, length)
    }
}

/// The same for what need not be Unicode.
impl Field for Utf16 {
    fn put(&self, writer: &mut Writer<'_>) {
        put_units(writer, &self.0);
    }

    fn take(reader: &mut Reader<'_>) -> Parse<Self> {
        let length = reader.u32()?;
        units(reader, length).map(Self)
    }
}

/// A length as a 32-bit field has it.
pub(super) fn len32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How many bytes `text` takes.
pub(super) fn utf16_len32(text: &str) -> u32 {
    len32(text.encode_utf16().count().saturating_mul(2))
}

/// Appends `text`.
pub(super) fn put_utf16(writer: &mut Writer<'_>, text: &str) {
    for unit in text.encode_utf16() {
        writer.u16(unit);
    }
}

/// Appends the length of `units` and `units`.
pub(super) fn put_units(writer: &mut Writer<'_>, units: &[u16]) {
    writer.u32(len32(units.len().saturating_mul(2)));
    for unit in units {
        writer.u16(*unit);
    }
}

/// The code units in `length` bytes, which must be even.
pub(super) fn units(reader: &mut Reader<'_>, length: u32) -> Parse<Vec<u16>> {
    let length = usize::try_from(length).map_err(|_| Malformed("name too long"))?;
    if !length.is_multiple_of(2) {
        return Err(Malformed("odd number of bytes in a name"));
    }
    let mut name = Reader::new(reader.bytes(length)?);
    let mut units = Vec::with_capacity(length / 2);
    while name.remaining() > 0 {
        units.push(name.u16()?);
    }
    Ok(units)
}

/// The text in `length` bytes; lone surrogates become U+FFFD.
pub(super) fn text(reader: &mut Reader<'_>, length: u32) -> Parse<String> {
    Ok(String::from_utf16_lossy(&units(reader, length)?))
}
