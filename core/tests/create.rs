//! CREATE: dispositions, what is refused, and what is answered (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1).

use ksmbd_core::wire::create_context::{ResponseContext, name};
use ksmbd_fuzz::prelude::*;

const ROOT: &str = "/srv/share";

#[test]
fn dispositions() {
    use CreateAction as Action;
    use CreateDisposition as Do;
    let (exists, missing) = (NtStatus::OBJECT_NAME_COLLISION, NtStatus::OBJECT_NAME_NOT_FOUND);
    let table = [
        (Do::SUPERSEDE, Ok(Action::SUPERSEDED), Ok(Action::CREATED)),
        (Do::OPEN, Ok(Action::OPENED), Err(missing)),
        (Do::CREATE, Err(exists), Ok(Action::CREATED)),
        (Do::OPEN_IF, Ok(Action::OPENED), Ok(Action::CREATED)),
        (Do::OVERWRITE, Ok(Action::OVERWRITTEN), Err(missing)),
        (Do::OVERWRITE_IF, Ok(Action::OVERWRITTEN), Ok(Action::CREATED)),
    ];
    for (disposition, when_there, when_missing) in table {
        for (there, expected) in [(true, when_there), (false, when_missing)] {
            let w = World::new();
            let mut a = w.logged_on("alice");
            if there {
                w.put("x", b"data");
            }
            let answer = a.create("x").disposition(disposition).send().answer();
            let found = match answer.status {
                NtStatus::SUCCESS => Ok(answer.created().create_action),
                status => Err(status),
            };
            assert_eq!(found, expected, "{disposition:?}, there: {there}");
            let empty = w.data("x").is_none_or(|data| data.is_empty());
            assert_eq!(
                empty,
                !there || matches!(found, Ok(Action::SUPERSEDED | Action::OVERWRITTEN))
            );
        }
    }
}

#[test]
fn files_and_directories() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.put("file", b"");
    w.vfs(|vfs| vfs.put_directory(ROOT, "dir"));
    let file = CreateOptions::NON_DIRECTORY_FILE;
    a.create("file").directory().existing().is(NtStatus::NOT_A_DIRECTORY);
    a.create("dir").existing().options(file).is(NtStatus::FILE_IS_A_DIRECTORY);
    a.create("dir").directory().options(file).is(NtStatus::INVALID_PARAMETER);
    a.create("dir").directory().fresh().is(NtStatus::OBJECT_NAME_COLLISION);
    a.create("dir").disposition(CreateDisposition::OVERWRITE).is(NtStatus::FILE_IS_A_DIRECTORY);
    a.create("new")
        .directory()
        .disposition(CreateDisposition::OVERWRITE_IF)
        .is(NtStatus::INVALID_PARAMETER);
    let made = a.create("new").directory().fresh().opened();
    assert_eq!(made.file_attributes, FileAttributes::DIRECTORY.bits());
    let opened = a.create("dir").access(AccessMask::GENERIC_READ).existing().opened();
    assert_eq!(opened.file_attributes, FileAttributes::DIRECTORY.bits());
}

#[test]
fn names() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_directory(ROOT, "Dir"));
    w.put("Dir/File.TXT", b"data");
    let opened = a.create("dIR\\file.txt").existing().opened();
    assert_eq!(opened.end_of_file, 4, "case does not matter");
    let cases = [
        ("\\x", NtStatus::INVALID_PARAMETER),
        ("a\\\\b", NtStatus::OBJECT_NAME_INVALID),
        ("..", NtStatus::OBJECT_PATH_SYNTAX_BAD),
        ("Dir\\..\\..\\x", NtStatus::OBJECT_PATH_SYNTAX_BAD),
        ("a*b", NtStatus::OBJECT_NAME_INVALID),
        ("a/b", NtStatus::OBJECT_NAME_INVALID),
        ("a:stream", NtStatus::OBJECT_NAME_INVALID),
        ("none\\x", NtStatus::OBJECT_PATH_NOT_FOUND),
        ("Dir\\File.TXT\\x", NtStatus::OBJECT_PATH_NOT_FOUND),
    ];
    for (name, expected) in cases {
        a.create(name).is(expected);
    }
    let long = "n".repeat(256);
    a.create(&long).is(NtStatus::OBJECT_NAME_INVALID);
    a.create("").access(AccessMask::GENERIC_READ).existing().ok();
}

