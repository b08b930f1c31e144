//! The structures inside the answers about a file.

use super::chain::Chain;
use super::field::{fields, put_utf16, text, utf16_len32};
use super::{AccessMask, FileAttributes, FileMode};
use crate::time::FileTime;
use crate::wire::codec::{Parse, Reader};
use crate::wire::utf16::Utf16;
use alloc::string::String;
use alloc::vec::Vec;

fields! {
    /// Times and attributes (MS-FSCC 2.4.7).
    #[derive(Copy)]
    pub BasicInformation {
        /// When the file was made.
        creation_time: FileTime,
        /// When it was last read or written.
        last_access_time: FileTime,
        /// When its data last changed.
        last_write_time: FileTime,
        /// When anything about it last changed.
        change_time: FileTime,
        /// Its attributes.
        file_attributes: FileAttributes,
    }
    padding 4
}

fields! {
    /// Sizes and links (MS-FSCC 2.4.46).
    #[derive(Copy)]
    pub StandardInformation {
        /// Bytes reserved on the disk.
        allocation_size: u64,
        /// Bytes of data.
        end_of_file: u64,
        /// Hard links.
        number_of_links: u32,
        /// Removed with the last handle.
        delete_pending: bool,
        /// A directory.
        directory: bool,
    }
    padding 2
}

fields! {
    /// Nearly everything (MS-FSCC 2.4.2).
    pub AllInformation {
        /// Times and attributes.
        basic: BasicInformation,
        /// Sizes and links.
        standard: StandardInformation,
        /// The 64-bit file id.
        index_number: u64,
        /// Bytes of extended attributes.
        ea_size: u32,
        /// What the open may do.
        access_flags: AccessMask,
        /// The position of the open; means nothing to a server.
        current_byte_offset: u64,
        /// The mode of the open.
        mode: FileMode,
        /// What buffers must be aligned to, less one.
        alignment_requirement: u32,
        /// The path below the share, with a backslash in front.
        file_name: Utf16,
    }
    padding 0
}

fields! {
    /// What a redirector asks for when it opens a file (MS-FSCC 2.4.34).
    #[derive(Copy)]
    pub NetworkOpenInformation {
        /// When the file was made.
        creation_time: FileTime,
        /// When it was last read or written.
        last_access_time: FileTime,
        /// When its data last changed.
        last_write_time: FileTime,
        /// When anything about it last changed.
        change_time: FileTime,
        /// Bytes reserved on the disk.
        allocation_size: u64,
        /// Bytes of data.
        end_of_file: u64,
        /// Its attributes.
        file_attributes: FileAttributes,
    }
    padding 4
}

fields! {
    /// How a file is compressed (MS-FSCC 2.4.9).
    #[derive(Copy)]
    pub CompressionInformation {
        /// Bytes of the compressed data.
        compressed_file_size: u64,
        /// 0: not compressed, 2: LZNT1.
        compression_format: u16,
        /// The power of two of a compression unit.
        compression_unit_shift: u8,
        /// The power of two of a chunk.
        chunk_shift: u8,
        /// The power of two of a cluster.
        cluster_shift: u8,
    }
    padding 3
}

fields! {
    /// The server's end of a pipe (MS-FSCC 2.4.38).
    #[derive(Copy)]
    pub PipeLocalInformation {
        /// 0: bytes, 1: messages.
        named_pipe_type: u32,
        /// 0: to the server, 1: to the client, 2: both ways.
        named_pipe_configuration: u32,
        /// How many instances there can be.
        maximum_instances: u32,
        /// How many there are.
        current_instances: u32,
        /// Bytes of the inbound quota.
        inbound_quota: u32,
        /// Bytes that can be read.
        read_data_available: u32,
        /// Bytes of the outbound quota.
        outbound_quota: u32,
        /// Bytes that can be written.
        write_quota_available: u32,
        /// 1: disconnected, 2: listening, 3: connected, 4: closing.
        named_pipe_state: u32,
        /// 0: the client's end, 1: the server's.
        named_pipe_end: u32,
    }
    padding 0
}

/// One stream (MS-FSCC 2.4.48).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInformation {
    /// Bytes of data.
    pub stream_size: u64,
    /// Bytes reserved on the disk.
    pub stream_allocation_size: u64,
    /// In full: `:name:$DATA`, and `::$DATA` for the unnamed one.
    pub stream_name: String,
}

impl StreamInformation {
    fn push(&self, chain: &mut Chain) -> bool {
        chain.push(|writer| {
            writer.u32(utf16_len32(&self.stream_name));
            writer.u64(self.stream_size);
            writer.u64(self.stream_allocation_size);
            put_utf16(writer, &self.stream_name);
        })
    }

    pub(super) fn parse(entry: &[u8]) -> Parse<Self> {
        let mut reader = Reader::new(entry);
        reader.skip(4)?;
        let length = reader.u32()?;
        Ok(Self {
            stream_size: reader.u64()?,
            stream_allocation_size: reader.u64()?,
            stream_name: text(&mut reader, length)?,
        })
    }
}

/// As many streams as `max` bytes hold and how many these are.
pub(super) fn pack_streams(streams: &[StreamInformation], max: usize) -> (Vec<u8>, usize) {
    let mut chain = Chain::new(8, max);
    let count = streams.iter().take_while(|s| s.push(&mut chain)).count();
    (chain.into_bytes(), count)
}
