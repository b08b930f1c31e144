//! Settings as text: the lines of a file that would give these settings, with every default said.

use std::fmt;

use ksmbd_core::config::{Encryption, ShareKind};

use super::values::dialect_name;
use super::{GlobalSettings, Settings, ShareSettings, interfaces};

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.global)?;
        self.shares.iter().try_for_each(|share| write!(f, "\n{share}"))
    }
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// A line, if there is something to say.
fn line(f: &mut fmt::Formatter<'_>, key: &str, value: impl fmt::Display) -> fmt::Result {
    match value.to_string() {
        value if value.is_empty() => Ok(()),
        value => writeln!(f, "    {key} = {value}"),
    }
}

fn optional(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    value: Option<impl fmt::Display>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| line(f, key, value))
}

impl fmt::Display for GlobalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[global]\n")?;
        if !self.root_directory.is_empty() {
            let root = &self.root_directory;
            writeln!(f, "    # root directory = {root}: the paths below begin with it")?;
        }
        line(f, "tcp port", self.port)?;
        line(f, "interfaces", interfaces::written(&self.interfaces))?;
        line(f, "bind interfaces only", yes(self.bind_interfaces_only))?;
        line(f, "server string", &self.server_string)?;
        line(f, "netbios name", &self.netbios_name)?;
        line(f, "workgroup", &self.workgroup)?;
        line(f, "server min protocol", dialect_name(self.min_dialect))?;
        line(f, "server max protocol", dialect_name(self.max_dialect))?;
        line(f, "server signing", if self.require_signing { "mandatory" } else { "auto" })?;
        line(
            f,
            "smb3 encryption",
            match self.encryption {
                Encryption::Disabled => "disabled",
                Encryption::Auto => "auto",
                Encryption::Mandatory => "mandatory",
            },
        )?;
        line(f, "smb2 leases", yes(self.leases))?;
        line(f, "durable handles", yes(self.durable_handles))?;
        line(f, "state directory", self.state_directory.display())?;
        line(f, "server multi channel support", yes(self.multi_channel))?;
        line(f, "smb2 max read", self.max_read)?;
        line(f, "smb2 max write", self.max_write)?;
        line(f, "smb2 max trans", self.max_trans)?;
        line(f, "smb2 max credits", self.max_credits)?;
        line(f, "max connections", self.max_connections)?;
        line(f, "max ip connections", self.max_ip_connections)?;
        line(f, "max active sessions", self.max_sessions)?;
        line(f, "max open files", self.max_open_files)?;
        line(f, "deadtime", self.deadtime.as_secs() / 60)?;
        line(f, "failed logons", self.failed_logons)?;
        line(f, "failed logon delay", self.failed_logon_delay.as_secs())?;
        line(f, "guest account", &self.guest_account)?;
        line(f, "map to guest", if self.map_to_guest { "bad user" } else { "never" })?;
        line(f, "restrict anonymous", u8::from(self.restrict_anonymous))?;
        line(f, "share:fake_fscaps", self.fake_fscaps)?;
        match self.smbtorture_hooks {
            true => line(f, "smbtorture hooks", "yes"),
            false => Ok(()),
        }
    }
}

