//! Clients that are not Samba's: impacket and smbprotocol (Python), rclone (Go).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::files::make_big;
use super::{Check, Checked, Context, Problem, same_file, wrong};
use crate::config::USERS;
use crate::process::{Output, run};
use crate::server::empty;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for dialect in ["2.0.2", "2.1", "3.0", "3.1.1"] {
        let name = format!("clients.impacket.{dialect}");
        checks.push(Check::new(name, move |context| {
            // Debian 12's impacket does not sign a 3.1.1 TREE_CONNECT; the one from PyPI does.
            let python = match dialect {
                "3.1.1" => context.env.out.join("venv/bin/python3"),
                _ => PathBuf::from("/usr/bin/python3"),
            };
            script(context, &python, "impacket", dialect)
        }));
    }
    for protection in ["sign", "encrypt"] {
        let name = format!("clients.smbprotocol.{protection}");
        checks.push(Check::new(name, move |context| {
            let python = context.env.out.join("venv/bin/python3");
            script(context, &python, "smbprotocol", protection)
        }));
    }
    checks.push(Check::new("clients.rclone", rclone));
    checks
}

/// Runs `clients/<library>_client.py`, which lists, writes, reads, renames and deletes.
fn script(context: &Context<'_>, python: &Path, library: &str, variant: &str) -> Checked {
    let has = |program: &Path| {
        let import = format!("import {library}");
        let output = Command::new(program).args(["-c", &import]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !has(python) {
        let python = python.display();
        return Err(Problem::CannotRun(format!("{python} has no module {library}")));
    }
    let share = context.server.share_dir("files");
    empty(&share)?;
    let mut command = Command::new(python);
    command
        .arg(format!("conformance/clients/{library}_client.py"))
        .args(["127.0.0.1", &context.server.port.to_string(), "files", USERS[0].0, USERS[0].1])
        .arg(variant);
    let output = run(&mut command, b"", LIMIT)?;
    finished(&output)?;
    if fs::read_dir(&share)?.count() != 0 {
        return wrong("the share is not empty after everything was deleted");
    }
    Ok(())
}

fn finished(output: &Output) -> Checked {
    if output.success() {
        return Ok(());
    }
    wrong(format!("{}: {}", output.ending(), output.tail()))
}

fn rclone(context: &Context<'_>) -> Checked {
    if Command::new("rclone").arg("version").output().is_err() {
        return Err(Problem::CannotRun("rclone is not installed".into()));
    }
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    let obscured = Command::new("rclone").args(["obscure", USERS[0].1]).output()?;
    let password = String::from_utf8_lossy(&obscured.stdout).trim().to_owned();
    let call = |arguments: &[&str]| -> Checked<Output> {
        let mut command = Command::new("rclone");
        command
            .args(["--config", "/dev/null", "--retries", "1"])
            .args(arguments)
            .env("RCLONE_SMB_HOST", "127.0.0.1")
            .env("RCLONE_SMB_PORT", context.server.port.to_string())
            .env("RCLONE_SMB_USER", USERS[0].0)
            .env("RCLONE_SMB_PASS", &password)
            .current_dir(&work);
        let output = run(&mut command, b"", LIMIT)?;
        finished(&output)?;
        Ok(output)
    };
    fs::create_dir_all(work.join("there/below"))?;
    make_big(&work.join("there/data"), 8 << 20, 21)?;
    make_big(&work.join("there/below/small"), 333, 22)?;
    call(&["copy", "there", ":smb:files/place"])?;
    let listed = call(&["lsf", "-R", ":smb:files/place"])?;
    if !listed.stdout.contains("below/small") {
        return wrong(format!("the listing lacks a file: {}", listed.tail()));
    }
    call(&["copy", ":smb:files/place", "back"])?;
    same_file(&work.join("there/data"), &work.join("back/data"))?;
    same_file(&work.join("there/below/small"), &work.join("back/below/small"))?;
    call(&["purge", ":smb:files/place"])?;
    if share.join("place").exists() {
        return wrong("purge left the directory");
    }
    Ok(())
}
