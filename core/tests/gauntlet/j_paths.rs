//! Class J: names that lead out of the share (MS-SMB2 3.3.5.9, 3.3.5.18, 3.3.5.21.1; MS-FSCC 2.1.5).
//! The same on a disk, with links and with a thread that swaps them, is in
//! `runtime-threads/tests/vfs/escape.rs`.

use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

/// Ways to say "outside": with what is there and what is not, in both cases, with every separator, as
/// streams, as devices, as paths of the host.
fn ways() -> Vec<String> {
    let mut ways: Vec<String> = [
        "..",
        ".",
        "..\\secret",
        ".\\secret",
        "Dir\\..\\..\\secret",
        "DIR\\..\\..\\secret",
        "dir\\File\\..\\..\\..\\secret",
        "none\\..\\..\\secret",
        "Dir\\.\\secret",
        "\\..\\secret",
        "\\\\secret",
        "\\\\?\\C:\\secret",
        "C:\\secret",
        "/etc/passwd",
        "../secret",
        "Dir/../../secret",
        "Dir\\../../secret",
        "..\0\\secret",
        "Dir\\..\0",
        "..:stream",
        "..::$DATA",
        "Dir\\\\secret",
    ]
    .map(String::from)
    .to_vec();
    ways.push("..\\".repeat(100) + "secret");
    ways.push("Dir\\".to_owned() + &"..\\".repeat(100) + "secret");
    ways
}

fn world() -> (World, Client, FileId) {
    let w = World::new();
    w.vfs(|vfs| {
        vfs.serve("/srv");
        vfs.put("/srv", "secret", b"canary");
        vfs.put_directory(ROOT, "Dir");
    });
    w.put("Dir/File", b"as it was");
    let mut a = w.logged_on("alice");
    a.connect_tree("streams");
    let f = a.create("mine").ok();
    a.ask = 300;
    (w, a, f)
}

/// A refusal of the name, not of what it would lead to.
fn of_the_name(status: NtStatus) -> bool {
    [
        NtStatus::OBJECT_PATH_SYNTAX_BAD,
        NtStatus::OBJECT_NAME_INVALID,
        NtStatus::OBJECT_PATH_NOT_FOUND,
        NtStatus::INVALID_PARAMETER,
        NtStatus::NOT_SUPPORTED,
    ]
    .contains(&status)
}

/// CREATE with every disposition, as a file and as a directory; each is refused for its name before
/// the file system is asked, so there is nothing to race with.
#[test]
fn created_or_opened_outside() {
    let (w, mut a, _) = world();
    let before = w.vfs(|vfs| vfs.live());
    w.hold_calls();
    for name in ways() {
        for disposition in (0..6).map(CreateDisposition) {
            let _ = a.create(&name).disposition(disposition).send().later();
            assert_eq!(w.held(), [""; 0], "{name:?}");
            let status = a.receive().status;
            assert!(of_the_name(status), "{name:?}: {status:?}");
        }
        let status = a.create(&name).directory().fresh().send().answer().status;
        assert!(of_the_name(status), "{name:?}: {status:?}");
        assert_eq!(w.held(), [""; 0], "{name:?}");
    }
    w.release_calls();
    assert_eq!(w.vfs(|vfs| vfs.live()), before);
    assert_eq!(w.vfs(|vfs| vfs.data_at("/srv", "secret")).unwrap(), b"canary");
}

/// What is resolved by the name alone never climbs (MS-FSCC 2.1.5.1): it is another way to say what is in
/// the share, and one step further it is refused, in any case and however deep.
#[test]
fn resolved_by_the_name_and_no_further() {
    let (w, mut a, _) = world();
    for (name, file) in [("Dir\\..\\Dir\\File", true), ("DIR\\..", false), ("none\\..\\dir", false)]
    {
        let opened = a.create(name).existing().access(AccessMask::GENERIC_READ).opened();
        assert_eq!(opened.end_of_file == 9, file, "{name}");
        a.close(opened.file_id).ok();
        for further in ["..\\", "dir\\..\\..\\", "none\\..\\..\\DIR\\..\\..\\"] {
            let name = format!("{further}{name}");
            let status = a.create(&name).existing().send().answer().status;
            assert!(of_the_name(status), "{name}: {status:?}");
        }
    }
    assert_eq!(w.vfs(|vfs| vfs.data_at("/srv", "secret")).unwrap(), b"canary");
}

