//! The threads over loopback: a server with a daemon of a few lines, raw bytes and real clients.
#![allow(clippy::unwrap_used)]

mod clients;
mod gauntlet;
mod pipes;
mod raw;
mod recorded;
mod rig;
mod smb;
