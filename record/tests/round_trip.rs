//! What is written down is read as it was, and what is none is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ksmbd_core::{
    buffer::ReplyBuf,
    config::{Config, Limits, Share},
    id::{ConnId, FileKey, OpId, SessionId},
    name::SharePath,
    rng::Rng,
    status::NtStatus,
    stream::StreamName,
    time::{FileTime, Instant, Now},
    veto::Veto,
    vfs::{
        Account, Admission, Cursor, Done, File, FileInfo, FileKind, FsChange, Identity, Opened,
        Peer, Permitted, VfsError, VolumeInfo,
    },
    wire::{
        change_notify::CompletionFilter,
        codec::Reader as Bytes,
        fscc::{
            FileAttributes, ea::FullEaInformation, file::StreamInformation, notify::FileAction,
        },
        network_interface::{InterfaceCapability, NetworkInterfaceInfo},
        security::{Ace, Acl, SecurityControl, SecurityDescriptor, Sid},
    },
};
use ksmbd_record::{Came, Ended, Event, Handle, Reader, Sent, Start, Writer, codec::Value};
use std::{sync::Arc, time::Duration};
use zeroize::Zeroizing;

fn file() -> File {
    File(Arc::new(Handle))
}

fn now() -> Now {
    Now { mono: Instant(77), wall: FileTime(u64::MAX) }
}

fn identity() -> Arc<Identity> {
    let sid = Sid::new(5, &[21, 1, 2, 3]);
    Arc::new(Identity { name: "älice".into(), uid: 1, gid: u32::MAX, groups: vec![4, 5], sid })
}

fn info() -> FileInfo {
    let sid = Sid::new(5, &[21, 7]).unwrap();
    let mask = ksmbd_core::wire::fscc::AccessMask::from_bits_retain(0x1f01ff);
    let dacl =
        Some(Acl { acl_revision: 2, aces: vec![Ace::allow(sid, mask), Ace::deny(sid, mask)] });
    let control = SecurityControl::DACL_PRESENT | SecurityControl::SELF_RELATIVE;
    let security =
        SecurityDescriptor { sbz1: 3, control, owner: Some(sid), dacl, ..Default::default() };
    FileInfo {
        key: FileKey { device: 1, inode: 1 << 63, stream: 3 },
        kind: FileKind::Special,
        size: 0x7f,
        allocation: 0x80,
        links: 2,
        attributes: FileAttributes::from_bits_retain(0x8000_0020),
        ea_size: 9,
        creation_time: FileTime(1),
        last_access_time: FileTime(2),
        last_write_time: FileTime(3),
        change_time: FileTime(4),
        mode: 0o644,
        uid: 0,
        gid: 1000,
        permitted: Permitted::READ | Permitted::PARENT_DELETES,
        security: Some(Arc::new(security)),
    }
}

fn dones() -> Vec<Done> {
    let mut read = ReplyBuf::new(Vec::new(), 3);
    read.vec().extend_from_slice(b"abc");
    let path = SharePath::root().join_host("a").join_host("b c");
    let opened = Opened {
        file: file(),
        path: path.clone(),
        stream: Some(StreamName::new("s").unwrap()),
        info: info(),
        created: true,
        file_created: false,
    };
    let share = Share { veto: Veto::new(["*.exe"]), ..Share::disk("s", "/srv") };
    let admission =
        Admission { share: Arc::new(share), read_only: true, identity: Some(identity()) };
    let interface = |address: &str| NetworkInterfaceInfo {
        if_index: 3,
        capability: InterfaceCapability::RSS_CAPABLE,
        link_speed: 10_000_000_000,
        address: address.parse().unwrap(),
    };
    let stream = StreamInformation {
        stream_size: 1,
        stream_allocation_size: 2,
        stream_name: ":x:$DATA".into(),
    };
    let ea = FullEaInformation { flags: 0x80, ea_name: b"N".to_vec(), ea_value: vec![0, 255] };
    let checked = |base_key: Option<[u8; 16]>| {
        let base_key = base_key.map(Zeroizing::new);
        Done::Account(Account::Checked {
            base_key,
            identity: identity(),
            expires: Some(FileTime(5)),
        })
    };
    vec![
        Done::Ok,
        Done::Opened(Box::new(opened)),
        Done::Read(read),
        Done::Wrote(u32::MAX),
        Done::Info(Box::new(info())),
        Done::Listed { data: vec![7; 300], overflow: true, cursor: Cursor(Box::new(())) },
        Done::Streams(vec![stream]),
        Done::Eas(vec![ea]),
        Done::Named { to: path, replaced: true },
        Done::Watching(file()),
        Done::Volume(Box::new(VolumeInfo {
            serial: 1,
            creation_time: FileTime(2),
            unit: 4096,
            total: 5,
            available: 3,
            free: 4,
        })),
        Done::Interfaces(vec![interface("10.0.0.1"), interface("fe80::1")]),
        checked(Some([9; 16])),
        checked(None),
        Done::Account(Account::Unknown { guest: Some(identity()) }),
        Done::Admitted(Ok(admission)),
        Done::Admitted(Err(NtStatus::ACCESS_DENIED)),
        Done::Pipe(file()),
        Done::PipeData { data: b"rpc".to_vec(), more: true },
        Done::Failed(VfsError::HungUp),
        Done::Failed(VfsError::NotFound),
    ]
}

