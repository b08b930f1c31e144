//! Memory without clients, and for each client that is logged on and does nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Servers;
use crate::clients::{Checked, wrong};
use crate::config::USERS;
use crate::process::Process;
use crate::server::Server;

/// How many clients are held.
const IDLE: u64 = 100;

/// One server's memory.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    pub(super) who: &'static str,
    /// KiB without clients, and for each client.
    pub(super) alone: u64,
    pub(super) each: f64,
}

/// Measured before anything else: what a load has left behind does not count.
pub(super) fn measure(servers: &Servers) -> Checked<Vec<Idle>> {
    let mut found = Vec::new();
    let both = [("ours (RSS)", &servers.ours), ("smbd (PSS of all its processes)", &servers.samba)];
    for (who, server) in both {
        let alone = server.resident().unwrap_or(0);
        let each = held(server)?.saturating_sub(alone) as f64 / IDLE as f64;
        found.push(Idle { who, alone, each });
    }
    Ok(found)
}

pub(super) fn lines(memory: &[Idle]) -> String {
    let line = |Idle { who, alone, each }: &Idle| {
        format!("memory, {who}: {alone} KiB without clients, {each:.1} KiB for each idle client\n")
    };
    memory.iter().map(line).collect()
}

fn held(server: &Server) -> Checked<u64> {
    let mut command = Command::new("/usr/bin/python3");
    command
        .args(["conformance/clients/hold.py", "127.0.0.1", &server.port.to_string(), "files"])
        .args([USERS[0].0, USERS[0].1, &IDLE.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command)?;
    let Some(stdout) = process.child().stdout.take() else {
        return wrong("no output");
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() != "ready" {
        return wrong(format!("hold.py could not connect {IDLE} clients"));
    }
    std::thread::sleep(Duration::from_millis(500));
    Ok(server.resident().unwrap_or(0))
}
