//! The gauntlet: what has broken other SMB servers, played against this one. One file a class, and
//! `GAUNTLET.md` says which test plays which CVE (MS-SMB2 3.3.5; each test names its section).
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

mod a_pdu_bounds;
mod b_reply_room;
mod c_descriptors;
mod common;
mod d_contexts;
mod e_breaks;
mod e_lifetime;
mod g_locks_cancel;
mod h_authentication;
mod i_authorisation;
mod j_paths;
mod k_exhaustion;
mod l_endless;
mod m_disclosure;
mod s_order;
mod table;
