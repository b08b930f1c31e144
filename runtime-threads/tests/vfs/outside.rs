//! What others change in watched directories is told, each thing once, and what the server changes
//! itself is not.

use crate::rig::{Rig, path};
use ksmbd_core::{
    vfs::{Done, File, FsChange, Op, SetBasic},
    wire::{
        change_notify::CompletionFilter,
        fscc::{FileAttributes, notify::FileAction},
    },
};
use ksmbd_runtime_threads::vfs::outside::{self, Tell, Told};
use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

const NAMES: CompletionFilter = CompletionFilter::FILE_NAME.union(CompletionFilter::DIR_NAME);
const ALL: CompletionFilter = CompletionFilter::all();
const ADDED: FileAction = FileAction::ADDED;
const REMOVED: FileAction = FileAction::REMOVED;

/// Listens to a directory.
struct Ear {
    heard: Arc<Mutex<Vec<FsChange>>>,
    _watching: File,
}

impl Ear {
    fn new(rig: &Rig, name: &str, what: (bool, CompletionFilter)) -> Self {
        Self::with_limit(rig, name, what, 4096)
    }

    fn with_limit(rig: &Rig, name: &str, what: (bool, CompletionFilter), limit: usize) -> Self {
        let directory = rig.look(name).unwrap().file;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let tell: Tell = Arc::new(move |told| {
            if let Told::Changed(change) = told {
                ear.lock().unwrap().push(change);
            }
        });
        match outside::watch(&directory, what, &rig.who, limit, tell) {
            Done::Watching(watching) => Self { heard, _watching: watching },
            other => panic!("{other:?}"),
        }
    }

