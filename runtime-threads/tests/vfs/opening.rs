//! Opening, creating, attributes and times.

use crate::rig::{Rig, fifo};
use ksmbd_core::{
    time::FileTime,
    vfs::{Existing, FileKind, Missing, Op, OpenHow, Permitted, SetBasic, VfsError, WantedKind},
    wire::fscc::FileAttributes,
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

#[test]
fn what_is_missing_says_what_is_missing() {
    let rig = Rig::new();
    fs::write(rig.host("file"), "x").unwrap();
    assert_eq!(rig.look("none").unwrap_err(), VfsError::NotFound);
    assert_eq!(rig.look("none/none").unwrap_err(), VfsError::PathNotFound);
    assert_eq!(rig.look("file/none").unwrap_err(), VfsError::PathNotFound);
    assert_eq!(rig.create("none/new").unwrap_err(), VfsError::PathNotFound);
    let long = "x".repeat(250);
    assert!(rig.create(&long).unwrap().created);
}

#[test]
fn dispositions() {
    let rig = Rig::new();
    let made = rig.create("a").unwrap();
    assert!(made.created && made.info.kind == FileKind::File);
    assert!(!rig.create("a").unwrap().created);
    let fail = OpenHow { existing: Existing::Fail, missing: Missing::CreateFile, ..rig.how("A") };
    assert_eq!(rig.open(fail).unwrap_err(), VfsError::Exists);
    assert!(rig.mkdir("d").unwrap().created);
    let wanted = |name: &str, kind| rig.open(OpenHow { kind, ..rig.how(name) }).map(|_| ());
    assert_eq!(wanted("d", WantedKind::File), Err(VfsError::IsDirectory));
    assert_eq!(wanted("a", WantedKind::Directory), Err(VfsError::NotDirectory));
    assert_eq!(wanted("a", WantedKind::File), Ok(()));
    // The bit that writes a file adds entries to a directory.
    let write = OpenHow { write: true, ..rig.how("d") };
    assert_eq!(rig.open(write).unwrap().info.kind, FileKind::Directory);
}

#[test]
fn case_does_not_matter_and_the_disk_s_is_told() {
    let rig = Rig::new();
    fs::create_dir_all(rig.host("Dir/SubDir")).unwrap();
    fs::write(rig.host("Dir/SubDir/Größe.TXT"), "x").unwrap();
    let opened = rig.look("dIR/subdir/gRÖßE.txt").unwrap();
    assert_eq!(opened.path.as_str(), "Dir/SubDir/Größe.TXT");
    // A new file comes into the directory that is there, with the client's case for its own name.
    let made = rig.create("DIR/subDIR/New").unwrap();
    assert_eq!(made.path.as_str(), "Dir/SubDir/New");
    assert!(rig.host("Dir/SubDir/New").exists());
    // With two that differ in case, the exact one is meant.
    fs::write(rig.host("x"), "small").unwrap();
    fs::write(rig.host("X"), "BIGGER").unwrap();
    assert_eq!(rig.look("x").unwrap().info.size, 5);
    assert_eq!(rig.look("X").unwrap().info.size, 6);
}

#[test]
fn modes_come_from_the_share() {
    let rig = Rig::with(|share| {
        share.create_mask = 0o640;
        share.force_create_mode = 0o001;
        share.directory_mask = 0o750;
        share.force_directory_mode = 0o1000;
    });
    rig.create("f").unwrap();
    rig.mkdir("d").unwrap();
    let mode = |name| fs::metadata(rig.host(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("f"), 0o641);
    assert_eq!(mode("d"), 0o1750);
}

#[test]
fn a_fifo_is_shown_and_never_waited_for() {
    let rig = Rig::new();
    fifo(&rig.host("pipe"));
    let opened = rig.look("pipe").unwrap();
    assert_eq!(opened.info.kind, FileKind::Special);
    assert!(opened.info.attributes.contains(FileAttributes::REPARSE_POINT));
    assert_eq!(rig.read_write("pipe").unwrap_err(), VfsError::AccessDenied);
    let read = OpenHow { read: true, ..rig.how("pipe") };
    assert_eq!(rig.open(read).unwrap_err(), VfsError::AccessDenied);
    assert_eq!(rig.names("", "p*"), ["pipe"]);
    assert_eq!(rig.read(&opened.file, 0, 10), Err(VfsError::AccessDenied));
}

#[test]
fn attributes_and_creation_time_are_kept() {
    let rig = Rig::new();
    let how = rig.how("f");
    let attributes = FileAttributes::ARCHIVE | FileAttributes::SYSTEM | FileAttributes::DIRECTORY;
    let how = OpenHow { write: true, missing: Missing::CreateFile, attributes, ..how };
    let file = rig.open(how).unwrap();
    assert_eq!(file.info.attributes, FileAttributes::ARCHIVE | FileAttributes::SYSTEM);
    let created = FileTime::from_unix(1_000_000_000, 123_456_700);
    let written = FileTime::from_unix(1_100_000_000, 765_432_100);
    let set = SetBasic {
        creation_time: Some(created),
        last_write_time: Some(written),
        attributes: Some(FileAttributes::HIDDEN | FileAttributes::READONLY),
        ..SetBasic::default()
    };
    rig.ok(Op::SetBasic { file: file.file.clone(), set }).unwrap();
    for opened in
        [rig.look("f").unwrap(), rig.open(OpenHow { read: true, ..rig.how("F") }).unwrap()]
    {
        let info = opened.info;
        assert_eq!(info.attributes, FileAttributes::HIDDEN | FileAttributes::READONLY);
        assert_eq!((info.creation_time, info.last_write_time), (created, written));
        assert_eq!(info.last_access_time, file.info.last_access_time);
    }
    // Through a handle that is not open for data as well.
    let set = SetBasic {
        attributes: Some(FileAttributes::NORMAL),
        last_access_time: Some(created),
        ..SetBasic::default()
    };
    rig.ok(Op::SetBasic { file: rig.look("f").unwrap().file, set }).unwrap();
    let info = rig.query(&file.file);
    assert_eq!(info.attributes, FileAttributes::NORMAL);
    assert_eq!((info.creation_time, info.last_access_time), (created, created));
    let listed = rig.list("", "f");
    assert_eq!(listed[0].creation_time, created);
    assert_eq!(listed[0].file_attributes, FileAttributes::NORMAL);
}

#[test]
fn a_share_that_stores_nothing_still_works() {
    let rig = Rig::with(|share| share.store_dos_attributes = false);
    let file = rig.create("f").unwrap();
    let set = SetBasic { attributes: Some(FileAttributes::HIDDEN), ..SetBasic::default() };
    rig.ok(Op::SetBasic { file: file.file.clone(), set }).unwrap();
    assert_eq!(rig.query(&file.file).attributes, FileAttributes::ARCHIVE);
}

#[test]
fn dot_files_are_hidden_by_the_share_s_setting() {
    let rig = Rig::new();
    rig.create(".secret").unwrap();
    assert!(rig.look(".secret").unwrap().info.attributes.contains(FileAttributes::HIDDEN));
    let rig = Rig::with(|share| share.hide_dot_files = false);
    rig.create(".secret").unwrap();
    assert_eq!(rig.look(".secret").unwrap().info.attributes, FileAttributes::ARCHIVE);
}

#[test]
fn the_share_itself() {
    let rig = Rig::new();
    let opened = rig.look("").unwrap();
    assert!(opened.path.is_root() && opened.info.kind == FileKind::Directory);
    assert_eq!(opened.info.attributes, FileAttributes::DIRECTORY);
    assert!(!opened.info.permitted.contains(Permitted::DELETE));
    assert!(opened.info.permitted.contains(Permitted::READ | Permitted::WRITE));
}

#[test]
fn a_link_where_links_are_not_followed_is_a_link() {
    let rig = Rig::new();
    fs::write(rig.host("target"), "x").unwrap();
    symlink("target", rig.host("link")).unwrap();
    symlink("nowhere", rig.host("dangling")).unwrap();
    let opened = rig.look("link").unwrap();
    assert_eq!(opened.info.kind, FileKind::Symlink);
    assert_eq!(rig.read_write("link").unwrap_err(), VfsError::AccessDenied);
    assert_eq!(rig.create("dangling").unwrap_err(), VfsError::AccessDenied);
    assert!(!rig.host("nowhere").exists());
}

#[test]
fn a_change_time_is_shown_until_something_changes() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    let mine = FileTime::from_unix(1_200_000_000, 0);
    let set = |set| rig.ok(Op::SetBasic { file: file.clone(), set }).unwrap();
    set(SetBasic { change_time: Some(mine), ..SetBasic::default() });
    assert_eq!(rig.query(&file).change_time, mine);
    set(SetBasic { attributes: Some(FileAttributes::HIDDEN), ..SetBasic::default() });
    assert_eq!(rig.query(&file).change_time, mine, "this handle set it");
    std::thread::sleep(std::time::Duration::from_millis(20));
    rig.write(&rig.read_write("f").unwrap().file, 0, b"x").unwrap();
    assert!(rig.query(&file).change_time > mine);
}
