//! Bytes to values and back, one file a message; no state, no policy.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)
)]

pub mod change_notify;
pub mod close;
pub mod codec;
pub mod create;
pub mod create_context;
pub mod error_response;
pub mod flush;
pub mod fscc;
pub mod fsctl;
pub mod header;
pub mod ioctl;
pub mod lock;
pub mod message;
pub mod negotiate;
pub mod network_interface;
pub mod oplock_break;
pub mod output;
pub mod query_directory;
pub mod query_info;
pub mod read;
pub mod security;
pub mod session_setup;
pub mod set_info;
pub mod smb1;
pub mod transform;
pub mod transport;
pub mod tree_connect;
pub mod utf16;
pub mod write;

mod body;
mod negotiate_context;
#[cfg(test)]
mod testing;

pub use message::{RequestBody, ResponseBody};
