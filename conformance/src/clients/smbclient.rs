//! Samba's `smbclient` as a command.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Checked, wrong};
use crate::config::USERS;
use crate::process::{Output, Process, run};

/// How long one smbclient may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A way to call smbclient.
#[derive(Clone, Debug)]
pub(crate) struct Smbclient {
    port: u16,
    share: String,
    login: Vec<String>,
    options: Vec<String>,
}

impl Smbclient {
    /// As the first user.
    pub(crate) fn new(port: u16, share: &str) -> Self {
        let this = Self { port, share: share.to_owned(), login: Vec::new(), options: Vec::new() };
        this.login(USERS[0].0, USERS[0].1)
    }

    pub(crate) fn login(mut self, user: &str, password: &str) -> Self {
        self.login = vec!["-U".into(), format!("{user}%{password}")];
        self
    }

    pub(crate) fn without_password(mut self) -> Self {
        self.login = vec!["-N".into()];
        self
    }

    pub(crate) fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    fn base(&self) -> Command {
        let mut command = Command::new("smbclient");
        command.args(["-s", "/dev/null", "-p", &self.port.to_string()]);
        command.args(&self.login).args(&self.options);
        command.env("LC_ALL", "C.UTF-8").env_remove("USER").env_remove("PASSWD");
        command
    }

    fn target(&self) -> String {
        format!("//127.0.0.1/{}", self.share)
    }

    /// Runs commands, whatever comes of them.
    pub(crate) fn attempt(&self, directory: &Path, commands: &str) -> Checked<Output> {
        let mut command = self.base();
        command.arg(self.target()).args(["-c", commands]).current_dir(directory);
        Ok(run(&mut command, b"", LIMIT)?)
    }

    /// Types lines, whatever comes of them. Those with `!` are the shell's.
    pub(crate) fn typed(&self, directory: &Path, lines: &str) -> Checked<Output> {
        let mut command = self.base();
        command.arg(self.target()).current_dir(directory);
        Ok(run(&mut command, lines.as_bytes(), LIMIT)?)
    }

    /// Runs commands, all of which must succeed.
    pub(crate) fn run(&self, directory: &Path, commands: &str) -> Checked<Output> {
        let output = self.attempt(directory, commands)?;
        let clean = !output.all().contains("NT_STATUS_");
        if output.success() && clean {
            return Ok(output);
        }
        wrong(format!("smbclient -c {commands:?}: {}: {}", output.ending(), output.tail()))
    }

    /// Runs commands that must be refused with `status`.
    pub(crate) fn refused(&self, directory: &Path, commands: &str, statuses: &[&str]) -> Checked {
        let output = self.attempt(directory, commands)?;
        let all = output.all();
        if output.status.is_some() && statuses.iter().any(|status| all.contains(status)) {
            return Ok(());
        }
        let wanted = statuses.join(" or ");
        wrong(format!("{commands:?}: wanted {wanted}, got {}: {}", output.ending(), output.tail()))
    }

    /// The list of shares.
    pub(crate) fn list(&self) -> Checked<Output> {
        let mut command = self.base();
        command.args(["-g", "-L", "127.0.0.1"]);
        let output = run(&mut command, b"", LIMIT)?;
        if output.success() {
            return Ok(output);
        }
        wrong(format!("smbclient -L: {}: {}", output.ending(), output.tail()))
    }

    /// Connects, and stays until it is dropped.
    pub(crate) fn hold(&self) -> Checked<Process> {
        let mut command = self.base();
        command.arg(self.target()).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Process::spawn(&mut command)?)
    }
}
