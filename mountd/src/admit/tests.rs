use std::path::Path;

use ksmbd_adduser::ConfFile;

use super::*;
use crate::account::Serving;
use crate::account::tests::{accounts, accounts_in_an_outage};
use crate::config::Settings;

fn state(text: &str, serving: Serving) -> State {
    let accounts = accounts(&["alice", "bob", "ghost"], serving);
    let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
    let settings = Settings::read(&file, &accounts).expect("loads").settings;
    State { settings, accounts, machine: [1, 2, 3] }
}

fn peer(address: &str) -> Peer {
    let address = address.parse().expect("an address");
    Peer { address, local: address }
}

fn visitor<'a>(account: Option<&'a str>, guest: bool, peer: &'a Peer) -> Visitor<'a> {
    Visitor { account, guest, peer, connection: ConnId(9), dialect: Dialect::SMB_3_1_1 }
}

/// What the share `a`, with these lines, says to an account, or to a guest called "guest", or to
/// nobody at all, "".
fn ask_at(global: &str, own: &str, who: &str, from: &str) -> Result<Admission, Refusal> {
    let text = format!("[global]\n{global}\n[a]\npath = /tmp\n{own}\n");
    let state = state(&text, Serving::Users);
    let from = peer(from);
    admit(&state, "A", visitor((!who.is_empty()).then_some(who), who == "guest", &from), |_| 0)
}

fn ask(global: &str, own: &str, who: &str) -> Result<Admission, Refusal> {
    ask_at(global, own, who, "192.168.1.7:1000")
}

#[test]
fn a_path_is_each_visitors_own() {
    let text = |force: &str| format!("[a]\npath = /nowhere/%U-%u/%I-%d\nguest ok = yes\n{force}\n");
    let place = |force: &str, account: Option<&str>, guest| {
        let state = state(&text(force), Serving::Users);
        let peer = peer("[::ffff:10.0.0.7]:1000");
        admit(&state, "a", visitor(account, guest, &peer), |_| 0)
            .map(|admission| admission.share.path.clone())
    };
    let at = |who: &str| Ok(format!("/nowhere/{who}/10.0.0.7-9"));
    assert_eq!(place("", Some("alice"), false), at("alice-alice"));
    assert_eq!(place("force user = bob", Some("alice"), false), at("alice-bob"));
    // What a guest calls himself proves nothing.
    assert_eq!(place("", Some("alice"), true), at("nobody-nobody"));
    assert_eq!(place("", None, false), at("nobody-nobody"));
}

#[test]
fn users_and_the_four_lists() {
    use Refusal::{Invalid, NoAccount, NotValid};
    let (read, write) = (Ok(true), Ok(false));
    for (own, who, expected) in [
        ("", "alice", read),
        ("read only = no", "alice", write),
        ("", "eve", Err(NoAccount)),
        ("valid users = alice", "alice", read),
        ("valid users = alice", "bob", Err(NotValid)),
        ("valid users = @staff", "alice", read),
        ("valid users = nosuch", "alice", Err(NotValid)),
        ("invalid users = alice", "alice", Err(Invalid)),
        ("invalid users = alice", "bob", read),
        ("invalid users = alice\nvalid users = alice", "alice", Err(Invalid)),
        ("invalid users = @staff\nwrite list = alice", "alice", Err(Invalid)),
        ("write list = alice", "alice", write),
        ("write list = alice", "bob", read),
        ("read only = no\nread list = alice", "alice", read),
        ("read only = no\nread list = alice", "bob", write),
        // The read list is asked first.
        ("read list = alice\nwrite list = alice", "alice", read),
        // Who is on one of the two need not be on `valid users`.
        ("valid users = bob\nread list = alice", "alice", read),
        ("valid users = bob\nwrite list = alice", "alice", write),
        // So need an administrator, who is kept out by `invalid users` alone (ksmbd asks that later).
        ("valid users = bob\nadmin users = alice", "alice", read),
        ("read only = no\nadmin users = alice\nread list = alice", "alice", read),
        ("invalid users = alice\nadmin users = alice", "alice", Err(Invalid)),
    ] {
        let answer = ask("", own, who).map(|admission| admission.read_only);
        assert_eq!(answer, expected, "{who}: {own}");
    }
}

