//! Class S: legal requests in odd orders, on handles of the wrong kind (MS-SMB2 3.3.5.2.9, 3.3.5.2.11,
//! 3.3.5.5 to 3.3.5.21). More of the matrix is in `core/tests/bad_input.rs`.

use crate::common::{set, unsigned};
use ksmbd_core::{
    auth::{
        ntlm::client::{Credentials, NtlmClient, Wrapping},
        spnego::{Mech, NegTokenInit},
    },
    time::FileTime,
    wire::{
        fscc::{
            file::BasicInformation,
            set_file::{SetFileInformation, Target},
        },
        fsctl::FsctlCode,
        query_directory::QueryDirectoryFlags,
        query_info::InfoType,
        session_setup::{SessionSetupFlags, SessionSetupRequest},
        tree_connect::{TreeConnectFlags, TreeConnectRequest},
    },
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

/// A request of every command that works on a tree or a handle.
fn requests(f: FileId) -> Vec<RequestBody> {
    let class = FileInfoClass::ID_BOTH_DIRECTORY;
    vec![
        body::read(f, 0, 9),
        body::write(f, 0, 0),
        body::flush(f),
        body::lock(f, 0, 1, LockFlags::SHARED_LOCK | LockFlags::FAIL_IMMEDIATELY),
        body::ioctl(f, FsctlCode::SRV_REQUEST_RESUME_KEY, b"", 64),
        body::list(f, "*", class, Default::default(), 4096),
        body::query_file(f, FileInfoClass::ALL, 4096),
        body::query_volume(f, FsInfoClass::ATTRIBUTE, 4096),
        body::query(f, InfoType::SECURITY, 0, 7, 4096),
        set(f, FileInfoClass::END_OF_FILE, &[0; 8]),
        body::close(f),
    ]
}

fn setup(token: Vec<u8>, previous: u64) -> RequestBody {
    RequestBody::SessionSetup(SessionSetupRequest {
        flags: SessionSetupFlags::empty(),
        security_mode: SecurityMode::SIGNING_ENABLED,
        capabilities: Capabilities::empty(),
        previous_session_id: previous,
        security_buffer: token,
    })
}

/// Without a session, in half of one, in one without a tree, on a tree of another kind: one status
/// each.
#[test]
fn without_the_ground_under_it() {
    let w = World::new();
    w.put("x", b"as it was");
    let mut a = unsigned(&w, "alice");
    a.connect_tree("share");
    let f = a.create("x").ok();
    let (session, tree) = (a.session_id, a.tree_id);
    let before = w.counters();
    let mut half = a.begin(Credentials::new("bob", "", "x"));
    let half = half.first(&mut a).answer().header.session_id;
    let pipes = a.tree_connect("IPC$").ok().header.tree_id;
    let deleted = NtStatus::USER_SESSION_DELETED;
    let cases = [
        (0, tree, deleted),
        (half, tree, deleted),
        (session, 0, NtStatus::NETWORK_NAME_DELETED),
        (session, pipes, NtStatus::FILE_CLOSED),
    ];
    for (session_id, tree_id, expected) in cases {
        for request in requests(f) {
            let mut message = a.message(&request);
            (message.header.session_id, message.header.tree_id) = (session_id, tree_id);
            let status = a.send(message).answer().status;
            assert_eq!(status, expected, "{request:?}");
        }
    }
    assert_eq!(w.counters().opens, before.opens);
    assert_eq!(a.read(f, 0, 9).ok().data(), b"as it was");
}

/// Every command on a directory, a pipe, a stream and the share's own directory: an answer, and where
/// it makes no sense the one that Windows has.
#[test]
fn on_handles_of_every_kind() {
    let invalid = NtStatus::INVALID_DEVICE_REQUEST;
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    a.connect_tree("streams");
    let all = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
    let d = a.create("d").options(CreateOptions::DIRECTORY_FILE).access(all).ok();
    a.read(d, 0, 9).is(invalid);
    a.write(d, 0, b"data").is(invalid);
    a.write(d, 0, b"").is(invalid);
    let file_size = set(d, FileInfoClass::END_OF_FILE, &[0; 8]);
    a.request(&file_size).is(NtStatus::INVALID_PARAMETER);
    a.lock(d, 0, 1, LockFlags::EXCLUSIVE_LOCK).is(NtStatus::INVALID_PARAMETER);
    let s = a.create("x:one").ok();
    a.list(s, "*", Default::default(), 4096).is(NtStatus::INVALID_PARAMETER);
    for name in ["", "d", "x", "x:one"] {
        for request in requests(FileId::ANY) {
            let open = a.create(name).existing().access(AccessMask::MAXIMUM_ALLOWED).ok();
            let request = requests(open).into_iter().find(|r| r.command() == request.command());
            a.request(&request.unwrap()).answer();
        }
    }
    assert!(w.exists("d") && w.exists("x"));
}

/// A directory opened with every right that a file could be written with: opened, and no data in it.
#[test]
fn a_directory_opened_for_writing() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let made = a.create("d").options(CreateOptions::DIRECTORY_FILE).access(AccessMask::ALL_ACCESS);
    let d = made.ok();
    let rights = AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA;
    for access in [rights, AccessMask::GENERIC_WRITE, AccessMask::GENERIC_ALL] {
        let e = a.create("d").existing().access(access).ok();
        a.write(e, 0, b"data").is(NtStatus::INVALID_DEVICE_REQUEST);
        a.close(e).ok();
    }
    for over in [CreateDisposition::OVERWRITE, CreateDisposition::SUPERSEDE] {
        let status = a.create("d").disposition(over).send().answer().status;
        assert!(status.is_error(), "{status:?}");
    }
    assert_eq!(a.names(d, "*"), [".", ".."]);
}

