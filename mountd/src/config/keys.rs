//! Every key of `ksmbd.conf`, and what is made of it.

use ksmbd_adduser::{ConfFile, ConfProblem, Entry, Section, Severity};

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In `[global]` alone.
    Global,
    /// In a share; in `[global]` it is the default of every share.
    Share,
}

/// What is made of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It does what it says.
    Honoured,
    /// A switch that is not supported yet: a warning when it is on.
    SwitchNotYet,
    /// Not supported yet: a warning.
    NotYet,
}

use Place::{Global, Share};
use Use::{Honoured, NotYet, SwitchNotYet};

/// Names on one line are synonyms, ksmbd's or Samba's; the first is the one to write.
const KEYS: &[(&[&str], Place, Use)] = &[
    (&["bind interfaces only"], Global, Honoured),
    (&["interfaces"], Global, Honoured),
    (&["tcp port"], Global, Honoured),
    (&["server string"], Global, Honoured),
    (&["netbios name"], Global, Honoured),
    (&["workgroup"], Global, Honoured),
    (MIN_PROTOCOL, Global, Honoured),
    (MAX_PROTOCOL, Global, Honoured),
    (&["server signing"], Global, Honoured),
    (&["smb3 encryption"], Global, Honoured),
    (&["server multi channel support"], Global, SwitchNotYet),
    (&["smb2 leases"], Global, SwitchNotYet),
    (&["durable handles"], Global, SwitchNotYet),
    (&["smb2 max read"], Global, Honoured),
    (&["smb2 max write"], Global, Honoured),
    (&["smb2 max trans"], Global, Honoured),
    (&["smb2 max credits"], Global, Honoured),
    (&["smbd max io size"], Global, NotYet),
    (&["max ip connections"], Global, Honoured),
    (&["max active sessions"], Global, Honoured),
    (&["max open files"], Global, Honoured),
    (&["deadtime"], Global, Honoured),
    (&["ipc timeout"], Global, NotYet),
    (&["map to guest"], Global, Honoured),
    (&["restrict anonymous"], Global, Honoured),
    (&["kerberos support"], Global, SwitchNotYet),
    (&["kerberos service name"], Global, NotYet),
    (&["kerberos keytab file"], Global, NotYet),
    (ROOT_DIRECTORY, Global, Honoured),
    (&["share:fake_fscaps"], Global, Honoured),
    (&["aapl model"], Global, NotYet),
    // In [global] these two are the server's own as well.
    (&["max connections"], Share, Honoured),
    (&["guest account"], Share, Honoured),
    (PATH, Share, Honoured),
    (&["comment"], Share, Honoured),
    (BROWSEABLE, Share, Honoured),
    (GUEST_OK, Share, Honoured),
    (READ_ONLY, Share, Honoured),
    (WRITABLE, Share, Honoured),
    (&["read list"], Share, Honoured),
    (&["write list"], Share, Honoured),
    (&["valid users"], Share, Honoured),
    (&["invalid users"], Share, Honoured),
    (&["admin users"], Share, NotYet),
    (HOSTS_ALLOW, Share, Honoured),
    (HOSTS_DENY, Share, Honoured),
    (CREATE_MASK, Share, Honoured),
    (DIRECTORY_MASK, Share, Honoured),
    (&["force create mode"], Share, Honoured),
    (&["force directory mode"], Share, Honoured),
    (&["force user"], Share, Honoured),
    (FORCE_GROUP, Share, Honoured),
    (&["inherit owner"], Share, SwitchNotYet),
    (&["hide dot files"], Share, Honoured),
    (&["veto files"], Share, NotYet),
    (&["oplocks"], Share, SwitchNotYet),
    (&["store dos attributes"], Share, Honoured),
    (&["follow symlinks"], Share, Honoured),
    (&["crossmnt"], Share, Honoured),
    (VFS_OBJECTS, Share, Honoured),
    (&["streams_xattr"], Share, Honoured),
    (&["time machine"], Share, SwitchNotYet),
    (&["continuous availability"], Share, SwitchNotYet),
    (&["hide unreadable"], Share, SwitchNotYet),
    (&["wide links"], Share, SwitchNotYet),
    (PRINTABLE, Share, Honoured),
];

