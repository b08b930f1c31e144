//! Bytes to values and back, one file a message; no state, no policy.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::arithmetic_side_effects
    )
)]

pub mod codec;
pub mod create;
pub mod create_context;
pub mod fscc;
pub mod header;
pub mod negotiate;
pub mod security;
pub mod session_setup;
pub mod smb1;
pub mod transform;
pub mod transport;
pub mod tree_connect;
pub mod utf16;

mod body;
mod negotiate_context;
#[cfg(test)]
mod testing;
