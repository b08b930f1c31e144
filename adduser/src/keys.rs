//! Every key of `ksmbd.conf`: where it may stand, and what its value looks like. What is made of it
//! is mountd's.

use Kind::{Between, Number, Octal, Size, Switch, Text, Word};

use crate::{ConfProblem, Entry, Severity};

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `[global]` alone.
    Global,
    /// In a share; in `[global]` it is the default of every share.
    Share,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    Switch,
    /// A decimal number.
    Number,
    /// A decimal number, not below the first and not above the second of these.
    Between(u64, u64),
    /// One of these, in any case.
    Word(&'static [&'static str]),
    /// Permissions in octal.
    Octal,
    /// Bytes, with a unit behind them or none.
    Size,
    /// Names, lists, anything.
    Text,
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Synonyms, ksmbd's or Samba's; the first is the one to write.
    pub names: &'static [&'static str],
    /// Where it may stand.
    pub place: Place,
    /// What its value looks like.
    pub kind: Kind,
}

impl Key {
    /// The name to write.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// What is odd about the form of a value.
    pub fn doubts(&self, entry: &Entry) -> Vec<ConfProblem> {
        let mut problems = Vec::new();
        match self.kind {
            Switch => {
                entry.boolean(&mut problems);
            }
            Number => {
                entry.number(0..=u64::MAX, &mut problems);
            }
            Between(low, high) => {
                entry.number(low..=high, &mut problems);
            }
            Word(words) => {
                if !words.iter().any(|word| word.eq_ignore_ascii_case(entry.value())) {
                    let what = format!("`{}` is not known", entry.value());
                    let remedy = format!("write one of: {}", words.join(", "));
                    problems.push(entry.problem(Severity::Warning, what, remedy));
                }
            }
            Octal => {
                entry.octal(&mut problems);
            }
            Size => {
                entry.size(&mut problems);
            }
            Text => {}
        }
        problems
    }
}

const fn global(names: &'static [&'static str], kind: Kind) -> Key {
    Key { names, place: Place::Global, kind }
}

const fn share(names: &'static [&'static str], kind: Kind) -> Key {
    Key { names, place: Place::Share, kind }
}

/// All of them, in the order of the documentation.
pub const KEYS: &[Key] = &[
    global(&["bind interfaces only"], Switch),
    global(&["interfaces"], Text),
    global(&["tcp port"], Between(1, 65_535)),
    global(&["server string"], Text),
    global(&["netbios name"], Text),
    global(&["workgroup"], Text),
    global(MIN_PROTOCOL, Word(OLDEST)),
    global(MAX_PROTOCOL, Word(PROTOCOLS)),
    global(&["server signing"], Word(SIGNING)),
    global(&["smb3 encryption"], Word(ENCRYPTION)),
    global(&["server multi channel support"], Switch),
    global(&["smb2 leases"], Switch),
    global(&["durable handles"], Switch),
    global(&["state directory"], Text),
    global(&["smb2 max read"], Size),
    global(&["smb2 max write"], Size),
    global(&["smb2 max trans"], Size),
    global(&["smb2 max credits"], Number),
    global(&["smbd max io size"], Size),
    global(&["max ip connections"], Number),
    global(&["max active sessions"], Number),
    global(&["max open files"], Number),
    global(&["deadtime"], Number),
    global(&["failed logons"], Number),
    global(&["failed logon delay"], Number),
    global(&["ipc timeout"], Number),
    global(&["map to guest"], Word(&["never", "bad user", "bad password", "bad uid"])),
    global(&["restrict anonymous"], Word(&["0", "1", "2"])),
    global(&["kerberos support"], Switch),
    global(&["kerberos service name"], Text),
    global(&["kerberos keytab file"], Text),
    global(ROOT_DIRECTORY, Text),
    global(&["share:fake_fscaps"], Number),
    global(&["aapl model"], Text),
    global(&["smbtorture hooks"], Switch),
    // In [global] these two are the server's own as well.
    share(&["max connections"], Number),
    share(&["guest account"], Text),
    share(PATH, Text),
    share(&["comment"], Text),
    share(BROWSEABLE, Switch),
    share(GUEST_OK, Switch),
    share(READ_ONLY, Switch),
    share(WRITABLE, Switch),
    share(&["read list"], Text),
    share(&["write list"], Text),
    share(&["valid users"], Text),
    share(&["invalid users"], Text),
    share(&["admin users"], Text),
    share(HOSTS_ALLOW, Text),
    share(HOSTS_DENY, Text),
    share(ENCRYPT, Word(SMB_ENCRYPT)),
    share(CREATE_MASK, Octal),
    share(DIRECTORY_MASK, Octal),
    share(&["force create mode"], Octal),
    share(&["force directory mode"], Octal),
    share(&["force user"], Text),
    share(FORCE_GROUP, Text),
    share(&["inherit owner"], Switch),
    share(&["hide dot files"], Switch),
    share(&["veto files"], Text),
    share(&["oplocks"], Switch),
    share(&["store dos attributes"], Switch),
    share(&["follow symlinks"], Switch),
    share(&["crossmnt"], Switch),
    share(&["vfs objects"], Text),
    share(&["streams_xattr"], Word(&["ksmbd", "samba"])),
    share(&["change notify"], Switch),
    share(&["kernel change notify"], Switch),
    share(&["time machine"], Switch),
    share(&["continuous availability"], Switch),
    share(&["hide unreadable"], Switch),
    share(&["wide links"], Switch),
    share(PRINTABLE, Switch),
];

