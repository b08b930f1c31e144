//! A share's section, with what it inherits from `[global]`.

use std::path::Path;
use std::sync::Arc;

use ksmbd_adduser::{ConfFile, ConfProblem, Entry, Section, Severity};
use ksmbd_core::config::{Encryption, Share, ShareKind};
use ksmbd_core::veto::Veto;

use super::global::GlobalSettings;
use super::hosts::{HostList, HostRules};
use super::values::{SMB_ENCRYPT, first, limit};
use super::variables::PathPattern;
use super::{UserList, keys};
use crate::account::Accounts;

/// The share of pipes, folded.
pub(super) const IPC: &str = "ipc$";

/// Connections at once of one share, unless the file says otherwise.
const MAX_CONNECTIONS: usize = 128;

/// One share: what the core is told, and what the daemon decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSettings {
    /// For the core; its path is as it was written.
    pub share: Arc<Share>,
    /// The path, if it has variables.
    pub pattern: Option<PathPattern>,
    /// Lists of shares contain it.
    pub browseable: bool,
    /// Guests may use it.
    pub guest_ok: bool,
    /// Changes are allowed, to all who are not on the read list.
    pub writable: bool,
    /// `read list`
    pub read_list: Option<UserList>,
    /// `write list`
    pub write_list: Option<UserList>,
    /// `valid users`
    pub valid_users: Option<UserList>,
    /// `invalid users`
    pub invalid_users: Option<UserList>,
    /// `admin users`: they act as root.
    pub admin_users: Option<UserList>,
    /// `hosts allow` and `hosts deny`
    pub hosts: HostRules,
    /// `force user`
    pub force_user: Option<String>,
    /// `force group`
    pub force_group: Option<String>,
    /// The share's own `guest account`.
    pub guest_account: Option<String>,
    /// `max connections`
    pub max_connections: usize,
}

impl ShareSettings {
    /// A share with ksmbd's defaults: read-only, and every account may use it.
    pub fn new(share: Share) -> Self {
        Self {
            share: Arc::new(share),
            pattern: None,
            browseable: true,
            guest_ok: false,
            writable: false,
            read_list: None,
            write_list: None,
            valid_users: None,
            invalid_users: None,
            admin_users: None,
            hosts: HostRules::default(),
            force_user: None,
            force_group: None,
            guest_account: None,
            max_connections: MAX_CONNECTIONS,
        }
    }

    /// `IPC$`: pipes, for guests too. `restrict anonymous` keeps them out.
    pub fn ipc() -> Self {
        let share = Share { comment: "IPC share".to_owned(), ..Share::ipc() };
        // ksmbd's 128 would be used up by 128 clients that browse.
        Self { guest_ok: true, max_connections: 65_536, ..Self::new(share) }
    }

    /// Whether this is `IPC$`.
    pub fn is_ipc(&self) -> bool {
        self.share.kind == ShareKind::Pipe
    }
}

/// What a share is read with.
pub(super) struct Context<'a> {
    pub(super) file: &'a ConfFile,
    pub(super) global: &'a GlobalSettings,
    pub(super) accounts: &'a Accounts,
}

/// `IPC$` where the file does not have it: it inherits from `[global]` all the same.
pub(super) fn implied_ipc(
    context: &Context<'_>,
    problems: &mut Vec<ConfProblem>,
) -> Option<ShareSettings> {
    Reader { context, own: None, problems, refused: false }.read(ShareSettings::ipc())
}

/// A share's section; none, with errors, if it is not to be served.
pub(super) fn read(
    context: &Context<'_>,
    section: &Section,
    problems: &mut Vec<ConfProblem>,
) -> Option<ShareSettings> {
    let settings = if section.folded_name() == IPC {
        ShareSettings::ipc()
    } else {
        ShareSettings::new(Share::disk(section.name(), ""))
    };
    Reader { context, own: Some(section), problems, refused: false }.read(settings)
}

struct Reader<'a> {
    context: &'a Context<'a>,
    own: Option<&'a Section>,
    problems: &'a mut Vec<ConfProblem>,
    /// There was an error.
    refused: bool,
}

