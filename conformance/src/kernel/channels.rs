//! Several connections of one session: the guest mounts with `multichannel` a server that has four
//! addresses at port 445, which is the only port the Linux client goes to for them. So server and
//! guest are put in a network namespace, whose loopback has the addresses, of which the first is mounted;
//! the guest's packets reach it through QEMU as any others do.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{Shutdown, getpeername, shutdown};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::Value;

use crate::clients::{Checked, wrong};
use crate::namespace::{ADDRESSES, plug};
use crate::server::{Env, Server};

/// Connections of one session, as the mount asks for.
const CHANNELS: usize = 4;

/// Each has to carry more than it takes to come into being.
const SHARE_OF_EACH: u64 = 25;

/// More than three times the mount's `echo_interval`.
const UNPLUGGED: Duration = Duration::from_secs(8);

/// How long the server may take to notice, and the client to come back.
const LIMIT: Duration = Duration::from_secs(30);

/// `interfaces`, as Samba has it: two that can take several connections each, and two that cannot.
pub(super) fn interfaces() -> String {
    let words = ADDRESSES.iter().zip(65..).map(|(address, index)| {
        let capability = if index < 67 { "RSS" } else { "none" };
        format!("{address};speed=10000000000,capability={capability},if_index={index}")
    });
    format!("interfaces = {}", words.collect::<Vec<_>>().join(" "))
}

/// The second address is gone for so long that the client gives its connection up.
pub(super) fn unplugged() -> Checked {
    plug(ADDRESSES[1], false)?;
    std::thread::sleep(UNPLUGGED);
    plug(ADDRESSES[1], true)
}

/// One connection of a session.
#[derive(Debug)]
struct Channel {
    client: SocketAddr,
    requests: u64,
}

/// The channels of each session that has several.
fn channels(env: &Env, server: &Server) -> Checked<Vec<Vec<Channel>>> {
    let status = server.status(env)?;
    let rows = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let connections = rows("connections");
    let find = |channel: &Value| {
        let connection = connections.iter().find(|one| one["id"] == channel["connection"])?;
        Some(Channel {
            client: connection["address"].as_str()?.parse().ok()?,
            requests: connection["requests"].as_u64()?,
        })
    };
    let of_session = |session: &Value| -> Option<Vec<Channel>> {
        let channels = session["channels"].as_array()?;
        let bound = channels.iter().filter(|channel| channel["bound"] == true);
        bound.map(find).collect()
    };
    let sessions: Vec<_> = rows("sessions").iter().filter_map(of_session).collect();
    Ok(sessions.into_iter().filter(|channels| channels.len() > 1).collect())
}

/// Two mounts, each a session of four connections, each of which carries its part.
pub(super) fn spread(env: &Env, server: &Server) -> Checked {
    let sessions = channels(env, server)?;
    for channels in &sessions {
        println!("a session's channels: {channels:?}");
        if channels.len() != CHANNELS {
            return wrong(format!("{} connections of a session: {channels:?}", channels.len()));
        }
    }
    if sessions.len() != 2 {
        return wrong(format!("{} sessions with several connections", sessions.len()));
    }
    let busiest =
        sessions.iter().max_by_key(|channels| channels.iter().map(|c| c.requests).sum::<u64>());
    let idle = busiest.into_iter().flatten().find(|channel| channel.requests < SHARE_OF_EACH);
    match idle {
        Some(channel) => wrong(format!("a connection is not used: {channel:?}")),
        None => Ok(()),
    }
}

/// Cuts the busiest session's first connection, or its busiest other: the socket is shut down in the server, so
/// that both sides see it end. Waits until the server has noticed.
pub(super) fn cut(env: &Env, server: &Server, first: bool) -> Checked {
    let sessions = channels(env, server)?;
    let busiest =
        sessions.iter().max_by_key(|channels| channels.iter().map(|c| c.requests).sum::<u64>());
    let mut candidates = busiest.into_iter().flatten();
    let chosen =
        if first { candidates.next() } else { candidates.skip(1).max_by_key(|c| c.requests) };
    let Some(channel) = chosen else {
        return wrong("no session has several connections");
    };
    let pid = server.pid().ok_or_else(|| "the server is not running".to_owned())?;
    shut_down(pid, channel.client)?;
    println!("cut {channel:?}");
    let begun = Instant::now();
    let there = |sessions: Vec<Vec<Channel>>| {
        sessions.into_iter().flatten().any(|one| one.client == channel.client)
    };
    while there(channels(env, server)?) {
        if begun.elapsed() > LIMIT {
            return wrong(format!("{} is still in the server's table", channel.client));
        }
    }
    Ok(())
}

/// Shuts down the socket of a process that is connected to `peer`.
fn shut_down(pid: u32, peer: SocketAddr) -> Checked {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| "no pid".to_owned())?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from)?;
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    for entry in std::fs::read_dir(Path::new(&folder))? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let other = getpeername(&socket).ok().flatten();
        let other = other.and_then(|address| SocketAddr::try_from(address).ok());
        let plain = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        if other.map(plain) == Some(plain(peer)) {
            return Ok(shutdown(&socket, Shutdown::Both).map_err(std::io::Error::from)?);
        }
    }
    wrong(format!("the server has no socket of {peer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_told_as_samba_has_them() {
        let line = interfaces();
        assert!(line.starts_with("interfaces = 198.51.100.1;speed=10000000000,capability=RSS,"));
        assert!(line.ends_with("198.51.100.4;speed=10000000000,capability=none,if_index=68"));
    }

    #[test]
    fn a_socket_is_found_by_its_peer() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        shut_down(std::process::id(), peer).unwrap();
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        shut_down(std::process::id(), "192.0.2.1:1".parse().unwrap()).unwrap_err();
    }
}
