//! Drives the SMB engine of `ksmbd-core`: a forker thread that accepts, one blocking thread a client,
//! a worker, and the Linux file system.
#![forbid(unsafe_code)]

pub mod vfs;
