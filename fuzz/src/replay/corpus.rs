//! A recording as seeds for the fuzz targets. `frame` gets what each client said, without encryption;
//! `recording` the events themselves, with everything that deep state needs: sessions that are proven,
//! files that were opened. `session` draws decisions from its bytes, into which no recording can be
//! turned.

use super::Watch;
use ksmbd_core::{id::ConnId, time::Now, vfs::Peer};
use ksmbd_record::{Event, Fault, Reader, codec::Value};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

/// Bytes of a seed. A mutation of a longer one hits what does not matter.
const SEED: usize = 256 << 10;

/// For [`frame`](crate::target::frame): nothing was negotiated, and each frame has its length.
const FRAMES: u8 = 2;

/// Collects what each client says.
#[derive(Debug, Default)]
pub struct Frames(BTreeMap<ConnId, Vec<u8>>);

impl Watch for Frames {
    fn accepted(&mut self, conn: ConnId, _: &Peer, _: Now) {
        self.0.insert(conn, vec![FRAMES]);
    }
    fn request(&mut self, conn: ConnId, message: &[u8], _: Now) {
        if let (Some(seed), Ok(length)) = (self.0.get_mut(&conn), u16::try_from(message.len()))
            && seed.len() + message.len() < SEED
        {
            seed.extend_from_slice(&length.to_be_bytes());
            seed.extend_from_slice(message);
        }
    }
}

impl Frames {
    /// Writes a seed for each client; how many.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> io::Result<usize> {
        let folder = folder.join("frame");
        fs::create_dir_all(&folder)?;
        for (conn, seed) in &self.0 {
            fs::write(folder.join(format!("{name}-{}", conn.0)), seed)?;
        }
        Ok(self.0.len())
    }
}

/// The first events of a recording, as the target [`recording`](crate::target::recording) takes them.
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
