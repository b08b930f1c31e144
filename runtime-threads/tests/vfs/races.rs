//! What is kept in mind of a directory is never behind what somebody with a shell does in it.

use crate::rig::{Rig, path};
use ksmbd_core::{
    vfs::{Existing, Missing, Op, OpenHow, Opened, VfsError},
    wire::fscc::ea::FullEaInformation,
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A client that wants the name to be new.
fn make(rig: &Rig, name: &str) -> Result<Opened, VfsError> {
    let how = OpenHow { existing: Existing::Fail, missing: Missing::CreateFile, ..rig.how(name) };
    rig.open(OpenHow { write: true, ..how })
}

/// Names are missed in `dir` often enough to be kept in mind.
fn rig() -> Rig {
    let rig = Rig::new();
    fs::create_dir(rig.host("dir")).unwrap();
    for number in 0..5 {
        make(&rig, &format!("dir/first{number}")).unwrap();
    }
    rig
}

#[test]
fn what_others_make_is_seen_at_once_in_any_case() {
    let rig = rig();
    for number in 0..500 {
        let (theirs, ours) = (format!("dir/Name{number}"), format!("dir/nAME{number}"));
        assert_eq!(rig.look(&ours).unwrap_err(), VfsError::NotFound);
        fs::write(rig.host(&theirs), "x").unwrap();
        assert_eq!(make(&rig, &ours).unwrap_err(), VfsError::Exists);
        assert_eq!(rig.look(&ours).unwrap().path.as_str(), theirs);
        match number % 3 {
            0 => fs::remove_file(rig.host(&theirs)).unwrap(),
            1 => fs::rename(rig.host(&theirs), rig.host(&format!("dir/other{number}"))).unwrap(),
            _ => continue,
        }
        assert_eq!(rig.look(&ours).unwrap_err(), VfsError::NotFound);
        make(&rig, &ours).unwrap();
        assert_eq!(rig.look(&theirs).unwrap().path.as_str(), ours);
    }
}

#[test]
fn every_way_to_get_a_name_counts() {
    let rig = rig();
    fs::write(rig.host("source"), "x").unwrap();
    fs::hard_link(rig.host("source"), rig.host("dir/LINK")).unwrap();
    std::os::unix::fs::symlink("x", rig.host("dir/SYMBOLIC")).unwrap();
    fs::create_dir(rig.host("dir/DIRECTORY")).unwrap();
    crate::rig::fifo(&rig.host("dir/FIFO"));
    fs::rename(rig.host("source"), rig.host("dir/MOVED")).unwrap();
    for name in ["dir/link", "dir/symbolic", "dir/directory", "dir/fifo", "dir/moved"] {
        assert_eq!(make(&rig, name).unwrap_err(), VfsError::Exists, "{name}");
    }
    // The directory goes, and another comes in its place.
    fs::remove_dir_all(rig.host("dir")).unwrap();
    fs::create_dir(rig.host("dir")).unwrap();
    for name in ["dir/link", "dir/moved", "dir/first0"] {
        make(&rig, name).unwrap();
    }
    // It is called otherwise now.
    fs::rename(rig.host("dir"), rig.host("Renamed")).unwrap();
    fs::write(rig.host("Renamed/NEW"), "").unwrap();
    assert_eq!(make(&rig, "renamed/new").unwrap_err(), VfsError::Exists);
}

/// Threads beside the server make and remove names; each of theirs is seen as soon as it is made.
#[test]
fn others_at_work_at_the_same_time() {
    let rig = rig();
    thread::scope(|scope| {
        for thread in 0..3 {
            let rig = &rig;
            scope.spawn(move || {
                for number in 0..400 {
                    let (theirs, ours) =
                        (format!("dir/T{thread}-{number}"), format!("dir/t{thread}-{number}"));
                    fs::write(rig.host(&theirs), "x").unwrap();
                    assert_eq!(make(rig, &ours).unwrap_err(), VfsError::Exists);
                    fs::remove_file(rig.host(&theirs)).unwrap();
                    make(rig, &ours).unwrap();
                    assert_eq!(make(rig, &theirs).unwrap_err(), VfsError::Exists);
                }
            });
        }
    });
    assert_eq!(fs::read_dir(rig.host("dir")).unwrap().count(), 5 + 1200);
}

/// More happens than the kernel keeps for us.
#[test]
fn events_that_were_lost_do_not_hide_names() {
    let rig = rig();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    for number in 0..limit / 2 + 10 {
        let name = rig.host(&format!("dir/brief{number}"));
        fs::write(&name, "").unwrap();
        fs::remove_file(&name).unwrap();
    }
    fs::write(rig.host("dir/LOST"), "x").unwrap();
    assert_eq!(make(&rig, "dir/lost").unwrap_err(), VfsError::Exists);
    make(&rig, "dir/found").unwrap();
}

/// Two clients, one name in two cases: one of them comes first.
#[test]
fn one_name_is_made_once() {
    let rig = rig();
    fs::write(rig.host("moved"), "").unwrap();
    for round in 0..200 {
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for name in ["name", "NAME", "Name"] {
                let (rig, made) = (&rig, &made);
                scope.spawn(move || {
                    let name = format!("dir/{name}{round}");
                    let done = if name.contains("dir/N") && round % 2 == 0 {
                        rename_to(rig, "dir/first0", &name)
                    } else {
                        make(rig, &name).map(|_| ())
                    };
                    match done {
                        Ok(()) => drop(made.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => assert_eq!(error, VfsError::Exists),
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 1, "{round}");
        if !rig.host("dir/first0").exists() {
            fs::write(rig.host("dir/first0"), "").unwrap();
        }
    }
}

fn rename_to(rig: &Rig, from: &str, to: &str) -> Result<(), VfsError> {
    let Ok(opened) = rig.look(from) else { return Err(VfsError::Exists) };
    let (from, key) = (opened.path, opened.info.key);
    match rig.ok(Op::Rename {
        root: rig.root.clone(),
        from,
        to: path(to),
        key,
        replace: false,
        token: None,
    }) {
        // The other rename was first.
        Err(VfsError::Gone | VfsError::NotFound) => Err(VfsError::Exists),
        result => result,
    }
}

#[test]
fn more_directories_than_are_kept_in_mind() {
    let rig = Rig::new();
    for number in 0..100 {
        fs::create_dir(rig.host(&format!("d{number}"))).unwrap();
        for name in ["a", "b", "c"] {
            make(&rig, &format!("d{number}/{name}")).unwrap();
        }
    }
    for number in 0..100 {
        fs::write(rig.host(&format!("d{number}/X")), "").unwrap();
        assert_eq!(make(&rig, &format!("d{number}/x")).unwrap_err(), VfsError::Exists);
        assert_eq!(make(&rig, &format!("d{number}/A")).unwrap_err(), VfsError::Exists);
        make(&rig, &format!("d{number}/d")).unwrap();
    }
}

/// A file that cannot be given what it is to begin with goes again, and with it nothing of whoever has found it
/// by its name meanwhile.
#[test]
fn what_could_not_be_made_takes_nobody_elses_file_along() {
    let rig = Rig::new();
    let (begin, both) = (Barrier::new(2), Barrier::new(2));
    let mut lost = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            // It takes a while, and the last one is longer than any file system takes it.
            let ea = |ea_name| FullEaInformation { flags: 0, ea_name, ea_value: vec![1] };
            let mut eas: Vec<_> = (b'A'..=b'Z').map(|letter| ea(vec![letter])).collect();
            eas.push(ea(vec![b'A'; 255]));
            for _ in 0..300 {
                begin.wait();
                let how = OpenHow { missing: Missing::CreateFile, ..rig.how("x") };
                let how = OpenHow { existing: Existing::Fail, eas: eas.clone(), ..how };
                let _ = rig.open(how);
                both.wait();
            }
        });
        for round in 0..300 {
            begin.wait();
            (0..round % 100).for_each(|_| thread::yield_now());
            let how = OpenHow { write: true, missing: Missing::CreateFile, ..rig.how("x") };
            let opened = rig.open(how);
            both.wait();
            // Whoever panics here leaves the other one waiting.
            let there = fs::metadata(rig.host("x")).map(|there| there.ino());
            if opened.ok().map(|opened| opened.info.key.inode) != there.ok() {
                lost += 1;
            }
            let _ = fs::remove_file(rig.host("x"));
        }
    });
    assert_eq!(lost, 0, "files that were opened and are not there");
}
