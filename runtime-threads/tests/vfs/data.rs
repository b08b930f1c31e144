//! Reading, writing, sizes and space.

use crate::rig::Rig;
use ksmbd_core::{
    vfs::{Done, Missing, Op, OpenHow, VfsError},
    wire::fscc::{FileAttributes, ea::FullEaInformation},
};
use std::{fs, io::ErrorKind, os::unix::fs::MetadataExt};

#[test]
fn what_is_written_is_read() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    let data: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert_eq!(rig.write(&file, 5, &data), Ok(300_000));
    assert_eq!(rig.read(&file, 5, 300_000).unwrap(), data);
    assert_eq!(rig.read(&file, 0, 6).unwrap(), [0, 0, 0, 0, 0, 0]);
    assert_eq!(rig.read(&file, 299_995, 4096).unwrap().len(), 10);
    assert_eq!(rig.read(&file, 300_005, 1), Ok(vec![]));
    assert_eq!(rig.read(&file, u64::MAX, 1), Ok(vec![]));
    assert_eq!(rig.write(&file, 0, &[]), Ok(0));
    assert_eq!(rig.write(&file, u64::MAX, b"x"), Err(VfsError::Invalid));
    // Linux would make a hole; a disk of Windows would be full.
    assert_eq!(rig.write(&file, i64::MAX as u64 - 1, b"x"), Err(VfsError::NoSpace));
    rig.ok(Op::Flush { file }).unwrap();
}

#[test]
fn a_recycled_buffer_gets_no_more_than_was_asked_for() {
    use ksmbd_core::{buffer::ReplyBuf, vfs::Call};
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    rig.write(&file, 0, &[7; 100_000]).unwrap();
    for spare in [0, 10, 1000, 5000, 1 << 20] {
        let op = Op::Read { file: file.clone(), offset: 0, length: 10_000 };
        let call = Call { identity: rig.who.clone(), op };
        let mut make = |length| ReplyBuf::new(Vec::with_capacity(length + spare), length);
        let Done::Read(reply) = ksmbd_runtime_threads::vfs::run(call, &mut make) else {
            panic!("no data");
        };
        assert_eq!(reply.data(), [7; 10_000], "{spare}");
    }
}

/// What a handle may be used for is the core's gate; that the file lets it is the kernel's.
#[test]
fn data_is_opened_when_it_is_first_used() {
    let rig = Rig::new();
    rig.create("f").unwrap();
    let plain = rig.look("f").unwrap().file;
    rig.write(&plain, 0, b"x").unwrap();
    assert_eq!(rig.read(&plain, 0, 9).unwrap(), b"x");
    rig.ok(Op::Flush { file: plain }).unwrap();
    let directory = rig.look("").unwrap().file;
    assert_eq!(rig.read(&directory, 0, 1), Err(VfsError::IsDirectory));
}

#[test]
fn sizes() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    rig.write(&file, 0, &[1; 10]).unwrap();
    rig.ok(Op::SetEndOfFile { file: file.clone(), size: 1 << 20 }).unwrap();
    let info = rig.query(&file);
    assert_eq!(info.size, 1 << 20);
    assert!(info.allocation <= 8192, "a hole takes no space: {}", info.allocation);
    rig.ok(Op::SetEndOfFile { file: file.clone(), size: 3 }).unwrap();
    assert_eq!(rig.read(&file, 0, 100).unwrap(), [1; 3]);
    let op = Op::SetEndOfFile { file, size: u64::MAX };
    assert_eq!(rig.ok(op), Err(VfsError::Invalid));
}

#[test]
fn allocation_is_space_and_does_not_count_extended_attributes() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap();
    // More than fits beside the inode: it gets a block of its own.
    let big = vec![b'x'; 2000];
    let set =
        rustix::fs::setxattr(rig.host("f"), "user.big", &big, rustix::fs::XattrFlags::empty());
    let blocks = fs::metadata(rig.host("f")).unwrap().blocks();
    if set.is_ok() && blocks == 0 {
        println!("this file system does not count extended attributes");
    }
    assert_eq!(rig.query(&file.file).allocation, 0);
    rig.ok(Op::SetAllocation { file: file.file.clone(), size: 100_000 }).unwrap();
    let info = rig.query(&file.file);
    assert_eq!(info.size, 0);
    assert!(info.allocation >= 100_000, "{}", info.allocation);
    rig.write(&file.file, 0, &[1; 5000]).unwrap();
    rig.ok(Op::SetAllocation { file: file.file.clone(), size: 1000 }).unwrap();
    let info = rig.query(&file.file);
    assert_eq!(info.size, 1000, "less than the size cuts the file");
    let how = OpenHow { missing: Missing::CreateFile, allocation: 50_000, ..rig.how("g") };
    let made = rig.open(how).unwrap();
    assert!(made.info.allocation >= 50_000 && made.info.size == 0);
}

#[test]
fn overwriting_empties_and_sets_attributes() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap();
    rig.write(&file.file, 0, b"old").unwrap();
    let attributes = FileAttributes::ARCHIVE | FileAttributes::HIDDEN;
    match rig.run(Op::Overwrite { file: file.file.clone(), attributes, eas: Vec::new() }) {
        Done::Info(info) => {
            assert_eq!((info.size, info.attributes), (0, attributes));
            assert_eq!(info.creation_time, file.info.creation_time);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn overwriting_that_is_refused_changes_nothing() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap();
    rig.write(&file.file, 0, b"old").unwrap();
    // Longer than any file system takes it.
    let ea = FullEaInformation { flags: 0, ea_name: vec![b'A'; 255], ea_value: b"1".to_vec() };
    let attributes = FileAttributes::HIDDEN;
    let over = Op::Overwrite { file: file.file.clone(), attributes, eas: vec![ea] };
    assert!(matches!(rig.run(over), Done::Failed(_)));
    assert_eq!(rig.read(&file.file, 0, 9).unwrap(), b"old");
    assert_eq!(rig.query(&file.file).attributes, FileAttributes::ARCHIVE);
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    match rig.ok(Op::SetAllocation { file, size: 1 << 60 }) {
        Err(VfsError::NoSpace) => {}
        other => panic!("{other:?}"),
    }
    let how = OpenHow { missing: Missing::CreateFile, allocation: 1 << 60, ..rig.how("g") };
    assert_eq!(rig.open(how).unwrap_err(), VfsError::NoSpace);
    let left = fs::metadata(rig.host("g")).unwrap_err();
    assert_eq!(left.kind(), ErrorKind::NotFound, "a create that fails leaves nothing");
    // /dev/full is not regular and may not be opened; a small file system is not always at hand.
}

#[test]
fn the_volume() {
    let rig = Rig::new();
    let ask = || match rig.run(Op::Volume { file: rig.root.clone() }) {
        Done::Volume(volume) => *volume,
        other => panic!("{other:?}"),
    };
    let volume = ask();
    assert!(volume.unit >= 512 && volume.total >= volume.free && volume.free >= volume.available);
    assert_eq!(volume.serial, ask().serial);
}
