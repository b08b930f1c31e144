//! Class A: offsets, lengths and structure sizes that lie (MS-SMB2 3.3.5.2, 3.3.5.3 to 3.3.5.21).

use crate::common::{cut, patched, set, unsigned};
use ksmbd_core::{
    auth::ntlm::client::{Credentials, NtlmClient, Wrapping},
    rng::Rng,
    wire::{
        codec::Writer,
        create_context::name,
        fsctl::FsctlCode,
        header::HEADER_LEN,
        query_info::InfoType,
        session_setup::{SessionSetupFlags, SessionSetupRequest},
        smb1,
    },
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

/// One variable part of a request: where its offset and its length stand.
struct Part {
    of: &'static str,
    request: fn(FileId, FileId) -> RequestBody,
    offset: (usize, usize),
    length: (usize, usize),
}

fn parts() -> Vec<Part> {
    let part = |of, request, offset, length| Part { of, request, offset, length };
    vec![
        part("TREE_CONNECT path", |_, _| body::tree_connect("share"), (68, 2), (70, 2)),
        part("CREATE name", |_, _| RequestBody::Create(body::create("new")), (108, 2), (110, 2)),
        part("WRITE data", |f, _| body::write(f, 0, 4), (66, 2), (68, 4)),
        part("QUERY_DIRECTORY pattern", |_, d| listing(d), (88, 2), (90, 2)),
        part("QUERY_INFO input", |f, _| ea_query(f), (72, 2), (76, 4)),
        part("SET_INFO buffer", |f, _| set(f, FileInfoClass::POSITION, &[0; 8]), (72, 2), (68, 4)),
        part("IOCTL input", |f, _| ioctl(f), (88, 4), (92, 4)),
    ]
}

fn listing(d: FileId) -> RequestBody {
    body::list(d, "*", FileInfoClass::ID_BOTH_DIRECTORY, Default::default(), 4096)
}

fn ea_query(f: FileId) -> RequestBody {
    let class = FileInfoClass::FULL_EA.0;
    let RequestBody::QueryInfo(mut query) = body::query(f, InfoType::FILE, class, 0, 64) else {
        unreachable!()
    };
    query.input = vec![0, 0, 0, 0, 1, b'a', 0, 0];
    RequestBody::QueryInfo(query)
}

fn ioctl(f: FileId) -> RequestBody {
    body::ioctl(f, FsctlCode::SRV_REQUEST_RESUME_KEY, &[1; 8], 64)
}

fn opened(w: &World) -> (Client, FileId, FileId) {
    w.put("x", b"as it was");
    let mut a = unsigned(w, "alice");
    let f = a.create("x").ok();
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    (a, f, d)
}

/// The bytes of a field that has `width` of them.
fn field(value: u32, width: usize) -> Vec<u8> {
    value.to_le_bytes()[..width].to_vec()
}

/// Every variable part of every command, with each offset that leads out of the message, and each
/// length that does: INVALID_PARAMETER, and nothing was done.
#[test]
fn every_variable_part_outside() {
    for part in parts() {
        let w = World::new();
        let (mut a, f, d) = opened(&w);
        let before = w.counters();
        let request = (part.request)(f, d);
        let whole = {
            let message = a.message(&request);
            a.next_mid -= 1;
            HEADER_LEN + message.body.len()
        };
        let ((at, width), (length_at, length_width)) = (part.offset, part.length);
        let all = if width == 2 { 0xffff } else { u32::MAX };
        for offset in [whole as u32, whole as u32 - 1, 0x7fff, all - 1, all, 1, 63] {
            let message = patched(&mut a, &request, at, &field(offset, width));
            let status = a.send(message).answer().status;
            assert_eq!(status, NtStatus::INVALID_PARAMETER, "{} at {offset}", part.of);
        }
        let longest = if length_width == 2 { 0xffff } else { u32::MAX };
        for length in [whole as u32, 0x7fff, longest - 1, longest] {
            let message = patched(&mut a, &request, length_at, &field(length, length_width));
            let status = a.send(message).answer().status;
            assert_eq!(status, NtStatus::INVALID_PARAMETER, "{}: {length} bytes", part.of);
        }
        assert_eq!((w.counters(), w.data("x").unwrap()), (before, b"as it was".to_vec()));
        assert!(!w.exists("new"), "{}", part.of);
    }
}

/// The last byte of each variable part is missing.
#[test]
fn every_variable_part_cut() {
    for part in parts() {
        let w = World::new();
        let (mut a, f, d) = opened(&w);
        let request = (part.request)(f, d);
        let message = if part.of == "WRITE data" {
            let mut message = a.message_with(&request, b"data");
            message.body.truncate(message.body.len() - 1);
            message
        } else {
            cut(&mut a, &request, 1)
        };
        let status = a.send(message).answer().status;
        assert_eq!(status, NtStatus::INVALID_PARAMETER, "{}", part.of);
        assert_eq!(w.data("x").unwrap(), b"as it was");
        assert!(!w.exists("new"));
    }
}

/// Names are UTF-16: an odd number of bytes is none.
#[test]
fn names_of_an_odd_length() {
    let w = World::new();
    let (mut a, ..) = opened(&w);
    let create = RequestBody::Create(body::create("new"));
    let message = patched(&mut a, &create, 110, &[5, 0]);
    a.send(message).is(NtStatus::INVALID_PARAMETER);
    let message = patched(&mut a, &body::tree_connect("share"), 70, &[9, 0]);
    a.send(message).is(NtStatus::INVALID_PARAMETER);
    assert!(!w.exists("new") && !w.exists("ne"));
    assert_eq!(w.counters().trees, 1);
}

/// READ's channel buffer leads outside; and with a length that is not what a file has, only the file's
/// bytes are told.
#[test]
fn read_with_a_channel_buffer_outside() {
    let w = World::new();
    let (mut a, f, _) = opened(&w);
    let read = body::read(f, 0, 64);
    for (offset, length) in [(0xffff_u16, 16_u16), (112, 0xffff), (112, 100)] {
        let fields = [offset.to_le_bytes(), length.to_le_bytes()].concat();
        let message = patched(&mut a, &read, 108, &fields);
        let answer = a.send(message).answer();
        if answer.status == NtStatus::SUCCESS {
            assert_eq!(answer.data(), b"as it was", "ignored, as the channel is none");
        } else {
            assert_eq!(answer.status, NtStatus::INVALID_PARAMETER);
        }
    }
    let whole = a.read(f, 0, 1 << 16).ok();
    assert_eq!(whole.data(), b"as it was");
    a.read(f, 9, 1 << 16).is(NtStatus::END_OF_FILE);
}

/// The element that ends a chain is a header and nothing else: 64 bytes, without a StructureSize.
#[test]
fn a_chain_that_ends_with_a_bare_header() {
    let w = World::new();
    let (mut a, f, _) = opened(&w);
    for command in (0..0x13).map(Command).filter(|command| *command != Command::CANCEL) {
        if matches!(command, Command::NEGOTIATE | Command::SESSION_SETUP) {
            continue;
        }
        let first = a.message(&body::read(f, 0, 9));
        let mut bare = a.message(&RequestBody::Echo);
        bare.header.command = command;
        bare.body.clear();
        let mids = [first.header.message_id, bare.header.message_id];
        a.send_chain(&[first, bare]);
        assert_eq!(a.answer(mids[0]).ok().data(), b"as it was");
        a.answer(mids[1]).is(NtStatus::INVALID_PARAMETER);
    }
    assert_eq!(w.counters().opens, 2);
}

/// A chain's element ends within the next one's header, or claims more than is there.
#[test]
fn a_chain_that_overlaps() {
    for next in [8_u32, 56, 64 + 4, 72, 4096, 0x8000_0000, u32::MAX - 7] {
        let w = World::new();
        let (mut a, ..) = opened(&w);
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let mut echo = a.message(&RequestBody::Echo);
            echo.header.next_command = next;
            echo.header.encode(&mut Writer::new(&mut bytes));
            bytes.extend_from_slice(&echo.body);
            bytes.extend_from_slice(&[0; 4]);
        }
        a.raw_frame(&bytes[..bytes.len() - 4]);
        // Where the first fits, the second one leads outside: no element of the frame is run.
        assert!(matches!(a.dropped(), ConnectionError::Malformed(_)), "{next}");
        assert_eq!(w.counters().connections, 0);
    }
}

