//! The loads. Each is prepared before the clock starts, and then runs until its time is up.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::create::{CreateDisposition, CreateOptions};
use ksmbd_core::wire::fscc::{AccessMask, FileInfoClass};
use ksmbd_core::wire::header::FileId;
use ksmbd_core::wire::lock::{LockElement, LockFlags, LockRequest};
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::query_directory::{QueryDirectoryFlags, QueryDirectoryRequest};
use ksmbd_core::wire::query_info::{InfoType, QueryInfoFlags, QueryInfoRequest};

use crate::journal;
use crate::logon::{close, connect, connect_within, create, open, read, write};
use crate::smb::{Smb, broken};
use crate::{Count, Kind, Options, storm, waiting};

/// The size of the file that each client reads or writes, again and again.
pub(crate) const FILE: u64 = 64 << 20;

/// Bytes under way at once, and requests: for large ones and for small ones.
const WINDOW: usize = 4 << 20;
const DEPTH: usize = 16;

/// Files that are there to be looked at, to be deleted by each client, and to be listed.
const LOOKED_AT: usize = 200;
const DELETED: usize = 10_000;
const LISTED: usize = 10_000;

/// The one file that all clients open, or lock ranges in.
const SHARED: &str = "one for all";

/// How long a connection may take. A server that is overrun drops some, or lets them wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a small file holds.
const SMALL: usize = 1024;

/// Makes on the server's disk what the load needs.
pub(crate) fn prepare(options: &Options, path: &Path) -> io::Result<()> {
    let shared = path.join(SHARED);
    fs::write(&shared, [1; SMALL])?;
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o666))?;
    if options.kind == Kind::Storm {
        return storm::prepare(path);
    }
    for client in 0..options.clients {
        let place = path.join(format!("load{client}"));
        fs::create_dir_all(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777))?;
        let files = match options.kind {
            Kind::Stat => LOOKED_AT,
            Kind::Delete => DELETED,
            Kind::List => LISTED,
            _ => 0,
        };
        for file in 0..files {
            let file = place.join(format!("a small file, number {file:05}"));
            fs::write(&file, vec![1; if options.kind == Kind::List { 0 } else { SMALL }])?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        }
        if matches!(options.kind, Kind::Read | Kind::Write | Kind::RandomRead | Kind::RandomWrite) {
            let file = place.join("data");
            fs::write(&file, vec![0x5a; usize::try_from(FILE).unwrap_or(0)])?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        }
    }
    Ok(())
}

/// One client, ready to begin.
pub(crate) struct Client {
    smb: Smb,
    /// Whoever waits for this one, where somebody does.
    other: Option<Smb>,
    number: usize,
    file: FileId,
    data: Vec<u8>,
}

impl Client {
    pub(crate) fn new(options: &Options, number: usize) -> io::Result<Self> {
        let mut smb = connect(options, number as u64)?;
        let (mut file, mut data) = (FileId::ANY, Vec::new());
        let size = match options.kind {
            Kind::RandomRead | Kind::RandomWrite => 4096,
            _ => options.size,
        };
        if matches!(options.kind, Kind::Read | Kind::Write | Kind::RandomRead | Kind::RandomWrite) {
            let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
            let name = format!("load{number}\\data");
            let request = create(&name, access, CreateDisposition::OPEN, CreateOptions::empty());
            file = open(&mut smb, &request)?;
            data = vec![0xa5; size];
            if size > smb.max_read.min(smb.max_write) {
                return Err(broken(format!("the server takes no requests of {size} bytes")));
            }
        }
        let pair = matches!(options.kind, Kind::BreakLease | Kind::BreakOplock | Kind::Notify);
        let other = pair.then(|| connect(options, 1 << 32 | number as u64)).transpose()?;
        Ok(Self { smb, other, number, file, data })
    }

