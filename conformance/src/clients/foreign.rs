//! Clients that are Python's: impacket, smbprotocol and pysmb.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Check, Checked, Context, Problem, wrong};
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
    checks.push(Check::new("clients.smbprotocol.durable".to_owned(), |context| {
        let python = context.env.out.join("venv/bin/python3");
        script(context, &python, "smbprotocol", "durable")
    }));
    for protection in ["plain", "sign"] {
        let name = format!("clients.pysmb.{protection}");
        checks.push(Check::new(name, move |context| {
            let python = context.env.out.join("venv/bin/python3");
            script(context, &python, "pysmb", protection)
        }));
    }
    checks
}

/// Runs `clients/<library>_client.py`, which lists, writes, reads, renames and deletes;
/// smbprotocol watches too. For the variant `durable`, the script that loses its connection.
fn script(context: &Context<'_>, python: &Path, library: &str, variant: &str) -> Checked {
    let has = |program: &Path| {
        let module = if library == "pysmb" { "smb" } else { library };
        let import = format!("import {module}");
        let output = Command::new(program).args(["-c", &import]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !has(python) {
        let python = python.display();
        return Err(Problem::CannotRun(format!("{python} has no module {library}")));
    }
    let share = context.server.share_dir("files");
    empty(&share)?;
    let kind = if variant == "durable" { variant } else { "client" };
    let mut command = Command::new(python);
    command
        .arg(format!("conformance/clients/{library}_{kind}.py"))
        .args(["127.0.0.1", &context.server.port.to_string(), "files", USERS[0].0, USERS[0].1])
        .arg(variant)
        .env("SHARE_DIRECTORY", &share);
    let output = run(&mut command, b"", LIMIT)?;
    finished(&output)?;
    if fs::read_dir(&share)?.count() != 0 {
        return wrong("the share is not empty after everything was deleted");
    }
    Ok(())
}

pub(super) fn finished(output: &Output) -> Checked {
    if output.success() {
        return Ok(());
    }
    wrong(format!("{}: {}", output.ending(), output.tail()))
}