/// TRANSFORM_HEADER cut anywhere, with a session and without, in each dialect: dropped, with not a
/// byte in answer.
#[test]
fn short_transform_headers() {
    for dialect in [Dialect::SMB_2_1, Dialect::SMB_3_0_2, Dialect::SMB_3_1_1] {
        for length in [4, 8, 16, 51, 52, 53, 52 + 63] {
            for with_session in [false, true] {
                let w = World::new();
                let mut a = w.client(dialect);
                if with_session {
                    a = a.logged_on("alice");
                }
                let mut frame = vec![0; length];
                frame[..4].copy_from_slice(b"\xfdSMB");
                if length >= 52 {
                    let inside = (length - 52) as u32;
                    frame[36..40].copy_from_slice(&inside.to_le_bytes());
                    frame[42] = 1;
                    frame[44..52].copy_from_slice(&a.session_id.to_le_bytes());
                }
                a.raw_frame(&frame);
                a.dropped();
                assert_eq!(w.counters(), Default::default(), "{dialect:?}, {length}");
            }
        }
    }
}

/// Rightly encrypted, and what is inside is too short to be a message, or to be what it says.
#[test]
fn short_messages_inside_the_encryption() {
    for length in [0, 4, 63] {
        let w = World::new();
        let mut a = w.logged_on("alice").encrypted();
        let mut plain = b"\xfeSMB\x40\0".to_vec();
        plain.resize(64, 0);
        plain.truncate(length);
        let frame = a.seal(plain);
        a.raw_frame(&frame);
        assert!(matches!(a.dropped(), ConnectionError::Malformed(_)), "{length}");
    }
    let w = World::new();
    let mut a = w.logged_on("alice").encrypted();
    let f = a.create("x").ok();
    let mut message = a.message(&body::read(f, 0, 9));
    message.body.truncate(1);
    assert!(a.send(message).is(NtStatus::INVALID_PARAMETER).encrypted);
    // Another transform or SMB1 inside.
    for inside in [&b"\xfdSMB"[..], b"\xffSMB\x72", b"\xfcSMB"] {
        let w = World::new();
        let mut a = w.logged_on("alice").encrypted();
        let mut plain = inside.to_vec();
        plain.resize(200, 0);
        let frame = a.seal(plain);
        a.raw_frame(&frame);
        a.dropped();
    }
}

