//! The Linux file system behind the core's calls, on a directory of its own.
#![allow(clippy::unwrap_used)]

mod acl;
mod caseless;
mod data;
mod descriptors;
mod escape;
mod faults;
mod identity;
mod links;
mod listing;
mod names;
mod opening;
mod outside;
mod races;
mod rig;
mod settings;
mod streams;
mod times;
mod workload;
