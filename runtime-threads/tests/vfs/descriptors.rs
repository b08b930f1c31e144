//! How many descriptors things take: as many as are counted on for them (`src/descriptors.rs`).

use crate::rig::Rig;
use ksmbd_core::{
    name::Pattern,
    vfs::{Cursor, Done, File, ListHow, Op},
    wire::{change_notify::CompletionFilter, fscc::FileInfoClass},
};
use ksmbd_runtime_threads::vfs::outside;
use std::{fs, path::Path, sync::Arc};

/// Descriptors of this process that name `path`.
fn of(path: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path)).count()
}

fn list(rig: &Rig, file: &File, cursor: Option<Cursor>) -> (bool, Cursor) {
    let how = ListHow {
        file: file.clone(),
        cursor,
        pattern: Pattern::parse(&[u16::from(b'*')]).unwrap(),
        class: FileInfoClass::NAMES,
        max: 200,
        single: false,
        token: None,
    };
    match rig.run(Op::List(Box::new(how))) {
        Done::Listed { data, cursor, .. } => (data.is_empty(), cursor),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_takes_one_and_another_while_it_is_listed() {
    let rig = Rig::new();
    fs::create_dir(rig.host("d")).unwrap();
    (0..100).for_each(|number| fs::write(rig.host(&format!("d/file-{number}")), "").unwrap());
    let directory = rig.look("d").unwrap().file;
    assert_eq!(of(&rig.host("d")), 1);
    let (mut over, mut cursor) = list(&rig, &directory, None);
    assert_eq!(of(&rig.host("d")), 2);
    while !over {
        (over, cursor) = list(&rig, &directory, Some(cursor));
    }
    assert_eq!(of(&rig.host("d")), 1);
    let (over, _) = list(&rig, &directory, Some(cursor));
    assert!(over, "the end is the end");
    drop(directory);
    assert_eq!(of(&rig.host("d")), 0);
}

#[test]
fn a_file_takes_three_at_most() {
    let rig = Rig::new();
    fs::write(rig.host("f"), "data").unwrap();
    let file = rig.look("f").unwrap().file;
    assert_eq!(of(&rig.host("f")), 1);
    rig.read(&file, 0, 4).unwrap();
    rig.write(&file, 0, b"more").unwrap();
    assert_eq!(of(&rig.host("f")), 3);
    drop(file);
    assert_eq!(of(&rig.host("f")), 0);
}

#[test]
fn a_share_takes_one_and_a_watch_none() {
    let rig = Rig::new();
    assert_eq!(of(&rig.dir), 1);
    fs::create_dir(rig.host("d")).unwrap();
    let directory = rig.look("d").unwrap().file;
    let what = (false, CompletionFilter::all());
    let watching = outside::watch(&directory, what, &rig.who, 4096, Arc::new(|_| ()));
    assert!(matches!(watching, Done::Watching(_)), "{watching:?}");
    assert_eq!(of(&rig.host("d")), 1);
    drop((directory, watching));
    assert_eq!(of(&rig.host("d")), 0);
}