#[test]
fn guests_and_nobody() {
    use Refusal::{Anonymous, Guest};
    for (global, own, expected) in [
        ("", "", Err(Guest)),
        ("", "guest ok = yes", Ok(true)),
        ("", "guest ok = yes\nread only = no", Ok(false)),
        // Guests have no name that could be on a list.
        ("", "guest ok = yes\nvalid users = alice\ninvalid users = nobody", Ok(true)),
        ("", "guest ok = yes\nwrite list = nobody guest", Ok(true)),
        ("restrict anonymous = 1", "guest ok = yes", Ok(true)),
        ("restrict anonymous = 1", "", Err(Anonymous)),
        ("restrict anonymous = 2", "", Err(Anonymous)),
    ] {
        for who in ["", "guest"] {
            let answer = ask(global, own, who).map(|admission| admission.read_only);
            assert_eq!(answer, expected, "{who}: {global} {own}");
        }
    }
}

#[test]
fn ipc_is_open_to_guests_unless_restricted() {
    for (text, who, expected) in [
        ("", "", None),
        ("", "alice", None),
        ("[global]\nrestrict anonymous = 1\n", "", Some(Refusal::Anonymous)),
        ("[global]\nrestrict anonymous = 1\n", "alice", None),
        ("[ipc$]\nguest ok = no\n", "", Some(Refusal::Guest)),
        ("[ipc$]\nvalid users = bob\n", "alice", Some(Refusal::NotValid)),
        // The machine may have no such user: pipes are not files.
        ("[global]\nguest account = nosuch\n", "", None),
    ] {
        let state = state(text, Serving::Users);
        let account = (!who.is_empty()).then_some(who);
        let from = peer("10.0.0.1:1");
        let visitor = visitor(account, false, &from);
        let answer = admit(&state, "IPC$", visitor, |_| 0);
        assert_eq!(answer.as_ref().err().copied(), expected, "{text}{who}");
        assert!(answer.is_err() || answer.is_ok_and(|admission| admission.identity.is_none()));
    }
}

#[test]
fn as_whom_files_are_used() {
    for (own, who, expected) in [
        // A session's own identity.
        ("", "alice", None),
        ("force user = bob", "alice", Some(("bob", 1001, 100))),
        ("force group = staff", "alice", Some(("alice", 1000, 50))),
        ("force user = bob\nforce group = staff", "alice", Some(("bob", 1001, 50))),
        ("admin users = alice", "alice", Some(("alice", 0, 0))),
        ("admin users = @staff\nforce group = staff", "alice", Some(("alice", 0, 50))),
        ("admin users = bob", "alice", None),
        ("admin users = alice\nforce user = bob", "alice", Some(("bob", 1001, 100))),
        // A guest has no name.
        ("guest ok = yes\nadmin users = nobody guest", "guest", Some(("nobody", 65534, 65534))),
        ("guest ok = yes", "guest", Some(("nobody", 65534, 65534))),
        ("guest ok = yes\nguest account = bob", "", Some(("bob", 1001, 100))),
        ("guest ok = yes\nforce user = alice", "", Some(("alice", 1000, 1000))),
        ("guest ok = yes\nforce group = staff", "", Some(("nobody", 65534, 50))),
    ] {
        let admission = ask("", own, who).expect(own);
        let identity = admission.identity.as_deref();
        let identity = identity.map(|id| (id.name.as_str(), id.uid, id.gid));
        assert_eq!(identity, expected, "{who}: {own}");
    }
    let gone = ask("guest account = nosuch", "guest ok = yes", "").expect_err("no such user");
    assert_eq!(gone, Refusal::NoIdentity);
    let ghost = ask("", "force group = staff", "ghost").expect_err("no Unix user");
    assert_eq!(ghost, Refusal::NoIdentity);
}