/// Volumes asked of IPC$, by a pipe: there is none, and that is said.
#[test]
fn a_volume_asked_of_pipes() {
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    a.connect_tree("IPC$");
    let p = a.create("echo").existing().ok();
    for class in 0..=20 {
        for max in [0, 8, 4096] {
            let status = a.query_volume(p, FsInfoClass(class), max).answer().status;
            assert!(status.is_error(), "{class}: {status:?}");
        }
    }
    a.query_volume(FileId::ANY, FsInfoClass::SIZE, 64).is(NtStatus::FILE_CLOSED);
    a.request(&body::query(p, InfoType::SECURITY, 0, 7, 4096)).answer();
    a.write(p, 0, b"alive").ok();
    assert_eq!(a.read(p, 0, 10).ok().data(), b"alive");
}

/// TREE_CONNECT without a name, QUERY_DIRECTORY without a pattern or of what is no directory.
#[test]
fn nothing_where_a_name_should_be() {
    let w = World::new();
    let mut a = unsigned(&w, "alice");
    for path in ["", "\\", "\\\\", "\\\\world", "\\\\world\\", "\0", "\\\\world\\\0"] {
        let request = TreeConnectRequest { flags: TreeConnectFlags::empty(), path: path.into() };
        a.request(&RequestBody::TreeConnect(request)).is(NtStatus::BAD_NETWORK_NAME);
    }
    let f = a.create("x").ok();
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    a.list(f, "", Default::default(), 4096).is(NtStatus::INVALID_PARAMETER);
    a.list(d, "", Default::default(), 4096).ok();
    a.list(d, "\0", QueryDirectoryFlags::RESTART_SCANS, 4096).is(NtStatus::OBJECT_NAME_INVALID);
    assert_eq!(w.counters().trees, 1);
}

/// LOGOFF without a session, of half of one, twice.
#[test]
fn logoff_out_of_turn() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
    let first = logon.first(&mut a).is(NtStatus::MORE_PROCESSING_REQUIRED);
    a.session_id = first.header.session_id;
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    a.tree_disconnect().is(NtStatus::USER_SESSION_DELETED);
    let last = logon.second(&mut a, &first).ok();
    logon.finish(&mut a, &last);
    a.logoff().ok();
    a.sign = false;
    a.logoff().is(NtStatus::USER_SESSION_DELETED);
    a.tree_disconnect().is(NtStatus::USER_SESSION_DELETED);
}

