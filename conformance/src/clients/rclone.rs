//! rclone, whose SMB client is written in Go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::files::{make_big, make_tree};
use super::foreign::finished;
use super::{Check, Checked, Context, Problem, same_file, same_tree, wrong};
use crate::config::USERS;
use crate::process::{Output, run};
use crate::server::empty;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("clients.rclone", copy), Check::new("clients.rclone.sync", sync)]
}

/// A way to call rclone.
struct Rclone {
    port: u16,
    password: String,
    work: PathBuf,
}

impl Rclone {
    fn new(context: &Context<'_>) -> Checked<Self> {
        if Command::new("rclone").arg("version").output().is_err() {
            return Err(Problem::CannotRun("rclone is not installed".into()));
        }
        let work = context.env.work(context.name)?;
        empty(&context.server.share_dir("files"))?;
        let obscured = Command::new("rclone").args(["obscure", USERS[0].1]).output()?;
        let password = String::from_utf8_lossy(&obscured.stdout).trim().to_owned();
        Ok(Self { port: context.server.port, password, work })
    }

    fn call(&self, arguments: &[&str]) -> Checked<Output> {
        let mut command = Command::new("rclone");
        command
            .args(["--config", "/dev/null", "--retries", "1"])
            .args(arguments)
            .env("RCLONE_SMB_HOST", "127.0.0.1")
            .env("RCLONE_SMB_PORT", self.port.to_string())
            .env("RCLONE_SMB_USER", USERS[0].0)
            .env("RCLONE_SMB_PASS", &self.password)
            .current_dir(&self.work);
        let output = run(&mut command, b"", LIMIT)?;
        finished(&output)?;
        Ok(output)
    }
}

/// Copies there, lists, copies back, deletes.
fn copy(context: &Context<'_>) -> Checked {
    let rclone = Rclone::new(context)?;
    let work = &rclone.work;
    fs::create_dir_all(work.join("there/below"))?;
    make_big(&work.join("there/data"), 8 << 20, 21)?;
    make_big(&work.join("there/below/small"), 333, 22)?;
    rclone.call(&["copy", "there", ":smb:files/place"])?;
    let listed = rclone.call(&["lsf", "-R", ":smb:files/place"])?;
    if !listed.stdout.contains("below/small") {
        return wrong(format!("the listing lacks a file: {}", listed.tail()));
    }
    rclone.call(&["copy", ":smb:files/place", "back"])?;
    same_file(&work.join("there/data"), &work.join("back/data"))?;
    same_file(&work.join("there/below/small"), &work.join("back/below/small"))?;
    rclone.call(&["purge", ":smb:files/place"])?;
    if context.server.share_dir("files").join("place").exists() {
        return wrong("purge left the directory");
    }
    Ok(())
}

/// Makes a tree of 1,000 files the same, again after changes, and compares byte for byte.
fn sync(context: &Context<'_>) -> Checked {
    let rclone = Rclone::new(context)?;
    let work = &rclone.work;
    let there = work.join("there");
    make_tree(&there)?;
    rclone.call(&["sync", "there", ":smb:files/mirror"])?;
    rclone.call(&["check", "--download", "there", ":smb:files/mirror"])?;
    change(&there)?;
    let said = rclone.call(&["sync", "-v", "there", ":smb:files/mirror"])?.all();
    rclone.call(&["check", "--download", "there", ":smb:files/mirror"])?;
    same_tree(&there, &context.server.share_dir("files").join("mirror"))?;
    // Times are kept: what did not change is not sent again.
    let copied = said.lines().filter(|line| line.contains(": Copied")).count();
    if copied > 5 {
        return wrong(format!("{copied} files were sent again after three changes"));
    }
    rclone.call(&["sync", ":smb:files/mirror", "back"])?;
    same_tree(&there, &work.join("back"))?;
    Ok(empty(&context.server.share_dir("files"))?)
}

fn change(tree: &Path) -> Checked {
    make_big(&tree.join("dir 3/small-3.bin"), 12_345, 5)?;
    make_big(&tree.join("dir 4/a new one"), 77, 6)?;
    fs::rename(tree.join("dir 5/small-5.bin"), tree.join("dir 6/moved"))?;
    Ok(fs::remove_dir_all(tree.join("dir 7"))?)
}
