//! A running server, and a daemon that knows one user and one share.

use crossbeam_channel::{Receiver, unbounded};
use ksmbd_core::{
    auth::ntlm::nt_hash,
    config::{Config, Limits, Share},
    vfs::{Account, Admission, Done, Identity, VfsError},
};
use ksmbd_record::Writer;
use ksmbd_runtime_threads::{Counters, Letter, Options, Question, Runtime};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "secret";

pub(crate) struct Rig {
    pub(crate) runtime: Runtime,
    pub(crate) dir: PathBuf,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::recorded(limits, None)
    }

    pub(crate) fn recorded(limits: Limits, record: Option<Writer>) -> Self {
        let (rig, rpc) = Self::start(limits, record);
        thread::spawn(move || {
            for (_, answer) in rpc.into_iter().filter_map(Letter::open) {
                answer.send(Done::Failed(VfsError::NotFound));
            }
        });
        rig
    }

    /// Nobody answers for pipes but the test.
    pub(crate) fn without_rpc() -> (Self, Receiver<Letter>) {
        Self::start(Limits::default(), None)
    }

    fn start(limits: Limits, record: Option<Writer>) -> (Self, Receiver<Letter>) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("ksmbd-threads-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (daemon, letters) = unbounded();
        let share = Arc::new(Share::disk("share", dir.to_str().unwrap()));
        thread::spawn(move || serve(letters, &share));
        let (pipes, rpc) = unbounded();
        let config = Arc::new(Config { limits, ..Config::default() });
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let runtime = Runtime::start(Options {
            listen,
            config,
            seed: [7; 32],
            daemon,
            rpc: pipes,
            record,
            journal: None,
        })
        .unwrap();
        (Self { runtime, dir }, rpc)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.runtime.local_addrs()[0]
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    /// Stops the server, which must not take long.
    pub(crate) fn stop(self) {
        let since = Instant::now();
        self.runtime.stop();
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        fs::remove_dir_all(&self.dir).unwrap();
    }

    /// Waits until so many clients are connected.
    pub(crate) fn wait_for_clients(&self, count: usize) {
        self.wait_for(|counters| counters.connections == count);
    }

    /// Waits until nothing is left of any client.
    pub(crate) fn wait_until_empty(&self) {
        self.wait_for(|counters| *counters == Counters::default());
    }

    fn wait_for(&self, so: impl Fn(&Counters) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !so(&self.runtime.counters()) {
            assert!(Instant::now() < deadline, "{:?}", self.runtime.counters());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(letters: Receiver<Letter>, share: &Arc<Share>) {
    let uid = rustix::process::geteuid().as_raw();
    let identity =
        Arc::new(Identity { name: USER.into(), uid, gid: uid, groups: vec![uid], sid: None });
    for (question, answer) in letters.into_iter().filter_map(Letter::open) {
        let done = match &question {
            Question::Logon { user, .. } if user.eq_ignore_ascii_case(USER) => {
                Done::Account(Account::Found {
                    nt_hash: zeroize::Zeroizing::new(nt_hash(PASSWORD)),
                    identity: Arc::clone(&identity),
                    expires: None,
                })
            }
            Question::Logon { .. } => Done::Account(Account::Unknown { guest: None }),
            Question::Admit { share: name, .. } if name.eq_ignore_ascii_case("IPC$") => {
                Done::Admitted(Ok(admission(&Arc::new(Share::ipc()))))
            }
            Question::Admit { .. } => Done::Admitted(Ok(admission(share))),
            _ => Done::Ok,
        };
        answer.send(done);
    }
}

fn admission(share: &Arc<Share>) -> Admission {
    Admission { share: Arc::clone(share), read_only: false, identity: None }
}

/// Is the connection closed, within the time that reads have?
pub(crate) fn is_closed(mut socket: &TcpStream) -> bool {
    let mut rest = [0; 1024];
    loop {
        match socket.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

pub(crate) fn send(mut socket: &TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).unwrap();
}
