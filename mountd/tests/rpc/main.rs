//! DCE/RPC as a client meets it: bytes written to a pipe, bytes read from it.
// Helpers are not #[test] functions, for which clippy.toml allows this.
#![allow(clippy::unwrap_used)]

mod accounts;
mod client;
mod exchange;
mod golden;
mod hostile;
