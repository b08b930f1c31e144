use std::path::Path;
use std::sync::Arc;

use ksmbd_adduser::ConfFile;
use ksmbd_core::buffer::Payload;
use ksmbd_core::id::ConnId;
use ksmbd_core::rng::Rng;
use ksmbd_core::status::NtStatus;
use ksmbd_core::vfs::{Account, Admission, Peer};
use ksmbd_core::wire::negotiate::Dialect;

use super::*;
use crate::account::Serving;
use crate::account::tests::accounts;
use crate::config::Settings;
use crate::state::State;

fn state(text: &str) -> State {
    let accounts = accounts(&["alice"], Serving::Users);
    let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
    let settings = Settings::read(&file, &accounts).expect("loads").settings;
    State { settings, accounts, machine: [1, 2, 3] }
}

fn daemon(text: &str) -> Daemon {
    Daemon::new(Current::new(state(text)), Rng::new([0; 32]))
}

fn logon(user: &str) -> Question {
    Question::Logon { user: user.to_owned(), domain: "D".to_owned() }
}

fn question(share: &str) -> Question {
    let address = "127.0.0.1:1".parse().expect("an address");
    Question::Admit {
        share: share.to_owned(),
        account: Some("alice".to_owned()),
        guest: false,
        peer: Peer { address, local: address },
        connection: ConnId(1),
        dialect: Dialect::SMB_3_1_1,
    }
}

fn admitted(daemon: &mut Daemon, share: &str) -> Result<Admission, NtStatus> {
    match daemon.decide(&question(share)) {
        Done::Admitted(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn leave(daemon: &mut Daemon, share: &Arc<Share>) {
    let answer = daemon.decide(&Question::Leave { share: Arc::clone(share) });
    assert!(matches!(answer, Done::Ok));
}

#[test]
fn logons() {
    let mut never = daemon("");
    let Done::Account(Account::Found { identity, .. }) = never.decide(&logon("alice")) else {
        panic!("alice is there");
    };
    assert_eq!(identity.uid, 1000);
    let answer = never.decide(&logon("eve"));
    assert!(matches!(answer, Done::Account(Account::Unknown { guest: None })));
    let mut guests = daemon("[global]\nmap to guest = bad user\n");
    let Done::Account(Account::Unknown { guest: Some(guest) }) = guests.decide(&logon("eve"))
    else {
        panic!("a guest");
    };
    assert_eq!((guest.name.as_str(), guest.uid), ("nobody", 65534));
}

#[test]
fn trees_are_counted_from_admission_to_leave_across_a_reload() {
    let text = "[a]\npath = /tmp\nmax connections = 1\n";
    let current = Current::new(state(text));
    let mut daemon = Daemon::new(current.clone(), Rng::new([0; 32]));
    let first = admitted(&mut daemon, "A").expect("the first");
    assert_eq!(admitted(&mut daemon, "a").err(), Some(NtStatus::REQUEST_NOT_ACCEPTED));
    current.replace(state(text));
    assert_eq!(admitted(&mut daemon, "a").err(), Some(NtStatus::REQUEST_NOT_ACCEPTED));
    leave(&mut daemon, &first.share);
    let second = admitted(&mut daemon, "a").expect("there is room again");
    leave(&mut daemon, &second.share);
    // One leave too many takes nobody's place.
    leave(&mut daemon, &second.share);
    admitted(&mut daemon, "a").expect("room for one");
    assert_eq!(admitted(&mut daemon, "a").err(), Some(NtStatus::REQUEST_NOT_ACCEPTED));
    assert_eq!(admitted(&mut daemon, "b").err(), Some(NtStatus::BAD_NETWORK_NAME));
}

#[test]
fn pipes_are_opened_by_name_and_bounded() {
    let mut daemon = daemon("");
    let open = |daemon: &mut Daemon, id: u64, name: &str| {
        let name = name.to_owned();
        daemon.decide(&Question::PipeOpen { pipe: PipeId(id), name, account: None })
    };
    let missing = open(&mut daemon, 0, "nosuch");
    assert!(matches!(missing, Done::Failed(VfsError::NotFound)));
    for id in 0..256 {
        assert!(matches!(open(&mut daemon, id, "srvsvc"), Done::Ok), "{id}");
    }
    let many = open(&mut daemon, 256, "srvsvc");
    assert!(matches!(many, Done::Failed(VfsError::TooManyFiles)));
    let closed = daemon.decide(&Question::PipeClose { pipe: PipeId(7) });
    assert!(matches!(closed, Done::Ok));
    assert!(matches!(open(&mut daemon, 256, "SRVSVC"), Done::Ok));
}

/// C706 12.6.4.3: a bind of srvsvc 3.0 with NDR32.
fn bind() -> Vec<u8> {
    let mut pdu = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    pdu.extend_from_slice(&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    pdu.extend_from_slice(&[
        0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1,
        0x88, 3, 0, 0, 0,
    ]);
    pdu.extend_from_slice(&[
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,
        0x60, 2, 0, 0, 0,
    ]);
    pdu
}

#[test]
fn a_pipe_answers_in_one_step_or_in_two() {
    let mut daemon = daemon("");
    let pipe = PipeId(1);
    daemon.decide(&Question::PipeOpen { pipe, name: "srvsvc".to_owned(), account: None });
    let nothing = daemon.decide(&Question::PipeRead { pipe, max: 100 });
    assert!(matches!(nothing, Done::Failed(VfsError::WouldBlock)));
    let data = bind();
    let Done::PipeData { data: answer, more } =
        daemon.decide(&Question::PipeTransact { pipe, data, max: 16 })
    else {
        panic!("an answer");
    };
    assert_eq!((answer[2], answer.len(), more), (12, 16, true));
    let Done::PipeData { more: false, .. } = daemon.decide(&Question::PipeRead { pipe, max: 4096 })
    else {
        panic!("the rest");
    };

    let other = PipeId(2);
    daemon.decide(&Question::PipeOpen { pipe: other, name: "srvsvc".to_owned(), account: None });
    let data = Payload::owned(bind());
    let wrote = daemon.decide(&Question::PipeWrite { pipe: other, data });
    assert!(matches!(wrote, Done::Wrote(72)));
}

#[test]
fn a_pipe_that_is_broken_or_closed_takes_nothing() {
    let mut daemon = daemon("");
    let pipe = PipeId(1);
    daemon.decide(&Question::PipeOpen { pipe, name: "srvsvc".to_owned(), account: None });
    let junk = || Payload::owned(vec![0xff; 64]);
    let wrong = daemon.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(wrong, Done::Failed(VfsError::Gone)), "{wrong:?}");
    let again = daemon.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(again, Done::Failed(VfsError::Gone)));
    let read = daemon.decide(&Question::PipeRead { pipe, max: 10 });
    assert!(matches!(read, Done::Failed(VfsError::Gone)));
    daemon.decide(&Question::PipeClose { pipe });
    let gone = daemon.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(gone, Done::Failed(VfsError::Gone)));
}