    /// What comes until so much has come, and a little longer.
    fn hear(&self, count: usize) -> Vec<(FileAction, String)> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.heard.lock().unwrap().len() < count && Instant::now() < deadline {
            Self::listen();
        }
        Self::listen();
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let told = |change| match change {
            FsChange::Below { path, action, .. } => (action, path),
            FsChange::Lost => panic!("events were lost"),
        };
        heard.into_iter().map(told).collect()
    }

    /// Other tests may be at their own names, and events wait for that.
    fn listen() {
        for _ in 0..5 {
            outside::drain();
            outside::look_through();
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn told(heard: &[(FileAction, String)]) -> Vec<(FileAction, &str)> {
    heard.iter().map(|(action, name)| (*action, name.as_str())).collect()
}

/// The server removes a file.
fn remove(rig: &Rig, name: &str) {
    let key = rig.look(name).unwrap().info.key;
    let root = rig.root.clone();
    rig.ok(Op::Delete { root, path: path(name), key, directory: false }).unwrap();
}

#[test]
fn names_come_go_and_change() {
    let rig = Rig::new();
    let ear = Ear::new(&rig, "", (false, NAMES));
    fs::create_dir(rig.host("d")).unwrap();
    fs::write(rig.host("x"), b"").unwrap();
    fs::rename(rig.host("x"), rig.host("y")).unwrap();
    fs::write(rig.host("d/below"), b"").unwrap();
    fs::rename(rig.host("y"), rig.host("d/y")).unwrap();
    fs::rename(rig.host("d/y"), rig.host("a:b")).unwrap();
    fs::remove_file(rig.host("a:b")).unwrap();
    let expected = [
        (ADDED, "d"),
        (ADDED, "x"),
        (FileAction::RENAMED_OLD_NAME, "x"),
        (FileAction::RENAMED_NEW_NAME, "y"),
        (REMOVED, "y"),
        (ADDED, "a\u{f022}b"),
        (REMOVED, "a\u{f022}b"),
    ];
    assert_eq!(told(&ear.hear(7)), expected);
}

#[test]
fn data_and_metadata() {
    let rig = Rig::new();
    fs::write(rig.host("x"), b"1").unwrap();
    let data = Ear::new(&rig, "", (false, CompletionFilter::SIZE));
    fs::write(rig.host("x"), b"2").unwrap();
    assert!(data.hear(1).contains(&(FileAction::MODIFIED, "x".into())));
    drop(data);
    let metadata = Ear::new(&rig, "", (false, CompletionFilter::ATTRIBUTES));
    let mut mode = fs::metadata(rig.host("x")).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(rig.host("x"), mode).unwrap();
    assert_eq!(told(&metadata.hear(1)), [(FileAction::MODIFIED, "x")]);
}

#[test]
fn what_the_server_does_is_its_own() {
    let rig = Rig::new();
    let ear = Ear::new(&rig, "", (true, ALL));
    let d = rig.mkdir("d").unwrap().file;
    Ear::listen();
    let file = rig.create("d/x").unwrap().file;
    rig.write(&file, 0, b"data").unwrap();
    let set = SetBasic { attributes: Some(FileAttributes::HIDDEN), ..SetBasic::default() };
    rig.ok(Op::SetBasic { file: file.clone(), set }).unwrap();
    rig.create("y").unwrap();
    rig.rename("d/x", "y", true).unwrap();
    remove(&rig, "y");
    drop((d, file));
    fs::write(rig.host("d/others"), b"").unwrap();
    let heard = ear.hear(1);
    let names: Vec<_> = heard.iter().map(|(_, name)| name.as_str()).collect();
    assert!(names.iter().all(|name| *name == "d/others"), "{heard:?}");
    assert_eq!(heard[0].0, ADDED);
}

/// What fails is not the server's: somebody else made the name.
#[test]
fn a_change_that_was_not_made_hides_nothing() {
    let rig = Rig::new();
    let ear = Ear::new(&rig, "", (false, NAMES));
    fs::write(rig.host("x"), b"").unwrap();
    fs::write(rig.host("y"), b"").unwrap();
    assert!(rig.rename("x", "y", false).is_err());
    fs::remove_file(rig.host("y")).unwrap();
    assert_eq!(told(&ear.hear(3)), [(ADDED, "x"), (ADDED, "y"), (REMOVED, "y")]);
}

/// The server and others at once, at the same names: each change of others is told once.
#[test]
fn both_at_once() {
    const ROUNDS: usize = 300;
    let rig = Rig::new();
    let ear = Ear::new(&rig, "", (false, NAMES));
    let done = thread::scope(|scope| {
        let others = scope.spawn(|| {
            for _ in 0..ROUNDS {
                let made = fs::File::create_new(rig.host("other")).is_ok();
                assert!(made && fs::remove_file(rig.host("other")).is_ok());
            }
        });
        for _ in 0..ROUNDS {
            rig.create("own").unwrap();
            remove(&rig, "own");
        }
        others.join().is_ok()
    });
    assert!(done);
    let heard = ear.hear(2 * ROUNDS);
    let count =
        |action| heard.iter().filter(|(a, name)| (*a, &**name) == (action, "other")).count();
    assert_eq!((count(ADDED), count(REMOVED), heard.len()), (ROUNDS, ROUNDS, 2 * ROUNDS));
}

#[test]
fn a_tree_is_watched_as_it_grows_and_moves() {
    let rig = Rig::new();
    fs::create_dir_all(rig.host("a/b")).unwrap();
    let ear = Ear::new(&rig, "", (true, NAMES));
    let below = Ear::new(&rig, "a", (false, NAMES));
    fs::write(rig.host("a/b/x"), b"").unwrap();
    assert_eq!(told(&ear.hear(1)), [(ADDED, "a/b/x")]);
    fs::create_dir_all(rig.host("new/er")).unwrap();
    fs::write(rig.host("new/er/y"), b"").unwrap();
    let mut heard = ear.hear(3);
    heard.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(told(&heard), [(ADDED, "new"), (ADDED, "new/er"), (ADDED, "new/er/y")]);
    rig.mkdir("own").unwrap();
    Ear::listen();
    fs::write(rig.host("own/z"), b"").unwrap();
    assert_eq!(told(&ear.hear(1)), [(ADDED, "own/z")]);
    fs::rename(rig.host("a/b"), rig.host("c")).unwrap();
    fs::remove_file(rig.host("c/x")).unwrap();
    assert_eq!(told(&ear.hear(3)), [(REMOVED, "a/b"), (ADDED, "c"), (REMOVED, "c/x")]);
    assert_eq!(told(&below.hear(1)), [(REMOVED, "b")]);
    // What has left the tree is no part of it.
    let elsewhere = rig.outside();
    fs::rename(rig.host("c"), &elsewhere).unwrap();
    fs::write(elsewhere.join("unseen"), b"").unwrap();
    assert_eq!(told(&ear.hear(1)), [(REMOVED, "c")]);
}

/// Beyond the limit nothing is told, and nothing fails.
#[test]
fn no_more_than_may_be_watched() {
    let rig = Rig::new();
    fs::create_dir_all(rig.host("a/b/c")).unwrap();
    let none = Ear::with_limit(&rig, "", (true, NAMES), usize::MAX);
    drop(none);
    let directory = rig.look("").unwrap().file;
    let tell: Tell = Arc::new(|_| ());
    let done = outside::watch(&directory, (true, NAMES), &rig.who, 0, tell);
    assert!(matches!(done, Done::Failed(_)), "{done:?}");
    let file = rig.create("x").unwrap().file;
    let tell: Tell = Arc::new(|_| ());
    let done = outside::watch(&file, (false, NAMES), &rig.who, 9, tell);
    assert!(matches!(done, Done::Failed(_)), "{done:?}");
}

#[test]
fn an_end_is_an_end() {
    let rig = Rig::new();
    let first = Ear::new(&rig, "", (false, NAMES));
    let second = Ear::new(&rig, "", (true, NAMES));
    let heard = Arc::clone(&first.heard);
    drop(first);
    fs::write(rig.host("x"), b"").unwrap();
    assert_eq!(told(&second.hear(1)), [(ADDED, "x")]);
    assert!(heard.lock().unwrap().is_empty());
}
