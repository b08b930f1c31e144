//! The SMB2/3 engine of ksmbd in user space: a pure, I/O-free state machine.
//!
//! Two kinds of object, and the border between them is where the runtime's lock is:
//!
//! * [`connection::Connection`], one a client, on that client's thread: framing, credits, keys,
//!   parsing and encoding. Everything that costs time per byte.
//! * [`server::Server`], one: sessions, trees, opens, share modes, locks, waiting requests. Plain data
//!   behind `&mut self`; no lock, no I/O, no clock and no randomness of its own.
//!
//! Requests go in as values ([`message::Request`]); answers and effects ([`vfs::Call`]) come out
//! through a [`sink::Sink`] while the state is borrowed, so there is nothing to drain. The same
//! inputs give the same outputs, byte for byte.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod acl;
pub mod auth;
pub mod buffer;
mod command;
pub mod config;
pub mod connection;
pub mod crypto;
pub mod ea;
pub mod error;
mod flow;
pub mod id;
pub mod message;
pub mod name;
pub mod rng;
pub mod server;
pub mod sink;
mod state;
pub mod status;
pub mod status_report;
pub mod stream;
pub mod time;
pub mod veto;
pub mod vfs;
pub mod wire;

pub use flow::timer::Timer;
