//! Named streams and extended attributes, and what other programs leave in their place.

use crate::rig::{Rig, done};
use ksmbd_core::{
    ea,
    stream::StreamName,
    vfs::{Done, Existing, File, FileKind, Missing, Op, OpenHow, Opened, VfsError},
    wire::fscc::{FileAttributes, ea::FullEaInformation},
};
use rustix::fs::{XattrFlags, setxattr};
use std::fs;

fn rig() -> Rig {
    Rig::with(|share| share.streams = true)
}

fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

fn how(rig: &Rig, path: &str, stream: &str) -> OpenHow {
    let stream = Some(name(stream));
    OpenHow { read: true, write: true, missing: Missing::CreateFile, stream, ..rig.how(path) }
}

fn make(rig: &Rig, path: &str, stream: &str) -> Opened {
    rig.open(how(rig, path, stream)).unwrap()
}

fn list(rig: &Rig, file: &File) -> Vec<(String, u64)> {
    match rig.run(Op::ListStreams { file: file.clone() }) {
        Done::Streams(list) => list.into_iter().map(|s| (s.stream_name, s.stream_size)).collect(),
        other => panic!("{other:?}"),
    }
}

fn stored(rig: &Rig, path: &str, attribute: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 70_000];
    let length = rustix::fs::getxattr(rig.host(path), attribute, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn plant(rig: &Rig, path: &str, attribute: &str, value: &[u8]) {
    setxattr(rig.host(path), attribute, value, XattrFlags::empty()).unwrap();
}

fn ea(name: &str, value: &[u8]) -> FullEaInformation {
    FullEaInformation { flags: 0, ea_name: name.into(), ea_value: value.to_vec() }
}

fn eas(rig: &Rig, file: &File, names: Option<&[&str]>) -> Vec<(String, Vec<u8>)> {
    let names = names.map(|names| names.iter().map(|n| n.as_bytes().to_vec()).collect());
    match rig.run(Op::QueryEa { file: file.clone(), names, max: 65_536 }) {
        Done::Eas(eas) => eas
            .into_iter()
            .map(|ea| (String::from_utf8(ea.ea_name).unwrap(), ea.ea_value))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_an_attribute_of_its_file() {
    let rig = rig();
    let made = make(&rig, "f", "Stream One");
    assert!(made.created && made.info.kind == FileKind::File && made.info.key.is_stream());
    assert_eq!(rig.write(&made.file, 0, b"test data").unwrap(), 9);
    let attribute = "user.DosStream.Stream One:$DATA";
    assert_eq!(stored(&rig, "f", attribute).unwrap(), b"test data");
    assert_eq!(fs::read(rig.host("f")).unwrap(), b"", "the file is made with it");
    let again = make(&rig, "F", "STREAM one");
    assert!(!again.created && again.info.key == made.info.key && again.info.size == 9);
    assert_eq!(again.stream.unwrap().as_str(), "Stream One");
    assert_eq!(rig.read(&again.file, 5, 100).unwrap(), b"data");
    assert_eq!(rig.read(&again.file, 9, 100).unwrap(), b"");
    let base = rig.look("f").unwrap();
    assert_eq!((base.info.key, base.info.size), (made.info.key.base(), 0));
    let expected = [("::$DATA".into(), 0), (":Stream One:$DATA".into(), 9)];
    assert_eq!(list(&rig, &base.file), expected);
    let fail = OpenHow { existing: Existing::Fail, ..how(&rig, "f", "stream ONE") };
    assert_eq!(rig.open(fail).unwrap_err(), VfsError::Exists);
    let none = OpenHow { missing: Missing::Fail, ..how(&rig, "f", "other") };
    assert_eq!(rig.open(none).unwrap_err(), VfsError::NotFound);
    let none = OpenHow { missing: Missing::Fail, ..how(&rig, "g", "other") };
    assert_eq!(rig.open(none).unwrap_err(), VfsError::NotFound);
    assert!(!rig.host("g").exists());
}

#[test]
fn sizes_have_an_end_and_holes_are_zeros() {
    let rig = rig();
    let file = make(&rig, "f", "s").file;
    rig.write(&file, 4, b"x").unwrap();
    assert_eq!(rig.read(&file, 0, 10).unwrap(), b"\0\0\0\0x");
    for offset in [65_536, 1 << 40, i64::MAX as u64 - 1, u64::MAX] {
        assert_eq!(rig.write(&file, offset, b"x"), Err(VfsError::NoSpace), "{offset}");
        assert_eq!(rig.read(&file, offset, 10).unwrap(), b"");
    }
    for size in [65_537, u64::MAX] {
        let set = Op::SetEndOfFile { file: file.clone(), size };
        assert_eq!(rig.ok(set), Err(VfsError::NoSpace));
        let set = Op::SetAllocation { file: file.clone(), size };
        assert_eq!(rig.ok(set), Err(VfsError::NoSpace));
    }
    assert_eq!(rig.query(&file).size, 5);
    rig.ok(Op::SetEndOfFile { file: file.clone(), size: 7 }).unwrap();
    assert_eq!(rig.read(&file, 3, 10).unwrap(), b"\0x\0\0");
    rig.ok(Op::SetAllocation { file: file.clone(), size: 2 }).unwrap();
    rig.ok(Op::SetAllocation { file: file.clone(), size: 4096 }).unwrap();
    assert_eq!(rig.query(&file).size, 2);
    rig.ok(Op::Flush { file: file.clone() }).unwrap();
    rig.ok(Op::DeleteStream { file: file.clone() }).unwrap();
    // What is gone is not made again by who still has it open.
    assert_eq!(rig.write(&file, 0, b"x"), Err(VfsError::Gone));
    assert_eq!(rig.read(&file, 0, 1), Err(VfsError::Gone));
    assert_eq!(rig.ok(Op::DeleteStream { file: file.clone() }), Err(VfsError::Gone));
    assert_eq!(list(&rig, &file), [("::$DATA".into(), 0)]);
}

#[test]
fn samba_s_form_has_one_byte_more() {
    let rig = Rig::with(|share| (share.streams, share.streams_nul) = (true, true));
    let file = make(&rig, "f", "s").file;
    let attribute = "user.DosStream.s:$DATA";
    assert_eq!(stored(&rig, "f", attribute).unwrap(), b"\0");
    rig.write(&file, 0, b"ab\0").unwrap();
    assert_eq!(stored(&rig, "f", attribute).unwrap(), b"ab\0\0");
    assert_eq!((rig.read(&file, 0, 9).unwrap(), rig.query(&file).size), (b"ab\0".to_vec(), 3));
    // ksmbd's form is read as well.
    plant(&rig, "f", attribute, b"from ksmbd");
    assert_eq!(rig.read(&file, 5, 9).unwrap(), b"ksmbd");
    plant(&rig, "f", attribute, b"");
    assert_eq!(rig.query(&file).size, 0);
}

#[test]
fn renaming_and_becoming_the_data() {
    let rig = rig();
    let one = make(&rig, "f", "one").file;
    rig.write(&one, 0, b"abc").unwrap();
    let two = make(&rig, "f", "two").file;
    let rename = |to: Option<&str>, replace| {
        rig.ok(Op::RenameStream { file: one.clone(), to: to.map(name), replace })
    };
    assert_eq!(rename(Some("TWO"), false), Err(VfsError::Exists));
    rig.write(&two, 0, b"x").unwrap();
    assert_eq!(rename(Some("TWO"), true), Err(VfsError::Invalid), "it is not empty");
    rig.ok(Op::SetEndOfFile { file: two, size: 0 }).unwrap();
    assert_eq!(rename(Some("TWO"), true), Ok(()));
    assert_eq!(list(&rig, &one), [("::$DATA".into(), 0), (":TWO:$DATA".into(), 3)]);
    assert_eq!(rename(Some("two"), false), Ok(()), "only the case");
    assert_eq!(rig.read(&one, 0, 9).unwrap(), b"abc");
    assert_eq!(rename(None, false), Err(VfsError::Exists));
    assert_eq!(rename(None, true), Ok(()));
    assert_eq!(fs::read(rig.host("f")).unwrap(), b"abc");
    rig.write(&one, 3, b"d").unwrap();
    assert_eq!(rig.read(&one, 0, 9).unwrap(), b"abcd");
    assert!(!rig.query(&one).key.is_stream());
}

#[test]
fn overwriting_a_file_removes_its_streams() {
    let rig = rig();
    make(&rig, "f", "one");
    let two = make(&rig, "f", "two");
    rig.write(&two.file, 0, b"abc").unwrap();
    let over = |file: &File| {
        let attributes = FileAttributes::ARCHIVE;
        let eas = vec![ea("A", b"1")];
        match rig.run(Op::Overwrite { file: file.clone(), attributes, eas }) {
            Done::Info(info) => info.size,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(over(&two.file), 0);
    assert_eq!(list(&rig, &two.file).len(), 3, "a stream alone is overwritten alone");
    let base = rig.read_write("f").unwrap().file;
    assert_eq!(over(&base), 0);
    assert_eq!(list(&rig, &base), [("::$DATA".into(), 0)]);
    assert_eq!(eas(&rig, &base, None), [("A".into(), b"1".to_vec())]);
}

#[test]
fn directories_have_streams_and_read_only_files_get_none() {
    let rig = rig();
    rig.mkdir("d").unwrap();
    let stream = make(&rig, "d", "s");
    assert_eq!(stream.info.kind, FileKind::File);
    assert!(!stream.info.attributes.contains(FileAttributes::DIRECTORY));
    rig.write(&stream.file, 0, b"x").unwrap();
    assert_eq!(list(&rig, &rig.look("d").unwrap().file), [(":s:$DATA".into(), 1)]);
    assert_eq!(rig.read(&stream.file, 0, 9).unwrap(), b"x");
    let attributes = FileAttributes::READONLY;
    let opened = rig.open(OpenHow { attributes, ..how(&rig, "r", "s") }).unwrap();
    assert!(opened.info.attributes.contains(FileAttributes::READONLY));
    assert_eq!(rig.open(how(&rig, "r", "t")).unwrap_err(), VfsError::AccessDenied);
    let off = Rig::new();
    assert_eq!(off.open(how(&off, "f", "s")).unwrap_err(), VfsError::NotSupported);
    assert!(!off.host("f").exists());
}

/// Attributes that anybody with access to the disk may have left.
#[test]
fn hostile_attributes_survive() {
    let rig = rig();
    fs::write(rig.host("f"), "x").unwrap();
    for (attribute, value) in [
        ("user.DosStream.a/b:$DATA", &b"1"[..]),
        ("user.DosStream.:$DATA", b"2"),
        ("user.DosStream.a:b:$DATA", b"3"),
        ("user.DosStream.plain", b"4"),
        ("user.DosStream.", b"5"),
        ("user.DosStream.good:$DATA", b"67"),
        ("user.dosstream.shown:$DATA", b"8"),
        ("user.SAMBA_PAI", b"9"),
        ("user.DOSATTRIB", b"0x20"),
        ("user.strange:name", b""),
        ("user.Large", &[7; 2000]),
        ("user.large", b"the other"),
    ] {
        plant(&rig, "f", attribute, value);
    }
    let file = rig.look("f").unwrap().file;
    assert_eq!(list(&rig, &file), [("::$DATA".into(), 1), (":good:$DATA".into(), 2)]);
    let seen = eas(&rig, &file, None);
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Large", "large", "strange:name"]);
    let size = rig.query(&file).ea_size;
    assert_eq!(size as usize, names.iter().map(|n| n.len() + 5).sum::<usize>() + 2009);
    assert_eq!(rig.list("", "f")[0].ea_size, size);
    for reserved in ["DOSATTRIB", "DosStream.good:$DATA", "samba_pai"] {
        assert_eq!(eas(&rig, &file, Some(&[reserved])), [(reserved.into(), vec![])]);
    }
}

#[test]
fn extended_attributes() {
    let rig = Rig::new();
    let with = vec![ea("EaOne", b"1"), ea("gone", b"")];
    let made =
        rig.open(OpenHow { eas: with, missing: Missing::CreateFile, ..rig.how("f") }).unwrap();
    let file = made.file;
    let set = |eas: Vec<FullEaInformation>| rig.ok(Op::SetEa { file: file.clone(), eas });
    set(vec![ea("EAONE", b"new"), ea("Two", b"2")]).unwrap();
    let one = ("EaOne".to_owned(), b"new".to_vec());
    assert_eq!(eas(&rig, &file, None), [one.clone(), ("Two".into(), b"2".to_vec())]);
    assert_eq!(stored(&rig, "f", "user.EaOne").unwrap(), b"new");
    set(vec![ea("two", b""), ea("none", b"")]).unwrap();
    let asked = eas(&rig, &file, Some(&["none", "eaone"]));
    assert_eq!(asked, [("none".into(), vec![]), one]);
    let large = vec![0; ea::MAX_SIZE as usize - 9];
    assert_eq!(set(vec![ea("first", b"1"), ea("B", &large)]), Err(VfsError::EaTooLarge));
    assert_eq!(eas(&rig, &file, None).len(), 1, "all or none");
    assert_eq!(rig.query(&file).ea_size, 5 + 5 + 3);
    let bounded =
        Op::QueryEa { file: file.clone(), names: Some(vec![b"eaone".to_vec(); 4096]), max: 50 };
    assert!(matches!(rig.run(bounded), Done::Eas(eas) if eas.len() == 4));
    let d = OpenHow { eas: vec![ea("A", b"1")], missing: Missing::CreateDirectory, ..rig.how("d") };
    assert_eq!(rig.query(&rig.open(d).unwrap().file).ea_size, 7);
    rustix::fs::symlinkat("f", rustix::fs::CWD, rig.host("link")).unwrap();
    let link = rig.look("link").unwrap().file;
    assert_eq!(eas(&rig, &link, None), []);
    assert_eq!(
        done(rig.run(Op::SetEa { file: link, eas: vec![ea("A", b"1")] })),
        Err(VfsError::NotSupported)
    );
}
