//! The server under test: the built `ksmbd-mountd` (or smbd) on a free port of 127.0.0.1.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::config::{self, DYNAMIC, Kind, Setup, USERS};
use crate::process::{self, Process};

/// How long a run may take to be had again.
const REPLAY_LIMIT: Duration = Duration::from_secs(600);

/// How long a server may take to accept, and to end after TERM: it gives running calls ten seconds, and what is
/// left five, twice.
const START_LIMIT: Duration = Duration::from_secs(15);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    /// The directory of the built binaries.
    pub(crate) bin: PathBuf,
    /// Logs and reports, kept.
    pub(crate) out: PathBuf,
    /// Shares and clients' files, removed at the end.
    pub(crate) scratch: PathBuf,
    pub(crate) kind: Kind,
    /// Servers are recorded.
    pub(crate) record: bool,
    /// How long each attack of the suite `dos` goes on, where somebody says so.
    pub(crate) seconds: Option<u64>,
}

impl Env {
    pub(crate) fn tool(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }

    /// A fresh directory for one client's files.
    pub(crate) fn work(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.scratch.join("work").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Option<Process>,
    pub(crate) port: u16,
    kind: Kind,
    setup: Setup,
    /// Its configuration, accounts and shares.
    pub(crate) dir: PathBuf,
    bin: PathBuf,
    log: PathBuf,
    /// Where it is recorded.
    pub(crate) recordings: Option<PathBuf>,
    /// What went wrong since it was first started.
    pub(crate) troubles: Vec<String>,
}

impl Server {
    /// Makes configuration, accounts and share directories, starts the server, and waits until it accepts.
    pub(crate) fn start(env: &Env, setup: Setup) -> Result<Self, String> {
        Self::start_on(env, setup, free_port()?)
    }

    /// The same, on a port that has to be this one.
    pub(crate) fn start_on(env: &Env, setup: Setup, port: u16) -> Result<Self, String> {
        let mut server = Self {
            process: None,
            port,
            kind: env.kind,
            dir: env.scratch.join(&setup.name),
            bin: env.bin.clone(),
            log: env.out.join(format!("{}.log", setup.name)),
            recordings: env.record.then(|| env.out.join(format!("{}.recorded", setup.name))),
            setup,
            troubles: Vec::new(),
        };
        server.forget_recordings();
        server.make_shares().map_err(|e| format!("{}: {e}", server.dir.display()))?;
        File::create(&server.log).map_err(|e| format!("{}: {e}", server.log.display()))?;
        server.write_conf()?;
        for (user, password) in USERS {
            server.add_user(user, password)?;
        }
        server.launch()?;
        Ok(server)
    }

    pub(crate) fn share_dir(&self, share: &str) -> PathBuf {
        self.dir.join("shares").join(share)
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.dir.join("ksmbd.conf")
    }

    pub(crate) fn pwddb(&self) -> PathBuf {
        self.dir.join("ksmbdpwd.db")
    }

