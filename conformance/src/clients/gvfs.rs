//! GNOME's gvfs, which the file manager of many a Linux desktop goes through; here without a desktop.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::files::make_big;
use super::foreign::finished;
use super::{Check, Checked, Context, Problem, wrong};
use crate::config::USERS;
use crate::process::run;
use crate::server::empty;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("clients.gvfs", gvfs)]
}

/// Runs `clients/gvfs.sh` on a bus of its own.
fn gvfs(context: &Context<'_>) -> Checked {
    for needed in ["/usr/libexec/gvfsd-smb", "/usr/bin/gio", "/usr/bin/dbus-run-session"] {
        if !Path::new(needed).exists() {
            return Err(Problem::CannotRun(format!("there is no {needed}")));
        }
    }
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    make_big(&work.join("big"), 5 << 20, 51)?;
    let script = fs::canonicalize("conformance/clients/gvfs.sh")?;
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh"]).arg(script);
    command.arg(format!("smb://127.0.0.1:{}/files", context.server.port));
    command.args([USERS[0].0, USERS[0].1]).current_dir(&work);
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("DISPLAY");
    finished(&run(&mut command, b"", LIMIT)?)?;
    if fs::read_dir(&share)?.count() != 0 {
        return wrong("the share is not empty after everything was deleted");
    }
    Ok(())
}
