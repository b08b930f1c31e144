//! File data is not copied in user space: a byte that is copied has to be put somewhere, and moving a
//! large file makes the server allocate next to nothing. A real client (Debian's smbclient, a process
//! of its own) moves the file; what is counted is the server's.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unreachable_pub, reason = "shared with the other tests, which use more of it")]
#[path = "../threads/rig.rs"]
mod rig;

use rig::{PASSWORD, Rig, USER};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, fs, process::Command};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of the file.
const SIZE: usize = 48 << 20;

/// What the whole run may allocate: the buffers of the requests that are under way at a time.
const BOUND: usize = SIZE / 3;

fn smbclient(rig: &Rig, protection: &str, script: &str) -> Option<String> {
    let output = Command::new("smbclient")
        .args(["-s", "/dev/null", "-m", "SMB3_11", "--client-protection", protection])
        .args(["-p", &rig.address().port().to_string(), "-U", &format!("{USER}%{PASSWORD}")])
        .args(["//127.0.0.1/share", "-c", script])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(text)
}

/// Bytes allocated while `script` runs.
fn allocated(rig: &Rig, protection: &str, script: &str) -> Option<(usize, usize)> {
    let region = Region::new(GLOBAL);
    smbclient(rig, protection, script)?;
    let change = region.change();
    let grown = usize::try_from(change.bytes_reallocated).unwrap_or(0);
    Some((change.allocations, change.bytes_allocated + grown))
}

#[test]
fn data_is_moved_without_copies() {
    let rig = Rig::new();
    let from = std::env::temp_dir().join(format!("ksmbd-copies-{}", std::process::id()));
    fs::write(&from, vec![0x5a; SIZE]).unwrap();
    for protection in ["off", "sign", "encrypt"] {
        let put = format!("put {} x", from.display());
        let Some(put) = allocated(&rig, protection, &put) else {
            println!("skipped: smbclient is not installed");
            return;
        };
        let get = allocated(&rig, protection, "get x /dev/null").unwrap();
        println!("{protection}: put {put:?}, get {get:?} (allocations, bytes) for {SIZE} bytes");
        assert!(put.1 < BOUND, "{protection}: WRITE allocated {} bytes", put.1);
        assert!(get.1 < BOUND, "{protection}: READ allocated {} bytes", get.1);
        assert_eq!(fs::metadata(rig.dir.join("x")).unwrap().len(), SIZE as u64);
    }
    fs::remove_file(from).unwrap();
    rig.wait_until_empty();
    rig.stop();
}
