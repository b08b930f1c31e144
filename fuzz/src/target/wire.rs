//! Every type of the wire: what is decoded is encoded to what decodes as the same.

use super::{choice, round};
use ksmbd_core::{
    status::NtStatus,
    wire::{
        codec::{Malformed, Parse, Reader, Writer},
        error_response::{ErrorResponse, SymbolicLinkError},
        fscc::{
            FileInfoClass, FsInfoClass, Information,
            directory::{DirectoryPacker, parse_entries},
            ea::{encode_get_ea, pack_full_ea, parse_full_ea, parse_get_ea},
            file::FileInformation,
            notify::{NotifyPacker, parse_changes},
            set_file::{SetFileInformation, SetInfoError},
            volume::FsInformation,
        },
        fsctl::{
            NetworkResiliencyRequest, SrvCopychunkCopy, SrvCopychunkResponse,
            SrvRequestResumeKeyResponse, ValidateNegotiateInfoRequest,
            ValidateNegotiateInfoResponse,
        },
        header::{Command, Header},
        message::{RequestBody, ResponseBody},
        network_interface::NetworkInterfaceInfo,
        read::ReadResponse,
        smb1::Smb1Negotiate,
        transform::TransformHeader,
        transport,
        write::WriteRequest,
    },
};

/// The first byte chooses the type; the second one is a command or a class where there are several.
pub(super) fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    let (which, bytes) = choice(rest);
    match kind % 16 {
        0 => request(Command(which.into()), bytes),
        1 => response(Command(which.into()), NtStatus::SUCCESS, bytes),
        2 => response(Command(which.into()), NtStatus::BUFFER_OVERFLOW, bytes),
        3 => response(Command(which.into()), NtStatus::MORE_PROCESSING_REQUIRED, bytes),
        4 => heads(bytes),
        5 => file(FileInfoClass(which), bytes),
        6 => volume(FsInfoClass(which), bytes),
        7 => set(FileInfoClass(which), bytes),
        8 => directory(FileInfoClass(which), bytes),
        9 => changes(bytes),
        10 => attributes(bytes),
        11 => errors(bytes),
        12 => interfaces(bytes),
        _ => controls(which, bytes),
    }
}

fn written(put: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut Writer::new(&mut bytes));
    bytes
}

/// A header before it, as all bodies are parsed with.
fn element(body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    written(|writer| {
        Header::new(Command::NEGOTIATE).encode(writer);
        body(writer);
    })
}

fn request(command: Command, body: &[u8]) {
    let parse = |element: &[u8]| RequestBody::parse(command, element);
    let element_of = |body: &[u8]| element(|writer| writer.bytes(body));
    let given = element_of(body);
    if let Ok(RequestBody::Write(request)) = parse(&given) {
        return write(&request, &given);
    }
    round(&given, parse, |value| {
        assert_eq!(value.command(), command);
        element(|writer| value.encode(writer))
    });
}

/// A WRITE's data is not part of the value, which says where it lies.
fn write(request: &WriteRequest, given: &[u8]) {
    let data = &given[request.data.clone()];
    let encoded = element(|writer| request.encode(writer, data));
    let again = WriteRequest::parse(&encoded).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(&encoded[again.data.clone()], data);
    assert_eq!(WriteRequest { data: request.data.clone(), ..again }, *request);
}

fn response(command: Command, status: NtStatus, body: &[u8]) {
    let parse = |element: &[u8]| ResponseBody::parse(command, status, element);
    let given = element(|writer| writer.bytes(body));
    if let Ok(ResponseBody::Read(read)) = parse(&given) {
        let data = &given[read.data.clone()];
        // The server always places data behind the fixed part.
        let placed = ReadResponse { data: ReadResponse::of_length(data.len()).data, ..read };
        let encoded = element(|writer| {
            placed.encode(writer);
            writer.bytes(data);
        });
        return assert_eq!(parse(&encoded), Ok(ResponseBody::Read(placed)));
    }
    round(&given, parse, |value| element(|writer| value.encode(writer)));
}

/// What stands before messages.
fn heads(bytes: &[u8]) {
    round(bytes, Header::parse, |header| written(|writer| header.encode(writer)));
    round(bytes, TransformHeader::parse, |header| written(|writer| header.encode(writer)));
    if let Ok(header) = Header::parse(bytes)
        && let Ok((one, rest)) = header.split(bytes)
    {
        assert_eq!(one.len() + rest.len(), bytes.len(), "a chain loses or gains bytes");
        assert!(!one.is_empty(), "a chain that has no end");
    }
    if let Ok(negotiate) = Smb1Negotiate::parse(bytes) {
        let length: usize = negotiate.dialects().map(|dialect| dialect.len() + 2).sum();
        assert!(length <= bytes.len());
    }
    if let Some(prefix) = bytes.first_chunk()
        && let Ok(length) = transport::parse_prefix(*prefix)
    {
        assert_eq!(transport::encode_prefix(length), Some(*prefix));
    }
}