impl fmt::Display for ShareSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = &self.share;
        writeln!(f, "[{}]", share.name)?;
        line(f, "path", &share.path)?;
        line(f, "comment", &share.comment)?;
        line(f, "browseable", yes(self.browseable))?;
        line(f, "guest ok", yes(self.guest_ok))?;
        line(f, "read only", yes(!self.writable))?;
        line(f, "max connections", self.max_connections)?;
        optional(f, "valid users", self.valid_users.as_ref())?;
        optional(f, "invalid users", self.invalid_users.as_ref())?;
        optional(f, "read list", self.read_list.as_ref())?;
        optional(f, "write list", self.write_list.as_ref())?;
        optional(f, "admin users", self.admin_users.as_ref())?;
        optional(f, "hosts allow", self.hosts.allow.as_ref())?;
        optional(f, "hosts deny", self.hosts.deny.as_ref())?;
        line(f, "smb encrypt", if share.encrypt { "required" } else { "default" })?;
        optional(f, "guest account", self.guest_account.as_ref())?;
        optional(f, "force user", self.force_user.as_ref())?;
        optional(f, "force group", self.force_group.as_ref())?;
        if share.kind == ShareKind::Pipe {
            return Ok(());
        }
        line(f, "create mask", format_args!("{:04o}", share.create_mask))?;
        line(f, "directory mask", format_args!("{:04o}", share.directory_mask))?;
        line(f, "force create mode", format_args!("{:04o}", share.force_create_mode))?;
        line(f, "force directory mode", format_args!("{:04o}", share.force_directory_mode))?;
        line(f, "inherit owner", yes(share.inherit_owner))?;
        line(f, "hide dot files", yes(share.hide_dot_files))?;
        if !share.veto.is_empty() {
            line(f, "veto files", format_args!("/{}/", share.veto.patterns().join("/")))?;
        }
        line(f, "store dos attributes", yes(share.store_dos_attributes))?;
        let kept = [(share.acl_xattr, "acl_xattr"), (share.streams, "streams_xattr")];
        let modules: Vec<_> = kept.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        line(f, "vfs objects", modules.join(" "))?;
        line(f, "streams_xattr", if share.streams_nul { "samba" } else { "ksmbd" })?;
        line(f, "oplocks", yes(share.oplocks))?;
        line(f, "follow symlinks", yes(share.follow_symlinks))?;
        line(f, "crossmnt", yes(share.cross_mounts))?;
        line(f, "change notify", yes(share.change_notify))?;
        line(f, "kernel change notify", yes(share.kernel_change_notify))?;
        line(f, "continuous availability", yes(share.continuous))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ksmbd_adduser::ConfFile;

    use super::*;
    use crate::account::Serving;
    use crate::account::tests::accounts;

    fn read(text: &str) -> Settings {
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
        let accounts = accounts(&["alice", "bob"], Serving::Users);
        let loaded = Settings::read(&file, &accounts).expect("loads");
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        loaded.settings
    }

    /// What is shown, read again, is shown the same way.
    #[test]
    fn what_is_shown_gives_the_same_settings() {
        for text in [
            "",
            "[global]\ntcp port = 4450\ninterfaces = eth0 lo\nbind interfaces only = yes\n\
             server min protocol = SMB3_00\nserver signing = mandatory\nsmb3 encryption = \
             disabled\nsmb2 max read = 1M\ndeadtime = 5\nmap to guest = bad user\n\
             restrict anonymous = 1\nmax connections = 3\nshare:fake_fscaps = 64\n\
             [a]\npath = /tmp\ncomment = x\nguest ok = yes\nwritable = yes\n\
             valid users = alice @staff\ninvalid users = bob\nread list = alice\n\
             write list = bob\nadmin users = alice\nhosts allow = 10. fe80::/10 EXCEPT 10.1.1.1\n\
             hosts deny = ALL\nsmb encrypt = default\nguest account = bob\nforce user = alice\nforce group = staff\n\
             create mask = 0600\nvfs objects = acl_xattr streams_xattr\nveto files = /*.exe/.*/\ninherit owner = yes\n\
             follow symlinks = yes\ncrossmnt = no\nchange notify = no\nkernel change notify = no\nmax connections = 2\n",
            "[global]\nsmb encrypt = required\n[a]\npath = /tmp\nsmb encrypt = off\n",
            "[global]\ninterfaces = \"a b\" a,\";if_index=1\"\n[a]\npath = /tmp\nvalid users = @\nhosts allow = ,\n",
        ] {
            let settings = read(text);
            let shown = settings.to_string();
            let again = read(&shown);
            assert_eq!(again.global, settings.global, "{shown}");
            assert_eq!(again.shares, settings.shares, "{shown}");
        }
    }

    #[test]
    fn the_root_directory_is_said_and_already_part_of_the_paths() {
        let settings = read("[global]\nroot directory = /t\n[a]\npath = mp\n");
        let shown = settings.to_string();
        assert!(shown.contains("# root directory = /t: the paths below begin with it"), "{shown}");
        assert!(shown.contains("    path = /tmp\n"), "{shown}");
    }
}
