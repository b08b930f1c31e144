//! Each refusal can be logged as one line: who, which command, which rule, which status; never a
//! secret (DESIGN 3, "Refusals explain themselves").

use ksmbd_fuzz::prelude::*;

#[test]
fn one_line_with_the_section() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.refusals();
    a.create("..").is(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    a.session_id ^= 1;
    a.sign = false;
    a.create("x").is(NtStatus::USER_SESSION_DELETED);
    let refusals = w.refusals();
    assert_eq!(refusals.len(), 2);
    let line = refusals[1].to_string();
    assert!(line.contains("ksmbd/1") && line.contains("CREATE"), "{line}");
    assert!(line.contains("USER_SESSION_DELETED") && line.contains("3.3.5.2.9"), "{line}");
    assert!(!line.contains('\n'));
}

/// That no refusal of any test is without a reason is asserted by the world; here are those that come
/// from below the commands.
#[test]
fn the_file_system_and_names_have_reasons() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    w.refusals();
    a.create("none\\x").is(NtStatus::OBJECT_PATH_NOT_FOUND);
    a.create("a*b").is(NtStatus::OBJECT_NAME_INVALID);
    a.rename(f, "a*b", false).is(NtStatus::OBJECT_NAME_INVALID);
    a.link(f, "x", false).is(NtStatus::OBJECT_NAME_COLLISION);
    w.vfs(|vfs| vfs.fail_next("flush", VfsError::Io));
    a.flush(f).is(NtStatus::IO_DEVICE_ERROR);
    a.tree_connect("").is(NtStatus::BAD_NETWORK_NAME);
    let reasons: Vec<_> = w.refusals().iter().map(|refusal| refusal.at).collect();
    let name = "MS-FSCC 2.1.5: the name";
    let exists = "MS-FSA 2.1.5.1: the name exists";
    let directory = "MS-FSA 2.1.5.1: no such directory";
    let share = "3.3.5.7: no name of a share";
    let failed = "the file system failed";
    assert_eq!(reasons, [directory, name, name, exists, failed, share]);
}

#[test]
fn what_succeeds_is_not_refused() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.write(f, 0, b"x").ok();
    a.close(f).ok();
    a.logoff().ok();
    assert_eq!(w.refusals(), []);
}

#[test]
fn no_secrets() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    a.logon("alice", "my secret").is(NtStatus::LOGON_FAILURE);
    let lines: String = w.refusals().iter().map(|refusal| refusal.to_string()).collect();
    assert!(lines.contains("SESSION_SETUP") && !lines.contains("secret"), "{lines}");
}
