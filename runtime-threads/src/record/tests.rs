#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use crate::{Options, Runtime};
use crossbeam_channel::unbounded;
use ksmbd_core::{
    config::Config,
    id::{ConnId, SessionId},
};
use ksmbd_record::{
    Writer,
    event::{Event, put},
    file::{self, Reader},
};
use std::{
    env, fs,
    panic::resume_unwind,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

/// Where the server that panics records, in a process of its own.
const FOLDER: &str = "KSMBD_TEST_RECORDING";

/// What is on its way to the disk when it does, in bytes: more than is written in no time.
const MUCH: usize = 16 << 20;

fn server(folder: &Path) -> Runtime {
    let (daemon, _) = unbounded();
    Runtime::start(Options {
        listen: Vec::new(),
        config: Arc::new(Config::default()),
        seed: [7; 32],
        rpc: daemon.clone(),
        daemon,
        record: Some(Writer::create(folder, u64::MAX).unwrap()),
        journal: None,
    })
    .unwrap()
}

fn panic_in(folder: &Path) -> ! {
    let runtime = server(folder);
    runtime.shared.enter("a test", |_, _, _| {
        runtime.shared.recorder.now(|| put::received(ConnId(1), &vec![7; MUCH]));
        runtime.shared.recorder.now(|| put::keys(ConnId(1), SessionId(2)));
        // No word of it is printed first: that takes its time.
        resume_unwind(Box::new("as if the core had panicked"))
    })
}

/// The process ends, and its recording has what led to that.
#[test]
fn what_broke_the_server_is_recorded() {
    if let Some(folder) = env::var_os(FOLDER) {
        panic_in(Path::new(&folder));
    }
    let folder = env::temp_dir().join(format!("ksmbd-broken-{}", std::process::id()));
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "record::tests::what_broke_the_server_is_recorded"]);
    let status = child.env(FOLDER, &folder).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(!status.unwrap().success());
    let recordings = file::recordings(&folder).unwrap();
    let [recording] = recordings.as_slice() else { panic!("{recordings:?}") };
    let mut reader = Reader::open(recording).unwrap();
    let mut events = Vec::new();
    let end = loop {
        match reader.next_event() {
            Ok(event) => events.extend(event),
            Err(fault) => break fault,
        }
    };
    assert!(end.what.contains("has no end"), "{end}");
    let [Event::Start(_), Event::Bytes(ConnId(1), bytes), Event::Keys(ConnId(1), SessionId(2))] =
        events.as_slice()
    else {
        panic!("{} events: {end}", events.len());
    };
    assert_eq!(bytes.len(), MUCH);
    fs::remove_dir_all(folder).unwrap();
}
