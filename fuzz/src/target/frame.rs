//! Any bytes into a connection: nobody has to log on for that.

use crate::world::World;

/// The first byte says whether a dialect was negotiated before, whether each frame gets the prefix that
/// it needs, and how large the pieces are.
pub(super) fn run(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let world = World::new();
    let mut client = world.connect();
    if first & 1 == 1 {
        client.negotiate().ok();
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let framed = first & 2 == 2;
        let piece;
        if framed {
            // Two bytes of length, then the frame.
            let (length, behind) = rest.split_at(rest.len().min(2));
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (piece, rest) = behind.split_at(behind.len().min(length));
            client.raw_frame(piece);
        } else {
            let length = usize::from(first >> 2).max(1) * 8;
            (piece, rest) = rest.split_at(rest.len().min(length));
            client.raw_bytes(piece);
        }
        while client.raw_answer().is_some() {}
    }
    client.forget();
    client.hang_up();
    world.finish();
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_core::rng::Rng;

    /// Frames that begin as they should.
    #[test]
    fn likely_frames() {
        let mut rng = Rng::new([2; 32]);
        for start in [&b"\xfeSMB\x40\0\0\0"[..], b"\xfdSMB", b"\xffSMB\x72", b"\xfcSMB"] {
            for length in [0, 4, 40, 100, 200] {
                let mut body = vec![0; length];
                rng.fill(&mut body);
                let message = [start, &body].concat();
                let prefix = (message.len() as u32).to_be_bytes();
                for first in [0, 1, 2, 3, 254, 255] {
                    run(&[&[first][..], &prefix, &message].concat());
                }
            }
        }
    }
}
