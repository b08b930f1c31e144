//! Speed and memory beside Debian's smbd, measured in the same run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::clients::{Checked, Smbclient, make_big, wrong};
use crate::config::{Kind, Setup, USERS};
use crate::process::Process;
use crate::server::{Env, Server, empty};

/// The file that is put and got, how often each is measured, and how many idle clients are held.
const LENGTH: u64 = 1 << 30;
const ROUNDS: usize = 3;
const IDLE: u64 = 100;

#[derive(Debug, Default)]
struct Figures {
    /// Best of the rounds, in MB/s.
    put: f64,
    get: f64,
    idle: u64,
    held: u64,
}

/// Measures both servers, turn by turn, and prints a table.
pub(crate) fn run(env: &Env) -> Result<(), String> {
    let work = env.work("bench")?;
    make_big(&work.join("big"), LENGTH, 1).map_err(|e| e.to_string())?;
    for protection in ["off", "sign", "encrypt"] {
        println!("measuring, protection {protection}: 1 GiB, best of {ROUNDS} rounds");
        let (mut ours, mut samba) = (Figures::default(), Figures::default());
        for round in 0..ROUNDS {
            let memory = round == 0 && protection == "off";
            for (kind, figures) in [(Kind::Ksmbd, &mut ours), (Kind::Samba, &mut samba)] {
                measure(env, kind, protection, memory, &work, figures)
                    .map_err(|e| format!("{kind:?}: {e}"))?;
            }
        }
        print_speeds(&ours, &samba);
        if protection == "off" {
            print_memory(&ours, &samba);
        }
    }
    let size = |name: &str| fs::metadata(env.bin.join(name)).map_or(0, |file| file.len());
    for name in ["ksmbd-mountd", "ksmbd-adduser"] {
        println!("{name}: {:.2} MB", size(name) as f64 / 1e6);
    }
    Ok(())
}

fn print_speeds(ours: &Figures, samba: &Figures) {
    for (what, ours, samba) in [("put", ours.put, samba.put), ("get", ours.get, samba.get)] {
        let ratio = ours / samba;
        println!("{what}: {ours:.0} MB/s, smbd {samba:.0} MB/s, ratio {ratio:.2}");
    }
}

fn print_memory(ours: &Figures, samba: &Figures) {
    for (who, figures) in [("ours (RSS)", ours), ("smbd (PSS of all its processes)", samba)] {
        let each = figures.held.saturating_sub(figures.idle) as f64 / IDLE as f64;
        println!("memory, {who}: {} KiB idle, {each:.1} KiB per idle client", figures.idle);
    }
}

fn measure(
    env: &Env,
    kind: Kind,
    protection: &str,
    memory: bool,
    work: &Path,
    figures: &mut Figures,
) -> Checked {
    let env =
        Env { bin: env.bin.clone(), out: env.out.clone(), scratch: env.scratch.clone(), kind };
    let setup = Setup::clients(&format!("bench-{kind:?}").to_lowercase(), &[]);
    let server = Server::start(&env, setup)?;
    empty(&server.share_dir("files"))?;
    if memory {
        figures.idle = server.resident().unwrap_or(0);
        figures.held = held(&server)?;
    }
    let client =
        Smbclient::new(server.port, "files").option(format!("--client-protection={protection}"));
    let put = client.run(work, "put big")?.all();
    let get = client.run(work, "get big /dev/null")?.all();
    figures.put = figures.put.max(speed(&put)?);
    figures.get = figures.get.max(speed(&get)?);
    empty(&server.share_dir("files"))?;
    let troubles = server.stop();
    if troubles.is_empty() { Ok(()) } else { wrong(troubles.join("; ")) }
}

/// smbclient's own figure, in parentheses and KiB/s, as MB/s.
fn speed(said: &str) -> Checked<f64> {
    let figure = said.split_once(" (").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let Some(figure) = figure else {
        return wrong(format!("no speed in {said:?}"));
    };
    let kib: f64 = figure;
    Ok(kib * 1024.0 / 1e6)
}

/// Memory with idle clients that are logged on and connected to a share.
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
    std::thread::sleep(std::time::Duration::from_millis(500));
    Ok(server.resident().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smbclients_figures_are_read() {
        let put = "putting file big as \\big (488281.25 kb/s) (average 1.0 kb/s)\n";
        assert!((speed(put).unwrap() - 500.0).abs() < 0.01);
        let get = "getting file \\big of size 1 as /dev/null (976562.5 KiloBytes/sec) (average 1)";
        assert!((speed(get).unwrap() - 1000.0).abs() < 0.01);
        assert!(speed("nothing").is_err());
    }
}