impl<'a> Reader<'a> {
    fn read(mut self, mut settings: ShareSettings) -> Option<ShareSettings> {
        let mut share = (*settings.share).clone();
        if share.kind == ShareKind::Disk {
            settings.pattern = self.read_path(&mut share);
            self.refuse_printers();
        }
        self.read_files(&mut share);
        self.read_continuous(&mut share, settings.pattern.is_some());
        settings.share = Arc::new(share);
        self.read_access(&mut settings);
        self.read_lists(&mut settings);
        self.read_identities(&mut settings);
        (!self.refused).then_some(settings)
    }

    fn read_path(&mut self, share: &mut Share) -> Option<PathPattern> {
        let Some(entry) = self.get(keys::PATH) else {
            let line = self.own.map(Section::line);
            self.problems.push(ConfProblem {
                path: self.context.file.path().to_owned(),
                line,
                section: Some(share.name.clone()),
                key: None,
                what: "the share has no path; it is not served".to_owned(),
                remedy: "write `path = /some/directory` below its name".to_owned(),
                severity: Severity::Error,
            });
            self.refused = true;
            return None;
        };
        // As in ksmbd nothing is put between the two.
        share.path = format!("{}{}", self.context.global.root_directory, entry.value());
        let path = Path::new(&share.path);
        if !path.is_absolute() {
            let what = format!("`{}` does not begin with /", share.path);
            self.error(entry, &what, "write the whole path");
            return None;
        }
        let pattern = match PathPattern::read(&share.path) {
            Ok(pattern) => pattern,
            Err(wrong) => {
                let what = format!("{wrong}, and `{}` is not there", share.path);
                let remedy = "write one of %S, %U, %u, %I, %i, %R, %d, or %% for a percent sign";
                self.error(entry, &what, remedy);
                return None;
            }
        };
        if pattern.is_none() && share.path.contains('%') {
            let what = format!("there is a directory `{}`: it is served as it is", share.path);
            self.warn(entry, &what, "rename it if variables are meant");
        }
        let place = pattern.as_ref().map_or(path, PathPattern::fixed);
        if !place.is_dir() {
            // It may be a disk that is plugged in later.
            let what = format!("there is no directory `{}` now", place.display());
            self.warn(entry, &what, "make it; no restart is needed");
        }
        pattern
    }

    fn refuse_printers(&mut self) {
        if let Some(entry) = self.get(keys::PRINTABLE)
            && entry.boolean(self.problems)
        {
            self.error(entry, "printers are not served", "remove the share, or this line");
        }
    }

    fn read_files(&mut self, share: &mut Share) {
        if let Some(entry) = self.get(&["comment"]) {
            entry.value().clone_into(&mut share.comment);
        }
        self.mask(keys::CREATE_MASK, &mut share.create_mask);
        self.mask(&["force create mode"], &mut share.force_create_mode);
        self.mask(keys::DIRECTORY_MASK, &mut share.directory_mask);
        self.mask(&["force directory mode"], &mut share.force_directory_mode);
        self.switch(&["hide dot files"], &mut share.hide_dot_files);
        self.switch(&["store dos attributes"], &mut share.store_dos_attributes);
        self.switch(&["follow symlinks"], &mut share.follow_symlinks);
        self.switch(&["oplocks"], &mut share.oplocks);
        self.switch(&["crossmnt"], &mut share.cross_mounts);
        self.switch(&["hide unreadable"], &mut share.hide_unreadable);
        self.switch(&["change notify"], &mut share.change_notify);
        self.switch(&["kernel change notify"], &mut share.kernel_change_notify);
        self.switch(&["inherit owner"], &mut share.inherit_owner);
        if share.inherit_owner {
            self.needs_root("inherit owner");
        }
        self.read_veto(share);
        self.read_modules(share);
        self.read_encryption(share);
    }

    /// A persistent handle is a durable one that lasts longer. Whose directory is another one for each
    /// connection would not find it again.
    fn read_continuous(&mut self, share: &mut Share, varies: bool) {
        let names = &["continuous availability"];
        self.switch(names, &mut share.continuous);
        if share.kind == ShareKind::Pipe {
            share.continuous = false;
        }
        let (what, remedy) = if !self.context.global.durable_handles {
            let what = "it has no effect without `durable handles`";
            (what, "write `durable handles = yes` in [global]")
        } else if varies {
            let what = "it has no effect where `path` has variables";
            (what, "name one directory with `path`")
        } else {
            return;
        };
        if std::mem::take(&mut share.continuous)
            && let Some(entry) = self.get(names)
        {
            self.warn(entry, what, remedy);
        }
    }

