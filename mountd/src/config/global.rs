//! `[global]`: what the server is told once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ksmbd_adduser::{ConfProblem, Section, Severity, paths};
use ksmbd_core::auth::ServerNames;
use ksmbd_core::config::{Config, Encryption, Limits};
use ksmbd_core::wire::negotiate::Dialect;

use super::values::{ENCRYPTION, Reader, SIGNING, first, number};
use super::{interfaces, keys};

/// `[global]`, with ksmbd's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalSettings {
    /// `tcp port`
    pub port: u16,
    /// `interfaces`
    pub interfaces: Vec<String>,
    /// `bind interfaces only`
    pub bind_interfaces_only: bool,
    /// `server string`: at most 63 bytes.
    pub server_string: String,
    /// `netbios name`: at most 15 bytes.
    pub netbios_name: String,
    /// `workgroup`: at most 63 bytes.
    pub workgroup: String,
    /// `server min protocol`
    pub min_dialect: Dialect,
    /// `server max protocol`
    pub max_dialect: Dialect,
    /// `server signing = mandatory`
    pub require_signing: bool,
    /// `smb3 encryption`
    pub encryption: Encryption,
    /// `server multi channel support`
    pub multi_channel: bool,
    /// `smb2 max read`
    pub max_read: u32,
    /// `smb2 max write`
    pub max_write: u32,
    /// `smb2 leases`
    pub leases: bool,
    /// `durable handles`
    pub durable_handles: bool,
    /// `state directory`: where what outlives the server is kept.
    pub state_directory: PathBuf,
    /// `smb2 max trans`
    pub max_trans: u32,
    /// `smb2 max credits`
    pub max_credits: u16,
    /// `max connections`
    pub max_connections: usize,
    /// `max ip connections`
    pub max_ip_connections: usize,
    /// `max active sessions`
    pub max_sessions: usize,
    /// `max open files`
    pub max_open_files: usize,
    /// `deadtime`; zero is never.
    pub deadtime: Duration,
    /// `failed logons`: of one account, from one address, before attempts wait.
    pub failed_logons: u32,
    /// `failed logon delay`: at most; zero is none.
    pub failed_logon_delay: Duration,
    /// `guest account`
    pub guest_account: String,
    /// `map to guest = bad user`
    pub map_to_guest: bool,
    /// `restrict anonymous`: 1 and 2 are the same, as in ksmbd.
    pub restrict_anonymous: bool,
    /// `root directory`: written before every share's path as it is.
    pub root_directory: String,
    /// `share:fake_fscaps`. ksmbd's default is 64, FILE_SUPPORTS_SPARSE_FILES; here nothing is
    /// advertised that is not there, unless the file says so.
    pub fake_fscaps: u32,
    /// `smbtorture hooks`
    pub smbtorture_hooks: bool,
}

impl Default for GlobalSettings {
    fn default() -> Self {
        Self {
            port: 445,
            interfaces: Vec::new(),
            bind_interfaces_only: false,
            server_string: "SMB SERVER".to_owned(),
            netbios_name: "KSMBD SERVER".to_owned(),
            workgroup: "WORKGROUP".to_owned(),
            min_dialect: Dialect::SMB_2_1,
            max_dialect: Dialect::SMB_3_1_1,
            require_signing: false,
            encryption: Encryption::Auto,
            multi_channel: false,
            max_read: 4 << 20,
            max_write: 4 << 20,
            leases: false,
            durable_handles: false,
            state_directory: paths::state(),
            max_trans: 1 << 20,
            max_credits: 8192,
            max_connections: 256,
            max_ip_connections: 32,
            max_sessions: 1024,
            max_open_files: 10_000,
            deadtime: Duration::ZERO,
            failed_logons: 10,
            failed_logon_delay: Duration::from_secs(5),
            guest_account: "nobody".to_owned(),
            map_to_guest: false,
            restrict_anonymous: false,
            root_directory: String::new(),
            fake_fscaps: 0,
            smbtorture_hooks: false,
        }
    }
}

