//! Debian's smbclient, where it is installed.

use crate::rig::{PASSWORD, Rig, USER};
use std::{fs, process::Command, thread};

pub(crate) fn smbclient(rig: &Rig, extra: &[&str], script: &str) -> Option<(bool, String)> {
    let output = Command::new("smbclient")
        .args(["-s", "/dev/null", "-p", &rig.address().port().to_string()])
        .args(["-U", &format!("{USER}%{PASSWORD}"), "//127.0.0.1/share", "-c", script])
        .args(extra)
        .output();
    let Ok(output) = output else {
        println!("skipped: smbclient is not installed");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// A file of `size` bytes outside the share.
pub(crate) fn source(name: &str, size: usize) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("ksmbd-source-{}-{name}", std::process::id()));
    let bytes: Vec<u8> = (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect();
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn smbclient_puts_gets_lists_renames_and_deletes() {
    let rig = Rig::new();
    let (from, back) = (source("from", 9_000_001), source("back", 0));
    let script = format!(
        "put {0} a; get a {1}; mkdir d; rename a d\\b; ls; cd d; ls; del b; cd ..; rmdir d",
        from.display(),
        back.display()
    );
    for protection in ["off", "sign", "encrypt"] {
        let extra = ["--client-protection", protection];
        let Some((ok, text)) = smbclient(&rig, &extra, &script) else { return };
        assert!(ok && !text.contains("NT_STATUS"), "{protection}: {text}");
        assert_eq!(fs::read(&from).unwrap(), fs::read(&back).unwrap(), "{protection}");
        assert_eq!(fs::read_dir(&rig.dir).unwrap().count(), 0);
    }
    let (_, text) = smbclient(&rig, &[], "get none").unwrap();
    assert!(text.contains("NT_STATUS_OBJECT_NAME_NOT_FOUND"), "{text}");
    rig.wait_until_empty();
    let _ = (fs::remove_file(from), fs::remove_file(back));
    rig.stop();
}

#[test]
fn eight_clients_at_once() {
    let rig = Rig::new();
    let from = source("many", 3_000_000);
    thread::scope(|scope| {
        for number in 0..8 {
            let (rig, from) = (&rig, &from);
            scope.spawn(move || {
                let script =
                    format!("put {} f{number}; ls; get f{number} /dev/null", from.display());
                let Some((ok, text)) = smbclient(rig, &[], &script) else { return };
                assert!(ok, "{text}");
                assert_eq!(fs::read(rig.dir.join(format!("f{number}"))).unwrap().len(), 3_000_000);
            });
        }
    });
    let _ = fs::remove_file(from);
    rig.stop();
}