    /// Runs until the time is up.
    pub(crate) fn run(&mut self, options: &Options, until: Instant) -> io::Result<Count> {
        match options.kind {
            Kind::Read | Kind::Write | Kind::RandomRead | Kind::RandomWrite => {
                self.transfer(options.kind, until)
            }
            Kind::Create => self.create_files(until),
            Kind::Stat => self.stat_files(until),
            Kind::Delete => self.delete_files(until),
            Kind::List => self.list(until),
            Kind::Open => self.open_shared(until),
            Kind::Lock => self.lock_and_unlock(until),
            Kind::Connect => self.connect_again(options, until),
            Kind::Journal => {
                let operations = journal::run(&mut self.smb, self.number, until);
                Ok(Count { operations, ..Count::default() })
            }
            Kind::Contend => waiting::contend(&mut self.smb, self.number, SHARED, until),
            Kind::BreakLease | Kind::BreakOplock | Kind::Notify => {
                let Some(other) = &mut self.other else {
                    return Err(broken("there is nobody to wait"));
                };
                let mut pair =
                    waiting::Pair { here: &mut self.smb, there: other, number: self.number };
                match options.kind {
                    Kind::BreakLease => pair.breaks(true, until),
                    Kind::BreakOplock => pair.breaks(false, until),
                    _ => pair.notify(until),
                }
            }
            Kind::Storm => storm::run(&mut self.smb, options, self.number, until),
        }
    }

    /// Keeps several requests under way, each behind the one before it; a random one waits for the last.
    fn transfer(&mut self, kind: Kind, until: Instant) -> io::Result<Count> {
        let size = self.data.len();
        let random = matches!(kind, Kind::RandomRead | Kind::RandomWrite);
        let depth = if random { 1 } else { (WINDOW / size).clamp(2, DEPTH) };
        let blocks = FILE / size as u64;
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(self.number as u64 + 1);
        let mut count = Count::default();
        let mut block = 0;
        loop {
            let more = Instant::now() < until;
            let fits = self.smb.credits * 65536 >= size as u64;
            if more && fits && self.smb.pending() < depth {
                if random {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    block = seed % blocks;
                }
                let at = block * size as u64;
                block = (block + 1) % blocks;
                match kind {
                    Kind::Read | Kind::RandomRead => {
                        self.smb.send(&read(self.file, at, size), &[])?
                    }
                    _ => self.smb.send(&write(self.file, at, size), &self.data)?,
                };
                continue;
            }
            if self.smb.pending() == 0 {
                return Ok(count);
            }
            let reply = self.smb.receive()?.ok()?;
            let whole = matches!(kind, Kind::Write | Kind::RandomWrite) || {
                let end = self.smb.bytes[reply.element.clone()].last();
                reply.element.len() >= 80 + size && end.is_some()
            };
            if !whole {
                return Err(broken("a short read"));
            }
            count.operations += 1;
            count.bytes += size as u64;
        }
    }

    fn chain(&mut self, bodies: &[RequestBody]) -> io::Result<()> {
        self.smb.send_chain(bodies)?;
        for _ in bodies {
            self.smb.receive()?.ok()?;
        }
        Ok(())
    }

    fn small(&self, file: usize) -> String {
        format!("load{}\\a small file, number {file:05}", self.number)
    }

    /// CREATE, WRITE, CLOSE: each waits for the one before it, as with a client that copies.
    fn create_files(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let content = vec![7; SMALL];
        while Instant::now() < until {
            let name = self.small(usize::try_from(count.operations).unwrap_or(0));
            let access = AccessMask::GENERIC_WRITE;
            let request = create(&name, access, CreateDisposition::CREATE, CreateOptions::empty());
            let file = open(&mut self.smb, &request)?;
            self.smb.send(&write(file, 0, SMALL), &content)?;
            self.smb.receive()?.ok()?;
            self.smb.send(&close(file), &[])?;
            self.smb.receive()?.ok()?;
            count.operations += 1;
        }
        Ok(count)
    }

