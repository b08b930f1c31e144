//! A file system that does not tell cases apart, as FAT's does not: a small one of our own behind FUSE,
//! since few kernels have one to mount. Also a name of eight and three letters leads to the file.

use crate::rig::{Rig, is_root};
use ksmbd_core::vfs::VfsError;
use std::{
    fs::{self, File},
    io::{Read, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// Names in the one directory, and which inode each is of; those beyond this one are directories.
type Names = Arc<Mutex<Vec<(String, u64)>>>;

const DIRECTORIES: u64 = 100;

const ENOENT: i32 = -2;
const EEXIST: i32 = -17;
const ENOSYS: i32 = -38;

/// The file system, until this is dropped.
struct Caseless {
    at: std::path::PathBuf,
    names: Names,
}

impl Caseless {
    fn new(rig: &Rig, names: &[(&str, u64)]) -> Option<Self> {
        let at = rig.host("fat");
        fs::create_dir(&at).unwrap();
        let device = File::options().read(true).write(true).open("/dev/fuse").ok();
        let mounted = device.as_ref().is_some_and(|device| {
            let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
            let mut mount = Command::new("mount");
            mount.args(["-i", "-t", "fuse", "-o", options, "caseless"]).arg(&at);
            mount.stdin(Stdio::from(device.try_clone().unwrap()));
            is_root() && mount.output().is_ok_and(|done| done.status.success())
        });
        let Some(device) = device.filter(|_| mounted) else {
            println!("skipped: cannot mount fuse");
            return None;
        };
        let names = names.iter().map(|(name, inode)| ((*name).to_owned(), *inode)).collect();
        let names: Names = Arc::new(Mutex::new(names));
        let served = Arc::clone(&names);
        thread::spawn(move || serve(device, &served));
        Some(Self { at, names })
    }

    /// What is on the disk.
    fn names(&self) -> Vec<(String, u64)> {
        let mut names = self.names.lock().unwrap().clone();
        names.sort();
        names
    }
}

impl Drop for Caseless {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

/// Which entry a name leads to.
fn find(names: &[(String, u64)], wanted: &str) -> Option<usize> {
    let exact = names.iter().position(|(name, _)| name == wanted);
    let same = |name: &str| name.eq_ignore_ascii_case(wanted);
    let short = |name: &str| {
        let stem = wanted.strip_suffix("~1");
        stem.is_some_and(|stem| name.get(..stem.len()).is_some_and(|n| n == stem))
    };
    exact.or_else(|| names.iter().position(|(name, _)| same(name) || short(name)))
}

/// Answers what the kernel asks, until it is unmounted.
fn serve(mut device: File, names: &Names) {
    let mut buffer = vec![0; 1 << 17];
    while let Ok(length) = device.read(&mut buffer) {
        let u64_at = |at: usize| u64::from_le_bytes(buffer[at..at + 8].try_into().unwrap());
        let operation = u32::from_le_bytes(buffer[4..8].try_into().unwrap());
        // FORGET and BATCH_FORGET are not answered.
        if matches!(operation, 2 | 42) {
            continue;
        }
        let mut names = names.lock().unwrap();
        let (error, body) = match answer(operation, u64_at(16), &buffer[40..length], &mut names) {
            Ok(body) => (0, body),
            Err(error) => (error, Vec::new()),
        };
        let mut reply = u32::try_from(16 + body.len()).unwrap().to_le_bytes().to_vec();
        reply.extend(error.to_le_bytes());
        reply.extend(u64_at(8).to_le_bytes());
        reply.extend(body);
        let _ = device.write(&reply);
    }
}

fn answer(
    operation: u32,
    node: u64,
    body: &[u8],
    names: &mut Vec<(String, u64)>,
) -> Result<Vec<u8>, i32> {
    match operation {
        // LOOKUP: the inode, and nothing of it may be kept in mind.
        1 => {
            let inode = names[find(names, &texts(body)[0]).ok_or(ENOENT)?].1;
            let mut entry = inode.to_le_bytes().to_vec();
            entry.resize(40, 0);
            entry.extend(attributes(inode, names));
            Ok(entry)
        }
        // GETATTR
        3 => Ok([vec![0; 16], attributes(node, names)].concat()),
        // UNLINK
        10 => {
            let gone = find(names, &texts(body)[0]).ok_or(ENOENT)?;
            names.remove(gone);
            Ok(Vec::new())
        }
        // RENAME, and RENAME2 with RENAME_NOREPLACE.
        12 => rename(&texts(&body[8..]), false, names),
        45 => rename(&texts(&body[16..]), true, names),
        // OPEN, OPENDIR
        14 | 27 => Ok(vec![0; 16]),
        // RELEASE, FLUSH, RELEASEDIR
        18 | 25 | 29 => Ok(Vec::new()),
        // INIT: version 7.31.
        26 => {
            let mut init = [7_u32, 31, 0, 0, 0, 4096, 1].map(u32::to_le_bytes).concat();
            init.resize(64, 0);
            Ok(init)
        }
        // READDIR: all at once.
        28 if body[8..16] == [0; 8] => Ok(listing(names)),
        28 => Ok(Vec::new()),
        _ => Err(ENOSYS),
    }
}

/// The names behind a request, each with a zero at its end.
fn texts(body: &[u8]) -> Vec<String> {
    let names = body.split(|&byte| byte == 0);
    names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

fn rename(texts: &[String], keep: bool, names: &mut Vec<(String, u64)>) -> Result<Vec<u8>, i32> {
    let from = names[find(names, &texts[0]).ok_or(ENOENT)?].0.clone();
    if let Some(there) = find(names, &texts[1]).filter(|&there| names[there].0 != from) {
        if keep {
            return Err(EEXIST);
        }
        names.remove(there);
    }
    names.iter_mut().find(|(name, _)| *name == from).unwrap().0.clone_from(&texts[1]);
    Ok(Vec::new())
}

fn attributes(inode: u64, names: &[(String, u64)]) -> Vec<u8> {
    let directory = inode == 1 || inode >= DIRECTORIES;
    let links = names.iter().filter(|(_, other)| *other == inode).count();
    let mut attributes = inode.to_le_bytes().to_vec();
    attributes.resize(60, 0);
    let mode: u32 = if directory { 0o040_755 } else { 0o100_644 };
    let links = if directory { 2 } else { u32::try_from(links).unwrap() };
    attributes.extend([mode, links].map(u32::to_le_bytes).concat());
    attributes.resize(88, 0);
    attributes
}

fn listing(names: &[(String, u64)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (number, (name, inode)) in (1_u64..).zip(names) {
        list.extend([*inode, number].map(u64::to_le_bytes).concat());
        list.extend([u32::try_from(name.len()).unwrap(), 0].map(u32::to_le_bytes).concat());
        list.extend(name.as_bytes());
        list.resize(list.len().next_multiple_of(8), 0);
    }
    list
}

fn owned(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|(name, inode)| ((*name).to_owned(), *inode)).collect()
}

#[test]
fn the_case_of_a_name_changes_and_the_file_stays() {
    let rig = Rig::new();
    let Some(disk) = Caseless::new(&rig, &[("foo.txt", 2), ("folder", 100)]) else { return };
    rig.rename("fat/foo.txt", "fat/Foo.txt", true).unwrap();
    assert_eq!(disk.names(), owned(&[("Foo.txt", 2), ("folder", 100)]));
    rig.rename("fat/Foo.txt", "fat/FOO.txt", false).unwrap();
    assert_eq!(disk.names(), owned(&[("FOO.txt", 2), ("folder", 100)]));
    // Opened in another case than the disk's, which it then gets.
    rig.rename("fat/foo.TXT", "fat/FOO.txt", true).unwrap();
    assert_eq!(disk.names(), owned(&[("FOO.txt", 2), ("folder", 100)]));
    rig.rename("fat/folder", "fat/Folder", true).unwrap();
    rig.rename("fat/Folder", "fat/FOLDER", false).unwrap();
    assert_eq!(disk.names(), owned(&[("FOLDER", 100), ("FOO.txt", 2)]));
}

#[test]
fn a_short_name_is_no_second_name() {
    let rig = Rig::new();
    let Some(disk) = Caseless::new(&rig, &[("longname.txt", 2)]) else { return };
    rig.rename("fat/longna~1", "fat/longname.txt", true).unwrap();
    assert_eq!(disk.names(), owned(&[("longname.txt", 2)]));
    rig.rename("fat/longname.txt", "fat/longna~1", true).unwrap();
    assert_eq!(disk.names(), owned(&[("longna~1", 2)]));
}

#[test]
fn of_two_names_the_case_of_one_changes() {
    let rig = Rig::new();
    let two = [("one", 2), ("two", 2), ("zero", 3)];
    let Some(disk) = Caseless::new(&rig, &two) else { return };
    rig.rename("fat/one", "fat/One", true).unwrap();
    rig.rename("fat/One", "fat/ONE", false).unwrap();
    assert_eq!(disk.names(), owned(&[("ONE", 2), ("two", 2), ("zero", 3)]));
    assert_eq!(rig.rename("fat/one", "fat/Two", false), Err(VfsError::Exists));
    // Replaced, it is one name less, whatever the cases.
    rig.rename("fat/one", "fat/TWO", true).unwrap();
    assert_eq!(disk.names(), owned(&[("two", 2), ("zero", 3)]));
    assert_eq!(rig.rename("fat/two", "fat/Zero", false), Err(VfsError::Exists));
    rig.rename("fat/two", "fat/Zero", true).unwrap();
    assert_eq!(disk.names().len(), 1);
}
