//! A wrong value for every key there is: each is said with file, line, section, key and remedy.

use ksmbd_adduser::keys::{self, KEYS, Key, Kind, Place};

use super::{read, shown};
use crate::config::values::{ENCRYPTION, SIGNING, SMB_ENCRYPT};

/// Values of texts that are wrong, and what is said. A key that is not supported yet says that of any.
const WRONG: &[(&str, &str, &str)] = &[
    ("server string", LONG, "longer than 63 bytes"),
    ("netbios name", LONG, "longer than 15 bytes"),
    ("workgroup", LONG, "longer than 63 bytes"),
    ("server min protocol", "SMB4", "`SMB4` is not a protocol of this server; write one of: "),
    ("server max protocol", "SMB4", "`SMB4` is not a protocol of this server; write one of: "),
    ("server signing", "manditory", "`manditory` is not known; write auto, mandatory, "),
    ("smb3 encryption", "manditory", "`manditory` is not known; write auto, mandatory, "),
    ("state directory", "var", "does not begin with /; write the whole path"),
    ("restrict anonymous", "yes", "`yes` is not known; write 0, 1 or 2"),
    ("map to guest", "bad usr", "`bad usr` is not known; write never or bad user"),
    ("kerberos service name", "x", "not supported yet"),
    ("kerberos keytab file", "x", "not supported yet"),
    ("aapl model", "x", "not supported yet"),
    ("guest account", "eve", "there is no Unix user `eve`"),
    ("path", "tmp", "`tmp` does not begin with /"),
    ("read list", "eve", "there is no account `eve`; add it with ksmbd.adduser"),
    ("write list", "eve", "there is no account `eve`; add it with ksmbd.adduser"),
    ("valid users", "%U", "`%U` cannot be used; the share is not served; write names"),
    ("invalid users", "&net", "`&net` cannot be used; the share is not served; write names"),
    ("admin users", "eve", "there is no account `eve`; add it with ksmbd.adduser"),
    ("hosts allow", "server", "`server` cannot be used"),
    ("hosts deny", "ALL EXCEPT 1. EXCEPT 2.", "a second EXCEPT"),
    ("smb encrypt", "manditory", "`manditory` is not known; write required, desired"),
    ("force user", "eve", "there is no Unix user `eve`"),
    ("force group", "x", "there is no group `x`"),
    ("veto files", "x", "it does not begin with /"),
    ("vfs objects", "x", "there is no module `x` in this server; it is ignored; remove the word"),
    ("streams_xattr", "x", "`x` is no form of streams: ksmbd's is used; write ksmbd or samba"),
];

/// Texts of which none is wrong by itself.
const ANYTHING: &[&str] = &["interfaces", "root directory", "comment"];

const LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// What is said of a key with this value.
fn said(key: &Key, value: &str) -> Vec<String> {
    let name = key.name();
    let (text, section) = match key.place {
        Place::Global => (format!("[global]\n# \n{name} = {value}\n"), "global"),
        Place::Share if name == "path" => (format!("[a]\n# \npath = {value}\n"), "a"),
        Place::Share => (format!("[a]\npath = /tmp\n{name} = {value}\n"), "a"),
    };
    let problems = match read(&text) {
        Ok(loaded) => shown(&loaded.problems),
        Err(problems) => shown(&problems),
    };
    let start = format!("f:3: [{section}] {name}: ");
    for problem in &problems {
        assert!(problem.starts_with(&start), "{problem}");
        assert!(problem.trim_start_matches(&start).contains("; "), "no remedy: {problem}");
    }
    problems
}

#[track_caller]
fn says(key: &Key, value: &str, what: &[&str]) {
    let said = said(key, value);
    let fits = |problem: &String| what.iter().any(|what| problem.contains(what));
    assert!(said.iter().any(fits), "{} = {value}: {said:?}, wanted {what:?}", key.name());
}

#[test]
fn every_key_says_what_is_wrong_with_its_value() {
    for key in KEYS {
        match key.kind {
            // What is not supported yet is said of what is switched on.
            Kind::Switch if said(key, "yes").iter().any(|p| p.contains("not supported yet")) => {}
            Kind::Switch => says(key, "maybe", &["`maybe` is not a boolean"]),
            Kind::Octal => says(key, "9", &["`9` is not an octal number"]),
            Kind::Size => says(key, "lots", &["`lots` is not a size", "not supported yet"]),
            Kind::Number | Kind::Between(..) => {
                let other = ["is not a port", "it has no effect"];
                let what = [&["`soon` is not a number"][..], &other].concat();
                says(key, "soon", &what);
            }
            Kind::Text | Kind::Word(_) => {
                let of_key = |(name, ..): &&(&str, &str, &str)| *name == key.name();
                match WRONG.iter().find(of_key) {
                    Some((_, value, what)) => says(key, value, &[what]),
                    None => assert!(ANYTHING.contains(&key.name()), "{}: no case", key.name()),
                }
            }
        }
    }
}

/// What `ksmbd.addshare` lets pass is no error here.
#[test]
fn every_word_of_a_key_is_known() {
    for key in KEYS {
        let Kind::Word(words) = key.kind else { continue };
        for word in words {
            let problems = said(key, word);
            let strange = ["is not known", "is not a protocol", "is no form"];
            let is_strange = |said: &String| strange.iter().any(|what| said.contains(what));
            assert!(!problems.iter().any(is_strange), "{problems:?}");
        }
    }
}

/// Nor does it refuse what is taken here.
#[test]
fn every_known_word_is_one_of_the_key() {
    let signing = SIGNING.iter().map(|(word, _)| ("server signing", *word));
    let encryption = ENCRYPTION.iter().map(|(word, _)| ("smb3 encryption", *word));
    let of_shares = SMB_ENCRYPT.iter().map(|(word, _)| ("smb encrypt", *word));
    for (name, word) in signing.chain(encryption).chain(of_shares) {
        let Some(Kind::Word(words)) = keys::find(name).map(|key| key.kind) else {
            panic!("{name} is no word");
        };
        assert!(words.contains(&word), "{name} = {word}");
    }
}

/// Nothing of what is not written in the right place, or at all, is taken in silence.
#[test]
fn every_key_of_the_server_is_refused_a_place_in_a_share() {
    for key in KEYS.iter().filter(|key| key.place == Place::Global) {
        let name = key.name();
        let text = format!("[a]\npath = /tmp\n{name} = x\n");
        let loaded = read(&text).unwrap_or_else(|problems| panic!("{:?}", shown(&problems)));
        let wanted = format!("f:3: [a] {name}: it is the server's and not a share's");
        let problems = shown(&loaded.problems);
        assert!(problems.len() == 1 && problems[0].starts_with(&wanted), "{problems:?}");
    }
}

#[test]
fn every_table_entry_is_of_a_key() {
    for name in WRONG.iter().map(|(name, ..)| name).chain(ANYTHING) {
        assert!(KEYS.iter().any(|key| key.name() == *name), "{name}");
    }
}