/// SMB1's NEGOTIATE, cut anywhere, as the first message.
#[test]
fn smb1_negotiate_cut_anywhere() {
    let mut whole = Vec::new();
    smb1::encode_negotiate(&["NT LM 0.12", "SMB 2.002", "SMB 2.???"], &mut Writer::new(&mut whole));
    for length in 0..whole.len() {
        let w = World::new();
        let mut a = w.connect();
        a.raw_frame(&whole[..length]);
        a.dropped();
        assert_eq!(w.counters(), Default::default(), "{length}");
    }
    // Its ByteCount claims more, and less, than there is.
    let count = whole.windows(11).position(|at| at == b"\x02NT LM 0.12").unwrap() - 2;
    for lie in [0_u16, 1, 5, 0xffff] {
        let w = World::new();
        let mut a = w.connect();
        let mut message = whole.clone();
        message[count..count + 2].copy_from_slice(&lie.to_le_bytes());
        a.raw_frame(&message);
        a.dropped();
    }
}

/// NEGOTIATE's contexts: the list and each context's data lead outside.
#[test]
fn negotiate_contexts_outside() {
    type Lie = (usize, &'static [u8]);
    let lies: [Lie; 8] = [
        (92, &[0xff, 0xff, 0xff, 0xff]),
        (92, &[0, 0, 0, 0]),
        (92, &[0xff, 0xff, 0, 0]),
        (96, &[0xff, 0xff]),
        (96, &[4, 0]),
        (66, &[0xff, 0xff]),
        (66, &[0, 0]),
        (64, &[35, 0]),
    ];
    for (at, bytes) in lies {
        refused_negotiate(|message| *message = crate::common::patch(message.clone(), at, bytes));
    }
    // DataLength of the first context, which begins at the offset that is said.
    for length in [0_u16, 1, 3, 0x7fff, 0xffff] {
        refused_negotiate(|message| {
            let first = u32::from_le_bytes(message.body[28..32].try_into().unwrap()) as usize - 64;
            message.body[first + 2..first + 4].copy_from_slice(&length.to_le_bytes());
        });
    }
    // HashAlgorithmCount and SaltLength.
    for (at, lie) in [(8, 0xffff_u16), (8, 20), (10, 0xffff)] {
        refused_negotiate(|message| {
            let first = u32::from_le_bytes(message.body[28..32].try_into().unwrap()) as usize - 64;
            message.body[first + at..first + at + 2].copy_from_slice(&lie.to_le_bytes());
        });
    }
}

fn refused_negotiate(change: impl FnOnce(&mut Message)) {
    let w = World::new();
    let mut a = w.connect();
    let request = ksmbd_core::wire::negotiate::NegotiateRequest {
        security_mode: a.offer.security_mode,
        capabilities: a.offer.capabilities,
        client_guid: a.offer.guid,
        dialects: a.offer.dialects.clone(),
        contexts: a.offer.contexts.clone(),
    };
    let mut message = a.message(&RequestBody::Negotiate(request));
    change(&mut message);
    a.send(message).is(NtStatus::INVALID_PARAMETER);
    // Nothing was chosen by it.
    a.negotiate().ok();
    a.logged_on("alice");
}

/// SESSION_SETUP's token leads outside.
#[test]
fn session_setup_token_outside() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.ask = 100;
    let token = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::Spnego).start();
    let lies: [(usize, &[u8]); 6] = [
        (76, &[0xff, 0xff]),
        (76, &[1, 0]),
        (76, &[89, 0]),
        (78, &[0xff, 0xff]),
        (78, &[0xff, 0x7f]),
        (64, &[24, 0]),
    ];
    for (at, bytes) in lies {
        let request = setup(token.clone());
        let message = patched(&mut a, &request, at, bytes);
        a.send(message).is(NtStatus::INVALID_PARAMETER);
        assert_eq!(w.counters().sessions, 0);
    }
    a.logged_on("alice");
}

