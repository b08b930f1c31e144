//! Clients that waste the server's time or memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Check, Checked, Context, Smbclient, wrong};

/// Connections of each kind, what each may cost, and when it must be gone.
const EACH: usize = 16;
const COST_KIB: u64 = 256;
const DROP_LIMIT: Duration = Duration::from_secs(60);

/// The claim of a message of almost 16 MiB, the longest that the length field can say.
const CLAIM: [u8; 4] = [0, 0xff, 0xff, 0xff];

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("clients.slow.half-sent", half_sent),
        Check::new("clients.slow.garbage", garbage),
    ]
}

/// One byte and then nothing, or the claim of 16 MiB and then nothing.
fn half_sent(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let port = context.server.port;
    let resident = || context.server.resident().unwrap_or(0);
    Smbclient::new(port, "files").run(&work, "ls")?;
    let before = resident();
    let start = Instant::now();
    let mut connections = Vec::new();
    for _ in 0..EACH {
        for bytes in [&CLAIM[..1], &CLAIM[..]] {
            let mut connection = TcpStream::connect(("127.0.0.1", port))?;
            connection.write_all(bytes)?;
            connection.set_read_timeout(Some(Duration::from_millis(20)))?;
            connections.push(connection);
        }
    }
    let mut most = before;
    while !connections.is_empty() {
        connections.retain_mut(|connection| !closed(connection));
        most = most.max(resident());
        if start.elapsed() > DROP_LIMIT {
            let limit = DROP_LIMIT.as_secs();
            return wrong(format!("{} are still connected after {limit} s", connections.len()));
        }
    }
    let cost = most.saturating_sub(before) / (2 * EACH as u64);
    println!(
        "{}: dropped after {:.1} s, {cost} KiB each",
        context.name,
        start.elapsed().as_secs_f64()
    );
    if cost > COST_KIB {
        return wrong(format!("{cost} KiB each, more than {COST_KIB}"));
    }
    Smbclient::new(port, "files").run(&work, "ls")?;
    Ok(())
}

fn closed(connection: &mut TcpStream) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match connection.read(&mut [0; 64]) {
        Ok(n) => n == 0,
        Err(e) => !matches!(e.kind(), TimedOut | WouldBlock),
    }
}

/// What is not SMB at all is hung up on at once, and others go on.
fn garbage(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let port = context.server.port;
    let mut held = Smbclient::new(port, "files").hold()?;
    let inputs: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x04\xfeSMB",
        b"\x00\x00\x00\x48\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
          \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
          \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
          \x00\x00\x00\x00\x00\x00\x00",
        b"\x00\x00\x00\x00\x00\x00\x00\x00",
    ];
    for input in inputs {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.write_all(input)?;
        connection.shutdown(std::net::Shutdown::Write)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut answer = Vec::new();
        let ended = connection.read_to_end(&mut answer);
        if matches!(&ended, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock) {
            return wrong(format!("still connected 10 s after {input:02x?}"));
        }
    }
    Smbclient::new(port, "files").run(&work, "ls")?;
    if held.ended().is_some() {
        return wrong("another client lost its connection");
    }
    Ok(())
}
