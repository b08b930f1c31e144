//! Listing directories.

use crate::rig::Rig;
use ksmbd_core::{
    name::{Pattern, SharePath},
    vfs::{Done, ListHow, Op, OpenHow},
    wire::fscc::{FileAttributes, FileInfoClass, directory::DirectoryEntry},
};
use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt};

#[test]
fn every_entry_comes_once_whatever_the_page() {
    let rig = Rig::new();
    fs::create_dir(rig.host("d")).unwrap();
    for number in 0..500 {
        fs::write(rig.host(&format!("d/file-{number}")), vec![0; number]).unwrap();
    }
    let directory = rig.look("d").unwrap().file;
    for max in [200, 1000, 65_536] {
        let (entries, pages) = rig.list_pages(&directory, "*", max);
        assert_eq!(entries.len(), 502, "{max}");
        assert!(pages > 1 || max > 60_000);
        assert_eq!((&entries[0].file_name, &entries[1].file_name), (&".".into(), &"..".into()));
        let names: BTreeSet<_> = entries.iter().map(|e| e.file_name.clone()).collect();
        assert_eq!(names.len(), 502);
        let last = entries.iter().find(|e| e.file_name == "file-499").unwrap();
        assert_eq!((last.end_of_file, last.allocation_size), (499, 4096));
        assert_eq!(last.file_attributes, FileAttributes::ARCHIVE);
    }
}

#[test]
fn patterns() {
    let rig = Rig::new();
    for name in ["One.txt", "two.TXT", "three", "One.doc"] {
        fs::write(rig.host(name), "").unwrap();
    }
    assert_eq!(rig.names("", "*.txt"), ["One.txt", "two.TXT"]);
    assert_eq!(rig.names("", "one.*"), ["One.doc", "One.txt"]);
    assert_eq!(rig.names("", "ONE.TXT"), ["One.txt"]);
    assert_eq!(rig.names("", "three"), ["three"]);
    assert_eq!(rig.names("", "none"), Vec::<String>::new());
    assert_eq!(rig.names("", "t?o.*"), ["two.TXT"]);
}

#[test]
fn an_entry_that_does_not_fit_is_an_overflow_and_is_not_lost() {
    let rig = Rig::new();
    fs::write(rig.host("a-rather-long-name-for-a-file"), "").unwrap();
    let directory = rig.look("").unwrap().file;
    let list = |cursor, max| {
        let how = ListHow {
            file: directory.clone(),
            cursor,
            pattern: Pattern::parse(&"a*".encode_utf16().collect::<Vec<_>>()).unwrap(),
            class: FileInfoClass::ID_BOTH_DIRECTORY,
            max,
            single: true,
            token: None,
        };
        match rig.run(Op::List(Box::new(how))) {
            Done::Listed { data, overflow, cursor } => (data.len(), overflow, cursor),
            other => panic!("{other:?}"),
        }
    };
    let (length, overflow, cursor) = list(None, 110);
    assert!(length == 0 && overflow);
    let (length, overflow, cursor) = list(Some(cursor), 1000);
    assert!(length > 110 && !overflow);
    let (length, overflow, _) = list(Some(cursor), 1000);
    assert!(length == 0 && !overflow);
}

#[test]
fn names_that_clients_cannot_say_are_told_and_reached() {
    let rig = Rig::new();
    for name in
        [&b"bad\xff"[..], b"..\\..\\evil", b"a:b?", b"end.", b"end ", b"\x01", b"lone\xed\xa0\x80"]
    {
        fs::write(rig.dir.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let entries = rig.list("", "*");
    assert_eq!(entries.len(), 2 + 7);
    for entry in entries.iter().skip(2) {
        let how = OpenHow { path: SharePath::parse(&entry.file_name.0).unwrap(), ..rig.how("") };
        let opened = rig.open(OpenHow { read: true, ..how }).unwrap();
        assert_eq!(opened.info.size, entry.end_of_file, "{:?}", entry.file_name);
        assert_eq!(opened.path.to_windows().0[1..], entry.file_name.0);
        let data = rig.read(&opened.file, 0, 100).unwrap();
        assert_eq!(&*opened.path.host(), data);
    }
    assert_eq!(rig.names("", "*\u{f022}B\u{f025}"), ["a\u{f022}b\u{f025}"]);
    assert_eq!(rig.names("", "END."), ["end\u{f029}"]);
    // And what clients make there is what Linux would call it.
    rig.create("dir\u{f022}1\u{f029}").unwrap();
    assert!(rig.dir.join("dir:1.").exists());
    rig.rename("dir\u{f022}1\u{f029}", "\u{f7fe}", false).unwrap();
    assert!(rig.dir.join(OsStr::from_bytes(b"\xfe")).exists());
}

#[test]
fn two_listings_of_one_directory_do_not_disturb_each_other() {
    let rig = Rig::new();
    for number in 0..50 {
        fs::write(rig.host(&number.to_string()), "").unwrap();
    }
    let directory = rig.look("").unwrap().file;
    let first = rig.list_pages(&directory, "*", 300).0;
    let second = rig.list_pages(&directory, "*", 65_536).0;
    let names = |entries: Vec<DirectoryEntry>| -> Vec<_> {
        entries.into_iter().map(|entry| entry.file_name).collect()
    };
    assert_eq!(names(first), names(second));
}
