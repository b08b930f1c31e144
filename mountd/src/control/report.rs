//! `--status --json`: the server's tables for programs. What has a name keeps it: programs rely on
//! them.

use std::net::SocketAddr;

use ksmbd_core::crypto::{Cipher, SigningAlgorithm};
use ksmbd_core::id::{ConnId, Holder};
use ksmbd_core::status_report::{
    CachingStatus, ConnectionStatus, OpenEndurance, OpenKind, OpenStatus, SessionKind,
    SessionStatus, Status, TreeStatus,
};
use ksmbd_core::wire::create::ShareAccess;
use ksmbd_core::wire::create_context::LeaseState;
use ksmbd_core::wire::fscc::AccessMask;
use ksmbd_core::wire::negotiate::Dialect;
use serde_json::{Value, json};

use crate::config::Settings;

/// Everything.
pub fn status(status: &Status, settings: &Settings) -> Value {
    let budgets = status
        .budgets
        .iter()
        .map(|budget| json!({ "name": budget.name, "used": budget.used, "limit": budget.limit }));
    let tally = status.tally.iter().map(|one| (one.name.to_owned(), json!(one.count)));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "connections": status.connections.iter().map(connection).collect::<Vec<_>>(),
        "sessions": status.sessions.iter().map(|one| session(one, status)).collect::<Vec<_>>(),
        "trees": status.trees.iter().map(tree).collect::<Vec<_>>(),
        "opens": status.opens.iter().map(open).collect::<Vec<_>>(),
        "shares": shares(status, settings),
        "budgets": budgets.collect::<Vec<_>>(),
        "since_start": tally.collect::<serde_json::Map<_, _>>(),
    })
}

fn connection(connection: &ConnectionStatus) -> Value {
    let negotiated = connection.negotiated.as_ref();
    json!({
        "id": connection.id.0,
        "address": address(connection.peer.address),
        "local": address(connection.peer.local),
        "dialect": negotiated.map(|settled| dialect(settled.dialect)),
        "client_guid": negotiated.map(|settled| guid(&settled.client_guid)),
        "signing": negotiated.map(|settled| signing(settled.signing)),
        "cipher": negotiated.and_then(|settled| settled.cipher).map(cipher),
        "idle_seconds": connection.idle.as_secs(),
        "requests": connection.requests,
        "waiting": connection.parked,
    })
}

fn session(session: &SessionStatus, status: &Status) -> Value {
    let connection = connection_of(session, status);
    let channels = session.channels.iter().map(|channel| {
        let found = connection_with(channel.connection, status);
        json!({
            "connection": channel.connection.0,
            "address": found.map(|connection| address(connection.peer.address)),
            "bound": channel.bound,
        })
    });
    let negotiated = connection.and_then(|connection| connection.negotiated);
    json!({
        "id": hex(session.id.0),
        "connection": session.channels.first().map(|channel| channel.connection.0),
        "channels": channels.collect::<Vec<_>>(),
        "address": connection.map(|connection| address(connection.peer.address)),
        "dialect": negotiated.map(|settled| dialect(settled.dialect)),
        "kind": kind(session.kind),
        "user": session.user,
        "signing": session.signing.map(signing),
        "signing_required": session.signing_required,
        "cipher": session.cipher.map(cipher),
        "encryption_required": session.encryption_required,
    })
}

/// The first connection that a session is on.
pub(super) fn connection_of<'a>(
    session: &SessionStatus,
    status: &'a Status,
) -> Option<&'a ConnectionStatus> {
    connection_with(session.channels.first()?.connection, status)
}

fn connection_with(id: ConnId, status: &Status) -> Option<&ConnectionStatus> {
    // They are in the order in which they came, and there may be thousands.
    let found = status.connections.binary_search_by_key(&id, |connection| connection.id).ok()?;
    status.connections.get(found)
}

