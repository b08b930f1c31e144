//! TREE_CONNECT and TREE_DISCONNECT (MS-SMB2 3.3.5.7, 3.3.5.8).

use ksmbd_core::auth::ntlm::client::Credentials;
use ksmbd_core::wire::tree_connect::{
    ShareFlags, ShareType, TreeConnectFlags, TreeConnectRequest, TreeConnectResponse,
};
use ksmbd_fuzz::prelude::*;

fn body(response: &Response) -> TreeConnectResponse {
    match &response.body {
        ResponseBody::TreeConnect(body) => *body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_disk() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let response = a.tree_connect("SHARE").ok();
    assert_ne!(response.header.tree_id, a.tree_id, "each connect is a tree of its own");
    let body = body(&response);
    assert_eq!((body.share_type, body.share_flags), (ShareType::DISK, ShareFlags::empty()));
    assert_eq!(body.maximal_access, AccessMask::ALL_ACCESS.bits());
}

#[test]
fn pipes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    assert_eq!(body(&a.tree_connect("IPC$").ok()).share_type, ShareType::PIPE);
}

#[test]
fn what_is_refused() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let before = w.counters();
    a.tree_connect("nothing").is(NtStatus::BAD_NETWORK_NAME);
    a.tree_connect("private").is(NtStatus::ACCESS_DENIED);
    a.tree_connect("broken").is(NtStatus::BAD_NETWORK_NAME);
    for path in ["", "share", "\\\\world", "\\\\world\\", "\\\\world\\share\\more"] {
        let request = TreeConnectRequest { flags: TreeConnectFlags::empty(), path: path.into() };
        a.request(&RequestBody::TreeConnect(request)).is(NtStatus::BAD_NETWORK_NAME);
    }
    assert_eq!(w.counters(), before);
    assert_eq!(w.daemon(|daemon| daemon.admitted()), 1);
}

#[test]
fn a_read_only_share() {
    let w = World::new();
    w.put("x", b"data");
    w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
    let mut a = w.logged_on("alice");
    let response = a.tree_connect("readonly").ok();
    let maximal = AccessMask::from_bits_retain(body(&response).maximal_access);
    assert!(!maximal.intersects(AccessMask::FILE_WRITE_DATA | AccessMask::DELETE));
    a.tree_id = response.header.tree_id;
    let read = AccessMask::GENERIC_READ;
    let f = a.create("x").access(read).ok();
    assert_eq!(a.read(f, 0, 4).ok().data(), b"data");
    a.create("x").is(NtStatus::ACCESS_DENIED);
    a.create("new").access(read).is(NtStatus::ACCESS_DENIED);
    a.create("new").access(read).existing().is(NtStatus::OBJECT_NAME_NOT_FOUND);
    for disposition in [CreateDisposition::OVERWRITE, CreateDisposition::SUPERSEDE] {
        a.create("x").access(read).disposition(disposition).is(NtStatus::ACCESS_DENIED);
    }
    a.write(f, 0, b"y").is(NtStatus::ACCESS_DENIED);
    a.delete(f, true).is(NtStatus::ACCESS_DENIED);
    assert!(w.exists("x") && !w.exists("new"));
}

#[test]
fn disconnected() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").exclusive().ok();
    a.tree_disconnect().ok();
    assert_eq!((w.counters().trees, w.counters().opens), (0, 0));
    a.read(f, 0, 1).is(NtStatus::NETWORK_NAME_DELETED);
    a.tree_disconnect().is(NtStatus::NETWORK_NAME_DELETED);
    a.connect_tree("share");
    a.read(f, 0, 1).is(NtStatus::FILE_CLOSED);
    a.create("x").exclusive().ok();
}

#[test]
fn a_wrong_tree() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let right = a.tree_id;
    a.connect_tree("share");
    a.read(f, 0, 1).is(NtStatus::FILE_CLOSED);
    for wrong in [0, 77, u32::MAX] {
        a.tree_id = wrong;
        a.read(f, 0, 1).is(NtStatus::NETWORK_NAME_DELETED);
        a.create("x").is(NtStatus::NETWORK_NAME_DELETED);
    }
    a.tree_id = right;
    a.write(f, 0, b"x").ok();
}

/// Trees belong to their session.
#[test]
fn anothers_tree() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.connect_tree("share");
    let theirs = a.connect_tree("share");
    let mut b = w.logged_on("bob");
    b.tree_id = theirs;
    b.create("x").is(NtStatus::NETWORK_NAME_DELETED);
}

#[test]
fn as_many_as_allowed() {
    let w = World::with(|config| config.limits.trees_per_session = 2);
    let mut a = w.logged_on("alice");
    a.tree_connect("IPC$").ok();
    a.tree_connect("share").is(NtStatus::INSUFFICIENT_RESOURCES);
    a.tree_disconnect().ok();
    a.tree_connect("share").ok();
}

/// Two TREE_CONNECTs that are under way at once count as well.
#[test]
fn as_many_as_allowed_at_once() {
    let w = World::with(|config| config.limits.trees_per_session = 2);
    let mut a = w.logged_on("alice");
    w.hold_calls();
    for _ in 0..3 {
        let _ = a.tree_connect("IPC$").later();
    }
    a.receive().is(NtStatus::INSUFFICIENT_RESOURCES);
    a.receive().is(NtStatus::INSUFFICIENT_RESOURCES);
    w.release_calls();
    a.receive().ok();
}

/// The session may end while the daemon is asked, or while the directory is opened.
#[test]
fn the_session_ends_meanwhile() {
    for share in ["IPC$", "share"] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        w.hold_calls();
        let connect = a.tree_connect(share).silent();
        let logoff = a.logoff().later();
        w.release_calls();
        let answers = [a.receive(), a.receive()];
        for answer in answers {
            let expected = match answer.header.message_id {
                mid if mid == connect => NtStatus::USER_SESSION_DELETED,
                mid => {
                    assert_eq!(mid, logoff);
                    NtStatus::SUCCESS
                }
            };
            answer.is(expected);
        }
        assert_eq!(w.daemon(|daemon| daemon.admitted()), 0);
    }
}

#[test]
fn hung_up_meanwhile() {
    for share in ["IPC$", "share", "private", "broken"] {
        let w = World::new();
        let mut a = w.logged_on("alice");
        w.hold_calls();
        a.tree_connect(share).silent();
        a.hang_up();
        w.release_calls();
        assert_eq!(w.daemon(|daemon| daemon.admitted()), 0, "{share}");
    }
}

/// Who is admitted is who uses the tree, though the session is another user's by then.
#[test]
fn as_who_was_admitted() {
    let w = World::with(|config| config.multi_channel = true);
    let mut a = w.logged_on("alice");
    let mut b = w.channel(&a, "alice");
    w.hold("open share");
    let connect = a.tree_connect("share").silent();
    let mut logon = b.begin(Credentials::new("bob", "WORLD", &password("bob")));
    logon.session_id = a.session_id;
    logon.run(&mut b).ok();
    w.release_calls();
    a.tree_id = a.answer(connect).ok().header.tree_id;
    a.create("x").ok();
    let owner = w.vfs(|vfs| vfs.at("/srv/share", "x").and_then(|inode| vfs.owner(inode)));
    assert_eq!(owner, Some(1000));
}
