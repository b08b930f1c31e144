//! Clients that log on and then do what the bytes say: requests right and wrong, chains, cancels,
//! calls that take their time, hang-ups.

use crate::swarm::{Bytes, Swarm};

/// Actions of one run; more bytes mean nothing.
const STEPS: usize = 200;

/// A run of the swarm whose choices are the bytes.
pub(super) fn run(data: &[u8]) {
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
