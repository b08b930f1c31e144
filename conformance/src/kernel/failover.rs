//! The server is killed while the guest writes a file: the writing goes on with the very handle that it
//! began with, and not with one that was opened anew by its name.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::clients::{Checked, wrong};
use crate::server::{Env, Server};

/// How long the client may take to come back.
const LIMIT: Duration = Duration::from_secs(40);

/// Kills the server, starts another one, and waits until the open that the first one had, persistent
/// and being written, is in use again under its number.
pub(super) fn kill(env: &Env, server: &mut Server) -> Checked {
    let written = |open: &&Value| {
        let path = open["path"].as_str().unwrap_or_default();
        path.ends_with("/failover") && open["when_lost"] == "persistent"
    };
    let before = opens(env, server)?;
    let before = before
        .iter()
        .find(written)
        .ok_or_else(|| "the file is not open persistently".to_owned())?;
    let (id, caching) = (before["id"].clone(), before["caching"].clone());
    server.signal(Signal::KILL);
    while server.dead().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    server.revive()?;
    let begun = Instant::now();
    loop {
        let now = opens(env, server)?;
        let same = now.iter().find(|open| open["id"] == id);
        let same = same.ok_or_else(|| format!("{id} is not there again"))?;
        if same["kept_seconds"].is_null() && same["session"] != "0x0" {
            println!(
                "open {id}, {caching}, is in use again after {} ms as {}",
                begun.elapsed().as_millis(),
                same["caching"]
            );
            return Ok(());
        }
        if begun.elapsed() > LIMIT {
            return wrong(format!("the client does not come back for open {id}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What is open at the server.
fn opens(env: &Env, server: &Server) -> Result<Vec<Value>, String> {
    let status = server.status(env)?;
    status["opens"].as_array().cloned().ok_or_else(|| "no opens in the status".to_owned())
}
