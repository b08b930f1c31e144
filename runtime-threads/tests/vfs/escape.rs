//! Nothing leads out of a share: a canary beside it is never read, changed or removed.

use crate::rig::{Rig, path};
use ksmbd_core::{
    id::FileKey,
    name::SharePath,
    time::FileTime,
    vfs::{FileKind, Missing, Op, OpenHow, SetBasic, VfsError, WantedKind},
    wire::fscc::FileAttributes,
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
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
            let inside = rig.look("inside/file").unwrap().file;
            for (name, replace) in [("stolen", false), (CANARY, true)] {
                let linked = rig.link(&inside, &format!("{way}/{name}"), replace);
                assert!(linked.is_err(), "{way} (follow: {follow})");
            }
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
}

/// STATUS_STOPPED_ON_SYMLINK would have to say where the link leads (MS-SMB2 2.2.2.2.1).
#[test]
fn a_link_that_is_not_followed_is_no_directory() {
    for follow in [false, true] {
        let (rig, _) = rig(follow);
        symlink("inside", rig.host("link")).unwrap();
        let ways: &[&str] = if follow { &["loop"] } else { &["link", "loop"] };
        for way in ways {
            let there = format!("{way}/file");
            assert_eq!(rig.look(&there).unwrap_err(), VfsError::PathNotFound, "{there}");
            assert_eq!(rig.create(&there).unwrap_err(), VfsError::PathNotFound, "{there}");
            assert_eq!(rig.mkdir(&there).unwrap_err(), VfsError::PathNotFound, "{there}");
            let moved = rig.rename("inside/file", &there, true);
            assert_eq!(moved, Err(VfsError::PathNotFound), "{there}");
        }
        let looped = rig.look("loop").map(|opened| opened.info.kind);
        let shown = if follow { Err(VfsError::PathNotFound) } else { Ok(FileKind::Symlink) };
        assert_eq!(looped, shown, "follow: {follow}");
    }
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
fn removing_a_link_to_a_directory_removes_the_link() {
    let (rig, _) = rig(true);
    let remove = |how: OpenHow, directory| {
        let opened = rig.open(how).unwrap();
        assert_eq!(opened.info.kind == FileKind::Directory, directory);
        let (root, key, path) = (rig.root.clone(), opened.info.key, opened.path);
        rig.ok(Op::Delete { root, path, key, directory }).unwrap();
        assert!(!rig.host("there").is_symlink() && rig.host("inside/deep").is_dir());
    };
    let directory = || OpenHow { kind: WantedKind::Directory, ..rig.how("there") };
    symlink("inside/deep", rig.host("there")).unwrap();
    remove(directory(), true);
    // RemoveDirectory of Windows wants a directory, and the link itself.
    symlink("inside/deep", rig.host("there")).unwrap();
    remove(OpenHow { no_follow: true, ..directory() }, false);
    // Which is one only if it leads to one that clients see.
    for target in ["inside/file", "../outside", "nowhere"] {
        symlink(target, rig.host("there")).unwrap();
        let how = OpenHow { no_follow: true, ..directory() };
        assert_eq!(rig.open(how).unwrap_err(), VfsError::NotDirectory, "{target}");
        fs::remove_file(rig.host("there")).unwrap();
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

/// What clients could call something outside.
#[test]
fn no_name_leads_out() {
    let (rig, outside) = rig(true);
    let absolute = outside.join(CANARY).display().to_string();
    let there = format!("..\\outside\\{CANARY}");
    let mut names = vec![
        there.clone(),
        format!(".\\{there}"),
        format!("inside\\..\\{there}"),
        format!("inside\\deep\\..\\..\\{there}"),
        format!("\\{there}"),
        format!("\\\\?\\{absolute}"),
        format!("C:\\{there}"),
        format!("inside\\file:{there}"),
        absolute.clone(),
        absolute.replace('/', "\\"),
        format!("../outside/{CANARY}"),
        format!("inside\\../../outside/{CANARY}"),
    ];
    // Two dots, and what is not quite two dots; a slash, and what some would take for one.
    for dots in
        ["..", ".\u{f029}", "\u{f029}\u{f029}", "\u{ff0e}\u{ff0e}", "\u{f7c0}\u{f7ae}.", "..."]
    {
        for slash in ["\\", "/", "\u{f026}", "\u{2215}", "\u{f7af}", "\u{f7c0}\u{f7af}", "\u{f02f}"]
        {
            names.push(format!("{dots}{slash}outside{slash}{CANARY}"));
        }
    }
    let mut reached = Vec::new();
    for name in &names {
        let utf16: Vec<u16> = name.encode_utf16().collect();
        let Ok(path) = SharePath::parse(&utf16) else { continue };
        reached.push(path.as_str().to_owned());
        let how = || OpenHow { path: path.clone(), ..rig.how("") };
        assert!(rig.open(OpenHow { read: true, ..how() }).is_err(), "{name:?}");
        let moved = rig.look("inside/file").unwrap();
        let (from, key, root) = (moved.path, moved.info.key, rig.root.clone());
        let rename = Op::Rename { root, from, to: path.clone(), key, replace: true, token: None };
        if rig.ok(rename).is_ok() {
            // As one name that only looks like a path.
            let file = rig.open(how()).unwrap();
            let (root, key) = (rig.root.clone(), file.info.key);
            assert_eq!(file.info.size, 2);
            rig.ok(Op::Delete { root, path: path.clone(), key, directory: false }).unwrap();
            fs::write(rig.host("inside/file"), "in").unwrap();
        }
        let file = rig.look("inside/file").unwrap().file;
        let (root, to) = (rig.root.clone(), path.clone());
        if rig.ok(Op::Link { root, file, to, replace: true, token: None }).is_ok() {
            let linked = rig.open(how()).unwrap();
            assert_eq!(linked.info.links, 2);
            let (root, key) = (rig.root.clone(), linked.info.key);
            rig.ok(Op::Delete { root, path: path.clone(), key, directory: false }).unwrap();
        }
        if let Ok(made) = rig.open(OpenHow { missing: Missing::CreateDirectory, ..how() }) {
            assert_eq!(rig.list_pages(&made.file, "*", 65_536).0.len(), 2);
        }
    }
    assert!(reached.len() > 10, "{reached:?}");
    untouched(&outside);
}

/// Nothing was added, removed or changed.
fn untouched(outside: &Path) {
    let found: Vec<_> = fs::read_dir(outside).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(found, [CANARY]);
    assert_eq!(fs::read_to_string(outside.join(CANARY)).unwrap(), CANARY);
    let times = fs::metadata(outside.join(CANARY)).unwrap();
    assert!(times.modified().unwrap().elapsed().unwrap().as_secs() < 1000);
}

/// Exchanges two names until it is stopped.
struct Swapper(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Swapper {
    fn start(a: PathBuf, b: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let swap = move || {
            while !stopped.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                // One may be missing for a moment.
                let _ = rustix::fs::renameat_with(here, &a, here, &b, flags);
            }
        };
        Self(stop, Some(thread::spawn(swap)))
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

/// The same with a file and a link to the canary, and everything that changes what it names.
#[test]
fn a_swapped_file_never_leads_out() {
    for follow in [false, true] {
        let (rig, outside) = rig(follow);
        fs::write(rig.host("inside/one"), "inside").unwrap();
        symlink(outside.join(CANARY), rig.host("inside/two")).unwrap();
        let old = FileTime::from_unix(1, 0);
        let swapper = Swapper::start(rig.host("inside/one"), rig.host("inside/two"));
        for round in 0..300 {
            let how =
                || OpenHow { write: true, no_follow: round % 2 == 0, ..rig.how("inside/one") };
            if let Ok(opened) = rig.open(how()) {
                let _ = rig.write(&opened.file, 0, b"INSIDE");
                let attributes = FileAttributes::HIDDEN;
                rig.run(Op::Overwrite { file: opened.file, attributes, eas: Vec::new() });
            }
            if let Ok(opened) = rig.look("inside/one") {
                let set = SetBasic { last_write_time: Some(old), ..SetBasic::default() };
                rig.run(Op::SetBasic { file: opened.file.clone(), set });
                // Whatever was opened: a second name of it is one of something in the share.
                let _ = rig.link(&opened.file, "inside/linked", true);
                let (root, key, path) = (rig.root.clone(), opened.info.key, opened.path);
                if round % 10 == 0
                    && rig.ok(Op::Delete { root, path, key, directory: false }).is_ok()
                {
                    // Whichever it was: it is put back under a name of its own and moved there.
                    let spare = rig.host("inside/spare");
                    if rig.host("inside/one").symlink_metadata().is_err() {
                        fs::write(&spare, "inside").unwrap();
                        fs::rename(&spare, rig.host("inside/one")).unwrap();
                    }
                }
            }
        }
        drop(swapper);
        untouched(&outside);
    }
}

/// Somebody with a shell swaps a directory for a link out, again and again.
#[test]
fn a_swapped_directory_never_leads_out() {
    let (rig, outside) = rig(true);
    fs::write(rig.host("inside/canary"), "inside").unwrap();
    symlink(&outside, rig.host("swap")).unwrap();
    let swapper = Swapper::start(rig.host("inside"), rig.host("swap"));
    fs::write(rig.host("own"), "inside").unwrap();
    let own = rig.look("own").unwrap().file;
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
        let _ = rig.link(&own, &format!("inside/link{round}"), false);
        let _ = rig.link(&own, "inside/canary", round % 2 == 0);
        let opened = rig.look("inside/canary");
        if let Ok(opened) = opened {
            let root = rig.root.clone();
            let to = path("inside/canary");
            let key = opened.info.key;
            let _ =
                rig.run(Op::Rename { root, from: to.clone(), to, key, replace: true, token: None });
            let (root, path) = (rig.root.clone(), opened.path);
            let other = FileKey { inode: key.inode ^ 1, ..key };
            let delete = Op::Delete { root, path, key: other, directory: false };
            assert!(rig.ok(delete).is_err(), "not what is open");
        }
    }
    drop(swapper);
    assert!(inside > 0 && refused > 0, "{inside} {refused}");
    untouched(&outside);
}