    /// CREATE, QUERY_INFO, CLOSE in one chain, as the Linux kernel's client looks at a file.
    fn stat_files(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let access = AccessMask::FILE_READ_ATTRIBUTES;
        while Instant::now() < until {
            let name = self.small(usize::try_from(count.operations).unwrap_or(0) % LOOKED_AT);
            let query = QueryInfoRequest {
                info_type: InfoType::FILE,
                info_class: FileInfoClass::ALL.0,
                output_buffer_length: 4096,
                additional_information: 0,
                flags: QueryInfoFlags::empty(),
                file_id: FileId::ANY,
                input: Vec::new(),
            };
            self.chain(&[
                create(&name, access, CreateDisposition::OPEN, CreateOptions::empty()),
                RequestBody::QueryInfo(query),
                close(FileId::ANY),
            ])?;
            count.operations += 1;
        }
        Ok(count)
    }

    fn delete_files(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let options = CreateOptions::DELETE_ON_CLOSE;
        for file in 0..DELETED {
            if Instant::now() >= until {
                break;
            }
            let name = self.small(file);
            self.chain(&[
                create(&name, AccessMask::DELETE, CreateDisposition::OPEN, options),
                close(FileId::ANY),
            ])?;
            count.operations += 1;
        }
        Ok(count)
    }

    /// Counts a whole listing as one operation for each of its entries.
    fn list(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let name = format!("load{}", self.number);
        let access = AccessMask::FILE_READ_DATA | AccessMask::FILE_READ_ATTRIBUTES;
        while Instant::now() < until {
            let options = CreateOptions::DIRECTORY_FILE;
            let request = create(&name, access, CreateDisposition::OPEN, options);
            let file_id = open(&mut self.smb, &request)?;
            loop {
                let query = QueryDirectoryRequest {
                    file_information_class: FileInfoClass::ID_BOTH_DIRECTORY.0,
                    flags: QueryDirectoryFlags::empty(),
                    file_index: 0,
                    file_id,
                    file_name: "*".into(),
                    output_buffer_length: 64 << 10,
                };
                self.smb.send(&RequestBody::QueryDirectory(query), &[])?;
                let reply = self.smb.receive()?;
                if reply.status() == NtStatus::NO_MORE_FILES {
                    break;
                }
                count.bytes += reply.ok()?.element.len() as u64;
            }
            self.smb.send(&close(file_id), &[])?;
            self.smb.receive()?.ok()?;
            count.operations += LISTED as u64;
        }
        Ok(count)
    }

    /// CREATE and CLOSE of a file that everybody else opens and closes too.
    fn open_shared(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
        let request = create(SHARED, access, CreateDisposition::OPEN, CreateOptions::empty());
        while Instant::now() < until {
            let file = open(&mut self.smb, &request)?;
            self.smb.send(&close(file), &[])?;
            self.smb.receive()?.ok()?;
            count.operations += 1;
        }
        Ok(count)
    }

    /// A LOCK and its UNLOCK are one operation. Each client has a range of its own.
    fn lock_and_unlock(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let access = AccessMask::GENERIC_READ | AccessMask::GENERIC_WRITE;
        let request = create(SHARED, access, CreateDisposition::OPEN, CreateOptions::empty());
        let file_id = open(&mut self.smb, &request)?;
        let offset = self.number as u64 * SMALL as u64;
        while Instant::now() < until {
            let exclusive = LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY;
            for flags in [exclusive, LockFlags::UNLOCK] {
                let locks = vec![LockElement { offset, length: SMALL as u64, flags }];
                let request = LockRequest { lock_sequence: 0, file_id, locks };
                self.smb.send(&RequestBody::Lock(request), &[])?;
                self.smb.receive()?.ok()?;
            }
            count.operations += 1;
        }
        Ok(count)
    }

    /// A connection that fails is none: it only takes its time. That none works is an error.
    fn connect_again(&self, options: &Options, until: Instant) -> io::Result<Count> {
        let (mut count, mut failed) = (Count::default(), None);
        let mut number = (self.number as u64) << 32;
        while Instant::now() < until {
            number += 1;
            match connect_within(options, number, PATIENCE) {
                Ok(_) => count.operations += 1,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if count.operations == 0 => Err(error),
            _ => Ok(count),
        }
    }
}
