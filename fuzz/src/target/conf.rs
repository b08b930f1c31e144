//! `ksmbd.conf`: the file's syntax, what it comes to, and its editor.

use super::choice;
use ksmbd_adduser::{ConfFile, Database, NtHash, conf_file::edit::ConfText};
use ksmbd_mountd::{
    account::{
        Accounts, Serving,
        unix::{UnixGroup, UnixNames, UnixUser},
    },
    config::{GlobalSettings, Loaded, Settings, ShareSettings},
};
use std::{path::Path, sync::Arc};

/// The first byte says whether the file is edited, too; the rest is the file.
pub(super) fn run(data: &[u8]) {
    let (kind, text) = choice(data);
    assert_eq!(ConfText::parse(text).bytes(), text, "the editor loses what it does not change");
    let Ok(file) = ConfFile::parse(text, path()) else {
        return;
    };
    if kind & 1 == 1 {
        edit(&file, text);
    }
    let accounts = accounts();
    let Ok(loaded) = Settings::read(&file, &accounts) else {
        return;
    };
    let shown = loaded.settings.to_string();
    let Loaded { settings: again, problems } = read(&shown, &accounts);
    assert!(!problems.iter().any(|problem| problem.is_error()), "{problems:?} of\n{shown}");
    // It is part of the paths that are shown.
    let global = GlobalSettings { root_directory: String::new(), ..loaded.settings.global.clone() };
    assert_eq!(again.global, global, "{shown}");
    // A pipe has no files: what is said of them is not shown.
    let files = |share: &&ShareSettings| !share.is_ipc();
    assert!(
        again.shares.iter().filter(files).eq(loaded.settings.shares.iter().filter(files)),
        "{shown}"
    );
    let said =
        |settings: &Settings| settings.shares.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said(&again), said(&loaded.settings));
}

fn path() -> &'static Path {
    Path::new("ksmbd.conf")
}

fn read(text: &str, accounts: &Accounts) -> Loaded {
    let file = ConfFile::parse(text.as_bytes(), path());
    let file = file.unwrap_or_else(|problems| panic!("{problems:?} of\n{text}"));
    Settings::read(&file, accounts).unwrap_or_else(|problems| panic!("{problems:?} of\n{text}"))
}

/// A key set is read as it was set, and everything else as before; a section removed is gone.
fn edit(file: &ConfFile, text: &[u8]) {
    let Some(section) = file.sections().first() else {
        return;
    };
    let mut edited = ConfText::parse(text);
    edited.set(section.name(), &["comment"], "a value");
    let set = edited.bytes();
    let after = ConfFile::parse(&set, path()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(after.sections().len(), file.sections().len());
    for old in file.sections() {
        let new = after.section(old.name()).unwrap_or_else(|| panic!("{:?} is lost", old.name()));
        let is_set = |key: &str| old.folded_name() == section.folded_name() && key == "comment";
        for entry in old.entries().iter().filter(|entry| !is_set(entry.key())) {
            let kept = new.get(entry.key()).map(|entry| entry.value());
            assert_eq!(kept, Some(entry.value()), "{:?}", entry.key());
        }
    }
    let value = after.section(section.name()).and_then(|section| section.get("comment"));
    assert_eq!(value.map(|entry| entry.value()), Some("a value"));
    edited.remove(section.name());
    let bytes = edited.bytes();
    let gone = ConfFile::parse(&bytes, path()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(gone.section(section.name()).is_none());
    assert_eq!(gone.sections().len(), file.sections().len() - 1);
}

/// A machine with a few users, whatever this one has.
struct Village;

impl UnixNames for Village {
    fn user(&self, name: &str) -> Option<UnixUser> {
        let uid = match name {
            "root" => 0,
            "alice" => 1000,
            "nobody" => 65534,
            _ => return None,
        };
        Some(UnixUser { uid, gid: uid })
    }

    fn group(&self, name: &str) -> Option<UnixGroup> {
        (name == "staff").then(|| UnixGroup { gid: 50, members: vec!["alice".into()] })
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        (uid == 1000).then(|| "alice".into())
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        (gid == 50).then(|| "staff".into())
    }

    fn groups_of(&self, _: &str, gid: u32) -> Vec<u32> {
        vec![gid]
    }
}

fn accounts() -> Accounts {
    let mut database = Database::new();
    database.set("alice", NtHash::new([1; 16]));
    Accounts::new(database, Arc::new(Village), Serving::Users, [1, 2, 3])
}
