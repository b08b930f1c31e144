//! Class M: what is told that should not be: keys, other people's bytes, and how much of a guess was
//! right (MS-SMB2 3.1.4.1, 3.3.4.1.1, 3.3.5.20.2; DESIGN 3, property 10).

use crate::common::unsigned;
use ksmbd_core::{
    auth::ntlm::client::Credentials, crypto::SessionKeys, wire::fscc::volume::FsInformation,
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;
use std::fs;
use std::path::Path;

/// Sources of a folder of the core, with their names.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// A signature with one byte changed, each in turn: refused alike, and the comparison does not end at
/// the first difference: nothing secret is compared with `==`.
#[test]
fn signatures_are_compared_in_constant_time() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    a.ask = 64;
    for at in 0..16 {
        let mut message = a.message(&RequestBody::Logoff).unsigned();
        message.header.flags |= HeaderFlags::SIGNED;
        message.header.signature = [7; 16];
        message.header.signature[at] ^= 0xff;
        a.send(message).is(NtStatus::ACCESS_DENIED);
    }
    a.echo().ok();
    let secrets = ["signature", "mac", "mic", "proof", "nt_hash", "expected", "response_key"];
    for (path, text) in ["crypto", "auth"].iter().flat_map(|folder| sources(folder)) {
        let code = text.lines().take_while(|line| !line.starts_with("mod tests"));
        if path.ends_with("tests.rs") {
            continue;
        }
        for line in code.filter(|line| line.contains("==") || line.contains("!=")) {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let secret = words.into_iter().find(|word| secrets.contains(word));
            assert!(secret.is_none(), "{path}: {}", line.trim());
        }
    }
}

/// Key material is wiped where it is dropped: every type that holds some has something to do then.
#[test]
fn keys_are_wiped() {
    assert!(std::mem::needs_drop::<SessionKeys>());
    assert!(std::mem::needs_drop::<ksmbd_core::crypto::SigningKey>());
    assert!(std::mem::needs_drop::<Credentials>());
    // The ciphers wipe their own schedules only if they are told to.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    for cipher in ["aes", "cmac", "ctr", "ghash", "hmac", "md-5", "md4", "rc4", "sha2"] {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{cipher} = ")));
        assert!(line.unwrap().contains("\"zeroize\""), "{cipher}");
    }
    // A fixed array of bytes is not wiped by itself.
    for (path, text) in sources("crypto") {
        let bare = text.lines().find(|line| line.trim_start().starts_with("key: [u8"));
        assert_eq!(bare, None, "{path}");
    }
}

/// What can be formatted for a log: keys, credentials, refusals of a whole session. No byte of a key or
/// a password is in it.
#[test]
fn nothing_formatted_shows_a_key() {
    let w = World::new();
    let mut a = w.client(Dialect::SMB_3_1_1);
    let user = Credentials::new("alice", "WORLD", &password("alice"));
    let hash = format!("{:?}", &user.nt_hash[..]);
    let first_bytes = hash.trim_matches(['[', ']']).split(", ").take(4);
    let hash = first_bytes.collect::<Vec<_>>().join(", ");
    let logon = a.begin(user);
    logon.run(&mut a).ok();
    a.connect_tree("share");
    let shown = format!("{:?}", a.keys().unwrap());
    let digits = shown.chars().filter(char::is_ascii_digit).count();
    assert!(digits < 12 && !shown.contains('['), "{shown}");
    a.create("..").is(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    let mut b = w.client(Dialect::SMB_3_1_1);
    b.logon("alice", "hunter2").is(NtStatus::LOGON_FAILURE);
    let log: String = w.refusals().iter().map(|refusal| format!("{refusal} {refusal:?}")).collect();
    assert!(!log.contains("hunter2") && !log.contains(&hash), "{log}");
    assert!(!log.contains(&password("alice")));
}

/// A volume's object id names the volume, the same for everybody, and says nothing of the host.
#[test]
fn the_object_id_of_a_volume() {
    let w = World::new();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("bob"));
    let mut found = Vec::new();
    for client in [&mut a, &mut b] {
        let f = client.create("x").existing().access(AccessMask::FILE_READ_DATA);
        let f = if w.exists("x") { f.ok() } else { f.disposition(CreateDisposition::CREATE).ok() };
        let answer = client.query_volume(f, FsInfoClass::OBJECT_ID, 64).ok();
        let parsed = FsInformation::parse(FsInfoClass::OBJECT_ID, answer.data()).unwrap();
        let FsInformation::ObjectId(_) = parsed else { panic!("{parsed:?}") };
        found.push(answer.data().to_vec());
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0].len() == 64 && found[0][..16].iter().any(|byte| *byte != 0));
    let secrets: [&[u8]; 3] = [b"/srv", b"world", b"alice"];
    for secret in secrets {
        let inside = found[0].windows(secret.len()).any(|bytes| bytes.eq_ignore_ascii_case(secret));
        assert!(!inside, "{secret:?}");
    }
}

/// Buffers are used again: what another session on the connection has read is in no answer of the next
/// one, not between elements and not behind the end of a file.
#[test]
fn nothing_of_anothers_answer_is_left() {
    let w = World::new();
    w.put("secret", &[b'S'; 60_000]);
    w.put("short", b"x");
    w.vfs(|vfs| vfs.node_at("/srv/share", "secret").unwrap().mode = 0o600);
    w.vfs(|vfs| vfs.node_at("/srv/share", "secret").unwrap().uid = 1000);
    let mut a = unsigned(&w, "alice");
    let f = a.create("secret").ok();
    for _ in 0..20 {
        a.read(f, 0, 60_000).ok();
        a.write(f, 0, &[b'S'; 60_000]).ok();
    }
    a.logon("bob", &password("bob")).ok();
    a.connect_tree("share");
    a.create("secret").existing().is(NtStatus::ACCESS_DENIED);
    let g = a.create("short").ok();
    let d = a.create("").directory().access(AccessMask::GENERIC_READ).ok();
    a.set_file(
        g,
        &ksmbd_core::wire::fscc::set_file::SetFileInformation::EndOfFile { end_of_file: 5000 },
    )
    .ok();
    let class = FileInfoClass::ID_BOTH_DIRECTORY;
    let chain: Vec<Message> = [
        body::read(g, 0, 60_000),
        body::read(g, 4997, 3),
        body::query_file(g, FileInfoClass::ALL, 65_536),
        body::list(d, "sh*", class, Default::default(), 65_536),
        body::query_volume(g, FsInfoClass::ATTRIBUTE, 4096),
        body::read(g, 9999, 1),
    ]
    .iter()
    .map(|body| a.message(body))
    .collect();
    a.send_chain(&chain);
    let frame = a.raw_answer().unwrap();
    let left = frame.windows(3).position(|bytes| bytes == b"SSS");
    assert_eq!(left, None);
    assert_eq!(frame.iter().filter(|byte| **byte == b'x').count(), 1, "its own byte");
}
