//! Loads a server on 127.0.0.1: a fast SMB 3.1.1 client for `conformance/bench`, which starts the
//! server, watches its CPU time and memory, and prints the table.
//!
//! When it is ready it says `ready` and waits for a line; it runs for its time, says
//! `done OPERATIONS BYTES SECONDS RETURNED`, and stays connected until its input ends.

mod attack;
mod journal;
mod load;
mod logon;
mod raw;
mod smb;
mod storm;
mod waiting;

use std::io::{self, BufRead};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use smb::{Protection, broken};

const USAGE: &str = "\
usage: ksmbd-load --port=N --share=NAME --user=NAME --password=WORD --path=DIRECTORY [OPTION...] LOAD
       ksmbd-load --raw --path=DIRECTORY [OPTION...] LOAD
       ksmbd-load attack NAME --port=N --user=NAME --password=WORD [--share=NAME] [OPTION...]
       ksmbd-load compare DIRECTORY

LOAD is read, write (with --size), random-read, random-write (4 KiB), create, stat, delete, list, open
(one file, by all clients), lock (and unlock, in one file), contend (one file, by all clients, each with a
lease on everything) or connect; break-lease, break-oplock and notify, which count only the time in which a
second connection waits; or journal, which says in the end what the server has acknowledged, and whose words `compare`
takes on its input to compare them with the disk; or storm: everything that waits, at random. DIRECTORY is the share's on the server's disk: files are prepared there. --raw measures plain
copies over loopback instead.
An attack is silent, setups, guesses, readers, chains, opens, locks, notifies, wildcards or claims; it goes on
until its input ends or its time is up.

  --from=ADDRESS connect from this one of loopback's addresses (127.0.0.1)
  --clients=N    so many clients at once (1)
  --seconds=S    how long (1)
  --size=BYTES   a request's size (1048576)
  --protection=off|sign|encrypt";

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    RandomRead,
    RandomWrite,
    Create,
    Stat,
    Delete,
    List,
    Open,
    Lock,
    Contend,
    BreakLease,
    BreakOplock,
    Notify,
    Connect,
    Journal,
    Storm,
}

const KINDS: [(&str, Kind); 17] = [
    ("read", Kind::Read),
    ("write", Kind::Write),
    ("random-read", Kind::RandomRead),
    ("random-write", Kind::RandomWrite),
    ("create", Kind::Create),
    ("stat", Kind::Stat),
    ("delete", Kind::Delete),
    ("list", Kind::List),
    ("open", Kind::Open),
    ("lock", Kind::Lock),
    ("contend", Kind::Contend),
    ("break-lease", Kind::BreakLease),
    ("break-oplock", Kind::BreakOplock),
    ("notify", Kind::Notify),
    ("connect", Kind::Connect),
    ("journal", Kind::Journal),
    ("storm", Kind::Storm),
];

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) from: Ipv4Addr,
    pub(crate) share: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) path: PathBuf,
    pub(crate) raw: bool,
    pub(crate) clients: usize,
    pub(crate) seconds: f64,
    pub(crate) size: usize,
    pub(crate) protection: Protection,
    pub(crate) kind: Kind,
}

/// What a client has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) operations: u64,
    pub(crate) bytes: u64,
    /// Durable handles that were there again.
    pub(crate) returned: u64,
    /// The part of the time that counts, where it is not all of it.
    pub(crate) waited: Duration,
}

fn parse(arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        port: 0,
        from: Ipv4Addr::LOCALHOST,
        share: String::new(),
        user: String::new(),
        password: String::new(),
        path: PathBuf::new(),
        raw: false,
        clients: 1,
        seconds: 1.0,
        size: 1 << 20,
        protection: Protection::Off,
        kind: Kind::Read,
    };
    let mut chosen = false;
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--port", value)) => options.port = value.parse().ok()?,
            Some(("--from", value)) => options.from = value.parse().ok()?,
            Some(("--share", value)) => options.share = value.to_owned(),
            Some(("--user", value)) => options.user = value.to_owned(),
            Some(("--password", value)) => options.password = value.to_owned(),
            Some(("--path", value)) => options.path = value.into(),
            Some(("--clients", value)) => options.clients = value.parse().ok()?,
            Some(("--seconds", value)) => options.seconds = value.parse().ok()?,
            Some(("--size", value)) => options.size = value.parse().ok()?,
            Some(("--protection", "off")) => options.protection = Protection::Off,
            Some(("--protection", "sign")) => options.protection = Protection::Sign,
            Some(("--protection", "encrypt")) => options.protection = Protection::Encrypt,
            None if argument == "--raw" => options.raw = true,
            None => {
                options.kind = KINDS.iter().find(|(name, _)| *name == argument)?.1;
                chosen = true;
            }
            Some(_) => return None,
        }
    }
    let sane = options.clients > 0 && options.size > 0 && options.seconds > 0.0;
    (chosen && sane).then_some(options)
}

/// A client of either kind.
enum Client {
    Smb(Box<load::Client>),
    Raw(raw::Client),
}

impl Client {
    fn new(options: &Options, number: usize) -> io::Result<Self> {
        if options.raw {
            return raw::Client::new(options, number).map(Self::Raw);
        }
        load::Client::new(options, number).map(|client| Self::Smb(Box::new(client)))
    }

    fn run(&mut self, options: &Options, until: Instant) -> io::Result<Count> {
        match self {
            Self::Smb(client) => client.run(options, until),
            Self::Raw(client) => client.run(options, until),
        }
    }
}

fn run(mut options: Options) -> io::Result<()> {
    load::prepare(&options, &options.path)?;
    if options.raw {
        options.port = raw::serve(&options.path)?;
    }
    let options = &options;
    let mut clients = (0..options.clients)
        .map(|number| Client::new(options, number))
        .collect::<io::Result<Vec<Client>>>()?;
    println!("ready");
    let mut lines = io::stdin().lock().lines();
    lines.next().transpose()?;
    let barrier = Barrier::new(clients.len());
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(options.seconds);
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    client.run(options, until)
                })
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<Count>>| {
            thread.join().unwrap_or_else(|_| Err(broken("a client panicked")))
        };
        threads.into_iter().map(join).collect::<io::Result<Vec<Count>>>()
    })?;
    let waited: Duration = counts.iter().map(|count| count.waited).sum();
    let seconds = match waited.as_secs_f64() / counts.len() as f64 {
        0.0 => start.elapsed().as_secs_f64(),
        seconds => seconds,
    };
    let operations: u64 = counts.iter().map(|count| count.operations).sum();
    let bytes: u64 = counts.iter().map(|count| count.bytes).sum();
    let returned: u64 = counts.iter().map(|count| count.returned).sum();
    println!("done {operations} {bytes} {seconds} {returned}");
    lines.next().transpose()?;
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [command, path] = &words[..]
        && command == "compare"
    {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        return match journal::compare(path.as_ref(), lines) {
            Ok(blocks) => {
                println!("{blocks} blocks are as they were acknowledged");
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    if let [command, name, rest @ ..] = &words[..]
        && command == "attack"
    {
        let options = parse(rest.iter().cloned().chain(["storm".to_owned()]));
        return match options.ok_or_else(|| broken(USAGE)).and_then(|o| attack::run(name, &o)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("failed {error}");
                ExitCode::FAILURE
            }
        };
    }
    let Some(options) = parse(words.into_iter()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error}");
            ExitCode::FAILURE
        }
    }
}
