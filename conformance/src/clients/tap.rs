//! A proxy on loopback that looks at SMB2 headers as they pass: proof from the wire of what a client
//! and the server agreed on, and of what they then did.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Checked;
use crate::process::lock;

/// What has passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The client began with an SMB1 NEGOTIATE.
    pub(crate) smb1: bool,
    /// Dialects in the server's answers to NEGOTIATE, in order.
    pub(crate) dialects: Vec<u16>,
    /// Of the answer's contexts (3.1.1).
    pub(crate) cipher: Option<u16>,
    pub(crate) signing: Option<u16>,
    /// Messages after the session's setup, by direction: to the server, to the client.
    pub(crate) encrypted: [u64; 2],
    pub(crate) signed: [u64; 2],
    pub(crate) plain: [u64; 2],
    /// Commands that passed unsigned and unencrypted.
    pub(crate) plain_commands: BTreeSet<u16>,
}

const HEAD: usize = 2048;
const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const ASYNC: u32 = 2;
const SIGNED: u32 = 8;
const STATUS_PENDING: u32 = 0x103;
const ENCRYPTION_CAPABILITIES: u16 = 2;
const SIGNING_CAPABILITIES: u16 = 8;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl Seen {
    /// Looks at a message's beginning. Direction 0 is to the server, 1 to the client.
    fn message(&mut self, direction: usize, head: &[u8]) {
        if head.starts_with(b"\xffSMB") {
            self.smb1 = true;
        } else if head.starts_with(b"\xfdSMB") {
            self.encrypted[direction] += 1;
        } else if head.starts_with(b"\xfeSMB") {
            let _ = self.header(direction, head);
        }
    }

    fn header(&mut self, direction: usize, head: &[u8]) -> Option<()> {
        let (command, flags) = (u16_at(head, 12)?, u32_at(head, 16)?);
        if command == NEGOTIATE && direction == 1 {
            return self.negotiated(head);
        }
        if command == NEGOTIATE || command == SESSION_SETUP {
            return Some(());
        }
        if flags & ASYNC != 0 && u32_at(head, 8)? == STATUS_PENDING {
            // An interim response is never signed (MS-SMB2 3.3.4.1.1).
            return Some(());
        }
        if flags & SIGNED != 0 {
            self.signed[direction] += 1;
        } else {
            self.plain[direction] += 1;
            self.plain_commands.insert(command);
        }
        Some(())
    }

    fn negotiated(&mut self, head: &[u8]) -> Option<()> {
        let dialect = u16_at(head, 64 + 4)?;
        self.dialects.push(dialect);
        if dialect != 0x0311 {
            return Some(());
        }
        let mut at = u32_at(head, 64 + 60)? as usize;
        for _ in 0..u16_at(head, 64 + 6)? {
            let (kind, length) = (u16_at(head, at)?, usize::from(u16_at(head, at + 2)?));
            let first = u16_at(head, at + 8 + 2);
            match kind {
                ENCRYPTION_CAPABILITIES => self.cipher = first,
                SIGNING_CAPABILITIES => self.signing = first,
                _ => {}
            }
            at = (at + 8 + length).next_multiple_of(8);
        }
        Some(())
    }
}

/// Cuts a stream into its messages and shows the beginning of each.
#[derive(Default)]
struct Cutter {
    head: Vec<u8>,
    /// Bytes of the current message that are still to come, its length field included.
    left: usize,
    length: Vec<u8>,
}

impl Cutter {
    fn feed(&mut self, mut bytes: &[u8], mut show: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let wanted = (4 - self.length.len()).min(bytes.len());
                self.length.extend_from_slice(&bytes[..wanted]);
                bytes = &bytes[wanted..];
                if self.length.len() == 4 {
                    let length = [0, self.length[1], self.length[2], self.length[3]];
                    self.left = u32::from_be_bytes(length) as usize;
                    self.length.clear();
                    self.head.clear();
                }
                continue;
            }
            let now = self.left.min(bytes.len());
            let room = (HEAD - self.head.len()).min(now);
            self.head.extend_from_slice(&bytes[..room]);
            bytes = &bytes[now..];
            self.left -= now;
            if self.left == 0 {
                show(&self.head);
            }
        }
    }
}