impl GlobalSettings {
    /// What the core is told. `server_guid` names this server to clients with several ways to it.
    pub fn config(&self, server_guid: [u8; 16]) -> Config {
        let limits = Limits {
            connections: self.max_connections,
            connections_per_address: self.max_ip_connections,
            sessions: self.max_sessions,
            opens: self.max_open_files,
            credits: self.max_credits,
            idle_time: self.deadtime,
            free_guesses: self.failed_logons,
            guess_delay: self.failed_logon_delay,
            ..Limits::default()
        };
        Config {
            names: self.names(),
            server_guid,
            min_dialect: self.min_dialect,
            max_dialect: self.max_dialect,
            require_signing: self.require_signing,
            encryption: self.encryption,
            multi_channel: self.multi_channel,
            max_read: self.max_read,
            max_write: self.max_write,
            max_trans: self.max_trans,
            leases: self.leases,
            durable_handles: self.durable_handles,
            // Whoever has opened the journal knows.
            persistent_handles: false,
            // `restrict anonymous` is a rule of shares: see `admit`.
            allow_anonymous: true,
            extra_fs_attributes: self.fake_fscaps,
            smbtorture_hooks: self.smbtorture_hooks,
            limits,
        }
    }

    /// Takes over from `old` what a running server cannot change: where it listens. Returns the keys
    /// that had another value.
    pub fn keep_listening(&mut self, old: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        if self.port != old.port {
            kept.push("tcp port");
        }
        if self.bind_interfaces_only != old.bind_interfaces_only {
            kept.push("bind interfaces only");
        }
        // Without the switch the list is only told to clients.
        if self.bind_interfaces_only || old.bind_interfaces_only {
            if self.interfaces != old.interfaces {
                kept.push("interfaces");
            }
            old.interfaces.clone_into(&mut self.interfaces);
        }
        self.port = old.port;
        self.bind_interfaces_only = old.bind_interfaces_only;
        kept
    }

    /// What NTLM tells clients about this server (MS-NLMP 2.2.2.1).
    fn names(&self) -> ServerNames {
        let short = |name: &str| {
            let upper = name.to_uppercase();
            upper.chars().take(15).collect()
        };
        let node = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
        ServerNames {
            netbios_computer: short(&self.netbios_name),
            netbios_domain: short(&self.workgroup),
            dns_domain: node
                .split_once('.')
                .map(|(_, domain)| domain.to_owned())
                .unwrap_or_default(),
            dns_computer: node,
        }
    }

    pub(super) fn read(section: Option<&Section>, problems: &mut Vec<ConfProblem>) -> Self {
        let mut settings = Self::default();
        if let Some(section) = section {
            let mut reader = Reader { section, problems };
            settings.read_names(&mut reader);
            settings.read_network(&mut reader);
            settings.read_protocol(&mut reader);
            settings.read_limits(&mut reader);
            settings.read_guests(&mut reader);
        }
        settings
    }

    fn read_names(&mut self, reader: &mut Reader<'_>) {
        reader.text(&["server string"], 63, &mut self.server_string);
        reader.text(&["netbios name"], 15, &mut self.netbios_name);
        reader.text(&["workgroup"], 63, &mut self.workgroup);
        reader.text(keys::ROOT_DIRECTORY, usize::MAX, &mut self.root_directory);
    }

    fn read_network(&mut self, reader: &mut Reader<'_>) {
        // A server on another port than was meant is not reached: better not to start.
        if let Some(entry) = reader.section.get("tcp port") {
            match entry.value().parse() {
                Ok(port @ 1..) => self.port = port,
                _ => reader.error(entry, "is not a port", "write a number from 1 to 65535"),
            }
        }
        if let Some(entry) = reader.section.get("interfaces") {
            self.interfaces = interfaces::words(entry.value());
            interfaces::check(entry, &self.interfaces, reader.problems);
        }
        self.bind_interfaces_only = reader.boolean("bind interfaces only").unwrap_or(false);
        if self.bind_interfaces_only
            && self.interfaces.is_empty()
            && let Some(entry) = reader.section.get("bind interfaces only")
        {
            reader.error(entry, "leaves no interface", "name some with `interfaces`");
        }
    }

