//! The simulator: several clients, the server, a memory file system and a clock in one process, with
//! nothing random but a seed. Scenario tests, the fuzz targets and `sim` are all written over it.
//!
//! * [`world::World`] drives a [`Server`](ksmbd_core::server::Server) and its connections: it delivers
//!   bytes, carries out calls (at once, or held back until a test completes them), moves the clock,
//!   and asserts what must hold whatever happens.
//! * [`client::Client`] speaks real bytes: it signs, encrypts, counts credits, and checks every answer.
//! * [`memvfs`] and [`daemon`] do what the core asks of the file system and of the daemon.
//! * [`replay`] has recorded runs of real servers again.
//! * [`swarm`] draws random behaviour, for `sim` and for the fuzz targets in `target`.

pub mod client;
pub mod daemon;
pub mod memvfs;
pub mod model;
pub mod replay;
pub mod swarm;
#[cfg(feature = "targets")]
pub mod target;
pub mod world;

pub use client::{Client, Offer};
pub use world::World;

/// What scenario tests name.
pub mod prelude {
    pub use crate::client::caching::{granted, granted_state};
    pub use crate::client::{Client, Message, Offer, Response, Sent, Waiting};
    pub use crate::daemon::{Rules, password};
    pub use crate::memvfs::Content;
    pub use crate::world::World;
    pub use core::time::Duration;
    pub use ksmbd_core::{
        config::{Config, Encryption, Share},
        crypto::{Cipher, SigningAlgorithm},
        error::ConnectionError,
        status::NtStatus,
        vfs::VfsError,
        wire::{
            change_notify::CompletionFilter,
            create::{
                CreateAction, CreateDisposition, CreateOptions, CreateRequest, OplockLevel,
                ShareAccess,
            },
            fscc::{AccessMask, FileAttributes, FileInfoClass, FsInfoClass, notify::FileAction},
            header::{Command, FileId, Header, HeaderFlags},
            lock::LockFlags,
            message::{RequestBody, ResponseBody},
            negotiate::{Capabilities, Dialect, NegotiateContext, SecurityMode},
        },
    };
}
