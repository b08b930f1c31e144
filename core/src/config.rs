//! What the server is told, and what a share is. Plain values: the daemon reads the files.

use crate::{auth::ServerNames, veto::Veto, wire::negotiate::Dialect};
use alloc::string::String;
use core::time::Duration;

/// What a server goes by: from the start, or from [`reconfigure`](crate::server::Server::reconfigure)
/// on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names for NTLM.
    pub names: ServerNames,
    /// ServerGuid of NEGOTIATE.
    pub server_guid: [u8; 16],
    /// Lowest dialect.
    pub min_dialect: Dialect,
    /// Highest dialect.
    pub max_dialect: Dialect,
    /// `server signing = mandatory`.
    pub require_signing: bool,
    /// `smb3 encryption`.
    pub encryption: Encryption,
    /// `server multi channel support`: a session may be used over several connections.
    pub multi_channel: bool,
    /// Bytes of one READ.
    pub max_read: u32,
    /// Bytes of one WRITE.
    pub max_write: u32,
    /// Bytes of a list, a descriptor, an IOCTL.
    pub max_trans: u32,
    /// `durable handles`: opens outlive their connection where the client asks for it.
    pub durable_handles: bool,
    /// Opens outlive the server on shares that are [`continuous`](Share::continuous): there is a place
    /// where they can be written down.
    pub persistent_handles: bool,
    /// Leases of files and directories are granted (`smb2 leases`).
    pub leases: bool,
    /// Sessions without a user may use IPC$ (`restrict anonymous = 0`).
    pub allow_anonymous: bool,
    /// FILE_FILE_SYSTEM attributes that are added to the computed ones (`share:fake_fscaps`).
    pub extra_fs_attributes: u32,
    /// `smbtorture hooks`: the FSCTLs by which smbtorture makes a server under test misbehave.
    pub smbtorture_hooks: bool,
    /// Bounds for every table.
    pub limits: Limits,
}

/// `smb3 encryption`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never offered.
    Disabled,
    /// Offered; a client may use it.
    Auto,
    /// Every session is encrypted; clients that cannot are refused.
    Mandatory,
}

/// Named pipes at once, of all sessions: TOO_MANY_OPENED_FILES. What answers behind a pipe keeps more than an
/// open does: some 650 KiB for a client that asks much and reads nothing. Clients that behave have one for
/// a moment.
pub const MAX_PIPES: usize = 256;

/// Bounds. Each has a refusal and a counter ([`crate::server::Counters`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more are closed at once.
    pub connections: usize,
    /// Connections at once of one address.
    pub connections_per_address: usize,
    /// Sessions at once: INSUFFICIENT_RESOURCES.
    pub sessions: usize,
    /// Sessions of one connection, half-open ones counted: INSUFFICIENT_RESOURCES.
    pub sessions_per_connection: usize,
    /// Connections of one session: INSUFFICIENT_RESOURCES.
    pub channels_per_session: usize,
    /// Tree connects of one session: INSUFFICIENT_RESOURCES.
    pub trees_per_session: usize,
    /// Opens at once: TOO_MANY_OPENED_FILES.
    pub opens: usize,
    /// Opens that outlive their connection, durable and resilient ones; more are not promised
    /// to: a durable one goes with its connection, FSCTL_LMR_REQUEST_RESILIENCY is refused with
    /// INSUFFICIENT_RESOURCES.
    pub durable_opens: usize,
    /// The same, of one client.
    pub durable_opens_per_client: usize,
    /// For how long an open is kept for a client that does not say.
    pub durable_time: Duration,
    /// Opens that outlive the server; more are ordinary durable ones.
    pub persistent_opens: usize,
    /// As `durable_time`, of those.
    pub persistent_time: Duration,
    /// For how long one is kept at most, whatever the client says.
    pub durable_time_max: Duration,
    /// Byte-range locks of one open: INSUFFICIENT_RESOURCES.
    pub locks_per_open: usize,
    /// Byte-range locks of one file, whoever has them: INSUFFICIENT_RESOURCES.
    pub locks_per_file: usize,
    /// Byte-range locks of all opens together, beyond the first few of each:
    /// INSUFFICIENT_RESOURCES.
    pub locks: usize,
    /// Watched directories at once: INSUFFICIENT_RESOURCES.
    pub watches: usize,
    /// Watched directories of one session: INSUFFICIENT_RESOURCES.
    pub watches_per_session: usize,
    /// Bytes of changes that nobody has fetched, of all watches together: NOTIFY_ENUM_DIR.
    pub watch_bytes: usize,
    /// Directories that are watched for changes made outside SMB; more are not, and what others
    /// change there is not told.
    pub outside_watches: usize,
    /// Requests of one connection that wait: INSUFFICIENT_RESOURCES.
    pub parked_per_connection: usize,
    /// Bytes of received frames that requests hold while they wait, of all together:
    /// INSUFFICIENT_RESOURCES.
    pub parked_bytes: usize,
    /// Credits a client may hold.
    pub credits: u16,
    /// Attempts of one address at one account's password before the next ones have to wait. The
    /// right password begins the count anew.
    pub free_guesses: u32,
    /// How long such an attempt waits at most; zero: none waits.
    pub guess_delay: Duration,
    /// Addresses with an account of which attempts are remembered; the quietest gives way.
    pub guesses: usize,
    /// Accounts of one address that are remembered apart; further ones are counted together.
    pub guesses_per_address: usize,
    /// Bytes of a frame before the connection has a session.
    pub unauthenticated_frame: usize,
    /// A connection without a session is closed after this.
    pub setup_time: Duration,
    /// How long an acknowledgment of a break is waited for (MS-SMB2 3.3.2.1).
    pub break_time: Duration,
    /// A connection without opens that says nothing is closed after this; zero is never.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 32,
            sessions: 1024,
            sessions_per_connection: 64,
            // As many as Windows has.
            channels_per_session: 32,
            trees_per_session: 128,
            opens: 10_000,
            durable_opens: 4096,
            durable_opens_per_client: 1024,
            durable_time: Duration::from_secs(60),
            persistent_opens: 1024,
            // As long as Windows has it.
            persistent_time: Duration::from_secs(180),
            durable_time_max: Duration::from_secs(300),
            locks_per_open: 4096,
            locks_per_file: 8192,
            locks: 65_536,
            watches: 4096,
            watches_per_session: 512,
            watch_bytes: 8 << 20,
            outside_watches: 4096,
            parked_per_connection: 512,
            parked_bytes: 64 << 20,
            credits: 8192,
            free_guesses: 10,
            guess_delay: Duration::from_secs(5),
            guesses: 1024,
            guesses_per_address: 16,
            unauthenticated_frame: 66 * 1024,
            setup_time: Duration::from_secs(30),
            break_time: Duration::from_secs(35),
            idle_time: Duration::ZERO,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            names: ServerNames::default(),
            server_guid: *b"ksmbd user space",
            min_dialect: Dialect::SMB_2_1,
            max_dialect: Dialect::SMB_3_1_1,
            require_signing: false,
            encryption: Encryption::Auto,
            multi_channel: false,
            max_read: 4 << 20,
            max_write: 4 << 20,
            max_trans: 1 << 20,
            durable_handles: true,
            persistent_handles: false,
            leases: true,
            allow_anonymous: true,
            extra_fs_attributes: 0,
            smbtorture_hooks: false,
            limits: Limits::default(),
        }
    }
}

