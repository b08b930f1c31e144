//! What one client has to wait for because of another: breaks, and the news of changes. Both are played
//! by one thread, one connection each, so that nothing else counts than the server's time and the way.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::change_notify::{ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter};
use ksmbd_core::wire::create::{CreateDisposition, CreateOptions, OplockLevel};
use ksmbd_core::wire::fscc::AccessMask;
use ksmbd_core::wire::header::FileId;
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::utf16::Utf16;

use crate::Count;
use crate::logon::{Cache, acknowledgment, cached, close, create, lease, open, opened, rename};
use crate::smb::{Reply, Said, Smb, broken};

/// How long a watch may take to work.
const SETTLING: Duration = Duration::from_millis(300);

const BOTH: AccessMask = AccessMask::GENERIC_READ.union(AccessMask::GENERIC_WRITE);

/// Opens what all others open too, to cache all of it, and closes it; gives up at once what others want.
pub(crate) fn contend(
    smb: &mut Smb,
    number: usize,
    name: &str,
    until: Instant,
) -> io::Result<Count> {
    let mut count = Count::default();
    let request = create(name, BOTH, CreateDisposition::OPEN, CreateOptions::empty());
    let request = cached(request, &Cache::Lease(lease(number as u64)));
    while Instant::now() < until {
        let asked = smb.send(&request, &[])?;
        let reply = answer(smb, asked)?.ok()?;
        let file_id = opened(smb, &reply)?.file_id;
        let asked = smb.send(&close(file_id), &[])?;
        answer(smb, asked)?.ok()?;
        count.operations += 1;
    }
    // Nobody may wait for this client any more: all acknowledgments are answered.
    while smb.pending() > 0 {
        smb.receive()?;
    }
    Ok(count)
}

/// The answer to one request; meanwhile breaks are acknowledged. What the server says to an
/// acknowledgment does not matter: the file may have been closed in between.
fn answer(smb: &mut Smb, asked: u64) -> io::Result<Reply> {
    loop {
        match smb.hear()? {
            Said::Answer(reply) if reply.header.message_id == asked => return Ok(reply),
            Said::Answer(_) => {}
            Said::Break(told) => {
                if let Some(request) = acknowledgment(&told) {
                    smb.send(&request, &[])?;
                }
            }
        }
    }
}

/// Two clients.
pub(crate) struct Pair<'a> {
    /// Has what the other one wants.
    pub(crate) here: &'a mut Smb,
    /// Waits, or makes the change.
    pub(crate) there: &'a mut Smb,
    pub(crate) number: usize,
}

impl Pair<'_> {
    /// One caches a file and may write it, the other one opens it: how long that takes when the first
    /// one acknowledges at once.
    pub(crate) fn breaks(&mut self, by_lease: bool, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let name = format!("load{}\\cached", self.number);
        let plain = create(&name, BOTH, CreateDisposition::OPEN_IF, CreateOptions::empty());
        let (cache, granted) = if by_lease {
            (Cache::Lease(lease(self.number as u64)), OplockLevel::LEASE)
        } else {
            (Cache::Oplock(OplockLevel::BATCH), OplockLevel::BATCH)
        };
        let first = cached(plain.clone(), &cache);
        while Instant::now() < until {
            self.here.send(&first, &[])?;
            let reply = self.here.receive()?.ok()?;
            let holder = opened(self.here, &reply)?;
            if holder.oplock_level != granted {
                return Err(broken(format!("granted {:?}", holder.oplock_level)));
            }
            let begun = Instant::now();
            self.there.send(&plain, &[])?;
            let told = self.here.receive_break()?;
            let Some(request) = acknowledgment(&told) else {
                return Err(broken("a break that wants no answer"));
            };
            self.here.send(&request, &[])?;
            let reply = self.there.receive()?.ok()?;
            count.waited += begun.elapsed();
            let other = opened(self.there, &reply)?.file_id;
            self.here.receive()?.ok()?;
            done(self.there, &close(other))?;
            done(self.here, &close(holder.file_id))?;
            count.operations += 1;
        }
        Ok(count)
    }

    /// One watches a directory, the other one gives a file there another name: how long until the first one
    /// knows. Nothing is created, for that takes longer than the news of it, and on ext4 more so the more
    /// has just been deleted.
    pub(crate) fn notify(&mut self, until: Instant) -> io::Result<Count> {
        let mut count = Count::default();
        let place = format!("load{}", self.number);
        let options = CreateOptions::DIRECTORY_FILE;
        let access = AccessMask::FILE_READ_DATA;
        let directory = open(self.here, &create(&place, access, CreateDisposition::OPEN, options))?;
        let (path, made) = (format!("{place}\\first"), CreateDisposition::OPEN_IF);
        let access = AccessMask::DELETE;
        let file = open(self.there, &create(&path, access, made, CreateOptions::empty()))?;
        self.watch(directory)?;
        // smbd waits before its notifyd watches: what happens until then is never told.
        thread::sleep(SETTLING.min(until.saturating_duration_since(Instant::now()) / 2));
        while Instant::now() < until {
            let name = format!("new {}", count.operations);
            let request = rename(file, &format!("{place}\\{name}"), false);
            let begun = Instant::now();
            self.there.send(&request, &[])?;
            while !self.told(&name)? {
                self.ask(directory)?;
            }
            count.waited += begun.elapsed();
            self.there.receive()?.ok()?;
            self.watch(directory)?;
            count.operations += 1;
        }
        Ok(count)
    }

    /// Asks for changes; when this returns, the server waits for one, and all earlier ones are told.
    fn watch(&mut self, directory: FileId) -> io::Result<()> {
        loop {
            self.ask(directory)?;
            let echo = self.here.send(&RequestBody::Echo, &[])?;
            if self.here.receive()?.header.message_id == echo {
                return Ok(());
            }
            self.here.receive()?.ok()?;
        }
    }

    fn ask(&mut self, file_id: FileId) -> io::Result<u64> {
        let request = ChangeNotifyRequest {
            flags: ChangeNotifyFlags::empty(),
            output_buffer_length: 4096,
            file_id,
            completion_filter: CompletionFilter::FILE_NAME,
        };
        self.here.send(&RequestBody::ChangeNotify(request), &[])
    }

    /// The next changes: is it this name's?
    fn told(&mut self, name: &str) -> io::Result<bool> {
        let reply = self.here.receive()?;
        if reply.status() == NtStatus::NOTIFY_ENUM_DIR {
            return Err(broken("changes were lost"));
        }
        let wanted = Utf16::from(name).to_bytes();
        let reply = reply.ok()?;
        Ok(self.here.bytes[reply.element].windows(wanted.len()).any(|found| found == wanted))
    }
}

fn done(smb: &mut Smb, request: &RequestBody) -> io::Result<()> {
    smb.send(request, &[])?;
    smb.receive()?.ok().map(drop)
}
