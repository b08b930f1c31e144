//! A queue of the kernel's inotify.

use super::handle::proc_path;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::{self, Errno},
};

/// What the kernel tells of a watched directory.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) watch: i32,
    pub(super) mask: ReadFlags,
    /// The same for both halves of a rename.
    pub(super) cookie: u32,
    /// Empty when it is about the directory itself.
    pub(super) name: Box<[u8]>,
}

/// Events were lost.
#[derive(Debug)]
pub(super) struct Lost;

/// One queue of the kernel.
pub(super) struct Queue {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// Before the name of an event: watch, mask, cookie, length.
const HEADER: usize = 16;

/// The longest event.
const LONGEST: usize = HEADER + 256;

impl Queue {
    pub(super) fn new() -> Result<Self, Errno> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { fd, buffer: vec![0; 16 * 1024] })
    }

    /// See [`add`].
    pub(super) fn add(&self, directory: BorrowedFd<'_>, what: WatchFlags) -> Result<i32, Errno> {
        add(self.fd.as_fd(), directory, what)
    }

    pub(super) fn remove(&self, watch: i32) {
        // A directory that is gone takes its watch with it.
        let _ = inotify::remove_watch(&self.fd, watch);
    }

    /// Everything that has happened until now. Never waits.
    pub(super) fn events(&mut self) -> Result<Vec<Event>, Lost> {
        let mut events = Vec::new();
        loop {
            let length = match io::read(&self.fd, &mut *self.buffer) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(events),
                Err(_) => return Err(Lost),
            };
            parse(self.buffer.get(..length).ok_or(Lost)?, &mut events)?;
            if length + LONGEST <= self.buffer.len() {
                // Another would have found room.
                return Ok(events);
            }
        }
    }
}

/// Watches a directory that the calling identity may read. As any use of a file system this may take
/// its time.
pub(super) fn add(
    queue: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    what: WatchFlags,
) -> Result<i32, Errno> {
    inotify::add_watch(queue, proc_path(directory), what | WatchFlags::ONLYDIR)
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn parse(mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), Lost> {
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let field = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_ne_bytes).ok_or(Lost)
        };
        let (watch, mask) = (field(0)?.cast_signed(), ReadFlags::from_bits_retain(field(4)?));
        let (name, rest) = rest.split_at_checked(field(12)? as usize).ok_or(Lost)?;
        bytes = rest;
        if mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Err(Lost);
        }
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default().into();
        events.push(Event { watch, mask, cookie: field(8)?, name });
    }
    Ok(())
}
