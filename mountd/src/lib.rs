//! The daemon beside the server, ksmbd.mountd in user space: configuration, accounts and the
//! DCE/RPC services that clients reach through `IPC$`.

pub mod account;
pub mod admit;
pub mod check;
pub mod config;
pub mod control;
pub mod daemon;
pub mod detach;
pub mod ending;
pub mod lock_file;
pub mod logger;
pub mod options;
pub mod persistent;
pub mod pipes;
pub mod random;
pub mod reload;
pub mod rpc;
pub mod serve;
pub mod server;
pub mod state;
pub mod subauth;
pub mod try_out;
