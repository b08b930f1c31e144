//! The shape of a run: what the server is, and how much of anything it has.

use super::Choices;
use crate::world::World;
use core::time::Duration;
use ksmbd_core::config::{Config, Encryption};

/// A server of some shape.
pub(super) fn world(choices: &mut dyn Choices, persistent: bool) -> World {
    World::with(|config| {
        config.max_read = 256 << 10;
        config.max_write = 256 << 10;
        config.max_trans = 64 << 10;
        config.require_signing = choices.chance(4);
        config.multi_channel = choices.chance(2);
        config.leases = !choices.chance(6);
        config.durable_handles = !choices.chance(6);
        config.persistent_handles = persistent;
        let encryption = [Encryption::Auto, Encryption::Disabled, Encryption::Mandatory];
        config.encryption = encryption[choices.below(6) % 4 % 3];
        config.limits.break_time = Duration::from_secs([35, 3][choices.below(2)]);
        if choices.chance(3) {
            tight(config, choices);
        }
    })
}

/// Some of its limits are such that they are met.
fn tight(config: &mut Config, choices: &mut dyn Choices) {
    let limits = &mut config.limits;
    let mut limit = |limit: &mut usize, least: usize, more: usize| {
        let at = least + choices.below(more);
        if choices.chance(2) {
            *limit = at;
        }
    };
    limit(&mut limits.connections, 2, 3);
    limit(&mut limits.connections_per_address, 1, 3);
    limit(&mut limits.sessions, 1, 4);
    limit(&mut limits.opens, 1, 6);
    limit(&mut limits.durable_opens, 0, 3);
    limit(&mut limits.durable_opens_per_client, 0, 3);
    limit(&mut limits.parked_per_connection, 1, 3);
    limit(&mut limits.sessions_per_connection, 1, 3);
    limit(&mut limits.channels_per_session, 1, 3);
    limit(&mut limits.trees_per_session, 1, 3);
    limit(&mut limits.locks_per_open, 1, 4);
    limit(&mut limits.watches, 1, 4);
    limit(&mut limits.watches_per_session, 1, 3);
    limit(&mut limits.watch_bytes, 0, 120);
    limit(&mut limits.outside_watches, 0, 3);
    limits.credits = 64;
}