/// What a share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareKind {
    /// Files.
    Disk,
    /// `IPC$`: named pipes.
    Pipe,
}

/// One share, as it was when a tree was connected to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// As configured.
    pub name: String,
    /// Disk or pipes.
    pub kind: ShareKind,
    /// The directory; empty for pipes.
    pub path: String,
    /// NetShareEnum's remark.
    pub comment: String,
    /// AND for modes of new files.
    pub create_mask: u32,
    /// OR for modes of new files.
    pub force_create_mode: u32,
    /// AND for modes of new directories.
    pub directory_mask: u32,
    /// OR for modes of new directories.
    pub force_directory_mode: u32,
    /// Names that begin with a dot are HIDDEN.
    pub hide_dot_files: bool,
    /// Attributes and creation time are kept in `user.DOSATTRIB`.
    pub store_dos_attributes: bool,
    /// Security descriptors are kept in `security.NTACL` and count (`vfs objects = acl_xattr`).
    pub acl_xattr: bool,
    /// What a session may not read is not listed to it (SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM).
    pub hide_unreadable: bool,
    /// Symbolic links are followed inside the share.
    pub follow_symlinks: bool,
    /// Other file systems mounted below the share are entered.
    pub cross_mounts: bool,
    /// Named streams are kept in `user.DosStream.*` (`vfs objects = streams_xattr`).
    pub streams: bool,
    /// Their values end with a NUL, as Samba writes them; values without are read as well. Without
    /// this they are the stream's bytes and no more, as ksmbd writes them.
    pub streams_nul: bool,
    /// New files belong to the owner of their directory (only root can serve so).
    pub inherit_owner: bool,
    /// Names that are neither shown nor opened nor made.
    pub veto: Veto,
    /// Clients may cache, by oplocks and leases.
    pub oplocks: bool,
    /// Encrypted requests only (SMB2_SHAREFLAG_ENCRYPT_DATA).
    pub encrypt: bool,
    /// `change notify`: CHANGE_NOTIFY is served.
    pub change_notify: bool,
    /// `kernel change notify`: it tells what is changed outside SMB, too.
    pub kernel_change_notify: bool,
    /// `continuous availability`: opens may outlive the server (Share.IsCA).
    pub continuous: bool,
}

impl Share {
    /// A share of files with ksmbd's defaults.
    pub fn disk(name: &str, path: &str) -> Self {
        Self {
            name: name.into(),
            kind: ShareKind::Disk,
            path: path.into(),
            comment: String::new(),
            create_mask: 0o744,
            force_create_mode: 0,
            directory_mask: 0o755,
            force_directory_mode: 0,
            hide_dot_files: true,
            store_dos_attributes: true,
            acl_xattr: false,
            hide_unreadable: false,
            follow_symlinks: false,
            cross_mounts: true,
            streams: false,
            streams_nul: false,
            inherit_owner: false,
            veto: Veto::default(),
            oplocks: true,
            encrypt: false,
            change_notify: true,
            kernel_change_notify: true,
            continuous: false,
        }
    }

    /// `IPC$`.
    pub fn ipc() -> Self {
        Self { kind: ShareKind::Pipe, ..Self::disk("IPC$", "") }
    }
}