    /// The socket by which `ksmbd-control` reaches it.
    pub(crate) fn control(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// What `ksmbd-control --status --json` says.
    pub(crate) fn status(&self, env: &Env) -> Result<Value, String> {
        let mut command = env.tool("ksmbd-control");
        command.arg(format!("--socket={}", self.control().display())).args(["--status", "--json"]);
        let output =
            process::run(&mut command, b"", Duration::from_secs(20)).map_err(|e| e.to_string())?;
        serde_json::from_str(&output.stdout)
            .map_err(|_| format!("ksmbd-control: {}: {}", output.ending(), output.tail()))
    }

    pub(crate) fn setup(&mut self) -> &mut Setup {
        &mut self.setup
    }

    pub(crate) fn setup_name(&self) -> &str {
        &self.setup.name
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Makes each share's directory.
    pub(crate) fn make_shares(&self) -> std::io::Result<()> {
        for share in &self.setup.shares {
            let path = self.share_dir(&share.name);
            let numbers =
                (1..=DYNAMIC).filter(|_| share.dynamic).map(|number| path.join(number.to_string()));
            for path in std::iter::once(path.clone()).chain(numbers) {
                fs::create_dir_all(&path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(share.mode))?;
            }
        }
        // The session's user must reach the shares, whatever the umask.
        for path in [self.dir.clone(), self.dir.join("shares")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// Writes the configuration from the set-up.
    pub(crate) fn write_conf(&self) -> Result<(), String> {
        let shares = self.dir.join("shares");
        let text = match self.kind {
            Kind::Ksmbd => config::ksmbd_conf(&self.setup, &shares),
            Kind::Samba => {
                let private = self.dir.join("private");
                fs::create_dir_all(&private).map_err(|e| e.to_string())?;
                fs::write(private.join("users"), config::samba_users().0)
                    .map_err(|e| e.to_string())?;
                config::samba_conf(&self.setup, &shares, &private, self.port)
            }
        };
        fs::write(self.conf(), text).map_err(|e| format!("{}: {e}", self.conf().display()))
    }

    /// Makes an account by the real tool.
    pub(crate) fn add_user(&self, user: &str, password: &str) -> Result<(), String> {
        let (mut command, stdin) = match self.kind {
            Kind::Ksmbd => {
                let mut command = Command::new(self.bin.join("ksmbd-adduser"));
                command.arg("--add").arg(format!("--password={password}"));
                command.args(self.files()).arg(user);
                (command, String::new())
            }
            Kind::Samba => {
                let system = config::samba_users().1;
                let name = system.iter().find(|(_, known)| *known == password);
                let mut command = Command::new("smbpasswd");
                command.arg("-c").arg(self.conf()).args(["-s", "-a"]);
                command.arg(name.map_or(user, |(name, _)| name));
                (command, format!("{password}\n{password}\n"))
            }
        };
        let output = process::run(&mut command, stdin.as_bytes(), Duration::from_secs(20))
            .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        if output.success() {
            return Ok(());
        }
        Err(format!("adding the user {user}: {}: {}", output.ending(), output.tail()))
    }

    /// The options that name configuration and accounts.
    pub(crate) fn files(&self) -> [String; 2] {
        [
            format!("--config={}", self.conf().display()),
            format!("--pwddb={}", self.pwddb().display()),
        ]
    }

    fn command(&self) -> Command {
        match self.kind {
            Kind::Ksmbd => {
                let mut command = Command::new(self.bin.join("ksmbd-mountd"));
                command.arg("--nodetach").args(self.files());
                command.arg(format!("--port={}", self.port));
                command.arg(format!("--control={}", self.control().display()));
                if let Some(folder) = &self.recordings {
                    command.arg("--record-limit=8192").arg("--record").arg(folder);
                }
                // As it does for itself when it goes to the background.
                command.env("MALLOC_MMAP_THRESHOLD_", "131072");
                command
            }
            Kind::Samba => {
                let smbd = ["/usr/sbin/smbd", "/usr/local/sbin/smbd"];
                let found = smbd.iter().find(|path| Path::new(path).exists());
                let mut command = Command::new(found.unwrap_or(&"smbd"));
                command.args(["--foreground", "--no-process-group", "-s"]).arg(self.conf());
                command.arg("-l").arg(&self.dir);
                command
            }
        }
    }

    fn launch(&mut self) -> Result<(), String> {
        let mut command = self.command();
        command.envs(self.setup.environment.iter().map(|(name, value)| (name, value)));
        let program = command.get_program().to_owned();
        let fail = |e: std::io::Error| format!("{}: {e}", program.display());
        let log = OpenOptions::new().append(true).open(&self.log).map_err(fail)?;
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(fail)?).stderr(log);
        let mut process = Process::spawn(&mut command).map_err(fail)?;
        let until = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address()).is_err() {
            if let Some(status) = process.ended() {
                let log = self.log_tail();
                return Err(format!("{} ended at its start: {status}: {log}", program.display()));
            }
            if Instant::now() > until {
                let limit = START_LIMIT.as_secs();
                return Err(format!("{} does not accept after {limit} s", program.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Why it is not serving any more, if so: it has ended, or does not answer a NEGOTIATE.
    pub(crate) fn dead(&mut self) -> Option<String> {
        let Some(process) = &mut self.process else {
            return Some("not running".into());
        };
        if let Some(status) = process.ended() {
            return Some(format!("the server died: {status}: {}", self.log_tail()));
        }
        if negotiate(self.address(), Duration::from_secs(5)).is_err() {
            return Some("the server hangs: no answer to NEGOTIATE within 5 s".into());
        }
        None
    }

    /// Starts it again after its death.
    pub(crate) fn restart(&mut self, why: String) -> Result<(), String> {
        self.troubles.push(why);
        self.process = None;
        self.launch()
    }

    /// TERM, and starts it again on the same port.
    pub(crate) fn bounce(&mut self) -> Result<(), String> {
        self.end();
        self.launch()
    }

    /// Starts it again on the same port after it was killed, as it was meant to be.
    pub(crate) fn revive(&mut self) -> Result<(), String> {
        self.process = None;
        // The recording of a server that was killed has no end.
        self.forget_recordings();
        self.launch()
    }

    /// TERM, KILL if that does not help; then everything that was wrong with it, or nothing.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.end();
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let marks = ["panicked at", "stack overflow", "fatal runtime error", "AddressSanitizer"];
        self.replay();
        let panics = log.lines().filter(|line| marks.iter().any(|mark| line.contains(mark)));
        self.troubles.extend(panics.take(5).map(|line| format!("in its log: {line}")));
        std::mem::take(&mut self.troubles)
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            if process.ended().is_none() {
                process.signal(Signal::TERM);
            }
            match process.wait(STOP_LIMIT) {
                None => self.troubles.push(format!(
                    "needed KILL: still there {} s after TERM",
                    STOP_LIMIT.as_secs()
                )),
                // smbd re-raises the signal.
                Some(status) if !status.success() && self.kind == Kind::Ksmbd => {
                    self.troubles.push(format!("ended with {status} instead of 0"));
                }
                Some(_) => {}
            }
        }
    }

    fn forget_recordings(&self) {
        if let Some(folder) = &self.recordings {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// What was recorded has to come again. If it does, it need not be kept.
    pub(crate) fn replay(&mut self) {
        let Some(folder) = self.recordings.clone() else { return };
        let mut command = Command::new(self.bin.join("ksmbd-replay"));
        match process::run(command.arg(&folder), b"", REPLAY_LIMIT) {
            Ok(output) if output.success() => {
                print!("{}", output.stdout);
                self.forget_recordings();
            }
            Ok(output) => self.troubles.push(format!("its replay: {}", output.tail())),
            Err(error) => self.troubles.push(format!("ksmbd-replay: {error}")),
        }
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> std::io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    fn log_tail(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(2000)));
            let _ = file.read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(4)..].join(" | ")
    }

    /// Resident memory in KiB. smbd's children share most of theirs: their proportional shares are added.
    pub(crate) fn resident(&self) -> Option<u64> {
        let pid = self.pid()?;
        if self.kind == Kind::Ksmbd {
            return proc_field(pid, "status", "VmRSS:");
        }
        let proportional = |pid| proc_field(pid, "smaps_rollup", "Pss:");
        Some(process::group(pid).into_iter().filter_map(proportional).sum())
    }

    /// Its CPU time, with that of all its processes, those that have ended included.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self.pid().map(process::group).into_iter().flatten().map(cpu_ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

/// utime, stime, and for the dead children cutime and cstime.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return 0;
    };
    rest.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<u64>().ok()).sum()
}

fn proc_field(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}

/// Sends an SMB2 NEGOTIATE for 2.0.2 and wants any SMB2 answer. Returns the server's time: in units of
/// 100 ns since 1601.
pub(crate) fn negotiate(to: SocketAddr, limit: Duration) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect_timeout(&to, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(&negotiate_frame())?;
    let mut answer = [0; 4 + 64 + 48];
    stream.read_exact(&mut answer)?;
    let (head, time) = answer.split_at(answer.len() - 8);
    match (head.get(4..8), time.try_into()) {
        (Some(b"\xfeSMB"), Ok(time)) => Ok(u64::from_le_bytes(time)),
        _ => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

fn negotiate_frame() -> Vec<u8> {
    let mut message = vec![0; 64 + 36];
    message[..4].copy_from_slice(b"\xfeSMB");
    message[4] = 64;
    message[14] = 1; // one credit
    message[64] = 36;
    message[66] = 1; // one dialect
    message[68] = 1; // signing enabled
    message.extend_from_slice(&0x0202_u16.to_le_bytes());
    let mut frame = vec![0, 0, 0, 102];
    frame.append(&mut message);
    frame
}

/// Empties a directory, and keeps it.
pub(crate) fn empty(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_a_whole_frame() {
        let frame = negotiate_frame();
        assert_eq!(frame.len(), 4 + 102);
        assert_eq!(&frame[104..], &[2, 2]);
    }
}