/// The proxy; it ends when it is dropped.
pub(crate) struct Tap {
    pub(crate) port: u16,
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    closed: Arc<AtomicBool>,
}

impl Tap {
    pub(crate) fn open(server: u16) -> Checked<Self> {
        Self::open_at(("127.0.0.1", 0), server)
    }

    /// At an address of loopback.
    pub(crate) fn open_at(at: (&str, u16), server: u16) -> Checked<Self> {
        let listener = TcpListener::bind(at)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let closed = Arc::new(AtomicBool::new(false));
        let (shared, end) = (Arc::clone(&seen), Arc::clone(&closed));
        thread::spawn(move || {
            for client in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                if let (Ok(client), Ok(server)) =
                    (client, TcpStream::connect(("127.0.0.1", server)))
                {
                    pass(client, server, &shared);
                }
            }
        });
        Ok(Self { port: address.port(), address, seen, closed })
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(client: TcpStream, server: TcpStream, seen: &Arc<Mutex<Seen>>) {
    let (Ok(client2), Ok(server2)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    for (direction, from, to) in [(0, client, server2), (1, server, client2)] {
        let seen = Arc::clone(seen);
        thread::spawn(move || pump(direction, from, to, &seen));
    }
}

fn pump(direction: usize, mut from: TcpStream, mut to: TcpStream, seen: &Mutex<Seen>) {
    let mut cutter = Cutter::default();
    let mut buffer = vec![0; 1 << 18];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        // Noted before it is passed on: what the client has seen is known here.
        cutter.feed(&buffer[..n], |head| lock(seen).message(direction, head));
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u16, flags: u32) -> Vec<u8> {
        let mut head = vec![0; 64 + 64];
        head[..4].copy_from_slice(b"\xfeSMB");
        head[12..14].copy_from_slice(&command.to_le_bytes());
        head[16..20].copy_from_slice(&flags.to_le_bytes());
        head
    }

    #[test]
    fn messages_are_found_in_any_pieces() {
        let mut stream = Vec::new();
        for length in [5_u32, 3000, 1] {
            stream.extend_from_slice(&length.to_be_bytes());
            stream.extend((0..length).map(|at| at as u8));
        }
        for piece in [1, 3, 7, 100, 4000] {
            let mut cutter = Cutter::default();
            let mut lengths = Vec::new();
            for bytes in stream.chunks(piece) {
                cutter.feed(bytes, |head| lengths.push(head.len()));
            }
            assert_eq!(lengths, [5, HEAD, 1], "{piece}");
        }
    }

    #[test]
    fn a_negotiate_answer_is_read() {
        let mut head = header(NEGOTIATE, 1);
        head[68..70].copy_from_slice(&0x0311_u16.to_le_bytes());
        head[70] = 2;
        head[124] = 128;
        for (kind, chosen) in [(ENCRYPTION_CAPABILITIES, 4_u8), (SIGNING_CAPABILITIES, 2)] {
            head.extend_from_slice(&kind.to_le_bytes());
            head.extend_from_slice(&[4, 0, 0, 0, 0, 0, 1, 0, chosen, 0, 0, 0, 0, 0]);
        }
        let mut seen = Seen::default();
        seen.message(1, &head);
        assert_eq!(seen.dialects, [0x0311]);
        assert_eq!((seen.cipher, seen.signing), (Some(4), Some(2)));
    }

    #[test]
    fn protection_is_counted() {
        let mut seen = Seen::default();
        seen.message(0, &header(SESSION_SETUP, 0));
        seen.message(0, &header(5, 8));
        seen.message(1, &header(5, 1));
        seen.message(1, b"\xfdSMB rest");
        let mut interim = header(9, 3);
        interim[8..12].copy_from_slice(&STATUS_PENDING.to_le_bytes());
        seen.message(1, &interim);
        assert_eq!((seen.signed, seen.plain, seen.encrypted), ([1, 0], [0, 1], [0, 1]));
        seen.message(0, b"\xfeSMB");
    }
}
