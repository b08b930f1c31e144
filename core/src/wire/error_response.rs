//! The ERROR response (MS-SMB2 2.2.2).
#![allow(missing_docs, reason = "field and value names are the specification's")]

use super::body::{body, inner, long, short, size};
use super::codec::{Malformed, Parse, Reader, Writer};
use super::utf16::Utf16;
use crate::wire_enum;
use alloc::vec::Vec;
use bitflags::bitflags;

wire_enum! {
    /// ErrorId (MS-SMB2 2.2.2.1).
    pub ErrorId(u32) {
        DEFAULT = 0x0000_0000,
        SHARE_REDIRECT = 0x7264_5253,
    }
}

/// SMB2 ERROR Context (MS-SMB2 2.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorContext {
    pub error_id: ErrorId,
    pub error_context_data: Vec<u8>,
}

/// SMB2 ERROR response (MS-SMB2 2.2.2); the default is the common one without data, which is an
/// interim response too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// Zero before dialect 3.1.1.
    pub error_context_count: u8,
    /// Error contexts if there is a count, else data by status (MS-SMB2 2.2.2.2).
    pub error_data: Vec<u8>,
}

impl ErrorResponse {
    /// An error with data (MS-SMB2 2.2.2.2): dialect 3.1.1 wraps it in a context.
    pub fn with_data(data: Vec<u8>, in_context: bool) -> Self {
        if !in_context {
            return Self { error_context_count: 0, error_data: data };
        }
        Self::with_contexts(&[ErrorContext {
            error_id: ErrorId::DEFAULT,
            error_context_data: data,
        }])
    }

    /// An error with contexts (MS-SMB2 2.2.2.1), each 8-byte aligned.
    pub fn with_contexts(contexts: &[ErrorContext]) -> Self {
        let mut error_data = Vec::new();
        let mut writer = Writer::new(&mut error_data);
        for context in contexts {
            writer.align(8);
            writer.u32(long(context.error_context_data.len()));
            writer.u32(context.error_id.0);
            writer.bytes(&context.error_context_data);
        }
        Self { error_context_count: u8::try_from(contexts.len()).unwrap_or(u8::MAX), error_data }
    }

    /// The contexts in the data; none when their count is zero.
    pub fn contexts(&self) -> Parse<Vec<ErrorContext>> {
        let mut reader = Reader::new(&self.error_data);
        let mut contexts = Vec::new();
        for _ in 0..self.error_context_count {
            let aligned = reader.position().next_multiple_of(8);
            reader.skip(aligned.saturating_sub(reader.position()))?;
            let length = size(reader.u32()?);
            contexts.push(ErrorContext {
                error_id: ErrorId(reader.u32()?),
                error_context_data: reader.bytes(length)?.to_vec(),
            });
        }
        Ok(contexts)
    }

    /// MS-SMB2 2.2.2. Without data, the byte that stands for it may be missing.
    pub fn parse(element: &[u8]) -> Parse<Self> {
        let mut reader = body(element, 9)?;
        let error_context_count = reader.u8()?;
        reader.skip(1)?;
        let byte_count = size(reader.u32()?);
        Ok(Self { error_context_count, error_data: reader.bytes(byte_count)?.to_vec() })
    }

    /// MS-SMB2 2.2.2. No data is one zero byte, which ByteCount does not count.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.u16(9);
        writer.u8(self.error_context_count);
        writer.u8(0);
        writer.u32(long(self.error_data.len()));
        super::body::variable(writer, &self.error_data);
    }
}

bitflags! {
    /// Flags (MS-SMB2 2.2.2.2.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SymlinkFlags: u32 {
        const RELATIVE = 0x0000_0001;
        const _ = !0;
    }
}

/// Symbolic Link Error Response (MS-SMB2 2.2.2.2.1), the data of STATUS_STOPPED_ON_SYMLINK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolicLinkError {
    /// Bytes at the end of the path that the server did not look at.
    pub unparsed_path_length: u16,
    pub flags: SymlinkFlags,
    pub substitute_name: Utf16,
    pub print_name: Utf16,
}