    /// `vfs objects` has Samba's name for it, as ksmbd has. In which form streams are kept is an
    /// option that neither has: each knows but its own.
    fn read_modules(&mut self, share: &mut Share) {
        if let Some(entry) = self.get(&["vfs objects"]) {
            share.acl_xattr = entry.words().any(|word| word == "acl_xattr");
            share.streams = entry.words().any(|word| word == "streams_xattr");
        }
        let Some(entry) = self.get(&["streams_xattr"]) else {
            return;
        };
        match entry.value().to_ascii_lowercase().as_str() {
            "samba" => share.streams_nul = true,
            "ksmbd" => share.streams_nul = false,
            other => {
                let what = format!("`{other}` is no form of streams: ksmbd's is used");
                self.warn(entry, &what, "write ksmbd or samba");
            }
        }
    }

    fn read_encryption(&mut self, share: &mut Share) {
        let Some(entry) = self.get(keys::ENCRYPT) else {
            return;
        };
        let value = entry.value().to_ascii_lowercase();
        match SMB_ENCRYPT.iter().find(|(word, _)| *word == value) {
            Some((_, required)) => share.encrypt = *required,
            None => {
                let what = format!("`{}` is not known", entry.value());
                self.error(entry, &what, "write required, desired, default or off");
            }
        }
        if share.encrypt && self.context.global.encryption == Encryption::Disabled {
            let what = "nobody can use the share: `smb3 encryption` is disabled";
            self.warn(entry, what, "write `smb3 encryption = auto` in [global]");
        }
    }

    /// `/a/b*/?c/`. Names cannot contain the `/`, so one at either end is for the eye.
    fn read_veto(&mut self, share: &mut Share) {
        let Some(entry) = self.get(&["veto files"]) else {
            return;
        };
        let value = entry.value();
        share.veto = Veto::new(value.split('/').filter(|pattern| !pattern.is_empty()));
        if !value.starts_with('/') {
            let what = "it does not begin with /, so ksmbd would drop its first letter";
            self.warn(entry, what, &format!("write /{}/", value.trim_end_matches('/')));
        }
        if share.veto.is_empty() {
            self.warn(entry, "it names no file", "write patterns between slashes: /*.exe/.*/");
        }
    }

    fn read_access(&mut self, settings: &mut ShareSettings) {
        self.switch(keys::BROWSEABLE, &mut settings.browseable);
        if settings.is_ipc() {
            // ksmbd writes `guest ok` into IPC$ itself, so that [global] does not reach it.
            let own = self.own.and_then(|own| first(own, keys::GUEST_OK));
            settings.guest_ok = own.is_none_or(|entry| entry.boolean(self.problems));
        } else {
            self.switch(keys::GUEST_OK, &mut settings.guest_ok);
        }
        settings.writable = self.writable();
        self.hosts(keys::HOSTS_ALLOW, &mut settings.hosts.allow);
        self.hosts(keys::HOSTS_DENY, &mut settings.hosts.deny);
        // In [global] this is the server's limit.
        if let Some(entry) = self.own.and_then(|own| own.get("max connections")) {
            let limit = limit(entry, self.problems);
            settings.max_connections = limit.unwrap_or(settings.max_connections);
        }
    }

    /// In one section `read only` beats `writable`, `writeable` and `write ok`, the first of which
    /// counts; a share's own word beats `[global]`'s. (ksmbd copies `[global]`'s `read only` into
    /// the share, where it then beats the share's own `writable`.) With no word at all a share is
    /// read-only.
    fn writable(&mut self) -> bool {
        let sections = [self.own, self.context.file.global()];
        for section in sections.into_iter().flatten() {
            let writable = first(section, keys::WRITABLE);
            if let Some(entry) = first(section, keys::READ_ONLY) {
                let before = self.problems.len();
                let allowed = !entry.boolean(self.problems);
                if self.problems.len() > before {
                    // What is neither yes nor no would be no: writable by a slip of the pen.
                    self.problems.truncate(before);
                    let what = format!("`{}` is not a boolean", entry.value());
                    self.error(entry, &what, "write yes or no");
                }
                if let Some(other) = writable
                    && other.boolean(&mut Vec::new()) != allowed
                {
                    self.warn(other, "`read only` says the contrary, and counts", "remove one");
                }
                return allowed;
            }
            if let Some(entry) = writable {
                return entry.boolean(self.problems);
            }
        }
        false
    }

