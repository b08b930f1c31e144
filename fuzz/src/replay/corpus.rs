//! A recording as seeds for the fuzz targets, without encryption. `frame` gets what each client said,
//! `recording` the events themselves, with everything that deep state needs: sessions that are proven,
//! files that were opened. The targets for parts of messages get those parts, each once. `session` and
//! `structured` draw decisions from their bytes, into which no recording can be turned.

use super::Watch;
use ksmbd_core::{
    auth::spnego::Token,
    id::ConnId,
    status::NtStatus,
    time::Now,
    vfs::Peer,
    wire::{
        codec::Writer,
        create::RawContext,
        create_context::name,
        header::{FileId, Header},
        message::{RequestBody, ResponseBody},
        query_info::InfoType,
    },
};
use ksmbd_record::{Event, Fault, Reader, codec::Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::Path,
};

/// Bytes of a seed. A mutation of a longer one hits what does not matter.
const SEED: usize = 256 << 10;

/// The same of a part of a message.
const PART: usize = 4096;

/// For the target `frame`: nothing was negotiated, and each frame has its length.
const FRAMES: u8 = 2;

/// Collects what is said.
#[derive(Debug, Default)]
pub struct Seeds {
    frames: BTreeMap<ConnId, Vec<u8>>,
    parts: BTreeMap<&'static str, BTreeSet<Vec<u8>>>,
    pipes: BTreeMap<(ConnId, FileId), Vec<u8>>,
}

impl Watch for Seeds {
    fn accepted(&mut self, conn: ConnId, _: &Peer, _: Now) {
        self.frames.insert(conn, vec![FRAMES]);
    }

    fn request(&mut self, conn: ConnId, message: &[u8], _: Now) {
        if let (Some(seed), Ok(length)) = (self.frames.get_mut(&conn), u16::try_from(message.len()))
            && seed.len() + message.len() < SEED
        {
            seed.extend_from_slice(&length.to_be_bytes());
            seed.extend_from_slice(message);
        }
        for (header, element) in elements(message) {
            self.part("wire", &[&[0, header.command.0 as u8], &element[64..]]);
            if let Ok(body) = RequestBody::parse(header.command, element) {
                self.body(conn, &body, element);
            }
        }
    }

    fn reply(&mut self, _: ConnId, message: &[u8], _: Now) {
        for (header, element) in elements(message) {
            let kind = match header.nt_status() {
                NtStatus::BUFFER_OVERFLOW => 2,
                NtStatus::MORE_PROCESSING_REQUIRED => 3,
                _ => 1,
            };
            self.part("wire", &[&[kind, header.command.0 as u8], &element[64..]]);
            let body = ResponseBody::parse(header.command, header.nt_status(), element);
            if let Ok(ResponseBody::SessionSetup(setup)) = body {
                self.token(&setup.security_buffer);
            }
        }
    }
}

/// The elements of a message's chain.
fn elements(message: &[u8]) -> Vec<(Header, &[u8])> {
    let (mut found, mut rest) = (Vec::new(), message);
    while let Ok(header) = Header::parse(rest)
        && let Ok((element, behind)) = header.split(rest)
    {
        found.push((header, element));
        rest = behind;
    }
    found
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes()
}

impl Seeds {
    fn part(&mut self, target: &'static str, parts: &[&[u8]]) {
        let seed = parts.concat();
        if seed.len() <= PART {
            self.parts.entry(target).or_default().insert(seed);
        }
    }

    fn body(&mut self, conn: ConnId, body: &RequestBody, element: &[u8]) {
        match body {
            RequestBody::SessionSetup(setup) => self.token(&setup.security_buffer),
            RequestBody::Create(create) => {
                self.part("name", &[&[2], &create.name.to_bytes()]);
                let mut list = Vec::new();
                RawContext::encode_list(&create.contexts, &mut Writer::new(&mut list));
                self.part("create_context", &[&list]);
                for context in create.contexts.iter().filter(|c| c.name == name::SEC_D) {
                    self.descriptor(&context.data);
                }
            }
            RequestBody::SetInfo(set) if set.info_type == InfoType::SECURITY => {
                self.descriptor(&set.buffer);
            }
            RequestBody::SetInfo(set) => self.part("wire", &[&[7, set.info_class], &set.buffer]),
            RequestBody::QueryDirectory(query) => {
                let pattern = query.file_name.to_bytes();
                self.part("pattern", &[&pattern, b"\0\0f\0i\0l\0e\0.\0t\0x\0t\0"]);
            }
            RequestBody::Write(write) => {
                self.pipe((conn, write.file_id), element.get(write.data.clone()));
            }
            RequestBody::Ioctl(ioctl) => self.pipe((conn, ioctl.file_id), Some(&ioctl.input)),
            _ => {}
        }
    }

    fn descriptor(&mut self, bytes: &[u8]) {
        self.part("security", &[&[4], &length(bytes), bytes]);
    }

    fn token(&mut self, blob: &[u8]) {
        self.part("der", &[&length(blob), blob]);
        let message = match Token::parse(blob) {
            Ok(Token::Init(init)) => init.token,
            Ok(Token::Response(response)) => response.token,
            Ok(Token::Ntlm(message)) => Some(message),
            Err(_) => None,
        };
        if let Some(message) = message {
            self.part("ntlm", &[&[0], message]);
        }
    }

    /// What looks like a PDU of DCE/RPC, behind those before it on the same pipe.
    fn pipe(&mut self, of: (ConnId, FileId), data: Option<&[u8]>) {
        let Some(pdu) = data.filter(|data| data.starts_with(&[5, 0]) && data.len() >= 24) else {
            return;
        };
        // Services are told apart by what they are bound with; their pipes by these numbers.
        let offers = |uuid: &[u8]| pdu.windows(uuid.len()).any(|part| part == uuid);
        let pipe = match () {
            () if offers(b"\xc8\x4f\x32\x4b") => 0,
            () if offers(b"\x98\xd0\xff\x6b") => 1,
            () => 4,
        };
        let seed = self.pipes.entry(of).or_insert_with(|| vec![pipe]);
        for piece in pdu.chunks(255) {
            seed.push(piece.len() as u8);
            seed.extend_from_slice(piece);
        }
    }

    /// Writes the seeds, a folder a target; how many.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn save(mut self, folder: &Path, recording: &str) -> io::Result<usize> {
        for seed in std::mem::take(&mut self.pipes).into_values() {
            self.part("rpc", &[&seed]);
        }
        let mut count = 0;
        let mut write = |target: &str, name: String, seed: &[u8]| {
            let folder = folder.join(target);
            fs::create_dir_all(&folder)?;
            count += 1;
            fs::write(folder.join(name), seed)
        };
        for (conn, seed) in &self.frames {
            write("frame", format!("{recording}-{}", conn.0), seed)?;
        }
        for (target, seeds) in &self.parts {
            for seed in seeds {
                write(target, format!("{:016x}", digest(seed)), seed)?;
            }
        }
        Ok(count)
    }
}

/// FNV-1a: equal seeds of several recordings are one file.
fn digest(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// The first events of a recording, as the target `recording` takes them.
///
/// # Errors
///
/// The recording is damaged before they are enough.
pub fn events(recording: impl Read) -> Result<Vec<u8>, Fault> {
    let mut reader = Reader::new(recording)?;
    let mut seed = Vec::new();
    while let Some(event) = reader.next_event()? {
        let before = seed.len();
        Event::put(&event, &mut seed);
        if seed.len() > SEED {
            seed.truncate(before);
            break;
        }
    }
    Ok(seed)
}