/// Targets of renames and links.
#[test]
fn renamed_or_linked_outside() {
    let (w, mut a, f) = world();
    for name in ways().into_iter().filter(|name| !name.is_empty()) {
        for replace in [false, true] {
            let status = a.rename(f, &name, replace).answer().status;
            assert!(status.is_error(), "{name:?}: {status:?}");
            let status = a.link(f, &name, replace).answer().status;
            assert!(status.is_error(), "{name:?}: {status:?}");
        }
    }
    assert!(w.exists("mine"));
    assert_eq!(w.vfs(|vfs| vfs.data_at("/srv", "secret")).unwrap(), b"canary");
    assert_eq!(w.data("Dir/File").unwrap(), b"as it was");
}

/// Patterns of listings name entries and no paths.
#[test]
fn listed_outside() {
    let (_w, mut a, _) = world();
    let d = a.create("Dir").directory().ok();
    let flags = ksmbd_core::wire::query_directory::QueryDirectoryFlags::RESTART_SCANS;
    for name in ways() {
        let answer = a.list(d, &name, flags, 4096).answer();
        let own = [".", ".."].contains(&name.as_str());
        let none = answer.status == NtStatus::NO_SUCH_FILE || answer.status.is_error();
        assert!(none || own, "{name:?}: {:?}", answer.status);
    }
    assert_eq!(a.names(d, "*"), [".", "..", "File"]);
}

/// A walk in another case that fails half way leaves nothing shortened behind: the next name is found
/// where it is, and what is to be made is made there or nowhere.
#[test]
fn a_walk_that_fails_half_way() {
    let (w, mut a, _) = world();
    for name in ["DIR\\NONE\\x", "dir\\file\\x", "dIR\\nOne\\File", "NONE\\File"] {
        a.create(name).is(NtStatus::OBJECT_PATH_NOT_FOUND);
        a.create(name).fresh().is(NtStatus::OBJECT_PATH_NOT_FOUND);
    }
    w.vfs(|vfs| vfs.fail_next("open", VfsError::Io));
    assert!(a.create("DIR\\new").send().answer().status.is_error());
    w.vfs(|vfs| vfs.node_at(ROOT, "Dir").unwrap().mode = 0o555);
    a.create("DIR\\new").is(NtStatus::ACCESS_DENIED);
    w.vfs(|vfs| vfs.node_at(ROOT, "Dir").unwrap().mode = 0o777);
    for wrong in ["new", "Dir", "dir", "DIR", "Dir/new"] {
        assert_eq!(w.exists(wrong), wrong == "Dir", "{wrong}");
    }
    a.create("DIR\\new").fresh().ok();
    assert!(w.exists("Dir/new"));
}

/// Pipes have names and no paths: nothing is opened, loaded or run by what a client calls one
/// (CVE-2017-7494, CVE-2023-3961, CVE-2021-31800).
#[test]
fn pipes_outside() {
    let (w, mut a, _) = world();
    a.connect_tree("IPC$");
    let before = w.daemon(|daemon| daemon.live());
    let mut names = ways();
    for more in ["..\\..\\echo", "pipe\\..\\echo", "/tmp/library.so", "echo\\..\\x", "echo/x"] {
        names.push(more.into());
    }
    for name in names {
        let status = a.create(&name).existing().send().answer().status;
        assert!(status.is_error(), "{name:?}: {status:?}");
    }
    assert_eq!(w.daemon(|daemon| daemon.live()), before);
    assert_eq!(w.counters().opens, 1);
}
