//! Several clients at once with every model beside them: what is wrong here is not only what panics, but
//! any answer, byte, lock or break that should have been another.

use crate::swarm::{Bytes, run_with_models};

/// A run of the swarm whose choices are the bytes.
pub(super) fn run(data: &[u8]) {
    run_with_models(&mut Bytes::new(data));
}