fn setup(security_buffer: Vec<u8>) -> RequestBody {
    RequestBody::SessionSetup(SessionSetupRequest {
        flags: SessionSetupFlags::empty(),
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::empty(),
        previous_session_id: 0,
        security_buffer,
    })
}

/// The answer to the first leg with an AUTHENTICATE whose field descriptors were changed.
fn authenticate(a: &mut Client, change: &dyn Fn(&mut [u8])) -> Response {
    let mut ntlm =
        NtlmClient::new(Credentials::new("alice", "", &password("alice")), Wrapping::Raw);
    let first = a.request(&setup(ntlm.start())).is(NtStatus::MORE_PROCESSING_REQUIRED);
    let ResponseBody::SessionSetup(body) = &first.body else { panic!("{first:?}") };
    let mut token = ntlm.answer(&body.security_buffer, &mut Rng::new([1; 32])).unwrap();
    change(&mut token);
    let mut message = a.message(&setup(token));
    message.header.session_id = first.header.session_id;
    a.send(message).answer()
}

/// The fields of AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3): LM, NT, domain, user, workstation, key.
const FIELDS: [usize; 6] = [12, 20, 28, 36, 44, 52];
const NT_RESPONSE: usize = 20;
const SESSION_KEY: usize = 52;

/// An NTLMv2 response is 16 bytes of proof and more: shorter ones prove nothing.
#[test]
fn ntlmv2_responses_that_are_too_short() {
    for length in 0..48_u16 {
        let w = World::new();
        let mut a = w.client(Dialect::SMB_3_1_1);
        let answer = authenticate(&mut a, &|token| {
            token[NT_RESPONSE..NT_RESPONSE + 2].copy_from_slice(&length.to_le_bytes());
        });
        let refused = [NtStatus::INVALID_PARAMETER, NtStatus::LOGON_FAILURE];
        assert!(refused.contains(&answer.status), "{length}: {:?}", answer.status);
        assert_eq!(w.counters().sessions, 0);
    }
}

