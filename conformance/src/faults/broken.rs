//! File systems that fail: with each error that a dying disk or a lost network file system gives, made
//! by strace, which answers the server's file-system calls in the kernel's place; and truly dead ones.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::disk::{MountedImage, step};
use super::journal::Journal;
use super::{UNDISTURBED, own_server, serves, stopped};
use crate::clients::{Checked, Context, Problem, Smbclient, python_with, wrong};
use crate::config::USERS;
use crate::process::{Process, lines, note_mount};
use crate::server::Server;

/// The server's calls to the file system; none of them is one to a socket.
const CALLS: &str = "openat2,openat,pread64,preadv,preadv2,pwrite64,pwritev,pwritev2,fsync,\
    fdatasync,getdents64,statx,newfstatat,fstat,fstatfs,unlinkat,renameat,renameat2,mkdirat,\
    linkat,ftruncate,fallocate,utimensat,fchmod,fchown,fgetxattr,fsetxattr,flistxattr,\
    fremovexattr,getxattr,setxattr,listxattr,removexattr,copy_file_range,sendfile";

/// How long anything may take.
const SOON: Duration = Duration::from_secs(20);

/// As long as this lives, every call fails.
struct Failing {
    strace: Process,
    // Read so that it never waits for us.
    _said: Receiver<String>,
}

