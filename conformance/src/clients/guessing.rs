//! Somebody guesses a password from 127.0.0.2, over many connections, while others log on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Check, Checked, Context, Smbclient, python_with, wrong};
use crate::config::USERS;
use crate::process::{Process, lines};

const CONNECTIONS: usize = 16;
const SECONDS: u64 = 4;

/// Free ones, then one a connection as the delays grow, and a few: thousands without delays.
const GUESSES: u64 = 10 + 3 * CONNECTIONS as u64;

/// What a good client's whole visit may take.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("clients.login-guessing", guessing)]
}

fn guessing(context: &Context<'_>) -> Checked {
    let python = python_with(context.env, "smbprotocol")?;
    let work = context.env.work(context.name)?;
    let mut command = Command::new(python);
    command.arg("conformance/clients/guessing.py");
    command.args(["127.0.0.1", &context.server.port.to_string(), "127.0.0.2"]);
    command.args([USERS[0].0, USERS[0].1, &CONNECTIONS.to_string(), &SECONDS.to_string()]);
    let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let Some(output) = process.child().stdout.take() else {
        return wrong("no pipe");
    };
    let said = lines(output);
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let mut visits = 0;
    while Instant::now() < until {
        let begun = Instant::now();
        Smbclient::new(context.server.port, "files").run(&work, "ls")?;
        if begun.elapsed() > AT_ONCE {
            return wrong(format!("a good client waited for {:.1?}", begun.elapsed()));
        }
        visits += 1;
    }
    let number = |what: &str| -> Checked<f64> {
        let line = said.recv_timeout(Duration::from_secs(20)).unwrap_or_default();
        let number = line.strip_prefix(what).and_then(|rest| rest.trim().parse().ok());
        number.map_or_else(|| wrong(format!("no {what}: {line:?}")), Ok)
    };
    let (guesses, right) = (number("guesses")? as u64, number("right")?);
    if !(10..=GUESSES).contains(&guesses) {
        return wrong(format!("{guesses} guesses in {SECONDS} s: wanted 10 to {GUESSES}"));
    }
    // Where somebody guesses, the right password waits as long as a wrong one, and works.
    if right > 6.0 {
        return wrong(format!("the right password from the guesser's address took {right} s"));
    }
    if visits < SECONDS {
        return wrong(format!("only {visits} visits of a good client"));
    }
    Ok(())
}
