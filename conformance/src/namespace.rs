//! A network namespace of a test's own: the port of SMB is free there, and the loopback has addresses that
//! belong to nobody.

use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::clients::{Checked, Problem, wrong};
use crate::process::run;

/// For documentation (RFC 5737).
pub(crate) const ADDRESSES: [&str; 4] =
    ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"];

/// The port of SMB.
pub(crate) const PORT: u16 = 445;

/// Moves this thread, and what it starts from now on, into a namespace with the addresses. It ends with them.
pub(crate) fn enter() -> Checked {
    let cannot = |what: &str, why: &dyn Display| {
        Problem::CannotRun(format!("no network namespace of its own: {what}: {why}"))
    };
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| cannot("unshare", &e))?;
    ip("link set lo up").map_err(|e| cannot("ip", &e))?;
    for address in ADDRESSES {
        plug(address, true).map_err(|e| cannot("ip", &e))?;
    }
    Ok(())
}

/// Gives this thread's loopback an address, or takes it away: then what is sent to it is lost.
pub(crate) fn plug(address: &str, there: bool) -> Checked {
    ip(&format!("address {} {address}/32 dev lo", if there { "add" } else { "del" }))
}

fn ip(words: &str) -> Checked {
    let output = run(Command::new("ip").args(words.split(' ')), b"", Duration::from_secs(10))?;
    if output.success() { Ok(()) } else { wrong(format!("{words}: {}", output.tail())) }
}