fn file(class: FileInfoClass, bytes: &[u8]) {
    let parse = |bytes: &[u8]| FileInformation::parse(class, bytes);
    round(bytes, parse, |value| {
        assert_eq!(value.class(), class);
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    });
    if let Ok(value) = parse(bytes) {
        fits(&value, bytes.len());
    }
}

fn volume(class: FsInfoClass, bytes: &[u8]) {
    let parse = |bytes: &[u8]| FsInformation::parse(class, bytes);
    round(bytes, parse, |value| {
        assert_eq!(value.class(), class);
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    });
    if let Ok(value) = parse(bytes) {
        fits(&value, bytes.len());
    }
}

/// No answer is longer than the client has room for.
fn fits(value: &impl Information, at_most: usize) {
    use ksmbd_core::wire::fscc::Fit;
    for max in [0, at_most / 2, at_most] {
        if let Fit::Whole(bytes) | Fit::Truncated(bytes) = value.fit(max) {
            assert!(bytes.len() <= max, "{} bytes for {max}", bytes.len());
        }
    }
}

fn set(class: FileInfoClass, bytes: &[u8]) {
    let parse = |bytes: &[u8]| {
        SetFileInformation::parse(class, bytes).map_err(|why| match why {
            SetInfoError::Invalid(malformed) => malformed,
            _ => Malformed("not of this class"),
        })
    };
    round(bytes, parse, |value| {
        assert_eq!(value.class(), class);
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    });
}

fn directory(class: FileInfoClass, bytes: &[u8]) {
    round(
        bytes,
        |bytes| parse_entries(class, bytes),
        |entries| {
            let Some(mut packer) = DirectoryPacker::new(class, usize::MAX) else {
                return Vec::new();
            };
            assert!(entries.iter().all(|entry| packer.push(entry)));
            packer.finish()
        },
    );
}

fn changes(bytes: &[u8]) {
    round(bytes, parse_changes, |changes| {
        let mut packer = NotifyPacker::new(usize::MAX);
        assert!(changes.iter().all(|change| packer.push(change)));
        packer.finish()
    });
}

fn attributes(bytes: &[u8]) {
    round(bytes, parse_full_ea, |list| {
        let (packed, count) = pack_full_ea(list, usize::MAX);
        assert_eq!(count, list.len());
        packed
    });
    round(bytes, parse_get_ea, |names| {
        let mut out = Vec::new();
        encode_get_ea(names, &mut out);
        out
    });
}

fn errors(bytes: &[u8]) {
    let given = element(|writer| writer.bytes(bytes));
    round(&given, ErrorResponse::parse, |error| element(|writer| error.encode(writer)));
    if let Ok(error) = ErrorResponse::parse(&given)
        && let Ok(contexts) = error.contexts()
    {
        let again = ErrorResponse::with_contexts(&contexts);
        assert_eq!(again.contexts(), Ok(contexts));
    }
    round(bytes, SymbolicLinkError::parse, |link| written(|writer| link.encode(writer)));
}

fn interfaces(bytes: &[u8]) {
    round(bytes, NetworkInterfaceInfo::parse_list, |list| {
        written(|writer| NetworkInterfaceInfo::encode_list(list, writer))
    });
}

/// What FSCTLs take and give.
fn controls(which: u8, bytes: &[u8]) {
    fn check<T: PartialEq + std::fmt::Debug>(
        bytes: &[u8],
        parse: fn(&[u8]) -> Parse<T>,
        encode: fn(&T, &mut Writer<'_>),
    ) {
        round(bytes, parse, |value| written(|writer| encode(value, writer)));
    }
    match which % 7 {
        0 => {
            check(bytes, ValidateNegotiateInfoRequest::parse, ValidateNegotiateInfoRequest::encode);
        }
        1 => check(
            bytes,
            ValidateNegotiateInfoResponse::parse,
            ValidateNegotiateInfoResponse::encode,
        ),
        2 => check(bytes, SrvCopychunkCopy::parse, SrvCopychunkCopy::encode),
        3 => check(bytes, SrvCopychunkResponse::parse, SrvCopychunkResponse::encode),
        4 => check(bytes, SrvRequestResumeKeyResponse::parse, SrvRequestResumeKeyResponse::encode),
        5 => check(bytes, NetworkResiliencyRequest::parse, NetworkResiliencyRequest::encode),
        _ => {
            let mut reader = Reader::new(bytes);
            let _ = ksmbd_core::wire::header::FileId::parse(&mut reader);
            assert!(reader.position() <= bytes.len());
        }
    }
}
