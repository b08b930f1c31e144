//! The limit: the same transfers over loopback without any protocol. A thread for each client answers
//! requests of 16 bytes with `pread` and `write`, or `read` and `pwrite`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::load::FILE;
use crate::smb::broken;
use crate::{Count, Kind, Options};

/// The other end of every client.
pub(crate) fn serve(path: &Path) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let path = path.to_owned();
    thread::spawn(move || {
        for (client, stream) in listener.incoming().flatten().enumerate() {
            let file = path.join(format!("load{client}/data"));
            thread::spawn(move || {
                let file = OpenOptions::new().read(true).write(true).open(file)?;
                answer(stream, &file)
            });
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, file: &File) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let mut request = [0; 16];
        stream.read_exact(&mut request)?;
        let [a, b] = [0, 8].map(|at| {
            let mut word = [0; 8];
            word.copy_from_slice(&request[at..at + 8]);
            u64::from_le_bytes(word)
        });
        let (at, size) = (a, usize::try_from(b >> 1).unwrap_or(0));
        buffer.resize(size, 0);
        if b & 1 == 0 {
            file.read_exact_at(&mut buffer, at)?;
            stream.write_all(&buffer)?;
        } else {
            stream.read_exact(&mut buffer)?;
            file.write_all_at(&buffer, at)?;
            stream.write_all(&[0; 16])?;
        }
    }
}

/// One client, as [`crate::load::Client`] is one.
pub(crate) struct Client {
    stream: TcpStream,
    number: usize,
    data: Vec<u8>,
}

impl Client {
    pub(crate) fn new(options: &Options, number: usize) -> io::Result<Self> {
        let size = match options.kind {
            Kind::Read | Kind::Write => options.size,
            Kind::RandomRead | Kind::RandomWrite => 4096,
            _ => return Err(broken("there is no limit for this")),
        };
        let stream = TcpStream::connect(("127.0.0.1", options.port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, number, data: vec![0xa5; size] })
    }

    pub(crate) fn run(&mut self, options: &Options, until: Instant) -> io::Result<Count> {
        let size = self.data.len() as u64;
        let writes = matches!(options.kind, Kind::Write | Kind::RandomWrite);
        let random = matches!(options.kind, Kind::RandomRead | Kind::RandomWrite);
        let depth = if random { 1 } else { 4 };
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(self.number as u64 + 1);
        let (mut count, mut pending, mut block) = (Count::default(), 0, 0);
        let mut word = [0; 16];
        loop {
            if Instant::now() < until && pending < depth {
                if random {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    block = seed;
                }
                let at = block % (FILE / size) * size;
                block = block.wrapping_add(1);
                word[..8].copy_from_slice(&at.to_le_bytes());
                word[8..].copy_from_slice(&(size << 1 | u64::from(writes)).to_le_bytes());
                self.stream.write_all(&word)?;
                if writes {
                    self.stream.write_all(&self.data)?;
                }
                pending += 1;
                continue;
            }
            if pending == 0 {
                return Ok(count);
            }
            if writes {
                self.stream.read_exact(&mut word)?;
            } else {
                self.stream.read_exact(&mut self.data)?;
            }
            pending -= 1;
            count.operations += 1;
            count.bytes += size;
        }
    }
}