/// EncryptedRandomSessionKey has 16 bytes.
#[test]
fn session_keys_of_another_length() {
    for length in (0..64_u16).chain([255, 256, 0x7fff, 0xffff]).filter(|length| *length != 16) {
        let w = World::new();
        let mut a = w.client(Dialect::SMB_3_1_1);
        let answer = authenticate(&mut a, &|token| {
            token[SESSION_KEY..SESSION_KEY + 2].copy_from_slice(&length.to_le_bytes());
        });
        let refused = [NtStatus::INVALID_PARAMETER, NtStatus::LOGON_FAILURE];
        assert!(refused.contains(&answer.status), "{length}: {:?}", answer.status);
        assert_eq!(w.counters().sessions, 0);
    }
}

/// Each field of AUTHENTICATE, the user's name too, outside the message or at its very end.
#[test]
fn fields_of_authenticate_outside() {
    for at in FIELDS {
        for offset in [u32::MAX, 0x7fff_ffff, 0xffff_fff0, 60_000] {
            let w = World::new();
            let mut a = w.client(Dialect::SMB_3_1_1);
            let answer = authenticate(&mut a, &|token| {
                if token[at] == 0 {
                    token[at] = 2;
                }
                token[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
            });
            let refused = [NtStatus::INVALID_PARAMETER, NtStatus::LOGON_FAILURE];
            assert!(refused.contains(&answer.status), "{at}, {offset}: {:?}", answer.status);
            assert_eq!(w.counters().sessions, 0, "{at}");
        }
    }
}

/// CREATE's contexts as a whole, and each context's own name and data, lead outside.
#[test]
fn create_contexts_outside() {
    let w = World::new();
    let (mut a, ..) = opened(&w);
    let named = |a: &mut Client, file: &str| {
        a.create(file).context(name::MX_AC, &[0; 8]).context(name::QFID, b"").message()
    };
    let create = |a: &mut Client| named(a, "new");
    let unharmed = named(&mut a, "one");
    assert_eq!(a.send(unharmed).ok().created().contexts.len(), 2);
    // CreateContextsOffset and CreateContextsLength; then Next, NameOffset, NameLength, DataOffset
    // and DataLength of the first.
    let fields = [(112, 4), (116, 4), (0, 4), (4, 2), (6, 2), (10, 2), (12, 4)];
    for (at, width) in fields {
        for value in [1, 7, 0x7fff_ffff_u32, u32::MAX, 0xffff_0000 - 8, 0x1_0000 - 3] {
            // A longer name is another one, and nobody's.
            if at == 6 && value == 7 {
                continue;
            }
            let message = create(&mut a);
            let first = u32::from_le_bytes(message.body[48..52].try_into().unwrap()) as usize;
            let at = if at < 100 { first + at } else { at };
            let mut bytes = value.to_le_bytes()[..width].to_vec();
            if bytes.iter().all(|byte| *byte == 0) {
                bytes.fill(0xff);
            }
            let message = crate::common::patch(message, at, &bytes);
            let status = a.send(message).answer().status;
            assert_eq!(status, NtStatus::INVALID_PARAMETER, "{at}: {value:#x}");
            assert!(!w.exists("new"));
        }
    }
}

/// The transport's length is shorter than a header, or one byte more than what comes.
#[test]
fn lengths_of_the_transport() {
    for length in [1_u8, 3, 4, 35, 63] {
        let w = World::new();
        let mut a = w.connect();
        let mut bytes = vec![0, 0, 0, length];
        bytes.extend_from_slice(&b"\xfeSMB\x40\0".repeat(12)[..usize::from(length)]);
        a.raw_bytes(&bytes);
        assert!(matches!(a.dropped(), ConnectionError::Malformed(_)), "{length}");
    }
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut plain = Vec::new();
    let echo = a.message(&RequestBody::Echo);
    echo.header.encode(&mut Writer::new(&mut plain));
    plain.extend_from_slice(&echo.body);
    let claimed = u32::try_from(plain.len() + 1).unwrap().to_be_bytes();
    a.raw_bytes(&[&claimed[..], &plain].concat());
    a.nothing();
    a.hang_up();
    assert_eq!(w.counters(), Default::default());
}
