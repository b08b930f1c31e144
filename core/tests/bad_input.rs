//! Whatever bytes come: the right NTSTATUS or a dropped connection, and nothing is left behind
//! (MS-SMB2 3.3.5.2). That no table keeps anything is checked at each world's end.

use ksmbd_core::wire::{
    change_notify::{ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter},
    fsctl::FsctlCode,
    oplock_break::OplockBreakRequest,
    query_info::InfoType,
    session_setup::{SessionSetupFlags, SessionSetupRequest},
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

/// A good request of every command that needs a session.
fn requests(f: FileId, d: FileId) -> Vec<RequestBody> {
    let class = FileInfoClass::ID_BOTH_DIRECTORY;
    let position = FileInfoClass::POSITION.0;
    vec![
        body::tree_connect("share"),
        RequestBody::Create(body::create("x")),
        body::flush(f),
        body::read(f, 0, 4),
        body::write(f, 0, 0),
        body::lock(f, 0, 1, LockFlags::SHARED_LOCK),
        body::ioctl(f, FsctlCode::SRV_REQUEST_RESUME_KEY, b"", 64),
        RequestBody::Echo,
        body::list(d, "*", class, Default::default(), 4096),
        RequestBody::ChangeNotify(ChangeNotifyRequest {
            flags: ChangeNotifyFlags::empty(),
            output_buffer_length: 4096,
            file_id: d,
            completion_filter: CompletionFilter::FILE_NAME,
        }),
        body::query_file(f, FileInfoClass::BASIC, 40),
        body::set_raw(f, InfoType::FILE, position, &[0; 8]),
        body::close(f),
        RequestBody::TreeDisconnect,
        RequestBody::Logoff,
    ]
}

fn opened(w: &World) -> (Client, FileId, FileId) {
    let mut a = w.logged_on("alice");
    a.sign = false;
    a.ask = 200;
    w.put("x", b"data");
    let f = a.create("x").ok();
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    (a, f, d)
}

/// Every command, cut at every length: INVALID_PARAMETER as long as there is a header, and whatever
/// it does when the cut takes nothing that counts.
#[test]
fn truncated_at_every_length() {
    let count = requests(FileId::ANY, FileId::ANY).len();
    for index in 0..count {
        let w = World::new();
        let (mut a, f, d) = opened(&w);
        let whole = a.message(&requests(f, d)[index]);
        a.next_mid -= u64::from(whole.header.credit_charge);
        for length in 0..whole.body.len() {
            let mut cut = a.message(&requests(f, d)[index]);
            cut.body.truncate(length);
            // The last bytes of some bodies carry nothing.
            let needed = length + 24 < whole.body.len() || length < 2;
            let command = cut.header.command;
            let status = a.send(cut).answer().status;
            if needed {
                assert_eq!(status, NtStatus::INVALID_PARAMETER, "{command:?} cut at {length}");
            }
            if status == NtStatus::SUCCESS {
                break;
            }
        }
    }
}

/// A header that is cut drops the connection.
#[test]
fn a_header_that_is_cut() {
    for length in 0..64 {
        let w = World::new();
        let mut a = w.logged_on("alice");
        let echo = [0xfe, b'S', b'M', b'B', 64, 0].into_iter().chain([0; 58]);
        let bytes: Vec<u8> = echo.take(length).collect();
        a.raw_frame(&bytes);
        assert!(matches!(a.dropped(), ConnectionError::Malformed(_)), "{length}");
    }
}

#[test]
fn wrong_structure_sizes() {
    let w = World::new();
    let (mut a, f, d) = opened(&w);
    for request in requests(f, d) {
        for size in [0_u16, 1, 3, 0xffff] {
            let mut message = a.message(&request);
            message.body[..2].copy_from_slice(&size.to_le_bytes());
            a.send(message).is(NtStatus::INVALID_PARAMETER);
        }
    }
    a.read(f, 0, 4).ok();
}

/// Every 16- and 32-bit field of every body set to its largest value: no answer but a status.
#[test]
fn oversized_fields() {
    let count = requests(FileId::ANY, FileId::ANY).len();
    for index in 0..count {
        for width in [2, 4] {
            let w = World::with(|config| config.limits.parked_per_connection = 4);
            let (mut a, f, d) = opened(&w);
            let length = a.message(&requests(f, d)[index]).body.len();
            a.next_mid -= 1;
            for at in (2..length.saturating_sub(width)).step_by(2) {
                let mut message = a.message(&requests(f, d)[index]);
                message.body[at..at + width].fill(0xff);
                let mid = message.header.message_id;
                let _ = a.send(message).later();
                let answer = a.receive();
                assert_eq!(answer.header.message_id, mid);
                if answer.status == NtStatus::PENDING {
                    a.cancel_message(mid);
                    a.answer(mid).is(NtStatus::CANCELLED);
                }
                if w.counters().sessions == 0 || w.counters().trees == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_wrong_session() {
    let w = World::new();
    let (mut a, f, d) = opened(&w);
    let other = w.logged_on("bob");
    for session_id in [0, 1, other.session_id, u64::MAX] {
        for request in requests(f, d) {
            let mut message = a.message(&request);
            message.header.session_id = session_id;
            let expected = match request {
                RequestBody::Echo if session_id == 0 => NtStatus::SUCCESS,
                _ => NtStatus::USER_SESSION_DELETED,
            };
            a.send(message).is(expected);
        }
    }
    assert_eq!(w.counters().opens, 2);
}

#[test]
fn a_wrong_tree() {
    let w = World::new();
    let (mut a, f, d) = opened(&w);
    for tree_id in [0, 77, u32::MAX] {
        for request in requests(f, d) {
            let without = matches!(
                request,
                RequestBody::Echo | RequestBody::TreeConnect(_) | RequestBody::Logoff
            );
            if without {
                continue;
            }
            let mut message = a.message(&request);
            message.header.tree_id = tree_id;
            a.send(message).is(NtStatus::NETWORK_NAME_DELETED);
        }
    }
    assert_eq!(w.counters().opens, 2);
}

fn names_a_file(request: &RequestBody) -> bool {
    !matches!(
        request,
        RequestBody::Echo
            | RequestBody::TreeConnect(_)
            | RequestBody::TreeDisconnect
            | RequestBody::Logoff
            | RequestBody::Create(_)
    )
}

#[test]
fn a_wrong_handle() {
    let w = World::new();
    let (mut a, f, _) = opened(&w);
    let mut b = w.logged_on("bob");
    let theirs = b.create("x").ok();
    let half = FileId { persistent: f.persistent, volatile: f.volatile + 1 };
    let other = FileId { persistent: f.persistent + 1, volatile: f.volatile };
    let nobodys = FileId { persistent: 1 << 40, volatile: 1 << 40 };
    for wrong in [FileId::default(), half, other, nobodys, theirs, FileId::ANY] {
        for request in requests(wrong, wrong).iter().filter(|request| names_a_file(request)) {
            a.request(request).is(NtStatus::FILE_CLOSED);
        }
    }
    assert_eq!(w.counters().opens, 3);
}

#[test]
fn a_closed_handle() {
    let w = World::new();
    let (mut a, f, d) = opened(&w);
    a.close(f).ok();
    a.close(d).ok();
    for request in requests(f, d).iter().filter(|request| names_a_file(request)) {
        a.request(request).is(NtStatus::FILE_CLOSED);
    }
}

/// Handles of one kind with commands of the other.
#[test]
fn a_handle_of_another_kind() {
    let w = World::new();
    let (mut a, f, d) = opened(&w);
    for request in requests(d, f).iter().filter(|request| names_a_file(request)) {
        let status = a.request(request).answer().status;
        let harmless = matches!(
            request,
            RequestBody::Close(_) | RequestBody::QueryInfo(_) | RequestBody::SetInfo(_)
        );
        assert!(status.is_error() || harmless, "{request:?}");
    }
}

/// OPLOCK_BREAK where nothing is broken, and a command that does not exist.
#[test]
fn commands_out_of_place() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let acknowledged = OplockBreakRequest::Oplock(ksmbd_core::wire::oplock_break::OplockBreak {
        oplock_level: OplockLevel::NONE,
        file_id: f,
    });
    a.request(&RequestBody::OplockBreak(acknowledged)).is(NtStatus::INVALID_DEVICE_STATE);
    for command in [0x13, 0x14, 0xffff] {
        let mut message = a.message(&RequestBody::Echo);
        message.header.command = Command(command);
        let _ = a.send(message).later();
        let frame = a.raw_answer().unwrap();
        let header = Header::parse(&frame).unwrap();
        assert_eq!(header.nt_status(), NtStatus::INVALID_PARAMETER);
    }
    a.forget();
}

#[test]
fn a_response_instead_of_a_request() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut message = a.message(&RequestBody::Echo);
    message.header.flags |= HeaderFlags::SERVER_TO_REDIR;
    assert!(matches!(a.send(message).drops(), ConnectionError::Malformed(_)));
}

#[test]
fn frames_that_are_none() {
    let frames: [&[u8]; 6] = [
        b"",
        b"\xfeSMB",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xffSMB\x73",
        b"\xfcSMB\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\xfdSMB",
    ];
    for frame in frames {
        for negotiated in [false, true] {
            let w = World::new();
            let mut a = if negotiated { w.client(Dialect::SMB_3_1_1) } else { w.connect() };
            a.raw_frame(frame);
            a.dropped();
        }
    }
}

/// A prefix whose first byte is not zero (MS-SMB2 2.1).
#[test]
fn a_prefix_that_is_none() {
    let w = World::new();
    let mut a = w.connect();
    a.raw_bytes(&[0x81, 0, 0, 4, 1, 2, 3, 4]);
    assert!(matches!(a.dropped(), ConnectionError::Malformed(_)));
}

/// A client that claims 16 MiB and sends nothing costs nothing before it has shown who it is, and at
/// most what was negotiated afterwards.
#[test]
fn a_claim_of_sixteen_mebibytes() {
    let w = World::new();
    let mut nobody = w.client(Dialect::SMB_3_1_1);
    nobody.raw_bytes(&[0, 0xff, 0xff, 0xff]);
    let limit = 66 * 1024;
    let claimed = 0x00ff_ffff;
    assert_eq!(nobody.dropped(), ConnectionError::FrameTooLarge { claimed, limit });
    let mut alice = w.logged_on("alice");
    alice.raw_bytes(&[0, 0xff, 0xff, 0xff]);
    let limit = (4 << 20) + (64 << 10);
    assert_eq!(alice.dropped(), ConnectionError::FrameTooLarge { claimed, limit });
}

/// One byte, and then silence.
#[test]
fn one_byte_and_silence() {
    let w = World::new();
    let mut a = w.connect();
    a.raw_bytes(&[0]);
    assert!(a.spare() <= 4096);
    w.advance(Duration::from_secs(30));
    assert_eq!(a.dropped(), ConnectionError::Closed("no session in time"));
}

/// A frame may come in any pieces.
#[test]
fn byte_by_byte() {
    let w = World::new();
    let mut whole = w.connect();
    let mut pieces = w.connect();
    for client in [&mut whole, &mut pieces] {
        client.offer = Offer::only(Dialect::SMB_2_1);
    }
    whole.negotiate().ok();
    let mut a = w.logged_on("alice");
    let echo = a.message(&RequestBody::Echo);
    let mut plain = Vec::new();
    echo.header.encode(&mut ksmbd_core::wire::codec::Writer::new(&mut plain));
    plain.extend_from_slice(&echo.body);
    let sealed = a.seal(plain);
    let length = u32::try_from(sealed.len()).unwrap().to_be_bytes();
    for byte in length.iter().chain(&sealed) {
        a.nothing();
        a.raw_bytes(&[*byte]);
    }
    assert!(a.raw_answer().is_some());
    pieces.hang_up();
}

/// Two frames in one read, the second cut.
#[test]
fn two_frames_at_once() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let echo = a.message(&RequestBody::Echo).unsigned();
        let mut message = Vec::new();
        echo.header.encode(&mut ksmbd_core::wire::codec::Writer::new(&mut message));
        message.extend_from_slice(&echo.body);
        bytes.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    let (first, second) = bytes.split_at(bytes.len() - 5);
    a.raw_bytes(first);
    assert!(a.raw_answer().is_some());
    a.nothing();
    a.raw_bytes(second);
    assert!(a.raw_answer().is_some());
}

/// Tokens of any size and content: a status, and no session.
#[test]
fn tokens_that_are_none() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let mut logon =
        a.begin(ksmbd_core::auth::ntlm::client::Credentials::new("alice", "", &password("alice")));
    let good = {
        let first = logon.first(&mut a).answer();
        first.element[72..].to_vec()
    };
    for length in 0..good.len() {
        let request = SessionSetupRequest {
            flags: SessionSetupFlags::empty(),
            security_mode: SecurityMode::empty(),
            capabilities: Capabilities::empty(),
            previous_session_id: 0,
            security_buffer: good[..length].to_vec(),
        };
        let answer = a.request(&RequestBody::SessionSetup(request)).answer();
        assert!(answer.status.is_error());
    }
    assert_eq!(w.counters().sessions, 1);
}
