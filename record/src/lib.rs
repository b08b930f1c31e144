//! Recordings: everything that the core was told in a run, in one order, so that the run can be had
//! again. The core itself knows nothing of this: what it takes are values, and here is how they are
//! written down ([`codec`], [`values`]), what happens in a run ([`event`]) and how that is a file
//! ([`file`]). The format is described in `record/README.md`. By the same means is written what outlives
//! the server ([`journal`]).
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

pub mod codec;
mod done;
pub mod event;
pub mod file;
pub mod journal;
mod values;

pub use done::Handle;
pub use event::{Came, Ended, Event, Sent, Start};
pub use file::{Fault, Reader, Writer};
