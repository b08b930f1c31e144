//! What must not get out: keys and passwords in a log that says everything, and keys in a recording that
//! is to be without them. smbclient tells which keys its sessions have.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::daemon::ours;
use super::wireshark::{recording_in, replayed};
use super::{Check, Checked, Context, Plain, Smbclient, wrong};
use crate::config::{Setup, USERS};
use crate::process::run;
use crate::server::{Env, Server};

const LIMIT: Duration = Duration::from_secs(120);

/// Keys that smbclient names of one session: the session's, signing, application, and both directions'.
const KEYS: usize = 5;

pub(super) fn checks() -> Vec<Check> {
    let bodies: [(&str, Plain); 2] = [("log", log), ("recording", recording)];
    let check = |(name, body): (&str, Plain)| {
        Check::new(format!("clients.secrets.{name}"), move |context: &Context<'_>| {
            ours(context)?;
            body(context)
        })
    };
    bodies.map(check).into()
}

/// Logs on, writes and reads, signed and encrypted, and guesses wrongly; the keys of that.
fn visits(server: &Server, work: &Path) -> Checked<Vec<Vec<u8>>> {
    fs::write(work.join("file"), "what the file holds ".repeat(50))?;
    let mut keys = Vec::new();
    for protection in ["sign", "encrypt"] {
        let client = Smbclient::new(server.port, "files")
            .option(format!("--client-protection={protection}"))
            .option("--option=client min protocol=SMB3_11")
            .option("--option=debugencryption=yes");
        let output = client.run(work, "put file; get file back; ls; del file")?;
        keys.extend(output.all().lines().filter_map(key));
    }
    let guess = Smbclient::new(server.port, "files").login(USERS[0].0, "first-Pass2");
    if guess.attempt(work, "ls")?.success() {
        return wrong("a wrong password is let in");
    }
    if keys.len() < 2 * KEYS {
        return wrong(format!("smbclient has told {} keys only", keys.len()));
    }
    Ok(keys)
}

/// `Signing Key   [0000] 96 01 98 B2 B1 58 E1 B7   FE 7C B9 44 57 97 0E CE   .....X.. .|.DW...`
fn key(line: &str) -> Option<Vec<u8>> {
    let (name, bytes) = line.split_once("[0000]")?;
    name.contains("Key").then_some(())?;
    let digits = bytes.split_whitespace().take(16);
    let bytes: Vec<u8> = digits.map_while(|digits| u8::from_str_radix(digits, 16).ok()).collect();
    (bytes.len() == 16).then_some(bytes)
}

/// All that `ksmbd-control -d all` turns on.
fn log(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let server = Server::start(context.env, Setup::clients("secrets-log", &[]))?;
    let mut command = context.env.tool("ksmbd-control");
    command.arg(format!("--socket={}", server.control().display())).arg("--debug=all");
    let output = run(&mut command, b"", LIMIT)?;
    if !output.success() {
        return wrong(format!("ksmbd-control: {}: {}", output.ending(), output.tail()));
    }
    let secrets = visits(&server, &work)?;
    let accounts = fs::read_to_string(server.pwddb())?;
    let log = server.log()?;
    let troubles = server.stop();
    if !troubles.is_empty() {
        return wrong(troubles.join("; "));
    }
    if !["debug: logon of", "LOGON_FAILURE"].iter().all(|said| log.contains(said)) {
        return wrong("it has not told of the logons");
    }
    let hashes = accounts.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash);
    let words = USERS.iter().map(|(_, password)| *password).chain(["first-Pass2"]);
    let words = words.chain(hashes).filter(|word| !word.is_empty()).map(str::to_owned);
    let found = words.chain(secrets.iter().flat_map(|key| spellings(key)));
    match found.into_iter().find(|secret| log.contains(secret)) {
        Some(secret) => wrong(format!("its log has {secret}")),
        None => Ok(()),
    }
}

/// How a program would print bytes.
fn spellings(key: &[u8]) -> Vec<String> {
    let with = |between: &str, one: fn(&u8) -> String| {
        key.iter().map(one).collect::<Vec<_>>().join(between)
    };
    let hex: fn(&u8) -> String = |byte| format!("{byte:02x}");
    let upper: fn(&u8) -> String = |byte| format!("{byte:02X}");
    vec![
        with("", hex),
        with("", upper),
        with(" ", hex),
        with(" ", upper),
        with(", ", hex),
        with(", ", |byte| byte.to_string()),
        key.escape_ascii().to_string(),
    ]
}

/// What real clients have said, with other keys: it replays as the recording that it was made of.
fn recording(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let env = Env { record: true, ..context.env.clone() };
    let mut server = Server::start(&env, Setup::clients("secrets-recorded", &[]))?;
    visits(&server, &work)?;
    // Not replayed and forgotten at the end.
    let Some(folder) = server.recordings.take() else {
        return wrong("it was not recorded");
    };
    let troubles = server.stop();
    if !troubles.is_empty() {
        return wrong(troubles.join("; "));
    }
    let recorded = recording_in(&folder)?;
    let (blank, other) = (work.join("blank.rec"), work.join("other.rec"));
    replayed(&env, &recorded, "--without-data", &blank)?;
    replayed(&env, &blank, "--without-keys", &other)?;
    let bytes = fs::read(&other)?;
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    let _ = fs::remove_dir_all(&folder);
    if holds(b"what the file holds") || !holds(b"NTLMSSP") {
        return wrong("it is not what it was, without data");
    }
    Ok(())
}
