//! The files that an administrator writes, as a library: the account database `ksmbdpwd.db` and
//! the syntax of `ksmbd.conf` (or an `smb.conf` of Samba's with the same keys).
//!
//! `ksmbd-adduser` and `ksmbd-mountd` read the same two files, so there is one reader for each.
//! The library says what a file says and where it is wrong; what a key *means* is mountd's.

pub mod atomic_file;
pub mod conf_file;
pub mod daemon;
pub mod database;
pub mod keys;
pub mod names;
pub mod nt_hash;
pub mod options;
pub mod paths;
#[cfg(any(test, feature = "scratch"))]
pub mod scratch;
pub mod tool;

pub use conf_file::{ConfFile, ConfProblem, Entry, Member, Section, Severity};
pub use database::{Database, DatabaseError, DatabaseLock};
pub use nt_hash::NtHash;