#[test]
fn what_makes_no_sense() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let invalid = NtStatus::INVALID_PARAMETER;
    a.create("x").disposition(CreateDisposition(6)).is(invalid);
    a.create("x").sharing(ShareAccess::from_bits_retain(8)).is(invalid);
    a.create("x").options(CreateOptions::from_bits_retain(0x0100_0000)).is(invalid);
    a.create("x").attributes(FileAttributes::from_bits_retain(0x8000_0000)).is(invalid);
    a.create("x").access(AccessMask::empty()).is(NtStatus::ACCESS_DENIED);
    a.create("x").access(AccessMask::GENERIC_READ).delete_on_close().is(invalid);
    let mut create = a.create("x");
    create.request.impersonation_level.0 = 4;
    create.is(NtStatus::BAD_IMPERSONATION_LEVEL);
    a.create("x").options(CreateOptions::OPEN_BY_FILE_ID).is(NtStatus::NOT_SUPPORTED);
    a.create("x").access(AccessMask::ACCESS_SYSTEM_SECURITY).is(NtStatus::PRIVILEGE_NOT_HELD);
    assert_eq!(w.counters().opens, 0);
}

/// What permissions do not grant is not opened; MAXIMUM_ALLOWED takes what there is.
#[test]
fn access() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.put("x", b"data");
    w.vfs(|vfs| vfs.node_at(ROOT, "x").unwrap().mode = 0o444);
    a.create("x").existing().access(AccessMask::GENERIC_WRITE).is(NtStatus::ACCESS_DENIED);
    let f = a.create("x").existing().access(AccessMask::MAXIMUM_ALLOWED).ok();
    assert_eq!(a.read(f, 0, 4).ok().data(), b"data");
    a.write(f, 0, b"y").is(NtStatus::ACCESS_DENIED);
    let f = a.create("x").existing().access(AccessMask::FILE_READ_ATTRIBUTES).ok();
    a.read(f, 0, 4).is(NtStatus::ACCESS_DENIED);
}

/// Whoever makes a file gets it as asked for, whatever its mode says.
#[test]
fn access_to_what_is_new() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a
        .create("x")
        .fresh()
        .access(AccessMask::GENERIC_ALL)
        .attributes(FileAttributes::READONLY)
        .ok();
    a.write(f, 0, b"data").ok();
    a.close(f).ok();
    a.create("x").is(NtStatus::ACCESS_DENIED);
    a.create("x").access(AccessMask::GENERIC_READ).ok();
}

#[test]
fn a_directory_without_permission() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_node(ROOT, "d", Content::Directory(Default::default()), 0o700));
    a.create("d\\x").is(NtStatus::ACCESS_DENIED);
}

#[test]
fn attributes() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let hidden = FileAttributes::HIDDEN;
    let made = a.create("x").fresh().attributes(hidden).opened();
    assert_eq!(made.file_attributes, (hidden | FileAttributes::ARCHIVE).bits());
    a.close(made.file_id).ok();
    let overwrite = CreateDisposition::OVERWRITE;
    a.create("x").disposition(overwrite).is(NtStatus::ACCESS_DENIED);
    let again = a.create("x").disposition(overwrite).attributes(hidden).opened();
    assert_eq!(again.create_action, CreateAction::OVERWRITTEN);
    assert_eq!(again.file_attributes, (hidden | FileAttributes::ARCHIVE).bits());
}

/// MS-SMB2 3.3.5.9.5, 3.3.5.9.9: the contexts that are answered.
#[test]
fn contexts() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let made = a.create("x").context(name::MX_AC, &[]).context(name::QFID, &[]).opened();
    let find = |wanted: &[u8]| {
        let raw = made.contexts.iter().find(|context| context.name == wanted).unwrap();
        ResponseContext::parse(&raw.name, &raw.data).unwrap()
    };
    assert_eq!(made.contexts.len(), 2);
    let ResponseContext::MxAc { query_status: 0, maximal_access } = find(name::MX_AC) else {
        panic!("{made:?}");
    };
    assert!(maximal_access.contains(AccessMask::FILE_GENERIC_READ | AccessMask::WRITE_DAC));
    let inode = w.vfs(|vfs| vfs.at(ROOT, "x")).unwrap();
    assert!(matches!(find(name::QFID), ResponseContext::QFid { disk_file_id, .. }
        if disk_file_id == inode));
}