/// An IPv4 client of a socket that takes both is shown as what it is.
pub(super) fn address(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

fn tree(tree: &TreeStatus) -> Value {
    json!({
        "id": tree.id.0,
        "session": hex(tree.session.0),
        "share": tree.share,
        "read_only": tree.read_only,
        "uid": tree.uid,
        "gid": tree.gid,
    })
}

fn open(open: &OpenStatus) -> Value {
    let locks = open.locks.iter().map(
        |lock| json!({ "offset": lock.offset, "length": lock.length, "exclusive": lock.exclusive }),
    );
    json!({
        "id": open.id.0,
        "session": hex(open.session.0),
        "tree": open.tree.0,
        "share": open.share,
        "path": open.path,
        "kind": open_kind(open.kind),
        "uid": open.uid,
        "access": hex(u64::from(open.access.bits())),
        "access_letters": access(open.access),
        "share_mode": share_mode(open.share_access),
        "caching": caching(&open.caching),
        "delete_pending": open.delete_pending,
        "when_lost": endurance(open.endurance),
        "kept_seconds": open.kept.map(|left| left.as_secs()),
        "locks": locks.collect::<Vec<_>>(),
    })
}

/// Shares with the trees that are connected to them. A share that a reload has removed is here as
/// long as it is used.
fn shares(status: &Status, settings: &Settings) -> Vec<Value> {
    let connected = |name: &str| status.trees.iter().filter(|tree| tree.share == name).count();
    let shares = settings.shares.iter().map(|settings| {
        let share = &settings.share;
        json!({
            "name": share.name,
            "path": share.path,
            "trees": connected(&share.name),
            "limit": settings.max_connections,
        })
    });
    shares.collect()
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// As people write a dialect.
pub(super) fn dialect(dialect: Dialect) -> String {
    match dialect {
        Dialect::SMB_2_0_2 => "2.0.2".to_owned(),
        Dialect::SMB_2_1 => "2.1".to_owned(),
        Dialect::SMB_3_0 => "3.0".to_owned(),
        Dialect::SMB_3_0_2 => "3.0.2".to_owned(),
        Dialect::SMB_3_1_1 => "3.1.1".to_owned(),
        Dialect(other) => format!("{other:#06x}"),
    }
}

pub(super) fn signing(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::HmacSha256 => "HMAC-SHA256",
        SigningAlgorithm::AesCmac => "AES-CMAC",
        SigningAlgorithm::AesGmac => "AES-GMAC",
    }
}

pub(super) fn cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Aes128Ccm => "AES-128-CCM",
        Cipher::Aes128Gcm => "AES-128-GCM",
        Cipher::Aes256Ccm => "AES-256-CCM",
        Cipher::Aes256Gcm => "AES-256-GCM",
    }
}

pub(super) fn kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Authenticating => "authenticating",
        SessionKind::Account => "account",
        SessionKind::Guest => "guest",
        SessionKind::Anonymous => "anonymous",
    }
}

pub(super) fn open_kind(kind: OpenKind) -> &'static str {
    match kind {
        OpenKind::File => "file",
        OpenKind::Directory => "directory",
        OpenKind::Other => "other",
        OpenKind::Pipe => "pipe",
    }
}

/// What becomes of an open when its connection is lost.
pub(super) fn endurance(endurance: OpenEndurance) -> &'static str {
    match endurance {
        OpenEndurance::Closed => "closed",
        OpenEndurance::Durable => "durable",
        OpenEndurance::Resilient => "resilient",
        OpenEndurance::Persistent => "persistent",
    }
}

/// What data access was granted: read, write, delete.
pub(super) fn access(access: AccessMask) -> String {
    let read = AccessMask::FILE_READ_DATA | AccessMask::FILE_EXECUTE;
    let write = AccessMask::FILE_WRITE_DATA | AccessMask::FILE_APPEND_DATA;
    letters([
        access.intersects(read),
        access.intersects(write),
        access.contains(AccessMask::DELETE),
    ])
}

/// What others may do beside it.
pub(super) fn share_mode(share: ShareAccess) -> String {
    letters(
        [ShareAccess::READ, ShareAccess::WRITE, ShareAccess::DELETE].map(|bit| share.contains(bit)),
    )
}

/// By what a client caches a file, what of it (read, write, handle), and a `!` while it has not
/// answered that it has to give some of it up.
pub(super) fn caching(caching: &CachingStatus) -> String {
    let by = match caching.holder {
        None => return "-".to_owned(),
        Some(Holder::Open(_)) => "oplock",
        Some(Holder::Lease(_)) => "lease",
    };
    let parts = [LeaseState::READ_CACHING, LeaseState::WRITE_CACHING, LeaseState::HANDLE_CACHING];
    let parts = parts.iter().zip(["r", "w", "h"]);
    let state: String =
        parts.map(|(part, name)| if caching.state.contains(*part) { name } else { "-" }).collect();
    format!("{by}:{state}{}", if caching.breaking { "!" } else { "" })
}

fn letters(bits: [bool; 3]) -> String {
    bits.iter().zip(["r", "w", "d"]).map(|(bit, letter)| if *bit { letter } else { "-" }).collect()
}

