//! What is built on libsmbclient: smbget, smbcacls, and smbnetfs, which mounts in user space.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::files::{make_big, make_tree};
use super::foreign::finished;
use super::tap::Tap;
use super::{Check, Checked, Context, Problem, same_file, same_tree, wrong};
use crate::config::USERS;
use crate::process::{Output, Process, note_mount, run};
use crate::server::empty;

const LIMIT: Duration = Duration::from_secs(60);

/// smbcacls and smbnetfs know no port but 445: an address of loopback that is nobody else's.
const OWN_ADDRESS: &str = "127.0.0.45";

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("clients.smbget", smbget),
        Check::new("clients.smbcacls", smbcacls),
        Check::new("clients.smbnetfs", smbnetfs),
    ]
}

fn there_is(program: &str) -> Checked {
    match Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::CannotRun(format!("{program} is not installed"))),
    }
}

fn port_445(context: &Context<'_>) -> Checked<Tap> {
    Tap::open_at((OWN_ADDRESS, 445), context.server.port)
        .map_err(|_| Problem::CannotRun(format!("port 445 of {OWN_ADDRESS} needs root")))
}

/// Fetches a tree, and goes on with a file that was fetched in part.
fn smbget(context: &Context<'_>) -> Checked {
    there_is("smbget")?;
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    make_tree(&share.join("tree"))?;
    make_big(&share.join("big"), 8 << 20, 31)?;
    let url = format!("smb://127.0.0.1:{}/files", context.server.port);
    let call = |arguments: &[&str]| -> Checked<Output> {
        let mut command = Command::new("smbget");
        command.args(["--nonprompt", "-q", "-f", "/dev/null", "-U"]);
        command.arg(format!("{}%{}", USERS[0].0, USERS[0].1)).args(arguments);
        let output = run(command.current_dir(&work), b"", LIMIT)?;
        finished(&output)?;
        Ok(output)
    };
    call(&["-R", &format!("{url}/tree")])?;
    same_tree(&share.join("tree"), &work)?;
    empty(&work)?;
    let big = fs::read(share.join("big"))?;
    fs::write(work.join("big"), &big[..3 << 20])?;
    call(&["-r", &format!("{url}/big")])?;
    same_file(&share.join("big"), &work.join("big"))?;
    call(&["-e", "-o", "encrypted", &format!("{url}/big")])?;
    same_file(&share.join("big"), &work.join("encrypted"))?;
    Ok(empty(&share)?)
}

/// Lists the descriptors that are made from owner, group and mode.
fn smbcacls(context: &Context<'_>) -> Checked {
    there_is("smbcacls")?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    fs::write(share.join("file"), b"x")?;
    fs::set_permissions(share.join("file"), fs::Permissions::from_mode(0o640))?;
    let tap = port_445(context)?;
    let mut command = Command::new("smbcacls");
    command.args(["-s", "/dev/null", "--numeric", &format!("//{OWN_ADDRESS}/files"), "file", "-U"]);
    command.arg(format!("{}%{}", USERS[0].0, USERS[0].1));
    let output = run(&mut command, b"", LIMIT)?;
    drop(tap);
    finished(&output)?;
    for part in ["REVISION:1", "OWNER:S-1-", "GROUP:S-1-", "ACL:S-1-", "0x001f01ff"] {
        if !output.stdout.contains(part) {
            return wrong(format!("no {part} in {}", output.stdout));
        }
    }
    Ok(empty(&share)?)
}

/// A mount in user space: a tree is copied into it and out of it.
fn smbnetfs(context: &Context<'_>) -> Checked {
    there_is("smbnetfs")?;
    if File::open("/dev/fuse").is_err() {
        return Err(Problem::CannotRun("there is no /dev/fuse".into()));
    }
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    let tap = port_445(context)?;
    let mount = Netfs::mount(&work)?;
    let place = mount.at.join(OWN_ADDRESS).join("files");
    let until = Instant::now() + Duration::from_secs(10);
    while fs::read_dir(&place).is_err() {
        if Instant::now() > until {
            return wrong(format!("no mount after 10 s: {}", mount.log()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    fs::create_dir(place.join("below"))?;
    make_big(&work.join("one"), 3 << 20, 41)?;
    fs::copy(work.join("one"), place.join("below/one"))?;
    same_file(&work.join("one"), &share.join("below/one"))?;
    same_file(&work.join("one"), &place.join("below/one"))?;
    fs::rename(place.join("below/one"), place.join("zw\u{f6}lf"))?;
    if !share.join("zw\u{f6}lf").exists() || share.join("below/one").exists() {
        return wrong("the rename did not arrive");
    }
    fs::remove_file(place.join("zw\u{f6}lf"))?;
    fs::remove_dir(place.join("below"))?;
    if fs::read_dir(&share)?.count() != 0 {
        return wrong("the share is not empty after everything was deleted");
    }
    drop(mount);
    drop(tap);
    Ok(())
}

/// A running smbnetfs.
struct Netfs {
    at: PathBuf,
    said: PathBuf,
    // Ended when it is dropped.
    _process: Process,
}

impl Netfs {
    fn mount(work: &Path) -> Checked<Self> {
        let (at, home) = (work.join("mount"), work.join("home"));
        fs::create_dir_all(home.join(".smb"))?;
        fs::create_dir_all(&at)?;
        fs::write(home.join(".smb/smb.conf"), "[global]\nname resolve order = host\n")?;
        let conf = home.join(".smb/smbnetfs.conf");
        let (user, password) = USERS[0];
        let text = format!(
            "auth \"{OWN_ADDRESS}\" \"{user}\" \"{password}\"\nhost \"{OWN_ADDRESS}\" visible=true\n"
        );
        fs::write(&conf, text)?;
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))?;
        let said = work.join("log");
        let log = File::create(&said)?;
        let mut command = Command::new("smbnetfs");
        command.arg("-f").arg(&at).args(["-o", &format!("config={}", conf.display())]);
        command.env("HOME", &home).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn(&mut command)?;
        note_mount(&at, true);
        Ok(Self { at, said, _process: process })
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default().replace('\n', " | ")
    }
}

impl Drop for Netfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        note_mount(&self.at, false);
    }
}