    fn read_protocol(&mut self, reader: &mut Reader<'_>) {
        if let Some(entry) = first(reader.section, keys::MIN_PROTOCOL) {
            self.min_dialect = reader.dialect(entry, true).unwrap_or(self.min_dialect);
        }
        if let Some(entry) = first(reader.section, keys::MAX_PROTOCOL) {
            self.max_dialect = reader.dialect(entry, false).unwrap_or(self.max_dialect);
            if number(self.min_dialect) > number(self.max_dialect) {
                let remedy = "write a `server min protocol` that is not above it";
                reader.error(
                    entry,
                    "is below the minimum, SMB2_10 unless the file says so",
                    remedy,
                );
            }
        }
        let signing = reader.strict("server signing", SIGNING);
        self.require_signing = signing.unwrap_or(self.require_signing);
        self.multi_channel =
            reader.boolean("server multi channel support").unwrap_or(self.multi_channel);
        let encryption = reader.strict("smb3 encryption", ENCRYPTION);
        self.encryption = encryption.unwrap_or(self.encryption);
        if let Some(entry) = reader.section.get("smb3 encryption")
            && self.encryption == Encryption::Mandatory
            && number(self.max_dialect) < number(Dialect::SMB_3_0)
        {
            let remedy = "raise `server max protocol` to SMB3_00 or above";
            reader.error(entry, "cannot be had: SMB2 has no encryption", remedy);
        }
    }

    fn read_limits(&mut self, reader: &mut Reader<'_>) {
        self.leases = reader.boolean("smb2 leases").unwrap_or(false);
        self.durable_handles = reader.boolean("durable handles").unwrap_or(false);
        self.read_state_directory(reader);
        reader.io_size("smb2 max read", &mut self.max_read);
        reader.io_size("smb2 max write", &mut self.max_write);
        reader.io_size("smb2 max trans", &mut self.max_trans);
        if let Some(entry) = reader.section.get("smb2 max credits")
            && let Some(credits) = entry.number(1..=65535, reader.problems)
        {
            self.max_credits = u16::try_from(credits).unwrap_or(u16::MAX);
        }
        reader.limit("max connections", &mut self.max_connections);
        reader.limit("max ip connections", &mut self.max_ip_connections);
        reader.limit("max active sessions", &mut self.max_sessions);
        reader.limit("max open files", &mut self.max_open_files);
        if let Some(entry) = reader.section.get("deadtime")
            && let Some(minutes) = entry.number(0..=u64::from(u32::MAX), reader.problems)
        {
            self.deadtime = Duration::from_secs(minutes * 60);
        }
        if let Some(entry) = reader.section.get("failed logons")
            && let Some(free) = entry.number(0..=1000, reader.problems)
        {
            self.failed_logons = u32::try_from(free).unwrap_or_default();
        }
        // A client that is not answered for longer gives up; and a connection without a session ends.
        if let Some(entry) = reader.section.get("failed logon delay")
            && let Some(seconds) = entry.number(0..=20, reader.problems)
        {
            self.failed_logon_delay = Duration::from_secs(seconds);
        }
        if let Some(entry) = reader.section.get("share:fake_fscaps")
            && let Some(bits) = entry.number(0..=u64::from(u32::MAX), reader.problems)
        {
            self.fake_fscaps = u32::try_from(bits).unwrap_or_default();
        }
        self.smbtorture_hooks = reader.boolean("smbtorture hooks").unwrap_or(false);
        if self.smbtorture_hooks
            && let Some(entry) = reader.section.get("smbtorture hooks")
        {
            let what = "any client can make this server misbehave";
            let remedy = "remove the line where tests are not run";
            reader.problems.push(entry.problem(Severity::Warning, what, remedy));
        }
    }

    fn read_state_directory(&mut self, reader: &mut Reader<'_>) {
        if let Some(entry) = reader.section.get("state directory") {
            let path = Path::new(entry.value());
            match path.is_absolute() {
                true => self.state_directory = path.to_owned(),
                false => reader.error(entry, "does not begin with /", "write the whole path"),
            }
        }
    }

    fn read_guests(&mut self, reader: &mut Reader<'_>) {
        reader.text(&["guest account"], usize::MAX, &mut self.guest_account);
        if let Some(entry) = reader.section.get("map to guest") {
            match entry.value().to_ascii_lowercase().as_str() {
                "never" => {}
                "bad user" => self.map_to_guest = true,
                "bad password" | "bad uid" => {
                    let what = format!("`{}` is not supported, never is used", entry.value());
                    let problem = entry.problem(Severity::Warning, what, "write never or bad user");
                    reader.problems.push(problem);
                }
                _ => reader.error(entry, "is not known", "write never or bad user"),
            }
        }
        if let Some(entry) = reader.section.get("restrict anonymous") {
            match entry.value() {
                "0" => self.restrict_anonymous = false,
                "1" | "2" => self.restrict_anonymous = true,
                _ => reader.error(entry, "is not known", "write 0, 1 or 2"),
            }
        }
    }
}