#[test]
fn hosts_come_before_users() {
    for (own, from, expected) in [
        ("hosts allow = 192.168.", "192.168.1.7:9", None),
        ("hosts allow = 192.168.", "[::ffff:192.168.1.7]:9", None),
        ("hosts allow = 10.", "192.168.1.7:9", Some(Refusal::Host)),
        ("hosts deny = 192.168.1.7", "192.168.1.7:9", Some(Refusal::Host)),
        ("hosts deny = ALL\ninvalid users = alice", "192.168.1.7:9", Some(Refusal::Host)),
    ] {
        let answer = ask_at("", own, "alice", from);
        assert_eq!(answer.err(), expected, "{own} {from}");
    }
}

#[test]
fn a_limit_of_n_admits_n_and_comes_before_hosts() {
    let text = "[a]\npath = /tmp\nmax connections = 2\nhosts deny = 10.\n";
    let state = state(text, Serving::Users);
    let here = peer("127.0.0.1:1");
    let there = peer("10.0.0.1:1");
    let visitor = |peer| visitor(Some("alice"), false, peer);
    admit(&state, "a", visitor(&here), |_| 0).expect("the first");
    admit(&state, "a", visitor(&here), |_| 1).expect("the second");
    let third = admit(&state, "a", visitor(&here), |_| 2).expect_err("one too many");
    assert_eq!(third, Refusal::TooMany);
    let third = admit(&state, "a", visitor(&there), |_| 2).expect_err("one too many");
    assert_eq!(third, Refusal::TooMany);
    let missing = admit(&state, "b", visitor(&here), |_| 9).expect_err("no such share");
    assert_eq!(missing, Refusal::NoShare);
}

#[test]
fn what_the_client_is_told() {
    assert_eq!(Refusal::NoShare.status(), NtStatus::BAD_NETWORK_NAME);
    assert_eq!(Refusal::TooMany.status(), NtStatus::REQUEST_NOT_ACCEPTED);
    for refusal in [
        Refusal::Host,
        Refusal::Anonymous,
        Refusal::Guest,
        Refusal::NoAccount,
        Refusal::Invalid,
        Refusal::NotValid,
        Refusal::NoIdentity,
    ] {
        assert_eq!(refusal.status(), NtStatus::ACCESS_DENIED);
    }
}

/// The settings were read before, or after, the machine's users and groups could not be looked up any
/// more: no list is passed by for that, and no share is gone.
#[test]
fn nobody_is_let_in_whom_a_list_may_keep_out() {
    for (own, expected) in [
        ("", Ok(true)),
        ("invalid users = @staff", Err(Refusal::Unsure)),
        ("invalid users = bob", Ok(true)),
        ("writable = yes\nread list = @staff", Err(Refusal::Unsure)),
        ("valid users = @staff", Err(Refusal::Unsure)),
        ("valid users = @staff alice", Ok(true)),
        ("admin users = @staff", Err(Refusal::Unsure)),
        ("force user = bob", Err(Refusal::Unsure)),
        ("force group = staff", Err(Refusal::Unsure)),
    ] {
        let text = format!("[a]\npath = /tmp\n{own}\n");
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
        for read_with in [accounts(&["alice"], Serving::Users), accounts_in_an_outage(&["alice"])] {
            let settings = Settings::read(&file, &read_with).expect("loads").settings;
            let accounts = accounts_in_an_outage(&["alice"]);
            let state = State { settings, accounts, machine: [1, 2, 3] };
            let peer = peer("192.168.1.7:1000");
            let answer = admit(&state, "a", visitor(Some("alice"), false, &peer), |_| 0);
            assert_eq!(answer.map(|admission| admission.read_only), expected, "{own}");
        }
    }
}