impl Failing {
    fn with(server: &Server, errno: &str) -> Checked<Self> {
        let Some(pid) = server.pid() else {
            return wrong("no process");
        };
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", &format!("trace={CALLS}")]);
        command.args(["-e", &format!("inject={CALLS}:error={errno}"), "-p", &pid.to_string()]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut strace =
            Process::spawn(&mut command).map_err(|e| Problem::CannotRun(format!("strace: {e}")))?;
        let Some(said) = strace.child().stderr.take() else {
            return wrong("no pipe");
        };
        let said = lines(said);
        loop {
            match said.recv_timeout(SOON) {
                Ok(line) if line.contains(" attached") => break,
                Ok(line) if line.contains("not permitted") => return Err(Problem::CannotRun(line)),
                Ok(_) => {}
                Err(_) => return wrong("strace does not attach"),
            }
        }
        Ok(Self { strace, _said: said })
    }

    fn end(mut self) -> Checked {
        self.strace.signal(Signal::TERM);
        match self.strace.wait(SOON) {
            Some(_) => Ok(()),
            None => wrong("strace does not end"),
        }
    }
}

/// Four clients write while the disk fails: each is told so, and what was acknowledged before is there.
pub(super) fn io_error(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let journal = Journal::start(context, &server, "files", 4, UNDISTURBED)?.under_way()?;
    let failing = Failing::with(&server, "EIO")?;
    let ended = journal.finish(context);
    failing.end()?;
    ended?.all(&["IO_DEVICE_ERROR"])?;
    serves(context, &server, "files")?;
    stopped(server)
}

/// What one client asks of a file system that fails, with handles that it has and without; the same
/// client goes on when the fault is over.
pub(super) fn errno(context: &Context<'_>, errno: &str, status: u32) -> Checked {
    let server = own_server(context)?;
    let mut client = Steady::start(context, &server)?;
    client.round("before", 0)?;
    let failing = Failing::with(&server, errno)?;
    client.round("meanwhile", status)?;
    failing.end()?;
    client.round("after", 0)?;
    client.end()?;
    serves(context, &server, "files")?;
    stopped(server)
}

/// smbclient says what the server said, and goes on afterwards.
pub(super) fn smbclient(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let work = context.env.work(context.name)?;
    let share = server.share_dir("files");
    fs::write(work.join("up"), b"up")?;
    fs::write(work.join("wait"), "touch $1; until [ -e $2 ]; do sleep 0.02; done\n")?;
    let client = Smbclient::new(server.port, "files");
    client.run(&work, "mkdir dir; put up old")?;
    let commands = "ls\n!sh wait begun failing\nls\nget old back\nput up new\nmkdir made\ndel old\n\
        rename old other\nrmdir dir\n!sh wait ended healed\nget old back\nput up new\nls\n";
    let (begun, ended) = (work.join("begun"), work.join("ended"));
    let output = thread::scope(|scope| {
        let attempt = scope.spawn(|| client.typed(&work, commands));
        let told = (|| {
            appears(&begun)?;
            let failing = Failing::with(&server, "EIO")?;
            File::create(work.join("failing"))?;
            let seen = appears(&ended);
            failing.end()?;
            seen
        })();
        // Whatever happened, it is not to wait for ever.
        let _ = File::create(work.join("failing"));
        let _ = File::create(work.join("healed"));
        let output = attempt.join().unwrap_or_else(|_| wrong("a panic"));
        told.and(output)
    })?;
    let all = output.all();
    let refused = all.lines().filter(|line| line.contains("NT_STATUS_IO_DEVICE_ERROR")).count();
    let others = all.lines().filter(|line| line.contains("NT_STATUS_")).count();
    // `del` looks first, and says what the look gave; `ls` asks for the free space as well.
    if refused < 7 || others != refused || output.status.is_none() {
        return wrong(format!("{refused} of {others} refusals: {all}"));
    }
    let there = |name: &str| share.join(name).exists();
    if !there("old") || !there("new") || there("made") || there("other") || !there("dir") {
        return wrong(format!("what failed was done, or the other way round: {all}"));
    }
    stopped(server)
}

/// The process behind a FUSE mount is killed: ENOTCONN to whoever has files there. Mounted again, it is
/// served again.
pub(super) fn dead_fuse(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let (share, below) = (server.share_dir("files"), context.env.work("below-fuse")?);
    fs::set_permissions(&below, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let mut mount = Fuse::mount(&below, &share)?;
    let mut client = Steady::start(context, &server)?;
    client.round("before", 0)?;
    let journal = Journal::start(context, &server, "files", 2, UNDISTURBED)?.under_way()?;
    mount.kill();
    client.round("meanwhile", 0xc000_0185)?;
    drop(mount);
    let again = Fuse::mount(&below, &share)?;
    journal.finish(context)?.all(&["IO_DEVICE_ERROR"])?;
    // Handles are of the dead mount: they stay what they are, and nothing else suffers.
    client.round("after", 0xc000_0185)?;
    drop(client);
    serves(context, &server, "files")?;
    let stopped = stopped(server);
    drop(again);
    stopped
}

/// ext4 gives up under load and goes read-only, as with `errors=remount-ro`.
pub(super) fn gives_up(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let share = server.share_dir("full");
    let disk = MountedImage::mount(context.env, &share)?;
    let journal = Journal::start(context, &server, "full", 4, UNDISTURBED)?.under_way()?;
    step("mount", &["-o", "remount,abort"], &share)?;
    // The journal's own end is an I/O error to who is in the middle of it.
    journal.finish(context)?.all(&["MEDIA_WRITE_PROTECTED", "IO_DEVICE_ERROR"])?;
    let work = context.env.work(context.name)?;
    let client = Smbclient::new(server.port, "full");
    client.run(&work, "ls; ls load0\\*")?;
    client.refused(&work, "mkdir made", &["NT_STATUS_MEDIA_WRITE_PROTECTED"])?;
    serves(context, &server, "files")?;
    let stopped = stopped(server);
    drop(disk);
    stopped
}

fn appears(file: &Path) -> Checked {
    let until = Instant::now() + SOON;
    while !file.exists() {
        if Instant::now() > until {
            return wrong(format!("no {} after {SOON:?}", file.display()));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// `clients/faulty.py` under way.
struct Steady {
    process: Process,
    said: Receiver<String>,
}

impl Steady {
    fn start(context: &Context<'_>, server: &Server) -> Checked<Self> {
        let python = python_with(context.env, "smbprotocol")?;
        let mut command = Command::new(python);
        command.args(["conformance/clients/faulty.py", "127.0.0.1", &server.port.to_string()]);
        command.args(["files", USERS[0].0, USERS[0].1]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let Some(output) = process.child().stdout.take() else {
            return wrong("no pipe");
        };
        let said = lines(output);
        let this = Self { process, said };
        this.ready()?;
        Ok(this)
    }

    fn ready(&self) -> Checked {
        match self.said.recv_timeout(SOON) {
            Ok(line) if line == "ready" => Ok(()),
            other => wrong(format!("smbprotocol: {other:?}")),
        }
    }

    /// Every operation, each of which has to end like this.
    fn round(&mut self, round: &str, status: u32) -> Checked {
        if let Some(input) = &mut self.process.child().stdin {
            std::io::Write::write_all(input, b"go\n")?;
        }
        let mut wrongs = Vec::new();
        for _ in 0..OPERATIONS {
            let Ok(line) = self.said.recv_timeout(SOON) else {
                return wrong(format!("{round}: no more answers; {}", wrongs.join(", ")));
            };
            if !line.starts_with(round) || !line.ends_with(&format!(" {status:08x}")) {
                wrongs.push(line);
            }
        }
        if !wrongs.is_empty() {
            return wrong(format!("wanted {status:08x}: {}", wrongs.join(", ")));
        }
        if round == "after" { Ok(()) } else { self.ready() }
    }

    fn end(mut self) -> Checked {
        match self.process.wait(SOON) {
            Some(status) if status.success() => Ok(()),
            other => wrong(format!("smbprotocol ended with {other:?}")),
        }
    }
}

/// What `faulty.py` does in a round.
const OPERATIONS: usize = 10;

/// A directory seen through FUSE.
struct Fuse {
    at: PathBuf,
    process: Process,
}

impl Fuse {
    fn mount(below: &Path, at: &Path) -> Checked<Self> {
        if File::open("/dev/fuse").is_err() {
            return Err(Problem::CannotRun("there is no /dev/fuse".into()));
        }
        let mut command = Command::new("bindfs");
        command.args(["-f", "-o", "allow_other"]).arg(below).arg(at).stdin(Stdio::null());
        let process =
            Process::spawn(&mut command).map_err(|e| Problem::CannotRun(format!("bindfs: {e}")))?;
        note_mount(at, true);
        let mount = Self { at: at.to_owned(), process };
        let until = Instant::now() + SOON;
        let mounted = |text: String| text.lines().any(|l| l.split(' ').nth(1) == at.to_str());
        while !fs::read_to_string("/proc/mounts").is_ok_and(mounted) {
            if Instant::now() > until {
                return wrong("bindfs does not mount");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(mount)
    }

    fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        let _ = self.process.wait(SOON);
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        note_mount(&self.at, false);
    }
}
