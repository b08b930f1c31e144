//! The SMB2/3 engine of ksmbd in user space: a pure, I/O-free state machine.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod auth;
pub mod crypto;
pub mod rng;
pub mod status;
pub mod time;
pub mod wire;