/// What may be written for a dialect.
const PROTOCOLS: &[&str] =
    &["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11", "SMB3", "SMB2", "SMB2_22", "SMB2_24"];
/// ksmbd's words, then Samba's.
const SIGNING: &[&str] =
    &["auto", "mandatory", "disabled", "enabled", "required", "default", "desired"];
/// The same, of encryption.
const ENCRYPTION: &[&str] =
    &["auto", "mandatory", "disabled", "enabled", "required", "default", "desired", "off"];
/// `smb encrypt`
const SMB_ENCRYPT: &[&str] = &[
    "required",
    "mandatory",
    "desired",
    "if_required",
    "enabled",
    "auto",
    "default",
    "disabled",
    "off",
    "no",
    "false",
];
/// Samba's, and those of an SMB that there is no more; mountd says what it takes them for.
const OLDEST: &[&str] = &[
    "SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11", "SMB3", "SMB2", "SMB2_22", "SMB2_24",
    "NT1", "LANMAN1", "LANMAN2", "COREPLUS", "CORE",
];
/// `server min protocol`
pub const MIN_PROTOCOL: &[&str] = &["server min protocol", "min protocol"];
/// `server max protocol`
pub const MAX_PROTOCOL: &[&str] = &["server max protocol", "max protocol", "protocol"];
/// `root directory`
pub const ROOT_DIRECTORY: &[&str] = &["root directory", "root dir", "root"];
/// `path`
pub const PATH: &[&str] = &["path", "directory"];
/// `browseable`
pub const BROWSEABLE: &[&str] = &["browseable", "browsable"];
/// `guest ok`
pub const GUEST_OK: &[&str] = &["guest ok", "public"];
/// `read only`
pub const READ_ONLY: &[&str] = &["read only"];
/// The first that is there counts.
pub const WRITABLE: &[&str] = &["writable", "writeable", "write ok"];
/// `hosts allow`
pub const HOSTS_ALLOW: &[&str] = &["hosts allow", "allow hosts"];
/// `hosts deny`
pub const HOSTS_DENY: &[&str] = &["hosts deny", "deny hosts"];
/// Samba's: a share's own encryption.
pub const ENCRYPT: &[&str] = &["smb encrypt", "server smb encrypt"];
/// Samba's. A spool directory that is served as a share of files would be a surprise.
pub const PRINTABLE: &[&str] = &["printable", "print ok"];
/// `create mask`
pub const CREATE_MASK: &[&str] = &["create mask", "create mode"];
/// `directory mask`
pub const DIRECTORY_MASK: &[&str] = &["directory mask", "directory mode"];
/// `force group`
pub const FORCE_GROUP: &[&str] = &["force group", "group"];

/// The key of a name, given in lower case.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.names.contains(&name))
}

/// The name of a key that differs by at most two letters.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .flat_map(|key| key.names.iter())
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, known)| *distance <= 2 && *distance * 3 < known.len())
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's distance: letters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&b) {
            let change = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = change.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_ksmbd_is_known() {
        let known = "bind interfaces only,interfaces,tcp port,server string,netbios name,\
            workgroup,server min protocol,server max protocol,server signing,smb3 encryption,\
            server multi channel support,smb2 leases,durable handles,smb2 max read,\
            smb2 max write,smb2 max trans,smb2 max credits,smbd max io size,max connections,\
            max ip connections,max active sessions,max open files,deadtime,ipc timeout,\
            guest account,map to guest,restrict anonymous,kerberos support,\
            kerberos service name,kerberos keytab file,root directory,share:fake_fscaps,path,\
            comment,browseable,guest ok,read only,writable,writeable,write ok,read list,\
            write list,valid users,invalid users,create mask,directory mask,force create mode,\
            force directory mode,force user,force group,inherit owner,hide dot files,veto files,\
            oplocks,store dos attributes,follow symlinks,crossmnt,vfs objects,admin users,\
            hosts allow,hosts deny,time machine,aapl model";
        for name in known.split(',').map(str::trim) {
            assert!(find(name).is_some(), "{name}");
        }
        assert!(find("public").is_some_and(|key| key.name() == "guest ok"));
    }

    #[test]
    fn no_name_is_two_keys() {
        let mut names: Vec<_> = KEYS.iter().flat_map(|key| key.names).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("pth"), Some("path"));
        assert_eq!(nearest("x"), None);
    }
}
