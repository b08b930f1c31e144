//! A server that is killed below a persistent handle, and another one that knows of it.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::{Checked, Context, Problem, python_with, wrong};
use crate::config::{Setup, USERS};
use crate::process::run;
use crate::server::Server;

/// How long the client may take.
const LIMIT: Duration = Duration::from_secs(60);

/// `clients/smbprotocol_persistent.py` kills the server; it is started again here.
pub(super) fn killed(context: &Context<'_>) -> Checked {
    super::ours(context)?;
    let python = python_with(context.env, "smbprotocol")?;
    let name = context.name.replace('.', "-");
    let mut server = Server::start(context.env, Setup::persistent(&name, &[]))?;
    let mut command = Command::new(python);
    command.arg("conformance/clients/smbprotocol_persistent.py").arg("127.0.0.1");
    command.arg(server.port.to_string()).arg("lasting");
    command.arg(server.pid().unwrap_or_default().to_string());
    command.args(USERS.iter().flat_map(|(user, password)| [user, password]));
    let client = thread::spawn(move || run(&mut command, b"", LIMIT));
    let begun = Instant::now();
    while server.dead().is_none() && !client.is_finished() {
        if begun.elapsed() > LIMIT {
            return wrong("the client has not killed the server");
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.revive()?;
    let output = client.join().map_err(|_| Problem::Wrong("its thread panicked".into()))??;
    if !output.success() {
        return wrong(format!("{}: {}", output.ending(), output.tail()));
    }
    let written = fs::read(server.share_dir("lasting").join("persistent"))?;
    if !written.ends_with(b"end") || written.len() != 256 * 500 + 3 {
        return wrong(format!("the file has {} bytes", written.len()));
    }
    super::stopped(server)
}