#[test]
fn contexts_that_are_not_answered() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let made = a.create("x").context(b"what", b"ever").context(name::DHNQ, &[0; 16]).opened();
    assert!(made.contexts.is_empty());
    a.create("x").context(name::TWRP, &[1; 8]).is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("x").context(name::DHNQ, &[0; 3]).is(NtStatus::INVALID_PARAMETER);
    a.create("x").context(name::MX_AC, &[0; 3]).is(NtStatus::INVALID_PARAMETER);
}

#[test]
fn room_that_is_asked_for() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let made = a.create("x").context(name::AL_SI, &100_000_u64.to_le_bytes()).opened();
    assert_eq!(made.allocation_size, 102_400);
    w.vfs(|vfs| vfs.capacity = 1 << 20);
    let too_much = (1_u64 << 21).to_le_bytes();
    a.create("y").context(name::AL_SI, &too_much).is(NtStatus::DISK_FULL);
    assert!(!w.exists("y"), "a create that fails leaves nothing behind");
}

#[test]
fn as_many_opens_as_allowed() {
    let w = World::with(|config| config.limits.opens = 2);
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    a.create("y").ok();
    a.create("z").is(NtStatus::TOO_MANY_OPENED_FILES);
    assert!(!w.exists("z"));
    a.close(f).ok();
    w.hold_calls();
    let z = a.create("z").send().silent();
    a.create("u").is(NtStatus::TOO_MANY_OPENED_FILES);
    w.release_calls();
    a.answer(z).ok();
    assert!(!w.exists("u"));
}

/// DESIGN 3, property 9: who has waited for a break is counted when he goes on.
#[test]
fn as_many_opens_as_allowed_after_a_wait() {
    let w = World::with(|config| config.limits.opens = 5);
    w.put("x", b"");
    let mut b = w.logged_on("bob");
    let f = b.create("x").batch().ok();
    let mut a = w.logged_on("alice");
    for _ in 0..20 {
        a.create("x").send().waits();
    }
    b.oplock_broken(f);
    b.ack_oplock(f, OplockLevel::II).ok();
    let answers = (0..20).map(|_| a.receive().status);
    let (opened, refused): (Vec<_>, Vec<_>) = answers.partition(|status| !status.is_error());
    assert_eq!((opened.len(), w.counters().opens), (4, 5));
    assert_eq!(refused, [NtStatus::TOO_MANY_OPENED_FILES; 16]);
}

/// A failed step takes out of the tables what was put in before it.
#[test]
fn an_overwrite_that_fails() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.put("x", b"data");
    w.vfs(|vfs| vfs.fail_next("overwrite", VfsError::Io));
    let overwrite = CreateDisposition::OVERWRITE;
    a.create("x").exclusive().disposition(overwrite).is(NtStatus::IO_DEVICE_ERROR);
    assert_eq!((w.counters().opens, w.vfs(|vfs| vfs.live())), (0, 1));
    a.create("x").exclusive().ok();
}

#[test]
fn each_failure_of_the_file_system() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let cases = [
        (VfsError::NoSpace, NtStatus::DISK_FULL),
        (VfsError::ReadOnly, NtStatus::MEDIA_WRITE_PROTECTED),
        (VfsError::TooManyFiles, NtStatus::TOO_MANY_OPENED_FILES),
        (VfsError::TimedOut, NtStatus::IO_TIMEOUT),
        (VfsError::Io, NtStatus::IO_DEVICE_ERROR),
    ];
    for (error, status) in cases {
        w.vfs(|vfs| vfs.fail_next("open", error));
        a.create("x").is(status);
    }
}

/// The tree, the session or the client may be gone when the file is open.
#[test]
fn gone_meanwhile() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.hold("open");
    let create = a.create("x").send().silent();
    let leave = a.tree_disconnect().later();
    a.answer(leave).ok();
    w.release_calls();
    a.answer(create).is(NtStatus::NETWORK_NAME_DELETED);
    a.connect_tree("share");
    w.hold("open");
    a.create("x").send().silent();
    a.hang_up();
    w.release_calls();
    assert_eq!(w.vfs(|vfs| vfs.live()), 0);
}

#[test]
fn a_fifo_is_shown_and_never_opened() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    w.vfs(|vfs| vfs.put_node(ROOT, "fifo", Content::Special, 0o666));
    a.create("fifo").existing().is(NtStatus::ACCESS_DENIED);
    a.create("fifo").existing().access(AccessMask::FILE_READ_ATTRIBUTES).ok();
}
