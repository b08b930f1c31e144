//! Disks in files. One promises more than it has: an ext4 of 64 MiB in a file that has holes, on a tmpfs of
//! 4 MiB. Writing works as long as the page cache has room; keeping it fails.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{Checked, Problem};
use crate::process::note_mount;
use crate::server::Env;

const SIZE: u64 = 64 << 20;
/// More than is written in a moment.
const LARGE: u64 = 1 << 30;
const REAL: u64 = 4 << 20;

/// Unmounted when it is dropped.
pub(super) struct ThinDisk {
    mounts: Vec<PathBuf>,
}

impl ThinDisk {
    pub(super) fn mount(env: &Env, at: &Path) -> Checked<Self> {
        let below = env.work("thin-disk")?;
        let mut disk = Self { mounts: Vec::new() };
        step("mount", &["-t", "tmpfs", "-o", &format!("size={REAL}"), "thin"], &below)?;
        disk.mounts.push(below.clone());
        note_mount(&below, true);
        let options = "loop,errors=continue";
        disk.image(&below.join("image"), SIZE, &["-q", "-O", "^has_journal"], options, at)?;
        Ok(disk)
    }

    fn image(
        &mut self,
        image: &Path,
        size: u64,
        make: &[&str],
        options: &str,
        at: &Path,
    ) -> Checked {
        File::create(image)?.set_len(size)?;
        step("mkfs.ext4", make, image)?;
        let source = image.display().to_string();
        step("mount", &["-o", options, &source], at)?;
        self.mounts.push(at.to_owned());
        note_mount(at, true);
        Ok(fs::set_permissions(at, fs::Permissions::from_mode(0o777))?)
    }
}

impl Drop for ThinDisk {
    fn drop(&mut self) {
        while let Some(at) = self.mounts.pop() {
            let _ = Command::new("umount").arg("-l").arg(&at).status();
            note_mount(&at, false);
        }
    }
}

/// An ext4 in a file. Unmounted when it is dropped.
pub(super) struct MountedImage(#[allow(dead_code, reason = "unmounts")] ThinDisk);

impl MountedImage {
    pub(super) fn mount(env: &Env, at: &Path) -> Checked<Self> {
        let image = env.work("disk")?.join("image");
        let mut disk = ThinDisk { mounts: Vec::new() };
        disk.image(&image, LARGE, &["-q"], "loop,errors=remount-ro", at)?;
        Ok(Self(disk))
    }
}

pub(super) fn step(program: &str, arguments: &[&str], last: &Path) -> Checked {
    let output = Command::new(program).args(arguments).arg(last).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Problem::CannotRun(format!("a disk that fails wants root: {program}: {said}")))
        }
        Err(e) => Err(Problem::CannotRun(format!("{program}: {e}"))),
    }
}
