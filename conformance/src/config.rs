//! The configuration that a server under test is given.

use std::fmt::Write as _;
use std::path::Path;

/// The accounts that every server under test has.
pub(crate) const USERS: [(&str, &str); 2] = [("ksmbd1", "first-Pass1"), ("ksmbd2", "second-Pass2")];

/// The system accounts that stand for them under smbd, which has no others.
const SAMBA_USERS: [&str; 2] = ["daemon", "games"];

/// Which server is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ksmbd,
    /// Debian's smbd: to develop the runner, and to compare speeds.
    Samba,
}

/// A share: its name, and its lines besides the path.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) lines: Vec<String>,
    /// The mode of its directory.
    pub(crate) mode: u32,
    /// It is each connection's own directory below that one.
    pub(crate) dynamic: bool,
}

/// As many connections can use a dynamic share.
pub(crate) const DYNAMIC: u64 = 64;

impl Share {
    pub(crate) fn new(name: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Self { name: name.to_owned(), lines, mode: 0o777, dynamic: false }
    }
}

/// A server's set-up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Names its files and its entry in the report.
    pub(crate) name: String,
    pub(crate) global: Vec<String>,
    pub(crate) shares: Vec<Share>,
    /// Limits are what they are when nobody says otherwise.
    pub(crate) plain: bool,
    /// Of the server's process, besides what it inherits.
    pub(crate) environment: Vec<(String, String)>,
}

const STREAMS: &str = "vfs objects = acl_xattr streams_xattr";

impl Setup {
    /// For smbtorture: a share a job, and the fixed names that some tests want.
    pub(crate) fn torture(name: &str, jobs: usize, global: &[String]) -> Self {
        let plain = ["read only = no", STREAMS];
        let mut shares: Vec<Share> =
            (0..jobs).map(|job| Share::new(&format!("torture{job}"), &plain)).collect();
        let mut noperm = Share::new("noperm", &plain);
        noperm.mode = 0o000;
        shares.push(noperm);
        shares
            .push(Share::new("hideunread", &["read only = no", STREAMS, "hide unreadable = yes"]));
        shares.push(Share { dynamic: true, ..Share::new("dynamic_share", &plain) });
        // For what takes an administrator's privileges, as smbtorture's user has them on Windows.
        // One a leaf: a share is emptied before each of its leaves.
        for name in ["admin1", "admin2", "admin3"] {
            shares.push(Share::new(name, &["read only = no", STREAMS, "force user = root"]));
        }
        shares.push(Share::new("nostreams", &["read only = no"]));
        let lasting = ["read only = no", STREAMS, "continuous availability = yes"];
        shares.push(Share::new("lasting", &lasting));
        let mut lines: Vec<String> =
            ["server multi channel support = yes", "smb2 leases = yes", "durable handles = yes"]
                .map(str::to_owned)
                .to_vec();
        lines.extend_from_slice(global);
        Self { name: name.to_owned(), global: lines, shares, plain: false, environment: Vec::new() }
    }

    /// For real clients: shares of every kind of permission.
    pub(crate) fn clients(name: &str, global: &[&str]) -> Self {
        let shares = vec![
            Share::new("files", &["read only = no", "comment = Files of all users"]),
            Share::new("readonly", &["read only = yes"]),
            Share::new("restricted", &["read only = no", "valid users = ksmbd2"]),
            Share::new("hidden", &["read only = no", "browseable = no"]),
            Share::new("full", &["read only = no"]),
            Share::new("public", &["read only = no", "guest ok = yes"]),
        ];
        let global = global.iter().map(|&line| line.to_owned()).collect();
        Self { name: name.to_owned(), global, shares, plain: false, environment: Vec::new() }
    }
}

impl Setup {
    /// The same, and a share whose handles outlive the server.
    pub(crate) fn persistent(name: &str, global: &[&str]) -> Self {
        let wanted = ["smb2 leases = yes", "durable handles = yes"];
        let mut setup = Self::clients(name, &[&wanted, global].concat());
        let lines = ["read only = no", "create mask = 0666", "continuous availability = yes"];
        setup.shares.push(Share::new("lasting", &lines));
        setup
    }
}

