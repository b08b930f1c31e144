use std::path::Path;
use std::sync::Arc;

use ksmbd_adduser::ConfFile;
use ksmbd_core::id::ConnId;
use ksmbd_core::status::NtStatus;
use ksmbd_core::vfs::{Account, Admission, Peer};
use ksmbd_core::wire::negotiate::Dialect;

use super::*;
use crate::account::Serving;
use crate::account::tests::{accounts, accounts_in_an_outage};
use crate::config::Settings;
use crate::state::State;

pub(crate) fn state(text: &str) -> State {
    let accounts = accounts(&["alice"], Serving::Users);
    let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
    let settings = Settings::read(&file, &accounts).expect("loads").settings;
    State { settings, accounts, machine: [1, 2, 3] }
}

fn daemon(text: &str) -> Daemon {
    Daemon::new(Current::new(state(text)))
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
fn a_logon_fails_while_nobody_can_say_whose_it_is() {
    let state = State { accounts: accounts_in_an_outage(&["alice"]), ..state("") };
    let mut daemon = Daemon::new(Current::new(state));
    assert!(matches!(daemon.decide(&logon("alice")), Done::Failed(VfsError::Io)));
}

#[test]
fn trees_are_counted_from_admission_to_leave_across_a_reload() {
    let text = "[a]\npath = /tmp\nmax connections = 1\n";
    let current = Current::new(state(text));
    let mut daemon = Daemon::new(current.clone());
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
fn pipes_are_another_s() {
    let pipe = ksmbd_runtime_threads::PipeId(1);
    let answer = daemon("").decide(&Question::PipeRead { pipe, max: 10 });
    assert!(matches!(answer, Done::Failed(VfsError::NotSupported)));
}
