//! What goes wrong below the server and around it: suite `faults`. Clients write meanwhile and remember
//! what a FLUSH or a CLOSE has acknowledged: none of it may be lost, and nothing may hang.

mod broken;
mod clock;
mod disk;
mod journal;
mod persistent;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::clients::{Check, Checked, Context, Plain, Problem, Smbclient, wrong};
use crate::config::{Kind, Setup};
use crate::server::{Server, empty};
use crate::storm;

use disk::ThinDisk;
use journal::Journal;

/// How long the clients write.
const SECONDS: u64 = 3;

/// How long they would write, were they not disturbed.
const UNDISTURBED: u64 = 30;

pub(crate) fn checks() -> Vec<Check> {
    let bodies: [(&str, Plain); 14] = [
        ("full-disk", full_disk),
        ("io-error", broken::io_error),
        ("smbclient", broken::smbclient),
        ("dead-fuse", broken::dead_fuse),
        ("gives-up", broken::gives_up),
        ("clock", clock::jumps),
        ("late-error", late_error),
        ("path-vanishes", path_vanishes),
        ("path-replaced", path_replaced),
        ("reload", reload),
        ("term", |context| ended(context, Signal::TERM)),
        ("kill", |context| ended(context, Signal::KILL)),
        ("persistent", persistent::killed),
        ("storm", storm),
    ];
    let check = |(name, body)| Check::new(format!("faults.{name}"), body);
    let mut checks: Vec<Check> = bodies.into_iter().map(check).collect();
    let errnos = [
        ("EIO", 0xc000_0185),
        ("ENOTCONN", 0xc000_0185),
        ("ETIMEDOUT", 0xc000_00b5),
        ("ESTALE", 0xc000_0128),
        ("EROFS", 0xc000_00a2),
    ];
    checks.extend(errnos.map(|(errno, status)| {
        let body = move |context: &Context<'_>| broken::errno(context, errno, status);
        Check::new(format!("faults.errno.{errno}"), body)
    }));
    checks
}

fn own_server(context: &Context<'_>) -> Checked<Server> {
    let name = context.name.replace('.', "-");
    Ok(Server::start(context.env, Setup::clients(&name, &[]))?)
}

fn stopped(server: Server) -> Checked {
    let troubles = server.stop();
    if troubles.is_empty() { Ok(()) } else { wrong(troubles.join("; ")) }
}

/// A whole round with an ordinary client, which takes no time worth mentioning.
fn serves(context: &Context<'_>, server: &Server, share: &str) -> Checked {
    let work = context.env.work(&format!("{}-after", context.name))?;
    fs::write(work.join("after"), b"still here")?;
    let begun = Instant::now();
    Smbclient::new(server.port, share).run(&work, "put after; get after back; del after; ls")?;
    if begun.elapsed() > Duration::from_secs(20) {
        return wrong("a client waited for more than 20 s");
    }
    Ok(())
}

/// Four clients fill a small disk; when there is room again, it is used.
fn full_disk(context: &Context<'_>) -> Checked {
    let share = context.server.share_dir("full");
    let mounts = fs::read_to_string("/proc/mounts")?;
    if !mounts.lines().any(|line| line.split(' ').nth(1) == share.to_str()) {
        return Err(Problem::CannotRun("mounting a small tmpfs needs root".into()));
    }
    let journal = Journal::start(context, context.server, "full", 4, SECONDS)?;
    journal.finish(context)?.all(&["DISK_FULL"])?;
    empty(&share)?;
    serves(context, context.server, "full")
}

/// A disk that takes data and fails when it has to keep it: FLUSH says so, and the server serves on.
fn late_error(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let disk = ThinDisk::mount(context.env, &server.share_dir("full"))?;
    let journal = Journal::start(context, &server, "full", 2, SECONDS)?;
    let ended = journal.finish(context)?;
    ended.all(&["FLUSH", "WRITE", "CREATE", "CLOSE"])?;
    if !ended.why.iter().any(|why| why.contains("FLUSH")) {
        return wrong(format!("no FLUSH has failed: {:?}", ended.why));
    }
    serves(context, &server, "files")?;
    let stopped = stopped(server);
    drop(disk);
    stopped
}

/// The share's directory is moved away under load, and comes back.
fn path_vanishes(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let work = context.env.work(context.name)?;
    let (share, away) = (server.share_dir("public"), server.share_dir("away"));
    let journal = Journal::start(context, &server, "public", 4, 3 * SECONDS)?.under_way()?;
    fs::rename(&share, &away)?;
    let client = Smbclient::new(server.port, "public");
    let output = client.attempt(&work, "ls")?;
    let refused = output.status.is_some() && output.all().contains("NT_STATUS_");
    thread::sleep(Duration::from_millis(700));
    fs::rename(&away, &share)?;
    let finished = journal.finish(context).map(drop);
    if !refused {
        return wrong(format!("without its path: {}: {}", output.ending(), output.tail()));
    }
    finished?;
    serves(context, &server, "public")?;
    serves(context, &server, "files")?;
    stopped(server)
}

/// Another directory takes the share's path: who connects now is served from there.
fn path_replaced(context: &Context<'_>) -> Checked {
    let server = own_server(context)?;
    let work = context.env.work(context.name)?;
    let (share, away) = (server.share_dir("public"), server.share_dir("away"));
    let client = Smbclient::new(server.port, "public");
    fs::write(share.join("old"), b"")?;
    client.run(&work, "get old")?;
    fs::rename(&share, &away)?;
    server.make_shares()?;
    fs::write(share.join("new"), b"")?;
    client.run(&work, "get new")?;
    client.refused(&work, "get old", &["NT_STATUS_OBJECT_NAME_NOT_FOUND"])?;
    stopped(server)
}

/// HUP again and again: nobody who writes notices.
fn reload(context: &Context<'_>) -> Checked {
    ours(context)?;
    let server = own_server(context)?;
    let journal = Journal::start(context, &server, "files", 8, SECONDS)?;
    for _ in 0..40 {
        thread::sleep(Duration::from_millis(50));
        server.signal(Signal::HUP);
    }
    journal.finish(context)?.all(&["in time"])?;
    serves(context, &server, "files")?;
    let log = context.env.out.join(format!("{}.log", server.setup_name()));
    let reloads = fs::read_to_string(log)?.lines().filter(|line| line.contains("reloaded")).count();
    // Signals that come while one is being served count once.
    if reloads < 10 {
        return wrong(format!("only {reloads} reloads"));
    }
    stopped(server)
}

/// The server ends while eight clients write: they notice, and it has kept its word.
fn ended(context: &Context<'_>, signal: Signal) -> Checked {
    ours(context)?;
    let mut server = own_server(context)?;
    let journal = Journal::start(context, &server, "files", 8, UNDISTURBED)?.under_way()?;
    server.signal(signal);
    journal.finish(context)?.all(&["closed", "reset", "Broken pipe"])?;
    if signal == Signal::TERM {
        return stopped(server);
    }
    server.revive()?;
    serves(context, &server, "files")?;
    stopped(server)
}

/// `conformance/storm`, for a short time.
fn storm(context: &Context<'_>) -> Checked {
    ours(context)?;
    let options = storm::Options { clients: 200, seconds: 20 };
    println!("{}", storm::weather(context.env, "faults-storm", &options)?);
    Ok(())
}

fn ours(context: &Context<'_>) -> Checked {
    if context.env.kind == Kind::Ksmbd {
        return Ok(());
    }
    Err(Problem::CannotRun("of ksmbd-mountd alone".into()))
}