/// `ksmbd.conf`; share directories lie below `shares`.
pub(crate) fn ksmbd_conf(setup: &Setup, shares: &Path) -> String {
    let mut text = String::from("[global]\n");
    if !setup.global.iter().any(|line| line.starts_with("interfaces")) {
        text += "bind interfaces only = yes\ninterfaces = lo\n";
    }
    text += "server min protocol = SMB2_02\nshare:fake_fscaps = 0\n";
    if !setup.plain {
        text += "smb2 max trans = 8MB\nmax connections = 1024\nmax ip connections = 1024\n";
    }
    let state = shares.with_file_name("state");
    let _ = writeln!(text, "state directory = {}", state.display());
    for line in &setup.global {
        let _ = writeln!(text, "{line}");
    }
    for share in &setup.shares {
        let path = shares.join(if share.dynamic {
            format!("{}/%d", share.name)
        } else {
            share.name.clone()
        });
        let _ = writeln!(text, "[{}]\npath = {}", share.name, path.display());
        for line in &share.lines {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// smbd's `smb.conf` for the same set-up; everything private lies below `private`.
pub(crate) fn samba_conf(setup: &Setup, shares: &Path, private: &Path, port: u16) -> String {
    let private = private.display();
    let mut text = format!(
        "[global]\n\
         private dir = {private}\n\
         lock directory = {private}\n\
         state directory = {private}\n\
         cache directory = {private}\n\
         pid directory = {private}\n\
         binddns dir = {private}\n\
         ncalrpc dir = {private}/ncalrpc\n\
         passdb backend = smbpasswd:{private}/smbpasswd\n\
         username map = {private}/users\n\
         smb ports = {port}\n\
         interfaces = 127.0.0.1/8\n\
         bind interfaces only = yes\n\
         disable netbios = yes\n\
         load printers = no\n\
         printcap name = /dev/null\n\
         server min protocol = SMB2_02\n\
         ea support = yes\n\
         store dos attributes = yes\n"
    );
    let ours = ["smb2 leases", "server multi channel", "durable handles", "vfs objects"];
    let known = |line: &&String| !ours.iter().any(|key| line.starts_with(key));
    for line in setup.global.iter().filter(known) {
        let _ = writeln!(text, "{line}");
    }
    for share in &setup.shares {
        let _ = writeln!(text, "[{}]\npath = {}", share.name, shares.join(&share.name).display());
        let _ = writeln!(text, "force user = root");
        for line in share.lines.iter().filter(known) {
            let line = line.replace(USERS[0].0, SAMBA_USERS[0]).replace(USERS[1].0, SAMBA_USERS[1]);
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// smbd's map from our account names to system accounts, and those accounts with their passwords.
pub(crate) fn samba_users() -> (String, [(&'static str, &'static str); 2]) {
    let map =
        USERS.iter().zip(SAMBA_USERS).map(|((user, _), system)| format!("{system} = {user}\n"));
    (map.collect(), [(SAMBA_USERS[0], USERS[0].1), (SAMBA_USERS[1], USERS[1].1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_get_every_share() {
        let setup = Setup::torture("t", 4, &["server signing = mandatory".to_owned()]);
        let ours = ksmbd_conf(&setup, Path::new("/s"));
        let samba = samba_conf(&setup, Path::new("/s"), Path::new("/p"), 4567);
        assert!(ours.contains("[dynamic_share]\npath = /s/dynamic_share/%d\n"));
        for share in ["torture0", "torture3", "noperm", "hideunread"] {
            let section = format!("[{share}]\npath = /s/{share}\n");
            assert!(ours.contains(&section) && samba.contains(&section), "{share}");
        }
        assert!(ours.contains("share:fake_fscaps = 0\n"));
        assert!(ours.contains("server signing = mandatory\n"));
        assert!(samba.contains("smb ports = 4567\n") && !samba.contains("smb2 leases"));
    }
}
