//! What the calls cost: not a test but something to watch with `strace`, see [`steps`].

use crate::rig::Rig;
use ksmbd_core::vfs::{Existing, Missing, Op, OpenHow};
use std::{fs, io::Write, time::Instant};

/// Says where one kind of call begins, so that what it costs can be counted:
///
/// ```text
/// strace -o trace -s 40 target/debug/deps/vfs-… workload --ignored --nocapture --test-threads 1
/// awk '/MARK/ { mark = $0 } /^[a-z0-9_]+\(/ { n[mark]++ } END { for (m in n) print n[m], m }' trace
/// ```
fn steps(name: &str, mut step: impl FnMut(usize)) {
    // The first is not counted: it fills what is filled once.
    step(0);
    mark(name);
    (1..11).for_each(&mut step);
    mark("end");
}

/// In one piece, so that it is one line of the trace.
fn mark(what: &str) {
    std::io::stderr().write_all(format!("MARK {what}\n").as_bytes()).unwrap();
}

#[test]
#[ignore = "for strace"]
fn workload() {
    let rig = Rig::new();
    fs::create_dir_all(rig.host("dir/sub")).unwrap();
    for number in 0..200 {
        fs::write(rig.host(&format!("dir/sub/old{number}")), "x").unwrap();
    }
    let name = |number| format!("dir/sub/new{number}");
    let mut kept = Vec::new();
    steps("create a file", |number| kept.push(rig.create(&name(number)).unwrap()));
    steps("query", |number| assert_eq!(rig.query(&kept[number].file).size, 0));
    steps("write", |number| {
        rig.write(&kept[number].file, 0, b"x").unwrap();
    });
    steps("read", |number| drop(rig.read(&kept[number].file, 0, 10).unwrap()));
    steps("close", |number| drop(kept.remove(10 - number)));
    steps("open for reading", |number| {
        kept.push(rig.open(OpenHow { read: true, ..rig.how(&name(number)) }).unwrap());
    });
    kept.clear();
    steps("open to look, query, close", |number| {
        let opened = rig.look(&name(number)).unwrap();
        rig.query(&opened.file);
    });
    steps("open in another case", |number| drop(rig.look(&name(number).to_uppercase()).unwrap()));
    steps("look for what is not there", |number| drop(rig.look(&format!("dir/sub/no{number}"))));
    steps("make a directory", |number| drop(rig.mkdir(&format!("dir/sub/d{number}")).unwrap()));
    steps("create what exists", |number| {
        let how = OpenHow { existing: Existing::Fail, ..rig.how(&name(number)) };
        rig.open(OpenHow { missing: Missing::CreateFile, ..how }).unwrap_err();
    });
    steps("rename", |number| {
        rig.rename(&name(number), &format!("dir/sub/moved{number}"), false).unwrap();
    });
    let root = rig.root.clone();
    steps("open, delete, close", |number| {
        let opened = rig.look(&format!("dir/sub/moved{number}")).unwrap();
        let (key, path) = (opened.info.key, opened.path);
        rig.ok(Op::Delete { root: root.clone(), path, key, directory: false }).unwrap();
    });
    steps("list 200", |_| assert_eq!(rig.list("dir/sub", "o*").len(), 200));
}

/// A hundred thousand names, made and listed: neither may cost more for each the more there are.
#[test]
#[ignore = "takes a while"]
fn many() {
    let rig = Rig::new();
    rig.mkdir("dir").unwrap();
    for batch in 0..10 {
        let began = Instant::now();
        for number in 0..10_000 {
            rig.create(&format!("dir/Name-{batch}-{number}")).unwrap();
        }
        eprintln!("batch {batch}: {:?}", began.elapsed());
    }
    for (what, pattern) in [("all", "*"), ("some", "*-7-*"), ("one", "NAME-3-3")] {
        let began = Instant::now();
        let listed = rig.list("dir", pattern).len();
        eprintln!("list {what}, {listed}: {:?}", began.elapsed());
    }
    let began = Instant::now();
    for number in 0..10_000 {
        rig.look(&format!("dir/nAME-5-{number}")).unwrap();
    }
    eprintln!("10000 in another case: {:?}", began.elapsed());
}
