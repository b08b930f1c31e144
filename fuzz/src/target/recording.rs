//! The events of a recording, one behind the other, right or wrong.

use crate::replay::Player;
use ksmbd_core::{config::Limits, wire::codec::Reader};
use ksmbd_record::{Event, Start, codec::Value};
use std::sync::Arc;

/// What differs from the recorded run is no finding, only what panics is. Limits are the default ones,
/// so that tables stay small.
pub(super) fn run(data: &[u8]) {
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
