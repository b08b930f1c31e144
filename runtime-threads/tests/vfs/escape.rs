//! Nothing leads out of a share: a canary beside it is never read, changed or removed.

use crate::rig::{Rig, path};
use ksmbd_core::vfs::{Op, OpenHow, VfsError};
use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const CANARY: &str = "canary";

/// A share that follows links or not, with every kind of way out in it.
fn rig(follow: bool) -> (Rig, PathBuf) {
    let rig = Rig::with(|share| share.follow_symlinks = follow);
    let outside = rig.outside();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join(CANARY), CANARY).unwrap();
    fs::create_dir_all(rig.host("inside/deep")).unwrap();
    fs::write(rig.host("inside/file"), "in").unwrap();
    symlink(&outside, rig.host("absolute")).unwrap();
    symlink("../outside", rig.host("relative")).unwrap();
    symlink("../../../outside", rig.host("inside/deep/far")).unwrap();
    symlink(outside.join(CANARY), rig.host("file")).unwrap();
    symlink("/proc/self/cwd", rig.host("magic")).unwrap();
    symlink("loop", rig.host("loop")).unwrap();
    symlink("../inside/file", rig.host("inside/good")).unwrap();
    (rig, outside)
}

#[test]
fn links_do_not_lead_out() {
    for follow in [false, true] {
        let (rig, outside) = rig(follow);
        for way in
            ["absolute", "relative", "inside/deep/far", "magic", "ABSOLUTE", "Inside/Deep/FAR"]
        {
            let there = format!("{way}/{CANARY}");
            assert!(rig.look(&there).is_err(), "{way} (follow: {follow})");
            assert!(rig.read_write(&there).is_err(), "{way} (follow: {follow})");
            assert!(rig.create(&format!("{way}/new")).is_err(), "{way} (follow: {follow})");
            assert!(rig.mkdir(&format!("{way}/dir")).is_err(), "{way} (follow: {follow})");
            let renamed = rig.rename("inside/file", &format!("{way}/stolen"), true);
            assert!(renamed.is_err(), "{way} (follow: {follow})");
        }
        assert!(rig.read_write("file").is_err() && rig.create("file").is_err());
        let found: Vec<_> = fs::read_dir(&outside).unwrap().flatten().collect();
        assert_eq!(found.len(), 1);
        assert_eq!(fs::read_to_string(outside.join(CANARY)).unwrap(), CANARY);
    }
}

#[test]
fn an_escape_is_access_denied() {
    let (rig, _) = rig(true);
    assert_eq!(rig.look(&format!("relative/{CANARY}")).unwrap_err(), VfsError::AccessDenied);
    assert_eq!(rig.look("loop").unwrap_err(), VfsError::Symlink);
}

#[test]
fn links_inside_are_followed_when_the_share_says_so() {
    let (rig, _) = rig(true);
    assert_eq!(rig.look("inside/good").unwrap().info.size, 2);
    assert_eq!(rig.look("INSIDE/GOOD").unwrap().path.as_str(), "inside/good");
    // Those that lead somewhere inside are listed, the others are not.
    assert_eq!(rig.names("inside", "*"), [".", "..", "deep", "file", "good"]);
    assert_eq!(rig.names("inside/deep", "*"), [".", ".."]);
    assert_eq!(rig.names("", "*"), [".", "..", "inside"]);
}

#[test]
fn removing_a_link_removes_the_link() {
    for follow in [false, true] {
        let (rig, _) = rig(follow);
        let opened = rig.look("inside/good").unwrap();
        let (key, path) = (opened.info.key, opened.path);
        let op = Op::Delete { root: rig.root.clone(), path, key, directory: false };
        rig.ok(op).unwrap();
        assert!(!rig.host("inside/good").exists() && rig.host("inside/file").exists());
    }
}

#[test]
fn above_the_share_is_the_share() {
    let (rig, _) = rig(false);
    let listed = rig.list("", "*");
    assert_eq!(listed[0].file_id, listed[1].file_id, ". and .. are the same");
    let inside = rig.list("inside", "*");
    assert_eq!(inside[1].file_id, listed[0].file_id);
}

/// Somebody with a shell swaps a directory for a link out, again and again.
#[test]
fn a_swapped_directory_never_leads_out() {
    let (rig, outside) = rig(true);
    fs::write(rig.host("inside/canary"), "inside").unwrap();
    symlink(&outside, rig.host("swap")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, a, b) = (Arc::clone(&stop), rig.host("inside"), rig.host("swap"));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &a, rustix::fs::CWD, &b, flags).unwrap();
            }
        })
    };
    let (mut inside, mut refused) = (0, 0);
    for round in 0..3000 {
        match rig.open(OpenHow { read: true, ..rig.how("inside/canary") }) {
            Ok(opened) => {
                assert_eq!(rig.read(&opened.file, 0, 100).unwrap(), b"inside");
                inside += 1;
            }
            Err(_) => refused += 1,
        }
        let _ = rig.create(&format!("inside/new{round}"));
        let opened = rig.look("inside/canary");
        if let Ok(opened) = opened {
            let root = rig.root.clone();
            let to = path("inside/canary");
            let key = opened.info.key;
            let _ =
                rig.run(Op::Rename { root, from: to.clone(), to, key, replace: true, token: None });
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(inside > 0 && refused > 0, "{inside} {refused}");
    let found: Vec<_> = fs::read_dir(&outside).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(found, [CANARY]);
    assert_eq!(fs::read_to_string(outside.join(CANARY)).unwrap(), CANARY);
}
