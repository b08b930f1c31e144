//! `--status`: the server's tables for people.

use ksmbd_core::status_report::{ConnectionStatus, OpenStatus, SessionStatus, Status, TreeStatus};

use super::report::{
    access, address, caching, cipher, connection_of, dialect, guid, kind, open_kind, share_mode,
    signing,
};
use crate::config::Settings;

/// Everything, table by table.
pub fn status(status: &Status, settings: &Settings) -> String {
    let shares = settings.shares.iter().map(|settings| {
        let name = &settings.share.name;
        let trees = status.trees.iter().filter(|tree| tree.share == *name).count();
        vec![format!("trees of {name}"), trees.to_string(), settings.max_connections.to_string()]
    });
    let budgets = status.budgets.iter().map(|budget| {
        let limit = budget.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        vec![budget.name.to_owned(), budget.used.to_string(), limit]
    });
    let tally = status.tally.iter().map(|one| vec![one.name.to_owned(), one.count.to_string()]);
    let tables = [
        table(
            "Connections",
            "ID ADDRESS DIALECT SIGNING CIPHER IDLE REQUESTS CLIENT",
            status.connections.iter().map(connection),
        ),
        table(
            "Sessions",
            "ID CONNECTIONS ADDRESS USER KIND SIGNING ENCRYPTION",
            status.sessions.iter().map(|one| session(one, status)),
        ),
        table("Trees", "SESSION ID SHARE ACCESS UID GID", status.trees.iter().map(tree)),
        table(
            "Open files",
            "SESSION ID KIND ACCESS SHARED CACHED UID LOCKS SHARE PATH",
            status.opens.iter().map(open),
        ),
        table("Budgets", "WHAT USED LIMIT", budgets.chain(shares)),
        table("Since the start", "WHAT TIMES", tally),
    ];
    tables.join("\n")
}

fn connection(connection: &ConnectionStatus) -> Vec<String> {
    let settled = connection.negotiated.as_ref();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        connection.id.0.to_string(),
        address(connection.peer.address),
        or_none(settled.map(|settled| dialect(settled.dialect))),
        or_none(settled.map(|settled| signing(settled.signing).to_owned())),
        or_none(settled.and_then(|settled| settled.cipher).map(|name| cipher(name).to_owned())),
        format!("{} s", connection.idle.as_secs()),
        connection.requests.to_string(),
        or_none(settled.map(|settled| guid(&settled.client_guid))),
    ]
}

fn session(session: &SessionStatus, status: &Status) -> Vec<String> {
    let connection = connection_of(session, status);
    let protection = |name: Option<&str>, required| match (name, required) {
        (None, _) => "-".to_owned(),
        (Some(name), true) => format!("{name}, required"),
        (Some(name), false) => name.to_owned(),
    };
    vec![
        format!("{:#x}", session.id.0),
        channels(session),
        connection.map_or_else(|| "-".to_owned(), |one| address(one.peer.address)),
        if session.user.is_empty() { "-".to_owned() } else { session.user.clone() },
        kind(session.kind).to_owned(),
        protection(session.signing.map(signing), session.signing_required),
        protection(session.cipher.map(cipher), session.encryption_required),
    ]
}

/// The connections of a session; those that are still asked who they are in parentheses.
fn channels(session: &SessionStatus) -> String {
    let channels = session.channels.iter().map(|channel| match channel.bound {
        true => channel.connection.0.to_string(),
        false => format!("({})", channel.connection.0),
    });
    channels.collect::<Vec<_>>().join(",")
}

fn tree(tree: &TreeStatus) -> Vec<String> {
    vec![
        format!("{:#x}", tree.session.0),
        tree.id.0.to_string(),
        tree.share.clone(),
        if tree.read_only { "read-only" } else { "read-write" }.to_owned(),
        tree.uid.to_string(),
        tree.gid.to_string(),
    ]
}

fn open(open: &OpenStatus) -> Vec<String> {
    let locks = open.locks.iter().map(|lock| {
        let kind = if lock.exclusive { "x" } else { "s" };
        format!("{kind}:{}+{}", lock.offset, lock.length)
    });
    let locks: Vec<_> = locks.collect();
    let path = if open.path.is_empty() { "." } else { &open.path };
    vec![
        if open.kept.is_some() { "-".to_owned() } else { format!("{:#x}", open.session.0) },
        open.id.0.to_string(),
        open_kind(open.kind).to_owned(),
        access(open.access),
        share_mode(open.share_access),
        caching(&open.caching),
        open.uid.to_string(),
        if locks.is_empty() { "-".to_owned() } else { locks.join(",") },
        open.share.clone(),
        match (open.kept, open.delete_pending) {
            (Some(left), _) => format!("{path} (connection lost, {} s left)", left.as_secs()),
            (None, true) => format!("{path} (to be deleted)"),
            (None, false) => path.to_owned(),
        },
    ]
}

/// A headline, and columns as wide as what is in them; nothing stands behind the last.
fn table(title: &str, columns: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = columns.split(' ').map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    if rows.len() == 1 {
        return format!("{title}: none\n");
    }
    for cell in rows.iter_mut().flatten() {
        *cell = printable(cell);
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns.split(' ').count()).map(width).collect();
    let mut text = format!("{title}:\n");
    for row in &rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!(" {cell:width$} "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What a client wrote must not reach the terminal as it is.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{busy, settings};
    use super::*;

    #[test]
    fn people_are_told_everything() {
        let shown = status(&busy(), &settings());
        let expected = "\
Connections:
  ID  ADDRESS         DIALECT  SIGNING   CIPHER       IDLE  REQUESTS  CLIENT
  1   10.0.0.7:50000  3.1.1    AES-GMAC  AES-128-GCM  3 s   12        03020100-0504-0706-0809-0a0b0c0d0e0f

Sessions:
  ID    CONNECTIONS  ADDRESS         USER         KIND     SIGNING             ENCRYPTION
  0xab  1,2          10.0.0.7:50000  al\\u{1b}ice  account  AES-GMAC, required  AES-128-GCM

Trees:
  SESSION  ID  SHARE  ACCESS      UID   GID
  0xab     2   IPC$   read-write  1000  100

Open files:
  SESSION  ID  KIND  ACCESS  SHARED  CACHED       UID   LOCKS  SHARE  PATH
  0xab     9   file  r-d     r--     oplock:r--!  1000  x:1+2  a      d/file

Budgets:
  WHAT           USED  LIMIT
  opens          1     10
  files          1     -
  trees of IPC$  1     65536

Since the start:
  WHAT                 TIMES
  connections refused  3
";
        assert_eq!(shown, expected);
        let nothing = status(&Status::default(), &settings());
        assert!(nothing.starts_with("Connections: none\n\nSessions: none\n"), "{nothing}");
    }
}
