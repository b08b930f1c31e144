//! What goes wrong below: files that lose their names, disks that are full, read-only or can keep
//! nothing beside the data.

use crate::rig::{Rig, is_root, path, user};
use ksmbd_core::{
    config::Share,
    time::FileTime,
    vfs::{Done, FileKind, Missing, Op, OpenHow, SetBasic, VfsError},
    wire::fscc::FileAttributes,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

#[test]
fn a_file_without_a_name_is_used_to_the_end() {
    let rig = Rig::new();
    let (one, two) = (rig.create("f").unwrap(), rig.read_write("f").unwrap());
    let key = one.info.key;
    let root = || rig.root.clone();
    let delete = || Op::Delete { root: root(), path: path("f"), key, directory: false };
    rig.ok(delete()).unwrap();
    assert_eq!(rig.ok(delete()), Err(VfsError::NotFound));
    rig.write(&one.file, 0, b"still here").unwrap();
    assert_eq!(rig.read(&two.file, 6, 10).unwrap(), b"here");
    let attributes = Some(FileAttributes::HIDDEN);
    let set = SetBasic {
        attributes,
        last_write_time: Some(FileTime::from_unix(7, 0)),
        ..SetBasic::default()
    };
    rig.ok(Op::SetBasic { file: one.file.clone(), set }).unwrap();
    let info = rig.query(&two.file);
    assert_eq!((info.links, info.size, info.key), (0, 10, key));
    assert_eq!(info.attributes, FileAttributes::HIDDEN);
    rig.ok(Op::Flush { file: one.file }).unwrap();
    let rename = Op::Rename {
        root: root(),
        from: path("f"),
        to: path("g"),
        key,
        replace: false,
        token: None,
    };
    assert_eq!(rig.ok(rename), Err(VfsError::NotFound));
    // The name is free, and what has it now is not what is open.
    let other = rig.create("f").unwrap();
    assert!(other.created && other.info.key != key);
    assert_eq!(rig.ok(delete()), Err(VfsError::Gone));
    // One that was opened to look can still be read for the first time.
    let looked = rig.look("f").unwrap();
    fs::remove_file(rig.host("f")).unwrap();
    rig.write(&other.file, 0, b"late").unwrap();
    assert_eq!(rig.read(&looked.file, 0, 10).unwrap(), b"late");
}

#[test]
fn a_name_moves_over_a_file_that_is_open() {
    let rig = Rig::new();
    fs::write(rig.host("old"), "old").unwrap();
    fs::write(rig.host("new"), "new").unwrap();
    let (old, new) = (rig.read_write("old").unwrap(), rig.read_write("new").unwrap());
    rig.rename("new", "OLD", true).unwrap();
    assert_eq!(rig.read(&old.file, 0, 10).unwrap(), b"old");
    assert_eq!(rig.read(&new.file, 0, 10).unwrap(), b"new");
    assert_eq!(rig.query(&old.file).links, 0);
    assert_eq!(rig.look("old").unwrap().info.key, new.info.key);
    assert_eq!(rig.names("", "*"), [".", "..", "OLD"]);
}

#[test]
fn a_directory_that_is_gone_is_empty() {
    let rig = Rig::new();
    let made = rig.mkdir("d").unwrap();
    fs::remove_dir(rig.host("d")).unwrap();
    let listed = rig.list_pages(&made.file, "*", 65_536).0;
    assert!(listed.len() <= 2, "{listed:?}");
    assert_eq!(rig.ok(Op::CheckEmpty { file: made.file }), Ok(()));
    assert_eq!(rig.create("d/f").unwrap_err(), VfsError::PathNotFound);
}

#[test]
fn names_that_are_too_long_for_the_disk() {
    let rig = Rig::new();
    // 255 of a client's units are 765 bytes.
    let long = "\u{4e2d}".repeat(255);
    assert_eq!(rig.look(&long).unwrap_err(), VfsError::NotFound);
    assert_eq!(rig.create(&long).unwrap_err(), VfsError::NameTooLong);
    assert_eq!(rig.mkdir(&long).unwrap_err(), VfsError::NameTooLong);
    assert_eq!(rig.create(&format!("{long}/f")).unwrap_err(), VfsError::PathNotFound);
    assert_eq!(rig.names("", &long), Vec::<String>::new());
    rig.create("f").unwrap();
    assert_eq!(rig.rename("f", &long, false), Err(VfsError::NameTooLong));
    let fits = "\u{4e2d}".repeat(85);
    assert!(rig.create(&fits).unwrap().created);
    // A path that is too long is no name at all.
    let deep = vec!["x".repeat(200); 25].join("/");
    assert_eq!(rig.look(&deep).unwrap_err(), VfsError::NameTooLong);
}

/// Another file system for a while.
struct Mount(PathBuf);

impl Mount {
    /// Only root can, and not everywhere.
    fn new(rig: &Rig, kind: &str, options: &str) -> Option<Self> {
        Self::of(rig, Path::new("none"), kind, options)
    }

    /// One on a disk: in an image of that size.
    fn ext4(rig: &Rig, size: u64) -> Option<Self> {
        let image = rig.outside();
        fs::File::create(&image).unwrap().set_len(size).unwrap();
        let mut make = Command::new("mkfs.ext4");
        let made = make.args(["-q", "-F"]).arg(&image).output();
        if !made.is_ok_and(|done| done.status.success()) {
            println!("skipped: cannot make ext4");
            return None;
        }
        Self::of(rig, &image, "ext4", "loop")
    }

    fn of(rig: &Rig, what: &Path, kind: &str, options: &str) -> Option<Self> {
        let at = rig.host("mount");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", kind, "-o", options]).args([what, &at]);
        let mounted = is_root() && mount.output().is_ok_and(|done| done.status.success());
        if !mounted {
            println!("skipped: cannot mount {kind}");
        }
        mounted.then_some(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn without_extended_attributes_everything_else_works() {
    let rig = Rig::new();
    let Some(_mount) = Mount::new(&rig, "ramfs", "mode=0777") else { return };
    let name = "user.test";
    let flags = rustix::fs::XattrFlags::empty();
    assert!(rustix::fs::setxattr(rig.host("mount"), name, b"x", flags).is_err());
    let made = rig.create("mount/f").unwrap();
    assert_eq!(made.info.attributes, FileAttributes::ARCHIVE);
    let old = FileTime::from_unix(1_000_000_000, 100);
    let set = SetBasic {
        attributes: Some(FileAttributes::HIDDEN),
        creation_time: Some(old),
        last_write_time: Some(old),
        ..SetBasic::default()
    };
    rig.ok(Op::SetBasic { file: made.file.clone(), set }).unwrap();
    let info = rig.query(&made.file);
    assert_eq!((info.attributes, info.last_write_time), (FileAttributes::ARCHIVE, old));
    assert!(info.creation_time <= old, "the earliest time that is known");
    rig.write(&made.file, 0, b"data").unwrap();
    // Nor is anything counted: it is not full for that.
    let Done::Volume(volume) = rig.run(Op::Volume { file: made.file.clone() }) else { panic!() };
    assert!(volume.available > 0 && volume.total >= volume.free);
    rig.write(&made.file, 4 << 30, b"far").unwrap();
    rig.ok(Op::SetEndOfFile { file: made.file, size: 4 }).unwrap();
    for number in 0..10 {
        rig.mkdir(&format!("mount/d{number}")).unwrap();
    }
    assert_eq!(rig.names("mount", "*").len(), 13);
    rig.rename("mount/f", "mount/D0/g", false).unwrap();
    assert_eq!(rig.look("mount/d0/G").unwrap().info.size, 4);
}

#[test]
fn a_disk_that_is_full() {
    let rig = Rig::new();
    let Some(_mount) = Mount::new(&rig, "tmpfs", "size=64k,nr_inodes=6") else { return };
    let made = rig.create("mount/f").unwrap();
    assert_eq!(rig.write(&made.file, 0, &[1; 100_000]), Err(VfsError::NoSpace));
    let size = Op::SetAllocation { file: made.file.clone(), size: 100_000 };
    assert_eq!(rig.ok(size), Err(VfsError::NoSpace));
    rig.ok(Op::SetEndOfFile { file: made.file.clone(), size: 0 }).unwrap();
    assert_eq!(rig.write(&made.file, 0, &[1; 1000]), Ok(1000));
    let full = (0..10).find_map(|number| rig.create(&format!("mount/more{number}")).err());
    assert_eq!(full, Some(VfsError::NoSpace));
    assert_eq!(rig.mkdir("mount/dir").unwrap_err(), VfsError::NoSpace);
    // What could not be made to the end is not there.
    let allocation = 1 << 20;
    rig.ok(Op::Delete {
        root: rig.root.clone(),
        path: path("mount/more0"),
        key: rig.look("mount/more0").unwrap().info.key,
        directory: false,
    })
    .unwrap();
    let how = OpenHow { write: true, missing: Missing::CreateFile, ..rig.how("mount/big") };
    assert_eq!(rig.open(OpenHow { allocation, ..how }).unwrap_err(), VfsError::NoSpace);
    assert_eq!(rig.look("mount/big").unwrap_err(), VfsError::NotFound);
    // Another file system in the share is another device.
    fs::write(rig.host("here"), "x").unwrap();
    assert_eq!(rig.rename("here", "mount/there", false), Err(VfsError::CrossDevice));
}

/// ext4 reserves as much as there is before it says that there is not enough, and keeps it.
#[test]
fn what_cannot_be_reserved_fills_no_disk() {
    let rig = Rig::new();
    let Some(_mount) = Mount::ext4(&rig, 16 << 20) else { return };
    let made = rig.create("mount/f").unwrap().file;
    rig.write(&made, 0, &[1; 100_000]).unwrap();
    let reserve = |size| rig.ok(Op::SetAllocation { file: made.clone(), size });
    assert_eq!(reserve(100 << 20), Err(VfsError::NoSpace));
    let other = rig.create("mount/other").unwrap().file;
    assert_eq!(rig.write(&other, 0, &[1; 1 << 20]), Ok(1 << 20));
    // What is there already need not be free.
    reserve(8 << 20).unwrap();
    reserve(9 << 20).unwrap();
    assert_eq!(rig.query(&made).allocation, 9 << 20);
}

#[test]
fn a_disk_that_is_read_only() {
    let rig = Rig::new();
    let Some(mount) = Mount::new(&rig, "tmpfs", "mode=0777") else { return };
    fs::write(rig.host("mount/f"), "x").unwrap();
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&mount.0).output();
    assert!(remount.unwrap().status.success());
    let share = Arc::new(Share::disk("s", mount.0.to_str().unwrap()));
    let Done::Opened(root) = rig.run(Op::OpenShare(share)) else { panic!("refused") };
    let own = |name: &str| OpenHow { root: root.file.clone(), path: path(name), ..rig.how("") };
    let seen = rig.open(own("f")).unwrap();
    use ksmbd_core::vfs::Permitted;
    assert!(!seen.info.permitted.intersects(Permitted::WRITE | Permitted::DELETE));
    assert!(seen.info.permitted.contains(Permitted::READ) && seen.info.kind == FileKind::File);
    let alice = rig.open_as(&user(12_345), own("f")).unwrap();
    assert!(!alice.info.permitted.intersects(Permitted::WRITE | Permitted::DELETE));
    let write = OpenHow { write: true, ..own("f") };
    assert_eq!(rig.open(write).unwrap_err(), VfsError::ReadOnly);
    let make = OpenHow { missing: Missing::CreateFile, ..own("new") };
    assert_eq!(rig.open(make).unwrap_err(), VfsError::ReadOnly);
    let (key, root) = (seen.info.key, root.file.clone());
    let delete = Op::Delete { root, path: path("f"), key, directory: false };
    assert_eq!(rig.ok(delete), Err(VfsError::ReadOnly));
}
