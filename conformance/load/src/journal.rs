//! A load that knows what it was promised: each client writes files block by block, and says in the end
//! how many blocks of each file a FLUSH or the CLOSE has acknowledged. Whoever disturbs the server
//! meanwhile then compares the disk with that.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use ksmbd_core::wire::create::{CreateDisposition, CreateOptions};
use ksmbd_core::wire::flush::FlushRequest;
use ksmbd_core::wire::fscc::AccessMask;
use ksmbd_core::wire::message::RequestBody;

use crate::logon::{close, create, open, write};
use crate::smb::{Smb, broken};

/// A block's length, blocks in a file, and how often a FLUSH follows.
const BLOCK: usize = 16 << 10;
const BLOCKS: usize = 64;
const FLUSH_EVERY: usize = 8;

/// What a block holds: no two are alike.
fn block(client: usize, file: usize, number: usize) -> Vec<u8> {
    let mut word = (client << 40 | file << 16 | number) as u64 | 1 << 60;
    let mut bytes = Vec::with_capacity(BLOCK);
    while bytes.len() < BLOCK {
        bytes.extend_from_slice(&word.to_le_bytes());
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    bytes
}

/// What one client has been promised of one file.
#[derive(Debug, Default)]
struct Promise {
    file: usize,
    blocks: usize,
}

/// Writes until the time is up or something fails; says `kept CLIENT FILE BLOCKS` for each file, then
/// `ended CLIENT WHY`.
pub(crate) fn run(smb: &mut Smb, client: usize, until: Instant) -> u64 {
    let (mut promises, mut written) = (Vec::new(), 0);
    let mut why = String::from("in time");
    while Instant::now() < until {
        promises.push(Promise { file: promises.len(), ..Promise::default() });
        let Some(promise) = promises.last_mut() else {
            break;
        };
        let result = one_file(smb, client, promise, until);
        written += promise.blocks as u64;
        if let Err(e) = result {
            why = e.to_string();
            break;
        }
    }
    let lines: String = promises
        .iter()
        .filter(|promise| promise.blocks > 0)
        .map(|promise| format!("kept {client} {} {}\n", promise.file, promise.blocks))
        .collect();
    println!("{lines}ended {client} {why}");
    written
}

fn one_file(smb: &mut Smb, client: usize, promise: &mut Promise, until: Instant) -> io::Result<()> {
    let name = format!("load{client}\\journal{}", promise.file);
    let disposition = CreateDisposition::OVERWRITE_IF;
    let request = create(&name, AccessMask::GENERIC_WRITE, disposition, CreateOptions::empty());
    let file_id = open(smb, &request)?;
    let mut written = 0;
    while written < BLOCKS && Instant::now() < until {
        let data = block(client, promise.file, written);
        let at = (written * BLOCK) as u64;
        smb.send(&write(file_id, at, BLOCK), &data)?;
        smb.receive()?.ok()?;
        written += 1;
        if written % FLUSH_EVERY == 0 {
            smb.send(&RequestBody::Flush(FlushRequest { file_id }), &[])?;
            smb.receive()?.ok()?;
            promise.blocks = written;
        }
    }
    smb.send(&close(file_id), &[])?;
    smb.receive()?.ok()?;
    promise.blocks = written;
    Ok(())
}

/// Compares the disk with `kept CLIENT FILE BLOCKS` lines.
pub(crate) fn compare(path: &Path, lines: impl Iterator<Item = String>) -> io::Result<u64> {
    let mut compared = 0;
    for line in lines {
        let Some(rest) = line.strip_prefix("kept ") else {
            continue;
        };
        let numbers: Vec<usize> = rest.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [client, file, blocks] = numbers[..] else {
            return Err(broken(format!("{line:?} is not understood")));
        };
        let name = path.join(format!("load{client}/journal{file}"));
        let content = fs::read(&name).map_err(|e| broken(format!("{}: {e}", name.display())))?;
        for number in 0..blocks {
            let found = content.get(number * BLOCK..(number + 1) * BLOCK);
            if found != Some(&block(client, file, number)[..]) {
                let (name, length) = (name.display(), content.len());
                return Err(broken(format!(
                    "{name}: block {number} of {blocks} acknowledged ones is lost; {length} bytes"
                )));
            }
            compared += 1;
        }
    }
    Ok(compared)
}
