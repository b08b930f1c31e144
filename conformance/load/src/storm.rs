//! Everything that waits, at random: clients open a few files with oplocks and leases, lock, watch,
//! rename, delete, cancel, hang up and come back to durable handles, each with several requests under way. Breaks are acknowledged, now
//! and then wrongly or by a CLOSE; some clients never answer one. Answers are not judged, but each has to
//! belong to a request, and be signed or encrypted as it must; what is left in the server counts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ksmbd_core::status::NtStatus;
use ksmbd_core::wire::create::OplockLevel;
use ksmbd_core::wire::create_context::name;
use ksmbd_core::wire::header::{Command, FileId};
use ksmbd_core::wire::message::RequestBody;
use ksmbd_core::wire::oplock_break::{OplockBreakRequest, OplockBreakResponse};

use crate::logon::{acknowledgment, close, connect, opened};
use crate::smb::{Protection, Reply, Said, Smb};
use crate::{Count, Options};

mod requests;

/// Requests of one connection under way, and opens.
const DEPTH: usize = 8;
const OPENS: usize = 12;

/// One client in so many never answers a break. It only opens the first files to cache them.
const DEAF: usize = 50;

/// How long an answer is waited for when nothing more can be sent, and after how many such times one
/// request is cancelled.
const SILENCE: Duration = Duration::from_millis(100);
const SILENCES: u32 = 5;

/// Makes the directories.
pub(crate) fn prepare(path: &Path) -> io::Result<()> {
    for directory in requests::DIRECTORIES {
        let place = path.join(directory);
        fs::create_dir_all(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777))?;
    }
    Ok(())
}

/// Connects again and again until the time is up; in the end nothing is connected.
pub(crate) fn run(
    smb: &mut Smb,
    options: &Options,
    number: usize,
    until: Instant,
) -> io::Result<Count> {
    let mut options = options.clone();
    let mut chance = Chance::new(number as u64);
    let mut count = Count::default();
    let mut kept = Vec::new();
    loop {
        let mut life = Life {
            smb,
            chance: &mut chance,
            deaf: number % DEAF == DEAF - 1,
            opens: Vec::new(),
            asked: BTreeMap::new(),
            durable: Vec::new(),
            answered: 0,
            silences: 0,
        };
        life.come_back(&kept)?;
        life.live(until)?;
        life.end()?;
        count.operations += life.answered;
        kept = life.durable;
        if Instant::now() >= until {
            smb.hang_up();
            return Ok(count);
        }
        let all = [Protection::Off, Protection::Sign, Protection::Encrypt];
        options.protection = all[chance.below(all.len())];
        // The same client: it has leases, and handles that wait for it.
        *smb = connect(&options, number as u64)?;
    }
}

/// Pseudo-random numbers: xorshift.
pub(crate) struct Chance(u64);

impl Chance {
    fn new(number: u64) -> Self {
        Self((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// One connection from its beginning to its end.
struct Life<'a> {
    smb: &'a mut Smb,
    chance: &'a mut Chance,
    deaf: bool,
    opens: Vec<FileId>,
    /// CREATEs under way.
    asked: BTreeMap<u64, RequestBody>,
    /// What was opened to be there after a lost connection.
    durable: Vec<(FileId, RequestBody)>,
    answered: u64,
    /// How often nothing has come, one after the other.
    silences: u32,
}

impl Life<'_> {
    /// Opens what the last connection had, if the server still has it.
    fn come_back(&mut self, kept: &[(FileId, RequestBody)]) -> io::Result<()> {
        for (file, request) in kept.iter().take(DEPTH) {
            self.smb.send(&requests::again(request, *file), &[])?;
        }
        Ok(())
    }

    fn live(&mut self, until: Instant) -> io::Result<()> {
        for _ in 0..self.chance.below(400) {
            if Instant::now() >= until {
                break;
            }
            if self.smb.pending() < DEPTH && self.smb.credits > 8 {
                self.act()?;
            }
            self.listen()?;
        }
        Ok(())
    }

    fn act(&mut self) -> io::Result<()> {
        let opens = self.opens.len();
        let kind = self.chance.below(100);
        if opens == 0 || (kind < 35 && opens < OPENS) {
            let request = requests::open(self.chance, self.deaf);
            let id = self.smb.send(&request, &[])?;
            self.asked.insert(id, request);
            return Ok(());
        }
        let at = self.chance.below(opens);
        if kind < 55 {
            let file = self.opens.swap_remove(at);
            return self.smb.send(&close(file), &[]).map(drop);
        }
        if kind < 60 && self.smb.pending() > 0 {
            let which = self.chance.below(self.smb.pending());
            let id = self.smb.pending_ids().nth(which).unwrap_or(0);
            return self.smb.cancel(id);
        }
        let (request, data) = requests::on(self.chance, self.opens[at]);
        self.smb.send(&request, &data).map(drop)
    }

    /// Takes what has come. It waits when nothing more can be sent, and mostly does not otherwise.
    fn listen(&mut self) -> io::Result<()> {
        let full = self.smb.pending() >= DEPTH || self.smb.credits <= 8;
        if !full && self.chance.once_in(3) {
            return Ok(());
        }
        self.smb.set_patience(if full { SILENCE } else { Duration::from_millis(2) })?;
        match self.smb.hear() {
            Ok(said) => {
                self.silences = 0;
                self.heard(said)
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.silences += u32::from(full);
                if self.silences < SILENCES {
                    return Ok(());
                }
                self.silences = 0;
                let first = self.smb.pending_ids().next();
                first.map_or(Ok(()), |id| self.smb.cancel(id))
            }
            Err(e) => Err(e),
        }
    }

    fn heard(&mut self, said: Said) -> io::Result<()> {
        match said {
            Said::Answer(reply) => self.answered(&reply),
            Said::Break(told) => self.give_up(&told),
        }
    }

    fn answered(&mut self, reply: &Reply) -> io::Result<()> {
        self.answered += 1;
        let asked = self.asked.remove(&reply.header.message_id);
        if reply.header.command == Command::CREATE && reply.status() == NtStatus::SUCCESS {
            let create = opened(self.smb, reply)?;
            self.opens.push(create.file_id);
            if let Some(request) = asked
                && create.contexts.iter().any(|context| context.name == name::DH2Q)
            {
                self.durable.push((create.file_id, request));
            }
        }
        Ok(())
    }

    fn give_up(&mut self, told: &OplockBreakResponse) -> io::Result<()> {
        if self.deaf {
            return Ok(());
        }
        let Some(mut request) = acknowledgment(told) else {
            return Ok(());
        };
        if self.chance.once_in(8)
            && let Some(file) = self.opens.pop()
        {
            self.smb.send(&close(file), &[])?;
        }
        if self.chance.once_in(8)
            && let RequestBody::OplockBreak(answer) = &mut request
        {
            match answer {
                OplockBreakRequest::Oplock(oplock) => oplock.oplock_level = OplockLevel::NONE,
                OplockBreakRequest::Lease(lease) => {
                    lease.lease_state = self.chance.pick(&[0, 1, 7]);
                }
            }
        }
        self.smb.send(&request, &[]).map(drop)
    }

    /// Says goodbye, or not.
    fn end(&mut self) -> io::Result<()> {
        match self.chance.below(4) {
            0 => {
                self.smb.send(&RequestBody::TreeDisconnect, &[])?;
            }
            1 => {
                self.smb.send(&RequestBody::Logoff, &[])?;
            }
            // The beginning of a frame.
            2 => self.smb.send_raw(&[0, 0, 1, 0, 0xfe])?,
            _ => {}
        }
        Ok(())
    }
}
