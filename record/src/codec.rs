//! Values as bytes: numbers in seven bits a byte, lengths before what they count, fields in the order
//! of their declaration. Whoever adds a field or a variant is told by the compiler to add it here.

use ksmbd_core::wire::codec::{Malformed, Parse, Reader};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// What can be written down.
pub trait Value: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it.
    ///
    /// # Errors
    ///
    /// The bytes are none of its kind.
    fn get(from: &mut Reader<'_>) -> Parse<Self>;

    /// Appends several.
    fn put_all(items: &[Self], out: &mut Vec<u8>) {
        items.iter().for_each(|item| item.put(out));
    }

    /// Reads `count` of them.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    fn get_all(count: usize, from: &mut Reader<'_>) -> Parse<Vec<Self>> {
        // Each takes a byte at least: nobody is to make room for what cannot be there.
        if count > from.remaining() {
            return Err(Malformed("a list that is longer than the recording"));
        }
        (0..count).map(|_| Self::get(from)).collect()
    }
}

/// Reads all of `bytes` as one value.
///
/// # Errors
///
/// They are none, or more than one.
pub fn whole<T: Value>(bytes: &[u8]) -> Parse<T> {
    let mut reader = Reader::new(bytes);
    let value = T::get(&mut reader)?;
    if reader.remaining() > 0 { Err(Malformed("bytes behind a value")) } else { Ok(value) }
}

impl Value for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut left = *self;
        while left > 0x7f {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let mut value = 0;
        for shift in (0..Self::BITS).step_by(7) {
            let byte = from.u8()?;
            let bits = Self::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number of more than 64 bits"))
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Value for $number {
            fn put(&self, out: &mut Vec<u8>) {
                u64::try_from(*self).unwrap_or(u64::MAX).put(out);
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                Self::try_from(u64::get(from)?).map_err(|_| Malformed("a number that is too large"))
            }
        }
    )*};
}

numbers! { u16 u32 usize }

impl Value for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        from.u8()
    }
    fn put_all(items: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(items);
    }
    fn get_all(count: usize, from: &mut Reader<'_>) -> Parse<Vec<Self>> {
        from.bytes(count).map(<[Self]>::to_vec)
    }
}

impl Value for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        match from.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither yes nor no")),
        }
    }
}

impl Value for String {
    fn put(&self, out: &mut Vec<u8>) {
        bytes(self.as_bytes(), out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Self::from_utf8(Vec::get(from)?).map_err(|_| Malformed("a text that is not UTF-8"))
    }
}

/// Appends bytes as a [`Vec`] of them is.
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.len().put(out);
    out.extend_from_slice(bytes);
}

impl<T: Value> Value for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        T::put_all(self, out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let count = usize::get(from)?;
        T::get_all(count, from)
    }
}

impl<T: Value> Value for VecDeque<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|item| item.put(out));
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Vec::get(from).map(Into::into)
    }
}

impl<const N: usize> Value for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        from.array()
    }
}

impl<T: Value> Value for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        bool::get(from)?.then(|| T::get(from)).transpose()
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_ok().put(out);
        match self {
            Ok(value) => value.put(out),
            Err(error) => error.put(out),
        }
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        if bool::get(from)? { T::get(from).map(Ok) } else { E::get(from).map(Err) }
    }
}

impl<A: Value, B: Value> Value for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

macro_rules! pointers {
    ($($pointer:ident)*) => {$(
        impl<T: Value> Value for $pointer<T> {
            fn put(&self, out: &mut Vec<u8>) {
                T::put(self, out);
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                T::get(from).map(Self::new)
            }
        }
    )*};
}

pointers! { Arc Box }

impl Value for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_secs().put(out);
        self.subsec_nanos().put(out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let (seconds, nanoseconds) = (u64::get(from)?, u32::get(from)?);
        if nanoseconds >= 1_000_000_000 {
            return Err(Malformed("a second has 10^9 nanoseconds"));
        }
        Ok(Self::new(seconds, nanoseconds))
    }
}

/// A struct: its fields, all of them.
macro_rules! fields {
    ($($kind:ident { $($field:ident),* $(,)? })*) => {$(
        impl Value for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                $(let $field = Value::get(from)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

/// An enum without fields: its variants, all of them, and their numbers.
macro_rules! variants {
    ($($kind:ident { $($number:literal $variant:ident),* $(,)? })*) => {$(
        impl Value for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self {
                    $(Self::$variant => $number),*
                });
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                Ok(match from.u8()? {
                    $($number => Self::$variant,)*
                    _ => return Err(Malformed(concat!("no ", stringify!($kind)))),
                })
            }
        }
    )*};
}

/// Numbers with a name of their own.
macro_rules! wrapped {
    ($($kind:ident)*) => {$(
        impl Value for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                Value::get(from).map(Self)
            }
        }
    )*};
}

/// Sets of bits; unknown ones survive.
macro_rules! flags {
    ($($kind:ident)*) => {$(
        impl Value for $kind {
            fn put(&self, out: &mut Vec<u8>) {
                self.bits().put(out);
            }
            fn get(from: &mut Reader<'_>) -> Parse<Self> {
                Value::get(from).map(Self::from_bits_retain)
            }
        }
    )*};
}

pub(crate) use {fields, flags, variants, wrapped};
