//! What a client may not do, and the status that says so.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Check, Checked, Context, Problem, Smbclient, make_big, same_file, wrong};
use crate::config::{Setup, USERS};
use crate::process::note_mount;
use crate::server::Env;

/// The size of the disk that gets full.
const SMALL_DISK: u64 = 8 << 20;

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("clients.refused.wrong-password", wrong_password),
        Check::new("clients.refused.unknown-user", unknown_user),
        Check::new("clients.refused.anonymous", anonymous),
        Check::new("clients.refused.forbidden-share", forbidden_share),
        Check::new("clients.refused.missing-share", missing_share),
        Check::new("clients.refused.read-only", read_only),
        Check::new("clients.refused.full-disk", full_disk),
        Check::new("clients.smbclient.list-shares", list_shares),
    ]
}

/// For a server with `map to guest = bad user`.
pub(crate) fn guest_checks() -> Vec<Check> {
    vec![
        Check::new("clients.guest.public", guest_public),
        Check::new("clients.guest.elsewhere", guest_elsewhere),
        Check::new("clients.guest.wrong-password", wrong_password),
    ]
}

fn wrong_password(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "files").login(USERS[0].0, "not-this-one");
    client.refused(&work, "ls", &["NT_STATUS_LOGON_FAILURE"])
}

fn unknown_user(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "files").login("nobody-at-all", USERS[0].1);
    client.refused(&work, "ls", &["NT_STATUS_LOGON_FAILURE"])
}

/// Without guests, a client without a name gets no share.
fn anonymous(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "files").without_password();
    client.refused(&work, "ls", &["NT_STATUS_ACCESS_DENIED", "NT_STATUS_LOGON_FAILURE"])
}

fn forbidden_share(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "restricted");
    client.refused(&work, "ls", &["tree connect failed: NT_STATUS_ACCESS_DENIED"])?;
    client.login(USERS[1].0, USERS[1].1).run(&work, "ls")?;
    Ok(())
}

fn missing_share(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "no-such-share");
    client.refused(&work, "ls", &["tree connect failed: NT_STATUS_BAD_NETWORK_NAME"])
}

fn read_only(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("readonly");
    fs::write(share.join("there"), b"to be read")?;
    fs::write(work.join("new"), b"to be refused")?;
    let client = Smbclient::new(context.server.port, "readonly");
    client.run(&work, "ls; get there")?;
    same_file(&share.join("there"), &work.join("there"))?;
    let statuses = ["NT_STATUS_MEDIA_WRITE_PROTECTED", "NT_STATUS_ACCESS_DENIED"];
    for commands in ["put new", "put new there", "mkdir place", "del there", "rename there away"] {
        client.refused(&work, commands, &statuses)?;
    }
    if fs::read(share.join("there"))? != b"to be read" || fs::read_dir(&share)?.count() != 1 {
        return wrong("the read-only share was changed");
    }
    Ok(())
}

fn full_disk(context: &Context<'_>) -> Checked {
    let share = context.server.share_dir("full");
    let own = fs::read_to_string("/proc/mounts")?;
    if !own.lines().any(|line| line.split(' ').nth(1) == share.to_str()) {
        return Err(Problem::CannotRun("mounting a small tmpfs needs root".into()));
    }
    let work = context.env.work(context.name)?;
    make_big(&work.join("first"), SMALL_DISK / 2, 3)?;
    make_big(&work.join("second"), SMALL_DISK * 2, 4)?;
    let client = Smbclient::new(context.server.port, "full");
    client.run(&work, "put first")?;
    client.refused(&work, "put second", &["NT_STATUS_DISK_FULL"])?;
    same_file(&work.join("first"), &share.join("first"))?;
    client.attempt(&work, "del second")?;
    client.run(&work, "get first back; put first third; ls")?;
    same_file(&work.join("first"), &work.join("back"))?;
    client.run(&work, "del first; del third")?;
    Ok(())
}

/// Lists every share but the one that is not browseable.
fn list_shares(context: &Context<'_>) -> Checked {
    let output = Smbclient::new(context.server.port, "").list()?;
    let listed = |share: &str| output.stdout.contains(&format!("Disk|{share}|"));
    for share in ["files", "readonly", "restricted", "public"] {
        if !listed(share) {
            return wrong(format!("{share} is not listed: {}", output.tail()));
        }
    }
    if !output.stdout.contains("Disk|files|Files of all users") {
        return wrong(format!("no comment: {}", output.tail()));
    }
    if listed("hidden") {
        return wrong("a share that is not browseable is listed");
    }
    if !output.stdout.contains("IPC|IPC$|") {
        return wrong(format!("IPC$ is not listed: {}", output.tail()));
    }
    Ok(())
}

fn guest_public(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    make_big(&work.join("data"), 1 << 20, 9)?;
    let nameless = Smbclient::new(context.server.port, "public").without_password();
    let unknown = nameless.clone().login("nobody-at-all", "anything");
    for client in [unknown, nameless] {
        client.run(&work, "put data; get data back; ls; del data")?;
        same_file(&work.join("data"), &work.join("back"))?;
    }
    Ok(())
}

/// A guest gets the guests' share alone.
fn guest_elsewhere(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(context.server.port, "files").login("nobody-at-all", "anything");
    client.refused(&work, "ls", &["tree connect failed: NT_STATUS_ACCESS_DENIED"])
}

/// A small tmpfs over the directory of the share `full`, when this user may mount one.
pub(crate) struct SmallDisk {
    at: Option<PathBuf>,
}

impl SmallDisk {
    pub(crate) fn mount(env: &Env, setup: &Setup) -> Self {
        let at = env.scratch.join(&setup.name).join("shares/full");
        if !rustix::process::geteuid().is_root() || fs::create_dir_all(&at).is_err() {
            return Self { at: None };
        }
        let options = format!("size={SMALL_DISK},mode=0777");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "ksmbd-conformance"])
            .arg(&at)
            .output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        if mounted {
            note_mount(&at, true);
        }
        Self { at: mounted.then_some(at) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Some(at) = &self.at {
            let _ = Command::new("umount").arg("-l").arg(at).status();
            note_mount(at, false);
        }
    }
}
