//! What many threads do at once is recorded, and one thread does it again, bit for bit.

use crate::{
    clients::{smbclient, source},
    rig::{Rig, is_closed, send},
};
use ksmbd_core::config::Limits;
use ksmbd_fuzz::replay::{Replayed, replay};
use ksmbd_record::{Writer, file};
use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    thread,
};

/// A server that records, no more than `limit` bytes.
fn recording(name: &str, limit: u64) -> (Rig, PathBuf) {
    let folder = std::env::temp_dir().join(format!("ksmbd-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let writer = Writer::create(&folder, limit).unwrap();
    (Rig::recorded(Limits::default(), Some(writer)), folder)
}

fn again(folder: &Path) -> Replayed {
    let recordings = file::recordings(folder).unwrap();
    let [one] = recordings.as_slice() else { panic!("{recordings:?}") };
    let done = replay(BufReader::new(File::open(one).unwrap()), &mut ());
    let done = done.unwrap_or_else(|error| panic!("{}: {error}", one.display()));
    fs::remove_dir_all(folder).unwrap();
    done
}

/// Bytes that are nothing, and a frame that is never finished.
fn nonsense(rig: &Rig) {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x04\xfeSMB"] {
        let socket = rig.connect();
        send(&socket, bytes);
        assert!(is_closed(&socket));
    }
    send(&rig.connect(), b"\0\0\x10\0\xfeSMB");
}

#[test]
fn clients_at_once_replay_bit_for_bit() {
    let (rig, folder) = recording("recorded", u64::MAX);
    let from = source("recorded", 1_500_000);
    thread::scope(|scope| {
        scope.spawn(|| nonsense(&rig));
        for (number, protection) in ["off", "sign", "encrypt", "sign", "encrypt"].iter().enumerate()
        {
            let (rig, from) = (&rig, &from);
            scope.spawn(move || {
                let script = format!(
                    "put {} f{number}; ls; get f{number} /dev/null; rename f{number} g{number}; \
                     mkdir d{number}; ls; rmdir d{number}; del g{number}",
                    from.display()
                );
                let extra = ["--client-protection", protection];
                if let Some((ok, text)) = smbclient(rig, &extra, &script) {
                    assert!(ok && !text.contains("NT_STATUS"), "{protection}: {text}");
                }
                smbclient(rig, &["-U", "tester%wrong"], "ls");
            });
        }
    });
    rig.wait_until_empty();
    let _ = fs::remove_file(from);
    rig.stop();
    let done = again(&folder);
    assert!(done.connections >= 3 && !done.full, "{done:?}");
}

/// A recording that is full ends; the server does not.
#[test]
fn a_full_recording_ends_and_replays() {
    let (rig, folder) = recording("full", 20_000);
    for _ in 0..4 {
        nonsense(&rig);
    }
    let from = source("full", 300_000);
    let script = format!("put {} f; get f /dev/null; del f", from.display());
    for _ in 0..2 {
        if let Some((ok, text)) = smbclient(&rig, &[], &script) {
            assert!(ok, "{text}");
        }
    }
    let _ = fs::remove_file(from);
    rig.stop();
    let recordings = file::recordings(&folder).unwrap();
    assert!(fs::metadata(&recordings[0]).unwrap().len() <= 20_000);
    let done = again(&folder);
    assert!(done.events > 10, "{done:?}");
}
