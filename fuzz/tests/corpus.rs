//! Every fuzz target over its committed corpus, over changed copies of that, and over random bytes: the
//! same ones each time. Whoever changes a parser hears of it here, without a fuzzer.

use ksmbd_core::rng::Rng;
use ksmbd_fuzz::target::{TARGETS, Target};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    time::{Duration, Instant},
};

/// Changed copies and random inputs of a target, at most.
const INPUTS: usize = 4000;

/// Time for them.
const PATIENCE: Duration = Duration::from_secs(3);

/// Files of a target's corpus, in an order that stays the same.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let Ok(folder) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let read = |path: &Path| std::fs::read(path).expect("a file of the corpus can be read");
    files.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Says which input it was that panicked.
fn try_one(target: &Target, what: &str, data: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(data))) {
        eprintln!("{}: {what}: {}", target.name, data.escape_ascii());
        resume_unwind(panic);
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (file, data) in &corpus {
        try_one(target, file, data);
    }
    let (mut rng, started) = (Rng::new([42; 32]), Instant::now());
    for number in 0..INPUTS {
        let data = if number % 4 == 0 { random(&mut rng) } else { changed(&corpus, &mut rng) };
        try_one(target, &format!("input {number}"), &data);
        // Slow machines try fewer, of the same.
        if started.elapsed() > PATIENCE {
            break;
        }
    }
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    (rng.u64() % bound.max(1) as u64) as usize
}

fn random(rng: &mut Rng) -> Vec<u8> {
    let mut data = vec![0; below(rng, 200)];
    rng.fill(&mut data);
    data
}

/// A file of the corpus with a few bytes changed, cut, doubled, or from another one.
fn changed(corpus: &[(String, Vec<u8>)], rng: &mut Rng) -> Vec<u8> {
    let mut data = corpus[below(rng, corpus.len())].1.clone();
    for _ in 0..=below(rng, 4) {
        let (at, length) = (below(rng, data.len()), below(rng, 16));
        match below(rng, 6) {
            0 => data.truncate(at),
            1 => {
                let part = data[at..data.len().min(at + length)].to_vec();
                data.splice(at..at, part);
            }
            2 => {
                let other = &corpus[below(rng, corpus.len())].1;
                let from = below(rng, other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            _ => {
                let random = rng.u64() as u8;
                if let Some(byte) = data.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, random][below(rng, 6)];
                }
            }
        }
    }
    data
}

/// No folder of the corpus is of a target that has gone.
#[test]
fn folders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(folder).expect("there is a corpus").flatten() {
        let name = entry.file_name();
        assert!(TARGETS.iter().any(|target| *target.name == *name), "{name:?} is of no target");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_target_is_tried() {
            let tried = [$(stringify!($name)),*];
            assert!(TARGETS.iter().all(|target| tried.contains(&target.name)), "{tried:?}");
        }
    };
}

targets! {
    parser frame session models structured recording journal wire create_context security der ntlm name pattern xattr pwddb
    control conf rpc
}