    fn hosts(&mut self, names: &[&str], target: &mut Option<HostList>) {
        let Some(entry) = self.get(names) else {
            return;
        };
        match HostList::parse(entry.words()) {
            Ok(list) => *target = Some(list),
            Err(wrong) => {
                let what = format!("{wrong} cannot be used; the share is not served");
                let remedy = "write addresses: 192.168.1.7, 192.168., 10.0.0.0/8, fe80::/10, ALL, \
                              or EXCEPT between them";
                self.error(entry, &what, remedy);
            }
        }
    }

    fn read_lists(&mut self, settings: &mut ShareSettings) {
        settings.read_list = self.list("read list");
        settings.write_list = self.list("write list");
        settings.valid_users = self.list("valid users");
        settings.invalid_users = self.list("invalid users");
        settings.admin_users = self.list("admin users");
        self.needs_root("admin users");
    }

    fn list(&mut self, key: &str) -> Option<UserList> {
        let entry = self.get(&[key])?;
        // A netgroup may be anybody: taken for a group of the machine it could let people in.
        if let Some(word) = entry.words().find(|word| word.contains(['&', '%'])) {
            let what = format!("`{word}` cannot be used; the share is not served");
            self.error(entry, &what, "write names of users, or @group for a group of this machine");
            return None;
        }
        let list = UserList::of(entry);
        for (kind, name) in list.strangers(self.context.accounts) {
            let what = format!("there is no {kind} `{name}`");
            let remedy = match kind {
                "account" => "add it with ksmbd.adduser, or remove it here",
                _ => "add it with groupadd, or remove it here",
            };
            self.problems.push(entry.problem(Severity::Warning, what, remedy));
        }
        Some(list)
    }

    fn read_identities(&mut self, settings: &mut ShareSettings) {
        // These are not `[global]`'s twice: the global guest account is asked for after the share's.
        let own_guest = self.own.and_then(|own| own.get("guest account"));
        settings.guest_account = self.user(own_guest);
        let (user, group) = (self.get(&["force user"]), self.get(keys::FORCE_GROUP));
        settings.force_user = self.user(user);
        if let Some(entry) = group {
            let name = entry.value();
            if self.context.accounts.unix().group(name) == Ok(None) {
                self.error(entry, &format!("there is no group `{name}`"), "groupadd it");
            }
            settings.force_group = Some(name.to_owned());
        }
        self.needs_root(if user.is_some() { "force user" } else { keys::FORCE_GROUP[0] });
    }

    /// A key that does nothing unless root runs the server.
    fn needs_root(&mut self, name: &str) {
        let names = keys::find(name).map_or(&[][..], |key| key.names);
        if let Some(entry) = self.get(names)
            && !self.context.accounts.serves_users()
        {
            let what = "it has no effect: only root can be somebody else";
            self.warn(entry, what, "run the server as root");
        }
    }

    fn user(&mut self, entry: Option<&Entry>) -> Option<String> {
        let entry = entry?;
        let name = entry.value();
        // Where nobody can say, it is asked again when somebody connects.
        if self.context.accounts.identity(name) == Ok(None) {
            self.error(entry, &format!("there is no Unix user `{name}`"), "useradd it");
        }
        Some(name.to_owned())
    }

    /// The share's own entry, else `[global]`'s.
    fn get(&self, names: &[&str]) -> Option<&'a Entry> {
        let own = self.own.and_then(|own| first(own, names));
        own.or_else(|| self.context.file.global().and_then(|global| first(global, names)))
    }

    fn switch(&mut self, names: &[&str], target: &mut bool) {
        if let Some(entry) = self.get(names) {
            *target = entry.boolean(self.problems);
        }
    }

    fn mask(&mut self, names: &[&str], target: &mut u32) {
        if let Some(entry) = self.get(names)
            && let Some(mask) = entry.octal(self.problems)
        {
            *target = mask;
        }
    }

    fn warn(&mut self, entry: &Entry, what: &str, remedy: &str) {
        self.problems.push(entry.problem(Severity::Warning, what, remedy));
    }

    /// The share is not served.
    fn error(&mut self, entry: &Entry, what: &str, remedy: &str) {
        self.refused = true;
        self.problems.push(entry.problem(Severity::Error, what, remedy));
    }
}
