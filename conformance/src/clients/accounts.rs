//! `ksmbd-adduser` and its database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::daemon::ours;
use super::{Check, Checked, Context, Plain, wrong};
use crate::process::{Output, run};

/// The password `password`, as everybody's MD4 has it.
const PASSWORD_LINE: &str = "iEb36u6PsRetBr3YMLdYbA==";

pub(crate) fn checks() -> Vec<Check> {
    let bodies: [(&str, Plain); 2] = [("database", database), ("broken-database", broken_database)];
    bodies
        .into_iter()
        .map(|(name, body)| {
            Check::new(format!("clients.adduser.{name}"), move |context: &Context<'_>| {
                ours(context)?;
                body(context)
            })
        })
        .collect()
}

fn adduser(context: &Context<'_>, work: &Path, arguments: &[&str]) -> Checked<Output> {
    let mut command = context.env.tool("ksmbd-adduser");
    command.arg(format!("--config={}", work.join("ksmbd.conf").display()));
    command.arg(format!("--pwddb={}", work.join("pwd.db").display())).args(arguments);
    Ok(run(&mut command, b"", Duration::from_secs(10))?)
}

/// Add, update, delete; sorted, and not for everybody to read.
fn database(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    fs::write(work.join("ksmbd.conf"), "[global]\n")?;
    let calls: [&[&str]; 5] = [
        &["--add", "--password=first", "zoe"],
        &["--add", "--password=password", "adam"],
        &["-a", "-p", "other", "eve"],
        &["--update", "--password=password", "zoe"],
        &["--delete", "eve"],
    ];
    for arguments in calls {
        let output = adduser(context, &work, arguments)?;
        if !output.success() {
            return wrong(format!("{arguments:?}: {}: {}", output.ending(), output.tail()));
        }
    }
    let text = fs::read_to_string(work.join("pwd.db"))?;
    if text != format!("adam:{PASSWORD_LINE}\nzoe:{PASSWORD_LINE}\n") {
        return wrong(format!("the database holds {text:?}"));
    }
    let mode = fs::metadata(work.join("pwd.db"))?.permissions().mode() & 0o777;
    if mode != 0o600 && mode != 0o640 {
        return wrong(format!("its mode is {mode:o}"));
    }
    for refused in [["--add", "--password=x", "adam"], ["--update", "--password=x", "nobody"]] {
        if adduser(context, &work, &refused)?.success() {
            return wrong(format!("{refused:?} succeeded"));
        }
    }
    Ok(())
}

/// A wrong line is named by file and number, and nothing is lost.
fn broken_database(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    fs::write(work.join("ksmbd.conf"), "[global]\n")?;
    let text = format!("adam:{PASSWORD_LINE}\nthis is no account\nzoe:{PASSWORD_LINE}\n");
    fs::write(work.join("pwd.db"), &text)?;
    let output = adduser(context, &work, &["--add", "--password=x", "eve"])?;
    let all = output.all();
    if output.success() || output.status.is_none() {
        return wrong(format!("went on in spite of it: {}", output.ending()));
    }
    if !(all.contains("pwd.db:2") || all.contains("pwd.db") && all.contains("line 2")) {
        return wrong(format!("the message does not name pwd.db and line 2: {}", output.tail()));
    }
    if fs::read_to_string(work.join("pwd.db"))? != text {
        return wrong("the database was changed");
    }
    Ok(())
}