impl SymbolicLinkError {
    const SYM_LINK_ERROR_TAG: u32 = 0x4c4d_5953;
    const REPARSE_TAG: u32 = 0xa000_000c;
    /// From UnparsedPathLength's end to PathBuffer.
    const NAMES: usize = 12;

    /// MS-SMB2 2.2.2.2.1.
    pub fn parse(data: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(data);
        reader.skip(4)?;
        if reader.u32()? != Self::SYM_LINK_ERROR_TAG || reader.u32()? != Self::REPARSE_TAG {
            return Err(Malformed("tags of a symbolic link error"));
        }
        reader.skip(2)?;
        let unparsed_path_length = reader.u16()?;
        let substitute_offset = usize::from(reader.u16()?);
        let substitute_length = usize::from(reader.u16()?);
        let print_offset = usize::from(reader.u16()?);
        let print_length = usize::from(reader.u16()?);
        let flags = SymlinkFlags::from_bits_retain(reader.u32()?);
        let path_buffer = Reader::new(reader.rest());
        let name = |offset, length| Utf16::parse(inner(&path_buffer, offset, length)?);
        Ok(Self {
            unparsed_path_length,
            flags,
            substitute_name: name(substitute_offset, substitute_length)?,
            print_name: name(print_offset, print_length)?,
        })
    }

    /// MS-SMB2 2.2.2.2.1.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let substitute_length = self.substitute_name.byte_len();
        let print_length = self.print_name.byte_len();
        let names_length = substitute_length.saturating_add(print_length);
        let reparse_data_length = names_length.saturating_add(Self::NAMES);
        writer.u32(long(reparse_data_length.saturating_add(12)));
        writer.u32(Self::SYM_LINK_ERROR_TAG);
        writer.u32(Self::REPARSE_TAG);
        writer.u16(short(reparse_data_length));
        writer.u16(self.unparsed_path_length);
        writer.u16(0);
        writer.u16(short(substitute_length));
        writer.u16(short(substitute_length));
        writer.u16(short(print_length));
        writer.u32(self.flags.bits());
        self.substitute_name.encode(writer);
        self.print_name.encode(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{damage, round_trip};
    use alloc::vec;

    #[test]
    fn the_common_one_is_nine_bytes() {
        let error = ErrorResponse::default();
        let bytes = round_trip(&error, ErrorResponse::encode, ErrorResponse::parse);
        assert_eq!(bytes[64..], [9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ErrorResponse::parse(&bytes[..72]), Ok(error));
    }

    #[test]
    fn data_by_dialect() {
        let plain = ErrorResponse::with_data(vec![1, 0, 0, 0], false);
        round_trip(&plain, ErrorResponse::encode, ErrorResponse::parse);
        assert_eq!(plain.contexts(), Ok(vec![]));
        let wrapped = ErrorResponse::with_data(vec![1, 0, 0, 0], true);
        round_trip(&wrapped, ErrorResponse::encode, ErrorResponse::parse);
        assert_eq!(wrapped.error_data.len(), 12);
        assert_eq!(wrapped.contexts().unwrap()[0].error_id, ErrorId::DEFAULT);
    }

    #[test]
    fn several_contexts() {
        let contexts = [3, 5].map(|length| ErrorContext {
            error_id: ErrorId::SHARE_REDIRECT,
            error_context_data: vec![7; length],
        });
        let error = ErrorResponse::with_contexts(&contexts);
        assert_eq!(error.contexts(), Ok(contexts.to_vec()));
        damage(&error.error_data, |data| {
            ErrorResponse { error_context_count: 2, error_data: data.to_vec() }.contexts()
        });
    }

    #[test]
    fn symbolic_link() {
        let link = SymbolicLinkError {
            unparsed_path_length: 4,
            flags: SymlinkFlags::RELATIVE,
            substitute_name: r"..\target".into(),
            print_name: "target".into(),
        };
        let mut data = Vec::new();
        link.encode(&mut Writer::new(&mut data));
        assert_eq!(usize::from(data[0]) + 4, data.len());
        assert_eq!(SymbolicLinkError::parse(&data), Ok(link));
        damage(&data, SymbolicLinkError::parse);
    }
}