fn events() -> Vec<Event> {
    let limits = Limits { idle_time: Duration::from_millis(1500), ..Limits::default() };
    let config = Arc::new(Config { limits, multi_channel: true, ..Config::default() });
    let (conn, session) = (ConnId(300), SessionId(u64::MAX));
    let peer = Peer {
        address: "[fe80::1%3]:50000".parse().unwrap(),
        local: "127.0.0.1:445".parse().unwrap(),
    };
    let below = FsChange::Below {
        directory: FileKey::new(1, 2),
        path: "x/y".into(),
        action: FileAction::MODIFIED,
        filter: CompletionFilter::from_bits_retain(0x17),
    };
    let start = Start { made_by: "test".into(), seed: [3; 32], config: Arc::clone(&config) };
    let mut events = vec![
        Event::Start(start),
        Event::Reconfigure(config),
        Event::Accept(conn, peer, now()),
        Event::Bytes(conn, vec![0; 200]),
        Event::Poll(conn, Came::NeedKeys),
        Event::Keys(conn, session),
        Event::Handle(conn, now()),
        Event::Changed(below, now()),
        Event::Changed(FsChange::Lost, now()),
        Event::HangUp(conn, now()),
        Event::Timeout(now()),
        Event::CloseKept(now()),
        Event::Seal(conn, Sent::Nothing),
        Event::Seal(conn, Sent::frame(b"0123456789")),
        Event::Seal(conn, Sent::Broken),
    ];
    events.extend(dones().into_iter().map(|done| Event::Complete(OpId(5), done, now())));
    events.push(Event::End(Ended::Stopped));
    events
}

fn encoded(event: &Event) -> Vec<u8> {
    let mut out = Vec::new();
    event.put(&mut out);
    out
}

#[test]
fn each_event_is_read_as_it_was_written() {
    for event in events() {
        let bytes = encoded(&event);
        let read: Event = ksmbd_record::codec::whole(&bytes).unwrap();
        assert_eq!(format!("{event:?}"), format!("{read:?}"));
        assert_eq!(bytes, encoded(&read), "{event:?}");
        for cut in 0..bytes.len() {
            assert!(Event::get(&mut Bytes::new(&bytes[..cut])).is_err(), "{event:?} cut at {cut}");
        }
    }
}

/// The hash of a password is left out, whoever forgets to.
#[test]
fn no_password_is_written() {
    let nt_hash = Zeroizing::new([0xab; 16]);
    let account = Account::Found { nt_hash, identity: identity(), expires: None };
    let bytes = encoded(&Event::Complete(OpId(1), Done::Account(account), now()));
    assert!(!bytes.windows(4).any(|four| four == [0xab; 4]));
}

/// Any bytes: what can be read is written in a way that is read as the same.
#[test]
fn decoding_encoding_and_decoding_again_is_stable() {
    let seeds: Vec<_> = events().iter().map(encoded).collect();
    let mut rng = Rng::new([1; 32]);
    let mut read = 0;
    for _ in 0..30_000 {
        let mut bytes = seeds[rng.u64() as usize % seeds.len()].clone();
        for _ in 0..1 + rng.u64() % 3 {
            let at = rng.u64() as usize % bytes.len();
            bytes[at] = rng.u64() as u8;
        }
        let Ok(event) = Event::get(&mut Bytes::new(&bytes)) else { continue };
        read += 1;
        let once = encoded(&event);
        let again = encoded(&ksmbd_record::codec::whole(&once).unwrap());
        assert_eq!(once, again, "{event:?}");
    }
    assert!(read > 3000, "{read}");
}

fn recording() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), u64::MAX).unwrap();
    for event in events() {
        match event {
            Event::Start(start) => writer.start(&start).unwrap(),
            Event::End(_) => {}
            event => assert!(writer.write(&encoded(&event)).unwrap()),
        }
    }
    writer.end(Ended::Stopped).unwrap()
}

/// How many events can be read, and what then is wrong.
fn read(recording: &[u8]) -> (u64, String) {
    let mut reader = match Reader::new(recording) {
        Ok(reader) => reader,
        Err(fault) => return (0, fault.to_string()),
    };
    let mut count = 0;
    loop {
        match reader.next_event() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, String::new()),
            Err(fault) => {
                assert_eq!(fault.events, count);
                return (count, fault.to_string());
            }
        }
    }
}

#[test]
fn a_recording_is_read_to_its_end() {
    assert_eq!(read(&recording()), (events().len() as u64, String::new()));
}

#[test]
fn a_recording_that_is_cut_off_says_so() {
    let whole = recording();
    for cut in 0..whole.len() {
        let (count, fault) = read(&whole[..cut]);
        assert!(count < events().len() as u64);
        let known = ["no recording", "cut off", "no end"];
        assert!(known.iter().any(|what| fault.contains(what)), "{cut}: {fault}");
    }
}

#[test]
fn a_damaged_recording_says_so() {
    let whole = recording();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let (count, fault) = read(&damaged);
        assert!(!fault.is_empty() && count < events().len() as u64, "{at}: {count} {fault}");
    }
    let mut newer = whole;
    newer[8] = 9;
    assert!(read(&newer).1.contains("format 9; this program reads 1"));
}

#[test]
fn a_recording_is_no_longer_than_it_may_be() {
    let mut writer = Writer::new(Vec::new(), 500).unwrap();
    let event = encoded(&Event::Bytes(ConnId(1), vec![0; 100]));
    let mut written = 0;
    while writer.write(&event).unwrap() {
        written += 1;
    }
    let recording = writer.end(Ended::Full).unwrap();
    assert!(written > 1 && recording.len() <= 500);
    assert_eq!(read(&recording), (written + 1, String::new()));
}

#[test]
fn a_recording_is_its_owner_s_alone() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = std::env::temp_dir().join(format!("ksmbd-record-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let writer = Writer::create(&folder, 1000).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(writer.path())), (0o700, 0o600));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    let error = Writer::create(&folder, 1000).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}
