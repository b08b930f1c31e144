//! A recording as a capture, read by Wireshark's own dissectors: `ksmbd-replay --pcap` and tshark.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::daemon::ours;
use super::{Check, Checked, Context, Problem, Smbclient, wrong};
use crate::config::Setup;
use crate::process::run;
use crate::server::{Env, Server};

const LIMIT: Duration = Duration::from_secs(120);

/// What smbclient has surely said, as MS-SMB2 2.2.1.2 numbers it: NEGOTIATE, SESSION_SETUP, TREE_CONNECT,
/// CREATE, CLOSE, READ, WRITE, QUERY_DIRECTORY.
const COMMANDS: [&str; 8] = ["0", "1", "3", "5", "6", "8", "9", "14"];

pub(super) fn checks() -> Vec<Check> {
    let kinds = ["off", "sign", "encrypt"];
    let check = |kind: &'static str| {
        let body = move |context: &Context<'_>| capture(context, kind);
        Check::new(format!("clients.wireshark.{kind}"), body)
    };
    kinds.map(check).into()
}

/// One visit of smbclient, recorded, and looked at.
fn capture(context: &Context<'_>, protection: &str) -> Checked {
    ours(context)?;
    if Command::new("tshark").arg("--version").output().is_err() {
        return Err(Problem::CannotRun("there is no tshark".into()));
    }
    let work = context.env.work(context.name)?;
    let name = format!("seen-{protection}");
    fs::write(work.join(&name), "what the file holds ".repeat(50))?;
    let env = Env { record: true, ..context.env.clone() };
    let mut server = Server::start(&env, Setup::clients(&format!("wireshark-{protection}"), &[]))?;
    let client = Smbclient::new(server.port, "files")
        .option(format!("--client-protection={protection}"))
        .option("--option=client min protocol=SMB3_11".to_owned());
    client.run(&work, &format!("put {name}; get {name} back; ls; del {name}"))?;
    // Not replayed and forgotten at the end: it is looked at first.
    let Some(folder) = server.recordings.take() else {
        return wrong("it was not recorded");
    };
    let troubles = server.stop();
    if !troubles.is_empty() {
        return wrong(troubles.join("; "));
    }
    let pcap = work.join("seen.pcap");
    replayed(context.env, &recording_in(&folder)?, "--pcap", &pcap)?;
    let _ = fs::remove_dir_all(&folder);
    let seen = shark(&pcap, &["-Y", "smb2", "-T", "fields", "-e", "smb2.cmd"])?;
    let seen: BTreeSet<&str> = seen.split([',', '\n']).map(str::trim).collect();
    let missing: Vec<_> = COMMANDS.iter().filter(|command| !seen.contains(**command)).collect();
    if !missing.is_empty() {
        return wrong(format!("commands {missing:?} are not seen, but {seen:?}"));
    }
    let bad = "_ws.malformed || _ws.expert.severity == error || tcp.analysis.lost_segment";
    let bad = shark(&pcap, &["-Y", bad])?;
    if !bad.trim().is_empty() {
        return wrong(format!("Wireshark does not like {bad}"));
    }
    // What was encrypted can be read.
    let names = shark(&pcap, &["-Y", "smb2.cmd == 5", "-T", "fields", "-e", "smb2.filename"])?;
    if !names.contains(&name) {
        return wrong(format!("{name} is not among the files: {names}"));
    }
    let sealed = shark(&pcap, &["-Y", "smb2.header.transform.signature"])?;
    if !sealed.trim().is_empty() {
        return wrong("something is still encrypted");
    }
    Ok(())
}

/// The recording that a server has left there.
pub(super) fn recording_in(folder: &Path) -> Checked<PathBuf> {
    let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let recordings: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "rec")).collect();
    match &recordings[..] {
        [recording] => Ok(recording.clone()),
        _ => wrong(format!("recordings: {recordings:?}")),
    }
}

/// `ksmbd-replay` with an option.
pub(super) fn replayed(env: &Env, recording: &Path, option: &str, file: &Path) -> Checked {
    let mut command = env.tool("ksmbd-replay");
    command.arg(recording).arg(format!("{option}={}", file.display()));
    let output = run(&mut command, b"", LIMIT)?;
    if output.success() {
        return Ok(());
    }
    wrong(format!("ksmbd-replay: {}: {}", output.ending(), output.tail()))
}

fn shark(pcap: &Path, arguments: &[&str]) -> Checked<String> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(pcap).args(arguments);
    let output = run(&mut command, b"", LIMIT)?;
    if output.success() {
        return Ok(output.stdout);
    }
    wrong(format!("tshark {arguments:?}: {}: {}", output.ending(), output.tail()))
}