/// SPNEGO without the token of the mechanism it names, with an empty one, with one of another
/// mechanism: the exchange goes on, or is refused, and a session comes of the proof alone.
#[test]
fn tokens_without_a_token() {
    let list = |mechs: &[Mech]| {
        let mut content = Vec::new();
        for mech in mechs {
            content.extend([6, mech.oid().len() as u8]);
            content.extend(mech.oid());
        }
        [&[0x30, content.len() as u8][..], &content].concat()
    };
    let w = World::new();
    let mut victim = crate::common::Victim::new(&w);
    for mechs in [&[Mech::Ntlm][..], &[Mech::Kerberos, Mech::Ntlm], &[Mech::Kerberos], &[]] {
        for token in [None, Some(&b""[..]), Some(b"\0"), Some(b"NTLMSSP\0")] {
            let mech_list = list(mechs);
            let blob = NegTokenInit { mech_list: &mech_list, token, mic: None }.encode();
            for previous in [0, victim.session_id()] {
                let mut a = w.client(Dialect::SMB_3_1_1);
                let answer = a.request(&setup(blob.clone(), previous)).answer();
                assert_ne!(answer.status, NtStatus::SUCCESS, "{mechs:?}, {token:?}");
                a.session_id = answer.header.session_id;
                a.sign = false;
                a.tree_connect("share").is(NtStatus::USER_SESSION_DELETED);
                a.hang_up();
                victim.is_unharmed();
            }
        }
    }
    let mut kerberos = NtlmClient::new(Credentials::new("alice", "", "x"), Wrapping::KerberosFirst);
    let mut a = w.client(Dialect::SMB_3_1_1);
    let first = setup(kerberos.start(), victim.session_id());
    a.request(&first).is(NtStatus::MORE_PROCESSING_REQUIRED);
    victim.is_unharmed();
}

/// Set up twice and three times over, the hash of the first exchange long gone: keys and opens stay.
#[test]
fn set_up_again_and_again() {
    for dialect in [Dialect::SMB_2_1, Dialect::SMB_3_0, Dialect::SMB_3_1_1] {
        let w = World::new();
        let mut a = w.client(dialect).logged_on("alice");
        let f = a.create("x").ok();
        for _ in 0..3 {
            let mut logon = a.begin(Credentials::new("alice", "", &password("alice")));
            logon.session_id = a.session_id;
            logon.run(&mut a).ok();
            a.write(f, 0, b"still here").ok();
        }
        assert_eq!(w.counters().sessions, 1);
    }
}

/// A time without the others, each of the four alone; a rename and a link to nothing.
#[test]
fn half_of_what_is_set() {
    let w = World::new();
    w.put("x", b"as it was");
    w.vfs(|vfs| vfs.node_at("/srv/share", "x").unwrap().uid = 1000);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let none = BasicInformation {
        creation_time: FileTime(0),
        last_access_time: FileTime(0),
        last_write_time: FileTime(0),
        change_time: FileTime(0),
        file_attributes: FileAttributes::empty(),
    };
    let time = FileTime(130_000_000_000_000_000);
    for set in [
        BasicInformation { creation_time: time, ..none },
        BasicInformation { last_access_time: time, ..none },
        BasicInformation { last_write_time: time, ..none },
        BasicInformation { change_time: time, ..none },
        none,
    ] {
        a.set_file(f, &SetFileInformation::Basic(set)).ok();
    }
    let nothing = |name: &str| Target {
        replace_if_exists: true,
        root_directory: 0,
        file_name: name.encode_utf16().collect(),
    };
    for name in ["", "\\", "\0"] {
        let status = a.set_file(f, &SetFileInformation::Rename(nothing(name))).answer().status;
        assert_ne!(status, NtStatus::SUCCESS, "{name:?}");
        let status = a.set_file(f, &SetFileInformation::Link(nothing(name))).answer().status;
        assert_ne!(status, NtStatus::SUCCESS, "{name:?}");
    }
    assert_eq!(w.data("x").unwrap(), b"as it was");
}