/// A GUID as Windows writes it: the first three fields are little-endian.
pub(super) fn guid(bytes: &[u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] = bytes;
    let rest: Vec<_> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, last) = rest.split_at(2);
    format!(
        "{a3:02x}{a2:02x}{a1:02x}{a0:02x}-{b1:02x}{b0:02x}-{c1:02x}{c0:02x}-{}-{}",
        first.concat(),
        last.concat()
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use ksmbd_core::id::{OpenId, SessionId, TreeId};
    use ksmbd_core::status_report::{Budget, ChannelStatus, LockStatus, NegotiatedStatus, Tally};
    use ksmbd_core::vfs::Peer;

    use super::*;
    use crate::config::{GlobalSettings, ShareSettings};

    pub(in super::super) fn settings() -> Settings {
        Settings { global: GlobalSettings::default(), shares: vec![ShareSettings::ipc()] }
    }

    /// One of everything.
    pub(in super::super) fn busy() -> Status {
        let address = "[::ffff:10.0.0.7]:50000".parse().expect("an address");
        Status {
            connections: vec![ConnectionStatus {
                id: ConnId(1),
                peer: Peer { address, local: "10.0.0.1:445".parse().expect("an address") },
                negotiated: Some(NegotiatedStatus {
                    dialect: Dialect::SMB_3_1_1,
                    client_guid: core::array::from_fn(|i| i as u8),
                    signing: SigningAlgorithm::AesGmac,
                    cipher: Some(Cipher::Aes128Gcm),
                }),
                idle: Duration::from_secs(3),
                requests: 12,
                parked: 1,
            }],
            sessions: vec![SessionStatus {
                id: SessionId(0xab),
                channels: vec![
                    ChannelStatus { connection: ConnId(1), bound: true },
                    ChannelStatus { connection: ConnId(2), bound: true },
                ],
                kind: SessionKind::Account,
                user: "al\u{1b}ice".to_owned(),
                signing: Some(SigningAlgorithm::AesGmac),
                signing_required: true,
                cipher: Some(Cipher::Aes128Gcm),
                encryption_required: false,
            }],
            trees: vec![TreeStatus {
                id: TreeId(2),
                session: SessionId(0xab),
                share: "IPC$".to_owned(),
                read_only: false,
                uid: 1000,
                gid: 100,
            }],
            opens: vec![OpenStatus {
                id: OpenId(9),
                session: SessionId(0xab),
                tree: TreeId(2),
                share: "a".to_owned(),
                path: "d/file".to_owned(),
                kind: OpenKind::File,
                file: None,
                uid: 1000,
                access: AccessMask::FILE_READ_DATA | AccessMask::DELETE,
                share_access: ShareAccess::READ,
                caching: CachingStatus {
                    holder: Some(Holder::Open(OpenId(9))),
                    state: LeaseState::READ_CACHING,
                    breaking: true,
                },
                delete_pending: false,
                endurance: OpenEndurance::Durable,
                kept: None,
                locks: vec![LockStatus { offset: 1, length: 2, exclusive: true }],
            }],
            budgets: vec![
                Budget { name: "opens", used: 1, limit: Some(10) },
                Budget { name: "files", used: 1, limit: None },
            ],
            tally: vec![Tally { name: "connections refused", count: 3 }],
        }
    }

    #[test]
    fn programs_are_told_everything() {
        let value = status(&busy(), &settings());
        assert_eq!(
            value["connections"][0],
            json!({
                "id": 1, "address": "10.0.0.7:50000", "local": "10.0.0.1:445",
                "dialect": "3.1.1", "client_guid": "03020100-0504-0706-0809-0a0b0c0d0e0f",
                "signing": "AES-GMAC", "cipher": "AES-128-GCM", "idle_seconds": 3,
                "requests": 12, "waiting": 1,
            })
        );
        assert_eq!(
            value["sessions"][0],
            json!({
                "id": "0xab", "connection": 1, "channels": [
                    { "connection": 1, "address": "10.0.0.7:50000", "bound": true },
                    { "connection": 2, "address": null, "bound": true },
                ],
                "address": "10.0.0.7:50000",
                "dialect": "3.1.1", "kind": "account", "user": "al\u{1b}ice",
                "signing": "AES-GMAC", "signing_required": true, "cipher": "AES-128-GCM",
                "encryption_required": false,
            })
        );
        assert_eq!(
            value["opens"][0],
            json!({
                "id": 9, "session": "0xab", "tree": 2, "share": "a", "path": "d/file",
                "kind": "file", "uid": 1000, "access": "0x10001", "access_letters": "r-d",
                "share_mode": "r--", "caching": "oplock:r--!", "delete_pending": false,
                "when_lost": "durable", "kept_seconds": null,
                "locks": [{ "offset": 1, "length": 2, "exclusive": true }],
            })
        );
        let shares = json!([{ "name": "IPC$", "path": "", "trees": 1, "limit": 65536 }]);
        assert_eq!(value["shares"], shares);
        assert_eq!(value["trees"][0]["share"], "IPC$");
        assert_eq!(value["budgets"][1], json!({ "name": "files", "used": 1, "limit": null }));
        assert_eq!(value["since_start"], json!({ "connections refused": 3 }));
        // A control character is escaped, as JSON has it.
        assert!(value.to_string().contains("al\\u001bice"));
    }

    #[test]
    fn who_has_not_negotiated_has_nothing() {
        let mut status_now = busy();
        status_now.connections[0].negotiated = None;
        let value = status(&status_now, &settings());
        assert_eq!(value["connections"][0]["dialect"], Value::Null);
        assert_eq!(dialect(Dialect(0x02ff)), "0x02ff");
    }
}