pub(super) const MIN_PROTOCOL: &[&str] = &["server min protocol", "min protocol"];
pub(super) const MAX_PROTOCOL: &[&str] = &["server max protocol", "max protocol", "protocol"];
pub(super) const ROOT_DIRECTORY: &[&str] = &["root directory", "root dir", "root"];
pub(super) const VFS_OBJECTS: &[&str] = &["vfs objects", "vfs object"];
pub(super) const PATH: &[&str] = &["path", "directory"];
pub(super) const BROWSEABLE: &[&str] = &["browseable", "browsable"];
pub(super) const GUEST_OK: &[&str] = &["guest ok", "public"];
pub(super) const READ_ONLY: &[&str] = &["read only"];
/// The first that is there counts.
pub(super) const WRITABLE: &[&str] = &["writable", "writeable", "write ok"];
pub(super) const HOSTS_ALLOW: &[&str] = &["hosts allow", "allow hosts"];
pub(super) const HOSTS_DENY: &[&str] = &["hosts deny", "deny hosts"];
/// Samba's. A spool directory that is served as a share of files would be a surprise.
pub(super) const PRINTABLE: &[&str] = &["printable", "print ok"];
pub(super) const CREATE_MASK: &[&str] = &["create mask", "create mode"];
pub(super) const DIRECTORY_MASK: &[&str] = &["directory mask", "directory mode"];
pub(super) const FORCE_GROUP: &[&str] = &["force group", "group"];

/// Warns about every key that is unknown, in the wrong place, or not supported yet.
pub(super) fn check(file: &ConfFile, problems: &mut Vec<ConfProblem>) {
    for section in file.sections() {
        for entry in section.entries() {
            check_entry(section, entry, problems);
        }
    }
}

fn check_entry(section: &Section, entry: &Entry, problems: &mut Vec<ConfProblem>) {
    let key = entry.key();
    let warn = |what: &str, remedy: &str| entry.problem(Severity::Warning, what, remedy);
    let Some((_, place, usage)) = KEYS.iter().find(|(names, ..)| names.contains(&key)) else {
        problems.push(unknown(entry));
        return;
    };
    if *place == Global && !section.is_global() {
        let what = "it is the server's and not a share's; it is ignored here";
        problems.push(warn(what, "write it in [global]"));
        return;
    }
    let not_yet = match usage {
        Honoured => false,
        NotYet => true,
        // What is odd about the value does not matter while it is not used.
        SwitchNotYet => entry.boolean(&mut Vec::new()),
    };
    if not_yet {
        problems.push(warn(what_not_yet(key), "remove the line, or leave it for a later version"));
    }
}

/// Where it is not plain, what it means that a key has no effect.
fn what_not_yet(key: &str) -> &'static str {
    match key {
        "veto files" => "not supported yet: the files it names can be seen and opened",
        "admin users" => "not supported yet: these users have no rights beyond their own",
        "hide unreadable" => "not supported yet: names of unreadable files are shown",
        "oplocks" => "not supported yet: clients keep nothing in their caches",
        _ => "not supported yet",
    }
}

fn unknown(entry: &Entry) -> ConfProblem {
    let remedy = match nearest(entry.key()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "remove the line if it is not meant for another server".to_owned(),
    };
    entry.problem(Severity::Warning, "there is no such key; it is ignored", remedy)
}

/// The key that differs by at most two letters.
fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .flat_map(|(names, ..)| names.iter())
        .map(|known| (distance(key, known), *known))
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
    use std::path::Path;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right lines");
        let mut problems = Vec::new();
        check(&file, &mut problems);
        assert!(problems.iter().all(|problem| !problem.is_error()));
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_key_warns_and_may_suggest_another() {
        assert_eq!(
            problems("[global]\nworkgruop = X\ndns proxy = no\n[a]\nread onyl = yes\n"),
            [
                "f:2: [global] workgruop: there is no such key; it is ignored; did you mean \
                 `workgroup`?",
                "f:3: [global] dns proxy: there is no such key; it is ignored; remove the line \
                 if it is not meant for another server",
                "f:5: [a] read onyl: there is no such key; it is ignored; did you mean \
                 `read only`?",
            ]
        );
    }

    #[test]
    fn a_key_of_the_server_in_a_share_warns() {
        assert_eq!(
            problems("[a]\ntcp port = 4450\n"),
            ["f:2: [a] tcp port: it is the server's and not a share's; it is ignored here; write \
              it in [global]"]
        );
    }

    #[test]
    fn what_is_not_supported_yet_warns_unless_it_is_off() {
        let warnings = problems(
            "[global]\nsmb2 leases = no\ndurable handles = yes\nkerberos keytab file = /k\n\
             [a]\noplocks = no\nveto files = /x/\ntime machine = yes\n",
        );
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings[0].starts_with("f:3: [global] durable handles: not supported yet;"));
        assert!(warnings[1].starts_with("f:4: [global] kerberos keytab file: not supported yet;"));
        assert!(warnings[2].contains("the files it names can be seen"));
        assert!(warnings[3].contains("time machine"));
    }

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
        for key in known.split(',').map(str::trim) {
            assert!(KEYS.iter().any(|(names, ..)| names.contains(&key)), "{key}");
        }
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
