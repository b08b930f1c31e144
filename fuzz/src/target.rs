//! The bodies of the fuzz targets, here so that they break in every build when they rot.

use crate::{
    replay::Player,
    swarm::{Bytes, Swarm},
    world::World,
};
use ksmbd_core::{config::Limits, wire::codec::Reader};
use ksmbd_record::{Event, Start, codec::Value};
use std::sync::Arc;

/// Actions of one run; more bytes mean nothing.
const STEPS: usize = 200;

/// Any bytes into a connection. The first byte says whether a dialect was negotiated before, whether
/// each frame gets the prefix that it needs, and how large the pieces are.
pub fn frame(data: &[u8]) {
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

/// Clients that log on and then do what the bytes say: requests right and wrong, chains, cancels,
/// calls that take their time, hang-ups.
pub fn session(data: &[u8]) {
    let mut choices = Bytes::new(data);
    let mut swarm = Swarm::new(&mut choices);
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        swarm.step(&mut choices);
    }
    swarm.finish();
}

/// The events of a recording, one behind the other, right or wrong: what differs from the recorded run
/// is no finding, only what panics is. Limits are the default ones, so that tables stay small.
pub fn recording(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut player = Player::default();
    while let Ok(mut event) = Event::get(&mut reader) {
        if let Event::Start(Start { config, .. }) | Event::Reconfigure(config) = &mut event {
            Arc::make_mut(config).limits = Limits::default();
        }
        if player.play(event, &mut ()).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_core::rng::Rng;

    #[test]
    fn random_bytes() {
        let mut rng = Rng::new([1; 32]);
        for length in 0..200 {
            let mut data = vec![0; length * 3];
            rng.fill(&mut data);
            frame(&data);
            session(&data);
        }
    }

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
                    frame(&[&[first][..], &prefix, &message].concat());
                }
            }
        }
    }
}
