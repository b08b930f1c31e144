//! A parser's memory is bounded by its input: nothing that a message claims makes it allocate more.

use ksmbd_fuzz::target::TARGETS;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, path::Path};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes for each byte of the input, over everything that a target does with it: decoding, encoding and
/// comparing, several times.
const EACH: usize = 256;

/// Bytes whatever the input.
const FIXED: usize = 32 << 10;

/// In a test of its own: other threads would be counted.
#[test]
fn parsers_allocate_in_proportion() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS.iter().filter(|target| target.lean) {
        let folder = corpus.join(target.name);
        for file in std::fs::read_dir(&folder).expect("there is a corpus").flatten() {
            let data = std::fs::read(file.path()).expect("a file of the corpus can be read");
            let region = Region::new(ALLOCATOR);
            (target.run)(&data);
            let allocated = region.change().bytes_allocated;
            let most = FIXED + EACH * data.len();
            assert!(allocated <= most, "{}: {allocated} bytes for {:?}", target.name, file.path());
        }
    }
}
