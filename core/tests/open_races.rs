//! CREATEs whose call is back late: others have opened, deleted or renamed the file in between (MS-FSA
//! 2.1.5.1: opening, or making, is one act).

use ksmbd_fuzz::prelude::*;

/// Two make one file; it is theirs who comes into the tables first, also when the other one has made it
/// on the disk.
#[test]
fn made_by_one_and_had_by_the_other() {
    let w = World::new();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    w.hold("open");
    let first = a.create("x").exclusive().send().later();
    w.carry_out(0);
    let second = b.create("x").exclusive().send().later();
    w.complete(0);
    let f = b.answer(second).ok().created().file_id;
    w.release_calls();
    a.answer(first).is(NtStatus::SHARING_VIOLATION);
    b.write(f, 0, b"mine").ok();
    b.close(f).ok();
    assert_eq!(w.data("x").unwrap(), b"mine");
}

/// What was made by a CREATE that is refused is being removed: nobody opens it any more.
#[test]
fn found_while_it_is_withdrawn() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1).logged_on("alice");
    let mut b = w.logged_on("alice");
    a.create("x").lease(1, "R").ok();
    w.hold("delete");
    let refused = a.create("y").lease(1, "R").send().later();
    b.create("y").is(NtStatus::DELETE_PENDING);
    w.release_calls();
    a.answer(refused).is(NtStatus::INVALID_PARAMETER);
    assert!(!w.exists("y"));
    assert_eq!(w.counters().files, 1);
    b.create("y").fresh().ok();
}

/// The same of a stream, of a file that was there before.
#[test]
fn a_stream_is_withdrawn() {
    let w = World::new();
    w.put("y", b"stays");
    let mut a = w.client(Dialect::SMB_3_1_1).logged_on("alice");
    a.connect_tree("streams");
    a.create("x").lease(1, "R").ok();
    a.create("y:one").lease(1, "R").is(NtStatus::INVALID_PARAMETER);
    a.create("y:one").existing().is(NtStatus::OBJECT_NAME_NOT_FOUND);
    a.create("z:one").lease(1, "R").is(NtStatus::INVALID_PARAMETER);
    assert!(w.exists("y") && !w.exists("z"));
    assert_eq!(w.counters().files, 1);
}

/// Deleted by the last who had it open, after it was opened on the disk and before that was known: what is
/// there now is opened, or nothing.
#[test]
fn gone_while_it_is_opened() {
    for existing in [false, true] {
        let w = World::new();
        w.put("x", b"old");
        let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
        let f = a.create("x").existing().ok();
        w.hold("open");
        let create = b.create("x");
        let create = if existing { create.existing() } else { create };
        let opening = create.send().later();
        w.carry_out(0);
        a.delete(f, true).ok();
        a.close(f).ok();
        w.release_calls();
        let answer = b.answer(opening);
        if existing {
            answer.is(NtStatus::OBJECT_NAME_NOT_FOUND);
            continue;
        }
        let opened = answer.ok().created().clone();
        assert_eq!(opened.create_action, CreateAction::CREATED);
        b.write(opened.file_id, 0, b"new").ok();
        b.close(opened.file_id).ok();
        assert_eq!(w.data("x").unwrap(), b"new");
    }
}

/// The same, and it got another name, or its directory: the open goes with it.
#[test]
fn renamed_while_it_is_opened() {
    for (renamed, to, name) in [("d\\x", "d\\y", "d/y"), ("d", "e", "e/x")] {
        let w = World::new();
        w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
        w.put("d/x", b"old");
        let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
        let f = a.create(renamed).existing().access(AccessMask::DELETE).ok();
        w.hold("open");
        let opening = b.create("d\\x").existing().delete_on_close().send().later();
        w.carry_out(0);
        a.rename(f, to, false).ok();
        a.close(f).ok();
        w.release_calls();
        let f = b.answer(opening).ok().created().file_id;
        assert!(w.exists(name));
        b.close(f).ok();
        assert!(!w.exists(name));
    }
}

/// Directories get other names meanwhile, elsewhere, few or more than are remembered: it is opened, if not
/// at the first look.
#[test]
fn opened_while_others_are_renamed() {
    for times in [1, 40] {
        opened_beside(times);
    }
}

fn opened_beside(times: usize) {
    let w = World::new();
    w.put("x", b"data");
    w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let d = a.create("d").existing().access(AccessMask::DELETE).ok();
    w.hold("open");
    let opening = b.create("x").existing().send().later();
    let mut looks = 0;
    while !w.held().is_empty() {
        w.carry_out(0);
        for _ in 0..times {
            a.rename(d, "e", false).ok();
            a.rename(d, "d", false).ok();
        }
        w.complete_carried();
        looks += 1;
    }
    b.answer(opening).ok();
    assert!(looks == 1 || times > 1 && looks < 10, "{looks}");
}

/// What a rename replaces was made after the look at its new name.
#[test]
fn replaced_while_it_is_made() {
    let w = World::new();
    w.put("x", b"new");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let f = a.create("x").existing().ok();
    w.hold("rename");
    let rename = a.rename(f, "y", true).silent();
    w.hold("open");
    let making = b.create("y").send().later();
    w.carry_out(1);
    w.complete(0);
    a.answer(rename).ok();
    w.release_calls();
    let opened = b.answer(making).ok().created().clone();
    assert_eq!((opened.create_action, opened.end_of_file), (CreateAction::OPENED, 3));
}

/// A CREATE has made a file, and waits for whoever has found it. By then that has another name, and the
/// name is another file's, which this CREATE has not made.
#[test]
fn another_of_its_name_while_it_waits() {
    let w = World::new();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    w.hold("open");
    let create = a.create("x").fresh().exclusive().send().later();
    w.carry_out(0);
    let found = b.create("x").oplock(OplockLevel::BATCH).send().later();
    w.complete(0);
    let f = b.answer(found).ok().created().file_id;
    w.release_calls();
    a.interim(create);
    assert_eq!(b.oplock_broken(f), OplockLevel::II);
    b.rename(f, "y", false).ok();
    let mut c = w.logged_on("alice");
    let theirs = c.create("x").fresh().ok();
    c.write(theirs, 0, b"theirs").ok();
    b.close(f).ok();
    a.answer(create).is(NtStatus::OBJECT_NAME_COLLISION);
    c.close(theirs).ok();
    assert_eq!(w.data("x").unwrap(), b"theirs");
    assert!(w.exists("y"));
}

/// A file is deleted, and the one that is being made gets its inode number: nothing is wrong with that
/// (smb2.dir.*, on a file system that gives numbers again at once).
#[test]
fn a_number_that_is_used_again() {
    let w = World::new();
    w.put("x", b"old");
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let f = a.create("x").existing().ok();
    let number = w.vfs(|vfs| vfs.at("/srv/share", "x")).unwrap();
    w.hold("open");
    let making = b.create("y").fresh().send().later();
    a.delete(f, true).ok();
    a.close(f).ok();
    w.vfs(|vfs| vfs.use_again(number));
    w.release_calls();
    assert_eq!(b.answer(making).ok().created().create_action, CreateAction::CREATED);
    assert!(w.exists("y"));
}
