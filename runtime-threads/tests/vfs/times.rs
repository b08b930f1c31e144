//! Times as Windows keeps them: a write is seen at once; what a client sets stays for what it does
//! through the same open.

use crate::rig::{Rig, call, done, is_root, path, user};
use ksmbd_core::{
    buffer::Payload,
    time::FileTime,
    vfs::{Done, File, Op, OpenHow, SetBasic},
};
use std::{fs, os::unix::fs::PermissionsExt, thread, time::Duration};

/// September 2001.
const OLD: FileTime = FileTime(126_444_736_001_234_567);

fn set(rig: &Rig, file: &File, set: SetBasic) {
    rig.ok(Op::SetBasic { file: file.clone(), set }).unwrap();
}

fn written(rig: &Rig, file: &File) -> FileTime {
    rig.query(file).last_write_time
}

/// The kernel's clock for files ticks every few milliseconds.
fn tick() {
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_write_is_seen_at_once_through_every_open() {
    let rig = Rig::new();
    let (one, two) = (rig.create("f").unwrap(), rig.read_write("f").unwrap());
    tick();
    rig.write(&one.file, 0, b"x").unwrap();
    assert!(written(&rig, &two.file) > two.info.last_write_time);
    assert_eq!(rig.list("", "f")[0].last_write_time, written(&rig, &one.file));
    assert_eq!(rig.query(&one.file).creation_time, one.info.creation_time);
}

#[test]
fn a_write_time_that_was_set_stays_for_that_open() {
    let rig = Rig::new();
    let (one, two) = (rig.create("f").unwrap().file, rig.read_write("f").unwrap().file);
    set(&rig, &one, SetBasic { last_write_time: Some(OLD), ..SetBasic::default() });
    rig.write(&one, 0, b"x").unwrap();
    rig.ok(Op::SetEndOfFile { file: one.clone(), size: 10 }).unwrap();
    rig.ok(Op::SetAllocation { file: one.clone(), size: 5 }).unwrap();
    assert_eq!((written(&rig, &one), rig.query(&one).size), (OLD, 5));
    // The other open knows nothing of that.
    rig.write(&two, 0, b"y").unwrap();
    let later = written(&rig, &one);
    assert!(later > OLD);
    tick();
    rig.write(&one, 0, b"z").unwrap();
    assert_eq!(written(&rig, &two), later);
    // -2: it goes on.
    set(&rig, &one, SetBasic { hold_write_time: Some(false), ..SetBasic::default() });
    rig.write(&one, 0, b"z").unwrap();
    assert!(written(&rig, &two) > later);
}

/// The kernel lets only the owner set a time: what was written is written all the same.
#[test]
fn a_time_stays_for_who_writes_and_does_not_own() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let rig = Rig::new();
    fs::write(rig.host("f"), "").unwrap();
    fs::set_permissions(rig.host("f"), fs::Permissions::from_mode(0o666)).unwrap();
    let bob = user(12_346);
    let how = OpenHow { read: true, write: true, ..rig.how("f") };
    let file = rig.open_as(&bob, how).unwrap().file;
    let before = written(&rig, &file);
    tick();
    let set = SetBasic { hold_write_time: Some(true), ..SetBasic::default() };
    let run = |op| call(&bob, op);
    done(run(Op::SetBasic { file: file.clone(), set })).unwrap();
    let data = Payload::owned(b"written".to_vec());
    let write = Op::Write { file: file.clone(), offset: 0, data, through: false };
    assert!(matches!(run(write), Done::Wrote(7)));
    done(run(Op::SetEndOfFile { file: file.clone(), size: 5 })).unwrap();
    done(run(Op::SetAllocation { file: file.clone(), size: 4 })).unwrap();
    assert_eq!(rig.read(&file, 0, 10).unwrap(), b"writ");
    assert_eq!(written(&rig, &file), before);
}

#[test]
fn a_time_that_is_to_be_left_alone_is() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    let before = written(&rig, &file);
    tick();
    set(&rig, &file, SetBasic { hold_write_time: Some(true), ..SetBasic::default() });
    rig.write(&file, 0, b"x").unwrap();
    assert_eq!(written(&rig, &file), before);
    let hold = SetBasic { hold_access_time: Some(true), ..SetBasic::default() };
    set(&rig, &file, SetBasic { last_access_time: Some(OLD), ..hold });
    assert_eq!(rig.read(&file, 0, 10).unwrap(), b"x");
    assert_eq!(rig.query(&file).last_access_time, OLD);
}

#[test]
fn the_creation_time_survives_renames_and_new_content() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    set(&rig, &file, SetBasic { creation_time: Some(OLD), ..SetBasic::default() });
    rig.write(&file, 0, b"x").unwrap();
    rig.rename("f", "g", false).unwrap();
    assert_eq!(rig.look("g").unwrap().info.creation_time, OLD);
    // A copy of the disk with its attributes, as tar or rsync -X would make one.
    fs::copy(rig.host("g"), rig.host("copy")).unwrap();
    let mut value = [0; 64];
    let name = "user.DOSATTRIB";
    let length = rustix::fs::getxattr(rig.host("g"), name, &mut value[..]).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(rig.host("copy"), name, &value[..length], flags).unwrap();
    let copy = rig.look("copy").unwrap();
    assert_eq!(copy.info.creation_time, OLD);
    assert_eq!(copy.path, path("copy"));
}

#[test]
fn a_hundred_nanoseconds_are_kept() {
    let rig = Rig::new();
    let file = rig.create("f").unwrap().file;
    for ticks in [1, 116_444_736_000_000_001, 133_000_000_012_345_679, 0x1c0_0000_0000_0007] {
        let time = FileTime(ticks);
        let all = SetBasic {
            creation_time: Some(time),
            last_access_time: Some(time),
            last_write_time: Some(time),
            ..SetBasic::default()
        };
        set(&rig, &file, all);
        let info = rig.query(&file);
        assert_eq!(info.creation_time, time);
        // Before 1901 the file system has the last word.
        if ticks > 116_000_000_000_000_000 {
            assert_eq!((info.last_access_time, info.last_write_time), (time, time));
        }
    }
}
